//! Finds recorded files and reads their lines.

use super::IntakeError;
use crate::digest::sha256_of;
use flate2::bufread::MultiGzDecoder;
use memchr::memchr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const READ_BUFFER_BYTES: usize = 1 << 17;
/// A line longer than this is no frame; it would only exhaust the memory.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Files to import and files of market metadata, each in path order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Recorded lines.
    pub tapes: Vec<PathBuf>,
    /// Market objects.
    pub metadata: Vec<PathBuf>,
}

/// Looks through `paths`: a file is taken as it is, a folder gives its `.ndjson` and `.jsonl` files
/// (also `.gz`) as tapes and the `.json` files of folders called `metadata` as metadata.
///
/// # Errors
/// When a path cannot be read, or there is no tape at all.
pub fn find(paths: &[PathBuf]) -> Result<Found, IntakeError> {
    let mut found = Found::default();
    for path in paths {
        visit(path, true, &mut found)?;
    }
    if found.tapes.is_empty() && found.metadata.is_empty() {
        let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(IntakeError::Nothing(names.join(", ")));
    }
    Ok(found)
}

fn visit(path: &Path, named: bool, found: &mut Found) -> Result<(), IntakeError> {
    let read = |source| IntakeError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read)?.is_dir() {
        let entries = std::fs::read_dir(path).map_err(read)?;
        let mut children =
            entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(read)?;
        children.sort();
        return children.iter().try_for_each(|child| visit(child, false, found));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let in_metadata = path.parent().and_then(Path::file_name).is_some_and(|f| f == "metadata");
    if in_metadata && stem.ends_with(".json") {
        found.metadata.push(path.to_owned());
    } else if named || stem.ends_with(".ndjson") || stem.ends_with(".jsonl") {
        found.tapes.push(path.to_owned());
    }
    Ok(())
}

/// Opens a file for reading, through gzip (of any number of members) where its first bytes say so.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, IntakeError> {
    let read = |source| IntakeError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let mut plain = BufReader::with_capacity(READ_BUFFER_BYTES, file);
    let is_gzip = plain.fill_buf().map_err(read)?.starts_with(&[0x1f, 0x8b]);
    if !is_gzip {
        return Ok(Box::new(plain));
    }
    Ok(Box::new(BufReader::with_capacity(READ_BUFFER_BYTES, MultiGzDecoder::new(plain))))
}

/// Calls `each` with every non-blank line (without its end) until it fails; returns the number of lines.
///
/// # Errors
/// [`IntakeError::Damaged`] when the file ends in the middle of a gzip member: every whole line before
/// that was given to `each`. Otherwise what `each` gave.
pub fn lines<E: From<IntakeError>>(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut reader = open(path)?;
    let mut count = 0;
    let mut take = |line: &[u8]| -> Result<(), E> {
        let text = line.trim_ascii();
        if !text.is_empty() {
            each(text)?;
            count += 1;
        }
        Ok(())
    };
    // The beginning of a line whose end is not read yet; a line inside the buffer is not copied.
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(source) => {
                let damaged = IntakeError::Damaged { path: path.to_owned(), lines: count, source };
                return Err(damaged.into());
            }
        };
        let end = memchr(b'\n', buffer);
        let read = end.map_or(buffer.len(), |at| at + 1);
        match end {
            Some(at) if begun.is_empty() => take(&buffer[..at])?,
            _ if read == 0 => break,
            _ => begun.extend_from_slice(&buffer[..read]),
        }
        reader.consume(read);
        if begun.last() == Some(&b'\n') || begun.len() > LINE_BYTES_MAX {
            take(&begun)?;
            begun.clear();
        }
    }
    take(&begun)?;
    Ok(count)
}

/// SHA-256 of a file's bytes, hex: recognises a file that was imported before.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> Result<String, IntakeError> {
    let read = |source| IntakeError::Read { path: path.to_owned(), source };
    File::open(path).and_then(sha256_of).map_err(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gz(text: &str) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        e.write_all(text.as_bytes()).expect("compress");
        e.finish().expect("compress")
    }

    fn read(bytes: &[u8]) -> (Vec<String>, Result<u64, IntakeError>) {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("a.ndjson.gz");
        std::fs::write(&path, bytes).expect("write");
        let mut got = Vec::new();
        let end = lines(&path, |l| {
            got.push(String::from_utf8_lossy(l).into_owned());
            Ok(())
        });
        (got, end)
    }

    #[test]
    fn every_member_of_a_gzip_file_is_read() {
        let bytes = [gz("a\nb\n"), gz("\n"), gz("c\n")].concat();
        assert_eq!(read(&bytes).0, ["a", "b", "c"]);
    }

    #[test]
    fn truncated_gzip_gives_its_whole_lines_and_then_says_so() {
        let noise: String = (0..2_000).map(|i| format!("{}\n", i * 7_919 % 10_007)).collect();
        let whole = gz(&noise);
        let (got, end) = read(&whole[..whole.len() / 2]);
        assert!(!got.is_empty() && noise.starts_with(&(got.join("\n") + "\n")));
        assert!(
            matches!(end, Err(IntakeError::Damaged { lines, .. }) if lines == got.len() as u64)
        );
    }

    #[test]
    fn plain_text_and_windows_line_ends_are_read() {
        assert_eq!(read(b"a\r\n\r\nb").0, ["a", "b"]);
    }

    #[test]
    fn a_folder_gives_tapes_and_metadata_in_path_order() {
        let dir = tempfile::tempdir().expect("tempdir");
        for name in ["events/B/2.ndjson.gz", "events/A/1.ndjson", "metadata/A.json", "MARKETS.csv"]
        {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, "").expect("write");
        }
        let found = find(&[dir.path().to_owned()]).expect("found");
        assert_eq!(found.tapes.len(), 2);
        assert!(found.tapes[0].ends_with("A/1.ndjson") && found.metadata[0].ends_with("A.json"));
        assert!(matches!(find(&[dir.path().join("none")]), Err(IntakeError::Read { .. })));
    }
}
