//! What is printed of a training, and how it fails.

use super::Args;
use super::plan::RunPlan;
use crate::agent::checkpoint::CheckpointError;
use crate::agent::fit::MarketJob;
use crate::agent::train::{Outcome, TrainError};
use crate::agent::trainer::Ended;
use crate::cli::exit::{Code, Failure};
use crate::cli::printer;
use serde_json::{Value, json};

pub(super) fn show(
    args: &Args,
    plans: &[RunPlan],
    jobs: &[MarketJob],
    outcomes: &[Outcome],
    seconds: f64,
) -> Result<(), Failure> {
    if args.json {
        return printer::json("train", &data(plans, jobs, outcomes, seconds));
    }
    // The first model's, and nobody's choice; those of the others stand in their folders.
    let first = &jobs[0];
    printer::line(&format!("seed {}, {}:", first.config.seed, first.dir.display()))?;
    for (key, value) in &outcomes[0].last.entries {
        let text = value.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
        printer::line(&format!("{key:<32} {text:>14}"))?;
    }
    for (job, outcome) in jobs.iter().zip(outcomes) {
        printer::line(&format!(
            "{}: {} steps, {}",
            job.dir.display(),
            outcome.steps,
            ended(&outcome.ended)
        ))?;
        for finding in &outcome.findings {
            printer::line(&format!("  {finding}"))?;
        }
    }
    // All seeds at once: the best of them would be a choice.
    let dirs: Vec<String> = plans.iter().map(|plan| plan.dir.display().to_string()).collect();
    printer::say(&format!("next: kflow eval {}", dirs.join(" ")));
    Ok(())
}

fn data(plans: &[RunPlan], jobs: &[MarketJob], outcomes: &[Outcome], seconds: f64) -> Value {
    let models: Vec<Value> = jobs
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| {
            json!({
                "dir": job.dir, "seed": job.config.seed, "steps": outcome.steps,
                "ended": ended(&outcome.ended), "final": outcome.last.to_json(),
                "findings": outcome.findings,
            })
        })
        .collect();
    let first = &plans[0];
    let steps: u64 = outcomes.iter().map(|o| o.steps).sum();
    let new_steps: u64 = outcomes.iter().map(|o| o.new_steps).sum();
    json!({
        "run_id": first.id,
        "run_dir": first.dir,
        "steps": steps,
        "steps_per_second": new_steps as f64 / seconds,
        "final": outcomes[0].last.to_json(),
        "final_of": {"dir": jobs[0].dir, "seed": jobs[0].config.seed},
        "runs": plans.iter().map(|p| json!({"run_id": p.id, "run_dir": p.dir})).collect::<Vec<_>>(),
        "models": models,
    })
}

pub(super) fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Finished => "finished".to_owned(),
        Ended::Asked => "stopped on request".to_owned(),
        Ended::Rule(why) => format!("stopped by rule: {why}"),
    }
}

pub(in crate::cli) fn train_failure(error: TrainError) -> Failure {
    match error {
        TrainError::Checkpoint(error) => checkpoint_failure(error),
        TrainError::Config(_) => Failure::new(Code::Config, error).hint("see kflow train --help"),
        TrainError::Rules(_) | TrainError::Environment(_) => Failure::new(Code::Integrity, error)
            .hint("a run continues only on the data it began with; train a new one"),
        TrainError::Observations(_) => Failure::new(Code::Integrity, error)
            .hint("kflow data verify, then kflow features report; or leave the market out with --series"),
        TrainError::NoReward { .. } => Failure::new(Code::Integrity, error)
            .hint("kflow env check; kflow train --dry-run shows what the markets are like"),
        TrainError::NotFinite(_) => Failure::new(Code::Runtime, error)
            .hint("the state saved last is whole, broken.json says what is known; try a smaller learning_rate: \
                   kflow train -p learning_rate=1e-4"),
        TrainError::Progress(_) => Failure::new(Code::Runtime, error)
            .hint("check the folder and the space on its disk, and continue with --resume"),
    }
}

pub(in crate::cli) fn checkpoint_failure(error: CheckpointError) -> Failure {
    let hint = error.hint();
    let code = match &error {
        CheckpointError::Busy(_) => Code::Config,
        error if error.is_full() => Code::Runtime,
        _ => Code::Integrity,
    };
    Failure::new(code, error).hint(hint)
}
