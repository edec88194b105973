//! `log/live.sock`: status and accepted records for readers in other processes, one JSON object per line.
//!
//! ```text
//! {"version":1,"session":".."}                                 first
//! {"status":{..}}                                              every second
//! {"as_of":6,"recv_ns":..,"ticker":"..","event":{..}}          every market as it is: definition and book (or gap)
//! {"row_id":7,"recv_ns":..,"ticker":"..","event":{..}}         every accepted record
//! {"skipped":120}                                              records that nobody could be shown in time; every
//!                                                              market is told anew
//! {"end":"why"}                                                last
//! ```
//!
//! **Invariant:** a reader that is too slow is dropped alone; nothing here is ever waited for by the log.
//! **Invariant:** a record is encoded once, and not at all while nobody reads.

use super::tap::{Onlookers, Shown};
use crate::event::{Body, Record, Tickers};
use crate::view::CollectStatus;
use crate::wire::frame_value;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

/// Version of the lines.
pub const VERSION: u32 = 1;
/// Name of the socket in the log's folder.
pub const NAME: &str = "live.sock";

/// Texts (of up to 1,024 lines) that wait for one reader: about 16 MB at most, then it is too slow.
const READER_QUEUE: usize = 64;
/// A reader that was dropped gets this long to hear why.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Where the lines come from.
pub(super) struct Source {
    pub(super) session: String,
    pub(super) status: watch::Receiver<CollectStatus>,
    pub(super) shown: mpsc::Receiver<Shown>,
    /// Told how many read.
    pub(super) onlookers: watch::Sender<Onlookers>,
}

/// Binds the socket of the log folder `dir`. Whoever holds the log's lock may replace a socket that is there:
/// its process is dead.
///
/// # Errors
/// When the system refuses, for instance a path of more than 107 bytes.
pub(super) fn bind(dir: &Path) -> std::io::Result<UnixListener> {
    let path = dir.join(NAME);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => UnixListener::bind(path),
    }
}

/// Serves readers until the log thread lets go of its tap; the readers then hear `end`.
pub(super) async fn serve(listener: UnixListener, mut from: Source, end: watch::Receiver<String>) {
    let mut readers = Readers::default();
    let mut tickers = Tickers::default();
    loop {
        let text = tokio::select! {
            biased;
            shown = from.shown.recv() => match shown {
                Some(shown) => {
                    let text = lines(&mut tickers, &shown);
                    readers.send_to(text, |reader| !reader.is_new);
                    if let Some(restated) = &shown.restated {
                        let all = shown.skipped > 0;
                        let text = states(&tickers, restated);
                        readers.send_to(text, |reader| std::mem::take(&mut reader.is_new) || all);
                    }
                    String::new()
                }
                None => break,
            },
            changed = from.status.changed() => match changed {
                Ok(()) => status_line(&from.status.borrow_and_update()),
                Err(_) => break,
            },
            gone = readers.gone.1.recv() => {
                gone.map(|id| readers.all.remove(&id));
                String::new()
            }
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let hello = json!({"version": VERSION, "session": from.session});
                    let status = status_line(&from.status.borrow());
                    readers.admit(stream, &format!("{hello}\n{status}"));
                }
                String::new()
            }
        };
        readers.send(text);
        let now = Onlookers { present: readers.all.len(), joined: readers.next_id };
        from.onlookers.send_if_modified(|known| std::mem::replace(known, now) != now);
    }
    readers.send(format!("{}\n", json!({"end": *end.borrow()})));
    readers.farewell().await;
}

/// Removes the socket of the log folder `dir`; a missing one is fine.
pub(super) fn unbind(dir: &Path) {
    let path: PathBuf = dir.join(NAME);
    // The next collector replaces what cannot be removed now.
    let _ = std::fs::remove_file(path);
}

struct Readers {
    all: HashMap<u64, Reader>,
    next_id: u64,
    gone: (mpsc::Sender<u64>, mpsc::Receiver<u64>),
}

struct Reader {
    queue: mpsc::Sender<Arc<str>>,
    /// It does not know yet how the markets are, and hears of no record before.
    is_new: bool,
    /// Dropped unsent when the reader goes in peace.
    too_slow: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Default for Readers {
    fn default() -> Readers {
        Readers { all: HashMap::new(), next_id: 0, gone: mpsc::channel(READER_QUEUE) }
    }
}

impl Readers {
    fn admit(&mut self, stream: UnixStream, first: &str) {
        let (queue, lines) = mpsc::channel(READER_QUEUE);
        let (too_slow, dropped) = oneshot::channel();
        // An empty queue takes one text.
        let _ = queue.try_send(first.into());
        let (id, gone) = (self.next_id, self.gone.0.clone());
        let task = tokio::spawn(async move {
            write_to(stream, lines, dropped).await;
            let _ = gone.send(id).await;
        });
        self.all.insert(id, Reader { queue, is_new: true, too_slow, task });
        self.next_id += 1;
    }

    fn send(&mut self, text: String) {
        self.send_to(text, |_| true);
    }

    fn send_to(&mut self, text: String, wants: impl Fn(&mut Reader) -> bool) {
        let text: Arc<str> = text.into();
        let is_slow = |reader: &mut Reader| {
            wants(reader) && !text.is_empty() && reader.queue.try_send(Arc::clone(&text)).is_err()
        };
        for (_, slow) in self.all.extract_if(|_, reader| is_slow(reader)) {
            let _ = slow.too_slow.send(());
        }
    }

    /// Lets every reader take what is queued, within reason.
    async fn farewell(self) {
        let until = tokio::time::Instant::now() + LAST_WORD;
        for (_, reader) in self.all {
            drop(reader.queue);
            let _ = tokio::time::timeout_at(until, reader.task).await;
        }
    }
}

/// Writes to one reader until it leaves, is too slow, or everything ends.
async fn write_to(
    mut stream: UnixStream,
    mut lines: mpsc::Receiver<Arc<str>>,
    mut too_slow: oneshot::Receiver<()>,
) {
    let told_off = loop {
        let Some(text) = lines.recv().await else { break too_slow.try_recv().is_ok() };
        let writing = stream.write_all(text.as_bytes());
        tokio::pin!(writing);
        tokio::select! {
            biased;
            done = &mut writing => if done.is_err() { return },
            Ok(()) = &mut too_slow => {
                // The line that was begun is ended first.
                match tokio::time::timeout(LAST_WORD, writing).await {
                    Ok(Ok(())) => break true,
                    _ => return,
                }
            }
        }
    };
    if told_off {
        let last = format!("{}\n", json!({"end": "this reader is too slow"}));
        let _ = tokio::time::timeout(LAST_WORD, stream.write_all(last.as_bytes())).await;
    }
}

fn status_line(status: &CollectStatus) -> String {
    format!("{}\n", json!({ "status": status }))
}

fn lines(tickers: &mut Tickers, shown: &Shown) -> String {
    for (_, ticker, uuid) in &shown.markets {
        let id = tickers.intern(ticker);
        if let Some(uuid) = uuid {
            tickers.set_uuid(id, *uuid);
        }
    }
    let mut text = String::new();
    if shown.skipped > 0 {
        let _ = writeln!(text, "{}", json!({ "skipped": shown.skipped }));
    }
    write(&mut text, "row_id", &shown.records, tickers);
    text
}

fn states(tickers: &Tickers, restated: &[Record]) -> String {
    let mut text = String::new();
    write(&mut text, "as_of", restated, tickers);
    text
}

fn write(text: &mut String, row: &str, records: &[Record], tickers: &Tickers) {
    for record in records {
        let event = &record.event;
        let line = json!({
            row: event.row_id,
            "recv_ns": event.recv.0,
            "ticker": tickers.name(event.market),
            "event": frame(record, tickers),
        });
        let _ = writeln!(text, "{line}");
    }
}

/// The frame as JSON; our own rows in a shape of their own, bytes that are no JSON as text.
fn frame(record: &Record, tickers: &Tickers) -> Value {
    match (&record.event.body, frame_value(record, tickers)) {
        (_, Some(value)) => value,
        (Body::Gap(gap), _) => json!({"type": "kflow_gap", "sid": record.event.sid, "msg": gap}),
        (Body::Healed(gap), _) => {
            json!({"type": "kflow_healed", "sid": record.event.sid, "msg": gap})
        }
        (Body::Market(object), _) => json!({
            "type": "kflow_market",
            "msg": serde_json::from_str::<Value>(object).unwrap_or(Value::Null),
        }),
        _ => {
            let bytes = record.raw.as_deref().unwrap_or_default();
            json!({"type": "kflow_bad", "msg": String::from_utf8_lossy(bytes)})
        }
    }
}
