//! Settings that come from outside the command line.
//!
//! **Invariant:** the environment is read in [`env`] and nowhere else.

pub mod env;
