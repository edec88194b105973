//! Whether the log is whole: every byte of every file is looked at.

use super::error::file_name;
use super::reader::SealedReader;
use super::{Log, SegmentInfo};
use crate::event::MarketId;

/// The result of checking every byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Sealed files looked at.
    pub segments: u64,
    /// Rows that were read back.
    pub records: u64,
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

impl Log {
    /// Reads every chunk and checks checksums, counts and that no `row_id` is missing.
    pub fn verify(&self) -> Verify {
        let mut result = Verify {
            segments: (self.segments.len() + self.broken.len()) as u64,
            records: 0,
            problems: self.problems(),
        };
        for (segment, markets) in self.segments.iter().zip(&self.markets) {
            match SealedReader::open(&segment.path) {
                Ok(reader) => verify_chunks(segment, &reader, markets, &mut result),
                Err(e) => result.problems.push(e.to_string()),
            }
        }
        result
    }
}

fn verify_chunks(
    segment: &SegmentInfo,
    reader: &SealedReader,
    markets: &[MarketId],
    result: &mut Verify,
) {
    for (i, head) in (0..).zip(&segment.chunks) {
        match reader.records(i, head, markets) {
            Ok(records) => {
                result.records += records.len() as u64;
                let recv = || records.iter().map(|r| r.event.recv);
                if (recv().min(), recv().max()) != (Some(head.recv_min), Some(head.recv_max)) {
                    let name = file_name(&segment.path);
                    result.problems.push(format!(
                        "segment {name}, chunk {i}: its receive times are not those announced"
                    ));
                }
            }
            Err(e) => result.problems.push(e.to_string()),
        }
    }
}
