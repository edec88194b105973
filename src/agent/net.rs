//! The shape of an actor-critic network and its parameters as one flat vector.
//!
//! Two separate multi-layer perceptrons, as SB3's `MlpPolicy` builds them: observation → hidden layers →
//! one logit per action, and observation → hidden layers → one value.
//!
//! The flat vector holds the layers in the order of SB3's state dictionary (hidden layers of the
//! policy, hidden layers of the value, policy head, value head), each as its weight, row-major
//! `[inputs, outputs]`, then its bias `[outputs]`. PyTorch stores weights as `[outputs, inputs]`;
//! [`super::weights`] transposes at the file's door.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a network looks like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetShape {
    /// Values per observation.
    pub obs_len: usize,
    /// Widths of the policy's hidden layers; SB3's default is `[64, 64]`.
    pub hidden: Vec<usize>,
    /// Widths of the value's hidden layers, where they are not the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_hidden: Option<Vec<usize>>,
    /// What stands between two layers.
    #[serde(default, skip_serializing_if = "Activation::is_default")]
    pub activation: Activation,
    /// Number of discrete actions.
    pub n_actions: usize,
}

/// The function that every hidden layer's outputs pass through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The hyperbolic tangent: SB3's default for PPO and A2C.
    #[default]
    Tanh,
    /// What is negative becomes 0.
    Relu,
}

impl Activation {
    fn is_default(&self) -> bool {
        *self == Activation::default()
    }
}

/// One dense layer: where its parameters lie in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// SB3's module name; a parameter's full name is `<name>.weight` or `<name>.bias`.
    pub name: String,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Gain of the orthogonal initialisation.
    pub gain: f64,
    /// Place of the weight, `[inputs, outputs]`.
    pub weight: Range<usize>,
    /// Place of the bias, `[outputs]`.
    pub bias: Range<usize>,
}

impl NetShape {
    /// The network that SB3 builds by default: tanh, policy and value alike.
    pub fn mlp(obs_len: usize, hidden: Vec<usize>, n_actions: usize) -> NetShape {
        NetShape { obs_len, hidden, value_hidden: None, activation: Activation::Tanh, n_actions }
    }

    /// All layers in the order of the flat vector.
    pub fn layers(&self) -> Vec<Layer> {
        let mut at = 0;
        let mut layer = |name: String, inputs: usize, outputs: usize, gain: f64| {
            let weight = at..at + inputs * outputs;
            let bias = weight.end..weight.end + outputs;
            at = bias.end;
            Layer { name, inputs, outputs, gain, weight, bias }
        };
        let mut layers = Vec::new();
        let value_hidden = self.value_hidden.as_ref().unwrap_or(&self.hidden);
        for (net, widths) in [("policy_net", &self.hidden), ("value_net", value_hidden)] {
            let mut inputs = self.obs_len;
            for (i, &width) in widths.iter().enumerate() {
                // An activation without parameters stands between two layers, hence 0, 2, 4, ..
                layers.push(layer(
                    format!("mlp_extractor.{net}.{}", 2 * i),
                    inputs,
                    width,
                    2f64.sqrt(),
                ));
                inputs = width;
            }
        }
        let last = |widths: &[usize]| widths.last().copied().unwrap_or(self.obs_len);
        layers.push(layer("action_net".to_owned(), last(&self.hidden), self.n_actions, 0.01));
        layers.push(layer("value_net".to_owned(), last(value_hidden), 1, 1.0));
        layers
    }

    /// The layers of the policy and those of the value, each from input to output.
    pub fn towers(&self) -> (Vec<Layer>, Vec<Layer>) {
        let mut policy = self.layers();
        let value_head = policy.pop();
        let action_head = policy.pop();
        let mut value = policy.split_off(self.hidden.len());
        policy.extend(action_head);
        value.extend(value_head);
        (policy, value)
    }

    /// Length of the flat vector.
    pub fn n_params(&self) -> usize {
        self.layers().last().map_or(0, |layer| layer.bias.end)
    }

    /// Fresh parameters: orthogonal weights (Saxe et al. 2014) with SB3's gains √2, 0.01 and 1, biases 0.
    pub fn init(&self, rng: &mut Rng) -> Vec<f32> {
        let mut params = vec![0.0; self.n_params()];
        for layer in self.layers() {
            orthogonal(
                &mut params[layer.weight.clone()],
                layer.inputs,
                layer.outputs,
                layer.gain,
                rng,
            );
        }
        params
    }
}

/// Fills `weight`, `[rows, cols]`, with a random matrix whose shorter side is orthonormal, times `gain`.
fn orthogonal(weight: &mut [f32], rows: usize, cols: usize, gain: f64, rng: &mut Rng) {
    let (count, len) = (rows.min(cols), rows.max(cols));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..len).map(|_| rng.normal()).collect();
        // Modified Gram-Schmidt, twice: once leaves rounding errors in the last vectors of a square matrix.
        for other in basis.iter().chain(&basis) {
            let overlap: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
        basis.push(vector);
    }
    for row in 0..rows {
        for col in 0..cols {
            let unit = if rows < cols { basis[row][col] } else { basis[col][row] };
            weight[row * cols + col] = (gain * unit) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> NetShape {
        NetShape::mlp(52, vec![64, 32], 5)
    }

    #[test]
    fn parameters_have_sb3_names_and_fill_the_vector_without_a_hole() {
        let layers = shape().layers();
        let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "mlp_extractor.policy_net.0",
                "mlp_extractor.policy_net.2",
                "mlp_extractor.value_net.0",
                "mlp_extractor.value_net.2",
                "action_net",
                "value_net"
            ]
        );
        let mut at = 0;
        for layer in &layers {
            assert_eq!((layer.weight.start, layer.bias.start), (at, layer.weight.end));
            at = layer.bias.end;
        }
        assert_eq!(at, shape().n_params());
        let (policy, value) = shape().towers();
        assert_eq!(policy.iter().map(|l| l.outputs).collect::<Vec<_>>(), [64, 32, 5]);
        assert_eq!(value.iter().map(|l| l.outputs).collect::<Vec<_>>(), [64, 32, 1]);
        assert_eq!((policy[2].name.as_str(), value[2].name.as_str()), ("action_net", "value_net"));
    }

    #[test]
    fn policy_and_value_may_differ_in_depth() {
        let shape = NetShape { value_hidden: Some(vec![16]), ..shape() };
        let (policy, value) = shape.towers();
        assert_eq!(policy.iter().map(|l| l.outputs).collect::<Vec<_>>(), [64, 32, 5]);
        assert_eq!(value.iter().map(|l| l.outputs).collect::<Vec<_>>(), [16, 1]);
        assert_eq!((value[0].inputs, value[1].inputs), (52, 16));
    }

    /// Cards of today's models stand without the new fields, so that their files keep their bytes.
    #[test]
    fn a_shape_without_an_activation_is_sb3s_default() {
        let text = r#"{"obs_len":52,"hidden":[64,32],"n_actions":5}"#;
        assert_eq!(serde_json::from_str::<NetShape>(text).unwrap(), shape());
        assert_eq!(serde_json::to_string(&shape()).unwrap(), text);
    }

    #[test]
    fn initial_weights_are_orthogonal_with_their_gain() {
        let params = shape().init(&mut Rng::stream(3, "init", 0));
        for l in shape().layers() {
            let w = &params[l.weight.clone()];
            let line = |i: usize| -> Vec<f64> {
                if l.inputs < l.outputs {
                    w[i * l.outputs..(i + 1) * l.outputs].iter().map(|&x| f64::from(x)).collect()
                } else {
                    (0..l.inputs).map(|r| f64::from(w[r * l.outputs + i])).collect()
                }
            };
            for i in 0..l.inputs.min(l.outputs) {
                for j in 0..=i {
                    let dot: f64 = line(i).iter().zip(line(j)).map(|(a, b)| a * b).sum();
                    let want = if i == j { l.gain * l.gain } else { 0.0 };
                    assert!((dot - want).abs() < 1e-5, "{} {i} {j}: {dot}", l.name);
                }
            }
            assert!(params[l.bias.clone()].iter().all(|&b| b == 0.0));
        }
    }
}
