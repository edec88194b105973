//! The observer: events of one market in, observation rows out.
//!
//! Events with the same exchange millisecond form a *group*; an event that comes late is stamped
//! "now", so time never runs backwards. When a group closes, the layout decides whether a row is due.
//! A group closes when the first later event arrives, so the row that [`Observer::push`] returns
//! describes the market *before* that event. Own orders never enter here: a live session takes its
//! own size out of the events first.
//!
//! **Invariant:** only [`Event::ts`], [`Event::row_id`] and the body are read, never the receive time.
//! **Invariant:** in steady state a push allocates nothing.

use super::episode::{FILL_LEVELS, TopLevels};
use super::kernel::{Hours, Kernel};
use super::{Layout, flow52, kalshiflow52};
use crate::book::Book;
use crate::event::{Body, Delta, Event, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsUs};
use crate::wire::market::market_info;

/// One observation of the market: the market part and what a decision needs beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Exchange time of the group that closed, milliseconds.
    pub ts_ms: i64,
    /// The last event that the row has seen.
    pub row_id: u64,
    /// Bid + ask in 1e-4 dollars (twice the mid): a missing bid counts as 0, a missing ask as one
    /// dollar; held while both are missing.
    pub mid2: i32,
    /// Best-first bids at the close of the group: `[YES, NO]`.
    pub bids: &'a [TopLevels; 2],
    /// Market part, [`Layout::market_len`] values.
    pub market: &'a [f32],
}

impl Row<'_> {
    /// Best YES bid.
    pub fn bid(&self) -> Option<Price> {
        best(&self.bids[0])
    }

    /// Best YES ask.
    pub fn ask(&self) -> Option<Price> {
        best(&self.bids[1]).map(Price::complement)
    }
}

fn best(levels: &TopLevels) -> Option<Price> {
    (levels[0].1 > Qty::ZERO).then_some(levels[0].0)
}

/// Folds the events of one market into rows of one layout.
pub struct Observer {
    hours: Hours,
    book: Book,
    kernel: Box<dyn Kernel>,
    /// Time of the open group, or of the last closed one.
    clock_ms: Option<i64>,
    group_open: bool,
    /// [`Event::row_id`] of the last event that says something of the book, its trades or its gaps: what stands in
    /// the dataset. A row is named by it, in the log and in the files.
    seen: u64,
    row: LastRow,
}

/// The last row, kept because the book has moved on when it is returned.
struct LastRow {
    ts_ms: i64,
    row_id: u64,
    mid2: i32,
    bids: [TopLevels; 2],
    market: Vec<f32>,
}

impl Observer {
    /// An observer of a market that trades from `open` to `close`; rows outside are not due.
    pub fn new(layout: Layout, open: Option<TsUs>, close: Option<TsUs>) -> Observer {
        let kernel: Box<dyn Kernel> = match layout {
            Layout::Flow52V1 => Box::new(flow52::Flow52::new(flow52::DECISION_INTERVAL_MS)),
            Layout::KalshiFlow52V2 => Box::<kalshiflow52::KalshiFlow52>::default(),
        };
        Observer::with_kernel(kernel, layout.market_len(), open, close)
    }

    /// An observer of layout `flow52-v1` with another decision interval, as some golden cases have.
    ///
    /// The interval belongs to the layout: rows made with another one are good for no model.
    pub fn flow52_every(interval_ms: i64, open: Option<TsUs>, close: Option<TsUs>) -> Observer {
        let kernel = Box::new(flow52::Flow52::new(interval_ms));
        Observer::with_kernel(kernel, flow52::MARKET_LEN, open, close)
    }

    fn with_kernel(
        kernel: Box<dyn Kernel>,
        market_len: usize,
        open: Option<TsUs>,
        close: Option<TsUs>,
    ) -> Observer {
        let nothing = [[(Price::ZERO, Qty::ZERO); FILL_LEVELS]; 2];
        let market = vec![0.0; market_len];
        Observer {
            hours: Hours { open_ms: open.map(TsUs::ms), close_ms: close.map(TsUs::ms) },
            book: Book::default(),
            kernel,
            clock_ms: None,
            group_open: false,
            seen: 0,
            row: LastRow { ts_ms: 0, row_id: 0, mid2: 0, bids: nothing, market },
        }
    }

    /// The book after the last event.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Exchange time reached, milliseconds; `None` before the first stamped event and after a gap.
    pub fn clock_ms(&self) -> Option<i64> {
        self.clock_ms
    }

    /// Takes the next event of this market, in recorded order; returns the row that it made due.
    #[inline]
    pub fn push(&mut self, event: &Event) -> Option<Row<'_>> {
        let due = match &event.body {
            Body::Delta(delta) => self.delta(event.ts, delta),
            Body::Trade(trade) => self.trade(event.ts, trade),
            Body::Snapshot(snapshot) => self.snapshot(event.ts, snapshot),
            Body::Gap(_) => self.gap(),
            Body::Market(object) => return self.announce(object),
            Body::Healed(_) | Body::Other(_) | Body::Bad(_) => return None,
        };
        self.seen = event.row_id;
        due.then(|| self.row())
    }

    /// Closes the open group: at the end of a recording, or live when nothing came for a while (an
    /// event of the same millisecond that comes later still opens a group of its own).
    pub fn finish(&mut self) -> Option<Row<'_>> {
        self.close_group().then(|| self.row())
    }

    fn delta(&mut self, ts: Option<TsUs>, delta: &Delta) -> bool {
        if !self.book.is_valid() {
            return false;
        }
        let due = self.tick(ts);
        match self.book.delta(delta) {
            Ok(_) => self.kernel.delta(delta.qty, &self.book),
            // A level below zero means that something is missing: the open group is not to be trusted.
            Err(_) => self.reset(),
        }
        due
    }

    fn trade(&mut self, ts: Option<TsUs>, trade: &Trade) -> bool {
        // A block trade is agreed elsewhere and says nothing about this book; nor does a size below
        // zero, which no trade has.
        if !self.book.is_valid() || trade.block == Some(true) || trade.qty < Qty::ZERO {
            return false;
        }
        let due = self.tick(ts);
        if let Some(t) = self.clock_ms {
            self.kernel.trade(t, trade);
        }
        due
    }

    fn snapshot(&mut self, ts: Option<TsUs>, snapshot: &Snapshot) -> bool {
        let due =
            if self.kernel.snapshot_closes_group() { self.close_group() } else { self.tick(ts) };
        self.book.snapshot(snapshot);
        self.kernel.snapshot(&self.book);
        due
    }

    fn gap(&mut self) -> bool {
        let due = self.close_group();
        self.book.invalidate();
        self.reset();
        due
    }

    fn reset(&mut self) {
        self.kernel.reset();
        self.clock_ms = None;
        self.group_open = false;
    }

    /// A new opening or closing time holds from its announcement on.
    fn announce(&mut self, object: &str) -> Option<Row<'_>> {
        let object = serde_json::from_str(object).ok();
        if let Some(info) = object.and_then(|value| market_info(&value).ok()) {
            self.hours.open_ms = info.open.map(TsUs::ms).or(self.hours.open_ms);
            self.hours.close_ms = info.close.map(TsUs::ms).or(self.hours.close_ms);
        }
        None
    }

    /// Moves the clock to an event's time; true if that closed a group in which a row was due.
    ///
    /// An event without a stamp takes the clock; before the first stamped event it joins the first
    /// group to come.
    fn tick(&mut self, ts: Option<TsUs>) -> bool {
        let later = ts.map(TsUs::ms).filter(|t| self.clock_ms.is_none_or(|clock| *t > clock));
        let Some(t) = later else {
            self.group_open = self.clock_ms.is_some();
            return false;
        };
        let due = self.close_group();
        self.clock_ms = Some(t);
        self.group_open = true;
        due
    }

    fn close_group(&mut self) -> bool {
        let Some(t) = self.clock_ms.filter(|_| std::mem::take(&mut self.group_open)) else {
            return false;
        };
        let due = self.kernel.close(t, &self.book, self.hours.contain(t));
        if due {
            self.keep_row(t);
        }
        due
    }

    fn keep_row(&mut self, t: i64) {
        self.kernel.write(t, &self.book, self.hours, &mut self.row.market);
        self.row.ts_ms = t;
        self.row.row_id = self.seen;
        self.row.mid2 = self.kernel.mid2() as i32;
        for (top, side) in self.row.bids.iter_mut().zip([Side::Yes, Side::No]) {
            let mut levels = self.book.bids(side).iter();
            top.fill_with(|| levels.next().unwrap_or((Price::ZERO, Qty::ZERO)));
        }
    }

    fn row(&self) -> Row<'_> {
        let LastRow { ts_ms, row_id, mid2, ref bids, ref market } = self.row;
        Row { ts_ms, row_id, mid2, bids, market }
    }
}

#[cfg(test)]
mod tests;
