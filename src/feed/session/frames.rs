//! One frame: read, numbered, applied, recorded, heeded.

use super::{Session, place};
use crate::book::Verdict;
use crate::event::{Body, Event, Record};
use crate::feed::Now;
use crate::feed::link::Lost;
use crate::feed::subscriptions::Situation;
use crate::intake::account::set_aside;
use crate::units::Side;
use crate::wire::frame::ServerFrame;

impl Session {
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
            self.subscriptions.doubt();
        }
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
        if again && self.subscriptions.may_open(event.sid) && self.over.remove(&event.sid) {
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
