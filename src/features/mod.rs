//! Features: one function turns market state into numbers.
pub mod episode;
