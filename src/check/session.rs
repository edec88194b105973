//! The golden session: one real connection, five markets on one subscription.
//!
//! Accounts for every sequence number, every book and every fill with its fee; a case is a market or a fill.

use super::books::{book_hash, levels};
use super::{CheckError, Outcome, golden};
use crate::book::{Book, Change, SequencePolicy, Touch};
use crate::broker::fees::{Fee, FeeSchedule, OrderFees, Role};
use crate::broker::{Intent, Verb};
use crate::digest::hex;
use crate::event::{Body, Record};
use crate::intake::IntakeError;
use crate::intake::tape::Tape;
use crate::units::{Price, Qty, Side};
use crate::wire::frame::{Fill, ServerBody, ServerFrame};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Compares the session beside `tape` with `file`.
///
/// # Errors
/// When the file has no such form, or the recording is absent.
pub fn run(file: &Path, tape: Option<&Path>) -> Result<Outcome, CheckError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| CheckError::Read { path: file.display().to_string(), source })?;
    let want: Value =
        serde_json::from_str(&text).map_err(|e| golden::form(file, &e.to_string()))?;
    let markets = want["markets"].as_object().ok_or_else(|| golden::form(file, "no `markets`"))?;
    let fills = want["fills"].as_array().ok_or_else(|| golden::form(file, "no `fills`"))?;
    let path = tape.map(|t| t.join("session.jsonl")).filter(|p| p.is_file());
    let path = path.ok_or_else(|| CheckError::NoTape("session.jsonl".into()))?;
    let got = Session::read(&path)?;
    let mut outcome = Outcome::new("session");
    // What concerns the whole connection is charged to the first market.
    let mut whole = got.compare_connection(&want);
    for (ticker, want) in markets {
        let market = got.compare_market(ticker, want).map_err(|why| format!("{ticker}: {why}"));
        outcome.case(std::mem::replace(&mut whole, Ok(())).and(market));
    }
    for (i, want) in fills.iter().enumerate() {
        outcome.case(got.compare_fill(i, want).map_err(|why| format!("fill {i}: {why}")));
    }
    Ok(outcome)
}

/// What the recording holds, by our own reading.
#[derive(Default)]
struct Session {
    frames: u64,
    types: BTreeMap<String, u64>,
    markets: BTreeMap<String, Market>,
    fills: Vec<(u64, Fill)>,
    oks: Vec<Value>,
    apply: Sha256,
    /// Per subscription: frames, frames with a number, types.
    sids: BTreeMap<u32, (u64, u64, BTreeMap<String, u64>)>,
    totals: BTreeMap<u32, crate::book::SequenceTotals>,
    gaps: u64,
}

#[derive(Default)]
struct Market {
    book: Book,
    first: Option<(u64, u64, String)>,
    deltas: u64,
    fractional: u64,
    ts_ms: Option<(i64, i64)>,
    touched: BTreeSet<(usize, Price)>,
}

impl Session {
    fn read(path: &Path) -> Result<Session, CheckError> {
        let mut tape = Tape::new(SequencePolicy::Complete);
        let mut session = Session::default();
        tape.read_file(path, |tickers, record, change| {
            let ticker = tickers.name(record.event.market).to_owned();
            session.enter(&ticker, &record, change);
            Ok::<(), IntakeError>(())
        })?;
        session.totals = tape.accountant.sequence_totals().collect();
        session.gaps = tape.accountant.gaps();
        Ok(session)
    }

    fn enter(&mut self, ticker: &str, record: &Record, change: Change) {
        let event = &record.event;
        if matches!(event.body, Body::Gap(_)) {
            return;
        }
        let frame = self.frames;
        self.frames += 1;
        let kind = match &event.body {
            Body::Snapshot(_) => "orderbook_snapshot",
            Body::Delta(_) => "orderbook_delta",
            Body::Trade(_) => "trade",
            Body::Other(kind) => kind,
            _ => "bad",
        };
        *self.types.entry(kind.into()).or_default() += 1;
        if event.sid != 0 {
            let sid = self.sids.entry(event.sid).or_default();
            sid.0 += 1;
            sid.1 += u64::from(event.seq != 0);
            *sid.2.entry(kind.into()).or_default() += 1;
        }
        match &event.body {
            Body::Other(_) => self.control(frame, record),
            Body::Snapshot(_) | Body::Delta(_) => self.book(frame, ticker, record, change),
            _ => {}
        }
    }

    fn control(&mut self, frame: u64, record: &Record) {
        let parsed = record.raw.as_ref().and_then(|raw| ServerFrame::parse(raw).ok());
        let Some(parsed) = parsed else { return };
        match parsed.body {
            ServerBody::Fill(fill) => self.fills.push((frame, *fill)),
            ServerBody::Ok(msg) => {
                let markets = msg["market_tickers"].as_array().map_or(0, Vec::len);
                let (id, seq) = (parsed.id, parsed.seq);
                self.oks.push(json!({"frame": frame, "id": id, "seq": seq, "markets": markets}));
            }
            _ => {}
        }
    }

    fn book(&mut self, frame: u64, ticker: &str, record: &Record, change: Change) {
        let market = self.markets.entry(ticker.to_owned()).or_default();
        // A negative level is in the accountant's gaps, which the comparison wants to be none.
        let _ = market.book.apply(&record.event);
        if let Body::Delta(delta) = &record.event.body {
            market.deltas += 1;
            market.fractional += u64::from(delta.qty.e2() % 100 != 0);
            if let Some(ms) = record.event.ts.map(|t| t.ms()) {
                market.ts_ms = Some((market.ts_ms.map_or(ms, |t| t.0), ms));
            }
        } else if market.first.is_none() {
            market.first = Some((frame, record.event.seq, book_hash(&market.book)));
        }
        if let Change::Level { side, price, size } = change {
            market.touched.insert((side.index(), price));
            let text = format!("{frame}:{ticker}:{}:{}:{};", side.word(), price.e4(), size.e2());
            self.apply.update(text);
        }
    }

    fn compare_connection(&self, want: &Value) -> Result<(), String> {
        equal("non_blank_lines", &json!(self.frames), &want["non_blank_lines"])?;
        equal("message_types", &json!(self.types), &want["message_types"])?;
        equal("ok replies", &json!(self.oks), &want["ok_replies_in_arrival_order"])?;
        equal("apply_digest", &json!(hex(self.apply.clone().finalize())), &want["apply_digest"])?;
        for (sid, want) in want["sids"].as_object().into_iter().flatten() {
            let number: u32 = sid.parse().map_err(|_| format!("sid {sid}"))?;
            let (frames, with_seq, types) =
                self.sids.get(&number).ok_or_else(|| format!("sid {sid} has no frame"))?;
            equal("frames of a sid", &json!(frames), &want["frames"])?;
            equal("numbered frames of a sid", &json!(with_seq), &want["frames_with_seq"])?;
            equal("types of a sid", &json!(types), &want["types"])?;
            let totals = self.totals.get(&number);
            equal("first_seq", &json!(totals.map(|t| t.first)), &want["first_seq"])?;
            equal("last_seq", &json!(totals.map(|t| t.last)), &want["last_seq"])?;
            let holes = totals.map_or(0, |t| t.holes);
            equal("holes", &json!(holes), &want["holes"])?;
            let twice = totals.map_or(0, |t| t.duplicates + t.restarts);
            equal("duplicates", &json!(twice), &want["duplicates_or_rewinds"])?;
            if let Some(t) = totals.filter(|t| t.restarts == 0) {
                let issued = t.last - t.first + 1;
                equal("received + missing", &json!(t.received + t.missing), &json!(issued))?;
            }
        }
        Ok(())
    }

    fn compare_market(&self, ticker: &str, want: &Value) -> Result<(), String> {
        let market = self.markets.get(ticker).ok_or("no frame of this market")?;
        let (frame, seq, hash) = market.first.as_ref().ok_or("no snapshot")?;
        let Touch { bid, ask } = market.book.touch();
        let price = |t: Option<(Price, Qty)>| t.map(|t| t.0.e4());
        for (key, got) in [
            ("snapshot_frame", json!(frame)),
            ("snapshot_seq", json!(seq)),
            ("snapshot_hash", json!(hash)),
            ("deltas", json!(market.deltas)),
            ("deltas_fractional", json!(market.fractional)),
            ("first_ts_ms", json!(market.ts_ms.map(|t| t.0))),
            ("last_ts_ms", json!(market.ts_ms.map(|t| t.1))),
            ("levels_touched", json!(market.touched.len())),
            ("final_hash", json!(book_hash(&market.book))),
            ("final_book", levels(&market.book)),
            ("yes_bid_e4", json!(price(bid))),
            ("yes_ask_e4", json!(price(ask))),
        ] {
            equal(key, &got, &want[key])?;
        }
        Ok(())
    }

    fn compare_fill(&self, i: usize, want: &Value) -> Result<(), String> {
        let (frame, fill) = self.fills.get(i).ok_or("the recording has no such fill")?;
        let fee = fill.fee_cost.map(|f| f.e6());
        for (key, got) in [
            ("frame", json!(frame)),
            ("market", json!(fill.market_ticker)),
            ("yes_price_e4", json!(fill.yes_price_dollars.e4())),
            ("count_e2", json!(fill.count_fp.e2())),
            ("is_taker", json!(fill.is_taker)),
            ("book_side", json!(fill.book_side)),
            ("post_position_e2", json!(fill.post_position_fp.e2())),
            ("reported_fee_e6", json!(fee)),
        ] {
            equal(key, &got, &want[key])?;
        }
        let ours = recompute(fill);
        for (key, got) in [
            ("trade_fee_e6", ours.trade),
            ("rounding_e6", ours.rounding),
            ("rebate_e6", ours.rebate),
            ("net_fee_e6", ours.net),
        ] {
            equal(key, &json!(got.e6()), &want["recomputed"][key])?;
        }
        equal("equal", &json!(Some(ours.net.e6()) == fee), &want["equal"])
    }
}

/// The parts of the fee of an order's first fill, by our own rule.
fn recompute(fill: &Fill) -> Fee {
    let role = if fill.is_taker { Role::Taker } else { Role::Maker };
    let buys = fill.book_side.as_deref() == Some("bid");
    let verb = if buys { Verb::Buy } else { Verb::Sell };
    let intent = Intent { side: Side::Yes, verb };
    let schedule = FeeSchedule::default();
    OrderFees::default().fill(&schedule, role, intent, fill.yes_price_dollars, fill.count_fp)
}

fn equal(what: &str, got: &Value, want: &Value) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got}, want {want}")) }
}
