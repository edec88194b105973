//! hftbacktest 0.9.4 and kalshiflow on the same recorded events, in one process on one thread.
//!
//! `peer-hftbacktest TAPE [--repeats N] [--json]`: `TAPE` is a folder with `events/TICKER/*.ndjson.gz`. Loading and
//! converting are not timed. The engines take turns, window by window, and of each window the fastest of N turns
//! counts. All times are CPU time.
//!
//! Ends with 6, after all figures, when a ratio is below its bar or a list of fills is not the peer's.

mod clock;
mod ours;
mod rules;
mod tape;
mod theirs;

use anyhow::{Context, Result, bail};
use clock::cpu_ns;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tape::Window;
use theirs::{Exchange, Queue};

/// From the maker to the exchange, and back.
pub const LATENCY_MS: i64 = 50;
/// The maker looks after its quotes this often.
pub const EVERY_MS: i64 = 250;
/// Contracts of an order.
pub const CONTRACTS: i64 = 10;

/// Ours must be so many times as fast: reading the book, and with the maker.
const BARS: [f64; 2] = [5.0, 3.0];

/// Exit code of a check that failed, as that of `kflow`.
const FAILED: u8 = 6;

struct Args {
    tape: PathBuf,
    repeats: u32,
    json: bool,
}

fn main() -> Result<ExitCode> {
    let args = args()?;
    let windows = tape::load(&args.tape)?;
    let mut figures = Map::new();
    figures.insert("windows".into(), windows.len().into());
    let events: usize = windows.iter().map(|window| window.events.len()).sum();
    figures.insert("events".into(), events.into());
    speed(&windows, args.repeats, events as f64, &mut figures)?;
    fidelity(&windows, &mut figures)?;
    if args.json {
        let all = json!({"schema_version": 1, "command": "peer hftbacktest", "data": figures});
        println!("{all}");
    } else {
        figures.iter().for_each(|(name, value)| println!("{name:44} {value}"));
    }
    let missed = missed(&figures);
    missed.iter().for_each(|what| eprintln!("error: {what}"));
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { FAILED.into() })
}

/// What is not as it has to be, one sentence each. A figure that is not there is not good.
fn missed(figures: &Map<String, Value>) -> Vec<String> {
    let figure = |name: &str| figures.get(name).and_then(Value::as_f64);
    let slow = ["read", "maker"].into_iter().filter_map(|what| {
        let (ratio, bar) = (figure(&format!("{what}_ratio")), figure(&format!("{what}_bar")));
        let good = ratio.zip(bar).is_some_and(|(ratio, bar)| ratio >= bar);
        (!good).then(|| format!("{what}_ratio {ratio:?} is below its bar {bar:?}"))
    });
    let unlike = ["risk_adverse", "power3"].into_iter().filter_map(|queue| {
        let different = figure(&format!("{queue}_rules_fills_different"));
        (different != Some(0.0)).then(|| format!("{queue}: fills differ: {different:?}"))
    });
    slow.chain(unlike).collect()
}

fn args() -> Result<Args> {
    let mut args = Args { tape: PathBuf::new(), repeats: 5, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => args.json = true,
            "--repeats" => {
                let n = words.next().context("--repeats needs a number")?;
                args.repeats = n.parse().with_context(|| format!("--repeats {n}"))?;
            }
            _ if word.starts_with('-') => bail!("unknown option {word}"),
            _ => args.tape = word.into(),
        }
    }
    if args.tape.as_os_str().is_empty() || args.repeats == 0 {
        bail!("usage: peer-hftbacktest TAPE [--repeats N] [--json]");
    }
    Ok(args)
}

/// A way to run a window: its CPU nanoseconds.
type Runner<'a> = &'a dyn Fn(&Window) -> Result<f64>;

fn speed(
    windows: &[Window],
    repeats: u32,
    events: f64,
    out: &mut Map<String, Value>,
) -> Result<()> {
    let maker = |queue| {
        move |window: &Window| {
            let mut backtest = theirs::prepare(window, queue, Exchange::NoPartialFill)?;
            let (ns, run) = cpu_ns(|| theirs::make(&mut backtest));
            Ok(run.map(|_| ns)?)
        }
    };
    let runners: [(&str, Runner<'_>); 6] = [
        ("ours_read", &|window| Ok(cpu_ns(|| ours::read_every_event(window)).0)),
        ("peer_end", &|window| {
            let mut backtest =
                theirs::prepare(window, Queue::RiskAdverse, Exchange::NoPartialFill)?;
            let (ns, done) = cpu_ns(|| theirs::to_the_end(&mut backtest));
            Ok(done.map(|_| ns)?)
        }),
        ("peer_read", &|window| {
            let mut backtest =
                theirs::prepare(window, Queue::RiskAdverse, Exchange::NoPartialFill)?;
            let (ns, done) = cpu_ns(|| theirs::read_every_event(&mut backtest));
            Ok(done.map(|_| ns)?)
        }),
        ("ours_maker", &|window| Ok(cpu_ns(|| ours::make(window)).0)),
        ("peer_maker_risk_adverse", &maker(Queue::RiskAdverse)),
        ("peer_maker_power3", &maker(Queue::Power3)),
    ];
    let mut best = vec![vec![f64::INFINITY; windows.len()]; runners.len()];
    for _ in 0..repeats {
        for (at, window) in windows.iter().enumerate() {
            for (runner, best) in runners.iter().zip(&mut best) {
                best[at] = best[at].min((runner.1)(window)?);
            }
        }
    }
    let per_event: Vec<f64> = best.iter().map(|ns| ns.iter().sum::<f64>() / events).collect();
    for ((name, _), ns) in runners.iter().zip(&per_event) {
        out.insert(format!("{name}_ns_per_event"), round(*ns));
    }
    let [ours_read, end, read, ours_maker, risk, power] = per_event[..] else { return Ok(()) };
    out.insert("read_ratio".into(), round(read / ours_read));
    out.insert("read_ratio_against_unread_peer".into(), round(end / ours_read));
    out.insert("read_bar".into(), BARS[0].into());
    out.insert("maker_ratio".into(), round(risk.min(power) / ours_maker));
    out.insert("maker_bar".into(), BARS[1].into());
    Ok(())
}

/// What the makers got, whether our engine under its rules gets what it gets, and how many windows it survives
/// with partial fills.
fn fidelity(windows: &[Window], out: &mut Map<String, Value>) -> Result<()> {
    let (mut ours, mut submits) = ([0i64; 3], 0);
    let mut complete = 0;
    for window in windows {
        let run = ours::make(window);
        ours.iter_mut().zip(run.contracts_e2).for_each(|(sum, qty)| *sum += qty);
        submits += run.submits;
        let mut partial = theirs::prepare(window, Queue::Power3, Exchange::PartialFill)?;
        complete += usize::from(theirs::make(&mut partial).is_ok());
    }
    out.insert("ours_submits".into(), submits.into());
    out.insert("ours_contracts_pessimistic_fitted_optimistic".into(), json!(ours.map(|q| q / 100)));
    out.insert("ours_windows_complete_with_partial_fills".into(), windows.len().into());
    out.insert("peer_windows_complete_with_partial_fills".into(), complete.into());
    for (name, queue) in [("risk_adverse", Queue::RiskAdverse), ("power3", Queue::Power3)] {
        let (mut submits, mut fills, mut differences, mut equal) = (0, 0, 0, 0);
        let mut first = Value::Null;
        for window in windows {
            let mut backtest = theirs::prepare(window, queue, Exchange::NoPartialFill)?;
            let theirs = theirs::make(&mut backtest)?;
            let rules = rules::make(window, queue);
            submits += theirs.submits;
            fills += theirs.fills.len();
            let only = |a: &[theirs::Fill], b: &[theirs::Fill]| {
                a.iter().filter(|fill| b.binary_search(fill).is_err()).copied().collect::<Vec<_>>()
            };
            let (missing, extra) =
                (only(&theirs.fills, &rules.fills), only(&rules.fills, &theirs.fills));
            differences += missing.len() + extra.len();
            equal += usize::from(missing.is_empty() && extra.is_empty());
            if first.is_null() && !(missing.is_empty() && extra.is_empty()) {
                first = format!(
                    "{}: theirs {:?}, ours {:?}",
                    window.name,
                    missing.first(),
                    extra.first()
                )
                .into();
            }
        }
        out.insert(format!("peer_{name}_submits"), submits.into());
        out.insert(format!("peer_{name}_fills"), fills.into());
        out.insert(format!("{name}_rules_windows_equal"), equal.into());
        out.insert(format!("{name}_rules_fills_different"), differences.into());
        out.insert(format!("{name}_rules_first_difference"), first);
    }
    Ok(())
}

fn round(x: f64) -> Value {
    ((x * 100.0).round() / 100.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ratios, bars and differences were printed, and the exit code was 0 whatever they said.
    #[test]
    fn a_ratio_below_its_bar_or_a_fill_that_differs_is_a_failure() {
        let good = json!({
            "read_ratio": 7.6, "read_bar": 5.0, "maker_ratio": 3.0, "maker_bar": 3.0,
            "risk_adverse_rules_fills_different": 0, "power3_rules_fills_different": 0,
        });
        let Value::Object(good) = good else { unreachable!() };
        assert_eq!(missed(&good), [""; 0]);
        for (name, bad) in [
            ("read_ratio", json!(4.99)),
            ("maker_ratio", json!(2.99)),
            ("maker_ratio", Value::Null),
            ("risk_adverse_rules_fills_different", json!(1)),
            ("power3_rules_fills_different", json!(2)),
        ] {
            let mut figures = good.clone();
            figures.insert(name.into(), bad);
            assert_eq!(missed(&figures).len(), 1, "{name}");
        }
        assert_eq!(missed(&Map::new()).len(), 4, "what was not measured is not good");
    }
}
