//! One multi-layer perceptron: answers, and gradients by the chain rule written out.
//!
//! Every layer's outputs are kept `[rows, width]` with `width` rounded up to whole vectors. The columns
//! above the real ones have weight and bias 0, hence value 0 and slope 0 at all times: both activations leave 0 at 0.

use super::product::{LANES, Left, Start, product};
use crate::agent::elementary;
use crate::agent::net::{Activation, Layer};
use crate::agent::simd::{self, Simd, WithSimd};

/// Rows that pass through a tower at once: their values and slopes stay in the second cache level, and
/// a batch of any size needs no more memory than this many rows.
pub const BLOCK_ROWS: usize = 128;

/// A weight above its bias in the flat vector is one matrix, `[inputs + 1, outputs]`: the bias is the weight
/// of an input that is always 1.
struct Stage {
    layer: Layer,
    /// Outputs, rounded up to whole vectors.
    width: usize,
    /// The matrix with `width` columns, where that is more than `layer.outputs`; else empty.
    padded: Vec<f32>,
    /// Its gradient, likewise.
    padded_grads: Vec<f32>,
    /// The weight on its side, `[outputs, width of the stage below]`; empty at the bottom.
    turned: Vec<f32>,
    /// `[BLOCK_ROWS, width]`: outputs, after the activation but for the last stage.
    out: Vec<f32>,
    /// `[BLOCK_ROWS, width]`: derivatives of the loss, before the activation.
    slope: Vec<f32>,
}

/// The layers of one tower and their working memory.
pub struct Tower {
    stages: Vec<Stage>,
    activation: Activation,
    ones: Vec<f32>,
}

impl Tower {
    /// A tower of `layers` with `activation` between them; parameters are told to [`Tower::prepare`].
    pub fn new(layers: Vec<Layer>, activation: Activation) -> Tower {
        let mut below = 0;
        let stages = layers
            .into_iter()
            .map(|layer| {
                let width = layer.outputs.next_multiple_of(LANES);
                let padded = if width == layer.outputs { 0 } else { (layer.inputs + 1) * width };
                let turned = layer.outputs * below;
                below = width;
                Stage {
                    padded: vec![0.0; padded],
                    padded_grads: vec![0.0; padded],
                    turned: vec![0.0; turned],
                    out: vec![0.0; BLOCK_ROWS * width],
                    slope: vec![0.0; BLOCK_ROWS * width],
                    layer,
                    width,
                }
            })
            .collect();
        Tower { stages, activation, ones: vec![1.0; BLOCK_ROWS] }
    }

    /// Takes note of changed parameters.
    pub fn prepare(&mut self, params: &[f32]) {
        for i in 0..self.stages.len() {
            let below = if i == 0 { 0 } else { self.stages[i - 1].width };
            self.stages[i].prepare(params, below);
        }
    }

    /// Computes the outputs for `rows` rows of `input`; at most [`BLOCK_ROWS`].
    pub fn forward(&mut self, params: &[f32], input: &[f32], rows: usize) {
        let last = self.stages.len() - 1;
        for i in 0..=last {
            let (below, here) = self.stages.split_at_mut(i);
            let here = &mut here[0];
            let left = below
                .last()
                .map_or(Left::Rows(input, here.layer.inputs), |b| Left::Rows(&b.out, b.width));
            let all = if here.padded.is_empty() {
                &params[here.layer.weight.start..here.layer.bias.end]
            } else {
                &here.padded
            };
            let (weight, bias) = all.split_at(here.layer.inputs * here.width);
            let out = &mut here.out[..rows * here.width];
            product(left, (weight, here.width), Start::Row(bias), out);
            match self.activation {
                _ if i == last => {}
                Activation::Tanh => simd::run(Tanh(out)),
                Activation::Relu => simd::run(Relu(out)),
            }
        }
    }

    /// The outputs of the last [`Tower::forward`], and the width of their rows.
    pub fn output(&self) -> (&[f32], usize) {
        self.stages.last().map_or((&[], LANES), |s| (&s.out, s.width))
    }

    /// The outputs, and the place for the loss's derivatives with respect to them, both with the same
    /// width of rows.
    pub fn output_and_slope(&mut self) -> (&[f32], &mut [f32], usize) {
        self.stages.last_mut().map_or((&[], &mut [], LANES), |s| (&s.out, &mut s.slope, s.width))
    }

    /// Carries the slopes at the outputs of the last [`Tower::forward`] down to all parameters. The first
    /// block of a batch replaces `grads`, later ones are added.
    pub fn backward(&mut self, input: &[f32], rows: usize, first: bool, grads: &mut [f32]) {
        let start = if first { Start::Zero } else { Start::Sum };
        for i in (0..self.stages.len()).rev() {
            let (below, here) = self.stages.split_at_mut(i);
            let (here, below) = (&mut here[0], below.last_mut());
            let slope = (&here.slope[..rows * here.width], here.width);
            let all = if here.padded.is_empty() {
                &mut grads[here.layer.weight.start..here.layer.bias.end]
            } else {
                &mut here.padded_grads
            };
            let (weight, bias) = all.split_at_mut(here.layer.inputs * here.width);
            let values = below.as_ref().map_or((input, here.layer.inputs), |b| (&b.out, b.width));
            product(Left::Columns(values.0, values.1), slope, start, weight);
            product(Left::Rows(&self.ones, BLOCK_ROWS), slope, start, bias);
            if let Some(below) = below {
                let out = &mut below.slope[..rows * below.width];
                let left = Left::Rows(slope.0, slope.1);
                product(left, (&here.turned, below.width), Start::Zero, out);
                let value = &below.out[..rows * below.width];
                match self.activation {
                    Activation::Tanh => simd::run(TanhSlope { slope: out, value }),
                    Activation::Relu => simd::run(ReluSlope { slope: out, value }),
                }
            }
        }
    }

    /// Brings the gradients of padded layers into `grads`, once all blocks are done.
    pub fn finish(&self, grads: &mut [f32]) {
        for stage in self.stages.iter().filter(|s| !s.padded.is_empty()) {
            let (outputs, width) = (stage.layer.outputs, stage.width);
            let out = &mut grads[stage.layer.weight.start..stage.layer.bias.end];
            let rows = out.chunks_exact_mut(outputs).zip(stage.padded_grads.chunks_exact(width));
            rows.for_each(|(out, row)| out.copy_from_slice(&row[..outputs]));
        }
    }
}

impl Stage {
    fn prepare(&mut self, params: &[f32], below: usize) {
        let outputs = self.layer.outputs;
        if !self.padded.is_empty() {
            let all = &params[self.layer.weight.start..self.layer.bias.end];
            let rows = self.padded.chunks_exact_mut(self.width).zip(all.chunks_exact(outputs));
            rows.for_each(|(row, values)| row[..outputs].copy_from_slice(values));
        }
        if below > 0 {
            turn(&params[self.layer.weight.clone()], outputs, &mut self.turned, below);
        }
    }
}

/// Writes the transpose of `from`, rows of `from_width`, to `to`, rows of `to_width`. Done in squares: a column
/// of the whole matrix would touch a cache line per number.
fn turn(from: &[f32], from_width: usize, to: &mut [f32], to_width: usize) {
    const SQUARE: usize = 16;
    let rows = from.len() / from_width;
    for row in (0..rows).step_by(SQUARE) {
        for column in (0..from_width).step_by(SQUARE) {
            for c in column..(column + SQUARE).min(from_width) {
                let out = &mut to[c * to_width..][row..(row + SQUARE).min(rows)];
                let from = from[row * from_width + c..].iter().step_by(from_width);
                out.iter_mut().zip(from).for_each(|(out, from)| *out = *from);
            }
        }
    }
}

struct Tanh<'a>(&'a mut [f32]);

impl WithSimd for Tanh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.0 {
            *x = elementary::tanh(*x);
        }
    }
}

/// The derivative of tanh is 1 minus its value squared.
struct TanhSlope<'a> {
    slope: &'a mut [f32],
    value: &'a [f32],
}

impl WithSimd for TanhSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (slope, value) in self.slope.iter_mut().zip(self.value) {
            *slope *= 1.0 - value * value;
        }
    }
}

/// Written as a comparison, which lets NaN through: `max` would hide it.
struct Relu<'a>(&'a mut [f32]);

impl WithSimd for Relu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.0 {
            *x = if *x < 0.0 { 0.0 } else { *x };
        }
    }
}

/// The derivative of what was cut off is 0, of the rest 1.
struct ReluSlope<'a> {
    slope: &'a mut [f32],
    value: &'a [f32],
}

impl WithSimd for ReluSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (slope, value) in self.slope.iter_mut().zip(self.value) {
            *slope = if *value > 0.0 { *slope } else { 0.0 };
        }
    }
}
