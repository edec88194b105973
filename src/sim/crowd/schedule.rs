//! What a crowd will do, and when.

use crate::sim::exchange::OrderId;
use crate::units::Side;
use std::collections::BTreeMap;

/// How the owner of an order behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Comes, re-quotes some times, and leaves.
    Quote,
    /// Stays, and only moves.
    Layer,
}

/// A maker's order. It has no id while the market has no price for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) id: Option<OrderId>,
    pub(super) side: Side,
    pub(super) kind: Kind,
}

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// A maker comes.
    Come,
    /// A taker comes.
    Take,
    /// The pace changes.
    Change,
    /// An owner thinks again about an order.
    Think(Own),
    /// Somebody notices that the best bids and the fair value do not fit.
    React,
}

/// Place in the schedule: microsecond, then number, so that what falls together keeps its order.
pub(super) type Place = (i64, u64);

/// Tasks in the order of their time, and the clock that they move.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    now_us: i64,
    planned: u64,
    tasks: BTreeMap<Place, Task>,
}

impl Schedule {
    /// Plans `task` for `wait_us` from now.
    pub(super) fn plan(&mut self, wait_us: i64, task: Task) -> Place {
        self.planned += 1;
        let place = (self.now_us.saturating_add(wait_us), self.planned);
        self.tasks.insert(place, task);
        place
    }

    /// Time until the next task; zero without one.
    pub(super) fn next_wait_us(&self) -> u64 {
        let next_us = self.tasks.first_key_value().map_or(self.now_us, |(place, _)| place.0);
        next_us.saturating_sub(self.now_us).max(0) as u64
    }

    /// Takes the next task and moves the clock to it.
    pub(super) fn pop(&mut self) -> Option<Task> {
        let ((at_us, _), task) = self.tasks.pop_first()?;
        self.now_us = at_us;
        Some(task)
    }

    /// Takes a planned task back.
    pub(super) fn remove(&mut self, place: Place) -> Option<Task> {
        self.tasks.remove(&place)
    }

    /// Takes back everything.
    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    /// Number of tasks.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Takes the owner who is the first to think again among those whom `wanted` wants.
    pub(super) fn take_owner(&mut self, wanted: impl Fn(&Own) -> bool) -> Option<Own> {
        let (place, own) = self.tasks.iter().find_map(|(place, task)| match task {
            Task::Think(own) if wanted(own) => Some((*place, *own)),
            _ => None,
        })?;
        self.tasks.remove(&place);
        Some(own)
    }
}
