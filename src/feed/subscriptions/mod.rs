//! What is asked of the exchange and how it answered: channels, their markets, commands under way.
//!
//! Each channel has at most one command under way that opens, closes or changes it, so that an answer is
//! never read against another state than the one that it answers. Answers are matched by id, in any order;
//! one without a match changes nothing that is certain, and asks for the list of subscriptions.
//!
//! **Invariant:** pure: time comes in, frames to send and news come out.
//! **Invariant:** no answer makes a loop: what is refused is tried again slowly, in smaller pieces, or not.

mod commands;
mod replies;

pub(super) use replies::Situation;

use super::link::{Lost, ns};
use super::{Channel, Timing};
use crate::event::{MarketId, Tickers};
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Markets in one command: about 8 kB of text.
const CHUNK_MARKETS: usize = 250;
/// Unanswered commands in a row before the channel, and then the connection, is replaced.
const RESUBSCRIBE_AFTER: u32 = 2;
const RECONNECT_AFTER: u32 = 3;
/// This often the exchange is asked what is subscribed: a subscription that ended unheard looks like one of
/// quiet markets.
const CHECK_NS: u64 = 120_000 * MS_NS;
/// First and longest pause after "too many requests".
const QUIET_MS: (u64, u64) = (500, 30_000);
const MS_NS: u64 = 1_000_000;

/// All channels of a connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    lines: Vec<Line>,
    commands: BTreeMap<u64, Sent>,
    next_id: u64,
    use_yes_price: bool,
    reply_ns: u64,
    slow_ns: u64,
    /// No command before this: the exchange said "too many requests".
    quiet_until_ns: u64,
    quiet_ms: u64,
    /// Ask for the list of subscriptions: something was said that does not fit.
    doubt: bool,
    doubt_after_ns: u64,
    /// When to doubt without a reason; 0: not yet planned.
    check_ns: u64,
    /// Markets that the exchange will not have on this connection.
    refused: BTreeSet<MarketId>,
    /// Markets that had no room; forgotten when there is some.
    crowded_out: BTreeSet<MarketId>,
    rng: Rng,
}

/// One channel.
#[derive(Debug)]
struct Line {
    channel: Channel,
    sid: Option<u32>,
    /// The command under way that changes this channel.
    busy: Option<u64>,
    /// To be closed and opened again.
    replace: bool,
    /// Markets that the exchange has acknowledged.
    have: BTreeSet<MarketId>,
    /// Markets of a delete that was not answered: the exchange may have them or not.
    doubtful: BTreeSet<MarketId>,
    /// Markets in the next command.
    chunk: usize,
    /// Nothing is sent for this channel before; 0: no such pause.
    not_before_ns: u64,
    unanswered: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Subscribe,
    Unsubscribe,
    Add,
    Delete,
    Snapshot,
    List,
}

#[derive(Debug)]
struct Sent {
    ask: Ask,
    line: usize,
    /// The channel's subscription when it was sent.
    sid: Option<u32>,
    markets: Vec<MarketId>,
    due_ns: u64,
}

/// Frames to send, and the names that stand in them.
pub(super) struct Outbox<'a> {
    /// Names of markets.
    pub tickers: &'a Tickers,
    /// Texts in the order of sending.
    pub frames: Vec<String>,
}

/// What an answer, or its absence, means for the rest of the feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The channel is open under `sid`, for these markets; `anew`, it counts from 1.
    Opened { channel: Channel, sid: u32, markets: Vec<MarketId>, anew: bool },
    /// The channel now has these markets too.
    Added { channel: Channel, markets: Vec<MarketId> },
    /// The channel has these markets no longer, as we wanted.
    Removed { channel: Channel, markets: Vec<MarketId> },
    /// The channel may have these markets, or not: the command that was to bring them failed.
    Failed { channel: Channel, markets: Vec<MarketId> },
    /// The subscription `sid` has ended with these markets; unless `planned`, it will be opened again.
    Ended { channel: Channel, sid: u32, markets: Vec<MarketId>, planned: bool },
    /// The exchange will not have these markets.
    Refused { markets: Vec<MarketId>, code: u32, why: String },
    /// The connection is of no more use.
    Lost(Lost),
}

impl Subscriptions {
    pub(super) fn new(channels: &[Channel], use_yes_price: bool, t: &Timing, rng: Rng) -> Self {
        Subscriptions {
            lines: channels.iter().map(|c| Line::closed(*c)).collect(),
            commands: BTreeMap::new(),
            next_id: 1,
            use_yes_price,
            reply_ns: ns(t.reply),
            slow_ns: ns(t.slow_retry),
            quiet_until_ns: 0,
            quiet_ms: QUIET_MS.0,
            doubt: false,
            doubt_after_ns: 0,
            check_ns: 0,
            refused: BTreeSet::new(),
            crowded_out: BTreeSet::new(),
            rng,
        }
    }

    /// Another connection: nothing is subscribed on it.
    pub(super) fn connected(&mut self) {
        self.lines = self.lines.iter().map(|l| Line::closed(l.channel)).collect();
        self.commands.clear();
        self.next_id = 1;
        self.quiet_until_ns = 0;
        (self.doubt, self.check_ns) = (false, 0);
        self.refused.clear();
        self.crowded_out.clear();
    }

    /// True when every channel that has something to subscribe is open.
    pub(super) fn is_open(&self, idle: bool) -> bool {
        self.lines.iter().all(|l| l.sid.is_some() || (idle && l.channel.by_market()))
    }

    /// Markets of a channel that the exchange has acknowledged.
    pub(super) fn markets(&self, channel: Channel) -> &BTreeSet<MarketId> {
        static NONE: BTreeSet<MarketId> = BTreeSet::new();
        self.lines.iter().find(|l| l.channel == channel).map_or(&NONE, |l| &l.have)
    }

    /// True if the book channel has the market, or is about to: snapshots may overtake the answer.
    pub(super) fn follows(&self, market: MarketId) -> bool {
        let comes =
            |c: &Sent| matches!(c.ask, Ask::Subscribe | Ask::Add) && c.markets.contains(&market);
        self.markets(Channel::OrderbookDelta).contains(&market) || self.commands.values().any(comes)
    }

    /// True if `sid` may be the name of a subscription that has just begun, or is about to.
    pub(super) fn may_open(&self, sid: u32) -> bool {
        self.lines.iter().any(|l| l.sid.is_none() || l.sid == Some(sid))
    }

    /// The channel that `sid` belongs to, if it has been said.
    pub(super) fn channel_of(&self, sid: u32) -> Option<Channel> {
        self.lines.iter().find(|l| l.sid == Some(sid)).map(|l| l.channel)
    }

    /// Closes the channel and opens it again.
    pub(super) fn replace(&mut self, channel: Channel) {
        for line in self.lines.iter_mut().filter(|l| l.channel == channel) {
            line.replace = true;
        }
    }

    /// Asks for snapshots of `markets`, where the book channel is open.
    pub(super) fn ask(&mut self, now_ns: u64, markets: &[MarketId], to: &mut Outbox<'_>) {
        let Some(line) = self.lines.iter().position(|l| l.channel == Channel::OrderbookDelta)
        else {
            return;
        };
        if self.lines[line].sid.is_some() {
            for chunk in markets.chunks(CHUNK_MARKETS) {
                self.send(now_ns, Ask::Snapshot, line, chunk.to_vec(), to);
            }
        }
    }

    /// Sends what brings the subscriptions nearer to `wanted`.
    pub(super) fn sync(&mut self, now_ns: u64, wanted: &BTreeSet<MarketId>, to: &mut Outbox<'_>) {
        if now_ns < self.quiet_until_ns {
            return;
        }
        self.quiet_until_ns = 0;
        for i in 0..self.lines.len() {
            if self.lines[i].not_before_ns > now_ns {
                continue;
            }
            self.lines[i].not_before_ns = 0;
            if let Some((ask, markets)) = self.next_step(&self.lines[i], wanted) {
                let id = self.send(now_ns, ask, i, markets, to);
                self.lines[i].busy = Some(id);
            }
        }
        self.check(now_ns, to);
    }

    /// Asks for the list of subscriptions where there is reason, or none since long.
    fn check(&mut self, now_ns: u64, to: &mut Outbox<'_>) {
        if self.check_ns <= now_ns {
            self.doubt |= self.check_ns > 0;
            self.check_ns = now_ns.saturating_add(CHECK_NS);
        }
        if self.doubt && self.any_open() && self.doubt_after_ns <= now_ns {
            self.doubt = false;
            self.doubt_after_ns = now_ns.saturating_add(self.slow_ns);
            self.send(now_ns, Ask::List, 0, Vec::new(), to);
        }
    }

    /// Something came that cannot be made sense of.
    pub(super) fn doubt(&mut self) {
        self.doubt = true;
    }

    /// When [`Subscriptions::expire`] or [`Subscriptions::sync`] have something to do next.
    pub(super) fn wake_ns(&self) -> Option<u64> {
        let replies = self.commands.values().map(|c| c.due_ns);
        let pauses = self.lines.iter().map(|l| l.not_before_ns).chain([self.check_ns]);
        let doubt = (self.doubt && self.any_open()).then_some(self.doubt_after_ns);
        let paused = [self.quiet_until_ns].into_iter().chain(pauses).filter(|at| *at > 0);
        let commands = paused.chain(doubt).map(|at| at.max(self.quiet_until_ns));
        replies.chain(commands).min()
    }

    fn any_open(&self) -> bool {
        self.lines.iter().any(|l| l.sid.is_some())
    }

    /// Commands that were not answered in time.
    pub(super) fn expire(&mut self, now_ns: u64) -> Vec<News> {
        let late = self.commands.iter().filter(|(_, sent)| sent.due_ns <= now_ns);
        let ids: Vec<u64> = late.map(|(id, _)| *id).collect();
        let mut news = Vec::new();
        for id in ids {
            news.extend(self.take(Some(id)).map(|sent| self.unanswered(sent)).unwrap_or_default());
        }
        news
    }

    /// The command that `id` answers, which is then no longer under way.
    fn take(&mut self, id: Option<u64>) -> Option<Sent> {
        let id = id?;
        let sent = self.commands.remove(&id)?;
        let line = &mut self.lines[sent.line];
        if line.busy == Some(id) {
            line.busy = None;
        }
        Some(sent)
    }

    fn unanswered(&mut self, sent: Sent) -> Vec<News> {
        let line = &mut self.lines[sent.line];
        let (channel, markets) = (line.channel, sent.markets);
        let mut news = match sent.ask {
            // Snapshots have their own deadline, and a list that is not told changes nothing.
            Ask::Snapshot | Ask::List => return Vec::new(),
            Ask::Unsubscribe => Vec::new(),
            Ask::Subscribe | Ask::Add => vec![News::Failed { channel, markets }],
            Ask::Delete => {
                line.have.retain(|m| !markets.contains(m));
                line.doubtful.extend(&markets);
                vec![News::Removed { channel, markets }]
            }
        };
        line.not_before_ns = 0;
        line.unanswered += 1;
        match line.unanswered {
            n if n >= RECONNECT_AFTER => news.push(News::Lost(Lost::NoReply)),
            n if n >= RESUBSCRIBE_AFTER => line.replace = line.sid.is_some(),
            _ => {}
        }
        news
    }
}

impl Line {
    fn closed(channel: Channel) -> Line {
        Line {
            channel,
            sid: None,
            busy: None,
            replace: false,
            have: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            chunk: CHUNK_MARKETS,
            not_before_ns: 0,
            unanswered: 0,
        }
    }
}
