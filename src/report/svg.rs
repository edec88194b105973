//! A drawing with two linear axes, as inline SVG.

use super::escape;
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;

/// A rectangle of data coordinates mapped to the screen.
pub struct Plot {
    x: [f64; 2],
    y: [f64; 2],
    height: f64,
    body: String,
}

impl Plot {
    /// A plot of the ranges `x` and `y` (`y[0]` is at the bottom), `height` pixels high. An empty range
    /// is widened so that something can be drawn.
    pub fn new(x: [f64; 2], y: [f64; 2], height: f64) -> Plot {
        let widen = |r: [f64; 2]| if r[1] > r[0] { r } else { [r[0] - 0.5, r[0] + 0.5] };
        Plot { x: widen(x), y: widen(y), height, body: String::new() }
    }

    fn px(&self, x: f64) -> f64 {
        LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        let part = (y - self.y[0]) / (self.y[1] - self.y[0]);
        self.height - BOTTOM - part * (self.height - TOP - BOTTOM)
    }

    /// Ticks and a title below.
    pub fn x_axis(&mut self, title: &str, label: impl Fn(f64) -> String) {
        for tick in ticks(self.x) {
            let (x, bottom) = (self.px(tick), self.height - BOTTOM);
            let _ = write!(
                self.body,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom:.1}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 16.0,
                escape(&label(tick)),
            );
        }
        let _ = write!(
            self.body,
            r#"<text class="title" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            (LEFT + WIDTH - RIGHT) / 2.0,
            self.height - 6.0,
            escape(title),
        );
    }

    /// Ticks with lines across.
    pub fn y_axis(&mut self, label: impl Fn(f64) -> String) {
        for tick in ticks(self.y) {
            self.level(tick, "grid");
            self.y_label(tick, &label(tick));
        }
    }

    /// A text left of the plot.
    pub fn y_label(&mut self, y: f64, text: &str) {
        let y = self.py(y) + 4.0;
        let _ = write!(
            self.body,
            r#"<text x="{:.1}" y="{y:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            escape(text),
        );
    }

    /// A horizontal line across the plot.
    pub fn level(&mut self, y: f64, class: &str) {
        self.line([self.x[0], y], [self.x[1], y], class);
    }

    /// A vertical line across the plot.
    pub fn mark(&mut self, x: f64, class: &str) {
        self.line([x, self.y[0]], [x, self.y[1]], class);
    }

    /// A straight line.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], class: &str) {
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
            self.px(from[0]),
            self.py(from[1]),
            self.px(to[0]),
            self.py(to[1]),
        );
    }

    /// A line through points, named for pointers and screen readers.
    pub fn curve(&mut self, points: &[[f64; 2]], class: &str, name: &str) {
        let _ = write!(self.body, r#"<polyline class="curve {class}" points=""#);
        for [x, y] in points {
            let _ = write!(self.body, "{:.1},{:.1} ", self.px(*x), self.py(*y));
        }
        let _ = write!(self.body, r#""><title>{}</title></polyline>"#, escape(name));
    }

    /// A dot with a text for pointers.
    pub fn dot(&mut self, at: [f64; 2], radius: f64, class: &str, name: &str) {
        let _ = write!(
            self.body,
            r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="{radius}"><title>{}</title></circle>"#,
            self.px(at[0]),
            self.py(at[1]),
            escape(name),
        );
    }

    /// A filled rectangle between two corners with a text for pointers.
    pub fn bar(&mut self, from: [f64; 2], to: [f64; 2], class: &str, name: &str) {
        let (left, right) = (self.px(from[0]), self.px(to[0]));
        let (top, bottom) = (self.py(from[1].max(to[1])), self.py(from[1].min(to[1])));
        // One pixel of air on the right separates neighbours without relying on colour.
        let width = (right - left - 1.0).max(0.0);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{:.1}"><title>{}</title></rect>"#,
            bottom - top,
            escape(name),
        );
    }

    /// The finished element; `label` tells screen readers what it shows.
    pub fn finish(self, label: &str) -> String {
        format!(
            r#"<svg viewBox="0 0 {WIDTH} {}" role="img" aria-label="{}">{}</svg>"#,
            self.height,
            escape(label),
            self.body,
        )
    }
}

/// Four to eight round numbers inside a range.
fn ticks(range: [f64; 2]) -> Vec<f64> {
    let raw = (range[1] - range[0]) / 6.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw);
    let step = step.unwrap_or(power);
    let first = (range[0] / step).ceil() as i64;
    let last = (range[1] / step).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks([0.0, 60.0]), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        let odd = ticks([-0.13, 0.31]);
        assert!(odd.len() >= 4 && odd.iter().all(|t| (-0.13..=0.31).contains(t)), "{odd:?}");
    }

    #[test]
    fn flat_data_still_give_finite_coordinates() {
        let mut plot = Plot::new([3.0, 3.0], [0.0, 0.0], 200.0);
        plot.curve(&[[3.0, 0.0]], "s1", "a < b");
        let svg = plot.finish("flat");
        assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.contains("a &lt; b"));
    }
}
