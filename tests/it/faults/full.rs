//! R4, the disk is full: in the middle of a transaction, while a segment is sealed, while files are exported.

use super::{say, spread, survived, times};
use crate::rows::{ROWS_PER_SEGMENT, check_all, files, record, session, tickers};
use kalshiflow::dataset::{self, DatasetError, ExportOptions};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, StoreError, Writer};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

const DISK_BYTES: u64 = 256 << 20;
/// Of it, what a round may use: the rest is taken once for all.
const ROOM_BYTES: u64 = 32 << 20;

/// A small disk in memory; gone when dropped.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, after saying so, where this process may not mount.
    pub fn mount(bytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if done.is_ok_and(|o| o.status.success()) {
            return Some(SmallDisk(dir));
        }
        say("SKIPPED: a small disk needs the right to mount a tmpfs (root)");
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it another size.
    pub fn resize(&self, bytes: u64) {
        let size = format!("remount,size={bytes}");
        let done = Command::new("mount").args(["-o", &size]).arg(self.path()).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Fills the disk with the file `name`, but for `leave` bytes.
fn ballast(disk: &Path, name: &str, leave: u64) {
    let mut file = File::create(disk.join(name)).unwrap();
    let chunk = vec![1u8; 1 << 20];
    while file.write_all(&chunk).is_ok() {}
    let full = file.metadata().unwrap().len();
    file.set_len(full.saturating_sub(leave)).unwrap();
}

/// Records until the disk is full or three segments are written; the rows said to be committed, and the error.
fn record_until_full(data_dir: &Path, from: u64) -> (u64, Option<StoreError>) {
    let mut committed = from - 1;
    let mut writer = match Writer::open(data_dir, session(1)) {
        Ok(writer) => writer,
        Err(e) => return (committed, Some(e)),
    };
    let tickers = tickers();
    for row_id in from..from + 3 * ROWS_PER_SEGMENT {
        let done = writer.append(&tickers, record(row_id)).and_then(|_| {
            if row_id.is_multiple_of(100) {
                committed = writer.commit()?;
            }
            Ok(())
        });
        if let Err(e) = done {
            return (committed, Some(e));
        }
    }
    match writer.finish("done") {
        Ok(_) => (from + 3 * ROWS_PER_SEGMENT - 1, None),
        Err(e) => (committed, Some(e)),
    }
}

/// Exports the log; `true` if the disk was full.
fn export(data_dir: &Path) -> Result<bool, String> {
    let log = match Log::open(data_dir) {
        Ok(log) => log,
        Err(StoreError::Full { .. }) => return Ok(true),
        Err(e) => return Err(e.to_string()),
    };
    match dataset::export(&log, data_dir, ExportOptions::default(), &mut |_| ()) {
        Ok(_) => Ok(false),
        Err(DatasetError::Log(StoreError::Full { .. })) => Ok(true),
        Err(DatasetError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => Ok(true),
        Err(e) => Err(format!("{e}: {e:?}")),
    }
}

/// Gives the space of `ballast` back at once: a program that another test is about to start may still hold
/// the file open, and removing it alone would then free nothing.
fn free(disk: &Path, name: &str) {
    let path = disk.join(name);
    File::options().write(true).open(&path).and_then(|file| file.set_len(0)).unwrap();
    std::fs::remove_file(path).unwrap();
}

/// What one round found wrong; `stops` counts what the full disk ended.
fn round(disk: &Path, rng: &mut Rng, stops: &mut [u64; 2]) -> Result<(), String> {
    let data = disk.join("data");
    // Anything from "no file can be created" to "all but the export fits".
    ballast(disk, "ballast", spread(rng, 0, ROOM_BYTES));
    let (committed, error) = record_until_full(&data, 1);
    stops[0] += u64::from(error.is_some());
    match error {
        None => {
            free(disk, "ballast");
            ballast(disk, "ballast", spread(rng, 0, 1 << 20));
            stops[1] += u64::from(export(&data)?);
            free(disk, "ballast");
        }
        Some(StoreError::Full { .. }) => free(disk, "ballast"),
        Some(other) => return Err(format!("not said as a full disk: {other}")),
    }
    // Space is back: the next session goes on behind what is there.
    if committed > 0 || data.join("log").exists() {
        let kept = if data.join("log").is_dir() { check_all(&data) } else { 0 };
        if kept < committed {
            return Err(format!("{kept} rows of {committed} committed ones"));
        }
        if !files(&data, "bad").is_empty() {
            return Err("a segment was set aside".into());
        }
        let (all, error) = record_until_full(&data, kept + 1);
        if let Some(e) = error {
            return Err(format!("does not go on: {e}"));
        }
        if check_all(&data) != all || export(&data)? {
            return Err("not all is there after space came back".into());
        }
    }
    std::fs::remove_dir_all(&data).map_err(|e| e.to_string())
}

#[test]
fn a_disk_that_fills_up_stops_the_writer_and_costs_no_committed_row() {
    let (n, mut stops, mut wrong) = (times(200, 1_000), [0; 2], Vec::new());
    for i in 0..n {
        // A disk of its own: no round takes space from the next, whoever still holds a deleted file open.
        let Some(disk) = SmallDisk::mount(DISK_BYTES) else { return };
        ballast(disk.path(), "rest", ROOM_BYTES);
        let done = round(disk.path(), &mut Rng::stream(4, "full", i), &mut stops);
        wrong.extend(done.err().map(|why| format!("round {i}: {why}")));
    }
    assert_eq!(wrong, [""; 0], "R4");
    assert!(stops[0] > n / 4 && stops[1] > 0, "the disk was hardly ever full: {stops:?}");
    survived("R4", "256 MiB disk full while recording, sealing, exporting", n, n, 0);
}
