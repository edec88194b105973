//! Several accounts that trade with each other: nothing enters or leaves (L10).

use super::{Account, Case, Op, agree};
use crate::broker::{FeeSchedule, Intent, OrderFees, Portfolio, Role};
use crate::check::cases::{intent, money, price, qty, unit};
use crate::units::{Money, Price, Qty};
use serde::Deserialize;
use serde_json::json;

/// Two accounts trade YES; only the taker pays a fee.
#[derive(Deserialize)]
pub(super) struct Trade {
    buyer: usize,
    seller: usize,
    yes_price_e4: i64,
    qty_e2: i64,
    taker: Party,
    accepted: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Party {
    Buyer,
    Seller,
}

pub(super) fn check(case: &Case, starts_e6: &[i64]) -> Result<(), String> {
    let mut accounts =
        starts_e6.iter().map(|start| Account::open(*start)).collect::<Result<Vec<_>, _>>()?;
    for (i, step) in case.steps.iter().enumerate() {
        let at = |why: String| format!("step {i}: {why}");
        match &step.op {
            Op::Trade(trade) => {
                let accepted = trade.book(case, &mut accounts).map_err(at)?;
                if accepted != trade.accepted {
                    return Err(at(format!("accepted: got {accepted}, want {}", trade.accepted)));
                }
            }
            Op::Settle { value_e4 } => {
                let value = price(*value_e4).map_err(at)?;
                accounts.iter_mut().for_each(|account| account.settle(value));
            }
            Op::Quote { .. } | Op::Fill(_) => {
                return Err(at("several accounts only trade with each other".into()));
            }
        }
        accounts.iter().try_for_each(Account::sound).map_err(at)?;
        let escrow = conserved(&accounts, starts_e6).map_err(at)?;
        let each = |f: fn(&Portfolio) -> i64| -> Vec<i64> {
            accounts.iter().map(|account| f(&account.book)).collect()
        };
        let got = json!({
            "cash_e6": each(|b| b.cash().e6()), "position_e2": each(|b| b.position().e2()),
            "fees_e6": each(|b| b.fees().e6()), "realized_e6": each(|b| b.realized().e6()),
            "escrow_e6": escrow.e6(),
        });
        agree(&got, &step.expect).map_err(at)?;
    }
    Ok(())
}

impl Trade {
    /// Books the trade for both accounts or for neither. Each trade is a new order on both sides.
    fn book(&self, case: &Case, accounts: &mut [Account]) -> Result<bool, String> {
        let (price, qty) = (price(self.yes_price_e4)?, qty(self.qty_e2)?);
        if self.buyer == self.seller {
            return Err("an account cannot trade with itself".into());
        }
        let both = accounts.get(self.buyer).zip(accounts.get(self.seller));
        let (buyer, seller) = both.ok_or("no such account")?;
        let (mut buyer, mut seller) = (buyer.clone(), seller.clone());
        let precision_e6 = unit(case.precision_e6)?;
        let fill = |account: &mut Account, name: &str, party: Party| {
            let intent = intent(name)?;
            let fee = match self.taker == party {
                true => taker_fee(precision_e6, intent, price, qty),
                false => Money::ZERO,
            };
            Ok::<bool, String>(account.fill(intent, price, qty, fee))
        };
        let accepted = fill(&mut buyer, "buy_yes", Party::Buyer)?
            && fill(&mut seller, "sell_yes", Party::Seller)?;
        if accepted {
            accounts[self.buyer] = buyer;
            accounts[self.seller] = seller;
        }
        Ok(accepted)
    }
}

fn taker_fee(precision_e6: i64, intent: Intent, price: Price, qty: Qty) -> Money {
    let schedule = FeeSchedule { precision_e6, ..FeeSchedule::default() };
    OrderFees::default().fill(&schedule, Role::Taker, intent, price, qty).net
}

/// The dollars that back the open contracts, after checking that nothing entered or left: positions
/// sum to zero, and cash, escrow and fees together are what there was at the start.
fn conserved(accounts: &[Account], starts_e6: &[i64]) -> Result<Money, String> {
    let sum = |f: fn(&Portfolio) -> i64| accounts.iter().map(|a| f(&a.book)).sum::<i64>();
    if sum(|b| b.position().e2()) != 0 {
        return Err("positions do not sum to zero".into());
    }
    let escrow = Price::ONE.times(Qty(sum(|b| b.position().e2().max(0))));
    let start_e6 = starts_e6.iter().sum::<i64>();
    if sum(|b| (b.cash() + b.fees()).e6()) + escrow.e6() != money(start_e6)?.e6() {
        return Err("cash, escrow and fees do not sum to the start".into());
    }
    Ok(escrow)
}
