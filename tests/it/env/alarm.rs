//! The exploit alarm: silent where nothing is wrong, loud for each planted fault.

use crate::shared::shared;
use kalshiflow::book::SequencePolicy;
use kalshiflow::broker::{Intent, Portfolio, Verb};
use kalshiflow::check::env::{self, EnvCheck, Tape, fair_episodes};
use kalshiflow::env::EnvConfig;
use kalshiflow::env::account::{Exact, Rules};
use kalshiflow::event::SessionId;
use kalshiflow::features::Layout;
use kalshiflow::features::episode::{Episode, EpisodeBuilder};
use kalshiflow::intake::{IntakeError, files, tape};
use kalshiflow::units::{Money, Price, Qty, Side};
use kalshiflow::wire::market;
use std::path::Path;
use std::process::Command;

fn check<R: Rules>() -> EnvCheck {
    let config = EnvConfig::default();
    let episodes = fair_episodes(config.layout, 30, 7).into();
    let tapes = [Tape { name: "fair", fair: true, episodes }];
    env::run_under::<R>(&tapes, &config, 7).expect("playable")
}

#[track_caller]
fn alarmed<R: Rules>(said: &str) {
    let found = check::<R>();
    assert!(found.alarm && !found.passed());
    assert!(found.alarms.iter().any(|a| a.contains(said)), "{:#?}", found.alarms);
}

#[test]
fn the_exact_rules_pass_and_nobody_gains_on_the_fair_tape() {
    let found = check::<Exact>();
    assert!(found.passed(), "{found:#?}");
    assert!(found.contract.len() >= 6 && found.warnings.is_empty());
    for probe in &found.policies {
        match probe.name.as_str() {
            "hold" => assert_eq!((probe.mean_return, probe.ci95), (0.0, Some([0.0, 0.0]))),
            // Both sides of each market are played, so what remains is spread and fees.
            // Drawn lots leave some luck in so few markets.
            "random" | "hardcoded" => assert!(probe.mean_return < 0.0, "{probe:?}"),
            name => assert!(probe.ci95.is_some_and(|[_, high]| high < 0.0), "{name}: {probe:?}"),
        }
    }
    assert_eq!(found.policies.len(), 9);
}

/// Selling a contract that one does not own credits its price and books the other side for free.
#[derive(Clone, Copy, Debug)]
struct SellingMints;

impl Rules for SellingMints {
    fn fill(book: &mut Portfolio, intent: Intent, price: Price, qty: Qty, fee: Money) {
        let flat = book.position() == Qty::ZERO;
        let minted =
            if flat && intent.verb == Verb::Sell { Price::ONE.times(qty) } else { Money::ZERO };
        book.book(intent, price, qty, fee - minted);
    }
}

/// NO is priced at 0.99 - p.
#[derive(Clone, Copy, Debug)]
struct NoIsACentOff;

impl Rules for NoIsACentOff {
    fn price(intent: Intent, bid: Price) -> Price {
        let exact = intent.price_against(bid);
        if intent.side == Side::No {
            Price::new(exact.e4() - 100).unwrap_or(Price::ZERO)
        } else {
            exact
        }
    }
}

/// The last step forgets the position.
#[derive(Clone, Copy, Debug)]
struct EndDropsThePosition;

impl Rules for EndDropsThePosition {
    fn settle(book: &mut Portfolio, _value: Price) {
        let worthless = if book.position() > Qty::ZERO { Price::ZERO } else { Price::ONE };
        book.settle(worthless);
    }
}

/// The first trade of an episode costs nothing.
#[derive(Clone, Copy, Debug)]
struct FirstTradeIsFree;

impl Rules for FirstTradeIsFree {
    fn fill(book: &mut Portfolio, intent: Intent, price: Price, qty: Qty, fee: Money) {
        let first = *book == Portfolio::new(book.start());
        let free = if first { Money::ZERO } else { fee };
        book.book(intent, price, qty, free);
    }
}

#[test]
fn the_alarm_finds_cash_minted_by_selling() {
    alarmed::<SellingMints>("always_sell_yes gains");
    alarmed::<SellingMints>("always_sell_no on the fair tape");
    let found = check::<SellingMints>();
    assert!(found.contract.iter().any(|c| c.name.starts_with("selling from flat") && !c.ok));
}

#[test]
fn the_alarm_finds_no_priced_a_cent_off() {
    alarmed::<NoIsACentOff>("always_buy_no on the fair tape");
}

#[test]
fn the_alarm_finds_a_position_dropped_at_the_end() {
    alarmed::<EndDropsThePosition>("buy_yes on the fair tape");
}

#[test]
fn the_alarm_finds_a_free_first_trade() {
    alarmed::<FirstTradeIsFree>("buy_yes on the fair tape");
}

/// On a recorded tape the same gain is only a warning: NO may simply have won often.
#[test]
fn a_side_that_always_won_is_a_warning_and_no_alarm() {
    let config = EnvConfig::default();
    let mut episodes = fair_episodes(config.layout, 40, 7);
    episodes.iter_mut().for_each(|e| e.settlement = Some(Price::ZERO));
    let tapes = [Tape { name: "recorded", fair: false, episodes: episodes.into() }];
    let found = env::run(&tapes, &config, 7).expect("playable");
    assert!(found.passed());
    assert!(found.warnings.iter().any(|w| w.starts_with("buy_no earned")), "{:?}", found.warnings);
    assert!(!found.warnings.iter().any(|w| w.contains("buy_yes")), "{:?}", found.warnings);
}

/// Episodes of recorded windows, as an import would cut them.
fn recorded(folder: &Path, windows: usize) -> Vec<Episode> {
    let mut infos = Vec::new();
    for path in files::find(&[folder.to_owned()]).expect("recorded files").metadata {
        let text = std::fs::read_to_string(path).expect("readable");
        let value = serde_json::from_str(&text).expect("JSON");
        let objects = market::market_objects(&value);
        infos.extend(objects.into_iter().filter_map(|o| market::market_info(o).ok()));
    }
    let all = tape::windows(folder).expect("recorded windows");
    let mut episodes = Vec::new();
    for (ticker, paths) in all.into_iter().take(windows) {
        let info = infos.iter().find(|info| info.ticker == ticker).expect("metadata");
        let mut builder = EpisodeBuilder::new(Layout::default(), info, SessionId::default());
        let mut tape = tape::Tape::new(SequencePolicy::Partial);
        for path in paths {
            let read = tape.read_file(&path, |_, record, _| {
                builder.push(&record.event);
                Ok::<_, IntakeError>(())
            });
            read.expect("readable");
        }
        episodes.extend(builder.finish());
    }
    episodes
}

/// Real books are crossed by nobody, but they drain, jump and end: every step must still agree with the
/// second bookkeeping.
#[test]
fn recorded_markets_pass_the_check() {
    let Some(folder) = shared("data/gold15m") else { return };
    let episodes = recorded(&folder, 4);
    assert!(episodes.len() >= 4 && episodes.iter().all(|e| e.settlement.is_some()));
    let tapes = [Tape { name: "recorded", fair: false, episodes: episodes.into() }];
    let found = env::run(&tapes, &EnvConfig::default(), 7).expect("playable");
    assert!(found.passed(), "{:#?} {:#?}", found.contract, found.alarms);
}

#[test]
fn the_command_prints_one_object_with_its_promised_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
    let done = command.args(["env", "check", "--json"]).current_dir(&dir).output().expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let printed: serde_json::Value = serde_json::from_slice(&done.stdout).expect("one object");
    assert_eq!(printed["command"], "env check");
    assert_eq!(printed["data"]["alarm"], false);
    assert_eq!(printed["data"]["contract"][0]["ok"], true);
    assert_eq!(printed["data"]["warnings"], serde_json::json!([]));
    let policy = &printed["data"]["policies"][1];
    assert!(
        policy["episodes"] == 200 && policy["mean_return"].is_f64() && policy["ci95"].is_array()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_kflow"));
    let absent = command.args(["env", "check", "--data", "absent"]).current_dir(&dir);
    assert_eq!(absent.output().expect("runs").status.code(), Some(3));
}
