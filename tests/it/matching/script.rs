//! Random requests on random tapes, and the audit of what came of them.

use super::feed::Feed;
use kalshiflow::book::Book;
use kalshiflow::broker::matching::{
    Amend, Bound, End, Matcher, NewOrder, OrderId, Reports, Rules, State,
};
use kalshiflow::broker::{
    Delay, Exponent, FeeSchedule, Intent, Latency, Portfolio, QueueModel, Role,
};
use kalshiflow::event::{Body, Event, Gap, GapCause};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Price, Qty, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a tape; the requests of a script fall anywhere in it.
pub const ROWS: usize = 120;
const START: Money = Money::dollars(1_000_000);

pub fn tape(seed: u64) -> Vec<Event> {
    let mut feed = Feed::new(seed, "scripts");
    let mut events = vec![feed.snapshot()];
    while events.len() < ROWS {
        events.extend(feed.step().into_iter().map(|row| row.event));
        if events.len() == ROWS / 2 && seed.is_multiple_of(3) {
            let last = events[events.len() - 1].clone();
            let gap = Gap::unnumbered(GapCause::SeqGap, last.recv);
            events.push(Event { body: Body::Gap(Box::new(gap)), ..last.clone() });
            events.push(Event { recv: last.recv, row_id: last.row_id, ..feed.snapshot() });
        }
    }
    events
}

#[derive(Clone, Copy)]
pub enum Ask {
    Submit(NewOrder),
    Cancel,
    Amend(Amend),
}

/// What is asked before which row; the number is the order's.
pub type Script = Vec<(usize, u64, Ask)>;

pub fn script(rng: &mut Rng) -> Script {
    let mut script = Script::new();
    for id in 1..=1 + rng.below(5) {
        let at = 1 + rng.below(ROWS as u64 - 1) as usize;
        script.push((at, id, Ask::Submit(order(rng))));
        if rng.below(2) == 0 {
            let ask = if rng.below(2) == 0 { Ask::Cancel } else { Ask::Amend(amend(rng)) };
            script.push((at + rng.below(40) as usize, id, ask));
        }
    }
    script.sort_by_key(|s| s.0);
    script
}

pub fn price(rng: &mut Rng) -> Price {
    Price::new(100 * (44 + rng.below(13) as i64)).expect("in range")
}

pub fn order(rng: &mut Rng) -> NewOrder {
    let lives = [
        TimeInForce::GoodTillCanceled,
        TimeInForce::GoodTillCanceled,
        TimeInForce::GoodTillCanceled,
        TimeInForce::ImmediateOrCancel,
        TimeInForce::FillOrKill,
    ];
    let time_in_force = lives[rng.below(5) as usize];
    let rests = time_in_force == TimeInForce::GoodTillCanceled;
    NewOrder {
        intent: Intent::ALL[rng.below(4) as usize],
        price: price(rng),
        qty: Qty(1 + rng.below(2_000) as i64),
        time_in_force,
        expires: (rests && rng.below(4) == 0).then(|| TsNs::from_ms(1_000 + rng.below(200) as i64)),
        post_only: rests && rng.below(4) == 0,
        reduce_only: time_in_force == TimeInForce::ImmediateOrCancel && rng.below(3) == 0,
        self_trade: match rng.below(2) {
            0 => SelfTradePrevention::TakerAtCross,
            _ => SelfTradePrevention::Maker,
        },
    }
}

pub fn amend(rng: &mut Rng) -> Amend {
    match rng.below(3) {
        0 => Amend::ReduceBy(Qty(rng.below(1_500) as i64)),
        1 => Amend::ReduceTo(Qty(rng.below(1_500) as i64)),
        _ => {
            let count = Qty(rng.below(2_500) as i64);
            Amend::Replace { price: price(rng), count, expires: None }
        }
    }
}

pub fn rules(rng: &mut Rng) -> Rules {
    let delay = |rng: &mut Rng| match rng.below(3) {
        0 => Delay::Fixed(0),
        1 => Delay::Fixed(rng.below(40_000) as u32),
        _ => Delay::Table(std::array::from_fn(|i| 1_000 * i as u32)),
    };
    Rules {
        fitted: QueueModel::Power(Exponent::new(rng.below(401) as u16).expect("in range")),
        counts: Bound::ALL[rng.below(3) as usize],
        latency: Latency { submit: delay(rng), cancel: delay(rng), amend: delay(rng) },
        fees: FeeSchedule { maker_k_e4: 175, ..FeeSchedule::default() },
        close: (rng.below(4) == 0).then(|| TsNs::from_ms(1_100)),
    }
}

/// Plays a script; `look` sees everything told up to and including each row.
pub fn play(
    events: &[Event],
    script: &Script,
    mut matcher: Matcher,
    mut look: impl FnMut(usize, &mut Matcher, &Reports),
) -> (Matcher, Reports) {
    let (mut book, mut out) = (Book::default(), Reports::default());
    let mut asks = script.iter().peekable();
    for (row, event) in events.iter().enumerate() {
        while let Some((_, id, ask)) = asks.next_if(|ask| ask.0 <= row) {
            let (id, at) = (OrderId(*id), events[row - 1].recv);
            // What cannot be sent is not sent.
            let _ = match *ask {
                Ask::Submit(order) => matcher.submit(id, order, at),
                Ask::Cancel => matcher.cancel(id, at),
                Ask::Amend(amend) => matcher.amend(id, amend, at),
            };
        }
        matcher.on_event(event, &mut book, &mut out).expect("a possible book");
        look(row, &mut matcher, &out);
    }
    matcher.finish(&mut out);
    (matcher, out)
}

/// Contracts by queue.
type Three = [i64; 3];

pub fn add(sum: &mut Three, qty: &[Qty; 3]) {
    sum.iter_mut().zip(qty).for_each(|(sum, qty)| *sum += qty.0);
}

pub fn ordered(three: &Three) -> bool {
    three[0] <= three[1] && three[1] <= three[2]
}

/// Everything that must hold of what a script's orders did.
pub fn audit(seed: u64, events: &[Event], script: &Script, matcher: &Matcher, out: &Reports) {
    let counts = matcher.rules().counts as usize;
    let mut of_order: BTreeMap<OrderId, Three> = BTreeMap::new();
    let mut of_row: BTreeMap<u64, Three> = BTreeMap::new();
    let mut accounts = [Portfolio::new(START); 3];
    let mut position = 0;
    for fill in &out.fills {
        assert!(fill.exchange_row <= fill.known_row, "seed {seed}");
        let sum = of_order.entry(fill.order).or_default();
        add(sum, &fill.qty.0);
        assert!(ordered(sum), "seed {seed}: {:?} has {sum:?}", fill.order);
        if fill.role == Role::Maker {
            add(of_row.entry(fill.exchange_row).or_default(), &fill.qty.0);
        }
        for (i, account) in accounts.iter_mut().enumerate() {
            if fill.qty.0[i] > Qty::ZERO {
                account.fill(fill.intent, fill.price, fill.qty.0[i], fill.fee.0[i]).expect("cash");
                assert_eq!(account.broken_invariant(), None, "seed {seed}");
            }
        }
        position += fill.intent.position_change(fill.qty.0[counts]).0;
    }
    assert_eq!(matcher.position().0, position, "seed {seed}: bought - sold = position");
    assert_eq!(accounts[counts].position().0, position);
    for mut account in accounts {
        account.settle(Price::new(10_000 * (seed as i64 % 2)).expect("in range"));
        assert_eq!(account.cash(), START + account.realized() - account.fees(), "seed {seed}: L7");
    }
    // No trade and no arriving order gave more than it had.
    let size = |row: u64| {
        events.iter().filter(|e| e.row_id == row).find_map(|e| match &e.body {
            Body::Delta(d) => Some(d.qty.0.abs()),
            _ => None,
        })
    };
    // What was told of several orders may name a later row than the one that gave it.
    let alone = script.iter().all(|s| s.1 == 1);
    for (row, sum) in of_row.into_iter().filter(|_| alone) {
        let snapshot =
            || events.iter().any(|e| e.row_id == row && matches!(e.body, Body::Snapshot(_)));
        assert!(
            snapshot() || size(row).is_some_and(|size| sum[2] <= size),
            "seed {seed} row {row}: {sum:?}"
        );
    }
    let mut ended = BTreeSet::new();
    for update in &out.updates {
        if let State::Ended { why, left } = update.state {
            assert!(ended.insert(update.order), "seed {seed}: {:?} ended twice", update.order);
            assert_eq!(why == End::Filled, left == Qty::ZERO && why != End::Reduced, "seed {seed}");
            let late =
                out.fills.iter().find(|f| f.order == update.order && f.exchange_row > update.row);
            assert_eq!(late, None, "seed {seed}: a fill after the end");
        }
    }
    for (_, id, ask) in script {
        let Ask::Submit(order) = ask else { continue };
        let grown = script.iter().any(|s| s.1 == *id && matches!(s.2, Ask::Amend(_)));
        let got = of_order.get(&OrderId(*id)).copied().unwrap_or_default();
        assert!(grown || got[2] <= order.qty.0, "seed {seed}: more than ordered");
    }
}
