//! The engine on burn: any device, any shape.

use super::device::DeviceName;
use super::engine::{Engine, Update};
use super::loss::{self, Minibatch, Rule};
use super::net::{Activation, Layer, NetShape};
use super::optimizer::Optimizer;
use burn::module::Param;
use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::activation::relu;

/// Two towers of dense layers.
#[derive(Module, Debug)]
struct ActorCritic {
    policy: Vec<Linear>,
    value: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl ActorCritic {
    fn new(shape: &NetShape, params: &[f32], device: &Device) -> ActorCritic {
        let tower =
            |layers: Vec<Layer>| layers.iter().map(|layer| linear(layer, params, device)).collect();
        let (policy, value) = shape.towers();
        let activation = shape.activation;
        ActorCritic { policy: tower(policy), value: tower(value), activation }
    }

    /// `[rows, obs_len]` → logits `[rows, n_actions]`, values `[rows, 1]`.
    fn forward(&self, obs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let climb = |tower: &[Linear], obs| climb(tower, self.activation, obs);
        (climb(&self.policy, obs.clone()), climb(&self.value, obs))
    }
}

fn linear(layer: &Layer, params: &[f32], device: &Device) -> Linear {
    let weight =
        TensorData::new(params[layer.weight.clone()].to_vec(), [layer.inputs, layer.outputs]);
    let bias = TensorData::new(params[layer.bias.clone()].to_vec(), [layer.outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}

fn climb(tower: &[Linear], activation: Activation, obs: Tensor<2>) -> Tensor<2> {
    let between = match activation {
        Activation::Tanh => tanh,
        Activation::Relu => relu,
    };
    let mut layers = tower.iter();
    let first = layers.next().map_or_else(|| obs.clone(), |layer| layer.forward(obs.clone()));
    layers.fold(first, |below, layer| layer.forward(between(below)))
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
        let grad_norm =
            self.optimizer.step(&mut self.params, &grads, rule.learning_rate, rule.max_grad_norm);
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
mod tests;
