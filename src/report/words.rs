//! A result in one paragraph, for whoever reads nothing else.

use super::charts::{dollars, percent};
use crate::agent::eval::{EvalResult, Verdict};
use crate::agent::insight::Insight;
use crate::agent::score::{Part, Row};
use crate::agent::tries::Deflated;

/// What was found, how sure it is, and what speaks against it. No sentence praises.
pub fn paragraph(result: &EvalResult, insight: &Insight) -> String {
    let Some(row) = result.judged() else {
        return "No market was held out, so nothing can be said about the policy.".to_owned();
    };
    let sentences = [
        Some(outcome(result, row)),
        Some(certainty(result)),
        result.tries.as_ref().map(tries),
        baseline(result, row),
        bracket(row),
        concentration(row),
        insight.calibration.as_ref().map(|c| format!("{}.", c.sentence())),
    ];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn outcome(result: &EvalResult, row: &Row) -> String {
    let who = match result.seeds.len() {
        0 => format!("The policy {}", result.evaluated),
        n => format!("The policy {}, trained from {n} seeds,", result.evaluated),
    };
    let standing = if result.held_out { "had not seen" } else { "may have learned from" };
    if row.trades == 0 {
        return format!("{who} never traded in {} markets that it {standing}.", row.markets);
    }
    let verb = if row.mean_return < 0.0 { "lost" } else { "earned" };
    format!(
        "{who} {verb} {} of its stake per market, {} in all, on {} markets that it {standing}, after {} of fees for \
         {} filled orders; on the way it was down by {} at worst.",
        percent(row.mean_return.abs()),
        dollars(row.equity - result.start_cash, 2),
        row.markets,
        dollars(row.fees, 2),
        row.trades,
        dollars(row.max_drawdown, 2),
    )
}

fn certainty(result: &EvalResult) -> String {
    match result.verdict {
        Verdict::BeatsHolding => {
            "That is more than chance explains: it beats holding, under pessimistic fills."
                .to_owned()
        }
        Verdict::Loses => "That is less than chance explains: it loses money.".to_owned(),
        Verdict::NoEvidence => "Chance explains that: there is no evidence of an edge.".to_owned(),
        Verdict::NoVerdict => format!("No verdict can be given: {}.", result.reason),
    }
}

/// How often was tried, and what that explains.
fn tries(found: &Deflated) -> String {
    let mut text = format!(
        "It is the best of {} tries; the best of so many worthless ones is expected to show a Sharpe ratio of {:.2} per \
         event, this one shows {:.2}.",
        found.tries, found.expected_best, found.sharpe
    );
    if let Some(share) = found.overfitting {
        text.push_str(&format!(
            " Of all ways to halve the results that it was chosen by, in {} the best try of one half was below the median \
             on the other.",
            percent(share)
        ));
    }
    text
}

/// The best of the policies that did not learn.
fn baseline(result: &EvalResult, row: &Row) -> Option<String> {
    let others = result.policies.iter().filter(|r| r.split == Part::Test && r.name != row.name);
    let best = others.max_by(|a, b| a.mean_return.total_cmp(&b.mean_return))?;
    let than = if best.mean_return < row.mean_return { "less" } else { "not less" };
    Some(format!("The best baseline, {}, made {}, {than}.", best.name, percent(best.mean_return)))
}

fn bracket(row: &Row) -> Option<String> {
    let [worst, _, best] = row.bracket;
    (worst != best).then(|| {
        format!(
            "How its quotes filled is not known exactly: the return lies between {} and {}.",
            percent(worst),
            percent(best)
        )
    })
}

fn concentration(row: &Row) -> Option<String> {
    let (share, market) = (row.best_market_share?, row.best_market.as_ref()?);
    let much = if share > 0.3 { ": the result hangs on it" } else { "" };
    Some(format!("Its best market, {market}, carries {} of the profit{much}.", percent(share)))
}
