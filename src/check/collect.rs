//! A recording held against what the exchange really issued.
//!
//! Per connection and subscription every issued frame must be a row with the same content, or be covered by a
//! gap row, or lie behind the last row of a connection whose end is told (a reconnect, crash or queue gap, or
//! the end of the recording). Nothing else may stand there, and the book that the rows add up to must be the
//! exchange's own, row by row.

mod part;

use crate::event::{Body, Event, GapCause, Record, Tickers};
use crate::sim::truth::{Connection, Fate, Truth, event_print};
use crate::wire::frame_value;
use part::{BookRow, Books, Part, Row, RowKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// The control record that stands at the beginning of each connection.
const CONNECTION: &str = "kflow_connection";
/// Frames that the feed sets aside: kept as bytes, applied nowhere.
const SET_ASIDE: [&str; 3] = ["duplicate", "late", "rewind"];

/// Rows by which a connection is recognised.
const SAMPLE_ROWS: usize = 16;

/// How a recording compares with the truth. Counts of frames, if nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Connections of the recording that hold numbered rows.
    pub connections: u64,
    /// Numbered frames that the exchange issued.
    pub issued: u64,
    /// Of these, recorded with the same content, or with what a fault sent in their place.
    pub recorded: u64,
    /// Of these, covered by a gap row.
    pub in_gaps: u64,
    /// Of these, behind the last row of a connection whose end is told.
    pub tail: u64,
    /// Of these, none of that: silently lost.
    pub lost: u64,
    /// Rows that the exchange never issued, or with another content.
    pub invented: u64,
    /// Rows that were set aside because their number had been seen or missed before.
    pub set_aside: u64,
    /// Rows that could not be read, kept as bytes.
    pub unreadable: u64,
    /// Rows without a number.
    pub unnumbered: u64,
    /// Book rows after which the recording's book was compared with the exchange's.
    pub books_checked: u64,
    /// Of these, different.
    pub books_wrong: u64,
    /// The first thing that is wrong, in words.
    pub first_problem: Option<String>,
}

impl Comparison {
    /// True if nothing was lost, invented or added up wrongly.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.invented == 0 && self.books_wrong == 0
    }

    fn problem(&mut self, what: impl FnOnce() -> String) {
        self.first_problem.get_or_insert_with(what);
    }
}

/// Compares the rows of one session, in order, with what was issued. `tickers` is the dictionary of the rows.
pub fn compare(
    truth: &Truth,
    tickers: &Tickers,
    rows: impl IntoIterator<Item = Record>,
) -> Comparison {
    let mut comparer = Comparer::new(truth, tickers);
    rows.into_iter().for_each(|record| comparer.enter(&record));
    comparer.end_session();
    comparer.finish()
}

/// Compares recordings of several sessions, row after row.
pub struct Comparer<'a> {
    truth: &'a Truth,
    tickers: &'a Tickers,
    report: Comparison,
    /// The first connection of the truth that no part of the recording was found to be.
    next: usize,
    part: Part,
    /// Frames behind the last rows of the connection before this part, until its end is told.
    behind: Vec<String>,
}

impl<'a> Comparer<'a> {
    /// Nothing compared yet.
    pub fn new(truth: &'a Truth, tickers: &'a Tickers) -> Comparer<'a> {
        let report = Comparison::default();
        Comparer { truth, tickers, report, next: 0, part: Part::default(), behind: Vec::new() }
    }

    /// The next row, gap rows in their places.
    pub fn enter(&mut self, record: &Record) {
        let Event { sid, seq, market, .. } = record.event;
        let what = match &record.event.body {
            Body::Other(kind) if &**kind == CONNECTION => return self.close(),
            Body::Gap(gap) => {
                let whole = matches!(
                    gap.cause,
                    GapCause::Reconnect | GapCause::Crash | GapCause::QueueFull
                );
                if whole && sid == 0 {
                    return self.end();
                }
                if gap.from > 0 {
                    self.part.gaps.push((sid, gap.from, gap.to));
                }
                RowKind::Gap { market }
            }
            Body::Other(kind) if SET_ASIDE.contains(&&**kind) => {
                self.report.set_aside += 1;
                RowKind::SetAside
            }
            Body::Bad(_) => {
                self.report.unreadable += 1;
                RowKind::Unreadable
            }
            Body::Healed(_) | Body::Market(_) => return,
            body => {
                let value = matches!(body, Body::Other(_))
                    .then(|| frame_value(record, self.tickers))
                    .flatten();
                let (ticker, ts) = (self.tickers.name(market), record.event.ts);
                let Some(print) = event_print(ticker, ts, body, value.as_ref()) else { return };
                let change = match body {
                    Body::Delta(delta) => Some(BookRow::Delta(*delta)),
                    Body::Snapshot(book) => Some(BookRow::Snapshot(book.clone())),
                    _ => None,
                };
                RowKind::Frame { print, market, change }
            }
        };
        if seq == 0 && !matches!(what, RowKind::Gap { .. }) {
            self.report.unnumbered += u64::from(matches!(what, RowKind::Frame { .. }));
            return;
        }
        self.part.rows.push(Row { sid, seq, what });
    }

    /// The session ended on purpose: what was under way then was nobody's any more. A session that ended
    /// otherwise must tell so by a gap row at the beginning of the next one.
    pub fn end_session(&mut self) {
        self.close();
        self.behind.clear();
    }

    /// The result.
    pub fn finish(mut self) -> Comparison {
        self.close();
        self.unfinished();
        self.report
    }

    /// The end of a connection is told: of this one, or, before this one has any row, of the last one.
    fn end(&mut self) {
        if self.part.rows.is_empty() {
            self.behind.clear();
        }
        self.part.ended = true;
    }

    /// A connection begins: the last part is complete.
    fn close(&mut self) {
        let part = std::mem::take(&mut self.part);
        if part.rows.iter().all(|r| matches!(r.what, RowKind::Gap { .. })) {
            // Nothing was heard on it: what it was to be cannot be known, and nothing is missing of it
            // that the gap around it does not cover.
            self.part.ended = part.ended;
            return;
        }
        self.unfinished();
        self.report.connections += 1;
        let Some(number) = self.find(&part) else {
            let rows = part.rows.iter().filter(|r| matches!(r.what, RowKind::Frame { .. }));
            self.report.invented += rows.count() as u64;
            return self.report.problem(|| "a connection that the exchange never had".into());
        };
        self.next = number + 1;
        self.weigh(number, &part);
        if part.ended {
            self.behind.clear();
        }
    }

    /// What lay behind a connection whose end was never told is lost.
    fn unfinished(&mut self) {
        for what in std::mem::take(&mut self.behind) {
            self.report.problem(|| format!("{what} are missing, and no gap tells it"));
            self.report.lost += 1;
        }
    }

    /// The connection of the truth that this part is of: of those that are left, the first one that most of
    /// its rows fit.
    fn find(&self, part: &Part) -> Option<usize> {
        let fits = |c: &Connection, r: &Row| match r.what {
            RowKind::Frame { print, .. } => c
                .sids
                .get(&r.sid)
                .and_then(|s| s.frames.get(r.seq.checked_sub(1)? as usize))
                .is_some_and(|stamp| stamp.print == print),
            _ => false,
        };
        // Book rows carry times and sizes; replies may be the same on several connections.
        let telling = |r: &&Row| matches!(r.what, RowKind::Frame { change: Some(_), .. });
        let sample: Vec<&Row> = part.rows.iter().rev().filter(telling).take(SAMPLE_ROWS).collect();
        let sample = if sample.is_empty() { part.rows.iter().collect() } else { sample };
        let fitting = |number: usize| {
            let connection = &self.truth.connections[number];
            sample.iter().filter(|r| fits(connection, r)).count()
        };
        let left = (self.next..self.truth.connections.len()).rev();
        left.max_by_key(|number| fitting(*number)).filter(|number| fitting(*number) > 0)
    }

    fn weigh(&mut self, number: usize, part: &Part) {
        let connection = &self.truth.connections[number];
        let mut seen: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
        for (sid, issued) in &connection.sids {
            seen.insert(*sid, vec![false; issued.frames.len()]);
        }
        let mut books = Books::default();
        for row in &part.rows {
            self.weigh_row(number, row, &mut seen, &mut books);
        }
        for (sid, seen) in &seen {
            let covered = |seq: u64| {
                part.gaps.iter().any(|(s, from, to)| s == sid && (*from..=*to).contains(&seq))
            };
            let numbers = 1..=seen.len() as u64;
            let known = |seq: u64| seen[seq as usize - 1] || covered(seq);
            let last = numbers.clone().rev().find(|seq| known(*seq)).unwrap_or(0);
            for seq in numbers.filter(|seq| !seen[*seq as usize - 1]) {
                if seq > last {
                    self.report.tail += 1;
                } else if covered(seq) {
                    self.report.in_gaps += 1;
                } else {
                    self.report.lost += 1;
                    self.report.problem(|| format!("connection {number}, sid {sid}: frame {seq} of {} is missing, and no gap tells it", seen.len()));
                }
            }
            if last < seen.len() as u64 {
                let from = last + 1;
                self.behind.push(format!("connection {number}, sid {sid}: frames from {from} on"));
            }
        }
        self.report.issued += seen.values().map(|s| s.len() as u64).sum::<u64>();
    }

    fn weigh_row(
        &mut self,
        number: usize,
        row: &Row,
        seen: &mut BTreeMap<u32, Vec<bool>>,
        books: &mut Books,
    ) {
        let issued = self.truth.connections[number].sids.get(&row.sid);
        let at = row.seq.wrapping_sub(1) as usize;
        let stamp = issued.and_then(|i| i.frames.get(at));
        let fate = issued.and_then(|i| i.fates.get(&row.seq));
        let mut mark = || {
            let slot = seen.get_mut(&row.sid).and_then(|s| s.get_mut(at));
            slot.is_some_and(|slot| !std::mem::replace(slot, true))
        };
        match &row.what {
            RowKind::Gap { market } => books.gap(row.sid, *market),
            RowKind::SetAside => {}
            RowKind::Unreadable => {
                if fate == Some(&Fate::Garbled) && mark() {
                    self.report.recorded += 1;
                }
            }
            // What was sent in its place may be readable and say anything.
            RowKind::Frame { .. } if fate == Some(&Fate::Garbled) && mark() => {
                self.report.recorded += 1;
            }
            RowKind::Frame { print, market, change } => {
                let same = stamp.is_some_and(|s| s.print == *print);
                if !same || !mark() {
                    self.report.invented += 1;
                    let (sid, seq) = (row.sid, row.seq);
                    return self.report.problem(|| format!("connection {number}, sid {sid}: frame {seq} was not issued like this, or stands there twice"));
                }
                self.report.recorded += 1;
                let Some((change, stamp)) = change.as_ref().zip(stamp) else { return };
                let Some(print) = books.change(row.sid, *market, change) else { return };
                self.report.books_checked += 1;
                if print != stamp.book {
                    self.report.books_wrong += 1;
                    let (ticker, seq) = (self.tickers.name(*market), row.seq);
                    self.report.problem(|| {
                        format!(
                            "connection {number}: the book of {ticker} is wrong after frame {seq}"
                        )
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
