//! The width of the arithmetic, chosen once per process: AVX-512, AVX2 with FMA, NEON, or plain.
//!
//! A piece of work is a [`WithSimd`]: pulp compiles it once per instruction set, and the loops in it
//! take that set's width. Elementwise work gives the same bits at every width; sums over a matrix
//! product's inner side do not, because only some sets fuse multiply and add.

pub use pulp::{Simd, WithSimd};

use pulp::Arch;
use std::sync::OnceLock;

static ARCH: OnceLock<Arch> = OnceLock::new();

/// Runs `work` at the full width.
#[inline]
pub fn run<W: WithSimd>(work: W) -> W::Output {
    ARCH.get_or_init(Arch::new).dispatch(work)
}

/// The instruction set in use: `avx512`, `avx2`, or the processor's architecture. The same seed gives
/// the same bytes on the same one.
pub fn isa() -> &'static str {
    match ARCH.get_or_init(Arch::new) {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "avx2",
        _ => std::env::consts::ARCH,
    }
}

/// Holds this process to AVX2 on a machine that could do more, so that one machine can measure both.
///
/// # Errors
/// When the width has been chosen already, or the machine has no AVX2.
pub fn hold_to_avx2() -> Result<(), &'static str> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return ARCH.set(Arch::V3(simd)).map_err(|_| "the instruction set has been chosen already");
    }
    Err("this machine has no AVX2")
}
