//! Between who decides and the blotter: what may be ordered at all, and when everything stops.
//!
//! An order is refused for one named reason. A **trip** (a kill by a person, or a limit of the whole account)
//! stops all orders until a person lets trading go on ([`super::kill`] keeps it over restarts).
//!
//! **Invariant:** pure; time comes in.
//! **Invariant:** once tripped, nothing is let through, reductions included.
//! **Invariant:** an order that is let through keeps every limit even if all resting orders of its side fill.

use crate::broker::matching::Phase;
use crate::config::Limits;
use crate::market::MarketInfo;
use crate::units::{Money, Price, Qty, Side, TsNs};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

const MINUTE_NS: i64 = 60_000_000_000;
const DAY_NS: i64 = 86_400_000_000_000;

/// Why an order is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Trading was stopped.
    Tripped(Cause),
    /// There is no valid book.
    NoBook,
    /// The book is too old.
    StaleBook,
    /// The market is past its close, or has an outcome.
    Closed,
    /// The exchange has deactivated the market.
    Inactive,
    /// Shortly before the close positions are only reduced.
    Closing,
    /// The price is off the market's tick grid.
    OffTick,
    /// No contracts, or more than one order may have.
    OrderSize,
    /// The last order in this market was a moment ago.
    Throttle,
    /// Too many orders within a minute.
    OrderRate,
    /// Too many contracts in this market.
    Position,
    /// Too much money in positions and orders.
    Exposure,
    /// The reserve would be touched.
    CashReserve,
}

impl Refused {
    /// One word for the action row.
    pub const fn word(self) -> &'static str {
        match self {
            Refused::Tripped(cause) => cause.word(),
            Refused::NoBook => "no_book",
            Refused::StaleBook => "stale_book",
            Refused::Closed => "closed",
            Refused::Inactive => "inactive",
            Refused::Closing => "closing",
            Refused::OffTick => "off_tick",
            Refused::OrderSize => "order_size",
            Refused::Throttle => "throttle",
            Refused::OrderRate => "order_rate",
            Refused::Position => "position",
            Refused::Exposure => "exposure",
            Refused::CashReserve => "cash_reserve",
        }
    }

    /// True if what rests in the market has to be withdrawn as well.
    pub const fn withdraws(self) -> bool {
        matches!(
            self,
            Refused::Tripped(_)
                | Refused::NoBook
                | Refused::StaleBook
                | Refused::Closed
                | Refused::Inactive
        )
    }
}

/// What stopped trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A key was pressed.
    Key,
    /// `kflow risk kill`.
    Command,
    /// A signal.
    Signal,
    /// Somebody made the kill file.
    File,
    /// Equity fell too far since midnight UTC.
    DailyLoss,
    /// There is too little left.
    LowBalance,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 6] = [
        Cause::Key,
        Cause::Command,
        Cause::Signal,
        Cause::File,
        Cause::DailyLoss,
        Cause::LowBalance,
    ];

    /// One word, for the kill file and the action row.
    pub const fn word(self) -> &'static str {
        match self {
            Cause::Key => "kill_key",
            Cause::Command => "kill_command",
            Cause::Signal => "kill_signal",
            Cause::File => "kill_file",
            Cause::DailyLoss => "daily_loss",
            Cause::LowBalance => "low_balance",
        }
    }
}

/// Trading was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// By what.
    pub cause: Cause,
    /// When.
    pub at: TsNs,
    /// In words.
    pub detail: String,
}

/// An order that somebody would like to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The contract bought; selling one is buying the other.
    pub side: Side,
    /// Limit, on the scale of what is bought.
    pub price: Price,
    /// Contracts.
    pub qty: Qty,
    /// Most that it can cost in fees.
    pub fee_max: Money,
}

/// Where the market stands.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Its definition.
    pub info: &'a MarketInfo,
    /// When its book was last known to be right; `None` while it is not.
    pub book_at: Option<TsNs>,
    /// Contracts held, +YES and -NO.
    pub position: Qty,
    /// Contracts that resting orders of the proposal's side may still buy.
    pub resting: Qty,
    /// Cash that is not kept for resting orders, all markets together.
    pub cash: Money,
    /// Paid for positions and kept for resting orders, all markets together.
    pub exposure: Money,
}

/// The watch over one account.
#[derive(Clone, Debug)]
pub struct Risk {
    limits: Limits,
    tripped: Option<Trip>,
    /// When the orders of the last minute were let through.
    recent: VecDeque<TsNs>,
    /// The last order per market.
    last: HashMap<String, TsNs>,
    day: Option<Day>,
}

/// The day whose loss is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Days since the epoch, UTC.
    pub number: i64,
    /// Equity at the first look on that day.
    pub start: Money,
}

impl Risk {
    /// A watch under these limits; `tripped` is what an earlier run left.
    pub fn new(limits: Limits, tripped: Option<Trip>) -> Risk {
        let (recent, last) = Default::default();
        Risk { limits, tripped, recent, last, day: None }
    }

    /// The same for an account that was watched before; only `day` itself is measured from its start.
    #[must_use]
    pub fn since(self, day: Option<Day>) -> Risk {
        Risk { day, ..self }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The day whose loss is watched; `None` before the first look.
    pub fn day(&self) -> Option<Day> {
        self.day
    }

    /// What stopped trading, if anything did.
    pub fn tripped(&self) -> Option<&Trip> {
        self.tripped.as_ref()
    }

    /// Whether the market may be traded in at all.
    ///
    /// # Errors
    /// The reason; it says whether resting orders have to be withdrawn ([`Refused::withdraws`]).
    pub fn check_market(
        &self,
        info: &MarketInfo,
        book_at: Option<TsNs>,
        now: TsNs,
    ) -> Result<(), Refused> {
        if let Some(trip) = &self.tripped {
            return Err(Refused::Tripped(trip.cause));
        }
        let phase = Phase::of_status(&info.status).unwrap_or_default();
        let over = info.settlement.is_some() || phase == Phase::Closed;
        if over || left_ms(info, now).is_some_and(|ms| ms <= 0) {
            return Err(Refused::Closed);
        }
        if phase != Phase::Active {
            return Err(Refused::Inactive);
        }
        let book_at = book_at.ok_or(Refused::NoBook)?;
        match now.ms() - book_at.ms() > self.limits.stale_book_ms {
            true => Err(Refused::StaleBook),
            false => Ok(()),
        }
    }

    /// Lets an order through, and counts it.
    ///
    /// # Errors
    /// The first limit that it would break.
    pub fn judge(
        &mut self,
        proposal: &Proposal,
        scene: &Scene<'_>,
        now: TsNs,
    ) -> Result<(), Refused> {
        self.check_market(scene.info, scene.book_at, now)?;
        self.check_order(proposal, scene, now)?;
        self.check_rate(&scene.info.ticker, now)?;
        self.recent.push_back(now);
        self.last.insert(scene.info.ticker.clone(), now);
        Ok(())
    }

    /// True when the position has to be given up now: shortly before the close, while that is still possible.
    pub fn must_exit(&self, info: &MarketInfo, position: Qty, now: TsNs) -> bool {
        position != Qty::ZERO && self.is_closing(info, now) && left_ms(info, now) > Some(0)
    }

    /// Stops trading. The first cause stays; `None` when trading was stopped before.
    pub fn trip(&mut self, cause: Cause, detail: String, now: TsNs) -> Option<&Trip> {
        if self.tripped.is_some() {
            return None;
        }
        Some(self.tripped.insert(Trip { cause, at: now, detail }))
    }

    /// Looks at what the account is worth; stops trading when it lost too much today or is worth too little.
    pub fn watch_equity(&mut self, equity: Money, now: TsNs) -> Option<&Trip> {
        let number = now.0.div_euclid(DAY_NS);
        let day = match self.day {
            Some(day) if day.number == number => day,
            _ => *self.day.insert(Day { number, start: equity }),
        };
        let lost = day.start - equity;
        if lost > self.limits.daily_loss_max {
            let detail =
                format!("lost {lost} dollars today, {} allowed", self.limits.daily_loss_max);
            return self.trip(Cause::DailyLoss, detail, now);
        }
        if equity < self.limits.balance_min {
            let detail = format!("{equity} dollars left, {} needed", self.limits.balance_min);
            return self.trip(Cause::LowBalance, detail, now);
        }
        None
    }

    fn check_order(
        &self,
        proposal: &Proposal,
        scene: &Scene<'_>,
        now: TsNs,
    ) -> Result<(), Refused> {
        let (limits, qty) = (&self.limits, proposal.qty);
        let yes_price = match proposal.side {
            Side::Yes => proposal.price,
            Side::No => proposal.price.complement(),
        };
        let inside = yes_price > Price::ZERO && yes_price < Price::ONE;
        if !inside || !scene.info.on_grid(yes_price) {
            return Err(Refused::OffTick);
        }
        if qty <= Qty::ZERO || qty > limits.order_max {
            return Err(Refused::OrderSize);
        }
        // Held on the proposal's own side; negative is what the order would close.
        let held = match proposal.side {
            Side::Yes => scene.position,
            Side::No => -scene.position,
        };
        let after = held + scene.resting + qty;
        let opens = after.min(qty).max(Qty::ZERO);
        if opens == Qty::ZERO {
            return Ok(());
        }
        if self.is_closing(scene.info, now) {
            return Err(Refused::Closing);
        }
        if after > limits.position_max {
            return Err(Refused::Position);
        }
        let cost = proposal.price.times(opens);
        if scene.exposure + cost > limits.exposure_max {
            return Err(Refused::Exposure);
        }
        match scene.cash - cost - proposal.fee_max < limits.cash_reserve {
            true => Err(Refused::CashReserve),
            false => Ok(()),
        }
    }

    fn check_rate(&mut self, ticker: &str, now: TsNs) -> Result<(), Refused> {
        while self.recent.front().is_some_and(|at| now.0 - at.0 >= MINUTE_NS) {
            self.recent.pop_front();
        }
        let since_ms = self.last.get(ticker).map(|at| now.ms() - at.ms());
        if since_ms.is_some_and(|ms| ms < self.limits.throttle_ms) {
            return Err(Refused::Throttle);
        }
        match self.recent.len() >= self.limits.orders_per_minute_max as usize {
            true => Err(Refused::OrderRate),
            false => Ok(()),
        }
    }

    /// True from shortly before the close on: positions are only reduced.
    pub fn is_closing(&self, info: &MarketInfo, now: TsNs) -> bool {
        left_ms(info, now).is_some_and(|ms| ms <= self.limits.exit_before_close_s * 1_000)
    }
}

/// Milliseconds until the close; `None` where it is not known.
fn left_ms(info: &MarketInfo, now: TsNs) -> Option<i64> {
    info.close.map(|close| close.ms() - now.ms())
}

#[cfg(test)]
mod tests;
