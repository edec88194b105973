//! What a person may look at while the program works: plain values, filled by the collector, shown by the
//! status line, `--json`, `live.sock` and the dashboard.
//!
//! **Invariant:** a figure has one place here; whoever shows it takes it from there.

pub mod text;

use crate::units::TsNs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Everything that goes on around one data directory, at one moment: what the dashboard shows and
/// `kflow dash --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The collector, while one runs.
    pub collect: Option<CollectStatus>,
    /// The newest trading session.
    pub trade: Option<TradeStatus>,
    /// Training runs, newest first.
    pub runs: Vec<RunStatus>,
    /// Registered versions, then models that lie in run folders; each newest first.
    pub models: Vec<ModelStatus>,
    /// Recorded sessions, newest first, as far as their files are sealed.
    pub sessions: Vec<SessionStatus>,
    /// What is wrong with the log; empty where nothing is.
    pub log_problem: String,
    /// What stopped all orders, in words; empty while nothing did.
    pub stopped: String,
}

/// A trading session as its journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TradeStatus {
    /// Name of its folder.
    pub id: String,
    /// Name of the policy.
    pub policy: String,
    /// SHA-256 of the model's weights; empty for a scripted policy.
    pub model_hash: String,
    /// Orders go to an exchange with play money; otherwise they are paper.
    pub elsewhere: bool,
    /// Decisions so far.
    pub decisions: u64,
    /// Orders among them, without those that the desk then kept back.
    pub orders: u64,
    /// Decisions that a limit, a halt or the desk kept back.
    pub held_back: u64,
    /// Markets with a decision.
    pub markets: u64,
    /// Of these, markets with a position.
    pub open_positions: u64,
    /// Cash of all accounts, 1e-6 dollars.
    pub cash_e6: i64,
    /// Equity of all accounts, 1e-6 dollars.
    pub equity_e6: i64,
    /// Equity less start cash, 1e-6 dollars.
    pub profit_e6: i64,
    /// What stopped all its orders, in words; empty while nothing did. It stays until the session ends, whatever
    /// becomes of the kill file.
    #[serde(default)]
    pub stopped: String,
    /// True once it says that it has ended.
    #[serde(default)]
    pub ended: bool,
}

/// A training run as its files tell it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Name of its folder, with the fold's where there are several.
    pub id: String,
    /// `ppo` or `a2c`.
    pub algo: String,
    /// Its seed.
    pub seed: u64,
    /// Environment steps done.
    pub steps: u64,
    /// Environment steps that it makes: those asked for, in whole rollouts.
    pub steps_total: u64,
    /// Environment steps per second.
    pub steps_per_s: f64,
    /// Seconds until all steps are done at this speed; `None` when they are, or while nothing moves.
    pub eta_s: Option<u64>,
    /// When its files were last written, seconds since 1970.
    pub written_unix_s: f64,
    /// The newest value of every logged key.
    pub latest: BTreeMap<String, f64>,
}

/// A model as its folder and the registry tell it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelStatus {
    /// `NAME:3` of a registered version; else the name of its folder, with the fold's where there are several.
    pub id: String,
    /// What it came from: the run of a version, the version that a run went on from; empty where nothing is known.
    pub parent: String,
    /// What it was made with: configuration, data and circumstances, one level deep.
    pub facts: Map<String, Value>,
    /// Environment steps of experience.
    pub steps: u64,
    /// Return of its last training episodes.
    pub reward: Option<f64>,
    /// The verdict of its evaluation; empty before one.
    pub verdict: String,
    /// When it was last saved or registered, seconds since 1970.
    pub saved_unix_s: f64,
    /// Where it stands in its life, as the registry says; empty where that does not know it.
    pub status: String,
    /// Names that point to it.
    pub aliases: Vec<String>,
    /// Mean return per held-out market.
    pub mean_return: Option<f64>,
    /// Its 95 % interval.
    pub ci95: Option<(f64, f64)>,
}

/// A recorded session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its id.
    pub id: String,
    /// Where its events come from.
    pub source: String,
    /// First receive time.
    #[serde(rename = "from_ns")]
    pub from: TsNs,
    /// Last receive time.
    #[serde(rename = "to_ns")]
    pub to: TsNs,
    /// Why it ended; empty while it is written.
    pub cause: String,
    /// Rows.
    pub records: u64,
    /// Gap rows.
    pub gaps: u64,
    /// Markets.
    pub markets: u64,
    /// Size on disk.
    pub bytes: u64,
}

/// The collector at one moment. Counters run from the start of the session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectStatus {
    /// The session's id.
    pub session: String,
    /// `prod`, `demo` or `sim`.
    pub exchange_env: String,
    /// Where the events come from; synthetic data start with `sim:`.
    pub source: String,
    /// The connection.
    pub link: Link,
    /// What keeps the collector from doing its work now; empty while it is well.
    pub problem: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Seconds since the last frame: a feed that has stopped must look stopped.
    pub quiet_s: u64,
    /// Markets subscribed.
    pub markets: u64,
    /// Of these, markets whose book is not known now.
    pub stale: u64,
    /// Frames received.
    pub received: u64,
    /// Rows on disk: frames, gap rows and market definitions.
    pub committed: u64,
    /// Rows accepted by the log's queue.
    pub accepted: u64,
    /// Sequence numbers that never came.
    pub missing: u64,
    /// Frames that came twice.
    pub duplicates: u64,
    /// Frames that came after their number was given up (kept as bytes).
    pub late: u64,
    /// Frames that could not be read (kept as bytes).
    pub bad: u64,
    /// Gap rows.
    pub gaps: u64,
    /// Gap rows not healed yet.
    pub open_gaps: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Frames per second over the last seconds.
    pub frames_per_s: f64,
    /// Exchange's stamp to our receipt, milliseconds, over the last seconds.
    pub lag_ms: Quantiles,
    /// Receipt to disk, milliseconds, over the last seconds.
    pub commit_ms: Quantiles,
    /// Batches (of up to 1,024 records) that wait for the log thread.
    pub queue: u64,
    /// Batches that may wait.
    pub queue_max: u64,
    /// Size of the log, bytes.
    pub log_bytes: u64,
    /// Growth of the log, bytes per minute.
    pub log_bytes_per_min: f64,
    /// Free space of the log's disk, bytes.
    pub disk_free_bytes: u64,
    /// Days until the disk is full at this growth; `None` while it does not grow.
    pub disk_days: Option<f64>,
    /// Differences that the audit found between live books and REST.
    pub drift: u64,
}

/// State of the connection to the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Not connected yet, or again.
    #[default]
    Connecting,
    /// Subscribed, every book known.
    Live,
    /// Subscribed, some books wait for their snapshot.
    Healing,
    /// Ended.
    Stopped,
}

impl CollectStatus {
    /// True for data that no exchange made: they are never shown without their badge.
    pub fn is_synthetic(&self) -> bool {
        is_synthetic(&self.source)
    }
}

/// True for the label of data that no exchange made.
pub fn is_synthetic(source: &str) -> bool {
    source.starts_with("sim:")
}

impl Link {
    /// The word shown to people: state is never told by colour alone.
    pub const fn word(self) -> &'static str {
        match self {
            Link::Connecting => "CONNECTING",
            Link::Live => "LIVE",
            Link::Healing => "HEALING",
            Link::Stopped => "STOPPED",
        }
    }
}

/// Two quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}
