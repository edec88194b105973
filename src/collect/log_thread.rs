//! The log thread: owns the writer, gives records their row ids and puts them on disk.
//!
//! ```text
//!  feed ── Batch ──►  ┐                      ┌─► watch: LogState
//!                     ├─ log thread ─ redb   ├─► Seen (lifecycle frames, gaps)
//!  collector ─ Ask ─► ┘                      └─► Tap (who looks on)
//! ```
//!
//! A record is *accepted* when it has its row id here and *committed* when its transaction is on disk:
//! after at most 100 ms, or with 1,024 rows, whichever comes first, but not more than 100 times a second.
//!
//! **Invariant:** nothing here waits for anybody but the disk.

use super::audit::DRIFT;
use super::ports::{Ask, LogState, OwnRow, Ports, Seen};
use crate::event::{Body, Event, MarketId, Record, Tickers};
use crate::feed::Batch;
use crate::store::{SessionSummary, StoreError, Writer};
use crate::units::TsNs;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The type of frames about markets' lives.
const LIFECYCLE: &str = "market_lifecycle_v2";

/// A row is on disk after this at most.
const COMMIT_WITHIN: Duration = Duration::from_millis(100);
/// Or with this many rows.
const COMMIT_ROWS: usize = 1_024;
/// But a sync costs about 5 ms whatever it carries: no two commits are closer than this.
const COMMIT_APART: Duration = Duration::from_millis(10);
/// How often the state is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How often the meters begin anew.
const TURN_EVERY: Duration = Duration::from_secs(2);
/// How often a sealing that somebody waits for is looked at.
const SEALING_EVERY: Duration = Duration::from_millis(20);

/// How the session went: its summary, and the last state.
pub(super) type Ended = Result<(SessionSummary, LogState), StoreError>;

/// Starts the thread, which writes the rows `first` before all others; the receiver hears when it has ended, for whatever reason.
pub(super) fn start(
    writer: Writer,
    first: Vec<OwnRow>,
    ports: Ports,
    handle: Handle,
) -> std::io::Result<oneshot::Receiver<Ended>> {
    let (ended, end) = oneshot::channel();
    let begin = writer.committed();
    let thread = LogThread {
        writer,
        begin,
        ports,
        tickers: Tickers::default(),
        ids: Vec::new(),
        waiting: Vec::new(),
        waiting_since: None,
        committed_at: Instant::now(),
        rolling: None,
        deltas: 0,
        told_at: Instant::now(),
        turned_at: Instant::now(),
        state: LogState::default(),
    };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        // Nobody listens any more when the collector was given up on.
        let _ = ended.send(thread.run(first, &handle));
    })?;
    Ok(end)
}

struct LogThread {
    writer: Writer,
    /// The last row of the session before.
    begin: u64,
    ports: Ports,
    tickers: Tickers,
    /// The feed's market id to ours.
    ids: Vec<MarketId>,
    /// Receive times of the rows that are not on disk.
    waiting: Vec<TsNs>,
    waiting_since: Option<Instant>,
    committed_at: Instant,
    rolling: Option<Rolling>,
    deltas: u64,
    told_at: Instant,
    turned_at: Instant,
    state: LogState,
}

/// A new segment that was asked for.
struct Rolling {
    sealed: oneshot::Sender<()>,
    begun: bool,
}

enum Input {
    Ask(Option<Ask>),
    Batch(Batch),
    Nothing,
}

impl LogThread {
    fn run(mut self, first: Vec<OwnRow>, handle: &Handle) -> Ended {
        first.into_iter().try_for_each(|row| self.own_row(row))?;
        loop {
            let patience = self.patience();
            match handle.block_on(next(&mut self.ports, patience)) {
                Input::Batch(batch) => self.batch(batch)?,
                Input::Ask(Some(Ask::Row(row))) => self.own_row(row)?,
                Input::Ask(Some(Ask::Roll(sealed))) => {
                    self.rolling = Some(Rolling { sealed, begun: false });
                }
                Input::Ask(Some(Ask::Finish(cause, last))) => return self.finish(&cause, last),
                // Whoever asks is gone: what came so far is a session.
                Input::Ask(None) => return self.finish("error", None),
                // Whoever came meanwhile hears how the markets are.
                Input::Nothing => self.ports.tap.flush(),
            }
            self.settle();
            if self.is_due() {
                self.commit()?;
            }
            if !self.writer.is_sealing() {
                self.roll()?;
            }
            if self.told_at.elapsed() >= TELL_EVERY {
                self.tell();
            }
        }
    }

    /// Begins the segment that was asked for, or says that the one before is sealed.
    fn roll(&mut self) -> Result<(), StoreError> {
        match self.rolling.take() {
            Some(Rolling { sealed, begun: false }) => {
                self.writer.roll()?;
                self.rolling = Some(Rolling { sealed, begun: true });
            }
            // Whoever asked may be gone.
            Some(Rolling { sealed, begun: true }) => drop(sealed.send(())),
            None => {}
        }
        Ok(())
    }

    /// How long nothing need be done when nothing comes.
    fn patience(&self) -> Duration {
        let commit = self.waiting_since.map_or(COMMIT_WITHIN, |since| {
            COMMIT_WITHIN.saturating_sub(since.elapsed()).max(Duration::from_millis(1))
        });
        if self.rolling.is_some() { commit.min(SEALING_EVERY) } else { commit }
    }

    fn is_due(&self) -> bool {
        let many = self.waiting.len() >= COMMIT_ROWS && self.committed_at.elapsed() >= COMMIT_APART;
        many || self.waiting_since.is_some_and(|since| since.elapsed() >= COMMIT_WITHIN)
    }

    fn batch(&mut self, batch: Batch) -> Result<(), StoreError> {
        for (id, ticker, uuid) in &batch.markets {
            self.market(*id, ticker, *uuid);
        }
        self.state.counters = batch.counters;
        if !batch.records.is_empty() {
            self.state.last_frame = Some(Instant::now());
        }
        let shown = self.ports.tap.is_open();
        for mut record in batch.records {
            record.event.market = self.ours(record.event.market);
            if self.is_sampled_out(&record.event) {
                continue;
            }
            self.look_at(&record);
            self.append(record, shown)?;
        }
        self.ports.tap.flush();
        Ok(())
    }

    /// Enters a market of the feed into our dictionary, or learns its exchange id.
    fn market(&mut self, id: MarketId, ticker: &str, uuid: Option<[u8; 16]>) {
        let ours = self.tickers.intern(ticker);
        if let Some(uuid) = uuid {
            self.tickers.set_uuid(ours, uuid);
        }
        let at = id.0 as usize;
        if self.ids.len() <= at {
            self.ids.resize(at + 1, MarketId::NONE);
        }
        self.ids[at] = ours;
        self.ports.tap.market(ours, ticker, uuid);
    }

    fn ours(&self, id: MarketId) -> MarketId {
        self.ids.get(id.0 as usize).copied().unwrap_or(MarketId::NONE)
    }

    fn is_sampled_out(&mut self, event: &Event) -> bool {
        if self.ports.sample <= 1 || !matches!(event.body, Body::Delta(_)) {
            return false;
        }
        self.deltas += 1;
        !self.deltas.is_multiple_of(self.ports.sample)
    }

    /// Measures, and tells the collector what it has to know.
    fn look_at(&mut self, record: &Record) {
        let event = &record.event;
        if let Some(ts) = event.ts {
            self.state.lag.record(TsNs(ts.0.saturating_mul(1_000)), event.recv);
        }
        // Where a queue is full the collector's timers find out later.
        let _ = match &event.body {
            Body::Gap(gap) => self.ports.seen.try_send(Seen::Gap((**gap).clone())).is_ok(),
            Body::Healed(gap) => self.ports.seen.try_send(Seen::Healed((**gap).clone())).is_ok(),
            Body::Other(kind) if &**kind == LIFECYCLE => match &record.raw {
                Some(raw) => self.ports.lifecycle.try_send(raw.clone()).is_ok(),
                None => false,
            },
            _ => false,
        };
    }

    fn own_row(&mut self, row: OwnRow) -> Result<(), StoreError> {
        let market = match row.ticker.as_str() {
            "" => MarketId::NONE,
            ticker => {
                let known = self.tickers.len();
                let id = self.tickers.intern(ticker);
                if self.tickers.len() > known {
                    self.ports.tap.market(id, ticker, None);
                }
                id
            }
        };
        self.state.own_gaps += u64::from(matches!(row.body, Body::Gap(_)));
        self.state.drift += u64::from(matches!(&row.body, Body::Other(kind) if &**kind == DRIFT));
        let recv = now();
        let event = Event { row_id: 0, recv, ts: None, market, sid: 0, seq: 0, body: row.body };
        let shown = self.ports.tap.is_open();
        self.append(Record { event, raw: row.raw }, shown)?;
        self.ports.tap.flush();
        Ok(())
    }

    fn append(&mut self, record: Record, shown: bool) -> Result<(), StoreError> {
        let recv = record.event.recv;
        self.ports.tap.see(&record.event);
        let copy = shown.then(|| record.clone());
        let row_id = self.writer.append(&self.tickers, record)?;
        self.ports.tap.reached(row_id, recv);
        self.state.accepted += 1;
        self.waiting.push(recv);
        self.waiting_since.get_or_insert_with(Instant::now);
        if let Some(mut copy) = copy {
            copy.event.row_id = row_id;
            self.ports.tap.push(copy);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.writer.commit()?;
        self.settle();
        Ok(())
    }

    /// Counts what is on disk by now: the writer commits full chunks by itself.
    fn settle(&mut self) {
        let committed = self.writer.committed() - self.begin;
        let rows = (committed - self.state.committed) as usize;
        if rows == 0 {
            return;
        }
        let now = now();
        for recv in self.waiting.drain(..rows) {
            self.state.commit.record(recv, now);
        }
        self.state.committed = committed;
        self.committed_at = Instant::now();
        self.waiting_since = (!self.waiting.is_empty()).then_some(self.committed_at);
    }

    fn tell(&mut self) {
        if self.turned_at.elapsed() >= TURN_EVERY {
            self.state.lag.turn();
            self.state.commit.turn();
            self.turned_at = Instant::now();
        }
        self.told_at = Instant::now();
        self.ports.state.send_replace(self.state.clone());
    }

    fn finish(mut self, cause: &str, last: Option<OwnRow>) -> Ended {
        while let Ok(batch) = self.ports.batches.try_recv() {
            self.batch(batch)?;
        }
        while let Ok(ask) = self.ports.asks.try_recv() {
            if let Ask::Row(row) = ask {
                self.own_row(row)?;
            }
        }
        last.into_iter().try_for_each(|row| self.own_row(row))?;
        self.commit()?;
        self.state.lag.turn();
        self.state.commit.turn();
        self.ports.state.send_replace(self.state.clone());
        let summary = self.writer.finish(cause)?;
        Ok((summary, self.state))
    }
}

async fn next(ports: &mut Ports, patience: Duration) -> Input {
    let Ports { batches, asks, .. } = ports;
    tokio::select! {
        biased;
        ask = asks.recv() => Input::Ask(ask),
        Some(batch) = batches.recv() => Input::Batch(batch),
        () = tokio::time::sleep(patience) => Input::Nothing,
    }
}

/// Our wall clock.
pub(super) fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    TsNs(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
