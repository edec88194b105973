//! All markets of the simulated exchange: time in, what happened out.
//!
//! Each market has a definition, one price-time matching engine with real order ids, and a crowd that
//! trades on it. Markets live from listing to payment; as old ones close, new ones open in their place,
//! so that a collector's rotation has work.
//!
//! **Invariant:** pure: no clock, no sockets. Same spec and same calls, same [`Told`], on every machine.
//! **Invariant:** the public book ([`Face`]) is what the told events add up to, and equals the engine's.

mod definition;
mod face;
mod floor;
mod life;
mod listing;

pub use definition::{Definition, FeeType, Phase, Structure};
pub(in crate::sim) use face::mix;
pub use face::{Face, book_print, level_print};
pub use floor::PastTrade;

use super::crowd::Crowd;
use super::desk::Desk;
use super::exchange::{Exchange, Fact, trade_id};
use crate::event::{Delta, Snapshot, Trade};
use crate::rng::Rng;
use crate::units::TsUs;
use life::Due;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueSpec {
    /// Same seed, same markets and order flow.
    pub seed: u64,
    /// Markets open at the same time.
    pub markets: u32,
    /// Events (level changes and trades) per second, all markets together.
    pub rate_per_s: u32,
    /// Time from a market's opening to its close, milliseconds; at least one second.
    pub lifetime_ms: i64,
    /// When the simulation begins.
    pub start: TsUs,
}

impl Default for VenueSpec {
    fn default() -> Self {
        // 2026-01-05 00:00:00 UTC: any fixed time will do; the server puts its own clock there.
        let start = TsUs::from_ms(1_767_571_200_000);
        VenueSpec { seed: 7, markets: 300, rate_per_s: 5_000, lifetime_ms: 900_000, start }
    }
}

/// Something that the exchange tells, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When, to the microsecond.
    pub at: TsUs,
    /// Index of the market, see [`Venue::market`].
    pub market: u32,
    /// Fingerprint of the market's public book after this.
    pub book: u64,
    /// What.
    pub what: What,
}

/// What the exchange tells.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The size of a level changed.
    Level(Delta),
    /// Two orders met; its levels are told by themselves.
    Trade(Box<Trade>),
    /// The whole book, unasked: after a close.
    Book(Box<Snapshot>),
    /// To everybody who listens to the life of markets.
    Notice {
        /// `market_lifecycle_v2`, `event_lifecycle` or `event_fee_update`.
        kind: &'static str,
        /// The `msg` object as JSON.
        msg: Box<str>,
    },
    /// To one account only.
    Private {
        /// Whom.
        account: u32,
        /// `fill`, `user_order` or `market_position`.
        kind: &'static str,
        /// The `msg` object as JSON.
        msg: Box<str>,
    },
}

/// One market.
#[derive(Debug)]
pub struct Market {
    /// Names, times, ticks, phase.
    pub definition: Definition,
    /// What everybody can see.
    pub face: Face,
    live: Option<Box<Live>>,
}

/// The inside of a market that is not over yet.
#[derive(Debug)]
struct Live {
    exchange: Exchange,
    crowd: Crowd,
    rng: Rng,
    /// When the crowd acts next.
    burst_at: TsUs,
}

/// The simulated exchange.
#[derive(Debug)]
pub struct Venue {
    spec: VenueSpec,
    now: TsUs,
    markets: Vec<Market>,
    by_ticker: HashMap<String, u32>,
    agenda: BinaryHeap<Reverse<Due>>,
    /// Events (groups of markets) listed so far.
    events: u32,
    /// No orders until then.
    paused_until: TsUs,
    told: Vec<Told>,
    facts: Vec<Fact>,
    /// Accounts and their orders.
    desk: Desk,
    /// The last public trades, oldest first.
    trades: VecDeque<PastTrade>,
}

impl Venue {
    /// The exchange at its beginning: the first markets are open.
    pub fn new(spec: VenueSpec) -> Venue {
        let start = spec.start;
        let mut venue = Venue::silent(spec);
        venue.found(start);
        venue
    }

    /// An exchange without markets, whose events come from elsewhere ([`Venue::list`], [`Venue::tell`]).
    pub fn silent(spec: VenueSpec) -> Venue {
        Venue {
            now: spec.start,
            desk: Desk::new(spec.seed),
            trades: VecDeque::new(),
            spec,
            markets: Vec::new(),
            by_ticker: HashMap::new(),
            agenda: BinaryHeap::new(),
            events: 0,
            paused_until: TsUs(i64::MIN),
            told: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// What is simulated.
    pub fn spec(&self) -> &VenueSpec {
        &self.spec
    }

    /// The exchange's time.
    pub fn now(&self) -> TsUs {
        self.now
    }

    /// All markets that were ever listed, in order of their index.
    pub fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// A market by its index.
    pub fn market(&self, index: u32) -> Option<&Market> {
        self.markets.get(index as usize)
    }

    /// The index of a market.
    pub fn find(&self, ticker: &str) -> Option<u32> {
        self.by_ticker.get(ticker).copied()
    }

    /// Lets everything happen that is due up to `to`.
    pub fn advance(&mut self, to: TsUs) {
        while let Some(Reverse(due)) = self.agenda.peek().copied().filter(|d| d.0.at <= to) {
            self.agenda.pop();
            self.now = self.now.max(due.at);
            self.happen(due);
        }
        self.now = self.now.max(to);
    }

    /// Hands over what was told since the last call, in order.
    pub fn take(&mut self, into: &mut Vec<Told>) {
        into.append(&mut self.told);
    }

    /// Lets somebody trade on a market's engine; what happens there is told. `None` for a market that is
    /// unknown or over.
    pub fn trade<R>(
        &mut self,
        market: u32,
        act: impl FnOnce(&Definition, &mut Exchange, &mut Vec<Fact>) -> R,
    ) -> Option<R> {
        let Market { definition, live, .. } = self.markets.get_mut(market as usize)?;
        let live = live.as_mut()?;
        let result = act(definition, &mut live.exchange, &mut self.facts);
        self.accounts_hear(market);
        self.publish(market);
        Some(result)
    }

    /// Stops trading on the whole exchange until `until`; orders rest, the feed stays open.
    pub fn pause(&mut self, until: TsUs) {
        self.paused_until = until;
        self.pause_orders();
    }

    /// False while the exchange is paused.
    pub fn is_trading(&self) -> bool {
        self.now >= self.paused_until
    }

    /// Enters a market; its index.
    pub fn list(&mut self, definition: Definition) -> u32 {
        let index = self.markets.len() as u32;
        self.by_ticker.insert(definition.ticker.clone(), index);
        self.markets.push(Market { definition, face: Face::empty(), live: None });
        index
    }

    /// Tells that `what` happened to a market now: the public face follows.
    pub fn tell(&mut self, market: u32, at: TsUs, what: What) {
        let Some(face) = self.markets.get_mut(market as usize).map(|m| &mut m.face) else { return };
        match &what {
            What::Level(delta) => face.level(delta),
            What::Trade(trade) => {
                face.trade(trade);
                floor::remember(&mut self.trades, PastTrade { at, market, trade: **trade });
            }
            What::Book(book) => face.replace(book),
            What::Notice { .. } | What::Private { .. } => {}
        }
        let book = face.print();
        self.told.push(Told { at, market, book, what });
    }

    /// Tells the facts that were gathered, a microsecond apart, all in the millisecond that is now: a
    /// trade and its level changes share their `ts_ms`.
    fn publish(&mut self, market: u32) {
        let mut facts = std::mem::take(&mut self.facts);
        let in_ms = self.now.0.rem_euclid(1_000);
        for (i, fact) in facts.drain(..).enumerate() {
            let at = TsUs(self.now.0 - in_ms + (in_ms + i as i64).min(999));
            match fact {
                Fact::Level(delta) => self.tell(market, at, What::Level(delta)),
                Fact::Fill { maker, taker, side, yes_price, qty } => {
                    let Some(to) = self.markets.get(market as usize) else { continue };
                    let id = trade_id(&to.definition.ticker, maker, taker);
                    let trade = Trade { taker: side, yes_price, qty, block: Some(false), id };
                    self.tell(market, at, What::Trade(Box::new(trade)));
                }
            }
        }
        self.facts = facts;
    }
}

/// Sixteen random bytes as an id.
fn random_id(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    bytes[8..].copy_from_slice(&rng.next_u64().to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests;
