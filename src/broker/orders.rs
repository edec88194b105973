//! What an order wants. The four trades are two directions seen from two sides:
//! buying YES *is* selling NO at the complement, and selling YES *is* buying NO.

use crate::units::{Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Buy the contract.
    Buy,
    /// Sell the contract.
    Sell,
}

/// One of the four trades; its prices are on the scale of [`Intent::side`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which contract.
    pub side: Side,
    /// Bought or sold.
    pub verb: Verb,
}

impl Intent {
    /// Buy YES, sell YES, buy NO, sell NO: the order that the action coding uses.
    pub const ALL: [Intent; 4] = [
        Intent { side: Side::Yes, verb: Verb::Buy },
        Intent { side: Side::Yes, verb: Verb::Sell },
        Intent { side: Side::No, verb: Verb::Buy },
        Intent { side: Side::No, verb: Verb::Sell },
    ];

    /// `buy_yes`, `sell_yes`, `buy_no` or `sell_no`.
    pub const fn name(self) -> &'static str {
        match (self.verb, self.side) {
            (Verb::Buy, Side::Yes) => "buy_yes",
            (Verb::Sell, Side::Yes) => "sell_yes",
            (Verb::Buy, Side::No) => "buy_no",
            (Verb::Sell, Side::No) => "sell_no",
        }
    }

    /// The ladder of bids that a marketable order of this kind takes from. A sale hits the bids of
    /// its own side; a purchase lifts asks, which are the bids of the other side.
    #[inline]
    pub const fn hits(self) -> Side {
        match self.verb {
            Verb::Buy => self.side.other(),
            Verb::Sell => self.side,
        }
    }

    /// True when the position moves towards YES: YES bought or NO sold.
    #[inline]
    pub const fn adds_yes(self) -> bool {
        matches!(self.hits(), Side::No)
    }

    /// The change of the signed position (+YES, -NO) when `qty` contracts fill.
    #[inline]
    pub const fn position_change(self, qty: Qty) -> Qty {
        Qty(if self.adds_yes() { qty.0 } else { -qty.0 })
    }

    /// The ladder of bids in which a limit order of this kind rests.
    #[inline]
    pub const fn rests(self) -> Side {
        self.hits().other()
    }

    /// A price on this order's own scale, on the scale of the ladder in which it rests.
    #[inline]
    pub const fn resting_price(self, price: Price) -> Price {
        match self.verb {
            Verb::Buy => price,
            Verb::Sell => price.complement(),
        }
    }

    /// A price on this order's own scale, on the YES scale.
    #[inline]
    pub const fn yes_price(self, price: Price) -> Price {
        match self.side {
            Side::Yes => price,
            Side::No => price.complement(),
        }
    }

    /// The price, on this order's own scale, of a fill against a bid at `bid` of [`Intent::hits`].
    #[inline]
    pub const fn price_against(self, bid: Price) -> Price {
        match self.verb {
            Verb::Buy => bid.complement(),
            Verb::Sell => bid,
        }
    }
}
