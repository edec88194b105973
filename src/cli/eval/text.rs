//! An evaluation as a person reads it in a terminal.

use crate::agent::insight::Importance;
use crate::agent::judge::Evaluation;
use crate::agent::score::{Part, Row};
use crate::cli::printer;

/// A table for each of `parts`, the verdict and its reservations.
pub(crate) fn text(evaluation: &Evaluation, parts: &[Part]) -> String {
    let result = &evaluation.result;
    let mut text = String::new();
    for part in parts {
        let rows: Vec<Vec<String>> =
            result.policies.iter().filter(|r| r.split == *part).map(row).collect();
        if !rows.is_empty() {
            text.push_str(&format!(
                "{}\n{}\n\n",
                title(*part, result.held_out),
                printer::table(&HEAD, &rows)
            ));
        }
    }
    let (name, verdict) = (&result.evaluated, result.verdict.words());
    text.push_str(&format!("{name}: {verdict} ({})", result.reason));
    if let Some(execution) = result.judged().and_then(Row::execution) {
        text.push_str(&format!("\nfills: {execution}"));
    }
    if let Some(calibration) = &evaluation.insight.calibration {
        text.push_str(&format!("\ncalibration: {}", calibration.sentence()));
    }
    for seed in &result.seeds {
        text.push_str(&format!("\nseed {}: {}", seed.name, outcome(seed)));
    }
    if let Some(comparison) = &evaluation.insight.comparison {
        text.push_str(&format!("\n{}", comparison.sentence()));
    }
    text.push_str(&importance(&evaluation.insight.importance));
    for warning in &result.warnings {
        text.push_str(&format!("\nnote: {warning}"));
    }
    if let Some(source) = evaluation.synthetic() {
        text.push_str(&format!(
            "\nnote: synthetic data ({source}): no evidence about real markets"
        ));
    }
    text
}

/// Columns that are named when asked for importance.
const SHOWN: usize = 10;

/// The columns that the result owes most to; empty unless they were looked at.
fn importance(columns: &[Importance]) -> String {
    let row = |c: &Importance| {
        let interval =
            c.ci95.map_or("-".to_owned(), |[l, h]| format!("{} .. {}", percent(l), percent(h)));
        vec![c.column.to_owned(), percent(c.drop), interval, format!("{:.0} %", 100.0 * c.changed)]
    };
    let rows: Vec<Vec<String>> = columns.iter().take(SHOWN).map(row).collect();
    let head = ["column", "return lost", "95 % interval", "decisions changed"];
    if rows.is_empty() { String::new() } else { format!("\n{}", printer::table(&head, &rows)) }
}

/// Return and interval of a seed.
fn outcome(row: &Row) -> String {
    let interval =
        row.ci95.map(|[l, h]| format!(", 95 % interval {} to {}", percent(l), percent(h)));
    format!("{}{}", percent(row.mean_return), interval.unwrap_or_default())
}

fn percent(v: f64) -> String {
    format!("{:+.2} %", 100.0 * v)
}

const HEAD: [&str; 10] = [
    "policy",
    "markets",
    "equity",
    "return",
    "95 % interval",
    "fees",
    "trades",
    "drawdown",
    "Sharpe",
    "win rate",
];

fn title(part: Part, held_out: bool) -> &'static str {
    match part {
        Part::Test if held_out => "held-out markets",
        Part::Test => "markets of unknown standing: the model may have learned from them",
        Part::Validation => "validation markets",
        Part::Train => "in-sample markets: what the model learned from, no evidence of anything",
    }
}

fn row(row: &Row) -> Vec<String> {
    let or_dash = |v: Option<String>| v.unwrap_or_else(|| "-".to_owned());
    vec![
        row.name.clone(),
        row.markets.to_string(),
        format!("{:.2}", row.equity),
        percent(row.mean_return),
        or_dash(row.ci95.map(|[l, h]| format!("{} .. {}", percent(l), percent(h)))),
        format!("{:.2}", row.fees),
        row.trades.to_string(),
        format!("{:.2}", row.max_drawdown),
        or_dash(row.sharpe.map(|s| format!("{s:.2}"))),
        or_dash(row.win_rate.map(|w| format!("{:.0} %", 100.0 * w))),
    ]
}
