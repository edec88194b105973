//! `kflow trade` as a person calls it: options that cannot hold are refused, those that are taken do something.

use crate::actor::{Exchange, Trading, journal_in, journals, trade};
use crate::cli::{kflow, run};
use kalshiflow::actor::{Deed, Reason};
use kalshiflow::env::account::Request;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;

/// The limits of the desk came from the settings alone: `--throttle` was taken, and orders left every 250 ms.
#[test]
fn the_throttle_holds_for_orders_at_an_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    let words = ["--policy", "random", "--select", "all", "--orders", "sim", "--throttle", "1h"];
    let told = trade(&exchange, &data, &words);
    let place = journals(&data).remove(0);
    let deeds: Vec<Deed> = journal_in(&place, "decisions.jsonl");
    let verdicts: Vec<Value> = journal_in(&place, "verdicts.jsonl");
    let mut sent = BTreeMap::<String, i64>::new();
    for deed in deeds.iter().filter(|deed| deed.reason == Reason::Asked) {
        let new = deed.requests.iter().filter(|r| matches!(r, Request::Submit { .. })).count();
        *sent.entry(deed.ticker.clone()).or_default() += new as i64;
    }
    for verdict in verdicts.iter().filter(|verdict| verdict["refused"] == true) {
        *sent.get_mut(verdict["ticker"].as_str().unwrap()).unwrap() -= 1;
    }
    let asked_again = verdicts.iter().any(|verdict| verdict["why"] == "throttle");
    assert!(asked_again && sent.values().any(|n| *n == 1), "{sent:?} {told}");
    assert!(sent.values().all(|n| *n <= 1), "once an hour in each market: {sent:?}");
}

/// The keys that were there first, in dollars, beside the exact figures.
#[test]
fn the_result_has_equity_and_bracket_in_dollars() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let told =
        trade(&exchange, &dir.path().join("data"), &["--policy", "random", "--select", "all"]);
    let dollars = |e6: &Value| Value::from(e6.as_i64().unwrap() as f64 / 1e6);
    assert!(told["equity"].as_f64() > Some(0.0), "{told}");
    assert_eq!(told["equity"], dollars(&told["equity_e6"]));
    let bracket = told["bracket_e6"].as_array().unwrap();
    assert_eq!(told["bracket"], bracket.iter().map(dollars).collect::<Value>());
    assert_ne!(told["bracket_e6"][0], 0, "{told}");
}

/// Deltas that are left out never reach the books that are traded on.
#[test]
fn nobody_trades_on_sampled_books() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let out = run(kflow(&["trade", "--env", "sim", "--discover", "--sample", "3"])
        .arg("--data")
        .arg(&data));
    assert_eq!(out.code, 2, "{}", out.stderr);
    assert!(out.stderr.contains("--sample") && out.stderr.contains("hint: "), "{}", out.stderr);
    assert!(!data.exists());
}

/// A dry run opened the journal and the desk, which cancels what an earlier run left resting. Nobody takes orders
/// at this address: a desk would not open.
#[test]
fn a_dry_run_of_trading_writes_no_journal_and_opens_no_desk() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = ["trade", "--env", "sim", "--discover", "--json", "--dry-run", "--orders", "sim"];
    let mut command = kflow(&words);
    command.args(["--orders-url", &format!("http://{nobody}"), "--url", &exchange.url]);
    let out = run(command.arg("--data").arg(&data));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let told: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(told["data"]["dry_run"], true, "{told}");
    assert!(!told["data"]["markets"].as_array().unwrap().is_empty(), "{told}");
    assert!(!data.join("trade").exists());
}

/// A model plays by the rules that it was trained under; those of the command line were taken and not heard.
#[test]
fn rules_beside_a_model_are_refused_by_name() {
    let given = [
        ["--latency", "none"],
        ["--queue", "fitted"],
        ["--fits", "fits.toml"],
        ["--quotes", "join"],
        ["--cash-start", "100"],
        ["--sizes", "10"],
        ["--position-limit", "100"],
        ["--layout", "kalshiflow52-v2"],
        ["--randomise", "fees"],
    ];
    let beside = |words: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap();
        let command = ["trade", "--env", "sim", "--data", data, "--model", "nothing-there"];
        run(kflow(&command).args(words))
    };
    for words in given {
        // The same as the default, too: it was given.
        let out = beside(&words);
        assert_eq!(out.code, 2, "{words:?}: {}", out.stderr);
        assert!(out.stderr.contains(words[0]) && out.stderr.contains("--model"), "{}", out.stderr);
    }
    // Facts of the exchange hold for a model as well: it is looked for.
    for words in [&["--maker-fees"][..], &[]] {
        let out = beside(words);
        assert!(out.code != 2 && out.stderr.contains("nothing-there"), "{}", out.stderr);
    }
}

/// A person sends SIGUSR1 to the process and sees that no order follows; the next start must not trade on, until a
/// person says so.
#[test]
fn a_signal_stops_the_orders_of_a_running_session_and_of_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    let words = ["--policy", "random", "--select", "all", "--quotes", "join,improve"];
    let mut session = Trading::start(&exchange, &data, &words);
    session.decides(90_000);
    session.signal(Signal::USR1);
    let kill = data.join("KILL");
    while !kill.exists() {
        // It goes on deciding, and would end a test that waits in vain.
        session.decides(1);
    }
    session.decides(60_000);
    session.end();
    let place = journals(&data).remove(0);

    let turns: Vec<Value> = journal_in(&place, "turns.jsonl");
    let trip = turns.iter().find(|turn| turn["did"] == "trip").expect("it is written down");
    assert_eq!(trip["cause"], "Signal");
    let tripped = trip["after_row_id"].as_u64().unwrap();
    let deeds: Vec<Deed> = journal_in(&place, "decisions.jsonl");
    assert!(deeds.iter().any(|deed| deed.ordered && deed.due_row_id <= tripped));
    let after: Vec<&Deed> = deeds.iter().filter(|deed| deed.due_row_id > tripped).collect();
    assert!(after.len() > 10, "{} decisions after it", after.len());
    assert!(after.iter().all(|deed| !deed.ordered));
    let refused = after.iter().filter(|deed| deed.reason == Reason::Refused);
    assert!(
        refused.clone().count() > 10 && refused.clone().all(|deed| deed.limit == "kill_signal")
    );
    assert!(std::fs::read_to_string(&kill).unwrap().contains("kill_signal"));

    let told = trade(&exchange, &data, &words);
    assert_eq!((&told["orders"], &told["maker_e2"]), (&0.into(), &0.into()), "{told}");
    assert!(told["held_back"].as_u64() > Some(0), "{told}");
    let reset = run(kflow(&["risk", "reset"]).arg("--data").arg(&data));
    assert_eq!(reset.code, 0, "{}", reset.stderr);
    let told = trade(&exchange, &data, &words);
    assert!(told["orders"].as_u64() > Some(0), "{told}");
}
