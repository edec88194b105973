//! The recorded log: winding to a place gives what playing up to it gives.

use super::fixture::bid;
use kalshiflow::actor::Verdict;
use kalshiflow::book::Book;
use kalshiflow::broker::matching::OrderId;
use kalshiflow::dash::source::tape::open;
use kalshiflow::dash::source::{Reel, Wound};
use kalshiflow::dash::{Deed, Desk, Msg, News, OwnOrder, Place, State};
use kalshiflow::env::account::Request;
use kalshiflow::event::{
    Body, Delta, Event, Gap, GapCause, MarketId, Record, SessionId, SessionMeta, Snapshot, Tickers,
};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, Writer};
use kalshiflow::units::{Price, Qty, Side, TsNs};
use std::path::Path;

/// Events of the recorded session: several frames apart, and more than a minute long.
pub const EVENTS: u64 = 30_000;

/// Writes a session of three markets with snapshots, changes, gaps of one and of all.
pub fn record(data_dir: &Path) {
    let meta = SessionMeta {
        id: SessionId([5; 16]),
        source: "sim:seed=5".into(),
        exchange_env: "sim".into(),
        started: TsNs(0),
        flags: Vec::new(),
        inputs: Vec::new(),
    };
    let mut tickers = Tickers::default();
    for name in ["KX-A", "KX-B", "KX-C"] {
        tickers.intern(name);
    }
    let mut writer = Writer::open(data_dir, meta).unwrap();
    let mut rng = Rng::stream(5, "tape", 0);
    for i in 0..EVENTS {
        let recv = TsNs::from_ms(1_000_000 + i as i64 * 10);
        let price = |rng: &mut Rng| Price::new(100 * (1 + rng.below(99)) as i64).unwrap();
        let mut market = MarketId(rng.below(3) as u32);
        let body = match i {
            0..3 => {
                market = MarketId(i as u32);
                snapshot(&mut rng)
            }
            _ if i % 4_001 == 0 => {
                market = MarketId::NONE;
                Body::Gap(Box::new(Gap::unnumbered(GapCause::Reconnect, recv)))
            }
            _ if i % 1_777 == 0 => Body::Gap(Box::new(Gap::unnumbered(GapCause::SeqGap, recv))),
            _ if i % 301 == 0 => snapshot(&mut rng),
            _ => {
                let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
                // Now and then a level falls below nothing.
                let qty = Qty(if rng.chance(0.0005) { -90_000 } else { rng.below(900) as i64 });
                Body::Delta(Delta { side, price: price(&mut rng), qty })
            }
        };
        let sid = if market == MarketId::NONE { 0 } else { 1 };
        let event = Event { row_id: 0, recv, ts: None, market, sid, seq: i + 1, body };
        writer.append(&tickers, Record { event, raw: None }).unwrap();
    }
    writer.finish("finished").unwrap();
}

fn snapshot(rng: &mut Rng) -> Body {
    let mut side = || {
        let level = |rng: &mut Rng| Price::new(100 * (1 + rng.below(99)) as i64).unwrap();
        (0..6).map(|_| (level(rng), Qty(100 + rng.below(5_000) as i64))).collect()
    };
    Body::Snapshot(Box::new(Snapshot { yes: side(), no: side() }))
}

/// Books, and why those that do not hold do not.
type Seen = Vec<(Box<str>, Book, bool)>;

fn seen(desk: &Desk) -> Seen {
    let mut all: Seen = desk
        .markets
        .iter()
        .map(|m| (m.ticker.clone(), m.book.clone(), m.broken.is_some()))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn wound(wound: Wound) -> Desk {
    let mut desk = Desk::default();
    desk.hear(wound.heard);
    desk
}

fn reel(log: &Log) -> Reel<'_> {
    Reel::new(log, log.sessions()[0].id()).unwrap()
}

#[test]
fn wound_to_a_row_every_book_is_what_playing_gives() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let log = Log::open(dir.path()).unwrap();
    let (mut played, mut jumping) = (reel(&log), reel(&log));
    let (first, last) = played.rows();
    assert_eq!(last - first + 1, EVENTS);
    let mut desk = wound(played.wind(Place::Start).unwrap());
    let mut rng = Rng::stream(11, "places", 0);
    let mut places: Vec<u64> =
        (0..60).map(|_| first + rng.below(EVENTS)).chain([first, last]).collect();
    places.sort_unstable();
    let mut whole = 0;
    for place in places {
        while desk.row_id < place {
            desk.hear(played.step("").unwrap().heard);
        }
        let jumped = jumping.wind(Place::Row(place)).unwrap();
        assert_eq!(jumped.row, place);
        assert_eq!(seen(&wound(jumped)), seen(&desk), "row {place}");
        whole += seen(&desk).iter().filter(|(_, book, _)| book.is_valid()).count();
    }
    assert!(whole > 20, "the recording has books: {whole}");
}

/// A market of the recording, and an order there every few seconds; each fourth takes the one before it back.
fn deeds() -> Vec<Deed> {
    let request = |request: Request| serde_json::to_value(request).unwrap();
    let deed = |i: u64| {
        let id = OrderId(i);
        let mut requests = vec![request(Request::Submit { id, order: bid(100 * (1 + i as i64)) })];
        if i % 4 == 3 {
            requests.push(request(Request::Cancel { id: OrderId(i - 3) }));
        }
        let ticker = ["KX-A", "KX-B", "KX-C"][i as usize % 3].to_owned();
        Deed { row_id: 100 + i * 450, ticker, ordered: true, requests, ..Deed::default() }
    };
    (0..60).map(deed).collect()
}

/// Orders that were never sent: the desk kept them back.
const REFUSED: [u64; 2] = [25, 41];

fn verdicts() -> Vec<Verdict> {
    let (deeds, why) = (deeds(), "throttle");
    let verdict = |id: u64| {
        let Deed { row_id, ticker, .. } = deeds[id as usize].clone();
        Verdict { row_id, ticker, order: OrderId(id), refused: true, why: why.to_owned() }
    };
    REFUSED.map(verdict).into()
}

/// Orders sent before the place that winding reads on from met no book: nobody knew what stood before them.
#[test]
fn wound_to_a_row_own_orders_are_those_of_playing_and_each_has_its_queue() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let log = Log::open(dir.path()).unwrap();
    let (mut played, mut tape) = open(&log, dir.path(), None).unwrap();
    (tape.deeds, tape.verdicts) = (deeds(), verdicts());
    let tell = |state: &mut State, news| drop(state.update(Msg::News(news), TsNs(0)));
    let put_in = |wound: Wound| {
        let mut state = State::new("here", (80, 24));
        tell(&mut state, News::Tape(Ok(Box::new(tape.clone()))));
        tell(&mut state, News::Wound(wound.heard, wound.at));
        state
    };
    let mut playing = put_in(played.wind(Place::Start).unwrap());
    let (mut jumping, mut queues) = (reel(&log), 0);
    for place in (2_500..EVENTS).step_by(2_500) {
        let left = (place - playing.replay.row_id) as usize;
        let ran = played.run(TsNs(i64::MAX), left).unwrap();
        tell(&mut playing, News::Ran(ran.heard, ran.at));
        let jumped = put_in(jumping.wind(Place::Row(place)).unwrap());
        assert_eq!((playing.replay.row_id, jumped.replay.row_id), (place, place));
        for market in &jumped.replay.markets {
            let orders = |state: &State| state.replay.trading.orders.of(&market.ticker).to_vec();
            let but_the_queue = |state: &State| -> Vec<OwnOrder> {
                orders(state).into_iter().map(|order| OwnOrder { ahead: None, ..order }).collect()
            };
            assert_eq!(but_the_queue(&jumped), but_the_queue(&playing), "row {place}");
            let never_sent = |order: &OwnOrder| REFUSED.contains(&order.id.0);
            assert!(!orders(&jumped).iter().any(never_sent), "row {place}");
            let known = orders(&jumped).iter().filter(|order| order.ahead.is_some()).count();
            if market.book.is_valid() {
                assert_eq!(known, orders(&jumped).len(), "row {place}: {:?}", orders(&jumped));
                queues += known;
            }
        }
    }
    let held_back = playing.replay.trading.status.as_ref().map(|status| status.held_back);
    assert_eq!(held_back, Some(REFUSED.len() as u64));
    assert!(queues > 50, "orders rest where books are known: {queues}");
}

#[test]
fn a_step_back_undoes_a_step_of_this_market() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let log = Log::open(dir.path()).unwrap();
    let mut reel = reel(&log);
    for start in [5, 701, 12_345, EVENTS - 500] {
        let here = reel.wind(Place::Row(start)).unwrap();
        let before = seen(&wound(here));
        let stepped = reel.step("KX-B").unwrap();
        let row = stepped.row;
        let back = reel.before("KX-B", row).unwrap();
        assert_eq!(back, row - 1, "the step ended on an event of this market");
        let after = wound(reel.wind(Place::Row(back)).unwrap());
        let b = |all: &Seen| all.iter().find(|m| &*m.0 == "KX-B").cloned();
        assert_eq!(b(&seen(&after)), b(&before), "from row {start}");
    }
}

#[test]
fn places_by_time_share_and_end_are_where_they_say() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let log = Log::open(dir.path()).unwrap();
    let (mut reel, tape) = open(&log, dir.path(), None).unwrap();
    assert_eq!((tape.source.as_str(), tape.rows), ("sim:seed=5", (1, EVENTS)));
    assert_eq!(tape.gaps.len(), reel.gaps().len());
    let at = |reel: &mut Reel<'_>, place| {
        let wound = reel.wind(place).unwrap();
        (wound.row, wound.at)
    };
    assert_eq!(at(&mut reel, Place::Start), (0, tape.from));
    assert_eq!(at(&mut reel, Place::End), (EVENTS, tape.to));
    let (row, time) = at(&mut reel, Place::Share(0.5));
    assert!(row.abs_diff(EVENTS / 2) <= 1 && (time.0 - tape.from.0) * 2 == tape.to.0 - tape.from.0);
    assert_eq!(at(&mut reel, Place::At(TsNs(i64::MAX))).0, EVENTS);
    // The minute before the place is seen too.
    let wound = reel.wind(Place::Share(0.9)).unwrap();
    let first = wound.heard.events.first().unwrap().recv;
    assert!(wound.at.0 - first.0 >= 60_000_000_000, "{first:?} {:?}", wound.at);
    assert!(open(&log, dir.path(), Some("no-such-session")).is_err());
}
