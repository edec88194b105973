//! The fault matrix: what is done to the program, how often, and that it lost nothing that it had promised.
//!
//! A row of the matrix is one test. It does its worst `n` times and then says so, once:
//!
//! ```ignore
//! faults::survived("R5", "flipped bits, cut ends, swapped files", n, survived, lost_committed);
//! ```
//!
//! `survived` counts the injections after which everything held that the row's test asks for, `lost_committed`
//! the rows that were said to be committed and are gone. The call fails the test unless all survived and
//! nothing was lost. It prints the line past libtest's capture, keeps it in `faults/R5.json` below the target's
//! temporary folder, and when all of [`ROWS`] came in during one run, prints the table.
//!
//! To add a row: name it in [`ROWS`], write its test (here or beside what it tests), call [`survived`] at its
//! end, run all rows once and then `KFLOW_UPDATE_README=1 cargo test --test it the_table_of_faults`, which
//! writes the table into the README. Counts are those for every change; `KFLOW_LONG=1` takes the larger ones.

mod damage;
mod disk;
mod export;
mod frames;
mod full;
pub mod golden;
mod gone;
mod io_error;
mod network;
mod power;
mod process;
mod slow;
#[cfg(feature = "learn")]
mod train;

pub use full::SmallDisk;
pub use golden::golden_segment;

use kalshiflow::rng::Rng;
use kalshiflow::units::TsUs;
use kalshiflow::wire::convert::time_text;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The rows that have a test.
pub const ROWS: [&str; 23] = [
    "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
    "R16", "R17", "R18", "R19", "R20", "R21", "R22", "R24",
];

/// What a row's test says at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    row: String,
    what: String,
    n: u64,
    survived: u64,
    lost_committed: u64,
    /// UTC day.
    date: String,
    /// Process that ran it: lines of one run belong together.
    run: u32,
}

/// Says how a row went; see the head of this file.
///
/// # Panics
/// Unless all `n` injections were survived and no committed row is lost.
#[track_caller]
pub fn survived(row: &str, what: &str, n: u64, survived: u64, lost_committed: u64) {
    assert!(ROWS.contains(&row), "name {row} in faults::ROWS");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let date = time_text(TsUs::from_ms(now.as_millis() as i64)).split('T').next().unwrap().into();
    let line = Line {
        row: row.into(),
        what: what.into(),
        n,
        survived,
        lost_committed,
        date,
        run: std::process::id(),
    };
    record(&line);
    assert!(n > 0, "{row}: nothing was injected");
    assert_eq!((survived, lost_committed), (n, 0), "{row}: {what}");
}

/// Prints the line and keeps it; the last row of a run prints the table.
fn record(line: &Line) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    say(&format!(
        "faults: {} {} {}/{} survived, {} committed lost",
        line.row, line.what, line.survived, line.n, line.lost_committed
    ));
    std::fs::create_dir_all(folder()).unwrap();
    let text = serde_json::to_string(line).unwrap();
    std::fs::write(folder().join(format!("{}.json", line.row)), text).unwrap();
    let of_this_run: Vec<Line> = stored().into_iter().filter(|l| l.run == line.run).collect();
    if of_this_run.len() == ROWS.len() {
        say(&table(&of_this_run));
    }
}

/// Past libtest, which captures `eprintln!` but not this.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// How often to inject: `usual`, or `long` with `KFLOW_LONG=1`.
pub fn times(usual: u64, long: u64) -> u64 {
    if std::env::var_os("KFLOW_LONG").is_some() { long } else { usual }
}

/// Less memory than this is not worth the name of a disk.
const ROOM_BYTES: u64 = 2 << 30;

/// A folder in memory where there is room: the tests below write gigabytes that nobody needs on a disk.
pub fn fast_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if rustix::fs::statvfs(memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize > ROOM_BYTES)
        && let Ok(dir) = tempfile::tempdir_in(memory)
    {
        return dir;
    }
    tempfile::tempdir().unwrap()
}

/// A number from `from` to `to`, both included; small ones are as likely as large ones.
fn spread(rng: &mut Rng, from: u64, to: u64) -> u64 {
    let span = to - from + 1;
    let bits = rng.below(u64::from(span.ilog2()) + 2);
    from + rng.below(span.min(1 << bits))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults")
}

/// What the rows said last, in the order of the matrix.
fn stored() -> Vec<Line> {
    let read = |row: &&str| std::fs::read(folder().join(format!("{row}.json"))).ok();
    ROWS.iter().filter_map(read).filter_map(|text| serde_json::from_slice(&text).ok()).collect()
}

/// The table as Markdown, with its sum, date and machine.
fn table(lines: &[Line]) -> String {
    let mut text = String::from("| row | fault | survived | committed lost |\n|---|---|---|---|\n");
    for Line { row, what, n, survived, lost_committed, .. } in lines {
        text += &format!("| {row} | {what} | {survived}/{n} | {lost_committed} |\n");
    }
    let sum = |of: fn(&Line) -> u64| lines.iter().map(of).sum::<u64>();
    let (n, survived) = (sum(|l| l.n), sum(|l| l.survived));
    let lost = sum(|l| l.lost_committed);
    let date = lines.iter().map(|l| l.date.as_str()).max().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    text + &format!(
        "\nFaults survived {survived}/{n}, committed messages lost {lost} ({date}, {cores} cores, {}).\n",
        std::env::consts::ARCH
    )
}

/// The README's table names every row, and every row of it was survived. `KFLOW_UPDATE_README=1` writes it anew
/// from what the rows said last.
#[test]
fn the_table_of_faults_is_complete() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mark = "<!-- faults -->\n";
    let start = text.find(mark).expect("README has a part `faults`") + mark.len();
    let len = text[start..].find("<!-- end -->").expect("end of the part");
    if std::env::var("KFLOW_UPDATE_README").is_ok_and(|v| v == "1") {
        let lines = stored();
        let missing = |row: &&&str| !lines.iter().any(|l| l.row == **row);
        assert_eq!(ROWS.iter().find(missing), None, "run this row first");
        let (before, after) = (&text[..start], &text[start + len..]);
        std::fs::write(path, format!("{before}{}{after}", table(&lines))).unwrap();
        return;
    }
    let part = &text[start..start + len];
    for row in ROWS {
        let line = part.lines().find(|l| l.starts_with(&format!("| {row} |")));
        let cells: Vec<&str> = line.unwrap_or_default().split('|').map(str::trim).collect();
        let counts = cells.get(3).and_then(|c| c.split_once('/'));
        assert!(
            counts.is_some_and(|(survived, n)| survived == n && n != "0") && cells[4] == "0",
            "{row} in the README: {line:?}; KFLOW_UPDATE_README=1 rewrites the table"
        );
    }
    assert!(part.contains("committed messages lost 0"), "{part}");
}
