//! What must hold whatever is asked and whatever comes.

use super::script::{Ask, ROWS, Script, audit, order, ordered, play, price, rules, script, tape};
use kalshiflow::book::Book;
use kalshiflow::broker::attribution::Stamp;
use kalshiflow::broker::matching::{Bound, Matcher, NewOrder, OrderId, Reports, Rules};
use kalshiflow::broker::{Delay, FeeSchedule, Intent, Latency, OrderFees, Role};
use kalshiflow::event::{Body, Event};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Qty, TsNs};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};

const SCRIPTS: u64 = 1_000_000;

/// Fill notes 4, "conservation" and "bracket order".
#[test]
fn nothing_is_lost_or_made_and_the_queues_stay_in_order_at_every_row() {
    let tapes: Vec<_> = (0..40).map(tape).collect();
    let (mut makers, mut brackets, mut takers) = (0u64, 0u64, 0u64);
    // 469 094: an order was amended to another price and traded there with all that was left of it; then it became
    // known that the old place had filled two more contracts, and the fitted queue passed the optimistic one.
    for seed in 0..SCRIPTS {
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
        "{SCRIPTS} scripts: {makers} maker fills, {brackets} of them with a bracket, {takers} taker fills"
    );
    assert!(makers > SCRIPTS / 10 && takers > SCRIPTS / 10 && brackets > SCRIPTS / 200);
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
