//! `kflow sim soak`: the collector against the built-in exchange under random faults, and an account of every
//! message at the end.

use super::MarketArgs;
use crate::check::collect::{Comparer, Comparison};
use crate::cli::exit::{self, Code, Failure};
use crate::cli::printer;
use crate::collect::{self, CollectReport, CollectSpec, FeedIo, Scout};
use crate::config::{ExchangeEnv, Settings};
use crate::feed::access::Access;
use crate::feed::discover::{self, MarketFilter};
use crate::feed::rest::{RestClient, RestTiming};
use crate::feed::{self, Channel, FeedSpec, Timing};
use crate::sim::script::{RandomFaults, Script};
use crate::sim::server::{self, SimReport, SimSpec};
use crate::sim::truth::Truth;
use crate::sim::ws::WsSpec;
use crate::store::{Filter, Log};
use crate::wire::rest::StatusFilter;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The faults strike from the first moment on: the first connection may take some attempts.
const FIRST_CONNECT: Duration = Duration::from_secs(60);
/// Under so many faults the usual waits would leave little time for anything else.
const BACKOFF: Duration = Duration::from_millis(20);
/// A year: what is longer is a slip of the finger.
const MINUTES_MAX: f64 = 525_600.0;
/// Less space than this is no place for a log.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// Options of `kflow sim soak`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    markets: MarketArgs,
    /// How long, in minutes; fractions are fine
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// Faults per minute
    #[arg(long, value_name = "N", default_value_t = 30)]
    faults: u32,
    /// Where the log is written; without it, to a temporary folder that is removed if all is well
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    seed: u64,
    minutes: f64,
    faults: usize,
    collected: CollectReport,
    comparison: Comparison,
}

/// Serves, collects, compares.
///
/// # Errors
/// 6 when a message was lost, invented, or a book is wrong; 1 when it could not be run.
pub fn run(args: &Args) -> Result<(), Failure> {
    let own = std::env::temp_dir().join(format!("kflow-soak-{}", std::process::id()));
    let data_dir = args.data.clone().unwrap_or_else(|| own.clone());
    std::fs::create_dir_all(&data_dir)?;
    let (report, collected) = super::runtime()?.block_on(soak(args, &data_dir))?;
    let comparison = weigh(&report.truth, &data_dir)?;
    let holds = comparison.holds();
    let faults = report.truth.faults.len();
    let (seed, minutes) = (args.markets.seed, args.minutes);
    let outcome = Outcome { seed, minutes, faults, collected, comparison };
    if args.json {
        printer::json("sim soak", &outcome)?;
    } else {
        printer::line(&format!("{faults} faults in {minutes} minutes, seed {seed}"))?;
        printer::fields(&outcome.comparison)?;
    }
    if !holds {
        let text = outcome.comparison.first_problem.unwrap_or_default();
        let hint = format!("the log is in {}", data_dir.display());
        return Err(Failure::msg(Code::Check, text).hint(hint));
    }
    if args.data.is_none() {
        std::fs::remove_dir_all(&own)?;
    }
    Ok(())
}

async fn soak(args: &Args, data_dir: &Path) -> Result<(SimReport, CollectReport), Failure> {
    let venue = args.markets.spec();
    let seed = venue.seed;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let faults = RandomFaults::new(seed, args.faults);
    let spec = SimSpec {
        venue,
        ws: WsSpec { seed, ..WsSpec::default() },
        script: Script::default().with_random(faults),
        truth: Truth::kept(),
        ..SimSpec::default()
    };
    let (stop, stopped) = watch::channel(false);
    let exchange = tokio::spawn(server::run(listener, spec, stopped));
    let settings = Settings::default();
    let access = Access::resolve(&settings, ExchangeEnv::Sim, Some(&url)).map_err(exit::access)?;
    let collected = collect(args, data_dir, &access).await;
    stop.send_replace(true);
    let report = exchange.await?.map_err(super::failure)?;
    Ok((report, collected?))
}

/// Runs the collector as `kflow collect --discover` does.
async fn collect(args: &Args, data_dir: &Path, access: &Access) -> Result<CollectReport, Failure> {
    let seed = args.markets.seed;
    let connected = RestClient::connect(access, RestTiming::default(), seed).await;
    let mut client = connected.map_err(exit::rest)?;
    let filter = MarketFilter {
        status: Some(StatusFilter::Open),
        limit: args.markets.markets as usize,
        ..MarketFilter::default()
    };
    let markets = discover::sweep(&mut client, &filter).await.map_err(exit::discover)?;
    let spec = CollectSpec {
        data_dir: data_dir.to_owned(),
        source: format!("sim:seed={seed}"),
        exchange_env: access.endpoint.env.word().to_owned(),
        flags: Vec::new(),
        markets: Vec::new(),
        run_for: Some(Duration::from_secs_f64(args.minutes.clamp(0.0, MINUTES_MAX) * 60.0)),
        min_free_bytes: MIN_FREE_BYTES,
        wait_for_space: false,
        sample: 1,
        export_every: None,
        retention: None,
        follower: None,
    };
    let scout = Scout::new(client, &markets, Some(filter), None);
    let feed_spec = FeedSpec {
        ws_url: access.endpoint.ws.clone(),
        signer: Some(access.signer.clone()),
        tls: access.tls.clone(),
        channels: vec![Channel::OrderbookDelta, Channel::Trade, Channel::MarketLifecycle],
        use_yes_price: false,
        timing: Timing { first_connect: FIRST_CONNECT, backoff: BACKOFF, ..Timing::default() },
        seed,
    };
    let feed = |io: FeedIo| feed::run(feed_spec.clone(), io.markets, io.out, io.commands, io.stop);
    let (_stop, stopped) = watch::channel(None);
    let done = collect::run(&spec, Some(scout), feed, stopped, &mut |_| {}).await;
    match done.failure {
        Some(failure) => Err(Failure::new(Code::Runtime, failure)),
        None => Ok(done.report),
    }
}

fn weigh(truth: &Truth, data_dir: &Path) -> Result<Comparison, Failure> {
    let log = Log::open(data_dir).map_err(exit::store)?;
    let mut comparer = Comparer::new(truth, log.tickers());
    for record in log.read(Filter::default()).map_err(exit::store)? {
        comparer.enter(&record.map_err(exit::store)?);
    }
    comparer.end_session();
    Ok(comparer.finish())
}
