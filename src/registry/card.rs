//! `MODEL.md`: what a person should know of a version before using it.

use super::{Book, Judged, Version};
use crate::units::TsUs;
use crate::wire::convert::time_text;

/// The card as Markdown.
pub(super) fn text(book: &Book, version: &Version) -> String {
    let v = version;
    let aliases = book.aliases_of(v).join(", ");
    let digests = if v.digests.is_empty() { "not known".to_owned() } else { v.digests.join(", ") };
    let judged = earns(book.judged(&v.content_sha256));
    format!(
        "# {name} version {number}\n\n{judged}\n\n{chosen}\
         | | |\n|---|---|\n\
         | status | {status} |\n| aliases | {aliases} |\n\
         | algorithm | {algo}, {steps} steps, {models} model(s) |\n\
         | from | {source} |\n| parent | {parent} |\n\
         | sees | {layout} ({hash}) |\n| does | {actions} |\n| reward | {reward} |\n\
         | run digest | {digests} |\n| content | {content} |\n\
         | registered | {registered} by {program} |\n\n\
         For paper trading and for exchanges with play money only.\n",
        chosen = chosen(book, v).map_or_else(String::new, |text| text + "\n\n"),
        name = v.name,
        number = v.version,
        status = book.status(v),
        algo = v.algo,
        steps = v.steps,
        models = v.models,
        source = v.source,
        parent = v.parent.as_deref().unwrap_or("-"),
        layout = v.layout,
        hash = v.layout_hash.get(..8).unwrap_or(&v.layout_hash),
        actions = v.actions,
        reward = v.reward,
        content = v.content_sha256,
        registered = time_text(TsUs::from_ms(v.registered_unix_s as i64 * 1_000)),
        program = v.program,
    )
}

/// What its newest evaluation says.
fn earns(judged: Option<&Judged>) -> String {
    let Some(judged) = judged else {
        return "It was not judged on held-out markets yet: nothing is known of what it earns."
            .to_owned();
    };
    let data = judged.data_sha256.get(..8).unwrap_or(&judged.data_sha256);
    let Some(mean) = judged.mean_return else {
        return format!(
            "{}: what it learned from is not known, and no market of data {data} is known to be held out from it.",
            capital(&judged.verdict),
        );
    };
    let interval = judged.ci95.map_or_else(String::new, |[low, high]| {
        format!(", 95 % interval {:+.2} % to {:+.2} %", 100.0 * low, 100.0 * high)
    });
    let seeds = match judged.seeds {
        1 => String::new(),
        n => format!(", {n} seeds together"),
    };
    let tries = match judged.tries {
        1 => String::new(),
        n => format!(", the best of {n} tries"),
    };
    format!(
        "{} on {} held-out markets{seeds}{tries}: mean return per market {:+.2} %{interval} (data {data}).",
        capital(&judged.verdict),
        judged.markets,
        100.0 * mean,
    )
}

/// What is to be said of the seeds that it was trained with, unless they were judged with it.
fn chosen(book: &Book, v: &Version) -> Option<String> {
    let judged = book.judged(&v.content_sha256).map_or(1, |judged| judged.seeds);
    (judged < v.seeds).then(|| {
        format!(
            "It was chosen among {} seeds of one training, and what one of several shows may be luck: judge them \
             together, `kflow eval RUN1 RUN2 ..`.",
            v.seeds
        )
    })
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
