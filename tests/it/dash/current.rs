//! What is shown is true: of the moment shown, told as old where it is, the same for whoever asks, and in every look.

use super::fixture::{NOW, state};
use super::screens::{PLAIN, press, text};
use kalshiflow::dash::{Heard, Msg, News, Palette, Reach, Screen, State, Theme, draw};
use kalshiflow::event::{Body, Event};
use kalshiflow::units::TsNs;
use kalshiflow::view::text::{of_bytes, of_count};
use serde_json::Value;

#[test]
fn without_colour_and_without_unicode_everything_is_still_told() {
    let mut state = state((160, 45));
    for screen in Screen::ALL {
        state.screen = screen;
        let mono = Theme { palette: Palette::Mono, true_color: true, ascii: true };
        let picture = draw::picture(&state, mono, NOW);
        for cell in &picture.content {
            let plain =
                cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset;
            assert!(plain && cell.symbol().is_ascii(), "{screen:?}: {cell:?}");
        }
        let unknown = picture.content.iter().filter(|cell| cell.symbol() == "?").count();
        assert!(
            unknown < 3,
            "{screen:?}: {unknown} signs have no ASCII:\n{}",
            draw::text(&picture)
        );
    }
    state.screen = Screen::Live;
    let told = text(&state, PLAIN);
    // Side by arrow, focus by mark, state by word, synthetic data by badge.
    for sign in ["▲", "▼", "▸Book", "● LIVE", " SIM "] {
        assert!(told.contains(sign), "{sign}:\n{told}");
    }
}

#[test]
fn what_is_not_current_does_not_look_current() {
    let check = |change: &dyn Fn(&mut State), now: TsNs, want: &str| {
        let mut state = state((160, 45));
        change(&mut state);
        let drawn = draw::text(&draw::picture(&state, PLAIN, now));
        assert!(drawn.contains(want), "{want}:\n{drawn}");
        assert!(!drawn.contains("● LIVE"), "{want}: looks live:\n{drawn}");
        assert!(drawn.contains("STALE: "), "{want}: the book looks current:\n{drawn}");
    };
    let news =
        |news: fn() -> News| move |state: &mut State| drop(state.update(Msg::News(news()), NOW));
    let later = TsNs(NOW.0 + 9_000_000_000);
    check(&|_| (), later, "no word from the collector for 9 s");
    check(
        &news(|| News::Reach(Reach::Lost("it has gone without a word".into()))),
        NOW,
        "gone without a word",
    );
    check(&news(|| News::Reach(Reach::Alone)), NOW, "NO COLLECTOR");
    check(
        &news(|| {
            let frozen =
                kalshiflow::view::CollectStatus { quiet_s: 7, ..super::fixture::collect_status() };
            News::Status(Box::new(frozen))
        }),
        NOW,
        "no frame for 7 s",
    );
    check(
        &news(|| {
            let lag_ms = kalshiflow::view::Quantiles { p50: 9_400.0, p99: 11_000.0 };
            let late =
                kalshiflow::view::CollectStatus { lag_ms, ..super::fixture::collect_status() };
            News::Status(Box::new(late))
        }),
        NOW,
        "○ LATE  frames come 9s late",
    );
    // The collector tells that frames come, and none of the last seconds has come here.
    check(
        &|state: &mut State| {
            let status = Box::new(super::fixture::collect_status());
            state.update(Msg::News(News::Status(status)), TsNs(NOW.0 + 30_000_000_000));
        },
        TsNs(NOW.0 + 30_000_000_000),
        "○ LATE  this screen is 30 s behind",
    );
}

/// The exchange sent a frame, and it came nine seconds later: rows arrive, but they tell of a book of then.
#[test]
fn a_book_that_lags_the_exchange_looks_stale_until_a_frame_is_in_time() {
    let mut state = state((160, 45));
    let frame = |late_ms: i64| {
        let mut heard = super::fixture::heard(1, 1);
        let last = heard.events.pop().unwrap();
        let ts = Some(kalshiflow::units::TsUs::from_ms(NOW.ms() - late_ms));
        Heard { events: vec![Event { recv: NOW, ts, ..last }], ..Heard::default() }
    };
    let mut drawn = |late_ms| {
        state.update(Msg::News(News::Heard(frame(late_ms))), NOW);
        let picture = draw::picture(&state, PLAIN, NOW);
        let crossed = |cell: &&ratatui::buffer::Cell| {
            cell.modifier.contains(ratatui::style::Modifier::CROSSED_OUT)
        };
        (draw::text(&picture), picture.content.iter().filter(crossed).count())
    };
    let (late, crossed) = drawn(9_400);
    assert!(late.contains("STALE: frames come 9s late") && crossed > 100, "{crossed}:\n{late}");
    let (well, crossed) = drawn(12);
    assert!(!well.contains("STALE") && crossed == 0, "{crossed}:\n{well}");
}

/// The policy decides nothing any more: its figures are of then.
#[test]
fn figures_of_a_trading_session_that_fell_silent_are_dim() {
    let state = state((160, 45));
    let looks = |now: TsNs| {
        let picture = draw::picture(&state, PLAIN, now);
        let drawn = draw::text(&picture);
        let row = drawn.lines().position(|line| line.contains("│profit ")).expect("its row");
        let line = drawn.lines().nth(row).expect("found");
        let column = line.split("profit ").next().expect("a part").chars().count();
        // The name of the figure, and the figure.
        let style = |x: usize| picture.cell((x as u16, row as u16)).expect("inside").style();
        (style(column), style(column + 9), drawn.contains("last decision"))
    };
    let (name, figure, is_old) = looks(NOW);
    assert!(name != figure && !is_old);
    let (name, figure, is_old) = looks(TsNs(NOW.0 + 61_000_000_000));
    assert!(name == figure && is_old, "{figure:?}");
}

#[test]
fn a_picture_strikes_out_what_is_stale_and_has_the_ground_of_its_theme() {
    let mut state = state((160, 45));
    let svg = |state: &State, palette| {
        draw::svg(&draw::picture(state, Theme { palette, ..PLAIN }, NOW), palette)
    };
    let ground = r#"<rect width="100%" height="100%" fill="#;
    let (dark, light) = (svg(&state, Palette::Dark), svg(&state, Palette::Light));
    assert!(!dark.contains("line-through") && !light.contains("line-through"));
    assert!(dark.contains(&format!("{ground}\"#11151a\"")), "{dark}");
    assert!(light.contains(&format!("{ground}\"#f7f8fa\"")) && !light.contains("#11151a"));
    state.update(Msg::News(News::Reach(Reach::Alone)), NOW);
    assert!(svg(&state, Palette::Dark).contains(r#" text-decoration="line-through""#));
}

#[test]
fn skipped_records_leave_no_book_on_the_screen() {
    let mut state = state((120, 40));
    let skipped = Heard { skipped: 9, ..Default::default() };
    state.update(Msg::News(News::Heard(skipped)), NOW);
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("book not known") && drawn.contains("records were skipped"), "{drawn}");
}

#[test]
fn overlaid_runs_are_told_apart_without_colour() {
    let mut state = state((120, 40));
    press(&mut state, "2mjm");
    let drawn = text(&state, Theme { palette: Palette::Mono, ..PLAIN });
    let runs: Vec<&str> =
        drawn.lines().skip(4).take(2).map(|line| &line['│'.len_utf8()..]).collect();
    assert!(runs[0].starts_with("1 ppo-s7") && runs[1].starts_with("2 ppo-s8"), "{drawn}");
    let curves: String = drawn.lines().skip(12).collect();
    assert!(
        curves.contains('1') && curves.contains('2') && curves.contains("equity after"),
        "{drawn}"
    );
}

#[test]
fn a_frozen_display_stands_and_says_what_passes_behind_it() {
    let mut state = state((120, 40));
    press(&mut state, " ");
    let before = text(&state, PLAIN);
    let more = super::fixture::heard(12, 10);
    let count = more.events.len();
    let events = more.events;
    state.update(Msg::News(News::Heard(Heard { events, ..Default::default() })), NOW);
    let busy = kalshiflow::view::CollectStatus { markets: 299, ..super::fixture::collect_status() };
    let later = TsNs(NOW.0 + 40_000_000_000);
    state.update(Msg::News(News::Status(Box::new(busy))), later);
    let after = draw::text(&draw::picture(&state, PLAIN, later));
    assert!(after.contains(&format!("PAUSED +{count}")), "{after}");
    // The clock, the order flow, the curves and the figures: all but what passes and whether it goes well.
    let but_the_sign = |text: &str| {
        let rows = text.lines().enumerate().filter(|(y, _)| *y != 1);
        rows.map(|(_, row)| row.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(but_the_sign(&before), but_the_sign(&after));
    let sign = |text: &str| text.lines().nth(1).unwrap().to_owned();
    assert!(sign(&before).contains("300 mkts") && sign(&after).contains("300 mkts"), "{after}");
    assert!(sign(&after).starts_with("○ LATE  this screen is"), "{after}");
    press(&mut state, " ");
    let on = draw::text(&draw::picture(&state, PLAIN, later));
    assert!(!on.contains("PAUSED") && on.contains("12:35:36") && on.contains("299 mkts"), "{on}");
}

/// Whoever reads `--json` and whoever looks at the screens must not be told two truths.
#[test]
fn what_the_screens_show_is_what_the_object_has() {
    let mut state = state((200, 60));
    let object = serde_json::to_value(&state.status).unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is a number"));
    let mut check = |screen: Screen, row: &str, figures: &[String]| {
        state.screen = screen;
        let drawn = text(&state, PLAIN);
        let row = drawn.lines().find(|line| line.contains(row)).expect("its row");
        for figure in figures {
            assert!(row.contains(figure), "{figure}: {row}");
        }
    };
    for (key, started) in [(0, "10:34"), (1, "08:34"), (2, "06:34")] {
        let session = &object["sessions"][key];
        let figures = [
            of_count(number(&session["records"])),
            number(&session["gaps"]).to_string(),
            of_bytes(number(&session["bytes"])),
        ];
        check(Screen::Collector, started, &figures);
    }
    for model in object["models"].as_array().unwrap().iter().take(3) {
        let figures = [
            format!("{:+.3}", number(&model["mean_return"])),
            of_count(number(&model["steps"])),
            model["status"].as_str().unwrap().to_owned(),
            model["verdict"].as_str().unwrap().to_owned(),
        ];
        check(Screen::Models, model["id"].as_str().unwrap(), &figures);
    }
    for run in object["runs"].as_array().unwrap() {
        let reward = number(&run["latest"]["rollout/ep_rew_mean"]);
        let figures = [of_count(number(&run["steps"])), format!("{reward:.3}")];
        check(Screen::Training, run["id"].as_str().unwrap(), &figures);
    }
    let (trade, collect) = (&object["trade"], &object["collect"]);
    check(Screen::Live, "profit ", &[format!("{:+.2}", number(&trade["profit_e6"]) / 1e6)]);
    check(Screen::Collector, "frames ", &[of_count(number(&collect["received"]))]);
    check(Screen::Collector, "log ", &[of_bytes(number(&collect["log_bytes"]))]);
}

/// A theme that moves a word, or tells something by colour alone, would be noticed by few.
#[test]
fn themes_differ_in_colour_and_in_nothing_else() {
    use ratatui::style::{Color, Modifier};
    let palettes = [Palette::Dark, Palette::Light, Palette::Classic, Palette::Mono];
    for screen in Screen::ALL {
        let mut state = state((160, 45));
        state.screen = screen;
        let drawn = palettes.map(|palette| draw::picture(&state, Theme { palette, ..PLAIN }, NOW));
        let words = drawn.each_ref().map(draw::text);
        assert!(words.iter().all(|text| *text == words[0]), "{screen:?}");
        let looks = drawn.each_ref().map(|picture| -> Vec<(Color, Color)> {
            picture.content.iter().map(|cell| (cell.fg, cell.bg)).collect()
        });
        for (i, one) in looks.iter().enumerate() {
            assert!(looks[..i].iter().all(|other| other != one), "{screen:?}: {:?}", palettes[i]);
        }
        assert!(looks[3].iter().all(|look| *look == (Color::Reset, Color::Reset)), "{screen:?}");
        let signs = drawn.each_ref().map(|picture| -> Vec<Modifier> {
            picture.content.iter().map(|cell| cell.modifier).collect()
        });
        assert!(signs[..3].iter().all(|other| *other == signs[0]), "{screen:?}");
    }
}

/// The book is known, and nobody wants to trade.
#[test]
fn a_book_without_an_order_says_so() {
    let mut state = state((120, 40));
    let book = super::fixture::heard(1, 0).events.pop().unwrap();
    let nobody = Body::Snapshot(Box::default());
    let events = vec![Event { recv: NOW, body: nobody, ..book }];
    state.update(Msg::News(News::Heard(Heard { events, ..Heard::default() })), NOW);
    let drawn = text(&state, PLAIN);
    assert!(drawn.contains("empty book") && !drawn.contains("not known"), "{drawn}");
}
