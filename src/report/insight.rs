//! The pictures of the second look: fills, reliability, actions over a market's life, learning curves.

use super::charts::{self, percent, range};
use super::svg::Plot;
use crate::agent::calibration::{Bin, Calibration};
use crate::agent::eval::EvalResult;
use crate::agent::insight::Curve;
use std::collections::BTreeSet;

/// Per policy: the mean return in the pessimistic, fitted and optimistic queue.
pub fn brackets(result: &EvalResult) -> String {
    let rows = charts::held_out(result);
    let x = range(rows.iter().flat_map(|r| r.bracket).chain([0.0]));
    let mut plot = Plot::new(x, [0.0, rows.len() as f64], 40.0 + 30.0 * rows.len() as f64);
    plot.x_axis("mean return per market", percent);
    plot.mark(0.0, "zero");
    for (i, row) in rows.iter().enumerate() {
        let (y, class) = (rows.len() as f64 - i as f64 - 0.5, charts::class(result, i, row));
        plot.y_label(y, &row.name);
        let [worst, fitted, best] = row.bracket;
        plot.line([worst, y], [best, y], &format!("interval {class}"));
        for (value, radius, queue) in
            [(worst, 6.0, "pessimistic"), (fitted, 3.5, "fitted"), (best, 3.5, "optimistic")]
        {
            plot.dot([value, y], radius, &class, &format!("{queue} {}", percent(value)));
        }
    }
    plot.finish("Mean return in the pessimistic, fitted and optimistic queue, per policy")
}

/// Forecast against outcome, of the policy and of the mid.
pub fn reliability(calibration: &Calibration) -> String {
    let mut plot = Plot::new([0.0, 1.0], [0.0, 1.0], 340.0);
    plot.x_axis("forecast", percent);
    plot.y_axis(percent);
    plot.line([0.0, 0.0], [1.0, 1.0], "zero");
    for (bins, class, name) in
        [(&calibration.bins_mid, "s1", "mid"), (&calibration.bins, "s0", "policy")]
    {
        let points: Vec<[f64; 2]> = bins.iter().map(|b| [b.forecast, b.outcome]).collect();
        plot.curve(&points, class, name);
        for Bin { markets, forecast, outcome, .. } in bins {
            let text = format!(
                "{name}: {} forecast, {} came, {markets:.1} markets",
                percent(*forecast),
                percent(*outcome)
            );
            plot.dot([*forecast, *outcome], 3.0 + markets.sqrt().min(5.0), class, &text);
        }
    }
    plot.finish("Share of markets that settled YES, against the probability forecast")
}

/// Shares of the actions in each tenth of a market's decisions.
pub fn actions_over_life(shares: &[Vec<f64>], names: &[String]) -> String {
    let tenths = shares.len().max(1) as f64;
    let mut plot = Plot::new([0.0, 1.0], [0.0, 1.0], 260.0);
    plot.x_axis("part of a market's decisions", percent);
    plot.y_axis(percent);
    for (i, tenth) in shares.iter().enumerate() {
        let (left, right) = (i as f64 / tenths, (i + 1) as f64 / tenths);
        let mut below = 0.0;
        for (a, share) in tenth.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let name = names.get(a).map_or("", String::as_str);
            let text = format!("{name} {}", percent(*share));
            plot.bar([left, below], [right, below + share], &format!("a{}", a % 6), &text);
            below += share;
        }
    }
    plot.finish("Shares of the actions over the life of a market")
}

/// One picture for each key of the learning curves: a line per model.
pub fn learning(curves: &[Curve]) -> Vec<(&'static str, String)> {
    let keys: BTreeSet<&'static str> = curves.iter().map(|c| c.key).collect();
    let picture = |key: &'static str| {
        let lines: Vec<&Curve> = curves.iter().filter(|c| c.key == key).collect();
        let points = || lines.iter().flat_map(|c| c.points.iter());
        let end = points().map(|p| p[0]).fold(1.0, f64::max);
        let mut plot = Plot::new([0.0, end], range(points().map(|p| p[1])), 260.0);
        plot.x_axis("environment steps", |v| format!("{v:.0}"));
        plot.y_axis(|v| format!("{v:.2}"));
        for (i, curve) in lines.iter().enumerate() {
            plot.curve(&curve.points, &format!("s{}", (i + 2) % 8), &curve.model);
        }
        (key, plot.finish(&format!("{key} of every model in the course of training")))
    };
    keys.into_iter().map(picture).collect()
}
