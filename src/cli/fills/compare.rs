//! `kflow fills compare`: what naive touch fills claim, beside the bracket.

use super::{SourceArgs, file, source_failure};
use crate::broker::QueueFits;
use crate::check::fills::compare::{Comparison, FlatteryRow, RuleRow, compare};
use crate::cli::exit::{Code, Failure};
use crate::cli::{printer, series_file};
use std::path::PathBuf;

/// Shadow orders over recorded markets: naive touch fills beside the bracket.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: kflow fills compare recordings/events")]
pub(super) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// Same seed, same orders
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Fits of the queue by series [default: fills.toml in the data directory, when there is one]
    #[arg(long, value_name = "FILE")]
    fits: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// 3 there is nothing to read, 5 it cannot be read, 6 no order lived its minute.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let fits: QueueFits = match &args.fits {
        Some(path) => series_file::read_named(path)?,
        None => series_file::read(&file::in_dir(&args.source.data))?,
    };
    let result = compare(&args.source.source(), args.seed, &fits).map_err(source_failure)?;
    if args.json {
        printer::json("fills compare", &result)?
    } else {
        show(&result)?
    }
    if result.orders > 0 {
        return Ok(());
    }
    let text = format!("no order lived its minute; {} met a gap or the end", result.dropped);
    Err(Failure::msg(Code::Check, text).hint("longer recordings of active markets are needed"))
}

fn show(result: &Comparison) -> Result<(), Failure> {
    let rule = |row: &RuleRow| {
        vec![
            row.rule.to_owned(),
            format!("{:.2} %", 100.0 * row.fill_rate),
            row.fill_rate_ci95.map_or("-".to_owned(), |[low, high]| {
                format!("{:.1} .. {:.1}", 100.0 * low, 100.0 * high)
            }),
            row.median_s.map_or("-".to_owned(), |s| format!("{s:.2} s")),
            cents(row.markout_cents),
            interval(row.markout_ci95),
        ]
    };
    let head =
        ["fill rule", "filled in 60 s", "95 %", "median time", "mid at 60 s - price", "95 %"];
    let rows: Vec<_> = result.rules.iter().map(rule).collect();
    printer::line(&printer::table(&head, &rows))?;
    let flattery = |row: &FlatteryRow| {
        let points = format!("{:+.2} points", 100.0 * row.fill_rate);
        let beyond = cents(row.cents_per_contract);
        vec![format!("beyond {}", row.against), points, beyond, interval(row.ci95)]
    };
    let head = ["naive fills flatter", "fill rate", "per contract", "95 %"];
    let rows: Vec<_> = result.flattery.iter().map(flattery).collect();
    printer::line(&format!("\n{}", printer::table(&head, &rows)))?;
    printer::say(&format!(
        "{} shadow orders of one contract in {} markets, {} more met a gap or the end; intervals resample whole markets",
        result.orders, result.markets, result.dropped
    ));
    Ok(())
}

fn cents(x: Option<f64>) -> String {
    x.map_or("-".to_owned(), |x| format!("{x:+.2} c"))
}

fn interval(ci95: Option<[f64; 2]>) -> String {
    ci95.map_or("-".to_owned(), |[low, high]| format!("{low:+.2} .. {high:+.2}"))
}
