//! Adam and RMSprop over one flat parameter vector, with clipping by the global norm.
//!
//! The step is ours under either engine, for three reasons: burn clips each tensor by its own
//! norm where PPO needs the norm of all of them together; its optimiser state is keyed by random
//! parameter ids and loaded onto a default device; and a flat state is written to a file and read
//! back without a rounding, so that a resumed run continues bit for bit. The formulas are PyTorch's.

use super::simd::{self, Simd, WithSimd};
use serde::{Deserialize, Serialize};

/// Which optimiser, with SB3's constants as defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Kingma and Ba 2015, betas 0.9 and 0.999.
    Adam {
        /// Added to the root of the second moment; SB3's PPO uses 1e-5.
        eps: f64,
    },
    /// Hinton's RMSprop with smoothing 0.99.
    RmsProp {
        /// Added to the root of the mean square; SB3's A2C uses 1e-5.
        eps: f64,
    },
}

/// Everything that an optimiser remembers between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// The formula.
    pub kind: OptimizerKind,
    /// Steps made.
    pub steps: u64,
    /// Running mean of gradients (Adam only, else empty).
    pub first: Vec<f32>,
    /// Running mean of squared gradients.
    pub second: Vec<f32>,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const ALPHA: f32 = 0.99;

impl Optimizer {
    /// An optimiser for `n_params` parameters that has made no step.
    pub fn new(kind: OptimizerKind, n_params: usize) -> Optimizer {
        let first = match kind {
            OptimizerKind::Adam { .. } => vec![0.0; n_params],
            OptimizerKind::RmsProp { .. } => Vec::new(),
        };
        Optimizer { kind, steps: 0, first, second: vec![0.0; n_params] }
    }

    /// Moves `params` against `grads`, shortened to `max_norm`. Returns the norm before that.
    pub fn step(
        &mut self,
        params: &mut [f32],
        grads: &[f32],
        learning_rate: f64,
        max_norm: f32,
    ) -> f32 {
        let norm = norm(grads);
        let shorten = (max_norm / (norm + 1e-6)).min(1.0);
        self.steps += 1;
        match self.kind {
            OptimizerKind::Adam { eps } => {
                // The first steps know little: divide by the weight that real gradients have had so far.
                let steps = self.steps as f64;
                simd::run(Adam {
                    moments: (&mut self.first, &mut self.second),
                    params,
                    grads,
                    shorten,
                    rate: (learning_rate / (1.0 - BETA_1.powf(steps))) as f32,
                    unbias: (1.0 / (1.0 - BETA_2.powf(steps)).sqrt()) as f32,
                    eps: eps as f32,
                });
            }
            OptimizerKind::RmsProp { eps } => {
                let (mean_square, rate, eps) = (&mut self.second, learning_rate as f32, eps as f32);
                simd::run(RmsProp { mean_square, params, grads, shorten, rate, eps });
            }
        }
        norm
    }
}

struct Adam<'a> {
    moments: (&'a mut [f32], &'a mut [f32]),
    params: &'a mut [f32],
    grads: &'a [f32],
    shorten: f32,
    rate: f32,
    unbias: f32,
    eps: f32,
}

impl WithSimd for Adam<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Adam { shorten, rate, unbias, eps, .. } = self;
        let (beta_1, beta_2) = (BETA_1 as f32, BETA_2 as f32);
        let (rest_1, rest_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let moments = self.moments.0.iter_mut().zip(self.moments.1);
        for ((p, &g), (m, v)) in self.params.iter_mut().zip(self.grads).zip(moments) {
            let g = g * shorten;
            *m = beta_1 * *m + rest_1 * g;
            *v = beta_2 * *v + rest_2 * g * g;
            *p -= rate * *m / (v.sqrt() * unbias + eps);
        }
    }
}

struct RmsProp<'a> {
    mean_square: &'a mut [f32],
    params: &'a mut [f32],
    grads: &'a [f32],
    shorten: f32,
    rate: f32,
    eps: f32,
}

impl WithSimd for RmsProp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((p, &g), v) in self.params.iter_mut().zip(self.grads).zip(self.mean_square) {
            let g = g * self.shorten;
            *v = ALPHA * *v + (1.0 - ALPHA) * g * g;
            *p -= self.rate * g / (v.sqrt() + self.eps);
        }
    }
}

/// The 2-norm.
pub fn norm(values: &[f32]) -> f32 {
    simd::run(SquareSum(values)).sqrt()
}

/// The sum of squares in 64 lanes: a fixed order that fills four vectors of the widest instructions.
struct SquareSum<'a>(&'a [f32]);

impl WithSimd for SquareSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let mut lanes = [0.0f32; 64];
        let chunks = self.0.chunks_exact(64);
        let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += x * x;
            }
        }
        lanes.iter().sum::<f32>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps of `torch.optim` on one parameter 1.0 with gradients 0.3 and -0.1, lr 0.01, eps 1e-5.
    #[test]
    fn steps_are_those_of_pytorch() {
        for (kind, want) in [
            // m=.03 v=9e-5: p = 1 - .01*.3/(.3+1e-5); m=.017 v=9.991e-5: mhat=.0894737 vhat=.0499800
            (OptimizerKind::Adam { eps: 1e-5 }, [0.990_000_3, 0.985_998_3]),
            // v=9e-4: p = 1 - .01*.3/(.03+1e-5); v=9.91e-4: p += .01*.1/(.0314802+1e-5)
            (OptimizerKind::RmsProp { eps: 1e-5 }, [0.900_033_3, 0.931_789_3]),
        ] {
            let (mut opt, mut p) = (Optimizer::new(kind, 1), [1.0f32]);
            for (gradient, want) in [0.3, -0.1].into_iter().zip(want) {
                opt.step(&mut p, &[gradient], 0.01, 100.0);
                assert!((p[0] - want).abs() < 2e-6, "{kind:?}: {} {want}", p[0]);
            }
        }
    }

    #[test]
    fn one_large_tensor_shortens_all_gradients_together() {
        let mut opt = Optimizer::new(OptimizerKind::RmsProp { eps: 1e-5 }, 3);
        assert_eq!(opt.step(&mut [0.0; 3], &[3.0, 0.0, 4.0], 1e-3, 0.5), 5.0);
        // The mean squares hold a hundredth of the squares of 0.3, 0 and 0.4.
        let want = [9e-4, 0.0, 16e-4];
        assert!(opt.second.iter().zip(want).all(|(v, want)| (v - want).abs() < 1e-8));
    }

    #[test]
    fn the_norm_counts_every_element() {
        for n in [1, 15, 63, 64, 65, 300] {
            assert!((norm(&vec![2.0; n]) - 2.0 * (n as f32).sqrt()).abs() < 1e-4);
        }
    }
}
