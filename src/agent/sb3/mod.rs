//! Reads what `model.save` of Stable-Baselines3 writes: a PPO or A2C with `MlpPolicy` over discrete actions.
//!
//! ```text
//! model.zip
//!   data                        JSON: spaces, settings, counters; classes as pickles in base64
//!   policy.pth                  state dictionary, itself a zip: names and shapes in a pickle, numbers apart
//!   _stable_baselines3_version
//! ```
//!
//! The network's shape follows from the shapes of its weights; `data` must agree that it is one of this kind.
//!
//! **Invariant:** nothing of the file is executed, and a file that is not wholly understood is refused: a
//! parameter that belongs to no layer known here would have changed the answers.

mod archive;
mod pickle;
mod state;

use super::model::Model;
use super::net::{Activation, NetShape};
use super::weights::{FORMAT, Interface, ModelCard};
use archive::Archive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pickle::{Pickle, PickleError};
use serde::Deserialize;
use serde_json::Value;
use state::StateDict;
use std::collections::BTreeSet;
use zip::result::ZipError;

/// A file that is no model of this kind, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum Sb3Error {
    /// An archive is damaged or none.
    #[error("{part} cannot be read as a zip archive")]
    Zip {
        /// Which archive or entry.
        part: String,
        /// Why.
        source: ZipError,
    },
    /// An entry is missing.
    #[error("{0} is missing: not what SB3's `model.save` writes")]
    Missing(String),
    /// An entry is larger than any model of this kind.
    #[error("{0} is larger than 256 MiB")]
    TooLarge(String),
    /// `data` is damaged or of an unknown form.
    #[error("its `data` cannot be read")]
    Data(#[source] serde_json::Error),
    /// A pickle that holds more than weights or a class's name.
    #[error("{part} cannot be read")]
    Pickle {
        /// Which.
        part: String,
        /// Why.
        source: PickleError,
    },
    /// A tensor is missing or unusable.
    #[error("parameter `{name}` {why}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A model of another kind.
    #[error("this model cannot be imported: {0}")]
    Refused(String),
}

impl Sb3Error {
    fn refused(why: impl Into<String>) -> Sb3Error {
        Sb3Error::Refused(why.into())
    }

    fn tensor(name: &str, why: impl Into<String>) -> Sb3Error {
        Sb3Error::Tensor { name: name.to_owned(), why: why.into() }
    }
}

/// A model of SB3.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// `ppo` or `a2c`.
    pub algo: &'static str,
    /// Environment steps of experience.
    pub steps: u64,
    /// The seed of its training, if it was given one.
    pub seed: Option<u64>,
    /// The version of SB3 that wrote it.
    pub version: String,
    /// Its network.
    pub shape: NetShape,
    /// Flat parameters, laid out by `shape`.
    pub params: Vec<f32>,
}

impl Imported {
    /// The model, for an environment that speaks of it as `interface`.
    pub fn model(self, interface: Interface) -> Model {
        let card = ModelCard {
            format: FORMAT,
            algo: self.algo.to_owned(),
            steps: self.steps,
            seed: self.seed.unwrap_or(0),
            normalized: false,
            shape: self.shape,
            interface,
        };
        Model { card, params: self.params, normalizer: None }
    }
}

/// Reads a model from the bytes of its file.
///
/// # Errors
/// [`Sb3Error`]: damaged, or of another kind.
pub fn read(bytes: &[u8]) -> Result<Imported, Sb3Error> {
    let mut archive = Archive::open("the file", bytes)?;
    let data: Data = serde_json::from_slice(&archive.entry("data")?).map_err(Sb3Error::Data)?;
    data.check_policy()?;
    data.check_spaces()?;
    let (algo, activation) = (data.algo()?, data.activation()?);
    let version = archive.entry("_stable_baselines3_version")?;
    let weights = archive.entry("policy.pth")?;
    let (shape, params) = network(StateDict::open("policy.pth", &weights)?, activation)?;
    Ok(Imported {
        algo,
        steps: data.num_timesteps,
        seed: data.seed,
        version: String::from_utf8_lossy(&version).trim().to_owned(),
        shape,
        params,
    })
}

/// What is needed of `data`.
#[derive(Deserialize)]
struct Data {
    policy_class: Object,
    observation_space: Object,
    action_space: Object,
    #[serde(default)]
    policy_kwargs: Value,
    #[serde(default)]
    num_timesteps: u64,
    seed: Option<u64>,
    /// PPO has one, A2C has not.
    clip_range: Option<Value>,
    /// A2C has none; neither have the on-policy algorithms of sb3-contrib.
    batch_size: Option<Value>,
}

/// An object of Python: the text of its class, and the pickle.
#[derive(Deserialize)]
struct Object {
    #[serde(rename = ":type:")]
    class: String,
    #[serde(rename = ":serialized:")]
    pickle: String,
}

impl Data {
    fn algo(&self) -> Result<&'static str, Sb3Error> {
        match (&self.clip_range, &self.batch_size) {
            (Some(_), Some(_)) => Ok("ppo"),
            (None, None) => Ok("a2c"),
            _ => Err(Sb3Error::refused("its algorithm is neither PPO nor A2C")),
        }
    }

    fn activation(&self) -> Result<Activation, Sb3Error> {
        match self.policy_kwargs["activation_fn"].as_str().map(class_name) {
            None | Some("Tanh") => Ok(Activation::Tanh),
            Some("ReLU") => Ok(Activation::Relu),
            Some(other) => Err(Sb3Error::refused(format!(
                "its activation is {other}; known are Tanh and ReLU"
            ))),
        }
    }

    /// The policy is `MlpPolicy`, and looks at the observation as it is.
    fn check_policy(&self) -> Result<(), Sb3Error> {
        let bytes = BASE64.decode(&self.policy_class.pickle);
        let bytes = bytes.map_err(|_| Sb3Error::refused("its policy's class is not readable"))?;
        let part = || "the policy's class".to_owned();
        let class =
            Pickle::read(&bytes).map_err(|source| Sb3Error::Pickle { part: part(), source })?;
        match class.global(class.root()) {
            Some(("stable_baselines3.common.policies", "ActorCriticPolicy")) => {}
            Some((module, name)) => {
                return Err(Sb3Error::refused(format!(
                    "its policy is {module}.{name}, not the MlpPolicy of PPO and A2C"
                )));
            }
            None => return Err(Sb3Error::refused("its policy is a class of its own")),
        }
        match self.policy_kwargs["features_extractor_class"].as_str().map(class_name) {
            None | Some("FlattenExtractor") => Ok(()),
            Some(other) => {
                Err(Sb3Error::refused(format!("its observations pass through {other} first")))
            }
        }
    }

    fn check_spaces(&self) -> Result<(), Sb3Error> {
        for (what, space, want) in [
            ("observations", &self.observation_space, "Box"),
            ("actions", &self.action_space, "Discrete"),
        ] {
            let found = class_name(&space.class);
            if found != want {
                return Err(Sb3Error::refused(format!("its {what} are {found}, not {want}")));
            }
        }
        Ok(())
    }
}

/// `Box` of `<class 'gymnasium.spaces.box.Box'>`.
fn class_name(text: &str) -> &str {
    let text = text.trim_start_matches("<class '").trim_end_matches("'>");
    text.rsplit('.').next().unwrap_or(text)
}

/// The network's shape, and its parameters in our order.
fn network(
    mut weights: StateDict,
    activation: Activation,
) -> Result<(NetShape, Vec<f32>), Sb3Error> {
    let policy = tower(&mut weights, "policy_net", "action_net")?;
    let value = tower(&mut weights, "value_net", "value_net")?;
    let ([obs_len, hidden @ .., n_actions], [value_obs_len, value_hidden @ .., values]) =
        (&policy.widths[..], &value.widths[..])
    else {
        return Err(Sb3Error::refused("it has no layers"));
    };
    if (value_obs_len, *values) != (obs_len, 1) {
        return Err(Sb3Error::refused(format!(
            "its policy sees {obs_len} values, and its value network makes {values} of {value_obs_len}"
        )));
    }
    let shape = NetShape {
        obs_len: *obs_len,
        hidden: hidden.to_vec(),
        value_hidden: (value_hidden != hidden).then(|| value_hidden.to_vec()),
        activation,
        n_actions: *n_actions,
    };
    let mut params = vec![0.0; shape.n_params()];
    let (policy_layers, value_layers) = shape.towers();
    let stages = policy.stages.iter().zip(policy_layers);
    for ((weight, bias), layer) in stages.chain(value.stages.iter().zip(value_layers)) {
        turn(weight, layer.inputs, &mut params[layer.weight]);
        params[layer.bias].copy_from_slice(bias);
    }
    let known = policy.names.iter().chain(&value.names).map(String::as_str);
    let known: BTreeSet<&str> = known.collect();
    match weights.names().find(|name| !known.contains(name)) {
        None => Ok((shape, params)),
        Some(other) => Err(Sb3Error::tensor(other, "belongs to no layer of a plain MlpPolicy")),
    }
}

/// The layers of one tower, from the observation up.
#[derive(Default)]
struct Tower {
    /// Of the observation, of every hidden layer, of the output.
    widths: Vec<usize>,
    /// Weight, `[outputs, inputs]`, and bias of each layer.
    stages: Vec<(Vec<f32>, Vec<f32>)>,
    /// Names of the parameters.
    names: Vec<String>,
}

/// Reads the hidden layers of `net` and the layer `head` on top. All sizes are those of numbers that are there.
fn tower(weights: &mut StateDict, net: &str, head: &str) -> Result<Tower, Sb3Error> {
    let mut tower = Tower::default();
    // An activation without parameters stands between two layers, hence 0, 2, 4, ..
    let hidden = (0..).step_by(2).map(|i| format!("mlp_extractor.{net}.{i}"));
    let hidden = hidden.take_while(|layer| weights.has(&format!("{layer}.weight")));
    for layer in hidden.chain([head.to_owned()]).collect::<Vec<_>>() {
        let [weight_name, bias_name] = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
        let (weight, bias) = (weights.tensor(&weight_name)?, weights.tensor(&bias_name)?);
        let [outputs, inputs] = weight.shape[..] else {
            return Err(Sb3Error::tensor(&weight_name, "is no matrix"));
        };
        let below = *tower.widths.last().unwrap_or(&inputs);
        if inputs != below || bias.shape != [outputs] || weight.values.is_empty() {
            let (weight, bias) = (weight.shape, bias.shape);
            let why = format!("is {weight:?} with a bias of {bias:?} above a layer of {below}");
            return Err(Sb3Error::tensor(&weight_name, why));
        }
        if tower.widths.is_empty() {
            tower.widths.push(inputs);
        }
        tower.widths.push(outputs);
        tower.stages.push((weight.values, bias.values));
        tower.names.extend([weight_name, bias_name]);
    }
    Ok(tower)
}

/// Writes `[outputs, inputs]` as `[inputs, outputs]`.
fn turn(weight: &[f32], inputs: usize, out: &mut [f32]) {
    let outputs = weight.len() / inputs;
    for (i, x) in weight.iter().enumerate() {
        out[i % inputs * outputs + i / inputs] = *x;
    }
}

#[cfg(test)]
mod tests;
