//! A run of the collector over several sessions, as whoever follows it hears it.

use super::{PATIENCE, batch, now, rows, runtime, spec};
use kalshiflow::collect::{self, CollectSpec, FeedIo, Follower, Notice};
use kalshiflow::event::{MarketId, Tickers};
use kalshiflow::feed::{Batch, FeedEnd, FeedError};
use std::time::Duration;
use tokio::sync::watch;

/// A row every millisecond until it is stopped; an exchange that tells its markets in another order each time.
async fn reordered(mut io: FeedIo, session: usize) -> Result<FeedEnd, FeedError> {
    let mut seq = 0;
    loop {
        let mut next: Batch = batch(seq..seq + 1, |_| now());
        let turned = session.min(next.markets.len());
        next.markets.rotate_left(turned);
        for (id, market) in next.markets.iter_mut().enumerate() {
            market.0 = MarketId(id as u32);
        }
        io.out.send(next).await.unwrap();
        seq += 1;
        tokio::select! {
            _ = io.stop.wait_for(|stop| *stop) => return Ok(FeedEnd::default()),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

/// The disk is full, and space comes back: the collector goes on in a second session, in which the exchange tells its
/// markets in another order. The actor that follows went on with the first session's ids, and traded one market
/// under another's name. Every row must bear the name for it that it has in the log.
#[test]
fn whoever_follows_over_a_full_disk_hears_every_row_of_its_market() {
    let Some(disk) = crate::faults::SmallDisk::mount(64 << 20) else {
        return;
    };
    let (follower, mut following) = Follower::new();
    let waits = CollectSpec {
        min_free_bytes: 32 << 20,
        wait_for_space: true,
        follower: Some(follower),
        ..spec(disk.path())
    };
    let ballast = disk.path().join("ballast");
    let (stop, stopped) = watch::channel(None);
    let (mut met, mut heard) = (Tickers::default(), Vec::new());
    let mut listen = || {
        while let Some(batch) = following.try_recv() {
            for (id, ticker, _) in &batch.markets {
                assert_eq!(met.intern(ticker), *id, "{ticker}");
            }
            let rows = batch.records.iter().map(|record| &record.event);
            heard.extend(rows.map(|row| (row.row_id, met.name(row.market).to_owned())));
        }
    };
    let mut sessions = 0;
    let mut hear = |notice| {
        listen();
        match notice {
            Notice::Started { .. } => sessions += 1,
            Notice::Status(status)
                if sessions == 1 && status.committed > 50 && !ballast.exists() =>
            {
                std::fs::write(&ballast, vec![1; 40 << 20]).unwrap();
            }
            Notice::Warning(_) => std::fs::remove_file(&ballast).unwrap(),
            Notice::Status(status) if sessions == 2 && status.committed > 50 => {
                stop.send_replace(Some("sigint"));
            }
            _ => {}
        }
    };
    let mut opened = 0;
    let feed = |io: FeedIo| {
        opened += 1;
        reordered(io, opened - 1)
    };
    let run = collect::run(&waits, None, feed, stopped, &mut hear);
    let done = runtime().block_on(async { tokio::time::timeout(PATIENCE, run).await }).unwrap();
    assert!(done.failure.is_none(), "{:?}", done.failure);
    listen();
    assert_eq!((sessions, opened), (2, 2));
    let (log, rows) = rows(disk.path());
    let name = |id: MarketId| log.tickers().name(id).to_owned();
    let kept: Vec<_> = rows.iter().map(|r| (r.event.row_id, name(r.event.market))).collect();
    assert!(kept.len() > 100 && heard == kept, "{} heard, {} kept", heard.len(), kept.len());
}
