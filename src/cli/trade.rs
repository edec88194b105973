//! `kflow trade`: record live markets, and let a policy trade them on paper or at a demo exchange.

mod act;
pub mod desk;
mod journal;
mod lived;
mod policy;
mod untold;

use super::collect;
use super::exit::{self, Code, Failure};
use super::front::Work;
use super::printer;
use crate::actor::{Acting, Actor, ActorReport, ActorSpec, Choice, Hot};
use crate::collect::Follower;
use crate::config::{ExchangeEnv, Limits, Settings};
use crate::env::AssumedFees;
use crate::trade::kill::KillFile;
use crate::units::Money;
use act::Said;
use clap::ValueEnum;
use journal::Journal;
use serde::Serialize;
use std::time::Duration;
use untold::Untold;

/// Options of `kflow trade`: those of `kflow collect`, and what trades.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:
  kflow trade --env sim --policy hardcoded --for 60s          on the built-in exchange
  kflow trade --env prod --model checkpoints/RUN --hot 10     real markets, paper money
  kflow trade --env prod --orders demo --model RUN            real markets, orders at Kalshi's demo
Paper orders wait in the recorded queues of this process and reach no exchange.
SIGHUP loads the model again; one that cannot be used is refused, and the old one goes on.
An actor that falls behind the log stops and withdraws its orders; recording goes on, and the command ends with 1.
The limits of `kflow risk show` hold; `kflow risk kill`, a file KILL in the data directory or SIGUSR1 stops all orders; so does K in the dashboard (--ui).",
    mut_args(super::rules::not_beside_a_model)
)]
pub struct Args {
    /// What is recorded, where and for how long
    #[command(flatten)]
    collect: collect::Args,
    /// The model that trades: a run, a model folder or a model file
    #[arg(long, value_name = "MODEL", conflicts_with = "policy", help_heading = "Trading")]
    model: Option<String>,
    /// A scripted policy in its place
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Trading")]
    policy: Option<policy::Scripted>,
    /// Which of the recorded markets are traded
    #[arg(long, value_enum, default_value_t = Select::Hot, help_heading = "Trading")]
    select: Select,
    /// At most so many at a time, with `--select hot`
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Trading")]
    hot: u16,
    /// Widest spread of a hot market, in cents
    #[arg(long, value_name = "CENTS", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=99), help_heading = "Trading")]
    spread_max: u8,
    /// Least time between two orders in one market [default: that of the limits, see `kflow risk show`]
    #[arg(long, value_name = "TIME", value_parser = super::amount::duration, help_heading = "Trading")]
    throttle: Option<Duration>,
    /// All chance comes from it
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Trading")]
    seed: u64,
    #[command(flatten)]
    orders: desk::OrderArgs,
    /// Of a scripted policy; a model plays by the rules that it was trained under, and by --fees or --maker-fees
    #[command(flatten)]
    rules: super::rules::Rules,
    /// Where runs are looked for by their id
    #[arg(long, value_name = "DIR", default_value = "checkpoints", help_heading = "Trading")]
    run_dir: std::path::PathBuf,
}

/// Which markets are traded.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Select {
    /// The busiest with a narrow spread and time left
    Hot,
    /// Those named by --market or --markets-file
    Config,
    /// All that are recorded
    All,
}

/// The result of a session, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Traded {
    /// The policy's name.
    policy: String,
    /// Where the decisions were written down; `None` where nothing was recorded before it ended.
    journal: Option<String>,
    /// `live`, or the label of synthetic data.
    source: String,
    /// Where orders went: `paper`, `demo` or `sim`.
    orders_at: &'static str,
    /// Orders and positions left at that exchange, one sentence each.
    left_open: Vec<String>,
    /// What was assumed of fees that nobody told.
    fees_assumed: Option<AssumedFees>,
    /// [`ActorReport::equity_e6`] in dollars.
    equity: f64,
    /// [`ActorReport::bracket_e6`] in dollars.
    bracket: [f64; 3],
    #[serde(flatten)]
    actor: ActorReport,
    /// From the receipt of the frame to the decision, microseconds.
    decision_us: DecisionUs,
    /// What was recorded meanwhile.
    collected: Option<crate::collect::CollectReport>,
}

#[derive(Debug, Default, Serialize)]
struct DecisionUs {
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    /// Times up to a bound, and above the bound before.
    histogram: Vec<Times>,
}

#[derive(Debug, Serialize)]
struct Times {
    up_to_us: u64,
    count: u64,
}

impl DecisionUs {
    fn of(meter: &crate::collect::Meter) -> DecisionUs {
        let at = |quantile| meter.quantile_us(quantile);
        let times = meter.histogram_us().into_iter();
        DecisionUs {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            histogram: times.map(|(up_to_us, count)| Times { up_to_us, count }).collect(),
        }
    }

    /// The histogram in one line: bounds in words, counts behind them.
    fn line(&self) -> String {
        let times = self.histogram.iter().filter(|times| times.count > 0);
        let bound =
            |us: u64| if us < 1_000 { format!("{us} us") } else { format!("{} ms", us / 1_000) };
        let words: Vec<String> =
            times.map(|times| format!("<={} {}", bound(times.up_to_us + 1), times.count)).collect();
        words.join(", ")
    }
}

/// Runs the command.
///
/// # Errors
/// Those of `kflow collect`; 1 for an actor that fell behind the log, 2 for options under which nobody can trade,
/// 3 for a model that cannot be used.
pub fn run(args: Args) -> Result<(), Failure> {
    if args.collect.ui {
        // Before a journal is begun or a desk is opened.
        super::dash::need_terminal()?;
    }
    if args.collect.sample > 1 {
        let failure = Failure::msg(Code::Usage, "--sample leaves out what books are made of");
        return Err(failure.hint("nobody can trade on that: sample with `kflow collect`"));
    }
    let settings = Settings::load(args.collect.config.as_deref()).map_err(exit::config)?;
    for (name, here) in &settings.env.unread {
        printer::say(&format!("warning: {name} is set and not read; use {here}"));
    }
    let policy::Chosen { acting, rules, weights } = policy::choose(&args)?;
    let spec = ActorSpec {
        env: rules,
        choice: choice(&args)?,
        limits: limits(&args, &settings)?,
        tripped: KillFile::at(&args.collect.data).read(),
        seed: args.seed,
        elsewhere: args.orders.orders.env().is_some(),
    };
    if let Some(trip) = &spec.tripped {
        let why = format!("trading was stopped ({}: {})", trip.cause.word(), trip.detail);
        printer::say(&format!("{why}; nothing is ordered until `kflow risk reset`"));
    }
    if args.collect.dry_run {
        // Not even a journal: to open the desk would cancel what an earlier run left resting.
        return collect::record(&args.collect, None, work(&args, None))?.1;
    }
    trade(&args, spec, acting, weights.as_ref())
}

fn work(args: &Args, kill: Option<KillFile>) -> Work<'_> {
    Work { name: "trading session", run_dir: &args.run_dir, kill }
}

/// Records, acts, and tells what came of it.
fn trade(
    args: &Args,
    spec: ActorSpec,
    acting: Acting,
    weights: Option<&policy::Weights>,
) -> Result<(), Failure> {
    let name = acting.policy.name().to_owned();
    let kill = KillFile::at(&args.collect.data);
    let source = if args.collect.env == ExchangeEnv::Sim { "sim:live" } else { "live" };
    let hash = acting.model_hash.clone();
    let model = (hash.as_str(), weights);
    let journal = Journal::create(&args.collect.data, &spec, &name, model, source)?;
    let (follower, following) = Follower::new();
    let terms = (spec.limits, spec.env.market_fees());
    let opened = match desk::open(&args.orders, &args.collect, journal.dir(), terms) {
        Ok(opened) => opened,
        Err(failure) => {
            journal.discard();
            return Err(failure);
        }
    };
    let desk = opened.map(|(counter, run)| (counter, run, args.orders.clone()));
    let switch = kill.clone();
    let said =
        Said { swaps: policy::reload_on_hangup(args, &spec.env)?, trips: act::trips(&kill)?, kill };
    let is_real = args.collect.env != ExchangeEnv::Sim;
    let untold = Untold::new(is_real.then(|| spec.env.clone()));
    let actor = Actor::new(spec, acting);
    let acting = std::thread::Builder::new()
        .name("actor".to_owned())
        .spawn(move || act::act(actor, following, &said, desk, (journal, untold)))?;
    let recorded = collect::record(&args.collect, Some(follower), work(args, Some(switch)));
    let acted = acting.join().map_err(|_| {
        Failure::msg(Code::Runtime, "the actor died").hint("what was recorded is complete")
    })?;
    let (collected, ended) = recorded?;
    let act::Acted { report, journal, left_open, fees_assumed, meter, failure } = acted;
    let traded = Traded {
        policy: name,
        journal,
        source: collected.as_ref().map_or_else(String::new, |c| c.source.clone()),
        equity: in_dollars(report.equity_e6),
        bracket: report.bracket_e6.map(in_dollars),
        actor: report,
        orders_at: args.orders.orders.word(),
        left_open,
        fees_assumed,
        decision_us: DecisionUs::of(&meter),
        collected,
    };
    collect::tell(&args.collect, "trade", &traded, || text(&traded))?;
    match failure {
        Some(failure) => Err(failure),
        None => ended,
    }
}

fn choice(args: &Args) -> Result<Choice, Failure> {
    Ok(match args.select {
        Select::All => Choice::All,
        Select::Hot => Choice::Hot(Hot {
            places: args.hot.into(),
            spread_max_e4: i64::from(args.spread_max) * 100,
            ..Hot::default()
        }),
        Select::Config => {
            let named = collect::named(&args.collect)?;
            if named.is_empty() {
                let failure =
                    Failure::msg(Code::Usage, "--select config trades named markets only");
                return Err(failure.hint("name them with --market or --markets-file"));
            }
            Choice::Named(named.into_iter().collect())
        }
    })
}

fn limits(args: &Args, settings: &Settings) -> Result<Limits, Failure> {
    let mut limits = Limits::resolve(settings).map_err(exit::config)?;
    if let Some(throttle) = args.throttle {
        limits.throttle_ms = throttle.as_millis() as i64;
    }
    Ok(limits)
}

fn in_dollars(e6: i64) -> f64 {
    Money(e6).as_dollars()
}

fn text(traded: &Traded) -> String {
    let Traded { policy, actor, decision_us, journal, source, .. } = traded;
    let badge = if source.starts_with("sim:") { "[SIM] synthetic market" } else { "market" };
    let dollars = |e6: i64| format!("{:+.2}", e6 as f64 / 1e6);
    let contracts = |e2: i64| format!("{:.2}", e2 as f64 / 100.0);
    let [worst, fitted, best] = actor.bracket_e6.map(dollars);
    let uncertain = actor.uncertain_e2 > 0;
    let mut lines = vec![
        match traded.orders_at {
            "paper" => format!("policy            {policy}, paper money on a {badge} ({source})"),
            place => {
                format!("policy            {policy}, orders to {place}, on a {badge} ({source})")
            }
        },
        format!("markets traded    {} ({} settled)", actor.markets, actor.settled),
        format!("decisions         {}", actor.decisions),
        format!("orders            {} ({} held back)", actor.orders, actor.held_back),
        format!(
            "orders filled     {} ({} contracts rested, {} were taken, {} of them uncertain)",
            actor.fills,
            contracts(actor.maker_e2),
            contracts(actor.taker_e2),
            contracts(actor.uncertain_e2)
        ),
        format!(
            "profit, dollars   {} after {} fees{}",
            // Whether an order filled that rested over a gap nobody knows: it is not claimed.
            dollars(if uncertain { actor.certain_e6 } else { actor.profit_e6 }),
            dollars(-actor.fees_e6),
            if uncertain { ", without the uncertain contracts" } else { "" }
        ),
        format!("  by queue        {worst} pessimistic, {fitted} fitted, {best} optimistic"),
    ];
    if uncertain {
        lines.push(format!("  with them       {}", dollars(actor.profit_e6)));
    }
    lines.extend([
        format!("open positions    {}, marked at the touch", actor.open_positions),
        format!("decision time     p50 {} us, p99 {} us", decision_us.p50, decision_us.p99),
        format!("  histogram       {}", decision_us.line()),
    ]);
    lines.extend(journal.iter().map(|place| format!("journal           {place}")));
    lines.join("\n")
}
