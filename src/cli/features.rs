//! `kflow features build | report`: observations of the exported markets, and what they are like.

use super::exit::{Code, Failure};
use super::progress::Progress;
use super::{export, printer};
use crate::dataset::{Filter, Manifest, wants_session};
use crate::event::SessionId;
use crate::features::Layout;
use crate::features::pipeline::{self, PipelineError};
use crate::features::report::{self, Report};
use crate::units::TsNs;
use crate::wire::convert;
use clap::Subcommand;
use std::path::PathBuf;

/// Options of `kflow features`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Compute the market part of every observation and write it as Parquet. The files of the layout are
    /// replaced as a whole: with a filter they hold what it lets through.
    Build {
        #[command(flatten)]
        common: Common,
        /// Only this session; may be repeated.
        #[arg(long, value_name = "ID")]
        session: Vec<SessionId>,
        /// Only this market; may be repeated.
        #[arg(long, value_name = "TICKER")]
        market: Vec<String>,
        /// Only events received at or after this time (RFC 3339, UTC).
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<TsNs>,
        /// Only events received before this time (RFC 3339, UTC).
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: Option<TsNs>,
    },
    /// Profile the columns of the features: range, quantiles, dead and repeated columns.
    Report {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args, Debug)]
struct Common {
    /// Observation layout: flow52-v1 or kalshiflow52-v2.
    #[arg(long, default_value_t = Layout::default())]
    layout: Layout,
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Runs the action.
///
/// # Errors
/// 3 without a dataset; 5 when it is damaged or newer than the features; 6 when a value is not finite or
/// leaves its declared range; 1 when a file cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Build { common, session, market, from, to } => {
            let filter = Filter {
                sessions: (!session.is_empty()).then_some(session),
                tickers: (!market.is_empty()).then_some(market),
                recv_from: from,
                recv_to: to,
                ..Filter::default()
            };
            build(&common, &filter)
        }
        Action::Report { common } => profile(&common),
    }
}

fn build(common: &Common, filter: &Filter) -> Result<(), Failure> {
    let manifest = Manifest::existing(&common.data).map_err(export::failure)?;
    let sessions = manifest.sessions.iter().filter(|s| wants_session(filter, s.meta.id)).count();
    if sessions == 0 {
        let text = "no session of the dataset is asked for";
        return Err(Failure::msg(Code::Config, text).hint("kflow data ls lists the sessions"));
    }
    let mut progress = Progress::start("features", sessions as u64);
    let summary = pipeline::build(&common.data, common.layout, filter, &mut || progress.add(1));
    progress.finish();
    let summary = summary.map_err(failure)?;
    if common.json {
        return printer::json("features build", &summary);
    }
    printer::line(&format!(
        "{}: {} rows of {} markets in {} files, {} bytes",
        summary.layout, summary.rows, summary.markets, summary.files, summary.bytes
    ))
}

fn profile(common: &Common) -> Result<(), Failure> {
    let report = report::report(&common.data, common.layout).map_err(failure)?;
    match common.json {
        true => printer::json("features report", &report)?,
        false => printer::line(&table(&report))?,
    }
    let defects: Vec<&str> = report
        .columns
        .iter()
        .filter(|c| c.nan > 0 || c.outside > 0.0)
        .map(|c| c.name.as_str())
        .collect();
    match defects.is_empty() {
        true => Ok(()),
        false => Err(Failure::msg(
            Code::Check,
            format!("values that no model may see, in {}", defects.join(", ")),
        )),
    }
}

fn table(report: &Report) -> String {
    let head = ["column", "min", "p01", "p50", "p99", "max", "at lo", "at hi", "nan", "remark"];
    let rows: Vec<Vec<String>> = report
        .columns
        .iter()
        .map(|c| {
            let numbers = [c.min, c.p01, c.p50, c.p99, c.max].map(|v| format!("{v:.4}"));
            let shares = [c.at_lo, c.at_hi].map(|v| format!("{:.1}%", 100.0 * v));
            let remark = match &c.duplicate_of {
                _ if c.constant => "constant".to_owned(),
                Some(other) => format!("repeats {other}"),
                None => String::new(),
            };
            let name = [c.name.clone()].into_iter();
            name.chain(numbers).chain(shares).chain([c.nan.to_string(), remark]).collect()
        })
        .collect();
    format!("{}\n\n{}: {} rows", printer::table(&head, &rows), report.layout, report.rows)
}

fn failure(error: PipelineError) -> Failure {
    match error {
        PipelineError::Dataset(e) => export::failure(e),
        e @ PipelineError::NothingChosen => Failure::new(Code::Config, e)
            .hint("kflow data card and kflow data ls say what is there"),
        e => Failure::new(Code::Runtime, e),
    }
}

fn time(text: &str) -> Result<TsNs, String> {
    let time = convert::time(text.as_bytes()).map_err(|e| e.to_string())?;
    time.0.checked_mul(1_000).map(TsNs).ok_or_else(|| "outside the years 1677 to 2262".to_owned())
}
