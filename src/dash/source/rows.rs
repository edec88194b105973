//! A file of JSON rows that grows: only what was added is read.

use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A file, and how far it was read.
pub(super) struct Rows {
    path: PathBuf,
    /// Bytes read.
    read: u64,
    /// The last row read, as it stands in the file.
    last: Vec<u8>,
}

impl Rows {
    /// A file of which nothing was read yet; it need not be there.
    pub(super) fn of(path: &Path) -> Rows {
        Rows { path: path.to_owned(), read: 0, last: Vec::new() }
    }

    /// True if what was read last does not stand there any more: the file shrank, was replaced or is gone.
    pub(super) fn is_another(&self) -> bool {
        let stands = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.read - self.last.len() as u64))?;
            let mut there = vec![0; self.last.len()];
            file.read_exact(&mut there)?;
            std::io::Result::Ok(there == self.last)
        };
        self.read > 0 && !stands().unwrap_or(false)
    }

    /// Hands on the rows that were added. Half a row waits for its other half; one that cannot be read is passed
    /// over.
    pub(super) fn more(&mut self, mut take: impl FnMut(&Map<String, Value>)) {
        let Ok(mut file) = File::open(&self.path) else { return };
        if file.seek(SeekFrom::Start(self.read)).is_err() {
            return;
        }
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
            self.read += line.len() as u64;
            if let Ok(row) = serde_json::from_slice(&line) {
                take(&row);
            }
            std::mem::swap(&mut self.last, &mut line);
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn numbers(rows: &mut Rows) -> Vec<u64> {
        let mut all = Vec::new();
        rows.more(|row| all.extend(row["n"].as_u64()));
        all
    }

    #[test]
    fn what_was_read_is_not_read_again_and_half_a_row_waits() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.jsonl");
        let mut rows = Rows::of(&path);
        assert!(numbers(&mut rows).is_empty() && !rows.is_another(), "not there yet");
        std::fs::write(&path, "{\"n\":1}\n{\"n\":2}\n{\"n\"").expect("written");
        assert_eq!(numbers(&mut rows), [1, 2]);
        let mut file = File::options().write(true).open(&path).expect("there");
        // Nobody would see this but who reads the first row again.
        file.write_all(b"{\"n\":7}").expect("written");
        file.seek(SeekFrom::End(0)).expect("seeks");
        file.write_all(b":3}\nrubbish\n{\"n\":4}\n").expect("written");
        assert!(!rows.is_another());
        assert_eq!(numbers(&mut rows), [3, 4]);
        assert!(numbers(&mut rows).is_empty());
    }

    #[test]
    fn a_file_that_shrank_or_was_replaced_is_another() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rows.jsonl");
        for other in ["{\"n\":1}\n", "{\"n\":1}\n{\"n\":9}\n{\"n\":3}\n", ""] {
            std::fs::write(&path, "{\"n\":1}\n{\"n\":2}\n").expect("written");
            let mut rows = Rows::of(&path);
            assert_eq!(numbers(&mut rows), [1, 2]);
            assert!(!rows.is_another());
            std::fs::write(&path, other).expect("written");
            assert!(rows.is_another(), "{other:?}");
        }
        let mut rows = Rows::of(&path);
        std::fs::write(&path, "{\"n\":1}\n").expect("written");
        assert_eq!(numbers(&mut rows), [1]);
        std::fs::remove_file(&path).expect("gone");
        assert!(rows.is_another());
    }
}
