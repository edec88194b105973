//! The work of this process: what its collector's follower hears.

use crate::collect::{Accepted, Following};
use crate::dash::news::{Gone, Handle, Heard, News};

/// Batches are put together up to this many events.
const EVENTS: usize = 1_024;

/// Hands on every accepted record until there are no more, or nobody listens. The follower's own queue takes what
/// comes meanwhile.
///
/// # Errors
/// When nobody listens any more.
pub fn follow(mut accepted: Following, handle: &Handle) -> Result<(), Gone> {
    let mut began = true;
    while let Some(first) = accepted.blocking_recv() {
        let mut heard = Heard { began, ..Heard::default() };
        take(&mut heard, first);
        while heard.events.len() < EVENTS
            && let Some(next) = accepted.try_recv()
        {
            take(&mut heard, next);
        }
        handle.news(News::Heard(heard))?;
        began = false;
    }
    Ok(())
}

fn take(heard: &mut Heard, batch: Accepted) {
    heard.markets.extend(batch.markets.into_iter().map(|(id, ticker, _)| (id, ticker)));
    heard.events.extend(batch.records.into_iter().map(|record| record.event));
}
