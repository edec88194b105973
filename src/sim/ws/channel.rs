//! Channels and the subscriptions to them (protocol notes 4.2).

use super::mangle::Mangle;
use crate::units::TsUs;

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the protocol's own words")]
pub enum Channel {
    OrderbookDelta,
    Trade,
    Ticker,
    MarketLifecycleV2,
    Fill,
    UserOrders,
    MarketPositions,
    MultivariateMarketLifecycle,
    OrderGroupUpdates,
    Communications,
    CfbenchmarksValue,
    PythValue,
}

const CHANNELS: [(Channel, &str); Channel::COUNT] = [
    (Channel::OrderbookDelta, "orderbook_delta"),
    (Channel::Trade, "trade"),
    (Channel::Ticker, "ticker"),
    (Channel::MarketLifecycleV2, "market_lifecycle_v2"),
    (Channel::Fill, "fill"),
    (Channel::UserOrders, "user_orders"),
    (Channel::MarketPositions, "market_positions"),
    (Channel::MultivariateMarketLifecycle, "multivariate_market_lifecycle"),
    (Channel::OrderGroupUpdates, "order_group_updates"),
    (Channel::Communications, "communications"),
    (Channel::CfbenchmarksValue, "cfbenchmarks_value"),
    (Channel::PythValue, "pyth_value"),
];

impl Channel {
    /// Number of channels.
    pub const COUNT: usize = 12;

    /// The channel of that name. The last five are known and stay silent.
    pub fn named(name: &str) -> Option<Channel> {
        CHANNELS.iter().find(|c| c.1 == name).map(|c| c.0)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        CHANNELS[self as usize].1
    }

    /// False where frames carry no `seq`.
    pub fn is_numbered(self) -> bool {
        !matches!(
            self,
            Channel::Ticker | Channel::Fill | Channel::UserOrders | Channel::MarketPositions
        )
    }

    /// True where only the account's own affairs are told.
    pub fn is_private(self) -> bool {
        matches!(
            self,
            Channel::Fill
                | Channel::UserOrders
                | Channel::MarketPositions
                | Channel::OrderGroupUpdates
        )
    }

    /// True where a list of markets means nothing.
    pub fn is_global(self) -> bool {
        matches!(self, Channel::MarketLifecycleV2 | Channel::MultivariateMarketLifecycle)
    }

    /// The channel on which a message of this type travels.
    pub(super) fn of_kind(kind: &str) -> Option<Channel> {
        Some(match kind {
            "orderbook_delta" | "orderbook_snapshot" => Channel::OrderbookDelta,
            "trade" => Channel::Trade,
            "ticker" => Channel::Ticker,
            "market_lifecycle_v2" | "event_lifecycle" | "event_fee_update" => {
                Channel::MarketLifecycleV2
            }
            "fill" => Channel::Fill,
            "user_order" => Channel::UserOrders,
            "market_position" => Channel::MarketPositions,
            _ => return None,
        })
    }
}

/// Whose events a subscription carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every market.
    All,
    /// These, by index, in the order in which they were added.
    Some {
        /// True at the index of each.
        has: Vec<bool>,
        /// The list that replies show.
        list: Vec<u32>,
    },
}

impl Scope {
    pub(super) fn of(markets: &[u32]) -> Scope {
        let mut scope = Scope::Some { has: Vec::new(), list: Vec::new() };
        scope.add(markets);
        scope
    }

    pub(super) fn has(&self, market: u32) -> bool {
        match self {
            Scope::All => true,
            Scope::Some { has, .. } => has.get(market as usize).copied().unwrap_or(false),
        }
    }

    /// Adds markets; those that are new.
    pub(super) fn add(&mut self, markets: &[u32]) -> Vec<u32> {
        let Scope::Some { has, list } = self else { return Vec::new() };
        let mut new = Vec::new();
        for &market in markets {
            if has.len() <= market as usize {
                has.resize(market as usize + 1, false);
            }
            if !std::mem::replace(&mut has[market as usize], true) {
                list.push(market);
                new.push(market);
            }
        }
        new
    }

    pub(super) fn remove(&mut self, markets: &[u32]) {
        let Scope::Some { has, list } = self else { return };
        for &market in markets {
            if let Some(has) = has.get_mut(market as usize) {
                *has = false;
            }
        }
        list.retain(|m| has[*m as usize]);
    }

    pub(super) fn list(&self) -> &[u32] {
        match self {
            Scope::All => &[],
            Scope::Some { list, .. } => list,
        }
    }
}

/// One open subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) sid: u32,
    pub(super) channel: Channel,
    /// Last number given.
    pub(super) seq: u64,
    pub(super) scope: Scope,
    /// NO levels are told on the YES scale.
    pub(super) yes_scale: bool,
    /// Replies carry no market lists.
    pub(super) short_ok: bool,
    /// What is to be done to its next frames.
    pub(super) mangle: Mangle,
    /// No frame of it leaves before the one before it.
    pub(super) leaves: TsUs,
}
