//! The desk's thread at work: one loop over everything that can happen.

use super::clock::Clock;
use super::private::{self, Private};
use super::{Closed, End, RunnerError, RunnerSpec};
use crate::feed::Batch;
use crate::feed::rest::RestError;
use crate::trade::desk::{Act, Ask, Desk, DeskSpec, Entry, Outcome, QueueAnswer};
use crate::trade::gateway::{Demo, Task};
use crate::trade::journal::{OrderJournal, QueueJournal};
use crate::trade::kill::{KillError, KillFile};
use crate::trade::message::{Answer, Command, Report, Request, Truth};
use crate::trade::risk::Trip;
use crate::trade::standing::StandingFile;
use crate::units::TsNs;
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

/// Tasks and reports on their way to and from the gateway; what comes while it is full waits here.
const TASKS: usize = 256;
/// For calls that are under way when all is over.
const GOODBYE: Duration = Duration::from_millis(500);
/// The end when something failed, or nobody is there to say how: nothing stays open that can be cancelled.
const ABANDONED: End = End { cancels: true, patience: Duration::from_secs(10) };

type Reading<T> = oneshot::Receiver<Result<T, RestError>>;

/// A desk, and what it does its work with.
pub(super) struct Runner {
    desk: Desk,
    clock: Clock,
    kill: KillFile,
    standing: StandingFile,
    journal: OrderJournal,
    places: QueueJournal,
    gateway: tokio::task::JoinHandle<()>,
    tasks: mpsc::Sender<Task>,
    reports: mpsc::Receiver<Report>,
    private: Private,
    outcomes: mpsc::Sender<Outcome>,
    /// What the queues did not take yet.
    todo: VecDeque<Task>,
    to_tell: VecDeque<Outcome>,
    reading: Option<Reading<Truth>>,
    queues: Option<Reading<QueueAnswer>>,
    failure: Option<RunnerError>,
}

/// Every cause of work.
enum Event {
    Killed(Result<Trip, KillError>),
    End(End),
    Report(Option<Report>),
    Private(Option<Batch>),
    Read(Result<Truth, String>),
    Queues(Result<QueueAnswer, String>),
    Ask(Option<Ask>),
    Due,
}

impl Runner {
    pub(super) async fn new(
        spec: RunnerSpec,
        outcomes: mpsc::Sender<Outcome>,
    ) -> Result<Runner, RunnerError> {
        let clock = Clock::start();
        let (kill, standing) = (KillFile::at(&spec.data), StandingFile::at(&spec.data));
        let endpoint = &spec.access.endpoint;
        let exchange = format!("{} {}", endpoint.env, endpoint.rest);
        let account = format!("{} {}", endpoint.env, spec.access.signer.key_id());
        let day = standing.read()?.and_then(|standing| standing.day_of(&account));
        let mut journal = OrderJournal::create(&spec.folder)?;
        let (run, key) = (spec.run.to_string(), spec.access.signer.key_id().to_owned());
        journal.write(clock.now(), &[Entry::Opened { run, exchange, account: key }])?;
        let gateway = Demo::connect(&spec.access, spec.rest, spec.seed).await?;
        let (tasks, todo) = mpsc::channel(TASKS);
        let (told, reports) = mpsc::channel(TASKS);
        let desk = DeskSpec {
            run: spec.run,
            account,
            limits: spec.limits,
            fees: spec.fees.clone(),
            tripped: kill.read(),
            day,
            own_markets: spec.own_markets,
        };
        Ok(Runner {
            desk: Desk::new(desk, clock.now()),
            clock,
            kill,
            standing,
            journal,
            places: QueueJournal::at(&spec.folder),
            gateway: tokio::spawn(gateway.run(todo, told)),
            tasks,
            reports,
            private: Private::start(&spec),
            outcomes,
            todo: VecDeque::new(),
            to_tell: VecDeque::new(),
            reading: None,
            queues: None,
            failure: None,
        })
    }

    /// Works until it is told to end, and everything has.
    pub(super) async fn run(
        mut self,
        mut asks: mpsc::Receiver<Ask>,
        mut ends: watch::Receiver<Option<End>>,
    ) -> Closed {
        let kill = self.kill.clone();
        let mut killed = pin!(kill.wait());
        // Each of these ends once, and then says nothing more.
        let (mut watched, mut asked, mut reported, mut pushed) = (true, true, true, true);
        let mut until = None;
        loop {
            let due = self.desk.next_tick().min(until.unwrap_or(TsNs(i64::MAX)));
            let wait = Duration::from_nanos((due.0 - self.clock.now().0).max(0).unsigned_abs());
            let Runner {
                reports, private, reading, queues, tasks, todo, outcomes, to_tell, ..
            } = &mut self;
            let event = tokio::select! {
                biased;
                trip = &mut killed, if watched => {
                    watched = false;
                    Event::Killed(trip)
                }
                end = told_to_end(&mut ends), if until.is_none() => Event::End(end),
                report = reports.recv(), if reported => {
                    reported = report.is_some();
                    Event::Report(report)
                }
                batch = private.batches.recv(), if pushed => {
                    pushed = batch.is_some();
                    Event::Private(batch)
                }
                answer = answer(reading), if reading.is_some() => Event::Read(answer),
                answer = answer(queues), if queues.is_some() => Event::Queues(answer),
                Ok(room) = tasks.reserve(), if !todo.is_empty() => {
                    if let Some(task) = todo.pop_front() {
                        room.send(task);
                    }
                    continue;
                }
                Ok(room) = outcomes.reserve(), if !to_tell.is_empty() => {
                    if let Some(outcome) = to_tell.pop_front() {
                        room.send(outcome);
                    }
                    continue;
                }
                ask = asks.recv(), if asked => {
                    asked = ask.is_some();
                    Event::Ask(ask)
                }
                () = sleep(wait) => Event::Due,
            };
            until = self.take_until(event, until).await;
            let is_over = until.is_some_and(|until| until <= self.clock.now());
            if until.is_some() && (is_over || self.desk.is_quiet()) {
                return self.close().await;
            }
        }
    }

    /// Takes an event; by when all has to be over, once that was said or something failed.
    async fn take_until(&mut self, event: Event, until: Option<TsNs>) -> Option<TsNs> {
        let mut end = if let Event::End(end) = &event { Some(*end) } else { None };
        self.take(event).await;
        if self.failure.is_some() && until.is_none() && end.is_none() {
            self.take(Event::End(ABANDONED)).await;
            end = Some(ABANDONED);
        }
        let by = |End { patience, .. }: End| {
            let patience_ns = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
            TsNs(self.clock.now().0.saturating_add(patience_ns))
        };
        end.map(by).or(until)
    }

    async fn take(&mut self, event: Event) {
        let (now, mut acts) = (self.clock.now(), Vec::new());
        match event {
            Event::Killed(Ok(trip)) => self.desk.trip(trip.cause, trip.detail, now, &mut acts),
            Event::Killed(Err(why)) => self.fail(why.into()),
            Event::End(end) => self.desk.end(end.cancels, now, &mut acts),
            Event::Report(Some(report)) => self.desk.report(report, now, &mut acts),
            Event::Report(None) => self.fail(RunnerError::Died),
            Event::Private(Some(batch)) => {
                private::frames(&batch).for_each(|text| self.desk.frame(&text, now, &mut acts));
                if self.private.is_back(&batch) {
                    self.desk.connected(now);
                }
            }
            Event::Private(None) => {
                let ended = (&mut self.private.feed).await;
                self.fail(ended.ok().and_then(Result::err).map_or(RunnerError::Died, Into::into));
            }
            Event::Read(answer) => {
                self.reading = None;
                match answer {
                    Ok(truth) => self.desk.read(&truth, now, &mut acts),
                    Err(why) => self.desk.unread(why, now, &mut acts),
                }
            }
            Event::Queues(answer) => {
                self.queues = None;
                self.desk.queues(answer, now, &mut acts);
            }
            Event::Ask(Some(ask)) => self.desk.ask(ask, now, &mut acts),
            Event::Ask(None) | Event::Due => {}
        }
        self.desk.tick(now, &mut acts);
        self.carry_out(acts, now);
    }

    fn carry_out(&mut self, acts: Vec<Act>, now: TsNs) {
        let entries = acts.iter().filter_map(|act| match act {
            Act::Write(entry) => Some(entry),
            _ => None,
        });
        let written = self.journal.write(now, entries);
        let may_order = written.is_ok() && self.failure.is_none();
        if let Err(why) = written {
            self.fail(why.into());
        }
        let (mut not_sent, mut places) = (Vec::new(), Vec::new());
        for act in acts {
            match act {
                Act::Do(Command::Submit { id, .. }) if !may_order => not_sent.push(id),
                Act::Do(command) => self.todo.push_back(Task::Do(command)),
                Act::Read { since_s, asked } => {
                    let (reply, answer) = oneshot::channel();
                    self.todo.push_back(Task::Read { since_s, asked, reply });
                    self.reading = Some(answer);
                }
                Act::LookAtQueues { tickers } => {
                    let (reply, answer) = oneshot::channel();
                    self.todo.push_back(Task::Queues { tickers, reply });
                    self.queues = Some(answer);
                }
                Act::Stands(place) => places.push(place),
                Act::Latch(trip) => {
                    self.kill.write(&trip).unwrap_or_else(|why| self.fail(why.into()))
                }
                Act::Keep(standing) => {
                    self.standing.write(&standing).unwrap_or_else(|why| self.fail(why.into()));
                }
                Act::Tell(outcome) => self.to_tell.push_back(outcome),
                Act::Write(_) => {}
            }
        }
        if let Err(why) = self.places.write(&places) {
            // No order depends on it.
            tracing::warn!(error = &why as &dyn std::error::Error, "places in the queue are lost");
        }
        for id in not_sent {
            let answer = Answer::NotTaken("the journal cannot be written".to_owned());
            let mut acts = Vec::new();
            self.desk.report(Report::Answer { id, to: Request::Submit, answer }, now, &mut acts);
            self.carry_out(acts, now);
        }
    }

    /// The first failure is the one that counts; what follows from it is said in the log.
    fn fail(&mut self, why: RunnerError) {
        tracing::error!(error = &why as &dyn std::error::Error, "the desk ends");
        self.failure.get_or_insert(why);
    }

    async fn close(mut self) -> Closed {
        let (now, mut acts) = (self.clock.now(), Vec::new());
        let left = self.desk.close(now, &mut acts);
        self.carry_out(acts, now);
        let Runner { gateway, tasks, reports, private, outcomes, to_tell, failure, .. } = self;
        // Who decides may have gone before.
        to_tell.into_iter().for_each(|outcome| drop(outcomes.try_send(outcome)));
        drop((tasks, reports));
        private.stop.send_replace(true);
        let _ = timeout(GOODBYE, async { (gateway.await, private.feed.await) }).await;
        Closed { left, failure }
    }
}

/// Until told to end; whoever could tell and is gone wants nothing left open.
async fn told_to_end(ends: &mut watch::Receiver<Option<End>>) -> End {
    ends.wait_for(Option::is_some).await.map_or(ABANDONED, |end| end.unwrap_or(ABANDONED))
}

async fn answer<T>(reading: &mut Option<Reading<T>>) -> Result<T, String> {
    let Some(reading) = reading else { return std::future::pending().await };
    match reading.await {
        Ok(truth) => truth.map_err(|why| why.to_string()),
        Err(_) => Err("too many questions are open".to_owned()),
    }
}
