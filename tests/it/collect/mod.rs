//! The collector: what it received is on disk or is a gap row, whatever happens to it.

mod command;
mod growing;
mod live;
mod secrets;
mod sessions;

use kalshiflow::collect::{self, CollectError, CollectSpec, Collected, Definition, FeedIo, Notice};
use kalshiflow::event::{
    Body, Delta, Event, Gap, GapCause, MarketId, Record, Snapshot, Tickers, Trade,
};
use kalshiflow::feed::{Batch, ConnectError, Counters, FeedEnd, FeedError};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Log, StoreError};
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Longer than anything here takes on a busy machine: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn spec(data_dir: &Path) -> CollectSpec {
    CollectSpec {
        data_dir: data_dir.to_owned(),
        source: "sim:seed=1".into(),
        exchange_env: "sim".into(),
        flags: vec!["sequence=complete".into()],
        markets: vec![Definition { ticker: "SIM-A".into(), json: r#"{"ticker":"SIM-A"}"#.into() }],
        run_for: None,
        min_free_bytes: 0,
        wait_for_space: false,
        sample: 1,
        export_every: None,
        retention: None,
        follower: None,
    }
}

pub fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    TsNs(since.as_nanos() as i64)
}

/// The `seq`th row of a feed of three markets: book rows, trades, now and then a gap and its end.
pub fn record(seq: u64, recv: TsNs) -> Record {
    let mut rng = Rng::stream(3, "row", seq);
    let price = |rng: &mut Rng| Price::new(100 * (1 + rng.below(99)) as i64).unwrap();
    let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
    let qty = Qty(rng.below(9_000) as i64 - 2_000);
    let hole = |at: u64| Gap {
        from: at,
        to: at,
        since: TsNs(at as i64),
        ..Gap::unnumbered(GapCause::SeqGap, TsNs(at as i64 + 1))
    };
    let mut market = MarketId(rng.below(3) as u32);
    let body = match seq % 50 {
        0..3 => {
            market = MarketId((seq % 50) as u32);
            let yes = (0..4).map(|_| (price(&mut rng), Qty(500))).collect();
            Body::Snapshot(Box::new(Snapshot { yes, no: vec![(price(&mut rng), Qty(700))] }))
        }
        20 => {
            market = MarketId::NONE;
            Body::Gap(Box::new(hole(seq)))
        }
        // Healed much later: maybe in another file.
        45 if seq % 100 == 45 => {
            market = MarketId::NONE;
            let healed_by = "snapshot".to_owned();
            Body::Healed(Box::new(Gap { healed_by, ..hole(seq.saturating_sub(125)) }))
        }
        30 => {
            let id = std::array::from_fn(|_| rng.next_u64() as u8);
            let yes_price = price(&mut rng);
            Body::Trade(Box::new(Trade { taker: side, yes_price, qty, block: None, id }))
        }
        _ => Body::Delta(Delta { side, price: price(&mut rng), qty }),
    };
    let ts = Some(TsUs(recv.0 / 1_000 - 900));
    Record { event: Event { row_id: 0, recv, ts, market, sid: 1, seq, body }, raw: None }
}

/// A batch of the rows `seqs`, with the counters of a feed that lost nothing.
pub fn batch(seqs: std::ops::Range<u64>, recv: impl Fn(u64) -> TsNs) -> Batch {
    let names = ["SIM-A", "SIM-B", "SIM-C"];
    let market =
        |(i, name): (usize, &&str)| (MarketId(i as u32), (*name).into(), Some([i as u8; 16]));
    let markets = match seqs.start {
        0 => names.iter().enumerate().map(market).collect(),
        _ => Vec::new(),
    };
    let counters =
        Counters { received: seqs.end, connected: true, markets: 3, ..Counters::default() };
    Batch { markets, records: seqs.map(|seq| record(seq, recv(seq))).collect(), counters }
}

/// A feed that sends `rows` rows and then ends.
pub async fn some(io: FeedIo, rows: u64) -> Result<FeedEnd, FeedError> {
    let mut next = 0;
    while next < rows {
        let end = rows.min(next + 1_000);
        io.out.send(batch(next..end, |_| now())).await.unwrap();
        next = end;
    }
    Ok(FeedEnd::default())
}

/// A feed that sends a row every millisecond until it is stopped.
pub async fn steady(mut io: FeedIo) -> Result<FeedEnd, FeedError> {
    let mut seq = 0;
    loop {
        io.out.send(batch(seq..seq + 1, |_| now())).await.unwrap();
        seq += 1;
        tokio::select! {
            _ = io.stop.wait_for(|stop| *stop) => return Ok(FeedEnd::default()),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

/// Collects with a feed, in a runtime of its own.
pub fn collect<F>(
    spec: &CollectSpec,
    feed: impl FnMut(FeedIo) -> F,
    hear: &mut dyn FnMut(Notice),
) -> Collected
where
    F: Future<Output = Result<FeedEnd, FeedError>> + Send + 'static,
{
    let (_stop, stopped) = watch::channel(None);
    runtime().block_on(collect::run(spec, None, feed, stopped, hear))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// All rows of the log, after making sure that it is whole.
#[track_caller]
pub fn rows(data_dir: &Path) -> (Log, Vec<Record>) {
    let log = Log::open(data_dir).unwrap();
    assert_eq!(log.verify().problems, Vec::<String>::new());
    let rows = log.read(Filter::default()).unwrap().map(Result::unwrap).collect();
    (log, rows)
}

fn gaps(rows: &[Record], cause: GapCause) -> Vec<Gap> {
    let gap = |r: &Record| match &r.event.body {
        Body::Gap(gap) if gap.cause == cause => Some((**gap).clone()),
        _ => None,
    };
    rows.iter().filter_map(gap).collect()
}

#[test]
fn every_row_of_the_feed_is_committed_in_order_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut flushed = false;
    let mut hear = |notice| flushed |= matches!(notice, Notice::Flushed(_));
    let done = collect(&spec(dir.path()), |io| some(io, 25_500), &mut hear);
    assert!(done.failure.is_none(), "{:?}", done.failure);
    assert!(flushed);
    let report = done.report;
    assert_eq!(
        (report.received, report.committed, report.cause.as_str()),
        (25_500, 25_501, "finished")
    );
    assert_eq!((report.rows.markets, report.markets, report.missing), (1, 3, 0));
    assert!(report.commit_ms.p99 > 0.0 && report.lag_ms.p50 >= 0.8, "{report:?}");

    let (log, rows) = rows(dir.path());
    assert_eq!(log.sessions()[0].cause.as_deref(), Some("finished"));
    assert_eq!(log.sessions()[0].meta.source, "sim:seed=1");
    assert!(matches!(rows[0].event.body, Body::Market(_)));
    for (seq, row) in (0..).zip(&rows[1..]) {
        let mut due = record(seq, row.event.recv);
        // The log has a dictionary of its own.
        let name = ["SIM-A", "SIM-B", "SIM-C"].get(due.event.market.0 as usize);
        due.event.market = name.map_or(MarketId::NONE, |n| log.tickers().find(n).unwrap());
        due.event.row_id = seq + 2;
        assert_eq!(*row, due);
    }
}

#[test]
fn a_second_collector_is_refused_before_it_connects() {
    let dir = tempfile::tempdir().unwrap();
    let (stop, stopped) = watch::channel(None);
    runtime().block_on(async {
        let mut first_is_up = false;
        let spec = spec(dir.path());
        let mut hear = |notice| {
            if matches!(notice, Notice::Status(_)) && !std::mem::replace(&mut first_is_up, true) {
                let path = dir.path().to_owned();
                let stop = stop.clone();
                std::thread::spawn(move || {
                    let connect = |_| async { panic!("it connected") };
                    let second = collect(&super::collect::spec(&path), connect, &mut |_| {});
                    let locked = |e| matches!(e, CollectError::Store(StoreError::Locked { pid, .. }) if pid == std::process::id());
                    assert!(second.failure.is_some_and(locked));
                    stop.send_replace(Some("sigint"));
                });
            }
        };
        let first = collect::run(&spec, None, steady, stopped, &mut hear);
        let first = tokio::time::timeout(PATIENCE, first).await.expect("the second said something");
        assert!(first.failure.is_none());
        assert_eq!(first.report.cause, "sigint");
    });
}

/// A child process collects and says what is on disk, until it is killed. The next session says since when
/// something is missing, and nothing that was said to be on disk is lost.
#[test]
fn a_session_after_a_kill_opens_with_a_gap_since_the_last_row_on_disk() {
    const CHILD: &str = "KFLOW_TEST_COLLECT_CHILD";
    if let Some(dir) = std::env::var_os(CHILD) {
        let mut out = std::io::stdout();
        let mut hear = |notice| {
            if let Notice::Status(status) = notice {
                writeln!(out, "committed {};", status.committed).unwrap();
            }
        };
        collect(&spec(Path::new(&dir)), steady, &mut hear);
        return;
    }
    let kills = if std::env::var_os("KFLOW_LONG").is_some() { 30 } else { 2 };
    let dir = tempfile::tempdir().unwrap();
    let mut promised = 0;
    for round in 1..=kills {
        let me = std::env::current_exe().unwrap();
        let name = "collect::a_session_after_a_kill_opens_with_a_gap_since_the_last_row_on_disk";
        let mut child = Command::new(me)
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said =
            |l: String| l.rsplit_once("committed ")?.1.strip_suffix(';')?.parse::<u64>().ok();
        promised += lines.filter_map(said).find(|rows| *rows > 100).expect("it commits");
        std::thread::sleep(Duration::from_millis(37 * round % 110));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let done = collect(&spec(dir.path()), |io| some(io, 10), &mut |_| {});
    assert_eq!(done.report.open_gaps, 1);
    let (log, rows) = rows(dir.path());
    assert!(rows.len() as u64 >= promised, "{} rows of {promised} promised ones", rows.len());
    let causes: Vec<_> = log.sessions().into_iter().map(|s| s.cause.unwrap()).collect();
    assert_eq!(causes.iter().filter(|c| *c == "crash").count() as u64, kills);
    let holes = gaps(&rows, GapCause::Crash);
    assert_eq!(holes.len() as u64, kills);
    for (session, hole) in log.sessions().iter().zip(&holes) {
        assert_eq!(hole.since, session.recv.unwrap().1);
        assert!(hole.until > hole.since);
    }
}

#[test]
fn too_little_space_ends_the_session_with_a_gap_row_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let full = CollectSpec { min_free_bytes: u64::MAX, ..spec(dir.path()) };
    let done = collect(&full, steady, &mut |_| {});
    assert!(matches!(done.failure, Some(CollectError::DiskFull { .. })), "{:?}", done.failure);
    assert_eq!(done.report.cause, "disk_full");
    let (log, rows) = rows(dir.path());
    assert_eq!(rows.len() as u64, done.report.committed);
    // The definition, the gap, and something of the feed: how much depends on the machine.
    assert!(rows.len() > 2, "what came before is kept");
    assert_eq!(log.sessions()[0].cause.as_deref(), Some("disk_full"));
    assert_eq!(gaps(&rows, GapCause::DiskFull).len(), 1);
    assert!(matches!(rows.last().unwrap().event.body, Body::Gap(_)));
}

/// A full disk ends the session; when there is space again the collector goes on in another one, which says
/// since when something is missing.
#[test]
fn a_collector_that_waits_for_space_goes_on_by_itself() {
    let Some(disk) = crate::faults::SmallDisk::mount(64 << 20) else {
        return;
    };
    let data_dir = disk.path();
    let waits = CollectSpec { min_free_bytes: 32 << 20, wait_for_space: true, ..spec(data_dir) };
    let ballast = data_dir.join("ballast");
    let (stop, stopped) = watch::channel(None);
    let mut sessions = 0;
    let mut hear = |notice| match notice {
        Notice::Started { .. } => sessions += 1,
        Notice::Status(status) if sessions == 1 && status.committed > 50 && !ballast.exists() => {
            std::fs::write(&ballast, vec![1; 40 << 20]).unwrap();
        }
        Notice::Warning(_) => std::fs::remove_file(&ballast).unwrap(),
        Notice::Status(status) if sessions == 2 && status.committed > 50 => {
            stop.send_replace(Some("sigint"));
        }
        _ => {}
    };
    let run = collect::run(&waits, None, steady, stopped, &mut hear);
    let done = runtime().block_on(async { tokio::time::timeout(PATIENCE, run).await }).unwrap();
    assert!(done.failure.is_none(), "{:?}", done.failure);
    assert_eq!((done.report.sessions, done.report.cause.as_str()), (2, "sigint"));
    let (log, rows) = rows(data_dir);
    assert_eq!(rows.len() as u64, done.report.committed);
    let causes: Vec<_> = log.sessions().into_iter().map(|s| s.cause.unwrap()).collect();
    assert_eq!(causes, ["disk_full", "sigint"]);
    let holes = gaps(&rows, GapCause::DiskFull);
    assert_eq!(holes.len(), 2, "one closes the first session, one opens the second");
    assert_eq!(holes[1].since, log.sessions()[0].recv.unwrap().1);
}

#[test]
fn a_log_that_is_deleted_under_the_collector_is_not_claimed_to_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let mut hear = |notice| {
        if matches!(notice, Notice::Status(_)) {
            let _ = std::fs::remove_dir_all(dir.path().join("log"));
        }
    };
    let done = collect(&spec(dir.path()), steady, &mut hear);
    assert!(
        matches!(done.failure, Some(CollectError::LogLost { .. } | CollectError::Store(_))),
        "{:?}",
        done.failure
    );
    assert_eq!((done.report.committed, done.report.cause.as_str()), (0, "error"));
}

#[test]
fn a_feed_that_gives_up_ends_the_session_and_what_came_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let feed = |io: FeedIo| async move {
        io.out.send(batch(0..700, |_| now())).await.unwrap();
        Err(FeedError::Connect { url: "ws://x".into(), source: ConnectError::Unauthorized })
    };
    let done = collect(&spec(dir.path()), feed, &mut |_| {});
    assert!(matches!(done.failure, Some(CollectError::Feed(_))));
    assert_eq!((done.report.cause.as_str(), done.report.committed), ("feed_failed", 701));
    assert_eq!(rows(dir.path()).1.len(), 701);
}

#[test]
fn of_sampled_deltas_every_third_is_kept_and_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let third = CollectSpec { sample: 3, ..spec(dir.path()) };
    let done = collect(&third, |io| some(io, 5_000), &mut |_| {});
    let all = (0..5_000).map(|seq| record(seq, TsNs(0)));
    let deltas = all.filter(|r| matches!(r.event.body, Body::Delta(_))).count() as u64;
    assert_eq!(done.report.rows.deltas, deltas / 3);
    assert_eq!(done.report.committed, 5_001 - deltas + deltas / 3);
}

/// A dictionary of the three markets, as a writer wants it.
pub fn tickers() -> Tickers {
    let mut tickers = Tickers::default();
    for (i, name) in ["SIM-A", "SIM-B", "SIM-C"].into_iter().enumerate() {
        let id = tickers.intern(name);
        tickers.set_uuid(id, [i as u8; 16]);
    }
    tickers
}
