//! Answers to everybody: the exchange, its markets, books and trades (protocol notes 5).

use super::account::endpoint_costs;
use super::message::{Asked, Reply, invalid, not_found, page, unauthorized};
use crate::sim::keys::Unauthorized;
use crate::sim::venue::{Definition, Face, FeeType, Market, PastTrade, Phase, Venue};
use crate::units::{Price, Qty, TsUs};
use crate::wire::convert::{time_text, uuid_text};
use crate::wire::orders::BookSide;
use serde_json::{Map, Value, json};

type Answer = Result<Reply, Reply>;

/// Levels per side that `depth` may ask for; 0 is all.
const DEPTH_MAX: i64 = 100;

/// Answers a public path.
pub(super) fn answer(venue: &Venue, asked: &Asked, path: &[&str]) -> Answer {
    if asked.method != "GET" {
        return Err(not_found("no such endpoint"));
    }
    let one = |ticker: &str| {
        let index = venue.find(ticker).ok_or_else(|| not_found("market not found"))?;
        venue.market(index).ok_or_else(|| not_found("market not found"))
    };
    match path {
        ["exchange", "status"] => Ok(status(venue)),
        ["exchange", "schedule"] => Ok(schedule()),
        ["exchange", "user_data_timestamp"] => {
            Ok(Reply::ok(&json!({ "as_of_time": time_text(venue.now()) })))
        }
        ["account", "endpoint_costs"] => Ok(endpoint_costs()),
        ["markets"] => markets(venue, asked),
        ["markets", "orderbooks"] => books(venue, asked),
        ["markets", "trades"] => trades(venue, asked),
        ["markets", ticker] => Ok(Reply::ok(&json!({ "market": market_object(one(ticker)?) }))),
        ["markets", ticker, "orderbook"] => {
            let book = book_object(&one(ticker)?.face, asked.number("depth")?.unwrap_or(0))?;
            Ok(Reply::ok(&json!({ "orderbook_fp": book })))
        }
        ["events", event] => event_answer(venue, asked, event),
        ["series", series] => series_answer(venue, series),
        ["portfolio", ..] | ["account", "limits"] => Err(unauthorized(Unauthorized::Missing)),
        _ => Err(not_found("no such endpoint")),
    }
}

fn status(venue: &Venue) -> Reply {
    Reply::ok(&json!({
        "exchange_active": true,
        "trading_active": venue.is_trading(),
        // Says to every recording of this exchange that its data are synthetic.
        "kflow_source": format!("sim:seed={}", venue.spec().seed),
    }))
}

fn schedule() -> Reply {
    let day = json!([{"open_time": "00:00", "close_time": "00:00"}]);
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let week: Map<_, _> = days.iter().map(|d| ((*d).to_owned(), day.clone())).collect();
    Reply::ok(&json!({"schedule": {"standard_hours": [week], "maintenance_windows": []}}))
}

/// `GET /markets`: the words of the filter are not those of the field (protocol notes 5).
fn markets(venue: &Venue, asked: &Asked) -> Answer {
    let phases: Option<&[Phase]> = match asked.param("status") {
        None => None,
        Some("unopened") => Some(&[Phase::Initialized]),
        Some("open") => Some(&[Phase::Active]),
        Some("paused") => Some(&[Phase::Inactive]),
        Some("closed") => Some(&[Phase::Closed, Phase::Determined]),
        Some("settled") => Some(&[Phase::Finalized]),
        Some(_) => return Err(invalid("status")),
    };
    let bounds = [bounds(asked, "created")?, bounds(asked, "close")?, bounds(asked, "settled")?];
    let tickers: Option<Vec<_>> = asked.param("tickers").map(|t| t.split(',').collect());
    let combos_only = match asked.param("mve_filter") {
        None | Some("exclude") => false,
        Some("only") => true, // there are none here
        Some(_) => return Err(invalid("mve_filter")),
    };
    let fits = |d: &Definition| {
        let times = [Some(d.created_s), Some(d.close_s), d.settled_s];
        let inside = |(at_s, (min, max)): (Option<i64>, Bounds)| match at_s {
            Some(s) => min.is_none_or(|m| s >= m) && max.is_none_or(|m| s <= m),
            None => min.is_none() && max.is_none(),
        };
        !combos_only
            && phases.is_none_or(|p| p.contains(&d.phase))
            && asked.param("event_ticker").is_none_or(|e| e.split(',').any(|e| e == d.event_ticker))
            && asked.param("series_ticker").is_none_or(|s| s == d.series_ticker)
            && tickers.as_ref().is_none_or(|t| t.contains(&d.ticker.as_str()))
            && times.into_iter().zip(bounds).all(inside)
    };
    // Newest first: markets that are listed in the meantime come in front and move no page.
    let chosen: Vec<_> = venue.markets().iter().rev().filter(|m| fits(&m.definition)).collect();
    let (chosen, cursor) = page(chosen, asked, 100, 1_000)?;
    let markets: Vec<_> = chosen.into_iter().map(market_object).collect();
    Ok(Reply::ok(&json!({"markets": markets, "cursor": cursor})))
}

/// The two ends of a range of times, seconds since the epoch.
type Bounds = (Option<i64>, Option<i64>);

fn bounds(asked: &Asked, of: &str) -> Result<Bounds, Reply> {
    Ok((asked.number(&format!("min_{of}_ts"))?, asked.number(&format!("max_{of}_ts"))?))
}

/// `GET /markets/orderbooks?tickers=A,B`.
fn books(venue: &Venue, asked: &Asked) -> Answer {
    let tickers = asked.param("tickers").ok_or_else(|| invalid("tickers"))?;
    let mut books = Vec::new();
    for ticker in tickers.split(',') {
        let market = venue.find(ticker).and_then(|index| venue.market(index));
        let market = market.ok_or_else(|| not_found("market not found"))?;
        books.push(json!({"ticker": ticker, "orderbook_fp": book_object(&market.face, 0)?}));
    }
    Ok(Reply::ok(&json!({ "orderbooks": books })))
}

/// Both sides, ascending; `depth` keeps the best levels, which are the last.
fn book_object(face: &Face, depth: i64) -> Result<Value, Reply> {
    if !(0..=DEPTH_MAX).contains(&depth) {
        return Err(invalid("depth"));
    }
    let snapshot = face.snapshot();
    let side = |levels: &[(Price, Qty)]| -> Value {
        let skip = if depth == 0 { 0 } else { levels.len().saturating_sub(depth as usize) };
        levels[skip..].iter().map(|(p, q)| json!([p.to_string(), q.to_string()])).collect()
    };
    Ok(json!({"yes_dollars": side(&snapshot.yes), "no_dollars": side(&snapshot.no)}))
}

/// `GET /markets/trades`: newest first.
fn trades(venue: &Venue, asked: &Asked) -> Answer {
    let market = match asked.param("ticker") {
        Some(t) => Some(venue.find(t).ok_or_else(|| not_found("market not found"))?),
        None => None,
    };
    let (min, max) = (asked.number("min_ts")?, asked.number("max_ts")?);
    let fits = |t: &&PastTrade| {
        let s = t.at.0.div_euclid(1_000_000);
        market.is_none_or(|m| m == t.market)
            && min.is_none_or(|m| s >= m)
            && max.is_none_or(|m| s <= m)
            && asked.param("is_block_trade").is_none_or(|b| b == "false")
    };
    let (chosen, cursor) = page(venue.trades().filter(fits).collect(), asked, 100, 1_000)?;
    let rows: Vec<_> = chosen.into_iter().filter_map(|t| trade_object(venue, t)).collect();
    Ok(Reply::ok(&json!({"trades": rows, "cursor": cursor})))
}

fn trade_object(venue: &Venue, past: &PastTrade) -> Option<Value> {
    let PastTrade { at, market, trade } = past;
    let taker = trade.taker.word();
    Some(json!({
        "trade_id": uuid_text(trade.id),
        "ticker": venue.market(*market)?.definition.ticker,
        "count_fp": trade.qty.to_string(),
        "yes_price_dollars": trade.yes_price.to_string(),
        "no_price_dollars": trade.yes_price.complement().to_string(),
        "taker_side": taker,
        "taker_outcome_side": taker,
        "taker_book_side": BookSide::buying(trade.taker).word(),
        "is_block_trade": false,
        "created_time": time_text(*at),
    }))
}

fn event_answer(venue: &Venue, asked: &Asked, event: &str) -> Answer {
    let own = venue.markets().iter().filter(|m| m.definition.event_ticker == event);
    let markets: Vec<_> = own.map(market_object).collect();
    let first = venue.markets().iter().find(|m| m.definition.event_ticker == event);
    let first = &first.ok_or_else(|| not_found("event not found"))?.definition;
    let mut object = json!({
        "event_ticker": event,
        "series_ticker": first.series_ticker,
        "title": format!("Synthetic event {event}"),
        "sub_title": "",
        "category": "Synthetic",
        "collateral_return_type": "",
        "mutually_exclusive": false,
        "exchange_index": 0,
    });
    if asked.param("with_nested_markets") == Some("true") {
        object["markets"] = markets.into();
        return Ok(Reply::ok(&json!({ "event": object })));
    }
    Ok(Reply::ok(&json!({"event": object, "markets": markets})))
}

fn series_answer(venue: &Venue, series: &str) -> Answer {
    let own = |m: &&Market| m.definition.series_ticker == series;
    let first = venue.markets().iter().find(own).ok_or_else(|| not_found("series not found"))?;
    let fee_type: FeeType = first.definition.fee_type;
    Ok(Reply::ok(&json!({"series": {
        "ticker": series,
        "title": "Synthetic markets",
        "category": "Synthetic",
        "frequency": "custom",
        "fee_type": fee_type.word(),
        "fee_multiplier": 1,
        "settlement_sources": [],
        "tags": [],
    }})))
}

/// The market object of today: no integer cents, no liquidity.
pub fn market_object(market: &Market) -> Value {
    let Market { definition: d, face, .. } = market;
    let touch = face.book().touch();
    let nobody = (Price::ZERO, Qty::ZERO);
    let (yes_bid, no_bid) = (
        touch.bid.unwrap_or(nobody),
        touch.ask.map_or(nobody, |(price, size)| (price.complement(), size)),
    );
    let time = |s: i64| time_text(TsUs(s.saturating_mul(1_000_000)));
    let ranges: Vec<_> = d.structure.ranges().iter().map(|r| {
        json!({"start": r.start.to_string(), "end": r.end.to_string(), "step": r.step.to_string()})
    }).collect();
    let last = face.last.map_or(Price::ZERO, |l| l.0).to_string();
    let mut object = json!({
        "ticker": d.ticker,
        "event_ticker": d.event_ticker,
        "series_ticker": d.series_ticker,
        "market_type": "binary",
        "title": d.title,
        "yes_sub_title": "Yes",
        "no_sub_title": "No",
        "created_time": time(d.created_s),
        "open_time": time(d.open_s),
        "close_time": time(d.close_s),
        "expected_expiration_time": time(d.close_s),
        "latest_expiration_time": time(d.close_s + 604_800),
        "settlement_timer_seconds": d.settlement_timer_s,
        "status": d.phase.word(),
        "result": d.result(),
        "can_close_early": true,
        "notional_value_dollars": Price::ONE.to_string(),
        "yes_bid_dollars": yes_bid.0.to_string(),
        "yes_bid_size_fp": yes_bid.1.to_string(),
        "yes_ask_dollars": no_bid.0.complement().to_string(),
        "yes_ask_size_fp": no_bid.1.to_string(),
        "no_bid_dollars": no_bid.0.to_string(),
        "no_ask_dollars": yes_bid.0.complement().to_string(),
        "last_price_dollars": last,
        "volume_fp": face.volume.to_string(),
        "volume_24h_fp": face.volume.to_string(),
        "open_interest_fp": face.volume.to_string(),
        "price_level_structure": d.structure.label(),
        "price_ranges": ranges,
        "rules_primary": "Drawn from the fair value at the close",
        "rules_secondary": "",
        "exchange_index": 0,
    });
    if let Some(paid) = d.settlement {
        object["settlement_value_dollars"] = paid.to_string().into();
        object["expiration_value"] = d.result().into();
    }
    if let Some(at_s) = d.settled_s {
        object["settlement_ts"] = time(at_s).into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::venue::VenueSpec;
    use crate::units::Side;
    use crate::wire::market::market_info;

    #[test]
    fn every_market_object_reads_back() {
        let spec = VenueSpec { markets: 12, lifetime_ms: 8_000, ..VenueSpec::default() };
        let start = spec.start.0;
        let mut venue = Venue::new(spec);
        venue.advance(TsUs(start + 30_000_000));
        let settled = venue.markets().iter().filter(|m| m.definition.phase == Phase::Finalized);
        assert!(settled.count() > 5);
        for market in venue.markets() {
            let info = market_info(&market_object(market)).expect("our own object");
            assert_eq!(info.settlement, market.definition.settlement);
            assert_eq!(info.ticks, market.definition.structure.ranges());
            let bid = market.face.book().bids(Side::Yes).iter().next();
            let shown = &market_object(market)["yes_bid_dollars"];
            assert_eq!(shown, &bid.map_or(Price::ZERO, |b| b.0).to_string());
        }
    }
}
