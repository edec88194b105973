//! Policies: what looks at an observation and chooses an action.

/// Chooses actions for one environment, episode after episode.
pub trait Policy {
    /// Short name, as it stands in tables.
    fn name(&self) -> &str;
    /// A new episode begins; all chance until the next call comes from `seed`.
    fn begin(&mut self, seed: u64);
    /// An allowed action for this observation.
    fn act(&mut self, obs: &[f32], mask: &[bool]) -> u32;
}
