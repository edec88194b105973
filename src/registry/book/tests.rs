//! The rules of names, numbers, aliases and the gate.
