//! A session and a model of the exchange in virtual time, and a reader who has nothing but the records.

use super::model::{Faults, Levels, Model};
use crate::book::Book;
use crate::event::{Body, GapCause, MarketId, Record, Snapshot};
use crate::feed::{Action, Channel, FeedSpec, Lost, Now, Session, Timing, tls};
use crate::rng::Rng;
use crate::units::{Side, TsNs};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

pub fn spec() -> FeedSpec {
    FeedSpec {
        ws_url: "ws://model/trade-api/ws/v2".into(),
        signer: None,
        tls: tls::client(None).expect("built-in roots"),
        channels: vec![Channel::OrderbookDelta, Channel::Trade],
        use_yes_price: false,
        timing: Timing::default(),
        seed: 1,
    }
}

pub fn at(mono_ns: u64) -> Now {
    Now { mono_ns, wall: TsNs(1_700_000_000_000_000_000 + mono_ns as i64) }
}

/// Knows what the log knows.
#[derive(Default)]
pub struct Reader {
    books: BTreeMap<MarketId, (Book, u32)>,
    connection: u64,
    /// Numbers accounted for, by connection, subscription and how many of that name ended before; false
    /// where a gap row names them.
    numbers: BTreeMap<(u64, u32, u64), BTreeMap<u64, bool>>,
    ended: BTreeMap<(u64, u32), u64>,
    pub gaps: u64,
    pub healed: u64,
    pub notes: Vec<(String, String)>,
}

impl Reader {
    /// Takes a record; panics if a number is accounted for twice.
    pub fn read(&mut self, record: &Record) {
        let event = &record.event;
        match &event.body {
            Body::Other(kind) if kind.starts_with("kflow_") => {
                self.connection += u64::from(&**kind == "kflow_connection");
                let raw = record.raw.as_ref().expect("our own records have their text");
                self.notes.push((kind.to_string(), String::from_utf8_lossy(raw).into_owned()));
                return;
            }
            Body::Other(kind) if matches!(&**kind, "duplicate" | "late" | "rewind") => return,
            Body::Gap(gap) => {
                self.gaps += 1;
                for (id, (book, sid)) in &mut self.books {
                    let whole = event.market == MarketId::NONE;
                    if *id == event.market || (whole && (event.sid == 0 || event.sid == *sid)) {
                        book.invalidate();
                    }
                }
                if gap.cause == GapCause::SeqGap {
                    (gap.from..=gap.to).for_each(|seq| self.count(event.sid, seq, false));
                } else if gap.cause == GapCause::Reconnect && event.sid != 0 {
                    *self.ended.entry((self.connection, event.sid)).or_default() += 1;
                }
                return;
            }
            Body::Healed(_) => {
                self.healed += 1;
                return;
            }
            Body::Snapshot(_) | Body::Delta(_) => {
                let (book, sid) = self.books.entry(event.market).or_default();
                *sid = event.sid;
                let _ = book.apply(event);
            }
            _ => {}
        }
        if event.sid != 0 && event.seq != 0 {
            self.count(event.sid, event.seq, true);
        }
    }

    fn count(&mut self, sid: u32, seq: u64, received: bool) {
        let ended = self.ended.get(&(self.connection, sid)).copied().unwrap_or(0);
        let numbers = self.numbers.entry((self.connection, sid, ended)).or_default();
        assert!(numbers.insert(seq, received).is_none(), "sid {sid}: number {seq} stands twice");
    }

    /// Received and missing together are everything from 1 to the last.
    pub fn check_identity(&self) {
        for (place, numbers) in &self.numbers {
            let last = numbers.keys().next_back().copied().unwrap_or(0);
            assert_eq!(numbers.len() as u64, last, "{place:?}: some number is in no row");
        }
    }

    pub fn missing(&self) -> u64 {
        self.numbers.values().flat_map(|n| n.values()).filter(|received| !**received).count() as u64
    }

    pub fn book(&self, market: MarketId) -> Option<Levels> {
        self.books.get(&market).filter(|b| b.0.is_valid()).map(|b| {
            let side =
                |side: Side| b.0.bids(side).iter().map(move |(p, q)| ((side.index(), p.e4()), q.0));
            side(Side::Yes).chain(side(Side::No)).collect()
        })
    }
}

pub fn levels(snapshot: &Snapshot) -> Levels {
    let side = |i, levels: &[(crate::units::Price, crate::units::Qty)]| {
        levels.iter().map(|(p, q)| ((i, p.e4()), q.0)).collect::<Vec<_>>()
    };
    side(0, &snapshot.yes).into_iter().chain(side(1, &snapshot.no)).collect()
}

pub struct World {
    pub session: Session,
    pub model: Model,
    pub reader: Reader,
    pub tickers: Vec<String>,
    pub wanted: BTreeSet<String>,
    ids: BTreeMap<String, MarketId>,
    now_ns: u64,
    /// Longest step.
    pace_ms: u64,
    up: bool,
    muted_until_ns: u64,
    rng: Rng,
    /// Commands and wishes of late, told when something is wrong.
    story: VecDeque<String>,
}

impl World {
    pub fn new(faults: Faults, seed: u64) -> World {
        let tickers: Vec<String> = (0..6).map(|i| format!("KX-{i}")).collect();
        let mut session = Session::new(&spec());
        session.want(at(0), &tickers);
        World {
            session,
            model: Model::new(&tickers, faults, seed),
            reader: Reader::default(),
            wanted: tickers.iter().cloned().collect(),
            tickers,
            ids: BTreeMap::new(),
            now_ns: S,
            pace_ms: 20,
            up: false,
            muted_until_ns: 0,
            rng: Rng::stream(seed, "world", 0),
            story: VecDeque::new(),
        }
    }

    fn tell(&mut self, what: &str) {
        self.story.push_back(format!("{} ms: {what}", self.now_ns / MS));
        if self.story.len() > 60 {
            self.story.pop_front();
        }
    }

    fn now(&self) -> Now {
        at(self.now_ns)
    }

    /// One step of the world, faults included.
    pub fn step(&mut self) {
        self.now_ns += (1 + self.rng.below(self.pace_ms)) * MS;
        if !self.up {
            self.now_ns += S;
            self.model.connect();
            self.session.connected(self.now());
            self.up = true;
        }
        for _ in 0..self.rng.below(4) {
            self.model.act();
        }
        let per_thousand = |rng: &mut Rng, n| rng.below(1_000) < n;
        if per_thousand(&mut self.rng, self.model.faults.mute) {
            self.muted_until_ns = self.now_ns + 20 * S;
        }
        if self.now_ns < self.muted_until_ns {
            self.now_ns += S;
        } else {
            for _ in 0..self.rng.below(12) {
                let Some(text) = self.model.queue.pop_front() else { break };
                if !text.contains("_delta\"") && !text.contains("\"trade\"") {
                    self.tell(text.get(..200).unwrap_or(&text));
                }
                self.session.frame(self.now(), text.as_bytes());
                self.collect();
                if !self.up {
                    return;
                }
            }
        }
        if per_thousand(&mut self.rng, self.model.faults.cut) {
            self.session.lost(self.now(), Lost::Broken("cut".into()));
            self.up = false;
        }
        if per_thousand(&mut self.rng, self.model.faults.command) {
            self.wanted = self.tickers.iter().filter(|_| self.rng.chance(0.7)).cloned().collect();
            let list: Vec<String> = self.wanted.iter().cloned().collect();
            self.tell(&format!("want {list:?}"));
            self.session.want(self.now(), &list);
        }
        if self.session.wake_ns().is_some_and(|at| at <= self.now_ns) {
            self.session.tick(self.now());
            let next = self.session.wake_ns();
            assert!(next.is_none_or(|at| at > self.now_ns), "a deadline that stays due is a storm");
        }
        self.collect();
    }

    /// Records to the reader, actions to the exchange. Whenever the reader thinks that it knows a book, it
    /// is the exchange's book after the same frame; and a book that the session knows, the reader knows too.
    fn collect(&mut self) {
        let batch = self.session.take_batch();
        for (id, ticker, _) in &batch.markets {
            self.ids.insert(ticker.to_string(), *id);
        }
        for record in &batch.records {
            self.reader.read(record);
            let event = &record.event;
            if matches!(event.body, Body::Snapshot(_) | Body::Delta(_)) {
                let place = (self.model.connection, event.sid, event.seq);
                let mine = self.reader.book(event.market);
                let truth = self.model.truth.get(&place).filter(|_| !self.model.restarted);
                if let (Some(mine), Some(truth)) = (mine, truth) {
                    assert_eq!(&mine, truth, "a book that passes for known is wrong at {place:?}");
                }
            }
        }
        for (ticker, id) in &self.ids {
            if let Some(live) = self.session.book(ticker) {
                let read = self.reader.book(*id);
                assert_eq!(read, Some(levels(&live)), "{ticker}: the log gives another book");
            }
        }
        let counters = batch.counters;
        assert!(counters.open_gaps + self.reader.healed <= self.reader.gaps, "{counters:?}");
        for action in self.session.actions() {
            match action {
                Action::Send(text) => {
                    self.tell(&text);
                    self.model.command(&text);
                }
                Action::Ping if self.now_ns >= self.muted_until_ns => {
                    self.session.alive(self.now())
                }
                Action::Ping => {}
                Action::Reconnect(_) => self.up = false,
            }
        }
    }

    /// From now on the exchange behaves: all gaps must heal and all books be right.
    pub fn recover(&mut self) {
        self.model.faults = Faults::default();
        self.pace_ms = 200;
        let give_up_ns = self.now_ns + 300 * S;
        // Answers and last words that were lost before are noticed by their deadlines only.
        let calm_ns = self.now_ns + 150 * S;
        while self.now_ns < calm_ns {
            self.step();
        }
        loop {
            self.step();
            let counters = self.session.counters();
            let known = self.wanted.len() as u64;
            let settled = self.model.queue.is_empty() && counters.connected;
            if settled
                && counters.open_gaps == 0
                && counters.stale == 0
                && counters.markets == known
            {
                break;
            }
            assert!(
                self.now_ns < give_up_ns,
                "not healed after 300 s: {counters:?}\n{:#?}",
                self.story
            );
        }
        for ticker in &self.wanted {
            let truth = &self.model.books[ticker];
            let mine = self.session.book(ticker).map(|b| levels(&b));
            assert_eq!(
                mine.as_ref(),
                Some(truth),
                "{ticker}: the live book is wrong\n{:#?}",
                self.story
            );
            let read = self.reader.book(self.ids[ticker]);
            assert_eq!(read.as_ref(), Some(truth), "{ticker}: the log gives another book");
        }
        self.reader.check_identity();
        assert_eq!(self.reader.missing(), self.session.counters().missing);
        assert_eq!(self.reader.gaps, self.session.counters().gaps);
    }
}
