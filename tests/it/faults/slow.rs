//! R12, the disk is slow: the writer makes its caller wait, keeps its memory, and loses nothing.

use super::disk::{Access, Under, Weather};
use super::{fast_dir, survived, times};
use crate::rows::{ROWS_PER_SEGMENT, check_all, record, session, tickers};
use kalshiflow::rng::Rng;
use kalshiflow::store::Writer;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CHILD: &str = "KFLOW_TEST_SLOW_DISK";
/// The queue between whoever receives and the log thread, as a collector has one.
const QUEUE_ROWS: usize = 1_024;
/// The cap of the whole process.
const MEMORY_KIB: u64 = 256 << 10;

/// Every sync takes a random time.
struct Slow {
    syncs: AtomicU64,
    rng: Mutex<Rng>,
    up_to_ms: u64,
}

impl Weather for Slow {
    fn on(&self, _: u64, access: Access<'_>) -> io::Result<()> {
        if matches!(access, Access::Sync) {
            self.syncs.fetch_add(1, Ordering::SeqCst);
            let ms = self.rng.lock().unwrap().below(self.up_to_ms + 1);
            std::thread::sleep(Duration::from_millis(ms));
        }
        Ok(())
    }
}

/// Records a burst as fast as it can be made through a bounded queue; says how many syncs were slow, how many
/// rows there were, and the most memory that was ever held.
fn burst(dir: &Path) {
    let slow = Arc::new(Slow {
        syncs: AtomicU64::new(0),
        rng: Mutex::new(Rng::stream(12, "slow", 0)),
        up_to_ms: times(20, 5_000),
    });
    let mut writer = Writer::open_on(Arc::new(Under(Arc::clone(&slow))), dir, session(1)).unwrap();
    let (queue, received) = sync_channel(QUEUE_ROWS);
    let syncs = Arc::clone(&slow);
    let receiver = std::thread::spawn(move || {
        for row_id in 1u64.. {
            if syncs.syncs.load(Ordering::SeqCst) >= times(200, 200) {
                return row_id - 1;
            }
            queue.send(record(row_id)).unwrap();
        }
        0
    });
    let tickers = tickers();
    for record in received {
        writer.append(&tickers, record).unwrap();
    }
    let rows = receiver.join().unwrap();
    writer.finish("done").unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak_kib = peak.split_whitespace().next().unwrap();
    println!("slow: {} {rows} {peak_kib};", slow.syncs.load(Ordering::SeqCst));
}

#[test]
fn a_slow_disk_makes_the_sender_wait_and_nothing_is_lost() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return burst(Path::new(&dir));
    }
    let dir = fast_dir();
    // A process of its own: only so is its memory the writer's.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["faults::slow::a_slow_disk_makes_the_sender_wait_and_nothing_is_lost", "--exact"])
        .arg("--nocapture")
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(child.stdout).unwrap();
    let figures = out.split_once("slow: ").and_then(|(_, rest)| rest.split_once(';'));
    let figures: Vec<u64> = figures
        .unwrap_or_else(|| panic!("{out}{}", String::from_utf8_lossy(&child.stderr)))
        .0
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let [syncs, rows, peak_kib] = figures[..] else { panic!("{out}") };
    assert!(rows > ROWS_PER_SEGMENT, "only {rows} rows");
    assert!(peak_kib < MEMORY_KIB, "{peak_kib} KiB");
    let lost = rows - check_all(dir.path()).min(rows);
    survived(
        "R12",
        "every sync of the disk slow: memory bounded, sender waits",
        syncs,
        syncs,
        lost,
    );
}
