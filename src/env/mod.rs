//! Environments: what a policy is trained and judged in.
//!
//! **Invariant:** no IO, no clock, no threads. All chance comes from the seed given to `reset`.

pub mod toy;

/// Environments stepped in lockstep. Buffers belong to the caller and are reused: a step allocates nothing.
///
/// An episode that ends is followed at once by the next one (as in Gymnasium's vector environments
/// with same-step autoreset): `obs` and `mask` then describe the *new* episode's first state and
/// `final_obs` the last state of the ended one, which a truncated episode bootstraps from.
pub trait VecEnv {
    /// Number of environments.
    fn n_envs(&self) -> usize;
    /// Values per observation.
    fn obs_len(&self) -> usize;
    /// Number of discrete actions.
    fn n_actions(&self) -> usize;
    /// Starts fresh episodes everywhere; fills `out.obs` and `out.mask`.
    fn reset(&mut self, seed: u64, out: &mut StepBuf);
    /// Performs `actions[env]` everywhere. An action that the mask forbids is a caller's bug and panics.
    fn step(&mut self, actions: &[u32], out: &mut StepBuf);
    /// The complete state as JSON, so that a resumed run continues bit for bit.
    fn save(&self) -> serde_json::Value;
    /// Restores what [`VecEnv::save`] gave; fills `out.obs` and `out.mask`.
    ///
    /// # Errors
    /// A sentence that names what does not fit.
    fn load(&mut self, state: &serde_json::Value, out: &mut StepBuf) -> Result<(), String>;
}

/// What a step gives back, for all environments.
#[derive(Clone, Debug, Default)]
pub struct StepBuf {
    /// `[n_envs, obs_len]`.
    pub obs: Vec<f32>,
    /// `[n_envs, n_actions]`: true where the action is allowed.
    pub mask: Vec<bool>,
    /// `[n_envs]`: reward in dollars.
    pub reward: Vec<f32>,
    /// `[n_envs]`: the episode ended by its own rules; nothing follows.
    pub terminated: Vec<bool>,
    /// `[n_envs]`: the episode was cut; the value of `final_obs` follows.
    pub truncated: Vec<bool>,
    /// `[n_envs, obs_len]`: last observation of the episodes that ended in this step.
    pub final_obs: Vec<f32>,
    /// `[n_envs]`: summary of the episodes that ended in this step; length 0 elsewhere.
    pub ended: Vec<EpisodeEnd>,
}

/// Return and length of an ended episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpisodeEnd {
    /// Sum of rewards, in f64.
    pub ret: f64,
    /// Steps; 0 means that no episode ended.
    pub len: u32,
}

impl StepBuf {
    /// Buffers of the right sizes for `env`.
    pub fn for_env(env: &dyn VecEnv) -> StepBuf {
        let (n, o, a) = (env.n_envs(), env.obs_len(), env.n_actions());
        StepBuf {
            obs: vec![0.0; n * o],
            mask: vec![true; n * a],
            reward: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            final_obs: vec![0.0; n * o],
            ended: vec![EpisodeEnd::default(); n],
        }
    }
}
