//! `live.sock`: readers of other processes, and what becomes of slow ones.

use super::{PATIENCE, runtime, spec, steady};
use kalshiflow::collect::{self, FeedIo, LIVE_SOCKET, Notice};
use kalshiflow::feed::{FeedEnd, FeedError};
use serde_json::Value;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::sync::watch;

type Reader = Lines<BufReader<UnixStream>>;

/// Runs a collector and `watch` beside it, which gets the path of the socket; then stops the collector.
fn beside<F, W>(
    data_dir: &Path,
    feed: impl FnMut(FeedIo) -> F,
    watching: impl FnOnce(std::path::PathBuf) -> W,
) where
    F: Future<Output = Result<FeedEnd, FeedError>> + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let (stop, stopped) = watch::channel(None);
    let socket = data_dir.join("log").join(LIVE_SOCKET);
    let spec = spec(data_dir);
    runtime().block_on(async {
        let mut watching = Some(watching(socket));
        let mut hear = |notice| {
            if matches!(notice, Notice::Started { .. }) {
                let (stop, watching) = (stop.clone(), watching.take().unwrap());
                tokio::spawn(async move {
                    let done = tokio::time::timeout(PATIENCE, tokio::spawn(watching)).await;
                    stop.send_replace(Some(if matches!(done, Ok(Ok(()))) {
                        "sigint"
                    } else {
                        "failed"
                    }));
                });
            }
        };
        let done = collect::run(&spec, None, feed, stopped, &mut hear).await;
        assert!(done.failure.is_none(), "{:?}", done.failure);
        assert_eq!(done.report.cause, "sigint", "the reader failed or waited in vain");
    });
}

async fn connect(socket: &Path) -> Reader {
    BufReader::new(UnixStream::connect(socket).await.unwrap()).lines()
}

async fn line(reader: &mut Reader) -> Value {
    let line = reader.next_line().await.unwrap().expect("a line");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_reader_hears_who_speaks_then_status_and_every_accepted_record() {
    let dir = tempfile::tempdir().unwrap();
    // What a killed collector leaves: nobody listens behind it.
    std::fs::create_dir(dir.path().join("log")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("log").join(LIVE_SOCKET)).unwrap());
    beside(dir.path(), steady, |socket| async move {
        let mut reader = connect(&socket).await;
        let hello = line(&mut reader).await;
        assert_eq!(hello["version"], 1);
        let session = hello["session"].as_str().unwrap().to_owned();
        let (mut rows, mut statuses, mut last) = (0, 0, None);
        while rows < 500 || statuses < 3 {
            let line = line(&mut reader).await;
            if let Some(row_id) = line["row_id"].as_u64() {
                assert!(last.is_none_or(|last| row_id == last + 1), "{last:?} then {row_id}");
                last = Some(row_id);
                assert!(line["event"]["type"].is_string(), "{line}");
                assert!(line["recv_ns"].is_i64());
                rows += 1;
            } else if line["as_of"].is_u64() {
                assert_eq!(rows, 0, "how the markets are is told once, before what follows");
            } else {
                assert!(line["status"]["session"] == session || statuses == 0, "{line}");
                statuses += 1;
            }
        }
    });
    assert!(!dir.path().join("log").join(LIVE_SOCKET).exists());
}

/// Whoever comes late hears every book as it is, and from then on what changes it: folded, that is the book that
/// the log gives.
#[test]
fn a_reader_that_comes_late_knows_the_books() {
    use kalshiflow::book::Book;
    use kalshiflow::event::{Body, MarketId};
    use kalshiflow::store::{Filter, Log};
    use kalshiflow::units::TsNs;
    use std::collections::BTreeMap;

    type Books = BTreeMap<String, Book>;
    fn fold(books: &mut Books, ticker: &str, event: &kalshiflow::event::Event) {
        if ticker.is_empty() {
            if matches!(event.body, Body::Gap(_)) {
                books.values_mut().for_each(Book::invalidate);
            }
        } else {
            let _ = books.entry(ticker.to_owned()).or_default().apply(event);
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    beside(dir.path(), steady, move |socket| async move {
        // One looks on from the beginning, so that rows flow; the other comes when there are many.
        let mut early = connect(&socket).await;
        while line(&mut early).await["row_id"].as_u64().is_none_or(|row| row < 900) {}
        let mut late = connect(&socket).await;
        let (mut books, mut stated, mut last) = (Books::new(), 0, 0);
        let mut decoder = kalshiflow::wire::Decoder::default();
        // Every fifty rows a gap takes the books away: the comparison is made while one is whole.
        while last < 1_800 || !books.values().any(Book::is_valid) {
            let line = line(&mut late).await;
            let Some(ticker) = line["ticker"].as_str() else { continue };
            if let Some(row_id) = line["row_id"].as_u64() {
                assert!(stated > 0, "rows before the books");
                last = row_id;
            } else {
                assert_eq!(last, 0, "books after rows");
                stated += 1;
            }
            let mut event = decoder.decode(line["event"].to_string().as_bytes(), TsNs(0)).event;
            if line["event"]["type"] == "kflow_gap" {
                let gap = serde_json::from_value(line["event"]["msg"].clone()).unwrap();
                event.body = Body::Gap(Box::new(gap));
            }
            fold(&mut books, ticker, &event);
        }
        tell.send((books, last)).unwrap();
    });
    let (books, last) = told.recv().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let mut recorded = Books::new();
    for record in log.read(Filter::default()).unwrap() {
        let event = record.unwrap().event;
        if event.row_id <= last {
            let ticker =
                if event.market == MarketId::NONE { "" } else { log.tickers().name(event.market) };
            fold(&mut recorded, ticker, &event);
        }
    }
    assert!(books.values().any(|book| book.is_valid()));
    for (ticker, book) in &recorded {
        assert_eq!(books.get(ticker).cloned().unwrap_or_default(), *book, "{ticker}");
    }
}

/// One reader reads, the other does not: the first misses nothing, the second is let go and can read why as
/// far as the socket's buffer held it, and the log has everything.
#[test]
fn a_reader_that_does_not_read_is_dropped_alone() {
    /// Rows that the feed is ahead of the fast reader at most: 20 of the 64 texts that may wait for one.
    const AHEAD: u64 = 20 * 500;
    let dir = tempfile::tempdir().unwrap();
    // The row that the fast reader has reached: it must not be the slow one, however slow this machine is.
    let (reached, known) = watch::channel(0);
    let feed = move |mut io: FeedIo| {
        let mut known = known.clone();
        async move {
            let mut seq = 0;
            loop {
                io.out.send(super::batch(seq..seq + 500, |_| super::now())).await.unwrap();
                seq += 500;
                tokio::select! {
                    _ = io.stop.wait_for(|stop| *stop) => return Ok(FeedEnd::default()),
                    Ok(_) = known.wait_for(|row: &u64| row + AHEAD >= seq) => {}
                }
            }
        }
    };
    beside(dir.path(), feed, |socket| async move {
        let mut slow = UnixStream::connect(&socket).await.unwrap();
        let mut fast = connect(&socket).await;
        let mut last: Option<u64> = None;
        // 64 texts in the queue and the socket's buffer are full long before.
        for _ in 0..60_000 {
            let line = line(&mut fast).await;
            // How the markets are is told as of a row, before the first one.
            if let Some(row) = line["row_id"].as_u64().or(line["as_of"].as_u64()) {
                reached.send_replace(row);
            }
            let Some(row_id) = line["row_id"].as_u64() else { continue };
            assert!(last.is_none_or(|last| row_id == last + 1), "{last:?} then {row_id}");
            last = Some(row_id);
        }
        let mut heard = Vec::new();
        slow.read_to_end(&mut heard).await.unwrap();
        assert!(heard.starts_with(b"{\"version\":1,"), "hello comes first");
    });
    super::rows(dir.path());
}
