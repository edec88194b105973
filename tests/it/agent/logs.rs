//! What a run writes about itself stays small: nobody should have to choose between figures and disk.

use super::engines::planted;
use super::interface;
use kalshiflow::agent::checkpoint::{Notes, RunDir};
use kalshiflow::agent::config::TrainConfig;
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::fit;
use kalshiflow::agent::train::{Control, Job, train};
use kalshiflow::env::{EnvConfig, TradingEnv};

/// Bytes for a million environment steps at most.
const BYTES_PER_MILLION_MAX: f64 = 20e6;

/// SB3's own logs of a million steps were 1.9 GB once. At its intervals, a row for each rollout of PPO, for every
/// hundredth of A2C, with its one environment that gives the most rows. Rows are as long in the thousandth
/// update as in the first, but for digits, so that a few of them stand for all.
#[test]
fn the_logs_of_a_million_steps_stay_under_twenty_megabytes() {
    for (config, steps) in [
        (TrainConfig { n_envs: 1, ..TrainConfig::ppo() }, 8_192),
        (TrainConfig { n_envs: 1, ..TrainConfig::a2c() }, 5_000),
        (TrainConfig::throughput(), 10_240),
    ] {
        let rules = EnvConfig::default();
        let interface = interface(fit::interface(&rules).action_names);
        let config = TrainConfig { total_timesteps: steps, normalize_obs: true, ..config };
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path(), &config, &Notes::default()).unwrap();
        let mut env = TradingEnv::new(planted(), rules, config.n_envs).unwrap();
        let (interface, device) = (&interface, DeviceName::Flex);
        let job = Job { config: &config, interface, device, run: &run, resume: false };
        let done = train(&mut env, &job, &mut |_, _| Control::Continue).unwrap().steps;
        let mut sizes: Vec<(String, u64)> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().unwrap().len()))
            .filter(|(name, _)| {
                let grows = ["progress.", "diagnostics.", "timing.", "events."];
                grows.iter().any(|part| name.starts_with(part))
            })
            .collect();
        sizes.sort();
        assert_eq!(sizes.len(), 5, "{sizes:?}");
        assert!(sizes.iter().all(|(_, bytes)| *bytes > 0), "{sizes:?}");
        let rows = done / (config.log_interval * config.n_steps as u64 * config.n_envs as u64);
        let csv = std::fs::read_to_string(dir.path().join("progress.csv")).unwrap();
        assert_eq!(csv.lines().count() as u64, 1 + rows, "one row for each interval");
        let bytes = sizes.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let per_million = bytes as f64 / done as f64 * 1e6;
        eprintln!(
            "{} x {}: {per_million:.0} bytes per million steps",
            config.algo_name(),
            config.n_steps
        );
        assert!(per_million < BYTES_PER_MILLION_MAX, "{per_million}: {sizes:?}");
    }
}
