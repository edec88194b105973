//! Learning in our own environment: PPO finds what is there and nothing else.

use super::eval::episodes;
use kalshiflow::agent::burn_engine::BurnEngine;
use kalshiflow::agent::config::{Algo, TrainConfig};
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::eval::{self, Entrant, EvalResult, Setup};
use kalshiflow::agent::model::{Choice, Model, ModelPolicy};
use kalshiflow::agent::split::Plan;
use kalshiflow::agent::trainer::Trainer;
use kalshiflow::agent::weights::Interface;
use kalshiflow::env::{EnvConfig, TradingEnv};
use kalshiflow::features::episode::Episode;
use kalshiflow::sim::tape::{Edge, TapeSpec};
use std::sync::Arc;

fn var<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn trained(all: &[Episode], part: &[usize], config: &TrainConfig) -> Model {
    let train: Arc<[Episode]> = part.iter().map(|e| all[*e].clone()).collect();
    let mut env = TradingEnv::new(train, EnvConfig::default(), var("ENVS", 8)).expect("playable");
    let shape = config.shape(&env);
    let (params, optimizer) = config.fresh(&shape);
    let mut engine = BurnEngine::new(DeviceName::Flex, shape.clone(), params, optimizer);
    let names: Vec<String> = (0..5).map(|a| EnvConfig::default().actions.name(a)).collect();
    let mut trainer = Trainer::start(config, &mut env, &mut engine, &names);
    while trainer.steps() < config.total_timesteps {
        let i = trainer.iterate().expect("finite");
        if var("VERBOSE", 0) == 1 {
            println!("{} {}", trainer.steps(), i.record.to_json());
        }
    }
    let s = trainer.snapshot();
    let interface = Interface {
        layout: String::new(),
        layout_hash: String::new(),
        actions: String::new(),
        action_names: vec![],
        reward: String::new(),
    };
    let mut m = Model::untrained(config, shape, interface);
    m.params = s.params;
    m.normalizer = s.normalizer;
    m
}

#[test]
fn scratch() {
    let per_mille = var("EDGE", 400);
    let edge = if per_mille == 0 { Edge::None } else { Edge::TouchImbalance { per_mille } };
    let spec = TapeSpec {
        spread_e3: var("SPREAD", 400),
        steps: var("STEPS", 80),
        markets: var("MARKETS", 200),
        edge,
        seed: var("TAPE", 7),
        ..TapeSpec::default()
    };
    let all = episodes(&spec);
    println!("episodes {} decisions {}", all.len(), all.iter().map(Episode::len).sum::<usize>());
    let plan = Plan::new(&all);
    for seed in 0..var("SEEDS", 3) {
        let mut config = TrainConfig {
            seed,
            total_timesteps: var("TOTAL", 60_000),
            n_steps: var("NSTEPS", 256),
            normalize_obs: true,
            gamma: var("GAMMA", 0.99),
            gae_lambda: var("LAMBDA", 0.95),
            ent_coef: var("ENT", 0.0),
            ..TrainConfig::ppo()
        };
        if let Algo::Ppo { batch_size, n_epochs, .. } = &mut config.algo {
            *batch_size = var("BATCH", 64);
            *n_epochs = var("EPOCHS", 10);
        }
        config.set("learning_rate", &var("LR", "0.0003".to_owned())).expect("lr");
        let t = std::time::Instant::now();
        let model = trained(&all, &plan.splits[0].train, &config);
        let took = t.elapsed().as_secs_f64();
        let env = EnvConfig::default();
        let mut entrants = vec![Entrant {
            name: "model".into(),
            policies: vec![Box::new(ModelPolicy::new(
                "model",
                model,
                Choice::Greedy,
                DeviceName::Flex,
            ))],
        }];
        let result: EvalResult = eval::evaluate(
            &Setup { episodes: &all, plan: &plan, env: &env, seed: 7 },
            &mut entrants,
            |_, _| {},
        );
        println!(
            "seed {seed} {took:.1}s {:?} {} {:?}",
            result.verdict, result.reason, result.warnings
        );
        for r in &result.policies {
            println!(
                "   {:?} ret {:+.3} ci {:?} trades {} actions {:.2?} win {:?}",
                r.split, r.mean_return, r.ci95, r.trades, r.actions, r.win_rate
            );
        }
    }
}
