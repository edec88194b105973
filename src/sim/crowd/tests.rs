use super::*;
use crate::event::Snapshot;
use proptest::prelude::{
    Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

/// Acts of a crowd for `life_s` of its own time; calls `each` with the time after each.
fn live(
    crowd: &mut Crowd,
    exchange: &mut Exchange,
    life_s: u32,
    mut each: impl FnMut(&Crowd, &mut Exchange, &mut Vec<Fact>, i64),
) {
    let (mut facts, mut now_us) = (Vec::new(), 0);
    crowd.open(exchange, &mut facts);
    facts.clear();
    loop {
        now_us += crowd.next_wait_us() as i64;
        if now_us >= i64::from(life_s) * 1_000_000 {
            return;
        }
        crowd.act(exchange, &mut facts);
        each(crowd, exchange, &mut facts, now_us);
        facts.clear();
    }
}

fn facts_of(seed: u64, spec: CrowdSpec) -> Vec<(i64, Fact)> {
    let mut all = Vec::new();
    let mut crowd = Crowd::new(spec, Rng::stream(seed, "crowd", 0));
    live(&mut crowd, &mut Exchange::default(), spec.life_s, |_, _, facts, now_us| {
        all.extend(facts.iter().map(|f| (now_us, *f)));
    });
    all
}

#[test]
fn same_seed_same_orders() {
    let spec = CrowdSpec { life_s: 60, ..CrowdSpec::default() };
    let all = facts_of(7, spec);
    assert!(all.len() > 1_000, "{}", all.len());
    assert_eq!(all, facts_of(7, spec));
    assert_ne!(all, facts_of(8, spec));
}

/// The rate is that of the spec from quiet to busy markets, and the fair value has the spread of the
/// spec: both hang on how many events an act has.
#[test]
fn events_and_acts_come_as_often_as_the_spec_says() {
    for rate_e3 in [5_000, 17_000, 81_000, 220_000] {
        let (life_s, seeds) = (600, 16);
        let spec = CrowdSpec { events_per_s_e3: rate_e3, life_s, ..CrowdSpec::default() };
        let (mut events, mut acts) = (0, 0);
        for seed in 0..seeds {
            let mut crowd = Crowd::new(spec, Rng::stream(seed, "crowd", 0));
            live(&mut crowd, &mut Exchange::default(), life_s, |_, _, facts, _| {
                (events, acts) = (events + facts.len(), acts + 1);
            });
        }
        let want = rate_e3 as usize * life_s as usize * seeds as usize / 1_000;
        assert!((want * 3 / 4..want * 5 / 4).contains(&events), "{rate_e3}: {events} for {want}");
        let want = want * 1_000 / EVENTS_PER_ACT_E3 as usize;
        assert!((want * 2 / 3..want * 3 / 2).contains(&acts), "{rate_e3}: {acts} for {want}");
    }
}

#[test]
fn the_fair_value_has_no_drift() {
    let spec = CrowdSpec { start_e9: 300_000_000, life_s: 10, ..CrowdSpec::default() };
    let seeds = 1_500;
    let mut sum = 0;
    for seed in 0..seeds {
        let mut crowd = Crowd::new(spec, Rng::stream(seed, "crowd", 0));
        live(&mut crowd, &mut Exchange::default(), spec.life_s, |_, _, _, _| {});
        sum += crowd.fair_e9();
    }
    let mean = sum / seeds as i64;
    // The end value's standard deviation is below 0.35 dollars: four standard errors are 0.036.
    assert!((mean - spec.start_e9).abs() < 36_000_000, "{mean}");
}

/// The touch stays with the fair value, not exactly: a stale bid lives for some milliseconds.
#[test]
fn the_price_follows_the_fair_value() {
    for seed in 0..6 {
        let mut crowd = Crowd::new(CrowdSpec::default(), Rng::stream(seed, "crowd", 0));
        let (mut near, mut all) = (0, 0);
        live(&mut crowd, &mut Exchange::default(), 120, |crowd, exchange, _, _| {
            let touch = exchange.touch();
            let (Some(bid), Some(ask)) = (touch.bid, touch.ask) else { return };
            let mid_e9 = (bid.0.e4() + ask.0.e4()) * E9_PER_E4 / 2;
            all += 1;
            near += i32::from((mid_e9 - crowd.fair_e9()).abs() < 30_000_000);
        });
        assert!(near * 10 > all * 8, "seed {seed}: {near} of {all}");
    }
}

/// Somebody else bids too much: it takes what the book asks, rests above what it is worth, and is
/// taken from. A sensible order of theirs far below is left alone.
#[test]
fn a_strangers_order_is_only_ever_filled() {
    let spec = CrowdSpec { spread_e6: 0, life_s: 30, ..CrowdSpec::default() };
    let mut crowd = Crowd::new(spec, Rng::stream(3, "crowd", 0));
    let mut exchange = Exchange::default();
    let (mut dear, mut cheap) = (None, None);
    let mut filled = Qty::ZERO;
    live(&mut crowd, &mut exchange, spec.life_s, |_, exchange, facts, _| {
        if dear.is_none() {
            let mut bid = |e4, qty| {
                let price = Price::new(e4).unwrap();
                exchange.bid(Side::Yes, price, qty, Rest::Keep, &mut Vec::new()).ok()
            };
            (cheap, dear) = (bid(200, Qty(700)), bid(9_500, Qty::contracts(100_000)));
            return;
        }
        for fact in facts.iter() {
            if let Fact::Fill { maker, qty, .. } = fact
                && Some(*maker) == dear
            {
                filled += *qty;
            }
        }
    });
    assert!(filled > Qty::contracts(1_000), "{filled}");
    assert_eq!(exchange.order(cheap.unwrap()).unwrap().left, Qty(700));
}

#[test]
fn after_a_halt_the_crowd_fills_the_book_anew() {
    let mut crowd = Crowd::new(CrowdSpec::default(), Rng::stream(5, "crowd", 0));
    live(&mut crowd, &mut Exchange::default(), 5, |_, _, _, _| {});
    let (mut emptied, mut facts) = (Exchange::default(), Vec::new());
    crowd.open(&mut emptied, &mut facts);
    assert!(emptied.snapshot().yes.len() > 5 && emptied.snapshot().no.len() > 5);
    (0..5_000).for_each(|_| crowd.act(&mut emptied, &mut facts));
    assert!(facts.iter().any(|f| matches!(f, Fact::Fill { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any spec, however odd: no panic, a book that is never crossed, prices on the grid, and facts
    /// that fold into the book.
    #[test]
    fn any_spec_gives_a_sound_market(
        seed in any::<u64>(), start_e9 in -5i64..ONE_E9 + 5, spread_e6 in 0i64..20_000_000,
        life_s in 0u32..100_000, events_per_s_e3 in prop_oneof![0u32..100, 1_000u32..1_000_000, Just(u32::MAX)],
        tick_e4 in prop_oneof![Just(0u16), Just(10), Just(100), Just(9_000), Just(u16::MAX)],
    ) {
        let spec = CrowdSpec { start_e9, spread_e6, life_s, events_per_s_e3, tick_e4 };
        let mut crowd = Crowd::new(spec, Rng::stream(seed, "crowd", 0));
        let (mut exchange, mut facts) = (Exchange::default(), Vec::new());
        crowd.open(&mut exchange, &mut facts);
        for _ in 0..1_500 {
            crowd.next_wait_us();
            crowd.act(&mut exchange, &mut facts);
            let touch = exchange.touch();
            if let (Some(bid), Some(ask)) = (touch.bid, touch.ask) {
                prop_assert!(bid.0 < ask.0);
            }
        }
        let mut book = crate::book::Book::default();
        book.snapshot(&Snapshot::default());
        for fact in &facts {
            if let Fact::Level(delta) = fact {
                prop_assert_eq!(delta.price.e4() % i64::from(tick_e4.max(1)), 0);
                prop_assert!(book.delta(delta).is_ok());
            }
        }
        let mut shown = crate::book::Book::default();
        shown.snapshot(&exchange.snapshot());
        prop_assert_eq!(book, shown);
    }
}
