//! What does a frame cost on its way from bytes to book to log?
//!
//! Sketch: at 1 000 frames/s, 300 ns to decode and apply and as much to append are 0.06 % of a core.
//! Frames are a seeded synthetic tape of this program, written by its own encoder; `kflow bench replay`
//! measures the same stages on recorded windows.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kalshiflow::book::Book;
use kalshiflow::event::{Event, Record, SessionId, SessionMeta};
use kalshiflow::sim::tape::{Tape, TapeSpec, synthesize};
use kalshiflow::store::Writer;
use kalshiflow::units::TsNs;
use kalshiflow::wire::{Decoder, event_frame};
use serde_json::Value;
use std::hint::black_box;

fn tape() -> Tape {
    synthesize(&TapeSpec { markets: 4, ..TapeSpec::default() })
}

fn frames(tape: &Tape) -> Vec<Vec<u8>> {
    let frame = |e: &Event| event_frame(e, &tape.tickers).map(|f| f.to_value().to_string());
    tape.events.iter().filter_map(frame).map(String::into_bytes).collect()
}

/// Events of one book, in order.
fn books(tape: &Tape) -> Vec<Book> {
    vec![Book::default(); tape.tickers.len()]
}

fn apply(books: &mut [Book], event: &Event) {
    if let Some(book) = books.get_mut(event.market.0 as usize) {
        // A synthetic tape has no negative level.
        let _ = black_box(book.apply(event));
        black_box(book.touch());
    }
}

fn ingest(c: &mut Criterion) {
    let tape = tape();
    let frames = frames(&tape);
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("frame_to_serde_json_value", |b| {
        b.iter(|| {
            for frame in &frames {
                black_box(serde_json::from_slice::<Value>(frame).expect("JSON"));
            }
        });
    });
    group.bench_function("frame_to_book", |b| {
        b.iter(|| {
            let (mut decoder, mut books) = (Decoder::default(), books(&tape));
            for frame in &frames {
                apply(&mut books, &decoder.decode(frame, TsNs(0)).event);
            }
        });
    });
    group.bench_function("event_to_book", |b| {
        b.iter(|| {
            let mut books = books(&tape);
            tape.events.iter().for_each(|event| apply(&mut books, event));
        });
    });
    group.sample_size(10);
    group.bench_function("event_to_sealed_log", |b| {
        let dir = tempfile::tempdir().expect("tempdir");
        b.iter_batched(
            || tape.events.clone(),
            |events| {
                let mut writer = Writer::open(dir.path(), meta()).expect("log");
                for event in events {
                    writer.append(&tape.tickers, Record { event, raw: None }).expect("append");
                }
                writer.finish("done").expect("sealed");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn meta() -> SessionMeta {
    SessionMeta {
        id: SessionId([7; 16]),
        source: "sim:seed=7".into(),
        exchange_env: "sim".into(),
        started: TsNs(0),
        flags: Vec::new(),
        inputs: Vec::new(),
    }
}

criterion_group!(benches, ingest);
criterion_main!(benches);
