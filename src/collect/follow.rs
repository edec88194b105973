//! Who follows a collector: every accepted record, in the order of the log, over all its sessions.
//!
//! ```text
//!  log thread ─► Tap ─► Follower ─ queue ─► Following ─► actor, dashboard
//! ```
//!
//! **Invariant:** the log waits for nobody. Whoever falls a whole queue behind is let go, and is told so at once.
//! **Invariant:** one dictionary. A collector that waited for space goes on in a new session whose market ids
//! begin anew; whoever follows hears a market under the id that it was told by first.

use crate::event::{MarketId, Record, Tickers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Batches on their way to a follower: seconds of the busiest exchange. One that is further behind acts on the
/// past and is let go.
const FOLLOWER_BATCHES: usize = 4_096;

/// A market new to the dictionary: its id, its ticker and the exchange's own id.
pub type NewMarket = (MarketId, Box<str>, Option<[u8; 16]>);

/// Accepted records for a follower: all of them, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// Markets new to the dictionary, or told again.
    pub markets: Vec<NewMarket>,
    /// Records with their row ids.
    pub records: Vec<Record>,
}

/// The collector's end: who gets every accepted record.
#[derive(Clone, Debug)]
pub struct Follower(Vec<Ear>);

#[derive(Clone, Debug)]
struct Ear {
    out: mpsc::Sender<Accepted>,
    /// Written here, once; read by [`Following`].
    behind: Arc<AtomicBool>,
}

/// The follower's end: what it hears.
#[derive(Debug)]
pub struct Following {
    accepted: mpsc::Receiver<Accepted>,
    behind: Arc<AtomicBool>,
    dictionary: Dictionary,
}

impl Follower {
    /// A follower, and what it hears.
    pub fn new() -> (Follower, Following) {
        let (out, accepted) = mpsc::channel(FOLLOWER_BATCHES);
        let behind = Arc::new(AtomicBool::new(false));
        let ear = Ear { out, behind: behind.clone() };
        (Follower(vec![ear]), Following { accepted, behind, dictionary: Dictionary::default() })
    }

    /// This one and another.
    #[must_use]
    pub fn and(mut self, other: Follower) -> Follower {
        self.0.extend(other.0);
        self
    }

    /// Tells everybody who keeps up; false if there is nobody left.
    pub fn tell(&mut self, accepted: &Accepted) -> bool {
        self.0.retain(|ear| ear.tell(accepted.clone()));
        !self.0.is_empty()
    }
}

impl Ear {
    /// False if this one hears no more.
    fn tell(&self, accepted: Accepted) -> bool {
        match self.out.try_send(accepted) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("who follows the log cannot keep up, and hears no more");
                self.behind.store(true, Ordering::Release);
                false
            }
        }
    }
}

impl Following {
    /// Waits for the next batch; `None` when the collector has ended, or this one [fell
    /// behind](Following::fell_behind): what still waits is the past then.
    pub fn blocking_recv(&mut self) -> Option<Accepted> {
        // Whoever waits has an empty queue and is not behind: no wait hides the flag.
        if self.fell_behind() {
            return None;
        }
        self.accepted.blocking_recv().map(|batch| self.dictionary.translate(batch))
    }

    /// The next batch, if it is there.
    pub fn try_recv(&mut self) -> Option<Accepted> {
        let next = if self.fell_behind() { None } else { self.accepted.try_recv().ok() };
        next.map(|batch| self.dictionary.translate(batch))
    }

    /// True when records were left out because this one did not keep up.
    pub fn fell_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }
}

/// Market ids of every session, as those of one.
#[derive(Debug, Default)]
struct Dictionary {
    tickers: Tickers,
    /// Of the session that is told: its id to ours. A new session tells a market before a record of it.
    ours: Vec<MarketId>,
}

impl Dictionary {
    fn translate(&mut self, mut batch: Accepted) -> Accepted {
        for (id, ticker, _) in &mut batch.markets {
            let told = id.0 as usize;
            if self.ours.len() <= told {
                self.ours.resize(told + 1, MarketId::NONE);
            }
            *id = self.tickers.intern(ticker);
            self.ours[told] = *id;
        }
        for record in &mut batch.records {
            let told = record.event.market.0 as usize;
            record.event.market = self.ours.get(told).copied().unwrap_or(MarketId::NONE);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Event};
    use crate::rng::Rng;
    use crate::units::TsNs;

    const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];

    fn record(row_id: u64, market: MarketId) -> Record {
        let body = Body::Other("told".into());
        let event = Event { row_id, recv: TsNs(0), ts: None, market, sid: 0, seq: 0, body };
        Record { event, raw: None }
    }

    /// A session: some of the markets in an order of its own, ids from 0, one batch for each, then records of all.
    fn session(rng: &mut Rng, from_row: u64) -> (Vec<Accepted>, Vec<(u64, &'static str)>) {
        let mut names = NAMES.to_vec();
        for at in (1..names.len()).rev() {
            names.swap(at, rng.below(at as u64 + 1) as usize);
        }
        names.truncate(1 + rng.below(NAMES.len() as u64) as usize);
        let (mut batches, mut truth) = (Vec::new(), Vec::new());
        for known in 0..names.len() {
            let markets = vec![(MarketId(known as u32), names[known].into(), None)];
            let mut records = Vec::new();
            for _ in 0..3 {
                let at = rng.below(known as u64 + 1) as usize;
                let row_id = from_row + truth.len() as u64;
                records.push(record(row_id, MarketId(at as u32)));
                truth.push((row_id, names[at]));
            }
            batches.push(Accepted { markets, records });
        }
        (batches, truth)
    }

    /// After a full disk the collector opens a second session, whose dictionary is new: the exchange tells its
    /// markets in another order, and id 0 is another market. Who traded the first by its id would trade the
    /// second under its name.
    #[test]
    fn a_market_keeps_its_id_over_the_sessions_of_a_collector() {
        for seed in 0..200 {
            let mut rng = Rng::stream(seed, "sessions", 0);
            let (follower, mut following) = Follower::new();
            let (mut met, mut heard, mut truth) = (Tickers::default(), Vec::new(), Vec::new());
            for _ in 0..3 {
                let (batches, rows) = session(&mut rng, truth.len() as u64);
                truth.extend(rows);
                // Each session has a tap of its own, and with it a follower of its own.
                let mut follower = follower.clone();
                for batch in batches {
                    assert!(follower.tell(&batch));
                    let batch = following.try_recv().unwrap();
                    for (id, ticker, _) in &batch.markets {
                        assert_eq!(met.intern(ticker), *id, "told in the order of their ids");
                    }
                    let named = |r: &Record| (r.event.row_id, met.name(r.event.market).to_owned());
                    heard.extend(batch.records.iter().map(named));
                }
            }
            let truth: Vec<_> = truth.into_iter().map(|(row, name)| (row, name.into())).collect();
            assert_eq!(heard, truth, "seed {seed}");
        }
    }

    #[test]
    fn what_concerns_no_market_goes_on_concerning_none() {
        let (mut follower, mut following) = Follower::new();
        let markets = vec![(MarketId(0), "A".into(), None)];
        let records = vec![record(1, MarketId::NONE), record(2, MarketId(7))];
        follower.tell(&Accepted { markets, records });
        let batch = following.try_recv().unwrap();
        assert!(batch.records.iter().all(|r| r.event.market == MarketId::NONE));
    }

    /// One of two followers sleeps through more than its queue holds. It must not go on with the past as if
    /// nothing had happened, nor take a lost record for the end of the session; the other one hears everything.
    #[test]
    fn whoever_falls_behind_is_told_and_hears_none_of_the_past() {
        let ((slow, mut asleep), (quick, mut awake)) = (Follower::new(), Follower::new());
        let mut both = quick.and(slow);
        let mut heard = 0;
        for row_id in 0..=FOLLOWER_BATCHES as u64 {
            assert!(!asleep.fell_behind(), "at {row_id}");
            let batch =
                Accepted { markets: Vec::new(), records: vec![record(row_id, MarketId::NONE)] };
            assert!(both.tell(&batch));
            heard += usize::from(awake.try_recv().is_some());
        }
        assert!(asleep.fell_behind());
        assert!(asleep.blocking_recv().is_none() && asleep.try_recv().is_none());
        assert_eq!((heard, awake.fell_behind()), (FOLLOWER_BATCHES + 1, false));
        // Whoever left has not fallen behind.
        drop(awake);
        assert!(!both.tell(&Accepted::default()), "nobody is left");
    }
}
