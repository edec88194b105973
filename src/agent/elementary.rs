//! Exponential, logarithm and hyperbolic tangent without branches or tables, so that a loop over them
//! becomes vector instructions. Plain multiplications and additions only, never fused: a value does
//! not depend on the width at which it was computed, nor on whether it stood in a loop.
//!
//! NaN in, NaN out: a broken number is found at the loss, not hidden here.

#![allow(clippy::excessive_precision, reason = "coefficients stand as published, rounded to f32")]

/// Above this, [`exp`] is infinite; below [`EXP_MIN`] it is 0. Between them 2^n is a normal number.
const EXP_MAX: f32 = 88.37;
const EXP_MIN: f32 = -87.33;

/// Adding it to a number below 2^22 leaves the nearest integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts, the first short enough that its multiples up to 2^8 are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `e^x` within 2 units in the last place (Cephes `expf`).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let bounded = x.clamp(EXP_MIN, EXP_MAX);
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = bounded - n * LN_2[0] - n * LN_2[1];
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    // The exponent's bits of 2^n.
    let bits = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    let y = (p * r * r + r + 1.0) * f32::from_bits(bits);
    if x < EXP_MIN {
        0.0
    } else if x > EXP_MAX {
        f32::INFINITY
    } else {
        y
    }
}

/// The natural logarithm of a positive, normal number, within 2 units in the last place (Cephes `logf`).
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    /// Bits of √½: mantissas are taken from √½..√2.
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let above = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = ((above as i32) >> 23) as f32;
    let f = f32::from_bits((above & 0x007f_ffff).wrapping_add(ROOT_HALF)) - 1.0;
    let mut p = 7.037_683_6e-2;
    p = p * f - 1.151_461e-1;
    p = p * f + 1.167_699_9e-1;
    p = p * f - 1.242_014_1e-1;
    p = p * f + 1.424_932_3e-1;
    p = p * f - 1.666_805_8e-1;
    p = p * f + 2.000_071_5e-1;
    p = p * f - 2.499_999_4e-1;
    p = p * f + 3.333_333e-1;
    let z = f * f;
    let tail = f * z * p + exponent * LN_2[1] - 0.5 * z;
    // NaN and infinity have no exponent to speak of: they come through the last term.
    f + tail + exponent * LN_2[0] + (x - x)
}

/// The hyperbolic tangent within 4 units in the last place: a quotient of polynomials in x² (Eigen's).
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let x2 = x * x;
    let mut p = -2.760_768_5e-16;
    p = p * x2 + 2.000_188e-13;
    p = p * x2 - 8.604_672e-11;
    p = p * x2 + 5.122_297e-8;
    p = p * x2 + 1.485_722_4e-5;
    p = p * x2 + 6.372_619_3e-4;
    p = p * x2 + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6;
    q = q * x2 + 1.185_347_1e-4;
    q = q * x2 + 2.268_434_6e-3;
    q = q * x2 + 4.893_525e-3;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest relative difference to the same function in f64 over `from..to`.
    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f64, to: f64) -> f64 {
        const POINTS: u32 = 200_000;
        let at = |i: u32| (from + (to - from) * f64::from(i) / f64::from(POINTS)) as f32;
        let miss = |x: f32| (f64::from(f(x)) / exact(f64::from(x)) - 1.0).abs();
        (1..POINTS).map(|i| miss(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn values_are_those_of_the_standard_library() {
        assert!(worst(exp, f64::exp, -87.0, 88.0) < 3e-7);
        assert!(worst(ln, f64::ln, 1.01, 1e6) < 3e-7);
        assert!(worst(ln, f64::ln, 1e-30, 0.99) < 3e-7);
        assert!(worst(tanh, f64::tanh, 1e-6, 12.0) < 6e-7);
        assert!(worst(tanh, f64::tanh, -12.0, -1e-6) < 6e-7);
    }

    #[test]
    fn edges_saturate_and_broken_numbers_stay_broken() {
        assert_eq!((exp(0.0), exp(-200.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert_eq!((exp(200.0), ln(1.0), tanh(0.0)), (f32::INFINITY, 0.0, 0.0));
        assert!((tanh(f32::INFINITY) - 1.0).abs() < 1e-6 && (tanh(-50.0) + 1.0).abs() < 1e-6);
        for f in [exp, ln, tanh] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(!ln(f32::INFINITY).is_finite());
    }
}
