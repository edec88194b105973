//! `kflow env check`: may this environment be trained in?
//!
//! Three layers, each of which would have caught the predecessor's ledger on its first day:
//!
//! 1. the **contract**: shapes, ranges, determinism, masks, and rewards that add up;
//! 2. the **audit**: every step of every scripted policy is booked a second time with separate piles of
//!    contracts, and a cent of difference sets off the alarm;
//! 3. the **probes**: on a fair synthetic tape no policy that does not look can gain; one that does has
//!    found a hole in the rules, and sets off the alarm. On recorded tapes the same finding is only a
//!    warning: NO may simply have won often.

mod audit;
mod contract;
mod fair;
mod probes;

pub use audit::Audit;
pub use contract::Check;
pub use fair::fair_episodes;
pub use probes::Probe;

use crate::env::account::{Exact, Rules};
use crate::env::{EnvConfig, EnvError};
use crate::features::episode::Episode;
use serde::Serialize;
use std::sync::Arc;

/// Episodes to check with.
#[derive(Clone, Debug)]
pub struct Tape {
    /// What they are called in the result: `fair`, `recorded`.
    pub name: &'static str,
    /// True when the mid is a martingale and the outcome is drawn from it, so that gains are impossible.
    pub fair: bool,
    /// The episodes.
    pub episodes: Arc<[Episode]>,
}

/// What the check found.
#[derive(Clone, Debug, Serialize)]
pub struct EnvCheck {
    /// The environment's promises, on the first tape that breaks them.
    pub contract: Vec<Check>,
    /// What the scripted policies earned.
    pub policies: Vec<Probe>,
    /// True when money can be made that is not there.
    pub alarm: bool,
    /// What set off the alarm.
    pub alarms: Vec<String>,
    /// What looks odd but may be real.
    pub warnings: Vec<String>,
}

impl EnvCheck {
    /// True when one may train here.
    pub fn passed(&self) -> bool {
        !self.alarm && self.contract.iter().all(|check| check.ok)
    }
}

/// Checks the environment with `tapes` by the rules of the exchange. All chance comes from `seed`.
///
/// # Errors
/// When the episodes or the configuration do not make an environment.
pub fn run(tapes: &[Tape], config: &EnvConfig, seed: u64) -> Result<EnvCheck, EnvError> {
    run_under::<Exact>(tapes, config, seed)
}

/// [`run`] under other rules, to see that it finds what is wrong with them.
///
/// # Errors
/// As [`run`].
pub fn run_under<R: Rules>(
    tapes: &[Tape],
    config: &EnvConfig,
    seed: u64,
) -> Result<EnvCheck, EnvError> {
    let mut contract: Vec<Check> = Vec::new();
    let (mut policies, mut alarms, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for tape in tapes {
        let found = contract::check::<R>(&tape.episodes, config, seed)?;
        Check::merge(&mut contract, found, tape.name);
        let probed = probes::run::<R>(tape, config, seed);
        policies.extend(probed.policies);
        alarms.extend(probed.alarms);
        warnings.extend(probed.warnings);
    }
    Ok(EnvCheck { contract, policies, alarm: !alarms.is_empty(), alarms, warnings })
}
