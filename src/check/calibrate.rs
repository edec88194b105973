//! The simulator's order flow beside a recorded one.

use super::CheckError;
use crate::book::SequencePolicy;
use crate::event::Event;
use crate::intake::IntakeError;
use crate::intake::tape::{Tape, windows};
use crate::sim::calibrate::{Meter, Pace, Profile, Row, Window, compare, simulate};
use crate::sim::crowd::CrowdSpec;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The table that proves the simulator, or does not.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Recorded markets measured.
    pub recorded_markets: usize,
    /// Markets simulated, each at the pace and for the life of a recorded one.
    pub simulated_markets: u64,
    /// Every statistic.
    pub rows: Vec<Row>,
}

impl Calibration {
    /// True when every row is within the bars.
    pub fn ok(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|r| r.ok)
    }
}

/// What the windows of a recording look like.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// All windows together.
    pub profile: Profile,
    /// Pace of each.
    pub paces: Vec<Pace>,
}

/// Measures every window under `DIR/events`.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn measure(dir: &Path) -> Result<Recorded, CheckError> {
    let missing = || CheckError::NoTape(dir.join("events").display().to_string());
    let mut recorded = Recorded::default();
    for (_, files) in windows(dir).map_err(|_| missing())? {
        let meter = meter(&files)?;
        recorded.paces.extend(meter.pace());
        recorded.profile.merge(&meter.finish());
    }
    if recorded.paces.is_empty() { Err(missing()) } else { Ok(recorded) }
}

fn meter(files: &[PathBuf]) -> Result<Meter, IntakeError> {
    let (mut tape, mut meter) = (Tape::new(SequencePolicy::Partial), Meter::default());
    for path in files {
        tape.read_file(path, |_, record, _| {
            meter.enter(&record.event);
            Ok::<_, IntakeError>(())
        })?;
    }
    Ok(meter)
}

/// Simulates `markets` markets at the recorded paces in turn and compares them with the recording;
/// `change` sees every simulated event first, so that a test can plant a difference.
pub fn against(
    recorded: &Recorded,
    seed: u64,
    markets: u64,
    change: impl Fn(&mut Event),
) -> Calibration {
    let mut simulated = Profile::default();
    for (index, pace) in (0..markets).zip(recorded.paces.iter().cycle()) {
        let Pace { life_s, events_per_s_e3 } = *pace;
        let crowd = CrowdSpec { life_s, events_per_s_e3, ..CrowdSpec::default() };
        let mut meter = Meter::default();
        for mut event in simulate(&Window { seed, index, crowd }) {
            change(&mut event);
            meter.enter(&event);
        }
        simulated.merge(&meter.finish());
    }
    Calibration {
        recorded_markets: recorded.paces.len(),
        simulated_markets: markets,
        rows: compare(&recorded.profile, &simulated),
    }
}
