//! PPO's update: several passes over a rollout in shuffled minibatches.

use super::engine::{Engine, Update};
use super::loss::{Minibatch, Rule};
use super::progress::Record;
use super::rollout::{NotFinite, Rollout};
use crate::rng::Rng;

/// The parts of PPO's configuration that stay the same all along.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    /// Rows per minibatch; the last of a pass may have fewer.
    pub batch_size: usize,
    /// Passes over the rollout.
    pub n_epochs: usize,
}

/// Memory of an update, reused from one to the next: learning allocates nothing.
#[derive(Default)]
pub struct Scratch {
    gathered: Gathered,
    order: Vec<u32>,
    all: Vec<Update>,
}

/// Copies of the rows of one minibatch.
#[derive(Default)]
struct Gathered {
    obs: Vec<f32>,
    mask: Vec<bool>,
    actions: Vec<u32>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
}

impl Gathered {
    fn gather(&mut self, from: &Rollout, rows: &[u32]) -> Minibatch<'_> {
        let (obs_len, n_actions) = (from.obs.len() / from.len(), from.mask.len() / from.len());
        self.obs.clear();
        self.mask.clear();
        for &row in rows {
            let row = row as usize;
            self.obs.extend_from_slice(&from.obs[row * obs_len..(row + 1) * obs_len]);
            self.mask.extend_from_slice(&from.mask[row * n_actions..(row + 1) * n_actions]);
        }
        pick(&mut self.actions, &from.actions, rows);
        pick(&mut self.log_probs, &from.log_probs, rows);
        pick(&mut self.advantages, &from.advantages, rows);
        pick(&mut self.returns, &from.returns, rows);
        Minibatch {
            obs: &self.obs,
            mask: &self.mask,
            actions: &self.actions,
            log_probs: &self.log_probs,
            advantages: &self.advantages,
            returns: &self.returns,
        }
    }
}

fn pick<T: Copy>(out: &mut Vec<T>, from: &[T], rows: &[u32]) {
    out.clear();
    out.extend(rows.iter().map(|&row| from[row as usize]));
}

/// Learns from `rollout`, reports SB3's `train/` keys to `record`, and counts the passes in `n_updates`.
///
/// # Errors
/// When a loss or a gradient is no longer finite.
pub fn learn(
    engine: &mut dyn Engine,
    rollout: &Rollout,
    (passes, rule): (Passes, &Rule),
    (rng, scratch): (&mut Rng, &mut Scratch),
    (step, n_updates): (u64, &mut u64),
    record: &mut Record,
) -> Result<(), NotFinite> {
    let Scratch { gathered, order, all } = scratch;
    order.clear();
    order.extend(0..rollout.len() as u32);
    all.clear();
    let mut last_pass = 0;
    'passes: for _ in 0..passes.n_epochs {
        rng.shuffle(order);
        last_pass = all.len();
        *n_updates += 1;
        for rows in order.chunks(passes.batch_size) {
            let update = engine.update(&gathered.gather(rollout, rows), rule);
            check(&update, step)?;
            all.push(update);
            if update.skipped {
                break 'passes;
            }
        }
    }
    report(all, last_pass, record);
    Ok(())
}

/// Refuses an update whose numbers are not finite.
pub(super) fn check(update: &Update, step: u64) -> Result<(), NotFinite> {
    for (what, value) in
        [("train/loss", update.losses.total), ("the gradients' norm", update.grad_norm)]
    {
        if !value.is_finite() {
            return Err(NotFinite { what: what.to_owned(), value, step });
        }
    }
    Ok(())
}

/// SB3's figures: means over all minibatches, `approx_kl` over the last pass, `loss` of the last minibatch.
fn report(all: &[Update], last_pass: usize, record: &mut Record) {
    let mean = |of: &[Update], pick: fn(&Update) -> f32| {
        (!of.is_empty())
            .then(|| of.iter().map(|u| f64::from(pick(u))).sum::<f64>() / of.len() as f64)
    };
    record.put("train/approx_kl", mean(&all[last_pass..], |u| u.losses.approx_kl));
    record.put("train/clip_fraction", mean(all, |u| u.losses.clip_fraction));
    record.put("train/entropy_loss", mean(all, |u| -u.losses.entropy));
    record.put("train/policy_gradient_loss", mean(all, |u| u.losses.policy));
    record.put("train/value_loss", mean(all, |u| u.losses.value));
    record.put("train/loss", all.last().map(|u| f64::from(u.losses.total)));
    record.put("train/grad_norm", mean(all, |u| u.grad_norm));
}
