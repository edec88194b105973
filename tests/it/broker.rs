//! The ledger and the fees against their oracles, and money over long random lives.

use kalshiflow::broker::{FeeSchedule, Intent, OrderFees, Portfolio, Role, Verb};
use kalshiflow::check::pairs::PairAccount;
use kalshiflow::check::{Outcome, fees, ledger};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Money, Price, Qty, Side};
use proptest::prelude::*;
use std::path::Path;

#[track_caller]
fn all_pass(outcome: &Outcome, at_least: u64) {
    assert_eq!((outcome.failed, &outcome.first_failure), (0, &None));
    assert_eq!(outcome.passed, outcome.cases);
    assert!(outcome.cases >= at_least, "only {} cases", outcome.cases);
}

#[test]
fn every_golden_fee_is_reproduced_part_by_part() {
    all_pass(&fees::run(Path::new("tests/golden/fees.jsonl")).expect("readable"), 696);
}

#[test]
fn every_golden_ledger_script_is_reproduced_step_by_step() {
    all_pass(&ledger::run(Path::new("tests/golden/ledger.jsonl")).expect("readable"), 216);
}

/// A check that cannot fail proves nothing: one wrong number must be named.
#[test]
fn one_wrong_number_in_a_golden_file_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let spoil = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(format!("tests/golden/{name}")).expect("readable");
        assert!(text.contains(from), "{name} holds {from}");
        let path = dir.path().join(name);
        std::fs::write(&path, text.replacen(from, to, 1)).expect("writable");
        path
    };
    let fee = fees::run(&spoil("fees.jsonl", "\"rebate_e6\": 100,", "\"rebate_e6\": 101,"));
    assert_eq!(fee.expect("readable").failed, 1);
    let cash =
        ledger::run(&spoil("ledger.jsonl", "\"cash_e6\": 94150400", "\"cash_e6\": 94150401"));
    let cash = cash.expect("readable");
    assert_eq!(cash.failed, 1);
    assert!(cash.first_failure.expect("said").contains("cash_e6"));
    let escrow = ledger::run(&spoil("ledger.jsonl", "\"escrow_e6\": 2780000", "\"escrow_e6\": 0"));
    assert_eq!(escrow.expect("readable").failed, 1);
}

#[test]
fn lines_that_are_no_case_are_errors_and_impossible_numbers_are_failures() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cases.jsonl");
    std::fs::write(&path, "{\"id\": 1}\n").expect("writable");
    assert!(fees::run(&path).is_err() && ledger::run(&path).is_err());
    assert!(fees::run(&dir.path().join("absent")).is_err());
    for (qty, side) in [(i64::MAX, "sell_yes"), (-5, "sell_yes"), (0, "sell_yes"), (5, "steal")] {
        let line = format!(
            r#"{{"id":1,"start_cash_e6":1,"precision_e6":100,"steps":[{{"op":"fill","side":"{side}",
            "price_e4":5000,"qty_e2":{qty},"order":"o","k_e4":700,"mult_e4":10000,"expect":{{}}}}]}}"#
        );
        std::fs::write(&path, line.replace('\n', " ")).expect("writable");
        assert_eq!(ledger::run(&path).expect("a form").failed, 1, "{qty} {side}");
    }
}

fn random_fill(rng: &mut Rng) -> (Intent, Price, Qty) {
    let intent = Intent::ALL[rng.below(4) as usize];
    let price = Price::new(1 + rng.below(9_999) as i64).expect("in range");
    (intent, price, Qty(1 + rng.below(3_000) as i64))
}

/// The predecessor's ledger created a dollar per contract sold from flat and destroyed one per
/// pair; no sequence of fills may do either here.
#[test]
fn money_is_conserved_over_a_million_random_fills() {
    let mut rng = Rng::stream(11, "ledger", 0);
    let schedule = FeeSchedule::default();
    let mut accepted = 0u32;
    for life in 0..1_000 {
        let start = Money::dollars(1 + rng.below(200) as i64);
        let (mut book, mut piles) = (Portfolio::new(start), PairAccount::new(start));
        for _ in 0..1_000 {
            let (intent, price, qty) = random_fill(&mut rng);
            let fee = OrderFees::default().fill(&schedule, Role::Taker, intent, price, qty).net;
            let before = book;
            match book.fill(intent, price, qty, fee) {
                Ok(()) => {
                    piles.fill(intent, price, qty, fee);
                    accepted += 1;
                }
                Err(refused) => {
                    assert_eq!(book, before, "a refused fill changes nothing");
                    assert!(refused.short > Money::ZERO);
                }
            }
            assert_eq!(book.broken_invariant(), None);
            assert_eq!((book.cash(), book.position()), (piles.cash, piles.position()));
        }
        book.settle(Price::new(life * 10).expect("in range"));
        assert_eq!(book.cash(), start + book.realized() - book.fees(), "L7");
        assert_eq!(book.broken_invariant(), None);
    }
    assert!(accepted > 100_000, "{accepted} fills were accepted");
}

proptest! {
    /// L3: selling what one does not own is buying the other side, number by number.
    #[test]
    fn selling_from_flat_is_buying_the_other_side(price in 0i64..=10_000, qty in 1i64..50_000, fee in 0i64..100_000, yes in any::<bool>()) {
        let side = if yes { Side::Yes } else { Side::No };
        let price = Price::new(price).expect("in range");
        let (mut sold, mut bought) = (Portfolio::new(Money::dollars(100)), Portfolio::new(Money::dollars(100)));
        let sell = Intent { side, verb: Verb::Sell };
        let buy = Intent { side: side.other(), verb: Verb::Buy };
        let results = (
            sold.fill(sell, price, Qty(qty), Money(fee)),
            bought.fill(buy, price.complement(), Qty(qty), Money(fee)),
        );
        prop_assert_eq!(results.0, results.1);
        prop_assert_eq!(sold, bought);
    }

    /// L4: in and out again costs the spread and the fees, whichever way out is taken.
    #[test]
    fn a_round_trip_costs_spread_and_fees(bid in 0i64..=10_000, spread in 0i64..500, qty in 1i64..5_000, fee in 0i64..100_000, other_side in any::<bool>()) {
        let ask = Price::new((bid + spread).min(10_000)).expect("in range");
        let bid = Price::new(bid).expect("in range");
        let mut book = Portfolio::new(Money::dollars(100));
        book.fill(Intent::ALL[0], ask, Qty(qty), Money(fee)).expect("affordable");
        let (out, price) = if other_side { (Intent::ALL[2], bid.complement()) } else { (Intent::ALL[1], bid) };
        book.fill(out, price, Qty(qty), Money(fee)).expect("affordable");
        prop_assert_eq!(book.position(), Qty::ZERO);
        let cost = ask.times(Qty(qty)) - bid.times(Qty(qty)) + Money(2 * fee);
        prop_assert_eq!(book.equity(None, None), Money::dollars(100) - cost);
    }

    /// L6: an empty side marks at zero, the irrelevant side does not matter.
    #[test]
    fn the_mark_reads_the_side_that_is_held(price in 1i64..10_000, qty in 1i64..5_000, bid in 0i64..=10_000, yes in any::<bool>()) {
        let side = if yes { Side::Yes } else { Side::No };
        let mut book = Portfolio::new(Money::dollars(100));
        let price = Price::new(price).expect("in range");
        book.fill(Intent { side, verb: Verb::Buy }, price, Qty(qty), Money::ZERO).expect("affordable");
        let bid = Price::new(bid).expect("in range");
        let at = |own, other| if yes { book.mark(own, other) } else { book.mark(other, own) };
        prop_assert_eq!(at(Some(bid), None), bid.times(Qty(qty)));
        prop_assert_eq!(at(Some(bid), Some(bid)), bid.times(Qty(qty)));
        prop_assert_eq!(at(None, Some(bid)), Money::ZERO);
    }
}
