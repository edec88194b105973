//! The engine against the same network written out by hand.

use super::*;
use crate::agent::loss::Objective;
use crate::agent::optimizer::OptimizerKind;
use crate::rng::Rng;

const ROWS: usize = 9;

fn shape() -> NetShape {
    NetShape::mlp(5, vec![7, 6], 3)
}

/// The network written out in f64.
fn reference(params: &[f64], obs: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let climb = |layers: &[Layer], row: &[f32]| {
        let mut x: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        for (depth, l) in layers.iter().enumerate() {
            let out = |o: usize| {
                let sum: f64 = x
                    .iter()
                    .enumerate()
                    .map(|(i, x)| x * params[l.weight.start + i * l.outputs + o])
                    .sum();
                sum + params[l.bias.start + o]
            };
            let y: Vec<f64> = (0..l.outputs).map(out).collect();
            x = if depth + 1 < layers.len() { y.iter().map(|y| y.tanh()).collect() } else { y };
        }
        x
    };
    let (policy, value) = shape().towers();
    let rows = || obs.chunks_exact(shape().obs_len);
    let narrow = |x: Vec<f64>| x.into_iter().map(|x| x as f32);
    (
        rows().flat_map(|r| narrow(climb(&policy, r))).collect(),
        rows().flat_map(|r| narrow(climb(&value, r))).collect(),
    )
}

struct Data {
    params: Vec<f32>,
    obs: Vec<f32>,
    mask: Vec<bool>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
}

fn data() -> Data {
    let mut rng = Rng::stream(11, "engine", 0);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32 * 0.7).collect() };
    Data {
        params: draw(shape().n_params()),
        obs: draw(ROWS * 5),
        mask: (0..ROWS * 3).map(|i| i % 4 != 3 || i % 3 == 0).collect(),
        log_probs: draw(ROWS),
        advantages: draw(ROWS),
    }
}

impl Data {
    fn batch(&self) -> Minibatch<'_> {
        Minibatch {
            obs: &self.obs,
            mask: &self.mask,
            actions: &[0; ROWS],
            log_probs: &self.log_probs,
            advantages: &self.advantages,
            returns: &self.advantages,
        }
    }
}

fn rule() -> Rule {
    Rule {
        objective: Objective::PolicyGradient,
        ent_coef: 0.1,
        vf_coef: 0.5,
        max_grad_norm: f32::MAX,
        learning_rate: 1.0,
        normalize_advantage: true,
        kl_limit: None,
    }
}

#[test]
fn answers_and_gradients_are_those_of_the_written_out_network() {
    let data = data();
    let wide: Vec<f64> = data.params.iter().map(|&p| f64::from(p)).collect();
    let (logits, values) = reference(&wide, &data.obs);
    for device in [DeviceName::Flex, DeviceName::Ndarray] {
        // With a rate and an eps of 1, RMSprop's first step is g / (|g| / 10 + 1): the gradient can be read off.
        let optimizer = Optimizer::new(OptimizerKind::RmsProp { eps: 1.0 }, data.params.len());
        let mut engine = BurnEngine::new(device, shape(), data.params.clone(), optimizer);
        let (mut l, mut v) = (vec![0.0; ROWS * 3], vec![0.0; ROWS]);
        engine.infer(&data.obs, &mut l, &mut v);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&l, &logits) && close(&v, &values), "{device}: {l:?} {logits:?}");

        let update = engine.update(&data.batch(), &rule());
        assert!(!update.skipped && update.losses.total.is_finite());
        for i in 0..wide.len() {
            let loss = |bump: f64| {
                let mut params = wide.clone();
                params[i] += bump;
                let (l, v) = reference(&params, &data.obs);
                let (mut dl, mut dv) = (vec![0.0; l.len()], vec![0.0; v.len()]);
                f64::from(
                    loss::gradients(&data.batch(), &rule(), (&l, &v), (&mut dl, &mut dv)).total,
                )
            };
            let want = (loss(1e-2) - loss(-1e-2)) / 2e-2;
            let moved = f64::from(data.params[i] - engine.params()[i]);
            let got = moved / (1.0 - 0.1 * moved.abs());
            assert!((got - want).abs() < 2e-3, "{device} parameter {i}: {got} {want}");
        }
    }
}

#[test]
fn a_saturated_network_still_has_finite_gradients() {
    let mut data = data();
    data.obs.iter_mut().for_each(|x| *x *= 1e4);
    let optimizer = Optimizer::new(OptimizerKind::Adam { eps: 1e-5 }, data.params.len());
    let mut engine = BurnEngine::new(DeviceName::Flex, shape(), data.params.clone(), optimizer);
    let update = engine.update(&data.batch(), &rule());
    assert!(update.grad_norm.is_finite() && engine.params().iter().all(|p| p.is_finite()));
}

#[test]
fn a_step_over_the_divergence_limit_changes_nothing() {
    let data = data();
    let optimizer = Optimizer::new(OptimizerKind::Adam { eps: 1e-5 }, data.params.len());
    let mut engine =
        BurnEngine::new(DeviceName::Flex, shape(), data.params.clone(), optimizer.clone());
    let update = engine.update(&data.batch(), &Rule { kl_limit: Some(1e-3), ..rule() });
    assert!(update.skipped);
    assert_eq!((engine.params(), engine.optimizer()), (data.params.as_slice(), &optimizer));
}
