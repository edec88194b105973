//! Fees by series: asked of an exchange, kept in a file, paid by everybody who trades under it.

use crate::actor::Exchange;
use crate::cli::{Output, kflow, run};
use kalshiflow::actor::{Acting, Actor, ActorSpec, Choice, Filled, Outcome};
use kalshiflow::agent::policy::Random;
use kalshiflow::broker::matching::Bound;
use kalshiflow::broker::{FeeType, MarketFees, Rates, Role, SeriesFees, series_of};
use kalshiflow::config::Limits;
use kalshiflow::env::action::Placement;
use kalshiflow::env::{ActionSet, EnvConfig, Execution};
use kalshiflow::event::MarketId;
use kalshiflow::sim::tape::{TapeSpec, synthesize};
use serde_json::{Value, json};
use std::path::Path;

/// A file of fees with one entry.
fn file(series: &str, fee_type: &str, multiplier_e4: &str) -> String {
    format!(
        "schema_version = 1\n[series.{series}]\nfee_type = \"{fee_type}\"\n\
         multiplier_e4 = {multiplier_e4}\nasked = \"2026-11-22\"\n"
    )
}

fn fetch(exchange: &Exchange, out: &Path, more: &[&str]) -> Output {
    let words = ["fees", "fetch", "--env", "sim", "--json", "--url", &exchange.url];
    run(kflow(&words).args(more).arg("--out").arg(out))
}

fn data(out: &Output) -> Value {
    serde_json::from_str::<Value>(&out.stdout).expect("one JSON object")["data"].clone()
}

#[test]
fn the_exchange_is_asked_and_what_it_said_of_others_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let path = dir.path().join("fees.toml");
    std::fs::write(&path, file("KXOTHER", "quadratic", "5000")).unwrap();
    let out = fetch(&exchange, &path, &["--series", "SIM", "--series", "SIMMF"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let told = data(&out);
    assert_eq!(told["series"]["SIMMF"]["fee_type"], "quadratic_with_maker_fees");
    assert_eq!(
        (&told["series"]["SIM"]["multiplier_e4"], &told["refused"]),
        (&json!(10_000), &json!({}))
    );
    let read =
        || -> SeriesFees { toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap() };
    let kept = read();
    assert_eq!(kept.series.keys().collect::<Vec<_>>(), ["KXOTHER", "SIM", "SIMMF"]);
    assert_eq!(kept.series["KXOTHER"].multiplier.e4(), 5_000);
    assert_eq!(
        (kept.series["SIM"].fee_type, kept.series["SIM"].asked.len()),
        (FeeType::Quadratic, 10)
    );

    // A series that nobody knows does not take the others with it.
    std::fs::remove_file(&path).unwrap();
    let out = fetch(&exchange, &path, &["--series", "NOPE", "--series", "SIM"]);
    assert_eq!(out.code, 4);
    assert!(out.stderr.contains("NOPE: ") && out.stderr.contains("404"), "{}", out.stderr);
    assert_eq!(read().series.keys().collect::<Vec<_>>(), ["SIM"]);
    let out = fetch(&exchange, &path, &["--series", "NOPE"]);
    assert_eq!((out.code, data(&out)["written"].clone()), (4, Value::Null));
    assert_eq!(read().series.len(), 1, "what was there stays");
}

/// The series of what was recorded are found by themselves; a session under them assumes nothing, and says by which
/// fees it played.
#[test]
fn a_session_plays_by_the_file_of_its_recorded_series() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let (records, path) = (dir.path().join("data"), dir.path().join("fees.toml"));
    let trade = |more: &[&str]| {
        let words = ["trade", "--env", "sim", "--policy", "hold", "--discover", "--json", "--url"];
        let out = run(kflow(&words)
            .arg(&exchange.url)
            .args(["--for", "2s"])
            .args(more)
            .arg("--data")
            .arg(&records));
        assert_eq!(out.code, 0, "{}", out.stderr);
        assert!(!out.stderr.contains("assumed"), "synthetic: {}", out.stderr);
        data(&out)
    };
    assert_eq!(trade(&[])["fees_assumed"], Value::Null);
    let out = fetch(&exchange, &path, &["--data", records.to_str().unwrap()]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert_eq!(data(&out)["series"].as_object().unwrap().len(), 2, "{}", out.stdout);
    let journal =
        trade(&["--fees", path.to_str().unwrap()])["journal"].as_str().unwrap().to_owned();
    let about = std::fs::read(Path::new(&journal).join("trade.json")).unwrap();
    let about: Value = serde_json::from_slice(&about).unwrap();
    let rates = &about["spec"]["env"]["rates"];
    assert_eq!(
        rates["SIMMF"],
        json!({"fee_type": "quadratic_with_maker_fees", "multiplier_e4": 10_000})
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fees.toml");
    let trade = |more: &[&str]| {
        let out = run(kflow(&["trade", "--env", "sim", "--policy", "hold", "--fees"])
            .arg(&path)
            .args(more));
        assert!(out.stdout.is_empty(), "{}", out.stdout);
        (out.code, out.stderr)
    };
    let (code, said) = trade(&[]);
    assert!(
        code == 3 && said.contains("is not there") && said.contains("kflow fees fetch"),
        "{said}"
    );
    let good = file("KXA", "quadratic", "10000");
    for (text, why) in [
        ("schema_version = ".to_owned(), "fees.toml"),
        (file("KXA", "flat", "10000"), "fee type `flat` cannot be computed"),
        (file("KXA", "quadratic", "-1"), "fee multiplier of -1"),
        (file("KXA", "quadratic", "0.5"), "floating point"),
        (good.replace("= 1\n", "= 2\n"), "unknown schema_version 2"),
        (good.clone() + "waiver = true\n", "unknown field `waiver`"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let (code, said) = trade(&[]);
        assert!(code == 3 && said.contains(why) && said.contains("hint: "), "{text}\n{said}");
        // Nor is it written over.
        let out =
            run(kflow(&["fees", "fetch", "--env", "sim", "--series", "SIM", "--out"]).arg(&path));
        assert_eq!((out.code, std::fs::read_to_string(&path).unwrap()), (3, text));
    }
    std::fs::write(&path, good).unwrap();
    let (code, said) = trade(&["--maker-fees"]);
    assert!(code == 2 && said.contains("--maker-fees") && said.contains("--fees"), "{said}");
}

/// The same random quotes in three markets on paper, under these fees.
fn on_paper(rates: Rates) -> Vec<Filled> {
    let tape = synthesize(&TapeSpec { markets: 3, steps: 600, ..TapeSpec::default() });
    let actions = ActionSet { quotes: vec![Placement::Join], ..ActionSet::default() };
    let execution = Execution { counts: Bound::Optimistic, ..Execution::instant() };
    let env = EnvConfig { rates, actions, execution, ..EnvConfig::default() };
    let limits = Limits { throttle_ms: 0, ..Limits::default() };
    let spec =
        ActorSpec { env, choice: Choice::All, limits, tripped: None, seed: 3, elsewhere: false };
    let acting = Acting { policy: Box::<Random>::default(), model_hash: String::new() };
    let mut actor = Actor::new(spec, acting);
    for (id, info) in tape.infos.iter().enumerate() {
        actor.meet(&(MarketId(id as u32), info.ticker.as_str().into(), None));
    }
    let (mut out, mut fills) = (Outcome::default(), Vec::new());
    for event in &tape.events {
        out.clear();
        actor.push(event, &mut out);
        fills.append(&mut out.fills);
    }
    fills
}

/// Fee notes: M k C P (1 - P), and what rounding to the member's precision takes and hands back.
#[test]
fn on_paper_every_fill_pays_the_fees_of_its_series() {
    let free = on_paper(Rates::new());
    let series = series_of(&free.first().expect("a fill").ticker).to_owned();
    let dear: SeriesFees =
        toml::from_str(&file(&series, "quadratic_with_maker_fees", "20000")).unwrap();
    for (rates, mult_e4, maker_k_e4) in [(Rates::new(), 10_000, 0), (dear.rates(), 20_000, 175)] {
        let fees = MarketFees { rates: rates.clone(), ..MarketFees::default() };
        let mut makers = 0;
        for Filled { ticker, fill, .. } in on_paper(rates) {
            let schedule = fees.of(&ticker);
            assert_eq!((schedule.mult_e4, schedule.maker_k_e4), (mult_e4, maker_k_e4));
            let yes_price = fill.intent.yes_price(fill.price);
            let trade = schedule.trade_fee(fill.role, yes_price, fill.qty[Bound::Optimistic]);
            let paid = fill.fee[Bound::Optimistic];
            assert!((paid - trade).e6().abs() <= 2 * schedule.precision_e6, "{ticker} {fill:?}");
            makers += u32::from(fill.role == Role::Maker && paid.e6() > 2 * schedule.precision_e6);
        }
        assert_eq!(makers > 0, maker_k_e4 > 0, "{makers} makers paid");
    }
}

/// Recorded markets whose fees nobody told: training and judging say what they assume, until they are told.
#[test]
#[cfg(feature = "learn")]
fn results_on_recorded_markets_name_the_fees_that_they_assume() {
    let Some(tape) = crate::shared::shared("data/gold15m") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (records, runs) = (dir.path().join("data"), dir.path().join("runs"));
    let imported = run(kflow(&["import"]).arg(tape).arg("--data").arg(&records));
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let both = |words: &[&str]| {
        let out = run(kflow(words).arg("--data").arg(&records).arg("--run-dir").arg(&runs));
        assert_eq!(out.code, 0, "{}", out.stderr);
        out
    };
    let said = "fees of KXGOLD15M assumed: multiplier 1, no maker fee; ";
    let small = [
        "train",
        "--steps",
        "64",
        "--envs",
        "1",
        "--seeds",
        "1",
        "-p",
        "n_steps=64",
        "--split",
        "time",
        "--json",
    ];
    let trained = both(&small);
    assert_eq!(trained.stderr.matches(said).count(), 1, "{}", trained.stderr);
    let run_id = data(&trained)["run_id"].as_str().unwrap().to_owned();
    let judged = both(&["eval", &run_id, "--json"]);
    assert_eq!(judged.stderr.matches(said).count(), 1, "{}", judged.stderr);
    let assumed = json!({"series": ["KXGOLD15M"], "multiplier_e4": 10_000, "maker_k_e4": 0});
    assert_eq!(data(&judged)["fees_assumed"], assumed);

    let path = dir.path().join("fees.toml");
    std::fs::write(&path, file("KXGOLD15M", "quadratic", "20000")).unwrap();
    let told = both(&["eval", &run_id, "--json", "--fees", path.to_str().unwrap()]);
    assert!(!told.stderr.contains("assumed") && data(&told)["fees_assumed"].is_null());
    let paid = |out: &Output| {
        let rows = data(out)["policies"].as_array().unwrap().clone();
        let row =
            rows.iter().find(|row| row["name"] == "buy_yes" && row["split"] == "test").cloned();
        row.unwrap()["fees"].as_f64().unwrap()
    };
    assert!((paid(&told) / paid(&judged) - 2.0).abs() < 0.1, "{} {}", paid(&told), paid(&judged));
}
