//! What things look like: colours by role, and everything again without colour or without Unicode.
//!
//! The default palette tells blue from orange, which nearly everybody can; side and sign are also told by place,
//! arrow and sign.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// Blue and orange on dark.
    #[default]
    Dark,
    /// Blue and orange on light.
    Light,
    /// Green and red.
    Classic,
    /// No colour: bold, dim and reverse.
    Mono,
}

impl Palette {
    /// The next one, and round again.
    pub const fn next(self) -> Palette {
        match self {
            Palette::Dark => Palette::Light,
            Palette::Light => Palette::Classic,
            Palette::Classic => Palette::Mono,
            Palette::Mono => Palette::Dark,
        }
    }

    /// Its name on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Palette::Dark => "dark",
            Palette::Light => "light",
            Palette::Classic => "classic",
            Palette::Mono => "mono",
        }
    }
}

/// What the terminal can show, and how it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// The colours.
    pub palette: Palette,
    /// Any colour may be used; otherwise the 16 that every terminal knows.
    pub true_color: bool,
    /// Nothing but ASCII is drawn.
    pub ascii: bool,
}

/// Blue, orange, and lines that differ from both: the order of overlaid curves.
const SERIES: [(u32, Color); 6] = [
    (0x4C_9B_E8, Color::LightBlue),
    (0xE8_92_4C, Color::Yellow),
    (0x6C_C5_A1, Color::Cyan),
    (0xC7_8B_E0, Color::Magenta),
    (0xD6_C2_5A, Color::LightYellow),
    (0x9A_A5_B1, Color::Gray),
];

impl Theme {
    fn color(self, rgb: u32, basic: Color) -> Style {
        match (self.palette, self.true_color) {
            (Palette::Mono, _) => Style::new(),
            (_, true) => Style::new().fg(Color::from_u32(rgb)),
            (_, false) => Style::new().fg(basic),
        }
    }

    fn plain(self, modifier: Modifier) -> Style {
        Style::new().add_modifier(modifier)
    }

    /// Bids, YES, and what is gained.
    pub fn bid(self) -> Style {
        match self.palette {
            Palette::Classic => self.color(0x5F_B8_6B, Color::Green),
            Palette::Light => self.color(0x1F_66_B0, Color::Blue),
            _ => self.color(0x4C_9B_E8, Color::LightBlue),
        }
    }

    /// Asks, NO, and what is lost.
    pub fn ask(self) -> Style {
        match self.palette {
            Palette::Classic => self.color(0xE0_60_5B, Color::Red),
            Palette::Light => self.color(0xB0_5A_12, Color::Red),
            _ => self.color(0xE8_92_4C, Color::Yellow),
        }
    }

    /// A number with a sign.
    pub fn sign(self, number: f64) -> Style {
        match number {
            n if n > 0.0 => self.bid(),
            n if n < 0.0 => self.ask(),
            _ => Style::new(),
        }
    }

    /// What explains and is not read each time.
    pub fn dim(self) -> Style {
        match self.palette {
            Palette::Light => self.color(0x6B_72_7A, Color::DarkGray),
            Palette::Mono => self.plain(Modifier::DIM),
            _ => self.color(0x7F_88_92, Color::DarkGray),
        }
    }

    /// What does not hold any more.
    pub fn stale(self) -> Style {
        self.dim().add_modifier(Modifier::DIM | Modifier::CROSSED_OUT)
    }

    /// What should be looked at.
    pub fn warn(self) -> Style {
        self.color(0xE0_B8_4A, Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// The badge of synthetic data and of a frozen display.
    pub fn badge(self) -> Style {
        match (self.palette, self.true_color) {
            (Palette::Mono, _) => self.plain(Modifier::REVERSED | Modifier::BOLD),
            (_, true) => Style::new().fg(Color::Black).bg(Color::from_u32(0xE0_B8_4A)),
            (_, false) => Style::new().fg(Color::Black).bg(Color::Yellow),
        }
    }

    /// Words that name things.
    pub fn title(self) -> Style {
        self.plain(Modifier::BOLD)
    }

    /// The frame of the pane that has the keys; its title is bold as well.
    pub fn focus(self) -> Style {
        self.bid().add_modifier(Modifier::BOLD)
    }

    /// The chosen row.
    pub fn chosen(self) -> Style {
        self.plain(Modifier::REVERSED)
    }

    /// What changed a moment ago.
    pub fn flash(self) -> Style {
        self.plain(Modifier::REVERSED | Modifier::BOLD)
    }

    /// The `i`th of several curves.
    pub fn series(self, i: usize) -> Style {
        let (rgb, basic) = SERIES[i % SERIES.len()];
        self.color(rgb, basic)
    }

    /// Takes out of a finished picture what the terminal cannot show.
    pub fn finish(self, picture: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut picture.content {
            if !cell.symbol().is_ascii() {
                let plain = cell.symbol().chars().next().map_or(' ', ascii);
                cell.set_char(plain);
            }
        }
    }
}

/// What stands for a character where only ASCII can be shown.
fn ascii(c: char) -> char {
    match c {
        '│' | '┃' | '╎' => '|',
        '─' | '━' | '╌' => '-',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' => {
            '+'
        }
        '█' | '▓' => '#',
        '▌' | '▐' | '▒' => '=',
        '░' => '.',
        '▁' | '▂' => '_',
        '▃'..='▇' => '=',
        '●' | '◆' => '*',
        '○' | '◇' => 'o',
        '▲' | '↑' => '^',
        '▼' | '↓' => 'v',
        '◂' | '←' | '◀' => '<',
        '▸' | '→' | '▶' => '>',
        '×' => 'x',
        '¢' => 'c',
        '·' | '•' => '.',
        '…' => '~',
        '±' => '~',
        '≥' => '>',
        '≤' => '<',
        '\u{2800}' => ' ',
        // The heavier the dots, the heavier the sign.
        '\u{2801}'..='\u{28ff}' => match (c as u32 - 0x2800).count_ones() {
            0..=2 => '.',
            3..=5 => '*',
            _ => '#',
        },
        _ => '?',
    }
}
