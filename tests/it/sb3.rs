//! Models go over from Stable-Baselines3 and back, and answer the same there and here.

use crate::cli::{Output, kflow, run};
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::engine::EngineName;
use kalshiflow::agent::model::Model;
use kalshiflow::agent::optimizer::{Optimizer, OptimizerKind};
use kalshiflow::agent::weights::{self, Interface};
use kalshiflow::agent::{dist, sb3};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `tests/python/sb3.py`; `None` after saying what is missing.
fn python(words: &[&Path]) -> Option<String> {
    let Ok(python) = std::env::var("KFLOW_TORCH_PYTHON") else {
        eprintln!("SKIPPED: KFLOW_TORCH_PYTHON names no Python with torch and stable-baselines3");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/sb3.py");
    let output = Command::new(&python).arg(script).args(words).output().expect(&python);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.code() == Some(77) {
        eprintln!("{}", text(&output.stdout).trim());
        return None;
    }
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Some(text(&output.stdout))
}

fn models(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|f| f.extension().is_some_and(|e| e == "zip")).collect();
    files.sort();
    files
}

fn interface(n_actions: usize) -> Interface {
    let [layout, layout_hash, actions, reward] = ["toy"; 4].map(str::to_owned);
    let action_names = (0..n_actions).map(|a| a.to_string()).collect();
    Interface { layout, layout_hash, actions, action_names, reward }
}

fn rows(value: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Probabilities and values that the model gives to `obs`.
fn answers(model: &Model, obs: &[Vec<f32>]) -> (Vec<Vec<f32>>, Vec<f32>) {
    let shape = model.card.shape.clone();
    let n = shape.n_actions;
    let optimizer = Optimizer::new(OptimizerKind::RmsProp { eps: 1e-5 }, 0);
    let mut engine =
        EngineName::Fused.build(DeviceName::Flex, shape, model.params.clone(), optimizer);
    let (mut logits, mut values) = (vec![0.0; obs.len() * n], vec![0.0; obs.len()]);
    engine.infer(&obs.concat(), &mut logits, &mut values);
    let probabilities = |logits: &[f32]| {
        let mut log_probs = vec![0.0; n];
        dist::log_softmax(logits, &vec![true; n], &mut log_probs);
        log_probs.iter().map(|l| l.exp()).collect()
    };
    (logits.chunks_exact(n).map(probabilities).collect(), values)
}

/// Every model of SB3 gives the same probabilities here; written as one of ours, it gives them in PyTorch again.
#[test]
fn models_of_sb3_answer_the_same_here_and_back_in_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let Some(said) = python(&[Path::new("write"), dir.path()]) else { return };
    let mut ours = vec![PathBuf::from("check")];
    for file in models(&dir.path().join("good")) {
        let imported = sb3::read(&std::fs::read(&file).unwrap()).unwrap();
        let says = std::fs::read_to_string(file.with_extension("json")).unwrap();
        let mut says: Value = serde_json::from_str(&says).unwrap();
        assert_eq!(json!([imported.algo, imported.steps]), json!([says["algo"], says["steps"]]));
        let n_actions = imported.shape.n_actions;
        let model = imported.model(interface(n_actions));
        let (got, _) = answers(&model, &rows(&says["obs"]));
        for (got, want) in got.iter().zip(&rows(&says["probabilities"])) {
            let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(got.iter().zip(want).all(close), "{file:?}: {got:?} {want:?}");
        }
        let weights = file.with_extension("safetensors");
        let bytes = weights::model_bytes(&model.card, &model.params).unwrap();
        std::fs::write(&weights, bytes).unwrap();
        let shape = serde_json::to_value(&model.card.shape).unwrap();
        says.as_object_mut().unwrap().extend(shape.as_object().unwrap().clone());
        says["activation"] = json!(model.card.shape.activation);
        std::fs::write(file.with_extension("safetensors.json"), says.to_string()).unwrap();
        ours.push(weights);
    }
    let read = python(&ours.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    assert_eq!(read.lines().count(), 7, "{read}");
    eprintln!("{read}");
    for file in models(&dir.path().join("bad")) {
        let error = sb3::read(&std::fs::read(&file).unwrap()).unwrap_err().to_string();
        let word = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(error.contains(&word), "{error} does not say {word}");
    }
    eprintln!("{}", said.trim());
}

/// What a run of ours saves, SB3's policy class loads by name.
#[test]
fn weights_of_ours_answer_the_same_in_pytorch() {
    let shape = kalshiflow::agent::net::NetShape::mlp(52, vec![64, 64], 5);
    let params = shape.init(&mut kalshiflow::rng::Rng::stream(3, "sb3", 0));
    let obs: Vec<Vec<f32>> =
        (0..16).map(|row| (0..52).map(|i| ((row * 52 + i) as f32).sin()).collect()).collect();
    let imported =
        sb3::Imported { algo: "ppo", steps: 0, seed: None, version: String::new(), shape, params };
    let model = imported.model(interface(5));
    let (probabilities, values) = answers(&model, &obs);
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("model.safetensors");
    std::fs::write(&weights, weights::model_bytes(&model.card, &model.params).unwrap()).unwrap();
    let says = json!({
        "obs": obs, "probabilities": probabilities, "values": values,
        "hidden": [64, 64], "activation": "tanh",
    });
    std::fs::write(dir.path().join("model.safetensors.json"), says.to_string()).unwrap();
    if let Some(said) = python(&[Path::new("check"), &weights]) {
        eprintln!("{}", said.trim());
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sb3").join(name)
}

fn import(dir: &Path, file: &Path, words: &[&str]) -> Output {
    run(kflow(&["models", "import-sb3"]).arg(file).args(words).current_dir(dir))
}

#[test]
fn an_imported_model_is_a_version_in_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let out = import(dir.path(), &fixture("ppo.zip"), &["--name", "theirs", "--json"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let said: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(json!([said["data"]["name"], said["data"]["algo"]]), json!(["theirs", "ppo"]));
    assert!(out.stderr.contains("VecNormalize"), "the file cannot hold it: {}", out.stderr);
    let folder = dir.path().join(said["data"]["dir"].as_str().unwrap());
    let model = Model::load(&folder).unwrap();
    let says = std::fs::read_to_string(fixture("ppo.json")).unwrap();
    let says: Value = serde_json::from_str(&says).unwrap();
    let (got, _) = answers(&model, &rows(&says["obs"]));
    for (got, want) in got.iter().flatten().zip(rows(&says["probabilities"]).iter().flatten()) {
        assert!((got - want).abs() < 1e-5);
    }
    let env = std::fs::read_to_string(folder.join("env.json")).unwrap();
    assert!(env.contains("imported_from") && env.contains("2.8.0"), "{env}");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("checkpoints")).unwrap().collect();
    let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
    assert!(left.iter().all(|e| !hidden(&e.as_ref().unwrap().file_name())), "{left:?}");
    // Importing it again, under the file's own name this time.
    let again = import(dir.path(), &fixture("ppo.zip"), &[]);
    assert!(
        again.code == 0 && again.stdout.starts_with("ppo:"),
        "{}{}",
        again.stdout,
        again.stderr
    );
}

#[test]
fn a_model_that_does_not_fit_the_market_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (file, words, want) in [
        ("a2c-relu.zip", &[][..], "the model has 6 values of an observation, the environment 52"),
        ("ppo.zip", &["--sizes", "10,20"], "the model has 5 actions, the environment 9"),
        ("ppo.json", &[], "cannot be read as a zip archive"),
    ] {
        let out = import(dir.path(), &fixture(file), words);
        assert_eq!(out.code, 5, "{}", out.stderr);
        assert!(out.stderr.contains(want) && out.stderr.contains("hint:"), "{}", out.stderr);
    }
    assert_eq!(import(dir.path(), Path::new("missing.zip"), &[]).code, 3);
    assert!(!dir.path().join("checkpoints").exists(), "nothing is left behind");
}
