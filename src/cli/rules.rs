//! The rules of the game on the command line: what an agent sees, may do, and how its orders fare.

use super::exit::{Code, Failure, OrFail};
use super::{printer, series_file};
use crate::broker::fees::MAKER_K_E4;
use crate::broker::matching::Bound;
use crate::broker::{Delay, Latency, QueueFits, Rates, SeriesFees};
use crate::env::action::Placement;
use crate::env::{ActionSet, AssumedFees, Domain, EnvConfig, Execution};
use crate::features::Layout;
use crate::units::{Money, Qty};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// What [`Rules`] stand under in the help.
const HEADING: &str = "Rules of the game";

/// Options that make an [`EnvConfig`].
#[derive(clap::Args, Debug)]
#[command(next_help_heading = HEADING)]
pub(super) struct Rules {
    /// Observation layout
    #[arg(long, value_name = "LAYOUT", default_value_t)]
    pub(super) layout: Layout,
    /// Sizes of orders in contracts
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "10")]
    sizes: Vec<u32>,
    /// Quotes that the agent may rest, beside taking
    #[arg(long, value_enum, value_name = "join,improve", value_delimiter = ',')]
    quotes: Vec<Quote>,
    /// Largest position on either side, in contracts
    #[arg(long, value_name = "N", default_value_t = 100)]
    position_limit: u32,
    /// Cash at the start of each market, in dollars
    #[arg(long, value_name = "N", default_value_t = 100)]
    cash_start: u32,
    /// How long orders take: `typical` (median 60 ms, p99 400 ms), `none`, or milliseconds; by request:
    /// `typical,cancel=30ms,amend=120ms`
    #[arg(long, value_name = "TIME", default_value = "typical", value_parser = latency)]
    latency: Latency,
    /// The queue whose fills count; results show all three
    #[arg(long, value_enum, default_value_t = Queue::Pessimistic)]
    queue: Queue,
    /// Exponents of the fitted queue by series, as `kflow fills calibrate` writes them [default: 2 for all]
    #[arg(long, value_name = "FILE")]
    fits: Option<PathBuf>,
    /// Fees by series, as `kflow fees fetch` writes them [default: multiplier 1 and no maker fees for all]
    #[arg(long, value_name = "FILE")]
    fees: Option<PathBuf>,
    /// All series have maker fees: their coefficient is 0.0175
    #[arg(long, conflicts_with = "fees")]
    maker_fees: bool,
    /// What training draws anew for each episode; evaluation and trading never do
    #[arg(long, value_enum, value_name = "latency,fees,queue", value_delimiter = ',')]
    randomise: Vec<DomainName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Quote {
    /// At the best price, behind those who are there
    Join,
    /// One tick better
    Improve,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Queue {
    /// Cancels stood behind us
    Pessimistic,
    /// Cancels are shared by the fitted model
    Fitted,
    /// Cancels stood before us
    Optimistic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DomainName {
    /// Half to four times the delay
    Latency,
    /// Multiplier and maker coefficient
    Fees,
    /// Exponent of the fitted queue, and which queue counts
    Queue,
}

impl Rules {
    /// The rules.
    ///
    /// # Errors
    /// 3 for rules by which one cannot play.
    pub(super) fn config(&self) -> Result<EnvConfig, Failure> {
        let mut config = EnvConfig {
            start_cash: Money::dollars(self.cash_start.into()),
            limit: Qty::contracts(self.position_limit.into()),
            actions: ActionSet {
                sizes: self.sizes.iter().map(|n| Qty::contracts((*n).into())).collect(),
                quotes: self.quotes.iter().map(|quote| quote.placement()).collect(),
            },
            execution: Execution {
                latency: self.latency,
                counts: match self.queue {
                    Queue::Pessimistic => Bound::Pessimistic,
                    Queue::Fitted => Bound::Fitted,
                    Queue::Optimistic => Bound::Optimistic,
                },
                ..Execution::default()
            },
            randomise: self.randomise.iter().map(|domain| domain.domain()).collect(),
            layout: self.layout,
            ..EnvConfig::default()
        };
        if let Some(path) = &self.fits {
            let fits: QueueFits = series_file::read_named(path)?;
            config.exponents =
                fits.series.into_iter().map(|(series, fit)| (series, fit.exponent)).collect();
        }
        self.fees()?.apply(&mut config);
        config.validate().or_hint(Code::Config, "see the rules of the game in --help")?;
        Ok(config)
    }

    /// The fees that were named.
    ///
    /// # Errors
    /// 3 for a file that cannot be used.
    pub(super) fn fees(&self) -> Result<NamedFees, Failure> {
        if self.maker_fees {
            return Ok(NamedFees::Maker);
        }
        let rates = self.fees.as_deref().map(rates).transpose()?;
        Ok(rates.map_or(NamedFees::None, NamedFees::Rates))
    }
}

/// Fees that somebody named: facts of the exchange, which hold for a model whatever it was trained under.
#[derive(Clone, Debug)]
pub(super) enum NamedFees {
    /// Those of the rules hold.
    None,
    /// By series.
    Rates(Rates),
    /// All series have maker fees.
    Maker,
}

impl NamedFees {
    /// Puts them in the place of those of `config`.
    pub(super) fn apply(&self, config: &mut EnvConfig) {
        match self {
            NamedFees::None => {}
            NamedFees::Rates(rates) => config.rates.clone_from(rates),
            NamedFees::Maker => {
                config.rates.clear();
                config.fees.maker_k_e4 = MAKER_K_E4;
            }
        }
    }
}

/// A rule stands in no command line beside a model: it plays by those that it was trained under, and a rule that is
/// not heard would be a lie. Fees ([`NamedFees`]) may.
pub(super) fn not_beside_a_model(arg: clap::Arg) -> clap::Arg {
    let is_fact = matches!(arg.get_id().as_str(), "fees" | "maker_fees");
    match arg.get_help_heading() {
        Some(HEADING) if !is_fact => arg.conflicts_with("model"),
        _ => arg,
    }
}

/// The fees by series of a file that somebody named.
///
/// # Errors
/// 3 for a file that cannot be used.
pub(super) fn rates(path: &Path) -> Result<Rates, Failure> {
    series_file::read_named(path).map(|file: SeriesFees| file.rates())
}

/// Says which fees are assumed.
pub(super) fn say_assumed(assumed: Option<&AssumedFees>) {
    assumed.iter().for_each(|assumed| printer::say(&assumed.sentence()));
}

impl Quote {
    fn placement(self) -> Placement {
        match self {
            Quote::Join => Placement::Join,
            Quote::Improve => Placement::Improve,
        }
    }
}

impl DomainName {
    fn domain(self) -> Domain {
        match self {
            DomainName::Latency => Domain::Latency,
            DomainName::Fees => Domain::Fees,
            DomainName::Queue => Domain::Queue,
        }
    }
}

/// One time for all requests, times by request, or both: `typical,cancel=30ms`.
fn latency(text: &str) -> Result<Latency, String> {
    let mut latency = Latency::default();
    for part in text.split(',') {
        let (request, time) = part.split_once('=').unwrap_or(("", part));
        let time = delay(time)?;
        match request {
            "" => latency = Latency::all(time),
            "submit" => latency.submit = time,
            "cancel" => latency.cancel = time,
            "amend" => latency.amend = time,
            other => return Err(format!("`{other}` is none of submit, cancel, amend")),
        }
    }
    Ok(latency)
}

fn delay(text: &str) -> Result<Delay, String> {
    match text {
        "typical" => Ok(Latency::default().submit),
        "none" => Ok(Delay::Fixed(0)),
        text => {
            let ms: u32 = text.trim_end_matches("ms").parse().map_err(|_| {
                format!("`{text}` is neither `typical`, `none` nor a number of milliseconds")
            })?;
            Ok(Delay::Fixed(ms.checked_mul(1_000).ok_or("more than an hour")?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{FeeType, Multiplier, Rate};

    #[test]
    fn requests_have_delays_of_their_own() {
        let ms = |ms: u32| Delay::Fixed(1_000 * ms);
        let typical = Latency::default();
        assert_eq!(latency("typical"), Ok(typical));
        assert_eq!(latency("none"), Ok(Latency::NONE));
        assert_eq!(latency("25ms"), Ok(Latency::all(ms(25))));
        assert_eq!(
            latency("typical,cancel=30ms,amend=120"),
            Ok(Latency { cancel: ms(30), amend: ms(120), ..typical })
        );
        assert_eq!(latency("submit=7"), Ok(Latency { submit: ms(7), ..typical }));
        for bad in ["", "soon", "cancel=", "replace=3", "submit=-1", "99999999"] {
            assert!(latency(bad).is_err(), "{bad}");
        }
    }
    /// A model was trained under fees by series; at an exchange where every series has maker fees all of it gives way.
    #[test]
    fn named_fees_hold_whatever_the_rules_were_trained_under() {
        let rate = Rate { fee_type: FeeType::Quadratic, multiplier: Multiplier::ONE };
        let rates: Rates = [("KXA".to_owned(), rate)].into();
        let trained = EnvConfig { rates: rates.clone(), ..EnvConfig::default() };
        let under = |fees: NamedFees| {
            let mut config = trained.clone();
            fees.apply(&mut config);
            config
        };
        assert_eq!(under(NamedFees::None), trained);
        let maker = under(NamedFees::Maker);
        assert_eq!((maker.fees.maker_k_e4, maker.rates.len()), (MAKER_K_E4, 0));
        let other: Rates = [("KXB".to_owned(), rate)].into();
        assert_eq!(
            under(NamedFees::Rates(other.clone())),
            EnvConfig { rates: other, ..trained.clone() }
        );
    }
}
