//! The tape as it is moved: where each key of the replay screen leads.

use super::tape::{EVENTS, record};
use kalshiflow::dash::source::tape::play;
use kalshiflow::dash::{Msg, News, Place, TapeMove, inbox};
use serde_json::json;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A tape that plays, and who listens to it.
struct Player {
    moves: Sender<TapeMove>,
    heard: Receiver<Msg>,
    thread: JoinHandle<bool>,
}

impl Player {
    fn start(data: &Path) -> Player {
        let ((handle, heard), (moves, asked)) = (inbox(), channel());
        let (data, begin) = (data.to_owned(), (String::new(), Place::Start));
        let thread = std::thread::spawn(move || play(&data, Some(begin), &asked, &handle).is_ok());
        Player { moves, heard, thread }
    }

    fn ask(&self, to: TapeMove) {
        self.moves.send(to).unwrap();
    }

    fn next(&self) -> News {
        match self.heard.recv_timeout(PATIENCE).unwrap() {
            Msg::News(news) => news,
            other => panic!("{other:?}"),
        }
    }

    /// The row where the tape stands after this move.
    #[track_caller]
    fn row(&self, to: TapeMove) -> u64 {
        self.ask(to);
        match self.next() {
            News::Wound(heard, _) | News::Ran(heard, _) => {
                heard.events.last().map_or(0, |event| event.row_id)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether it runs after this move, and how fast.
    #[track_caller]
    fn pace(&self, to: TapeMove) -> (bool, f64) {
        self.ask(to);
        match self.next() {
            News::Pace { playing, speed } => (playing, speed),
            other => panic!("{other:?}"),
        }
    }

    /// A move that leads nowhere: the next thing heard is the answer to the one after it.
    #[track_caller]
    fn stays(&self, to: TapeMove) {
        self.ask(to);
        assert_eq!(self.pace(TapeMove::Normal), (false, 1.0));
    }
}

/// A journal of decisions at these rows: whether each led to an order.
fn decide(data: &Path, rows: &[(u64, bool)]) {
    let dir = data.join("trade/0199f7a2-6000-7000-8000-000000000002");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("trade.json"), r#"{"policy":"ppo"}"#).unwrap();
    let line = |(row, ordered): &(u64, bool)| {
        let deed = json!({"row_id": row, "ticker": "KX-C", "action": 1, "ordered": ordered});
        format!("{deed}\n")
    };
    std::fs::write(dir.join("decisions.jsonl"), rows.iter().map(line).collect::<String>()).unwrap();
}

#[test]
fn every_move_of_the_tape_leads_to_its_row() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    decide(dir.path(), &[(6_000, true), (7_000, false), (8_000, true)]);
    let tape = Player::start(dir.path());
    let News::Tape(Ok(told)) = tape.next() else { panic!("no tape") };
    assert_eq!((told.rows, told.deeds.len()), ((1, EVENTS), 3));
    assert!(matches!(tape.next(), News::Wound(..)), "it begins at its start");
    let to = |row| TapeMove::To(Place::Row(row));

    // An event on and back, of any market and of one.
    let step = |back, ticker: &str| TapeMove::Step { back, ticker: ticker.to_owned() };
    assert_eq!(tape.row(to(5_000)), 5_000);
    assert_eq!((tape.row(step(false, "")), tape.row(step(true, ""))), (5_001, 5_000));
    let there = tape.row(step(false, "KX-B"));
    assert_eq!((there > 5_000, tape.row(step(true, "KX-B"))), (true, there - 1));

    // A hundred events in a second.
    assert_eq!(tape.row(to(5_000)), 5_000);
    assert_eq!(tape.row(TapeMove::By(1_000_000_000)), 5_100);
    assert_eq!(tape.row(TapeMove::By(-2_000_000_000)), 4_900);

    // From order to order, not to what was only thought of.
    let act = |back| {
        let row = tape.row(TapeMove::Action { back });
        assert!(matches!(tape.next(), News::Look(ticker) if ticker == "KX-C"), "row {row}");
        row
    };
    assert_eq!((act(false), act(false)), (6_000, 8_000));
    tape.stays(TapeMove::Action { back: false });
    assert_eq!(act(true), 6_000);
    tape.stays(TapeMove::Action { back: true });

    // From gap to gap.
    let gaps: Vec<u64> = told.gaps.iter().map(|gap| gap.0).filter(|row| *row > 6_000).collect();
    assert_eq!((tape.row(TapeMove::Gap), tape.row(TapeMove::Gap)), (gaps[0], gaps[1]));
    assert_eq!(tape.row(TapeMove::To(Place::End)), EVENTS);
    tape.stays(TapeMove::Gap);
    assert_eq!(tape.pace(TapeMove::Toggle), (false, 1.0), "there is nothing left to run over");

    let Player { moves, thread, .. } = tape;
    drop(moves);
    assert!(thread.join().unwrap(), "it ends with whoever moves it");
}

#[test]
fn the_tape_runs_at_the_speed_that_is_asked_for_and_changes_sessions() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path());
    let tape = Player::start(dir.path());
    assert!(matches!(tape.next(), News::Tape(Ok(_))) && matches!(tape.next(), News::Wound(..)));
    for speed in [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0] {
        assert_eq!(tape.pace(TapeMove::Faster), (false, speed));
    }
    assert_eq!(tape.pace(TapeMove::Normal), (false, 1.0));
    for speed in [0.5, 0.25, 0.25] {
        assert_eq!(tape.pace(TapeMove::Slower), (false, speed));
    }
    assert_eq!(tape.pace(TapeMove::Toggle), (true, 0.25));
    let mut row = 0;
    while row == 0 {
        let News::Ran(heard, _) = tape.next() else { panic!("it does not run") };
        row = heard.events.last().map_or(0, |event| event.row_id);
    }
    tape.ask(TapeMove::Toggle);
    loop {
        match tape.next() {
            News::Ran(..) => {}
            News::Pace { playing: false, speed: 0.25 } => break,
            other => panic!("{other:?}"),
        }
    }
    tape.ask(TapeMove::Open("no-such-session".to_owned()));
    assert!(matches!(tape.next(), News::Tape(Err(_))));
    tape.ask(TapeMove::Open(String::new()));
    assert!(matches!(tape.next(), News::Tape(Ok(_))), "the newest");
}
