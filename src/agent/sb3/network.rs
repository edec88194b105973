//! From the state dictionary of `MlpPolicy` to our flat parameters.

use super::Sb3Error;
use super::state::StateDict;
use crate::agent::net::{Activation, NetShape};
use std::collections::BTreeSet;

/// The network's shape, and its parameters in our order.
///
/// # Errors
/// The first parameter that is missing, does not fit to its neighbours, or is none of ours.
pub(super) fn read(
    mut weights: StateDict,
    activation: Activation,
) -> Result<(NetShape, Vec<f32>), Sb3Error> {
    let policy = tower(&mut weights, "policy_net", "action_net")?;
    let value = tower(&mut weights, "value_net", "value_net")?;
    let ([obs_len, hidden @ .., n_actions], [value_obs_len, value_hidden @ .., values]) =
        (&policy.widths[..], &value.widths[..])
    else {
        return Err(Sb3Error::refused("it has no layers"));
    };
    if (value_obs_len, *values) != (obs_len, 1) {
        return Err(Sb3Error::refused(format!(
            "its policy sees {obs_len} values, and its value network makes {values} of {value_obs_len}"
        )));
    }
    let shape = NetShape {
        obs_len: *obs_len,
        hidden: hidden.to_vec(),
        value_hidden: (value_hidden != hidden).then(|| value_hidden.to_vec()),
        activation,
        n_actions: *n_actions,
    };
    let mut params = vec![0.0; shape.n_params()];
    let (policy_layers, value_layers) = shape.towers();
    let stages = policy.stages.iter().zip(policy_layers);
    for ((weight, bias), layer) in stages.chain(value.stages.iter().zip(value_layers)) {
        turn(weight, layer.inputs, &mut params[layer.weight]);
        params[layer.bias].copy_from_slice(bias);
    }
    let known = policy.names.iter().chain(&value.names).map(String::as_str);
    let known: BTreeSet<&str> = known.collect();
    match weights.names().find(|name| !known.contains(name)) {
        None => Ok((shape, params)),
        Some(other) => Err(Sb3Error::tensor(other, "belongs to no layer of a plain MlpPolicy")),
    }
}

/// The layers of one tower, from the observation up.
#[derive(Default)]
struct Tower {
    /// Of the observation, of every hidden layer, of the output.
    widths: Vec<usize>,
    /// Weight, `[outputs, inputs]`, and bias of each layer.
    stages: Vec<(Vec<f32>, Vec<f32>)>,
    /// Names of the parameters.
    names: Vec<String>,
}

/// Reads the hidden layers of `net` and the layer `head` on top. All sizes are those of numbers that are there.
fn tower(weights: &mut StateDict, net: &str, head: &str) -> Result<Tower, Sb3Error> {
    let mut tower = Tower::default();
    // An activation without parameters stands between two layers, hence 0, 2, 4, ..
    let hidden = (0..).step_by(2).map(|i| format!("mlp_extractor.{net}.{i}"));
    let hidden = hidden.take_while(|layer| weights.has(&format!("{layer}.weight")));
    for layer in hidden.chain([head.to_owned()]).collect::<Vec<_>>() {
        let [weight_name, bias_name] = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
        let (weight, bias) = (weights.tensor(&weight_name)?, weights.tensor(&bias_name)?);
        let [outputs, inputs] = weight.shape[..] else {
            return Err(Sb3Error::tensor(&weight_name, "is no matrix"));
        };
        let below = *tower.widths.last().unwrap_or(&inputs);
        if inputs != below || bias.shape != [outputs] || weight.values.is_empty() {
            let (weight, bias) = (weight.shape, bias.shape);
            let why = format!("is {weight:?} with a bias of {bias:?} above a layer of {below}");
            return Err(Sb3Error::tensor(&weight_name, why));
        }
        if tower.widths.is_empty() {
            tower.widths.push(inputs);
        }
        tower.widths.push(outputs);
        tower.stages.push((weight.values, bias.values));
        tower.names.extend([weight_name, bias_name]);
    }
    Ok(tower)
}

/// Writes `[outputs, inputs]` as `[inputs, outputs]`.
fn turn(weight: &[f32], inputs: usize, out: &mut [f32]) {
    let outputs = weight.len() / inputs;
    for (i, x) in weight.iter().enumerate() {
        out[i % inputs * outputs + i / inputs] = *x;
    }
}
