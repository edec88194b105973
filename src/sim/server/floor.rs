//! The task that owns the exchange: time passes, events go to the connections, commands come back.

use super::clock::Clock;
use super::handle::Call;
use crate::event::Snapshot;
use crate::sim::encode::Encoder;
use crate::sim::replay::Replay;
use crate::sim::rest::RestControl;
use crate::sim::script::{Fault, Script};
use crate::sim::truth::{Line, Truth};
use crate::sim::venue::{Told, Venue, What};
use crate::sim::ws::{Out, Scene, Session, WsSpec};
use crate::units::TsUs;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often time passes: a frame waits half of it on average.
const TURN: Duration = Duration::from_millis(1);
/// Exchange time that one turn may make up: commands are heard in between, however far behind it is.
const TURN_US_MAX: i64 = 10_000;
/// Batches of frames on their way to one connection; what comes after them waits in its session.
const BATCHES: usize = 4;
/// Turns between two flushes of the truth file.
const TURNS_PER_FLUSH: u64 = 512;

/// A connection's number and its frames, or an HTTP status.
type Admission = Result<(usize, mpsc::Receiver<Vec<Out>>), u16>;

/// What the connections ask of the floor.
pub(super) enum Ask {
    /// Somebody whose signature was right wants to come in.
    Knock(Option<u32>, oneshot::Sender<Admission>),
    /// A command of a connection.
    Text(usize, String),
    /// A connection is over.
    Gone(usize),
}

/// The exchange and its connections.
pub(super) struct Floor {
    pub(super) venue: Venue,
    pub(super) replay: Option<Replay>,
    /// The REST side, where the script disturbs it.
    pub(super) rest: Option<RestControl>,
    pub(super) ws: WsSpec,
    pub(super) script: Script,
    pub(super) truth: Truth,
    pub(super) clock: Clock,
    /// True while new TCP connections are turned away.
    pub(super) down: watch::Sender<bool>,
    encoder: Encoder,
    sessions: Vec<Option<(Session, mpsc::Sender<Vec<Out>>)>>,
    /// Upgrades that will be refused, and how.
    refuse: (u32, u16),
    down_until: TsUs,
    told: Vec<Told>,
    struck: Vec<Fault>,
}

/// What is left when the exchange stops.
pub(super) struct Left {
    pub(super) truth: Truth,
    pub(super) books: Vec<(String, Snapshot)>,
    pub(super) connections: usize,
}

impl Floor {
    pub(super) fn new(
        venue: Venue,
        ws: WsSpec,
        script: Script,
        truth: Truth,
        clock: Clock,
        down: watch::Sender<bool>,
    ) -> Floor {
        Floor {
            venue,
            replay: None,
            rest: None,
            ws,
            script,
            truth,
            clock,
            down,
            encoder: Encoder::default(),
            sessions: Vec::new(),
            refuse: (0, 0),
            down_until: TsUs(i64::MIN),
            told: Vec::new(),
            struck: Vec::new(),
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(
        mut self,
        mut calls: mpsc::Receiver<Call>,
        mut asks: mpsc::Receiver<Ask>,
        mut stop: watch::Receiver<bool>,
    ) -> Left {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turns = 0u64;
        loop {
            tokio::select! {
                biased;
                // An owner who went away has nobody left to serve.
                _ = stop.wait_for(|stop| *stop) => break,
                Some(call) = calls.recv() => {
                    self.pass_time();
                    call(&mut self.venue);
                }
                Some(ask) = asks.recv() => {
                    self.pass_time();
                    self.hear(ask);
                    while let Ok(ask) = asks.try_recv() {
                        self.hear(ask);
                    }
                }
                _ = turn.tick() => {
                    turns += 1;
                    self.pass_time();
                    if turns.is_multiple_of(TURNS_PER_FLUSH) {
                        self.flush_truth();
                    }
                }
            }
            self.publish();
        }
        self.flush_truth();
        let books = self.venue.markets().iter();
        let books = books.map(|m| (m.definition.ticker.clone(), m.face.snapshot())).collect();
        Left { truth: self.truth, books, connections: self.sessions.len() }
    }

    fn flush_truth(&mut self) {
        if let Err(error) = self.truth.flush() {
            tracing::error!(%error, "the truth cannot be written down");
        }
    }

    /// Lets the exchange catch up with the clock, and what the script has for this moment strike.
    fn pass_time(&mut self) {
        let now = self.clock.now();
        match &mut self.replay {
            Some(replay) => {
                self.venue.advance(now);
                let listening = self.sessions.iter().flatten().filter(|s| s.0.is_listening());
                if let Some(waiting) = listening.map(|s| s.0.waiting()).max() {
                    replay.play(&mut self.venue, waiting);
                }
            }
            None => self.venue.advance(now.min(TsUs(self.venue.now().0 + TURN_US_MAX))),
        }
        for step in self.script.due(self.clock.elapsed_ms()) {
            let fault = format!("{:?} on {}", step.fault, step.channel.name());
            self.truth.enter(Line::Fault { at_us: now.0, fault });
            if step.fault.strikes_everybody() {
                self.struck.push(step.fault);
                continue;
            }
            self.each(|session, scene| session.strike(step.channel, &step.fault, scene));
        }
        for fault in std::mem::take(&mut self.struck) {
            self.strike(&fault);
        }
        if *self.down.borrow() && now >= self.down_until {
            self.down.send_replace(false);
        }
    }

    /// Faults of the whole exchange.
    fn strike(&mut self, fault: &Fault) {
        let until = |ms: u32| TsUs(self.clock.now().0 + i64::from(ms) * 1_000);
        match *fault {
            Fault::Pause(ms) => self.venue.pause(until(ms)),
            Fault::Refuse { n, status } => self.refuse = (n, status),
            Fault::Rest(ref fault) => {
                if let Some(rest) = &self.rest {
                    rest.fail_now(fault.clone());
                }
            }
            Fault::Restart(ms) => {
                self.down_until = until(ms);
                self.down.send_replace(true);
                let channel = crate::sim::ws::Channel::OrderbookDelta;
                self.each(|session, scene| session.strike(channel, &Fault::Cut, scene));
            }
            _ => {}
        }
    }

    fn hear(&mut self, ask: Ask) {
        match ask {
            Ask::Knock(account, reply) => {
                let answer = self.knock(account);
                // Whoever knocked may have gone: the closed channel shows it at the next batch.
                let _ = reply.send(answer);
            }
            Ask::Text(number, text) => {
                self.one(number, |session, scene| session.ask(text, scene));
            }
            Ask::Gone(number) => {
                if let Some(slot) = self.sessions.get_mut(number) {
                    *slot = None;
                }
            }
        }
    }

    fn knock(&mut self, account: Option<u32>) -> Admission {
        if self.refuse.0 > 0 {
            self.refuse.0 -= 1;
            return Err(self.refuse.1);
        }
        let number = self.sessions.len();
        let (frames, link) = mpsc::channel(BATCHES);
        self.sessions.push(Some((Session::new(number, account, self.ws), frames)));
        self.truth.enter(Line::Open { c: number, at_us: self.venue.now().0 });
        Ok((number, link))
    }

    /// Gives what was told to whoever listens, and hands all frames to the wires.
    fn publish(&mut self) {
        let mut told = std::mem::take(&mut self.told);
        self.venue.take(&mut told);
        let mut moved = BTreeSet::new();
        let wants_tickers = self.sessions.iter().flatten().any(|s| s.0.wants_tickers());
        let anybody = self.sessions.iter().any(Option::is_some);
        for event in told.drain(..).filter(|_| anybody) {
            let Some(market) = self.venue.market(event.market) else { continue };
            let message = self.encoder.message(&event, &market.definition);
            self.each(|session, scene| session.told(&event, &message, scene));
            if wants_tickers && !matches!(event.what, What::Notice { .. } | What::Private { .. }) {
                moved.insert(event.market);
            }
        }
        self.told = told;
        // After the events: a snapshot that is due now holds them already.
        self.each(Session::wake);
        for market in moved {
            self.each(|session, scene| session.ticker(market, scene));
        }
        self.hand_over();
    }

    fn hand_over(&mut self) {
        for slot in &mut self.sessions {
            // A client that left before its upgrade was complete leaves nothing else behind.
            slot.take_if(|(_, frames)| frames.is_closed());
            let Some((session, frames)) = slot else { continue };
            if session.waiting() > 0
                && let Ok(permit) = frames.try_reserve()
            {
                permit.send(session.take());
            }
        }
        self.each(Session::overflow);
    }

    fn one(&mut self, number: usize, act: impl FnOnce(&mut Session, &mut Scene<'_>)) {
        let Floor { venue, encoder, truth, script, struck, .. } = self;
        let mut scene = Scene { venue, encoder, truth, script, struck };
        if let Some(Some((session, _))) = self.sessions.get_mut(number) {
            act(session, &mut scene);
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Session, &mut Scene<'_>)) {
        let Floor { venue, encoder, truth, script, struck, .. } = self;
        let mut scene = Scene { venue, encoder, truth, script, struck };
        for (session, _) in self.sessions.iter_mut().flatten() {
            act(session, &mut scene);
        }
    }
}
