//! `kflow fills calibrate`: the exponent of the fitted queue, where a truth exists.

use super::{SourceArgs, file, intake_failure, source_failure};
use crate::broker::{QueueFits, Truth};
use crate::check::fills::calibrate::{SeriesResult, TooFew, calibrate};
use crate::check::fills::positions::{self, Follower, PositionsError};
use crate::check::fills::track::Track;
use crate::check::fills::{simulated, source};
use crate::cli::exit::{Code, Failure};
use crate::cli::{printer, series_file};
use crate::sim::crowd::CrowdSpec;
use crate::trade::journal::QUEUE_FILE;
use crate::units::TsUs;
use crate::wire::convert::time_text;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Fit the queue exponent of each series where the true places in the queue are known.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Without --positions the truth is the simulator's, where every order has a name. With it, it is what the exchange
told an account: JSON lines, one per order and poll of GET /portfolio/orders/queue_positions, beside the log of the
same time (--data) or its recorded files (PATH). `kflow trade --orders demo` and `--orders sim` write them down;
--positions without a FILE reads those of all sessions in the data directory.
  {\"ts\":\"2026-08-10T18:01:02.5Z\",\"order_id\":\"9d1..\",\"ticker\":\"KXGOLD15M-26AUG101815-15\",\"side\":\"yes\",
   \"price\":\"0.4500\",\"queue_position_fp\":\"116.00\",\"remaining_count_fp\":\"1.00\"}
`side` and `price` are those of the resting bid (YES sold at 0.55 is a `no` bid at 0.45); `remaining_count_fp` is what
is left of the order, which the recorded book shows too.")]
pub(super) struct Args {
    /// Recorded queue positions of an account; without a FILE those that trading wrote down in the data directory
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    positions: Option<Option<PathBuf>>,
    #[command(flatten)]
    source: SourceArgs,
    /// Simulated markets of 15 minutes
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    markets: u64,
    /// Same seed, same simulated markets and orders
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// File that receives the fits beside those of other series [default: fills.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found, and where it was written.
#[derive(Serialize)]
struct Output {
    series: Vec<SeriesResult>,
    too_few: Vec<TooFew>,
    /// Orders followed no further because the book was replaced or something is missing.
    broken: u64,
    /// The file of fits, if there was a fit to write.
    written: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// 3 there is nothing to read, 5 it cannot be read, 6 no fit is better than the uniform model on later orders.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.out.clone().unwrap_or_else(|| file::in_dir(&args.source.data));
    let mut fits: QueueFits = series_file::read(&path)?;
    let (tracks, broken, truth) = match &args.positions {
        None if !args.source.paths.is_empty() => {
            let text = "recorded files tell no places in the queue";
            return Err(Failure::msg(Code::Usage, text).hint("add --positions FILE"));
        }
        None => (simulated_tracks(args), 0, Truth::Simulated),
        Some(file) => {
            let files = match file {
                Some(file) => vec![file.clone()],
                None => written_down(&args.source.data)?,
            };
            let (tracks, broken) = recorded_tracks(&files, &args.source)?;
            (tracks, broken, Truth::Recorded)
        }
    };
    let (series, too_few) = calibrate(tracks, truth);
    let today = time_text(TsUs(crate::cli::now()?.0 / 1_000));
    let today = today.split('T').next().unwrap_or_default();
    let good = series.iter().filter_map(|s| Some((s.series.clone(), s.to_fit(today)?)));
    let good: Vec<_> = good.collect();
    let kept = good.len();
    fits.series.extend(good);
    if kept > 0 {
        series_file::write(&path, &fits)?;
    }
    let written = (kept > 0).then_some(path);
    let output = Output { series, too_few, broken, written };
    if args.json {
        printer::json("fills calibrate", &output)?
    } else {
        show(&output)?
    }
    if kept > 0 && kept == output.series.len() {
        return Ok(());
    }
    let worse: Vec<_> =
        output.series.iter().filter(|s| !s.beats_uniform).map(|s| s.series.as_str()).collect();
    let text = match (worse.as_slice(), output.too_few.first()) {
        ([], Some(few)) => format!(
            "series {} has {} orders before the split and {} after it: too few for a fit",
            few.series, few.orders[0], few.orders[1]
        ),
        ([], None) => "no order was looked at more than once".to_owned(),
        (worse, _) => format!(
            "no exponent is better than the uniform model on later orders of {}; it was not written",
            worse.join(", ")
        ),
    };
    Err(Failure::msg(Code::Check, text).hint("more orders or more markets decide better"))
}

fn simulated_tracks(args: &Args) -> Vec<Track> {
    let market = |index| simulated::tracks(args.seed, index, CrowdSpec::default());
    (0..args.markets).flat_map(market).collect()
}

/// What the trading sessions of a data directory were told.
fn written_down(data: &Path) -> Result<Vec<PathBuf>, Failure> {
    let sessions = data.join("trade").read_dir();
    let folders = sessions.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let files: Vec<_> = folders.map(|dir| dir.join(QUEUE_FILE)).filter(|f| f.exists()).collect();
    if files.is_empty() {
        let text = format!("no session in {} was told a place in a queue", data.display());
        return Err(Failure::msg(Code::Config, text)
            .hint("trade with `--orders demo` or `--orders sim` and `--quotes join`"));
    }
    Ok(files)
}

fn recorded_tracks(files: &[PathBuf], recorded: &SourceArgs) -> Result<(Vec<Track>, u64), Failure> {
    let mut known = Vec::new();
    for file in files {
        known.append(&mut positions::read(file).map_err(|error| {
            match error {
                PositionsError::Read(error) => intake_failure(error),
                PositionsError::Line { .. } => Failure::new(Code::Integrity, error)
                    .hint("the form of such a file: `kflow fills calibrate --help`"),
            }
        })?);
    }
    known.sort_by_key(|position| position.at);
    let mut follower = Follower::new(known);
    source::read(&recorded.source(), |name, event| follower.on_event(&name.ticker, event))
        .map_err(source_failure)?;
    Ok(follower.finish())
}

fn show(output: &Output) -> Result<(), Failure> {
    for series in &output.series {
        let rows: Vec<_> = series
            .estimators
            .iter()
            .map(|row| vec![row.name.clone(), number(row.bias), number(row.mean_error)])
            .collect();
        let head = ["queue, contracts before us", "bias", "mean error"];
        printer::line(&printer::table(&head, &rows))?;
        printer::line(&format!(
            "{}: n = {:.2}, fitted to {} places of {} orders; errors over {} places of {} later orders\n\
             truth inside the bracket: {:.2} % (widened by ambiguous trades {:.2} %), mean width {:.1} contracts\n",
            series.series,
            f64::from(series.exponent_e2) / 100.0,
            series.train_looks,
            series.train_orders,
            series.test_looks,
            series.test_orders,
            100.0 * series.coverage,
            100.0 * series.coverage_widened,
            series.bracket_width,
        ))?;
    }
    for few in &output.too_few {
        let [before, after] = few.orders;
        printer::say(&format!("{}: {before} and {after} orders are too few", few.series));
    }
    if output.broken > 0 {
        printer::say(&format!(
            "{} orders met a gap or a new book and count up to there",
            output.broken
        ));
    }
    if let Some(path) = &output.written {
        printer::say(&format!("written: {}", path.display()));
    }
    Ok(())
}

fn number(contracts: f64) -> String {
    format!("{contracts:.2}")
}
