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
mod data;
mod network;
mod pickle;
mod state;

use super::model::Model;
use super::net::NetShape;
use super::weights::{FORMAT, Interface, ModelCard};
use archive::Archive;
use data::Data;
use pickle::PickleError;
use state::StateDict;
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
    let (shape, params) = network::read(StateDict::open("policy.pth", &weights)?, activation)?;
    Ok(Imported {
        algo,
        steps: data.num_timesteps,
        seed: data.seed,
        version: String::from_utf8_lossy(&version).trim().to_owned(),
        shape,
        params,
    })
}

#[cfg(test)]
mod tests;
