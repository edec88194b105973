//! Random requests on random tapes: what must hold whatever is asked and whatever comes.

use super::feed::Feed;
use kalshiflow::book::Book;
use kalshiflow::broker::attribution::Stamp;
use kalshiflow::broker::matching::{
    Amend, Bound, End, Matcher, NewOrder, OrderId, Reports, Rules, State,
};
use kalshiflow::broker::{
    Delay, Exponent, FeeSchedule, Intent, Latency, OrderFees, Portfolio, QueueModel, Role,
};
use kalshiflow::event::{Body, Event, Gap, GapCause};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Price, Qty, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a tape; the requests of a script fall anywhere in it.
const ROWS: usize = 120;
const START: Money = Money::dollars(1_000_000);

fn tape(seed: u64) -> Vec<Event> {
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
enum Ask {
    Submit(NewOrder),
    Cancel,
    Amend(Amend),
}

/// What is asked before which row; the number is the order's.
type Script = Vec<(usize, u64, Ask)>;

fn script(rng: &mut Rng) -> Script {
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

fn price(rng: &mut Rng) -> Price {
    Price::new(100 * (44 + rng.below(13) as i64)).expect("in range")
}

fn order(rng: &mut Rng) -> NewOrder {
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

fn amend(rng: &mut Rng) -> Amend {
    match rng.below(3) {
        0 => Amend::ReduceBy(Qty(rng.below(1_500) as i64)),
        1 => Amend::ReduceTo(Qty(rng.below(1_500) as i64)),
        _ => {
            let count = Qty(rng.below(2_500) as i64);
            Amend::Replace { price: price(rng), count, expires: None }
        }
    }
}

fn rules(rng: &mut Rng) -> Rules {
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
fn play(
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

fn add(sum: &mut Three, qty: &[Qty; 3]) {
    sum.iter_mut().zip(qty).for_each(|(sum, qty)| *sum += qty.0);
}

fn ordered(three: &Three) -> bool {
    three[0] <= three[1] && three[1] <= three[2]
}

/// Everything that must hold of what a script's orders did.
fn audit(seed: u64, events: &[Event], script: &Script, matcher: &Matcher, out: &Reports) {
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
    for (row, sum) in of_row {
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

fn scripts() -> u64 {
    if std::env::var("KFLOW_LONG").is_ok() { 1_000_000 } else { 20_000 }
}

/// Fill notes 4, "conservation" and "bracket order".
#[test]
fn nothing_is_lost_or_made_and_the_queues_stay_in_order_at_every_row() {
    let tapes: Vec<_> = (0..40).map(tape).collect();
    let (mut makers, mut brackets, mut takers) = (0u64, 0u64, 0u64);
    for seed in 0..scripts() {
        let mut rng = Rng::stream(seed, "script", 0);
        let (script, rules) = (script(&mut rng), rules(&mut rng));
        let events = &tapes[seed as usize % tapes.len()];
        let matcher = Matcher::new(rules, Rng::stream(seed, "latency", 0));
        let (matcher, out) = play(events, &script, matcher, |_, matcher, _| {
            for (_, _, filled) in matcher.working() {
                assert!(ordered(&filled.0.map(|q| q.0)), "seed {seed}");
            }
        });
        audit(seed, events, &script, &matcher, &out);
        makers += out.fills.iter().filter(|f| f.role == Role::Maker).count() as u64;
        takers += out.fills.iter().filter(|f| f.role == Role::Taker).count() as u64;
        brackets += out.fills.iter().filter(|f| f.qty.0[0] < f.qty.0[2]).count() as u64;
    }
    println!(
        "{} scripts: {makers} maker fills, {brackets} of them with a bracket, {takers} taker fills",
        scripts()
    );
    assert!(makers > scripts() && takers > scripts() && brackets > 0);
}

/// Fill notes 4, "causality": what was told up to a row is the same whatever comes after it.
#[test]
fn another_future_never_changes_the_past() {
    let tapes: Vec<_> = (0..40).map(tape).collect();
    for seed in 0..2_000u64 {
        let mut rng = Rng::stream(seed, "causal", 0);
        let (script, rules) = (script(&mut rng), rules(&mut rng));
        let (one, other) = (&tapes[seed as usize % 40], &tapes[(seed as usize + 7) % 40]);
        let cut = 1 + rng.below(ROWS as u64 - 1) as usize;
        let matcher = || Matcher::new(rules, Rng::stream(seed, "latency", 0));
        let mut told = Reports::default();
        play(one, &script, matcher(), |row, _, out| {
            if row == cut {
                told = out.clone();
            }
        });
        // The same past, then the other tape's rows as far as they are possible here.
        let mut changed = one[..=cut].to_vec();
        let snapshot = other[0].clone();
        changed.push(Event { row_id: one[cut].row_id, recv: one[cut].recv, ..snapshot });
        changed.extend(other[1..].iter().cloned());
        play(&changed, &script, matcher(), |row, _, out| {
            if row == cut {
                assert_eq!(&told, out, "seed {seed}");
            }
        });
    }
}

/// A saved matcher goes on as if it had not been saved.
#[test]
fn a_matcher_that_was_saved_and_loaded_goes_on_the_same() {
    let events = tape(1);
    for seed in 0..200u64 {
        let mut rng = Rng::stream(seed, "saved", 0);
        let (script, rules) = (script(&mut rng), rules(&mut rng));
        let matcher = || Matcher::new(rules, Rng::stream(seed, "latency", 0));
        let cut = rng.below(ROWS as u64) as usize;
        let (_, want) = play(&events, &script, matcher(), |_, _, _| {});
        let (_, got) = play(&events, &script, matcher(), |row, matcher, _| {
            if row == cut {
                let text = serde_json::to_string(matcher).expect("plain data");
                *matcher = serde_json::from_str(&text).expect("its own text");
            }
        });
        assert_eq!(got, want, "seed {seed}");
    }
}

/// Fill notes 4, "latency zero/zero equals instantaneous; +inf latency gives no fills".
#[test]
fn no_latency_acts_on_what_is_seen_and_endless_latency_never_fills() {
    let mut filled = 0;
    for seed in 0..400u64 {
        let events = tape(seed);
        let mut rng = Rng::stream(seed, "zero", 0);
        let mut order = NewOrder { expires: None, reduce_only: false, ..order(&mut rng) };
        order.self_trade = SelfTradePrevention::TakerAtCross;
        let at = 1 + rng.below(60) as usize;
        let run = |latency, instant: bool| {
            let rules = Rules { latency, ..Rules::default() };
            let mut matcher = Matcher::new(rules, Rng::stream(seed, "latency", 0));
            let (mut book, mut out) = (Book::default(), Reports::default());
            for (row, event) in events.iter().enumerate() {
                matcher.on_event(event, &mut book, &mut out).expect("a possible book");
                if row == at {
                    // The feed takes no time either: now is the stamp of what is seen.
                    let seen = Stamp::of(event);
                    let now = seen.ts.map_or(seen.recv, |ts| TsNs(ts.0 * 1_000));
                    matcher.submit(OrderId(1), order, now).expect("sent");
                    if instant {
                        matcher.advance(now, &book, &mut out);
                    }
                }
            }
            matcher.finish(&mut out);
            out
        };
        let instant = run(Latency::NONE, true);
        filled += instant.fills.len();
        let next_is_later = events[at + 1].ts > events[at].ts;
        if next_is_later && matches!(events[at + 1].body, Body::Delta(_) | Body::Trade(_)) {
            assert_eq!(run(Latency::NONE, false), instant, "seed {seed}");
        }
        let lost = run(Latency::all(Delay::Never), true);
        assert_eq!(lost, Reports::default(), "seed {seed}");
    }
    assert!(filled > 100, "{filled} fills");
}

/// Fill notes 4, "fee accumulator", with the bound P8 of the fee notes: in whole units, at most
/// u (1 + (k - 1) / u) above one fill of the whole.
#[test]
fn an_order_filled_in_parts_pays_what_one_fill_pays_up_to_the_bound() {
    let schedule = FeeSchedule { maker_k_e4: 175, ..FeeSchedule::default() };
    let (mut split, mut equal) = (0, 0);
    for seed in 0..600u64 {
        let events = tape(seed);
        let mut rng = Rng::stream(seed, "split", 0);
        let order = NewOrder {
            intent: Intent::ALL[0],
            qty: Qty::contracts(1 + rng.below(60) as i64),
            price: price(&mut rng),
            time_in_force: TimeInForce::GoodTillCanceled,
            expires: None,
            post_only: true,
            reduce_only: false,
            ..order(&mut rng)
        };
        let rules = Rules { latency: Latency::NONE, fees: schedule, ..Rules::default() };
        let matcher = Matcher::new(rules, Rng::stream(seed, "latency", 0));
        let (_, out) = play(&events, &vec![(5, 1, Ask::Submit(order))], matcher, |_, _, _| {});
        for bound in Bound::ALL {
            let parts: Vec<_> = out.fills.iter().filter(|f| f.qty[bound] > Qty::ZERO).collect();
            let Some(first) = parts.first() else { continue };
            let whole = parts.iter().fold(Qty::ZERO, |sum, f| sum + f.qty[bound]);
            let paid = parts.iter().fold(Money::ZERO, |sum, f| sum + f.fee[bound]);
            let one =
                OrderFees::default().fill(&schedule, Role::Maker, first.intent, first.price, whole);
            let (k, unit) = (parts.len() as i64, schedule.precision_e6);
            let excess = (paid - one.net).e6();
            assert_eq!(excess % unit, 0, "seed {seed}");
            assert!(
                (0..=unit * (1 + (k - 1) / unit)).contains(&excess),
                "seed {seed}: {excess} for {k}"
            );
            split += u32::from(k > 1);
            equal += u32::from(k > 1 && excess == 0);
        }
    }
    println!("{split} orders filled in parts, {equal} at exactly the fee of one fill");
    assert!(split > 50, "{split}");
}

/// A side that is bought is a side: nothing in the matcher knows YES from NO.
#[test]
fn the_mirrored_market_gives_the_mirrored_fills() {
    for seed in 0..300u64 {
        let events = tape(seed);
        let mirrored: Vec<_> = events.iter().map(mirror).collect();
        let mut rng = Rng::stream(seed, "mirror", 0);
        let (script, rules) = (script(&mut rng), rules(&mut rng));
        let other: Script = script
            .iter()
            .map(|(row, id, ask)| {
                let ask = match *ask {
                    Ask::Submit(order) => Ask::Submit(NewOrder {
                        intent: Intent { side: order.intent.side.other(), ..order.intent },
                        ..order
                    }),
                    ask => ask,
                };
                (*row, *id, ask)
            })
            .collect();
        let run = |events: &[Event], script: &Script| {
            let matcher = Matcher::new(rules, Rng::stream(seed, "latency", 0));
            play(events, script, matcher, |_, _, _| {}).1
        };
        let (one, two) = (run(&events, &script), run(&mirrored, &other));
        let of = |out: &Reports| -> Vec<_> {
            out.fills
                .iter()
                .map(|f| (f.order, f.price, f.qty, f.fee, f.exchange_row, f.known_row))
                .collect()
        };
        assert_eq!(of(&one), of(&two), "seed {seed}");
    }
}

fn mirror(event: &Event) -> Event {
    let mut event = event.clone();
    match &mut event.body {
        Body::Delta(delta) => delta.side = delta.side.other(),
        Body::Trade(trade) => {
            trade.taker = trade.taker.other();
            trade.yes_price = trade.yes_price.complement();
        }
        Body::Snapshot(snapshot) => {
            let snapshot = &mut **snapshot;
            std::mem::swap(&mut snapshot.yes, &mut snapshot.no);
        }
        _ => {}
    }
    event
}
