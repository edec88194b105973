//! The log: everything ever received, in order, in files that are written once.
//!
//! ```text
//! data/log/LOCK                          held by the one writer; its pid inside
//!          000007-000001204816.live      the segment being written (number, first row_id)
//!          000006-000000601344.redb      a sealed segment: never written again
//!          000006-000000601344.tmp       being sealed; a crash leaves it, the next writer removes it
//!          pruned.json                   how much of the beginning was taken out on purpose
//! ```
//!
//! A segment is a redb file of one session: at most 256 MiB, at most one hour of receive time. Its one
//! table maps (what, index) to bytes:
//!
//! | what | index | bytes |
//! |---|---|---|
//! | 0 head | 0 | format version, session, place in the session, first `row_id` |
//! | 1 end | 0 | chunks, rows, how the segment ended; missing while live |
//! | 2 market | local market id | ticker and the exchange's own id |
//! | 3 chunk | chunk number | rows, kinds, receive times, payload length and CRC32C |
//! | 4 part | chunk number x 65,536 + part | a slice of the chunk's payload |
//!
//! Small rows are bincode followed by their own CRC32C. The columns of a payload stand in `store/chunk.rs`.
//! Live chunks hold at most 1,024 rows and are packed fast; sealing merges them to 65,536 rows, packs
//! them well and writes a dense new file, which replaces the live one by a rename.
//!
//! **Invariant:** `row_id` counts from 1 without a hole over the whole log; a row is committed when
//! [`Writer::commit`] has returned its id, and a committed row survives a kill at any moment.
//! **Invariant:** reading gives back exactly what was appended, or an error that names the segment.

mod cabinet;
mod chunk;
mod codec;
mod column;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod heals;
mod live;
mod lock;
mod log;
mod prune;
mod read;
mod reader;
mod recover;
mod segment;
mod steps;
mod summary;
mod unpack;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use cabinet::{Cabinet, Entries};
pub use disk::{Disk, Files};
pub use error::StoreError;
pub use heals::Heals;
pub use lock::check_free;
pub use log::{GapRow, Log, MarketRow};
pub use prune::{Janitor, Pruned, PrunedSession};
pub use read::{Filter, Records};
pub use recover::recover;
pub use summary::{Counts, SegmentInfo, SessionSummary};
pub use verify::Verify;
pub use writer::{Predecessor, Writer};
