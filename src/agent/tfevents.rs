//! TensorBoard event files.
//!
//! A file is a sequence of TFRecords: length (u64 LE), masked CRC-32C of those 8 bytes, payload, masked
//! CRC-32C of the payload. A payload is a protobuf `Event` (tensorflow/core/util/event.proto):
//!
//! ```text
//! Event   { 1: double wall_time  2: int64 step  3: string file_version  5: Summary summary }
//! Summary { repeated 1: Value }      Value { 1: string tag  2: float simple_value }
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes scalars to one event file.
pub struct EventWriter {
    file: File,
}

impl EventWriter {
    /// Begins a new event file in `dir`; TensorBoard joins all files of a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(dir: &Path, unix_s: f64) -> io::Result<EventWriter> {
        // TensorBoard sorts by name and ends a file once a later one appears, so a name is never used twice.
        let name = |i: u32| {
            format!("events.out.tfevents.{:010}.kflow.{}.{i}", unix_s as u64, std::process::id())
        };
        let free = (0..).map(|i| dir.join(name(i))).find(|path| !path.exists());
        let mut file = File::create(free.unwrap_or_else(|| dir.join(name(0))))?;
        let mut event = Vec::new();
        double(&mut event, 1, unix_s);
        bytes(&mut event, 3, b"brain.Event:2");
        write_record(&mut file, &event)?;
        Ok(EventWriter { file })
    }

    /// Appends one event with all `scalars` at `step`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)], unix_s: f64) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, number) in scalars {
            let mut value = Vec::new();
            bytes(&mut value, 1, tag.as_bytes());
            key(&mut value, 2, FIXED_32);
            value.extend((*number as f32).to_le_bytes());
            bytes(&mut summary, 1, &value);
        }
        let mut event = Vec::new();
        double(&mut event, 1, unix_s);
        key(&mut event, 2, VARINT);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        write_record(&mut self.file, &event)
    }
}

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

fn write_record(file: &mut File, payload: &[u8]) -> io::Result<()> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(payload.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(payload);
    record.extend(masked_crc(payload).to_le_bytes());
    file.write_all(&record)
}

/// TensorFlow rotates and shifts the checksum, so that a checksum of checksums is not degenerate.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    varint(out, field << 3 | wire_type);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, FIXED_64);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, LENGTH_DELIMITED);
    varint(out, value.len() as u64);
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_tensorflow() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(dir.path(), 1.5).unwrap();
        writer.scalars(300, &[("a", 0.25)], 2.5).unwrap();
        let path = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let hex: String = std::fs::read(path).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    /// Written by `tensorboard.compat.proto` and `tensorboard.summary.writer.record_writer` for the same two events.
    const GOLDEN: &str = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c1800000000000000a37f4b2209000000000000044010ac022a0a0a080a0161150000803e2f6d388f";

    #[test]
    fn two_processes_of_a_second_do_not_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let _first = EventWriter::create(dir.path(), 1.5).unwrap();
        let _second = EventWriter::create(dir.path(), 1.5).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
