//! The desk: what somebody would like to order becomes orders that keep every limit, and what became of them.
//!
//! ```text
//!  actor ─ Ask ─► Desk ─ risk ─► blotter ─ Act::Do ─► gateway ─► exchange
//!    ▲             │  ▲                                   │
//!    └── Outcome ──┘  └────────── reports, frames, readings of the account
//! ```
//!
//! **Invariant:** pure; time comes in and must not run backwards.
//! **Invariant:** nothing is ordered before the account's own channels are heard, the account was read and the
//! orders of earlier runs are gone, nor when it could not be read for [`BLIND`].
//! **Invariant:** every verdict of risk and every change of an order is written down ([`Act::Write`]) before
//! what follows from it is done.
//! **Invariant:** once tripped, nothing is ordered any more, and every order that turns up is cancelled.

mod entry;
mod funds;
mod markets;
mod orders;
mod private;
mod queues;
mod standing;
mod told;
mod watch;
mod words;

pub use entry::{Entry, FillLine, Judged, OrderLine};
pub use queues::{QueueAnswer, QueueLine};
pub use standing::Standing;
pub use words::{Act, Ask, OrderFill, Outcome, Placed, Quote, Refusal};

use super::blotter::{Blotter, Difference, Order};
use super::message::{ClientId, Report, Truth};
use super::risk::{Cause, Day, Risk, Trip};
use crate::broker::{Intent, MarketFees};
use crate::config::Limits;
use crate::event::SessionId;
use crate::market::MarketInfo;
use crate::units::{Money, Qty, TsNs};
use funds::Funds;
use markets::Markets;
use queues::Queues;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The account is read this often: four requests, a twenty-fifth of what a new account may ask in that time.
const READ_EVERY: TsNs = TsNs::from_ms(5_000);
/// After a reading that failed.
const READ_RETRY: TsNs = TsNs::from_ms(1_000);
/// So long after the last reading began nothing is ordered any more: nobody knows what the account holds.
pub const BLIND: TsNs = TsNs::from_ms(30_000);
/// Fills are read from so long before the last reading: our clock and the exchange's may differ, and a fill may
/// have been listed late.
const MARGIN_S: i64 = 300;
/// Orders whose numbers are remembered: all that the blotter remembers, and as many again before it is asked.
const NUMBERS_MAX: usize = 20_000;

/// What a desk is opened with.
#[derive(Clone, Debug)]
pub struct DeskSpec {
    /// The run: part of every client id.
    pub run: SessionId,
    /// The exchange and the id of the key: whose account it is.
    pub account: String,
    /// Limits of trading.
    pub limits: Limits,
    /// What fills cost where the exchange does not say.
    pub fees: MarketFees,
    /// What an earlier run left: trading was stopped.
    pub tripped: Option<Trip>,
    /// What an earlier run left: the day, and what it began with.
    pub day: Option<Day>,
    /// True if the markets that are told of are those of the exchange that takes the orders: what pays there
    /// pays here.
    pub own_markets: bool,
}

/// The desk of one account.
#[derive(Clone, Debug)]
pub struct Desk {
    account: String,
    fees: MarketFees,
    own_markets: bool,
    risk: Risk,
    blotter: Blotter,
    funds: Funds,
    markets: Markets,
    orders: BTreeMap<ClientId, Ours>,
    numbers: HashMap<u64, ClientId>,
    /// Orders about which not all is known.
    live: BTreeSet<ClientId>,
    /// When to read the account next; `None` while a reading is under way.
    read_from: Option<TsNs>,
    /// Once that reading is over, another one is wanted at once.
    again: bool,
    /// The private channels are heard, or were.
    heard: bool,
    /// No order of an earlier run is left.
    clean: bool,
    /// When to look at the markets next.
    watch_at: TsNs,
    queues: Queues,
    ending: bool,
    cancels: bool,
    /// What the account is worth, by the last reading.
    equity: Option<Money>,
    kept: Option<Standing>,
}

/// What the blotter does not know of an order.
#[derive(Clone, Debug)]
struct Ours {
    /// The caller's number; `None` for one of the desk's own.
    number: Option<u64>,
    intent: Intent,
    /// A change was sent and is not answered.
    changing: bool,
    /// As it was written down last.
    shown: Option<OrderLine>,
    /// It was told that it rests.
    rests: bool,
}

impl Desk {
    /// A desk that has ordered nothing and read nothing.
    pub fn new(spec: DeskSpec, now: TsNs) -> Desk {
        Desk {
            account: spec.account,
            fees: spec.fees,
            own_markets: spec.own_markets,
            risk: Risk::new(spec.limits, spec.tripped).since(spec.day),
            blotter: Blotter::new(spec.run),
            funds: Funds::default(),
            markets: Markets::default(),
            orders: BTreeMap::new(),
            numbers: HashMap::new(),
            live: BTreeSet::new(),
            read_from: Some(now),
            again: false,
            heard: false,
            clean: false,
            watch_at: now,
            queues: Queues::new(now),
            ending: false,
            cancels: false,
            equity: None,
            kept: None,
        }
    }

    /// Takes in what is said from this side.
    pub fn ask(&mut self, ask: Ask, now: TsNs, out: &mut Vec<Act>) {
        match ask {
            Ask::Place(placed) => self.place(&placed, now, out),
            Ask::Cancel { number } => self.cancel(number, now, out),
            Ask::Change { number, change } => self.change(number, change, now, out),
            Ask::Market(info) => self.define(*info, now, out),
            Ask::Quote(quote) => self.markets.quote(&quote),
            Ask::Heard(at) => self.markets.heard(at),
        }
    }

    /// Takes in what the gateway reports.
    pub fn report(&mut self, report: Report, now: TsNs, out: &mut Vec<Act>) {
        if matches!(report, Report::OrphanCancelled { .. }) {
            self.look_again(now);
        }
        self.with_blotter(now, out, |blotter, effects| blotter.hear(report, now, effects));
    }

    /// Takes in a frame of a private channel.
    pub fn frame(&mut self, text: &str, now: TsNs, out: &mut Vec<Act>) {
        out.push(Act::Write(Entry::Frame { frame: text.to_owned() }));
        match private::read(text) {
            private::Told::Report(report) => self.report(report, now, out),
            private::Told::NotOurs => {}
            private::Told::Unreadable => self.look_again(now),
        }
    }

    /// The private channels are heard from now on; before, something may have been missed.
    pub fn connected(&mut self, now: TsNs) {
        self.heard = true;
        self.look_again(now);
    }

    /// The account is read as soon as possible.
    fn look_again(&mut self, now: TsNs) {
        self.again = self.read_from.is_none();
        self.read_from = self.read_from.map(|_| now);
    }

    /// When to read again after a reading.
    fn read_after(&mut self, now: TsNs, pause: TsNs) {
        let pause_ns = if std::mem::take(&mut self.again) { 0 } else { pause.0 };
        self.read_from = Some(TsNs(now.0 + pause_ns));
    }

    /// Takes in what a reading of the account found.
    pub fn read(&mut self, truth: &Truth, now: TsNs, out: &mut Vec<Act>) {
        let mut differences = Vec::new();
        self.with_blotter(now, out, |blotter, effects| {
            differences = blotter.reconcile(truth, now, effects);
        });
        let orphans = differences.iter().any(|d| matches!(d, Difference::Orphan { .. }));
        // An order that is being cancelled may still trade: another look shows whether it has.
        self.read_after(now, if orphans { READ_RETRY } else { READ_EVERY });
        for difference in &differences {
            if let Difference::Position { ticker, theirs, .. } = difference {
                let (ticker, position) = (ticker.clone(), *theirs);
                out.push(Act::Tell(Outcome::Position { ticker, position }));
            }
        }
        let equity = self.funds.read(truth, &self.markets);
        out.push(Act::Write(Entry::Account {
            balance_e6: truth.balance.e6(),
            equity_e6: equity.e6(),
            resting: truth.resting.len(),
            differences: differences.iter().map(words::sentence).collect(),
        }));
        self.equity = Some(equity);
        if let Some(trip) = self.risk.watch_equity(equity, now).cloned() {
            self.tripped(trip, now, out);
        }
        self.keep(now, out);
        if !self.clean && !orphans && self.heard {
            self.clean = true;
            out.push(Act::Tell(Outcome::Ready));
        }
    }

    /// A reading of the account failed.
    pub fn unread(&mut self, why: String, now: TsNs, out: &mut Vec<Act>) {
        self.read_after(now, READ_RETRY);
        out.push(Act::Write(Entry::Unread { why }));
    }

    /// Trading was stopped, and that is latched already where it has to be.
    pub fn trip(&mut self, cause: Cause, detail: String, now: TsNs, out: &mut Vec<Act>) {
        if let Some(trip) = self.risk.trip(cause, detail, now).cloned() {
            self.tripped(trip, now, out);
        }
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: TsNs, out: &mut Vec<Act>) {
        self.with_blotter(now, out, |blotter, effects| blotter.tick(now, effects));
        if self.watch_at <= now {
            self.watch(now, out);
        }
        if self.read_from.is_some_and(|from| from <= now) {
            let since = self.funds.read_at().unwrap_or(now);
            self.funds.ask(&self.blotter);
            self.read_from = None;
            out.push(Act::Read { since_s: since.ms() / 1_000 - MARGIN_S, asked: now });
        }
        self.ask_queues(now, out);
    }

    /// When [`Desk::tick`] has something to do next.
    pub fn next_tick(&self) -> TsNs {
        let others = [self.blotter.next_tick(), self.read_from, self.next_queues()];
        others.into_iter().flatten().fold(self.watch_at, TsNs::min)
    }

    /// Nothing is ordered from now on; `cancels`: open orders are cancelled.
    pub fn end(&mut self, cancels: bool, now: TsNs, out: &mut Vec<Act>) {
        (self.ending, self.cancels) = (true, cancels);
        out.push(Act::Write(Entry::Ending { cancels }));
        if cancels {
            self.withdraw(None, now, out);
        }
    }

    /// True once nothing is on its way any more: all about every order is known, or it rests and may.
    pub fn is_quiet(&self) -> bool {
        let rests = |order: &Order| !order.waits() && !order.in_doubt() && !order.is_unwanted();
        let mut live = self.live.iter().filter_map(|id| self.blotter.order(id));
        live.all(|order| {
            order.is_settled() || (!self.cancels && rests(order) && !order.is_unborn())
        })
    }

    /// The last word: what is left open, one sentence each.
    pub fn close(&mut self, now: TsNs, out: &mut Vec<Act>) -> Vec<String> {
        self.keep(now, out);
        let left = self.left();
        out.push(Act::Write(Entry::Ended { left: left.clone() }));
        left
    }

    fn left(&self) -> Vec<String> {
        let live = self.live.iter().filter_map(|id| self.blotter.order(id));
        let open = live.filter(|order| !order.is_settled()).map(words::open);
        let held = self.blotter.positions().filter(|(_, qty)| *qty != Qty::ZERO);
        open.chain(held.map(|(ticker, qty)| format!("{ticker}: {qty} contracts held"))).collect()
    }

    /// What stopped trading, if anything did.
    pub fn stopped(&self) -> Option<&Trip> {
        self.risk.tripped()
    }

    fn define(&mut self, info: MarketInfo, now: TsNs, out: &mut Vec<Act>) {
        let (ticker, value) = (info.ticker.clone(), info.settlement);
        let pays = self.markets.define(info) && self.own_markets;
        if let Some(value) = value.filter(|_| pays) {
            let settled = Report::Settled { ticker, value };
            self.with_blotter(now, out, |blotter, effects| blotter.hear(settled, now, effects));
        }
    }

    fn tripped(&mut self, trip: Trip, now: TsNs, out: &mut Vec<Act>) {
        let (cause, detail) = (trip.cause.word(), trip.detail.clone());
        out.push(Act::Write(Entry::Tripped { cause, detail }));
        out.push(Act::Latch(trip.clone()));
        out.push(Act::Tell(Outcome::Tripped(trip)));
        self.withdraw(None, now, out);
    }

    /// Keeps what a restart and a person want to know, where it is news.
    fn keep(&mut self, now: TsNs, out: &mut Vec<Act>) {
        let (Some(day), Some(equity)) = (self.risk.day(), self.equity) else { return };
        let positions = self.blotter.positions().filter(|(_, qty)| *qty != Qty::ZERO);
        let standing = Standing {
            account: self.account.clone(),
            day: day.number,
            day_start_e6: day.start.e6(),
            equity_e6: equity.e6(),
            at_ns: now.0,
            open: self.blotter.open().map(words::open).collect(),
            positions_e2: positions.map(|(ticker, qty)| (ticker.to_owned(), qty.e2())).collect(),
        };
        if self.kept.as_ref().is_none_or(|kept| !kept.is_like(&standing)) {
            out.push(Act::Keep(standing.clone()));
            self.kept = Some(standing);
        }
    }
}

#[cfg(test)]
mod tests;
