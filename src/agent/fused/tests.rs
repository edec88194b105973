//! The engine against burn's automatic differentiation of the whole loss, written in tensors from the
//! papers' formulas and sharing nothing with the code under test.

use super::*;
use crate::agent::burn_engine::BurnEngine;
use crate::agent::device::DeviceName;
use crate::agent::loss::Objective;
use crate::agent::net::{Activation, Layer};
use crate::agent::optimizer::OptimizerKind;
use crate::rng::Rng;
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    shape: NetShape,
    params: Vec<f32>,
    obs: Vec<f32>,
    mask: Vec<bool>,
    actions: Vec<u32>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
    rule: Rule,
}

impl Case {
    fn new(shape: NetShape, rows: usize, seed: u64, rule: Rule) -> Case {
        let mut rng = Rng::stream(seed, "fused", 0);
        let n = shape.n_actions;
        let mask: Vec<bool> = (0..rows)
            .flat_map(|_| {
                let sure = rng.below(n as u64) as usize;
                (0..n).map(|a| a == sure || rng.chance(0.7)).collect::<Vec<_>>()
            })
            .collect();
        let actions = mask
            .chunks_exact(n)
            .map(|mask| {
                (0..n).cycle().skip(rng.below(9) as usize).find(|a| mask[*a]).unwrap() as u32
            })
            .collect();
        let mut draw =
            |n: usize, s: f64| -> Vec<f32> { (0..n).map(|_| (rng.normal() * s) as f32).collect() };
        Case {
            params: draw(shape.n_params(), 0.4),
            obs: draw(rows * shape.obs_len, 1.0),
            log_probs: draw(rows, 0.4).iter().map(|x| x - 1.2).collect(),
            advantages: draw(rows, 2.0),
            returns: draw(rows, 1.0),
            shape,
            mask,
            actions,
            rule,
        }
    }

    fn batch(&self) -> Minibatch<'_> {
        Minibatch {
            obs: &self.obs,
            mask: &self.mask,
            actions: &self.actions,
            log_probs: &self.log_probs,
            advantages: &self.advantages,
            returns: &self.returns,
        }
    }

    fn fused(&self, kind: OptimizerKind) -> FusedEngine {
        let optimizer = Optimizer::new(kind, self.params.len());
        FusedEngine::new(self.shape.clone(), self.params.clone(), optimizer)
    }

    /// The loss and its gradient by burn.
    fn oracle(&self) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let (rows, n) = (self.actions.len(), self.shape.n_actions);
        let matrix = |values: Vec<f32>, width: usize| {
            let height = values.len() / width;
            Tensor::<2>::from_data(TensorData::new(values, [height, width]), &device)
        };
        let (policy, value) = self.shape.towers();
        let leaf = |range: std::ops::Range<usize>, width| {
            matrix(self.params[range].to_vec(), width).require_grad()
        };
        let leaves = |tower: &[Layer]| -> Vec<_> {
            let pair =
                |l: &Layer| (leaf(l.weight.clone(), l.outputs), leaf(l.bias.clone(), l.outputs));
            tower.iter().map(pair).collect()
        };
        let climb = |tower: &[(Tensor<2>, Tensor<2>)]| {
            let obs = matrix(self.obs.clone(), self.shape.obs_len);
            let (mut x, last) = (obs, tower.len() - 1);
            for (i, (weight, bias)) in tower.iter().enumerate() {
                x = x.matmul(weight.clone()) + bias.clone();
                x = match self.shape.activation {
                    _ if i == last => x,
                    Activation::Tanh => x.tanh(),
                    Activation::Relu => relu(x),
                };
            }
            x
        };
        let (policy_leaves, value_leaves) = (leaves(&policy), leaves(&value));
        // -1e9 is as good as forbidden, and its products with 0 are 0.
        let forbid = self.mask.iter().map(|allowed| if *allowed { 0.0 } else { -1e9 }).collect();
        let hot = (0..rows * n).map(|i| f32::from(self.actions[i / n] as usize == i % n)).collect();
        let log_probs = log_softmax(climb(&policy_leaves) + matrix(forbid, n), 1);
        let chosen = (log_probs.clone() * matrix(hot, n)).sum_dim(1);
        let entropy = -(log_probs.clone().exp() * log_probs).sum_dim(1).mean();
        let advantages = matrix(self.normal_advantages(), 1);
        let policy_loss = match self.rule.objective {
            Objective::PolicyGradient => -(advantages * chosen).mean(),
            Objective::Clipped { clip_range: c } => {
                let ratio = (chosen - matrix(self.log_probs.clone(), 1)).exp();
                let held = advantages.clone() * ratio.clone().clamp(1.0 - c, 1.0 + c);
                -(advantages * ratio).min_pair(held).mean()
            }
        };
        let miss = climb(&value_leaves) - matrix(self.returns.clone(), 1);
        let loss = policy_loss - entropy * self.rule.ent_coef
            + (miss.clone() * miss).mean() * self.rule.vf_coef;
        let total = loss.clone().into_data().as_slice::<f32>().unwrap()[0];
        let tape = loss.backward();
        let mut grads = vec![0.0; self.params.len()];
        let all = policy.iter().zip(&policy_leaves).chain(value.iter().zip(&value_leaves));
        for (layer, (weight, bias)) in all {
            for (leaf, range) in [(weight, &layer.weight), (bias, &layer.bias)] {
                let data = leaf.grad(&tape).unwrap().into_data();
                grads[range.clone()].copy_from_slice(data.as_slice().unwrap());
            }
        }
        (total, grads)
    }

    fn normal_advantages(&self) -> Vec<f32> {
        let n = self.advantages.len() as f64;
        if !self.rule.normalize_advantage || n < 2.0 {
            return self.advantages.clone();
        }
        let wide = || self.advantages.iter().map(|a| f64::from(*a));
        let mean = wide().sum::<f64>() / n;
        let std = (wide().map(|a| (a - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        wide().map(|a| ((a - mean) / (std + 1e-8)) as f32).collect()
    }
}

fn rule(objective: Objective) -> Rule {
    Rule {
        objective,
        ent_coef: 0.03,
        vf_coef: 0.5,
        max_grad_norm: 0.5,
        learning_rate: 3e-3,
        normalize_advantage: true,
        kl_limit: None,
    }
}

const CLIPPED: Objective = Objective::Clipped { clip_range: 0.2 };

/// Widths of hidden layers.
fn widths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..70, 0..4)
}

/// Length of the difference over the length of `b`.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let length = |f: &dyn Fn(usize) -> f32| {
        (0..b.len()).map(|i| f64::from(f(i)).powi(2)).sum::<f64>().sqrt()
    };
    length(&|i| a[i] - b[i]) / length(&|i| b[i]).max(1e-6)
}

fn cases() -> ProptestConfig {
    let long = std::env::var("KFLOW_LONG").is_ok_and(|v| v == "1");
    ProptestConfig { cases: if long { 1_000 } else { 48 }, ..ProptestConfig::default() }
}

#[track_caller]
fn check_gradients(case: &Case) {
    let (total, want) = case.oracle();
    let mut engine = case.fused(OptimizerKind::RmsProp { eps: 1e-5 });
    // What an earlier batch left behind must not matter.
    engine.differentiate(&case.batch().rows(0..1), &case.rule);
    let losses = engine.differentiate(&case.batch(), &case.rule);
    assert!((losses.total - total).abs() <= 1e-5 * total.abs().max(1.0), "{losses:?} {total}");
    let apart = apart(&engine.grads, &want);
    assert!(apart < 1e-5, "relative difference {apart:e}");
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn gradients_are_those_of_burns_autodiff(
        (obs_len, hidden, value_hidden) in (1usize..60, widths(), prop::option::of(widths())),
        (n_actions, rows, seed) in (1usize..20, 2usize..300, any::<u64>()),
        clip_range in prop::option::of(0.05f32..0.4),
        (ent_coef, vf_coef, normalize_advantage) in (0f32..0.2, 0f32..1.0, any::<bool>()),
    ) {
        let objective = clip_range
            .map_or(Objective::PolicyGradient, |clip_range| Objective::Clipped { clip_range });
        let rule = Rule { ent_coef, vf_coef, normalize_advantage, ..rule(objective) };
        let shape = NetShape { value_hidden, ..NetShape::mlp(obs_len, hidden, n_actions) };
        check_gradients(&Case::new(shape, rows, seed, rule));
    }
}

/// Fixed seeds: at the bend of the function a rounding error of the sum decides between 0 and all of the slope.
#[test]
fn gradients_through_relu_are_those_of_burns_autodiff() {
    for seed in 0..8 {
        let shape = NetShape { activation: Activation::Relu, ..NetShape::mlp(9, vec![64, 20], 5) };
        check_gradients(&Case::new(shape, 40, seed, rule(CLIPPED)));
    }
}

/// Fifty steps, so that a fault in either optimiser, in the clipping or in a stale copy of the weights adds up.
#[test]
fn both_engines_walk_the_same_way() {
    for (activation, kind, objective) in [
        (Activation::Tanh, OptimizerKind::Adam { eps: 1e-5 }, CLIPPED),
        (Activation::Tanh, OptimizerKind::RmsProp { eps: 1e-5 }, Objective::PolicyGradient),
        (Activation::Relu, OptimizerKind::Adam { eps: 1e-5 }, CLIPPED),
    ] {
        let shape = NetShape { activation, ..NetShape::mlp(9, vec![64, 20], 5) };
        let case = Case::new(shape.clone(), 40, 5, rule(objective));
        let mut fused = case.fused(kind);
        let optimizer = Optimizer::new(kind, case.params.len());
        let mut burn =
            BurnEngine::new(DeviceName::Flex, shape.clone(), case.params.clone(), optimizer);
        for step in 0..50 {
            let a = fused.update(&case.batch(), &case.rule);
            let b = burn.update(&case.batch(), &case.rule);
            assert!((a.losses.total - b.losses.total).abs() < 1e-4, "{kind:?} step {step}");
            assert!((a.grad_norm / b.grad_norm - 1.0).abs() < 1e-2, "{kind:?} step {step}");
        }
        let apart = apart(fused.params(), burn.params());
        assert!(apart < 1e-4, "{kind:?}: {apart:e}");
        assert!(super::tests::apart(fused.params(), &case.params) > 1e-2, "nothing was learned");
    }
}

#[test]
fn answers_do_not_depend_on_what_is_asked_beside_them() {
    let shape = NetShape::mlp(52, vec![64, 64], 5);
    let case = Case::new(shape, 2 * BLOCK_ROWS + 3, 6, rule(CLIPPED));
    let mut engine = case.fused(OptimizerKind::Adam { eps: 1e-5 });
    let mut ask = |rows: usize| {
        let n = case.actions.len();
        let (mut logits, mut values) = (vec![0.0; n * 5], vec![0.0; n]);
        for at in (0..n).step_by(rows) {
            let to = (at + rows).min(n);
            let (logits, values) = (&mut logits[at * 5..to * 5], &mut values[at..to]);
            engine.infer(&case.obs[at * 52..to * 52], logits, values);
        }
        (logits, values)
    };
    let whole = ask(case.actions.len());
    for rows in [1, 7, 8, BLOCK_ROWS, BLOCK_ROWS + 1] {
        assert!(ask(rows) == whole, "{rows} rows at a time");
    }
}

#[test]
fn a_step_over_the_divergence_limit_changes_nothing() {
    let shape = NetShape::mlp(5, vec![7], 3);
    let case = Case::new(shape, 9, 7, Rule { kl_limit: Some(1e-3), ..rule(CLIPPED) });
    let mut engine = case.fused(OptimizerKind::Adam { eps: 1e-5 });
    let before = engine.optimizer().clone();
    assert!(engine.update(&case.batch(), &case.rule).skipped);
    assert_eq!((engine.params(), engine.optimizer()), (case.params.as_slice(), &before));
}

#[test]
fn restored_parameters_are_used_at_once() {
    let shape = NetShape::mlp(5, vec![7, 20], 3);
    let case = Case::new(shape.clone(), 9, 8, rule(CLIPPED));
    let kind = OptimizerKind::Adam { eps: 1e-5 };
    let mut engine = case.fused(kind);
    engine.update(&case.batch(), &case.rule);
    engine.restore(case.params.clone(), Optimizer::new(kind, case.params.len()));
    let mut fresh = case.fused(kind);
    let again = engine.update(&case.batch(), &case.rule);
    assert_eq!(again, fresh.update(&case.batch(), &case.rule));
    assert_eq!(engine.params(), fresh.params());
}

#[test]
fn numbers_that_are_none_come_out_as_such() {
    let shape = NetShape::mlp(5, vec![7], 3);
    let mut case = Case::new(shape, 20, 9, rule(CLIPPED));
    case.obs[3] = f32::NAN;
    let update = case.fused(OptimizerKind::Adam { eps: 1e-5 }).update(&case.batch(), &case.rule);
    assert!(!update.losses.total.is_finite() && !update.grad_norm.is_finite());
    case.obs[3] = 1e30;
    let update = case.fused(OptimizerKind::Adam { eps: 1e-5 }).update(&case.batch(), &case.rule);
    assert!(
        update.losses.total.is_finite() && update.grad_norm.is_finite(),
        "saturated, not broken"
    );
}
