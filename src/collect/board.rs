//! The one place where the status is put together.

use super::disk::Space;
use super::ports::{LogState, QUEUE_BATCHES};
use crate::event::SessionMeta;
use crate::view::{CollectStatus, Link};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate of frames is that of the last seconds.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Turns what the parts know into the status that is shown.
pub(super) struct Board {
    status: CollectStatus,
    started: Instant,
    received: VecDeque<(Instant, u64)>,
}

impl Board {
    /// At the start of a session.
    pub(super) fn new(meta: &SessionMeta, started: Instant) -> Board {
        let status = CollectStatus {
            session: meta.id.to_string(),
            exchange_env: meta.exchange_env.clone(),
            source: meta.source.clone(),
            queue_max: QUEUE_BATCHES as u64,
            ..CollectStatus::default()
        };
        Board { status, started, received: VecDeque::new() }
    }

    /// The disk as it was seen last, or what is wrong with it.
    pub(super) fn disk(&mut self, seen: Result<Space, String>) {
        match seen {
            Ok(space) => {
                self.status.problem.clear();
                self.status.log_bytes = space.log_bytes;
                self.status.log_bytes_per_min = space.log_bytes_per_min;
                self.status.disk_free_bytes = space.free_bytes;
                self.status.disk_days = space.days();
            }
            Err(problem) => self.status.problem = problem,
        }
    }

    /// The log thread as it is now, with `queue` batches before it.
    pub(super) fn log(&mut self, log: &LogState, queue: usize, now: Instant) -> &CollectStatus {
        let counters = log.counters;
        let status = &mut self.status;
        status.link = match (counters.connected, counters.stale) {
            (false, _) => Link::Connecting,
            (true, 0) => Link::Live,
            (true, _) => Link::Healing,
        };
        status.uptime_s = (now - self.started).as_secs();
        status.quiet_s = log.last_frame.map_or(status.uptime_s, |at| (now - at).as_secs());
        status.markets = counters.markets;
        status.stale = counters.stale;
        status.received = counters.received;
        status.accepted = log.accepted;
        status.committed = log.kept.committed;
        status.missing = counters.missing;
        status.duplicates = counters.duplicates;
        status.bad = counters.bad;
        status.gaps = counters.gaps + log.own_gaps;
        status.open_gaps = counters.open_gaps;
        status.reconnects = counters.reconnects;
        status.late = counters.late;
        status.drift = log.drift;
        status.lag_ms = log.lag.recent();
        status.commit_ms = log.kept.commit.recent();
        status.queue = queue as u64;
        self.received.push_back((now, counters.received));
        while self.received.len() > 2 && now - self.received[0].0 > RATE_OVER {
            self.received.pop_front();
        }
        if let Some((at, before)) = self.received.front()
            && now > *at
        {
            let frames = counters.received.saturating_sub(*before) as f64;
            status.frames_per_s = frames / (now - *at).as_secs_f64();
        }
        status
    }

    /// After the end.
    pub(super) fn stopped(&mut self) -> &CollectStatus {
        self.status.link = Link::Stopped;
        self.status.frames_per_s = 0.0;
        &self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SessionId;
    use crate::feed::Counters;
    use crate::units::TsNs;

    fn board(started: Instant) -> Board {
        let meta = SessionMeta {
            id: SessionId([1; 16]),
            source: "sim:seed=7".into(),
            exchange_env: "sim".into(),
            started: TsNs(0),
            flags: Vec::new(),
            inputs: Vec::new(),
        };
        Board::new(&meta, started)
    }

    #[test]
    fn a_feed_that_stopped_looks_stopped() {
        let start = Instant::now();
        let mut board = board(start);
        let mut log = LogState {
            counters: Counters { connected: true, received: 1_000, ..Counters::default() },
            last_frame: Some(start),
            ..LogState::default()
        };
        board.log(&LogState::default(), 0, start);
        let running = board.log(&log, 3, start + Duration::from_secs(1));
        assert_eq!((running.link, running.queue), (Link::Live, 3));
        assert!((running.frames_per_s - 1_000.0).abs() < 1.0);
        for s in 2..=20 {
            board.log(&log, 0, start + Duration::from_secs(s));
        }
        let frozen = board.log(&log, 0, start + Duration::from_secs(21)).clone();
        assert_eq!((frozen.frames_per_s, frozen.quiet_s), (0.0, 21));
        log.counters.stale = 2;
        assert_eq!(board.log(&log, 0, start + Duration::from_secs(22)).link, Link::Healing);
    }

    #[test]
    fn a_problem_of_the_disk_stands_until_it_is_over() {
        let mut board = board(Instant::now());
        board.disk(Err("the log is gone".into()));
        assert_eq!(board.stopped().problem, "the log is gone");
        board.disk(Ok(Space { free_bytes: 5, ..Space::default() }));
        assert_eq!(board.stopped().problem, "");
        assert_eq!(board.status.disk_free_bytes, 5);
    }
}
