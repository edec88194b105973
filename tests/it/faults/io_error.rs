//! R3, the disk fails: the n-th access of redb is an error, for every n, while recording and while mending.

use super::disk::{Access, Under, Weather};
use super::power::copy_log;
use super::{fast_dir, say, survived};
use crate::rows::{ROWS_PER_SEGMENT, check_all, files, record, session, tickers};
use kalshiflow::store::{StoreError, Writer};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fails one access, counted from 1.
struct FailAt {
    nth: u64,
    seen: AtomicU64,
}

impl FailAt {
    fn new(nth: u64) -> Arc<FailAt> {
        Arc::new(FailAt { nth, seen: AtomicU64::new(0) })
    }

    fn accesses(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Weather for FailAt {
    fn on(&self, _: u64, access: Access<'_>) -> io::Result<()> {
        if matches!(access, Access::Open(_)) {
            return Ok(());
        }
        match self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            true => Err(io::Error::other("planted")),
            false => Ok(()),
        }
    }
}

/// How a script ended.
struct End {
    /// The last row that was said to be committed.
    committed: u64,
    outcome: Result<(), StoreError>,
}

/// Records a segment and a half, goes on after an error as a careless caller would, and finishes.
fn recording(data_dir: &Path, disk: Arc<FailAt>) -> End {
    let mut end = End { committed: 0, outcome: Ok(()) };
    let mut writer = match Writer::open_on(Arc::new(Under(disk)), data_dir, session(1)) {
        Ok(writer) => writer,
        Err(e) => return End { outcome: Err(e), ..end },
    };
    let tickers = tickers();
    for row_id in 1..=ROWS_PER_SEGMENT + 60 {
        let done = writer.append(&tickers, record(row_id)).and_then(|_| {
            if row_id < 5 || row_id.is_multiple_of(1_200) {
                end.committed = writer.commit()?;
            }
            Ok(())
        });
        if let Err(e) = done {
            // Whoever tries again must not be told that all is well when it is not.
            end.committed = writer.commit().unwrap_or(end.committed);
            return End { outcome: Err(e), ..end };
        }
    }
    match writer.finish("done") {
        Ok(summary) => end.committed = summary.counts.records(),
        Err(e) => end.outcome = Err(e),
    }
    end
}

/// True if the log has every committed row after the disk works again, and nothing was set aside.
fn is_well(what: &str, nth: u64, data_dir: &Path, end: &End, all: u64) -> bool {
    let planted = match &end.outcome {
        Ok(()) => end.committed == all,
        // Damage would be a lie: the file is whole, the disk failed.
        Err(StoreError::Io { .. }) => true,
        Err(_) => false,
    };
    let rows = check_all(data_dir);
    let well = planted && rows >= end.committed && files(data_dir, "bad").is_empty();
    if !well {
        let End { committed, outcome } = end;
        say(&format!("faults: R3 {what}, access {nth}: {rows} rows, {committed}, {outcome:?}"));
    }
    well
}

/// Runs `script` with each of its accesses failing once; (runs, good runs, runs that lost rows).
fn sweep(what: &str, prepare: impl Fn(&Path), script: fn(&Path, Arc<FailAt>) -> End) -> [u64; 3] {
    let fresh = || {
        let dir = fast_dir();
        prepare(dir.path());
        dir
    };
    let (calm, dir) = (FailAt::new(0), fresh());
    let all = script(dir.path(), Arc::clone(&calm)).committed;
    assert_eq!(check_all(dir.path()), all);
    let mut tally = [0; 3];
    // The sealing thread makes the number of accesses vary by a few.
    for nth in 1..=calm.accesses() + 8 {
        let dir = fresh();
        let end = script(dir.path(), FailAt::new(nth));
        let good = is_well(what, nth, dir.path(), &end, all);
        tally[0] += 1;
        tally[1] += u64::from(good);
        tally[2] += u64::from(check_all(dir.path()) < end.committed);
    }
    tally
}

/// A writer starts where a killed one left a segment; all of it was committed.
fn mending(data_dir: &Path, disk: Arc<FailAt>) -> End {
    let left = ROWS_PER_SEGMENT / 2;
    let outcome = Writer::open_on(Arc::new(Under(disk)), data_dir, session(2))
        .and_then(|writer| writer.finish("done"))
        .map(|_| ());
    End { committed: left, outcome }
}

/// The log as a kill leaves it: the file of a writer that is still at work, copied.
fn killed(data_dir: &Path) {
    let dir = fast_dir();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    let tickers = tickers();
    for row_id in 1..=ROWS_PER_SEGMENT / 2 {
        writer.append(&tickers, record(row_id)).unwrap();
    }
    writer.commit().unwrap();
    copy_log(dir.path(), data_dir);
}

#[test]
fn an_error_of_the_disk_at_any_access_is_said_and_costs_no_committed_row() {
    let [a, b] = [sweep("recording", |_| {}, recording), sweep("mending", killed, mending)];
    let [n, good, lost] = std::array::from_fn(|i| a[i] + b[i]);
    survived("R3", "I/O error at the n-th access, every n, recording and mending", n, good, lost);
}
