//! What a desk has to know of the markets, from the accepted records: definitions, and the touch of every book.
//!
//! The books are kept here once more, so that what stops an order does not rest on what wanted it.
//!
//! **Invariant:** pure. A book that is not whole any more is told at once; a touch that moves, every 100 ms.
//! **Invariant:** a book is as old as the exchange says, not as its receipt: a feed that lags shows an old one.

use crate::book::Book;
use crate::collect::NewMarket;
use crate::event::{Body, Event, MarketId, Tickers};
use crate::market::MarketInfo;
use crate::replay::BookLine;
use crate::trade::desk::{Ask, Quote};
use crate::units::{Price, TsNs};
use crate::wire::market::market_info;
use std::collections::BTreeSet;

/// Between two quotes of one market.
const QUOTE_EVERY: TsNs = TsNs::from_ms(100);

/// What a quote says.
type Shown = (bool, Option<Price>, Option<Price>);

#[derive(Default)]
struct Market {
    book: Book,
    line: BookLine,
    told: Option<(Shown, TsNs)>,
}

impl Market {
    fn shown(&self) -> Shown {
        let touch = self.book.touch();
        (self.book.is_valid(), touch.bid.map(|bid| bid.0), touch.ask.map(|ask| ask.0))
    }

    fn is_news(&self) -> bool {
        self.told.is_none_or(|(told, _)| told != self.shown())
    }

    /// True if it may be told at `now`.
    fn is_due(&self, now: TsNs) -> bool {
        let broken = !self.book.is_valid();
        self.told.is_none_or(|(_, at)| broken || now.0 - at.0 >= QUOTE_EVERY.0)
    }
}

/// All markets of a session.
#[derive(Default)]
pub struct Lookout {
    tickers: Tickers,
    markets: Vec<Market>,
    /// Definitions that were not told yet.
    defined: Vec<MarketInfo>,
    /// Markets whose books changed since they were told.
    changed: BTreeSet<MarketId>,
    now: TsNs,
    /// When the books were as they are known here.
    right_at: TsNs,
    /// How late the last record came that bears the exchange's time. None is early: our clock is behind then.
    lag: TsNs,
}

impl Lookout {
    /// Enters a market into the dictionary of the records' market ids.
    pub fn meet(&mut self, (_, ticker, _): &NewMarket) {
        let id = self.tickers.intern(ticker);
        if self.markets.len() <= id.0 as usize {
            self.markets.resize_with(id.0 as usize + 1, Market::default);
        }
    }

    /// Takes in the next accepted record's event.
    pub fn push(&mut self, event: &Event) {
        self.now = self.now.max(event.recv);
        self.date(event);
        if let Body::Market(object) = &event.body {
            let info = serde_json::from_str(object).ok().and_then(|v| market_info(&v).ok());
            self.defined.extend(info);
            return;
        }
        let concerned: Vec<MarketId> = match event.market {
            // A gap of a whole subscription.
            MarketId::NONE => {
                let told = |id: &MarketId| self.markets[id.0 as usize].line.is_told(event);
                (0..self.markets.len() as u32).map(MarketId).filter(told).collect()
            }
            id => vec![id],
        };
        for id in concerned {
            let Some(market) = self.markets.get_mut(id.0 as usize) else { continue };
            market.line.note(event);
            // A book that cannot be right is not whole, which is what is told.
            let _ = market.book.apply(event);
            if market.is_news() {
                self.changed.insert(id);
            }
        }
    }

    /// Learns when the books were as they are shown. Rows of our own say nothing of that.
    fn date(&mut self, event: &Event) {
        if !matches!(event.body, Body::Snapshot(_) | Body::Delta(_) | Body::Trade(_)) {
            return;
        }
        if let Some(ts) = event.ts {
            self.lag = TsNs((event.recv.0.saturating_sub(ts.0.saturating_mul(1_000))).max(0));
        }
        // A snapshot bears no time: it came as late as what came before it.
        self.right_at = self.right_at.max(TsNs(event.recv.0 - self.lag.0));
    }

    /// What is to be told now, the last word how far data have come.
    pub fn news(&mut self) -> Vec<Ask> {
        let mut news: Vec<_> =
            self.defined.drain(..).map(|info| Ask::Market(Box::new(info))).collect();
        let due = |id: &MarketId| self.markets[id.0 as usize].is_due(self.now);
        let due: Vec<_> = self.changed.iter().copied().filter(due).collect();
        news.extend(due.into_iter().filter_map(|id| self.tell(id)));
        news.push(Ask::Heard(self.right_at));
        news
    }

    /// What an order in this market has to be judged by, if that was not told yet.
    pub fn quote(&mut self, ticker: &str) -> Option<Ask> {
        self.tell(self.tickers.find(ticker)?)
    }

    fn tell(&mut self, id: MarketId) -> Option<Ask> {
        self.changed.remove(&id);
        let market = &mut self.markets[id.0 as usize];
        if !market.is_news() {
            return None;
        }
        let (whole, bid, ask) = market.shown();
        market.told = Some(((whole, bid, ask), self.now));
        let ticker = self.tickers.name(id).to_owned();
        Some(Ask::Quote(Quote { ticker, at: self.right_at, whole, bid, ask }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Intent, MarketFees, Verb};
    use crate::config::Limits;
    use crate::event::{Delta, Gap, GapCause, SessionId, Snapshot};
    use crate::trade::desk::{Act, Desk, DeskSpec, Outcome, Placed, Refusal};
    use crate::trade::message::Truth;
    use crate::trade::risk::Refused;
    use crate::units::{Money, Qty, Side, TsUs};
    use crate::wire::orders::TimeInForce;

    fn price(e4: i64) -> Price {
        Price::new(e4).unwrap()
    }

    struct Tape {
        lookout: Lookout,
        ms: i64,
        /// By how much less the exchange's clock stood when it sent.
        lag_ms: i64,
    }

    impl Tape {
        fn new() -> Tape {
            let mut lookout = Lookout::default();
            for (id, ticker) in [(0, "A"), (1, "B")] {
                lookout.meet(&(MarketId(id), ticker.into(), None));
            }
            Tape { lookout, ms: 1_000, lag_ms: 0 }
        }

        fn push(&mut self, market: MarketId, sid: u32, body: Body) {
            let recv = TsNs::from_ms(self.ms);
            let bears_time = matches!(body, Body::Delta(_));
            let ts = bears_time.then(|| TsUs::from_ms(self.ms - self.lag_ms));
            self.lookout.push(&Event { row_id: 0, recv, ts, market, sid, seq: 1, body });
        }

        fn snapshot(&mut self, market: u32, yes_e4: i64) {
            let snapshot = Snapshot { yes: vec![(price(yes_e4), Qty(100))], no: Vec::new() };
            self.push(MarketId(market), 1, Body::Snapshot(Box::new(snapshot)));
        }

        fn bid(&mut self, market: u32, yes_e4: i64) {
            let delta = Delta { side: Side::Yes, price: price(yes_e4), qty: Qty(100) };
            self.push(MarketId(market), 1, Body::Delta(delta));
        }

        fn gap(&mut self) {
            let gap = Gap::unnumbered(GapCause::Reconnect, TsNs::from_ms(self.ms));
            self.push(MarketId::NONE, 0, Body::Gap(Box::new(gap)));
        }

        /// Ticker, wholeness and bid of every quote.
        fn quotes(&mut self) -> Vec<(String, bool, Option<i64>)> {
            let news = self.lookout.news();
            assert!(matches!(news.last(), Some(Ask::Heard(_))), "{news:?}");
            let quotes = news.into_iter().filter_map(|ask| match ask {
                Ask::Quote(quote) => Some((quote.ticker, quote.whole, quote.bid.map(Price::e4))),
                _ => None,
            });
            quotes.collect()
        }
    }

    #[test]
    fn a_moving_touch_is_told_ten_times_a_second_and_a_broken_book_at_once() {
        let mut tape = Tape::new();
        tape.snapshot(0, 4_000);
        tape.snapshot(1, 2_000);
        let first = [("A".into(), true, Some(4_000)), ("B".into(), true, Some(2_000))];
        assert_eq!(tape.quotes(), first);
        tape.ms += 50;
        tape.bid(0, 4_100);
        assert_eq!(tape.quotes(), [], "too soon");
        tape.ms += 50;
        tape.bid(0, 3_000);
        assert_eq!(tape.quotes(), [("A".into(), true, Some(4_100))], "the touch, not every level");
        tape.ms += 10;
        tape.gap();
        assert_eq!(tape.quotes(), [("A".into(), false, None), ("B".into(), false, None)]);
    }

    #[test]
    fn an_order_is_judged_by_the_touch_of_its_moment() {
        let mut tape = Tape::new();
        tape.snapshot(0, 4_000);
        tape.quotes();
        tape.bid(0, 4_100);
        let Some(Ask::Quote(quote)) = tape.lookout.quote("A") else { panic!("news") };
        assert_eq!((quote.bid, quote.whole), (Some(price(4_100)), true));
        assert_eq!(tape.lookout.quote("A"), None, "told");
        assert_eq!(tape.lookout.quote("C"), None, "unknown");
    }

    /// The receive time counted: behind a feed 7 s late, orders went out on books of 7 s ago.
    #[test]
    fn a_book_is_as_old_as_the_exchange_says_and_never_from_the_future() {
        let mut tape = Tape::new();
        let told = |tape: &mut Tape| {
            let news = tape.lookout.news();
            let quotes = news.iter().filter_map(|ask| match ask {
                Ask::Quote(quote) => Some(quote.at.ms()),
                _ => None,
            });
            let quotes: Vec<_> = quotes.collect();
            let Some(Ask::Heard(at)) = news.last() else { panic!("{news:?}") };
            (quotes, at.ms())
        };
        (tape.ms, tape.lag_ms) = (20_000, 7_200);
        tape.bid(0, 3_900);
        tape.snapshot(0, 4_000);
        assert_eq!(told(&mut tape), (vec![12_800], 12_800), "the snapshot waited as long");
        tape.ms += 1_000;
        tape.bid(0, 4_100);
        let Some(Ask::Quote(quote)) = tape.lookout.quote("A") else { panic!("news") };
        assert_eq!(quote.at.ms(), 13_800);
        tape.ms += 1_000;
        tape.push(MarketId(0), 0, Body::Market(r#"{"ticker":"A","status":"active"}"#.into()));
        tape.push(MarketId(1), 0, Body::Other("audit".into()));
        assert_eq!(told(&mut tape).1, 13_800, "rows of our own are no data");
        // It catches up; then its clock is before ours.
        tape.lag_ms = 3;
        tape.bid(0, 4_200);
        assert_eq!(told(&mut tape), (vec![21_997], 21_997));
        (tape.ms, tape.lag_ms) = (23_000, -60_000);
        tape.bid(0, 4_300);
        assert_eq!(told(&mut tape), (vec![23_000], 23_000));
    }

    /// The whole way: what the lookout says of a late feed makes the desk refuse.
    #[test]
    fn no_order_goes_out_on_a_late_feed() {
        let start = TsNs::from_ms(20_000);
        let refused = |lag_ms| {
            let mut tape = Tape::new();
            (tape.ms, tape.lag_ms) = (start.ms(), lag_ms);
            let spec = DeskSpec {
                run: SessionId([1; 16]),
                account: "sim".into(),
                limits: Limits::default(),
                fees: MarketFees::default(),
                tripped: None,
                day: None,
                own_markets: true,
            };
            let (mut desk, mut acts) = (Desk::new(spec, start), Vec::new());
            desk.connected(start);
            desk.tick(start, &mut acts);
            let balance = Money::dollars(1_000);
            desk.read(&Truth { asked: start, balance, ..Truth::default() }, start, &mut acts);
            tape.push(MarketId(0), 0, Body::Market(r#"{"ticker":"A","status":"active"}"#.into()));
            tape.bid(0, 3_900);
            tape.snapshot(0, 4_000);
            tape.lookout.news().into_iter().for_each(|ask| desk.ask(ask, start, &mut acts));
            let order = Placed {
                number: 1,
                row_id: 1,
                ticker: "A".into(),
                intent: Intent { side: Side::Yes, verb: Verb::Buy },
                price: price(4_000),
                qty: Qty::contracts(1),
                time_in_force: TimeInForce::GoodTillCanceled,
                post_only: false,
            };
            desk.ask(Ask::Place(order), start, &mut acts);
            acts.into_iter().find_map(|act| match act {
                Act::Tell(Outcome::Refused { why, .. }) => Some(why),
                _ => None,
            })
        };
        assert_eq!(refused(0), None);
        assert_eq!(refused(4_900), None);
        assert_eq!(refused(5_100), Some(Refusal::Risk(Refused::StaleBook)));
    }

    #[test]
    fn a_definition_is_told_before_the_books() {
        let mut tape = Tape::new();
        tape.snapshot(0, 4_000);
        tape.push(MarketId(0), 0, Body::Market(r#"{"ticker":"A","status":"active"}"#.into()));
        let news = tape.lookout.news();
        assert!(matches!(&news[0], Ask::Market(info) if info.ticker == "A"), "{news:?}");
        assert_eq!(news.len(), 3);
    }
}
