//! `kflow models import-sb3`: a model of Stable-Baselines3 becomes a version in the registry.

use super::{Options, failure, hand, told};
use crate::agent::checkpoint::{self, CheckpointError};
use crate::agent::fit;
use crate::agent::sb3::{self, Sb3Error};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::cli::rules::Rules;
use crate::digest;
use crate::registry::Registry;
use crate::registry::shelf::Entry;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Options of `kflow models import-sb3`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: kflow models import-sb3 model.zip --name theirs && kflow eval theirs"
)]
pub(super) struct Args {
    /// What `model.save` of a PPO or A2C with MlpPolicy wrote
    #[arg(value_name = "MODEL.zip")]
    file: PathBuf,
    /// The name to register it under [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    options: Options,
}

/// Reads the file, registers the model and prints where it is.
///
/// # Errors
/// 5 for a file that is damaged, of another kind, or does not fit to the rules; 3 for a name or rules that
/// do not work; 1 when the registry cannot be written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let bytes = fs::read(&args.file)
        .or_hint(Code::Config, "name the file that `model.save` wrote")
        .map_err(|e| e.context(format!("cannot read {}", args.file.display())))?;
    let imported = sb3::read(&bytes).map_err(refused)?;
    let rules = args.rules.config()?;
    let interface = fit::interface(&rules);
    let env = json!({"imported_from": {
        "file": args.file.file_name().map(|name| name.to_string_lossy()),
        "sha256": digest::sha256_hex(&bytes),
        "stable_baselines3": imported.version,
    }});
    let model = imported.model(interface.clone());
    model.fits(&interface).map_err(unfit)?;

    let stem = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_default();
    let registry = Registry::at(&args.options.run_dir);
    // The registry copies a folder; this one is gone before anybody looks for it.
    let dir = args.options.run_dir.join(format!(".import-{}", std::process::id()));
    let source = args.file.display().to_string();
    let version = checkpoint::write_model(&dir, &model, &json!(rules), &env)
        .or_hint(Code::Runtime, "check the folder and the space on its disk")
        .and_then(|()| {
            let entry = Entry { name: &name, path: &dir, source: &source, parent: None };
            registry.register(&entry, &hand(None)?).map_err(failure)
        });
    remove(&dir)?;
    told(&registry, &version?, &args.options, "models import-sb3")?;
    printer::say(
        "note: statistics of VecNormalize are not part of SB3's file; a model trained with them answers wrongly",
    );
    Ok(())
}

fn remove(dir: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(dir).map_err(|e| Failure::from(e).context(dir.display().to_string()))
}

fn refused(error: Sb3Error) -> Failure {
    Failure::new(Code::Integrity, error).hint(
        "only PPO and A2C with `MlpPolicy`, tanh or ReLU, and discrete actions can be imported",
    )
}

fn unfit(error: CheckpointError) -> Failure {
    Failure::new(Code::Integrity, error)
        .hint("give the --layout, --sizes and --quotes of the environment that it was trained in")
}
