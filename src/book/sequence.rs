//! Sequence accounting per subscription: received + missing = issued, always.
//!
//! The exchange numbers the frames of a subscription (`sid`) from 1, all markets and channels of the
//! subscription together. A recording of one market out of many therefore has holes that mean
//! nothing; only there is [`SequencePolicy::Partial`] right.

use std::collections::BTreeMap;

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
    },
    /// Seen before, in this connection: to be ignored.
    Duplicate,
    /// The numbering began again: a new connection.
    Restart,
}

/// Accounts of every subscription.
#[derive(Clone, Debug)]
pub struct Sequence {
    policy: SequencePolicy,
    sids: BTreeMap<u32, SequenceTotals>,
}

/// The account of one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceTotals {
    /// First number seen.
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
    /// Times that the numbering began again.
    pub restarts: u64,
}

/// A number this far below the last one is a new connection, not a frame that came twice.
const RESTART_BELOW: u64 = 1_000;

impl Sequence {
    /// Accounts with no subscription yet.
    pub fn new(policy: SequencePolicy) -> Sequence {
        Sequence { policy, sids: BTreeMap::new() }
    }

    /// Enters frame `seq` of subscription `sid`.
    ///
    /// A repeat of the last numbers is a duplicate. A number far below, or a 1 again, is a restart:
    /// both streams of a connection count from 1.
    pub fn enter(&mut self, sid: u32, seq: u64) -> Verdict {
        let Some(totals) = self.sids.get_mut(&sid) else {
            let totals =
                SequenceTotals { first: seq, last: seq, received: 1, ..Default::default() };
            self.sids.insert(sid, totals);
            return Verdict::Next;
        };
        if seq <= totals.last {
            if totals.last - seq >= RESTART_BELOW || (seq == 1 && totals.last > 1) {
                totals.restarts += 1;
                totals.received += 1;
                totals.last = seq;
                return Verdict::Restart;
            }
            totals.duplicates += 1;
            return Verdict::Duplicate;
        }
        let want = totals.last + 1;
        totals.last = seq;
        totals.received += 1;
        if seq == want || self.policy == SequencePolicy::Partial {
            return Verdict::Next;
        }
        totals.holes += 1;
        totals.missing += seq - want;
        Verdict::Hole { from: want, to: seq - 1 }
    }

    /// The account of every subscription, by `sid`.
    pub fn totals(&self) -> impl Iterator<Item = (u32, SequenceTotals)> + '_ {
        self.sids.iter().map(|(sid, t)| (*sid, *t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(policy: SequencePolicy, seqs: &[u64]) -> (Vec<Verdict>, SequenceTotals) {
        let mut s = Sequence::new(policy);
        let verdicts = seqs.iter().map(|q| s.enter(1, *q)).collect();
        (verdicts, s.totals().next().expect("one sid").1)
    }

    #[test]
    fn received_plus_missing_is_issued() {
        let (v, t) = run(SequencePolicy::Complete, &[1, 2, 5, 5, 6, 9]);
        assert_eq!(v[2], Verdict::Hole { from: 3, to: 4 });
        assert_eq!(v[3], Verdict::Duplicate);
        assert_eq!(t.received + t.missing, t.last - t.first + 1);
        assert_eq!((t.holes, t.duplicates), (2, 1));
    }

    #[test]
    fn holes_of_a_partial_recording_mean_nothing_and_a_restart_does() {
        let (v, _) = run(SequencePolicy::Partial, &[7_490_826, 7_491_136, 12, 90]);
        assert_eq!(v, [Verdict::Next, Verdict::Next, Verdict::Restart, Verdict::Next]);
    }
}
