//! Where the ladder's columns stand, and how long its bars are.

use crate::dash::ladder::Row;
use crate::units::Qty;

/// Columns of a size or a sum, and where there is little room.
const SIZES: [u16; 2] = [9, 7];
/// Columns of a bar at least.
const BAR: u16 = 5;
/// Columns of a price.
pub(super) const PRICE: u16 = 9;

/// Where the columns stand.
pub(super) struct Columns {
    /// There is room for sums.
    pub(super) cum: bool,
    size: u16,
    /// Width of the bars on either side.
    pub(super) bars: u16,
    /// Where the price begins.
    pub(super) price: u16,
    /// Where the asks begin.
    pub(super) right: u16,
}

impl Columns {
    /// In so many columns.
    pub(super) fn of(width: u16) -> Columns {
        let fits = |size: &u16| width >= 4 * size + PRICE + 2 * (BAR + 1);
        let both = SIZES.into_iter().find(fits);
        let size = both.unwrap_or(SIZES[0]);
        let sizes = if both.is_some() { 2 * size } else { size };
        let bars = width.saturating_sub(2 * sizes + PRICE + 2) / 2;
        let price = sizes + 1 + bars;
        Columns { cum: both.is_some(), size, bars, price, right: price + PRICE }
    }

    /// Where sizes and sums end, of bids and of asks.
    pub(super) fn ends(&self) -> [(u16, u16); 2] {
        let bid = if self.cum { 2 * self.size } else { self.size };
        let ask = self.right + self.bars + self.size;
        [(bid, self.size), (ask, ask + self.size)]
    }
}

/// How long bars are.
pub(super) struct Scale {
    max: f64,
    log: bool,
    /// From here on a size stands out: five times the median.
    pub(super) unusual: Qty,
}

impl Scale {
    /// Of the rows that are shown.
    pub(super) fn of(rows: &[Row], log: bool) -> Scale {
        let mut sizes: Vec<Qty> =
            rows.iter().flat_map(|row| [row.bid, row.ask]).flatten().map(|d| d.size).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(Qty::ZERO);
        let max = sizes.last().map_or(1.0, |q| q.e2() as f64);
        let unusual = Qty(median.e2().saturating_mul(5).max(1));
        Scale { max: if log { max.ln_1p() } else { max }, log, unusual }
    }

    /// Half cells.
    pub(super) fn halves(&self, size: Qty, room: u16) -> u16 {
        let size = if self.log { (size.e2() as f64).ln_1p() } else { size.e2() as f64 };
        let share = (size / self.max.max(1.0)).clamp(0.0, 1.0);
        ((share * f64::from(room) * 2.0).round() as u16).max(1)
    }
}
