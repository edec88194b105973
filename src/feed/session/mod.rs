//! The protocol machine: frames and time in, records and actions out.
//!
//! It decodes, accounts for every sequence number, keeps the books, says what is missing, and asks for
//! what heals it. It knows no socket: whoever drives it tells it what came and when, sends what
//! [`Session::actions`] gives, and calls [`Session::tick`] when [`Session::wake_ns`] has passed.
//!
//! **Invariant:** pure: no clock, no task, no IO; the same input gives the same output.
//! **Invariant:** every frame received becomes exactly one record, except what is still in the socket when
//! a connection is given up: the gap row of the connection stands for that.

mod repair;

use super::healing::{Healing, Scope};
use super::link::{Action, Lost, Now, ns};
use super::subscriptions::{Situation, Subscriptions};
use super::{Batch, Channel, Counters, FeedSpec};
use crate::book::Verdict;
use crate::event::{Body, Event, Gap, GapCause, MarketId, Record, Snapshot};
use crate::intake::account::{Accountant, set_aside};
use crate::rng::Rng;
use crate::units::{Side, TsNs};
use crate::wire::Decoder;
use crate::wire::frame::ServerFrame;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The protocol machine of a feed, over all its connections.
#[derive(Debug)]
pub struct Session {
    url: String,
    use_yes_price: bool,
    has_books: bool,
    ping_after_ns: u64,
    silence_ns: u64,
    decoder: Decoder,
    accountant: Accountant,
    subscriptions: Subscriptions,
    healing: Healing,
    counters: Counters,
    wanted: BTreeSet<MarketId>,
    /// Markets that we stopped following, and when: a hole, if they are wanted again.
    dropped: BTreeMap<MarketId, TsNs>,
    connections: u64,
    link: Option<Link>,
    /// Subscriptions of this connection that are over: number 1 is a new one.
    over: BTreeSet<u32>,
    /// Why the connection is to be given up, once the frame at hand has its record.
    doomed: Option<Lost>,
    /// Why the last one ended.
    lost: Option<Lost>,
    /// Wall clock less monotonic clock.
    offset_ns: Option<i64>,
    records: Vec<Record>,
    actions: Vec<Action>,
    /// Markets of the dictionary that the reader of our batches knows.
    told: u32,
    /// Of these, the ones without the exchange's id.
    unidentified: Vec<MarketId>,
}

/// A connection that stands.
#[derive(Debug)]
struct Link {
    /// When anything was heard last.
    heard_ns: u64,
    /// A ping of ours is under way since then.
    pinged: bool,
    /// Receive time of its last frame; `None` before any.
    last_frame: Option<TsNs>,
}

impl Session {
    /// A session that has not connected yet.
    pub fn new(spec: &FeedSpec) -> Session {
        let FeedSpec { channels, use_yes_price, timing, seed, .. } = spec;
        let rng = Rng::stream(*seed, "feed commands", 0);
        Session {
            url: spec.ws_url.clone(),
            use_yes_price: *use_yes_price,
            has_books: channels.contains(&Channel::OrderbookDelta),
            ping_after_ns: ns(timing.ping_after),
            silence_ns: ns(timing.silence),
            decoder: Decoder::default(),
            accountant: Accountant::live(),
            subscriptions: Subscriptions::new(channels, *use_yes_price, timing, rng),
            healing: Healing::new(channels, timing),
            counters: Counters::default(),
            wanted: BTreeSet::new(),
            dropped: BTreeMap::new(),
            connections: 0,
            link: None,
            over: BTreeSet::new(),
            doomed: None,
            lost: None,
            offset_ns: None,
            records: Vec::new(),
            actions: Vec::new(),
            told: 0,
            unidentified: Vec::new(),
        }
    }

    /// From now on exactly these markets are wanted.
    pub fn want(&mut self, now: Now, tickers: &[String]) {
        let wanted: BTreeSet<MarketId> =
            tickers.iter().map(|t| self.decoder.tickers.intern(t)).collect();
        let old = std::mem::replace(&mut self.wanted, wanted);
        for market in old.difference(&self.wanted) {
            self.healing.remove(*market);
        }
        let new: Vec<MarketId> = self.wanted.difference(&old).copied().collect();
        new.into_iter().for_each(|market| self.welcome(now, market));
        self.settle(now);
        self.sync(now);
    }

    /// A connection stands.
    pub fn connected(&mut self, now: Now) {
        self.connections += 1;
        self.counters.reconnects = self.connections - 1;
        self.accountant.begin_connection();
        self.subscriptions.connected();
        self.healing.connected();
        self.over.clear();
        self.link = Some(Link { heard_ns: now.mono_ns, pinged: false, last_frame: None });
        let after = self.lost.take().map(|why| why.to_string());
        let text = json!({
            "type": "kflow_connection", "n": self.connections, "url": self.url,
            "use_yes_price": self.use_yes_price, "after": after,
        });
        self.note(now, "kflow_connection", &text);
        self.settle(now);
        self.sync(now);
    }

    /// The connection is gone. Everything from its last frame on is one gap.
    pub fn lost(&mut self, now: Now, why: Lost) {
        let Some(link) = self.link.take() else { return };
        tracing::warn!(%why, connection = self.connections, "connection lost");
        if let Some(since) = link.last_frame {
            let full = why == Lost::QueueFull;
            let cause = if full { GapCause::QueueFull } else { GapCause::Reconnect };
            let gap = Gap { since, ..Gap::unnumbered(cause, now.wall) };
            self.gap(now, &place(now, 0), gap, Scope::Connection, &[]);
        }
        self.accountant.begin_connection();
        if self.has_books {
            self.healing.unsubscribed(self.wanted.iter().copied());
        }
        self.lost = Some(why);
    }

    /// A sign of life that is no frame of the protocol: a ping or a pong.
    pub fn alive(&mut self, now: Now) {
        if let Some(link) = &mut self.link {
            (link.heard_ns, link.pinged) = (now.mono_ns, false);
        }
    }

    /// A text frame.
    pub fn frame(&mut self, now: Now, bytes: &[u8]) {
        if !self.heard(now) {
            return;
        }
        let mut record = self.decoder.decode(bytes, now.wall);
        if self.use_yes_price {
            to_own_axis(&mut record, bytes);
        }
        match self.verdict(&record.event, bytes) {
            Verdict::Next => self.accept(now, record, bytes),
            Verdict::Hole { from, to, since } => {
                self.hole(now, &record.event, (from, to), since);
                self.accept(now, record, bytes);
            }
            Verdict::Duplicate => {
                self.counters.duplicates += 1;
                set_aside(&mut record, "duplicate", bytes);
                self.records.push(record);
            }
            Verdict::Late => {
                self.counters.late += 1;
                set_aside(&mut record, "late", bytes);
                self.records.push(record);
            }
            Verdict::Restart => {
                self.doomed = Some(Lost::Rewind(record.event.sid));
                set_aside(&mut record, "rewind", bytes);
                self.records.push(record);
            }
        }
        self.conclude(now);
    }

    /// A frame that cannot be one of the protocol: binary, or text that is none. `None` where not even
    /// its bytes could be had.
    pub fn unreadable(&mut self, now: Now, bytes: Option<&[u8]>, why: &str) {
        if self.heard(now) {
            self.counters.bad += 1;
            let event = Event { body: Body::Bad(why.into()), ..place(now, 0) };
            self.records.push(Record { event, raw: bytes.map(Into::into) });
        }
    }

    /// Carries out what is due. Harmless when nothing is.
    pub fn tick(&mut self, now: Now) {
        self.check_clock(now);
        let Some(link) = &mut self.link else { return };
        let silent_ns = now.mono_ns.saturating_sub(link.heard_ns);
        if silent_ns >= self.silence_ns {
            self.doomed = Some(Lost::Silence);
        } else if silent_ns >= self.ping_after_ns && !link.pinged {
            link.pinged = true;
            self.actions.push(Action::Ping);
        }
        let news = self.subscriptions.expire(now.mono_ns);
        self.heed(now, news);
        let step = self.healing.due(now.mono_ns);
        self.step(now, step);
        self.sync(now);
        self.conclude(now);
    }

    /// When [`Session::tick`] is due, on the monotonic clock.
    pub fn wake_ns(&self) -> Option<u64> {
        let link = self.link.as_ref()?;
        let wait_ns = if link.pinged { self.silence_ns } else { self.ping_after_ns };
        let life = link.heard_ns.saturating_add(wait_ns.min(self.silence_ns));
        let others = self.subscriptions.wake_ns().into_iter().chain(self.healing.wake_ns());
        Some(others.fold(life, u64::min))
    }

    /// Takes what the driver is to do, in order.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Connections that have stood.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// True if there is something to do for the driver.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Takes the records since the last time, with what they added to the dictionary.
    pub fn take_batch(&mut self) -> Batch {
        let tickers = &self.decoder.tickers;
        let entry = |id: MarketId| (id, tickers.name(id).into(), tickers.uuid(id));
        let is_known = |id: &MarketId| tickers.uuid(*id).is_some();
        let mut markets: Vec<_> =
            self.unidentified.extract_if(.., |id| is_known(id)).map(entry).collect();
        let new = (self.told..tickers.len() as u32).map(MarketId);
        self.unidentified.extend(new.clone().filter(|id| !is_known(id)));
        markets.extend(new.map(entry));
        self.told = tickers.len() as u32;
        let records = std::mem::take(&mut self.records);
        Batch { markets, records, counters: self.counters() }
    }

    /// The counters now.
    pub fn counters(&self) -> Counters {
        let idle = self.wanted.is_empty();
        let main = if self.has_books { Channel::OrderbookDelta } else { Channel::Trade };
        Counters {
            gaps: self.accountant.gaps(),
            open_gaps: self.healing.open_gaps(),
            markets: self.subscriptions.markets(main).len() as u64,
            stale: self.healing.stale(),
            connected: self.link.is_some() && self.subscriptions.is_open(idle),
            ..self.counters
        }
    }

    /// The live book of a market, if it is known: bids from the best down.
    pub fn book(&self, ticker: &str) -> Option<Snapshot> {
        let market = self.decoder.tickers.find(ticker)?;
        let book = self.accountant.book(market).filter(|b| b.is_valid())?;
        let side = |side| book.bids(side).iter().collect();
        Some(Snapshot { yes: side(Side::Yes), no: side(Side::No) })
    }

    /// Counts a frame; false while there is no connection that it could belong to.
    fn heard(&mut self, now: Now) -> bool {
        self.alive(now);
        let Some(link) = &mut self.link else { return false };
        link.last_frame = Some(now.wall);
        self.counters.received += 1;
        self.check_clock(now);
        true
    }

    /// What the frame's number says; the number of a subscription that is over may be given out again, and
    /// then counts from 1.
    fn verdict(&mut self, event: &Event, bytes: &[u8]) -> Verdict {
        let verdict = self.accountant.verdict(event, bytes);
        let again = verdict == Verdict::Restart && event.seq == 1;
        if again && self.subscriptions.is_opening() && self.over.remove(&event.sid) {
            self.accountant.close(event.sid);
            return self.accountant.verdict(event, bytes);
        }
        verdict
    }

    /// True for a book that stands beside what is subscribed: of a subscription that is over, or an answer
    /// for a market that was left meanwhile. Nothing would keep it up to date.
    fn is_stray(&self, event: &Event) -> bool {
        match event.body {
            Body::Delta(_) => !self.over.is_empty() && self.over.contains(&event.sid),
            Body::Snapshot(_) => {
                self.over.contains(&event.sid) || !self.subscriptions.follows(event.market)
            }
            _ => false,
        }
    }

    /// A frame in its place: applied, recorded, heeded.
    fn accept(&mut self, now: Now, mut record: Record, bytes: &[u8]) {
        if self.is_stray(&record.event) {
            set_aside(&mut record, "stray", bytes);
        }
        let (_, after) = self.accountant.fold(&record.event);
        match &record.event.body {
            Body::Delta(_) | Body::Trade(_) if after.is_none() => self.records.push(record),
            Body::Snapshot(_) => {
                let market = record.event.market;
                self.records.push(record);
                self.healing.snapshot(market, now.mono_ns);
                self.settle(now);
            }
            Body::Other(kind) => {
                let is_reply = matches!(&**kind, "subscribed" | "unsubscribed" | "ok" | "error");
                let raw = record.raw.as_deref().filter(|_| is_reply);
                let reply = raw.and_then(|raw| ServerFrame::parse(raw).ok());
                self.records.push(record);
                if let Some(reply) = reply {
                    self.reply(now, &reply);
                }
            }
            _ => {
                let near = Event { body: Body::Other("".into()), ..record.event };
                self.counters.bad += u64::from(matches!(record.event.body, Body::Bad(_)));
                self.records.push(record);
                if let Some(cause) = after {
                    self.damaged(now, &near, cause);
                }
            }
        }
    }

    fn reply(&mut self, now: Now, frame: &ServerFrame) {
        let tickers = &self.decoder.tickers;
        let at = Situation { now_ns: now.mono_ns, wanted: &self.wanted, tickers };
        let news = self.subscriptions.reply(frame, at);
        self.heed(now, news);
        self.sync(now);
    }
}

/// An event of ours at this moment: nobody's market, no number.
fn place(now: Now, sid: u32) -> Event {
    let body = Body::Other("".into());
    Event { row_id: 0, recv: now.wall, ts: None, market: MarketId::NONE, sid, seq: 0, body }
}

/// Puts NO levels that were quoted on the YES scale on their own axis. The bytes are kept, for they no
/// longer follow from the event.
fn to_own_axis(record: &mut Record, bytes: &[u8]) {
    match &mut record.event.body {
        Body::Delta(delta) if delta.side == Side::No => delta.price = delta.price.complement(),
        Body::Snapshot(snapshot) if !snapshot.no.is_empty() => {
            snapshot.no.iter_mut().for_each(|level| level.0 = level.0.complement());
        }
        _ => return,
    }
    record.raw.get_or_insert_with(|| bytes.into());
}
