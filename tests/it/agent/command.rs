//! `kflow train` as a person uses it: import, train, resume, and be told what does not work.

use kalshiflow::agent::fit::model_dirs;
use kalshiflow::agent::model::Model;
use kalshiflow::sim::tape::{TapeSpec, synthesize};
use kalshiflow::sim::write::write;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn kflow(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kflow")).args(args).current_dir(dir).output().unwrap()
}

#[track_caller]
fn data(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let envelope: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(envelope["schema_version"], 1);
    envelope["data"].clone()
}

/// A folder with a log of `markets` synthetic markets.
fn recorded(markets: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&synthesize(&TapeSpec { markets, ..TapeSpec::default() }), &dir.path().join("tape"))
        .unwrap();
    let imported = kflow(dir.path(), &["import", "tape", "--json"]);
    assert_eq!(data(&imported)["markets"].as_array().map(Vec::len), Some(markets as usize));
    dir
}

const QUICK: [&str; 5] = ["train", "-p", "n_steps=64", "--steps", "1000"];
const ONE: [&str; 2] = ["--seeds", "1"];

#[test]
fn a_run_is_trained_taken_up_again_and_repeats_itself() {
    let dir = recorded(12);
    let train =
        |args: &[&str]| data(&kflow(dir.path(), &[&QUICK[..], &ONE, args, &["--json"]].concat()));
    let once = train(&["--seed", "3"]);
    for key in ["run_id", "run_dir", "steps", "steps_per_second", "final"] {
        assert!(!once[key].is_null(), "{key} is missing");
    }
    assert!(once["final"]["train/approx_kl"].is_number(), "{}", once["final"]);
    assert_eq!(once["final_of"]["seed"], 3);
    assert_eq!(once["final_of"]["dir"], once["models"][0]["dir"]);
    let again = train(&["--seed", "3"]);
    assert_ne!(once["run_id"], again["run_id"]);
    let models = |run: &Value| model_dirs(&dir.path().join(run["run_dir"].as_str().unwrap()));
    assert_eq!(models(&once).len(), 5, "twelve markets are held out in five blocks");
    for (a, b) in models(&once).iter().zip(models(&again)) {
        for file in ["last/model.safetensors", "last/trainer.json", "progress.csv"] {
            assert!(
                std::fs::read(a.join(file)).unwrap() == std::fs::read(b.join(file)).unwrap(),
                "{file}"
            );
        }
    }

    let longer = kflow(
        dir.path(),
        &["train", "--resume", once["run_id"].as_str().unwrap(), "--steps", "2000", "--json"],
    );
    assert_eq!(data(&longer)["run_dir"], once["run_dir"]);
    for model in models(&once) {
        assert_eq!(Model::load(&model).unwrap().card.steps, 2048);
    }
}

/// Taken up again with no step left, a run lost its figures in the registry and the time of its beginning; asked for
/// fewer steps it noted them as its configuration; and one that could not be read any more was `interrupted`.
#[test]
fn taking_up_a_finished_run_changes_nothing_of_it() {
    let dir = recorded(12);
    let once = data(&kflow(dir.path(), &[&QUICK[..], &ONE, &["--json"]].concat()));
    let id = once["run_id"].as_str().unwrap();
    let folder = dir.path().join(once["run_dir"].as_str().unwrap());
    let kept = || {
        let run = |name: &str| std::fs::read(folder.join("fold_0").join(name)).unwrap();
        let book = std::fs::read(dir.path().join("checkpoints/registry.json")).unwrap();
        (book, ["config.json", "legs.json", "provenance.json", "progress.jsonl"].map(run))
    };
    let before = kept();
    for steps in [&[][..], &["--steps", "1000"], &["--steps", "1020"]] {
        let again = kflow(dir.path(), &[&["train", "--json", "--resume", id], steps].concat());
        let told = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(told.contains("nothing to train"), "{steps:?}: {told}");
        let again = data(&again);
        assert_eq!((&again["final"], &again["steps"]), (&once["final"], &once["steps"]));
        assert!(kept() == before, "{steps:?}");
    }
    let fewer = kflow(dir.path(), &["train", "--resume", id, "--steps", "10"]);
    let told = String::from_utf8_lossy(&fewer.stderr);
    assert!(fewer.status.code() == Some(3) && told.contains("has 1024 steps"), "{told}");
    assert!(kept() == before, "fewer steps");

    std::fs::write(folder.join("fold_3/last/trainer.json"), "{").unwrap();
    let damaged = kflow(dir.path(), &["train", "--resume", id, "--steps", "5000"]);
    assert_eq!(damaged.status.code(), Some(5), "{}", String::from_utf8_lossy(&damaged.stderr));
    assert!(kept() == before, "a damaged state");
    let runs = data(&kflow(dir.path(), &["runs", "ls", "--json"]));
    assert_eq!(runs["runs"][0]["status"], "ready", "{runs}");
}

/// Killed after its last step and before its end was entered, a run was `interrupted` for ever: taken up again it had
/// nothing to do, and so nothing to enter.
#[test]
fn a_run_that_was_done_and_never_entered_is_entered_when_taken_up() {
    let dir = recorded(12);
    let once = data(&kflow(dir.path(), &[&QUICK[..], &ONE, &["--json"]].concat()));
    let place = dir.path().join("checkpoints");
    for file in ["registry.redb", "registry.json"] {
        std::fs::remove_file(place.join(file)).unwrap();
    }
    let again = kflow(dir.path(), &["train", "--resume", once["run_id"].as_str().unwrap()]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    let book = std::fs::read(place.join("registry.json")).unwrap();
    let book: Value = serde_json::from_slice(&book).unwrap();
    assert_eq!(book["runs"][0]["status"], "ready", "{book}");
    assert_eq!(book["runs"][0]["results"].as_array().map(Vec::len), Some(5), "{book}");
}

#[test]
fn the_engine_is_chosen_recorded_and_may_change_on_the_way() {
    let dir = recorded(12);
    let train = |args: &[&str]| data(&kflow(dir.path(), &[&["train", "--json"], args].concat()));
    let engine = |run: &Value| {
        let path = dir.path().join(run["run_dir"].as_str().unwrap()).join("fold_0/config.json");
        serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["engine"].clone()
    };
    let short = [&ONE[..], &["-p", "n_steps=64", "--steps"]].concat();
    let auto = train(&[&short[..], &["500"]].concat());
    assert_eq!(engine(&auto), "fused");
    let id = auto["run_id"].as_str().unwrap();
    train(&["--resume", id, "--steps", "1200", "--engine", "burn"]);
    assert_eq!(engine(&auto), "burn");
    train(&["--resume", id, "--steps", "2000"]);
    assert_eq!(engine(&auto), "burn", "a run goes on as it was unless told otherwise");
    let quick = train(&[&ONE[..], &["--preset", "throughput", "--steps", "100"]].concat());
    assert_eq!(quick["steps"], 5 * 64 * 32, "five folds of one rollout each");
}

#[test]
fn the_benchmark_prints_its_keys_and_a_split_that_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let bench =
        |args: &[&str]| data(&kflow(dir.path(), &[&["bench", "train", "--json"], args].concat()));
    let all = bench(&["--steps", "1"]);
    for key in [
        "ppo_steps_per_cpu_s",
        "a2c_steps_per_cpu_s",
        "large_batch_steps_per_cpu_s",
        "throughput_steps_per_cpu_s",
        "update_us",
        "decision_us",
        "floor_steps_per_s",
    ] {
        assert!(all[key].as_f64().is_some_and(|x| x > 0.0), "{key}: {all}");
    }
    assert_eq!((&all["engine"], all["isa"].is_string()), (&Value::from("fused"), true));
    let sizes = ["--envs", "4", "--horizon", "32", "--minibatch", "32", "--epochs", "2"];
    let one =
        bench(&[&sizes[..], &["--hidden", "16,8", "--steps", "500", "--engine", "burn"]].concat());
    let run = &one["runs"][0];
    assert_eq!((&run["envs"], &run["batch"], &run["steps"]), (&4.into(), &32.into(), &512.into()));
    assert_eq!(one["engine"], "burn");
    let parts = ["rollout_percent", "advantage_percent", "update_percent"];
    let sum: f64 = parts.iter().map(|key| run[key].as_f64().unwrap()).sum();
    assert!((sum - 100.0).abs() < 1e-6, "{run}");
}

/// One run was once trained by default, and its luck taken for the recipe.
#[test]
fn three_seeds_are_trained_by_default_and_judged_together_as_told() {
    let dir = recorded(12);
    let trained = kflow(dir.path(), &[&QUICK[..], &["--algo", "a2c", "--seed", "5"]].concat());
    let stderr = String::from_utf8_lossy(&trained.stderr);
    assert!(trained.status.success(), "{stderr}");
    // The figures of one seed were printed as if they were those of all.
    let shown = String::from_utf8_lossy(&trained.stdout);
    assert!(shown.starts_with("seed 5, ") && shown.contains("/fold_0:\n"), "{shown}");
    let next = stderr.lines().find_map(|line| line.strip_prefix("next: kflow ")).expect("next");
    let words: Vec<&str> = next.split_whitespace().collect();
    let models: Vec<Model> = words[1..]
        .iter()
        .map(|run| Model::load(&dir.path().join(run).join("fold_0")).unwrap())
        .collect();
    assert_eq!(models.iter().map(|m| m.card.seed).collect::<Vec<_>>(), [5, 6, 7], "{next}");
    assert_ne!(models[0].params, models[1].params);

    let told = kflow(dir.path(), &words);
    let text = String::from_utf8_lossy(&told.stdout);
    assert_eq!(text.lines().filter(|line| line.starts_with("seed a2c-s")).count(), 3, "{text}");
    assert!(!text.contains("are not judged"), "{text}");
    let judged = data(&kflow(dir.path(), &[&words[..], &["--json"]].concat()));
    let row = judged["policies"].as_array().unwrap().iter().find(|r| r["name"] == "a2c").unwrap();
    let of_seeds =
        judged["seeds"].as_array().unwrap().iter().map(|s| s["return"].as_f64().unwrap());
    let mean = of_seeds.sum::<f64>() / 3.0;
    assert!((row["return"].as_f64().unwrap() - mean).abs() < 1e-12, "the mean of the seeds");
    let [low, high] = [0, 1].map(|end| row["ci95"][end].as_f64().unwrap());
    assert!(low <= mean && mean <= high, "{low} {mean} {high}: over markets and seeds");
}

#[test]
fn what_does_not_work_is_told_with_its_code_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code, words) in [
        (&["train", "--device", "wgpu"][..], 3, "not compiled into"),
        (&["train", "--device", "abacus"], 3, "abacus"),
        (&["train", "--algo", "dqn"], 3, "`ppo` and `a2c`"),
        (&["train", "-p", "n_epoch=3"], 3, "n_epochs"),
        (&["train", "-p", "gamma=2"], 3, "gamma"),
        (&["train", "--data", "nowhere"], 3, "nowhere"),
        (&["train", "--resume", "nothing"], 5, "nothing"),
        (&["train", "--algo", "a2c", "--preset", "throughput"], 3, "throughput"),
        (&["bench", "train", "--preset", "sb3-a2c", "--epochs", "3"], 3, "A2C"),
        (&["bench", "train", "--horizon", "4000000"], 3, "n_steps"),
    ] {
        let output = kflow(dir.path(), args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(words) && stderr.contains("hint:"), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_checkpoint_of_another_action_set_is_not_continued() {
    let dir = recorded(12);
    let run = data(&kflow(dir.path(), &[&QUICK[..], &ONE, &["--json"]].concat()));
    let folder = dir.path().join(run["run_dir"].as_str().unwrap());
    let rules = folder.join("fold_0/rules.json");
    let mut other: Value = serde_json::from_slice(&std::fs::read(&rules).unwrap()).unwrap();
    other["actions"]["sizes"][0] = 2000.into();
    std::fs::write(&rules, other.to_string()).unwrap();
    let output =
        kflow(dir.path(), &["train", "--resume", folder.to_str().unwrap(), "--steps", "5000"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("hold+4x[10.00]") && stderr.contains("hint:"), "{stderr}");
}
