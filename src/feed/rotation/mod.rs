//! Which markets to follow as time goes on: in before they open, out after they are over. Pure.
//!
//! Markets open and close without a word (protocol notes 9), and settle seconds or days later. So this keeps
//! the clock: it is told definitions, lifecycle frames and the time, and says what to follow, what to
//! read again by REST, and when to ask it next.
//!
//! ```text
//!  listed ──(open - LEAD)──► followed ──(outcome known, or close + LINGER)──► left, read until settled ──► done
//! ```
//!
//! **Invariant:** a market is not left before its close, unless it is settled or no longer listed.
//! **Invariant:** never more than `limit` markets are followed.
//! **Invariant:** the next wake-up lies in the future.

use crate::market::MarketInfo;
use crate::units::TsUs;
use crate::wire::lifecycle::{Change, Lifecycle};
use crate::wire::rest::StatusFilter;
use std::collections::BTreeMap;

/// A market is followed this long before it opens: its first frames must not be missed.
const LEAD_US: i64 = 30 * SECOND_US;
/// And this long after its close: the emptying of its book is worth having.
const LINGER_US: i64 = 60 * SECOND_US;
/// First look at the outcome after the close; most short markets settle within 12 seconds.
const SETTLE_FIRST_US: i64 = 5 * SECOND_US;
/// Looks at a late outcome become rarer up to this.
const SETTLE_MAX_US: i64 = 600 * SECOND_US;
/// A market about which nothing is heard is read again this often: a moved close could be missed.
const REREAD_US: i64 = 600 * SECOND_US;
/// New markets are looked for this often while there is room.
const SWEEP_US: i64 = 60 * SECOND_US;
/// And this soon after one was announced; bursts of announcements share one look.
const SWEEP_SOON_US: i64 = 5 * SECOND_US;
const SECOND_US: i64 = 1_000_000;

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Follow these too.
    pub add: Vec<String>,
    /// Follow these no more.
    pub drop: Vec<String>,
    /// Read the definitions of these again by REST, and tell [`Rotation::learn`] or [`Rotation::gone`].
    pub read: Vec<String>,
    /// Look for new markets, and tell [`Rotation::learn`] of each.
    pub sweep: bool,
    /// Ask again at this time at the latest; `None` when nothing will ever come by itself.
    pub wake: Option<TsUs>,
    /// True when every market is done and no new ones are looked for.
    pub finished: bool,
}

/// The markets and where each stands.
#[derive(Clone, Debug)]
pub struct Rotation {
    limit: usize,
    /// Look for new markets at this time; `None`: never.
    sweep_at: Option<i64>,
    markets: BTreeMap<String, Market>,
}

#[derive(Clone, Debug)]
struct Market {
    open_us: i64,
    /// `i64::MAX` while unknown.
    close_us: i64,
    followed: bool,
    settled: bool,
    /// Read its definition again at this time.
    read_at: i64,
    /// Fruitless looks at the outcome after the close.
    looks: u32,
}

impl Rotation {
    /// Follows at most `limit` markets; with `discover` it asks for new ones while there is room.
    pub fn new(limit: usize, discover: bool) -> Rotation {
        Rotation { limit, sweep_at: discover.then_some(i64::MIN), markets: BTreeMap::new() }
    }

    /// A definition, from discovery or read again.
    pub fn learn(&mut self, info: &MarketInfo, now: TsUs) {
        let over = StatusFilter::of_field(&info.status) == Some(StatusFilter::Settled);
        let market = self.markets.entry(info.ticker.clone()).or_insert(Market {
            open_us: i64::MIN,
            close_us: i64::MAX,
            followed: false,
            settled: false,
            read_at: i64::MAX,
            looks: 0,
        });
        market.open_us = info.open.map_or(market.open_us, |ts| ts.0);
        market.close_us = info.close.map_or(market.close_us, |ts| ts.0);
        market.settled |= info.settlement.is_some() || over;
        market.schedule(now.0);
    }

    /// The exchange does not list `ticker` any more.
    pub fn gone(&mut self, ticker: &str) {
        if let Some(market) = self.markets.get_mut(ticker) {
            market.settled = true;
        }
    }

    /// A frame of the lifecycle channel. Definitions that it changes are read again: the frame tells a part.
    pub fn lifecycle(&mut self, frame: &Lifecycle, now: TsUs) {
        match self.markets.get_mut(&frame.ticker) {
            Some(market) => {
                market.open_us = frame.open.map_or(market.open_us, |ts| ts.0);
                market.close_us = frame.close.map_or(market.close_us, |ts| ts.0);
                market.read_at = now.0;
            }
            None if frame.change == Change::Created => {
                let soon = now.0.saturating_add(SWEEP_SOON_US);
                self.sweep_at = self.sweep_at.map(|at| at.min(soon));
            }
            None => {}
        }
    }

    /// What to do at `now`. The plan counts as carried out: what it adds is followed from here on.
    pub fn step(&mut self, now: TsUs) -> Plan {
        let now = now.0;
        let mut plan = Plan { drop: self.leave(now), ..Plan::default() };
        plan.add = self.enter(now);
        for (ticker, market) in &mut self.markets {
            if !market.settled && market.read_at <= now {
                plan.read.push(ticker.clone());
                market.looks += u32::from(market.close_us <= now);
                market.schedule(now);
            }
        }
        // Markets that wait for a free place come before any new one.
        let has_room = self.markets.values().filter(|m| !m.is_over(now)).count() < self.limit;
        if has_room && self.sweep_at.is_some_and(|at| at <= now) {
            plan.sweep = true;
            self.sweep_at = Some(now.saturating_add(SWEEP_US));
        }
        self.markets.retain(|_, market| market.followed || !market.settled);
        plan.finished = self.markets.is_empty() && self.sweep_at.is_none();
        plan.wake = self.wake(now, has_room);
        plan
    }

    /// Followed now, in order.
    pub fn followed(&self) -> Vec<String> {
        self.markets.iter().filter(|(_, m)| m.followed).map(|(t, _)| t.clone()).collect()
    }

    fn leave(&mut self, now: i64) -> Vec<String> {
        let over = self.markets.iter_mut().filter(|(_, m)| m.followed && m.is_over(now));
        over.map(|(ticker, market)| {
            market.followed = false;
            ticker.clone()
        })
        .collect()
    }

    /// Earlier openings first: a market that trades is worth more than one that will.
    fn enter(&mut self, now: i64) -> Vec<String> {
        let room = self.limit - self.markets.values().filter(|m| m.followed).count();
        let ready =
            self.markets.iter().filter(|(_, m)| !m.followed && !m.is_over(now) && m.opens_by(now));
        let mut ready: Vec<_> = ready.map(|(t, m)| (m.open_us, t.clone())).collect();
        ready.sort_unstable();
        ready.truncate(room);
        let add: Vec<_> = ready.into_iter().map(|(_, ticker)| ticker).collect();
        for ticker in &add {
            if let Some(market) = self.markets.get_mut(ticker) {
                market.followed = true;
            }
        }
        add
    }

    fn wake(&self, now: i64, has_room: bool) -> Option<TsUs> {
        let times = self.markets.values().filter(|m| !m.settled).flat_map(|m| {
            [m.open_us.saturating_sub(LEAD_US), m.close_us.saturating_add(LINGER_US), m.read_at]
        });
        let sweep = self.sweep_at.filter(|_| has_room);
        times.chain(sweep).filter(|at| *at > now && *at < i64::MAX).min().map(TsUs)
    }
}

impl Market {
    fn opens_by(&self, now: i64) -> bool {
        self.open_us.saturating_sub(LEAD_US) <= now
    }

    fn is_over(&self, now: i64) -> bool {
        self.settled || self.close_us.saturating_add(LINGER_US) <= now
    }

    /// When to read the definition next: soon after the close, ever less often from then on. There is no jitter:
    /// markets that close together are read with one request.
    fn schedule(&mut self, now: i64) {
        let wait_us = if self.close_us > now {
            self.looks = 0;
            self.close_us.saturating_sub(now).saturating_add(SETTLE_FIRST_US).min(REREAD_US)
        } else {
            (SETTLE_FIRST_US << self.looks.min(20)).min(SETTLE_MAX_US)
        };
        self.read_at = now.saturating_add(wait_us);
    }
}

#[cfg(test)]
mod tests;
