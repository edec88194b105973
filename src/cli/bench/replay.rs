//! From recorded bytes to books: three stages, each beside a named baseline of the same run.

use super::CpuTimer;
use crate::book::{Book, SequencePolicy};
use crate::cli::exit::{Code, Failure, OrFail};
use crate::cli::printer;
use crate::event::{Body, Event, Record};
use crate::features::{Layout, Observer};
use crate::intake::tape::{Tape, windows};
use crate::intake::{IntakeError, envelope, files};
use crate::market::MarketInfo;
use crate::units::{Side, TsNs};
use crate::wire::Decoder;
use crate::wire::market::{market_info, market_objects};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `kflow bench replay`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Folder with `events/`; default: the shared test data.
    #[arg(long)]
    tape: Option<PathBuf>,
    /// Runs of each measurement; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// All in CPU time of one thread.
#[derive(Serialize)]
struct Figures {
    /// Events of the tape.
    events: u64,
    /// Compressed files to books, best bid and ask after every event.
    files_events_per_cpu_s: f64,
    /// The same, per event.
    files_ns_per_event: f64,
    /// Frames in memory to books.
    frame_ns_per_event: f64,
    /// `serde_json` from the same frames to its `Value`, nothing more.
    serde_json_value_ns_per_event: f64,
    /// Baseline over ours.
    frame_vs_serde_json_value_ratio: f64,
    /// Events in memory to books, best bid and ask after every event.
    memory_ns_per_event: f64,
    /// Two bare arrays of 101 sizes and two best prices, fed with the same changes.
    dense_array_ns_per_event: f64,
    /// Ours over baseline.
    memory_vs_dense_array_ratio: f64,
    /// Compressed files to `flow52-v1` rows: every event in, a row out when due.
    flow52_files_events_per_cpu_s: f64,
    /// Rows made.
    flow52_rows: u64,
}

/// Runs the benchmark.
///
/// # Errors
/// When there is no tape or it cannot be read.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let tape = args.tape.unwrap_or_else(|| crate::config::env::shared().join("data/gold15m"));
    let hint = "name a folder that holds events/TICKER/*.ndjson.gz and metadata/ with --tape";
    let windows = windows(&tape).or_hint(Code::Config, hint)?;
    let infos = definitions(&tape).or_hint(Code::Config, hint)?;
    let named: Vec<(MarketInfo, Vec<PathBuf>)> = windows
        .into_iter()
        .map(|(ticker, paths)| (infos.get(&ticker).cloned().unwrap_or_default(), paths))
        .collect();
    let paths: Vec<Vec<PathBuf>> = named.iter().map(|w| w.1.clone()).collect();
    let (lines, events) = load(&paths).or_fail(Code::Integrity)?;
    let n = events.iter().map(Vec::len).sum::<usize>() as f64;
    let dense: Vec<Vec<Change>> =
        events.iter().map(|w| w.iter().filter_map(change).collect()).collect();
    let best = |run: &mut dyn FnMut() -> Result<u64, IntakeError>| -> Result<f64, Failure> {
        let mut fastest = f64::INFINITY;
        for _ in 0..args.repeats {
            let timer = CpuTimer::start();
            black_box(run().or_fail(Code::Integrity)?);
            fastest = fastest.min(timer.seconds());
        }
        Ok(fastest * 1e9 / n)
    };
    let files_ns = best(&mut || from_files(&paths))?;
    let mut rows = 0;
    let flow52_ns = best(&mut || {
        rows = to_rows(&named)?;
        Ok(rows)
    })?;
    let frame_ns = best(&mut || Ok(from_frames(&lines)))?;
    let value_ns = best(&mut || Ok(to_values(&lines)))?;
    let memory_ns = per_window(&events, args.repeats, from_events) * 1e9 / n;
    let dense_ns = per_window(&dense, args.repeats, from_changes) * 1e9 / n;
    let figures = Figures {
        events: n as u64,
        files_events_per_cpu_s: 1e9 / files_ns,
        files_ns_per_event: files_ns,
        frame_ns_per_event: frame_ns,
        serde_json_value_ns_per_event: value_ns,
        frame_vs_serde_json_value_ratio: value_ns / frame_ns,
        memory_ns_per_event: memory_ns,
        dense_array_ns_per_event: dense_ns,
        memory_vs_dense_array_ratio: memory_ns / dense_ns,
        flow52_files_events_per_cpu_s: 1e9 / flow52_ns,
        flow52_rows: rows,
    };
    if args.json { printer::json("bench replay", &figures) } else { printer::fields(&figures) }
}

/// Seconds of all windows, each the fastest of `repeats` runs in a row: a window fits the cache, as the
/// events of a live session do, so that arithmetic is compared and not memory.
fn per_window<T>(windows: &[Vec<T>], repeats: u32, run: impl Fn(&[T]) -> u64) -> f64 {
    let fastest = |window: &Vec<T>| {
        // The thread's CPU clock is too coarse for a window; the fastest of several runs is as good.
        let timed = |_| {
            let begun = Instant::now();
            black_box(run(window));
            begun.elapsed().as_secs_f64()
        };
        (0..=repeats).map(timed).fold(f64::INFINITY, f64::min)
    };
    windows.iter().map(fastest).sum()
}

/// Lines and events of every window.
type Loaded = (Vec<Vec<Vec<u8>>>, Vec<Vec<Event>>);

fn load(paths: &[Vec<PathBuf>]) -> Result<Loaded, IntakeError> {
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    for window in paths {
        let (mut texts, mut parsed) = (Vec::new(), Vec::new());
        let mut tape = Tape::new(SequencePolicy::Partial);
        for path in window {
            files::lines(path, |line| {
                texts.push(line.to_vec());
                tape.read_line(line, |_, record, _| {
                    parsed.push(record.event);
                    Ok::<(), IntakeError>(())
                })
            })?;
        }
        lines.push(texts);
        events.push(parsed);
    }
    Ok((lines, events))
}

/// One event into its book; the touch is looked at so that it has to be there.
fn feed(book: &mut Book, event: &Event) -> u64 {
    // A negative level is a gap in the recording and no matter of speed.
    let _ = black_box(book.apply(event));
    let touch = book.touch();
    touch.bid.map_or(0, |b| b.0.e4() as u64) ^ touch.ask.map_or(0, |a| a.0.e4() as u64)
}

fn from_files(paths: &[Vec<PathBuf>]) -> Result<u64, IntakeError> {
    let mut sum = 0;
    for window in paths {
        let (mut book, mut tape) = (Book::default(), Tape::new(SequencePolicy::Partial));
        for path in window {
            tape.read_file(path, |_, Record { event, .. }, _| {
                sum ^= feed(&mut book, &event);
                Ok::<(), IntakeError>(())
            })?;
        }
    }
    Ok(sum)
}

/// Market definitions of the tape by ticker.
fn definitions(tape: &Path) -> Result<BTreeMap<String, MarketInfo>, IntakeError> {
    let mut infos = BTreeMap::new();
    for path in files::find(&[tape.join("metadata")])?.metadata {
        let bytes = std::fs::read(&path)
            .map_err(|source| IntakeError::Read { path: path.clone(), source })?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let objects = market_objects(&value).into_iter();
        infos.extend(objects.filter_map(|o| market_info(o).ok()).map(|i| (i.ticker.clone(), i)));
    }
    Ok(infos)
}

fn to_rows(windows: &[(MarketInfo, Vec<PathBuf>)]) -> Result<u64, IntakeError> {
    let mut rows = 0;
    for (info, paths) in windows {
        let mut observer = Observer::new(Layout::Flow52V1, info.open, info.close);
        let mut tape = Tape::new(SequencePolicy::Partial);
        for path in paths {
            tape.read_file(path, |_, Record { event, .. }, _| {
                rows += u64::from(black_box(observer.push(&event)).is_some());
                Ok::<(), IntakeError>(())
            })?;
        }
        rows += u64::from(observer.finish().is_some());
    }
    Ok(rows)
}

fn from_frames(lines: &[Vec<Vec<u8>>]) -> u64 {
    let mut sum = 0;
    for window in lines {
        let (mut book, mut decoder) = (Book::default(), Decoder::default());
        for line in window {
            let unpacked = envelope::unpack(line);
            let record = decoder.decode(unpacked.frame, unpacked.recv.unwrap_or(TsNs(0)));
            sum ^= feed(&mut book, &record.event);
        }
    }
    sum
}

fn to_values(lines: &[Vec<Vec<u8>>]) -> u64 {
    let mut sum = 0;
    for line in lines.iter().flatten() {
        let frame = envelope::unpack(line).frame;
        let value: Option<Value> = serde_json::from_slice(frame).ok();
        sum ^= u64::from(black_box(value).is_some());
    }
    sum
}

fn from_events(events: &[Event]) -> u64 {
    let mut book = Book::default();
    events.iter().fold(0, |sum, event| sum ^ feed(&mut book, event))
}

/// What the baseline is fed with: a change of a whole-cent level, or a new book.
enum Change {
    Level { side: usize, cent: usize, e2: i64 },
    Book(Box<[[i64; 101]; 2]>),
}

fn change(event: &Event) -> Option<Change> {
    match &event.body {
        Body::Delta(d) => Some(Change::Level {
            side: d.side.index(),
            cent: d.price.index() / 100,
            e2: d.qty.e2(),
        }),
        Body::Snapshot(s) => {
            let mut sizes = Box::new([[0; 101]; 2]);
            for (side, levels) in [(Side::Yes, &s.yes), (Side::No, &s.no)] {
                for (price, size) in levels {
                    sizes[side.index()][price.index() / 100] = size.e2();
                }
            }
            Some(Change::Book(sizes))
        }
        _ => None,
    }
}

/// The baseline: no checks, no sub-penny levels, no validity; a best price is searched downwards when
/// its level empties.
fn from_changes(changes: &[Change]) -> u64 {
    let (mut sum, mut sizes, mut best) = (0, [[0i64; 101]; 2], [0usize; 2]);
    let top = |s: &[i64; 101]| s.iter().rposition(|q| *q > 0).unwrap_or(0);
    for change in changes {
        match change {
            Change::Level { side, cent, e2 } => {
                let size = &mut sizes[*side][*cent];
                *size += e2;
                if *size > 0 {
                    best[*side] = best[*side].max(*cent);
                } else if *cent == best[*side] {
                    best[*side] = top(&sizes[*side]);
                }
            }
            Change::Book(book) => {
                sizes = **book;
                best = [top(&sizes[0]), top(&sizes[1])];
            }
        }
        sum ^= black_box((best[0] ^ best[1]) as u64);
    }
    sum
}
