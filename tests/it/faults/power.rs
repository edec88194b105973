//! R2, the power goes: whatever part of the unsynced writes reached the disk, in whatever order, whole or torn.

use super::disk::{Access, Under, Weather};
use super::{fast_dir, survived, times};
use crate::rows::{ROWS_PER_SEGMENT, read_rows, record, session, tickers};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Log, Writer};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

const TRANSACTIONS: u64 = 200;
/// A disk writes these whole or not at all.
const SECTOR_BYTES: usize = 512;
/// Images that wait for being looked at; each is some megabytes.
const QUEUE_IMAGES: usize = 4;

/// What a disk holds of one file.
struct Platter {
    name: PathBuf,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    /// Does it to `bytes`, or a part of it: a torn write loses some of its sectors.
    fn apply(&self, bytes: &mut Vec<u8>, mut keep_sector: impl FnMut() -> bool) {
        match self {
            Change::SetLen(len) => bytes.resize(*len as usize, 0),
            Change::Write(offset, data) => {
                let offset = *offset as usize;
                if bytes.len() < offset + data.len() {
                    bytes.resize(offset + data.len(), 0);
                }
                // Sectors are counted from the beginning of the file, not of the write.
                let mut at = 0;
                while at < data.len() {
                    let end = data.len().min(at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES);
                    if keep_sector() {
                        bytes[offset + at..offset + end].copy_from_slice(&data[at..end]);
                    }
                    at = end;
                }
            }
        }
    }
}

/// The files of a log as they are found after the power came back.
struct Image {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Rows that had been said to be committed.
    committed: u64,
}

/// Follows every write and sync, and takes images of what a power cut would leave.
struct Recorder {
    log: PathBuf,
    images_per_sync: u64,
    committed: Arc<AtomicU64>,
    state: Mutex<State>,
    images: SyncSender<Image>,
}

struct State {
    platters: BTreeMap<u64, Platter>,
    rng: Rng,
}

impl Recorder {
    fn new(data_dir: &Path, images_per_sync: u64, seed: u64) -> (Recorder, Receiver<Image>) {
        let (images, taken) = sync_channel(QUEUE_IMAGES);
        let recorder = Recorder {
            log: data_dir.join("log"),
            images_per_sync,
            committed: Arc::default(),
            state: Mutex::new(State {
                platters: BTreeMap::new(),
                rng: Rng::stream(seed, "power", 0),
            }),
            images,
        };
        (recorder, taken)
    }
}

impl Weather for Recorder {
    fn on(&self, inode: u64, access: Access<'_>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        match access {
            Access::Open(path) => {
                let (name, durable) = (path.to_owned(), std::fs::read(path)?);
                state.platters.insert(inode, Platter { name, durable, pending: Vec::new() });
            }
            Access::Write(offset, data) => {
                state.change(inode, Change::Write(offset, data.to_vec()));
            }
            Access::SetLen(len) => state.change(inode, Change::SetLen(len)),
            Access::Sync => {
                // Before the image: what is committed by now must be in it.
                let committed = self.committed.load(Ordering::SeqCst);
                state.learn_names(&self.log);
                for _ in 0..self.images_per_sync {
                    let image = Image { files: state.image(&self.log), committed };
                    self.images.send(image).unwrap();
                }
                let platter = state.platter(inode);
                for change in std::mem::take(&mut platter.pending) {
                    change.apply(&mut platter.durable, || true);
                }
            }
            Access::Len | Access::Read => {}
        }
        Ok(())
    }
}

impl State {
    fn platter(&mut self, inode: u64) -> &mut Platter {
        self.platters.get_mut(&inode).expect("redb opens a file before it writes to it")
    }

    fn change(&mut self, inode: u64, change: Change) {
        self.platter(inode).pending.push(change);
    }

    /// The log syncs its folder after every rename, so names are on disk; only a removal may not be.
    fn learn_names(&mut self, log: &Path) {
        for entry in std::fs::read_dir(log).unwrap().map(Result::unwrap) {
            // The sealing thread may have renamed or removed it since it was listed.
            let Ok(found) = entry.metadata() else { continue };
            if let Some(platter) = self.platters.get_mut(&found.ino()) {
                platter.name = entry.path();
            }
        }
    }

    /// Every file with some of its unsynced changes. A file that was removed may still be there.
    fn image(&mut self, log: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let State { platters, rng } = self;
        // What redb never opened for writing lies there as it is.
        let known = |path: &PathBuf| platters.values().any(|p| p.name == *path);
        let strangers = std::fs::read_dir(log).unwrap().map(|e| e.unwrap().path());
        let strangers = strangers.filter(|path| !known(path)).collect::<Vec<_>>().into_iter();
        let read = |path: PathBuf| std::fs::read(&path).ok().map(|bytes| (path, bytes));
        let mut files: BTreeMap<_, _> = strangers.filter_map(read).collect();
        for (inode, platter) in platters {
            let there = std::fs::metadata(&platter.name).is_ok_and(|m| m.ino() == *inode);
            if there || (!files.contains_key(&platter.name) && rng.chance(0.5)) {
                files.insert(platter.name.clone(), platter.after_power_cut(rng));
            }
        }
        files
    }
}

impl Platter {
    fn after_power_cut(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let (keep, tear) = match rng.below(5) {
            0 => (0.0, false),
            1 => (1.0, false),
            2 => (1.0, true),
            _ => (rng.below(1_001) as f64 / 1_000.0, rng.chance(0.5)),
        };
        let mut kept: Vec<&Change> = self.pending.iter().filter(|_| rng.chance(keep)).collect();
        if rng.chance(0.5) {
            for i in (1..kept.len()).rev() {
                kept.swap(i, rng.below(i as u64 + 1) as usize);
            }
        }
        for change in kept {
            let torn = tear && rng.chance(0.5);
            change.apply(&mut bytes, || !torn || rng.chance(0.5));
        }
        bytes
    }
}

/// Lays the image down as a log of its own.
fn lay_down(image: &Image) -> tempfile::TempDir {
    let dir = fast_dir();
    let log = dir.path().join("log");
    std::fs::create_dir(&log).unwrap();
    for (name, bytes) in &image.files {
        if let Some(name) = name.file_name() {
            std::fs::write(log.join(name), bytes).unwrap();
        }
    }
    dir
}

/// What the log of an image holds: `Err` with what is wrong, else its rows.
fn rows_after(dir: &Path, committed: u64, appended: u64) -> Result<u64, String> {
    let log = Log::open(dir).map_err(|e| e.to_string())?;
    let problems = log.verify().problems;
    let (ids, error) = read_rows(&log);
    let rows = ids.len() as u64;
    match () {
        () if !problems.is_empty() => Err(problems.join("; ")),
        () if error.is_some() => Err(error.unwrap()),
        () if !ids.into_iter().eq(1..=rows) => Err("not a prefix".into()),
        () if rows < committed => Err(format!("{rows} rows of {committed} committed ones")),
        () if rows > appended => Err(format!("{rows} rows of {appended} appended ones")),
        () => Ok(rows),
    }
}

/// Counts of what became of the images.
#[derive(Default)]
struct Tally {
    images: u64,
    good: u64,
    lost: u64,
}

impl Tally {
    fn enter(&mut self, what: &str, outcome: Result<u64, String>) {
        self.images += 1;
        match outcome {
            Ok(_) => self.good += 1,
            Err(why) => {
                self.lost += u64::from(why.contains("committed"));
                super::say(&format!("faults: R2 {what}, image {}: {why}", self.images));
            }
        }
    }
}

/// Appends and commits in 200 transactions of all sizes, over three segments.
fn script(data_dir: &Path, recorder: Recorder, appended: &AtomicU64) {
    let committed = Arc::clone(&recorder.committed);
    let disk = Arc::new(Under(Arc::new(recorder)));
    let mut writer = Writer::open_on(disk, data_dir, session(1)).unwrap();
    let (tickers, mut rng) = (tickers(), Rng::stream(2, "script", 0));
    let rows_per_transaction = 2 * 3 * ROWS_PER_SEGMENT / TRANSACTIONS;
    for _ in 0..TRANSACTIONS {
        for _ in 0..rng.below(rows_per_transaction) {
            let row_id = appended.fetch_add(1, Ordering::SeqCst) + 1;
            assert_eq!(writer.append(&tickers, record(row_id)).unwrap(), row_id);
        }
        committed.store(writer.commit().unwrap(), Ordering::SeqCst);
    }
    writer.finish("done").unwrap();
}

/// The machine loses power at any sync point while it records, and at any while it mends the log afterwards.
#[test]
fn a_power_cut_leaves_a_log_that_opens_with_every_committed_row() {
    let dir = fast_dir();
    let (recorder, images) = Recorder::new(dir.path(), times(1, 16), 1);
    let appended = AtomicU64::new(0);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| script(dir.path(), recorder, &appended));
        for image in images {
            let after = lay_down(&image);
            if tally.images.is_multiple_of(times(48, 64)) {
                cut_again(after.path(), image.committed, &mut tally);
            }
            let outcome =
                rows_after(after.path(), image.committed, appended.load(Ordering::SeqCst));
            tally.enter("recording", outcome);
        }
        writing.join().unwrap();
    });
    assert!(tally.images >= 200, "only {} images", tally.images);
    let what = "power cut: unsynced writes dropped, reordered, torn at every sync";
    survived("R2", what, tally.images, tally.good, tally.lost);
}

/// Cuts the power again while a writer mends what the first cut left.
fn cut_again(data_dir: &Path, committed: u64, tally: &mut Tally) {
    let copy = fast_dir();
    copy_log(data_dir, copy.path());
    let (recorder, images) = Recorder::new(copy.path(), 1, committed);
    let mending = std::thread::spawn(move || {
        let disk = Arc::new(Under(Arc::new(recorder)));
        Writer::open_on(disk, copy.path(), session(2)).unwrap().finish("done").unwrap();
    });
    for image in images {
        let after = lay_down(&image);
        tally.enter("mending", rows_after(after.path(), committed, u64::MAX));
    }
    mending.join().unwrap();
}

/// Copies the files of a log, as they are now.
pub fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for file in std::fs::read_dir(from.join("log")).unwrap().map(|e| e.unwrap().path()) {
        std::fs::copy(&file, to.join("log").join(file.file_name().unwrap())).unwrap();
    }
}
