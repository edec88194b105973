//! The whole path once, on tapes whose truth is known: tape, import, export, features, training,
//! evaluation, report. Everything a user would do by hand, through the same functions.
//!
//! Two studies run side by side. The **edge** tape holds a planted edge (the touch of the side that will
//! win is larger), and the judge should find that the trained policy beats holding. The **control** tape
//! is fair, nothing can be gained on it, and the judge should say so.
//!
//! ```text
//! <dir>/edge, <dir>/control
//!   tape/      events/ and metadata/, shaped like a real recording
//!   data/      log/, v1/ (Parquet), manifest.json, README.md
//!   run/       the trained model
//!   report.html, evaluation.json
//! ```
//!
//! **Invariant:** all data are labelled `sim:seed=N`, from the tape's metadata to the report.
#![cfg(all(feature = "frames", feature = "learn"))]

use crate::agent::checkpoint::Notes;
use crate::agent::config::TrainConfig;
use crate::agent::device::DeviceName;
use crate::agent::fit::{self, MarketJob};
use crate::agent::judge::{self, Evaluation, JudgeError, Question};
use crate::agent::parallel;
use crate::agent::split::Plan;
use crate::agent::train::{Control, TrainError};
use crate::book::SequencePolicy;
use crate::dataset::{self, DatasetError, ExportOptions, Filter};
use crate::env::EnvConfig;
use crate::features::Layout;
use crate::features::pipeline::{self, PipelineError};
use crate::features::report as profile;
use crate::intake::{self, Format, ImportOptions, IntakeError, Target};
use crate::replay;
use crate::sim::tape::{Edge, TapeSpec, synthesize};
use crate::sim::write::{WriteError, write};
use crate::store::{Log, StoreError};
use crate::units::TsNs;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Environment steps of each model; the planted edge is found after about half of them.
const STEPS: u64 = 60_000;

/// A demo that could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The tape.
    #[error("the synthetic tape")]
    Tape(#[from] WriteError),
    /// Its import.
    #[error("import")]
    Import(#[from] IntakeError),
    /// The log.
    #[error("the log")]
    Log(#[from] StoreError),
    /// The Parquet files.
    #[error("export")]
    Export(#[from] DatasetError),
    /// The observations.
    #[error("features")]
    Features(#[from] PipelineError),
    /// Learning.
    #[error("training")]
    Train(#[from] TrainError),
    /// Judging.
    #[error("evaluation")]
    Judge(#[from] JudgeError),
}

/// What a person can watch. Each step says how much of how much is done.
pub type Watch<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// One tape studied from end to end.
#[derive(Clone, Debug, Serialize)]
pub struct Study {
    /// What the judge found.
    pub eval: Evaluation,
    /// Frames imported.
    pub frames: u64,
    /// Rows of observations.
    pub rows: u64,
    /// Columns that never change on this tape.
    pub constant_columns: Vec<String>,
}

/// Where a study lies.
struct Place {
    tape: PathBuf,
    data: PathBuf,
    run: PathBuf,
}

impl Place {
    fn new(dir: &Path) -> Place {
        Place { tape: dir.join("tape"), data: dir.join("data"), run: dir.join("run") }
    }
}

/// What was prepared for training.
struct Prepared {
    place: Place,
    frames: u64,
    rows: u64,
    constant_columns: Vec<String>,
}

/// The tape with the planted edge; the control is the same without it.
pub fn spec(seed: u64) -> TapeSpec {
    let edge = Edge::TouchImbalance { per_mille: 300 };
    TapeSpec { seed, spread_e3: 400, edge, ..TapeSpec::default() }
}

/// Runs both studies below `dir`; gives the edge first, then the control. `now` is our wall clock at the
/// start and labels the sessions.
///
/// # Errors
/// Whatever any step could not do.
pub fn run(dir: &Path, seed: u64, now: TsNs, watch: Watch<'_>) -> Result<[Study; 2], DemoError> {
    let edge = prepare(&dir.join("edge"), &spec(seed), now, watch)?;
    let control = TapeSpec { edge: Edge::None, ..spec(seed) };
    let control = prepare(&dir.join("control"), &control, now, watch)?;
    train(&[&edge, &control], seed, watch)?;
    Ok([conclude(edge, seed, watch)?, conclude(control, seed, watch)?])
}

/// Tape, import, export, features.
fn prepare(
    dir: &Path,
    spec: &TapeSpec,
    now: TsNs,
    watch: Watch<'_>,
) -> Result<Prepared, DemoError> {
    let place = Place::new(dir);
    watch("tape", 0, 1);
    let tape = synthesize(spec);
    write(&tape, &place.tape)?;
    watch("tape", 1, 1);

    let options = ImportOptions {
        paths: vec![place.tape.clone()],
        metadata: Vec::new(),
        sequence: SequencePolicy::Partial,
        format: Format::Frames,
        source: None,
        again: false,
    };
    let target = Target { data_dir: &place.data, now };
    let imported = intake::import(&options, &target, |done, of| watch("import", done, of))?;

    let log = Log::open(&place.data)?;
    let records = log.sessions().iter().map(|s| s.counts.records()).sum();
    let mut done = 0;
    dataset::export(&log, &place.data, ExportOptions::default(), &mut |n| {
        done += n;
        watch("export", done, records);
    })?;

    let layout = Layout::default();
    watch("features", 0, 2);
    pipeline::build(&place.data, layout, &Filter::default(), &mut || watch("features", 1, 2))?;
    let report = profile::report(&place.data, layout)?;
    watch("features", 2, 2);
    let constant = report.columns.iter().filter(|c| c.constant);
    Ok(Prepared {
        place,
        frames: imported.frames,
        rows: report.rows,
        constant_columns: constant.map(|c| c.name.clone()).collect(),
    })
}

/// One model per tape, side by side.
fn train(studies: &[&Prepared], seed: u64, watch: Watch<'_>) -> Result<(), DemoError> {
    let mut jobs = Vec::new();
    for study in studies {
        let rules = EnvConfig::default();
        let recording = replay::recording(&study.place.data, rules.layout)?;
        let config = TrainConfig {
            seed,
            total_timesteps: STEPS,
            // Short rollouts: more updates from few steps.
            n_steps: 256,
            normalize_obs: true,
            ..TrainConfig::ppo()
        };
        let job = MarketJob {
            markets: [].into(),
            rules,
            config,
            device: DeviceName::default(),
            dir: study.place.run.clone(),
            notes: Notes { command: format!("kflow demo --seed {seed}"), ..Notes::default() },
            resume: false,
        };
        jobs.extend(fit::jobs(&recording, &Plan::new(&recording.episodes), &job));
    }
    let total = STEPS * jobs.len() as u64;
    let done = Mutex::new(vec![0; jobs.len()]);
    let outcomes = fit::run_all(&jobs, parallel::cores(), &|job, steps, _| {
        if let Ok(mut done) = done.lock() {
            done[job] = steps.min(STEPS);
            watch("train", done.iter().sum(), total);
        }
        Control::Continue
    });
    outcomes.into_iter().try_for_each(|outcome| outcome.map(drop)).map_err(DemoError::from)
}

fn conclude(prepared: Prepared, seed: u64, watch: Watch<'_>) -> Result<Study, DemoError> {
    let Place { data, run, .. } = &prepared.place;
    let runs = [run.clone()];
    let eval = judge::judge(&Question::new(&runs, data, seed), |step, done, of| {
        watch(step, done as u64, of as u64);
    })?;
    let Prepared { frames, rows, constant_columns, .. } = prepared;
    Ok(Study { eval, frames, rows, constant_columns })
}
