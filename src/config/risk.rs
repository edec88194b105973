//! Limits of trading: the part `[risk]` of the configuration file, and what the environment says.
//!
//! ```toml
//! [risk]
//! order_contracts_max = 100      # contracts in one order
//! position_contracts_max = 100   # contracts held in one market, resting orders counted as filled
//! exposure_usd_max = 500         # paid for positions and kept for resting orders, all markets together
//! cash_reserve_usd = 10          # never spent
//! balance_usd_min = 5            # less cash and positions together stop trading
//! daily_loss_usd_max = 20        # a larger fall of equity since midnight UTC stops trading
//! orders_per_minute_max = 120    # all markets together
//! throttle_ms = 250              # between two orders in one market
//! stale_book_ms = 5000           # an older book is not traded on, and its orders are withdrawn
//! exit_before_close_s = 60       # from then on positions are only reduced
//! ```
//!
//! These are the defaults; every key is optional. `RL_ACTOR_THROTTLE_MS` wins over `throttle_ms`.

use super::{ConfigError, Settings};
use crate::units::{Money, Qty};
use serde::{Deserialize, Serialize};

/// What a configuration file says of risk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is a line of the table above, and of `Limits`")]
pub struct RiskFile {
    pub order_contracts_max: Option<u32>,
    pub position_contracts_max: Option<u32>,
    pub exposure_usd_max: Option<u32>,
    pub cash_reserve_usd: Option<u32>,
    pub balance_usd_min: Option<u32>,
    pub daily_loss_usd_max: Option<u32>,
    pub orders_per_minute_max: Option<u32>,
    pub throttle_ms: Option<u32>,
    pub stale_book_ms: Option<u32>,
    pub exit_before_close_s: Option<u32>,
}

/// The limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Contracts in one order.
    pub order_max: Qty,
    /// Contracts held in one market, resting orders counted as filled.
    pub position_max: Qty,
    /// Money in positions and resting orders, all markets together.
    pub exposure_max: Money,
    /// Cash that is never spent.
    pub cash_reserve: Money,
    /// Equity below this stops trading.
    pub balance_min: Money,
    /// A larger fall of equity since midnight UTC stops trading.
    pub daily_loss_max: Money,
    /// Orders within any minute, all markets together.
    pub orders_per_minute_max: u32,
    /// Milliseconds between two orders in one market.
    pub throttle_ms: i64,
    /// Milliseconds after which a book is stale.
    pub stale_book_ms: i64,
    /// Seconds before the close from which on positions are only reduced.
    pub exit_before_close_s: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(&RiskFile::default())
    }
}

impl Limits {
    /// The limits that the settings ask for.
    ///
    /// # Errors
    /// When `RL_ACTOR_THROTTLE_MS` is no whole number of milliseconds.
    pub fn resolve(settings: &Settings) -> Result<Limits, ConfigError> {
        let mut limits = Limits::of(&settings.file.risk);
        if let Some(text) = &settings.env.actor_throttle_ms {
            let throttle_ms: u32 = text.trim().parse().map_err(|_| ConfigError::Word {
                name: "RL_ACTOR_THROTTLE_MS",
                value: text.clone(),
                known: "a whole number of milliseconds",
            })?;
            limits.throttle_ms = i64::from(throttle_ms);
        }
        Ok(limits)
    }

    fn of(file: &RiskFile) -> Limits {
        let contracts = |said: Option<u32>, usual| Qty::contracts(said.unwrap_or(usual).into());
        let dollars = |said: Option<u32>, usual| Money::dollars(said.unwrap_or(usual).into());
        Limits {
            order_max: contracts(file.order_contracts_max, 100),
            position_max: contracts(file.position_contracts_max, 100),
            exposure_max: dollars(file.exposure_usd_max, 500),
            cash_reserve: dollars(file.cash_reserve_usd, 10),
            balance_min: dollars(file.balance_usd_min, 5),
            daily_loss_max: dollars(file.daily_loss_usd_max, 20),
            orders_per_minute_max: file.orders_per_minute_max.unwrap_or(120),
            throttle_ms: file.throttle_ms.unwrap_or(250).into(),
            stale_book_ms: file.stale_book_ms.unwrap_or(5_000).into(),
            exit_before_close_s: file.exit_before_close_s.unwrap_or(60).into(),
        }
    }
}

impl RiskFile {
    /// This part, and where it says nothing, `below`.
    pub(super) fn over(self, below: RiskFile) -> RiskFile {
        RiskFile {
            order_contracts_max: self.order_contracts_max.or(below.order_contracts_max),
            position_contracts_max: self.position_contracts_max.or(below.position_contracts_max),
            exposure_usd_max: self.exposure_usd_max.or(below.exposure_usd_max),
            cash_reserve_usd: self.cash_reserve_usd.or(below.cash_reserve_usd),
            balance_usd_min: self.balance_usd_min.or(below.balance_usd_min),
            daily_loss_usd_max: self.daily_loss_usd_max.or(below.daily_loss_usd_max),
            orders_per_minute_max: self.orders_per_minute_max.or(below.orders_per_minute_max),
            throttle_ms: self.throttle_ms.or(below.throttle_ms),
            stale_book_ms: self.stale_book_ms.or(below.stale_book_ms),
            exit_before_close_s: self.exit_before_close_s.or(below.exit_before_close_s),
        }
    }
}
