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
    use crate::event::{Body, Delta, Event, MarketId, Snapshot, Trade};
    use crate::units::{Price, Qty, Side, TsUs};

    const NOW: TsNs = TsNs(1_000_000_000);

    fn cents(cents: i64) -> Price {
        Price::new(cents * 100).expect("in range")
    }

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

    /// A market with this best NO bid beside a YES bid of 40 cents, after so many changes and a trade of this size.
    fn events(id: u32, no: i64, changes: u64, traded: i64) -> Vec<Event> {
        let snapshot =
            Snapshot { yes: vec![(cents(40), Qty(900))], no: vec![(cents(no), Qty(900))] };
        // Far from the touch.
        let delta = Delta { side: Side::Yes, price: cents(1), qty: Qty(100) };
        let (taker, yes_price, qty) = (Side::Yes, cents(40), Qty(traded));
        let trade = Trade { taker, yes_price, qty, block: None, id: [0; 16] };
        let mut bodies = vec![Body::Snapshot(Box::new(snapshot))];
        bodies.extend((0..changes).map(|_| Body::Delta(delta)));
        bodies.push(Body::Trade(Box::new(trade)));
        let market = MarketId(id);
        let event =
            |(seq, body)| Event { row_id: seq, recv: NOW, ts: None, market, sid: 1, seq, body };
        (1..).zip(bodies).map(event).collect()
    }

    #[test]
    fn each_order_puts_the_markets_as_its_word_says() {
        let mut desk = Desk::default();
        let names = ["KX-A", "KX-B", "KX-C", "KX-D"];
        let markets = (0..).map(MarketId).zip(names.map(Box::<str>::from)).collect();
        let busy = [events(0, 50, 1, 300), events(1, 58, 2, 100), events(2, 55, 3, 200)];
        desk.hear(Heard { markets, events: busy.concat(), ..Heard::default() });
        for (market, close) in [(0, 2), (1, 1), (2, 3)] {
            desk.markets[market].info.close = Some(TsUs(close * 1_000_000_000));
        }
        // Of the last one nothing is known but its name.
        for (sort, want) in [
            (Sort::Ticker, [0, 1, 2, 3]),
            (Sort::Activity, [2, 1, 0, 3]),
            (Sort::Spread, [1, 2, 0, 3]),
            (Sort::Volume, [0, 2, 1, 3]),
            (Sort::Close, [1, 0, 2, 3]),
        ] {
            assert_eq!(desk.listed("", sort, NOW), want, "{sort:?}");
        }
        // A minute later the trades are no volume any more, and the name decides.
        assert_eq!(desk.listed("", Sort::Volume, TsNs(NOW.0 + 60_000_000_000)), [0, 1, 2, 3]);
    }
}
