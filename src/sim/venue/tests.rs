use super::*;
use crate::event::{Body, Event, MarketId};
use crate::units::{Price, Qty, Side, TsNs};

fn spec(seed: u64) -> VenueSpec {
    VenueSpec { seed, markets: 12, rate_per_s: 400, lifetime_ms: 8_000, ..VenueSpec::default() }
}

fn run(spec: VenueSpec, seconds: i64, stride_us: i64) -> (Venue, Vec<Told>) {
    let (start, mut told) = (spec.start.0, Vec::new());
    let mut venue = Venue::new(spec);
    let mut at = 0;
    while at < seconds * 1_000_000 {
        at += stride_us;
        venue.advance(TsUs(start + at));
        venue.take(&mut told);
    }
    (venue, told)
}

#[test]
fn same_seed_same_events_however_often_it_is_asked() {
    let (_, a) = run(spec(7), 20, 1_000);
    let (_, b) = run(spec(7), 20, 250_000);
    assert!(a.len() > 4_000, "{}", a.len());
    assert!(a == b, "the stride of the clock changed the simulation");
    assert!(a != run(spec(8), 20, 1_000).1);
}

/// Whoever folds what is told has the engine's book, never crossed, and the print tells that it is so.
#[test]
fn told_events_add_up_to_the_engines_books() {
    let (venue, told) = run(spec(3), 20, 10_000);
    let mut faces: HashMap<u32, Face> = HashMap::new();
    for t in &told {
        let face = faces.entry(t.market).or_insert_with(Face::empty);
        match &t.what {
            What::Level(delta) => face.level(delta),
            What::Book(book) => face.replace(book),
            _ => {}
        }
        assert!(!face.book().is_crossed());
        assert_eq!(face.print(), t.book);
    }
    let mut open = 0;
    for (index, market) in venue.markets().iter().enumerate() {
        // Between the close and the empty book the public face is the older one.
        let tradable = market.definition.phase <= Phase::Active;
        let Some(live) = market.live.as_ref().filter(|_| tradable) else { continue };
        open += 1;
        assert_eq!(market.face.snapshot(), live.exchange.snapshot(), "market {index}");
    }
    assert!(open >= 12, "{open}");
}

#[test]
fn a_trade_shares_its_millisecond_with_its_level_change() {
    let (_, told) = run(spec(5), 10, 10_000);
    let mut trades = 0;
    for pair in told.windows(2) {
        if let What::Trade(trade) = &pair[0].what {
            trades += 1;
            let What::Level(delta) = &pair[1].what else { panic!("a trade changes a level") };
            assert_eq!((delta.side, delta.qty), (trade.taker.other(), Qty(-trade.qty.0)));
            assert_eq!(pair[0].at.ms(), pair[1].at.ms());
        }
    }
    assert!(trades > 50, "{trades}");
}

#[test]
fn markets_live_from_listing_to_payment_and_others_take_their_place() {
    let (venue, told) = run(spec(11), 60, 20_000);
    let mut words = std::collections::BTreeMap::<String, u32>::new();
    for t in &told {
        if let What::Notice { kind: "market_lifecycle_v2", msg } = &t.what {
            let msg: serde_json::Value = serde_json::from_str(msg).unwrap();
            *words.entry(msg["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    for word in [
        "created",
        "determined",
        "settled",
        "deactivated",
        "activated",
        "price_level_structure_updated",
        "close_date_updated",
    ] {
        assert!(words.contains_key(word), "{word}: {words:?}");
    }
    let active = venue.markets().iter().filter(|m| m.definition.phase <= Phase::Active).count();
    assert!((10..=30).contains(&active), "{active}");
    let paid = |p| venue.markets().iter().filter(|m| m.definition.settlement == Some(p)).count();
    assert!(paid(Price::ONE) > 5 && paid(Price::ZERO) > 5);
    let shorter = venue.markets().iter().filter(|m| m.definition.phase == Phase::Finalized);
    assert!(shorter.clone().all(|m| m.definition.settled_s >= m.definition.determined_s));
    assert!(shorter.count() > 50);
}

#[test]
fn the_rate_is_about_what_was_asked_for_and_uneven() {
    let spec = VenueSpec { markets: 60, rate_per_s: 3_000, lifetime_ms: 900_000, ..spec(2) };
    let (_, told) = run(spec, 10, 10_000);
    let events = told.iter().filter(|t| matches!(t.what, What::Level(_) | What::Trade(_)));
    let later = events.filter(|t| t.at.0 > told[0].at.0 + 100_000).collect::<Vec<_>>();
    assert!((15_000..60_000).contains(&later.len()), "{}", later.len());
    let of = |m: u32| later.iter().filter(|t| t.market == m).count();
    let (most, least) = ((0..60).map(of).max().unwrap(), (0..60).map(of).min().unwrap());
    assert!(most > 4 * least, "{most} {least}");
}

#[test]
fn a_paused_exchange_is_silent_and_goes_on_afterwards() {
    let start = spec(4).start;
    let mut venue = Venue::new(VenueSpec { lifetime_ms: 900_000, ..spec(4) });
    let mut told = Vec::new();
    venue.advance(TsUs(start.0 + 1_000_000));
    venue.pause(TsUs(start.0 + 3_000_000));
    venue.take(&mut told);
    told.clear();
    venue.advance(TsUs(start.0 + 2_999_000));
    assert!(!venue.is_trading());
    venue.take(&mut told);
    assert!(told.is_empty(), "{told:?}");
    venue.advance(TsUs(start.0 + 5_000_000));
    venue.take(&mut told);
    assert!(told.len() > 300 && venue.is_trading());
}

/// Orders of a stranger go through the same engine and are told like everybody's.
#[test]
fn a_stranger_trades_with_the_crowd() {
    let mut venue = Venue::new(spec(6));
    venue.advance(TsUs(spec(6).start.0 + 10_000));
    let mut told = Vec::new();
    venue.take(&mut told);
    told.clear();
    let ask = venue.market(0).unwrap().face.book().touch().ask.expect("quoted");
    let bought = venue.trade(0, |_, exchange, facts| {
        exchange.bid(Side::Yes, ask.0, Qty(100), crate::sim::exchange::Rest::Drop, facts)
    });
    assert!(bought.expect("market is open").is_ok());
    venue.take(&mut told);
    assert!(matches!(&told[0].what, What::Trade(t) if t.yes_price == ask.0 && t.qty == Qty(100)));
    let event = Event {
        row_id: 0,
        recv: TsNs(0),
        ts: None,
        market: MarketId(0),
        sid: 0,
        seq: 0,
        body: Body::Snapshot(Box::new(venue.market(0).unwrap().face.snapshot())),
    };
    let mut book = crate::book::Book::default();
    book.apply(&event).unwrap();
    assert_eq!(book_print(&book), told[1].book);
}
