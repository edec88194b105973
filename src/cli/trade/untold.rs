//! Markets that are traded under fees which nobody told.

use crate::broker::series_of;
use crate::cli::rules;
use crate::collect::Accepted;
use crate::env::{AssumedFees, EnvConfig};

/// What is assumed in the markets that came, said once of each series.
pub(super) struct Untold {
    /// `None` for synthetic markets.
    rules: Option<EnvConfig>,
    assumed: Option<AssumedFees>,
}

impl Untold {
    /// Before any market came.
    pub(super) fn new(rules: Option<EnvConfig>) -> Untold {
        Untold { rules, assumed: None }
    }

    /// Takes in the markets that are new.
    pub(super) fn see(&mut self, batch: &Accepted) {
        let Some(rules) = &self.rules else { return };
        let assumed = self.assumed.as_ref();
        let is_said = |t: &str| assumed.is_some_and(|a| a.series.contains(series_of(t)));
        let tickers = batch.markets.iter().map(|(_, ticker, _)| &**ticker);
        let Some(new) = rules.fees_assumed(tickers.filter(|t| !is_said(t))) else { return };
        rules::say_assumed(Some(&new));
        match &mut self.assumed {
            Some(assumed) => assumed.series.extend(new.series),
            none => *none = Some(new),
        }
    }

    /// All that was assumed.
    pub(super) fn assumed(self) -> Option<AssumedFees> {
        self.assumed
    }
}
