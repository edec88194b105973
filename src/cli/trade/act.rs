//! The actor's thread: accepted records in; decisions written down, sent, and told what became of them.

use super::desk::{Counter, OrderArgs, close};
use super::journal::Journal;
use super::policy::Loaded;
use super::untold::Untold;
use crate::actor::{Actor, ActorReport, Errand, Outcome, Told, Turn};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::{self, printer};
use crate::collect::{Accepted, Following, Meter};
use crate::env::AssumedFees;
use crate::event::Event;
use crate::trade::desk;
use crate::trade::kill::KillFile;
use crate::trade::risk::Trip;
use crate::trade::runner::DeskRun;
use crate::units::TsNs;
use std::sync::mpsc::{Receiver, channel};

/// What a person may say to an actor while it acts.
pub(super) struct Said {
    /// Another policy.
    pub(super) swaps: Receiver<Loaded>,
    /// That it shall stop.
    pub(super) trips: Receiver<Trip>,
    /// Where it writes down that it stopped by itself.
    pub(super) kill: KillFile,
}

/// What the thread leaves.
pub(super) struct Acted {
    pub(super) report: ActorReport,
    /// Where its journal is; `None` where nothing was recorded, and nothing written down.
    pub(super) journal: Option<String>,
    /// Orders and positions left at an exchange, one sentence each.
    pub(super) left_open: Vec<String>,
    pub(super) fees_assumed: Option<AssumedFees>,
    /// From the receipt of a frame to the decision that it led to.
    pub(super) meter: Meter,
    pub(super) failure: Option<Failure>,
}

/// Waits for the kill switch beside everything else.
pub(super) fn trips(kill: &KillFile) -> Result<Receiver<Trip>, Failure> {
    let (told, trips) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kill = kill.clone();
    std::thread::Builder::new().name("kill".to_owned()).spawn(move || {
        match runtime.block_on(kill.wait()) {
            Ok(mut trip) => {
                // A file may be dated in the future; a cancel that leaves then comes too late.
                trip.at = cli::now().map_or(trip.at, |now| trip.at.min(now));
                printer::say(&format!("trading is stopped: {} {}", trip.cause.word(), trip.detail));
                // An actor that has ended needs no stopping.
                let _ = told.send(trip);
            }
            Err(e) => printer::say(&format!("warning: the kill switch does not work: {e}")),
        }
    })?;
    Ok(trips)
}

/// Acts on every accepted record until there are no more, or it falls behind them. `desk` is where orders go, and
/// ends with the actor; none: paper.
pub(super) fn act(
    mut actor: Actor,
    mut accepted: Following,
    said: &Said,
    desk: Option<(Counter, DeskRun, OrderArgs)>,
    (journal, untold): (Journal, Untold),
) -> Acted {
    let (meter, out) = (Meter::default(), Outcome::default());
    let (counter, mut run) = desk.map(|(counter, run, orders)| (counter, (run, orders))).unzip();
    let mut thread = Thread { counter, journal, untold, meter, failure: None, out, row_id: None };
    while let Some(batch) = accepted.blocking_recv() {
        if thread.is_over(&batch) {
            break;
        }
        thread.turn(&mut actor, said, &batch);
        batch.markets.iter().for_each(|market| actor.meet(market));
        thread.see(&mut actor, &batch);
        for record in &batch.records {
            thread.take(&mut actor, &record.event, said);
        }
    }
    if accepted.fell_behind() {
        thread.fall_behind();
    }
    if thread.failure.is_some() {
        // Nobody watches them any more.
        run.iter_mut().for_each(|(_, orders)| orders.keep_orders = false);
    }
    thread.end(&mut actor, run)
}

/// What the thread works with.
struct Thread {
    counter: Option<Counter>,
    journal: Journal,
    untold: Untold,
    meter: Meter,
    failure: Option<Failure>,
    out: Outcome,
    /// The last record taken.
    row_id: Option<u64>,
}

impl Thread {
    /// True where trading cannot go on: what is decided cannot be written down, and an exchange holds orders; or
    /// rows that were traded on did not reach the disk, and their numbers come again.
    fn is_over(&mut self, batch: &Accepted) -> bool {
        let first = batch.records.first().map(|record| record.event.row_id);
        let lost = first.zip(self.row_id).is_some_and(|(first, last)| first <= last);
        if lost {
            let why = "records that were traded on did not reach the disk: trading has stopped";
            let failure = Failure::msg(Code::Runtime, why);
            self.failure.get_or_insert(failure.hint("free some space, and start again"));
        }
        lost || (self.failure.is_some() && self.counter.is_some())
    }

    /// Does what a person said since the last batch, and writes it down first.
    fn turn(&mut self, actor: &mut Actor, said: &Said, batch: &Accepted) {
        let before = |first: u64| first.saturating_sub(1);
        let first = batch.records.first().map(|record| before(record.event.row_id));
        if let (None, Some(after)) = (self.row_id, first) {
            self.row_id = Some(after);
            let begun = self.journal.turn(after, Told::Begin);
            self.note(actor, begun);
        }
        // Nothing was recorded yet: it waits for the first record.
        let Some(row_id) = self.row_id else { return };
        for Loaded { acting, weights } in said.swaps.try_iter() {
            let kept = self.journal.keep(&acting.model_hash, &weights);
            self.note(actor, kept);
            self.take_turn(actor, row_id, Turn::Swap(acting));
        }
        for trip in said.trips.try_iter() {
            self.take_turn(actor, row_id, Turn::Trip(trip));
        }
    }

    fn take_turn(&mut self, actor: &mut Actor, row_id: u64, turn: Turn) {
        let told = self.journal.turn(row_id, turn.told());
        self.note(actor, told);
        self.out.clear();
        let said_at = match &turn {
            Turn::Trip(trip) => trip.at,
            Turn::Swap(_) => cli::now().unwrap_or(TsNs(0)),
        };
        turn.take(actor, &mut self.out);
        let now = cli::now().unwrap_or(TsNs(0));
        self.write(actor, (now.0 - said_at.0).max(0) / 1_000);
    }

    /// What cannot be written down is not done: nothing is ordered after a failure.
    fn note(&mut self, actor: &mut Actor, written: Result<(), Failure>) {
        if let Err(error) = written {
            actor.halt(true);
            self.failure.get_or_insert(error);
        }
    }

    /// The desk sees the markets first, and says what became of orders.
    fn see(&mut self, actor: &mut Actor, batch: &Accepted) {
        self.untold.see(batch);
        let Some(counter) = &mut self.counter else { return };
        counter.see(batch);
        self.listen(actor);
    }

    /// Hears what became of orders since the last time.
    fn listen(&mut self, actor: &mut Actor) {
        let Some(counter) = &mut self.counter else { return };
        let told: Vec<desk::Outcome> = counter.outcomes().collect();
        for told in &told {
            self.hear(actor, told);
        }
    }

    /// Takes a record, and does what follows from it.
    fn take(&mut self, actor: &mut Actor, event: &Event, said: &Said) {
        self.row_id = Some(event.row_id);
        self.out.clear();
        actor.push(event, &mut self.out);
        if let Some(trip) = actor.tripped() {
            let written = said.kill.write(&trip).or_fail(Code::Runtime);
            self.failure = self.failure.take().or(written.err());
        }
        if self.out == Outcome::default() {
            return;
        }
        let now = cli::now().unwrap_or(TsNs(0));
        if !self.out.deeds.is_empty() {
            self.meter.record(event.recv, now);
        }
        let latency_us = now.0.saturating_sub(event.recv.0).max(0) / 1_000;
        if self.write(actor, latency_us) {
            self.send(actor);
        }
    }

    /// Writes down what was decided; false if that is not possible: what cannot be written down is not done.
    fn write(&mut self, actor: &mut Actor, latency_us: i64) -> bool {
        let written = self.journal.write(&self.out, latency_us);
        self.note(actor, written);
        self.failure.is_none()
    }

    /// Takes what was decided to the desk.
    fn send(&mut self, actor: &mut Actor) {
        let Some(counter) = &mut self.counter else { return };
        let mut refused = Vec::new();
        for deed in &self.out.deeds {
            for request in &deed.requests {
                match Errand::of(request, deed.market, &deed.ticker, deed.row_id) {
                    Some(Errand::Place(placed)) => refused.extend(counter.place(placed)),
                    Some(Errand::Cancel(number)) => counter.cancel(number),
                    None => {}
                }
            }
        }
        for told in &refused {
            self.hear(actor, told);
        }
    }

    fn hear(&mut self, actor: &mut Actor, told: &desk::Outcome) {
        if let desk::Outcome::Position { ticker, position } = told {
            printer::say(&format!(
                "{ticker}: the exchange holds {position} contracts, not from this session"
            ));
        }
        self.out.clear();
        let now = cli::now().unwrap_or(TsNs(0));
        actor.hear(told, self.row_id.unwrap_or(0), now, &mut self.out);
        if !self.out.fills.is_empty() || !self.out.verdicts.is_empty() {
            self.write(actor, 0);
        }
    }

    /// The log went on without us: said now, and again by how the command ends.
    fn fall_behind(&mut self) {
        let at = self.row_id.map_or_else(String::new, |row_id| format!(" at row {row_id}"));
        let what = format!("the actor fell behind the log{at} and has stopped trading");
        printer::say(&format!("warning: {what}; its orders are withdrawn, and recording goes on"));
        let failure = Failure::msg(Code::Runtime, what).hint(
            "trade fewer markets, or on a machine with less to do; the recording is complete",
        );
        self.failure.get_or_insert(failure);
    }

    /// Closes the desk, hears its last words, and writes the rest.
    fn end(mut self, actor: &mut Actor, run: Option<(DeskRun, OrderArgs)>) -> Acted {
        // A desk may have withdrawn what an earlier run left: its folder stays.
        let nothing = self.row_id.is_none() && run.is_none();
        let closed = run.map(|(run, orders)| close(run, &orders)).transpose();
        self.listen(actor);
        self.meter.turn();
        let (left_open, unclosed) = match closed {
            Ok(left) => (left.unwrap_or_default(), None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let ended = self.row_id.map_or(Ok(()), |row_id| self.journal.turn(row_id, Told::End));
        let report = actor.report();
        let journal = (!nothing).then(|| self.journal.place());
        let finished = match nothing {
            true => {
                self.journal.discard();
                None
            }
            false => ended.and(self.journal.finish(&report)).err(),
        };
        let failure = self.failure.or(unclosed).or(finished);
        let fees_assumed = self.untold.assumed();
        Acted { report, journal, left_open, fees_assumed, meter: self.meter, failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Acting, ActorSpec, Choice};
    use crate::agent::policy::Hold;
    use crate::collect::Follower;
    use crate::config::Limits;
    use crate::env::EnvConfig;

    /// A machine with too much to do: the log is a whole queue ahead when the actor comes to it. It used to end as
    /// if the session had, with code 0.
    #[test]
    fn an_actor_that_falls_behind_stops_with_a_failure_that_says_so() {
        let (mut follower, following) = Follower::new();
        while follower.tell(&Accepted::default()) {}
        let dir = tempfile::tempdir().unwrap();
        let spec = ActorSpec {
            env: EnvConfig::default(),
            choice: Choice::All,
            limits: Limits::default(),
            tripped: None,
            seed: 0,
            elsewhere: false,
        };
        let journal = Journal::create(dir.path(), &spec, "hold", ("", None), "sim").unwrap();
        let acting = Acting { policy: Box::new(Hold), model_hash: String::new() };
        let actor = Actor::new(spec, acting);
        let (swaps, trips) = (channel().1, channel().1);
        let said = Said { swaps, trips, kill: KillFile::at(dir.path()) };
        let acted = act(actor, following, &said, None, (journal, Untold::new(None)));
        let failure = acted.failure.unwrap();
        assert_eq!(failure.code, Code::Runtime);
        let text = failure.render();
        assert!(text.contains("the actor fell behind the log"), "{text}");
        assert!(text.contains("hint: ") && text.contains("recording is complete"), "{text}");
    }
}
