//! Which recorded markets are let in, on the command line.

use super::exit::Failure;
use super::printer;
use crate::agent::markets::{Left, MarketFilter, Traits};
use crate::features::episode::Episode;

/// Options that make a [`MarketFilter`].
#[derive(clap::Args, Debug)]
#[command(
    next_help_heading = "Markets (chosen by their whole recording: results speak of such markets only)"
)]
pub(super) struct Filters {
    /// Only markets whose ticker begins so
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    series: Vec<String>,
    /// Only markets whose median spread is at most this many cents
    #[arg(long, value_name = "CENTS", value_parser = cents)]
    max_spread: Option<i64>,
    /// Only markets with at least this many book changes and trades
    #[arg(long, value_name = "N")]
    min_updates: Option<u64>,
    /// Only markets in which at least this many contracts were traded
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32))]
    min_volume: Option<u32>,
}

impl Filters {
    /// The filter.
    pub(super) fn filter(&self) -> MarketFilter {
        MarketFilter {
            series: self.series.clone(),
            spread_e4_max: self.max_spread,
            updates_min: self.min_updates,
            volume_e2_min: self.min_volume.map(|contracts| i64::from(contracts) * 100),
        }
    }
}

/// Cents with at most two decimals as 1e-4 dollars.
fn cents(text: &str) -> Result<i64, String> {
    let cents: f64 = text.parse().map_err(|_| format!("`{text}` is no number of cents"))?;
    if (0.0..=100.0).contains(&cents) {
        return Ok((cents * 100.0).round() as i64);
    }
    Err(format!("{text} is not between 0 and 100 cents"))
}

/// Prints what each condition leaves, and what the markets that are left are like.
pub(super) fn preview(left: &[Left], episodes: &[Episode]) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = left
        .iter()
        .map(|l| {
            let mut row = vec![l.after.clone()];
            row.extend([l.markets, l.episodes, l.decisions].map(|n| n.to_string()));
            row
        })
        .collect();
    printer::line(&printer::table(&["after", "markets", "episodes", "decisions"], &rows))?;
    let mut spreads: Vec<i64> =
        episodes.iter().filter_map(|episode| Traits::of(episode).spread_e4).collect();
    spreads.sort_unstable();
    if let [narrowest, .., widest] = spreads[..] {
        let median = spreads[spreads.len() / 2];
        let cents = |e4: i64| e4 as f64 / 100.0;
        printer::line(&format!(
            "median spread per market: {} to {} cents, half of them up to {}",
            cents(narrowest),
            cents(widest),
            cents(median)
        ))?;
    }
    Ok(())
}
