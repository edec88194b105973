//! The matcher over long random tapes, against the simulator's true queues, and over the recordings.

mod feed;
mod properties;
mod script;
mod tape;
mod truth;
