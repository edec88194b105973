//! Golden books: every state of every window, by count, checkpoint and digest.
//!
//! The canonical text of a book is its YES levels in ascending price, then its NO levels, each
//! `side:price_e4:size_e2;`. `apply_digest` hashes every change, `bbo_digest` every change of the touch.

use super::{CheckError, Outcome, golden};
use crate::book::{Book, Change, SequencePolicy};
use crate::digest::{hex, sha256_hex};
use crate::event::{Body, Event};
use crate::intake::IntakeError;
use crate::intake::tape::{Tape, windows};
use crate::units::{Price, Qty, Side};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Compares every window of `file`; a case is a window.
///
/// # Errors
/// When the file has no such form, or the tape is absent.
pub fn run(file: &Path, tape: Option<&Path>) -> Result<Outcome, CheckError> {
    let mut outcome = Outcome::new("books");
    let lines: Vec<Value> =
        golden::lines(file)?.iter().map(|l| golden::parse(file, l)).collect::<Result<_, _>>()?;
    let tape = tape.ok_or_else(|| CheckError::NoTape("events/".into()))?;
    let windows: BTreeMap<_, _> =
        windows(tape).map_err(|e| CheckError::NoTape(e.to_string()))?.into_iter().collect();
    for want in &lines {
        let name = want["window"].as_str().unwrap_or_default();
        let files =
            windows.get(name).ok_or_else(|| CheckError::NoTape(format!("window {name}")))?;
        outcome.case(window(want, files).map_err(|why| format!("{name}: {why}")));
    }
    Ok(outcome)
}

fn window(want: &Value, files: &[PathBuf]) -> Result<(), String> {
    let want = want.as_object().ok_or("not an object")?;
    let checkpoints = want.get("checkpoints").and_then(Value::as_array);
    let at = |c: &Value| c["index"].as_u64().unwrap_or(u64::MAX);
    let marks = checkpoints.into_iter().flatten().map(at).collect();
    let got = Replay::new(marks).run(files).map_err(|e| e.to_string())?;
    // What the window's metadata say is not computed from its books.
    let foreign = ["window", "visible", "files", "result", "settlement_value_e4", "vwap_yes"];
    for (key, value) in want {
        if foreign.contains(&key.as_str()) || key.ends_with("_metadata") {
            continue;
        }
        match got.get(key) {
            Some(mine) if mine == value => {}
            Some(Value::Array(mine)) if key == "checkpoints" => {
                let theirs = value.as_array().map_or(&[][..], Vec::as_slice);
                let pair = mine.iter().zip(theirs).find(|(a, b)| a != b);
                return Err(format!("checkpoint differs: {pair:?}"));
            }
            mine => return Err(format!("{key}: got {mine:?}, want {value}")),
        }
    }
    Ok(())
}

/// Canonical text of a book.
pub fn canonical(book: &Book) -> String {
    let mut text = String::new();
    for side in [Side::Yes, Side::No] {
        for (price, size) in ascending(book, side) {
            let _ = write!(text, "{}:{}:{};", side.word(), price.e4(), size.e2());
        }
    }
    text
}

fn ascending(book: &Book, side: Side) -> Vec<(Price, Qty)> {
    let mut levels: Vec<_> = book.bids(side).iter().collect();
    levels.reverse();
    levels
}

/// SHA-256 of a book's canonical text.
pub fn book_hash(book: &Book) -> String {
    sha256_hex(canonical(book))
}

/// A book's levels, `{"yes":[[price_e4,size_e2],..],"no":..}`, ascending.
pub fn levels(book: &Book) -> Value {
    let side = |side| -> Value {
        ascending(book, side).iter().map(|(p, q)| json!([p.e4(), q.e2()])).collect()
    };
    json!({"yes": side(Side::Yes), "no": side(Side::No)})
}

/// Everything that the oracle says of a window, collected in one pass.
#[derive(Default)]
struct Replay {
    book: Book,
    marks: BTreeSet<u64>,
    row: u64,
    counts: BTreeMap<&'static str, i64>,
    snapshot_rows: Vec<u64>,
    last_seq: BTreeMap<u32, u64>,
    recv: Vec<i64>,
    first_last_ts: Option<(i64, i64)>,
    min_max_ts: Option<(i64, i64)>,
    touched: BTreeSet<(Side, Price)>,
    seen: BTreeSet<(Side, Price)>,
    spread: [Option<(i64, u64)>; 2],
    bbo: Option<[i64; 4]>,
    apply: Sha256,
    bbo_digest: Sha256,
    last_two_sided: Option<(u64, Book)>,
    checkpoints: Vec<Value>,
    had_snapshot: bool,
}

impl Replay {
    fn new(marks: BTreeSet<u64>) -> Replay {
        Replay { marks, ..Replay::default() }
    }

    fn run(mut self, files: &[PathBuf]) -> Result<Map<String, Value>, IntakeError> {
        let mut tape = Tape::new(SequencePolicy::Partial);
        for file in files {
            tape.read_file(file, |_, record, change| {
                self.enter(&record.event, change);
                Ok::<(), IntakeError>(())
            })?;
        }
        Ok(self.finish())
    }

    fn add(&mut self, key: &'static str, n: i64) {
        *self.counts.entry(key).or_default() += n;
    }

    fn enter(&mut self, event: &Event, change: Change) {
        let applied = self.book.apply(event);
        if matches!(event.body, Body::Gap(_)) {
            return; // ours, not a row of the recording
        }
        self.add("events", 1);
        self.recv.push(event.recv.ms());
        if event.seq != 0
            && self.last_seq.insert(event.sid, event.seq).is_some_and(|l| event.seq <= l)
        {
            self.add("seq_not_increasing", 1);
        }
        match &event.body {
            Body::Snapshot(snapshot) => self.snapshot(snapshot),
            Body::Delta(delta) => {
                self.add("deltas", 1);
                self.add("deltas_fractional", i64::from(delta.qty.e2() % 100 != 0));
                self.add("deltas_before_first_snapshot", i64::from(!self.had_snapshot));
                self.add("negative_levels", i64::from(applied.is_err()));
                self.delta(change);
                self.time(event);
            }
            Body::Trade(trade) => {
                self.add("trades", 1);
                self.add("trade_volume_e2", trade.qty.e2());
                let by_yes = if trade.taker == Side::Yes { trade.qty.e2() } else { 0 };
                self.add("trade_volume_taker_yes_e2", by_yes);
                self.add("trade_notional_yes_e6", trade.yes_price.times(trade.qty).e6());
                self.time(event);
            }
            _ => {}
        }
        self.after();
        self.row += 1;
    }

    fn snapshot(&mut self, snapshot: &crate::event::Snapshot) {
        self.had_snapshot = true;
        self.add("snapshots", 1);
        self.add("snapshots_empty", i64::from(snapshot.yes.is_empty() && snapshot.no.is_empty()));
        self.snapshot_rows.push(self.row);
        for (side, levels) in [(Side::Yes, &snapshot.yes), (Side::No, &snapshot.no)] {
            self.seen.extend(levels.iter().map(|(p, _)| (side, *p)));
        }
        self.apply.update(format!("{}:snapshot:{};", self.row, canonical(&self.book)));
        self.state();
    }

    fn delta(&mut self, change: Change) {
        if let Change::Level { side, price, size } = change {
            self.touched.insert((side, price));
            self.seen.insert((side, price));
            let text = format!("{}:{}:{}:{};", self.row, side.word(), price.e4(), size.e2());
            self.apply.update(text);
            self.state();
        }
    }

    /// After a change of the book: spread, crossing, the last two-sided state.
    fn state(&mut self) {
        let touch = self.book.touch();
        let (Some((bid, _)), Some((ask, _))) = (touch.bid, touch.ask) else { return };
        self.add("two_sided_states", 1);
        let spread = ask.e4() - bid.e4();
        self.add("crossed_or_locked_states", i64::from(spread <= 0));
        let row = self.row;
        let [low, high] = &mut self.spread;
        if low.is_none_or(|(s, _)| spread < s) {
            *low = Some((spread, row));
        }
        if high.is_none_or(|(s, _)| spread > s) {
            *high = Some((spread, row));
        }
        match &mut self.last_two_sided {
            Some((row, book)) => {
                *row = self.row;
                book.clone_from(&self.book);
            }
            none => *none = Some((self.row, self.book.clone())),
        }
    }

    fn time(&mut self, event: &Event) {
        let Some(ms) = event.ts.map(|t| t.ms()) else { return };
        self.first_last_ts = Some((self.first_last_ts.map_or(ms, |t| t.0), ms));
        self.min_max_ts = Some(self.min_max_ts.map_or((ms, ms), |(a, b)| (a.min(ms), b.max(ms))));
    }

    /// After every row: the touch and the checkpoints.
    fn after(&mut self) {
        let touch = self.book.touch();
        let pair = |t: Option<(Price, Qty)>| t.map_or([-1, 0], |(p, q)| [p.e4(), q.e2()]);
        let ([bid, bid_size], [ask, ask_size]) = (pair(touch.bid), pair(touch.ask));
        let now = [bid, bid_size, ask, ask_size];
        if self.had_snapshot && self.bbo != Some(now) {
            self.bbo = Some(now);
            self.add("bbo_changes", 1);
            let text = format!("{}:{bid}:{bid_size}:{ask}:{ask_size};", self.row);
            self.bbo_digest.update(text);
        }
        if self.marks.contains(&self.row) {
            let or_null = |v: i64| if v < 0 { Value::Null } else { v.into() };
            self.checkpoints.push(json!({
                "k": self.checkpoints.len(), "index": self.row, "recv_ms": self.recv.last(),
                "hash": book_hash(&self.book), "yes_bid_e4": or_null(bid), "yes_bid_size_e2": bid_size,
                "yes_ask_e4": or_null(ask), "yes_ask_size_e2": ask_size,
                "total_yes_e2": self.book.bids(Side::Yes).total().e2(),
                "total_no_e2": self.book.bids(Side::No).total().e2(),
                "levels_yes": self.book.bids(Side::Yes).len(), "levels_no": self.book.bids(Side::No).len(),
            }));
        }
    }

    fn finish(self) -> Map<String, Value> {
        let mut out = Map::new();
        let counted = [
            "events",
            "snapshots",
            "snapshots_empty",
            "deltas",
            "trades",
            "deltas_before_first_snapshot",
            "deltas_fractional",
            "seq_not_increasing",
            "negative_levels",
            "crossed_or_locked_states",
            "trade_volume_e2",
            "trade_volume_taker_yes_e2",
            "trade_notional_yes_e6",
            "two_sided_states",
            "bbo_changes",
        ];
        for key in counted {
            out.insert(key.into(), self.counts.get(key).copied().unwrap_or(0).into());
        }
        let mut put = |key: &str, value: Value| out.insert(key.into(), value);
        put("snapshot_indices", json!(self.snapshot_rows));
        put("first_recv_ms", json!(self.recv.first()));
        put("last_recv_ms", json!(self.recv.last()));
        put("min_recv_ms", json!(self.recv.iter().min()));
        put("max_recv_ms", json!(self.recv.iter().max()));
        put("first_ts_ms", json!(self.first_last_ts.map(|t| t.0)));
        put("last_ts_ms", json!(self.first_last_ts.map(|t| t.1)));
        put("min_ts_ms", json!(self.min_max_ts.map(|t| t.0)));
        put("max_ts_ms", json!(self.min_max_ts.map(|t| t.1)));
        put("levels_touched", json!(self.touched.len()));
        put("levels_touched_or_in_snapshot", json!(self.seen.len()));
        put("vwap_yes_e4_num", json!(self.counts.get("trade_notional_yes_e6").unwrap_or(&0)));
        put("vwap_yes_e4_den", json!(self.counts.get("trade_volume_e2").unwrap_or(&0)));
        for (name, extreme) in ["min", "max"].iter().zip(self.spread) {
            put(&format!("{name}_spread_e4"), json!(extreme.map(|e| e.0)));
            put(&format!("{name}_spread_first_index"), json!(extreme.map(|e| e.1)));
        }
        put("bbo_digest", hex(self.bbo_digest.finalize()).into());
        put("apply_digest", hex(self.apply.finalize()).into());
        put("final_book", levels(&self.book));
        put("final_hash", book_hash(&self.book).into());
        let last = self.last_two_sided.as_ref();
        put("last_two_sided_index", json!(last.map(|l| l.0)));
        put("last_two_sided_book", last.map_or(Value::Null, |l| levels(&l.1)));
        put("last_two_sided_hash", json!(last.map(|l| book_hash(&l.1))));
        put("checkpoints", Value::Array(self.checkpoints));
        out
    }
}
