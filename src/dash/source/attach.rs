//! Another process of the same data directory, through its `live.sock`: read-only, and dropped by it alone if
//! this end is too slow.

use super::line::{Said, read};
use super::now;
use crate::collect::{LIVE_SOCKET, LIVE_VERSION};
use crate::dash::log_lines::{Level, Line};
use crate::dash::news::{Gone, Handle, Heard, News, Reach};
use crate::event::{Body, Event, MarketId};
use crate::wire::Decoder;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often somebody is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks left out after one that cannot be understood.
const FOREIGN_PAUSE: u32 = 60;
/// A batch of events is no larger.
const EVENTS: usize = 1_024;
/// Lines of a busy second.
const BUFFER: usize = 1 << 18;

/// Tells what the collector of `data_dir` tells, whenever there is one.
///
/// # Errors
/// When nobody listens any more.
pub fn watch(data_dir: &Path, handle: &Handle) -> Result<(), Gone> {
    let path: PathBuf = data_dir.join("log").join(LIVE_SOCKET);
    handle.news(News::Reach(Reach::Alone))?;
    loop {
        if let Ok(stream) = UnixStream::connect(&path) {
            handle.news(News::Reach(Reach::Attached))?;
            let (why, pause) = match listen(stream, handle)? {
                Fell::Silent(why) => (why, 1),
                Fell::Foreign(why) => (why, FOREIGN_PAUSE),
            };
            handle.news(News::Reach(Reach::Lost(why)))?;
            for _ in 0..pause {
                rest(handle)?;
            }
        }
        rest(handle)?;
    }
}

/// How a collector was lost.
enum Fell {
    /// It ended, or let go of us: another one may come at once.
    Silent(String),
    /// It cannot be understood.
    Foreign(String),
}

/// Waits a little. Nothing else tells this thread that nobody listens any more.
fn rest(handle: &Handle) -> Result<(), Gone> {
    std::thread::sleep(LOOK_EVERY);
    handle.news(News::Heard(Heard::default()))
}

/// Hands everything on until the collector falls silent; says why it did.
fn listen(stream: UnixStream, handle: &Handle) -> Result<Fell, Gone> {
    let mut reader = BufReader::with_capacity(BUFFER, stream);
    let mut batch = Batch { heard: Heard { began: true, ..Heard::default() }, ..Batch::default() };
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(0) => return Ok(Fell::Silent("it has gone without a word".to_owned())),
            Ok(_) => {}
            Err(e) => return Ok(Fell::Silent(e.to_string())),
        }
        match read(&line, &mut batch.decoder) {
            Ok(Said::Hello { version }) if version != u64::from(LIVE_VERSION) => {
                let why = format!("it speaks version {version}, this program {LIVE_VERSION}");
                return Ok(Fell::Foreign(why));
            }
            Ok(Said::Status(status)) => {
                batch.flush(handle)?;
                handle.news(News::Status(status))?;
            }
            Ok(Said::Event(event)) => batch.push(*event, handle)?,
            Ok(Said::Skipped(n)) => {
                batch.flush(handle)?;
                batch.heard.skipped = n;
                let text = format!("{n} records were left out: this screen was too slow");
                handle.news(News::Line(Line { at: now(), level: Level::Warn, text }))?;
            }
            Ok(Said::End(why)) => {
                batch.flush(handle)?;
                return Ok(Fell::Silent(format!("ended: {why}")));
            }
            Ok(Said::Hello { .. } | Said::Other) => {}
            Err(e) => return Ok(Fell::Foreign(format!("it says what cannot be read: {e}"))),
        }
        // What is there is shown before more is waited for.
        if batch.heard.events.len() >= EVENTS || !reader.buffer().contains(&b'\n') {
            batch.flush(handle)?;
        }
    }
}

/// Events on their way.
#[derive(Default)]
struct Batch {
    decoder: Decoder,
    heard: Heard,
    told: u32,
}

impl Batch {
    fn push(&mut self, event: Event, handle: &Handle) -> Result<(), Gone> {
        while (self.told as usize) < self.decoder.tickers.len() {
            let id = MarketId(self.told);
            self.heard.markets.push((id, self.decoder.tickers.name(id).into()));
            self.told += 1;
        }
        if let Body::Gap(gap) = &event.body {
            let text = format!("gap: {}", gap.cause.word());
            handle.news(News::Line(Line { at: event.recv, level: Level::Warn, text }))?;
        }
        self.heard.events.push(event);
        Ok(())
    }

    fn flush(&mut self, handle: &Handle) -> Result<(), Gone> {
        let heard = std::mem::take(&mut self.heard);
        let empty = heard.events.is_empty() && heard.skipped == 0 && !heard.began;
        if empty { Ok(()) } else { handle.news(News::Heard(heard)) }
    }
}
