//! The fuzz targets of `tests/fuzz` as property tests, for a stable compiler: known inputs, and what chance
//! makes of them. `KFLOW_LONG=1` runs each target for a minute.

#[path = "../fuzz/bodies.rs"]
pub mod bodies;

use crate::faults::times;
use crate::rows::record;
use kalshiflow::event::MarketId;
use kalshiflow::rng::Rng;
use kalshiflow::store::fuzz;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Inputs that are kept: one file each.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One to four random changes: bytes, runs, a cut, a piece from somewhere else.
pub fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.below(256) as u8),
            2 => {
                let end = bytes.len().min(at + rng.below(64) as usize);
                bytes.drain(at..end);
            }
            3 => {
                let from = rng.below(bytes.len() as u64 + 1) as usize;
                let piece = bytes[from..bytes.len().min(from + rng.below(64) as usize)].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let run = vec![b"[{\"\\0\xff"[rng.below(6) as usize]; 1 << rng.below(12)];
                bytes.splice(at..at, run);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
    }
}

/// Runs `body` on `inputs` and on `usual` changed ones, or on changed ones for a minute.
fn fuzz(target: &str, inputs: &[Vec<u8>], usual: u64, body: fn(&[u8])) {
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| body(input));
    let (mut rng, begun) = (Rng::stream(9, target, 0), Instant::now());
    let long = times(0, 60);
    let mut runs = 0;
    while runs < usual || begun.elapsed() < Duration::from_secs(long) {
        let mut input = inputs[rng.below(inputs.len() as u64) as usize].clone();
        mutate(&mut input, &mut rng);
        body(&input);
        runs += 1;
    }
    println!("{target}: {runs} runs in {:.1?}", begun.elapsed());
}

#[test]
fn any_frame_is_kept_and_the_next_is_read() {
    fuzz("frame", &corpus("frame"), 20_000, bodies::frame);
}

#[test]
fn any_chunk_is_an_error_or_rows_that_come_back() {
    // Packed by today's writer, so that the columns are entered and not only refused.
    let mut inputs = corpus("chunk");
    for first in [1, 700, 5_000] {
        let mut rows: Vec<_> = (first..first + 100).map(record).collect();
        rows.iter_mut().for_each(|r| {
            if r.event.market == MarketId::NONE {
                r.raw = Some(vec![b'x'; 40].into());
            }
        });
        inputs.push(fuzz::packed(&rows).unwrap());
    }
    fuzz("chunk", &inputs, 20_000, bodies::chunk);
}

#[test]
fn any_segment_is_an_error_or_rows() {
    let mut inputs = corpus("segment");
    inputs.push(crate::faults::golden_segment());
    fuzz("segment", &inputs, 1_000, bodies::segment);
}
