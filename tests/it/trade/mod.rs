//! Orders: their state machine in every order of events, and the way to a real exchange over real sockets.

mod interleavings;
