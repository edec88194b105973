//! The log thread: gives records their row ids, tells who looks on, and hands them to the keeper.
//!
//! ```text
//!  feed ── Batch ──►  ┐                      ┌─► watch: LogState
//!                     ├─ log thread ─ queue ─┼─► keeper ─ redb
//!  collector ─ Ask ─► ┘                      ├─► Seen (lifecycle frames, gaps)
//!                                            └─► Tap (who looks on, and who acts)
//! ```
//!
//! A record is *accepted* when it has its row id here and *committed* when its transaction is on disk
//! ([`super::keeper`]): after at most 100 ms, or with 1,024 rows, whichever comes first, but not more than
//! 100 times a second.
//!
//! **Invariant:** nothing here waits for anybody but a full queue to the disk.

use super::audit::DRIFT;
use super::keeper::{Keep, Keeper, Named};
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

/// Without anything to do, who looks on and how the keeper does is looked at this often.
const IDLE: Duration = Duration::from_millis(100);
/// How often the state is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How often the meters begin anew.
const TURN_EVERY: Duration = Duration::from_secs(2);

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
    let next_row_id = writer.committed() + 1;
    let thread = LogThread {
        keeper: Keeper::start(writer)?,
        next_row_id,
        ports,
        tickers: Tickers::default(),
        ids: Vec::new(),
        named: Vec::new(),
        rows: Vec::new(),
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
    keeper: Keeper,
    next_row_id: u64,
    ports: Ports,
    tickers: Tickers,
    /// The feed's market id to ours.
    ids: Vec<MarketId>,
    /// Markets and rows that the keeper has not got yet.
    named: Vec<Named>,
    rows: Vec<Record>,
    deltas: u64,
    told_at: Instant,
    turned_at: Instant,
    state: LogState,
}

enum Input {
    Ask(Option<Ask>),
    Batch(Batch),
    Nothing,
}

/// The keeper has given up.
struct Failed;

impl LogThread {
    fn run(mut self, first: Vec<OwnRow>, handle: &Handle) -> Ended {
        let worked = first.into_iter().try_for_each(|row| self.own_row(row));
        match worked.and_then(|()| self.work(handle)) {
            Ok((cause, last)) => self.finish(&cause, last),
            Err(Failed) => self.end(),
        }
    }

    /// Works until somebody says why to stop.
    fn work(&mut self, handle: &Handle) -> Result<(String, Option<OwnRow>), Failed> {
        loop {
            match handle.block_on(next(&mut self.ports)) {
                Input::Batch(batch) => self.batch(batch)?,
                Input::Ask(Some(Ask::Row(row))) => self.own_row(row)?,
                Input::Ask(Some(Ask::Roll(sealed))) => self.hand_over(Keep::Roll(sealed))?,
                Input::Ask(Some(Ask::Finish(cause, last))) => return Ok((cause, last)),
                // Whoever asks is gone: what came so far is a session.
                Input::Ask(None) => return Ok(("error".to_owned(), None)),
                // Whoever came meanwhile hears how the markets are.
                Input::Nothing => self.ports.tap.flush(),
            }
            if self.keeper.has_failed() {
                return Err(Failed);
            }
            if self.told_at.elapsed() >= TELL_EVERY {
                self.tell();
            }
        }
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Failed> {
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
            self.append(record, shown);
        }
        self.pass_on()
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
        self.named.push((ticker.into(), uuid));
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

    fn own_row(&mut self, row: OwnRow) -> Result<(), Failed> {
        let market = match row.ticker.as_str() {
            "" => MarketId::NONE,
            ticker => {
                let known = self.tickers.len();
                let id = self.tickers.intern(ticker);
                if self.tickers.len() > known {
                    self.named.push((ticker.into(), None));
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
        self.append(Record { event, raw: row.raw }, shown);
        self.pass_on()
    }

    /// Accepts a record.
    fn append(&mut self, mut record: Record, shown: bool) {
        record.event.row_id = self.next_row_id;
        self.next_row_id += 1;
        self.ports.tap.see(&record.event);
        self.ports.tap.reached(record.event.row_id, record.event.recv);
        self.state.accepted += 1;
        if shown {
            self.ports.tap.push(record.clone());
        }
        self.rows.push(record);
    }

    /// Tells who acts and who looks on, and has kept, what was accepted.
    fn pass_on(&mut self) -> Result<(), Failed> {
        self.ports.tap.flush();
        let (named, rows) = (std::mem::take(&mut self.named), std::mem::take(&mut self.rows));
        self.hand_over(Keep::Rows(named, rows))
    }

    fn hand_over(&mut self, what: Keep) -> Result<(), Failed> {
        if self.keeper.keep(what) { Ok(()) } else { Err(Failed) }
    }

    fn tell(&mut self) {
        if self.turned_at.elapsed() >= TURN_EVERY {
            self.state.lag.turn();
            self.turned_at = Instant::now();
        }
        self.told_at = Instant::now();
        self.state.kept = self.keeper.kept();
        self.ports.state.send_replace(self.state.clone());
    }

    /// Accepts what is queued and `last`, and ends the session.
    fn finish(mut self, cause: &str, last: Option<OwnRow>) -> Ended {
        let handed = self.drain(last).and_then(|()| self.hand_over(Keep::Finish(cause.to_owned())));
        // Why it failed is said at its end.
        let _ = handed;
        self.end()
    }

    fn drain(&mut self, last: Option<OwnRow>) -> Result<(), Failed> {
        while let Ok(batch) = self.ports.batches.try_recv() {
            self.batch(batch)?;
        }
        while let Ok(ask) = self.ports.asks.try_recv() {
            if let Ask::Row(row) = ask {
                self.own_row(row)?;
            }
        }
        last.into_iter().try_for_each(|row| self.own_row(row))
    }

    fn end(self) -> Ended {
        let LogThread { keeper, ports, mut state, .. } = self;
        let (summary, kept) = keeper.end()?;
        state.kept = kept;
        state.lag.turn();
        ports.state.send_replace(state.clone());
        Ok((summary, state))
    }
}

async fn next(ports: &mut Ports) -> Input {
    let Ports { batches, asks, .. } = ports;
    tokio::select! {
        biased;
        ask = asks.recv() => Input::Ask(ask),
        Some(batch) = batches.recv() => Input::Batch(batch),
        () = tokio::time::sleep(IDLE) => Input::Nothing,
    }
}

/// Our wall clock.
pub(super) fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    TsNs(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
