//! The few shapes that squeeze a quantity into a bounded number (`flow52-v1`, section 3).

/// `ln(1+v) / ln(1+cap)`, at most 1: for sizes, counts and ages from 0 up.
pub(super) fn ln_scaled(v: f64, cap: f64) -> f64 {
    (v.max(0.0).ln_1p() / cap.ln_1p()).min(1.0)
}

/// `(b - a) / (b + a)`, in -1..=1 for sizes from 0 up; 0 when both are 0.
pub(super) fn imbalance(b: i128, a: i128) -> f64 {
    if b + a == 0 { 0.0 } else { (b - a) as f64 / (b + a) as f64 }
}
