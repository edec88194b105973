//! `kflow runs repeat`: a run that cannot be repeated is an anecdote.

use crate::agent::checkpoint::RunDir;
use crate::agent::fit::{self, MarketJob};
use crate::agent::provenance::Provenance;
use crate::agent::repeat::{Compared, repeat};
use crate::agent::split::Plan;
use crate::cli::exit::{Code, Failure};
use crate::cli::progress::Progress;
use crate::cli::train::plan::{RunPlan, folder};
use crate::cli::train::{self, checkpoint_failure};
use crate::cli::{device, printer};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Arguments of `kflow runs repeat`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The run (its id or its folder)
    #[arg(value_name = "RUN")]
    run: String,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where runs are
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Where the tensors live
    #[arg(long, value_name = "cpu|wgpu", default_value = "cpu")]
    device: String,
    /// Keep the second run, in RUN.repeated
    #[arg(long)]
    keep: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One model and its repetition.
struct Repeated {
    dir: PathBuf,
    /// Parts of the provenance that are not what they were.
    differs: Vec<String>,
    files: Vec<Compared>,
}

impl Repeated {
    fn same(&self) -> bool {
        self.files.iter().all(|compared| compared.same)
    }
}

/// Trains again and compares.
///
/// # Errors
/// 5 when the run or its data are not there any more, 6 when something came out otherwise.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let device = device::device(&args.device)?;
    let dir = folder(&args.run_dir, &args.run);
    let mut plan = RunPlan::read(&dir)?;
    let (recording, _) = train::load(&args.data, plan.rules.layout, &plan.filter)?;
    let name = format!("{}.repeated", plan.id);
    plan.dir = dir.with_file_name(name);
    plan.resume = false;
    let split = Plan::of_run(&dir, &recording.episodes).map_err(checkpoint_failure)?;
    let jobs = fit::jobs(&recording, &split, &plan.job(device));
    let originals = fit::model_dirs(&dir);
    same_data(&jobs, &originals)?;
    if plan.dir.exists() {
        fs::remove_dir_all(&plan.dir)?;
    }
    let _claim = RunDir::claim(&plan.dir).map_err(checkpoint_failure)?;
    let repeated = all_again(&jobs, &originals)?;
    let same = repeated.iter().all(Repeated::same);
    if same && !args.keep {
        fs::remove_dir_all(&plan.dir)?;
    }
    tell(args, &repeated)?;
    if same {
        return Ok(());
    }
    let text = format!("{} came out otherwise; see {}", args.run, plan.dir.display());
    Err(Failure::msg(Code::Check, text).hint(
        "the parts that differ are named above; the same program on the same instruction set gives the same bytes",
    ))
}

/// Trains each job again, and compares it with the folder that it is to come out like.
fn all_again(jobs: &[MarketJob], originals: &[PathBuf]) -> Result<Vec<Repeated>, Failure> {
    let steps = |job: &MarketJob| job.config.total_timesteps;
    let mut bar = Progress::start("repeat", jobs.iter().map(steps).sum());
    let (mut repeated, mut before) = (Vec::new(), 0);
    for (job, original) in jobs.iter().zip(originals) {
        let (run, _) = RunDir::open(original).map_err(checkpoint_failure)?;
        let files =
            repeat(job, &run, &mut |done| bar.set(before + done)).map_err(train::failure)?;
        before += steps(job);
        let was = Provenance::read(original).map_err(checkpoint_failure)?;
        let is = Provenance::read(&job.dir).map_err(checkpoint_failure)?;
        repeated.push(Repeated { dir: original.clone(), differs: was.differences(&is), files });
    }
    bar.finish();
    Ok(repeated)
}

/// The run's data must be those of now.
fn same_data(jobs: &[MarketJob], originals: &[PathBuf]) -> Result<(), Failure> {
    let other = |what: String| {
        Failure::msg(Code::Integrity, what).hint("name the data that it was trained on with --data")
    };
    for (job, original) in jobs.iter().zip(originals) {
        let was = Provenance::read(original).map_err(checkpoint_failure)?;
        if job.notes.dataset["fingerprint_sha256"] != was.data {
            return Err(other(format!("{} was trained on other data", original.display())));
        }
    }
    Ok(())
}

fn tell(args: &Args, repeated: &[Repeated]) -> Result<(), Failure> {
    let models: Vec<Value> = repeated
        .iter()
        .map(|r| json!({"dir": r.dir, "same": r.same(), "differs": r.differs, "files": r.files}))
        .collect();
    if args.json {
        let same = repeated.iter().all(Repeated::same);
        let data = json!({"run": args.run, "same": same, "models": models});
        return printer::json("runs repeat", &data);
    }
    for r in repeated {
        let names: Vec<&str> = r.files.iter().filter(|f| !f.same).map(|f| f.file).collect();
        let outcome = if names.is_empty() { "the same bytes".to_owned() } else { names.join(", ") };
        let differs = match &r.differs[..] {
            [] => String::new(),
            parts => format!(" (differs in: {})", parts.join(", ")),
        };
        let word = if names.is_empty() { "" } else { "differs: " };
        printer::line(&format!("{}: {word}{outcome}{differs}", r.dir.display()))?;
    }
    Ok(())
}
