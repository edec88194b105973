//! Sequence accounting per subscription: received + missing = issued, always.
//!
//! The exchange numbers the frames of a subscription (`sid`) from 1, all markets and channels of the
//! subscription together. A recording of one market out of many therefore has holes that mean
//! nothing; only there is [`SequencePolicy::Partial`] right.
//!
//! A number that was given out before is judged by the frame's content: the same bytes again are a
//! duplicate, the place of a missing number is a late frame, anything else is a numbering that began again.
//! Numbers alone cannot tell these apart, and taking new frames for duplicates would lose them silently.

use crate::units::TsNs;
use std::collections::{BTreeMap, VecDeque};

/// How holes in a subscription's numbering are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequencePolicy {
    /// The recording holds a part of the subscription: holes mean nothing, a restart is a gap.
    Partial,
    /// The recording holds the whole subscription: every hole is a gap.
    Complete,
}

/// What a sequence number says about the frames before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is missing before this frame, as far as can be known.
    Next,
    /// The numbers `from..=to` are missing.
    Hole {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
        /// Receive time of the subscription's frame before the hole (0: there is none).
        since: TsNs,
    },
    /// This very frame was received before, in this connection: to be ignored.
    Duplicate,
    /// Its number was given up as missing, and stays so: what followed was read without it.
    Late,
    /// The numbering began again: a new connection. A live account ([`Sequence::live`]) stays as it was, for
    /// one connection cannot begin twice: it has to be given up.
    Restart,
}

/// A frame's number and what tells it from another frame with that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Subscription.
    pub sid: u32,
    /// Number inside the subscription.
    pub seq: u64,
    /// When it was received.
    pub recv: TsNs,
    /// Checksum of the frame's bytes.
    pub print: u32,
}

/// Accounts of every subscription.
#[derive(Clone, Debug)]
pub struct Sequence {
    policy: SequencePolicy,
    /// Every subscription is heard from its first frame on: number 1.
    from_first: bool,
    sids: BTreeMap<u32, Account>,
}

/// The account of one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceTotals {
    /// First number seen, or that should have been seen.
    pub first: u64,
    /// Last (highest) number seen since the last restart.
    pub last: u64,
    /// Frames accepted.
    pub received: u64,
    /// Numbers known to be missing.
    pub missing: u64,
    /// Holes.
    pub holes: u64,
    /// Frames that came twice.
    pub duplicates: u64,
    /// Frames that came after their number was given up.
    pub late: u64,
    /// Times that the numbering began again.
    pub restarts: u64,
}

#[derive(Clone, Debug, Default)]
struct Account {
    totals: SequenceTotals,
    recv: TsNs,
    /// Checksums of the last numbers up to `totals.last`; [`MISSING`] where none came.
    prints: VecDeque<u32>,
}

/// Numbers whose frames are remembered: a number this far below the last one is a new connection, not a
/// frame that came twice. 4 KiB per subscription.
const WINDOW: usize = 1_024;
/// A live number this far ahead is no hole but a frame that cannot be believed. At the exchange's busiest,
/// half an hour of one subscription.
const HOLE_MAX: u64 = 10_000_000;
/// In place of the checksum of a frame that never came.
const MISSING: u32 = 0;

impl Sequence {
    /// Accounts with no subscription yet.
    pub fn new(policy: SequencePolicy) -> Sequence {
        Sequence { policy, from_first: false, sids: BTreeMap::new() }
    }

    /// Accounts of a live connection: complete, and every subscription starts at number 1.
    pub fn live() -> Sequence {
        Sequence { from_first: true, ..Sequence::new(SequencePolicy::Complete) }
    }

    /// Enters a frame.
    pub fn enter(&mut self, frame: Numbered) -> Verdict {
        let Numbered { sid, seq, recv, .. } = frame;
        let before = if self.from_first { 0 } else { seq - 1 };
        let account = self.sids.entry(sid).or_insert_with(|| Account::starting(before));
        let print = frame.print.max(MISSING + 1);
        if seq <= account.totals.last {
            let verdict = account.again(seq, print);
            if verdict == Verdict::Restart && !self.from_first {
                account.restart(seq, print);
            }
            return verdict;
        }
        let want = account.totals.last + 1;
        if self.from_first && seq - want >= HOLE_MAX {
            return Verdict::Restart;
        }
        let since = std::mem::replace(&mut account.recv, recv);
        account.accept(seq, print);
        if seq == want || self.policy == SequencePolicy::Partial {
            return Verdict::Next;
        }
        account.totals.holes += 1;
        account.totals.missing += seq - want;
        Verdict::Hole { from: want, to: seq - 1, since }
    }

    /// Receive time of the subscription's last accepted frame; 0 before any.
    pub fn heard(&self, sid: u32) -> TsNs {
        self.sids.get(&sid).map_or(TsNs::default(), |a| a.recv)
    }

    /// The subscription has ended; its number may be given to another one.
    pub fn close(&mut self, sid: u32) {
        self.sids.remove(&sid);
    }

    /// The account of every subscription, by `sid`.
    pub fn totals(&self) -> impl Iterator<Item = (u32, SequenceTotals)> + '_ {
        self.sids.iter().map(|(sid, a)| (*sid, a.totals))
    }
}

impl Account {
    /// The account of a subscription of which everything up to `before` is none of our business.
    fn starting(before: u64) -> Account {
        let totals = SequenceTotals { first: before + 1, last: before, ..Default::default() };
        Account { totals, ..Account::default() }
    }

    fn accept(&mut self, seq: u64, print: u32) {
        let skipped = usize::try_from(seq - self.totals.last - 1).unwrap_or(WINDOW).min(WINDOW);
        self.prints.extend(std::iter::repeat_n(MISSING, skipped));
        self.prints.push_back(print);
        self.prints.drain(..self.prints.len().saturating_sub(WINDOW));
        self.totals.last = seq;
        self.totals.received += 1;
    }

    /// A number that was given out already.
    fn again(&mut self, seq: u64, print: u32) -> Verdict {
        let back = usize::try_from(self.totals.last - seq).unwrap_or(usize::MAX);
        let known = self.prints.len().checked_sub(1 + back.min(WINDOW)).map(|at| self.prints[at]);
        match known {
            Some(MISSING) => {
                self.totals.late += 1;
                Verdict::Late
            }
            Some(same) if same == print => {
                self.totals.duplicates += 1;
                Verdict::Duplicate
            }
            _ => Verdict::Restart,
        }
    }

    fn restart(&mut self, seq: u64, print: u32) {
        let restarts = self.totals.restarts + 1;
        *self = Account::starting(seq - 1);
        self.totals.restarts = restarts;
        self.accept(seq, print);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames by number; the checksum stands for the content.
    fn run(sequence: &mut Sequence, frames: &[(u64, u32)]) -> (Vec<Verdict>, SequenceTotals) {
        let enter =
            |&(seq, print)| sequence.enter(Numbered { sid: 1, seq, recv: TsNs(seq as i64), print });
        let verdicts = frames.iter().map(enter).collect();
        (verdicts, sequence.totals().next().expect("one sid").1)
    }

    fn plain(seqs: &[u64]) -> Vec<(u64, u32)> {
        seqs.iter().map(|seq| (*seq, *seq as u32)).collect()
    }

    #[test]
    fn received_plus_missing_is_issued() {
        let mut complete = Sequence::new(SequencePolicy::Complete);
        let (v, t) = run(&mut complete, &plain(&[1, 2, 5, 5, 6, 9]));
        assert_eq!(v[2], Verdict::Hole { from: 3, to: 4, since: TsNs(2) });
        assert_eq!(v[3], Verdict::Duplicate);
        assert_eq!(t.received + t.missing, t.last - t.first + 1);
        assert_eq!((t.holes, t.duplicates), (2, 1));
    }

    #[test]
    fn holes_of_a_partial_recording_mean_nothing_and_a_restart_does() {
        let mut partial = Sequence::new(SequencePolicy::Partial);
        let (v, _) = run(&mut partial, &plain(&[7_490_826, 7_491_136, 12, 90]));
        assert_eq!(v, [Verdict::Next, Verdict::Next, Verdict::Restart, Verdict::Next]);
    }

    #[test]
    fn a_live_subscription_that_does_not_begin_with_one_has_a_hole_in_front() {
        let (v, t) = run(&mut Sequence::live(), &plain(&[4]));
        assert_eq!(v, [Verdict::Hole { from: 1, to: 3, since: TsNs(0) }]);
        assert_eq!((t.first, t.received, t.missing), (1, 1, 3));
    }

    #[test]
    fn an_overtaken_frame_is_late_and_its_number_stays_missing() {
        let (v, t) = run(&mut Sequence::live(), &plain(&[1, 3, 2, 2, 4]));
        assert_eq!(&v[2..], [Verdict::Late, Verdict::Late, Verdict::Next]);
        assert_eq!((t.received, t.missing, t.late), (3, 1, 2));
    }

    #[test]
    fn a_numbering_that_began_again_is_no_stream_of_duplicates() {
        let mut frames = plain(&[1, 2, 3]);
        frames.push((1, 77));
        let (v, t) = run(&mut Sequence::new(SequencePolicy::Complete), &frames);
        assert_eq!(v[3], Verdict::Restart);
        assert_eq!((t.first, t.last, t.received, t.restarts), (1, 1, 1, 1));
        let (v, t) = run(&mut Sequence::live(), &frames);
        assert_eq!(v[3], Verdict::Restart);
        assert_eq!((t.last, t.received), (3, 3), "the account of the connection that ends here");
    }

    #[test]
    fn a_number_beyond_belief_is_no_hole() {
        let (v, t) = run(&mut Sequence::live(), &plain(&[1, u64::MAX, 2]));
        assert_eq!(v[1..], [Verdict::Restart, Verdict::Next]);
        assert_eq!(t.missing, 0);
    }

    #[test]
    fn far_below_the_window_is_a_restart_even_with_the_same_content() {
        let all: Vec<u64> = (1..=2_000).chain([1]).collect();
        assert_eq!(run(&mut Sequence::live(), &plain(&all)).0[2_000], Verdict::Restart);
    }
}
