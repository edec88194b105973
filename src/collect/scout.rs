//! Keeps the set of markets right while time passes: new ones in, settled ones out, definitions read again,
//! and now and then a live book compared with the exchange's.
//!
//! What to do when is [`Rotation`]'s to say; this asks the exchange and tells feed and log.

use super::audit::Audit;
use super::ports::{Ask, OwnRow};
use super::{Definition, log_thread};
use crate::feed::Command;
use crate::feed::discover::{self, DiscoverError, MarketFilter};
use crate::feed::rest::RestClient;
use crate::feed::rotation::{Plan, Rotation};
use crate::market::MarketInfo;
use crate::units::TsUs;
use crate::wire::lifecycle::Lifecycle;
use crate::wire::market::market_info;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest sleep: a wall clock that was set shows within this time.
const NAP_MAX: Duration = Duration::from_secs(30);

/// Which markets a collector follows, and the exchange to ask about them.
pub struct Scout {
    client: RestClient,
    rotation: Rotation,
    /// How new markets are found; `None`: the first ones are all.
    filter: Option<MarketFilter>,
    /// What the exchange said last about each market.
    known: BTreeMap<String, (MarketInfo, Box<str>)>,
    /// What of it stands in this session's log.
    written: BTreeMap<String, MarketInfo>,
    /// The step that comes first.
    plan: Plan,
    audit: Option<Audit>,
}

/// What a scout is connected to.
pub(super) struct ScoutIo {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) commands: mpsc::Sender<Command>,
    /// Frames about the lives of markets.
    pub(super) lifecycle: mpsc::Receiver<Box<[u8]>>,
}

impl Scout {
    /// Follows the markets `objects` and, with a `filter`, new ones as long as there are fewer than its limit.
    pub fn new(
        client: RestClient,
        objects: &[Value],
        filter: Option<MarketFilter>,
        audit: Option<Audit>,
    ) -> Scout {
        let limit = filter.as_ref().map_or(objects.len(), |f| f.limit);
        let mut scout = Scout {
            client,
            rotation: Rotation::new(limit, filter.is_some()),
            filter,
            known: BTreeMap::new(),
            written: BTreeMap::new(),
            plan: Plan::default(),
            audit,
        };
        objects.iter().for_each(|object| drop(scout.learn(object)));
        scout.plan = scout.rotation.step(now());
        scout
    }

    /// The markets followed now, with their definitions, as a new session begins with them.
    pub(super) fn begin(&mut self) -> Vec<Definition> {
        self.written.clear();
        // The feed begins with these.
        self.plan.add.clear();
        self.plan.drop.clear();
        let followed = self.rotation.followed();
        followed.iter().filter_map(|ticker| self.definition(ticker)).collect()
    }

    /// Works until every market is over and no new ones are looked for, or the session has gone.
    pub(super) async fn run(&mut self, mut io: ScoutIo) {
        loop {
            let plan = std::mem::take(&mut self.plan);
            let (finished, wake) = (plan.finished, plan.wake);
            if self.carry_out(plan, &io).await.is_err() || finished {
                return;
            }
            let nap = wake.map_or(NAP_MAX, |at| {
                Duration::from_micros(at.0.saturating_sub(now().0).max(0) as u64).min(NAP_MAX)
            });
            tokio::select! {
                frame = io.lifecycle.recv() => match frame {
                    Some(frame) => self.lifecycle(&frame),
                    None => return,
                },
                () = tokio::time::sleep(nap) => {}
                () = Audit::due(self.audit.as_mut()) => self.look_closer(&io).await,
            }
            while let Ok(frame) = io.lifecycle.try_recv() {
                self.lifecycle(&frame);
            }
            self.plan = self.rotation.step(now());
        }
    }

    /// Remembers a market object; true if what matters of it has changed.
    fn learn(&mut self, object: &Value) -> Option<String> {
        let info = match market_info(object) {
            Ok(info) => info,
            Err(error) => {
                tracing::warn!(%error, "passed over");
                return None;
            }
        };
        self.rotation.learn(&info, now());
        let ticker = info.ticker.clone();
        // What is traded changes all the time, and stands in the trades.
        let info = MarketInfo { volume: None, ..info };
        self.known.insert(ticker.clone(), (info, object.to_string().into()));
        Some(ticker)
    }

    /// The definition of a market, if it does not stand in the log as it is.
    fn definition(&mut self, ticker: &str) -> Option<Definition> {
        let (info, json) = self.known.get(ticker)?;
        if self.written.get(ticker) == Some(info) {
            return None;
        }
        self.written.insert(ticker.to_owned(), info.clone());
        Some(Definition { ticker: ticker.to_owned(), json: json.clone() })
    }

    fn lifecycle(&mut self, frame: &[u8]) {
        let frame = serde_json::from_slice::<Value>(frame).ok();
        let read = frame.as_ref().and_then(|f| f.get("msg")).and_then(Lifecycle::of);
        if let Some(read) = read {
            self.rotation.lifecycle(&read, now());
        }
    }

    /// Does what the plan says. What the exchange does not answer now is planned again later.
    async fn carry_out(&mut self, plan: Plan, io: &ScoutIo) -> Result<(), Gone> {
        let mut learnt = plan.add.clone();
        if !plan.read.is_empty() {
            match discover::lookup(&mut self.client, &plan.read).await {
                Ok(found) => {
                    learnt.extend(found.values().filter_map(|object| self.learn(object)));
                    let gone = plan.read.iter().filter(|ticker| !found.contains_key(*ticker));
                    gone.for_each(|ticker| self.rotation.gone(ticker));
                }
                Err(error) => tracing::warn!(%error, "definitions could not be read again"),
            }
        }
        if let Some(filter) = self.filter.clone().filter(|_| plan.sweep) {
            match discover::sweep(&mut self.client, &filter).await {
                Ok(found) => found.iter().for_each(|object| drop(self.learn(object))),
                Err(DiscoverError::Nothing(_)) => {}
                Err(error) => tracing::warn!(%error, "new markets could not be looked for"),
            }
        }
        for ticker in &learnt {
            let is_ours = plan.add.contains(ticker) || self.written.contains_key(ticker);
            if let Some(definition) = is_ours.then(|| self.definition(ticker)).flatten() {
                let row = OwnRow::definition(definition);
                io.asks.send(Ask::Row(row)).await.map_err(|_| Gone)?;
            }
        }
        if !plan.add.is_empty() || !plan.drop.is_empty() {
            tracing::info!(added = ?plan.add, dropped = ?plan.drop, "markets");
            let followed = self.rotation.followed();
            io.commands.send(Command::Markets(followed)).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    async fn look_closer(&mut self, io: &ScoutIo) {
        let followed = self.rotation.followed();
        let Some(audit) = &mut self.audit else { return };
        if let Some(row) = audit.look(&mut self.client, &followed, &io.commands).await {
            // A log that has ended counts nothing more.
            let _ = io.asks.send(Ask::Row(row)).await;
        }
    }
}

/// The session has ended.
struct Gone;

fn now() -> TsUs {
    TsUs(log_thread::now().0 / 1_000)
}
