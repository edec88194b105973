//! `kflow demo`: everything once, with nothing but this program.

use super::exit::{Code, Failure};
use super::front::{Front, Show, Work};
use super::progress::Progress;
use super::signals::Signal;
use super::{dash, eval, exit, export, printer};
use crate::agent::score::Part;
use crate::demo::{self, DemoError, Study};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Marks a folder that a former demo filled and that the next one may replace.
const MARKER: &str = ".kflow-demo";
/// How often it is looked whether the demo shall stop.
const LOOK: Duration = Duration::from_millis(100);

/// Options of `kflow demo`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Same seed, same tapes, same models, same verdicts
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// Where everything is put; the folder of a former demo is replaced
    #[arg(long, value_name = "DIR", default_value = "datasets/demo")]
    dir: PathBuf,
    /// Show the dashboard meanwhile: the training, then the tape and the models
    #[arg(long)]
    ui: bool,
    /// How it looks
    #[command(flatten)]
    style: dash::Style,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes a synthetic tape with a planted edge and a fair one, learns from both, judges both.
///
/// # Errors
/// 2 for a dashboard without a terminal, 3 when the folder holds something else, 1 when a step failed, 130 when it
/// was stopped on the dashboard, 143 when it was terminated there.
pub fn run(args: Args) -> Result<(), Failure> {
    let begun = Instant::now();
    if args.ui {
        // Before the former demo is removed.
        dash::need_terminal()?;
    }
    make_room(&args.dir)?;
    printer::say(
        "synthetic tapes, made by this program: nothing below says anything about real markets",
    );
    let front = if args.ui { Some(front(&args)?) } else { None };
    let studied = study(&args, front.as_ref().map(|front| &front.stop));
    if let Some(front) = front {
        front.close("the demo has ended");
    }
    let [edge, control] = studied?;
    let files = [("edge", &edge), ("control", &control)]
        .into_iter()
        .map(|(name, study)| keep(&args.dir.join(name), study))
        .collect::<Result<Vec<_>, _>>()?
        .concat();
    let seconds = begun.elapsed().as_secs_f64();
    if args.json {
        let data = json!({
            "eval": edge.eval,
            "control": control.eval,
            "seconds": seconds,
            "files": files,
            "frames": edge.frames + control.frames,
            "rows": edge.rows + control.rows,
        });
        return printer::json("demo", &data);
    }
    printer::line("Tape with a planted edge: the larger touch knows the outcome")?;
    printer::line(&eval::text(&edge.eval, &[Part::Test]))?;
    printer::line("\nFair tape (control): there is nothing to find")?;
    printer::line(&eval::text(&control.eval, &[Part::Test]))?;
    printer::line("")?;
    for file in &files {
        printer::line(&format!("  {file}"))?;
    }
    printer::say(&format!("\n{seconds:.1} s. Next: open the report, or judge again with"));
    let place = args.dir.join("edge");
    printer::say(&format!("  kflow eval {0}/run --data {0}/data", place.display()));
    Ok(())
}

/// The dashboard in front of the study with the edge.
fn front(args: &Args) -> Result<Front, Failure> {
    let dir = args.dir.join("edge");
    let show = Show {
        data_dir: &dir.join("data"),
        work: Work { name: "demo", run_dir: &dir, kill: None },
        screen: crate::dash::Screen::Training,
        style: args.style,
        stay: true,
    };
    let front = Front::open(&show, None)?;
    front.watch_signals()?;
    Ok(front)
}

/// Runs both studies until they are done, or until `stop`: what was made so far is left as it is.
fn study(
    args: &Args,
    stop: Option<&watch::Receiver<Option<&'static str>>>,
) -> Result<[Study; 2], Failure> {
    let (done, result) = mpsc::channel();
    let (dir, seed, now) = (args.dir.clone(), args.seed, super::now()?);
    let steps = Steps { bars: stop.is_none(), ..Steps::default() };
    std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
        let studies = demo::run(&dir, seed, now, &|step, done, of| steps.show(step, done, of));
        steps.finish();
        // Stopped meanwhile: then nobody waits.
        let _ = done.send(studies);
    })?;
    loop {
        match result.recv_timeout(LOOK) {
            Ok(studies) => return studies.map_err(failure),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(word) = stop.and_then(|stop| *stop.borrow()) {
                    let code = Signal::of_word(word).map_or(Code::Interrupted, Signal::code);
                    return Err(Failure::msg(code, "the demo was stopped"));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::msg(Code::Runtime, "a part of the demo panicked"));
            }
        }
    }
}

/// Writes a study's results and names what a person may want to look at.
fn keep(dir: &Path, study: &Study) -> Result<Vec<String>, Failure> {
    let report = dir.join("report.html");
    eval::save(&report, &eval::page(&study.eval))?;
    let evaluation = dir.join("evaluation.json");
    eval::save(&evaluation, &serde_json::to_string_pretty(&study.eval)?)?;
    let data_card = dir.join("data/README.md");
    let files = [report, evaluation, data_card, dir.join("run"), dir.join("tape")];
    Ok(files.iter().map(|f| f.display().to_string()).collect())
}

/// An empty folder with the marker in it; only what a former demo left is removed.
fn make_room(dir: &Path) -> Result<(), Failure> {
    let context =
        |e: std::io::Error| Failure::from(e).context(format!("cannot prepare {}", dir.display()));
    if dir.join(MARKER).exists() {
        fs::remove_dir_all(dir).map_err(context)?;
    }
    let foreign = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if foreign {
        let text = format!("{} holds something that is not a former demo", dir.display());
        return Err(Failure::msg(Code::Config, text).hint("name another folder with --dir"));
    }
    fs::create_dir_all(dir).map_err(context)?;
    fs::write(dir.join(MARKER), "").map_err(context)
}

/// One progress display after the other, as the steps come.
#[derive(Default)]
struct Steps {
    /// Draw them; beside a dashboard a sentence for each has to do.
    bars: bool,
    current: Mutex<Option<(&'static str, Instant, Option<Progress>)>>,
}

impl Steps {
    fn show(&self, step: &'static str, done: u64, of: u64) {
        let Ok(mut current) = self.current.lock() else { return };
        if current.as_ref().is_none_or(|c| c.0 != step) {
            end(current.take());
            let progress = self.bars.then(|| Progress::start(step, of));
            *current = Some((step, Instant::now(), progress));
        }
        if let Some((_, _, Some(progress))) = current.as_mut() {
            progress.set(done);
        }
    }

    fn finish(&self) {
        if let Ok(mut current) = self.current.lock() {
            end(current.take());
        }
    }
}

fn end(step: Option<(&'static str, Instant, Option<Progress>)>) {
    if let Some((name, begun, progress)) = step {
        if let Some(progress) = progress {
            progress.finish();
        }
        printer::say(&format!("{name:<10} {:>6.1} s", begun.elapsed().as_secs_f64()));
    }
}

fn failure(error: DemoError) -> Failure {
    match error {
        DemoError::Log(e) => exit::store(e),
        DemoError::Export(e) => export::failure(e),
        DemoError::Judge(e) => eval::failure(e),
        error => Failure::from(error),
    }
}
