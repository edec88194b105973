//! One order: what we asked, what was said, and what follows from both.
//!
//! The exchange's words may come late, twice and in any order, so nothing here is a chain of transitions. Facts
//! are collected (fills by their trade, the newest word, the end), each of them can be told again without harm,
//! and the state is computed from them.

use super::{Effect, FILL_GRACE, RETRY};
use crate::trade::message::{Change, ClientId, Command, FillFact, Over, Request, View, Wanted};
use crate::units::{Price, Qty, TsNs};
use crate::wire::portfolio::UpdateReason;
use std::collections::BTreeMap;

/// Our clock and the exchange's may differ by so much.
const MARGIN_S: i64 = 300;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Handed over to the gateway, not sent yet.
    New,
    /// Sent, no answer yet.
    Sent,
    /// The answer to its submit is lost: it may exist or not. Only the exchange's word ends this.
    Unknown,
    /// In the book.
    Resting,
    /// In the book, filled in part.
    Part,
    /// Filled whole.
    Filled,
    /// Ended by us or by the exchange before it was filled whole.
    Cancelled,
    /// It never came into being.
    Rejected,
    /// Its time was up.
    Expired,
}

impl State {
    /// True if nothing more can be filled.
    pub const fn is_over(self) -> bool {
        matches!(self, State::Filled | State::Cancelled | State::Rejected | State::Expired)
    }

    /// One word for the log.
    pub const fn word(self) -> &'static str {
        match self {
            State::New => "new",
            State::Sent => "sent",
            State::Unknown => "unknown",
            State::Resting => "resting",
            State::Part => "part",
            State::Filled => "filled",
            State::Cancelled => "cancelled",
            State::Rejected => "rejected",
            State::Expired => "expired",
        }
    }
}

/// What became of the submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Birth {
    New,
    Sent,
    Unknown,
    Rejected,
    /// The exchange knows the order.
    Known,
}

/// One order of ours.
#[derive(Clone, Debug)]
pub struct Order {
    /// Our name for it.
    pub id: ClientId,
    /// What was wanted at first.
    pub wanted: Wanted,
    /// The exchange's name for it, once it is known.
    pub order_id: Option<String>,
    /// Why it was rejected, in words.
    pub rejected: Option<String>,
    pub(super) birth: Birth,
    pub(super) created: TsNs,
    /// When the answer to the submit was known to be lost.
    pub(super) lost: TsNs,
    /// By trade: a fill told twice is one.
    fills: BTreeMap<String, FillFact>,
    /// The newest word while it rested.
    word: Option<View>,
    over: Option<Over>,
    /// Most that the exchange ever said was filled.
    reported: Qty,
    /// What is not answered yet: one thing at a time.
    pub(super) awaits: Option<Request>,
    /// It shall end, as soon as it can be cancelled.
    pub(super) unwanted: bool,
    /// When it may be cancelled (again); `None`: not before a query is answered.
    pub(super) cancel_from: Option<TsNs>,
    /// How often only a query could tell what is, and up to which of these times one did.
    doubts: u32,
    resolved: u32,
    /// A query on its way, and the doubts raised before it.
    pub(super) asking: Option<(TsNs, u32)>,
    /// When to ask next.
    pub(super) ask_at: Option<TsNs>,
    /// The end was told.
    pub(super) told: bool,
}

impl Order {
    pub(super) fn new(id: ClientId, wanted: Wanted, now: TsNs) -> Order {
        Order {
            id,
            wanted,
            order_id: None,
            rejected: None,
            birth: Birth::New,
            created: now,
            lost: now,
            fills: BTreeMap::new(),
            word: None,
            over: None,
            reported: Qty::ZERO,
            awaits: Some(Request::Submit),
            unwanted: false,
            cancel_from: Some(now),
            doubts: 0,
            resolved: 0,
            asking: None,
            ask_at: None,
            told: false,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match (self.over, self.birth) {
            (Some(Over::Executed), _) => State::Filled,
            (Some(Over::Cancelled(Some(UpdateReason::ExpiryCancel))), _) => State::Expired,
            (Some(Over::Cancelled(_)), _) => State::Cancelled,
            (None, Birth::Rejected) => State::Rejected,
            // A fill may overtake the answer to the submit: the order is known by it.
            _ if self.filled() > Qty::ZERO && self.left() == Qty::ZERO => State::Filled,
            _ if self.filled() > Qty::ZERO => State::Part,
            (None, Birth::Known) => State::Resting,
            (None, Birth::New) => State::New,
            (None, Birth::Sent) => State::Sent,
            (None, Birth::Unknown) => State::Unknown,
        }
    }

    /// Contracts filled, by its fills or by the exchange's count.
    pub fn filled(&self) -> Qty {
        self.told_filled().max(self.reported)
    }

    /// Contracts that may still be filled.
    pub fn left(&self) -> Qty {
        match (&self.over, &self.word) {
            (Some(_), _) => Qty::ZERO,
            (None, Some(word)) => {
                let since = self.filled() - word.filled.unwrap_or_default();
                (word.left - since).max(Qty::ZERO)
            }
            (None, None) => (self.wanted.count - self.filled()).max(Qty::ZERO),
        }
    }

    /// Its limit now, YES scale.
    pub fn price(&self) -> Price {
        self.word.as_ref().and_then(|word| word.price).unwrap_or(self.wanted.price)
    }

    /// Its fills, by trade.
    pub fn fills(&self) -> impl Iterator<Item = &FillFact> {
        self.fills.values()
    }

    /// True if all about it is known: it is over, every fill was told, and no answer is awaited.
    pub fn is_settled(&self) -> bool {
        self.state().is_over()
            && self.missing() == Qty::ZERO
            && !self.in_doubt()
            && self.awaits.is_none()
    }

    /// Contracts that the exchange counts as filled and whose fills were not told.
    pub fn missing(&self) -> Qty {
        self.filled() - self.told_filled()
    }

    /// True while the exchange has said nothing of it yet: no answer, no fill.
    pub fn is_unborn(&self) -> bool {
        matches!(self.birth, Birth::New | Birth::Sent | Birth::Unknown)
    }

    /// True while something that was asked for it is not answered.
    pub fn waits(&self) -> bool {
        self.awaits.is_some()
    }

    /// True once it shall end.
    pub fn is_unwanted(&self) -> bool {
        self.unwanted
    }

    /// True if only a query can tell what became of something.
    pub fn in_doubt(&self) -> bool {
        self.doubts > self.resolved
    }

    fn told_filled(&self) -> Qty {
        self.fills.values().fold(Qty::ZERO, |sum, fill| sum + fill.qty)
    }

    /// Takes a fill; false when it was told before.
    pub(super) fn fill(&mut self, fill: FillFact) -> bool {
        self.birth = Birth::Known;
        self.order_id.get_or_insert_with(|| fill.order_id.clone());
        let new = !self.fills.contains_key(&fill.trade_id);
        if new {
            self.fills.insert(fill.trade_id.clone(), fill);
        }
        new
    }

    /// Takes the exchange's word.
    pub(super) fn see(&mut self, view: View, now: TsNs) {
        self.birth = Birth::Known;
        self.order_id.get_or_insert_with(|| view.order_id.clone());
        let told = self.told_filled();
        let filled = match (view.filled, view.taken_off) {
            (Some(filled), _) => filled,
            // What was not taken off had been filled: nothing else, if that is what was told.
            (None, Some(taken_off)) if self.total() - taken_off == told => told,
            // It is open how much was filled before it: only a query tells.
            (None, _) => {
                self.doubt(now);
                self.filled()
            }
        };
        self.reported = self.reported.max(filled);
        let newer = self.word.as_ref().is_none_or(|word| word.at_ms <= view.at_ms);
        match view.over {
            // An end is final: what the exchange cancelled or filled never comes back.
            Some(over) => self.over = Some(over),
            None if newer => {
                let price = view.price.or_else(|| self.word.as_ref().and_then(|word| word.price));
                self.word = Some(View { filled: Some(filled), price, ..view });
            }
            None => {}
        }
    }

    /// All contracts that it was to buy in the end: filled and resting.
    fn total(&self) -> Qty {
        match &self.word {
            Some(word) => word.filled.unwrap_or_default() + word.left,
            None => self.wanted.count,
        }
    }

    /// Only a query can tell what is.
    pub(super) fn doubt(&mut self, now: TsNs) {
        self.doubts += 1;
        self.ask_at = Some(now);
    }

    /// A query was answered: everything that was open when it was asked is known.
    pub(super) fn resolve(&mut self, asked_doubts: u32) {
        self.resolved = self.resolved.max(asked_doubts);
    }

    /// Does what is due for it now.
    pub(super) fn due(&mut self, now: TsNs, out: &mut Vec<Effect>) {
        if self.in_doubt() || self.missing() > Qty::ZERO {
            self.ask_at.get_or_insert(TsNs(now.0 + FILL_GRACE.0));
        } else {
            self.ask_at = None;
        }
        if self.asking.is_none() && self.ask_at.is_some_and(|at| at <= now) {
            self.asking = Some((now, self.doubts));
            out.push(Effect::Do(self.query()));
        }
        if self.cancel_at().is_some_and(|at| at <= now) {
            out.extend(self.change(Change::Cancel).map(Effect::Do));
        }
    }

    /// The next moment at which something may be due.
    pub(super) fn next_due(&self) -> Option<TsNs> {
        let ask = self.ask_at.filter(|_| self.asking.is_none());
        [ask, self.cancel_at()].into_iter().flatten().min()
    }

    /// When it has to be cancelled. A doubt is no reason to wait: a cancel does no harm.
    fn cancel_at(&self) -> Option<TsNs> {
        let open = !self.state().is_over() && self.order_id.is_some();
        let due = self.unwanted && open && self.awaits.is_none();
        self.cancel_from.filter(|_| due)
    }

    /// Asks for a change; `None` before the exchange's name is known.
    pub(super) fn change(&mut self, change: Change) -> Option<Command> {
        let order_id = self.order_id.clone()?;
        self.awaits = Some(Request::Change(change));
        let (id, ticker) = (self.id.clone(), self.wanted.ticker.clone());
        Some(Command::Change { id, order_id, ticker, side: self.wanted.side, change })
    }

    /// The answer to the submit is lost.
    pub(super) fn lose_submit(&mut self, now: TsNs) {
        if matches!(self.birth, Birth::New | Birth::Sent) {
            self.birth = Birth::Unknown;
        }
        self.lost = now;
        self.doubt(now);
    }

    /// It never came into being. Should it turn up after all, nobody wants it any more.
    pub(super) fn reject(&mut self, why: &str) {
        if self.birth != Birth::Known {
            self.birth = Birth::Rejected;
            self.rejected = Some(why.to_owned());
            self.unwanted = true;
        }
    }

    /// The same again, a little later.
    pub(super) fn ask_again(&mut self, now: TsNs) {
        self.ask_at = Some(TsNs(now.0 + RETRY.0));
    }

    fn query(&self) -> Command {
        let since_s = self.created.ms() / 1_000 - MARGIN_S;
        Command::Query { id: self.id.clone(), ticker: self.wanted.ticker.clone(), since_s }
    }
}
