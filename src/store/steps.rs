//! What a row adds to the one before: the reversible differences that make columns small.
//!
//! Every pair of functions is `.._steps` for writing and `read_..` for reading. All arithmetic wraps, so
//! that any 64-bit value, a clock that jumps or a sequence that restarts comes back exactly.

use super::chunk::{KIND_BITS, NO_TS};
use super::codec::Malformed;
use super::column::{unzigzag, zigzag};
use std::collections::BTreeMap;

/// Row numbers in the order of (market, level), rows of one level in their own order.
pub(super) fn order_by_level(keys: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_by_key(|&i| keys[i as usize]);
    order
}

pub(super) fn sid_steps(tags: &[u64], sids: &[u64]) -> Vec<u64> {
    let mut last = [0u64; 8];
    let step = |(tag, &sid): (&u64, &u64)| {
        let last = &mut last[(tag & KIND_BITS) as usize];
        zigzag(sid.wrapping_sub(std::mem::replace(last, sid)) as i64)
    };
    tags.iter().zip(sids).map(step).collect()
}

pub(super) fn read_sids(tags: &[u64], steps: Vec<u64>) -> Result<Vec<u32>, Malformed> {
    let mut last = [0u64; 8];
    let sid = |(tag, step): (&u64, u64)| {
        let last = &mut last[(tag & KIND_BITS) as usize];
        *last = last.wrapping_add(unzigzag(step) as u64);
        u32::try_from(*last).map_err(|_| Malformed("a subscription id has more than 32 bits"))
    };
    tags.iter().zip(steps).map(sid).collect()
}

pub(super) fn seq_steps(sids: &[u64], seqs: &[u64]) -> Vec<u64> {
    let mut due: BTreeMap<u64, u64> = BTreeMap::new();
    let step = |(&sid, &seq): (&u64, &u64)| {
        let due = due.entry(sid).or_default();
        let step = seq.wrapping_sub(*due) as i64;
        *due = seq.wrapping_add(1);
        zigzag(step)
    };
    sids.iter().zip(seqs).map(step).collect()
}

pub(super) fn read_seqs(sids: &[u32], steps: Vec<u64>) -> Vec<u64> {
    let mut due: BTreeMap<u32, u64> = BTreeMap::new();
    let seq = |(&sid, step): (&u32, u64)| {
        let due = due.entry(sid).or_default();
        let seq = due.wrapping_add(unzigzag(step) as u64);
        *due = seq.wrapping_add(1);
        seq
    };
    sids.iter().zip(steps).map(seq).collect()
}

pub(super) fn ts_steps(ts: &[i64]) -> Vec<u64> {
    let mut last = 0i64;
    ts.iter().map(|&ts| zigzag(ts.wrapping_sub(std::mem::replace(&mut last, ts)))).collect()
}

pub(super) fn read_ts(steps: Vec<u64>) -> Vec<i64> {
    let mut last = 0i64;
    let ts = |step| {
        last = last.wrapping_add(unzigzag(step));
        last
    };
    steps.into_iter().map(ts).collect()
}

/// The largest of 1 000 000, 1 000 and 1 ns that divides all receive times: clocks differ in what they show.
pub(super) fn recv_unit(recv: &[i64]) -> i64 {
    let divides = |unit: &i64| recv.iter().all(|t| t % unit == 0);
    [1_000_000, 1_000].into_iter().find(divides).unwrap_or(1)
}

/// Exchange time in steps of receive time.
fn in_units(ts_us: i64, unit: i64) -> i64 {
    if unit == 1 { ts_us.wrapping_mul(1_000) } else { ts_us.div_euclid(unit / 1_000) }
}

/// What receive time is measured from: the lag stays, the time itself goes on.
#[derive(Default)]
struct Clock {
    lag: i64,
    recv: i64,
}

pub(super) fn recv_steps(tags: &[u64], ts: &[i64], recv: &[i64], unit: i64) -> Vec<u64> {
    let mut last = Clock::default();
    let mut ts = ts.iter();
    let step = |(tag, &recv): (&u64, &i64)| {
        let recv = recv / unit;
        let before = std::mem::replace(&mut last.recv, recv);
        if tag & NO_TS != 0 {
            return zigzag(recv.wrapping_sub(before));
        }
        let lag = recv.wrapping_sub(in_units(ts.next().copied().unwrap_or(0), unit));
        zigzag(lag.wrapping_sub(std::mem::replace(&mut last.lag, lag)))
    };
    tags.iter().zip(recv).map(step).collect()
}

pub(super) fn read_recv(tags: &[u64], ts: &[i64], steps: Vec<u64>, unit: i64) -> Vec<i64> {
    let mut last = Clock::default();
    let mut ts = ts.iter();
    let recv = |(tag, step): (&u64, u64)| {
        if tag & NO_TS != 0 {
            last.recv = last.recv.wrapping_add(unzigzag(step));
        } else {
            last.lag = last.lag.wrapping_add(unzigzag(step));
            last.recv = last.lag.wrapping_add(in_units(ts.next().copied().unwrap_or(0), unit));
        }
        last.recv.wrapping_mul(unit)
    };
    tags.iter().zip(steps).map(recv).collect()
}
