//! Why a level shrank: a trade, or a cancel.
//!
//! The exchange prints a trade and the decrease of the level that it consumed as two messages, in either
//! order, with the same stamp to the millisecond. The rule of the attribution notes: a trade belongs to the
//! oldest unmatched decrease of its key (time, side consumed, price, size) and the other way round; what
//! finds no counterpart while its window is open is a cancel, or a trade without a decrease.
//!
//! The window is open for [`WINDOW_ROWS`] rows of the market and [`WINDOW`] of receive time: in 39 recorded
//! windows the counterpart was never further than 38 rows or 671 ms away.
//!
//! [`Pairs`] finds the counterparts, which is all that orders of ours need; [`Attribution`] tells the cause of
//! every decrease.
//!
//! **Invariant:** every decrease gets exactly one verdict, and cancels are told in the order of their rows:
//! when one is told, everything before it is decided.
//! **Invariant:** what waits is bounded by the window, so nothing is allocated after the first rows.

mod pairs;

pub use pairs::{Deadline, Pairs, Waiting};

use crate::event::{Body, Event, Trade};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use pairs::Unclaimed;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Rows of the market for which a message waits for its counterpart.
pub const WINDOW_ROWS: u64 = 64;
/// Receive time for which a message waits for its counterpart.
pub const WINDOW: TsNs = TsNs::from_ms(1_000);

/// Where an event stands: its row, and both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The caller's number of the row; only reported back, so gaps in it do no harm.
    pub row: u64,
    /// When it was received.
    pub recv: TsNs,
    /// The exchange's stamp; `None` where the message has none.
    pub ts: Option<TsUs>,
}

impl Stamp {
    /// The stamp of an event of the log.
    #[inline]
    pub fn of(event: &Event) -> Stamp {
        Stamp { row: event.row_id, recv: event.recv, ts: event.ts }
    }

    /// The exchange's stamp; where there is none, when it was received.
    #[inline]
    fn exchange_time(&self) -> TsUs {
        self.ts.unwrap_or(TsUs(self.recv.0.div_euclid(1_000)))
    }
}

/// What a trade and its decrease have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Exchange time in milliseconds.
    pub ts_ms: i64,
    /// The ladder that was consumed.
    pub side: Side,
    /// The level, on that ladder's axis.
    pub price: Price,
    /// Contracts, positive.
    pub qty: Qty,
}

impl Key {
    /// The key of a trade: a taker of YES consumes NO bids at the complement of the YES price.
    pub fn of_trade(at: Stamp, trade: &Trade) -> Key {
        let side = trade.taker.other();
        let price = match side {
            Side::Yes => trade.yes_price,
            Side::No => trade.yes_price.complement(),
        };
        Key { ts_ms: at.exchange_time().ms(), side, price, qty: trade.qty }
    }

    /// The key of a level that lost `qty` contracts.
    pub fn of_decrease(at: Stamp, side: Side, price: Price, qty: Qty) -> Key {
        Key { ts_ms: at.exchange_time().ms(), side, price, qty }
    }
}

/// Why a level shrank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The trade of this row consumed it.
    Trade(u64),
    /// Somebody took an order back, or made it smaller.
    Cancel,
}

/// A decrease whose cause is now known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Row of the decrease: when it happened, as the feed orders it.
    pub row: u64,
    /// What shrank and by how much.
    pub key: Key,
    /// Why.
    pub cause: Cause,
}

/// How well the rule did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributionTotals {
    /// Decreases that were trades.
    pub trades: u64,
    /// Decreases that were cancels.
    pub cancels: u64,
    /// Trades whose decrease never came.
    pub orphans: u64,
    /// Trades of a key that had more decreases than trades: which of them it was is a convention.
    pub ambiguous: u64,
}

/// The streaming rule for one market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    pairs: Pairs,
    /// Rows of this market whose decreases are decided.
    decided: u64,
    /// Matched keys of the last two windows that are not known to be ambiguous.
    matched: VecDeque<(u64, Key)>,
    totals: AttributionTotals,
}

impl Attribution {
    /// Takes the next event of the market; `verdicts` receives what is known by it.
    #[inline]
    pub fn on_event(&mut self, at: Stamp, body: &Body, verdicts: &mut Vec<Verdict>) {
        match body {
            Body::Delta(delta) if delta.qty < Qty::ZERO => {
                let qty = Qty(delta.qty.0.saturating_neg());
                self.decrease(at, delta.side, delta.price, qty, verdicts);
            }
            Body::Trade(trade) => self.trade(at, trade, verdicts),
            Body::Delta(_) | Body::Snapshot(_) | Body::Other(_) => self.row(at, verdicts),
            Body::Gap(_) | Body::Healed(_) | Body::Bad(_) | Body::Market(_) => {}
        }
    }

    /// A row that is neither a trade nor a decrease: time passes.
    #[inline]
    pub fn row(&mut self, at: Stamp, verdicts: &mut Vec<Verdict>) {
        self.pairs.row(at);
        self.pass(verdicts);
    }

    /// A level lost `qty` contracts.
    #[inline]
    pub fn decrease(
        &mut self,
        at: Stamp,
        side: Side,
        price: Price,
        qty: Qty,
        verdicts: &mut Vec<Verdict>,
    ) {
        self.pairs.change(at, side, price, -qty);
        self.pass(verdicts);
        if let Some((Waiting { row, key, .. }, trade)) = self.pairs.claim() {
            self.matched(Verdict { row, key, cause: Cause::Trade(trade) }, verdicts);
        }
    }

    /// A public trade. A block trade consumes no level and is only a row.
    pub fn trade(&mut self, at: Stamp, trade: &Trade, verdicts: &mut Vec<Verdict>) {
        self.row(at, verdicts);
        if trade.block == Some(true) {
            return;
        }
        if let Some(Waiting { row, key, .. }) = self.pairs.trade(at.row, Key::of_trade(at, trade)) {
            self.matched(Verdict { row, key, cause: Cause::Trade(at.row) }, verdicts);
        }
    }

    /// The recording ends: what waits is decided as at the end of its window.
    pub fn finish(&mut self, verdicts: &mut Vec<Verdict>) {
        self.decide(true, verdicts);
        self.totals.orphans = self.pairs.unmatched_trades();
    }

    /// Everything before this row is decided; the end of all rows when nothing waits.
    pub fn horizon(&mut self) -> u64 {
        self.pairs.horizon()
    }

    /// How well the rule did so far.
    pub fn totals(&self) -> AttributionTotals {
        self.totals
    }

    /// Takes in that a row passed.
    fn pass(&mut self, verdicts: &mut Vec<Verdict>) {
        self.decide(false, verdicts);
        self.pairs.drop_orphans();
        self.totals.orphans = self.pairs.orphans();
        let rows = self.pairs.rows();
        while self.matched.pop_front_if(|m| rows - m.0 > 2 * WINDOW_ROWS).is_some() {}
    }

    /// Decreases before the last row whose window is over, or all of them, are cancels.
    fn decide(&mut self, all: bool, verdicts: &mut Vec<Verdict>) {
        while self.decided + u64::from(!all) < self.pairs.rows() {
            match self.pairs.give_up(self.decided + 1, all) {
                Unclaimed::Waits => return,
                Unclaimed::Over(waited) => self.cancel(waited, verdicts),
                Unclaimed::None => {}
            }
            self.decided += 1;
        }
    }

    fn matched(&mut self, verdict: Verdict, verdicts: &mut Vec<Verdict>) {
        self.totals.trades += 1;
        self.matched.push_back((self.pairs.rows(), verdict.key));
        verdicts.push(verdict);
    }

    fn cancel(&mut self, Waiting { row, key, .. }: Waiting, verdicts: &mut Vec<Verdict>) {
        self.totals.cancels += 1;
        if self.matched.iter().any(|m| m.1 == key) {
            let before = self.matched.len();
            self.matched.retain(|m| m.1 != key);
            self.totals.ambiguous += (before - self.matched.len()) as u64;
        }
        verdicts.push(Verdict { row, key, cause: Cause::Cancel });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(row: u64, ms: i64) -> Stamp {
        Stamp { row, recv: TsNs::from_ms(ms), ts: Some(TsUs::from_ms(ms)) }
    }

    fn yes_trade(qty: i64) -> Trade {
        let yes_price = Price::new(4_000).expect("in range");
        Trade { taker: Side::No, yes_price, qty: Qty(qty), block: None, id: [0; 16] }
    }

    fn decrease(a: &mut Attribution, at: Stamp, qty: i64) -> Vec<Verdict> {
        let mut out = Vec::new();
        a.decrease(at, Side::Yes, Price::new(4_000).expect("in range"), Qty(qty), &mut out);
        out
    }

    fn trade(a: &mut Attribution, at: Stamp, qty: i64) -> Vec<Verdict> {
        let mut out = Vec::new();
        a.trade(at, &yes_trade(qty), &mut out);
        out
    }

    fn causes(verdicts: &[Verdict]) -> Vec<(u64, Cause)> {
        verdicts.iter().map(|v| (v.row, v.cause)).collect()
    }

    #[test]
    fn a_trade_finds_its_decrease_in_either_order_and_the_older_one_first() {
        let mut a = Attribution::default();
        assert!(decrease(&mut a, at(1, 5), 100).is_empty());
        assert!(decrease(&mut a, at(2, 5), 100).is_empty());
        assert_eq!(causes(&trade(&mut a, at(3, 5), 100)), [(1, Cause::Trade(3))]);
        assert!(trade(&mut a, at(4, 6), 70).is_empty());
        assert_eq!(causes(&decrease(&mut a, at(5, 6), 70)), [(5, Cause::Trade(4))]);
        let mut rest = Vec::new();
        a.finish(&mut rest);
        assert_eq!(causes(&rest), [(2, Cause::Cancel)]);
        // Rows 1 and 2 were two decreases for one trade.
        let totals = AttributionTotals { trades: 2, cancels: 1, orphans: 0, ambiguous: 1 };
        assert_eq!(a.totals(), totals);
    }

    #[test]
    fn a_block_trade_consumes_no_level() {
        let mut a = Attribution::default();
        decrease(&mut a, at(1, 5), 100);
        let mut out = Vec::new();
        a.trade(at(2, 5), &Trade { block: Some(true), ..yes_trade(100) }, &mut out);
        assert!(out.is_empty());
        a.finish(&mut out);
        assert_eq!(causes(&out), [(1, Cause::Cancel)]);
    }

    #[test]
    fn the_window_closes_by_rows_and_by_time_and_not_earlier() {
        let mut a = Attribution::default();
        decrease(&mut a, at(0, 5), 100);
        let mut out = Vec::new();
        (1..=WINDOW_ROWS).for_each(|row| a.row(at(row, 5), &mut out));
        assert!(out.is_empty());
        a.row(at(65, 5), &mut out);
        assert_eq!(causes(&out), [(0, Cause::Cancel)]);
        decrease(&mut a, at(66, 10), 100);
        out.clear();
        a.row(at(67, 1_010), &mut out);
        assert!(out.is_empty());
        a.row(at(68, 1_011), &mut out);
        assert_eq!(causes(&out), [(66, Cause::Cancel)]);
        trade(&mut a, at(69, 1_011), 30);
        a.row(at(70, 2_012), &mut out);
        assert_eq!(a.totals().orphans, 1);
    }

    proptest! {
        /// Inside the window the stream gives what pairing the whole list by key and count gives.
        #[test]
        fn the_stream_agrees_with_pairing_the_whole_list(
            rows in prop::collection::vec((any::<bool>(), 0i64..3, 1i64..3), 1..60)
        ) {
            let (mut a, mut got) = (Attribution::default(), Vec::new());
            let mut keys: BTreeMap<(i64, i64), [Vec<u64>; 2]> = BTreeMap::new();
            for (row, &(is_trade, ms, qty)) in rows.iter().enumerate() {
                let row = row as u64;
                let stamp = Stamp { recv: TsNs(0), ..at(row, ms) };
                got.extend(if is_trade { trade(&mut a, stamp, qty) } else { decrease(&mut a, stamp, qty) });
                keys.entry((ms, qty)).or_default()[usize::from(is_trade)].push(row);
            }
            a.finish(&mut got);
            let (mut want, mut ambiguous) = (Vec::new(), 0);
            for [decreases, trades] in keys.values() {
                for (k, row) in decreases.iter().enumerate() {
                    want.push((*row, trades.get(k).map_or(Cause::Cancel, |t| Cause::Trade(*t))));
                }
                ambiguous += if decreases.len() > trades.len() { trades.len() } else { 0 };
            }
            want.sort_by_key(|w| w.0);
            let mut got = causes(&got);
            got.sort_by_key(|w| w.0);
            prop_assert_eq!(got, want);
            prop_assert_eq!(a.totals().ambiguous, ambiguous as u64);
        }
    }
}
