//! An account in one market: its orders at the exchange, its ledger, and what it may ask for.
//!
//! ```text
//!  action ─► plan (allowed? affordable?) ─► request ─► Matcher ─► fills ─► Portfolio
//!  market events ────────────────────────────────────────┘
//! ```
//!
//! Training, evaluation and paper trading live in this one type; where a real exchange matches, its
//! requests go there and [`Account::hear`] takes what comes back.
//!
//! **Invariant:** observation, mask and order at a decision depend on nothing recorded after it.
//! **Invariant:** cash never falls below zero: what may fill is paid for before it is sent.
//! **Invariant:** after the first orders nothing here allocates.

mod act;
mod adopt;
mod own;
mod plan;
mod tally;
mod view;

pub use plan::{Request, Wish};
pub use tally::Tally;

use super::EnvConfig;
use crate::book::{Book, Change};
use crate::broker::matching::{Bracket, Fill, Phase, Reports, Rules as Matching, Update};
use crate::broker::{Intent, Matcher, Portfolio, Stamp};
use crate::event::{Snapshot, Trade};
use crate::features::episode::{Decision, TapeEvent, TapeKind};
use crate::market::TickRange;
use crate::rng::Rng;
use crate::units::{Money, Price, Qty, Side, TsNs};
use own::OwnOrders;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use tally::Claims;

/// The places where a mistake would print money. [`Exact`] is how it is; tests put known mistakes here
/// and the exploit alarm must find each of them.
pub trait Rules: Copy + std::fmt::Debug {
    /// The price, on the order's own scale, of a fill against a bid.
    fn price(intent: Intent, bid: Price) -> Price {
        intent.price_against(bid)
    }

    /// Books a fill.
    fn fill(portfolio: &mut Portfolio, intent: Intent, price: Price, qty: Qty, fee: Money) {
        portfolio.book(intent, price, qty, fee);
    }

    /// Pays out the position when YES settled at `value`.
    fn settle(portfolio: &mut Portfolio, value: Price) {
        portfolio.settle(value);
    }
}

/// The rules of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact;

impl Rules for Exact {}

/// Cash, position and orders of one agent in one market. The configuration is handed in with each call and
/// must be the one that it began with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Account<R: Rules = Exact> {
    matcher: Matcher,
    portfolio: Portfolio,
    claims: Claims,
    own: OwnOrders,
    tally: Tally,
    equity: Money,
    peak: Money,
    max_drawdown: Money,
    /// When the position last left zero or changed sign, exchange milliseconds; `None` when flat.
    opened_ms: Option<i64>,
    /// Prices that orders may have.
    ticks: Vec<TickRange>,
    /// Number of the event to come.
    row: u64,
    /// Requests go to an exchange elsewhere and not to the matcher.
    remote: bool,
    /// The exchange's book; not saved, because the tape has it.
    #[serde(skip)]
    book: Book,
    #[serde(skip)]
    news: Reports,
    /// Fills and updates among the news that are booked.
    #[serde(skip)]
    booked: (usize, usize),
    #[serde(skip)]
    sent: Vec<Request>,
    #[serde(skip)]
    rules: PhantomData<R>,
}

impl<R: Rules> Account<R> {
    /// A flat account; `rng` draws how long orders take.
    pub fn new(config: &EnvConfig, matching: Matching, rng: Rng) -> Account<R> {
        Account {
            matcher: Matcher::new(matching, rng),
            portfolio: Portfolio::new(config.start_cash),
            claims: Claims::new(config.start_cash),
            own: OwnOrders::default(),
            tally: Tally::default(),
            equity: config.start_cash,
            peak: config.start_cash,
            max_drawdown: Money::ZERO,
            opened_ms: None,
            ticks: Vec::new(),
            row: 0,
            remote: false,
            book: Book::default(),
            news: Reports::default(),
            booked: (0, 0),
            sent: Vec::new(),
            rules: PhantomData,
        }
    }

    /// Back to a flat account in another market, reusing the memory.
    pub fn restart(&mut self, config: &EnvConfig, matching: Matching, rng: Rng) {
        self.matcher.restart(matching, rng);
        self.portfolio = Portfolio::new(config.start_cash);
        self.claims = Claims::new(config.start_cash);
        self.own.restart();
        self.tally = Tally::default();
        (self.equity, self.peak) = (config.start_cash, config.start_cash);
        self.max_drawdown = Money::ZERO;
        self.opened_ms = None;
        self.ticks.clear();
        self.row = 0;
        self.book.invalidate();
        self.forget();
    }

    /// The prices that orders may have here; empty where unknown.
    pub fn set_ticks(&mut self, ticks: &[TickRange]) {
        self.ticks.clear();
        self.ticks.extend_from_slice(ticks);
    }

    /// From now on requests go to an exchange elsewhere: they are left in [`Account::sent`], and what
    /// becomes of them is told by [`Account::hear`]. A quote is moved by cancelling it; the next action
    /// places it anew.
    pub fn trade_elsewhere(&mut self) {
        self.remote = true;
    }

    /// Trading ends at `close` from what is known now.
    pub fn set_close(&mut self, close: Option<TsNs>) {
        self.matcher.set_close(close);
    }

    /// The ledger.
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// The exchange's matching, and what it knows of our orders.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Cash and the position marked at the touch (settled: cash).
    pub fn equity(&self) -> Money {
        self.equity
    }

    /// Equity less what the account began with and what came from elsewhere.
    pub fn profit(&self) -> Money {
        self.equity - self.portfolio.start()
    }

    /// Equity in the pessimistic, fitted and optimistic queue, marked as [`Account::equity`].
    pub fn bracket(&self, decision: &Decision) -> Bracket<Money> {
        self.claims.equity(touch(decision))
    }

    /// Equity in the queue that counts, had no order filled that rested over a gap: what the result is worth
    /// where nobody can doubt it.
    pub fn certain(&self, decision: &Decision) -> Money {
        self.claims.certain(touch(decision))
    }

    /// Cash and the position marked at the touch of `decision`: [`Account::equity`] after [`Account::mark`].
    pub fn worth(&self, decision: &Decision) -> Money {
        let [yes_bid, no_bid] = touch(decision);
        self.portfolio.equity(yes_bid, no_bid)
    }

    /// Largest fall of equity from an earlier peak so far.
    pub fn max_drawdown(&self) -> Money {
        self.max_drawdown
    }

    /// What was done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Cash that what may still fill could need.
    pub fn reserved(&self) -> Money {
        self.held_for(Side::Yes) + self.held_for(Side::No)
    }

    /// What was heard of our orders since [`Account::forget`].
    pub fn news(&self) -> &Reports {
        &self.news
    }

    /// What the last action asked for.
    pub fn sent(&self) -> &[Request] {
        &self.sent
    }

    /// Forgets news and requests that were dealt with.
    #[inline]
    pub fn forget(&mut self) {
        self.news.clear();
        self.booked = (0, 0);
        self.sent.clear();
    }

    /// True while an order may still fill.
    pub fn is_working(&self) -> bool {
        self.own.is_working()
    }

    /// The event to come is this row of the log: fills then name it as theirs.
    pub fn at_row(&mut self, row_id: u64) {
        self.row = self.row.max(row_id);
    }

    /// True while a quote rests, or is on its way there or back.
    pub fn is_quoting(&self) -> bool {
        self.own.quotes != [None, None]
    }

    /// The next event of this market happens: `snapshot` is its book where it is a snapshot.
    #[inline]
    pub fn see(&mut self, event: &TapeEvent, snapshot: Option<&Snapshot>) {
        let at = Stamp { row: self.row, recv: event.recv, ts: Some(event.ts) };
        self.row += 1;
        meet(event, at, snapshot, &mut self.matcher, &mut self.book, &mut self.news);
        self.learn();
    }

    /// Something is missing before the next event: what rests is not certain any more.
    pub fn see_gap(&mut self, recv: TsNs) {
        self.matcher.on_gap(Stamp { row: self.row, recv, ts: None });
        self.book.invalidate();
    }

    /// Nothing happens until `until`, and everything before it was seen: what is under way by then arrives.
    pub fn pass(&mut self, until: TsNs) {
        self.matcher.advance(until, &self.book, &mut self.news);
        self.learn();
    }

    /// The tape goes on behind events that are not seen again: only the book is kept up.
    pub fn rebuild(&mut self, event: &TapeEvent, snapshot: Option<&Snapshot>) {
        match (event.kind, snapshot) {
            (TapeKind::Snapshot(_), Some(snapshot)) => self.book.snapshot(snapshot),
            (TapeKind::Delta(delta), _) => drop(self.book.delta(&delta)),
            _ => {}
        }
    }

    /// What an exchange elsewhere said about our orders.
    pub fn hear(&mut self, fills: &[Fill], updates: &[Update]) {
        self.news.fills.extend_from_slice(fills);
        self.news.updates.extend_from_slice(updates);
        self.learn();
    }

    /// The recording ends here: what is undecided is decided.
    pub fn finish(&mut self) {
        self.matcher.finish(&mut self.news);
        self.learn();
    }

    /// The market closed, nothing of it is missing, and YES settled at `value`: what is under way arrives or
    /// is late, and the position is paid out. [`Account::mark`] then tells the equity.
    pub fn settle(&mut self, value: Price) {
        if let Some(close) = self.matcher.rules().close {
            self.matcher.advance(close, &self.book, &mut self.news);
        }
        self.finish();
        R::settle(&mut self.portfolio, value);
        self.claims.settle(value);
        self.opened_ms = None;
    }

    /// Marks the position at the touch of `decision`; how much equity grew.
    pub fn mark(&mut self, decision: &Decision) -> Money {
        self.own.tidy(&self.matcher);
        let before = self.equity;
        self.equity = self.worth(decision);
        self.peak = self.peak.max(self.equity);
        self.max_drawdown = self.max_drawdown.max(self.peak - self.equity);
        self.equity - before
    }

    /// Books what is new.
    #[inline]
    fn learn(&mut self) {
        let (fills, updates) = self.booked;
        if (self.news.fills.len(), self.news.updates.len()) != (fills, updates) {
            self.book_news(fills, updates);
            self.booked = (self.news.fills.len(), self.news.updates.len());
        }
    }

    #[cold]
    fn book_news(&mut self, fills: usize, updates: usize) {
        let counts = self.matcher.rules().counts;
        for fill in &self.news.fills[fills..] {
            let certain = (!fill.uncertain).then_some(counts);
            self.claims.book(fill.intent, fill.price, fill.qty, fill.fee, certain);
            if fill.qty[counts] > Qty::ZERO {
                let first = self.own.fill(fill, counts);
                self.tally.fill(fill, counts, first);
                let before = self.portfolio.position().e2().signum();
                let price = R::price(fill.intent, fill.intent.price_against(fill.price));
                let (qty, fee) = (fill.qty[counts], fill.fee[counts]);
                R::fill(&mut self.portfolio, fill.intent, price, qty, fee);
                let after = self.portfolio.position().e2().signum();
                if after != before {
                    self.opened_ms = (after != 0).then_some(fill.at.ms());
                }
            }
        }
        for update in &self.news.updates[updates..] {
            self.own.update(update);
        }
    }
}

/// Best YES bid and best NO bid.
#[inline]
fn touch(decision: &Decision) -> [Option<Price>; 2] {
    [Side::Yes, Side::No].map(|side| {
        let (price, size) = decision.bids[side.index()][0];
        (size > Qty::ZERO).then_some(price)
    })
}

/// An event of a tape meets the orders of `matcher` and is applied to `book`; `snapshot` is the book that it
/// shows, where it is one.
#[inline]
pub fn meet(
    event: &TapeEvent,
    at: Stamp,
    snapshot: Option<&Snapshot>,
    matcher: &mut Matcher,
    book: &mut Book,
    news: &mut Reports,
) {
    if let TapeKind::Phase(phase) = event.kind {
        // Told when we asked, some time after it happened: the market's clock does not move by it, but for an end
        // that was announced, before which orders arrived.
        if let (Phase::Closed, Some(close)) = (phase, matcher.rules().close) {
            matcher.advance(close.min(at.recv), book, news);
        }
        return matcher.set_phase(phase, TsNs(i64::MIN), news);
    }
    matcher.before(at, book, news);
    match event.kind {
        TapeKind::Phase(_) => {}
        TapeKind::Delta(delta) => match book.delta(&delta) {
            Ok(Change::Level { size, .. }) => matcher.on_delta(at, &delta, size, news),
            Ok(_) => {}
            Err(_) => matcher.on_gap(at),
        },
        TapeKind::Trade { taker, yes_price, qty } => {
            let trade = Trade { taker, yes_price, qty, block: None, id: [0; 16] };
            matcher.on_trade(at, &trade, news);
        }
        TapeKind::Snapshot(_) => {
            if let Some(snapshot) = snapshot {
                book.snapshot(snapshot);
            }
            matcher.on_snapshot(at, book, news);
        }
    }
}
