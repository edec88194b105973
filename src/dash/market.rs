//! One market as it is shown: its book, what happened to it lately, and whether that still holds.

use crate::book::{Book, Change};
use crate::event::{Body, Event, GapCause, Trade};
use crate::market::MarketInfo;
use crate::replay::BookLine;
use crate::units::{Price, Qty, Side, TsNs};
use crate::view::text::of_span;
use crate::wire::market::market_info;
use std::collections::VecDeque;

/// Trades kept.
const TRADES: usize = 256;
/// Points of the price curve kept: twenty minutes at least.
const POINTS: usize = 2_400;
/// A curve has no more than one point in this time.
const POINT_NS: i64 = 500_000_000;
/// A changed size stands out for this long.
const FLASH_NS: i64 = 300_000_000;
/// Changed sizes remembered; more cannot be told apart by an eye.
const FLASHES: usize = 32;
/// The window of taker flow and activity.
const MINUTE_NS: i64 = 60_000_000_000;

/// Frames that come this long after the exchange's stamp tell of a book that is not the present one, milliseconds.
pub(super) const STALE_AFTER_MS: i64 = 5_000;

/// The touch at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Receive time.
    pub at: TsNs,
    /// Best YES bid.
    pub bid: Option<Price>,
    /// Best YES ask.
    pub ask: Option<Price>,
}

/// Why a book must not be taken for the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// No snapshot was seen yet.
    NoSnapshot,
    /// Something is missing.
    Gap(GapCause),
    /// Records were left out on the way to this screen.
    Skipped,
    /// Frames come, but this long after the exchange sent them, milliseconds.
    Late(i64),
    /// Trading is over.
    Closed,
    /// What a YES contract paid.
    Settled(Price),
    /// The feed, or whoever told of it: why.
    Feed(String),
}

impl Staleness {
    /// The reason in words.
    pub fn text(&self) -> String {
        match self {
            Staleness::NoSnapshot => "no snapshot yet".to_owned(),
            Staleness::Gap(cause) => format!("gap: {}", cause.word()),
            Staleness::Skipped => "records were skipped".to_owned(),
            Staleness::Late(lag_ms) => late(*lag_ms),
            Staleness::Closed => "closed".to_owned(),
            Staleness::Settled(price) => format!("settled: YES paid {price}"),
            Staleness::Feed(why) => why.clone(),
        }
    }
}

/// That frames come so late, in words.
pub(super) fn late(lag_ms: i64) -> String {
    format!("frames come {} late", of_span(lag_ms / 1_000))
}

/// One market.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its ticker.
    pub ticker: Box<str>,
    /// What the exchange says about it.
    pub info: MarketInfo,
    /// Its book.
    pub book: Book,
    /// Why the book does not hold; `None` while it does.
    pub broken: Option<Staleness>,
    /// Number of its last frame.
    pub seq: u64,
    /// Receive time of its last event.
    pub at: TsNs,
    /// Exchange's stamp to receipt of its last stamped frame, milliseconds; 0 from a snapshot without a stamp on,
    /// which is a book of now.
    pub lag_ms: i64,
    /// Its last trades and when they came, newest last.
    pub trades: VecDeque<(TsNs, Trade)>,
    /// The touch over time, oldest first.
    pub curve: VecDeque<Point>,
    line: BookLine,
    flashes: VecDeque<(Side, Price, TsNs)>,
    /// Book frames of this minute and of the one before.
    frames: [u32; 2],
    minute: i64,
}

impl Market {
    /// A market of which only the name is known.
    pub fn new(ticker: &str) -> Market {
        Market {
            ticker: ticker.into(),
            info: MarketInfo { ticker: ticker.to_owned(), ..MarketInfo::default() },
            book: Book::default(),
            broken: Some(Staleness::NoSnapshot),
            seq: 0,
            at: TsNs(0),
            lag_ms: 0,
            trades: VecDeque::new(),
            curve: VecDeque::new(),
            line: BookLine::default(),
            flashes: VecDeque::new(),
            frames: [0; 2],
            minute: 0,
        }
    }

    /// Takes an event of this market, or one of nobody that concerns it.
    pub fn push(&mut self, event: &Event) {
        if event.market == crate::event::MarketId::NONE && !self.line.is_told(event) {
            return;
        }
        self.line.note(event);
        self.at = event.recv;
        match (event.ts, &event.body) {
            (Some(ts), _) => self.lag_ms = event.recv.ms() - ts.ms(),
            (None, Body::Snapshot(_)) => self.lag_ms = 0,
            (None, _) => {}
        }
        self.seq = self.seq.max(event.seq);
        self.fold(event);
        if matches!(event.body, Body::Snapshot(_) | Body::Delta(_) | Body::Gap(_)) {
            self.count(event.recv);
            self.trace(event.recv);
        }
    }

    fn fold(&mut self, event: &Event) {
        match &event.body {
            Body::Trade(trade) => {
                if self.trades.len() == TRADES {
                    self.trades.pop_front();
                }
                self.trades.push_back((event.recv, **trade));
            }
            Body::Market(object) => {
                let told = serde_json::from_str(object).ok().and_then(|v| market_info(&v).ok());
                self.info = told.unwrap_or_else(|| std::mem::take(&mut self.info));
            }
            Body::Gap(gap) => {
                self.book.invalidate();
                self.broken = Some(Staleness::Gap(gap.cause));
            }
            _ => match self.book.apply(event) {
                Ok(Change::Snapshot) => self.broken = None,
                Ok(Change::Level { side, price, .. }) => self.flash(side, price, event.recv),
                Ok(_) => {}
                Err(_) => self.broken = Some(Staleness::Gap(GapCause::NegativeLevel)),
            },
        }
    }

    /// Records were left out: the book is not known until its next snapshot.
    pub fn skip(&mut self) {
        if self.book.is_valid() {
            self.book.invalidate();
            self.broken = Some(Staleness::Skipped);
        }
    }

    fn flash(&mut self, side: Side, price: Price, at: TsNs) {
        if self.flashes.len() == FLASHES {
            self.flashes.pop_front();
        }
        self.flashes.push_back((side, price, at));
    }

    fn count(&mut self, at: TsNs) {
        let minute = at.0.div_euclid(MINUTE_NS);
        match minute - self.minute {
            0 => {}
            1 => self.frames = [0, self.frames[0]],
            _ => self.frames = [0; 2],
        }
        self.minute = minute;
        self.frames[0] = self.frames[0].saturating_add(1);
    }

    fn trace(&mut self, at: TsNs) {
        let touch = self.book.touch();
        let point = Point { at, bid: touch.bid.map(|b| b.0), ask: touch.ask.map(|a| a.0) };
        match self.curve.back_mut() {
            Some(last) if (last.bid, last.ask) == (point.bid, point.ask) => return,
            Some(last) if at.0 - last.at.0 < POINT_NS => {
                (last.bid, last.ask) = (point.bid, point.ask);
                return;
            }
            _ => {}
        }
        if self.curve.len() == POINTS {
            self.curve.pop_front();
        }
        self.curve.push_back(point);
    }

    /// True if a level of this side, `here`, changed a moment before `now`.
    pub fn is_fresh(&self, side: Side, now: TsNs, here: impl Fn(Price) -> bool) -> bool {
        let recent = |at: &TsNs| (0..FLASH_NS).contains(&(now.0 - at.0));
        self.flashes.iter().any(|(s, p, at)| *s == side && recent(at) && here(*p))
    }

    /// When the last flash before `now` is over; `None` when none is on.
    pub fn flashes_until(&self, now: TsNs) -> Option<TsNs> {
        let ends = TsNs(self.flashes.back()?.2.0 + FLASH_NS);
        (now.0 < ends.0).then_some(ends)
    }

    /// Price of the last trade, on the YES axis.
    pub fn last(&self) -> Option<Price> {
        self.trades.back().map(|(_, trade)| trade.yes_price)
    }

    /// Contracts that takers bought less those that they sold in the minute before `now`, and both together.
    pub fn flow(&self, now: TsNs) -> (Qty, Qty) {
        let recent = self.trades.iter().rev().take_while(|(at, _)| now.0 - at.0 < MINUTE_NS);
        recent.fold((Qty::ZERO, Qty::ZERO), |(net, all), (_, trade)| match trade.taker {
            Side::Yes => (net + trade.qty, all + trade.qty),
            Side::No => (net - trade.qty, all + trade.qty),
        })
    }

    /// Book frames per minute: of this minute so far, or of the one before where that was busier.
    pub fn activity(&self) -> u32 {
        self.frames[0].max(self.frames[1])
    }

    /// Best ask less best bid, 1e-4 dollars.
    pub fn spread_e4(&self) -> Option<i64> {
        let touch = self.book.touch();
        Some(touch.ask?.0.e4() - touch.bid?.0.e4())
    }

    /// Why the book must not be taken for the present one at `now`, as far as the market itself knows.
    pub fn staleness(&self, now: TsNs) -> Option<Staleness> {
        match self.info.settlement {
            Some(price) if self.is_over(now) => Some(Staleness::Settled(price)),
            None if self.is_over(now) => Some(Staleness::Closed),
            _ if self.broken.is_some() => self.broken.clone(),
            _ => (self.lag_ms >= STALE_AFTER_MS).then_some(Staleness::Late(self.lag_ms)),
        }
    }

    /// True if trading is over at `now`. The definition of an imported market tells its outcome from the beginning:
    /// that alone does not close it.
    pub fn is_over(&self, now: TsNs) -> bool {
        match self.info.close {
            Some(close) => close.ms() <= now.ms(),
            None => self.info.settlement.is_some(),
        }
    }
}
