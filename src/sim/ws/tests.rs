use super::*;
use crate::book::Book;
use crate::event::{Body, MarketId};
use crate::sim::script::Garbage;
use crate::sim::venue::{VenueSpec, book_print};
use crate::units::TsNs;
use crate::wire::Decoder;
use serde_json::{Value, json};
use std::collections::HashMap;

/// An exchange with one connection, and a clock that is pushed by hand.
struct Rig {
    venue: Venue,
    encoder: Encoder,
    truth: Truth,
    script: Script,
    struck: Vec<Fault>,
    session: Session,
}

impl Rig {
    fn new(ws: WsSpec, script: &str) -> Rig {
        let mut venue = Venue::new(VenueSpec {
            markets: 9,
            rate_per_s: 2_000,
            lifetime_ms: 60_000,
            ..VenueSpec::default()
        });
        venue.advance(TsUs(venue.now().0 + 1_000));
        venue.take(&mut Vec::new());
        let mut truth = Truth::kept();
        truth.enter(Line::Open { c: 0, at_us: 0 });
        Rig {
            venue,
            encoder: Encoder::default(),
            truth,
            script: Script::parse(script).unwrap(),
            struck: Vec::new(),
            session: Session::new(0, Some(0), ws),
        }
    }

    fn plain() -> Rig {
        Rig::new(WsSpec { reply_jitter_us: 0, late_snapshots_e3: 0, ..WsSpec::default() }, "")
    }

    fn tickers(&self) -> Vec<String> {
        self.venue.markets().iter().take(9).map(|m| m.definition.ticker.clone()).collect()
    }

    fn with(&mut self, act: impl FnOnce(&mut Session, &mut Scene<'_>)) {
        let Rig { venue, encoder, truth, script, struck, session } = self;
        act(session, &mut Scene { venue, encoder, truth, script, struck });
    }

    fn ask(&mut self, command: &Value) {
        let text = command.to_string();
        self.with(|session, scene| session.ask(text, scene));
        self.with(Session::wake);
    }

    /// Lets time pass in milliseconds; the frames that came.
    fn pass(&mut self, ms: i64) -> Vec<Out> {
        for _ in 0..ms {
            self.venue.advance(TsUs(self.venue.now().0 + 1_000));
            self.publish();
        }
        self.session.take()
    }

    fn publish(&mut self) {
        let mut told = Vec::new();
        self.venue.take(&mut told);
        for t in told {
            let definition = self.venue.market(t.market).unwrap().definition.clone();
            let message = self.encoder.message(&t, &definition);
            self.with(|session, scene| session.told(&t, &message, scene));
        }
        self.with(Session::wake);
    }

    /// The frames that came, as JSON.
    fn frames(&mut self, ms: i64) -> Vec<Value> {
        let text = |out: Out| match out {
            Out::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        };
        self.pass(ms).into_iter().map(text).collect()
    }

    fn subscribe(&mut self, id: u64, channels: &[&str], tickers: &[String]) {
        let params =
            json!({"channels": channels, "market_tickers": tickers, "use_yes_price": false});
        self.ask(&json!({"id": id, "cmd": "subscribe", "params": params}));
    }

    fn update(&mut self, id: u64, sid: u32, action: &str, tickers: &[String]) {
        let params = json!({"sid": sid, "action": action, "market_tickers": tickers});
        self.ask(&json!({"id": id, "cmd": "update_subscription", "params": params}));
    }
}

fn of<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|f| f["type"] == kind).collect()
}

fn seqs(frames: &[Value], sid: u32) -> Vec<u64> {
    frames.iter().filter(|f| f["sid"] == sid).filter_map(|f| f["seq"].as_u64()).collect()
}

/// Folds frames as a client does; each book must have the print that the truth has for it.
fn fold(frames: &[Value], truth: &Truth) -> HashMap<u32, Book> {
    let (mut decoder, mut books) = (Decoder::default(), HashMap::<u32, Book>::new());
    for frame in frames {
        let record = decoder.decode(frame.to_string().as_bytes(), TsNs(0));
        let event = record.event;
        if event.market == MarketId::NONE
            || !matches!(event.body, Body::Delta(_) | Body::Snapshot(_))
        {
            continue;
        }
        let book = books.entry(event.market.0).or_default();
        book.apply(&event).unwrap();
        if book.is_valid() {
            let stamp = truth.connections[0].sids[&event.sid].frames[event.seq as usize - 1];
            assert_eq!(book_print(book), stamp.book, "{frame}");
        }
    }
    books
}

#[test]
fn a_second_subscribe_merges_into_the_open_subscription() {
    let (mut rig, t) = (Rig::plain(), Rig::plain().tickers());
    rig.subscribe(2, &["orderbook_delta"], &t[..1]);
    rig.subscribe(3, &["orderbook_delta"], &t[1..3]);
    rig.update(4, 1, "add_markets", &t[2..4]);
    rig.update(5, 1, "delete_markets", &t[..1]);
    let frames = rig.frames(50);
    let subscribed = of(&frames, "subscribed");
    assert_eq!(subscribed.len(), 1);
    assert_eq!(
        *subscribed[0],
        json!({"type": "subscribed", "id": 2, "msg": {"channel": "orderbook_delta", "sid": 1}})
    );
    let lists: Vec<_> =
        of(&frames, "ok").iter().map(|f| f["msg"]["market_tickers"].clone()).collect();
    assert_eq!(lists, [json!(t[..3]), json!(t[..4]), json!(t[1..4])]);
    let seqs = seqs(&frames, 1);
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    // Three oks, four snapshots; the new ones only.
    assert_eq!(of(&frames, "orderbook_snapshot").len(), 4);
    fold(&frames, &rig.truth);
}

#[test]
fn each_channel_has_its_sid_and_only_some_are_numbered() {
    let (mut rig, t) = (Rig::plain(), Rig::plain().tickers());
    rig.subscribe(1, &["orderbook_delta", "trade", "ticker"], &t);
    rig.ask(&json!({"id": 2, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}}));
    rig.ask(&json!({"id": 3, "cmd": "list_subscriptions"}));
    rig.with(|session, scene| session.ticker(0, scene));
    let frames = rig.frames(3_000);
    let list = &of(&frames, "ok")[0]["msg"];
    assert_eq!(list[2], json!({"channel": "ticker", "sid": 3}));
    assert_eq!(list.as_array().unwrap().len(), 4);
    let ticker = of(&frames, "ticker")[0];
    assert!(ticker.get("seq").is_none() && ticker["sid"] == 3);
    let (books, trades) = (seqs(&frames, 1), seqs(&frames, 2));
    assert!(books.len() > 2_000 && books.iter().copied().eq(1..=books.len() as u64));
    assert!(trades.len() > 20 && trades.iter().copied().eq(1..=trades.len() as u64));
    // A trade and one of its level changes share the millisecond.
    for trade in of(&frames, "trade") {
        let same = |d: &&&Value| {
            d["msg"]["ts_ms"] == trade["msg"]["ts_ms"]
                && d["msg"]["market_ticker"] == trade["msg"]["market_ticker"]
        };
        assert!(of(&frames, "orderbook_delta").iter().any(|d| same(&d)), "{trade}");
    }
    assert_eq!(fold(&frames, &rig.truth).len(), 9);
}

#[test]
fn yes_price_turns_the_no_levels_over() {
    let scale = |yes: bool| {
        let (mut rig, t) = (Rig::plain(), Rig::plain().tickers());
        let params =
            json!({"channels": ["orderbook_delta"], "market_ticker": t[0], "use_yes_price": yes});
        rig.ask(&json!({"id": 1, "cmd": "subscribe", "params": params}));
        rig.frames(2_000)
    };
    let (own, yes) = (scale(false), scale(true));
    assert_eq!(own.len(), yes.len());
    let price = |v: &Value| v.as_str().unwrap().parse::<f64>().unwrap();
    let mut turned = 0;
    for (a, b) in own.iter().zip(&yes).filter(|(a, _)| a["type"] == "orderbook_delta") {
        let (a, b) = (&a["msg"], &b["msg"]);
        if a["side"] == "no" {
            assert!((price(&a["price_dollars"]) + price(&b["price_dollars"]) - 1.0).abs() < 1e-9);
            turned += 1;
        } else {
            assert_eq!(a, b);
        }
    }
    assert!(turned > 50);
    let level = |f: &[Value]| price(&of(f, "orderbook_snapshot")[0]["msg"]["no_dollars_fp"][0][0]);
    assert!((level(&own) + level(&yes) - 1.0).abs() < 1e-9);
}

#[test]
fn mistakes_are_answered_with_their_codes() {
    let (mut rig, t) = (Rig::plain(), Rig::plain().tickers());
    rig.subscribe(1, &["orderbook_delta"], &t[..1]);
    rig.frames(1);
    let mut code = |command: Value| {
        rig.ask(&command);
        let frames = rig.frames(0);
        let error = of(&frames, "error").into_iter().next().expect("an error").clone();
        (error["msg"]["code"].as_u64().unwrap(), error)
    };
    let update = |params: Value| json!({"id": 9, "cmd": "update_subscription", "params": params});
    assert_eq!(code(json!({"id": 7, "cmd": "unsubscribe", "params": {"sids": [55]}})).0, 7);
    assert_eq!(code(update(json!({"sid": 1, "action": "add_markets"}))).0, 14);
    assert_eq!(code(update(json!({"sid": 1, "action": "fold", "market_tickers": [t[0]]}))).0, 13);
    assert_eq!(
        code(update(json!({"sid": 8, "action": "add_markets", "market_tickers": [t[0]]}))).0,
        7
    );
    let (number, error) =
        code(update(json!({"sid": 1, "action": "add_markets", "market_tickers": ["NO-SUCH"]})));
    assert_eq!((number, &error["msg"]["market_tickers"]), (11, &json!(["NO-SUCH"])));
    // What is about one subscription is numbered there.
    assert!(error["sid"] == 1 && error["seq"].as_u64() > Some(2), "{error}");
    let (number, error) = code(json!({"id": 3, "cmd": "dance"}));
    assert_eq!((number, error.get("sid")), (5, None));
}

#[test]
fn limits_are_answered_with_26_and_27() {
    let spec =
        WsSpec { reply_jitter_us: 0, markets_max: 3, commands_per_s: 4, ..WsSpec::default() };
    let mut rig = Rig::new(spec, "");
    let t = rig.tickers();
    rig.subscribe(1, &["orderbook_delta"], &t[..4]);
    rig.subscribe(2, &["orderbook_delta"], &t[..3]);
    rig.update(3, 1, "add_markets", &t[3..5]);
    rig.update(4, 1, "get_snapshot", &t[..1]);
    rig.update(5, 1, "get_snapshot", &t[..1]);
    let frames = rig.frames(100);
    let codes: Vec<_> =
        of(&frames, "error").iter().map(|f| (f["id"].clone(), f["msg"]["code"].clone())).collect();
    assert_eq!(codes, [(json!(1), json!(26)), (json!(3), json!(26)), (json!(5), json!(27))]);
    assert!(of(&frames, "orderbook_snapshot").iter().any(|f| f["id"] == 4));
}

/// Replies out of order, late snapshots, deltas before them: the client's books are right all the same.
#[test]
fn replies_and_snapshots_are_shuffled_and_everything_still_adds_up() {
    let ws = WsSpec {
        reply_jitter_us: 20_000,
        late_snapshots_e3: 500,
        late_snapshot_us: 500_000,
        ..WsSpec::default()
    };
    let mut rig = Rig::new(ws, "");
    let t = rig.tickers();
    for (i, ticker) in t.iter().enumerate() {
        rig.subscribe(i as u64 + 1, &["orderbook_delta"], std::slice::from_ref(ticker));
    }
    let frames = rig.frames(2_000);
    let reply = |f: &&Value| f["type"] == "subscribed" || f["type"] == "ok";
    let ids: Vec<_> = frames.iter().filter(reply).filter_map(|f| f["id"].as_u64()).collect();
    assert!(ids.len() == 9 && !ids.is_sorted(), "{ids:?}");
    let first = |kind: &str, ticker: &str| {
        frames.iter().position(|f| f["type"] == kind && f["msg"]["market_ticker"] == ticker)
    };
    let early = |t: &String| {
        let delta = first("orderbook_delta", t);
        delta.is_some() && delta < first("orderbook_snapshot", t)
    };
    assert!(t.iter().any(early), "no delta came before its snapshot");
    assert_eq!(fold(&frames, &rig.truth).len(), 9);
    let seqs = seqs(&frames, 1);
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
}

#[test]
fn dropped_doubled_and_swapped_frames_are_those_of_the_script() {
    let script = concat!(
        "{\"after_frames\":100,\"do\":\"drop\",\"n\":5}\n",
        "{\"after_frames\":200,\"do\":\"duplicate\",\"n\":2}\n",
        "{\"after_frames\":300,\"do\":\"reorder\",\"n\":2}\n",
        "{\"after_frames\":400,\"do\":\"garbage\",\"kind\":\"wrong_types\",\"n\":3,\"in_place\":true}\n",
        "{\"after_frames\":500,\"do\":\"delay\",\"n\":1,\"ms\":40}\n",
    );
    let ws = WsSpec { reply_jitter_us: 0, late_snapshots_e3: 0, ..WsSpec::default() };
    let mut rig = Rig::new(ws, script);
    let t = rig.tickers();
    rig.subscribe(1, &["orderbook_delta"], &t);
    let seqs = seqs(&rig.frames(3_000), 1);
    let mut want: Vec<u64> = (1..=100).chain(106..=200).collect();
    want.extend([201, 201, 202, 202]);
    want.extend(203..=300);
    want.extend([302, 303, 301]);
    want.extend(304..=*seqs.last().unwrap());
    assert_eq!(seqs, want);
    let issued = &rig.truth.connections[0].sids[&1];
    assert!(issued.frames.len() as u64 >= *seqs.last().unwrap());
    let fates: Vec<_> = issued.fates.iter().map(|(seq, fate)| (*seq, *fate)).collect();
    let dropped = (101..=105).map(|s| (s, Fate::Dropped));
    let doubled = (201..=202).map(|s| (s, Fate::Duplicated));
    let garbled = (401..=403).map(|s| (s, Fate::Garbled));
    assert_eq!(fates, dropped.chain(doubled).chain(garbled).collect::<Vec<_>>());
    assert_eq!(rig.truth.faults.len(), 5);
}

#[test]
fn terminal_errors_end_the_subscription_and_a_new_one_gets_a_new_sid() {
    for code in [10, 25] {
        let script = format!("{{\"after_frames\":50,\"do\":\"error\",\"code\":{code}}}");
        let mut rig = Rig::new(Rig::plain().session.spec, &script);
        let t = rig.tickers();
        rig.subscribe(1, &["orderbook_delta"], &t);
        let frames = rig.frames(500);
        let last = frames.last().unwrap();
        assert_eq!(
            (&last["msg"]["code"], &last["sid"], &last["seq"]),
            (&json!(code), &json!(1), &json!(51))
        );
        rig.subscribe(2, &["orderbook_delta"], &t);
        let frames = rig.frames(100);
        assert_eq!(frames[0]["msg"], json!({"channel": "orderbook_delta", "sid": 2}));
        assert_eq!(seqs(&frames, 2)[0], 1);
    }
}

#[test]
fn a_client_that_does_not_read_loses_its_busiest_subscription() {
    let ws = WsSpec {
        reply_jitter_us: 0,
        late_snapshots_e3: 0,
        buffer_frames: 200,
        ..WsSpec::default()
    };
    let mut rig = Rig::new(ws, "");
    let t = rig.tickers();
    rig.subscribe(1, &["orderbook_delta", "trade"], &t);
    while rig.session.waiting() <= 200 {
        rig.venue.advance(TsUs(rig.venue.now().0 + 1_000));
        rig.publish();
    }
    rig.with(Session::overflow);
    let frames = rig.frames(0);
    let errors = of(&frames, "error");
    assert_eq!(
        (errors.len(), &errors[0]["msg"]["code"], &errors[0]["sid"]),
        (1, &json!(25), &json!(1))
    );
    assert!(of(&frames, "orderbook_delta").is_empty() && !of(&frames, "subscribed").is_empty());
    let issued = &rig.truth.connections[0].sids[&1];
    assert_eq!(issued.fates.len() + 1, issued.frames.len(), "all but the error were discarded");
}

#[test]
fn faults_of_the_connection_and_of_the_exchange_go_where_they_belong() {
    let mut rig = Rig::plain();
    let mut strike = |fault: Fault| {
        rig.with(|session, scene| session.strike(Channel::OrderbookDelta, &fault, scene));
        (rig.pass(0), std::mem::take(&mut rig.struck))
    };
    assert_eq!(strike(Fault::Cut).0, [Out::Cut]);
    assert_eq!(strike(Fault::Close(1006)).0, [Out::Close(1006)]);
    assert_eq!(strike(Fault::HalfOpen).0, [Out::Mute]);
    assert_eq!(strike(Fault::Pause(5)), (vec![], vec![Fault::Pause(5)]));
    assert_eq!(strike(Fault::Drop(5)).0, [], "without a subscription there is nothing to drop");
    let kinds = [
        Garbage::InvalidUtf8,
        Garbage::Truncated,
        Garbage::WrongTypes,
        Garbage::Binary,
        Garbage::Deep,
        Garbage::Huge,
        Garbage::NotANumber,
    ];
    for kind in kinds {
        let out = strike(Fault::Garbage { kind, n: 1, bytes: 5_000, in_place: false }).0;
        let bytes = match &out[..] {
            [Out::Text(text)] => text.as_bytes(),
            [Out::RawText(bytes) | Out::Binary(bytes)] => bytes,
            other => panic!("{other:?}"),
        };
        let record = Decoder::default().decode(bytes, TsNs(0));
        // A long text is no fault by itself: it is a frame of a type that nobody knows.
        let want_bad = kind != Garbage::Huge;
        assert_eq!(matches!(record.event.body, Body::Bad(_)), want_bad, "{kind:?}");
    }
    assert_eq!(rig.truth.garbage, 7);
}

#[test]
fn lag_delays_frames_and_keeps_the_order_of_each_subscription() {
    let ws = WsSpec { lag: true, reply_jitter_us: 0, late_snapshots_e3: 0, ..WsSpec::default() };
    let mut rig = Rig::new(ws, "");
    let t = rig.tickers();
    rig.subscribe(1, &["orderbook_delta", "trade"], &t);
    let mut late = Vec::new();
    let mut frames = Vec::new();
    for _ in 0..200 {
        let came = rig.frames(10);
        let now_ms = rig.venue.now().ms();
        late.extend(came.iter().filter_map(|f| Some(now_ms - f["msg"]["ts_ms"].as_i64()?)));
        frames.extend(came);
    }
    assert!(seqs(&frames, 1).is_sorted() && seqs(&frames, 2).is_sorted());
    late.sort_unstable();
    assert!((5..60).contains(&late[late.len() / 2]), "{}", late[late.len() / 2]);
}
