//! R5, bytes change on the disk: flipped, zeroed, cut off, or in the wrong file.

use super::power::copy_log;
use super::{fast_dir, say, survived, times};
use crate::cli::kflow;
use crate::rows::{ROWS_PER_SEGMENT, check_all, files, read_rows, record, session, tickers, write};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, Writer};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ROWS_PER_COMMIT: u64 = 100;

/// A log and what its files hold.
struct Sample {
    dir: TempDir,
    /// First and last row of each file.
    rows: BTreeMap<PathBuf, RangeInclusive<u64>>,
}

impl Sample {
    /// Two sessions in four sealed segments.
    fn sealed() -> Sample {
        let dir = fast_dir();
        write(dir.path(), 1, 1..2 * ROWS_PER_SEGMENT + 101);
        let next = 2 * ROWS_PER_SEGMENT + 101;
        write(dir.path(), 2, next..next + 900);
        Sample::of(dir, next + 899)
    }

    /// A sealed session, and the segment that a killed writer left.
    fn live() -> Sample {
        let dir = fast_dir();
        write(dir.path(), 1, 1..501);
        let mut writer = Writer::open(dir.path(), session(2)).unwrap();
        let tickers = tickers();
        for row_id in 501..=3_000 {
            writer.append(&tickers, record(row_id)).unwrap();
            if row_id % ROWS_PER_COMMIT == 0 {
                writer.commit().unwrap();
            }
        }
        let copy = fast_dir();
        copy_log(dir.path(), copy.path());
        Sample::of(copy, 3_000)
    }

    fn of(dir: TempDir, last: u64) -> Sample {
        let mut names = files(dir.path(), "redb");
        names.extend(files(dir.path(), "live"));
        let first = |path: &PathBuf| -> u64 {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            stem.split_once('-').unwrap().1.parse().unwrap()
        };
        let firsts: Vec<u64> = names.iter().map(first).collect();
        let ends = firsts.iter().skip(1).map(|next| next - 1).chain([last]);
        let rows = firsts.iter().zip(ends).map(|(first, end)| *first..=end);
        let names = names.iter().map(|path| PathBuf::from(path.file_name().unwrap()));
        Sample { rows: names.zip(rows).collect(), dir }
    }

    fn last(&self) -> u64 {
        *self.rows.values().next_back().unwrap().end()
    }
}

/// Damages files of the log in `dir`; their names.
fn damage(dir: &Path, live_only: bool, rng: &mut Rng) -> Vec<PathBuf> {
    let files = files(dir, if live_only { "live" } else { "redb" });
    let pick = |rng: &mut Rng| files[rng.below(files.len() as u64) as usize].clone();
    let path = pick(rng);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(if live_only { 5 } else { 6 }) {
        0 => bytes.truncate(at),
        1 => bytes[at..].fill(0),
        2 => {
            let end = bytes.len().min(at + 4_096);
            bytes[at..end].fill(0);
        }
        3 => (0..16).for_each(|_| {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.below(256) as u8;
        }),
        4 => bytes[at] ^= 1 << rng.below(8),
        _ => {
            let other = pick(rng);
            let theirs = std::fs::read(&other).unwrap();
            if other != path && rng.chance(0.5) {
                std::fs::write(&other, &bytes).unwrap();
            }
            std::fs::write(&path, theirs).unwrap();
            return vec![path, other];
        }
    }
    std::fs::write(&path, bytes).unwrap();
    vec![path]
}

/// `Err` with what is wrong, else whether the damage was found (and not harmless).
fn round(sample: &Sample, live: bool, rng: &mut Rng) -> Result<bool, String> {
    let dir = fast_dir();
    copy_log(sample.dir.path(), dir.path());
    let damaged = damage(dir.path(), live, rng);
    // In a process of its own: an abort would be seen.
    let out = kflow(&["data", "verify", "--data"]).arg(dir.path()).output().unwrap();
    let found = match out.status.code() {
        Some(0) => false,
        Some(5) => true,
        other => return Err(format!("exit {other:?}: {}", String::from_utf8_lossy(&out.stderr))),
    };
    if !found {
        // Nothing of ours stood there: then nothing is missing.
        let rows = check_all(dir.path());
        return match rows == sample.last()
            || (live && is_the_crash(dir.path(), sample.last() - rows))
        {
            true => Ok(false),
            false => Err(format!("{rows} rows, and no word about it")),
        };
    }
    // With the damaged files out of the way the others are read, and the hole is still told.
    let undamaged = |name: &Path| !damaged.iter().any(|d| d.file_name() == Some(name.as_os_str()));
    for path in &damaged {
        for name in [path.clone(), path.with_extension("redb"), path.with_extension("bad")] {
            let _ = std::fs::remove_file(name);
        }
    }
    let log = Log::open(dir.path()).map_err(|e| e.to_string())?;
    let (ids, error) = read_rows(&log);
    let kept = sample.rows.iter().filter(|(name, _)| undamaged(name));
    let want: Vec<u64> = kept.flat_map(|(_, rows)| rows.clone()).collect();
    match error {
        Some(e) => Err(format!("the other segments are not served: {e}")),
        None if ids != want => Err(format!("{} rows served, {} undamaged", ids.len(), want.len())),
        None => Ok(true),
    }
}

/// A damaged last transaction of a live file is, byte for byte, one that the crash tore: it is rolled back, and
/// told by the session's end.
fn is_the_crash(dir: &Path, rows_missing: u64) -> bool {
    let sessions = Log::open(dir).unwrap().sessions();
    rows_missing == ROWS_PER_COMMIT && sessions.last().unwrap().cause.as_deref() == Some("crash")
}

#[test]
fn damage_is_found_or_harmless_and_keeps_no_other_segment_from_being_read() {
    let (sealed, live) = (Sample::sealed(), Sample::live());
    let n = times(500, 10_000);
    let (mut good, mut found, mut lost) = (0, 0, 0);
    for i in 0..n {
        let of_live = i % 4 == 0;
        let sample = if of_live { &live } else { &sealed };
        match round(sample, of_live, &mut Rng::stream(5, "damage", i)) {
            Ok(was_found) => (good, found) = (good + 1, found + u64::from(was_found)),
            Err(why) => {
                lost += u64::from(why.contains("no word"));
                say(&format!("faults: R5 round {i}, live {of_live}: {why}"));
            }
        }
    }
    say(&format!("faults: R5: {found} of {n} found, the others harmless"));
    let what = "flipped, zeroed, cut, swapped bytes: found or harmless, the rest served";
    survived("R5", what, n, good, lost);
}
