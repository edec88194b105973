//! The engine on burn: any device, any shape.

use super::device::DeviceName;
use super::engine::{Engine, Update};
use super::loss::{self, Minibatch, Rule};
use super::net::{Layer, NetShape};
use super::optimizer::Optimizer;
use burn::module::Param;
use burn::nn::Linear;
use burn::prelude::*;

/// Two towers of dense layers; tanh between them.
#[derive(Module, Debug)]
struct ActorCritic {
    policy: Vec<Linear>,
    value: Vec<Linear>,
}

impl ActorCritic {
    fn new(shape: &NetShape, params: &[f32], device: &Device) -> ActorCritic {
        let tower =
            |layers: Vec<Layer>| layers.iter().map(|layer| linear(layer, params, device)).collect();
        let (policy, value) = shape.towers();
        ActorCritic { policy: tower(policy), value: tower(value) }
    }

    /// `[rows, obs_len]` → logits `[rows, n_actions]`, values `[rows, 1]`.
    fn forward(&self, obs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (climb(&self.policy, obs.clone()), climb(&self.value, obs))
    }
}

fn linear(layer: &Layer, params: &[f32], device: &Device) -> Linear {
    let weight =
        TensorData::new(params[layer.weight.clone()].to_vec(), [layer.inputs, layer.outputs]);
    let bias = TensorData::new(params[layer.bias.clone()].to_vec(), [layer.outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}

fn climb(tower: &[Linear], obs: Tensor<2>) -> Tensor<2> {
    let mut layers = tower.iter();
    let first = layers.next().map_or_else(|| obs.clone(), |layer| layer.forward(obs.clone()));
    layers.fold(first, |below, layer| layer.forward(tanh(below)))
}

/// `1 - 2 / (exp(2x) + 1)`, which saturates cleanly where `exp` overflows. burn's own tanh calls a scalar
/// library function, and once more in the backward pass, which doubles the time of an update.
///
/// On an autodiff tensor the six operations are kept off the tape: the result is written as the line
/// `slope * x + offset` with constants, whose value is tanh and whose derivative is `1 - tanh²`.
fn tanh(x: Tensor<2>) -> Tensor<2> {
    let plain = x.clone().inner();
    let y = plain
        .clone()
        .mul_scalar(2.0)
        .exp()
        .add_scalar(1.0)
        .recip()
        .mul_scalar(-2.0)
        .add_scalar(1.0);
    if !x.is_autodiff() {
        return y;
    }
    let slope = y.clone().square().neg().add_scalar(1.0);
    let offset = y - plain * slope.clone();
    x * slope + offset
}

/// An [`Engine`] on a burn device. Gradients are burn's automatic differentiation, started from the
/// closed-form derivatives of [`loss::gradients`].
pub struct BurnEngine {
    shape: NetShape,
    params: Vec<f32>,
    optimizer: Optimizer,
    device: Device,
    /// The network on the plain device, built when first asked after a step.
    ready: Option<ActorCritic>,
}

impl BurnEngine {
    /// A network with the given parameters, laid out by `shape`.
    pub fn new(
        device: DeviceName,
        shape: NetShape,
        params: Vec<f32>,
        optimizer: Optimizer,
    ) -> BurnEngine {
        BurnEngine { shape, params, optimizer, device: device.device(), ready: None }
    }

    fn observations(&self, obs: &[f32], device: &Device) -> Tensor<2> {
        let rows = obs.len() / self.shape.obs_len;
        Tensor::from_data(TensorData::new(obs.to_vec(), [rows, self.shape.obs_len]), device)
    }
}

impl Engine for BurnEngine {
    fn shape(&self) -> &NetShape {
        &self.shape
    }

    fn infer(&mut self, obs: &[f32], logits: &mut [f32], values: &mut [f32]) {
        let obs = self.observations(obs, &self.device);
        let net = self
            .ready
            .get_or_insert_with(|| ActorCritic::new(&self.shape, &self.params, &self.device));
        let (l, v) = net.forward(obs);
        read(l, logits);
        read(v, values);
    }

    fn update(&mut self, batch: &Minibatch, rule: &Rule) -> Update {
        let device = self.device.clone().autodiff();
        let net = ActorCritic::new(&self.shape, &self.params, &device);
        let (logits, values) = net.forward(self.observations(batch.obs, &device));

        let rows = batch.actions.len();
        let mut host = vec![0.0; 2 * rows * (self.shape.n_actions + 1)];
        let (outputs, slopes) = host.split_at_mut(rows * (self.shape.n_actions + 1));
        let (l, v) = outputs.split_at_mut(rows * self.shape.n_actions);
        let (dl, dv) = slopes.split_at_mut(rows * self.shape.n_actions);
        read(logits.clone().inner(), l);
        read(values.clone().inner(), v);
        let losses = loss::gradients(batch, rule, (l, v), (dl, dv));
        if rule.kl_limit.is_some_and(|limit| losses.approx_kl > limit) {
            return Update { losses, grad_norm: 0.0, skipped: true };
        }

        // A scalar whose gradient with respect to logits and values is exactly dl and dv.
        let dl = Tensor::<2>::from_data(
            TensorData::new(dl.to_vec(), [rows, self.shape.n_actions]),
            &device,
        );
        let dv = Tensor::<2>::from_data(TensorData::new(dv.to_vec(), [rows, 1]), &device);
        let mut tape = ((logits * dl).sum() + (values * dv).sum()).backward();

        let mut grads = vec![0.0; self.params.len()];
        let (policy, value) = self.shape.towers();
        for (layer, linear) in policy.iter().zip(&net.policy).chain(value.iter().zip(&net.value)) {
            if let Some(g) = linear.weight.val().grad_remove(&mut tape) {
                read(g, &mut grads[layer.weight.clone()]);
            }
            if let Some(g) = linear.bias.as_ref().and_then(|b| b.val().grad_remove(&mut tape)) {
                read(g, &mut grads[layer.bias.clone()]);
            }
        }
        let grad_norm = self.optimizer.step(
            &mut self.params,
            &mut grads,
            rule.learning_rate,
            rule.max_grad_norm,
        );
        self.ready = None;
        Update { losses, grad_norm, skipped: false }
    }

    fn params(&self) -> &[f32] {
        &self.params
    }

    fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    fn restore(&mut self, params: Vec<f32>, optimizer: Optimizer) {
        self.params = params;
        self.optimizer = optimizer;
        self.ready = None;
    }
}

/// Copies a tensor to the host.
fn read<const D: usize>(tensor: Tensor<D>, out: &mut [f32]) {
    let data = tensor.into_data();
    out.copy_from_slice(data.as_slice().expect("every tensor here was made from f32 values"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::loss::Objective;
    use crate::agent::optimizer::OptimizerKind;
    use crate::rng::Rng;

    const ROWS: usize = 9;

    fn shape() -> NetShape {
        NetShape { obs_len: 5, hidden: vec![7, 6], n_actions: 3 }
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
        let mut draw =
            |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32 * 0.7).collect() };
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
}
