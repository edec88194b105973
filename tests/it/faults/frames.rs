//! R9, garbage comes over the wire: kept and counted, and every good frame around it is kept as well.

use super::{fast_dir, survived, times};
use crate::fuzz::bodies::{GOOD, is_kept};
use crate::fuzz::{corpus, mutate};
use crate::rows::session;
use kalshiflow::event::{Body, MarketId};
use kalshiflow::rng::Rng;
use kalshiflow::store::{Filter, Log, Writer};
use kalshiflow::units::TsNs;
use kalshiflow::wire::Decoder;

/// A frame of 64 MiB, as a server that is not Kalshi may send.
const HUGE_BYTES: usize = 64 << 20;

/// The `i`th piece of garbage: the known ones first, then what chance makes of them and of a good frame.
fn garbage(known: &[Vec<u8>], i: u64, rng: &mut Rng) -> Vec<u8> {
    if let Some(frame) = known.get(i as usize) {
        return frame.clone();
    }
    let mut frame = match rng.below(known.len() as u64 + 1) as usize {
        0 => GOOD.to_vec(),
        n => known[n - 1].clone(),
    };
    mutate(&mut frame, rng);
    frame
}

#[test]
fn garbage_between_good_frames_is_kept_and_counted_exactly() {
    let (n, dir) = (times(20_000, 1_000_000), fast_dir());
    let known = corpus("frame");
    let frame = |i| match i {
        0 => vec![b'9'; HUGE_BYTES],
        i => garbage(&known, i - 1, &mut Rng::stream(9, "garbage", i)),
    };
    let mut decoder = Decoder::default();
    let mut writer = Writer::open(dir.path(), session(1)).unwrap();
    for i in 0..n {
        for (bytes, at) in [(&frame(i)[..], 2 * i), (GOOD, 2 * i + 1)] {
            let record = decoder.decode(bytes, TsNs(at as i64));
            writer.append(&decoder.tickers, record).unwrap();
        }
    }
    let summary = writer.finish("done").unwrap();
    let dead_letters: u64 = decoder.counts.bad.values().sum();
    assert_eq!((summary.counts.records(), summary.counts.bad), (2 * n, dead_letters));
    assert!(dead_letters > n / 4 && dead_letters < n, "{dead_letters} of {n} could not be read");

    let log = Log::open(dir.path()).unwrap();
    let (mut good, mut lost, mut bad) = (0, 0, 0);
    for (i, pair) in (0..n).zip(rows(&log)) {
        let [garbage, after] = pair;
        bad += u64::from(matches!(garbage.event.body, Body::Bad(_)));
        let kept = is_kept(&garbage, log.tickers(), &frame(i));
        let next = is_kept(&after, log.tickers(), GOOD) && after.raw.is_none();
        good += u64::from(kept && next && after.event.market != MarketId::NONE);
        lost += u64::from(!kept) + u64::from(!next);
    }
    assert_eq!(bad, dead_letters);
    survived("R9", "garbage frames: kept, counted, the next frame read", n, good, lost);
}

/// The log's rows by twos.
fn rows(log: &Log) -> impl Iterator<Item = [kalshiflow::event::Record; 2]> + '_ {
    let mut rows = log.read(Filter::default()).unwrap().map(Result::unwrap);
    std::iter::from_fn(move || Some([rows.next()?, rows.next()?]))
}
