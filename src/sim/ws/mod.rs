//! The WebSocket side of one connection: subscriptions, numbering, replies (protocol notes 4).
//!
//! **Invariant:** pure: commands, events and time in, frames out.
//! **Invariant:** one counter per `sid` over all its frames; what is numbered is entered in the truth before
//! any fault can touch it; frames of one `sid` are sent in the order of their numbers unless a fault says
//! otherwise.

mod answer;
mod channel;
mod command;
mod mangle;
mod planned;
mod strike;

pub use channel::Channel;
pub use mangle::Out;

use super::encode::{Encoder, Message, ticker_text};
use super::lag::Lag;
use super::script::{Fault, Script};
use super::truth::{Fate, Line, Truth};
use super::venue::{Told, Venue, What};
use crate::rng::Rng;
use crate::units::TsUs;
use channel::Subscription;
use mangle::Mangle;
use planned::Planned;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;

/// How the WebSocket side behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsSpec {
    /// Seed of everything below that is left to chance.
    pub seed: u64,
    /// Commands are carried out up to so many microseconds after they came, each by itself: replies come
    /// out of order, with other frames between them.
    pub reply_jitter_us: u32,
    /// So many of a thousand first snapshots come late: deltas of the market come before.
    pub late_snapshots_e3: u32,
    /// How late at most, microseconds.
    pub late_snapshot_us: u32,
    /// Markets of one subscription; more are refused with code 26.
    pub markets_max: u32,
    /// Commands per second; more are refused with code 27.
    pub commands_per_s: u32,
    /// Frames that wait for a slow client before its busiest subscription ends with code 25.
    pub buffer_frames: usize,
    /// Frames leave as late as real ones arrive, trades apart from their level changes.
    pub lag: bool,
}

impl Default for WsSpec {
    fn default() -> Self {
        WsSpec {
            seed: 7,
            reply_jitter_us: 3_000,
            late_snapshots_e3: 20,
            late_snapshot_us: 20_000,
            markets_max: 10_000,
            commands_per_s: 10_000,
            // More than a second of the fastest feed that is asked for.
            buffer_frames: 1 << 17,
            lag: false,
        }
    }
}

/// What a connection needs of the world around it.
pub struct Scene<'a> {
    /// The exchange.
    pub venue: &'a Venue,
    /// Writes messages.
    pub(super) encoder: &'a mut Encoder,
    /// What was issued.
    pub truth: &'a mut Truth,
    /// When faults strike.
    pub script: &'a mut Script,
    /// Faults that struck and that are not this connection's alone.
    pub struck: &'a mut Vec<Fault>,
}

/// A frame, and whose number it has (0, 0: nobody's).
type Numbered = (u32, u64, Out);

/// One connection.
#[derive(Debug)]
pub struct Session {
    number: usize,
    account: Option<u32>,
    spec: WsSpec,
    rng: Rng,
    lag: Option<Lag>,
    subs: Vec<Subscription>,
    sids: u32,
    /// Commands and snapshots that will be carried out.
    agenda: BinaryHeap<Reverse<Planned<Plan>>>,
    /// Frames that leave later.
    late: BinaryHeap<Reverse<Planned<Numbered>>>,
    planned: u64,
    /// What may be sent now.
    out: Vec<Numbered>,
    /// Commands in the second that began at the first value.
    commands: (TsUs, u32),
}

/// Something that will be done.
#[derive(Debug)]
enum Plan {
    Command(String),
    Snapshot { sid: u32, market: u32 },
}

impl Session {
    /// Connection number `number` (from 0), opened by `account` if the exchange knows it.
    pub fn new(number: usize, account: Option<u32>, spec: WsSpec) -> Session {
        let stream = |name| Rng::stream(spec.seed, name, number as u64);
        Session {
            number,
            account,
            spec,
            rng: stream("session"),
            lag: spec.lag.then(|| Lag::new(stream("lag"))),
            subs: Vec::new(),
            sids: 0,
            agenda: BinaryHeap::new(),
            late: BinaryHeap::new(),
            planned: 0,
            out: Vec::new(),
            commands: (TsUs(i64::MIN), 0),
        }
    }

    /// Does what is due by now. What the venue told until now must have been passed on: a snapshot holds
    /// it already.
    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        let now = scene.venue.now();
        self.release(now);
        while let Some(plan) = Planned::due(&mut self.agenda, now) {
            match plan {
                Plan::Command(text) => self.answer(&text, scene),
                Plan::Snapshot { sid, market } => {
                    if let Some(at) = self.subs.iter().position(|s| s.sid == sid) {
                        self.snapshot(at, market, 0, scene);
                    }
                }
            }
        }
    }

    /// Passes on what the venue told, if somebody here listens. `message` is its encoding.
    pub(super) fn told(&mut self, told: &Told, message: &Message, scene: &mut Scene<'_>) {
        let Some(channel) = Channel::of_kind(message.kind) else { return };
        if let What::Private { account, .. } = told.what
            && self.account != Some(account)
        {
            return;
        }
        let hears = |s: &Subscription| s.channel == channel && s.scope.has(told.market);
        if let Some(at) = self.subs.iter().position(hears) {
            self.pass_on(at, 0, message, scene);
        }
    }

    /// Tells the ticker of a market that has moved.
    pub fn ticker(&mut self, market: u32, scene: &mut Scene<'_>) {
        let hears = |s: &Subscription| s.channel == Channel::Ticker && s.scope.has(market);
        let (Some(at), Some(m)) = (self.subs.iter().position(hears), scene.venue.market(market))
        else {
            return;
        };
        let text = ticker_text(m, scene.venue.now());
        self.issue(at, Issue { kind: "ticker", msg: &text, ..Issue::default() }, scene);
    }

    /// True while anything is subscribed.
    pub fn is_listening(&self) -> bool {
        !self.subs.is_empty()
    }

    /// True if somebody here wants tickers.
    pub fn wants_tickers(&self) -> bool {
        self.subs.iter().any(|s| s.channel == Channel::Ticker)
    }

    /// What is to be sent, and room for more.
    pub fn take(&mut self) -> Vec<Out> {
        self.out.drain(..).map(|(_, _, out)| out).collect()
    }

    /// Frames that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    fn pass_on(&mut self, at: usize, id: u64, message: &Message, scene: &mut Scene<'_>) {
        let Message { kind, print, book, .. } = *message;
        let msg = message.text(self.subs[at].yes_scale);
        self.issue(at, Issue { kind, id, msg, print, book }, scene);
    }

    /// Numbers a frame of a subscription, enters it in the truth, and sends it as far as faults allow.
    fn issue(&mut self, at: usize, what: Issue<'_>, scene: &mut Scene<'_>) {
        let (sub, now) = (&mut self.subs[at], scene.venue.now());
        let (channel, sid) = (sub.channel, sub.sid);
        sub.seq += u64::from(channel.is_numbered());
        let text = what.frame(sid, sub.seq);
        if channel.is_numbered() {
            let Issue { print, book, .. } = what;
            scene.truth.enter(Line::Frame { c: self.number, sid, seq: sub.seq, print, book });
        }
        let mut late_us = 0;
        if let Some(lag) = &mut self.lag {
            late_us = lag.book_us(now.0);
            late_us += if channel == Channel::Trade { lag.trade_us() } else { 0 };
        }
        sub.leaves = sub.leaves.max(TsUs(now.0 + late_us));
        self.send(at, text, scene);
        for fault in scene.script.issued(channel) {
            scene.truth.enter(Line::Fault { at_us: now.0, fault: format!("{fault:?}") });
            self.strike(channel, &fault, scene);
        }
    }

    /// Sends a numbered frame, or what the faults that wait for it make of it.
    fn send(&mut self, at: usize, text: String, scene: &mut Scene<'_>) {
        let sub = &mut self.subs[at];
        let (sid, seq) = (sub.sid, sub.seq);
        if sub.mangle.is_idle() {
            let leaves = sub.leaves;
            return self.leave(leaves, (sid, seq, Out::Text(text)), scene.venue.now());
        }
        let c = self.number;
        let mut fate = |fate| scene.truth.enter(Line::Fate { c, sid, seq, fate });
        if Mangle::take(&mut sub.mangle.drop) {
            return fate(Fate::Dropped);
        }
        let mut frames = Vec::new();
        if let Some(garbage) = sub.mangle.garbled(&text) {
            fate(Fate::Garbled);
            frames.push(garbage);
        } else if sub.mangle.reorder > 0 {
            let others = std::mem::take(&mut sub.mangle.reorder);
            return sub.mangle.hold(Out::Text(text), others);
        } else if Mangle::take(&mut sub.mangle.duplicate) {
            fate(Fate::Duplicated);
            frames = vec![Out::Text(text.clone()), Out::Text(text)];
        } else {
            frames.push(Out::Text(text));
        }
        sub.mangle.released(&mut frames);
        if Mangle::take(&mut sub.mangle.delay.0) {
            let late = TsUs(scene.venue.now().0 + i64::from(sub.mangle.delay.1) * 1_000);
            sub.leaves = sub.leaves.max(late);
        }
        let leaves = sub.leaves;
        for frame in frames {
            self.leave(leaves, (sid, seq, frame), scene.venue.now());
        }
    }

    fn leave(&mut self, at: TsUs, frame: Numbered, now: TsUs) {
        if at <= now {
            // Older frames of the subscription go first.
            self.release(now);
            self.out.push(frame);
        } else {
            self.planned += 1;
            self.late.push(Reverse(Planned { at, number: self.planned, what: frame }));
        }
    }

    fn release(&mut self, now: TsUs) {
        while let Some(frame) = Planned::due(&mut self.late, now) {
            self.out.push(frame);
        }
    }

    fn plan(&mut self, at: TsUs, what: Plan) {
        self.planned += 1;
        self.agenda.push(Reverse(Planned { at, number: self.planned, what }));
    }
}

/// A frame of a subscription before it is numbered.
#[derive(Clone, Copy, Default)]
struct Issue<'a> {
    kind: &'a str,
    /// The command that it answers; 0: none.
    id: u64,
    /// The `msg`; empty: none.
    msg: &'a str,
    print: u64,
    book: u64,
}

impl Issue<'_> {
    /// The frame's text; `seq` 0 for channels without numbers.
    fn frame(&self, sid: u32, seq: u64) -> String {
        let mut text = String::with_capacity(self.msg.len() + 96);
        // Writing into a String cannot fail.
        let _ = write!(text, "{{\"type\":\"{}\"", self.kind);
        for (key, value) in [("id", self.id), ("sid", u64::from(sid)), ("seq", seq)] {
            if value > 0 {
                let _ = write!(text, ",\"{key}\":{value}");
            }
        }
        if !self.msg.is_empty() {
            text.push_str(",\"msg\":");
            text.push_str(self.msg);
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests;
