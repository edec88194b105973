//! Properties of the protocol machine.
