//! `kflow sim calibrate`: the simulator's order flow beside recorded markets.

use crate::check::CheckError;
use crate::check::calibrate::{Calibration, against, measure};
use crate::cli::exit::{Code, Failure};
use crate::cli::printer;
use crate::sim::calibrate::{DISTANCE_MAX, RATIO_MAX, Row};
use std::path::PathBuf;

/// Compare the simulator's order flow with recorded markets.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder of the recordings, with `events/`; default: the shared test data, when present.
    #[arg(long)]
    tape: Option<PathBuf>,
    /// Same seed, same simulated markets.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Markets to simulate, each at the pace of a recorded one in turn.
    #[arg(long, default_value_t = 54, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    markets: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// 3 the recordings are absent, 5 they cannot be read, 6 a statistic differs beyond the bars.
pub fn run(args: Args) -> Result<(), Failure> {
    let tape = args.tape.unwrap_or_else(|| crate::config::env::shared().join("data/gold15m"));
    let recorded = measure(&tape).map_err(failure)?;
    let calibration = against(&recorded, args.seed, args.markets, |_| {});
    if args.json {
        printer::json("sim calibrate", &calibration)?;
    } else {
        show(&calibration)?;
    }
    if calibration.ok() {
        return Ok(());
    }
    let wrong: Vec<_> = calibration.rows.iter().filter(|r| !r.ok).map(|r| r.statistic).collect();
    let text = format!("the simulated order flow differs in {}", wrong.join(", "));
    Err(Failure::msg(Code::Check, text).hint(
        "few markets (--markets) differ by chance; else the tables of the crowd do not fit these recordings",
    ))
}

fn show(calibration: &Calibration) -> Result<(), Failure> {
    let number = |n: Option<i64>| n.map_or("-".into(), |n| n.to_string());
    let row = |r: &Row| {
        vec![
            r.statistic.to_owned(),
            number(r.real),
            number(r.simulated),
            r.ratio.map_or("-".into(), |x| format!("{x:.2}")),
            format!("{:.3}", r.distance),
            if r.ok { "yes" } else { "NO" }.to_owned(),
        ]
    };
    let rows: Vec<_> = calibration.rows.iter().map(row).collect();
    let head = ["statistic", "median real", "median simulated", "ratio", "KS distance", "ok"];
    printer::line(&printer::table(&head, &rows))?;
    printer::say(&format!(
        "{} recorded and {} simulated markets; ok: ratio within {RATIO_MAX} either way, distance at most {DISTANCE_MAX}",
        calibration.recorded_markets, calibration.simulated_markets
    ));
    Ok(())
}

fn failure(error: CheckError) -> Failure {
    match error {
        CheckError::NoTape(_) => Failure::new(Code::Config, error)
            .hint("name the folder of the recordings with --tape DIR"),
        _ => Failure::new(Code::Integrity, error)
            .hint("the recordings are damaged: fetch them again"),
    }
}
