//! Parameters and optimiser moments as safetensors, with PyTorch's names and layout.
//!
//! `load_file` of Python's safetensors gives a state dictionary that SB3's `MlpPolicy` accepts. The
//! header's `__metadata__` has one key, `kflow`, whose value is the [`ModelCard`] as JSON: one key,
//! because the order of several would change from write to write.

use super::net::NetShape;
use super::optimizer::{Optimizer, OptimizerKind};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the numbers going in and out of a network mean. A model works only where all of it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Name of the observation layout.
    pub layout: String,
    /// Hash of its entries, order, ranges and constants.
    pub layout_hash: String,
    /// Name of the action set.
    pub actions: String,
    /// Names of its actions in order.
    pub action_names: Vec<String>,
    /// Name and version of the reward.
    pub reward: String,
}

/// What a weights file says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of this file's form.
    pub format: u32,
    /// The algorithm that trained it.
    pub algo: String,
    /// Environment steps of experience.
    pub steps: u64,
    /// The seed of its training.
    pub seed: u64,
    /// True when observations pass through `normalizer.json` first.
    pub normalized: bool,
    /// The network.
    pub shape: NetShape,
    /// What goes in and out.
    pub interface: Interface,
}

/// The version of the file's form that this program writes.
pub const FORMAT: u32 = 1;

/// A safetensors file that is not one of ours, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Not a safetensors file, or a tensor is missing.
    #[error("not a usable safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// The metadata are missing or cannot be read.
    #[error("no `kflow` metadata that this version reads: {0}")]
    Card(String),
    /// A tensor of another shape or type.
    #[error("tensor `{name}` is {found}, expected {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that belong there.
        expected: String,
    },
    /// A number that is none.
    #[error("parameter {at} is {value}: a network with it chooses at random")]
    NotFinite {
        /// Its place among the flat parameters.
        at: usize,
        /// What stands there.
        value: f32,
    },
}

/// The model file.
///
/// # Errors
/// When the tensors do not fit into one file.
pub fn model_bytes(card: &ModelCard, params: &[f32]) -> Result<Vec<u8>, WeightsError> {
    let card_json = serde_json::to_string(card).map_err(|e| WeightsError::Card(e.to_string()))?;
    pack(named(&card.shape, "", params), Some(card_json))
}

/// Reads a model file: its card and the flat parameters.
///
/// # Errors
/// [`WeightsError`] says what does not fit.
pub fn read_model(bytes: &[u8]) -> Result<(ModelCard, Vec<f32>), WeightsError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let text = header.metadata().as_ref().and_then(|m| m.get("kflow"));
    let text = text.ok_or_else(|| WeightsError::Card("there are none".to_owned()))?;
    let card: ModelCard =
        serde_json::from_str(text).map_err(|e| WeightsError::Card(e.to_string()))?;
    if card.format != FORMAT {
        return Err(WeightsError::Card(format!("format {} instead of {FORMAT}", card.format)));
    }
    let params = flat(&card.shape, "", &SafeTensors::deserialize(bytes)?)?;
    match params.iter().position(|p| !p.is_finite()) {
        Some(at) => Err(WeightsError::NotFinite { at, value: params[at] }),
        None => Ok((card, params)),
    }
}

/// The optimiser file: moments named as `exp_avg.<parameter>`, `exp_avg_sq.<parameter>` (Adam) or
/// `square_avg.<parameter>` (RMSprop), and the count `step`.
///
/// # Errors
/// When the tensors do not fit into one file.
pub fn optimizer_bytes(shape: &NetShape, optimizer: &Optimizer) -> Result<Vec<u8>, WeightsError> {
    let mut tensors =
        vec![("step".to_owned(), Dtype::U64, vec![1], optimizer.steps.to_le_bytes().to_vec())];
    let (first, second) = moment_names(optimizer.kind);
    if let Some(first) = first {
        tensors.extend(named(shape, first, &optimizer.first));
    }
    tensors.extend(named(shape, second, &optimizer.second));
    pack(tensors, None)
}

/// Reads an optimiser file.
///
/// # Errors
/// [`WeightsError`] says what does not fit.
pub fn read_optimizer(
    shape: &NetShape,
    kind: OptimizerKind,
    bytes: &[u8],
) -> Result<Optimizer, WeightsError> {
    let file = SafeTensors::deserialize(bytes)?;
    let step = file.tensor("step")?;
    let steps = <[u8; 8]>::try_from(step.data()).map_err(|_| mismatch("step", &step, "U64 [1]"))?;
    let (first, second) = moment_names(kind);
    Ok(Optimizer {
        kind,
        steps: u64::from_le_bytes(steps),
        first: first.map_or(Ok(Vec::new()), |name| flat(shape, name, &file))?,
        second: flat(shape, second, &file)?,
    })
}

/// PyTorch's names of the two moments.
fn moment_names(kind: OptimizerKind) -> (Option<&'static str>, &'static str) {
    match kind {
        OptimizerKind::Adam { .. } => (Some("exp_avg."), "exp_avg_sq."),
        OptimizerKind::RmsProp { .. } => (None, "square_avg."),
    }
}

type Named = (String, Dtype, Vec<usize>, Vec<u8>);

/// The flat vector as tensors of PyTorch's layout, weights `[outputs, inputs]`.
fn named(shape: &NetShape, prefix: &str, flat: &[f32]) -> Vec<Named> {
    let mut tensors = Vec::new();
    for layer in shape.layers() {
        let weight = &flat[layer.weight.clone()];
        let transposed = (0..layer.outputs).flat_map(|o| weight[o..].iter().step_by(layer.outputs));
        let weight = transposed.flat_map(|x| x.to_le_bytes()).collect();
        let bias = flat[layer.bias.clone()].iter().flat_map(|x| x.to_le_bytes()).collect();
        let name = format!("{prefix}{}", layer.name);
        tensors.push((
            format!("{name}.weight"),
            Dtype::F32,
            vec![layer.outputs, layer.inputs],
            weight,
        ));
        tensors.push((format!("{name}.bias"), Dtype::F32, vec![layer.outputs], bias));
    }
    tensors
}

fn pack(tensors: Vec<Named>, card: Option<String>) -> Result<Vec<u8>, WeightsError> {
    let views: Vec<(&str, TensorView)> = tensors
        .iter()
        .map(|(name, dtype, shape, data)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data)?))
        })
        .collect::<Result<_, WeightsError>>()?;
    Ok(serialize(views, card.map(|text| HashMap::from([("kflow".to_owned(), text)])))?)
}

/// The inverse of [`named`].
fn flat(shape: &NetShape, prefix: &str, file: &SafeTensors) -> Result<Vec<f32>, WeightsError> {
    let mut params = vec![0.0; shape.n_params()];
    for layer in shape.layers() {
        let name = format!("{prefix}{}", layer.name);
        let weight = floats(file, &format!("{name}.weight"), &[layer.outputs, layer.inputs])?;
        for (i, x) in weight.into_iter().enumerate() {
            let (output, input) = (i / layer.inputs, i % layer.inputs);
            params[layer.weight.start + input * layer.outputs + output] = x;
        }
        let bias = floats(file, &format!("{name}.bias"), &[layer.outputs])?;
        params[layer.bias].copy_from_slice(&bias);
    }
    Ok(params)
}

fn floats(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
    let tensor = file.tensor(name)?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        return Err(mismatch(name, &tensor, &format!("F32 {shape:?}")));
    }
    let bytes = tensor.data().chunks_exact(4);
    Ok(bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn mismatch(name: &str, tensor: &TensorView, expected: &str) -> WeightsError {
    let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
    WeightsError::Tensor { name: name.to_owned(), found, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn card() -> ModelCard {
        ModelCard {
            format: FORMAT,
            algo: "ppo".into(),
            steps: 7,
            seed: 1,
            normalized: false,
            shape: NetShape::mlp(3, vec![4, 2], 2),
            interface: Interface {
                layout: "toy-v1".into(),
                layout_hash: "00".into(),
                actions: "left+right".into(),
                action_names: vec!["left".into(), "right".into()],
                reward: "step-v1".into(),
            },
        }
    }

    #[test]
    fn parameters_and_moments_survive_bit_for_bit() {
        let card = card();
        let params = card.shape.init(&mut Rng::stream(1, "w", 0));
        let bytes = model_bytes(&card, &params).unwrap();
        assert_eq!(read_model(&bytes).unwrap(), (card.clone(), params.clone()));
        assert_eq!(
            bytes,
            model_bytes(&card, &params).unwrap(),
            "the file depends on the weights alone"
        );
        for kind in [OptimizerKind::Adam { eps: 1e-5 }, OptimizerKind::RmsProp { eps: 1e-5 }] {
            let mut optimizer = Optimizer::new(kind, params.len());
            optimizer.step(&mut params.clone(), &params, 1e-3, 0.5);
            let bytes = optimizer_bytes(&card.shape, &optimizer).unwrap();
            assert_eq!(read_optimizer(&card.shape, kind, &bytes).unwrap(), optimizer);
        }
    }

    #[test]
    fn weights_lie_as_in_pytorch() {
        let card = card();
        let params: Vec<f32> = (0..card.shape.n_params()).map(|i| i as f32).collect();
        let bytes = model_bytes(&card, &params).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("mlp_extractor.policy_net.0.weight").unwrap();
        assert_eq!(tensor.shape(), [4, 3]);
        let second = f32::from_le_bytes(tensor.data()[4..8].try_into().unwrap());
        assert_eq!(
            second, 4.0,
            "the second input of the first output is row 1 of our [inputs, outputs]"
        );
    }

    #[test]
    fn damaged_files_are_refused_with_a_reason() {
        let card = card();
        let bytes = model_bytes(&card, &card.shape.init(&mut Rng::stream(1, "w", 0))).unwrap();
        for end in [0, 7, 100, bytes.len() - 1] {
            assert!(read_model(&bytes[..end]).is_err(), "{end}");
        }
        let mut other = card.clone();
        other.shape.hidden = vec![4, 3];
        let text = String::from_utf8_lossy(&bytes[8..]).contains("toy-v1");
        assert!(text, "the card is readable in the header");
        let lying = serialize(
            Vec::<(&str, TensorView)>::new(),
            Some(HashMap::from([("kflow".to_owned(), serde_json::to_string(&other).unwrap())])),
        );
        assert!(matches!(read_model(&lying.unwrap()), Err(WeightsError::Format(_))));
        assert!(matches!(
            read_model(&serialize(Vec::<(&str, TensorView)>::new(), None).unwrap()),
            Err(WeightsError::Card(_))
        ));
    }
}
