//! Evaluation: finds what is there and nothing else, on tapes whose truth is known.

use kalshiflow::agent::eval::{self, Entrant, EvalResult, Setup, Team, Verdict};
use kalshiflow::agent::insight::Insight;
use kalshiflow::agent::policy::{Policy, Random};
use kalshiflow::agent::score::Part;
use kalshiflow::agent::split::{Plan, Protocol, Rule};
use kalshiflow::agent::tries::Tries;
use kalshiflow::env::EnvConfig;
use kalshiflow::event::{Event, SessionId};
use kalshiflow::features::Layout;
use kalshiflow::features::episode::{Episode, EpisodeBuilder};
use kalshiflow::report;
use kalshiflow::sim::tape::{Edge, TapeSpec, synthesize};

const PLANTED: Edge = Edge::TouchImbalance { per_mille: 400 };

/// The episodes of a synthetic tape, as an import would give them.
fn episodes(spec: &TapeSpec) -> Vec<Episode> {
    let tape = synthesize(spec);
    let mut by_market: Vec<Vec<Event>> = vec![Vec::new(); tape.infos.len()];
    for event in tape.events {
        by_market[event.market.0 as usize].push(event);
    }
    let episodes = |(info, events): (_, Vec<Event>)| {
        let mut builder = EpisodeBuilder::new(Layout::Flow52V1, info, SessionId::default());
        events.iter().for_each(|e| builder.push(e));
        builder.finish()
    };
    tape.infos.iter().zip(by_market).flat_map(episodes).collect()
}

/// Buys the side whose touch is larger, once the picture is clear, and holds.
#[derive(Default)]
struct Reader {
    seen: f32,
}

impl Policy for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn begin(&mut self, _seed: u64) {
        self.seen = 0.0;
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        self.seen += obs[10]; // imbalance_touch
        let action = match self.seen {
            s if s > 3.0 => 1,
            s if s < -3.0 => 3,
            _ => 0,
        };
        if mask[action] { action as u32 } else { 0 }
    }
}

fn judge(episodes: &[Episode], plan: &Plan) -> EvalResult {
    let mut entrants = eval::baselines();
    entrants.push(Entrant::one("reader", Box::<Reader>::default()));
    judge_all(episodes, plan, entrants, None, 2)
}

fn judge_all(
    episodes: &[Episode],
    plan: &Plan,
    entrants: Vec<Entrant>,
    tries: Option<Tries>,
    threads: usize,
) -> EvalResult {
    let env = EnvConfig::default();
    let setup = Setup { episodes, plan, env: &env, seed: 7, tries, threads };
    eval::evaluate(&setup, entrants, |_, _| {})
}

#[test]
fn the_planted_edge_is_found_and_the_fair_tape_has_none() {
    for seed in [7, 8, 9] {
        let spec = TapeSpec { seed, spread_e3: 400, ..TapeSpec::default() };
        let verdict = |edge| {
            let episodes = episodes(&TapeSpec { edge, ..spec });
            let result = judge(&episodes, &Plan::new(&episodes));
            for row in result.policies.iter().filter(|r| r.name != "reader") {
                let gains = row.ci95.is_some_and(|c| c[0] > 0.0);
                assert!(!gains, "seed {seed}: {} gains by chance alone: {:?}", row.name, row.ci95);
            }
            (result.verdict, result.reason)
        };
        let (edge, why) = verdict(PLANTED);
        assert_eq!(edge, Verdict::BeatsHolding, "seed {seed}: {why}");
        let (fair, why) = verdict(Edge::None);
        assert_ne!(fair, Verdict::BeatsHolding, "seed {seed}: {why}");
    }
}

#[test]
fn figures_belong_together() {
    let episodes = episodes(&TapeSpec { edge: PLANTED, ..TapeSpec::default() });
    let result = judge(&episodes, &Plan::new(&episodes));
    let again = judge(&episodes, &Plan::new(&episodes));
    let json = |r: &EvalResult| serde_json::to_string(r).expect("serializable");
    assert_eq!(json(&result), json(&again), "same seed, same bytes");
    let names: Vec<&str> =
        result.policies.iter().filter(|r| r.split == Part::Test).map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["hold", "random", "hardcoded", "buy_yes", "buy_no", "reader"]);
    for row in &result.policies {
        let sum: f64 = row.results.iter().map(|r| r.ret).sum();
        assert!((row.equity - 100.0 - 100.0 * sum).abs() < 1e-6, "{}", row.name);
        assert!((row.mean_return - sum / row.markets as f64).abs() < 1e-12);
        // The pessimistic queue counts unless told otherwise, so that its figures are the row's.
        assert!((row.mean_return - row.bracket[0]).abs() < 1e-12, "{}", row.name);
        assert_eq!(row.ci95, row.pessimistic_ci95, "{}", row.name);
        assert!((row.actions.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(row.results.is_sorted_by_key(|r| r.settled_ms));
        match row.name.as_str() {
            "hold" => assert_eq!((row.equity, row.trades, row.win_rate), (100.0, 0, None)),
            name => assert!(row.fees > 0.0 && row.trades > 0 && row.max_drawdown > 0.0, "{name}"),
        }
    }
}

/// Three seeds of one recipe, two of which do not look: the verdict is about all of them, on any number of
/// threads, and a later seed cannot be left out of it.
#[test]
fn seeds_are_judged_together_on_any_number_of_threads() {
    let episodes = episodes(&TapeSpec { edge: PLANTED, spread_e3: 400, ..TapeSpec::default() });
    let plan = Plan::new(&episodes);
    let judged = |threads, looking: usize| {
        let team = |i: usize| Team {
            name: format!("seed {i}"),
            policies: vec![match i < looking {
                true => Box::<Reader>::default(),
                false => Box::<Random>::default(),
            }],
        };
        let mut entrants = eval::baselines();
        entrants.push(Entrant { name: "reader".into(), teams: (0..3).map(team).collect() });
        judge_all(&episodes, &plan, entrants, None, threads)
    };
    let all = judged(1, 3);
    assert_eq!((all.verdict, all.seeds.len()), (Verdict::BeatsHolding, 3), "{}", all.reason);
    assert!(all.reason.ends_with("3 seeds"), "{}", all.reason);
    let one = judged(1, 1);
    assert_eq!(one.verdict, Verdict::NoEvidence, "one lucky seed of three: {}", one.reason);
    let row = one.judged().expect("held out");
    let mean = one.seeds.iter().map(|s| s.mean_return).sum::<f64>() / 3.0;
    assert!((row.mean_return - mean).abs() < 1e-12 && one.seeds[0].mean_return > 2.0 * mean);
    let json = |r: &EvalResult| serde_json::to_string(r).expect("serializable");
    for threads in [2, 5, 64] {
        assert_eq!(json(&judged(threads, 1)), json(&one), "{threads} threads");
    }
}

/// The same rows that convince when there was one try do not when they are the best of very many.
#[test]
fn a_gain_is_deflated_by_the_tries_that_found_it() {
    let episodes = episodes(&TapeSpec { edge: PLANTED, spread_e3: 400, ..TapeSpec::default() });
    let plan = Plan::new(&episodes);
    let judged = |tries| {
        let reader = Entrant::one("reader", Box::<Reader>::default());
        judge_all(&episodes, &plan, vec![reader], tries, 1)
    };
    let tries =
        |tries, variance| Some(Tries { tries, sharpe_variance: Some(variance), overfitting: None });
    assert_eq!(judged(tries(3, 0.01)).verdict, Verdict::BeatsHolding);
    let many = judged(tries(100_000, 1.0));
    assert_eq!(many.verdict, Verdict::NoEvidence, "{}", many.reason);
    assert!(many.reason.contains("after 100000 tries"), "{}", many.reason);
    assert!(many.tries.is_some_and(|t| t.deflated < 0.95 && t.tries == 100_000));
}

#[test]
fn every_way_to_divide_finds_the_edge_and_holds_each_market_out_once() {
    let episodes = episodes(&TapeSpec { edge: PLANTED, spread_e3: 400, ..TapeSpec::default() });
    for (rule, markets) in [(Rule::Time, 40), (Rule::WalkForward(4), 134), (Rule::Markets, 200)] {
        let plan = Plan::by(rule, &episodes).expect("enough markets");
        let result = judge(&episodes, &plan);
        let row = result.judged().expect("held out");
        assert_eq!((row.markets, result.verdict), (markets, Verdict::BeatsHolding), "{rule}");
        let tickers: std::collections::BTreeSet<_> =
            row.results.iter().map(|r| &r.ticker).collect();
        assert_eq!(tickers.len(), row.markets, "{rule}");
    }
}

#[test]
fn few_markets_are_pooled_from_blocks_and_too_few_give_no_verdict() {
    for (markets, verdict) in [(18, Verdict::NoVerdict), (60, Verdict::BeatsHolding)] {
        let spec = TapeSpec { markets, edge: PLANTED, spread_e3: 400, ..TapeSpec::default() };
        let episodes = episodes(&spec);
        let plan = Plan::new(&episodes);
        assert_eq!(plan.protocol, Protocol::FiveBlocks);
        let result = judge(&episodes, &plan);
        assert_eq!(result.verdict, verdict, "{}", result.reason);
        let test = result.policies.iter().filter(|r| r.split == Part::Test);
        assert!(
            test.clone().all(|r| r.markets == markets as usize),
            "each market is held out once"
        );
    }
}

#[test]
fn the_report_needs_nothing_else_and_says_what_it_is() {
    let episodes = episodes(&TapeSpec { markets: 40, edge: PLANTED, ..TapeSpec::default() });
    let result = judge(&episodes, &Plan::new(&episodes));
    let origin = report::Origin {
        run: "<run>".into(),
        synthetic: Some("sim:seed=7".into()),
        facts: vec![("layout".into(), "flow52-v1".into())],
    };
    let page = report::evaluation(&result, &Insight::default(), &origin);
    for needed in
        ["&lt;run&gt;", "Synthetic data", "sim:seed=7", "hardcoded", "<svg", result.verdict.words()]
    {
        assert!(page.contains(needed), "{needed}");
    }
    for foreign in ["http://", "https://", "<script", "<link", "src=", "@import", "url(", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let unknown = EvalResult { held_out: false, ..result };
    let unknown = report::evaluation(&unknown, &Insight::default(), &origin);
    for (words, stands) in [("Markets of unknown standing", true), ("had not seen", false)] {
        assert_eq!((unknown.contains(words), page.contains(words)), (stands, !stands), "{words}");
    }
    if let Some(dir) = std::env::var_os("KFLOW_KEEP_REPORT") {
        std::fs::write(std::path::Path::new(&dir).join("report.html"), &page).expect("written");
    }
}

/// The bar for learning, through the demo's real path: tape, files, import, export, features,
/// training, evaluation. One seed by default; two more with `KFLOW_LONG=1`.
#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn ppo_finds_the_planted_edge_and_nothing_on_the_fair_tape() {
    use kalshiflow::agent::judge::{self, Question};
    use kalshiflow::{demo, units::TsNs};
    let long = std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1");
    if !long {
        eprintln!("SKIPPED seeds 8 and 9: they run with KFLOW_LONG=1");
    }
    for seed in if long { 7..10 } else { 7..8 } {
        let dir = tempfile::tempdir().expect("temporary folder");
        let now = TsNs(1_767_571_200_000_000_000);
        let studies = demo::run(dir.path(), seed, now, &|_, _, _| {}).expect("shown");
        for study in &studies {
            let rows = study.eval.result.policies.iter().filter(|r| r.split == Part::Test);
            let names: Vec<&str> = rows.map(|r| r.name.as_str()).collect();
            let all = ["hold", "random", "hardcoded", "buy_yes", "buy_no", "untrained", "ppo"];
            assert_eq!(names, all);
            assert_eq!(study.eval.synthetic(), Some(format!("sim:seed={seed}").as_str()));
        }
        let [edge, control] = studies.map(|s| s.eval);
        assert_eq!(
            edge.result.verdict,
            Verdict::BeatsHolding,
            "seed {seed}: {}",
            edge.result.reason
        );
        let fair = &control.result;
        assert_ne!(fair.verdict, Verdict::BeatsHolding, "seed {seed}: {}", fair.reason);

        // The same run judged again says the same; on the other tape it finds nothing it never saw.
        let runs = [dir.path().join("edge/run")];
        let judge = |data: &str, seed| {
            judge::judge(&Question::new(&runs, &dir.path().join(data), seed), |_, _, _| {})
        };
        let again = judge("edge/data", seed).expect("judged");
        let json = |e: &judge::Evaluation| serde_json::to_string(e).expect("serializable");
        assert_eq!(json(&again), json(&edge));
        let other = judge("control/data", seed).expect("judged").result;
        assert_eq!(other.protocol, Protocol::Unseen);
        assert!(other.policies.iter().filter(|r| r.split == Part::Test).all(|r| r.markets < 80));
        assert_eq!(other.warnings.iter().filter(|w| w.contains("never saw")).count(), 1);
    }
}

/// Each failure has its exit code and names the next step.
#[test]
#[cfg(all(feature = "frames", feature = "learn"))]
fn what_cannot_be_judged_or_shown_says_why() {
    let dir = tempfile::tempdir().expect("temporary folder");
    std::fs::write(dir.path().join("precious.txt"), "mine").expect("written");
    let kflow = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kflow"))
            .args(args)
            .current_dir(dir.path())
            .output()
            .expect("started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, talk) = kflow(&["eval", "no-such-run"]);
    assert!(code == Some(5) && talk.contains("hint: "), "{code:?} {talk}");
    let (code, talk) = kflow(&["demo", "--dir", "."]);
    assert!(code == Some(3) && talk.contains("--dir"), "{code:?} {talk}");
    assert!(dir.path().join("precious.txt").exists(), "a demo removes nothing that is not its own");
}
