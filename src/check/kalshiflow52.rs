//! Golden files of layout `kalshiflow52-v2`: single cases and whole sessions.
//!
//! A case gives the four sides of a book as they are and the numbers of its place in the session; a
//! session gives raw events in order of arrival, and its rows come out of the [`Observer`].

use super::golden::{compare, form, lines, parse};
use super::{CheckError, Outcome};
use crate::book::Book;
use crate::event::{Body, Delta, Event, MarketId, Snapshot};
use crate::features::account::{AccountView, Action, OwnOrder, write_account};
use crate::features::kalshiflow52::{
    History, Point, Portfolio, View, account_values, market_values,
};
use crate::features::{Layout, Observer, Row};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

const TOLERANCE: f64 = 1e-5;

/// Compares every case (`expected`) or every session row (`expected_view`) of the file.
///
/// # Errors
/// When the file cannot be read or is of neither form.
pub fn run(path: &Path) -> Result<Outcome, CheckError> {
    let lines = lines(path)?;
    let first: Value = parse(path, &lines[0])?;
    let mut outcome = Outcome::new("kalshiflow52");
    if first.get("expected_view").is_some() {
        for line in &lines {
            check_session(&parse(path, line)?, &mut outcome);
        }
    } else if first.get("expected").is_some() {
        let mut sequence = (i64::MIN, History::default());
        for line in &lines {
            check_case(&parse(path, line)?, &mut sequence, &mut outcome);
        }
    } else {
        return Err(form(path, "neither cases (`expected`) nor sessions (`expected_view`)"));
    }
    Ok(outcome)
}

/// Levels as (cents, contracts).
type Levels = Vec<(f64, f64)>;

#[derive(Deserialize)]
struct Case {
    seq: i64,
    #[serde(default)]
    step: i64,
    ts_ms: i64,
    book: CaseBook,
    #[serde(default)]
    session: CaseSession,
    portfolio: CasePortfolio,
    #[serde(default)]
    orders: Vec<CaseOrder>,
    expected: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct CaseBook {
    yes_bids: Levels,
    yes_asks: Levels,
    no_bids: Levels,
    no_asks: Levels,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CaseSession {
    time_gap_s: f64,
    activity_score: f64,
    momentum: f64,
}

#[derive(Deserialize)]
struct CasePortfolio {
    position: f64,
    cost_basis_cents: f64,
    cash_cents: f64,
    portfolio_value_cents: f64,
}

#[derive(Deserialize)]
struct CaseOrder {
    side: String,
    contract: Side,
    price: f64,
    age_s: f64,
}

/// Compares one case; `sequence` holds the number and the history of the sequence that it continues.
fn check_case(case: &Case, sequence: &mut (i64, History), outcome: &mut Outcome) {
    if sequence.0 != case.seq {
        *sequence = (case.seq, History::default());
    }
    let CaseBook { yes_bids, yes_asks, no_bids, no_asks } = &case.book;
    let view = View::of_sides([yes_bids, yes_asks, no_bids, no_asks]);
    let CaseSession { time_gap_s: gap_s, activity_score: activity, momentum } = case.session;
    let point = Point { ts_ms: case.ts_ms, gap_s, activity, momentum, mid: view.yes_mid() };
    let market = market_values(&view, &point, &sequence.1);
    sequence.1.push(point);

    let portfolio = Portfolio {
        position: case.portfolio.position,
        cost_basis: case.portfolio.cost_basis_cents,
        cash: case.portfolio.cash_cents,
        value: case.portfolio.portfolio_value_cents,
    };
    let result = own_orders(case).and_then(|orders| {
        let account = account_values(&portfolio, view.yes_mid(), &orders, case.ts_ms);
        let values: Vec<f64> = market.into_iter().chain(account).collect();
        compare(outcome, values.into_iter(), &case.expected, TOLERANCE)
    });
    outcome.case(result.map_err(|why| format!("sequence {} step {}: {why}", case.seq, case.step)));
}

fn own_orders(case: &Case) -> Result<Vec<OwnOrder>, String> {
    let order = |o: &CaseOrder| {
        let action = match o.side.as_str() {
            "buy" => Action::Buy,
            "sell" => Action::Sell,
            other => return Err(format!("unknown order side `{other}`")),
        };
        Ok(OwnOrder {
            contract: o.contract,
            action,
            price: price(o.price)?,
            remaining: Qty::contracts(1),
            ahead: Qty::ZERO,
            level: Qty::ZERO,
            placed_ms: case.ts_ms.saturating_sub((o.age_s * 1_000.0).round() as i64),
        })
    };
    case.orders.iter().map(order).collect()
}

fn price(cents: f64) -> Result<Price, String> {
    Price::new((cents * 100.0).round() as i64).ok_or_else(|| format!("{cents} cents is no price"))
}

fn qty(contracts: f64) -> Qty {
    Qty((contracts * 100.0).round() as i64)
}

#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    seq: i64,
    target: String,
    events: Vec<SessionEvent>,
    expected_view: Vec<SessionRow>,
}

#[derive(Deserialize)]
struct SessionEvent {
    ticker: String,
    seq: i64,
    ts_ms: i64,
    #[serde(flatten)]
    body: SessionBody,
}

#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum SessionBody {
    Snapshot {
        #[serde(default)]
        yes_bids: Levels,
        #[serde(default)]
        no_bids: Levels,
    },
    Delta {
        side: Side,
        price: f64,
        new_size: f64,
    },
}

#[derive(Deserialize)]
struct SessionRow {
    ts_ms: i64,
    obs: Vec<f64>,
}

/// Feeds the target's events to an observer and compares every row, with a flat account of 100
/// dollars.
fn check_session(session: &Session, outcome: &mut Outcome) {
    let name = format!("session {}", session.seq);
    let rows = match session_rows(session) {
        Ok(rows) => rows,
        Err(why) => return outcome.case(Err(format!("{name}: {why}"))),
    };
    for (i, want) in session.expected_view.iter().enumerate() {
        let result = match rows.get(i) {
            Some((ts_ms, _)) if *ts_ms != want.ts_ms => {
                Err(format!("at {ts_ms} instead of {}", want.ts_ms))
            }
            Some((_, got)) => {
                compare(outcome, got.iter().map(|v| f64::from(*v)), &want.obs, TOLERANCE)
            }
            None => Err("missing".to_owned()),
        };
        outcome.case(result.map_err(|why| format!("{name} row {i}: {why}")));
    }
    if rows.len() > session.expected_view.len() {
        let (got, want) = (rows.len(), session.expected_view.len());
        outcome.case(Err(format!("{name}: {got} rows instead of {want}")));
    }
}

fn session_rows(session: &Session) -> Result<Vec<(i64, Vec<f32>)>, String> {
    let mut observer = Observer::new(Layout::KalshiFlow52V2, None, None);
    let mut rows = Vec::new();
    let mut last_seq = i64::MIN;
    for (row_id, event) in session.events.iter().enumerate() {
        if event.ticker != session.target {
            continue;
        }
        // A snapshot restarts the numbering; a delta that is not above the last one came twice.
        if event.seq <= last_seq && matches!(event.body, SessionBody::Delta { .. }) {
            continue;
        }
        last_seq = event.seq;
        let event = house_event(event, row_id as u64, observer.book())?;
        rows.extend(observer.push(&event).map(|row| full_row(&row)));
    }
    rows.extend(observer.finish().map(|row| full_row(&row)));
    Ok(rows)
}

fn house_event(event: &SessionEvent, row_id: u64, book: &Book) -> Result<Event, String> {
    let body = match &event.body {
        SessionBody::Snapshot { yes_bids, no_bids } => {
            let side = |levels: &Levels| -> Result<Vec<_>, String> {
                levels.iter().map(|(cents, size)| Ok((price(*cents)?, qty(*size)))).collect()
            };
            Body::Snapshot(Box::new(Snapshot { yes: side(yes_bids)?, no: side(no_bids)? }))
        }
        SessionBody::Delta { side, price: cents, new_size } => {
            let price = price(*cents)?;
            let change = qty(*new_size) - book.bids(*side).size(price);
            Body::Delta(Delta { side: *side, price, qty: change })
        }
    };
    Ok(Event {
        row_id,
        recv: TsNs(0),
        ts: Some(TsUs::from_ms(event.ts_ms)),
        market: MarketId(0),
        sid: 1,
        seq: event.seq.max(0) as u64,
        body,
    })
}

fn full_row(row: &Row<'_>) -> (i64, Vec<f32>) {
    let layout = Layout::KalshiFlow52V2;
    let mut values = row.market.to_vec();
    values.resize(layout.len(), 0.0);
    let account = AccountView {
        t_ms: row.ts_ms,
        bid: row.bid(),
        ask: row.ask(),
        mid2: row.mid2.into(),
        ..AccountView::flat(100_000_000)
    };
    write_account(layout, &account, &mut values[layout.market_len()..]);
    (row.ts_ms, values)
}
