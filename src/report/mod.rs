//! Results as one HTML page that needs nothing else: no script, no font, no image from elsewhere.
//!
//! ```text
//! EvalResult, Insight ─► charts, insight (what to draw) ─► svg (how) ─┐
//!                    └─► tables, words ───────────────────────────────┴► page
//! ```
//!
//! **Invariant:** pure: text in, text out. Colours follow the reader's light or dark setting, and no
//! meaning hangs on colour alone.

mod charts;
mod insight;
mod page;
mod svg;
mod tables;
mod words;

pub use page::evaluation;

/// Where a result comes from, for the head of a page.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name of the evaluated run or model.
    pub run: String,
    /// `sim:seed=7` for synthetic data, else `None`.
    pub synthetic: Option<String>,
    /// Further facts: name and value.
    pub facts: Vec<(String, String)>,
}

/// Text that may stand between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
