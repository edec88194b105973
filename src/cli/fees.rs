//! `kflow fees`: what fills cost in each series, as the exchange tells it.

use super::exit::{self, Code, Failure};
use super::series_file::{self, SeriesFile};
use super::{now, printer};
use crate::broker::{FeeType, Multiplier, SeriesFee, SeriesFees, series_of};
use crate::config::{Endpoint, ExchangeEnv, Settings};
use crate::feed::rest::{RestClient, RestError, RestTiming};
use crate::feed::tls;
use crate::store::Log;
use crate::units::TsUs;
use crate::view::is_synthetic;
use crate::wire::convert::time_text;
use crate::wire::rest::SeriesObject;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Ask the exchange what fills cost in each series.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Ask for the fees of series, and keep them in a file for --fees
    Fetch(FetchArgs),
}

/// Options of `kflow fees fetch`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  kflow fees fetch --series KXGOLD15M --series KXHIGHNY
  kflow fees fetch --data datasets && kflow train --fees datasets/fees.toml
No key is needed. Fees of single events and waivers are not followed.")]
struct FetchArgs {
    /// Which exchange: sim, demo or prod
    #[arg(long, value_name = "ENV", default_value = "prod")]
    env: ExchangeEnv,
    /// Its address: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A series (the ticker of a market up to its first `-`); may be repeated
    #[arg(long, value_name = "TICKER")]
    series: Vec<String>,
    /// Data directory: without --series, all series of its recorded markets
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where they are kept; what it says of other series stays [default: fees.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl SeriesFile for SeriesFees {
    const SCHEMA: u32 = SeriesFees::SCHEMA;
    const WRITTEN_BY: &'static str = "kflow fees fetch";
    fn schema_version(&mut self) -> &mut u32 {
        &mut self.schema_version
    }
}

/// What was asked for, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Output {
    series: BTreeMap<String, SeriesFee>,
    /// Series without an answer that can be used, and why.
    refused: BTreeMap<String, String>,
    /// The file; `null` when nothing of it changed.
    written: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// 3 for settings or a file that cannot be used, 4 when the exchange cannot be asked, or does not know a series or
/// has fees there that cannot be computed: what it told of the others is kept, and nothing of one that it refused.
pub fn run(args: Args) -> Result<(), Failure> {
    let Command::Fetch(args) = args.command;
    let path = args.out.clone().unwrap_or_else(|| args.data.join("fees.toml"));
    let mut file: SeriesFees = series_file::read(&path)?;
    let wanted = wanted(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (told, refused) = runtime.block_on(ask(&args, &wanted))?;
    // What was told before of a series that is refused now does not hold any more.
    let before = file.clone();
    file.series.retain(|series, _| !refused.contains_key(series));
    file.series.extend(told.clone());
    let changed = !told.is_empty() || file != before;
    if changed {
        series_file::write(&path, &file)?;
    }
    let written = changed.then_some(path);
    let output = Output { series: told, refused, written };
    if args.json {
        printer::json("fees fetch", &output)?;
    } else {
        show(&output)?;
    }
    if output.refused.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = output.refused.iter().map(|(s, why)| format!("{s}: {why}")).collect();
    Err(Failure::msg(Code::Remote, words.join("; "))
        .hint("check the ticker and --env; without an entry, multiplier 1 is assumed there"))
}

/// The series that were named, else those of the recorded markets.
fn wanted(args: &FetchArgs) -> Result<BTreeSet<String>, Failure> {
    if !args.series.is_empty() {
        return Ok(args.series.iter().cloned().collect());
    }
    let log = Log::open(&args.data).map_err(exit::store)?;
    let sessions = log.sessions();
    // The built-in exchange knows its own series, and nobody else does.
    let theirs = sessions
        .iter()
        .filter(|session| is_synthetic(&session.meta.source) == (args.env == ExchangeEnv::Sim));
    let tickers = theirs.flat_map(|session| &session.markets);
    let wanted: BTreeSet<String> = tickers.map(|ticker| series_of(ticker).to_owned()).collect();
    if wanted.is_empty() {
        let text = format!("{} holds no market recorded from {}", args.data.display(), args.env);
        return Err(Failure::msg(Code::Config, text).hint("name the series: --series KXGOLD15M"));
    }
    Ok(wanted)
}

/// What the exchange says, and what cannot be used of it. Nothing is signed: these are the same for everybody.
async fn ask(
    args: &FetchArgs,
    wanted: &BTreeSet<String>,
) -> Result<(BTreeMap<String, SeriesFee>, BTreeMap<String, String>), Failure> {
    let settings = Settings::load(args.config.as_deref()).map_err(exit::config)?;
    let endpoint = Endpoint::resolve(args.env, args.url.as_deref(), &settings.file);
    let endpoint = endpoint.map_err(exit::config)?;
    let tls = tls::client(endpoint.ca_file.as_deref()).map_err(|e| exit::access(e.into()))?;
    let seed = now()?.0.unsigned_abs();
    let client = RestClient::unsigned(&endpoint, &tls, RestTiming::default(), seed);
    let mut client = client.map_err(exit::rest)?;
    let today = time_text(TsUs(now()?.0 / 1_000));
    let today = today.split('T').next().unwrap_or_default();
    let (mut told, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for series in wanted {
        let fee = match client.series(series).await {
            Ok(object) => fee(object, today),
            Err(error @ RestError::Refused { status: 404, .. }) => Err(error.to_string()),
            Err(error) => return Err(exit::rest(error)),
        };
        match fee {
            Ok(fee) => {
                told.insert(series.clone(), fee);
            }
            Err(why) => {
                refused.insert(series.clone(), why);
            }
        }
    }
    Ok((told, refused))
}

/// What the object of a series says, in our units.
fn fee(object: SeriesObject, today: &str) -> Result<SeriesFee, String> {
    let multiplier = object.multiplier_e4().map_err(|e| format!("fee multiplier: {e}"))?;
    Ok(SeriesFee {
        fee_type: FeeType::try_from(object.fee_type).map_err(|e| e.to_string())?,
        multiplier: Multiplier::try_from(multiplier).map_err(|e| e.to_string())?,
        asked: today.to_owned(),
    })
}

fn show(output: &Output) -> Result<(), Failure> {
    let row = |(series, fee): (&String, &SeriesFee)| {
        vec![series.clone(), fee.fee_type.word().to_owned(), fee.multiplier.to_string()]
    };
    let rows: Vec<_> = output.series.iter().map(row).collect();
    if !rows.is_empty() {
        printer::line(&printer::table(&["series", "fee type", "multiplier"], &rows))?;
    }
    if let Some(path) = &output.written {
        printer::say(&format!("written: {}; use it with --fees", path.display()));
    }
    Ok(())
}
