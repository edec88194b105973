//! The page of an evaluation.

use super::charts::{self, dollars, percent};
use super::{Origin, escape};
use crate::agent::eval::{EvalResult, Verdict};
use crate::agent::score::{Part, Row};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// Columns of the tables: title and meaning.
const COLUMNS: [(&str, &str); 12] = [
    ("policy", "who traded"),
    ("markets", "each traded once, from the start cash to settlement"),
    ("equity", "start cash plus the results of all markets"),
    ("return", "mean over markets of result / start cash"),
    ("95 % interval", "bootstrap of the mean return, 10 000 resamples, events drawn whole"),
    ("fees", "fees paid, already in equity"),
    ("trades", "orders filled"),
    ("turnover", "notional / start cash"),
    ("drawdown", "largest fall of chained equity, decision by decision"),
    ("Sharpe", "mean / standard deviation of the markets' returns, not annualised"),
    ("win rate", "share of traded markets with a profit"),
    ("hold", "share of decisions that did nothing"),
];

/// An evaluation as one self-contained HTML page.
pub fn evaluation(result: &EvalResult, origin: &Origin) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Evaluation of {run}</title><style>{STYLE}</style></head><body><main>\
         <h1>Evaluation of {run}</h1>",
        run = escape(&origin.run),
    );
    if let Some(source) = &origin.synthetic {
        let _ = write!(
            page,
            "<p class=\"synthetic\">Synthetic data (<code>{}</code>): made by the program, not \
             recorded from an exchange. Nothing here says anything about real markets.</p>",
            escape(source),
        );
    }
    verdict(&mut page, result);
    page.push_str("<h2>Held-out markets</h2>");
    table(&mut page, result, &charts::held_out(result));
    executions(&mut page, &charts::held_out(result));
    figure(&mut page, "Equity", &charts::equity(result), &policy_legend(result));
    let caption = "Each pale dot is one market; the large dot is the mean, the bar its interval.";
    figure(&mut page, "Returns per market", &charts::returns(result), caption);
    figure(&mut page, "Actions", &charts::actions(result), &action_legend(result));
    for (part, title) in [
        (Part::Validation, "Validation markets (what models may be chosen by)"),
        (Part::Train, "In-sample markets (what the model learned from; no evidence of anything)"),
    ] {
        let rows: Vec<&Row> = result.policies.iter().filter(|r| r.split == part).collect();
        if !rows.is_empty() {
            let _ = write!(page, "<details><summary>{title}</summary>");
            table(&mut page, result, &rows);
            page.push_str("</details>");
        }
    }
    meaning(&mut page, result, origin);
    page.push_str("</main></body></html>\n");
    page
}

fn verdict(page: &mut String, result: &EvalResult) {
    let (sign, class) = match result.verdict {
        Verdict::BeatsHolding => ("▲", "good"),
        Verdict::Loses => ("▼", "bad"),
        Verdict::NoEvidence | Verdict::NoVerdict => ("●", "open"),
    };
    let _ = write!(
        page,
        "<section class=\"verdict {class}\"><strong>{sign} {}: {}</strong><br>{}.</section>",
        escape(&result.evaluated),
        result.verdict.words(),
        escape(&result.reason),
    );
    for warning in &result.warnings {
        let _ = write!(page, "<p class=\"warning\">Note: {}.</p>", escape(warning));
    }
}

fn table(page: &mut String, result: &EvalResult, rows: &[&Row]) {
    page.push_str("<div class=\"wide\"><table><thead><tr>");
    for (title, meaning) in COLUMNS {
        let _ = write!(page, "<th title=\"{}\">{title}</th>", escape(meaning));
    }
    page.push_str("</tr></thead><tbody>");
    for row in rows {
        let class = if row.name == result.evaluated { " class=\"judged\"" } else { "" };
        let _ = write!(page, "<tr{class}>");
        for cell in cells(row) {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div>");
}

/// How the orders of each policy filled.
fn executions(page: &mut String, rows: &[&Row]) {
    page.push_str("<details><summary>How orders filled</summary>");
    for (row, execution) in rows.iter().filter_map(|row| Some((row, row.execution()?))) {
        let _ = write!(page, "<p><b>{}</b>: {}.</p>", escape(&row.name), escape(&execution));
    }
    page.push_str("</details>");
}

/// One row of a table, in the order of [`COLUMNS`].
fn cells(row: &Row) -> [String; 12] {
    let or_dash = |v: Option<String>| v.unwrap_or_else(|| "–".into());
    let signed = |v: f64| format!("{:+.2} %", 100.0 * v);
    [
        row.name.clone(),
        row.markets.to_string(),
        dollars(row.equity, 2),
        signed(row.mean_return),
        or_dash(row.ci95.map(|[l, h]| format!("{} to {}", signed(l), signed(h)))),
        dollars(row.fees, 2),
        row.trades.to_string(),
        format!("{:.1}", row.turnover),
        dollars(row.max_drawdown, 2),
        or_dash(row.sharpe.map(|s| format!("{s:.2}"))),
        or_dash(row.win_rate.map(percent)),
        percent(row.actions.first().copied().unwrap_or(0.0)),
    ]
}

fn figure(page: &mut String, title: &str, svg: &str, caption: &str) {
    let _ =
        write!(page, "<figure><h2>{title}</h2>{svg}<figcaption>{caption}</figcaption></figure>");
}

fn policy_legend(result: &EvalResult) -> String {
    let rows = charts::held_out(result);
    let item = |(i, row): (usize, &&Row)| {
        let class = charts::class(result, i, row);
        format!("<span class=\"key\"><i class=\"{class}\"></i>{}</span>", escape(&row.name))
    };
    rows.iter().enumerate().map(item).collect()
}

fn action_legend(result: &EvalResult) -> String {
    let item = |(i, name): (usize, &String)| {
        format!("<span class=\"key\"><i class=\"a{}\"></i>{}</span>", i % 6, escape(name))
    };
    result.action_names.iter().enumerate().map(item).collect()
}

fn meaning(page: &mut String, result: &EvalResult, origin: &Origin) {
    page.push_str("<h2>How to read this</h2><dl>");
    for (title, meaning) in COLUMNS {
        let _ = write!(page, "<dt>{title}</dt><dd>{meaning}</dd>");
    }
    let _ = write!(
        page,
        "<dt>verdict</dt><dd>\"beats holding\" when the lower end of the interval is above 0, \
         \"loses\" when the upper end is below 0, else \"no evidence\"; fewer than {} held-out \
         markets give no verdict</dd></dl><h2>Where it comes from</h2><dl>",
        crate::agent::eval::VERDICT_MIN,
    );
    let own = [
        ("protocol".to_owned(), protocol(result)),
        ("start cash".to_owned(), format!("{} in each market", dollars(result.start_cash, 2))),
        ("seed".to_owned(), result.seed.to_string()),
    ];
    for (name, value) in origin.facts.iter().chain(&own) {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    page.push_str("</dl>");
}

fn protocol(result: &EvalResult) -> String {
    use crate::agent::split::Protocol;
    let how = match result.protocol {
        Protocol::Chronological => "split by settlement time, 60/20/20",
        Protocol::FiveBlocks => "five contiguous blocks, each held out once from its own model",
        Protocol::Unseen => "trained on other data; all markets that the model never saw",
    };
    format!("{how}; {} markets near a border used for nothing", result.embargoed)
}
