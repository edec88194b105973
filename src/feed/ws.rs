//! The driver: a socket, two clocks and two queues around the [`Session`], which decides everything.
//!
//! One task. It reads what the socket has, up to a limit, hands the records on as one
//! batch, sends what the session asked for, and sleeps until the session's next deadline. A full queue
//! stops the reading, so that the exchange feels it; after [`super::Timing::queue_patience`] the connection
//! is given up, and the session's gap row says so.
//!
//! **Invariant:** at most one connection is open or being opened.

use super::backoff::{Backoff, Trouble};
use super::connect::{self, ConnectError, Socket};
use super::read::read;
use super::skew::Skew;
use super::{Action, Batch, Command, Counters, FeedEnd, FeedError, FeedSpec, Lost, Now, Session};
use crate::rng::Rng;
use crate::units::TsNs;
use futures_util::SinkExt;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

/// While the queue is full nothing is read, pings included: this often we say that we live.
const PONG_EVERY: Duration = Duration::from_secs(5);
/// For saying good-bye.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs a feed until `stop` turns true, or its reader is gone.
///
/// `out` gets the records in order; `commands` is read all the time, also while there is no connection.
///
/// # Errors
/// When no connection ever stood: at the first failure, or after [`super::Timing::first_connect`]. Later
/// failures are retried for ever.
pub async fn run(
    spec: FeedSpec,
    markets: Vec<String>,
    out: mpsc::Sender<Batch>,
    commands: mpsc::Receiver<Command>,
    stop: watch::Receiver<bool>,
) -> Result<FeedEnd, FeedError> {
    let clock = Clock { start: Instant::now() };
    let mut session = Session::new(&spec);
    session.want(clock.now(), &markets);
    let rng = Rng::stream(spec.seed, "feed backoff", 0);
    let base_ms = spec.timing.backoff.as_millis().try_into().unwrap_or(u64::MAX);
    let driver = Driver {
        backoff: Backoff::with_base(rng, base_ms),
        skew: Skew::default(),
        held: None,
        told: Counters::default(),
        spec,
        session,
        clock,
        out,
        commands,
        stop,
    };
    driver.run().await
}

/// Both clocks.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Now {
            mono_ns: self.start.elapsed().as_nanos().try_into().unwrap_or(u64::MAX),
            wall: TsNs(wall.try_into().unwrap_or(i64::MAX)),
        }
    }
}

struct Driver {
    spec: FeedSpec,
    session: Session,
    clock: Clock,
    backoff: Backoff,
    skew: Skew,
    out: mpsc::Sender<Batch>,
    commands: mpsc::Receiver<Command>,
    stop: watch::Receiver<bool>,
    /// A batch that the queue did not take yet.
    held: Option<Batch>,
    /// Counters of the last batch.
    told: Counters,
}

/// Why a connection is no longer read.
enum End {
    /// It is gone; the session knows.
    Lost(Lost),
    /// We were told to stop.
    Stop,
    /// Nobody takes our records.
    Unread,
}

impl Driver {
    async fn run(mut self) -> Result<FeedEnd, FeedError> {
        while let Some(socket) = self.connect().await? {
            let since = Instant::now();
            let why = match self.pump(socket).await {
                End::Lost(why) => why,
                End::Stop | End::Unread => break,
            };
            if self.flush().await.is_none() {
                break;
            }
            let lived_ms = since.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
            self.backoff.lived(lived_ms);
            let refused = why == Lost::Refused;
            let trouble = if refused { Trouble::Unauthorized } else { Trouble::Transient };
            if self.wait(trouble).await.is_none() {
                break;
            }
        }
        Ok(self.finish().await)
    }

    /// Tries until a connection stands; `None` when told to stop.
    async fn connect(&mut self) -> Result<Option<Socket>, FeedError> {
        let mut resigned = false;
        loop {
            let (spec, mut skew, clock) = (self.spec.clone(), self.skew, self.clock);
            let now_ms = || clock.now().wall.ms();
            let attempt = async { (connect::open(&spec, &mut skew, now_ms).await, skew) };
            let Some((result, skew)) = self.meanwhile(attempt).await else { return Ok(None) };
            let corrected = skew.offset_ms() != self.skew.offset_ms();
            self.skew = skew;
            let error = match result {
                Ok(socket) => return Ok(Some(socket)),
                Err(error) => error,
            };
            // The one refusal that time heals: it was signed by a wrong clock, which we now know. Once only: a
            // refusal is no reason to ask a third time.
            if matches!(error, ConnectError::Unauthorized) && corrected && !resigned {
                resigned = true;
                continue;
            }
            let first = self.session.connections() == 0;
            let patience = self.spec.timing.first_connect;
            if first && (error.is_final() || self.clock.start.elapsed() >= patience) {
                return Err(FeedError::Connect { url: spec.ws_url, source: error });
            }
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot connect");
            if self.wait(error.trouble()).await.is_none() {
                return Ok(None);
            }
        }
    }

    async fn wait(&mut self, trouble: Trouble) -> Option<()> {
        let wait = Duration::from_millis(self.backoff.next_ms(trouble));
        self.meanwhile(sleep(wait)).await
    }

    /// Awaits `future` while commands are obeyed; `None` when told to stop.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                Some(command) = self.commands.recv() => obey(&mut self.session, &self.clock, command),
                value = &mut future => return Some(value),
            }
        }
    }

    /// Reads a connection to its end.
    async fn pump(&mut self, mut socket: Socket) -> End {
        self.session.connected(self.clock.now());
        loop {
            if let Err(why) = self.act(&mut socket).await {
                return End::Lost(why);
            }
            if let Some(end) = self.deliver(&mut socket).await {
                return end;
            }
            let Driver { session, clock, stop, commands, .. } = self;
            let wake_ns = session.wake_ns().unwrap_or(u64::MAX);
            let wake = clock.start.checked_add(Duration::from_nanos(wake_ns));
            let wake =
                wake.unwrap_or_else(|| clock.start + Duration::from_secs(u64::from(u32::MAX)));
            // Before deadlines the socket: after a long stop what lies in it shows that the peer lives.
            tokio::select! {
                biased;
                () = stopped(stop) => {
                    let _ = timeout(FAREWELL, socket.close(None)).await;
                    return End::Stop;
                }
                Some(command) = commands.recv() => obey(session, clock, command),
                read = std::future::poll_fn(|cx| read(&mut socket, session, clock, cx)) => {
                    if let Err(why) = read {
                        session.lost(clock.now(), why.clone());
                        let _ = timeout(FAREWELL, socket.close(None)).await;
                        return End::Lost(why);
                    }
                }
                () = sleep_until(wake) => {}
            }
            let now = clock.now();
            if now.mono_ns >= wake_ns {
                session.tick(now);
            }
        }
    }

    /// Does what the session asks for.
    async fn act(&mut self, socket: &mut Socket) -> Result<(), Lost> {
        for action in self.session.actions() {
            let message = match action {
                Action::Send(text) => Message::text(text),
                Action::Ping => Message::Ping("kflow".into()),
                Action::Reconnect(why) => {
                    let _ = timeout(FAREWELL, socket.close(None)).await;
                    return Err(why);
                }
            };
            let sent = timeout(self.spec.timing.write, socket.send(message)).await;
            let why = match sent {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Lost::Broken(error.to_string()),
                Err(_) => Lost::Silence,
            };
            self.session.lost(self.clock.now(), why.clone());
            return Err(why);
        }
        Ok(())
    }

    /// Hands the records on; waits while the queue is full.
    async fn deliver(&mut self, socket: &mut Socket) -> Option<End> {
        let batch = self.batch()?;
        let batch = match self.out.try_send(batch) {
            Ok(()) => return None,
            Err(TrySendError::Closed(batch)) => {
                self.held = Some(batch);
                return Some(End::Unread);
            }
            Err(TrySendError::Full(batch)) => batch,
        };
        self.held = Some(batch);
        let give_up = Instant::now() + self.spec.timing.queue_patience;
        while Instant::now() < give_up {
            let pause = PONG_EVERY.min(give_up - Instant::now());
            let out = self.out.clone();
            match self.meanwhile(timeout(pause, out.reserve())).await {
                None => return Some(End::Stop),
                Some(Ok(Err(_))) => return Some(End::Unread),
                Some(Ok(Ok(room))) => {
                    send(room, &mut self.held);
                    return None;
                }
                // Failing to write shows when we read again.
                Some(Err(_)) => {
                    drop(timeout(FAREWELL, socket.send(Message::Pong("".into()))).await)
                }
            }
        }
        self.session.lost(self.clock.now(), Lost::QueueFull);
        let _ = timeout(FAREWELL, socket.close(None)).await;
        Some(End::Lost(Lost::QueueFull))
    }

    /// What there is to tell since the last batch.
    fn batch(&mut self) -> Option<Batch> {
        let batch = self.session.take_batch();
        let is_news = batch.counters != self.told;
        self.told = batch.counters;
        (is_news || !batch.records.is_empty() || !batch.markets.is_empty()).then_some(batch)
    }

    /// Adds what there is to tell to what the queue did not take.
    fn hold(&mut self) {
        let Some(rest) = self.batch() else { return };
        match &mut self.held {
            None => self.held = Some(rest),
            Some(held) => {
                held.markets.extend(rest.markets);
                held.records.extend(rest.records);
                held.counters = rest.counters;
            }
        }
    }

    /// Hands on what is left of a connection, however long it takes; `None` when told to stop.
    async fn flush(&mut self) -> Option<()> {
        self.hold();
        let out = self.out.clone();
        let room = self.meanwhile(out.reserve()).await?.ok()?;
        send(room, &mut self.held);
        Some(())
    }

    /// Hands on the last records, if they are taken in time.
    async fn finish(mut self) -> FeedEnd {
        self.hold();
        if let Some(batch) = self.held.take() {
            let patience = self.spec.timing.queue_patience;
            match timeout(patience, self.out.reserve()).await {
                Ok(Ok(room)) => room.send(batch),
                _ => self.held = Some(batch),
            }
        }
        let undelivered = self.held.map_or(0, |batch| batch.records.len() as u64);
        FeedEnd { counters: self.told, undelivered }
    }
}

/// Until told to stop, or whoever could tell us is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The value is not held on to: it would tie the feed to one thread.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn send(room: mpsc::Permit<'_, Batch>, held: &mut Option<Batch>) {
    if let Some(batch) = held.take() {
        room.send(batch);
    }
}

fn obey(session: &mut Session, clock: &Clock, command: Command) {
    match command {
        Command::Markets(tickers) => session.want(clock.now(), &tickers),
        // Whoever asked may have gone.
        Command::Book { ticker, reply } => drop(reply.send(session.book(&ticker))),
    }
}
