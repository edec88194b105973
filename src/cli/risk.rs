//! `kflow risk`: the limits of trading, and the switch that stops it.

use super::exit::{self, Code, Failure, OrFail};
use super::printer;
use crate::config::{Limits, Settings};
use crate::trade::desk::Standing;
use crate::trade::kill::KillFile;
use crate::trade::risk::{Cause, Trip};
use crate::trade::standing::StandingFile;
use crate::units::{Money, Qty, TsUs};
use crate::wire::convert::time_text;
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Arguments of `kflow risk`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the limits, what stopped trading if anything did, and where the account stood last
    Show(Options),
    /// Stop trading now: no more orders, and open ones are cancelled
    Kill(Options),
    /// Let trading go on after a stop; nothing else does
    Reset(Options),
}

#[derive(clap::Args, Debug)]
struct Options {
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What all three print.
#[derive(Serialize)]
struct Shown {
    stopped: bool,
    cause: Option<&'static str>,
    at: Option<String>,
    detail: Option<String>,
    order_contracts_max: i64,
    position_contracts_max: i64,
    exposure_usd_max: String,
    cash_reserve_usd: String,
    balance_usd_min: String,
    daily_loss_usd_max: String,
    orders_per_minute_max: u32,
    throttle_ms: i64,
    stale_book_ms: i64,
    exit_before_close_s: i64,
    #[serde(flatten)]
    account: Option<Account>,
}

/// Where the account stood when a desk read it last.
#[derive(Serialize)]
struct Account {
    /// Exchange and key.
    account: String,
    day: String,
    day_start_usd: String,
    equity_usd: String,
    read_at: String,
    open: Vec<String>,
    positions: BTreeMap<String, String>,
}

impl Account {
    fn new(standing: Standing) -> Account {
        let usd = |e6| Money(e6).to_string();
        let positions = standing.positions_e2.into_iter();
        let day = time_text(TsUs(standing.day.saturating_mul(86_400_000_000)));
        Account {
            account: standing.account,
            day: day.split('T').next().unwrap_or_default().to_owned(),
            day_start_usd: usd(standing.day_start_e6),
            equity_usd: usd(standing.equity_e6),
            read_at: time_text(TsUs(standing.at_ns.div_euclid(1_000))),
            open: standing.open,
            positions: positions.map(|(ticker, e2)| (ticker, Qty(e2).to_string())).collect(),
        }
    }
}

impl Shown {
    fn new(trip: Option<Trip>, limits: &Limits, standing: Option<Standing>) -> Shown {
        let at = |trip: &Trip| time_text(TsUs(trip.at.0.div_euclid(1_000)));
        Shown {
            stopped: trip.is_some(),
            cause: trip.as_ref().map(|trip| trip.cause.word()),
            at: trip.as_ref().map(at),
            detail: trip.map(|trip| trip.detail),
            order_contracts_max: limits.order_max.e2() / 100,
            position_contracts_max: limits.position_max.e2() / 100,
            exposure_usd_max: limits.exposure_max.to_string(),
            cash_reserve_usd: limits.cash_reserve.to_string(),
            balance_usd_min: limits.balance_min.to_string(),
            daily_loss_usd_max: limits.daily_loss_max.to_string(),
            orders_per_minute_max: limits.orders_per_minute_max,
            throttle_ms: limits.throttle_ms,
            stale_book_ms: limits.stale_book_ms,
            exit_before_close_s: limits.exit_before_close_s,
            account: standing.map(Account::new),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Exit 1 when the kill file cannot be written or taken away, 3 when the settings are wrong.
pub fn run(args: Args) -> Result<(), Failure> {
    const HINT: &str = "check the data directory and its permissions; trading stays as it is";
    let (Command::Show(options) | Command::Kill(options) | Command::Reset(options)) = &args.command;
    let file = KillFile::at(&options.data);
    let standing = StandingFile::at(&options.data);
    match &args.command {
        Command::Show(_) => {}
        Command::Kill(_) => {
            let detail = "kflow risk kill".to_owned();
            let trip = Trip { cause: Cause::Command, at: super::now()?, detail };
            file.write(&trip).or_hint(Code::Runtime, HINT)?;
            printer::say("trading is stopped until `kflow risk reset`");
        }
        Command::Reset(_) => {
            // Who lets trading go on after a loss has taken it: it would stop at the first look again.
            if file.read().is_some_and(|trip| trip.cause == Cause::DailyLoss) {
                standing.forget().or_hint(Code::Runtime, HINT)?;
            }
            match file.reset().or_hint(Code::Runtime, HINT)? {
                true => printer::say("trading may go on; restart what was stopped"),
                false => printer::say("trading was not stopped"),
            }
        }
    }
    // The switch was thrown before anything that could fail for another reason.
    let settings = Settings::load(options.config.as_deref()).map_err(exit::config)?;
    let limits = Limits::resolve(&settings).map_err(exit::config)?;
    let standing = standing.read().or_hint(
        Code::Runtime,
        "look at the file and put it right; a desk does not open before, for it holds the day's start",
    )?;
    let shown = Shown::new(file.read(), &limits, standing);
    if options.json { printer::json("risk", &shown) } else { printer::fields(&shown) }
}
