//! Which markets to collect: named ones, or those that the exchange lists.

use super::options::Args;
use crate::cli::exit::{self, Code, Failure, OrFail};
use crate::config::{Markets, Settings};
use crate::feed::discover::MarketFilter;
use crate::wire::rest::StatusFilter;
use std::path::Path;

/// Which markets are asked for.
pub(super) enum Wanted {
    /// These.
    Named(Vec<String>),
    /// Those that the exchange lists.
    Listed(MarketFilter),
}

impl Wanted {
    /// How new ones are found; `None` where the named ones are all.
    pub(super) fn filter(&self) -> Option<MarketFilter> {
        match self {
            Wanted::Named(_) => None,
            Wanted::Listed(filter) => Some(filter.clone()),
        }
    }
}

/// Those named on the command line.
pub(in crate::cli) fn named(args: &Args) -> Result<Vec<String>, Failure> {
    let mut named = args.markets.clone();
    if let Some(path) = &args.markets_file {
        named.extend(tickers_in(path)?);
    }
    Ok(named)
}

/// From the command line, else from the settings, else whatever is listed as open.
pub(super) fn wanted(args: &Args, settings: &Settings) -> Result<Wanted, Failure> {
    let mut named = named(args)?;
    let listed = args.discover || args.series.is_some();
    if listed && !named.is_empty() {
        return Err(Failure::msg(Code::Usage, "name markets, or let them be found: not both")
            .hint("leave out --discover and --series, or --market and --markets-file"));
    }
    if named.is_empty()
        && !listed
        && let Some(Markets::Named(tickers)) = settings.markets().map_err(exit::config)?
    {
        named = tickers;
    }
    let mut seen = std::collections::BTreeSet::new();
    named.retain(|ticker| seen.insert(ticker.clone()));
    if !named.is_empty() {
        return Ok(Wanted::Named(named));
    }
    Ok(Wanted::Listed(MarketFilter {
        series: args.series.clone(),
        status: Some(StatusFilter::Open),
        limit: args.limit as usize,
        ..MarketFilter::default()
    }))
}

fn tickers_in(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).or_fail(Code::Config).map_err(|f| {
        f.context(format!("cannot read {}", path.display())).hint("one ticker per line")
    })?;
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default().trim());
    let tickers: Vec<String> = lines.filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if tickers.is_empty() {
        let text = format!("{} names no market", path.display());
        return Err(Failure::msg(Code::Config, text).hint("one ticker per line"));
    }
    Ok(tickers)
}
