//! The page of an evaluation.

use super::charts::{self, dollars};
use super::{Origin, escape, insight as pictures, tables, words};
use crate::agent::eval::{EvalResult, Verdict};
use crate::agent::insight::Insight;
use crate::agent::score::{Part, Row};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// An evaluation as one self-contained HTML page.
pub fn evaluation(result: &EvalResult, insight: &Insight, origin: &Origin) -> String {
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
    let _ = write!(page, "<p>{}</p>", escape(&words::paragraph(result, insight)));
    let (title, every) = match result.held_out {
        true => ("Held-out markets", "Every held-out market"),
        false => ("Markets of unknown standing", "Every market of unknown standing"),
    };
    let _ = write!(page, "<h2>{title}</h2>");
    tables::policies(&mut page, result, &charts::held_out(result));
    executions(&mut page, &charts::held_out(result));
    let caption = "The large dot is the pessimistic queue, which decides; then the fitted and the optimistic one.";
    figure(&mut page, "How far fills matter", &pictures::brackets(result), caption);
    figure(&mut page, "Equity", &charts::equity(result), &policy_legend(result));
    let caption = "Each pale dot is one market; the large dot is the mean, the bar its interval.";
    figure(&mut page, "Returns per market", &charts::returns(result), caption);
    figure(&mut page, "Actions", &charts::actions(result), &action_legend(result));
    look(&mut page, result, insight);
    if let Some(row) = result.judged() {
        let _ = write!(page, "<details><summary>{every}</summary>");
        tables::markets(&mut page, &row.results);
        page.push_str("</details>");
    }
    if !result.seeds.is_empty() {
        page.push_str("<details><summary>Every seed by itself</summary>");
        tables::policies(&mut page, result, &result.seeds.iter().collect::<Vec<_>>());
        page.push_str("</details>");
    }
    for (part, title) in [
        (Part::Validation, "Validation markets (what models may be chosen by)"),
        (Part::Train, "In-sample markets (what the model learned from; no evidence of anything)"),
    ] {
        let rows: Vec<&Row> = result.policies.iter().filter(|r| r.split == part).collect();
        if !rows.is_empty() {
            let _ = write!(page, "<details><summary>{title}</summary>");
            tables::policies(&mut page, result, &rows);
            page.push_str("</details>");
        }
    }
    meaning(&mut page, result, origin);
    page.push_str("</main></body></html>\n");
    page
}

/// The second look: actions in time, calibration, learning, columns, another model.
fn look(page: &mut String, result: &EvalResult, insight: &Insight) {
    if !insight.actions_over_life.is_empty() {
        let picture = pictures::actions_over_life(&insight.actions_over_life, &result.action_names);
        figure(page, "Actions in the course of a market", &picture, &action_legend(result));
    }
    if let Some(calibration) = &insight.calibration {
        let caption = format!(
            "Blue: the probability that the policy's actions imply; dashed: the mid. On the line a forecast comes true \
             as often as it says. {}.",
            escape(&calibration.sentence())
        );
        figure(page, "Calibration", &pictures::reliability(calibration), &caption);
    }
    for (key, picture) in pictures::learning(&insight.curves) {
        figure(page, &format!("Learning: {key}"), &picture, "One line for each model.");
    }
    if !insight.importance.is_empty() {
        page.push_str("<h2>What the policy looks at</h2>");
        tables::importance(page, &insight.importance);
    }
    if let Some(comparison) = &insight.comparison {
        let _ =
            write!(page, "<h2>Beside another model</h2><p>{}</p>", escape(&comparison.sentence()));
    }
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

/// How the orders of each policy filled.
fn executions(page: &mut String, rows: &[&Row]) {
    page.push_str("<details><summary>How orders filled</summary>");
    for (row, execution) in rows.iter().filter_map(|row| Some((row, row.execution()?))) {
        let _ = write!(page, "<p><b>{}</b>: {}.</p>", escape(&row.name), escape(&execution));
    }
    page.push_str("</details>");
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
    for (title, meaning) in tables::COLUMNS {
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
        Protocol::WalkForward => {
            "walk forward: each window judged by a model of what was settled before it"
        }
        Protocol::HeldOutSessions => "every recorded session held out once from its own model",
        Protocol::HeldOutMarkets => "five groups of events drawn by lot, each held out once",
        Protocol::Unseen => "trained on other data; all markets that the model never saw",
    };
    format!("{how}; {} markets near a border used for nothing", result.embargoed)
}
