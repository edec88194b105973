//! `kflow conformance ledger`: accounting scripts through the real portfolio, step by step, beside the
//! second bookkeeping of [`PairAccount`].

mod accounts;

use super::cases::{self, money, price, qty, rate, unit};
use super::pairs::PairAccount;
use super::{CheckError, Outcome};
use crate::broker::{FeeSchedule, Intent, OrderFees, Portfolio, Role};
use crate::units::{Money, Price, Qty};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Case {
    id: u64,
    start_cash_e6: Start,
    precision_e6: i64,
    steps: Vec<Step>,
    total_reward_e6: Option<i64>,
    final_equity_e6: Option<i64>,
}

/// One account, or several that trade with each other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Start {
    One(i64),
    Many(Vec<i64>),
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    op: Op,
    expect: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Op {
    Quote { yes_bid_e4: Option<i64>, yes_ask_e4: Option<i64> },
    Fill(Fill),
    Settle { value_e4: i64 },
    Trade(accounts::Trade),
}

#[derive(Deserialize)]
struct Fill {
    side: String,
    price_e4: i64,
    qty_e2: i64,
    order: String,
    k_e4: i64,
    mult_e4: i64,
    fee_e6: Option<i64>,
}

/// Compares every case of `path`; one line is one case.
///
/// # Errors
/// When the file cannot be read or a line is not a ledger case.
pub fn run(path: &Path) -> Result<Outcome, CheckError> {
    let mut outcome = Outcome::new("ledger");
    for case in cases::read::<Case>(path)? {
        let result = match &case.start_cash_e6 {
            Start::One(start_e6) => one_account(&case, *start_e6),
            Start::Many(starts_e6) => accounts::check(&case, starts_e6),
        };
        outcome.case(result.map_err(|why| format!("case {}: {why}", case.id)));
    }
    Ok(outcome)
}

/// One account under test, with its shadow.
#[derive(Clone)]
struct Account {
    book: Portfolio,
    shadow: PairAccount,
}

impl Account {
    fn open(start_e6: i64) -> Result<Account, String> {
        let start = money(start_e6)?;
        Ok(Account { book: Portfolio::new(start), shadow: PairAccount::new(start) })
    }

    /// Books a fill; false, and nothing changed, when the cash does not suffice.
    fn fill(&mut self, intent: Intent, price: Price, qty: Qty, fee: Money) -> bool {
        let accepted = self.book.fill(intent, price, qty, fee).is_ok();
        if accepted {
            self.shadow.fill(intent, price, qty, fee);
        }
        accepted
    }

    fn settle(&mut self, value: Price) {
        self.book.settle(value);
        self.shadow.settle(value);
    }

    /// What holds after every step.
    fn sound(&self) -> Result<(), String> {
        if let Some(broken) = self.book.broken_invariant() {
            return Err(broken.into());
        }
        if (self.book.cash(), self.book.position()) != (self.shadow.cash, self.shadow.position()) {
            return Err(format!("two piles give {:?}, got {:?}", self.shadow, self.book));
        }
        Ok(())
    }
}

/// A script of one account in one market.
struct Script<'a> {
    case: &'a Case,
    account: Account,
    orders: BTreeMap<&'a str, OrderFees>,
    yes_bid: Option<Price>,
    no_bid: Option<Price>,
    equity: Money,
}

fn one_account(case: &Case, start_e6: i64) -> Result<(), String> {
    let account = Account::open(start_e6)?;
    let equity = account.book.cash();
    let (orders, yes_bid, no_bid) = (BTreeMap::new(), None, None);
    let mut script = Script { case, account, orders, yes_bid, no_bid, equity };
    for (i, step) in case.steps.iter().enumerate() {
        script.step(step).map_err(|why| format!("step {i}: {why}"))?;
    }
    // L5: rewards telescope, so their sum is the change of equity.
    equal("total_reward_e6", script.equity.e6() - start_e6, case.total_reward_e6)?;
    equal("final_equity_e6", script.equity.e6(), case.final_equity_e6)
}

impl<'a> Script<'a> {
    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        let mut accepted = None;
        match &step.op {
            Op::Quote { yes_bid_e4, yes_ask_e4 } => {
                self.yes_bid = yes_bid_e4.map(price).transpose()?;
                self.no_bid = yes_ask_e4.map(price).transpose()?.map(Price::complement);
            }
            Op::Fill(fill) => accepted = Some(self.fill(fill)?),
            Op::Settle { value_e4 } => self.account.settle(price(*value_e4)?),
            Op::Trade(_) => return Err("a trade needs several accounts".into()),
        }
        self.account.sound()?;
        let before = self.equity;
        let book = &self.account.book;
        self.equity = book.equity(self.yes_bid, self.no_bid);
        let got = json!({
            "cash_e6": book.cash().e6(), "position_e2": book.position().e2(),
            "basis_e6": book.basis().e6(), "avg_cost_e6": book.avg_cost().map(Money::e6),
            "realized_e6": book.realized().e6(), "fees_e6": book.fees().e6(),
            "mark_e6": book.mark(self.yes_bid, self.no_bid).e6(), "equity_e6": self.equity.e6(),
            "reward_e6": (self.equity - before).e6(), "accepted": accepted,
        });
        agree(&got, &step.expect)
    }

    fn fill(&mut self, fill: &'a Fill) -> Result<bool, String> {
        let schedule = FeeSchedule {
            taker_k_e4: rate(fill.k_e4)?,
            mult_e4: rate(fill.mult_e4)?,
            precision_e6: unit(self.case.precision_e6)?,
            ..FeeSchedule::default()
        };
        let (intent, price, qty) =
            (cases::intent(&fill.side)?, price(fill.price_e4)?, qty(fill.qty_e2)?);
        let mut order = self.orders.get(&*fill.order).copied().unwrap_or_default();
        let fee = order.fill(&schedule, Role::Taker, intent, price, qty).net;
        let accepted = self.account.fill(intent, price, qty, fee);
        if accepted {
            self.orders.insert(&fill.order, order);
            equal("fee_e6", fee.e6(), fill.fee_e6)?;
        }
        Ok(accepted)
    }
}

/// Every expected key has the expected value.
fn agree(got: &Value, expect: &Map<String, Value>) -> Result<(), String> {
    for (key, want) in expect {
        let got = got.get(key).ok_or_else(|| format!("unknown expectation {key}"))?;
        if got != want {
            return Err(format!("{key}: got {got}, want {want}"));
        }
    }
    Ok(())
}

fn equal(what: &str, got: i64, want: Option<i64>) -> Result<(), String> {
    match want {
        Some(want) if want != got => Err(format!("{what}: got {got}, want {want}")),
        _ => Ok(()),
    }
}
