//! How long does one picture take, how long does it take to hear 1,024 records, and how long does a key wait at
//! most?
//!
//! Sketch: 240 x 70 are 16 800 cells; written once each at some 50 ns that is under a millisecond, and sorting 300
//! names is nothing beside it. Asked for are 4 ms. At 5,000 records a second and 10 pictures a second the dashboard
//! then takes about 2 % of a core. A key waits behind a full queue at most: 64 batches, which at 5,000 records a
//! second take 13 s to come together; asked for are 50 ms, 20 of which the loop may wait to draw. A run of 60 000 rows
//! is drawn from at most 2 048 points a curve, so its picture takes no longer than that of any other; the row that it
//! adds is read alone, some 10 us, and its curves are made anew for the screen, some 50 000 points in 1 ms.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use kalshiflow::dash::source::files::Files;
use kalshiflow::dash::{Desk, Heard, Msg, News, Screen, Theme, draw, inbox};
use std::io::Write;

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/dash/fixture.rs"]
mod fixture;

const MARKETS: u32 = 300;
const SIZE: (u16, u16) = (240, 70);
/// Rows of a long training run.
const ROWS: u64 = 60_000;

fn pictures(c: &mut Criterion) {
    let mut state = fixture::state(SIZE);
    state.update(Msg::News(News::Heard(fixture::heard(MARKETS, 500))), fixture::NOW);
    let mut group = c.benchmark_group("dash");
    for screen in Screen::ALL {
        state.screen = screen;
        let name = format!("picture_{}", screen.name().to_lowercase());
        let theme = Theme { true_color: true, ..Theme::default() };
        group.bench_function(&name, |b| b.iter(|| draw::picture(&state, theme, fixture::NOW)));
    }
    group.finish();
}

fn hearing(c: &mut Criterion) {
    let heard = fixture::heard(MARKETS, 500);
    let mut desk = Desk::default();
    let events = heard.events.clone();
    desk.hear(heard);
    let mut group = c.benchmark_group("dash");
    group.throughput(Throughput::Elements(1_024));
    let mut batches = events.chunks_exact(1_024).cycle();
    group.bench_function("hear_1024_records", |b| {
        b.iter(|| {
            let events = batches.next().expect("cycled").to_vec();
            desk.hear(Heard { events, ..Heard::default() });
        });
    });
    group.finish();
}

fn key(c: &mut Criterion) {
    let heard = fixture::heard(MARKETS, 500);
    let batches: Vec<_> = heard.events.chunks_exact(1_024).map(<[_]>::to_vec).collect();
    let mut state = fixture::state(SIZE);
    state.update(Msg::News(News::Heard(heard)), fixture::NOW);
    let theme = Theme { true_color: true, ..Theme::default() };
    let full = || -> Vec<Heard> {
        let queued = batches.iter().cycle().take(64).cloned();
        queued.map(|events| Heard { events, ..Heard::default() }).collect()
    };
    c.benchmark_group("dash").sample_size(20).bench_function("key_behind_64_batches", |b| {
        b.iter_batched(
            full,
            |queued| {
                for heard in queued {
                    state.update(Msg::News(News::Heard(heard)), fixture::NOW);
                }
                let key = KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE);
                state.update(Msg::Input(Event::Key(key)), fixture::NOW);
                draw::picture(&state, theme, fixture::NOW)
            },
            BatchSize::PerIteration,
        );
    });
}

fn long_run(c: &mut Criterion) {
    let run = fixture::run(7, ROWS, ROWS);
    let mut state = fixture::state((200, 60));
    state.screen = Screen::Training;
    state.update(Msg::News(News::Runs(vec![run.clone()])), fixture::NOW);
    let theme = Theme { true_color: true, ..Theme::default() };
    let mut group = c.benchmark_group("dash");
    group.bench_function("picture_training_60000_rows", |b| {
        b.iter(|| draw::picture(&state, theme, fixture::NOW));
    });

    let dir = tempfile::tempdir().expect("a folder");
    let runs = dir.path().join("runs/long");
    std::fs::create_dir_all(&runs).expect("a folder");
    std::fs::write(runs.join("config.json"), "{\"algo\":\"ppo\"}").expect("written");
    let progress = std::fs::File::create(runs.join("progress.jsonl")).expect("a file");
    let mut progress = std::io::BufWriter::new(progress);
    let mut row = run.status.latest;
    let mut add = |steps: u64| {
        row.insert("time/total_timesteps".into(), steps as f64);
        writeln!(progress, "{}", serde_json::json!(row)).expect("written");
        progress.flush().expect("written");
    };
    (0..ROWS).for_each(&mut add);
    let (handle, heard) = inbox();
    let mut files = Files::new(dir.path(), &dir.path().join("runs"));
    let mut look = || {
        files.look(&handle).expect("somebody listens");
        heard.try_iter().count()
    };
    look();
    let mut steps = ROWS;
    group.bench_function("read_one_row_more_of_60000", |b| {
        b.iter(|| {
            steps += 1;
            add(steps);
            look()
        });
    });
    group.finish();
}

criterion_group!(benches, pictures, hearing, key, long_run);
criterion_main!(benches);
