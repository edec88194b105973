//! R6, the folder is not what it was: deleted, replaced, hidden or read-only while somebody writes to it.

use super::{fast_dir, say, survived, times};
use crate::rows::{check_all, read_rows, record, session, tickers, write};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, StoreError, Writer};
use std::path::Path;
use std::process::Command;

/// What happens to the folder of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// Somebody removes it.
    Deleted,
    /// It is moved away, and an empty one stands in its place.
    Replaced,
    /// Another disk, read-only, is mounted over it.
    Hidden,
    /// It is read-only before the writer starts.
    ReadOnly,
}

/// Undoes a mount when dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// False, after saying so, where this process may not mount.
fn mount(args: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(args).arg(at).output();
    let done = done.is_ok_and(|o| o.status.success());
    if !done {
        say("SKIPPED: a hidden or read-only folder needs the right to mount (root)");
    }
    done
}

/// Writes, loses the folder at a random moment, and goes on; `None` if the loss cannot be brought about here.
fn round(loss: Loss, rng: &mut Rng) -> Option<Result<(), String>> {
    let dir = fast_dir();
    let log = dir.path().join("log");
    if loss == Loss::ReadOnly {
        return read_only(dir.path(), &log);
    }
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    let tickers = tickers();
    let mut committed = 0;
    for row_id in 1..=1 + rng.below(5_000) {
        writer.append(&tickers, record(row_id)).unwrap();
        if rng.chance(0.01) {
            committed = writer.commit().unwrap();
        }
    }
    committed = writer.commit().unwrap().max(committed);
    let aside = dir.path().join("aside");
    let hidden = match loss {
        Loss::Deleted => std::fs::remove_dir_all(&log).map(|()| None).unwrap(),
        Loss::Replaced => {
            std::fs::rename(&log, &aside).unwrap();
            std::fs::create_dir(&log).map(|()| None).unwrap()
        }
        _ => match mount(&["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs"], &log) {
            true => Some(Mounted(&log)),
            false => return None,
        },
    };
    for row_id in committed + 1..=committed + 1 + rng.below(3_000) {
        if writer.append(&tickers, record(row_id)).is_err() {
            break;
        }
    }
    for _ in 0..2 {
        if let Ok(row_id) = writer.commit() {
            return Some(Err(format!("row {row_id} is said to be committed")));
        }
    }
    if writer.finish("done").is_ok() {
        return Some(Err("the session is said to be finished".into()));
    }
    drop(hidden);
    if loss == Loss::Replaced {
        std::fs::remove_dir_all(&log).unwrap();
        std::fs::rename(&aside, &log).unwrap();
    }
    if loss == Loss::Deleted {
        return Some(Ok(()));
    }
    // The rows may be there that the writer could not vouch for; those that it did must be.
    let rows = check_all(dir.path());
    Some(match rows >= committed {
        true => Ok(()),
        false => Err(format!("{rows} rows of {committed} committed ones")),
    })
}

/// A writer is refused; what is there can still be read, the unsealed rest is named.
fn read_only(dir: &Path, log: &Path) -> Option<Result<(), String>> {
    write(dir, 1, 1..200);
    let mut crashed = Writer::open(dir, session(2)).unwrap();
    crashed.append(&tickers(), record(200)).unwrap();
    crashed.commit().unwrap();
    drop(crashed);
    if !mount(&["--bind", log.to_str()?], log) {
        return None;
    }
    let _bound = Mounted(log);
    if !mount(&["-o", "remount,bind,ro"], log) {
        return None;
    }
    if let Ok(_) | Err(StoreError::Corrupt { .. }) = Writer::open(dir, session(3)) {
        return Some(Err("a writer starts, or speaks of damage".into()));
    }
    let open = Log::open(dir).map_err(|e| e.to_string());
    Some(open.and_then(|open| {
        let problems = open.verify().problems;
        match (read_rows(&open), &problems[..]) {
            ((ids, None), [one]) if ids.len() == 199 && one.contains("not sealed") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }))
}

#[test]
fn a_folder_that_is_lost_while_writing_takes_no_promise() {
    let losses = [Loss::Deleted, Loss::Replaced, Loss::Hidden, Loss::ReadOnly];
    let (mut n, mut good, mut lost) = (0, 0, 0);
    for i in 0..times(48, 480) {
        let loss = losses[i as usize % losses.len()];
        match round(loss, &mut Rng::stream(6, "gone", i)) {
            None => {}
            Some(Ok(())) => (n, good) = (n + 1, good + 1),
            Some(Err(why)) => {
                n += 1;
                lost += u64::from(why.contains("committed"));
                say(&format!("faults: R6 {loss:?}, round {i}: {why}"));
            }
        }
    }
    survived("R6", "folder deleted, replaced, hidden, read-only while writing", n, good, lost);
}
