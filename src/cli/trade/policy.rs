//! Which policy trades, and its replacement while it does.

use super::Args;
use crate::actor::Acting;
use crate::agent::policy::{Hardcoded, Hold, Random};
use crate::cli::exit::{Code, Failure};
use crate::cli::printer;
use crate::cli::rules::NamedFees;
use crate::env::EnvConfig;
use clap::ValueEnum;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use tokio::signal::unix::{SignalKind, signal};

/// A policy without a model.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scripted {
    /// Never trades
    Hold,
    /// Any allowed action, each as likely
    Random,
    /// Holds three times out of four, else any allowed trade
    Hardcoded,
}

/// A policy, and the rules that it plays by.
pub(super) struct Chosen {
    pub(super) acting: Acting,
    pub(super) rules: EnvConfig,
    /// Of a model.
    pub(super) weights: Option<Weights>,
}

/// A model that takes over, and what is kept of it.
pub(super) struct Loaded {
    pub(super) acting: Acting,
    pub(super) weights: Weights,
}

/// What a model is made of.
#[cfg(feature = "learn")]
pub(super) struct Weights(crate::agent::model::Model);

/// There is no model without `learn`.
#[cfg(not(feature = "learn"))]
pub(super) enum Weights {}

impl Weights {
    /// Writes them into the folder `dir`, from which they can be loaded again.
    #[cfg(feature = "learn")]
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        self.0.write(dir).map_err(|e| {
            crate::cli::train::checkpoint_failure(e).context("cannot keep the model that trades")
        })
    }

    #[cfg(not(feature = "learn"))]
    pub(super) fn write(&self, _: &Path) -> Result<(), Failure> {
        match *self {}
    }
}

/// The policy that the options name.
pub(super) fn choose(args: &Args) -> Result<Chosen, Failure> {
    match (&args.model, args.policy) {
        (Some(model), _) => load(&args.run_dir, model, &args.rules.fees()?),
        (None, scripted) => Ok(Chosen {
            acting: Acting {
                policy: match scripted.unwrap_or(Scripted::Hold) {
                    Scripted::Hold => Box::new(Hold),
                    Scripted::Random => Box::<Random>::default(),
                    Scripted::Hardcoded => Box::<Hardcoded>::default(),
                },
                model_hash: String::new(),
            },
            rules: args.rules.config()?,
            weights: None,
        }),
    }
}

#[cfg(feature = "learn")]
fn load(run_dir: &Path, model: &str, fees: &NamedFees) -> Result<Chosen, Failure> {
    use crate::agent::device::DeviceName;
    use crate::registry::Registry;
    let path = Registry::at(run_dir).path_of(model).map_err(crate::cli::models::failure)?;
    let trader = crate::agent::judge::trader(&path, DeviceName::default());
    let trader = trader.map_err(crate::cli::eval::failure)?;
    let weights = Some(Weights(trader.model));
    let acting = Acting { policy: Box::new(trader.policy), model_hash: trader.hash };
    let mut rules = trader.rules;
    fees.apply(&mut rules);
    Ok(Chosen { acting, rules, weights })
}

#[cfg(not(feature = "learn"))]
fn load(_: &Path, model: &str, _: &NamedFees) -> Result<Chosen, Failure> {
    let failure = Failure::msg(Code::Config, format!("cannot load {model}: built without `learn`"));
    Err(failure.hint("use --policy, or build with the default features"))
}

/// Loads the model again at each SIGHUP, beside everything else; what comes out of the channel acts from then
/// on. A model that cannot be used, or was trained under other rules, is refused: the old one goes on.
///
/// # Errors
/// When the system refuses a signal handler or a thread.
pub(super) fn reload_on_hangup(
    args: &Args,
    rules: &EnvConfig,
) -> Result<Receiver<Loaded>, Failure> {
    let (swapped, swaps) = channel();
    let Some(model) = args.model.clone() else { return Ok(swaps) };
    let (run_dir, rules) = (args.run_dir.clone(), rules.clone());
    let fees = args.rules.fees()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut hangups = runtime.block_on(async { signal(SignalKind::hangup()) })?;
    std::thread::Builder::new().name("models".to_owned()).spawn(move || {
        runtime.block_on(async {
            while hangups.recv().await.is_some() {
                // The file of fees as it was at the start: accounts that run go on as they began.
                let loaded = load(&run_dir, &model, &fees);
                let loaded = loaded.and_then(|chosen| same_rules(chosen, &rules));
                match loaded {
                    Ok(loaded) => {
                        printer::say(&format!("model {model} ({})", loaded.acting.model_hash));
                        if swapped.send(loaded).is_err() {
                            return;
                        }
                    }
                    Err(e) => printer::say(&format!("{}the old model goes on", e.render())),
                }
            }
        });
    })?;
    Ok(swaps)
}

fn same_rules(chosen: Chosen, rules: &EnvConfig) -> Result<Loaded, Failure> {
    let Chosen { acting, rules: its_rules, weights } = chosen;
    if let (true, Some(weights)) = (its_rules == *rules, weights) {
        return Ok(Loaded { acting, weights });
    }
    let failure = Failure::msg(Code::Config, "the model was trained under other rules");
    Err(failure.hint("stop, and start again with it: its accounts begin anew"))
}
