//! What a run meets that it did not ask for.

use super::{Poisoned, assert_same, quick, run, try_run};
use kalshiflow::agent::checkpoint::CheckpointError;
use kalshiflow::agent::config::TrainConfig;
use kalshiflow::agent::train::{Control, TrainError};
use kalshiflow::env::toy::CartPole;

/// A kill before the first save leaves a folder without a state; whoever takes it up begins, to the same end.
#[test]
fn a_run_killed_before_its_first_save_begins_anew() {
    let config = TrainConfig { total_timesteps: 1_000, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    run(&mut CartPole::new(4), &config, CartPole::actions(), &whole, false);
    run(&mut CartPole::new(4), &config, CartPole::actions(), &parts, false);
    std::fs::remove_dir_all(parts.join("last")).unwrap();
    std::fs::write(parts.join("progress.csv"), "half a ro").unwrap();
    run(&mut CartPole::new(4), &config, CartPole::actions(), &parts, true);
    assert_same(&whole, &parts);
}

#[test]
fn a_state_of_another_program_version_is_refused_by_its_number() {
    let config = TrainConfig { total_timesteps: 300, ..quick("ppo") };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run(&mut CartPole::new(4), &config, CartPole::actions(), &path, false);
    let file = path.join("last/trainer.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"format\": 3", "\"format\": 4", 1)).unwrap();
    let more = TrainConfig { total_timesteps: 600, ..config };
    let resumed =
        try_run(&mut CartPole::new(4), &more, CartPole::actions(), &path, true, &mut |_| {
            Control::Continue
        });
    let Err(TrainError::Checkpoint(e)) = resumed else { panic!("{resumed:?}") };
    assert!(matches!(e, CheckpointError::Format { found: 4, known: 3, .. }), "{e:?}");
    assert!(e.hint().contains("program version"));
}

#[test]
fn a_run_without_any_reward_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = TrainConfig { total_timesteps: 2_000, ..quick("ppo") };
    let mut env = Poisoned {
        inner: CartPole::new(4),
        at: 0,
        poison: |b| b.reward.iter_mut().for_each(|r| *r = 0.0),
    };
    let result = try_run(
        &mut env,
        &config,
        CartPole::actions(),
        &dir.path().join("run"),
        false,
        &mut |_| Control::Continue,
    );
    assert!(matches!(result, Err(TrainError::NoReward { steps: 2_048 })), "{result:?}");
}

/// SB3's own logs of a million steps were 1.9 GB once.
#[test]
fn logs_stay_below_twenty_megabytes_per_million_steps() {
    for algo in ["ppo", "a2c"] {
        let dir = tempfile::tempdir().unwrap();
        let (base, steps) = match algo {
            "ppo" => (TrainConfig { n_steps: 2048, ..TrainConfig::ppo() }, 20_000),
            _ => (TrainConfig::a2c(), 20_000),
        };
        // One environment: the most rows that SB3's intervals give.
        let config = TrainConfig { n_envs: 1, total_timesteps: steps, ..base };
        let path = dir.path().join("run");
        let outcome = run(&mut CartPole::new(1), &config, CartPole::actions(), &path, false);
        let logs = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
        let is_log = |name: &str| {
            name.contains("progress") || name.contains(".jsonl") || name.contains("tfevents")
        };
        let bytes: u64 = logs
            .filter(|entry| is_log(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.metadata().unwrap().len())
            .sum();
        let per_million = bytes * 1_000_000 / outcome.steps;
        // Trading has 52 observed values and 5 to 21 actions where the pole has 4 and 2: five times the row.
        assert!(bytes > 0 && per_million < 4_000_000, "{algo}: {per_million} bytes");
    }
}
