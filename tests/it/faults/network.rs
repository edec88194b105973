//! Rows of the wire: the whole collector against the whole simulated exchange, over real sockets. Each
//! injection is a run of its own, with its own seed, and ends in a comparison of the log with what the
//! exchange issued.

use super::{fast_dir, spread, survived, times};
use kalshiflow::check::collect::{Comparer, Comparison};
use kalshiflow::collect::{self, CollectError, CollectReport, CollectSpec, Notice, Scout};
use kalshiflow::config::{ExchangeEnv, Settings};
use kalshiflow::feed::access::Access;
use kalshiflow::feed::discover::{MarketFilter, sweep};
use kalshiflow::feed::rest::{RestClient, RestTiming};
use kalshiflow::feed::{self, Channel, FeedSpec, Timing};
use kalshiflow::rng::Rng;
use kalshiflow::sim::script::Script;
use kalshiflow::sim::server::{self, SimReport, SimSpec};
use kalshiflow::sim::truth::Truth;
use kalshiflow::sim::venue::VenueSpec;
use kalshiflow::sim::ws::WsSpec;
use kalshiflow::store::{Filter, Log};
use kalshiflow::view::{CollectStatus, Link};
use kalshiflow::wire::rest::StatusFilter;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Runs that go on at the same time.
const AT_ONCE: usize = 8;
/// A run that has not come to rest by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const MARKETS: u32 = 4;

/// One injection.
pub(super) struct Case {
    seed: u64,
    rate_per_s: u32,
    lifetime_ms: i64,
    script: String,
}

impl Case {
    pub(super) fn new(seed: u64, script: String) -> Case {
        Case { seed, rate_per_s: 400, lifetime_ms: 900_000, script }
    }

    pub(super) fn at_rate(self, rate_per_s: u32) -> Case {
        Case { rate_per_s, ..self }
    }

    pub(super) fn exchange(&self) -> SimSpec {
        let venue = VenueSpec {
            seed: self.seed,
            markets: MARKETS,
            rate_per_s: self.rate_per_s,
            lifetime_ms: self.lifetime_ms,
            ..VenueSpec::default()
        };
        SimSpec {
            venue,
            ws: WsSpec { seed: self.seed, ..WsSpec::default() },
            heartbeat: Duration::from_secs(1),
            script: Script::parse(&self.script).unwrap(),
            truth: Truth::kept(),
            ..SimSpec::default()
        }
    }
}

/// What came of it.
struct Outcome {
    report: CollectReport,
    failure: Option<CollectError>,
    comparison: Comparison,
    connections: usize,
    /// Faults that struck.
    faults: usize,
}

impl Outcome {
    /// The log holds what was issued or says what it misses, every gap is healed, nothing ended early.
    fn is_whole(&self) -> bool {
        let whole = self.comparison.holds() && self.failure.is_none() && self.report.open_gaps == 0;
        if !whole {
            let Outcome { report, failure, comparison, .. } = self;
            super::say(&format!("not whole: {comparison:?} {failure:?} {report:?}"));
        }
        whole
    }
}

/// An exchange that is served until it is told to stop.
pub(super) struct Exchange {
    pub(super) url: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<SimReport>,
}

impl Exchange {
    pub(super) async fn serve(spec: SimSpec) -> Exchange {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async { server::run(listener, spec, stopped).await.unwrap() });
        Exchange { url, stop, task }
    }

    pub(super) async fn end(self) -> SimReport {
        self.stop.send_replace(true);
        self.task.await.unwrap()
    }
}

fn timing() -> Timing {
    Timing {
        connect: Duration::from_secs(5),
        first_connect: Duration::from_secs(30),
        ping_after: Duration::from_millis(700),
        silence: Duration::from_millis(1_500),
        reply: Duration::from_secs(1),
        snapshot: Duration::from_secs(1),
        ask_pause: Duration::from_millis(50),
        slow_retry: Duration::from_secs(1),
        queue_patience: Duration::from_secs(10),
        write: Duration::from_secs(2),
        backoff: Duration::from_millis(50),
    }
}

fn collector(dir: &Path) -> CollectSpec {
    CollectSpec {
        data_dir: dir.to_owned(),
        source: "sim:seed=1".into(),
        exchange_env: "sim".into(),
        flags: Vec::new(),
        markets: Vec::new(),
        run_for: Some(PATIENCE),
        min_free_bytes: 0,
        wait_for_space: false,
        sample: 1,
        export_every: None,
        retention: None,
        follower: None,
    }
}

/// Collects from the exchange of `case` until `rest` finds that the status has come to rest.
async fn run(case: Case, timing: Timing, rest: impl Fn(&CollectStatus) -> bool) -> Outcome {
    let dir = fast_dir();
    let exchange = Exchange::serve(case.exchange()).await;
    let access =
        Access::resolve(&Settings::default(), ExchangeEnv::Sim, Some(&exchange.url)).unwrap();
    let mut client = RestClient::new(&access, RestTiming::default(), case.seed).unwrap();
    let filter = MarketFilter {
        status: Some(StatusFilter::Open),
        limit: MARKETS as usize,
        ..MarketFilter::default()
    };
    let objects = sweep(&mut client, &filter).await.unwrap();
    let scout = Scout::new(client, &objects, Some(filter), None);
    let feed_spec = FeedSpec {
        ws_url: access.endpoint.ws.clone(),
        signer: Some(access.signer.clone()),
        tls: access.tls.clone(),
        channels: vec![Channel::OrderbookDelta, Channel::Trade, Channel::MarketLifecycle],
        use_yes_price: false,
        timing,
        seed: case.seed,
    };
    let (stop, stopped) = watch::channel(None);
    let mut hear = |notice: Notice| {
        if let Notice::Status(status) = notice
            && rest(&status)
        {
            stop.send_replace(Some("finished"));
        }
    };
    let collected = collect::run(
        &collector(dir.path()),
        Some(scout),
        |io| feed::run(feed_spec.clone(), io.markets, io.out, io.commands, io.stop),
        stopped,
        &mut hear,
    )
    .await;
    let told = exchange.end().await;
    Outcome {
        comparison: compare(&told.truth, dir.path()),
        report: collected.report,
        failure: collected.failure,
        connections: told.connections,
        faults: told.truth.faults.len(),
    }
}

pub(super) fn compare(truth: &Truth, dir: &Path) -> Comparison {
    let log = Log::open(dir).unwrap();
    let mut comparer = Comparer::new(truth, log.tickers());
    for session in log.sessions() {
        let filter = Filter { sessions: Some(vec![session.id()]), ..Filter::default() };
        log.read(filter).unwrap().for_each(|record| comparer.enter(&record.unwrap()));
        comparer.end_session();
    }
    comparer.finish()
}

/// Runs `n` cases, some at a time; how many of them `survive`, and what all lost.
fn row<F>(n: u64, case: impl Fn(u64) -> F) -> (u64, u64)
where
    F: Future<Output = (bool, u64)> + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The collector's ear is not `Send`; what works hard (feed, exchange) runs on other threads anyway.
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut running = tokio::task::JoinSet::new();
        let (mut survivors, mut lost) = (0, 0);
        let mut seeds = 0..n;
        loop {
            while running.len() < AT_ONCE
                && let Some(seed) = seeds.next()
            {
                running.spawn_local(case(seed));
            }
            let Some(done) = running.join_next().await else { break };
            let (alive, gone) = done.unwrap();
            survivors += u64::from(alive);
            lost += gone;
        }
        (survivors, lost)
    })
}

fn is_live(status: &CollectStatus) -> bool {
    status.link == Link::Live && status.open_gaps == 0 && status.stale == 0
}

#[test]
fn a_connection_that_ends_in_any_way_is_one_gap_and_heals() {
    let n = times(100, 1_000);
    let (alive, lost) = row(n, async |seed| {
        let mut rng = Rng::stream(seed, "ending", 0);
        let what = match rng.below(4) {
            0 => r#""do":"cut""#.to_owned(),
            1 => r#""do":"reset""#.to_owned(),
            2 => r#""do":"restart","ms":200"#.to_owned(),
            _ => format!(r#""do":"close","code":{}"#, 1_000 + rng.below(16)),
        };
        let at = 100 + rng.below(200);
        let case = Case::new(seed, format!(r#"{{"after_frames":{at},{what}}}"#));
        // A busy machine may lose a connection before the fault strikes.
        let rest = |s: &CollectStatus| s.reconnects > 0 && s.received > 400 && is_live(s);
        let ended = run(case, timing(), rest).await;
        (ended.is_whole() && ended.faults > 0 && ended.report.gaps > 0, ended.comparison.lost)
    });
    survived(
        "R7",
        "closed, cut, reset, restarted: subscribed again, gap rows exact",
        n,
        alive,
        lost,
    );
}

#[test]
fn a_peer_that_vanishes_is_noticed() {
    let n = times(100, 1_000);
    let (alive, lost) = row(n, async |seed| {
        let at = 50 + Rng::stream(seed, "vanish", 0).below(300);
        let case = Case::new(seed, format!(r#"{{"after_frames":{at},"do":"half_open"}}"#));
        let ended = run(case, timing(), |s| s.reconnects > 0 && is_live(s)).await;
        (ended.is_whole() && ended.connections > 1, ended.comparison.lost)
    });
    survived("R8", "half-open: noticed by silence, replaced", n, alive, lost);
}

#[test]
fn numbers_that_never_come_are_gap_rows_and_books_heal() {
    let (n, most) = (times(100, 1_000), times(1_000, 10_000));
    let (alive, lost) = row(n, |seed| async move {
        let mut rng = Rng::stream(seed, "drop", 0);
        let drop = spread(&mut rng, 1, most);
        let at = 20 + rng.below(300);
        let script = format!(r#"{{"after_frames":{at},"do":"drop","n":{drop}}}"#);
        let case = Case { rate_per_s: 2_000, ..Case::new(seed, script) };
        let ended = run(case, timing(), |s| s.missing > 0 && is_live(s)).await;
        (ended.is_whole() && ended.comparison.in_gaps > 0, ended.comparison.lost)
    });
    survived("R10", "1 to 1 000 numbers of a subscription missing", n, alive, lost);
}

#[test]
fn frames_that_come_twice_or_out_of_order_count_once() {
    let n = times(100, 1_000);
    let (alive, lost) = row(n, async |seed| {
        let mut rng = Rng::stream(seed, "again", 0);
        let (at, k) = (20 + rng.below(300), spread(&mut rng, 1, 30));
        let what = if rng.chance(0.5) { "duplicate" } else { "reorder" };
        let script = format!(r#"{{"after_frames":{at},"do":"{what}","n":{k}}}"#);
        let ended =
            run(Case::new(seed, script), timing(), |s| s.duplicates + s.late > 0 && is_live(s))
                .await;
        (ended.is_whole() && ended.comparison.set_aside > 0, ended.comparison.lost)
    });
    survived("R11", "frames twice and out of order: applied once, counted", n, alive, lost);
}

#[test]
fn markets_that_close_and_settle_make_room_for_new_ones() {
    let n = times(10, 200);
    let (alive, lost) = row(n, async |seed| {
        let script = format!(r#"{{"at_ms":{},"do":"pause","ms":300}}"#, 300 + 40 * (seed % 20));
        let case = Case { lifetime_ms: 2_000, ..Case::new(seed, script) };
        let patient = Timing { reply: Duration::from_secs(5), ..timing() };
        let ended = run(case, patient, |s| s.uptime_s >= 8).await;
        let rotated = ended.report.markets > u64::from(MARKETS);
        (ended.comparison.holds() && rotated && ended.report.reconnects == 0, ended.comparison.lost)
    });
    survived("R15", "pause, close, settlement, new markets: rotated, no reconnect", n, alive, lost);
}

#[test]
fn a_refused_upgrade_is_told_and_not_hammered() {
    let n = times(100, 1_000);
    let (alive, lost) = row(n, async |seed| {
        let mut rng = Rng::stream(seed, "refuse", 0);
        let status = [401, 403, 429, 500, 503][rng.below(5) as usize];
        let times = 1 + rng.below(3);
        let script = format!(r#"{{"at_ms":0,"do":"refuse","n":{times},"status":{status}}}"#);
        let ended = run(Case::new(seed, script), timing(), |s| s.received > 50 && is_live(s)).await;
        // A key that is refused is not tried again at once; what may pass is waited for.
        let good = match status {
            401 | 403 => ended.failure.is_some() && ended.connections == 0,
            _ => ended.is_whole() && ended.connections == 1,
        };
        if !good {
            super::say(&format!("{status} x{times}: {:?} {}", ended.failure, ended.connections));
        }
        (good, ended.comparison.lost)
    });
    survived("R16", "upgrade refused with 401, 403, 429, 500, 503", n, alive, lost);
}
