//! Exact integer units: the only money, price, size and time types of the house.
//!
//! | type | counts | range | text |
//! |---|---|---|---|
//! | [`Price`] | 1e-4 dollars | 0..=10 000 | `0.4500` |
//! | [`Qty`] | 1e-2 contracts | i64 | `28.00` |
//! | [`Money`] | 1e-6 dollars | i64 | `0.054600` |
//! | [`TsUs`] | microseconds since the epoch (exchange) | i64 | RFC 3339 |
//! | [`TsNs`] | nanoseconds since the epoch (receive) | i64 | |
//!
//! **Invariant:** price x quantity is exactly money; nothing here passes through a float.
//! **Invariant:** [`Price::prob`] is the only road from a price to a float.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A price of one contract in ten-thousandths of a dollar, 0..=10 000.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Price(u16);

impl Price {
    /// Nothing: what a worthless contract pays.
    pub const ZERO: Price = Price(0);
    /// One dollar: what a winning contract pays.
    pub const ONE: Price = Price(10_000);

    /// A price from its count of 1e-4 dollars; `None` outside 0..=10 000.
    #[inline]
    pub const fn new(e4: i64) -> Option<Price> {
        if e4 >= 0 && e4 <= 10_000 { Some(Price(e4 as u16)) } else { None }
    }

    /// The count of 1e-4 dollars.
    #[inline]
    pub const fn e4(self) -> i64 {
        self.0 as i64
    }

    /// The count of 1e-4 dollars as an index of a dense ladder, 0..=10 000.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The price of the other side: $0.34 for $0.66.
    #[inline]
    pub const fn complement(self) -> Price {
        Price(10_000 - self.0)
    }

    /// Probability implied by this price, 0..=1.
    #[inline]
    pub fn prob(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// What `qty` contracts cost at this price: exact.
    #[inline]
    pub const fn times(self, qty: Qty) -> Money {
        Money(self.0 as i64 * qty.0)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// A number of contracts in hundredths; signed where a change or a position is meant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Qty(pub i64);

impl Qty {
    /// No contracts.
    pub const ZERO: Qty = Qty(0);

    /// A whole number of contracts.
    #[inline]
    pub const fn contracts(n: i64) -> Qty {
        Qty(n * 100)
    }

    /// The count of 1e-2 contracts.
    #[inline]
    pub const fn e2(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", abs / 100, abs % 100)
    }
}

/// An amount of money in millionths of a dollar, signed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Money(pub i64);

impl Money {
    /// No money.
    pub const ZERO: Money = Money(0);

    /// A whole number of dollars.
    #[inline]
    pub const fn dollars(n: i64) -> Money {
        Money(n * 1_000_000)
    }

    /// The count of 1e-6 dollars.
    #[inline]
    pub const fn e6(self) -> i64 {
        self.0
    }

    /// Dollars as a float: for rewards and reports, never for accounting.
    #[inline]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", abs / 1_000_000, abs % 1_000_000)
    }
}

impl std::ops::Add for Money {
    type Output = Money;
    #[inline]
    fn add(self, o: Money) -> Money {
        Money(self.0 + o.0)
    }
}

impl std::ops::Sub for Money {
    type Output = Money;
    #[inline]
    fn sub(self, o: Money) -> Money {
        Money(self.0 - o.0)
    }
}

impl std::ops::AddAssign for Money {
    #[inline]
    fn add_assign(&mut self, o: Money) {
        self.0 += o.0;
    }
}

impl std::ops::SubAssign for Money {
    #[inline]
    fn sub_assign(&mut self, o: Money) {
        self.0 -= o.0;
    }
}

impl std::ops::Neg for Money {
    type Output = Money;
    #[inline]
    fn neg(self) -> Money {
        Money(-self.0)
    }
}

impl std::ops::Add for Qty {
    type Output = Qty;
    #[inline]
    fn add(self, o: Qty) -> Qty {
        Qty(self.0 + o.0)
    }
}

impl std::ops::Sub for Qty {
    type Output = Qty;
    #[inline]
    fn sub(self, o: Qty) -> Qty {
        Qty(self.0 - o.0)
    }
}

impl std::ops::AddAssign for Qty {
    #[inline]
    fn add_assign(&mut self, o: Qty) {
        self.0 += o.0;
    }
}

impl std::ops::SubAssign for Qty {
    #[inline]
    fn sub_assign(&mut self, o: Qty) {
        self.0 -= o.0;
    }
}

impl std::ops::Neg for Qty {
    type Output = Qty;
    #[inline]
    fn neg(self) -> Qty {
        Qty(-self.0)
    }
}

/// Which contract: YES pays one dollar when the event happens, NO when it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The YES contract, or a taker who buys YES.
    Yes,
    /// The NO contract, or a taker who buys NO.
    No,
}

impl Side {
    /// The other side.
    #[inline]
    pub const fn other(self) -> Side {
        match self {
            Side::Yes => Side::No,
            Side::No => Side::Yes,
        }
    }

    /// 0 for YES, 1 for NO.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word that the exchange uses: `yes` or `no`.
    #[inline]
    pub const fn word(self) -> &'static str {
        match self {
            Side::Yes => "yes",
            Side::No => "no",
        }
    }
}

/// Exchange time: microseconds since the epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TsUs(pub i64);

impl TsUs {
    /// From milliseconds since the epoch; saturates.
    #[inline]
    pub const fn from_ms(ms: i64) -> TsUs {
        TsUs(ms.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch, rounded down.
    #[inline]
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

/// Receive time on our wall clock: nanoseconds since the epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct TsNs(pub i64);

impl TsNs {
    /// From milliseconds since the epoch; saturates.
    #[inline]
    pub const fn from_ms(ms: i64) -> TsNs {
        TsNs(ms.saturating_mul(1_000_000))
    }

    /// Milliseconds since the epoch, rounded down.
    #[inline]
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}
