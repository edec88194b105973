//! The kill switch: a small file in the data directory that stops trading, and keeps it stopped over restarts.
//!
//! ```text
//! trading is stopped until somebody says: kflow risk reset
//! cause = daily_loss
//! at = 2026-11-21T15:04:05.000000Z
//! detail = lost 21.500000 dollars today, 20.000000 allowed
//! ```
//!
//! `kflow risk kill` writes it, an actor that trips writes it, and so may anybody: a file of that name stops
//! trading whatever it holds, `touch datasets/KILL` does. Nothing but `kflow risk reset` takes it away.

use super::risk::{Cause, Trip};
use crate::units::{TsNs, TsUs};
use crate::wire::convert;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// Name of the file in the data directory.
pub const KILL_FILE: &str = "KILL";
/// How often the file is looked for: well within the 50 ms in which orders have to stop.
const LOOK: Duration = Duration::from_millis(10);
/// What a person reads first.
const HEAD: &str = "trading is stopped until somebody says: kflow risk reset";
/// More of the file is not read: a line or two were written by us.
const READ_BYTES_MAX: usize = 4_096;

/// The kill file could not be written or taken away.
#[derive(Debug, thiserror::Error)]
#[error("cannot change the kill file {}", path.display())]
pub struct KillError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub why: std::io::Error,
}

/// The kill file of one data directory.
#[derive(Clone, Debug)]
pub struct KillFile {
    path: PathBuf,
}

impl KillFile {
    /// The one in `data`.
    pub fn at(data: &Path) -> KillFile {
        KillFile { path: data.join(KILL_FILE) }
    }

    /// What stopped trading; `None` while there is no such file. A file that cannot be read stops it, too.
    pub fn read(&self) -> Option<Trip> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            bytes => bytes.unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(READ_BYTES_MAX)]);
        let field = |name: &str| {
            let pairs = text.lines().filter_map(|line| line.split_once(" = "));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let word = field("cause").unwrap_or_default();
        let cause = Cause::ALL.into_iter().find(|cause| cause.word() == word);
        let at = field("at").and_then(|at| convert::time(at.as_bytes()).ok());
        Some(Trip {
            cause: cause.unwrap_or(Cause::File),
            at: at.map_or_else(|| self.changed(), |at| TsNs(at.0.saturating_mul(1_000))),
            detail: field("detail").unwrap_or_default(),
        })
    }

    /// Writes down what stopped trading, safe from power loss when it returns. What stands there already stays:
    /// the first cause counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, trip: &Trip) -> Result<(), KillError> {
        let at = convert::time_text(TsUs(trip.at.0.div_euclid(1_000)));
        let detail: String = trip.detail.chars().filter(|c| !c.is_control()).collect();
        let cause = trip.cause.word();
        let text = format!("{HEAD}\ncause = {cause}\nat = {at}\ndetail = {detail}\n");
        let write = || -> std::io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            // It has its name when it is whole: who looks for it reads the cause.
            let draft = self.path.with_extension(format!("{}.tmp", uuid::Uuid::now_v7()));
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            match fs::hard_link(&draft, &self.path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // A file system without links: then the last cause counts.
                Err(_) => return fs::rename(&draft, &self.path),
                Ok(()) => File::open(folder)?.sync_all()?,
            }
            fs::remove_file(&draft)
        };
        write().map_err(|why| self.error(why))
    }

    /// Lets trading go on: takes the file away. True if there was one.
    ///
    /// # Errors
    /// When it is there and stays.
    pub fn reset(&self) -> Result<bool, KillError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(why) => Err(self.error(why)),
        }
    }

    /// Waits for the file, or for SIGUSR1, which then is written down.
    ///
    /// # Errors
    /// When the system gives no handler for the signal, or the file cannot be written.
    pub async fn wait(&self) -> Result<Trip, KillError> {
        let mut asked = signal(SignalKind::user_defined1()).map_err(|why| self.error(why))?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(()) = asked.recv() => {
                    let detail = "SIGUSR1".to_owned();
                    let trip = Trip { cause: Cause::Signal, at: now(), detail };
                    self.write(&trip)?;
                    return Ok(trip);
                }
                _ = look.tick() => if let Some(trip) = self.read() {
                    return Ok(trip);
                }
            }
        }
    }

    /// When a file that does not say so itself was made.
    fn changed(&self) -> TsNs {
        let changed = fs::metadata(&self.path).and_then(|meta| meta.modified());
        ns(changed.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn error(&self, why: std::io::Error) -> KillError {
        KillError { path: self.path.clone(), why }
    }
}

fn now() -> TsNs {
    ns(SystemTime::now())
}

fn ns(time: SystemTime) -> TsNs {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    TsNs(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(cause: Cause) -> Trip {
        Trip { cause, at: TsNs::from_ms(1_795_273_445_123), detail: "what\nhappened".into() }
    }

    #[test]
    fn every_cause_is_read_as_it_was_written_and_the_first_one_stays() {
        for cause in Cause::ALL {
            let dir = tempfile::tempdir().unwrap();
            let file = KillFile::at(&dir.path().join("new"));
            assert_eq!(file.read(), None);
            file.write(&trip(cause)).unwrap();
            let want = Trip { detail: "whathappened".into(), ..trip(cause) };
            assert_eq!(file.read(), Some(want.clone()));
            file.write(&trip(Cause::Key)).unwrap();
            assert_eq!(file.read(), Some(want), "the first cause counts");
            assert!(file.reset().unwrap());
            assert_eq!((file.read(), file.reset().unwrap()), (None, false));
        }
    }

    #[test]
    fn a_file_of_that_name_stops_trading_whatever_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let file = KillFile::at(dir.path());
        for bytes in [&b""[..], b"\xff\xfe\x00", b"cause = nonsense\nat = never", &[b'x'; 100_000]]
        {
            fs::write(dir.path().join(KILL_FILE), bytes).unwrap();
            let trip = file.read().expect("stopped");
            assert_eq!((trip.cause, trip.at > TsNs(0)), (Cause::File, true));
        }
        file.reset().unwrap();
        fs::create_dir(dir.path().join(KILL_FILE)).unwrap();
        assert!(file.read().is_some(), "what cannot be read stops it, too");
        assert!(file.reset().is_err());
    }
}
