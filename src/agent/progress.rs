//! The numbers of a run: one row per logged update, in `progress.csv`, `progress.jsonl` and TensorBoard.
//!
//! `progress.*` and `diagnostics.jsonl` hold nothing that a clock decides, so that the same seed gives the same
//! bytes; the clock's figures stand in `timing.jsonl` and in the event file. `diagnostics.jsonl` has, for each
//! row, what the policy does at which spread, the observations that never change, and what [`diagnosis`] finds.
//!
//! [`diagnosis`]: super::diagnosis
//!
//! | key | what it is | healthy |
//! |---|---|---|
//! | `rollout/ep_rew_mean`, `ep_len_mean` | mean return and length of the last 100 episodes | rising return |
//! | `rollout/nonzero_reward_share` | share of steps with a reward | above 0 |
//! | `action_share/<a>`, `action_reward/<a>` | how often each action was taken, and its mean reward | no action near 1 for long |
//! | `time/iterations`, `time/total_timesteps` | rollouts and environment steps done | |
//! | `train/approx_kl` | how far the update moved the policy, nats (last epoch) | below about 0.02 |
//! | `train/clip_fraction` | share of rows outside the clip range | 0.05 to 0.3 |
//! | `train/entropy_loss` | minus the mean entropy | slowly rising towards 0 |
//! | `train/explained_variance` | 1 = the value foretells the return, 0 = no better than a constant | rising, above 0 |
//! | `train/policy_gradient_loss` (A2C: `policy_loss`), `value_loss`, `loss` | the parts and the last sum | no trend to expect |
//! | `train/n_updates`, `learning_rate`, `clip_range` | passes over rollouts; schedules' present values | |

use super::tfevents::EventWriter;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// One row: keys in writing order, each with its number if there is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Key and value.
    pub entries: Vec<(String, Option<f64>)>,
}

impl Record {
    /// Adds an entry.
    pub fn put(&mut self, key: &str, value: impl Into<Option<f64>>) {
        self.entries.push((key.to_owned(), value.into()));
    }

    /// The number under `key`, if there is one.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.entries.iter().find(|(k, _)| k == key).and_then(|(_, value)| *value)
    }

    /// As a JSON object; a missing or infinite number is `null`.
    pub fn to_json(&self) -> Value {
        let map: Map<String, Value> = self
            .entries
            .iter()
            .map(|(key, value)| (key.clone(), value.map_or(Value::Null, Value::from)))
            .collect();
        Value::Object(map)
    }

    fn csv_head(&self) -> String {
        self.entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(",")
    }

    fn csv_row(&self) -> String {
        let cell = |value: &Option<f64>| value.map_or(String::new(), |v| v.to_string());
        self.entries.iter().map(|(_, value)| cell(value)).collect::<Vec<_>>().join(",")
    }
}

/// The last row that the run in `dir` wrote; empty where it logged none.
///
/// # Errors
/// When the rows cannot be read.
pub fn last_row(dir: &Path) -> io::Result<Record> {
    let text = std::fs::read_to_string(dir.join("progress.csv"))?;
    let mut rows = text.lines();
    let (Some(head), Some(row)) = (rows.next(), rows.last()) else { return Ok(Record::default()) };
    let number = |cell: &str| (!cell.is_empty()).then(|| cell.parse::<f64>()).transpose();
    let mut record = Record::default();
    for (key, cell) in head.split(',').zip(row.split(',')) {
        let number = number(cell).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        record.put(key, number);
    }
    Ok(record)
}

/// What a clock says about a run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds since 1970.
    pub unix_s: f64,
    /// Seconds since this process began the run or took it up again.
    pub elapsed_s: f64,
    /// Environment steps per second since then.
    pub fps: f64,
}

/// The open progress files of a run.
pub struct ProgressLog {
    csv: File,
    jsonl: File,
    diagnostics: File,
    timing: File,
    events: EventWriter,
    rows: u64,
}

impl ProgressLog {
    /// Opens the files in `dir`, keeping the first `rows` rows of what is there: a run that is taken
    /// up again writes the later ones anew. `unix_s` names the event file.
    ///
    /// # Errors
    /// When a file cannot be read or written, or has fewer rows.
    pub fn open(dir: &Path, rows: u64, unix_s: f64) -> io::Result<ProgressLog> {
        Ok(ProgressLog {
            // The header is one line more.
            csv: keep_lines(&dir.join("progress.csv"), if rows > 0 { rows + 1 } else { 0 })?,
            jsonl: keep_lines(&dir.join("progress.jsonl"), rows)?,
            diagnostics: keep_lines(&dir.join("diagnostics.jsonl"), rows)?,
            timing: keep_lines(&dir.join("timing.jsonl"), rows)?,
            events: EventWriter::create(dir, unix_s)?,
            rows,
        })
    }

    /// Appends a row with its diagnostics; `step` is TensorBoard's axis.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(
        &mut self,
        record: &Record,
        diagnostics: &Value,
        step: u64,
        clock: Clock,
    ) -> io::Result<()> {
        if self.rows == 0 {
            writeln!(self.csv, "{}", record.csv_head())?;
        }
        self.rows += 1;
        writeln!(self.csv, "{}", record.csv_row())?;
        writeln!(self.jsonl, "{}", record.to_json())?;
        writeln!(self.diagnostics, "{diagnostics}")?;
        let mut timing = Record::default();
        timing.put("time/total_timesteps", step as f64);
        timing.put("time/fps", clock.fps);
        timing.put("time/time_elapsed", clock.elapsed_s);
        timing.put("unix_s", clock.unix_s);
        writeln!(self.timing, "{}", timing.to_json())?;
        let timed = record.entries.iter().chain(&timing.entries[1..3]);
        let scalars: Vec<(&str, f64)> =
            timed.filter_map(|(key, value)| Some((key.as_str(), (*value)?))).collect();
        self.events.scalars(step, &scalars, clock.unix_s)
    }

    /// Brings all rows to the disk: a saved state must not know of rows that are not there.
    ///
    /// # Errors
    /// When the disk cannot take them.
    pub fn sync(&self) -> io::Result<()> {
        [&self.csv, &self.jsonl, &self.diagnostics].into_iter().try_for_each(File::sync_data)
    }
}

/// The file at `path`, cut after its first `lines` lines and open for appending. What is kept is never
/// written again, so that a kill in between costs nothing.
fn keep_lines(path: &Path, lines: u64) -> io::Result<File> {
    let mut options = File::options();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
    let (mut reader, mut line, mut kept) = (BufReader::new(&file), Vec::new(), 0);
    for _ in 0..lines {
        line.clear();
        kept += reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            let what = format!("{} has fewer rows than the saved state", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    }
    file.set_len(kept)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Clock = Clock { unix_s: 1.7e9, elapsed_s: 2.0, fps: 50.0 };

    fn row(i: u32) -> Record {
        let mut record = Record::default();
        record.put("time/iterations", f64::from(i));
        record.put("rollout/ep_rew_mean", (i > 1).then_some(0.5));
        record
    }

    #[test]
    fn a_run_taken_up_again_writes_the_same_files() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |dir: &Path, kept, rows: std::ops::Range<u32>| {
            let mut log = ProgressLog::open(dir, kept, NOON.unix_s).unwrap();
            rows.for_each(|i| log.write(&row(i), &Value::Null, u64::from(i) * 100, NOON).unwrap());
        };
        write(whole.path(), 0, 1..6);
        // The first process wrote a fourth row that its saved state does not know.
        write(parts.path(), 0, 1..5);
        write(parts.path(), 3, 4..6);
        for name in ["progress.csv", "progress.jsonl", "timing.jsonl"] {
            let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).unwrap();
            assert_eq!(read(whole.path()), read(parts.path()), "{name}");
        }
        assert_eq!(last_row(parts.path()).unwrap(), row(5));
        let csv = std::fs::read_to_string(whole.path().join("progress.csv")).unwrap();
        assert!(csv.starts_with("time/iterations,rollout/ep_rew_mean\n1,\n2,0.5\n"), "{csv}");
    }

    #[test]
    fn a_file_that_lost_rows_is_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = ProgressLog::open(dir.path(), 0, NOON.unix_s).unwrap();
        log.write(&row(1), &Value::Null, 100, NOON).unwrap();
        assert!(ProgressLog::open(dir.path(), 1, NOON.unix_s).is_ok());
        assert!(ProgressLog::open(dir.path(), 2, NOON.unix_s).is_err());
        let csv = std::fs::read_to_string(dir.path().join("progress.csv")).unwrap();
        assert_eq!(csv.lines().count(), 2, "a refusal takes nothing away: {csv}");
    }

    #[test]
    fn infinite_numbers_do_not_break_the_json() {
        let mut record = Record::default();
        record.put("train/loss", f64::NAN);
        assert_eq!(record.to_json().to_string(), r#"{"train/loss":null}"#);
    }
}
