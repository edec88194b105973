//! Curves of dots: two by four to a cell.

use super::Paint;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns of the labels at the left.
const LABELS: u16 = 9;
/// Bits of the dots of a cell, by column and row.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// A curve.
pub(super) struct Series<'a> {
    /// Points in the order of x. What is not finite makes a hole.
    pub(super) points: &'a [(f64, f64)],
    /// Its look.
    pub(super) style: Style,
    /// What stands at its end, so that it is known without colour.
    pub(super) mark: Option<char>,
}

impl<'a> Series<'a> {
    /// A curve that stands alone, or is known by its place.
    pub(super) fn new(points: &'a [(f64, f64)], style: Style) -> Series<'a> {
        Series { points, style, mark: None }
    }
}

/// Room for curves, and how the y axis is written.
pub(super) struct Plot<L: Fn(f64) -> String> {
    pub(super) area: Rect,
    pub(super) label: L,
}

impl<L: Fn(f64) -> String> Plot<L> {
    /// Draws the curves, later ones above earlier ones, in a room that just holds them.
    pub(super) fn draw(&self, p: &mut Paint<'_>, series: &[Series<'_>]) {
        let points =
            || series.iter().flat_map(|s| s.points).filter(|(x, y)| x.is_finite() && y.is_finite());
        let range = |pick: fn(&(f64, f64)) -> f64| {
            points()
                .map(pick)
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)])
        };
        let (x, y) = (range(|point| point.0), range(|point| point.1));
        if self.area.width < LABELS + 4 || self.area.height < 2 {
            return;
        }
        if x[0] > x[1] {
            return p.nothing(self.area, &["nothing yet"]);
        }
        self.labels(p, y);
        let plot = Rect { x: self.area.x + LABELS, width: self.area.width - LABELS, ..self.area };
        let (wide, high) = (f64::from(plot.width) * 2.0 - 1.0, f64::from(plot.height) * 4.0 - 1.0);
        for one in series {
            let mut raster = Raster::new(plot);
            let mut before: Option<(i32, i32)> = None;
            // The column drawn in last, and its lowest and highest dot: what moves within them is there already.
            let mut there = (-1, 0, 0);
            for (px, py) in one.points {
                let to = |v: f64, [low, high]: [f64; 2]| {
                    if high > low { (v - low) / (high - low) } else { 0.5 }
                };
                let dot = (px.is_finite() && py.is_finite()).then(|| {
                    ((to(*px, x) * wide).round() as i32, ((1.0 - to(*py, y)) * high).round() as i32)
                });
                if let Some(dot) = dot {
                    let (column, low, high) = there;
                    let stays = before.is_some() && dot.0 == column;
                    if !stays || !(low..=high).contains(&dot.1) {
                        raster.line(before.unwrap_or(dot), dot);
                    }
                    there = match stays {
                        true => (column, low.min(dot.1), high.max(dot.1)),
                        false => (dot.0, dot.1, dot.1),
                    };
                }
                before = dot;
            }
            raster.show(p, one.style);
            if let (Some(mark), Some(dot)) = (one.mark, before) {
                raster.mark(p, dot, mark, one.style);
            }
        }
    }

    fn labels(&self, p: &mut Paint<'_>, [low, high]: [f64; 2]) {
        let end = LABELS - 1;
        p.put_right(self.area, end, 0, &(self.label)(high), p.theme.dim());
        if self.area.height >= 7 && high > low {
            let middle = (self.area.height - 1) / 2;
            let share = f64::from(middle) / f64::from(self.area.height - 1);
            p.put_right(
                self.area,
                end,
                middle,
                &(self.label)(high - (high - low) * share),
                p.theme.dim(),
            );
        }
        p.put_right(self.area, end, self.area.height - 1, &(self.label)(low), p.theme.dim());
    }
}

/// The dots of one curve.
struct Raster {
    area: Rect,
    cells: Vec<u32>,
}

impl Raster {
    fn new(area: Rect) -> Raster {
        Raster { area, cells: vec![0; usize::from(area.width) * usize::from(area.height)] }
    }

    fn dot(&mut self, x: i32, y: i32) {
        let inside = x >= 0
            && y >= 0
            && x < i32::from(self.area.width) * 2
            && y < i32::from(self.area.height) * 4;
        if inside {
            let cell = (y / 4) as usize * usize::from(self.area.width) + (x / 2) as usize;
            self.cells[cell] |= DOTS[(x % 2) as usize][(y % 4) as usize];
        }
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32)) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = dx.abs().max(dy.abs()).max(1);
        for i in 0..=steps {
            self.dot(from.0 + dx * i / steps, from.1 + dy * i / steps);
        }
    }

    fn mark(&self, p: &mut Paint<'_>, (x, y): (i32, i32), mark: char, style: Style) {
        p.put(self.area, (x / 2) as u16, (y / 4) as u16, &mark.to_string(), style);
    }

    fn show(&self, p: &mut Paint<'_>, style: Style) {
        for (i, dots) in self.cells.iter().enumerate().filter(|(_, dots)| **dots > 0) {
            let (x, y) = (i % usize::from(self.area.width), i / usize::from(self.area.width));
            let at = (self.area.x + x as u16, self.area.y + y as u16);
            let Some(cell) = p.buffer.cell_mut(at) else { continue };
            // Where curves meet, both are seen.
            let under = cell.symbol().chars().next().map_or(0, |c| (c as u32).wrapping_sub(0x2800));
            let under = if under < 0x100 { under } else { 0 };
            cell.set_char(char::from_u32(0x2800 + (dots | under)).unwrap_or('.'));
            cell.set_style(style);
        }
    }
}
