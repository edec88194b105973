//! `kflow trade`: record live markets, and let a policy trade them on paper.

mod journal;
mod policy;

use super::collect;
use super::exit::{self, Code, Failure, OrFail};
use super::printer;
use crate::actor::{Acting, Actor, ActorReport, ActorSpec, Choice, Hot, Outcome};
use crate::collect::{Accepted, Follower, Meter};
use crate::config::{Limits, Settings};
use crate::trade::kill::KillFile;
use crate::trade::risk::Trip;
use crate::units::TsNs;
use clap::ValueEnum;
use journal::Journal;
use serde::Serialize;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Options of `kflow trade`: those of `kflow collect`, and what trades.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  kflow trade --env sim --policy hardcoded --for 60s          on the built-in exchange
  kflow trade --env prod --model checkpoints/RUN --hot 10     real markets, paper money
Orders are paper: they wait in the recorded queues of this process and reach no exchange.
SIGHUP loads the model again; one that cannot be used is refused, and the old one goes on.
The limits of `kflow risk show` hold; `kflow risk kill`, a file KILL in the data directory or SIGUSR1 stops all orders.")]
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
    /// Of a scripted policy; a model plays by the rules that it was trained under
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
    /// Where the decisions were written down.
    journal: String,
    /// `live`, or the label of synthetic data.
    source: String,
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
    p99: u64,
}

/// Runs the command.
///
/// # Errors
/// Those of `kflow collect`; 3 for a model that cannot be used.
pub fn run(args: Args) -> Result<(), Failure> {
    let chosen = policy::choose(&args)?;
    let name = chosen.acting.policy.name().to_owned();
    let kill = KillFile::at(&args.collect.data);
    let spec = ActorSpec {
        env: chosen.rules,
        choice: choice(&args)?,
        limits: limits(&args)?,
        tripped: kill.read(),
        seed: args.seed,
    };
    if let Some(trip) = &spec.tripped {
        let why = format!("trading was stopped ({}: {})", trip.cause.word(), trip.detail);
        printer::say(&format!("{why}; nothing is ordered until `kflow risk reset`"));
    }
    let journal = Journal::create(&args.collect.data, &spec, &name, &chosen.acting.model_hash)?;
    let place = journal.place();
    let (follower, accepted) = Follower::new();
    let orders =
        Orders { swaps: policy::reload_on_hangup(&args, &spec.env)?, trips: trips(&kill)?, kill };
    let actor = Actor::new(spec, chosen.acting);
    let acting = std::thread::Builder::new()
        .name("actor".to_owned())
        .spawn(move || act(actor, accepted, &orders, journal))?;
    let recorded = collect::record(&args.collect, Some(follower));
    let acted = acting.join().map_err(|_| {
        Failure::msg(Code::Runtime, "the actor died").hint("what was recorded is complete")
    })?;
    let (collected, ended) = recorded?;
    let Acted { report, meter, failure } = acted;
    let quantile = |q: f64| meter.quantile_us(q);
    let traded = Traded {
        policy: name,
        journal: place,
        source: collected.as_ref().map_or_else(String::new, |c| c.source.clone()),
        actor: report,
        decision_us: DecisionUs { p50: quantile(0.5), p99: quantile(0.99) },
        collected,
    };
    match args.collect.json {
        true => printer::json("trade", &traded)?,
        false => printer::line(&text(&traded))?,
    }
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

fn limits(args: &Args) -> Result<Limits, Failure> {
    let settings = Settings::load(args.collect.config.as_deref()).map_err(exit::config)?;
    let mut limits = Limits::resolve(&settings).map_err(exit::config)?;
    if let Some(throttle) = args.throttle {
        limits.throttle_ms = throttle.as_millis() as i64;
    }
    Ok(limits)
}

/// What a person may say to an actor while it acts.
struct Orders {
    /// Another policy.
    swaps: Receiver<Acting>,
    /// That it shall stop.
    trips: Receiver<Trip>,
    /// Where it writes down that it stopped by itself.
    kill: KillFile,
}

/// Waits for the kill switch beside everything else.
fn trips(kill: &KillFile) -> Result<Receiver<Trip>, Failure> {
    let (told, trips) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kill = kill.clone();
    std::thread::Builder::new().name("kill".to_owned()).spawn(move || {
        match runtime.block_on(kill.wait()) {
            Ok(trip) => {
                printer::say(&format!("trading is stopped: {} {}", trip.cause.word(), trip.detail));
                // An actor that has ended needs no stopping.
                let _ = told.send(trip);
            }
            Err(e) => printer::say(&format!("warning: the kill switch does not work: {e}")),
        }
    })?;
    Ok(trips)
}

/// What the actor's thread leaves.
struct Acted {
    report: ActorReport,
    meter: Meter,
    failure: Option<Failure>,
}

/// Acts on every accepted record until there are no more.
fn act(
    mut actor: Actor,
    mut accepted: mpsc::Receiver<Accepted>,
    orders: &Orders,
    mut journal: Journal,
) -> Acted {
    let (mut out, mut meter, mut failure) = (Outcome::default(), Meter::default(), None);
    while let Some(batch) = accepted.blocking_recv() {
        orders.swaps.try_iter().for_each(|acting| actor.swap(acting));
        orders.trips.try_iter().for_each(|trip| actor.trip(trip));
        batch.markets.iter().for_each(|market| actor.meet(market));
        for record in &batch.records {
            out.clear();
            actor.push(&record.event, &mut out);
            if let Some(trip) = actor.tripped() {
                failure = failure.or(orders.kill.write(&trip).or_fail(Code::Runtime).err());
            }
            if out == Outcome::default() {
                continue;
            }
            let now = super::now().unwrap_or(TsNs(0));
            if !out.deeds.is_empty() {
                meter.record(record.event.recv, now);
            }
            let latency_us = now.0.saturating_sub(record.event.recv.0).max(0) / 1_000;
            if let Err(error) = journal.write(&out, latency_us) {
                // What cannot be written down is not done.
                actor.halt(true);
                failure.get_or_insert(error);
            }
        }
    }
    meter.turn();
    failure = failure.or(journal.finish().err());
    Acted { report: actor.report(), meter, failure }
}

fn text(traded: &Traded) -> String {
    let Traded { policy, actor, decision_us, journal, source, .. } = traded;
    let badge = if source.starts_with("sim:") { "[SIM] synthetic market" } else { "market" };
    let dollars = |e6: i64| format!("{:+.2}", e6 as f64 / 1e6);
    let contracts = |e2: i64| format!("{:.2}", e2 as f64 / 100.0);
    let [worst, fitted, best] = actor.bracket_e6.map(dollars);
    [
        format!("policy            {policy}, paper money on a {badge} ({source})"),
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
            "profit, dollars   {} after {} fees",
            dollars(actor.profit_e6),
            dollars(-actor.fees_e6)
        ),
        format!("  by queue        {worst} pessimistic, {fitted} fitted, {best} optimistic"),
        format!("open positions    {}, marked at the touch", actor.open_positions),
        format!("decision time     p50 {} us, p99 {} us", decision_us.p50, decision_us.p99),
        format!("journal           {journal}"),
    ]
    .join("\n")
}
