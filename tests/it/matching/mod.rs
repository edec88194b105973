//! The matcher over long random tapes, against the simulator's true queues, and over the recordings.

mod feed;
mod scripts;
mod tape;
mod truth;
