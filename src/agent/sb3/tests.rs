//! Two small models that SB3 2.8 wrote (`tests/fixtures/sb3`), whole, changed and damaged.

use super::*;
use crate::agent::device::DeviceName;
use crate::agent::dist;
use crate::agent::engine::EngineName;
use crate::agent::net::Activation;
use crate::agent::optimizer::{Optimizer, OptimizerKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

const PPO: &[u8] = include_bytes!("../../../tests/fixtures/sb3/ppo.zip");
const PPO_SAYS: &str = include_str!("../../../tests/fixtures/sb3/ppo.json");
const A2C: &[u8] = include_bytes!("../../../tests/fixtures/sb3/a2c-relu.zip");
const A2C_SAYS: &str = include_str!("../../../tests/fixtures/sb3/a2c-relu.json");

fn floats(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(members) => members.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

#[test]
fn probabilities_are_those_of_sb3() {
    for (bytes, says) in [(PPO, PPO_SAYS), (A2C, A2C_SAYS)] {
        let (model, says) = (read(bytes).unwrap(), serde_json::from_str::<Value>(says).unwrap());
        assert_eq!(
            (json!(model.algo), json!(model.steps)),
            (says["algo"].clone(), says["steps"].clone())
        );
        assert_eq!(json!(model.seed), says["seed"]);
        assert_eq!(json!(model.shape.activation), says["activation"]);
        let (obs, want) = (floats(&says["obs"]), floats(&says["probabilities"]));
        let (rows, n) = (obs.len() / model.shape.obs_len, model.shape.n_actions);
        for engine in [EngineName::Fused, EngineName::Burn] {
            let optimizer = Optimizer::new(OptimizerKind::RmsProp { eps: 1e-5 }, 0);
            let (shape, params) = (model.shape.clone(), model.params.clone());
            let mut engine = engine.build(DeviceName::Flex, shape, params, optimizer);
            let (mut logits, mut values) = (vec![0.0; rows * n], vec![0.0; rows]);
            engine.infer(&obs, &mut logits, &mut values);
            let mut log_probs = vec![0.0; n];
            for (logits, want) in logits.chunks_exact(n).zip(want.chunks_exact(n)) {
                dist::log_softmax(logits, &[true; 5], &mut log_probs);
                let close = |(l, want): (&f32, &f32)| (l.exp() - want).abs() < 1e-5;
                assert!(log_probs.iter().zip(want).all(close), "{log_probs:?} {want:?}");
            }
            let close = |(v, want): (&f32, &f32)| (v - want).abs() < 1e-4;
            assert!(values.iter().zip(&floats(&says["values"])).all(close), "{values:?}");
        }
    }
}

#[test]
fn layers_are_found_by_their_weights() {
    let ppo = read(PPO).unwrap().shape;
    let value_hidden = Some(vec![8]);
    let want = NetShape { value_hidden, ..NetShape::mlp(52, vec![8, 4], 5) };
    assert_eq!(ppo, want);
    let want = NetShape { activation: Activation::Relu, ..NetShape::mlp(6, vec![8], 5) };
    assert_eq!(read(A2C).unwrap().shape, want);
}

/// What becomes of an entry, by its name and content.
type Change<'a> = &'a dyn Fn(&str, Vec<u8>) -> Option<Vec<u8>>;

/// The archive with `change` made to every entry; an entry that becomes `None` is left out.
fn rewritten(bytes: &[u8], change: Change) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..from.len() {
        let (mut entry, mut content) = (from.by_index(i).unwrap(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        if let Some(content) = change(entry.name(), content) {
            to.start_file(entry.name(), SimpleFileOptions::default()).unwrap();
            to.write_all(&content).unwrap();
        }
    }
    to.finish().unwrap().into_inner()
}

/// The model with one field of `data` set.
fn with(field: &str, value: Value) -> Vec<u8> {
    rewritten(PPO, &|name, content| {
        if name != "data" {
            return Some(content);
        }
        let mut data: Value = serde_json::from_slice(&content).unwrap();
        data[field] = value.clone();
        Some(serde_json::to_vec(&data).unwrap())
    })
}

/// The model with `change` made to one entry of its state dictionary.
fn with_weights(entry: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let inner = |name: &str, content: Vec<u8>| {
        Some(if name.ends_with(entry) { change(content) } else { content })
    };
    rewritten(PPO, &|name, content| {
        Some(if name == "policy.pth" { rewritten(&content, &inner) } else { content })
    })
}

/// `text` for `from`, wherever it stands.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths stand before strings");
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("`{from}` is not there"));
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let error = read(bytes).expect_err(words);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    assert!(text.contains(words), "`{text}` does not say `{words}`");
}

#[test]
fn other_kinds_of_models_are_refused_by_name() {
    let space = |class: &str| json!({":type:": format!("<class 'gymnasium.spaces.{class}'>"), ":serialized:": ""});
    refused(
        &with("action_space", space("multi_discrete.MultiDiscrete")),
        "actions are MultiDiscrete",
    );
    refused(&with("observation_space", space("dict.Dict")), "observations are Dict");
    refused(&with("clip_range", Value::Null), "neither PPO nor A2C");
    let elu = json!({"activation_fn": "<class 'torch.nn.modules.activation.ELU'>"});
    refused(&with("policy_kwargs", elu), "activation is ELU");
    let own = json!({"features_extractor_class": "<class '__main__.Mine'>"});
    refused(&with("policy_kwargs", own), "pass through Mine first");
    let class = |pickle: &[u8]| {
        with("policy_class", json!({":type:": "", ":serialized:": BASE64.encode(pickle)}))
    };
    let dqn = b"\x80\x04\x8c\x1estable_baselines3.dqn.policies\x8c\x09DQNPolicy\x93.";
    refused(&class(dqn), "stable_baselines3.dqn.policies.DQNPolicy");
    refused(&class(b"\x80\x04}."), "a class of its own");
    refused(&class(b"\x80\x04\x8e"), "instruction 0x8e at byte 2");
    refused(&with("policy_class", json!(3)), "`data` cannot be read");
}

#[test]
fn incomplete_and_foreign_archives_are_refused() {
    refused(b"PK\x03\x04 and no more", "the file cannot be read as a zip archive");
    for entry in ["data", "policy.pth", "_stable_baselines3_version"] {
        let without = rewritten(PPO, &|name, content| (name != entry).then_some(content));
        refused(&without, &format!("{entry} is missing"));
    }
    let legacy =
        |name: &str, content| Some(if name == "policy.pth" { vec![0x80, 2] } else { content });
    refused(&rewritten(PPO, &legacy), "policy.pth cannot be read as a zip archive");
    refused(&with_weights("byteorder", &|_| b"big".to_vec()), "big-endian");
}

/// Each would have been a network with other answers than the one that was trained.
#[test]
fn weights_that_are_not_understood_are_refused() {
    let pickle = |from: &'static str, to: &'static str| {
        with_weights("data.pkl", &move |content| replaced(&content, from, to))
    };
    refused(&pickle("action_net.bias", "action_net.vias"), "`action_net.bias` is missing");
    refused(&pickle("value_net.0.weight", "value_net.1.weight"), "its value network makes 1 of 8");
    refused(&pickle("policy_net.2.weight", "policy_net.6.weight"), "above a layer of 8");
    refused(&pickle("FloatStorage", "Float8torage"), "no tensor of 32-bit");
    refused(&pickle("_rebuild_tensor_v2", "_rebuild_tensor_v3"), "no tensor of 32-bit");
    refused(&pickle("OrderedDict", "OrderedDirt"), "no state dictionary");
    refused(&with_weights("data/0", &|_| vec![0; 12]), "larger than what is stored");
    let broken = |mut content: Vec<u8>| {
        content[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        content
    };
    refused(&with_weights("data/0", &broken), "holds NaN");
}

fn cases() -> ProptestConfig {
    let long = std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1");
    ProptestConfig { cases: if long { 100_000 } else { 2_000 }, ..ProptestConfig::default() }
}

fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
}

fn damaged(bytes: &[u8], damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    damage.iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = *byte);
    bytes
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_damaged_file_never_panics(damage in damage(), end in any::<prop::sample::Index>(), cut in any::<bool>()) {
        let bytes = damaged(PPO, &damage);
        let _ = read(if cut { &bytes[..end.index(bytes.len())] } else { &bytes });
    }

    /// Damage that the archives' checksums do not see.
    #[test]
    fn forged_entries_never_panic(damage in damage(), which in 0usize..4) {
        let _ = read(&match which {
            0 => with_weights("data.pkl", &|content| damaged(&content, &damage)),
            1 => with_weights("data/3", &|content| damaged(&content, &damage)),
            _ => rewritten(PPO, &|name, content| {
                let hit = name == ["data", "policy.pth"][which - 2];
                Some(if hit { damaged(&content, &damage) } else { content })
            }),
        });
    }
}
