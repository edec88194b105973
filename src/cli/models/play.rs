//! `kflow models play`: every episode and every action of a model, for whoever wants to look for themselves.

use super::failure;
use crate::agent::device::DeviceName;
use crate::agent::inspect::Watched;
use crate::agent::judge::{self, Trader};
use crate::agent::memory::Memory;
use crate::agent::split::Plan;
use crate::broker::Intent;
use crate::broker::matching::{Bound, Fill, NewOrder};
use crate::cli::exit::{self, Code, Failure, OrFail};
use crate::cli::train::checkpoint_failure;
use crate::cli::{eval, printer};
use crate::dataset::experience::Origin;
use crate::dataset::played::{ActionRow, EpisodeRow, write_actions, write_episodes};
use crate::env::account::{Exact, Request};
use crate::env::run::watch_episode;
use crate::env::{EpisodeReport, Policy, Seat};
use crate::features::episode::Episode;
use crate::registry::Registry;
use crate::replay::{self, Recording};
use crate::rng::Rng;
use crate::units::{Money, Price, Qty, Side, TsUs};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `kflow models play`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The model: NAME, NAME:3, NAME@ALIAS, or a model of a run (RUN/fold_0)
    #[arg(value_name = "MODEL")]
    model: String,
    /// The data directory
    #[arg(long, value_name = "DIR", default_value = "datasets")]
    data: PathBuf,
    /// Where runs and registry are
    #[arg(long, value_name = "DIR", default_value = "checkpoints")]
    run_dir: PathBuf,
    /// Where the two files go [default: the model's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Also the markets that it learned from, and those too close to them
    #[arg(long)]
    all: bool,
    /// Chance of the simulated delays
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Plays and writes.
///
/// # Errors
/// 5 for models or data that cannot be used, or when nothing is left to play.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = Registry::at(&args.run_dir).path_of(&args.model).map_err(failure)?;
    let mut trader = judge::trader(&path, DeviceName::default()).map_err(eval::failure)?;
    let recording = replay::recording(&args.data, trader.rules.layout).map_err(exit::store)?;
    let episodes: Vec<&Episode> = match args.all {
        true => recording.episodes.iter().collect(),
        false => held_out(&path, &recording)?,
    };
    if episodes.is_empty() {
        let what = "no market of these data is held out from the model";
        let failure = Failure::msg(Code::Integrity, what);
        return Err(failure.hint("--all plays them too; name other data with --data"));
    }
    let (mut rows, mut actions) = (Vec::new(), Vec::new());
    for (i, episode) in episodes.into_iter().enumerate() {
        let seed = Rng::stream(args.seed, "play", i as u64).next_u64();
        rows.push(play(i as i32, episode, &mut trader, seed, &mut actions));
    }
    let names: Vec<String> =
        (0..trader.rules.actions.len() as u32).map(|a| trader.rules.actions.name(a)).collect();
    let (layout, hash) = (trader.rules.layout.to_string(), trader.rules.layout.hash());
    let origin = Origin {
        source: recording.sources.first().map_or("", String::as_str),
        layout: (&layout, &hash),
        actions: &names,
        model_hash: &trader.hash,
    };
    let out = args.out.as_deref().unwrap_or(&path);
    fs::create_dir_all(out).or_fail(Code::Runtime)?;
    let files = [out.join("episodes.parquet"), out.join("actions.parquet")];
    write_episodes(&files[0], &rows, &origin).or_fail(Code::Runtime)?;
    write_actions(&files[1], &actions, trader.rules.layout.len(), &origin)
        .or_fail(Code::Runtime)?;
    if args.json {
        let data = json!({"files": files, "episodes": rows.len(), "actions": actions.len()});
        return printer::json("models play", &data);
    }
    printer::line(&format!("{}: {} episodes", files[0].display(), rows.len()))?;
    printer::line(&format!("{}: {} actions", files[1].display(), actions.len()))
}

/// What is held out from the model, by what it or the run that it is part of says of its markets: what
/// `kflow eval` judges it on.
fn held_out<'a>(model: &Path, recording: &'a Recording) -> Result<Vec<&'a Episode>, Failure> {
    let Some(memory) = Memory::read(model).map_err(checkpoint_failure)? else {
        let failure = Failure::msg(Code::Integrity, "what the model learned from is not known");
        return Err(failure.hint("--all plays every market"));
    };
    let plan = Plan::to_judge(&[memory], &recording.episodes, &recording.fingerprint);
    let test = plan.into_iter().flat_map(|plan| plan.splits).flat_map(|split| split.test);
    Ok(test.map(|index| &recording.episodes[index]).collect())
}

/// One episode; its decisions are added to `actions`.
fn play(
    number: i32,
    episode: &Episode,
    trader: &mut Trader,
    seed: u64,
    actions: &mut Vec<ActionRow>,
) -> EpisodeRow {
    let rules = &trader.rules;
    let mut policy = Noted { model: Watched::new(&mut trader.policy), seen: Vec::new() };
    let (mut position_e2, mut cash_e6) = (0, rules.start_cash.e6());
    let first = actions.len();
    let report = watch_episode::<Exact>(
        episode,
        rules,
        &mut policy,
        seed,
        &mut |action, step, seat: &Seat| {
            let portfolio = seat.account().portfolio();
            let decision = &episode.decisions[seat.at() - 1];
            let after_e2 = portfolio.position().e2();
            let order = seat.account().sent().iter().find_map(submitted);
            let filled = mean_price(&seat.account().news().fills, rules.execution.counts);
            actions.push(ActionRow {
                episode_number: number,
                step_number: seat.at() as i32 - 1,
                ts: TsUs::from_ms(decision.ts_ms),
                row_id: decision.row_id,
                action: rules.actions.name(action),
                // The policy tells both when the episode is over.
                confidence: 0.0,
                observation: Vec::new(),
                position_e2: [position_e2, after_e2],
                cash_e6: portfolio.cash().e6(),
                reward_e6: step.reward.e6(),
                is_executed: filled.is_some(),
                cash_before_e6: cash_e6,
                yes_price_e4: order.map(|order| of_yes(order.intent, order.price).e4()),
                quantity_e2: order.map(|order| order.qty.e2()),
                yes_execution_price_e4: filled,
            });
            (position_e2, cash_e6) = (after_e2, portfolio.cash().e6());
        },
    );
    let told = policy.model.confidences().zip(policy.seen);
    for (row, (confidence, observation)) in actions[first..].iter_mut().zip(told) {
        (row.confidence, row.observation) = (confidence, observation);
    }
    summary(number, episode, &report, &actions[first..])
}

/// A watched model of which also every observation is noted.
struct Noted<'a> {
    model: Watched<'a>,
    seen: Vec<Vec<f32>>,
}

impl Policy for Noted<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn begin(&mut self, seed: u64) {
        self.model.begin(seed);
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        self.seen.push(obs.to_vec());
        self.model.act(obs, mask)
    }
}

/// The order that a request places.
fn submitted(request: &Request) -> Option<&NewOrder> {
    match request {
        Request::Submit { order, .. } => Some(order),
        Request::Amend { .. } | Request::Cancel { .. } => None,
    }
}

/// A price on the scale of an order's own side, as a price of YES.
fn of_yes(intent: Intent, price: Price) -> Price {
    if intent.side == Side::Yes { price } else { price.complement() }
}

/// Mean price of what filled in the queue `counts`, 1e-4 dollars of YES; `None` where nothing did.
fn mean_price(fills: &[Fill], counts: Bound) -> Option<f64> {
    let sum = |of: &dyn Fn(&Fill) -> i64| fills.iter().map(|f| of(f) as f64).sum::<f64>();
    let qty = sum(&|f| f.qty[counts].e2());
    let paid = sum(&|f| f.qty[counts].e2() * of_yes(f.intent, f.price).e4());
    (qty > 0.0).then(|| paid / qty)
}

fn summary(
    number: i32,
    episode: &Episode,
    report: &EpisodeReport,
    actions: &[ActionRow],
) -> EpisodeRow {
    let ts = |decision: Option<&crate::features::episode::Decision>| {
        TsUs::from_ms(decision.map_or(0, |d| d.ts_ms))
    };
    let gains: Vec<f64> = actions.iter().map(|a| a.reward_e6 as f64).collect();
    let n = gains.len().max(1) as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let sd = (gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n).sqrt();
    let start = report.start.as_dollars();
    let EpisodeReport { tally, markouts, .. } = report;
    let [after_1, after_10, after_60] = markouts.after;
    EpisodeRow {
        episode_number: number,
        ticker: report.ticker.to_string(),
        ts: [ts(episode.decisions.first()), ts(episode.decisions.last())],
        balance_e6: [report.start.e6(), report.final_equity.e6()],
        total_return: report.final_equity.as_dollars() / start - 1.0,
        max_drawdown_e6: report.max_drawdown.e6(),
        sharpe_ratio: (sd > 0.0).then(|| mean / sd),
        num_actions: actions.iter().filter(|a| a.action != "hold").count() as i64,
        num_trades: report.tally.filled as i64,
        fees_e6: report.fees.e6(),
        episode_length: actions.len() as i64,
        is_settled: report.paid_out,
        episode_reward_e6: actions.iter().map(|a| a.reward_e6).sum(),
        bracket_e6: report.bracket.0.map(Money::e6),
        contracts_e2: [tally.maker, tally.taker].map(Qty::e2),
        notional_e6: tally.notional.e6(),
        markout_cents: [after_1, after_10, after_60, markouts.settlement].map(|m| m.cents()),
    }
}
