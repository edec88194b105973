//! A picture as text and as SVG.

use crate::dash::theme::Palette;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;

/// Pixels of a cell.
const CELL: (f64, f64) = (8.4, 18.0);
/// What modifiers are among the attributes of a text.
const LOOKS: [(Modifier, &str); 3] = [
    (Modifier::BOLD, r#" font-weight="bold""#),
    (Modifier::DIM, r#" opacity="0.6""#),
    (Modifier::CROSSED_OUT, r#" text-decoration="line-through""#),
];

/// What a cell looks like where it names no colour.
#[derive(Clone, Copy)]
struct Sheet {
    ground: &'static str,
    ink: &'static str,
}

impl Sheet {
    fn of(palette: Palette) -> Sheet {
        match palette {
            Palette::Light => Sheet { ground: "#f7f8fa", ink: "#1c2228" },
            _ => Sheet { ground: "#11151a", ink: "#d7dde3" },
        }
    }
}

/// The picture as lines of text without trailing blanks.
pub fn text(picture: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..picture.area.height {
        let row: String = (0..picture.area.width)
            .filter_map(|x| picture.cell((x, y)))
            .map(Cell::symbol)
            .collect();
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

/// The picture, drawn in the colours of `palette`, as an SVG document on the ground that belongs to them.
pub fn svg(picture: &Buffer, palette: Palette) -> String {
    let sheet = Sheet::of(palette);
    let ground = sheet.ground;
    let (width, height) = (f64::from(picture.area.width), f64::from(picture.area.height));
    let (wide, high) = (width * CELL.0, height * CELL.1);
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.1} {high:.1}" role="img" aria-label="kflow dashboard"><rect width="100%" height="100%" fill="{ground}"/><g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" xml:space="preserve">"#
    );
    for y in 0..picture.area.height {
        let mut x = 0;
        while x < picture.area.width {
            x = run(&mut out, picture, sheet, (x, y));
        }
    }
    out.push_str("</g></svg>\n");
    out
}

/// Writes the cells from `x` on that look alike; gives the column after them.
fn run(out: &mut String, picture: &Buffer, sheet: Sheet, (x, y): (u16, u16)) -> u16 {
    let at = |x| picture.cell((x, y));
    let Some(first) = at(x) else { return x + 1 };
    let same = |cell: &Cell| cell.style() == first.style();
    let end = (x..picture.area.width).find(|x| !at(*x).is_some_and(same));
    let end = end.unwrap_or(picture.area.width);
    let text: String = (x..end).filter_map(at).map(Cell::symbol).collect();
    let (mut ink, mut ground) = (colour(first.fg, sheet.ink), colour(first.bg, sheet.ground));
    if first.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut ink, &mut ground);
    }
    let (left, top) = (f64::from(x) * CELL.0, f64::from(y) * CELL.1);
    let wide = f64::from(end - x) * CELL.0;
    if ground != sheet.ground {
        let _ = write!(
            out,
            r#"<rect x="{left:.1}" y="{top:.1}" width="{wide:.1}" height="{:.1}" fill="{ground}"/>"#,
            CELL.1
        );
    }
    if !text.trim().is_empty() {
        let looks: String = LOOKS
            .into_iter()
            .filter_map(|(modifier, look)| first.modifier.contains(modifier).then_some(look))
            .collect();
        let _ = write!(
            out,
            r#"<text x="{left:.1}" y="{:.1}" textLength="{wide:.1}" lengthAdjust="spacingAndGlyphs" fill="{ink}"{looks}>{}</text>"#,
            top + CELL.1 * 0.76,
            escape(&text)
        );
    }
    end
}

fn escape(text: &str) -> String {
    // Blanks at the ends would be swallowed.
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

fn colour(color: Color, default: &str) -> String {
    let name = match color {
        Color::Rgb(r, g, b) => return format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Black => "#000000",
        Color::Red | Color::LightRed => "#e0605b",
        Color::Green | Color::LightGreen => "#5fb86b",
        Color::Yellow | Color::LightYellow => "#e8924c",
        Color::Blue | Color::LightBlue => "#4c9be8",
        Color::Magenta | Color::LightMagenta => "#c78be0",
        Color::Cyan | Color::LightCyan => "#6cc5a1",
        Color::Gray => "#9aa5b1",
        Color::DarkGray => "#7f8892",
        Color::White => "#ffffff",
        Color::Reset | Color::Indexed(_) => default,
    };
    name.to_owned()
}
