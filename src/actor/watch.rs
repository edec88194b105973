//! The watch over a paper account: every order of the policy passes the limits of [`crate::trade::risk`].
//!
//! Time is that of the records, so that a session played back is refused what it was refused. Where orders go
//! to an exchange elsewhere, the desk watches the real account in its place, and this one stands back.
//!
//! **Invariant:** once tripped, nothing is ordered any more, and what rests is taken back.

use super::run::ActorSpec;
use crate::broker::{FeeSchedule, Role};
use crate::env::Account;
use crate::env::account::Wish;
use crate::event::{Event, MarketId};
use crate::market::MarketInfo;
use crate::trade::risk::{Proposal, Refused, Risk, Scene, Trip};
use crate::units::{Money, Qty, TsNs, TsUs};

/// Limits over all accounts of an actor.
pub(super) struct Watch {
    risk: Risk,
    /// Paid for positions and kept for orders, all markets together.
    exposure: Money,
    /// Equity less start cash, all markets together.
    profit: Money,
    /// Added to `profit`, so that a lowest balance means something.
    stake: Money,
    /// A trip that nobody was told of.
    news: Option<Trip>,
    /// Somebody else watches.
    stands_back: bool,
}

/// What one account adds to the sums.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    exposure: Money,
    profit: Money,
}

impl Watch {
    /// A watch as the actor was told.
    pub(super) fn new(spec: &ActorSpec) -> Watch {
        Watch {
            risk: Risk::new(spec.limits, spec.tripped.clone()),
            exposure: Money::ZERO,
            profit: Money::ZERO,
            stake: spec.env.start_cash,
            news: None,
            stands_back: spec.elsewhere,
        }
    }

    /// Whether the market may be traded in now.
    pub(super) fn check_market(&self, info: &MarketInfo, at: At) -> Result<(), Refused> {
        match self.stands_back {
            true => Ok(()),
            false => self.risk.check_market(info, at.book_at(), at.recv),
        }
    }

    /// True when what is held has to be given up now, and what rests taken back.
    pub(super) fn must_exit(&self, info: &MarketInfo, account: &Account, now: TsNs) -> bool {
        let quotes = account.is_quoting() && self.risk.is_closing(info, now);
        let holds = self.risk.must_exit(info, account.portfolio().position(), now);
        !self.stands_back && self.risk.tripped().is_none() && (quotes || holds)
    }

    /// Whether an account may send this.
    pub(super) fn judge(
        &mut self,
        wish: &Wish,
        account: &Account,
        info: &MarketInfo,
        at: At,
    ) -> Result<(), Refused> {
        if self.stands_back {
            return Ok(());
        }
        let proposal = Proposal {
            side: wish.side,
            price: wish.price,
            qty: wish.qty,
            fee_max: fee_max(&account.matcher().rules().fees, wish),
        };
        let scene = Scene {
            info,
            book_at: at.book_at(),
            position: account.portfolio().position(),
            resting: wish.beside,
            cash: account.portfolio().cash() - account.reserved(),
            exposure: self.exposure,
        };
        self.risk.judge(&proposal, &scene, at.recv)
    }

    /// An account changed from `before`; trips when all together lost too much.
    pub(super) fn see(&mut self, before: Part, account: &Account, now: TsNs) -> Part {
        let part = Part {
            exposure: account.portfolio().basis() + account.reserved(),
            profit: account.equity() - account.portfolio().start(),
        };
        self.exposure += part.exposure - before.exposure;
        self.profit += part.profit - before.profit;
        // Always, so that the day begins with what there was before its first loss.
        if !self.stands_back {
            let trip = self.risk.watch_equity(self.stake + self.profit, now).cloned();
            self.news = trip.or(self.news.take());
        }
        part
    }

    /// Stops all orders.
    pub(super) fn trip(&mut self, trip: Trip) {
        self.risk.trip(trip.cause, trip.detail, trip.at);
    }

    /// What stopped trading here, in a word. Quotes are taken back then; not after a gap: whether a quote filled in
    /// what is missing nobody knows, and a cancel that came before the next book would say that it did not.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        let trip = self.risk.tripped().filter(|_| !self.stands_back);
        trip.map(|trip| trip.cause.word())
    }

    /// Contracts that one order may have.
    pub(super) fn order_max(&self) -> Qty {
        self.risk.limits().order_max
    }

    /// The trip that nobody was told of yet.
    pub(super) fn news(&mut self) -> Option<Trip> {
        self.news.take()
    }
}

/// The record at which something is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) row_id: u64,
    pub(super) market: MarketId,
    pub(super) recv: TsNs,
    ts: Option<TsUs>,
}

impl At {
    pub(super) fn of(event: &Event) -> At {
        At { row_id: event.row_id, market: event.market, recv: event.recv, ts: event.ts }
    }

    /// The book was right when the exchange said what was received: a feed that lags shows an old one.
    fn book_at(self) -> Option<TsNs> {
        Some(self.ts.map_or(self.recv, |ts| TsNs(ts.0.saturating_mul(1_000))))
    }
}

/// Fees of an order, at most, in one fill; every further fill adds less than a unit of precision.
fn fee_max(fees: &FeeSchedule, wish: &Wish) -> Money {
    let fee = |role| fees.trade_fee(role, wish.price, wish.qty);
    fee(Role::Taker).max(fee(Role::Maker)) + Money(fees.precision_e6)
}
