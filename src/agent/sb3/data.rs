//! `data` of SB3's archive: what kind of model it is.

use super::Sb3Error;
use super::pickle::Pickle;
use crate::agent::net::Activation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::Value;

/// What is needed of `data`.
#[derive(Deserialize)]
pub(super) struct Data {
    policy_class: Object,
    observation_space: Object,
    action_space: Object,
    #[serde(default)]
    policy_kwargs: Value,
    #[serde(default)]
    pub(super) num_timesteps: u64,
    pub(super) seed: Option<u64>,
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
    /// `ppo` or `a2c`.
    pub(super) fn algo(&self) -> Result<&'static str, Sb3Error> {
        match (&self.clip_range, &self.batch_size) {
            (Some(_), Some(_)) => Ok("ppo"),
            (None, None) => Ok("a2c"),
            _ => Err(Sb3Error::refused("its algorithm is neither PPO nor A2C")),
        }
    }

    /// What stands between two layers.
    pub(super) fn activation(&self) -> Result<Activation, Sb3Error> {
        match self.policy_kwargs["activation_fn"].as_str().map(class_name) {
            None | Some("Tanh") => Ok(Activation::Tanh),
            Some("ReLU") => Ok(Activation::Relu),
            Some(other) => Err(Sb3Error::refused(format!(
                "its activation is {other}; known are Tanh and ReLU"
            ))),
        }
    }

    /// The policy is `MlpPolicy`, and looks at the observation as it is.
    pub(super) fn check_policy(&self) -> Result<(), Sb3Error> {
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

    /// Observations are numbers, and actions are chosen one at a time.
    pub(super) fn check_spaces(&self) -> Result<(), Sb3Error> {
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
