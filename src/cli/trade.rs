//! `kflow trade`: record live markets, and let a policy trade them on paper.

pub mod desk;
mod journal;
mod policy;

use super::collect;
use super::exit::{Code, Failure};
use super::printer;
use crate::actor::{Acting, Actor, ActorReport, ActorSpec, Choice, Hot};
use crate::collect::{Accepted, Follower, Meter};
use crate::units::TsNs;
use clap::ValueEnum;
use journal::Journal;
use serde::Serialize;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::sync::mpsc;

/// Options of `kflow trade`: those of `kflow collect`, and what trades.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  kflow trade --env sim --policy hardcoded --for 60s          on the built-in exchange
  kflow trade --env prod --model checkpoints/RUN --hot 10     real markets, paper money
Orders are paper: they fill against the recorded book in this process and reach no exchange.
SIGHUP loads the model again; one that cannot be used is refused, and the old one goes on.")]
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
    /// Least time between two orders in one market
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = super::amount::duration, help_heading = "Trading")]
    throttle: Duration,
    /// All chance comes from it
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Trading")]
    seed: u64,
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
    let spec = ActorSpec {
        env: chosen.rules,
        choice: choice(&args)?,
        throttle_ms: args.throttle.as_millis() as i64,
        seed: args.seed,
    };
    let journal = Journal::create(&args.collect.data, &spec, &name, &chosen.acting.model_hash)?;
    let place = journal.place();
    let (follower, accepted) = Follower::new();
    let swaps = policy::reload_on_hangup(&args, &spec.env)?;
    let actor = Actor::new(spec, chosen.acting);
    let acting = std::thread::Builder::new()
        .name("actor".to_owned())
        .spawn(move || act(actor, accepted, &swaps, journal))?;
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
    swaps: &Receiver<Acting>,
    mut journal: Journal,
) -> Acted {
    let (mut deeds, mut meter, mut failure) = (Vec::new(), Meter::default(), None);
    while let Some(batch) = accepted.blocking_recv() {
        swaps.try_iter().for_each(|acting| actor.swap(acting));
        batch.markets.iter().for_each(|market| actor.meet(market));
        for record in &batch.records {
            deeds.clear();
            actor.push(&record.event, &mut deeds);
            if deeds.is_empty() {
                continue;
            }
            let now = super::now().unwrap_or(TsNs(0));
            meter.record(record.event.recv, now);
            let latency_us = now.0.saturating_sub(record.event.recv.0).max(0) / 1_000;
            if let Err(error) = journal.write(&deeds, latency_us) {
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
    [
        format!("policy            {policy}, paper money on a {badge} ({source})"),
        format!("markets traded    {} ({} settled)", actor.markets, actor.settled),
        format!("decisions         {}", actor.decisions),
        format!("orders            {} ({} held back)", actor.orders, actor.held_back),
        format!(
            "profit, dollars   {} after {} fees",
            dollars(actor.profit_e6),
            dollars(-actor.fees_e6)
        ),
        format!("open positions    {}, marked at the touch", actor.open_positions),
        format!("decision time     p50 {} us, p99 {} us", decision_us.p50, decision_us.p99),
        format!("journal           {journal}"),
    ]
    .join("\n")
}
