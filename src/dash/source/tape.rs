//! The recorded log: a session of it runs, stands still and is moved, on a thread of its own.

use super::journal;
use super::reel::{Reel, ReelError, Wound};
use crate::actor::{Filled, Verdict};
use crate::dash::command::{Place, TapeMove};
use crate::dash::log_lines::{Level, Line};
use crate::dash::news::{Gone, Handle, Heard, News};
use crate::dash::trading::{Deed, Opening};
use crate::event::SessionId;
use crate::store::{Log, SessionSummary};
use crate::units::TsNs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often a running tape is moved on.
const BEAT: Duration = Duration::from_millis(50);
/// A stretch without an event is waited for no longer than this.
const IDLE_NS: f64 = 2e9;
/// Slowest and fastest, recorded seconds per second.
const SPEEDS: [f64; 2] = [0.25, 64.0];
/// Events of a beat: more than a fast tape has, less than a screen waits for.
const BEAT_EVENTS: usize = 100_000;

/// A session on the tape.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Its id.
    pub session: String,
    /// Where its events come from.
    pub source: String,
    /// First receive time.
    pub from: TsNs,
    /// Last receive time.
    pub to: TsNs,
    /// First and last row.
    pub rows: (u64, u64),
    /// Rows and times of its gaps.
    pub gaps: Vec<(u64, TsNs)>,
    /// The trading session that acted on it.
    pub opening: Opening,
    /// What that one decided.
    pub deeds: Vec<Deed>,
    /// How its orders filled.
    pub fills: Vec<Filled>,
    /// Which of them the desk or the exchange did not take, by the row of the decision.
    pub verdicts: Vec<Verdict>,
}

impl Tape {
    /// When it acted: exchange time stands for receive time.
    pub fn acts(&self) -> impl Iterator<Item = TsNs> + '_ {
        self.deeds.iter().filter(|deed| deed.ordered).map(|deed| TsNs::from_ms(deed.ts_ms))
    }
}

/// Plays sessions of the log in `data_dir`: first the one that `begin` names, from there on (an empty name is that of
/// the newest), then others when asked.
///
/// # Errors
/// When nobody listens any more.
pub fn play(
    data_dir: &Path,
    begin: Option<(String, Place)>,
    moves: &Receiver<TapeMove>,
    handle: &Handle,
) -> Result<(), Gone> {
    let (first, place) = begin.unzip();
    let mut wanted = match first {
        Some(id) => Some(id),
        None => match next_session(moves) {
            Some(id) => Some(id),
            None => return Ok(()),
        },
    };
    loop {
        let next = match session(data_dir, wanted.take(), place, moves, handle)? {
            Ok(next) => next,
            Err(error) => {
                handle.news(News::Tape(Err(error.to_string())))?;
                next_session(moves)
            }
        };
        match next {
            Some(id) => wanted = Some(id),
            None => return Ok(()),
        }
    }
}

/// Waits until a session is asked for; `None` when nobody can ask any more.
fn next_session(moves: &Receiver<TapeMove>) -> Option<String> {
    loop {
        if let TapeMove::Open(id) = moves.recv().ok()? {
            return Some(id);
        }
    }
}

/// Plays one session until another one is asked for.
fn session(
    data_dir: &Path,
    id: Option<String>,
    begin: Option<Place>,
    moves: &Receiver<TapeMove>,
    handle: &Handle,
) -> Result<Result<Option<String>, ReelError>, Gone> {
    let log = match Log::open(data_dir) {
        Ok(log) => log,
        Err(e) => return Ok(Err(e.into())),
    };
    let (reel, tape) = match open(&log, data_dir, id.as_deref()) {
        Ok(opened) => opened,
        Err(e) => return Ok(Err(e)),
    };
    handle.news(News::Tape(Ok(Box::new(tape.clone()))))?;
    let mut player = Player {
        reel,
        tape,
        handle,
        playing: false,
        speed: 1.0,
        at: TsNs(0),
        row: 0,
        pending: None,
    };
    match player.wind(begin.unwrap_or(Place::Start)) {
        Ok(told) => told?,
        Err(e) => return Ok(Err(e)),
    }
    player.attend(moves)
}

/// The reel and the description of a session: `id`, or the newest with a book in it.
pub fn open<'a>(
    log: &'a Log,
    data_dir: &Path,
    id: Option<&str>,
) -> Result<(Reel<'a>, Tape), ReelError> {
    let sessions = log.sessions();
    let fits = |s: &&SessionSummary| match id {
        Some(id) if !id.is_empty() => s.id().to_string() == id,
        _ => s.counts.snapshots > 0,
    };
    let found = sessions.iter().rev().find(fits).ok_or(ReelError::NoSession)?;
    let session: SessionId = found.id();
    let reel = Reel::new(log, session)?;
    let rows = reel.rows();
    let (opening, pages) = journal::within(data_dir, rows.0, rows.1);
    let (from, to) = reel.span();
    let tape = Tape {
        session: session.to_string(),
        source: found.meta.source.clone(),
        from,
        to,
        rows,
        gaps: reel.gaps().to_vec(),
        opening,
        deeds: pages.deeds,
        fills: pages.fills,
        verdicts: pages.verdicts,
    };
    Ok((reel, tape))
}

/// A session that is shown.
struct Player<'a> {
    reel: Reel<'a>,
    tape: Tape,
    handle: &'a Handle,
    playing: bool,
    speed: f64,
    /// Where it stands.
    at: TsNs,
    row: u64,
    /// Asked for, and not done yet.
    pending: Option<TapeMove>,
}

impl Player<'_> {
    /// Runs and moves the tape; gives the session that is asked for next.
    fn attend(
        &mut self,
        moves: &Receiver<TapeMove>,
    ) -> Result<Result<Option<String>, ReelError>, Gone> {
        let mut moved = Instant::now();
        loop {
            let asked = match self.pending.take() {
                Some(to) => Ok(to),
                None if self.playing => moves.recv_timeout(BEAT),
                None => moves.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let asked = match asked {
                Ok(to) => Some(to),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(Ok(None)),
            };
            let passed = moved.elapsed();
            moved += passed;
            if self.playing {
                match self.beat(passed) {
                    Ok(told) => told?,
                    Err(e) => return Ok(Err(e)),
                }
            }
            match asked.map(|first| self.together(first, moves)) {
                Some(TapeMove::Open(id)) => return Ok(Ok(Some(id))),
                Some(to) => match self.obey(to) {
                    Ok(told) => told?,
                    Err(e) => return Ok(Err(e)),
                },
                None => {}
            }
        }
    }

    /// A held key asks faster than a tape can be moved: moves by time add up.
    fn together(&mut self, first: TapeMove, moves: &Receiver<TapeMove>) -> TapeMove {
        let mut to = first;
        while let Ok(next) = moves.try_recv() {
            match (to, next) {
                (TapeMove::By(a), TapeMove::By(b)) => to = TapeMove::By(a.saturating_add(b)),
                (before, next) => {
                    self.pending = Some(next);
                    return before;
                }
            }
        }
        to
    }

    fn obey(&mut self, to: TapeMove) -> Result<Result<(), Gone>, ReelError> {
        match to {
            TapeMove::Toggle => Ok(self.pace(!self.playing, self.speed)),
            TapeMove::Faster => Ok(self.pace(self.playing, self.speed * 2.0)),
            TapeMove::Slower => Ok(self.pace(self.playing, self.speed / 2.0)),
            TapeMove::Normal => Ok(self.pace(self.playing, 1.0)),
            TapeMove::By(ns) => self.wind(Place::At(TsNs(self.at.0.saturating_add(ns)))),
            TapeMove::To(place) => self.wind(place),
            TapeMove::Step { back: false, ticker } => {
                let wound = self.reel.step(&ticker)?;
                Ok(self.told(wound, News::Ran))
            }
            TapeMove::Step { back: true, ticker } => {
                let row = self.reel.before(&ticker, self.row)?;
                self.wind(Place::Row(row))
            }
            TapeMove::Action { back } => {
                let row = self.row;
                let acts = self.tape.deeds.iter().filter(|deed| deed.ordered);
                let next = match back {
                    true => acts.filter(|act| act.row_id < row).max_by_key(|act| act.row_id),
                    false => acts.filter(|act| act.row_id > row).min_by_key(|act| act.row_id),
                };
                let Some((row, ticker)) = next.map(|act| (act.row_id, act.ticker.clone())) else {
                    return Ok(Ok(()));
                };
                let wound = self.wind(Place::Row(row))?;
                Ok(wound.and_then(|()| self.handle.news(News::Look(ticker))))
            }
            TapeMove::Gap => {
                let next = self.tape.gaps.iter().map(|gap| gap.0).find(|row| *row > self.row);
                next.map_or(Ok(Ok(())), |row| self.wind(Place::Row(row)))
            }
            TapeMove::Open(_) => Ok(Ok(())),
        }
    }

    fn pace(&mut self, playing: bool, speed: f64) -> Result<(), Gone> {
        let at_end = self.row >= self.tape.rows.1;
        (self.playing, self.speed) = (playing && !at_end, speed.clamp(SPEEDS[0], SPEEDS[1]));
        self.handle.news(News::Pace { playing: self.playing, speed: self.speed })
    }

    fn wind(&mut self, place: Place) -> Result<Result<(), Gone>, ReelError> {
        let (from, to) = (self.tape.from, self.tape.to);
        let now = self.at.max(from);
        let place = place.on_tape(now, from, to).or_else(|at| {
            let text = "the tape does not have that time: its nearest end is shown".to_owned();
            let line = Line { at: now, level: Level::Warn, text };
            self.handle.news(News::Line(line)).map(|()| Place::At(at))
        });
        let place = match place {
            Ok(place) => place,
            Err(gone) => return Ok(Err(gone)),
        };
        let wound = self.reel.wind(place)?;
        Ok(self.told(wound, News::Wound))
    }

    fn told(&mut self, wound: Wound, how: fn(Heard, TsNs) -> News) -> Result<(), Gone> {
        (self.at, self.row) = (wound.at, wound.row);
        self.handle.news(how(wound.heard, wound.at))
    }

    /// Moves on by what has passed.
    fn beat(&mut self, passed: Duration) -> Result<Result<(), Gone>, ReelError> {
        let mut until = TsNs(self.at.0 + (passed.as_nanos() as f64 * self.speed) as i64);
        match self.reel.next_at()? {
            // Nothing happens for long: it is not waited for.
            Some(next) if next.0 > until.0 + (IDLE_NS * self.speed) as i64 => {
                until = TsNs(next.0 - (IDLE_NS * self.speed) as i64);
            }
            Some(_) => {}
            None => return Ok(self.pace(false, self.speed)),
        }
        let wound = self.reel.run(until, BEAT_EVENTS)?;
        Ok(self.told(wound, News::Ran))
    }
}
