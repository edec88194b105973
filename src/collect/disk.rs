//! The disk below the log: space left, growth, and whether the log is still where it was.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Growth is measured over the last hour: segments are sealed hourly, and then shrink.
const GROWTH_OVER: Duration = Duration::from_secs(3_600);
/// And from samples this far apart.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// What a look at the disk shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Space {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Size of the log.
    pub log_bytes: u64,
    /// Growth of the log, bytes per minute.
    pub log_bytes_per_min: f64,
}

impl Space {
    /// Days until the disk is full; `None` while the log does not grow.
    pub fn days(&self) -> Option<f64> {
        let per_day = self.log_bytes_per_min * 60.0 * 24.0;
        (per_day > 0.0).then(|| self.free_bytes as f64 / per_day)
    }
}

/// Watches the folder of a log.
pub struct Watch {
    dir: PathBuf,
    /// Which folder it was at the start.
    identity: (u64, u64),
    samples: VecDeque<(Instant, u64)>,
}

impl Watch {
    /// Begins to watch `dir`, which must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn begin(dir: &Path) -> std::io::Result<Watch> {
        let identity = identity(&std::fs::metadata(dir)?);
        Ok(Watch { dir: dir.to_owned(), identity, samples: VecDeque::new() })
    }

    /// Looks.
    ///
    /// # Errors
    /// When the folder is gone, is another one, or may not be written any more: nothing that is written from
    /// now on would be found there.
    pub fn look(&mut self, now: Instant) -> std::io::Result<Space> {
        if identity(&std::fs::metadata(&self.dir)?) != self.identity {
            return Err(std::io::Error::other("another folder has taken its place"));
        }
        // The lock's file is the first that a deletion takes.
        std::fs::metadata(self.dir.join("LOCK"))?;
        rustix::fs::access(&self.dir, rustix::fs::Access::WRITE_OK)?;
        let log_bytes = size_of(&self.dir)?;
        Ok(Space {
            free_bytes: free_bytes(&self.dir)?,
            log_bytes,
            log_bytes_per_min: self.growth(now, log_bytes),
        })
    }

    fn growth(&mut self, now: Instant, bytes: u64) -> f64 {
        if self.samples.back().is_none_or(|(at, _)| now - *at >= SAMPLE_EVERY) {
            self.samples.push_back((now, bytes));
        }
        while self.samples.front().is_some_and(|(at, _)| now - *at > GROWTH_OVER) {
            self.samples.pop_front();
        }
        let Some((at, before)) = self.samples.front() else { return 0.0 };
        let minutes = (now - *at).as_secs_f64() / 60.0;
        if minutes > 0.0 { bytes.saturating_sub(*before) as f64 / minutes } else { 0.0 }
    }
}

/// Bytes that may still be written on the disk of `path`.
///
/// # Errors
/// When it cannot be asked.
pub fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn identity(folder: &Metadata) -> (u64, u64) {
    (folder.dev(), folder.ino())
}

fn size_of(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        // A file that goes while we look counts nothing.
        bytes += entry?.metadata().map_or(0, |m| m.blocks() * 512);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::create_dir(&log).unwrap();
        std::fs::write(log.join("LOCK"), "1").unwrap();
        (dir, log)
    }

    #[test]
    fn a_folder_that_was_removed_or_replaced_is_not_the_log() {
        let (_dir, log) = log();
        let mut watch = Watch::begin(&log).unwrap();
        assert!(watch.look(Instant::now()).unwrap().free_bytes > 0);
        std::fs::remove_file(log.join("LOCK")).unwrap();
        assert!(watch.look(Instant::now()).is_err());
        // The old folder keeps its place on the disk, so that the new one cannot get its number.
        std::fs::rename(&log, log.with_extension("old")).unwrap();
        assert!(watch.look(Instant::now()).is_err());
        std::fs::create_dir(&log).unwrap();
        std::fs::write(log.join("LOCK"), "1").unwrap();
        assert!(watch.look(Instant::now()).is_err());
    }

    #[test]
    fn growth_is_told_per_minute_and_in_days_left() {
        let (_dir, log) = log();
        let mut watch = Watch::begin(&log).unwrap();
        let start = Instant::now();
        watch.look(start).unwrap();
        std::fs::write(log.join("rows"), vec![1; 1 << 20]).unwrap();
        let space = watch.look(start + Duration::from_secs(30)).unwrap();
        assert!((space.log_bytes_per_min - f64::from(2 << 20)).abs() < 10_000.0, "{space:?}");
        assert!(space.days().is_some_and(|d| d > 0.0));
        assert_eq!(Space::default().days(), None);
    }
}
