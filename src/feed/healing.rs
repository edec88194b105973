//! Which books are unknown, which gaps are open, and what to try next.
//!
//! A book becomes unknown by a gap, a subscription or a new connection, and known by a snapshot. The ladder
//! of protocol notes 4.4: ask for snapshots; no answer in time, or another hole meanwhile: subscribe anew;
//! that fails too: connect anew. A single market that stays silent through all of it is asked again now and
//! then and drags nobody else along.
//!
//! **Invariant:** pure: time comes in, steps come out.

use super::link::ns;
use super::{Channel, Timing};
use crate::event::{Gap, MarketId};
use std::collections::BTreeMap;

/// Unknown books and open gaps.
#[derive(Debug)]
pub(super) struct Healing {
    wait_ns: u64,
    pause_ns: u64,
    slow_ns: u64,
    stale: BTreeMap<MarketId, Stale>,
    open: Vec<OpenGap>,
    rung: Rung,
    /// Counts everything that has an order here: gaps, openings, markets that became wanted.
    tick: u64,
    connection: u64,
    /// Channels and the tick of their last opening.
    opened: Vec<(Channel, u64)>,
    last_snapshot_ns: u64,
    next_ask_ns: u64,
}

/// How far the ladder has been climbed since all books were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    Calm,
    Asked,
    Resubscribed,
}

/// A wanted market without a known book.
#[derive(Clone, Copy, Debug)]
struct Stale {
    /// The tick since when.
    since: u64,
    next: Next,
    /// When `next` is due; never while its channel is closed.
    due_ns: u64,
    /// Deadlines in a row that passed without a snapshot, over connections.
    silent: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Its snapshot comes by itself, because it was subscribed.
    Arrive,
    /// It is to be asked for.
    Ask,
    /// It was asked for.
    Answer,
}

/// Deadlines that a market may let pass before it is left to itself.
const SILENT_MAX: u8 = 3;
const NEVER: u64 = u64::MAX;

/// Whose recovery ends a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The book of one market.
    Market(MarketId),
    /// All books.
    Books,
    /// The channel's next opening.
    Channel(Channel),
    /// All books and all channels.
    Connection,
}

/// A gap row that was written and is not healed yet.
#[derive(Clone, Debug)]
pub(super) struct OpenGap {
    /// Market of the row.
    pub market: MarketId,
    /// Subscription of the row.
    pub sid: u32,
    /// The row.
    pub gap: Gap,
    scope: Scope,
    tick: u64,
    connection: u64,
}

/// What to do about unknown books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for these snapshots.
    Ask(Vec<MarketId>),
    /// Replace the subscription of the book channel.
    Resubscribe,
    /// Replace the connection.
    Reconnect,
}

impl Healing {
    pub(super) fn new(channels: &[Channel], timing: &Timing) -> Healing {
        Healing {
            wait_ns: ns(timing.snapshot),
            pause_ns: ns(timing.ask_pause),
            slow_ns: ns(timing.slow_retry),
            stale: BTreeMap::new(),
            open: Vec::new(),
            rung: Rung::Calm,
            tick: 0,
            connection: 0,
            opened: channels.iter().map(|c| (*c, 0)).collect(),
            last_snapshot_ns: 0,
            next_ask_ns: 0,
        }
    }

    /// Gaps that are not healed.
    pub(super) fn open_gaps(&self) -> u64 {
        self.open.len() as u64
    }

    /// Wanted markets without a known book.
    pub(super) fn stale(&self) -> u64 {
        self.stale.len() as u64
    }

    /// A connection stands: nothing is subscribed on it yet.
    pub(super) fn connected(&mut self) {
        self.connection += 1;
        self.rung = Rung::Calm;
    }

    /// The connection or the book channel is gone: every wanted market waits to be subscribed again.
    pub(super) fn unsubscribed(&mut self, markets: impl IntoIterator<Item = MarketId>) {
        for market in markets {
            self.want(market).due_ns = NEVER;
        }
    }

    /// The market's book is wanted and not known.
    fn want(&mut self, market: MarketId) -> &mut Stale {
        let since = self.tick;
        let fresh = Stale { since, next: Next::Arrive, due_ns: NEVER, silent: 0 };
        self.stale.entry(market).or_insert(fresh)
    }

    /// The market is newly wanted: no gap that was there before waits for it.
    pub(super) fn wanted(&mut self, market: MarketId) {
        self.tick += 1;
        self.want(market);
    }

    /// The market is not waited for any more.
    pub(super) fn remove(&mut self, market: MarketId) {
        self.stale.remove(&market);
        self.calm();
    }

    /// A channel is open.
    pub(super) fn opened(&mut self, channel: Channel) {
        self.tick += 1;
        for line in self.opened.iter_mut().filter(|o| o.0 == channel) {
            line.1 = self.tick;
        }
    }

    /// The market is subscribed: unless its book is known already, its snapshot comes by itself.
    pub(super) fn subscribed(&mut self, market: MarketId, now_ns: u64) {
        let due_ns = now_ns.saturating_add(self.wait_ns);
        if let Some(stale) = self.stale.get_mut(&market) {
            (stale.next, stale.due_ns) = (Next::Arrive, due_ns);
        }
    }

    /// The market's book is known.
    pub(super) fn snapshot(&mut self, market: MarketId, now_ns: u64) {
        if self.stale.remove(&market).is_some() {
            self.last_snapshot_ns = now_ns;
            self.calm();
        }
    }

    fn calm(&mut self) {
        if self.stale.values().all(Stale::is_parked) {
            self.rung = Rung::Calm;
        }
    }

    /// A gap row was written; the books of `markets` are unknown from here on and to be asked for.
    pub(super) fn gap(
        &mut self,
        (sid, market, gap): (u32, MarketId, Gap),
        scope: Scope,
        markets: &[MarketId],
        now_ns: u64,
    ) {
        self.tick += 1;
        let (tick, connection) = (self.tick, self.connection);
        self.open.push(OpenGap { market, sid, gap, scope, tick, connection });
        for market in markets {
            let stale = self.want(*market);
            (stale.next, stale.due_ns) = (Next::Ask, now_ns);
        }
    }

    /// A whole subscription of books has a hole: the first is healed by asking, the next by a new
    /// subscription, the third by a new connection.
    pub(super) fn broken(&mut self) -> Option<Step> {
        let answers_due = self.stale.values().any(|s| s.next == Next::Answer);
        let (rung, step) = match self.rung {
            Rung::Calm => (Rung::Asked, None),
            // Two holes before anything was asked are healed by one answer.
            Rung::Asked if !answers_due => (Rung::Asked, None),
            Rung::Asked => (Rung::Resubscribed, Some(Step::Resubscribe)),
            Rung::Resubscribed => (Rung::Resubscribed, Some(Step::Reconnect)),
        };
        self.rung = rung;
        step
    }

    /// What is due at `now_ns`.
    pub(super) fn due(&mut self, now_ns: u64) -> Option<Step> {
        // As long as snapshots come, those that have not come yet are only queued behind them.
        let quiet_ns = self.last_snapshot_ns.saturating_add(self.wait_ns);
        let mut ask = Vec::new();
        let mut overdue = false;
        for (market, stale) in self.stale.iter_mut().filter(|(_, s)| s.due_ns <= now_ns) {
            let early = stale.next == Next::Arrive && self.rung != Rung::Resubscribed;
            if stale.next == Next::Ask || stale.is_parked() || early {
                if now_ns < self.next_ask_ns {
                    (stale.next, stale.due_ns) = (Next::Ask, self.next_ask_ns);
                    continue;
                }
                let wait_ns = if stale.is_parked() { self.slow_ns } else { self.wait_ns };
                (stale.next, stale.due_ns) = (Next::Answer, now_ns.saturating_add(wait_ns));
                ask.push(*market);
            } else if now_ns < quiet_ns {
                stale.due_ns = quiet_ns;
            } else {
                stale.silent += 1;
                stale.due_ns = now_ns.saturating_add(self.wait_ns);
                overdue |= !stale.is_parked();
            }
        }
        if overdue {
            return match self.rung {
                Rung::Resubscribed => Some(Step::Reconnect),
                Rung::Calm | Rung::Asked => {
                    self.rung = Rung::Resubscribed;
                    Some(Step::Resubscribe)
                }
            };
        }
        if ask.is_empty() {
            return None;
        }
        self.next_ask_ns = now_ns.saturating_add(self.pause_ns);
        Some(Step::Ask(ask))
    }

    /// When [`Healing::due`] has something to say next.
    pub(super) fn wake_ns(&self) -> Option<u64> {
        self.stale.values().map(|s| s.due_ns).min().filter(|due| *due != NEVER)
    }

    /// Takes the gaps that are healed, with what healed them; `idle` while no market is wanted.
    pub(super) fn healed(&mut self, idle: bool) -> Vec<OpenGap> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let oldest = self.stale.values().map(|s| s.since).min().unwrap_or(u64::MAX);
        let opened = |channel| self.opened.iter().find(|o| o.0 == channel).map_or(0, |o| o.1);
        let is_healed = |gap: &OpenGap| match gap.scope {
            Scope::Market(m) => self.stale.get(&m).is_none_or(|s| s.since > gap.tick),
            Scope::Books => oldest > gap.tick,
            Scope::Channel(channel) => opened(channel) > gap.tick,
            Scope::Connection => {
                let needed = self.opened.iter().filter(|o| !(idle && o.0.by_market()));
                oldest > gap.tick
                    && self.connection > gap.connection
                    && needed.clone().all(|o| o.1 > gap.tick)
            }
        };
        let reopened = opened(Channel::OrderbookDelta);
        let (mut healed, mut open) = (Vec::new(), Vec::new());
        for mut gap in std::mem::take(&mut self.open) {
            if !is_healed(&gap) {
                open.push(gap);
                continue;
            }
            let by = if self.connection > gap.connection {
                "reconnect"
            } else if matches!(gap.scope, Scope::Channel(_)) || reopened > gap.tick {
                "resubscribe"
            } else {
                "snapshot"
            };
            gap.gap.healed_by = by.to_owned();
            healed.push(gap);
        }
        self.open = open;
        healed
    }
}

impl Stale {
    fn is_parked(&self) -> bool {
        self.silent >= SILENT_MAX
    }
}
