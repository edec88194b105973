//! The dashboard: what it draws, what it replays, and how it behaves on a real terminal.

mod command;
mod fixture;
mod screens;
mod tape;
mod terminal;
