//! The training itself: on all cores, seen by a person, entered in the registry, ended by a signal.

use super::Args;
use super::plan::RunPlan;
use super::show::{checkpoint_failure, ended, train_failure};
use crate::agent::checkpoint::{CheckpointError, Claim, RunDir};
use crate::agent::fit::{self, MarketJob};
use crate::agent::parallel;
use crate::agent::provenance;
use crate::agent::train::{Control, Outcome};
use crate::cli::exit::Failure;
use crate::cli::front::Front;
use crate::cli::logging::{self, LogArgs};
use crate::cli::models::{failure as registry_failure, now_s};
use crate::cli::printer;
use crate::cli::progress::Progress;
use crate::cli::signals::{self, Signal};
use crate::registry::{Registry, Run, Status, Trained};
use std::fs;
use std::sync::mpsc;
use tokio::sync::watch;

/// How the work ended.
pub(super) struct Done {
    /// One for each job.
    pub(super) outcomes: Vec<Outcome>,
    /// The signal that ended it, if one did.
    pub(super) signal: Option<Signal>,
}

/// Trains all models of all runs.
pub(super) fn train(
    args: &Args,
    plans: &[RunPlan],
    jobs: &mut [MarketJob],
    front: Option<&Front>,
) -> Result<Done, Failure> {
    // Every run has as many models as the plan has splits.
    let per_run = jobs.len() / plans.len();
    let mut claims: Vec<Claim> = Vec::new();
    for (plan, jobs) in plans.iter().zip(jobs.chunks_mut(per_run)) {
        claims.push(prepare(plan, jobs).map_err(checkpoint_failure)?);
    }
    let registry = Registry::at(&args.run_dir);
    if let Some(outcomes) = finished(jobs)? {
        printer::say("nothing to train: all steps are done, and the figures are those of then");
        enter_finished(&registry, plans, jobs, &outcomes)?;
        return Ok(Done { outcomes, signal: None });
    }
    begin(&registry, plans, jobs)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let asked = match front {
        // The dashboard hears signals itself.
        Some(front) => front.stop.clone(),
        None => {
            logging::begin(LogArgs::default(), logging::stderr());
            let _inside = runtime.enter();
            signals::listen("the state saved last is whole")?
        }
    };
    let outcomes = run_all(args, jobs, front.is_none(), &asked)?;
    drop(claims);
    end(&registry, plans, jobs, &outcomes)?;
    let signal = asked.borrow().and_then(Signal::of_word);
    Ok(Done { outcomes, signal })
}

/// Makes the folders of a new run, all at once, and takes the right to train in them.
fn prepare(plan: &RunPlan, jobs: &mut [MarketJob]) -> Result<Claim, CheckpointError> {
    if plan.resume {
        return RunDir::claim(&plan.dir);
    }
    let staged = plan.dir.with_extension("new");
    let claim = RunDir::claim(&staged)?;
    let made = jobs
        .iter_mut()
        .try_for_each(|job| job.prepare(&plan.dir, &staged))
        .and_then(|()| RunDir::publish(&staged, &plan.dir));
    if made.is_err() {
        // Half a run is none; that it cannot be removed either changes nothing.
        let _ = fs::remove_dir_all(&staged);
    }
    made.map(|()| claim)
}

/// What came of the jobs, where none has a step left. What cannot be taken up fails here, before anything is written.
fn finished(jobs: &[MarketJob]) -> Result<Option<Vec<Outcome>>, Failure> {
    let found = jobs.iter().map(MarketJob::finished).collect::<Result<Vec<_>, _>>();
    Ok(found.map_err(train_failure)?.into_iter().collect())
}

/// Trains all models on all cores, until `asked` to end; with a progress bar where there is no dashboard.
fn run_all(
    args: &Args,
    jobs: &[MarketJob],
    bar: bool,
    asked: &watch::Receiver<Option<&'static str>>,
) -> Result<Vec<Outcome>, Failure> {
    let total = jobs.iter().map(|job| job.config.total_timesteps).sum();
    let mut progress = bar.then(|| Progress::start("train", total));
    let threads = args.threads.map_or_else(parallel::cores, usize::from);
    let (sender, receiver) = mpsc::channel();
    let results = std::thread::scope(|scope| {
        let training = scope.spawn(move || {
            fit::run_all(jobs, threads, &|job, steps, _| {
                // A display that is gone is no reason to stop training.
                let _ = sender.send((job, steps));
                if asked.borrow().is_some() { Control::Stop } else { Control::Continue }
            })
        });
        let mut done = vec![0; jobs.len()];
        for (job, steps) in receiver {
            done[job] = steps.min(jobs[job].config.total_timesteps);
            if let Some(progress) = &mut progress {
                progress.set(done.iter().sum());
            }
        }
        training.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    if let Some(progress) = progress {
        progress.finish();
    }
    results.into_iter().collect::<Result<_, _>>().map_err(train_failure)
}

/// Enters the runs.
fn begin(registry: &Registry, plans: &[RunPlan], jobs: &[MarketJob]) -> Result<(), Failure> {
    let now = now_s()?;
    let runs: Vec<Run> = plans
        .iter()
        .map(|plan| Run {
            id: plan.id.clone(),
            algo: plan.config.algo_name().to_owned(),
            seed: plan.config.seed,
            digests: digests(plan, jobs),
            status: Status::Training,
            started_unix_s: now,
            ended_unix_s: None,
            results: Vec::new(),
        })
        .collect();
    registry
        .change(|book| runs.into_iter().try_for_each(|run| book.start_run(run)))
        .map_err(registry_failure)
}

/// Enters the runs that were done and never entered: whoever trained them ended before all of its runs were done.
fn enter_finished(
    registry: &Registry,
    plans: &[RunPlan],
    jobs: &[MarketJob],
    outcomes: &[Outcome],
) -> Result<(), Failure> {
    let book = registry.book().map_err(registry_failure)?;
    let entered = |plan: &RunPlan| book.run(&plan.id).is_some_and(|r| r.status == Status::Ready);
    let per_run = outcomes.len() / plans.len();
    for (plan, outcomes) in plans.iter().zip(outcomes.chunks(per_run)) {
        if !entered(plan) {
            let plan = std::slice::from_ref(plan);
            begin(registry, plan, jobs)?;
            end(registry, plan, jobs, outcomes)?;
        }
    }
    Ok(())
}

/// What decides the bytes of a run's models, as they note it by now.
fn digests(plan: &RunPlan, jobs: &[MarketJob]) -> Vec<String> {
    let own = jobs.iter().filter(|job| job.dir.starts_with(&plan.dir));
    own.filter_map(|job| provenance::digest_of(&job.dir)).collect()
}

/// Enters what came out of them.
fn end(
    registry: &Registry,
    plans: &[RunPlan],
    jobs: &[MarketJob],
    outcomes: &[Outcome],
) -> Result<(), Failure> {
    let now = now_s()?;
    let per_run = outcomes.len() / plans.len();
    let trained = |outcome: &Outcome| Trained {
        steps: outcome.steps,
        ended: ended(&outcome.ended),
        metrics: outcome.last.to_json(),
    };
    registry
        .change(|book| {
            plans.iter().zip(outcomes.chunks(per_run)).try_for_each(|(plan, outcomes)| {
                let results = outcomes.iter().map(trained).collect();
                book.end_run(&plan.id, results, digests(plan, jobs), now)
            })
        })
        .map_err(registry_failure)
}
