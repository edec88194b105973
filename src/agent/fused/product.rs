//! Matrix products of the sizes that a small network has: some dozens of columns, some hundreds of rows.
//!
//! The right side is row-major and a whole number of vectors wide, so that its rows are read as they
//! lie; a block of the result stays in registers while the inner side is walked once. At these sizes
//! the operands live in the first two cache levels and nothing is repacked. Written on pulp rather than
//! taken from the crate `gemm`, because that allocates at every call and its entrance is `unsafe`.

#![allow(clippy::needless_range_loop, reason = "a block is indexed by row and column")]

use crate::agent::simd::{self, Simd, WithSimd};

/// Columns of a right side come in multiples of this: one vector of AVX-512, two of AVX2.
pub const LANES: usize = 16;

/// The left side, `[m, depth]`.
#[derive(Clone, Copy)]
pub enum Left<'a> {
    /// Row-major; the numbers between the starts of two rows are the second.
    Rows(&'a [f32], usize),
    /// Its transpose, `[depth, m]`, row-major, likewise.
    Columns(&'a [f32], usize),
}

/// What the product is added to.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// The same row everywhere: a bias.
    Row(&'a [f32]),
    /// What stands in the result.
    Sum,
}

/// `out = start + left x right`, with `right` `[depth, width]` and `out` `[m, width]`; `width` is a
/// multiple of [`LANES`].
pub fn product(left: Left, (right, width): (&[f32], usize), start: Start, out: &mut [f32]) {
    debug_assert!(width.is_multiple_of(LANES) && out.len().is_multiple_of(width));
    simd::run(Product { left, right, width, start, out });
}

struct Product<'a> {
    left: Left<'a>,
    right: &'a [f32],
    width: usize,
    start: Start<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut column = 0;
        while column < self.width {
            let left = self.width - column;
            // AVX-512 has 32 registers, 24 of them for sums; AVX2 has 16, 12 of them for sums.
            column += if S::F32_LANES >= LANES && left >= 4 * S::F32_LANES {
                self.panel::<S, 6, 4>(simd, column)
            } else if S::F32_LANES < LANES && left >= 2 * S::F32_LANES {
                self.panel::<S, 6, 2>(simd, column)
            } else {
                self.panel::<S, 8, 1>(simd, column)
            };
        }
    }
}

impl Product<'_> {
    /// All rows of `V` vectors from `column` on, `R` rows at a time; the number of columns done. What is left
    /// is done by fours as far as it goes: a single row waits for each of its additions.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, column: usize) -> usize {
        let m = self.out.len() / self.width;
        let mut row = 0;
        while row < m {
            row += match m - row {
                // Two fours are done sooner than a six and two singles.
                left if left >= R && (left != 8 || R == 8) => {
                    self.block::<S, R, V>(simd, row, column)
                }
                4.. => self.block::<S, 4, V>(simd, row, column),
                _ => self.block::<S, 1, V>(simd, row, column),
            };
        }
        V * S::F32_LANES
    }

    /// `R` rows from `row` on of `V` vectors from `column` on; the number of rows done.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) -> usize {
        let columns = column..column + V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        match self.start {
            Start::Zero => {}
            Start::Row(bias) => sums = [vectors::<S, V>(&bias[columns.clone()]); R],
            Start::Sum => {
                for (r, sum) in sums.iter_mut().enumerate() {
                    let at = (row + r) * self.width;
                    *sum = vectors::<S, V>(&self.out[at..][columns.clone()]);
                }
            }
        }
        let right = self.right.chunks_exact(self.width);
        match self.left {
            Left::Rows(data, stride) => {
                let depth = right.len();
                let rows: [&[f32]; R] =
                    std::array::from_fn(|r| &data[(row + r) * stride..][..depth]);
                for (k, right) in (0..depth).zip(right) {
                    let left: [f32; R] = std::array::from_fn(|r| rows[r][k]);
                    add(simd, &mut sums, left, vectors::<S, V>(&right[columns.clone()]));
                }
            }
            Left::Columns(data, stride) => {
                for (left, right) in data.chunks_exact(stride).zip(right) {
                    let left = &left[row..row + R];
                    let left: [f32; R] = std::array::from_fn(|r| left[r]);
                    add(simd, &mut sums, left, vectors::<S, V>(&right[columns.clone()]));
                }
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            let at = (row + r) * self.width;
            let (out, _) = S::as_mut_simd_f32s(&mut self.out[at..][columns.clone()]);
            out[..V].copy_from_slice(sum);
        }
        R
    }
}

/// `sums += left x right` for one step of the inner side.
#[inline(always)]
fn add<S: Simd, const R: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; R],
    left: [f32; R],
    right: [S::f32s; V],
) {
    for r in 0..R {
        let left = simd.splat_f32s(left[r]);
        for v in 0..V {
            sums[r][v] = simd.mul_add_e_f32s(left, right[v], sums[r][v]);
        }
    }
}

#[inline(always)]
fn vectors<S: Simd, const V: usize>(values: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(values);
    std::array::from_fn(|v| vectors[v])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn equals_the_sum_over_the_inner_side_for_all_shapes() {
        let mut rng = Rng::stream(3, "product", 0);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
        for (m, depth, width) in
            [(1, 52, 64), (8, 64, 64), (64, 64, 16), (15, 5, 80), (9, 1, 32), (52, 64, 112)]
        {
            let (a, b, c, bias) =
                (draw(m * depth), draw(depth * width), draw(m * width), draw(width));
            let turned: Vec<f32> = (0..depth * m).map(|i| a[(i % m) * depth + i / m]).collect();
            for left in [Left::Rows(&a, depth), Left::Columns(&turned, m)] {
                for start in [Start::Zero, Start::Row(&bias), Start::Sum] {
                    let mut out = c.clone();
                    product(left, (&b, width), start, &mut out);
                    for (i, got) in out.iter().enumerate() {
                        let (row, column) = (i / width, i % width);
                        let term = |k: usize| {
                            f64::from(a[row * depth + k]) * f64::from(b[k * width + column])
                        };
                        let from = match start {
                            Start::Zero => 0.0,
                            Start::Row(bias) => bias[column],
                            Start::Sum => c[i],
                        };
                        let want = f64::from(from) + (0..depth).map(term).sum::<f64>();
                        assert!((f64::from(*got) - want).abs() < 1e-4, "{m} {depth} {width} {i}");
                    }
                }
            }
        }
    }
}
