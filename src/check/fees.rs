//! `kflow conformance fees`: every fill of every order, part by part.

use super::cases::{self, money, price, qty, rate, unit};
use super::{CheckError, Outcome};
use crate::broker::fees::Rebate;
use crate::broker::{FeeSchedule, OrderFees, Role};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Case {
    id: u64,
    rule: Rule,
    fills: Vec<Fill>,
    total: Parts,
}

#[derive(Deserialize)]
struct Rule {
    trade_fee_ceil_e6: i64,
    precision_e6: i64,
    rebate: Rebate,
}

#[derive(Deserialize)]
struct Fill {
    price_e4: i64,
    qty_e2: i64,
    side: String,
    k_e4: i64,
    mult_e4: i64,
    given_trade_fee_e6: Option<i64>,
    expect: Parts,
}

/// The parts of one fill, or of a whole order, whose revenue the file leaves out.
#[derive(Deserialize, Debug, Default, PartialEq)]
struct Parts {
    revenue_e6: Option<i64>,
    trade_fee_e6: i64,
    rounding_e6: i64,
    rebate_e6: i64,
    net_fee_e6: i64,
    accumulator_e6: i64,
    balance_change_e6: i64,
}

/// Compares every case of `path`; one line is one case.
///
/// # Errors
/// When the file cannot be read or a line is not a fee case.
pub fn run(path: &Path) -> Result<Outcome, CheckError> {
    let mut outcome = Outcome::new("fees");
    for case in cases::read::<Case>(path)? {
        outcome.case(check(&case).map_err(|why| format!("case {}: {why}", case.id)));
    }
    Ok(outcome)
}

fn check(case: &Case) -> Result<(), String> {
    let mut order = OrderFees::default();
    let mut total = Parts::default();
    for (i, fill) in case.fills.iter().enumerate() {
        let got = fill_parts(&mut order, &case.rule, fill).map_err(|e| format!("fill {i}: {e}"))?;
        if got != fill.expect {
            return Err(format!("fill {i}: got {got:?}, want {:?}", fill.expect));
        }
        total.trade_fee_e6 += got.trade_fee_e6;
        total.rounding_e6 += got.rounding_e6;
        total.rebate_e6 += got.rebate_e6;
        total.net_fee_e6 += got.net_fee_e6;
        total.balance_change_e6 += got.balance_change_e6;
        total.accumulator_e6 = got.accumulator_e6;
    }
    total.revenue_e6 = case.total.revenue_e6.map(|_| total.balance_change_e6 + total.net_fee_e6);
    if total == case.total {
        Ok(())
    } else {
        Err(format!("total: got {total:?}, want {:?}", case.total))
    }
}

fn fill_parts(order: &mut OrderFees, rule: &Rule, fill: &Fill) -> Result<Parts, String> {
    let (yes_price, qty) = (price(fill.price_e4)?, qty(fill.qty_e2)?);
    let schedule = FeeSchedule {
        taker_k_e4: rate(fill.k_e4)?,
        mult_e4: rate(fill.mult_e4)?,
        precision_e6: unit(rule.precision_e6)?,
        ceil_e6: unit(rule.trade_fee_ceil_e6)?,
        rebate: rule.rebate,
        ..FeeSchedule::default()
    };
    let value = yes_price.times(qty);
    let revenue = if cases::intent(&fill.side)?.adds_yes() { -value } else { value };
    let trade = match fill.given_trade_fee_e6 {
        Some(given_e6) => money(given_e6)?,
        None => schedule.trade_fee(Role::Taker, yes_price, qty),
    };
    let fee = order.charge(&schedule, revenue, trade);
    Ok(Parts {
        revenue_e6: fill.expect.revenue_e6.map(|_| revenue.e6()),
        trade_fee_e6: fee.trade.e6(),
        rounding_e6: fee.rounding.e6(),
        rebate_e6: fee.rebate.e6(),
        net_fee_e6: fee.net.e6(),
        accumulator_e6: order.accumulator().e6(),
        balance_change_e6: (revenue - fee.net).e6(),
    })
}
