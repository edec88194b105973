//! `kflow collect`: record live order books until told to stop.

mod builtin;
mod markets;
mod options;
mod screen;
mod summary;

pub use options::Args;

use super::exit::{self, Code, Failure};
use super::front::{self, Front, Show, Work};
use super::logging::{self, LogFormat};
use super::signals::{self, Signal};
use super::{export, printer};
use crate::collect::{
    self, Audit, CollectError, CollectReport, CollectSpec, Collected, Follower, Retention, Scout,
    plan,
};
use crate::config::{ExchangeEnv, Settings};
use crate::feed::access::Access;
use crate::feed::discover;
use crate::feed::rest::{RestClient, RestTiming};
use crate::feed::{self, Channel, FeedSpec, Timing};
use crate::rng::Rng;
use crate::store::{Log, StoreError};
use markets::Wanted;
pub(super) use markets::named;
use screen::Screen;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Frames come in on one thread; timers, readers and requests share the other.
const WORKER_THREADS: usize = 2;
/// A start beside an exchange that is just starting.
const FIRST_CONNECT: Duration = Duration::from_secs(10);
/// Longer than any session.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
/// What a second Ctrl-C may count on.
const GUARANTEE: &str = "rows that were committed are on disk; of the last 100 ms some may be missing, and \
                         the next session opens with a gap row that says so";

/// Runs the command.
///
/// # Errors
/// 1 disk full or lost, 3 log in use, no credentials or unusable settings, 4 exchange unreachable or refusing,
/// unknown or closed markets; 130 and 143 after a clean end by a signal.
pub fn run(args: Args) -> Result<(), Failure> {
    let work = Work { name: "collector", run_dir: Path::new("checkpoints"), kill: None };
    let (report, ended) = record(&args, None, work)?;
    match &report {
        // Without a session there is nothing to tell but the failure.
        Some(report) if !report.session.is_empty() => {
            tell(&args, "collect", report, || summary::table(report))?;
        }
        Some(_) => {}
        None if !args.dry_run => {
            let terminated = ended.as_ref().is_err_and(|e| e.code == Code::Terminated);
            let signal = if terminated { Signal::Terminate } else { Signal::Interrupt };
            let data = serde_json::json!({"cause": signal.word(), "received": 0, "committed": 0});
            tell_programs(&args, "collect", &data)?;
        }
        None => {}
    }
    ended
}

/// What was recorded, and how that ended; no report where a signal came before the first record, or nothing
/// was to be recorded. `follower` hears every accepted record; `of` is what a dashboard says of this process.
///
/// # Errors
/// As [`run`], where nothing was recorded.
pub(super) fn record(
    args: &Args,
    follower: Option<Follower>,
    of: Work<'_>,
) -> Result<Recorded, Failure> {
    if args.ui {
        super::dash::need_terminal()?;
    }
    // Before any network.
    crate::store::check_free(&args.data).map_err(in_use)?;
    if !args.ui {
        return work(args, follower, None);
    }
    let (also, accepted) = Follower::new();
    let show = Show {
        data_dir: &args.data,
        work: of,
        screen: crate::dash::Screen::Live,
        style: args.style,
        stay: false,
    };
    let front = Front::open(&show, Some(accepted))?;
    let recorded = work(args, Some(front::both(follower, also)), Some(&front));
    front.close("the collector has ended");
    recorded
}

/// Records, told to the dashboard in front, if there is one.
fn work(
    args: &Args,
    follower: Option<Follower>,
    front: Option<&Front>,
) -> Result<Recorded, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()?;
    let done = runtime.block_on(collect(args, follower, front));
    // Threads that still look up a name or write a file are not waited for.
    runtime.shutdown_background();
    done
}

/// A report, and how the session ended.
pub(super) type Recorded = (Option<CollectReport>, Result<(), Failure>);

async fn collect(
    args: &Args,
    follower: Option<Follower>,
    front: Option<&Front>,
) -> Result<Recorded, Failure> {
    let mut screen = Screen::new(args.log.log_format, front.map(|front| front.handle.clone()));
    // Log lines go above the status line.
    logging::begin(args.log, logging::lines(screen.above()));
    let settings = Settings::load(args.config.as_deref()).map_err(exit::config)?;
    let access = Access::resolve(&settings, args.env, args.url.as_deref()).map_err(exit::access)?;
    let wanted = markets::wanted(args, &settings)?;
    let mut stop = signals::listen(GUARANTEE)?;
    if let Some(front) = front {
        stop = front::either(stop, front.stop.clone());
    }
    let _builtin = builtin::start_if_needed(args, &access, &screen).await?;
    tracing::info!("asking {} for its markets", access.endpoint.rest);
    let (client, source, objects) = {
        let found = find(args, &access, &wanted);
        let mut stop = stop.clone();
        tokio::select! {
            found = found => found?,
            () = tokio::time::sleep(args.run_for.unwrap_or(FOREVER)) => return Err(too_slow(&access)),
            Ok(signal) = stop.wait_for(Option::is_some) => return Ok((None, end(*signal))),
        }
    };
    let spec = CollectSpec { follower, ..spec(args, source) };
    announce(&spec, &access, &objects, &screen)?;
    if args.dry_run {
        return dry_run(args, &spec, &objects).map(|()| (None, Ok(())));
    }
    let audit =
        args.audit_every.map(|period| Audit::every(period, Rng::stream(seed(), "audit", 0)));
    let scout = Scout::new(client, &objects, wanted.filter(), audit);
    let feed_spec = FeedSpec {
        ws_url: access.endpoint.ws.clone(),
        signer: Some(access.signer.clone()),
        tls: access.tls.clone(),
        channels: vec![Channel::OrderbookDelta, Channel::Trade, Channel::MarketLifecycle],
        use_yes_price: false,
        timing: Timing { first_connect: FIRST_CONNECT, ..Timing::default() },
        seed: seed(),
    };
    let start = |io: collect::FeedIo| {
        feed::run(feed_spec.clone(), io.markets, io.out, io.commands, io.stop)
    };
    let Collected { report, failure } =
        collect::run(&spec, Some(scout), start, stop.clone(), &mut |n| screen.show(n)).await;
    screen.close();
    screen.say(screen.disk());
    let ended = match failure {
        Some(failure) => Err(explain(failure)),
        None => end(*stop.borrow()),
    };
    Ok((Some(report), ended))
}

/// The time to record was over before the exchange had answered.
fn too_slow(access: &Access) -> Failure {
    let text = format!("{} has not told its markets within --for", access.endpoint.rest);
    Failure::msg(Code::Remote, text).hint("is it an exchange? check `--url`, or give it more time")
}

/// Asks the exchange who it is, and for the wanted markets.
async fn find(
    args: &Args,
    access: &Access,
    wanted: &Wanted,
) -> Result<(RestClient, String, Vec<Value>), Failure> {
    let connected = RestClient::connect(access, RestTiming::default(), seed()).await;
    let mut client = connected.map_err(exit::rest)?;
    let status = client.exchange_status().await.map_err(exit::rest)?;
    // An exchange that says that it is synthetic is believed under any name; ours is synthetic anyway.
    let source = status.kflow_source.unwrap_or_else(|| match args.env {
        ExchangeEnv::Sim => "sim:unknown".to_owned(),
        ExchangeEnv::Demo | ExchangeEnv::Prod => "live".to_owned(),
    });
    let objects = match wanted {
        Wanted::Named(tickers) => discover::named(&mut client, tickers).await,
        Wanted::Listed(filter) => discover::sweep(&mut client, filter).await,
    };
    Ok((client, source, objects.map_err(exit::discover)?))
}

fn spec(args: &Args, source: String) -> CollectSpec {
    let mut flags = vec!["use_yes_price=false".to_owned()];
    flags.push(match args.sample {
        1 => "sequence=complete".to_owned(),
        n => format!("sample={n}"),
    });
    CollectSpec {
        data_dir: args.data.clone(),
        source,
        exchange_env: args.env.word().to_owned(),
        flags,
        markets: Vec::new(),
        run_for: args.run_for,
        min_free_bytes: args.min_free,
        wait_for_space: args.wait_for_space,
        sample: args.sample,
        export_every: args.export_every,
        retention: args.retain_days.map(|days| Retention { days, archive: args.archive.clone() }),
        follower: None,
    }
}

/// Says where everything goes, and what will be collected.
fn announce(
    spec: &CollectSpec,
    access: &Access,
    objects: &[Value],
    screen: &Screen,
) -> Result<(), Failure> {
    let usable = |e: std::io::Error| {
        Failure::new(Code::Runtime, e)
            .context(format!("the data directory {} cannot be used", spec.data_dir.display()))
            .hint("name a folder that can be written with --data")
    };
    std::fs::create_dir_all(&spec.data_dir).map_err(usable)?;
    let data_dir = std::fs::canonicalize(&spec.data_dir).map_err(usable)?;
    let free = collect::free_bytes(&data_dir).map_err(usable)?;
    let badge = if spec.source.starts_with("sim:") { "[SIM] " } else { "" };
    screen.say(&format!(
        "{badge}exchange {} at {} (source {})",
        spec.exchange_env, access.endpoint.ws, spec.source
    ));
    let mut tickers: Vec<&str> = objects.iter().filter_map(|o| o["ticker"].as_str()).collect();
    tickers.sort_unstable();
    screen.say(&format!("{} markets: {}", tickers.len(), tickers.join(" ")));
    screen.say(&format!("log {}", data_dir.join("log").display()));
    if spec.export_every.is_some() {
        screen.say(&format!("export {}", data_dir.join("v1").display()));
    }
    screen.say(&screen::disk(free, None));
    Ok(())
}

fn dry_run(args: &Args, spec: &CollectSpec, objects: &[Value]) -> Result<(), Failure> {
    let prune = match (&spec.retention, Log::open(&args.data)) {
        (Some(retention), Ok(log)) => {
            let segments = plan(&log, &args.data, retention, SystemTime::now());
            Some(collect::Pruning::of(&segments.map_err(export::failure)?))
        }
        (_, Ok(_) | Err(StoreError::NoLog { .. })) => None,
        (_, Err(e)) => return Err(exit::store(e)),
    };
    let markets: Vec<&str> = objects.iter().filter_map(|o| o["ticker"].as_str()).collect();
    let data = serde_json::json!({"dry_run": true, "markets": markets, "prune": prune});
    tell_programs(args, "collect", &data)?;
    if args.json { Ok(()) } else { printer::fields(&data) }
}

/// Tells the result of `command`: as one object where that was asked for, else as a text, which nobody reads beside a
/// log in JSON.
pub(super) fn tell(
    args: &Args,
    command: &str,
    result: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    tell_programs(args, command, result)?;
    match args.log.log_format {
        LogFormat::Text if !args.json => printer::line(&text()),
        LogFormat::Text | LogFormat::Json => Ok(()),
    }
}

/// The result as one object, to the file and to stdout, as far as it was asked for.
fn tell_programs(args: &Args, command: &str, result: &impl Serialize) -> Result<(), Failure> {
    if let Some(path) = &args.summary_json {
        printer::json_file(path, command, result)?;
    }
    if args.json { printer::json(command, result) } else { Ok(()) }
}

/// Ends well, or with the code of the signal that ended it.
fn end(signal: Option<&'static str>) -> Result<(), Failure> {
    let Some(signal) = signal.and_then(Signal::of_word) else { return Ok(()) };
    Err(Failure::msg(signal.code(), format!("ended by {}", signal.word())))
}

fn in_use(error: StoreError) -> Failure {
    let failure = exit::store(error);
    match failure.code {
        Code::Config => failure.hint(
            "one collector per log: `kflow data follow` shows the running one; or use another --data directory",
        ),
        _ => failure,
    }
}

/// The exit code and hint of a session that ended early.
fn explain(error: CollectError) -> Failure {
    let hint = match error {
        CollectError::Store(e) => return in_use(e),
        CollectError::Feed(e) => return exit::feed(e),
        CollectError::Export(e) => return export::failure(e),
        CollectError::DiskFull { .. } => {
            "free some space and start again (--wait-for-space does so by itself); everything before is on disk"
        }
        CollectError::LogLost { .. } => {
            "the log's folder was removed or locked while it was written; start again"
        }
        CollectError::Thread => "this is a bug: please report what stands above",
    };
    Failure::new(Code::Runtime, error).hint(hint)
}

/// Jitter needs no memory: the time is as good a seed as any.
fn seed() -> u64 {
    super::now().map_or(0, |now| now.0 as u64)
}
