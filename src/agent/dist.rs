//! Masked categorical distribution over discrete actions, on plain slices.
//!
//! A forbidden action has probability 0 and log-probability -inf, whatever its logit says (Huang and Ontañón 2020, "A closer look at invalid action masking").
//!
//! **Invariant:** at least one action is allowed.

use super::elementary::{exp, ln};
use crate::rng::Rng;

/// Log-probabilities of all actions, written to `log_probs`.
pub fn log_softmax(logits: &[f32], mask: &[bool], log_probs: &mut [f32]) {
    for ((out, &logit), &allowed) in log_probs.iter_mut().zip(logits).zip(mask) {
        *out = if allowed { logit } else { f32::NEG_INFINITY };
    }
    let top = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for out in log_probs.iter_mut() {
        *out -= top;
        sum += exp(*out);
    }
    let log_sum = ln(sum);
    log_probs.iter_mut().for_each(|out| *out -= log_sum);
}

/// Draws an action from its log-probabilities.
pub fn sample(log_probs: &[f32], rng: &mut Rng) -> u32 {
    let mut left = rng.unit();
    let mut last_allowed = 0;
    for (action, &log_prob) in log_probs.iter().enumerate() {
        if log_prob > f32::NEG_INFINITY {
            last_allowed = action;
            left -= f64::from(exp(log_prob));
            if left < 0.0 {
                break;
            }
        }
    }
    // Rounding may leave a crumb after the last action: it belongs to that one.
    last_allowed as u32
}

/// The allowed action with the largest logit; the first of equals.
pub fn argmax(logits: &[f32], mask: &[bool]) -> u32 {
    let mut best: Option<usize> = None;
    for action in 0..logits.len() {
        if mask[action] && best.is_none_or(|b| logits[action] > logits[b]) {
            best = Some(action);
        }
    }
    best.unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [1.0, -2.0, 100.0, 0.5];
    const MASK: [bool; 4] = [true, true, false, true];

    #[test]
    fn a_forbidden_action_is_never_drawn() {
        let mut lp = [0.0; 4];
        log_softmax(&LOGITS, &MASK, &mut lp);
        let p: Vec<f64> = lp.iter().map(|l| f64::from(l.exp())).collect();
        assert_eq!((p[2], argmax(&LOGITS, &MASK)), (0.0, 0));
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-6);

        let mut rng = Rng::stream(1, "dist", 0);
        let mut counts = [0u32; 4];
        for _ in 0..100_000 {
            counts[sample(&lp, &mut rng) as usize] += 1;
        }
        for (count, p) in counts.iter().zip(&p) {
            assert!((f64::from(*count) / 1e5 - p).abs() < 0.01, "{counts:?} {p}");
        }
    }

    #[test]
    fn a_single_allowed_action_is_certain() {
        let mut lp = [0.0; 4];
        log_softmax(&LOGITS, &[false, true, false, false], &mut lp);
        assert_eq!(lp[1], 0.0);
        assert_eq!(sample(&lp, &mut Rng::stream(2, "dist", 0)), 1);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let mut lp = [0.0; 3];
        log_softmax(&[1e30, -1e30, 1e30], &[true; 3], &mut lp);
        assert!((lp[0] + 2f32.ln()).abs() < 1e-6 && lp[0] == lp[2] && lp[1] < -1e29, "{lp:?}");
    }
}
