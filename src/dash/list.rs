//! The list of markets: which are in it, and in which order.

use super::desk::Desk;
use crate::units::TsNs;

/// Order of the market list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    #[default]
    Ticker,
    /// Busiest first.
    Activity,
    /// Narrowest spread first.
    Spread,
    /// Most contracts in the last minute first.
    Volume,
    /// Soonest close first.
    Close,
}

impl Sort {
    /// The next one, and round again.
    pub const fn next(self) -> Sort {
        match self {
            Sort::Ticker => Sort::Activity,
            Sort::Activity => Sort::Spread,
            Sort::Spread => Sort::Volume,
            Sort::Volume => Sort::Close,
            Sort::Close => Sort::Ticker,
        }
    }

    /// The word shown.
    pub const fn word(self) -> &'static str {
        match self {
            Sort::Ticker => "name",
            Sort::Activity => "busiest",
            Sort::Spread => "spread",
            Sort::Volume => "volume",
            Sort::Close => "close",
        }
    }
}

impl Desk {
    /// Indices of the markets whose names fit the filter, in this order.
    pub fn listed(&self, filter: &str, sort: Sort, now: TsNs) -> Vec<usize> {
        let fits = |i: &usize| fuzzy(&self.markets[*i].ticker, filter);
        let mut all: Vec<usize> = (0..self.markets.len()).filter(fits).collect();
        // The name decides among equals, so that the list does not jump.
        all.sort_by(|a, b| self.markets[*a].ticker.cmp(&self.markets[*b].ticker));
        match sort {
            Sort::Ticker => {}
            Sort::Activity => all.sort_by_key(|i| u32::MAX - self.markets[*i].activity()),
            Sort::Spread => {
                all.sort_by_key(|i| self.markets[*i].spread_e4().unwrap_or(i64::MAX));
            }
            Sort::Volume => all.sort_by_cached_key(|i| -self.markets[*i].flow(now).1.e2()),
            Sort::Close => {
                all.sort_by_key(|i| self.markets[*i].info.close.map_or(i64::MAX, |c| c.0));
            }
        }
        all
    }
}

/// True if the letters of `filter` stand in `name` in this order, upper and lower case alike.
fn fuzzy(name: &str, filter: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    filter.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dash::Heard;
    use crate::event::MarketId;

    #[test]
    fn the_filter_takes_letters_in_their_order() {
        assert!(fuzzy("KXHIGHNY-26NOV20-B59.5", "hny59"));
        assert!(!fuzzy("KXHIGHNY-26NOV20-B59.5", "95h"));
        assert!(fuzzy("anything", ""));
        let mut desk = Desk::default();
        let markets = vec![(MarketId(0), "KX-B".into()), (MarketId(1), "KX-A".into())];
        desk.hear(Heard { markets, ..Heard::default() });
        assert_eq!(desk.listed("kb", Sort::Ticker, TsNs(0)), [0]);
        assert_eq!(desk.listed("", Sort::Ticker, TsNs(0)), [1, 0]);
    }
}
