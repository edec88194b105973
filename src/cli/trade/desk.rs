//! The desk of `kflow trade --orders demo|sim`: opened, fed with what the markets do, asked for orders, closed.
//!
//! ```text
//!  accepted records ─► Counter::see ─► lookout ─┐
//!  what the actor wants ─► Counter::place ──────┴─► DeskLine ─► the desk's own thread
//!  what the actor is told ◄─ Counter::outcomes ◄────┘
//! ```

mod lookout;

pub use lookout::Lookout;

use crate::broker::MarketFees;
use crate::cli::exit::{self, Code, Failure};
use crate::cli::{collect, printer};
use crate::collect::Accepted;
use crate::config::{ExchangeEnv, Limits, Settings};
use crate::event::SessionId;
use crate::feed::Timing;
use crate::feed::access::Access;
use crate::feed::rest::RestTiming;
use crate::trade::desk::{Ask, Outcome, Placed, Refusal};
use crate::trade::gateway::GatewayError;
use crate::trade::runner::{self, Closed, DeskLine, DeskRun, End, RunnerError, RunnerSpec};
use clap::ValueEnum;
use std::path::Path;
use std::time::Duration;

/// A start beside an exchange that is just starting.
const FIRST_CONNECT: Duration = Duration::from_secs(10);
/// For the answers to the last cancels: a few tries at a slow exchange.
const END_PATIENCE: Duration = Duration::from_secs(15);
/// Patience with REST: an order call that has no answer after so long is looked up.
const REST: RestTiming =
    RestTiming { connect_ms: 3_000, reply_ms: 5_000, tries_max: 3, retry_after_max_ms: 10_000 };

/// Where orders go. There is no word for Kalshi's production: no order can be sent there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Orders {
    /// Filled in this process, against the recorded books
    #[default]
    Paper,
    /// Kalshi's demo exchange: real protocol, play money
    Demo,
    /// The built-in exchange on this machine
    Sim,
}

impl Orders {
    /// `paper`, `demo` or `sim`.
    pub const fn word(self) -> &'static str {
        match self {
            Orders::Paper => "paper",
            Orders::Demo => "demo",
            Orders::Sim => "sim",
        }
    }

    /// The exchange that takes them; `None` on paper.
    pub const fn env(self) -> Option<ExchangeEnv> {
        match self {
            Orders::Paper => None,
            Orders::Demo => Some(ExchangeEnv::Demo),
            Orders::Sim => Some(ExchangeEnv::Sim),
        }
    }
}

/// Options of orders.
#[derive(clap::Args, Clone, Debug)]
pub struct OrderArgs {
    /// Where orders go; market data may come from elsewhere (`--env prod --orders demo`)
    #[arg(long, value_enum, default_value_t = Orders::Paper, help_heading = "Orders")]
    pub orders: Orders,
    /// Address of the exchange that takes them, for REST and WebSocket: the demo's, or http://127.0.0.1:PORT
    #[arg(long, value_name = "URL", help_heading = "Orders")]
    pub orders_url: Option<String>,
    /// Leave resting orders at the exchange at the end; the next run cancels them
    #[arg(long, help_heading = "Orders")]
    pub keep_orders: bool,
}

/// An open desk, for the thread of the actor.
pub struct Counter {
    line: DeskLine,
    lookout: Lookout,
    /// What found no room and must not be lost: all but orders.
    unsaid: Vec<Ask>,
}

impl Counter {
    /// A counter before an open desk.
    pub fn new(line: DeskLine) -> Counter {
        Counter { line, lookout: Lookout::default(), unsaid: Vec::new() }
    }

    /// Takes in what was accepted, before anything is decided on it.
    pub fn see(&mut self, batch: &Accepted) {
        batch.markets.iter().for_each(|market| self.lookout.meet(market));
        batch.records.iter().for_each(|record| self.lookout.push(&record.event));
        self.unsaid.retain(|ask| self.line.ask(ask.clone()) == Err(Refusal::QueueFull));
        if self.line.has_room() {
            for ask in self.lookout.news() {
                // A desk that has gone says so to the next order.
                let _ = self.say(ask);
            }
        }
    }

    /// Asks for an order; the outcome, if it is known at once.
    pub fn place(&mut self, placed: Placed) -> Option<Outcome> {
        let number = placed.number;
        let told = self.lookout.quote(&placed.ticker).map_or(Ok(()), |quote| self.say(quote));
        let asked = told.and_then(|()| self.line.ask(Ask::Place(placed)));
        asked.err().map(|why| Outcome::Refused { number, why })
    }

    /// Asks for an order's end.
    pub fn cancel(&mut self, number: u64) {
        // A desk that has gone has cancelled everything.
        let _ = self.say(Ask::Cancel { number });
    }

    /// What became of orders since the last time.
    pub fn outcomes(&mut self) -> impl Iterator<Item = Outcome> {
        std::iter::from_fn(|| self.line.outcomes.try_recv().ok())
    }

    /// Says something now, or at the next batch when there is no room.
    fn say(&mut self, ask: Ask) -> Result<(), Refusal> {
        let said = self.line.ask(ask.clone());
        if said == Err(Refusal::QueueFull) {
            self.unsaid.push(ask);
        }
        said
    }
}

/// Opens the desk that the options ask for; `None` on paper. `folder` is the session's, below the data
/// directory, and named by the run's id; `limits` stop its orders.
///
/// # Errors
/// 3 for settings under which no order can be sent, 4 when the exchange cannot be reached or does not take the
/// key, 1 when a file of the desk cannot be used.
pub fn open(
    orders: &OrderArgs,
    market: &collect::Args,
    folder: &Path,
    (limits, fees): (Limits, MarketFees),
) -> Result<Option<(Counter, DeskRun)>, Failure> {
    let Some(env) = orders.orders.env() else { return Ok(None) };
    let settings = Settings::load(market.config.as_deref()).map_err(exit::config)?;
    let url = orders.orders_url.as_deref();
    // One exchange for both unless another one is named.
    let url = url.or(market.url.as_deref().filter(|_| env == market.env));
    let access = Access::resolve(&settings.for_orders(env, market.env), env, url);
    let access =
        access.map_err(|e| exit::access(e).context("orders need a key of their exchange"))?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let seed = crate::cli::now()?.0.unsigned_abs();
    let spec = RunnerSpec {
        run: name.parse::<SessionId>()?,
        data: market.data.clone(),
        folder: folder.to_path_buf(),
        limits,
        fees,
        own_markets: env == market.env && url == market.url.as_deref(),
        rest: REST,
        timing: Timing { first_connect: FIRST_CONNECT, ..Timing::default() },
        seed,
        access,
    };
    printer::say(&format!("orders go to {} at {}", env, spec.access.endpoint.rest));
    let (line, run) = runner::open(spec).map_err(failure)?;
    Ok(Some((Counter::new(line), run)))
}

/// Closes a desk, and says what is left open.
///
/// # Errors
/// Why it had ended before.
pub fn close(run: DeskRun, orders: &OrderArgs) -> Result<Vec<String>, Failure> {
    let end = End { cancels: !orders.keep_orders, patience: END_PATIENCE };
    let Closed { left, failure: ended } = run.close(end);
    for line in &left {
        printer::say(&format!("left open: {line}"));
    }
    ended.map_or(Ok(left), |ended| Err(failure(ended)))
}

fn failure(error: RunnerError) -> Failure {
    let hint = match error {
        RunnerError::Gateway(GatewayError::NotAllowed(why)) => {
            return Failure::new(Code::Config, why)
                .hint("`--orders demo` without an address goes to Kalshi's demo exchange");
        }
        RunnerError::Gateway(GatewayError::Rest(why)) => return exit::rest(why),
        RunnerError::Private(why) => return exit::feed(why),
        RunnerError::Journal(_) => "free some space; nothing was ordered that is not written down",
        RunnerError::Kill(_) => "check the data directory and its permissions; trading has stopped",
        RunnerError::Standing(_) => {
            "it holds what the account was worth when the day began: put it right, or take it away to begin anew"
        }
        RunnerError::Thread(_) | RunnerError::Died => {
            "this is a bug: please report what stands above"
        }
    };
    Failure::new(Code::Runtime, error).hint(hint)
}
