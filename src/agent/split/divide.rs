//! The dividing itself: events in order of settlement, and which of them each side gets.

use super::{BLOCKS, EMBARGO_MS, Split, count_markets};
use crate::event::SessionId;
use crate::features::episode::Episode;
use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Settlements of markets that close 15 minutes apart are stamped some seconds late, each a little
/// differently: milliseconds must not decide whether a neighbour is learned from.
const STAMP_JITTER_MS: i64 = 60_000;

/// All episodes of one event: they share an outcome source and stay together.
#[derive(Debug)]
pub(super) struct Group {
    start_ms: i64,
    settled_ms: i64,
    pub(super) episodes: Vec<usize>,
    markets: usize,
}

impl Group {
    /// True when the two lives come within the embargo of each other.
    pub(super) fn lives_near(&self, other: &Group) -> bool {
        self.start_ms - EMBARGO_MS <= other.settled_ms
            && other.start_ms - EMBARGO_MS <= self.settled_ms
    }

    /// True when it was still settled within the embargo before the border that `later` draws.
    fn comes_near(&self, later: &Group) -> bool {
        self.settled_ms >= later.settled_ms - EMBARGO_MS - STAMP_JITTER_MS
    }
}

/// Events in order of settlement.
pub(super) fn groups(episodes: &[Episode]) -> Vec<Group> {
    let mut by_event: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, episode) in episodes.iter().enumerate() {
        // A market without an event is its own.
        let own = episode.event_ticker.is_empty();
        by_event
            .entry(if own { &episode.ticker } else { &episode.event_ticker })
            .or_default()
            .push(index);
    }
    let group = |mut members: Vec<usize>| {
        members.sort_by_key(|e| (episodes[*e].settled, *e));
        let start = |e: &usize| {
            let first = episodes[*e].decisions.first();
            first.map_or(episodes[*e].settled.ms(), |d| d.ts_ms)
        };
        Group {
            start_ms: members.iter().map(start).min().unwrap_or(0),
            settled_ms: members.iter().map(|e| episodes[*e].settled.ms()).max().unwrap_or(0),
            markets: count_markets(episodes, &members),
            episodes: members,
        }
    };
    let mut groups: Vec<(&str, Group)> =
        by_event.into_iter().map(|(event, members)| (event, group(members))).collect();
    groups.sort_by_key(|(event, g)| (g.settled_ms, *event));
    groups.into_iter().map(|(_, g)| g).collect()
}

/// Number of leading groups that hold `part` of `parts` equal shares of all markets, rounded to a group.
fn cut(groups: &[Group], part: usize, parts: usize) -> usize {
    let total: usize = groups.iter().map(|g| g.markets).sum();
    let mut seen = 0;
    groups
        .iter()
        .take_while(|g| {
            seen += g.markets;
            seen * parts <= total * part
        })
        .count()
}

/// The first three fifths to learn from, then one to choose by, then one to judge on.
pub(super) fn chronological(groups: &[Group]) -> Split {
    let (first, second) = (cut(groups, 3, 5), cut(groups, 4, 5));
    let mut split = Split::default();
    for (i, group) in groups.iter().enumerate() {
        let (side, border) = match i {
            i if i < first => (&mut split.train, groups.get(first)),
            i if i < second => (&mut split.validation, groups.get(second)),
            _ => (&mut split.test, None),
        };
        let near = border.is_some_and(|b| group.comes_near(b));
        let side = if near { &mut split.embargoed } else { side };
        side.extend_from_slice(&group.episodes);
    }
    split
}

/// Holds out one of several blocks; the embargo applies before it and after it.
pub(super) fn block(groups: &[Group], (block, blocks): (usize, usize)) -> Split {
    let from = cut(groups, block, blocks);
    let to = cut(groups, block + 1, blocks);
    let mut split = Split::default();
    let Some((first, last)) = groups[from..to].first().zip(groups[from..to].last()) else {
        return split;
    };
    for (i, group) in groups.iter().enumerate() {
        let side = if (from..to).contains(&i) {
            &mut split.test
        } else if i < from && group.comes_near(first)
            || i >= to && group.start_ms <= last.settled_ms + EMBARGO_MS
        {
            &mut split.embargoed
        } else {
            &mut split.train
        };
        side.extend_from_slice(&group.episodes);
    }
    split
}

/// `windows + 2` blocks: model `i` learns from the blocks up to `i`, is chosen by the next one and judged on
/// the one after that; what is settled later than that it never meets. An earlier side is purged of every
/// market that was alive within the embargo before the first of a later side opened (purging and embargo:
/// Lopez de Prado 2018, ch. 7), for what it shows of the later ones' lives must not be learned.
pub(super) fn walk_forward(groups: &[Group], windows: usize) -> Vec<Split> {
    let border = |block| cut(groups, block, windows + 2);
    let window = |i: usize| {
        let [first, second, end] = [border(i + 1), border(i + 2), border(i + 3)];
        let opens = |later: &[Group]| later.iter().map(|g| g.start_ms).min();
        let borders = [opens(&groups[first..end]), opens(&groups[second..end])];
        let mut split = Split::default();
        for (at, group) in groups[..end].iter().enumerate() {
            let (side, border) = match at {
                at if at < first => (&mut split.train, borders[0]),
                at if at < second => (&mut split.validation, borders[1]),
                _ => (&mut split.test, None),
            };
            let near = border.is_some_and(|opens| group.settled_ms >= opens - EMBARGO_MS);
            let side = if near { &mut split.embargoed } else { side };
            side.extend_from_slice(&group.episodes);
        }
        split
    };
    (0..windows).map(window).collect()
}

/// Sessions in order of time, in at most five shares, each held out once.
pub(super) fn sessions(groups: &[Group], episodes: &[Episode]) -> Vec<Split> {
    let mut begun: BTreeMap<SessionId, i64> = BTreeMap::new();
    for episode in episodes {
        let start = episode.decisions.first().map_or(i64::MAX, |d| d.ts_ms);
        let known = begun.entry(episode.session).or_insert(start);
        *known = start.min(*known);
    }
    let mut order: Vec<(i64, SessionId)> = begun.into_iter().map(|(s, at)| (at, s)).collect();
    order.sort_unstable();
    if order.len() < 2 {
        return Vec::new();
    }
    let share = order.len().div_ceil(BLOCKS);
    let held_out = |sessions: &[(i64, SessionId)]| {
        let names: BTreeSet<SessionId> = sessions.iter().map(|(_, session)| *session).collect();
        hold_out(groups, |_, g| g.episodes.iter().any(|e| names.contains(&episodes[*e].session)))
    };
    order.chunks(share).map(held_out).collect()
}

/// Events in five groups by lot, each held out once.
pub(super) fn markets(groups: &[Group]) -> Vec<Split> {
    let mut lots: Vec<usize> = (0..groups.len()).map(|i| i % BLOCKS).collect();
    // Always the same lot: who could draw again could choose.
    Rng::stream(0, "held-out markets", 0).shuffle(&mut lots);
    (0..BLOCKS.min(groups.len())).map(|lot| hold_out(groups, |i, _| lots[i] == lot)).collect()
}

/// Holds out what `test` names; whatever lives near any of it is used for nothing.
fn hold_out(groups: &[Group], test: impl Fn(usize, &Group) -> bool) -> Split {
    let (held, rest): (Vec<_>, Vec<_>) = groups.iter().enumerate().partition(|(i, g)| test(*i, g));
    let mut split = Split::default();
    for (_, group) in &held {
        split.test.extend_from_slice(&group.episodes);
    }
    for (_, group) in rest {
        let near = held.iter().any(|(_, h)| h.lives_near(group));
        let side = if near { &mut split.embargoed } else { &mut split.train };
        side.extend_from_slice(&group.episodes);
    }
    split
}
