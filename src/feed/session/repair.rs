//! What is missing, said and mended: gap rows, their healing, and what the exchange's answers change.

use super::{Session, place};
use crate::event::{Body, Event, Gap, GapCause, MarketId, Record};
use crate::feed::Channel;
use crate::feed::healing::{Scope, Step};
use crate::feed::link::{Action, Lost, Now};
use crate::feed::subscriptions::{News, Outbox};
use crate::units::TsNs;
use serde_json::{Value, json};

/// Wall and monotonic clock may drift apart by this much before it is a jump.
const JUMP_NS: i64 = 2_000_000_000;

impl Session {
    /// Numbers `from..=to` of the subscription of `near` never came.
    pub(super) fn hole(&mut self, now: Now, near: &Event, (from, to): (u64, u64), since: TsNs) {
        self.counters.missing = self.counters.missing.saturating_add(to - from + 1);
        let gap = Gap { from, to, since, ..Gap::unnumbered(GapCause::SeqGap, now.wall) };
        tracing::warn!(sid = near.sid, from, to, "sequence numbers are missing");
        if self.carries_books(near) {
            self.books_broken(now, near, gap);
        } else {
            // What another channel missed cannot be asked for again, and no book suffers.
            let row = self.accountant.gap(near, MarketId::NONE, gap);
            self.records.push(row);
        }
    }

    /// A frame that could not be read or applied.
    pub(super) fn damaged(&mut self, now: Now, near: &Event, cause: GapCause) {
        let gap = Gap::unnumbered(cause, now.wall);
        let foreign = self.subscriptions.channel_of(near.sid);
        if foreign.is_some_and(|c| c != Channel::OrderbookDelta) {
            // The bytes are in the log, and no book depends on them.
        } else if self.has_books && self.wanted.contains(&near.market) {
            self.gap(now, near, gap, Scope::Market(near.market), &[near.market]);
        } else if self.carries_books(near) {
            let near = Event { market: MarketId::NONE, body: Body::Other("".into()), ..*near };
            self.books_broken(now, &near, gap);
        } else {
            // If it had a number, the subscription's next frame shows the hole; if it was the last word of
            // a subscription, the list shows that.
            self.subscriptions.doubt();
        }
    }

    /// True if books come by the subscription of `near`.
    fn carries_books(&self, near: &Event) -> bool {
        match self.subscriptions.channel_of(near.sid) {
            _ if near.sid == 0 || !self.has_books => false,
            Some(channel) => channel == Channel::OrderbookDelta,
            // Its name has not been said yet. A book that nobody wants any more is in the log all the same.
            None => {
                matches!(near.body, Body::Snapshot(_) | Body::Delta(_))
                    || self.accountant.carries_books(near.sid)
            }
        }
    }

    /// The books of a whole subscription are unknown from here on.
    fn books_broken(&mut self, now: Now, near: &Event, gap: Gap) {
        let have = self.subscriptions.markets(Channel::OrderbookDelta);
        let is_hit = |m: &MarketId| have.contains(m) || self.accountant.sid(*m) == near.sid;
        let hit: Vec<MarketId> = self.wanted.iter().copied().filter(is_hit).collect();
        // Whether the last hole is still being healed has to be asked before this one is entered.
        let step = self.healing.broken();
        self.gap(now, near, gap, Scope::Books, &hit);
        self.step(now, step);
    }

    /// Writes a gap row at the place of `near`; the books of `stale` are to be asked for.
    pub(super) fn gap(
        &mut self,
        now: Now,
        near: &Event,
        gap: Gap,
        scope: Scope,
        stale: &[MarketId],
    ) {
        let market = match scope {
            Scope::Market(market) => market,
            Scope::Books | Scope::Channel(_) | Scope::Connection => MarketId::NONE,
        };
        let row = self.accountant.gap(near, market, gap.clone());
        self.records.push(row);
        self.healing.gap((near.sid, market, gap), scope, stale, now.mono_ns);
    }

    /// Writes the rows of the gaps that are healed by now.
    pub(super) fn settle(&mut self, now: Now) {
        for healed in self.healing.healed(self.wanted.is_empty()) {
            let body = Body::Healed(Box::new(healed.gap));
            let event = Event { market: healed.market, body, ..place(now, healed.sid) };
            self.records.push(Record { event, raw: None });
        }
    }

    /// A market is newly wanted.
    pub(super) fn welcome(&mut self, now: Now, market: MarketId) {
        if !self.has_books {
            return;
        }
        if let Some(since) = self.dropped.remove(&market) {
            self.gone(now, market, since);
        } else if !self.knows(market) {
            self.healing.wanted(market);
            if self.subscriptions.markets(Channel::OrderbookDelta).contains(&market) {
                self.healing.subscribed(market, now.mono_ns);
            }
        }
    }

    /// True while the market's book stands: a snapshot, and no gap since.
    fn knows(&self, market: MarketId) -> bool {
        self.accountant.book(market).is_some_and(|b| b.is_valid())
    }

    /// A market was not followed for a while although it is wanted.
    fn gone(&mut self, now: Now, market: MarketId, since: TsNs) {
        let gap = Gap { since, ..Gap::unnumbered(GapCause::Reconnect, now.wall) };
        self.gap(now, &place(now, 0), gap, Scope::Market(market), &[]);
        self.healing.unsubscribed([market]);
    }

    /// Takes notice of what the exchange answered, or did not.
    pub(super) fn heed(&mut self, now: Now, news: Vec<News>) {
        for news in news {
            match news {
                News::Opened { channel, sid, markets, anew } => {
                    if self.over.remove(&sid) && anew {
                        self.accountant.close(sid);
                    }
                    tracing::info!(channel = channel.word(), sid, markets = markets.len(), "open");
                    self.healing.opened(channel);
                    self.joined(now, channel, &markets);
                }
                News::Added { channel, markets } => self.joined(now, channel, &markets),
                News::Removed { channel, markets } => self.left(now, channel, &markets),
                News::Failed { channel, markets } => self.failed(now, channel, &markets),
                News::Ended { channel, sid, markets, planned } => {
                    self.over.insert(sid);
                    match planned {
                        true => self.left(now, channel, &markets),
                        false => self.ended(now, channel, sid),
                    }
                }
                News::Refused { markets, code, why } => self.refused(now, &markets, code, &why),
                News::Lost(why) => self.doomed = Some(why),
            }
        }
        self.settle(now);
    }

    fn joined(&mut self, now: Now, channel: Channel, markets: &[MarketId]) {
        if channel != Channel::OrderbookDelta {
            return;
        }
        // Snapshots may overtake the answer that announces them.
        for &market in markets {
            if self.wanted.contains(&market) && !self.knows(market) {
                self.healing.wanted(market);
                self.healing.subscribed(market, now.mono_ns);
            }
        }
    }

    /// A book may have come although nothing follows it: it is not to be trusted, now or when it is wanted
    /// again.
    fn failed(&mut self, now: Now, channel: Channel, markets: &[MarketId]) {
        let have = self.subscriptions.markets(Channel::OrderbookDelta);
        let is_adrift = |m: &&MarketId| !have.contains(m) && self.knows(**m);
        let adrift: Vec<MarketId> = markets.iter().filter(is_adrift).copied().collect();
        self.left(now, channel, &adrift);
    }

    /// The exchange sends these markets no longer, as far as we know.
    fn left(&mut self, now: Now, channel: Channel, markets: &[MarketId]) {
        if channel != Channel::OrderbookDelta {
            return;
        }
        for &market in markets {
            self.accountant.forget(market);
            if self.wanted.contains(&market) {
                self.gone(now, market, now.wall);
            } else {
                self.dropped.insert(market, now.wall);
            }
        }
    }

    /// A subscription is over that we still need.
    fn ended(&mut self, now: Now, channel: Channel, sid: u32) {
        let since = self.accountant.heard(sid);
        let gap = Gap { since, ..Gap::unnumbered(GapCause::Reconnect, now.wall) };
        let near = place(now, sid);
        if channel == Channel::OrderbookDelta {
            self.gap(now, &near, gap, Scope::Books, &[]);
            self.healing.unsubscribed(self.wanted.iter().copied());
        } else {
            self.gap(now, &near, gap, Scope::Channel(channel), &[]);
        }
    }

    fn refused(&mut self, now: Now, markets: &[MarketId], code: u32, why: &str) {
        let name = |m: &MarketId| self.decoder.tickers.name(*m).to_owned();
        let names: Vec<String> = markets.iter().map(name).collect();
        tracing::warn!(code, why, markets = names.len(), first = ?names.first(), "refused");
        markets.iter().for_each(|m| self.healing.remove(*m));
        let text =
            json!({"type": "kflow_refused", "code": code, "why": why, "market_tickers": names});
        self.note(now, "kflow_refused", &text);
    }

    pub(super) fn step(&mut self, now: Now, step: Option<Step>) {
        match step {
            None => {}
            Some(Step::Ask(markets)) => {
                self.command(|subscriptions, to| subscriptions.ask(now.mono_ns, &markets, to));
            }
            Some(Step::Resubscribe) => {
                self.subscriptions.replace(Channel::OrderbookDelta);
                self.sync(now);
            }
            Some(Step::Reconnect) => self.doomed = Some(Lost::Unhealed),
        }
    }

    /// Sends what brings the subscriptions nearer to what is wanted.
    pub(super) fn sync(&mut self, now: Now) {
        let wanted = std::mem::take(&mut self.wanted);
        self.command(|subscriptions, to| subscriptions.sync(now.mono_ns, &wanted, to));
        self.wanted = wanted;
    }

    fn command(
        &mut self,
        send: impl FnOnce(&mut crate::feed::subscriptions::Subscriptions, &mut Outbox<'_>),
    ) {
        if self.link.is_none() {
            return;
        }
        let mut to = Outbox { tickers: &self.decoder.tickers, frames: Vec::new() };
        send(&mut self.subscriptions, &mut to);
        self.actions.extend(to.frames.into_iter().map(Action::Send));
    }

    /// Gives the connection up if that was decided.
    pub(super) fn conclude(&mut self, now: Now) {
        if let Some(why) = self.doomed.take() {
            self.lost(now, why.clone());
            self.actions.clear();
            self.actions.push(Action::Reconnect(why));
        }
    }

    /// A wall clock that jumped is told, and changes nothing else: deadlines are monotonic.
    pub(super) fn check_clock(&mut self, now: Now) {
        let offset_ns = now.wall.0.saturating_sub_unsigned(now.mono_ns);
        let jump_ns = self.offset_ns.map_or(0, |old| offset_ns.saturating_sub(old));
        if self.offset_ns.is_none() || jump_ns.saturating_abs() > JUMP_NS {
            self.offset_ns = Some(offset_ns);
        }
        if jump_ns.saturating_abs() > JUMP_NS {
            tracing::warn!(jump_ms = jump_ns / 1_000_000, "the wall clock jumped");
            let text = json!({"type": "kflow_clock_jump", "jump_ns": jump_ns});
            self.note(now, "kflow_clock_jump", &text);
        }
    }

    /// A record of our own.
    pub(super) fn note(&mut self, now: Now, kind: &str, text: &Value) {
        let event = Event { body: Body::Other(kind.into()), ..place(now, 0) };
        let raw = Some(text.to_string().into_bytes().into());
        self.records.push(Record { event, raw });
    }
}
