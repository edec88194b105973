//! What may be said about a policy, and what must be said with it.

use crate::agent::score::Row;
use crate::agent::tries::{DEFLATED_MIN, Deflated};
use crate::broker::matching::Bound;
use serde::Serialize;
use std::fmt::Write as _;

/// Fewer held-out markets than this give no verdict.
pub const VERDICT_MIN: usize = 20;
/// A share of one action above this is a collapse, in training unless told otherwise and in evaluation. The
/// collapse that a million steps went by with was one of 95.87 %; policies that have learned something while they
/// still try everything stay below 0.8.
pub const COLLAPSE_SHARE: f64 = 0.9;
/// One market with a larger share of the profit than this is pointed at.
const CONCENTRATED: f64 = 0.3;

/// What may be said about the evaluated policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The interval's lower end is above 0.
    #[serde(rename = "beats holding")]
    BeatsHolding,
    /// The interval's upper end is below 0.
    #[serde(rename = "loses")]
    Loses,
    /// The interval holds 0.
    #[serde(rename = "no evidence")]
    NoEvidence,
    /// Too little was held out to say anything.
    #[serde(rename = "no verdict")]
    NoVerdict,
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::BeatsHolding => "beats holding",
            Verdict::Loses => "loses",
            Verdict::NoEvidence => "no evidence",
            Verdict::NoVerdict => "no verdict",
        }
    }
}

/// A verdict and its reason in a sentence.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

impl Finding {
    /// What the held-out `row` of `seeds` models allows to say; `counts` is the queue whose fills are its return.
    pub(super) fn of(row: Option<&Row>, counts: Bound, seeds: usize) -> Finding {
        let n = row.map_or(0, |r| r.markets);
        if n >= VERDICT_MIN && row.is_some_and(|r| r.pessimistic_ci95.is_none()) {
            let reason = "all held-out markets belong to one event: no interval can be drawn";
            return Finding { verdict: Verdict::NoVerdict, reason: reason.to_owned() };
        }
        let Some((row, [low, high])) =
            row.filter(|_| n >= VERDICT_MIN).and_then(|r| Some((r, r.pessimistic_ci95?)))
        else {
            let reason = format!("{n} held-out markets are too few: {VERDICT_MIN} are needed");
            return Finding { verdict: Verdict::NoVerdict, reason };
        };
        let verdict = match () {
            () if low > 0.0 => Verdict::BeatsHolding,
            () if high < 0.0 => Verdict::Loses,
            () => Verdict::NoEvidence,
        };
        let mut reason = format!(
            "mean return per market {:+.2} %, 95 % interval {:+.2} % to {:+.2} %, {n} held-out markets",
            100.0 * row.bracket[0],
            100.0 * low,
            100.0 * high,
        );
        if seeds > 1 {
            let _ = write!(reason, ", {seeds} seeds");
        }
        if counts != Bound::Pessimistic {
            reason.push_str(", pessimistic fills");
        }
        Finding { verdict, reason }
    }

    /// Takes into account that the policy was chosen among `tries`: a gain is believed only where its
    /// deflated Sharpe ratio allows it.
    pub(super) fn deflate(&mut self, tries: usize, found: Option<Deflated>) {
        if self.verdict == Verdict::NoVerdict {
            return;
        }
        let deflated = found.map_or(0.0, |f| f.deflated);
        let _ =
            write!(self.reason, "; after {tries} tries the deflated Sharpe ratio is {deflated:.2}");
        if deflated < DEFLATED_MIN && self.verdict == Verdict::BeatsHolding {
            let _ = write!(self.reason, ", {DEFLATED_MIN} would be evidence");
            self.verdict = Verdict::NoEvidence;
        }
    }
}

/// What a reader should know before believing the row.
pub(super) fn warnings(row: &Row) -> Vec<String> {
    let mut all = Vec::new();
    if let (Some(share), Some(market)) = (row.best_market_share, &row.best_market)
        && share > CONCENTRATED
    {
        all.push(format!("one market carries {:.0} % of the profit: {market}", 100.0 * share));
    }
    let [worst, _, best] = row.bracket;
    if worst <= 0.0 && best > 0.0 {
        all.push(
            "the sign of the result hangs on the queue: a gain in the optimistic one only"
                .to_owned(),
        );
    }
    if row.unsettled > 0 {
        let n = row.unsettled;
        all.push(format!("the outcome of {n} markets is not recorded: marked at the last touch"));
    }
    if row.trades == 0 {
        all.push("the policy never traded".to_owned());
    }
    if let Some(share) = row.actions.iter().copied().find(|s| *s > COLLAPSE_SHARE && row.trades > 0)
    {
        all.push(format!("{:.0} % of all decisions chose the same action", 100.0 * share));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::score::{Fills, MarketResult, Part, row};
    use crate::units::Money;

    /// Thirty markets with these returns, in the queue that counts and in the pessimistic one.
    fn held_out(ret: f64, pessimistic: f64) -> Row {
        let result = |i: usize| MarketResult {
            ticker: format!("M{i}"),
            event_ticker: format!("E{i}"),
            settled_ms: i as i64,
            ret,
            bracket: [pessimistic, ret, ret],
            trades: 1,
            fills: Fills::default(),
        };
        Row {
            markets: 30,
            results: (0..30).map(result).collect(),
            bracket: [pessimistic, ret, ret],
            ci95: Some([ret - 0.01, ret + 0.01]),
            pessimistic_ci95: Some([pessimistic - 0.01, pessimistic + 0.01]),
            trades: 30,
            ..row("p", Part::Test, Vec::new(), Money::dollars(100), 1)
        }
    }

    #[test]
    fn pessimistic_fills_decide_whichever_count() {
        let check = |pessimistic, want| {
            let found = Finding::of(Some(&held_out(0.2, pessimistic)), Bound::Optimistic, 1);
            assert_eq!(found.verdict, want, "{}", found.reason);
            assert!(found.reason.ends_with("pessimistic fills"));
        };
        check(0.1, Verdict::BeatsHolding);
        check(0.0, Verdict::NoEvidence);
        check(-0.1, Verdict::Loses);
        let split = warnings(&held_out(0.2, -0.1));
        assert!(split.iter().any(|w| w.contains("hangs on the queue")), "{split:?}");
    }

    #[test]
    fn tries_take_a_gain_away_and_nothing_else() {
        let weak = Some(Deflated {
            tries: 9,
            results: 30,
            sharpe: 0.1,
            expected_best: 0.3,
            deflated: 0.2,
            overfitting: None,
        });
        for (pessimistic, want) in [(0.1, Verdict::NoEvidence), (-0.1, Verdict::Loses)] {
            let mut found = Finding::of(Some(&held_out(0.2, pessimistic)), Bound::Pessimistic, 1);
            found.deflate(9, weak);
            assert_eq!(found.verdict, want);
            assert!(found.reason.contains("after 9 tries the deflated Sharpe ratio is 0.20"));
        }
        let mut nothing = Finding::of(None, Bound::Pessimistic, 1);
        nothing.deflate(9, None);
        assert_eq!(nothing.verdict, Verdict::NoVerdict);
    }

    #[test]
    fn a_market_that_carries_the_profit_is_named() {
        let carried = Row {
            best_market_share: Some(0.45),
            best_market: Some("KXBIG-1".into()),
            ..held_out(0.2, 0.1)
        };
        assert_eq!(warnings(&carried), ["one market carries 45 % of the profit: KXBIG-1"]);
        let spread = Row { best_market_share: Some(0.3), ..carried };
        assert!(warnings(&spread).is_empty());
        let collapsed = Row { actions: vec![0.06, 0.94], ..spread };
        assert_eq!(warnings(&collapsed), ["94 % of all decisions chose the same action"]);
    }
}
