//! Follows one market and counts what it shows.

use super::{Key, Pairing, Profile, Statistic};
use crate::book::{Book, Change};
use crate::event::{Body, Delta, Event, Trade};
use crate::units::{Price, Qty, Side};
use std::collections::{BTreeMap, HashMap};

/// Shares and rates are taken over slices of this length.
const SLICE_S: i64 = 30;
/// A share of fewer decreases than this is noise.
const SLICE_DECREASES_MIN: u32 = 20;

/// How fast a market was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From its first to its last event, seconds.
    pub life_s: u32,
    /// Book changes and trades per second, thousandths.
    pub events_per_s_e3: u32,
}

/// Half a minute of a market.
#[derive(Clone, Debug, Default)]
struct Slice {
    events: [u32; SLICE_S as usize],
    changes: u32,
    fractional: u32,
    decreases: u32,
    touch_decreases: u32,
    trades: u32,
}

/// Measures one market from its events, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    profile: Profile,
    book: Book,
    born_us: HashMap<(Side, Price), i64>,
    pairing: Pairing,
    slices: BTreeMap<i64, Slice>,
    last_change_us: Option<i64>,
    sampled_s: Option<i64>,
    events: i64,
    /// Earliest and latest exchange time, microseconds.
    span_us: Option<(i64, i64)>,
}

impl Meter {
    /// Follows one event; those of other kinds than book and trade are passed over.
    pub fn enter(&mut self, event: &Event) {
        match (&event.body, event.ts) {
            (Body::Delta(delta), Some(ts)) => self.delta(delta, ts.0, event),
            (Body::Trade(trade), Some(ts)) => self.trade(trade, ts.0, event),
            (Body::Snapshot(_) | Body::Gap(_), _) => {
                // What a new snapshot shows has an unknown age. An error cannot come from these two.
                let _ = self.book.apply(event);
                self.born_us.clear();
            }
            _ => {}
        }
    }

    /// How fast the market was; `None` before its first second is over.
    pub fn pace(&self) -> Option<Pace> {
        let (first_us, last_us) = self.span_us?;
        let life_ms = (last_us - first_us) / 1_000;
        Some(Pace {
            life_s: u32::try_from(life_ms / 1_000).ok().filter(|s| *s > 0)?,
            events_per_s_e3: u32::try_from(self.events * 1_000_000 / life_ms).ok()?,
        })
    }

    /// Everything that was counted.
    pub fn finish(mut self) -> Profile {
        let edges = self.slices.keys().next().copied().zip(self.slices.keys().last().copied());
        let (first, last) = edges.unwrap_or_default();
        // The slices at the edges are not whole.
        for slice in first + 1..last {
            let slice = self.slices.remove(&slice).unwrap_or_default();
            self.close(&slice);
        }
        self.set_clock_right();
        self.profile
    }

    fn delta(&mut self, delta: &Delta, ts_us: i64, event: &Event) {
        let Delta { side, price, qty } = *delta;
        if !self.book.is_valid() {
            return;
        }
        let best = self.book.bids(side).best().map(|b| b.0);
        let before = self.book.bids(side).size(price);
        let Ok(Change::Level { size, .. }) = self.book.apply(event) else { return };
        self.life(side, price, [before, size], ts_us);

        let p = &mut self.profile;
        p.add(Statistic::DeltaSize, qty.e2().abs());
        p.add(Statistic::Lateness, event.recv.ms() - ts_us.div_euclid(1_000));
        if let Some(last_us) = self.last_change_us.replace(ts_us) {
            p.add(Statistic::InterEvent, (ts_us - last_us).max(0));
        }
        if let Some(best) = best {
            p.add(Statistic::Distance, best.e4() - price.e4());
        }

        let slice = self.count(ts_us);
        slice.changes += 1;
        slice.fractional += u32::from(qty.e2() % 100 != 0);
        if qty < Qty::ZERO {
            slice.decreases += 1;
            slice.touch_decreases += u32::from(best == Some(price));
            let key = Key { ts_ms: ts_us.div_euclid(1_000), side, price, qty: -qty };
            let lag_ms = self.pairing.decrease(key, event.recv.ms());
            self.paired(ts_us, lag_ms);
        }
        self.sample(ts_us.div_euclid(1_000_000));
    }

    fn trade(&mut self, trade: &Trade, ts_us: i64, event: &Event) {
        let (side, price) = match trade.taker {
            Side::Yes => (Side::No, trade.yes_price.complement()),
            Side::No => (Side::Yes, trade.yes_price),
        };
        self.profile.add(Statistic::TradeSize, trade.qty.e2());
        self.count(ts_us);
        let key = Key { ts_ms: ts_us.div_euclid(1_000), side, price, qty: trade.qty };
        let lag_ms = self.pairing.trade(key, event.recv.ms());
        self.paired(ts_us, lag_ms);
    }

    fn paired(&mut self, ts_us: i64, lag_ms: Option<i64>) {
        if let Some(lag_ms) = lag_ms {
            self.profile.add(Statistic::TradeLag, lag_ms);
            self.slice(ts_us).trades += 1;
        }
    }

    fn life(&mut self, side: Side, price: Price, [before, after]: [Qty; 2], ts_us: i64) {
        if before == Qty::ZERO {
            self.born_us.insert((side, price), ts_us);
        } else if after == Qty::ZERO
            && let Some(born_us) = self.born_us.remove(&(side, price))
        {
            self.profile.add(Statistic::LevelLife, (ts_us - born_us).max(0));
        }
    }

    fn slice(&mut self, ts_us: i64) -> &mut Slice {
        self.slices.entry(ts_us.div_euclid(1_000_000 * SLICE_S)).or_default()
    }

    /// Counts an event into its second and returns its slice.
    fn count(&mut self, ts_us: i64) -> &mut Slice {
        self.events += 1;
        let (first_us, last_us) = self.span_us.unwrap_or((ts_us, ts_us));
        self.span_us = Some((first_us.min(ts_us), last_us.max(ts_us)));
        let second = ts_us.div_euclid(1_000_000).rem_euclid(SLICE_S) as usize;
        let slice = self.slice(ts_us);
        slice.events[second] += 1;
        slice
    }

    /// Once per second, at its first change: the shape of a book that has both sides.
    fn sample(&mut self, second: i64) {
        let touch = self.book.touch();
        let (Some(bid), Some(ask)) = (touch.bid, touch.ask) else { return };
        if self.sampled_s.replace(second) == Some(second) {
            return;
        }
        let p = &mut self.profile;
        p.add(Statistic::Spread, ask.0.e4() - bid.0.e4());
        for (side, best) in [(Side::Yes, bid), (Side::No, ask)] {
            let ladder = self.book.bids(side);
            p.add(Statistic::TouchSize, best.1.e2());
            p.add(Statistic::Depth, ladder.total().e2());
            p.add(Statistic::Levels, ladder.len() as i64);
        }
    }

    fn close(&mut self, slice: &Slice) {
        let p = &mut self.profile;
        for events in slice.events {
            p.add(Statistic::EventsPerSecond, i64::from(events));
        }
        let mut share = |statistic, part: u32, whole: u32| {
            if whole >= SLICE_DECREASES_MIN {
                p.add(statistic, i64::from(part) * 1_000 / i64::from(whole));
            }
        };
        share(Statistic::TradeShareTouch, slice.trades, slice.touch_decreases);
        share(Statistic::TradeShareBook, slice.trades, slice.decreases);
        share(Statistic::FractionalShare, slice.fractional, slice.changes);
    }

    /// Nothing arrives before it is stamped: a negative lateness is the offset of the receiver's clock.
    fn set_clock_right(&mut self) {
        let late = &mut self.profile.distributions[Statistic::Lateness as usize];
        let offset_ms = late.min().unwrap_or(0).min(0);
        let seen = std::mem::take(late);
        late.merge(&seen, -offset_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{MarketId, Snapshot};
    use crate::units::{TsNs, TsUs};

    /// Feeds a market of two sides at 40 and 58 cents; times in milliseconds.
    struct Feed(Meter);

    impl Feed {
        fn new() -> Feed {
            let level = |cents: i64| vec![(Price::new(cents * 100).unwrap(), Qty(1_000))];
            let mut feed = Feed(Meter::default());
            let book = Snapshot { yes: level(40), no: level(58) };
            feed.enter(0, 0, Body::Snapshot(Box::new(book)));
            feed
        }

        fn enter(&mut self, ts_ms: i64, recv_ms: i64, body: Body) {
            let (recv, ts) = (TsNs::from_ms(recv_ms), Some(TsUs::from_ms(ts_ms)));
            self.0.enter(&Event { row_id: 0, recv, ts, market: MarketId(0), sid: 1, seq: 0, body });
        }

        fn delta(&mut self, ts_ms: i64, recv_ms: i64, side: Side, cents: i64, qty: i64) {
            let price = Price::new(cents * 100).unwrap();
            self.enter(ts_ms, recv_ms, Body::Delta(Delta { side, price, qty: Qty(qty) }));
        }
    }

    #[test]
    fn a_change_is_measured_against_the_book_before_it() {
        let mut feed = Feed::new();
        feed.delta(100, 105, Side::Yes, 38, 250);
        feed.delta(400, 401, Side::Yes, 41, 100);
        feed.delta(1_400, 1_390, Side::Yes, 41, -100);
        let pace = feed.0.pace().unwrap();
        assert_eq!(pace, Pace { life_s: 1, events_per_s_e3: 2_307 });
        let profile = feed.0.finish();
        let median = |s| profile.of(s).median();
        // 200 below the best, then 100 above it, then at it.
        assert_eq!(median(Statistic::Distance), Some(0));
        assert_eq!(profile.of(Statistic::Distance).min(), Some(-100));
        assert_eq!(median(Statistic::LevelLife), Some(1_000_000 >> 9 << 9));
        // Received 5, 1 and -10 ms after the stamp: the clock is 10 ms behind.
        assert_eq!(median(Statistic::Lateness), Some(11));
        assert_eq!(profile.of(Statistic::Lateness).min(), Some(0));
        // Sampled after the first change of each of two seconds.
        assert_eq!(profile.of(Statistic::Spread).len(), 2);
        assert_eq!(median(Statistic::Spread), Some(200));
        assert_eq!(profile.of(Statistic::Levels).len(), 4);
    }

    #[test]
    fn a_decrease_with_its_trade_is_a_share_of_its_half_minute() {
        let mut feed = Feed::new();
        // Three half minutes; only the one in the middle is whole.
        for second in 0..90 {
            let ts_ms = second * 1_000;
            feed.delta(ts_ms, ts_ms, Side::No, 58, 150);
            feed.delta(ts_ms + 1, ts_ms + 1, Side::No, 58, -150);
            if second % 4 == 0 {
                let (taker, yes_price) = (Side::Yes, Price::new(4_200).unwrap());
                let trade = Trade { taker, yes_price, qty: Qty(150), block: None, id: [0; 16] };
                feed.enter(ts_ms + 1, ts_ms + 4, Body::Trade(Box::new(trade)));
            }
        }
        let profile = feed.0.finish();
        // Seconds 32, 36, .. 56 of 30..60.
        let share = 7 * 1_000 / 30;
        for statistic in [Statistic::TradeShareTouch, Statistic::TradeShareBook] {
            assert_eq!(profile.of(statistic).len(), 1);
            assert_eq!(profile.of(statistic).median(), Some(share));
        }
        assert_eq!(profile.of(Statistic::FractionalShare).median(), Some(1_000));
        assert_eq!(profile.of(Statistic::TradeLag).median(), Some(3));
        assert_eq!(profile.of(Statistic::EventsPerSecond).len(), 30);
        assert_eq!(profile.of(Statistic::EventsPerSecond).median(), Some(2));
    }
}
