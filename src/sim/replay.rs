//! A recording told again, at any speed, to whoever subscribes.
//!
//! The markets of the recording are listed from the start; the telling begins a moment after the first
//! subscription, so that the others of the same client stand as well.
//! Subscription ids, numbers and receive times are those of the new connections, exchange times those of the
//! recording.

use super::venue::{Definition, FeeType, Phase, Structure, Venue, What};
use crate::event::Body;
use crate::market::MarketInfo;
use crate::units::{TsNs, TsUs};

/// Frames told between two looks at the clock: at full speed, what one turn may take.
const FRAMES_PER_TURN: usize = 2_048;
/// At full speed the telling rests while a connection has so many frames waiting.
const WAITING_MAX: usize = 8_192;

/// Time from the first subscription to the first frame, microseconds.
const SETTLE_US: i64 = 250_000;

/// One event of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// Receive time in the recording: the pace of the telling.
    pub recv: TsNs,
    /// Exchange time, if the frame had one.
    pub ts: Option<TsUs>,
    /// The market.
    pub ticker: Box<str>,
    /// What happened; only book changes, books and trades are told.
    pub body: Body,
}

/// How fast a recording is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many thousandths of its own pace; 1 000 is as it was.
    TimesE3(u64),
    /// As fast as the connections take it.
    Full,
}

/// A recording that is being told.
pub struct Replay {
    markets: Vec<Definition>,
    frames: Box<dyn Iterator<Item = Played> + Send>,
    speed: Speed,
    next: Option<Played>,
    /// When somebody listened first.
    heard: Option<TsUs>,
    /// Receive time of the first frame, and when it was told.
    begin: Option<(TsNs, TsUs)>,
    told: u64,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replay({} markets, {} frames told)", self.markets.len(), self.told)
    }
}

impl Replay {
    /// A recording of these markets.
    pub fn new(
        markets: Vec<Definition>,
        frames: Box<dyn Iterator<Item = Played> + Send>,
        speed: Speed,
    ) -> Replay {
        Replay { markets, frames, speed, next: None, heard: None, begin: None, told: 0 }
    }

    /// Lists the markets of the recording.
    pub fn list(&mut self, venue: &mut Venue) {
        for market in self.markets.drain(..) {
            venue.list(market);
        }
    }

    /// Tells what is due, to whoever listens; `waiting` is how many frames the slowest connection has before
    /// it.
    pub fn play(&mut self, venue: &mut Venue, waiting: usize) {
        let now = venue.now();
        let heard = *self.heard.get_or_insert(now);
        if now.0 < heard.0.saturating_add(SETTLE_US) {
            return;
        }
        for _ in 0..FRAMES_PER_TURN {
            let Some(played) = self.next.take().or_else(|| self.frames.next()) else { return };
            let (first, begun) = *self.begin.get_or_insert((played.recv, now));
            let due = match self.speed {
                Speed::Full => waiting < WAITING_MAX,
                Speed::TimesE3(speed_e3) => {
                    let since_us = (played.recv.0 - first.0).max(0) / 1_000;
                    let wait_us = i128::from(since_us) * 1_000 / i128::from(speed_e3.max(1));
                    i128::from(begun.0) + wait_us <= i128::from(now.0)
                }
            };
            if !due {
                self.next = Some(played);
                return;
            }
            self.told += 1;
            tell(venue, played);
        }
    }
}

fn tell(venue: &mut Venue, played: Played) {
    let Some(market) = venue.find(&played.ticker) else { return };
    let at = played.ts.unwrap_or(TsUs(played.recv.0.div_euclid(1_000)));
    let what = match played.body {
        Body::Delta(delta) => What::Level(delta),
        Body::Trade(trade) => What::Trade(trade),
        Body::Snapshot(book) => What::Book(book),
        _ => return,
    };
    venue.tell(market, at, what);
}

/// A recorded market as the exchange lists it: open for as long as the recording is told.
pub fn definition(ticker: &str, id: [u8; 16], info: Option<&MarketInfo>) -> Definition {
    let text = |get: fn(&MarketInfo) -> &str| info.map(get).unwrap_or_default().to_owned();
    let second = |ts: Option<TsUs>, default: i64| ts.map_or(default, |t| t.ms().div_euclid(1_000));
    let whole = info.is_none_or(|i| i.ticks.iter().all(|t| t.step.e4() % 100 == 0));
    Definition {
        ticker: ticker.to_owned(),
        event_ticker: text(|i| &i.event_ticker),
        series_ticker: "SIM",
        id,
        title: text(|i| &i.title),
        phase: Phase::Active,
        created_s: second(info.and_then(|i| i.open), 0),
        open_s: second(info.and_then(|i| i.open), 0),
        close_s: second(info.and_then(|i| i.close), i64::from(i32::MAX)),
        determined_s: None,
        settled_s: None,
        settlement_timer_s: 0,
        settlement: None,
        structure: if whole { Structure::LinearCent } else { Structure::DeciCent },
        fee_type: FeeType::Quadratic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Delta, Snapshot};
    use crate::sim::venue::VenueSpec;
    use crate::units::{Price, Qty, Side};

    fn tape() -> Vec<Played> {
        let price = Price::new(4_200).unwrap();
        (0..10)
            .map(|i| Played {
                recv: TsNs(5_000_000_000 + i * 100_000_000),
                ts: (i > 0).then_some(TsUs(4_000_000 + i)),
                ticker: "M".into(),
                body: if i == 0 {
                    Body::Snapshot(Box::<Snapshot>::default())
                } else {
                    Body::Delta(Delta { side: Side::No, price, qty: Qty(7) })
                },
            })
            .collect()
    }

    fn told_after(speed: Speed, us: i64, waiting: usize) -> usize {
        let spec = VenueSpec::default();
        let mut venue = Venue::silent(spec.clone());
        let market = definition("M", [1; 16], None);
        let mut replay = Replay::new(vec![market], Box::new(tape().into_iter()), speed);
        replay.list(&mut venue);
        replay.play(&mut venue, waiting);
        venue.advance(TsUs(spec.start.0 + SETTLE_US));
        replay.play(&mut venue, waiting);
        venue.advance(TsUs(spec.start.0 + SETTLE_US + us));
        replay.play(&mut venue, waiting);
        let mut told = Vec::new();
        venue.take(&mut told);
        let book = venue.market(0).unwrap().face.book();
        assert_eq!(book.bids(Side::No).total(), Qty(7 * (told.len() as i64 - 1).max(0)));
        told.len()
    }

    #[test]
    fn the_pace_is_the_recordings_times_the_speed() {
        assert_eq!(told_after(Speed::TimesE3(1_000), 0, 0), 1);
        assert_eq!(told_after(Speed::TimesE3(1_000), 450_000, 0), 5);
        assert_eq!(told_after(Speed::TimesE3(10_000), 45_000, 0), 5);
        assert_eq!(told_after(Speed::TimesE3(500), 450_000, 0), 3);
        assert_eq!(told_after(Speed::Full, 0, 0), 10);
        assert_eq!(told_after(Speed::Full, 0, WAITING_MAX), 0);
    }
}
