//! Money under random scripts: three accounts, two markets, a crowd, every call and every ending.

use super::*;

const TICKERS: [&str; 2] = ["SIM-A", "SIM-B"];
const START: Money = Money::dollars(40);
const ACCOUNTS: u32 = 3;

/// What the script does next; numbers are reduced to what exists.
#[derive(Clone, Debug)]
struct Step {
    market: usize,
    account: u32,
    kind: u8,
    side: BookSide,
    e4: i64,
    e2: i64,
    flags: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let price = prop_oneof![(1i64..100).prop_map(|c| c * 100), 1i64..10_000];
    let step = (0usize..2, 0u32..ACCOUNTS, 0u8..24, any::<bool>(), price, 1i64..6_000, any::<u8>());
    let step = step.prop_map(|(market, account, kind, bid, e4, e2, flags)| Step {
        market,
        account,
        kind,
        side: if bid { BookSide::Bid } else { BookSide::Ask },
        e4,
        e2,
        flags,
    });
    prop::collection::vec(step, 1..160)
}

struct World {
    desk: Desk,
    exchanges: [Exchange; 2],
    facts: [Vec<Fact>; 2],
    fees: FeeSchedule,
    ticks: [TickRange; 1],
    now_ms: i64,
}

impl World {
    fn new(fees: FeeSchedule) -> World {
        let mut desk = Desk::new(1);
        for _ in 0..ACCOUNTS {
            desk.open_account(START);
        }
        let step = Price::new(1).expect("in range");
        let ticks = [TickRange { start: Price::ZERO, end: Price::ONE, step }];
        World {
            desk,
            exchanges: Default::default(),
            facts: Default::default(),
            fees,
            ticks,
            now_ms: 0,
        }
    }

    fn run(&mut self, step: &Step) {
        self.now_ms += 400;
        let account = AccountId(step.account);
        let price = Price::new(step.e4).expect("in range");
        let flag = |bit: u8| step.flags >> bit & 1 == 1;
        let mine: Vec<_> =
            self.desk.read(account).places().map(|p| (p.0.to_owned(), p.1.to_owned())).collect();
        let chosen = (!mine.is_empty()).then(|| mine[step.e2 as usize % mine.len()].clone());
        let at = match (&chosen, step.kind) {
            (Some((_, ticker)), 17..=21) => usize::from(ticker == TICKERS[1]),
            _ => step.market,
        };
        let order_id = chosen.map_or_else(String::new, |c| c.0);
        let mut market = MarketRef {
            ticker: TICKERS[at],
            event_ticker: "SIM",
            exchange: &mut self.exchanges[at],
            ticks: &self.ticks,
            fees: self.fees,
            state: Trading::Open,
            now_ms: self.now_ms,
        };
        let (desk, facts) = (&mut self.desk, &mut self.facts[at]);
        match step.kind {
            0..=5 => {
                let rest = if flag(0) { Rest::Keep } else { Rest::Drop };
                let mut new = Vec::new();
                let side = step.side.outcome();
                let bid = market.exchange.bid(side, price, Qty(step.e2), rest, &mut new);
                bid.expect("a valid bid");
                desk.on_facts(&mut market, &mut new);
                facts.extend(new);
            }
            6..=16 => {
                let (fok, ioc) = (step.kind == 7, step.kind == 8);
                let wanted = CreateOrder {
                    ticker: TICKERS[at].into(),
                    count: Qty(step.e2),
                    price,
                    time_in_force: match (fok, ioc) {
                        (true, _) => TimeInForce::FillOrKill,
                        (_, true) => TimeInForce::ImmediateOrCancel,
                        _ => TimeInForce::GoodTillCanceled,
                    },
                    self_trade_prevention_type: match flag(1) {
                        true => SelfTradePrevention::TakerAtCross,
                        false => SelfTradePrevention::Maker,
                    },
                    expiration_time: (step.kind == 9).then_some(self.now_ms / 1_000 + 3),
                    post_only: step.kind == 10,
                    reduce_only: ioc && flag(2),
                    cancel_order_on_pause: flag(3),
                    ..wanted(step.side, 1, 1)
                };
                let _ = desk.create(&mut market, account, wanted, facts);
            }
            17..=19 => {
                let Ok(order) = desk.read(account).order(&order_id) else { return };
                let change = AmendOrder {
                    ticker: TICKERS[at].into(),
                    side: order.book_side,
                    price: if flag(0) { price } else { order.yes_price_dollars },
                    count: order.fill_count_fp + Qty(step.e2),
                    client_order_id: None,
                    updated_client_order_id: None,
                    expiration_time: flag(1).then_some(0),
                };
                let _ = desk.amend(&mut market, account, &order_id, change, facts);
            }
            20 => {
                let change = DecreaseOrder { reduce_by: Some(Qty(step.e2)), reduce_to: None };
                let _ = desk.decrease(&mut market, account, &order_id, change, facts);
            }
            21 => drop(desk.cancel(&mut market, account, &order_id, facts)),
            22 => desk.expire(&mut market, facts),
            _ if flag(0) => desk.pause(&mut market, facts),
            _ => {
                desk.close(&mut market, UpdateReason::CloseCancel, facts);
                desk.settle(TICKERS[at], price, self.now_ms);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Account> {
        let accounts = (0..ACCOUNTS).filter_map(|i| self.desk.account(AccountId(i)));
        accounts.chain([self.desk.house()])
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (mut cash, mut fees, mut escrow) = (0, 0, 0);
        for account in self.all() {
            prop_assert_eq!(account.broken_invariant(), None);
            let house = account.user_id == "house";
            prop_assert!(house || account.free() >= Money::ZERO, "free {}", account.free());
            cash += account.cash().0;
            fees += account.holdings().map(|(_, h)| h.fees.0).sum::<i64>();
        }
        for ticker in TICKERS {
            let held: Vec<_> = self.all().map(|a| a.holding(ticker).position.0).collect();
            prop_assert_eq!(held.iter().sum::<i64>(), 0, "positions in {}", ticker);
            escrow += held.iter().filter(|p| **p > 0).sum::<i64>() * 10_000;
        }
        prop_assert_eq!(cash + fees + escrow, START.0 * i64::from(ACCOUNTS));
        for account in (0..ACCOUNTS).map(AccountId) {
            self.check_orders(account)?;
        }
        Ok(())
    }

    /// The desk and the matching engine agree on every resting order, and its money is kept.
    fn check_orders(&self, account: AccountId) -> Result<(), TestCaseError> {
        for (id, ticker, place) in self.desk.read(account).places() {
            let order = self.desk.read(account).order(id).expect("own order");
            let exchange = &self.exchanges[usize::from(ticker == TICKERS[1])];
            let resting = exchange.order(place).expect("rests");
            prop_assert_eq!(order.status, OrderStatus::Resting);
            prop_assert_eq!(resting.left, order.remaining_count_fp);
            prop_assert_eq!(resting.price, order.book_side.own_price(order.yes_price_dollars));
        }
        for ticker in TICKERS {
            let known = self.desk.account(account).expect("opened");
            let mut claims = self.desk.claims(ticker, account, None);
            let needed = collateral(known.holding(ticker).position, &mut claims, &self.fees);
            prop_assert_eq!(known.kept_for(ticker), needed);
        }
        Ok(())
    }
}

/// A client's portfolio that only hears of fills.
fn follow(portfolios: &mut [[Portfolio; 2]; ACCOUNTS as usize], event: &PrivateEvent) {
    if let Private::Fill(fill) = &event.what {
        let at = usize::from(fill.market_ticker == TICKERS[1]);
        let side = fill.outcome_side.expect("always told");
        let price = own_price(side, fill.yes_price_dollars);
        let intent = Intent { side, verb: Verb::Buy };
        let fee = fill.fee_cost.expect("always told");
        let portfolio = &mut portfolios[event.account.0 as usize][at];
        portfolio.fill(intent, price, fill.count_fp, fee).expect("rich enough");
        assert_eq!(portfolio.position(), fill.post_position_fp);
    }
}

proptest! {
    #[test]
    fn no_script_makes_loses_or_overspends_money(
        steps in steps(), maker_fees in any::<bool>(), cents in any::<bool>()
    ) {
        let fees = FeeSchedule {
            maker_k_e4: if maker_fees { 175 } else { 0 },
            precision_e6: if cents { 10_000 } else { 100 },
            ..FeeSchedule::default()
        };
        let mut world = World::new(fees);
        let rich = Portfolio::new(Money::dollars(1_000_000));
        let mut portfolios = [[rich; 2]; ACCOUNTS as usize];
        for step in &steps {
            world.run(step);
            world.check()?;
            for event in world.desk.drain() {
                follow(&mut portfolios, &event);
            }
            if step.kind == 23 && step.flags & 1 == 0 {
                let value = Price::new(step.e4).expect("in range");
                portfolios.iter_mut().for_each(|of| of[step.market].settle(value));
            }
            for (account, of) in world.all().zip(&portfolios) {
                for (ticker, portfolio) in TICKERS.into_iter().zip(of) {
                    let h = account.holding(ticker);
                    prop_assert_eq!(h.basis, portfolio.basis());
                    prop_assert_eq!(h.realized, portfolio.realized());
                    prop_assert_eq!(h.fees, portfolio.fees());
                }
            }
        }
        // Whoever folds the public changes sees the books.
        for (exchange, facts) in world.exchanges.iter().zip(&world.facts) {
            let mut book = crate::book::Book::default();
            book.snapshot(&Snapshot::default());
            for fact in facts {
                if let Fact::Level(delta) = fact {
                    prop_assert!(book.delta(delta).is_ok());
                }
            }
            let mut shown = crate::book::Book::default();
            shown.snapshot(&exchange.snapshot());
            prop_assert_eq!(&book, &shown);
        }
    }
}
