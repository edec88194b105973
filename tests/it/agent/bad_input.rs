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
    std::fs::write(&file, text.replacen("\"format\": 4", "\"format\": 3", 1)).unwrap();
    let more = TrainConfig { total_timesteps: 600, ..config };
    let resumed =
        try_run(&mut CartPole::new(4), &more, CartPole::actions(), &path, true, &mut |_| {
            Control::Continue
        });
    let Err(TrainError::Checkpoint(e)) = resumed else { panic!("{resumed:?}") };
    assert!(matches!(e, CheckpointError::Format { found: 3, known: 4, .. }), "{e:?}");
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
