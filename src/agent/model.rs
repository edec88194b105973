//! A trained model as a policy.

use super::checkpoint::{self, CheckpointError};
use super::config::TrainConfig;
use super::device::DeviceName;
use super::dist;
use super::elementary;
use super::engine::{Engine, EngineName};
use super::net::NetShape;
use super::normalizer::Normalizer;
use super::optimizer::{Optimizer, OptimizerKind};
use super::policy::Policy;
use super::weights::{self, FORMAT, Interface, ModelCard};
use crate::features::Layout;
use crate::rng::Rng;
use std::path::Path;

/// What evaluation and live trading need of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it says about itself.
    pub card: ModelCard,
    /// Flat parameters, laid out by `card.shape`.
    pub params: Vec<f32>,
    /// Frozen statistics of the observations.
    pub normalizer: Option<Normalizer>,
}

/// How an action is chosen from the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The likeliest; evaluation and trading.
    Greedy,
    /// Drawn; training.
    Sampled,
}

impl Model {
    /// Loads a model: `path` is a run folder, a folder with a `model.safetensors`, or that file.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn load(path: &Path) -> Result<Model, CheckpointError> {
        let dir = match path.parent() {
            Some(parent) if path.is_file() => parent.to_owned(),
            _ => checkpoint::state_dir(path)?,
        };
        let file = if path.is_file() { path.to_owned() } else { dir.join("model.safetensors") };
        let (card, params) = weights::read_model(&checkpoint::read(&file)?)
            .map_err(checkpoint::weights_at(&file))?;
        let normalizer: Option<Normalizer> = card
            .normalized
            .then(|| checkpoint::read_json(&dir.join("normalizer.json")))
            .transpose()?;
        if let Some(n) = &normalizer
            && n.mean.len() != card.shape.obs_len
        {
            return Err(size("normaliser entries", n.mean.len(), card.shape.obs_len));
        }
        Ok(Model { card, params, normalizer })
    }

    /// Writes what it needs to act into the folder `dir`, which is made; [`Model::load`] reads it again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), CheckpointError> {
        checkpoint::write_network(dir, &self.card, &self.params, self.normalizer.as_ref())
    }

    /// The model that training with `config` begins from: the baseline `untrained`.
    pub fn untrained(config: &TrainConfig, shape: NetShape, interface: Interface) -> Model {
        let (params, _) = config.fresh(&shape);
        Model { card: card(config, shape, interface, 0, false), params, normalizer: None }
    }

    /// Refuses, by name, an environment that the model does not fit to.
    ///
    /// # Errors
    /// The first difference.
    pub fn fits(&self, here: &Interface) -> Result<(), CheckpointError> {
        let model = self.card.interface.clone();
        if (&model.layout, &model.layout_hash) != (&here.layout, &here.layout_hash) {
            return Err(CheckpointError::Layout {
                model: model.layout,
                model_hash: model.layout_hash,
                here: here.layout.clone(),
                here_hash: here.layout_hash.clone(),
            });
        }
        if model.actions != here.actions {
            return Err(CheckpointError::Actions {
                model: model.actions,
                here: here.actions.clone(),
            });
        }
        if model.reward != here.reward {
            return Err(CheckpointError::Reward { model: model.reward, here: here.reward.clone() });
        }
        let shape = &self.card.shape;
        // A layout of one hash has one length; a card that says otherwise was not written by training.
        let values = here.layout.parse::<Layout>().map_or(shape.obs_len, Layout::len);
        if shape.obs_len != values {
            return Err(size("values of an observation", shape.obs_len, values));
        }
        match self.card.shape.n_actions == here.action_names.len() {
            true => Ok(()),
            false => Err(size("actions", self.card.shape.n_actions, here.action_names.len())),
        }
    }
}

fn size(what: &'static str, model: usize, here: usize) -> CheckpointError {
    CheckpointError::Size { what, model, here }
}

/// The card of a model after `steps` steps.
pub(super) fn card(
    config: &TrainConfig,
    shape: NetShape,
    interface: Interface,
    steps: u64,
    normalized: bool,
) -> ModelCard {
    let (algo, seed) = (config.algo_name().to_owned(), config.seed);
    ModelCard { format: FORMAT, algo, steps, seed, normalized, shape, interface }
}

/// A model that acts.
pub struct ModelPolicy {
    name: String,
    engine: Box<dyn Engine>,
    normalizer: Option<Normalizer>,
    choice: Choice,
    rng: Rng,
    seen: Vec<f32>,
    logits: Vec<f32>,
    log_probs: Vec<f32>,
}

impl ModelPolicy {
    /// `name` as it stands in tables.
    pub fn new(name: &str, model: Model, choice: Choice, device: DeviceName) -> ModelPolicy {
        let shape = model.card.shape;
        // Nothing is learned here: the optimiser has no parameters.
        let optimizer = Optimizer::new(OptimizerKind::RmsProp { eps: 1e-5 }, 0);
        ModelPolicy {
            name: name.to_owned(),
            normalizer: model.normalizer,
            choice,
            rng: Rng::stream(0, "policy", 0),
            seen: vec![0.0; shape.obs_len],
            logits: vec![0.0; shape.n_actions],
            log_probs: vec![0.0; shape.n_actions],
            engine: EngineName::best(device).build(device, shape, model.params, optimizer),
        }
    }
}

impl ModelPolicy {
    /// The probabilities of all actions at the observation that was last acted on, under the same `mask`.
    pub fn probabilities(&mut self, mask: &[bool]) -> &[f32] {
        dist::log_softmax(&self.logits, mask, &mut self.log_probs);
        self.log_probs.iter_mut().for_each(|p| *p = elementary::exp(*p));
        &self.log_probs
    }
}

impl Policy for ModelPolicy {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, seed: u64) {
        self.rng = Rng::stream(seed, "policy", 0);
    }

    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32 {
        match &self.normalizer {
            Some(normalizer) => normalizer.apply(obs, &mut self.seen),
            None => self.seen.copy_from_slice(obs),
        }
        let mut value = [0.0];
        self.engine.infer(&self.seen, &mut self.logits, &mut value);
        match self.choice {
            Choice::Greedy => dist::argmax(&self.logits, mask),
            Choice::Sampled => {
                dist::log_softmax(&self.logits, mask, &mut self.log_probs);
                dist::sample(&self.log_probs, &mut self.rng)
            }
        }
    }

    fn confidence(&mut self, action: u32, mask: &[bool]) -> Option<f32> {
        Some(self.probabilities(mask)[action as usize])
    }
}
