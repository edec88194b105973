//! The dashboard: what goes on around a data directory, on a terminal.
//!
//! ```text
//!  source::* (threads) ── News ──┐                      ┌─► draw::screen(frame, &State, &Theme, now)
//!                                ├─► State::update ─────┤
//!  keyboard, mouse ───── Input ──┘                      └─► Effect: leave, move the tape
//! ```
//!
//! Sources: the work of this process ([`Handle`]), another process of the same data directory
//! ([`source::attach`]: `live.sock`, and the files that training and trading write), and the recorded log
//! ([`source::tape`]). Every source says the same [`News`], so that a screen does not know whose it shows.
//!
//! **Invariant:** [`State::update`] and drawing are pure: time is handed in, nothing is read or written.
//! **Invariant:** nothing here is waited for: a collector whose dashboard is slow goes on.
//! **Invariant:** numbers that are not current do not look current, and synthetic data carry their badge.
//! **Invariant:** nothing is told by colour alone: [`Theme`] can drop all of it.

mod command;
mod desk;
pub mod draw;
mod input;
mod keymap;
mod keys;
mod ladder;
mod lags;
mod learned;
mod list;
mod log_lines;
mod market;
mod mouse;
mod news;
mod orders;
mod pace;
mod panes;
mod run;
mod shown;
pub mod source;
mod state;
mod talk;
mod term;
mod theme;
mod trading;

pub use command::{Effect, Place, TapeMove};
pub use desk::Desk;
pub use keymap::KEYMAP;
pub use keys::{Action, Binding, When, lookup};
pub use ladder::{Book as BookView, Group, LadderView};
pub use lags::Lags;
pub use learned::Curve;
pub use list::Sort;
pub use log_lines::{Level, Line, Lines};
pub use market::{Market, Point, Staleness};
pub use news::{GapSeen, Handle, Heard, Input, Msg, News, Reach, Run, inbox};
pub use orders::{OwnOrder, OwnOrders};
pub use panes::{Pane, Screen, TOO_SMALL};
pub use run::{DashError, Hands, Leave, Options, run};
pub use shown::Trouble;
pub use state::{Frozen, Popup, State, Typing};
pub use talk::{Ear, hear};
pub use term::restore;
pub use theme::{Palette, Theme};
pub use trading::{Deed, Opening, Trading};
