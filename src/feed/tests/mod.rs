//! The protocol machine against a model of the exchange, and the protocol's rules one by one.

mod model;
mod rules;
mod world;

use model::Faults;
use proptest::prelude::*;
use world::World;

/// Cases of the fault matrix; `KFLOW_LONG=1` runs the nightly count.
fn cases() -> u32 {
    if std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1") { 10_000 } else { 100 }
}

fn rate(max: u64) -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 1 => 0..=max]
}

fn faults() -> impl Strategy<Value = Faults> {
    let frames = (rate(60), rate(60), rate(60), rate(10), rate(30));
    let lines = (rate(5), rate(5), rate(3), rate(3), rate(60));
    (frames, lines).prop_map(|(f, l)| Faults {
        drop: f.0,
        duplicate: f.1,
        swap: f.2,
        replay: f.3,
        garbage: f.4,
        restart: l.0,
        terminal: l.1,
        cut: l.2,
        mute: l.3,
        command: l.4,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// R7, R10, R11: frames are lost, doubled, overtaken, replayed, mangled; numbering begins again,
    /// subscriptions and connections end, commands go unanswered. At any time every number is in exactly one
    /// row and no book that passes for known is wrong; when it is over, everything heals.
    #[test]
    fn whatever_the_exchange_does_every_number_is_in_one_row_and_every_book_comes_back(
        faults in faults(), seed: u64, steps in 50usize..600,
    ) {
        let mut world = World::new(faults, seed);
        (0..steps).for_each(|_| world.step());
        world.recover();
    }
}

/// One kind of fault at a time, often: the counts stay exact.
#[test]
fn each_fault_alone_heals_too() {
    let kinds: [fn(&mut Faults); 10] = [
        |f| f.drop = 200,
        |f| f.duplicate = 300,
        |f| f.swap = 200,
        |f| f.replay = 50,
        |f| f.garbage = 100,
        |f| f.restart = 20,
        |f| f.terminal = 20,
        |f| f.cut = 20,
        |f| f.mute = 20,
        |f| f.command = 200,
    ];
    for (i, set) in kinds.into_iter().enumerate() {
        for seed in 0..5 {
            let mut faults = Faults::default();
            set(&mut faults);
            let mut world = World::new(faults, seed * 100 + i as u64);
            (0..300).for_each(|_| world.step());
            world.recover();
        }
    }
}

#[test]
fn an_exchange_without_faults_leaves_no_gap() {
    let mut world = World::new(Faults::default(), 3);
    (0..500).for_each(|_| world.step());
    world.recover();
    let counters = world.session.counters();
    assert_eq!((counters.gaps, counters.duplicates, counters.late, counters.bad), (0, 0, 0, 0));
    assert!(counters.received > 500, "{counters:?}");
}
