//! What must be told where there is little room, or little to tell.

use super::fixture::{NOW, collect_status, run, run_id, state};
use super::screens::press;
use kalshiflow::dash::{KEYMAP, Msg, News, Pane, Popup, Reach, Screen, State, Theme, draw};
use kalshiflow::view::{CollectStatus, ModelStatus};
use serde_json::json;

fn text(state: &State) -> String {
    draw::text(&draw::picture(state, Theme::default(), NOW))
}

fn on(screen: Screen, size: (u16, u16)) -> State {
    let mut state = state(size);
    state.screen = screen;
    state
}

fn told(state: &mut State, news: News) -> String {
    state.update(Msg::News(news), NOW);
    text(state)
}

#[test]
fn names_of_runs_differ_also_where_they_are_cut() {
    for size in [(60, 16), (80, 24)] {
        let drawn = text(&on(Screen::Training, size));
        for seed in 7..10 {
            let id = run_id(seed);
            let (front, back) = (&id[..7], &id[id.len() - 7..]);
            let row = drawn.lines().find(|line| line.contains(front));
            assert!(row.is_some_and(|row| row.contains(back)), "{size:?}, {id}:\n{drawn}");
        }
    }
    let drawn = text(&on(Screen::Models, (80, 24)));
    let back = &run_id(8)[run_id(8).len() - 7..];
    assert!(drawn.lines().any(|line| line.contains("ppo-s8-") && line.contains(back)), "{drawn}");
}

#[test]
fn a_run_that_did_more_than_was_planned_is_done() {
    let mut state = on(Screen::Training, (120, 40));
    let drawn = told(&mut state, News::Runs(vec![run(7, 62, 61)]));
    assert!(drawn.contains("100%") && !drawn.contains("102%"), "{drawn}");
}

#[test]
fn on_the_smallest_collector_screen_no_frame_and_no_disk_is_missing() {
    let mut state = on(Screen::Collector, (80, 24));
    assert!(text(&state).contains("more"), "{}", text(&state));
    let status = CollectStatus { problem: "the log cannot be written".into(), ..collect_status() };
    let drawn = told(&mut state, News::Status(Box::new(status)));
    for word in ["the log cannot be written", "disk ", "free, ~15 days"] {
        assert!(drawn.contains(word), "{word}:\n{drawn}");
    }
}

#[test]
fn a_collector_that_is_lost_is_lost_in_the_table_too() {
    let mut state = on(Screen::Collector, (120, 40));
    assert!(text(&state).contains("LIVE for 02:13:44"), "{}", text(&state));
    let drawn = told(&mut state, News::Reach(Reach::Lost("it has gone without a word".into())));
    assert!(drawn.contains("LOST, was up 02:13:44") && !drawn.contains("LIVE for"), "{drawn}");
}

/// What runs is not among the sealed sessions, or only so far.
#[test]
fn of_a_session_that_is_being_recorded_it_is_said_what_is_there() {
    let mut state = on(Screen::Collector, (120, 40));
    assert!(text(&state).contains("so far"), "{}", text(&state));
    let drawn = told(&mut state, News::Sessions(Vec::new(), String::new()));
    assert!(drawn.contains("the session that runs is not sealed yet"), "{drawn}");
    state.screen = Screen::Replay;
    assert!(!text(&state).contains("sealed so far"), "another session is on the tape");
    let mut status = collect_status();
    status.session = state.tape.as_ref().expect("a tape").session.clone();
    let drawn = told(&mut state, News::Status(Box::new(status)));
    assert!(drawn.contains("sealed so far"), "{drawn}");
    let drawn = told(&mut state, News::Tape(Err("no sealed session yet: later".into())));
    assert!(drawn.contains("no sealed session yet") && drawn.contains("no tape"), "{drawn}");
    state.screen = Screen::Collector;
    let drawn = told(&mut state, News::Reach(Reach::Alone));
    assert!(drawn.contains("nothing is recorded yet"), "{drawn}");
}

/// It may come: the collector runs.
#[test]
fn a_market_that_is_not_there_is_told_and_no_row_of_the_list() {
    let mut state = State::new("here", (120, 40));
    (state.reach, state.told) = (Reach::Attached, None);
    state.live.wanted("NOPE");
    state.replay.wanted("NOPE");
    for news in super::fixture::news() {
        state.update(Msg::News(news), NOW);
    }
    for (screen, words) in
        [(Screen::Live, "no market NOPE yet"), (Screen::Replay, "no market NOPE on this tape")]
    {
        state.screen = screen;
        let drawn = text(&state);
        assert!(drawn.contains(words) && drawn.contains("12/12"), "{words}:\n{drawn}");
        assert_eq!(drawn.matches("NOPE").count(), 1, "{drawn}");
    }
}

#[test]
fn figures_of_the_top_row_are_whole_or_left_out() {
    let up = "up 02:13:44";
    for width in 60..=240 {
        let drawn = text(&on(Screen::Live, (width, 24)));
        let row = drawn.lines().nth(1).expect("two rows on top");
        assert!(row.contains("lag p99 4.1 ms"), "{width}: {row}");
        let after = row.split("4.1 ms").nth(1).expect("behind the lag").trim();
        assert!(after.is_empty() || after.starts_with(up), "{width}: {row}");
        assert!(!after.contains("queue") || after.contains("queue 12/64"), "{width}: {row}");
        assert!(!after.contains("log") || after.ends_with("/min)"), "{width}: {row}");
    }
}

#[test]
fn without_a_tape_there_is_no_clock_but_the_badge_of_what_was_recorded() {
    let mut state = on(Screen::Replay, (120, 40));
    let clock = |drawn: &str| drawn.lines().next().is_some_and(|row| row.contains(':'));
    assert!(clock(&text(&state)));
    let drawn = told(&mut state, News::Tape(Err("the log is damaged".into())));
    let badge = drawn.lines().next().is_some_and(|row| row.trim_end().ends_with(" SIM"));
    assert!(!clock(&drawn) && badge, "{drawn}");
}

/// Six actions were drawn, the first by their names, and none on a small screen: whatever the policy collapses
/// into is seen first.
#[test]
fn a_collapse_into_any_action_is_seen_at_every_size() {
    let names = (0..18).map(|i| format!("act_{i:02}"));
    let share = |i: usize| if i == 17 { 0.949 } else { 0.003 };
    let mut collapsed = run(7, 40, 61);
    collapsed.status.latest.retain(|key, _| !key.starts_with("action_share/"));
    let shares =
        names.clone().enumerate().map(|(i, name)| (format!("action_share/{name}"), share(i)));
    collapsed.status.latest.extend(shares);
    let sizes = [(60, 16), (80, 24), (120, 40), (160, 45), (200, 60), (240, 70)];
    for (size, all) in sizes.into_iter().zip([false, false, false, false, false, true]) {
        let mut state = state(size);
        state.update(Msg::News(News::Runs(vec![collapsed.clone()])), NOW);
        // The curves have the keys: where there is room for one pane it is theirs.
        press(&mut state, "2\t");
        let drawn = text(&state);
        let row = drawn.lines().find(|line| line.contains("act_17")).expect("the collapse");
        assert!(row.contains("94.9%"), "{size:?}:\n{drawn}");
        let seen = names.clone().filter(|name| drawn.contains(name.as_str())).count();
        assert_eq!(seen == 18, all, "{size:?}:\n{drawn}");
        assert_eq!(drawn.contains(&format!("{} more", 18 - seen)), !all, "{size:?}:\n{drawn}");
    }
}

/// Of 39 facts seven were seen, and no key led to the others.
#[test]
fn every_fact_and_every_difference_can_be_reached_where_there_is_little_room() {
    let names: Vec<String> = (0..39).map(|i| format!("fact_{i:02}")).collect();
    let model = |id: &str, value: u64| {
        let facts = names.iter().map(|name| (name.clone(), json!(value))).collect();
        ModelStatus { id: id.into(), facts, ..ModelStatus::default() }
    };
    for (size, keys) in [(60, 16), (80, 24), (120, 30)]
        .into_iter()
        .flat_map(|size| [(size, "3\t"), (size, "3mjm\t")])
    {
        let mut state = state(size);
        state.update(Msg::News(News::Models(vec![model("one", 1), model("two", 2)])), NOW);
        press(&mut state, keys);
        let mut unseen = names.clone();
        let mut look = |state: &mut State, key: &str| {
            press(state, key);
            let drawn = text(state);
            unseen.retain(|name| !drawn.contains(name.as_str()));
            (drawn, unseen.join(" "))
        };
        let (first, left) = look(&mut state, "");
        assert!(!left.is_empty() && first.contains(" more "), "{size:?}, {keys}:\n{first}");
        (0..60).for_each(|_| drop(look(&mut state, "j")));
        let (last, left) = look(&mut state, "j");
        assert!(left.is_empty() && last.contains("fact_38"), "{size:?}, {keys}: {left}\n{last}");
        assert!(look(&mut state, "k").0 != last, "no key is swallowed at the end");
        assert_eq!(look(&mut state, "g").0, first);
    }
}

/// The help offered "down, up" in panes where nothing moves.
#[test]
fn keys_are_offered_where_they_move_something_and_nowhere_else() {
    let offered = |state: &State| {
        let down = KEYMAP.iter().find(|binding| binding.help == "down, up").expect("a key");
        down.when.holds(state)
    };
    let (mut moved, mut still) = (Vec::new(), Vec::new());
    for size in [(80, 24), (160, 45)] {
        for screen in Screen::ALL {
            for tabs in 0..screen.panes().len() {
                let mut state = on(screen, size);
                press(&mut state, &"\t".repeat(tabs));
                let holds = offered(&state);
                let before = draw::picture(&state, Theme::default(), NOW);
                let key = if state.focus() == Pane::Lines { "k" } else { "j" };
                press(&mut state, key);
                let moves = draw::picture(&state, Theme::default(), NOW) != before;
                assert_eq!(holds, moves, "{size:?} {screen:?} {:?}", state.focus());
                if moves { &mut moved } else { &mut still }.push(state.focus());
            }
        }
    }
    for pane in [Pane::ModelFacts, Pane::Trades, Pane::Actions, Pane::Sessions] {
        assert!(moved.contains(&pane), "{pane:?} in {moved:?}");
    }
    for pane in [Pane::Account, Pane::Curves, Pane::Figures, Pane::Curve] {
        assert!(still.contains(&pane) && !moved.contains(&pane), "{pane:?} in {moved:?}");
    }
    // The help itself is moved wherever it is opened.
    let mut state = on(Screen::Collector, (80, 24));
    press(&mut state, "?");
    let first = text(&state);
    press(&mut state, "j");
    assert_eq!(state.popup, Some(Popup::Help(1)), "{first}");
}
