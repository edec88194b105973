//! What lies around a data directory, as it is found: half-written, of a later version, gone, or well.

use super::command::recorded;
use super::fixture::bid;
use super::screens::{PLAIN, text};
use crate::cli::{kflow, run};
use crate::faults::golden::set_format;
use kalshiflow::actor::{Filled, Told, TurnLine, Verdict};
use kalshiflow::broker::Role;
use kalshiflow::broker::matching::{Bracket, Fill, OrderId};
use kalshiflow::collect::LIVE_SOCKET;
use kalshiflow::dash::source::{attach, files::Files};
use kalshiflow::dash::{Handle, Level, Msg, News, Reach, State, inbox};
use kalshiflow::env::account::Request;
use kalshiflow::trade::kill::KillFile;
use kalshiflow::trade::risk::{Cause, Trip};
use kalshiflow::units::{Money, Price, Qty, TsNs};
use kalshiflow::view::ModelStatus;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A person who looks: sources, and the state that they lead to.
struct Look {
    files: Files,
    handle: Handle,
    heard: Receiver<Msg>,
    state: State,
}

impl Look {
    fn at(data: &Path, runs: &Path) -> Look {
        let (handle, heard) = inbox();
        let state = State::new("here", (120, 40));
        Look { files: Files::new(data, runs), handle, heard, state }
    }

    fn look(&mut self) -> &State {
        self.files.look(&self.handle).unwrap();
        for msg in self.heard.try_iter() {
            self.state.update(msg, TsNs(1));
        }
        &self.state
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn half_written_files_are_shown_as_far_as_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let (data, runs) = (dir.path().join("data"), dir.path().join("runs"));
    put(&data.join("log/000001-000000000001.redb"), "");
    put(&data.join("log/000002-000000000001.redb"), "not a database");
    put(&data.join("log/000003-000000000001.live"), "half");
    put(&data.join("trade/1/trade.json"), r#"{"policy":"ppo","spec":{"env":{"start_ca"#);
    put(&data.join("trade/1/decisions.jsonl"), "{\"action\":0,\"ticker\":\"KX\"}\n{\"act\n{\"ti");
    put(&runs.join("whole/config.json"), r#"{"algo":"ppo","seed":7,"total_timesteps":100}"#);
    let row = r#"{"time/total_timesteps":40,"rollout/ep_rew_mean":0.5}"#;
    put(&runs.join("whole/progress.jsonl"), &format!("{row}\n{{\"time/tot"));
    put(&runs.join("torn/config.json"), r#"{"algo":"#);
    put(&runs.join("torn/last/model.safetensors"), "");
    put(&runs.join("registry.json"), r#"{"versions":[{"name":"#);
    let mut looked = Look::at(&data, &runs);
    let state = looked.look();
    assert!(state.status.log_problem.contains("000001-"), "{}", state.status.log_problem);
    let whole = state.runs.iter().find(|run| run.status.id == "whole").expect("a run");
    assert_eq!((whole.status.steps, whole.status.steps_total), (40, 100));
    assert_eq!(state.status.models.len(), 1, "{:?}", state.status.models);
    assert_eq!(state.live.trading.deeds.len(), 1);
    let out = run(kflow(&["dash", "--json", "--data"]).arg(&data).arg("--run-dir").arg(&runs));
    assert!([0, 5].contains(&out.code) && !out.stderr.contains("panicked"), "{}", out.stderr);
}

#[test]
fn a_log_of_a_later_format_is_refused_by_name_and_told_while_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let data = recorded(dir.path());
    let mut looked = Look::at(&data, dir.path());
    assert_eq!(
        (looked.look().status.sessions.len(), looked.look().status.log_problem.as_str()),
        (1, "")
    );
    let log = data.join("log");
    let segment = fs::read_dir(&log).unwrap().map(|e| e.unwrap().path());
    let segment = segment.into_iter().find(|p| p.extension().is_some_and(|e| e == "redb")).unwrap();
    // As a later program would leave it: another file, another format.
    let newer = log.join("000009-000000009999.redb");
    fs::copy(&segment, &newer).unwrap();
    set_format(&newer, 2);
    let state = looked.look();
    assert!(state.status.log_problem.contains("format 2"), "{}", state.status.log_problem);
    let out = run(kflow(&["dash", "--json", "--data"]).arg(&data));
    assert_eq!(out.code, 5, "{}", out.stderr);
    assert!(out.stderr.contains("000009-") && out.stderr.contains("format 2"), "{}", out.stderr);
}

/// What is said of a collector that says `lines` and is gone.
fn lost(lines: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("log")).unwrap();
    let socket = UnixListener::bind(dir.path().join("log").join(LIVE_SOCKET)).unwrap();
    let lines = lines.to_owned();
    std::thread::spawn(move || socket.accept().unwrap().0.write_all(lines.as_bytes()));
    let (handle, heard) = inbox();
    let data = dir.path().to_owned();
    std::thread::spawn(move || attach::watch(&data, &handle));
    loop {
        if let Msg::News(News::Reach(Reach::Lost(why))) = heard.recv_timeout(PATIENCE).unwrap() {
            return why;
        }
    }
}

#[test]
fn a_collector_that_cannot_be_understood_is_let_go_in_words() {
    let hello = "{\"version\":1,\"session\":\"x\"}\n";
    assert!(lost("{\"version\":99,\"session\":\"x\"}\n").contains("version 99"));
    assert!(lost(&format!("{hello}rubbish\n")).contains("cannot be read"));
    assert!(lost(&format!("{hello}{{\"row_id\":7,\"ev")).contains("cannot be read"));
    assert!(lost(hello).contains("without a word"));
    assert!(lost(&format!("{hello}{{\"end\":\"sigterm\"}}\n")).contains("sigterm"));
}

#[test]
fn versions_of_the_registry_stand_before_runs_with_alias_verdict_and_origin() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path();
    put(&runs.join("r1/config.json"), r#"{"algo":"ppo","seed":7}"#);
    put(&runs.join("r1/last/model.safetensors"), "");
    put(&runs.join("models/gold/v2/config.json"), r#"{"algo":"ppo","gamma":0.99}"#);
    let registry = json!({
        "runs": [{"id": "r1", "status": "ready", "parent": "gold:1"}],
        "versions": [
            {"name": "gold", "version": 2, "source": "r1", "algo": "ppo", "steps": 90, "status": "deployed",
             "aliases": ["champion"], "registered_unix_s": 20, "metrics": [{"rollout/ep_rew_mean": 0.5}],
             "evaluation": {"verdict": "beats holding", "mean_return": 0.01, "ci95": [0.002, 0.02]}},
            {"name": "gold", "version": 1, "status": "archived", "registered_unix_s": 10, "evaluation": null},
            {"of": "a later program"},
        ],
    });
    put(&runs.join("registry.json"), &registry.to_string());
    let mut looked = Look::at(&runs.join("data"), runs);
    let models = looked.look().status.models.clone();
    let ids: Vec<&str> = models.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["gold:2", "gold:1", "r1"]);
    let ModelStatus { parent, status, aliases, verdict, ci95, facts, .. } = &models[0];
    assert_eq!(
        (parent.as_str(), status.as_str(), verdict.as_str()),
        ("r1", "deployed", "beats holding")
    );
    assert_eq!((aliases.as_slice(), *ci95), (&["champion".to_owned()][..], Some((0.002, 0.02))));
    assert_eq!(facts["gamma"], 0.99);
    assert_eq!((models[2].status.as_str(), models[2].parent.as_str()), ("ready", "gold:1"));
}

#[test]
fn the_kill_switch_is_seen_whoever_threw_it_and_until_it_is_reset() {
    let dir = tempfile::tempdir().unwrap();
    let mut looked = Look::at(dir.path(), dir.path());
    assert_eq!(looked.look().status.stopped, "");
    let kill = KillFile::at(dir.path());
    kill.write(&Trip { cause: Cause::Command, at: TsNs(5), detail: "enough".into() }).unwrap();
    assert_eq!(looked.look().status.stopped, "kill_command enough");
    kill.reset().unwrap();
    assert_eq!(looked.look().status.stopped, "");
}

/// A line of `decisions.jsonl`; with a name of it, an order of ten contracts to rest.
fn deed(row_id: u64, reason: &str, order: Option<u64>) -> String {
    let submit = order.map(|id| Request::Submit { id: OrderId(id), order: bid(4_000) });
    let requests: Vec<Request> = submit.into_iter().collect();
    let (action, ordered) = (u32::from(reason != "withdrawn"), order.is_some());
    let deed = json!({
        "row_id": row_id, "ticker": "KX", "action": action, "reason": reason, "ordered": ordered,
        "requests": requests,
    });
    format!("{deed}\n")
}

fn line(row: impl serde::Serialize) -> String {
    serde_json::to_string(&row).unwrap() + "\n"
}

/// Every order that a desk was asked for counted as held back, and what it refused rested on the screen for ever.
#[test]
fn orders_that_the_desk_or_the_exchange_did_not_take_rest_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("trade/1");
    put(&session.join("trade.json"), r#"{"policy":"hardcoded","spec":{"elsewhere":true}}"#);
    let deeds = [
        deed(1, "asked", Some(1)),
        deed(2, "asked", Some(2)),
        deed(3, "asked", Some(3)),
        deed(4, "refused", None),
        deed(5, "policy", None),
        deed(5, "withdrawn", None),
    ];
    put(&session.join("decisions.jsonl"), &deeds.concat());
    let mut looked = Look::at(dir.path(), dir.path());
    let figures = |looked: &mut Look| {
        let trading = &looked.look().live.trading;
        let status = trading.status.as_ref().expect("a session");
        (status.decisions, status.orders, status.held_back, trading.orders.count())
    };
    assert_eq!(figures(&mut looked), (5, 3, 1, 3));
    let verdict = |order: u64, refused: bool| Verdict {
        row_id: order,
        ticker: "KX".into(),
        order: OrderId(order),
        refused,
        why: if refused { "order_rate" } else { "post_only_cross" }.into(),
    };
    let verdicts = line(verdict(2, false)) + &line(verdict(1, true));
    put(&session.join("verdicts.jsonl"), &verdicts);
    assert_eq!(figures(&mut looked), (5, 2, 2, 1), "one kept back, one rejected, one rests");
    let told = looked.state.status.trade.as_ref().map(|trade| trade.held_back);
    assert_eq!(told, Some(2), "--json says the same");
    looked.state.size = (160, 45);
    let drawn = text(&looked.state, PLAIN);
    assert!(drawn.contains("order_rate") && drawn.contains("post_only_cross"), "{drawn}");
}

/// The account holds an order until the queue that counts has filled it; the ladder went by another one.
#[test]
fn an_own_order_rests_until_the_queue_that_counts_has_filled_it() {
    let fill = Fill {
        order: OrderId(1),
        intent: bid(4_000).intent,
        price: Price::new(4_000).unwrap(),
        role: Role::Maker,
        qty: Bracket([Qty::ZERO, Qty::contracts(10), Qty::contracts(10)]),
        fee: Bracket::all(Money::ZERO),
        at: TsNs(2),
        exchange_row: 2,
        known_row: 2,
        uncertain: false,
    };
    let fill = line(Filled { ticker: "KX".into(), row_id: 2, fill });
    for (counts, resting) in [("pessimistic", 1), ("fitted", 0), ("optimistic", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let session = dir.path().join("trade/1");
        let about = json!({"policy": "ppo", "spec": {"env": {"execution": {"counts": counts}}}});
        put(&session.join("trade.json"), &about.to_string());
        put(&session.join("decisions.jsonl"), &deed(1, "policy", Some(1)));
        put(&session.join("fills.jsonl"), &fill);
        let mut looked = Look::at(dir.path(), dir.path());
        assert_eq!(looked.look().live.trading.orders.count(), resting, "{counts}");
    }
}

/// The screen said that orders may be sent again, and the session that ran refused each of them until its end.
#[test]
fn a_session_that_was_stopped_looks_stopped_after_the_reset_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("trade/1");
    let turns = session.join("turns.jsonl");
    let turn = |told: Told| line(TurnLine { after_row_id: 9, told });
    put(&session.join("trade.json"), r#"{"policy":"ppo"}"#);
    put(&turns, &turn(Told::Begin));
    let mut looked = Look::at(dir.path(), dir.path());
    looked.state.reach = Reach::Attached;
    assert_eq!(looked.look().orders_stopped(), None);
    let kill = KillFile::at(dir.path());
    let trip = Trip { cause: Cause::Command, at: TsNs(5), detail: "enough".into() };
    kill.write(&trip).unwrap();
    assert_eq!(looked.look().orders_stopped().as_deref(), Some("kill_command enough"));
    // The reset may be seen before what the session wrote down, and after it.
    kill.reset().unwrap();
    for turns_then in [turn(Told::Begin), turn(Told::Begin) + &turn(Told::Trip(trip.clone()))] {
        put(&turns, &turns_then);
        let state = looked.look();
        let why = state.orders_stopped().expect("it trades on, and orders nothing");
        assert!(why.contains("restart to trade again") && why.contains("enough"), "{why}");
        assert_eq!(state.lines.matching(Level::Info, "may be sent again").count(), 0);
        assert!(text(state, PLAIN).contains("ORDERS STOPPED"), "{}", text(state, PLAIN));
    }
    let ended = turn(Told::Begin) + &turn(Told::Trip(trip.clone())) + &turn(Told::End);
    put(&turns, &ended);
    assert_eq!(looked.look().orders_stopped(), None);
    // One that begins while the switch is thrown is stopped from the first record on.
    let about = json!({"policy": "ppo", "spec": {"tripped": trip}});
    put(&dir.path().join("trade/2/trade.json"), &about.to_string());
    let why = looked.look().orders_stopped().expect("stopped from the beginning");
    assert!(why.contains("kill_command enough"), "{why}");
}
