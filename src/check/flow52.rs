//! Golden files of layout `flow52-v1`: event lists, accounts, and sampled rows of the recorded tape.

use super::golden::{compare, form, lines, parse};
use super::{CheckError, Outcome};
use crate::event::{Body, Delta, Event, Gap, GapCause, MarketId, Snapshot, Trade};
use crate::features::account::{AccountView, Action, OwnOrder, write_account};
use crate::features::{Layout, Observer, Row};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use crate::wire::convert;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

const LAYOUT: Layout = Layout::Flow52V1;
const TOLERANCE: f64 = 1e-6;

/// Compares every case of the file, whose form is recognised from its first line; `tape` is the
/// folder with `events/` and `metadata/`, for rows of the recorded tape.
///
/// # Errors
/// When the file cannot be read or is of no known form, and when its rows need a tape that is not
/// there.
pub fn run(path: &Path, tape: Option<&Path>) -> Result<Outcome, CheckError> {
    let lines = lines(path)?;
    let first: Value = parse(path, &lines[0])?;
    let mut outcome = Outcome::new("flow52");
    if first.get("windows").is_some() {
        super::flow52_tape::check(path, &lines, tape, &mut outcome)?;
    } else if first.get("input").is_some() {
        for line in &lines {
            check_account(&parse(path, line)?, &mut outcome);
        }
    } else if first.get("events").is_some() {
        for line in &lines {
            check_events(&parse(path, line)?, &mut outcome);
        }
    } else {
        return Err(form(path, "neither event lists, nor accounts, nor rows of a tape"));
    }
    Ok(outcome)
}

/// An account with the units of the specification; what is absent is as in a flat account.
#[derive(Clone, Deserialize)]
#[serde(default)]
struct Account {
    t: i64,
    bid: Option<i64>,
    ask: Option<i64>,
    mid2: i64,
    pos: i64,
    limit: i64,
    entry_cost: i64,
    cash: i64,
    reserved: i64,
    peak_equity: i64,
    t_open: Option<i64>,
    orders: Vec<Order>,
}

impl Default for Account {
    fn default() -> Account {
        Account {
            t: 0,
            bid: None,
            ask: None,
            mid2: 10_000,
            pos: 0,
            limit: 100,
            entry_cost: 0,
            cash: 1_000_000,
            reserved: 0,
            peak_equity: 1_000_000,
            t_open: None,
            orders: Vec::new(),
        }
    }
}

/// An own order on the YES axis.
#[derive(Clone, Deserialize)]
struct Order {
    side: String,
    price: i64,
    remaining: i64,
    #[serde(default)]
    ahead: i64,
    #[serde(default)]
    level: i64,
}

#[derive(Deserialize)]
struct AccountCase {
    #[serde(default)]
    id: Value,
    input: Account,
    values: Vec<f64>,
}

fn check_account(case: &AccountCase, outcome: &mut Outcome) {
    let result = account_values(&case.input)
        .and_then(|got| compare(outcome, got.into_iter().map(f64::from), &case.values, TOLERANCE));
    outcome.case(result.map_err(|why| format!("account {}: {why}", case.id)));
}

fn account_values(account: &Account) -> Result<Vec<f32>, String> {
    let orders: Vec<OwnOrder> = account.orders.iter().map(own_order).collect::<Result<_, _>>()?;
    let view = AccountView {
        t_ms: account.t,
        bid: account.bid.map(price_e4).transpose()?,
        ask: account.ask.map(price_e4).transpose()?,
        mid2: account.mid2,
        pos_e2: account.pos,
        limit_e2: account.limit,
        entry_cost_e6: account.entry_cost,
        cash_e6: account.cash,
        reserved_e6: account.reserved,
        peak_equity_e6: account.peak_equity,
        t_open_ms: account.t_open,
        orders: &orders,
    };
    let mut values = vec![0.0; LAYOUT.account_len()];
    write_account(LAYOUT, &view, &mut values);
    Ok(values)
}

fn own_order(order: &Order) -> Result<OwnOrder, String> {
    Ok(OwnOrder {
        contract: Side::Yes,
        action: match order.side.as_str() {
            "buy" => Action::Buy,
            "sell" => Action::Sell,
            other => return Err(format!("unknown order side `{other}`")),
        },
        price: price_e4(order.price)?,
        remaining: Qty(order.remaining),
        ahead: Qty(order.ahead),
        level: Qty(order.level),
        placed_ms: 0,
    })
}

fn price_e4(e4: i64) -> Result<Price, String> {
    Price::new(e4).ok_or_else(|| format!("{e4} is no price"))
}

/// A list of events and all rows that they give.
#[derive(Deserialize)]
struct EventsCase {
    #[serde(default)]
    name: String,
    open_ms: Option<i64>,
    close_ms: Option<i64>,
    #[serde(default = "default_interval_ms")]
    interval_ms: i64,
    events: Vec<CaseEvent>,
    account: Option<Account>,
    rows: Vec<CaseRow>,
}

fn default_interval_ms() -> i64 {
    crate::features::flow52::DECISION_INTERVAL_MS
}

#[derive(Deserialize)]
struct CaseRow {
    ts_ms: i64,
    values: Vec<f64>,
}

/// Price and size as decimal texts.
type TextLevel = (String, String);

#[derive(Deserialize)]
#[serde(tag = "k", rename_all = "lowercase")]
enum CaseEvent {
    Snapshot {
        #[serde(default)]
        yes: Vec<TextLevel>,
        #[serde(default)]
        no: Vec<TextLevel>,
    },
    Delta {
        ts_ms: i64,
        side: Side,
        price: String,
        delta: String,
    },
    Trade {
        ts_ms: i64,
        taker: Side,
        yes_price: String,
        count: String,
        #[serde(default)]
        block: Option<bool>,
    },
    Gap,
}

fn check_events(case: &EventsCase, outcome: &mut Outcome) {
    let result = case_rows(case).and_then(|rows| {
        if rows.len() != case.rows.len() {
            return Err(format!("{} rows instead of {}", rows.len(), case.rows.len()));
        }
        for (i, ((ts_ms, got), want)) in rows.into_iter().zip(&case.rows).enumerate() {
            if ts_ms != want.ts_ms {
                return Err(format!("row {i} at {ts_ms} instead of {}", want.ts_ms));
            }
            compare(outcome, got.into_iter().map(f64::from), &want.values, TOLERANCE)
                .map_err(|why| format!("row {i}: {why}"))?;
        }
        Ok(())
    });
    outcome.case(result.map_err(|why| format!("{}: {why}", case.name)));
}

fn case_rows(case: &EventsCase) -> Result<Vec<(i64, Vec<f32>)>, String> {
    let time = |ms: Option<i64>| ms.map(TsUs::from_ms);
    let mut observer =
        Observer::flow52_every(case.interval_ms, time(case.open_ms), time(case.close_ms));
    let account = case.account.clone().unwrap_or_default();
    let mut rows = Vec::new();
    for (row_id, event) in case.events.iter().enumerate() {
        let event =
            house_event(event, row_id as u64).map_err(|e| format!("event {row_id}: {e}"))?;
        if let Some(row) = observer.push(&event) {
            rows.push(full_row(&row, &account)?);
        }
    }
    if let Some(row) = observer.finish() {
        rows.push(full_row(&row, &account)?);
    }
    Ok(rows)
}

fn house_event(event: &CaseEvent, row_id: u64) -> Result<Event, convert::ConvertError> {
    let level = |(price, size): &TextLevel| {
        Ok((convert::price(price.as_bytes())?, convert::qty(size.as_bytes())?))
    };
    let (ts_ms, body) = match event {
        CaseEvent::Snapshot { yes, no } => {
            let side = |levels: &[TextLevel]| levels.iter().map(level).collect::<Result<_, _>>();
            (None, Body::Snapshot(Box::new(Snapshot { yes: side(yes)?, no: side(no)? })))
        }
        CaseEvent::Delta { ts_ms, side, price, delta } => {
            let price = convert::price(price.as_bytes())?;
            let qty = convert::qty(delta.as_bytes())?;
            (Some(*ts_ms), Body::Delta(Delta { side: *side, price, qty }))
        }
        CaseEvent::Trade { ts_ms, taker, yes_price, count, block } => {
            let yes_price = convert::price(yes_price.as_bytes())?;
            let qty = convert::qty(count.as_bytes())?;
            let trade = Trade { taker: *taker, yes_price, qty, block: *block, id: [0; 16] };
            (Some(*ts_ms), Body::Trade(Box::new(trade)))
        }
        CaseEvent::Gap => {
            let gap = Gap::unnumbered(GapCause::Reconnect, TsNs(0));
            (None, Body::Gap(Box::new(gap)))
        }
    };
    let ts = ts_ms.map(TsUs::from_ms);
    Ok(Event { row_id, recv: TsNs(0), ts, market: MarketId(0), sid: 1, seq: row_id + 1, body })
}

/// All 52 values: the account is the case's own, the market is the row's.
fn full_row(row: &Row<'_>, account: &Account) -> Result<(i64, Vec<f32>), String> {
    let account = Account {
        t: row.ts_ms,
        bid: row.bid().map(Price::e4),
        ask: row.ask().map(Price::e4),
        mid2: row.mid2.into(),
        ..account.clone()
    };
    let mut values = row.market.to_vec();
    values.extend(account_values(&account)?);
    Ok((row.ts_ms, values))
}
