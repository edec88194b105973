//! Training on a GPU, or on a driver that pretends to be one, comes to what it comes to on the CPU.

use super::{cartpole_ppo, interface};
use crate::cli::{kflow, run};
use kalshiflow::agent::checkpoint::{Notes, RunDir};
use kalshiflow::agent::config::{Algo, TrainConfig};
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::engine::EngineName;
use kalshiflow::agent::model::Model;
use kalshiflow::agent::schedule::Schedule;
use kalshiflow::agent::train::{Control, Job, train};
use kalshiflow::env::toy::CartPole;

/// The GPU; `None` after saying why there is none.
fn gpu() -> Option<DeviceName> {
    let found: Result<DeviceName, _> = "wgpu".parse();
    match &found {
        Ok(device) => eprintln!("on {}", device.hardware().unwrap_or("the processor")),
        Err(why) => eprintln!("SKIPPED: {why}"),
    }
    found.ok()
}

/// Mean returns after each rollout, and the parameters at the end.
fn course(config: &TrainConfig, device: DeviceName) -> (Vec<f64>, Vec<f32>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let run = RunDir::create(&path, config, &Notes::default()).unwrap();
    let interface = interface(CartPole::actions());
    let job = Job { config, interface: &interface, device, run: &run, resume: false };
    let mut returns = Vec::new();
    train(&mut CartPole::new(config.n_envs), &job, &mut |_, record| {
        returns.extend(record.get("rollout/ep_rew_mean"));
        Control::Continue
    })
    .unwrap();
    (returns, Model::load(&path).unwrap().params)
}

#[test]
fn a_gpu_learns_what_the_cpu_learns() {
    let Some(gpu) = gpu() else { return };
    let clip_range = Schedule::Constant(0.2);
    let algo = Algo::Ppo { batch_size: 128, n_epochs: 4, clip_range, target_kl: None };
    let ppo = TrainConfig { algo, ..cartpole_ppo(1, 3_000) };
    let a2c =
        TrainConfig { log_interval: 1, total_timesteps: 1_200, seed: 2, ..TrainConfig::a2c() };
    for config in [ppo, a2c] {
        let on_gpu = course(&TrainConfig { engine: EngineName::Burn, ..config.clone() }, gpu);
        let on_cpu = course(&TrainConfig { engine: EngineName::Fused, ..config }, DeviceName::Flex);
        assert_eq!(on_gpu.0.len(), on_cpu.0.len());
        eprintln!("returns {:?}", on_gpu.0);
        for (gpu, cpu) in on_gpu.0.iter().zip(&on_cpu.0) {
            assert!((gpu - cpu).abs() < 0.02 * cpu, "{:?} {:?}", on_gpu.0, on_cpu.0);
        }
        let far = on_gpu.1.iter().zip(&on_cpu.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        eprintln!("largest difference of a parameter {far:e}");
        assert!(far < 1e-2, "{far}");
    }
}

/// The same sizes on both, and their ratio, whoever reads it.
#[test]
fn the_benchmark_tells_how_a_gpu_compares_with_the_cpu() {
    if gpu().is_none() {
        return;
    }
    let words = ["bench", "train", "--device", "wgpu", "--hidden", "32,32", "--batch", "512"];
    let bench = |more: &[&str]| {
        let out = run(kflow(&words).args(["--horizon", "1", "--steps", "1"]).args(more));
        assert_eq!(out.code, 0, "{}", out.stderr);
        out.stdout
    };
    let told: serde_json::Value = serde_json::from_str(&bench(&["--json"])).unwrap();
    let (gpu, cpu) = (&told["data"]["runs"][0], &told["data"]["cpu_runs"][0]);
    for key in ["envs", "n_steps", "batch", "epochs", "hidden", "steps"] {
        assert_eq!(gpu[key], cpu[key], "{key}");
    }
    assert_eq!((&gpu["engine"], &cpu["engine"]), (&"burn".into(), &"fused".into()));
    let seconds = [cpu, gpu].map(|run| run["wall_s"].as_f64().unwrap());
    let ratio = told["data"]["ratio_to_cpu"].as_f64().expect("the ratio");
    assert!((ratio * seconds[1] / seconds[0] - 1.0).abs() < 1e-9, "{told}");
    let text = bench(&[]);
    let line = text.lines().find(|line| line.contains("ratio_to_cpu")).expect("the ratio");
    let ratio: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert!(ratio > 0.0, "{text}");
}

/// Whether the backend is missing in the program or the driver on the machine: one sentence, and what to do.
#[test]
fn a_gpu_that_is_not_there_is_refused() {
    for command in [&["bench", "train"][..], &["train"], &["eval", "nothing"]] {
        let mut command = kflow(command);
        let out = run(command.args(["--device", "wgpu"]).env("VK_DRIVER_FILES", "/nonexistent"));
        assert_eq!(out.code, 3, "{}", out.stderr);
        assert!(
            out.stderr.contains("wgpu") && out.stderr.contains("--device cpu"),
            "{}",
            out.stderr
        );
        assert_eq!(out.stdout, "");
    }
    let out = run(&mut kflow(&["bench", "train", "--device", "abacus"]));
    assert!(out.code == 3 && out.stderr.contains("abacus"), "{}", out.stderr);
}
