//! `kflow eval`: what a trained policy earns on markets that it never saw.

mod text;

pub(super) use text::text;

use super::exit::{self, Code, Failure};
use super::progress::Progress;
use super::{device, judged, models, printer, rules};
use crate::agent::judge::{self, Evaluation, JudgeError, Question};
use crate::agent::score::Part;
use crate::registry::Registry;
use crate::report::{self, Origin};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Options of `kflow eval`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples: kflow eval checkpoints/RUN --report report.html\n          \
                  kflow eval checkpoints/ppo-s*-STAMP --against checkpoints/OTHER")]
pub struct Args {
    /// A run (its id or its folder), a registered model (NAME, NAME:3, NAME@ALIAS), or a model file; several are
    /// seeds of one recipe, judged together
    #[arg(value_name = "RUN|MODEL", required = true)]
    runs: Vec<String>,
    /// Compare with this run or model, market by market
    #[arg(long, value_name = "RUN|MODEL")]
    against: Option<String>,
    /// Find out what the result owes to each observation column (one evaluation for each of them)
    #[arg(long)]
    importance: bool,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where runs are looked for by their id
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Fees by series, as `kflow fees fetch` writes them [default: those of the training]
    #[arg(long, value_name = "FILE")]
    fees: Option<PathBuf>,
    /// Chance of the random policies and of the bootstrap
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Where the tensors live
    #[arg(long, value_name = "cpu|wgpu", default_value = "cpu")]
    device: String,
    /// Also write one self-contained HTML page with pictures
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Evaluates and prints the table and the verdict; a run folder also gets `evaluation.json`.
///
/// # Errors
/// 3 for settings that do not work, 5 when model or data are missing, damaged or do not fit, 1 when a
/// file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let device = device::device(&args.device)?;
    let registry = Registry::at(&args.run_dir);
    let place = |name: &String| registry.path_of(name).map_err(models::failure);
    let runs: Vec<PathBuf> = args.runs.iter().map(place).collect::<Result<_, _>>()?;
    let against = args.against.as_ref().map(place).transpose()?;
    let question = Question {
        against: against.as_deref(),
        device,
        importance: args.importance,
        rates: args.fees.as_deref().map(rules::rates).transpose()?,
        ..Question::new(&runs, &args.data, args.seed)
    };
    let mut bars = Bars::default();
    let evaluation = judge::judge(&question, |step, done, of| bars.show(step, done, of));
    bars.finish();
    let evaluation = evaluation.map_err(failure)?;
    rules::say_assumed(evaluation.fees_assumed.as_ref());
    for run in runs.iter().filter(|run| run.is_dir()) {
        save(&run.join("evaluation.json"), &serde_json::to_string_pretty(&evaluation)?)?;
    }
    if let Some(file) = &args.report {
        save(file, &page(&evaluation))?;
    }
    if args.json {
        printer::json("eval", &evaluation)?;
    } else {
        printer::line(&text(&evaluation, &[Part::Test, Part::Validation, Part::Train]))?;
        if let Some(file) = &args.report {
            printer::say(&format!("report: {}", file.display()));
        }
    }
    // Last: what was played is shown also where the registry is damaged.
    judged::record(&runs, &evaluation)
}

/// The evaluation as one HTML page.
pub(super) fn page(evaluation: &Evaluation) -> String {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("runs", evaluation.runs.join(", ")),
        fact("layout", evaluation.layout.clone()),
        fact("sources", evaluation.sources.join(", ")),
        fact("data (SHA-256)", evaluation.data_sha256.clone()),
    ];
    facts.extend(evaluation.fees_assumed.iter().map(|fees| fact("fees", fees.sentence())));
    let (run, synthetic) = (evaluation.run.clone(), evaluation.synthetic().map(str::to_owned));
    let origin = Origin { run, synthetic, facts };
    report::evaluation(&evaluation.result, &evaluation.insight, &origin)
}

/// One progress bar after the other, as the steps come.
#[derive(Default)]
struct Bars(Option<(&'static str, Progress)>);

impl Bars {
    fn show(&mut self, step: &'static str, done: usize, of: usize) {
        if self.0.as_ref().is_none_or(|(shown, _)| *shown != step) {
            std::mem::take(self).finish();
            self.0 = Some((step, Progress::start(step, of as u64)));
        }
        if let Some((_, bar)) = &mut self.0 {
            bar.set(done as u64);
        }
    }

    fn finish(self) {
        if let Some((_, bar)) = self.0 {
            bar.finish();
        }
    }
}

/// Writes a file as a whole: under another name first.
pub(super) fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        fs::write(&new, text)?;
        fs::rename(&new, path)
    };
    written().map_err(|e| Failure::from(e).context(format!("cannot write {}", path.display())))
}

pub(super) fn failure(error: JudgeError) -> Failure {
    let hint = match error {
        JudgeError::Data(e) => return exit::store(e),
        JudgeError::Model(ref e) => e.hint(),
        JudgeError::NoEpisode => "kflow data card shows what was recorded",
        JudgeError::Layout(_) => "use the program version that trained the model",
        JudgeError::Blocks { .. } => {
            "train again on these data, or evaluate one of its models: RUN/fold_0"
        }
        JudgeError::Unlike { .. } => "judge them one by one, or compare them with --against",
        JudgeError::Twice { .. } => "they are one seed: name one of them",
        JudgeError::Nobody => "name a run: kflow eval RUN",
        JudgeError::Several { .. } => "name one of its models: RUN/fold_0",
    };
    Failure::new(Code::Integrity, error).hint(hint)
}
