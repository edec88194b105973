//! A2C's update: one step on the whole rollout.

use super::engine::Engine;
use super::loss::Rule;
use super::ppo;
use super::progress::Record;
use super::rollout::{NotFinite, Rollout};

/// Learns from `rollout`, reports SB3's `train/` keys to `record`, and counts the update in `n_updates`.
///
/// # Errors
/// When the loss or a gradient is no longer finite.
pub fn learn(
    engine: &mut dyn Engine,
    rollout: &Rollout,
    rule: &Rule,
    (step, n_updates): (u64, &mut u64),
    record: &mut Record,
) -> Result<(), NotFinite> {
    let update = engine.update(&rollout.as_minibatch(), rule);
    ppo::check(&update, step)?;
    *n_updates += 1;
    record.put("train/entropy_loss", -f64::from(update.losses.entropy));
    record.put("train/policy_loss", f64::from(update.losses.policy));
    record.put("train/value_loss", f64::from(update.losses.value));
    record.put("train/grad_norm", f64::from(update.grad_norm));
    Ok(())
}
