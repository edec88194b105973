//! The dashboard: what it draws, what it replays, and how it behaves on a real terminal.

mod command;
mod current;
mod ends;
mod files;
mod fixture;
mod play;
mod screens;
mod small;
mod story;
mod tape;
mod terminal;
