//! Orders: their state machine in every order of events, and the way to a real exchange over real sockets.

mod command;
mod desk;
mod exchange;
mod interleavings;
mod room;
mod stop;
