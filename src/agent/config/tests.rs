//! What a configuration takes, and what it refuses.

use super::*;

#[test]
fn parameters_are_set_by_sb3s_names() {
    let mut config = TrainConfig::ppo();
    for (name, value) in [
        ("learning_rate", "lin_0.001"),
        ("n_epochs", "20"),
        ("net_arch", "[32,32]"),
        ("target_kl", "0.03"),
    ] {
        config.set(name, value).unwrap();
    }
    assert_eq!(config.learning_rate, Schedule::Linear(0.001));
    assert_eq!(config.net_arch, [32, 32]);
    assert!(matches!(
        config.algo,
        Algo::Ppo { n_epochs: 20, target_kl: Some(_), batch_size: 64, .. }
    ));
    let before = config.clone();
    assert!(config.set("n_epoch", "3").unwrap_err().contains("n_epochs"));
    assert!(config.set("n_epochs", "many").is_err());
    assert!(TrainConfig::a2c().set("batch_size", "64").is_err(), "A2C has no minibatches");
    assert_eq!(config, before);
}

#[test]
fn a_configuration_survives_its_file() {
    for config in [TrainConfig::ppo(), TrainConfig::a2c(), TrainConfig::throughput()] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
        assert_eq!(config.problems(), Vec::<String>::new());
    }
}

#[test]
fn a_batch_that_does_not_divide_is_refused_with_those_that_do() {
    let config = TrainConfig { n_steps: 25, n_envs: 4, ..TrainConfig::ppo() };
    let problems = config.problems();
    assert!(problems.len() == 1 && problems[0].ends_with("50, 100"), "{problems:?}");
    let config = TrainConfig { n_steps: 50, n_envs: 1, ..TrainConfig::ppo() };
    assert!(config.problems()[0].ends_with("50"), "{:?}", config.problems());
}

/// A network of a trillion weights ended the process instead of being refused.
#[test]
fn what_no_memory_holds_and_what_no_run_survives_is_refused() {
    let refused = |mut config: TrainConfig, name: &str, value: &str| {
        config.set(name, value).unwrap();
        let problems = config.problems();
        assert!(problems.len() == 1 && problems[0].starts_with(name), "{problems:?}");
    };
    refused(TrainConfig::ppo(), "net_arch", "[1000000,1000000]");
    refused(TrainConfig::ppo(), "net_arch", "[60000,60000]");
    refused(TrainConfig::ppo(), "target_kl", "0");
    refused(TrainConfig::a2c(), "rms_prop_eps", "-1e-5");
    refused(TrainConfig::ppo(), "learning_rate", "1e39");
    refused(TrainConfig::ppo(), "clip_range", "lin_inf");
    // An infinity was written as null into a configuration that nothing could read any more.
    for param in ["max_grad_norm=1e39", "clip_range=inf"] {
        let told = TrainConfig::ppo().assign(param).unwrap_err();
        assert!(told.contains("within range"), "{told}");
    }
    let wide = TrainConfig { net_arch: vec![4_096; 3], ..TrainConfig::ppo() };
    assert!(wide.problems().is_empty());
}

#[test]
fn all_problems_are_told_at_once() {
    let config = TrainConfig { n_steps: 0, n_envs: 0, gamma: 1.5, ..TrainConfig::ppo() };
    assert_eq!(config.problems().len(), 3);
}
