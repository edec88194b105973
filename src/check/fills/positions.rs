//! Queue positions that the exchange told an account, beside the log of the same time: the truth about real
//! queues.
//!
//! A file of positions is JSON lines (gzip or plain), one per order and poll of
//! `GET /portfolio/orders/queue_positions`, joined with what the account knows of the order:
//!
//! ```json
//! {"ts":"2026-08-10T18:01:02.5Z","order_id":"9d1..","ticker":"KXGOLD15M-26AUG101815-15","side":"yes",
//!  "price":"0.4500","queue_position_fp":"116.00","remaining_count_fp":"1.00"}
//! ```
//!
//! `ts` is when the answer was given, by the exchange's clock; `side` and `price` are those of the bid as it
//! rests (a sold YES at 0.55 is a `no` bid at 0.45). `queue_position_fp` counts what trades before the order,
//! better prices included; these are taken off by the book. `remaining_count_fp`, what is left of the order, is
//! taken off its level, where the recorded book shows it; without it nothing is. Other keys are ignored.

use super::track::{Join, Name, Track, Tracker};
use crate::event::Event;
use crate::intake::{IntakeError, files};
use crate::units::{Price, Qty, Side, TsUs};
use crate::wire::convert;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

/// One order's place at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// When, exchange time.
    pub at: TsUs,
    /// The exchange's name for the order.
    pub order_id: String,
    /// Its market.
    pub ticker: String,
    /// The ladder that it rests in.
    pub side: Side,
    /// On the axis of `side`.
    pub price: Price,
    /// Contracts that trade before it.
    pub ahead: Qty,
    /// What is left of it.
    pub own: Qty,
}

/// Why a file of positions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] IntakeError),
    /// A line is not one of such a file.
    #[error("{path}: line {line}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1, blank lines left out.
        line: u64,
        /// What does not fit.
        why: String,
    },
}

#[derive(Deserialize)]
struct Line {
    ts: String,
    order_id: String,
    ticker: String,
    side: Side,
    price: String,
    queue_position_fp: String,
    remaining_count_fp: Option<String>,
}

/// Reads a file of positions; in order of time.
///
/// # Errors
/// When it cannot be read, or a line has another form.
pub fn read(path: &Path) -> Result<Vec<Position>, PositionsError> {
    let (mut positions, mut line) = (Vec::new(), 0);
    files::lines(path, |text| {
        line += 1;
        let position = parse(text);
        let position =
            position.map_err(|why| PositionsError::Line { path: path.to_owned(), line, why })?;
        positions.push(position);
        Ok::<_, PositionsError>(())
    })?;
    positions.sort_by_key(|position: &Position| position.at);
    Ok(positions)
}

fn parse(text: &[u8]) -> Result<Position, String> {
    let line: Line = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let qty = |name: &str, text: &str| match convert::qty(text.as_bytes()) {
        Ok(qty) if qty >= Qty::ZERO => Ok(qty),
        Ok(_) => Err(format!("{name} is negative")),
        Err(e) => Err(format!("{name}: {e}")),
    };
    Ok(Position {
        at: convert::time(line.ts.as_bytes()).map_err(|e| format!("ts: {e}"))?,
        order_id: line.order_id,
        ticker: line.ticker,
        side: line.side,
        price: convert::price(line.price.as_bytes()).map_err(|e| format!("price: {e}"))?,
        ahead: qty("queue_position_fp", &line.queue_position_fp)?,
        own: qty("remaining_count_fp", line.remaining_count_fp.as_deref().unwrap_or("0"))?,
    })
}

/// Joins positions with the events of their markets.
#[derive(Debug)]
pub struct Follower {
    markets: BTreeMap<String, Market>,
}

#[derive(Debug)]
struct Market {
    tracker: Tracker,
    coming: VecDeque<Position>,
    /// Names of the orders by id and place: an order at another price stands in another queue.
    names: BTreeMap<(String, Side, Price), Name>,
}

impl Follower {
    /// Waits for the events of the markets of `positions`, which are in order of time.
    pub fn new(positions: Vec<Position>) -> Follower {
        let mut markets: BTreeMap<String, Market> = BTreeMap::new();
        for position in positions {
            let market = markets.entry(position.ticker.clone()).or_insert_with(|| Market {
                tracker: Tracker::new(&position.ticker),
                coming: VecDeque::new(),
                names: BTreeMap::new(),
            });
            market.coming.push_back(position);
        }
        Follower { markets }
    }

    /// The next event of a market.
    pub fn on_event(&mut self, ticker: &str, event: &Event) {
        let Some(market) = self.markets.get_mut(ticker) else { return };
        let now = event.ts.unwrap_or(TsUs(event.recv.0 / 1_000));
        while let Some(position) = market.coming.pop_front_if(|position| position.at < now) {
            market.enter(position);
        }
        market.tracker.on_event(event);
    }

    /// The log ends: the tracks of all orders that were looked at more than once, and how many orders were
    /// followed no further after a gap or a new book.
    pub fn finish(self) -> (Vec<Track>, u64) {
        let (mut tracks, mut broken) = (Vec::new(), 0);
        for market in self.markets.into_values() {
            broken += market.tracker.broken;
            tracks.extend(market.tracker.finish());
        }
        (tracks, broken)
    }
}

impl Market {
    fn enter(&mut self, position: Position) {
        let Position { at, order_id, side, price, ahead, own, .. } = position;
        let fresh = self.names.len() as Name;
        let name = *self.names.entry((order_id, side, price)).or_insert(fresh);
        let levels = self.tracker.book().bids(side).iter();
        let better = levels.take_while(|level| level.0 > price).map(|level| level.1);
        let start = (ahead - better.fold(Qty::ZERO, |sum, qty| sum + qty)).max(Qty::ZERO);
        if self.tracker.is_live(name) {
            self.tracker.look(name, start, own, at);
        } else {
            self.tracker.join(name, Join { side, price, start, own, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fills::track::Step;
    use crate::event::{Body, Delta, MarketId, Snapshot, Trade};
    use crate::units::TsNs;
    use std::io::Write;

    fn file(lines: &[&str]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        file
    }

    fn line(second: u32, position: &str) -> String {
        format!(
            r#"{{"ts":"1970-01-01T00:00:{second:02}Z","order_id":"a","ticker":"KXA-1","side":"yes","price":"0.40",
            "queue_position_fp":"{position}","remaining_count_fp":"2.00"}}"#
        )
        .replace('\n', " ")
    }

    fn event(row_id: u64, second: i64, body: Body) -> Event {
        let ts = Some(TsUs::from_ms(second * 1_000));
        let recv = TsNs::from_ms(second * 1_000 + 12);
        Event { row_id, recv, ts, market: MarketId(0), sid: 1, seq: 0, body }
    }

    fn delta(row_id: u64, second: i64, e2: i64) -> Event {
        let price = Price::new(4_000).unwrap();
        event(row_id, second, Body::Delta(Delta { side: Side::Yes, price, qty: Qty(e2) }))
    }

    /// Ten contracts before us and our own two at the level, five at a better price: a trade of three, a
    /// cancel, and what the exchange says after each.
    #[test]
    fn positions_and_events_become_a_track_without_our_own_contracts_and_better_prices() {
        let lines = [line(1, "15.00"), line(4, "12.00"), line(8, "9.50")];
        let file = file(&lines.each_ref().map(String::as_str));
        let mut follower = Follower::new(read(file.path()).unwrap());
        let price = |e4| Price::new(e4).unwrap();
        let yes = vec![(price(4_000), Qty(1_200)), (price(4_100), Qty(500))];
        let book = Body::Snapshot(Box::new(Snapshot { yes, no: Vec::new() }));
        follower.on_event("KXA-1", &Event { ts: Some(TsUs(0)), ..event(1, 0, book) });
        follower.on_event("KXA-1", &delta(2, 2, -300));
        let trade = Trade {
            taker: Side::No,
            yes_price: price(4_000),
            qty: Qty(300),
            block: None,
            id: [0; 16],
        };
        follower.on_event("KXA-1", &event(3, 2, Body::Trade(Box::new(trade))));
        follower.on_event("KXA-1", &delta(4, 6, -250));
        follower.on_event("KXB-1", &delta(5, 9, -250));
        follower.on_event("KXA-1", &delta(6, 9, 100));
        let (tracks, broken) = follower.finish();
        assert_eq!((tracks.len(), broken), (1, 0));
        assert_eq!(tracks[0].start, Qty(1_000));
        let level =
            |before, after, traded| Step::Level { before: Qty(before), after: Qty(after), traded };
        let want = [
            level(1_000, 700, true),
            Step::Print(Qty(300)),
            Step::Look(Qty(700)),
            level(700, 450, false),
            Step::Look(Qty(450)),
        ];
        assert_eq!(tracks[0].steps, want);
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        let good = line(1, "15.00");
        for bad in ["{}", "nonsense", &good.replace("15.00", "-1.00"), &good.replace("0.40", "40")]
        {
            let file = file(&[&good, bad]);
            let why = read(file.path()).unwrap_err().to_string();
            assert!(why.contains("line 2"), "{why}");
        }
        assert!(matches!(read(Path::new("absent")), Err(PositionsError::Read(_))));
    }
}
