//! How long does an answer take, and how long a lesson?
//!
//! Sketch: forward through two towers of 52-64-64 is 15 k multiply-adds, a fraction of a microsecond of
//! arithmetic; an update on 64 rows is 5 MFLOP, about 20 us. What is above that is the engine's own cost.

use criterion::{Criterion, criterion_group, criterion_main};
use kalshiflow::agent::config::TrainConfig;
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::engine::{Engine, EngineName};
use kalshiflow::agent::trainer::Trainer;
use kalshiflow::env::VecEnv;
use kalshiflow::env::toy::TableWalk;

/// Name, engine and device.
const ENGINES: [(&str, EngineName, DeviceName); 3] = [
    ("fused", EngineName::Fused, DeviceName::Flex),
    ("burn_flex", EngineName::Burn, DeviceName::Flex),
    ("burn_ndarray", EngineName::Burn, DeviceName::Ndarray),
];

fn learn(c: &mut Criterion) {
    for (name, engine, device) in ENGINES {
        let config = TrainConfig { n_steps: 64, total_timesteps: u64::MAX, ..TrainConfig::ppo() };
        let mut env = TableWalk::new(config.n_envs);
        let build = |env: &dyn VecEnv| -> Box<dyn Engine> {
            let shape = config.shape(env);
            let (params, optimizer) = config.fresh(&shape);
            engine.build(device, shape, params, optimizer)
        };
        for rows in [1, 8] {
            let mut engine = build(&env);
            let obs = vec![0.1; rows * env.obs_len()];
            let (mut logits, mut values) = (vec![0.0; rows * env.n_actions()], vec![0.0; rows]);
            c.bench_function(&format!("answer_{rows}_rows_{name}"), |b| {
                b.iter(|| engine.infer(&obs, &mut logits, &mut values));
            });
        }
        let mut engine = build(&env);
        let mut trainer = Trainer::start(&config, &mut env, &mut *engine, &TableWalk::actions());
        // 8 environments x 64 steps, 10 passes of 8 minibatches: 80 updates.
        c.bench_function(&format!("ppo_iteration_512_steps_{name}"), |b| {
            b.iter(|| trainer.iterate().expect("finite"));
        });
    }
}

criterion_group!(benches, learn);
criterion_main!(benches);
