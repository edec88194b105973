//! Which panes a screen has, and where they stand in how much room.
//!
//! | room | from | Live and Replay show |
//! |---|---|---|
//! | large | 160 x 45 | everything |
//! | medium | 120 x 30 | list, ladder, one more pane at a time |
//! | small | 80 x 24 | ladder, one more pane at a time |
//! | narrow | 60 x 16 | one pane at a time |
//! | none | below | one line that says so |

use ratatui::layout::Rect;

/// What is said when there is no room.
pub const TOO_SMALL: &str = "terminal too small";

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// The markets now.
    #[default]
    Live,
    /// Training runs.
    Training,
    /// What came of them.
    Models,
    /// The recording.
    Collector,
    /// The markets at a recorded moment.
    Replay,
    /// What was said.
    Logs,
}

impl Screen {
    /// All, in the order of their numbers.
    pub const ALL: [Screen; 6] = [
        Screen::Live,
        Screen::Training,
        Screen::Models,
        Screen::Collector,
        Screen::Replay,
        Screen::Logs,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Screen::Live => "Live",
            Screen::Training => "Training",
            Screen::Models => "Models",
            Screen::Collector => "Collector",
            Screen::Replay => "Replay",
            Screen::Logs => "Logs",
        }
    }

    /// Its panes in the order of the Tab key; the first has the keys at the beginning.
    pub const fn panes(self) -> &'static [Pane] {
        use Pane::*;
        match self {
            Screen::Live => &[Ladder, Markets, Trades, Actions, Account, Curve],
            Screen::Replay => &[Ladder, Markets, Trades, Actions, Account, Curve],
            Screen::Training => &[Runs, Curves],
            Screen::Models => &[ModelList, ModelFacts],
            Screen::Collector => &[Figures, LagClasses, Sessions, Gaps],
            Screen::Logs => &[Lines],
        }
    }

    /// True for the screens that show markets.
    pub const fn has_markets(self) -> bool {
        matches!(self, Screen::Live | Screen::Replay)
    }
}

/// A part of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The depth ladder.
    Ladder,
    /// The list of markets.
    Markets,
    /// Public trades of the market.
    Trades,
    /// What the policy did and why.
    Actions,
    /// Position, cash and equity.
    Account,
    /// Price and spread over time.
    Curve,
    /// Where the tape stands.
    Scrubber,
    /// Training runs.
    Runs,
    /// Their curves.
    Curves,
    /// Models.
    ModelList,
    /// One model, or two side by side.
    ModelFacts,
    /// The collector's figures.
    Figures,
    /// How late frames come.
    LagClasses,
    /// Recorded sessions.
    Sessions,
    /// What is missing.
    Gaps,
    /// The log.
    Lines,
}

impl Pane {
    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Pane::Ladder => "Book",
            Pane::Markets => "Markets",
            Pane::Trades => "Trades",
            Pane::Actions => "Actions",
            Pane::Account => "Account",
            Pane::Curve => "Price and spread",
            Pane::Scrubber => "Tape",
            Pane::Runs => "Runs",
            Pane::Curves => "Curves",
            Pane::ModelList => "Models",
            Pane::ModelFacts => "Facts",
            Pane::Figures => "Collector",
            Pane::LagClasses => "Lag",
            Pane::Sessions => "Sessions",
            Pane::Gaps => "Gaps",
            Pane::Lines => "Log",
        }
    }
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Too little for anything.
    None,
    /// One pane at a time.
    Narrow,
    /// Two.
    Small,
    /// Three.
    Medium,
    /// All.
    Large,
}

impl Room {
    /// Of a terminal of this size.
    pub const fn of(width: u16, height: u16) -> Room {
        match (width, height) {
            (160.., 45..) => Room::Large,
            (120.., 30..) => Room::Medium,
            (80.., 24..) => Room::Small,
            (60.., 16..) => Room::Narrow,
            _ => Room::None,
        }
    }
}

/// What decides about the panes beside the size.
#[derive(Clone, Copy, Debug)]
pub struct Arrangement {
    /// The screen.
    pub screen: Screen,
    /// The pane that has the keys.
    pub focus: Pane,
    /// The pane shown where there is room for one more.
    pub side: Pane,
    /// Only the pane with the keys is shown.
    pub zoom: bool,
}

/// The rows between the two on top and the one at the bottom.
pub fn body(size: (u16, u16)) -> Rect {
    Rect::new(0, 2, size.0, size.1.saturating_sub(3))
}

/// The panes that are shown, and where.
pub fn arrange(size: (u16, u16), what: Arrangement) -> Vec<(Pane, Rect)> {
    let Arrangement { screen, focus, side, zoom } = what;
    let room = Room::of(size.0, size.1);
    let mut area = body(size);
    let mut panes = Vec::new();
    if screen == Screen::Replay {
        let (above, below) = cut_rows(area, area.height.saturating_sub(4));
        (area, panes) = (above, vec![(Pane::Scrubber, below)]);
    }
    if zoom || room <= Room::Narrow || screen == Screen::Logs {
        panes.push((focus, area));
        return panes;
    }
    panes.extend(match screen {
        Screen::Live | Screen::Replay => markets(area, room, side),
        Screen::Training => {
            let rows = if room >= Room::Medium { 9 } else { 7 };
            let (above, below) = cut_rows(area, rows);
            vec![(Pane::Runs, above), (Pane::Curves, below)]
        }
        Screen::Models => {
            let (above, below) = cut_rows(area, area.height * 2 / 5);
            vec![(Pane::ModelList, above), (Pane::ModelFacts, below)]
        }
        Screen::Collector => collector(area),
        Screen::Logs => Vec::new(),
    });
    panes
}

fn markets(area: Rect, room: Room, side: Pane) -> Vec<(Pane, Rect)> {
    match room {
        Room::Large => {
            let (left, rest) = cut_columns(area, 38);
            let (middle, right) = cut_columns(rest, rest.width - 48);
            let (ladder, curve) = cut_rows(middle, middle.height - 13);
            let (trades, rest) = cut_rows(right, right.height / 3);
            let (actions, account) = cut_rows(rest, rest.height / 2);
            vec![
                (Pane::Markets, left),
                (Pane::Ladder, ladder),
                (Pane::Curve, curve),
                (Pane::Trades, trades),
                (Pane::Actions, actions),
                (Pane::Account, account),
            ]
        }
        Room::Medium => {
            let (left, rest) = cut_columns(area, 32);
            let (ladder, right) = cut_columns(rest, rest.width - 34);
            let side = if side == Pane::Markets { Pane::Account } else { side };
            vec![(Pane::Markets, left), (Pane::Ladder, ladder), (side, right)]
        }
        _ => {
            let (ladder, right) = cut_columns(area, area.width - 32);
            vec![(Pane::Ladder, ladder), (side, right)]
        }
    }
}

fn collector(area: Rect) -> Vec<(Pane, Rect)> {
    let (above, below) = cut_rows(area, area.height * 3 / 5);
    let (figures, lags) = cut_columns(above, area.width * 3 / 5);
    let (sessions, gaps) = cut_columns(below, area.width * 3 / 5);
    vec![
        (Pane::Figures, figures),
        (Pane::LagClasses, lags),
        (Pane::Sessions, sessions),
        (Pane::Gaps, gaps),
    ]
}

fn cut_rows(area: Rect, first: u16) -> (Rect, Rect) {
    let first = first.min(area.height);
    let above = Rect { height: first, ..area };
    (above, Rect { y: area.y + first, height: area.height - first, ..area })
}

fn cut_columns(area: Rect, first: u16) -> (Rect, Rect) {
    let first = first.min(area.width);
    let left = Rect { width: first, ..area };
    (left, Rect { x: area.x + first, width: area.width - first, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(size: (u16, u16), screen: Screen, zoom: bool) -> Vec<(Pane, Rect)> {
        let what = Arrangement { screen, focus: screen.panes()[0], side: Pane::Trades, zoom };
        arrange(size, what)
    }

    #[test]
    fn what_is_shown_changes_at_the_edges_of_the_table_and_nowhere_else() {
        use Pane::*;
        let large = [Markets, Ladder, Curve, Trades, Actions, Account];
        let (medium, small, narrow) = ([Markets, Ladder, Trades], [Ladder, Trades], [Ladder]);
        let cases: [(u16, u16, Room, &[Pane]); 14] = [
            (240, 70, Room::Large, &large),
            (160, 45, Room::Large, &large),
            (159, 45, Room::Medium, &medium),
            (160, 44, Room::Medium, &medium),
            (120, 30, Room::Medium, &medium),
            (119, 30, Room::Small, &small),
            (120, 29, Room::Small, &small),
            (80, 24, Room::Small, &small),
            (79, 24, Room::Narrow, &narrow),
            (80, 23, Room::Narrow, &narrow),
            (60, 16, Room::Narrow, &narrow),
            // Nothing is drawn: a line says why.
            (59, 16, Room::None, &narrow),
            (60, 15, Room::None, &narrow),
            (1, 1, Room::None, &narrow),
        ];
        for (width, height, room, want) in cases {
            let size = (width, height);
            assert_eq!(Room::of(width, height), room, "{size:?}");
            let shown = |screen, zoom| -> Vec<Pane> {
                arranged(size, screen, zoom).into_iter().map(|(pane, _)| pane).collect()
            };
            assert_eq!(shown(Screen::Live, false), want, "{size:?}");
            assert_eq!(shown(Screen::Replay, false), [&[Scrubber][..], want].concat(), "{size:?}");
            for screen in Screen::ALL {
                let first = screen.panes()[0];
                let tape = if screen == Screen::Replay { 1 } else { 0 };
                assert_eq!(shown(screen, true)[tape..], [first], "{size:?} {screen:?}");
                if !screen.has_markets() {
                    let all =
                        if room <= Room::Narrow { &screen.panes()[..1] } else { screen.panes() };
                    assert_eq!(shown(screen, false), all, "{size:?} {screen:?}");
                }
            }
        }
    }

    #[test]
    fn panes_fill_the_rows_between_top_and_bottom_and_do_not_overlap() {
        for (width, height) in [(240, 70), (160, 45), (159, 44), (119, 29), (80, 24), (79, 23)] {
            for screen in Screen::ALL {
                let panes = arranged((width, height), screen, false);
                let body = body((width, height));
                let covered: u32 = panes.iter().map(|(_, area)| area.area()).sum();
                assert_eq!(covered, body.area(), "{width}x{height} {screen:?}: {panes:?}");
                for (i, (pane, area)) in panes.iter().enumerate() {
                    assert_eq!(area.union(body), body, "{width}x{height} {screen:?}: {pane:?}");
                    let apart = panes[..i].iter().all(|(_, other)| !other.intersects(*area));
                    assert!(apart, "{width}x{height} {screen:?}: {pane:?}");
                }
            }
        }
    }
}
