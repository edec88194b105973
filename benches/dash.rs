//! How long does one picture take, and how long does it take to hear 1,024 records?
//!
//! Sketch: 240 x 70 are 16 800 cells; written once each at some 50 ns that is under a millisecond, and sorting 300
//! names is nothing beside it. Asked for are 4 ms. At 5,000 records a second and 10 pictures a second the dashboard
//! then takes about 2 % of a core.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kalshiflow::dash::{Desk, Heard, Msg, News, Screen, Theme, draw};

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/dash/fixture.rs"]
mod fixture;

const MARKETS: u32 = 300;
const SIZE: (u16, u16) = (240, 70);

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

criterion_group!(benches, pictures, hearing);
criterion_main!(benches);
