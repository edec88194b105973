//! The rules of protocol notes 4, one story each: what came, what we sent, what the log says.

use super::world::{MS, Reader, S, at, levels, spec};
use crate::event::{Body, GapCause, MarketId};
use crate::feed::{Action, Channel, FeedSpec, Lost, Session};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const WAIT: u64 = 5 * S;

/// A session on a connection that answers only when told to.
struct Desk {
    session: Session,
    reader: Reader,
    ids: BTreeMap<String, MarketId>,
    now_ns: u64,
    sent: Vec<Value>,
    reconnects: Vec<Lost>,
    pings: u32,
    healed: Vec<String>,
    causes: Vec<GapCause>,
}

impl Desk {
    fn with(spec: &FeedSpec, tickers: &[&str]) -> Desk {
        let mut session = Session::new(spec);
        session.want(at(S), &tickers.iter().map(|t| t.to_string()).collect::<Vec<_>>());
        let reader = Reader::default();
        let mut desk = Desk {
            session,
            reader,
            ids: BTreeMap::new(),
            now_ns: S,
            sent: Vec::new(),
            reconnects: Vec::new(),
            pings: 0,
            healed: Vec::new(),
            causes: Vec::new(),
        };
        desk.connect();
        desk
    }

    /// Books only; markets A and B subscribed under sid 1, both books known (numbers 1 and 2).
    fn ready() -> Desk {
        let mut desk = Desk::with(&books(), &["A", "B"]);
        desk.say(
            json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
        );
        desk.snapshot("A", 1);
        desk.snapshot("B", 2);
        desk.sent.clear();
        desk
    }

    fn connect(&mut self) {
        self.session.connected(at(self.now_ns));
        self.collect();
    }

    fn say(&mut self, frame: Value) {
        self.session.frame(at(self.now_ns), frame.to_string().as_bytes());
        self.collect();
    }

    fn snapshot(&mut self, market: &str, seq: u64) {
        self.snapshot_on(1, market, seq);
    }

    fn snapshot_on(&mut self, sid: u32, market: &str, seq: u64) {
        self.say(json!({"type": "orderbook_snapshot", "sid": sid, "seq": seq,
            "msg": {"market_ticker": market, "yes_dollars_fp": [["0.4000", "10.00"]]}}));
    }

    fn delta(&mut self, market: &str, seq: u64, change: &str) {
        self.say(json!({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": {"market_ticker": market,
            "price_dollars": "0.4000", "delta_fp": change, "side": "yes", "ts_ms": 1_700_000_000_000i64}}));
    }

    fn error(&mut self, top: Value, code: u32) {
        let mut frame = json!({"type": "error", "msg": {"code": code, "msg": "because"}});
        frame.as_object_mut().unwrap().extend(top.as_object().unwrap().clone());
        self.say(frame);
    }

    fn want(&mut self, tickers: &[&str]) {
        let list: Vec<String> = tickers.iter().map(|t| t.to_string()).collect();
        self.session.want(at(self.now_ns), &list);
        self.collect();
    }

    /// Lets time pass in small steps.
    fn pass(&mut self, ns: u64) {
        let end = self.now_ns + ns;
        while self.now_ns < end {
            self.now_ns = (self.now_ns + 100 * MS).min(end);
            // The server's heartbeat: silence is another story.
            self.session.alive(at(self.now_ns));
            self.session.tick(at(self.now_ns));
            let next = self.session.wake_ns();
            assert!(next.is_none_or(|at| at > self.now_ns), "a deadline that stays due is a storm");
            self.collect();
        }
    }

    fn collect(&mut self) {
        let batch = self.session.take_batch();
        self.ids.extend(batch.markets.into_iter().map(|(id, ticker, _)| (ticker.into(), id)));
        for record in batch.records {
            self.reader.read(&record);
            match &record.event.body {
                Body::Healed(gap) => self.healed.push(gap.healed_by.clone()),
                Body::Gap(gap) => self.causes.push(gap.cause),
                _ => {}
            }
        }
        for action in self.session.actions() {
            match action {
                Action::Send(text) => self.sent.push(serde_json::from_str(&text).unwrap()),
                Action::Ping => self.pings += 1,
                Action::Reconnect(why) => self.reconnects.push(why),
            }
        }
    }

    /// Commands sent since the last look: what, and for which markets.
    #[track_caller]
    fn expect_sent(&mut self, want: &[(&str, &[&str])]) {
        let word = |v: &Value| {
            let params = &v["params"];
            let action = params["action"].as_str().or(v["cmd"].as_str()).unwrap_or_default();
            let markets = params["market_tickers"].as_array().into_iter().flatten();
            let markets: Vec<String> =
                markets.filter_map(Value::as_str).map(str::to_owned).collect();
            (action.to_owned(), markets)
        };
        let got: Vec<_> = std::mem::take(&mut self.sent).iter().map(word).collect();
        let want: Vec<_> = want
            .iter()
            .map(|(w, m)| (w.to_string(), m.iter().map(|t| t.to_string()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(got, want);
    }

    fn known(&self, market: &str) -> bool {
        self.session.book(market).is_some()
    }

    /// Whether a reader of the log takes the market's book for known.
    fn logged(&self, market: &str) -> bool {
        self.ids.get(market).is_some_and(|id| self.reader.book(*id).is_some())
    }

    fn id(&self) -> u64 {
        self.sent.last().and_then(|v| v["id"].as_u64()).expect("a command was sent")
    }
}

fn books() -> FeedSpec {
    FeedSpec { channels: vec![Channel::OrderbookDelta], ..spec() }
}

#[test]
fn a_hole_makes_the_books_stale_until_the_snapshots_that_were_asked_for() {
    let mut desk = Desk::ready();
    desk.delta("A", 5, "1.00");
    assert!(!desk.known("A") && !desk.known("B"));
    desk.pass(100 * MS);
    desk.expect_sent(&[("get_snapshot", &["A", "B"])]);
    desk.snapshot("A", 6);
    assert!(desk.known("A") && !desk.known("B") && desk.healed.is_empty());
    desk.snapshot("B", 7);
    assert_eq!(
        (desk.causes.as_slice(), &desk.healed[..]),
        (&[GapCause::SeqGap][..], &["snapshot".to_owned()][..])
    );
    assert_eq!((desk.session.counters().missing, desk.session.counters().open_gaps), (2, 0));
    desk.reader.check_identity();
}

#[test]
fn a_second_hole_while_healing_subscribes_anew_and_a_third_connects_anew() {
    let mut desk = Desk::ready();
    desk.delta("A", 5, "1.00");
    desk.pass(100 * MS);
    desk.expect_sent(&[("get_snapshot", &["A", "B"])]);
    desk.delta("A", 9, "1.00");
    desk.pass(100 * MS);
    desk.expect_sent(&[("unsubscribe", &[])]);
    desk.say(json!({"type": "unsubscribed", "id": 3, "sid": 1, "seq": 10}));
    desk.expect_sent(&[("subscribe", &["A", "B"])]);
    desk.say(
        json!({"type": "subscribed", "id": 4, "msg": {"channel": "orderbook_delta", "sid": 2}}),
    );
    desk.snapshot_on(2, "A", 1);
    assert!(desk.healed.is_empty());
    desk.snapshot_on(2, "B", 3);
    assert_eq!(desk.reconnects, [Lost::Unhealed]);
    desk.connect();
    desk.say(
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    let by: Vec<&str> = desk.healed.iter().map(String::as_str).collect();
    assert_eq!(by, ["resubscribe", "resubscribe", "resubscribe", "reconnect", "reconnect"]);
    assert_eq!(desk.causes.len(), 5);
    desk.reader.check_identity();
}

#[test]
fn no_answer_to_get_snapshot_subscribes_anew_and_heals() {
    let mut desk = Desk::ready();
    desk.delta("A", 5, "1.00");
    desk.pass(100 * MS);
    desk.sent.clear();
    desk.pass(WAIT);
    desk.expect_sent(&[("unsubscribe", &[])]);
    desk.say(json!({"type": "unsubscribed", "id": 3, "sid": 1, "seq": 6}));
    desk.say(
        json!({"type": "subscribed", "id": 4, "msg": {"channel": "orderbook_delta", "sid": 2}}),
    );
    desk.snapshot_on(2, "A", 1);
    desk.snapshot_on(2, "B", 2);
    assert_eq!(desk.healed, ["resubscribe", "resubscribe"]);
}

#[test]
fn a_hole_in_the_trades_is_a_row_and_no_book_suffers() {
    let mut desk = Desk::with(&spec(), &["A"]);
    desk.say(
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.say(json!({"type": "subscribed", "id": 2, "msg": {"channel": "trade", "sid": 2}}));
    desk.snapshot("A", 1);
    desk.sent.clear();
    desk.say(json!({"type": "trade", "sid": 2, "seq": 4, "msg": {"market_ticker": "A"}}));
    assert!(desk.known("A"));
    assert_eq!((desk.session.counters().missing, desk.session.counters().open_gaps), (3, 0));
    desk.pass(S);
    desk.expect_sent(&[]);
}

#[test]
fn a_negative_level_asks_for_that_market_alone() {
    let mut desk = Desk::ready();
    desk.delta("A", 3, "-11.00");
    assert!(!desk.known("A") && desk.known("B"));
    desk.pass(100 * MS);
    desk.expect_sent(&[("get_snapshot", &["A"])]);
    desk.snapshot("A", 4);
    assert_eq!((desk.causes[0], desk.healed[0].as_str()), (GapCause::NegativeLevel, "snapshot"));
}

#[test]
fn an_unreadable_frame_harms_only_what_it_can_have_been() {
    let mut desk = Desk::ready();
    desk.say(json!({"type": "orderbook_delta", "sid": 1, "seq": 3, "msg": {"market_ticker": "A"}}));
    assert!(!desk.known("A") && desk.known("B"));
    desk.snapshot("A", 4);
    desk.say(json!({"type": "orderbook_delta", "sid": 1, "seq": 5}));
    assert!(!desk.known("A") && !desk.known("B"));
    desk.snapshot("A", 6);
    desk.snapshot("B", 7);
    desk.session.frame(at(desk.now_ns), b"{\"type\":\"orderbook_del");
    desk.session.unreadable(at(desk.now_ns), Some(&[0, 159, 146, 150]), "a binary frame");
    desk.collect();
    assert!(desk.known("A") && desk.known("B"), "the next number tells whether it counted");
    let counters = desk.session.counters();
    assert_eq!((counters.bad, counters.missing, counters.open_gaps), (4, 0, 0));
    desk.delta("A", 9, "1.00");
    assert_eq!(desk.session.counters().missing, 1);
}

/// Two accidents and a change of mind: the answer that names the subscription is lost, its markets are
/// wanted no more, and one of its changes cannot be read. No wanted book depends on the subscription then,
/// but the log holds its books, and they miss the change.
#[test]
fn an_unreadable_frame_of_a_nameless_subscription_is_a_gap_though_nobody_wants_its_books() {
    let mut desk = Desk::with(&books(), &["A", "B"]);
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    desk.want(&["C"]);
    assert!(desk.logged("A") && desk.logged("B"), "they go on until they are unsubscribed");
    desk.say(json!({"type": "orderbook_delta", "sid": 1, "seq": 3}));
    desk.delta("A", 4, "1.00");
    assert_eq!(desk.causes, [GapCause::BadFrame]);
    assert!(!desk.logged("A") && !desk.logged("B") && !desk.known("A"));
    desk.reader.check_identity();
}

/// Nothing says that the exchange follows the markets of a command without answer. Who wants one again
/// must not be given the book that came by it.
#[test]
fn a_book_of_a_failed_command_is_not_known_when_it_is_wanted_again() {
    let mut desk = Desk::with(&books(), &["A", "B"]);
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    desk.want(&["A"]);
    desk.sent.clear();
    desk.pass(WAIT);
    desk.expect_sent(&[("subscribe", &["A"])]);
    assert!(!desk.known("A") && !desk.known("B"));
    assert_eq!(desk.causes, [GapCause::Reconnect], "B is missed by nobody");
    desk.want(&["A", "B"]);
    assert_eq!(desk.causes, [GapCause::Reconnect; 2]);
    assert!(!desk.logged("B"));
    let list = json!({"market_tickers": ["A", "B"]});
    desk.say(json!({"type": "ok", "id": 2, "sid": 1, "seq": 3, "msg": list}));
    desk.snapshot("A", 4);
    desk.expect_sent(&[("add_markets", &["B"])]);
    desk.say(json!({"type": "ok", "id": 3, "sid": 1, "seq": 5, "msg": list}));
    desk.snapshot("B", 6);
    assert!(desk.known("A") && desk.known("B") && desk.healed.len() == 2);
}

/// Its snapshot came, and then the exchange's list of markets does not name it: nothing follows it.
#[test]
fn a_market_that_was_not_taken_keeps_no_book() {
    let mut desk = Desk::with(&books(), &["A"]);
    desk.say(
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.want(&["A", "B"]);
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    assert!(desk.known("B"));
    desk.say(json!({"type": "ok", "id": 2, "sid": 1, "seq": 3, "msg": {"market_tickers": ["A"]}}));
    assert!(desk.known("A") && !desk.known("B") && !desk.logged("B"));
    assert!(desk.reader.notes.last().unwrap().1.contains("not in the exchange's list"));
}

#[test]
fn a_frame_that_comes_twice_is_kept_and_not_applied() {
    let mut desk = Desk::ready();
    desk.delta("A", 3, "1.00");
    desk.delta("A", 3, "1.00");
    let book = levels(&desk.session.book("A").unwrap());
    assert_eq!(book.values().copied().collect::<Vec<_>>(), [1_100]);
    assert_eq!(desk.session.counters().duplicates, 1);
}

#[test]
fn a_whole_session_said_again_changes_nothing() {
    let mut desk = Desk::ready();
    (3..500).for_each(|seq| desk.delta("A", seq, "1.00"));
    let before = desk.session.book("A");
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    (3..500).for_each(|seq| desk.delta("A", seq, "1.00"));
    assert_eq!(desk.session.book("A"), before);
    let counters = desk.session.counters();
    assert_eq!((counters.duplicates, counters.gaps, desk.reconnects.len()), (499, 0, 0));
}

#[test]
fn a_snapshot_that_was_overtaken_by_newer_deltas_is_not_applied() {
    let mut desk = Desk::ready();
    desk.delta("A", 4, "1.00");
    desk.snapshot("A", 5);
    desk.snapshot("B", 6);
    desk.delta("A", 7, "1.00");
    let before = desk.session.book("A");
    desk.snapshot("A", 3);
    assert_eq!(desk.session.book("A"), before);
    let counters = desk.session.counters();
    assert_eq!((counters.late, counters.missing, counters.open_gaps), (1, 1, 0));
    desk.reader.check_identity();
}

#[test]
fn a_delta_before_the_first_snapshot_is_dropped_by_the_book_and_kept_by_the_log() {
    let mut desk = Desk::with(&books(), &["A"]);
    desk.delta("A", 1, "5.00");
    assert!(!desk.known("A"));
    desk.snapshot("A", 2);
    let book = levels(&desk.session.book("A").unwrap());
    assert_eq!(book.values().copied().collect::<Vec<_>>(), [1_000]);
    desk.reader.check_identity();
}

#[test]
fn a_numbering_that_begins_again_ends_the_connection() {
    let mut desk = Desk::ready();
    desk.delta("A", 1, "1.00");
    assert_eq!(desk.reconnects, [Lost::Rewind(1)]);
    assert_eq!(desk.causes, [GapCause::Reconnect]);
}

#[test]
fn a_reconnect_is_one_gap_from_the_last_frame_to_the_last_snapshot() {
    let mut desk = Desk::ready();
    let last = at(desk.now_ns).wall;
    desk.now_ns += 3 * S;
    desk.session.lost(at(desk.now_ns), Lost::Broken("reset".into()));
    let records = desk.session.take_batch().records;
    let Body::Gap(gap) = &records[0].event.body else { panic!("{records:?}") };
    assert_eq!(
        (gap.cause, gap.since, gap.until),
        (GapCause::Reconnect, last, at(desk.now_ns).wall)
    );
    assert_eq!((records[0].event.sid, records.len()), (0, 1));
    desk.connect();
    desk.say(
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.snapshot("A", 1);
    assert_eq!(desk.session.counters().open_gaps, 1);
    desk.snapshot("B", 2);
    assert_eq!(desk.healed, ["reconnect"]);
    assert_eq!(desk.session.counters().reconnects, 1);
    let (_, note) = desk.reader.notes.last().unwrap();
    let note: Value = serde_json::from_str(note).unwrap();
    assert_eq!((&note["n"], &note["after"]), (&json!(2), &json!("reset")));
    assert_eq!(note["use_yes_price"], json!(false));
}

#[test]
fn terminal_errors_open_the_channel_again_after_a_pause() {
    for code in [10, 25] {
        let mut desk = Desk::ready();
        desk.error(json!({"sid": 1, "seq": 3}), code);
        assert!(!desk.known("A"));
        desk.expect_sent(&[]);
        desk.pass(S);
        desk.expect_sent(&[("subscribe", &["A", "B"])]);
        desk.say(
            json!({"type": "subscribed", "id": 2, "msg": {"channel": "orderbook_delta", "sid": 7}}),
        );
        desk.snapshot_on(7, "A", 1);
        desk.snapshot_on(7, "B", 2);
        assert_eq!((desk.causes.len(), desk.healed[0].as_str()), (1, "resubscribe"), "{code}");
    }
}

#[test]
fn too_many_requests_pauses_all_commands_longer_each_time() {
    let mut desk = Desk::with(&books(), &["A"]);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let id = desk.id();
        desk.sent.clear();
        desk.error(json!({"id": id}), 27);
        let since = desk.now_ns;
        while desk.sent.is_empty() {
            desk.pass(100 * MS);
        }
        pauses.push((desk.now_ns - since) / MS);
    }
    assert!(pauses[0] >= 250 && pauses[5] >= 8_000 && pauses[5] > pauses[2], "{pauses:?}");
    desk.expect_sent(&[("subscribe", &["A"])]);
}

#[test]
fn a_market_limit_halves_the_command_and_then_leaves_the_rest_out() {
    let mut desk = Desk::with(&books(), &["A", "B", "C", "D"]);
    desk.expect_sent(&[("subscribe", &["A", "B", "C", "D"])]);
    desk.error(json!({"id": 1}), 26);
    desk.expect_sent(&[("subscribe", &["A", "B"])]);
    desk.say(
        json!({"type": "subscribed", "id": 2, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.expect_sent(&[("add_markets", &["C", "D"])]);
    desk.error(json!({"id": 3}), 26);
    desk.expect_sent(&[("add_markets", &["C"])]);
    desk.error(json!({"id": 4}), 26);
    desk.expect_sent(&[]);
    let (kind, note) = desk.reader.notes.last().unwrap().clone();
    assert_eq!(kind, "kflow_refused");
    assert!(note.contains("\"C\",\"D\""), "{note}");
    // Room for one more.
    desk.want(&["B", "C", "D"]);
    desk.expect_sent(&[("delete_markets", &["A"])]);
    desk.say(json!({"type": "ok", "id": 5, "sid": 1, "seq": 1, "msg": {"market_tickers": ["B"]}}));
    desk.expect_sent(&[("add_markets", &["C"])]);
}

#[test]
fn a_market_named_by_an_error_is_left_out_and_told() {
    let mut desk = Desk::with(&books(), &["A", "B"]);
    desk.sent.clear();
    desk.say(json!({"type": "error", "id": 1,
        "msg": {"code": 16, "msg": "Market not found", "market_tickers": ["B"]}}));
    desk.expect_sent(&[("subscribe", &["A"])]);
    assert!(desk.reader.notes.last().unwrap().1.contains("Market not found"));
}

#[test]
fn a_declined_command_is_no_loop() {
    for code in [1, 2, 3, 4, 5, 8, 12, 13, 15, 19, 28, 99] {
        let mut desk = Desk::with(&books(), &["A", "B"]);
        let mut tries = 0;
        for _ in 0..120 {
            if !desk.sent.is_empty() {
                tries += 1;
                let id = desk.id();
                desk.sent.clear();
                desk.error(json!({"id": id}), code);
            }
            desk.pass(500 * MS);
        }
        assert!((2..=3).contains(&tries), "code {code}: {tries} tries in a minute");
    }
}

#[test]
fn a_refused_key_ends_the_connection() {
    let mut desk = Desk::with(&books(), &["A"]);
    desk.error(json!({"id": 1}), 9);
    assert_eq!(desk.reconnects, [Lost::Refused]);
}

#[test]
fn an_ok_to_a_second_subscribe_tells_the_subscription() {
    let mut desk = Desk::with(&books(), &["A"]);
    desk.sent.clear();
    // The answer to the first one is lost.
    desk.pass(WAIT);
    desk.expect_sent(&[("subscribe", &["A"])]);
    desk.say(json!({"type": "ok", "id": 2, "sid": 4, "seq": 1, "msg": {"market_tickers": ["A"]}}));
    desk.snapshot_on(4, "A", 2);
    assert!(desk.known("A") && desk.session.counters().connected);
}

#[test]
fn commands_without_answer_are_sent_again_and_then_the_connection_is_replaced() {
    let mut desk = Desk::with(&books(), &["A"]);
    desk.pass(4 * WAIT);
    assert_eq!(desk.sent.len(), 3);
    assert_eq!(desk.reconnects, [Lost::NoReply]);
}

#[test]
fn a_delete_without_answer_leaves_no_book_that_nobody_keeps() {
    let mut desk = Desk::ready();
    desk.want(&["A"]);
    desk.pass(100 * MS);
    desk.expect_sent(&[("delete_markets", &["B"])]);
    // Whether B still comes cannot be known: it is wanted again, so it is added again.
    desk.want(&["A", "B"]);
    desk.pass(WAIT);
    assert!(desk.known("A") && !desk.known("B"));
    desk.expect_sent(&[("add_markets", &["B"])]);
}

#[test]
fn an_answer_that_fits_nothing_asks_for_the_list_and_heeds_it() {
    let mut desk = Desk::ready();
    desk.say(json!({"type": "ok", "id": 77, "msg": {}}));
    desk.expect_sent(&[("list_subscriptions", &[])]);
    desk.say(json!({"type": "ok", "id": 2, "msg": []}));
    desk.expect_sent(&[("subscribe", &["A", "B"])]);
    assert_eq!(desk.causes, [GapCause::Reconnect]);
}

#[test]
fn a_subscription_that_ended_unheard_is_found_by_asking_now_and_then() {
    let mut desk = Desk::ready();
    desk.pass(119 * S);
    desk.expect_sent(&[]);
    desk.pass(2 * S);
    desk.expect_sent(&[("list_subscriptions", &[])]);
    desk.say(json!({"type": "ok", "id": 2, "msg": [{"channel": "orderbook_delta", "sid": 1}]}));
    assert!(desk.known("A"));
    desk.pass(120 * S);
    desk.expect_sent(&[("list_subscriptions", &[])]);
    desk.say(json!({"type": "ok", "id": 3, "msg": [{"channel": "trade", "sid": 2}]}));
    desk.expect_sent(&[("subscribe", &["A", "B"])]);
    assert!(!desk.known("A"));
}

#[test]
fn a_subscription_number_that_is_used_again_starts_from_one() {
    let mut desk = Desk::ready();
    desk.error(json!({"sid": 1, "seq": 3}), 25);
    desk.pass(S);
    desk.say(
        json!({"type": "subscribed", "id": 2, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    desk.snapshot("A", 1);
    desk.snapshot("B", 2);
    assert!(desk.reconnects.is_empty() && desk.known("A") && desk.session.counters().missing == 0);
}

#[test]
fn silence_is_answered_by_a_ping_and_then_by_another_connection() {
    let mut desk = Desk::ready();
    let start = desk.now_ns;
    while desk.reconnects.is_empty() {
        desk.now_ns = desk.session.wake_ns().expect("a deadline").max(desk.now_ns + MS);
        desk.session.tick(at(desk.now_ns));
        desk.collect();
        assert!(desk.now_ns - start <= 15 * S, "half-open for more than 15 s");
    }
    assert_eq!((desk.reconnects.as_slice(), desk.pings), (&[Lost::Silence][..], 1));
}

#[test]
fn a_minute_asleep_makes_no_storm_of_timers() {
    let mut desk = Desk::ready();
    desk.delta("A", 9, "1.00");
    desk.now_ns += 60 * S;
    for _ in 0..100 {
        desk.session.tick(at(desk.now_ns));
        desk.collect();
    }
    assert_eq!(desk.reconnects.len(), 1);
    assert!(desk.sent.len() <= 1, "{:?}", desk.sent);
}

#[test]
fn a_wall_clock_that_jumps_is_told_once_and_changes_nothing() {
    let mut desk = Desk::ready();
    let mut now = at(desk.now_ns);
    now.wall.0 -= 3_600 * S as i64;
    for _ in 0..3 {
        desk.session.alive(now);
        desk.session.tick(now);
    }
    desk.collect();
    let jumps = desk.reader.notes.iter().filter(|n| n.0 == "kflow_clock_jump").count();
    assert_eq!((jumps, desk.reconnects.len()), (1, 0));
    assert!(desk.known("A"));
}

#[test]
fn a_market_that_never_sends_a_snapshot_does_not_drag_the_others_along() {
    let mut desk = Desk::with(&books(), &["A", "B"]);
    let (mut subscribes, mut next_sid, mut seq) = (0, 1, 0);
    for _ in 0..1_200 {
        for command in std::mem::take(&mut desk.sent) {
            let id = command["id"].clone();
            match command["cmd"].as_str().unwrap() {
                "subscribe" => {
                    subscribes += 1;
                    seq = 1;
                    desk.say(json!({"type": "subscribed", "id": id,
                        "msg": {"channel": "orderbook_delta", "sid": next_sid}}));
                    desk.snapshot_on(next_sid, "A", 1);
                    next_sid += 1;
                }
                "unsubscribe" => {
                    desk.say(json!({"type": "unsubscribed", "id": id, "sid": next_sid - 1, "seq": seq + 1}));
                }
                _ => {}
            }
        }
        if desk.reconnects.len() as u64 > desk.session.counters().reconnects {
            next_sid = 1;
            desk.connect();
        }
        desk.pass(500 * MS);
    }
    assert_eq!((subscribes, desk.reconnects.len()), (3, 1), "{:?}", desk.reconnects);
    assert!(desk.known("A") && !desk.known("B"));
}

#[test]
fn no_levels_on_the_yes_scale_come_out_on_their_own() {
    let mut desk = Desk::with(&FeedSpec { use_yes_price: true, ..books() }, &["A"]);
    assert_eq!(desk.sent[0]["params"]["use_yes_price"], json!(true));
    desk.say(json!({"type": "orderbook_snapshot", "sid": 1, "seq": 1,
        "msg": {"market_ticker": "A", "no_dollars_fp": [["0.6600", "10.00"]]}}));
    desk.say(json!({"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {"market_ticker": "A",
        "price_dollars": "0.6600", "delta_fp": "5.00", "side": "no", "ts_ms": 1_700_000_000_000i64}}));
    let book = levels(&desk.session.book("A").unwrap());
    assert_eq!(book.into_iter().collect::<Vec<_>>(), [((1, 3_400), 1_500)]);
}

#[test]
fn a_market_that_is_wanted_again_has_a_gap_since_it_was_dropped() {
    let mut desk = Desk::ready();
    desk.want(&["A"]);
    desk.expect_sent(&[("delete_markets", &["B"])]);
    desk.say(json!({"type": "ok", "id": 2, "sid": 1, "seq": 3, "msg": {"market_tickers": ["A"]}}));
    assert!(!desk.known("B") && desk.causes.is_empty());
    desk.want(&["A", "B"]);
    desk.expect_sent(&[("add_markets", &["B"])]);
    assert_eq!(desk.causes, [GapCause::Reconnect]);
    desk.say(
        json!({"type": "ok", "id": 3, "sid": 1, "seq": 4, "msg": {"market_tickers": ["A", "B"]}}),
    );
    desk.snapshot("B", 5);
    assert!(desk.known("B") && desk.healed.len() == 1);
    desk.want(&[]);
    desk.expect_sent(&[("unsubscribe", &[])]);
    desk.say(json!({"type": "unsubscribed", "id": 4, "sid": 1, "seq": 6}));
    desk.pass(WAIT);
    desk.expect_sent(&[]);
    assert_eq!(desk.causes.len(), 1, "what we end ourselves is no gap");
}

#[test]
fn a_thousand_markets_are_subscribed_in_pieces() {
    let tickers: Vec<String> = (0..1_000).map(|i| format!("KX-{i:04}")).collect();
    let names: Vec<&str> = tickers.iter().map(String::as_str).collect();
    let mut desk = Desk::with(&books(), &names);
    desk.say(
        json!({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    );
    for id in 2..=4 {
        desk.say(json!({"type": "ok", "id": id, "sid": 1, "seq": id - 1, "msg": {}}));
    }
    let sizes: Vec<usize> =
        desk.sent.iter().map(|v| v["params"]["market_tickers"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [250; 4]);
    assert_eq!(desk.session.counters().markets, 1_000);
}
