//! What is drawn: every screen at three sizes as it was looked at once, and at every other size without a panic.

use super::fixture::{NOW, state};
use crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyModifiers};
use kalshiflow::dash::{Effect, Msg, News, Palette, Popup, Screen, State, TOO_SMALL, Theme, draw};
use proptest::prelude::*;
use std::path::Path;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];
pub const PLAIN: Theme = Theme { palette: Palette::Dark, true_color: true, ascii: false };

pub fn text(state: &State, theme: Theme) -> String {
    draw::text(&draw::picture(state, theme, NOW))
}

/// Compares with the file of this name; `KFLOW_BLESS=1` writes it anew, to be looked at.
#[track_caller]
fn check(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dash").join(name);
    if std::env::var("KFLOW_BLESS").is_ok_and(|v| v == "1") {
        std::fs::write(&path, drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, kept, "\n{name} is drawn like this:\n{drawn}\nKFLOW_BLESS=1 keeps it");
}

pub fn press(state: &mut State, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\t' => KeyCode::Tab,
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        state.update(Msg::Input(Typed::Key(KeyEvent::new(code, KeyModifiers::NONE))), NOW);
    }
}

#[test]
fn every_screen_looks_as_it_was_looked_at() {
    for (width, height) in SIZES {
        for screen in Screen::ALL {
            let mut state = state((width, height));
            state.screen = screen;
            let name = format!("{}-{width}x{height}.txt", screen.name().to_lowercase());
            check(&name, &text(&state, PLAIN));
        }
    }
}

#[test]
fn colours_of_two_screens_are_as_they_were_looked_at() {
    for screen in [Screen::Live, Screen::Training] {
        let mut state = state((120, 40));
        state.screen = screen;
        let drawn = draw::svg(&draw::picture(&state, PLAIN, NOW), PLAIN.palette)
            .replace("/><", "/>\n<")
            .replace("</text><", "</text>\n<");
        check(&format!("{}-120x40.svg", screen.name().to_lowercase()), &drawn);
    }
}

#[test]
fn the_help_is_the_table_of_keys_and_so_is_the_bar() {
    let mut state = state((120, 60));
    let bar = text(&state, PLAIN).lines().last().unwrap().to_owned();
    press(&mut state, "?");
    assert_eq!(state.popup, Some(Popup::Help(0)));
    let drawn = text(&state, PLAIN);
    for binding in kalshiflow::dash::KEYMAP.iter().filter(|b| b.when.holds(&state)) {
        assert!(drawn.contains(binding.help), "{} is not in the help:\n{drawn}", binding.help);
    }
    for word in ["filter", "zoom", "quit"] {
        assert!(bar.contains(word), "{bar}");
    }
    press(&mut state, "x");
    assert_eq!(state.popup, None);
    // A key that means nothing here is not offered here.
    state.screen = Screen::Models;
    press(&mut state, "?");
    assert!(!text(&state, PLAIN).contains("ladder back to the touch"));
}

#[test]
fn leaving_asks_only_while_this_process_works() {
    let mut state = state((80, 24));
    let quit = |state: &mut State| {
        let key = Typed::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE));
        state.update(Msg::Input(key), NOW)
    };
    assert!(quit(&mut state).is_some());
    state.work = Some("collector");
    assert!(quit(&mut state).is_none());
    assert!(text(&state, PLAIN).contains("The collector runs in this process"));
    press(&mut state, "\u{1b}");
    assert_eq!(state.popup, None);
    state.update(Msg::News(News::Ended("finished".into())), NOW);
    assert!(quit(&mut state).is_some());
}

#[test]
fn stopping_orders_is_asked_twice_and_offered_only_where_this_process_trades() {
    let mut state = state((160, 45));
    press(&mut state, "K");
    assert_eq!(state.popup, None, "another process trades");
    state.can_kill = true;
    let answer = |state: &mut State, key: char| {
        let key = Typed::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        state.update(Msg::Input(key), NOW)
    };
    assert_eq!(answer(&mut state, 'K'), None);
    assert!(text(&state, PLAIN).contains("Stop all orders?"));
    assert_eq!(answer(&mut state, 'n'), None);
    assert_eq!((state.popup, answer(&mut state, 'y')), (None, None), "y alone turns the ladder");
    assert_eq!(answer(&mut state, 'K'), None);
    assert_eq!(answer(&mut state, 'y'), Some(Effect::Kill));
    state.update(Msg::News(News::Stopped("kill_key on the dashboard".into())), NOW);
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("ORDERS STOPPED") && drawn.contains("kill_key"), "{drawn}");
    assert_eq!(
        (answer(&mut state, 'K'), state.popup),
        (None, None),
        "there is nothing left to stop"
    );
}

#[test]
fn a_model_shows_what_it_came_from_and_what_came_from_it() {
    let mut state = state((120, 40));
    press(&mut state, "3j");
    let drawn = text(&state, PLAIN);
    for kin in ["ppo-s7-01a1", "└ gold:2 @candidate", "  └ ppo-s8-01a1"] {
        assert!(drawn.contains(kin), "{kin}:\n{drawn}");
    }
    press(&mut state, "mjm");
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("what differs") && drawn.contains("no evidence"), "{drawn}");
}

#[test]
fn a_filter_narrows_the_list_and_chooses_from_it() {
    let mut state = state((120, 40));
    press(&mut state, "/b47\n");
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("1/12") && drawn.contains("KXHIGHNY-26NOV20-B47.5"), "{drawn}");
    assert_eq!(&*state.live.market().unwrap().ticker, "KXHIGHNY-26NOV20-B47.5");
    press(&mut state, "\u{1b}");
    assert!(text(&state, PLAIN).contains("12/12"));
}

#[test]
fn own_orders_stand_on_their_row_with_what_is_before_them() {
    let drawn = text(&state((160, 45)), PLAIN);
    let row = drawn.lines().find(|line| line.contains(" before")).expect("an own order");
    assert!(row.contains(" 0.16 ") && row.contains("● 10"), "{row}");
}

#[test]
fn a_click_chooses_a_market_and_a_tab() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    let mut state = state((120, 40));
    let drawn = text(&state, PLAIN);
    let click = |state: &mut State, wanted: &str| {
        let row = drawn.lines().position(|line| line.contains(wanted)).unwrap();
        let before = drawn.lines().nth(row).unwrap().split(wanted).next().unwrap().chars().count();
        let (column, row) = (before as u16 + 2, row as u16);
        let kind = MouseEventKind::Down(MouseButton::Left);
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        state.update(Msg::Input(Typed::Mouse(event)), NOW);
    };
    click(&mut state, "B45.5");
    assert!(state.live.market().unwrap().ticker.ends_with("B45.5"));
    click(&mut state, "4 Collector");
    assert_eq!(state.screen, Screen::Collector);
}

#[test]
fn the_end_of_a_long_line_of_the_log_can_be_reached() {
    use kalshiflow::dash::{Level, Line};
    let mut state = state((60, 16));
    state.screen = Screen::Logs;
    let words: Vec<String> = (0..90).map(|i| format!("word{i:02}")).collect();
    let line = Line { at: NOW, level: Level::Warn, text: words.join(" ") };
    state.update(Msg::News(News::Line(line)), NOW);
    let right = |state: &mut State, key| {
        let key = Typed::Key(KeyEvent::new(key, KeyModifiers::NONE));
        state.update(Msg::Input(key), NOW);
    };
    let mut unseen = words;
    for _ in 0..60 {
        let drawn = text(&state, PLAIN);
        unseen.retain(|word| !drawn.contains(word.as_str()));
        right(&mut state, KeyCode::Right);
    }
    assert!(unseen.is_empty(), "{unseen:?}");
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("word89") && !drawn.contains("word80…"), "its end stays:\n{drawn}");
    (0..60).for_each(|_| right(&mut state, KeyCode::Left));
    assert!(text(&state, PLAIN).contains("word00"));
}

#[test]
fn the_log_is_narrowed_by_level_and_by_letters() {
    let mut state = state((120, 40));
    state.screen = Screen::Logs;
    let lines = ["of an unknown type", "session 0199f7a2", "48200 to 48202", "disk is nearly full"];
    let [_, info, warn, error] = lines;
    let shown = |state: &State| {
        let drawn = text(state, PLAIN);
        lines.into_iter().filter(|line| drawn.contains(line)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&state), [info, warn, error]);
    for want in [&[warn, error][..], &[error], &lines, &[info, warn, error]] {
        press(&mut state, "l");
        assert_eq!(shown(&state), want);
    }
    press(&mut state, "/DISK");
    assert_eq!((shown(&state), state.filter.as_str()), (vec![error], ""));
    assert!(text(&state, PLAIN).contains("/DISK from INFO on"));
    press(&mut state, "\nl");
    assert_eq!(shown(&state), [error], "both at once");
    press(&mut state, "/zzz\n");
    assert!(text(&state, PLAIN).contains("nothing to tell"));
    press(&mut state, "\u{1b}lll");
    assert_eq!(shown(&state), [info, warn, error]);
}

/// Lists and the ladder move under the wheel, whichever pane has the keys.
#[test]
fn the_wheel_moves_what_is_under_it() {
    use crossterm::event::{MouseEvent, MouseEventKind};
    let mut state = state((120, 40));
    let turn = |state: &mut State, kind, column| {
        let event = MouseEvent { kind, column, row: 12, modifiers: KeyModifiers::NONE };
        state.update(Msg::Input(Typed::Mouse(event)), NOW);
    };
    let chosen = |state: &State| state.live.selected;
    turn(&mut state, MouseEventKind::ScrollDown, 5);
    assert_eq!(chosen(&state), 3);
    turn(&mut state, MouseEventKind::ScrollUp, 5);
    assert_eq!(chosen(&state), 0);
    let anchor = state.ladder.anchor_e4.unwrap();
    turn(&mut state, MouseEventKind::ScrollDown, 60);
    assert_eq!((chosen(&state), state.ladder.anchor_e4), (0, Some(anchor - 300)));
    state.screen = Screen::Logs;
    turn(&mut state, MouseEventKind::ScrollUp, 5);
    assert_eq!(state.rows[3], 0, "all lines are seen: there is nothing to scroll to");
}

proptest! {
    /// Whatever the size, whatever is pressed and clicked: a picture, never a panic.
    #[test]
    fn any_size_and_any_keys_give_a_picture(
        sizes in prop::collection::vec((1u16..=240, 1u16..=70), 1..4),
        keys in prop::collection::vec(0usize..80, 0..40),
        clicks in prop::collection::vec((0u16..240, 0u16..70), 0..6),
    ) {
        let mut state = state(sizes[0]);
        let all = kalshiflow::dash::KEYMAP;
        let (mut sizes, mut clicks) = (sizes.into_iter().cycle(), clicks.into_iter());
        for (i, key) in keys.into_iter().enumerate() {
            let binding = &all[key % all.len()];
            state.update(Msg::Input(Typed::Key(KeyEvent::new(binding.code, binding.with))), NOW);
            if i % 5 == 0 {
                let (width, height) = sizes.next().expect("cycled");
                state.update(Msg::Input(Typed::Resize(width, height)), NOW);
                if let Some((column, row)) = clicks.next() {
                    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
                    let kind = MouseEventKind::Down(MouseButton::Left);
                    let click = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
                    state.update(Msg::Input(Typed::Mouse(click)), NOW);
                }
            }
            let picture = draw::picture(&state, Theme { ascii: i % 2 == 0, ..PLAIN }, NOW);
            let (width, height) = state.size;
            if width < 60 || height < 16 {
                let said = draw::text(&picture);
                prop_assert!(said.starts_with(TOO_SMALL[..TOO_SMALL.len().min(width.into())].trim_end()), "{said}");
            }
        }
    }
}
