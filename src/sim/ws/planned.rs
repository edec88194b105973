//! Things that are due in the order of their times.

use crate::units::TsUs;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Something that is due at a time; equal times keep the order of their numbers.
#[derive(Debug)]
pub(super) struct Planned<T> {
    pub(super) at: TsUs,
    /// Unique in its heap.
    pub(super) number: u64,
    pub(super) what: T,
}

impl<T> Planned<T> {
    /// Takes out the next thing that is due by `now`.
    pub(super) fn due(heap: &mut BinaryHeap<Reverse<Planned<T>>>, now: TsUs) -> Option<T> {
        heap.peek().filter(|next| next.0.at <= now)?;
        heap.pop().map(|next| next.0.what)
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Planned<T> {}
