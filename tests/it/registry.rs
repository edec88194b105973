//! Models and runs as a person uses them: registered, judged, deployed, compared, and trained again.

use crate::cli::{Output, kflow, run};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type, Int64Type};
use kalshiflow::sim::tape::{TapeSpec, synthesize};
use kalshiflow::sim::write::write;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a log of twelve synthetic markets.
pub fn recorded() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&synthesize(&TapeSpec { markets: 12, ..TapeSpec::default() }), &dir.path().join("tape"))
        .unwrap();
    ok(dir.path(), &["import", "tape", "--json"]);
    dir
}

pub fn at(dir: &Path, words: &[&str]) -> Output {
    run(kflow(words).current_dir(dir))
}

#[track_caller]
pub fn ok(dir: &Path, words: &[&str]) -> Value {
    let out = at(dir, words);
    assert_eq!(out.code, 0, "{words:?}: {}", out.stderr);
    let envelope: Value = serde_json::from_str(&out.stdout).unwrap();
    let of_two_words = ["models", "runs"].contains(&words[0]);
    assert_eq!(envelope["command"], words[..1 + usize::from(of_two_words)].join(" "));
    envelope["data"].clone()
}

#[track_caller]
pub fn refused(dir: &Path, words: &[&str], code: i32, what: &str) {
    let out = at(dir, words);
    assert_eq!(out.code, code, "{words:?}: {}", out.stderr);
    assert!(out.stderr.contains(what) && out.stderr.contains("hint:"), "{words:?}: {}", out.stderr);
}

/// Trains quickly; the run's id.
pub fn trained(dir: &Path, more: &[&str]) -> String {
    let quick = ["train", "--seeds", "1", "-p", "n_steps=64", "--steps", "1000", "--json"];
    let data = ok(dir, &[&quick[..], more].concat());
    data["run_id"].as_str().unwrap().to_owned()
}

fn bytes(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_model_is_registered_judged_deployed_replaced_and_archived() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    let listed = ok(dir, &["models", "ls", "--json"])["models"].clone();
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&id.as_str().into(), &"ready".into()));

    let first = ok(dir, &["models", "register", &id, "--name", "gold", "--json"]);
    assert_eq!((&first["version"], &first["status"]), (&1.into(), &"ready".into()));
    let mirror = dir.join("checkpoints/models/gold/v1");
    let run_dir = dir.join("checkpoints").join(&id);
    assert_eq!(
        bytes(mirror.join("fold_0/model.safetensors")),
        bytes(run_dir.join("fold_0/last/model.safetensors"))
    );
    let card = String::from_utf8(bytes(mirror.join("MODEL.md"))).unwrap();
    assert!(card.contains("not judged") && card.contains("paper trading"), "{card}");

    refused(dir, &["models", "alias", "gold", "champion"], 6, "never judged");
    ok(dir, &["eval", "gold", "--json"]);
    let champion = ok(dir, &["models", "alias", "gold", "champion", "--json"]);
    assert_eq!(champion["status"], "deployed");
    assert!(champion["evaluation"]["markets"].as_u64() > Some(0), "{champion}");
    assert!(mirror.join("evaluation.json").is_file());
    let card = String::from_utf8(bytes(mirror.join("MODEL.md"))).unwrap();
    assert!(card.contains("held-out markets") && card.contains("deployed"), "{card}");

    let id = trained(dir, &["--seed", "1"]);
    ok(dir, &["models", "register", &id, "--name", "gold", "--json"]);
    ok(dir, &["models", "alias", "gold:2", "champion", "--force", "a rehearsal", "--json"]);
    let shown = ok(dir, &["models", "show", "gold", "--json"]);
    assert_eq!(
        (&shown["version"], &shown["events"][0]["reason"]),
        (&2.into(), &"a rehearsal".into())
    );
    let compared = ok(dir, &["models", "compare", "gold:1", "gold:2", "--json"]);
    let differences = compared["differences"].as_array().unwrap();
    assert!(differences.iter().any(|d| d["what"] == "config.seed" && d["a"] == 0 && d["b"] == 1));

    refused(dir, &["models", "archive", "gold:2"], 3, "alias points to it");
    ok(dir, &["models", "archive", "gold:1", "--json"]);
    refused(dir, &["models", "alias", "gold:1", "candidate"], 3, "archived");
    // Both are there, and were said not to be.
    for run in [id.clone(), format!("checkpoints/{id}")] {
        refused(
            dir,
            &["models", "compare", "gold", &run],
            3,
            "is a run or a model, and no version",
        );
    }
    ok(dir, &["models", "register", &id, "--name", "tin", "--json"]);
    ok(dir, &["models", "archive", "tin", "--json"]);
    refused(dir, &["models", "show", "tin"], 3, "every version of `tin` is archived: tin:1");
    assert_eq!(ok(dir, &["models", "show", "tin:1", "--json"])["status"], "archived");
    let mirrored: Value =
        serde_json::from_slice(&bytes(dir.join("checkpoints/registry.json"))).unwrap();
    assert_eq!(mirrored["versions"][0]["status"], "archived");
    assert_eq!(mirrored["aliases"][0]["version"], 2);
}

/// Copied out of its run, a model has no note of what it learned from. It was judged on every market there is, most of
/// them its own, and that opened the gate.
#[test]
fn what_is_not_known_to_be_held_out_opens_no_gate() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    std::fs::create_dir_all(dir.join("far/away/foreign")).unwrap();
    for file in std::fs::read_dir(dir.join("checkpoints").join(&id).join("fold_0/last")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.join("far/away/foreign").join(file.file_name())).unwrap();
    }
    ok(dir, &["models", "register", "far/away/foreign", "--name", "foreign", "--json"]);
    let shown = at(dir, &["eval", "foreign"]).stdout;
    assert!(shown.starts_with("markets of unknown standing"), "{shown}");
    assert!(!shown.contains("\nheld-out markets") && !shown.contains("calibration:"), "{shown}");
    refused(dir, &["models", "alias", "foreign", "champion"], 6, "known to be held out");
    let version = ok(dir, &["models", "show", "foreign", "--json"]);
    let judged = &version["evaluation"];
    assert_eq!((&judged["markets"], &judged["mean_return"]), (&0.into(), &Value::Null));
    let card = bytes(dir.join("checkpoints/models/foreign/v1/MODEL.md"));
    let card = String::from_utf8(card).unwrap();
    assert!(card.contains("what it learned from is not known"), "{card}");
    assert!(!card.contains("mean return"), "{card}");
    let beside = ok(dir, &["eval", &id, "--against", "foreign", "--json"]);
    assert!(beside["comparison"].is_null(), "{}", beside["comparison"]);
    let notes = beside["warnings"].to_string();
    assert!(notes.contains("no comparison with v1"), "{notes}");
    ok(dir, &["models", "alias", "foreign", "champion", "--force", "a rehearsal", "--json"]);
}

/// Who judged the seeds of a training together found nothing of it in the registry, and a version of one of them was
/// judged as if there had been no others.
#[test]
fn seeds_that_were_judged_together_are_recorded_so_and_one_of_them_is_a_choice() {
    let dir = recorded();
    let dir = dir.path();
    let words = ["train", "--seeds", "3", "-p", "n_steps=64", "--steps", "500", "--json"];
    let runs = ok(dir, &words)["runs"].clone();
    let ids: Vec<&str> = (0..3).map(|i| runs[i]["run_id"].as_str().unwrap()).collect();
    ok(dir, &["models", "register", ids[0], "--name", "gold", "--json"]);
    let card =
        || String::from_utf8(bytes(dir.join("checkpoints/models/gold/v1/MODEL.md"))).unwrap();
    assert!(card().contains("chosen among 3 seeds"), "{}", card());
    ok(dir, &[&["eval", "--json"], &ids[..]].concat());
    assert!(card().contains("3 seeds together") && !card().contains("chosen"), "{}", card());
    for (id, name) in [(ids[0], "gold"), (ids[2], "oil")] {
        if name == "oil" {
            ok(dir, &["models", "register", id, "--name", name, "--json"]);
        }
        let champion = ok(dir, &["models", "alias", name, "champion", "--json"]);
        assert_eq!((&champion["seeds"], &champion["evaluation"]["seeds"]), (&3.into(), &3.into()));
    }

    let alone = ok(dir, &["eval", "gold", "--json"])["warnings"].to_string();
    assert!(alone.contains("2 other seeds") && alone.contains(ids[1]), "{alone}");
    assert!(card().contains("chosen among 3 seeds"), "{}", card());
    let all = ok(dir, &["eval", "oil", "gold", ids[1], "--json"])["warnings"].to_string();
    assert!(!all.contains("other seeds"), "{all}");
    refused(dir, &["eval", "gold", ids[0]], 5, "the same models");
    // The one that it is compared with may be a chosen one as well.
    let alone = trained(dir, &["--seed", "9"]);
    let beside = ok(dir, &["eval", &alone, "--against", ids[0], "--json"])["warnings"].to_string();
    let note = format!("{} was trained with 2 other seeds that are not judged", ids[0]);
    assert!(beside.contains(&note) && beside.contains(ids[2]), "{beside}");
}

/// A damaged registry was called a matter of permissions; whoever put it away would have lost every version, and eval
/// played everything and said nothing.
#[test]
fn a_damaged_registry_is_named_and_made_anew_from_its_text() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    for name in ["gold", "oil"] {
        ok(dir, &["models", "register", &id, "--name", name, "--json"]);
    }
    ok(dir, &["models", "alias", "gold", "champion", "--force", "a rehearsal", "--json"]);
    ok(dir, &["models", "archive", "oil", "--json"]);
    let standing = || {
        let listed = ok(dir, &["models", "ls", "--json"])["models"].clone();
        let facts = ["name", "version", "source", "status", "aliases", "content_sha256"];
        let of = |model: &Value| facts.map(|fact| model[fact].clone());
        listed.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let before = standing();
    let file = dir.join("checkpoints/registry.redb");
    std::fs::write(&file, vec![7; 9_000]).unwrap();
    for words in [&["models", "ls"][..], &["runs", "ls"], &["models", "show", "gold"]] {
        refused(dir, words, 5, "registry.json");
    }
    let played = at(dir, &["eval", &format!("checkpoints/{id}")]);
    assert_eq!(played.code, 5, "{}", played.stderr);
    assert!(played.stdout.starts_with("held-out markets"), "{}", played.stdout);

    std::fs::remove_file(&file).unwrap();
    assert_eq!(standing(), before, "read from the text");
    let next = ok(dir, &["models", "register", &id, "--name", "gold", "--json"]);
    assert_eq!(next["version"], 2, "no version is written over");
    assert!(file.is_file());
    std::fs::remove_file(dir.join("checkpoints/registry.json")).unwrap();
    assert_eq!(ok(dir, &["models", "show", "gold:1", "--json"])["status"], "deployed");
    assert_eq!(ok(dir, &["models", "show", "oil:1", "--json"])["status"], "archived");
}

#[test]
fn names_and_aliases_lead_eval_and_trade_to_the_model() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    ok(dir, &["models", "register", &id, "--name", "gold", "--json"]);
    ok(dir, &["models", "alias", "gold", "candidate", "--json"]);
    for word in ["gold", "gold:1", "gold@candidate", "candidate", "checkpoints/models/gold/v1"] {
        assert_eq!(ok(dir, &["eval", word, "--json"])["run"], "v1", "{word}");
    }
    refused(dir, &["eval", "silver"], 5, "`silver`");
    refused(dir, &["eval", "gold:9"], 5, "`gold:9`");
    ok(dir, &["models", "register", &format!("{id}/fold_2"), "--name", "oil", "--json"]);
    ok(dir, &["models", "alias", "oil", "candidate", "--json"]);
    refused(dir, &["eval", "candidate"], 3, "gold@candidate or oil@candidate");
    let trade = ["trade", "--env", "sim", "--for", "6s", "--data", "live", "--json", "--model"];
    let traded = ok(dir, &[&trade[..], &["oil@candidate"]].concat());
    assert!(traded["decisions"].is_u64(), "{traded}");

    let weights = dir.join("checkpoints/models/oil/v1/model.safetensors");
    let mut changed = bytes(weights.clone());
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(weights, changed).unwrap();
    refused(dir, &["eval", "oil"], 5, "changed");
    refused(dir, &["trade", "--env", "sim", "--for", "1s", "--model", "oil"], 5, "changed");
}

#[test]
fn a_run_of_several_models_is_one_version_and_its_facts_come_from_its_files() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &["--algo", "a2c", "-p", "log_interval=1"]);
    let version = ok(dir, &["models", "register", &id, "--name", "whole", "--json"]);
    assert_eq!((&version["models"], &version["algo"]), (&5.into(), &"a2c".into()));
    assert_eq!(version["digests"].as_array().map(Vec::len), Some(5));
    assert_eq!(version["source"], id);
    let last =
        String::from_utf8(bytes(dir.join("checkpoints").join(&id).join("fold_3/progress.jsonl")))
            .unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(version["metrics"][3], last);
    // What a person writes into the texts means nothing.
    let text = dir.join("checkpoints/models/whole/v1/version.json");
    std::fs::write(text, r#"{"status":"deployed","verdict":"beats holding"}"#).unwrap();
    assert_eq!(ok(dir, &["models", "show", "whole", "--json"])["status"], "ready");
    refused(dir, &["models", "alias", "whole", "champion"], 6, "never judged");
    refused(dir, &["models", "register", "nothing", "--name", "x"], 5, "nothing");
    refused(dir, &["models", "register", &id, "--name", "a/b"], 3, "a/b");
}

#[test]
fn lineage_leads_from_run_to_version_to_what_goes_on_from_it() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    ok(dir, &["models", "register", &id, "--name", "short", "--json"]);
    ok(dir, &["train", "--resume", &id, "--steps", "2000", "--json"]);
    let long = ok(dir, &["models", "register", &id, "--name", "long", "--json"]);
    assert_eq!(long["parent"], "short:1");
    let fold = format!("{id}/fold_0");
    ok(dir, &["models", "register", &fold, "--name", "fold", "--parent", "long", "--json"]);
    let lineage = ok(dir, &["models", "lineage", "long", "--json"]);
    assert_eq!(lineage["ancestors"][0]["model"], "short:1");
    assert_eq!(lineage["ancestors"][0]["digests"].as_array().map(Vec::len), Some(5));
    assert_eq!(lineage["children"][0]["model"], "fold:1");
}

/// The tables of the predecessor: every episode, every action, and sums that agree.
#[test]
fn what_a_model_does_is_written_as_episodes_and_actions() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    ok(dir, &["models", "register", &format!("{id}/fold_0"), "--name", "gold", "--json"]);
    let played = ok(dir, &["models", "play", "gold", "--json"]);
    let folder = dir.join("checkpoints/models/gold/v1");
    let [episodes, actions] = ["episodes", "actions"].map(|table| {
        let file = std::fs::File::open(folder.join(table).with_extension("parquet")).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        reader.map(|batch| batch.unwrap()).collect::<Vec<_>>()
    });
    let sum = |batches: &[RecordBatch], column: &str| -> i64 {
        let column = |b: &RecordBatch| {
            b.column_by_name(column)
                .unwrap()
                .as_primitive::<Int64Type>()
                .iter()
                .flatten()
                .sum::<i64>()
        };
        batches.iter().map(column).sum()
    };
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!(played["episodes"], rows(&episodes));
    assert_eq!(played["actions"], rows(&actions));
    // What came too close to what it learned from was played as held out.
    let memory: Value = serde_json::from_slice(&bytes(folder.join("dataset.json"))).unwrap();
    assert_eq!(memory["test"].as_array().map(Vec::len), Some(rows(&episodes)), "{memory}");
    assert!(rows(&episodes) > 0 && rows(&episodes) < 12, "what it learned from is left out");
    assert_eq!(sum(&episodes, "episode_length"), rows(&actions) as i64);
    let gained = sum(&episodes, "end_balance_e6") - sum(&episodes, "start_balance_e6");
    assert_eq!(gained, sum(&actions, "reward_e6"), "rewards are the change of equity");
    assert_eq!(sum(&episodes, "episode_reward_e6"), gained);
    for batch in &actions {
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let seen = column("observation");
        let seen = seen.as_fixed_size_list();
        assert_eq!((seen.len(), seen.value_length()), (batch.num_rows(), 52));
        let values = seen.values().as_primitive::<Float32Type>().values().clone();
        assert!(values.iter().all(|value| value.is_finite()));
        assert_ne!(&values[..52], &values[values.len() - 52..], "what it saw was never the same");
        let prices = |name: &str| column(name).as_primitive::<Int64Type>().clone();
        let (limit, quantity) = (prices("yes_price_e4"), prices("quantity_e2"));
        let [cash, after] = ["cash_before_e6", "cash_after_e6"].map(prices);
        let [held, then] = ["position_before_e2", "position_after_e2"].map(prices);
        let (paid, executed) = (column("yes_execution_price_e4"), column("is_executed"));
        let paid = paid.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            assert_eq!(executed.as_boolean().value(row), paid.is_valid(row));
            assert_eq!(limit.is_valid(row), quantity.is_valid(row));
            assert!(limit.is_null(row) || (1..10_000).contains(&limit.value(row)));
            assert!(paid.is_null(row) || (1.0..10_000.0).contains(&paid.value(row)));
            if paid.is_null(row) && cash.value(row) != after.value(row) {
                assert_eq!(then.value(row), 0, "paid out at the end");
                assert_ne!(held.value(row), 0);
            }
        }
    }
    // The likeliest of at most five actions is taken: no model is less sure, and none is as sure everywhere.
    let sure = |b: &RecordBatch| {
        b.column_by_name("confidence").unwrap().as_primitive::<Float32Type>().values().to_vec()
    };
    let sure: Vec<f32> = actions.iter().flat_map(sure).collect();
    assert!(sure.iter().all(|p| (0.199..=1.0).contains(p)), "{sure:?}");
    assert!(sure.iter().any(|p| *p != sure[0]), "{sure:?}");
    let all = ok(dir, &["models", "play", "gold", "--all", "--out", "elsewhere", "--json"]);
    assert_eq!(all["episodes"], 12);
    // The version's own files are untouched: it can still be used.
    ok(dir, &["models", "show", "gold", "--json"]);
}

#[test]
fn a_run_repeats_itself_for_any_number_of_threads_and_after_a_longer_way() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &["--seed", "5", "--threads", "3", "-p", "learning_rate=lin_0.001"]);
    // A second leg, under another configuration.
    ok(dir, &["train", "--resume", &id, "--steps", "2000", "--threads", "1", "--json"]);
    let shown = ok(dir, &["runs", "show", &id, "--json"]);
    assert_eq!((&shown["status"], &shown["steps"]), (&"ready".into(), &2048.into()));
    assert_eq!(shown["digests"].as_array().map(Vec::len), Some(5), "{shown}");
    let repeated = ok(dir, &["runs", "repeat", &id, "--json"]);
    assert_eq!(repeated["same"], true, "{repeated}");
    assert!(!dir.join("checkpoints").join(format!("{id}.repeated")).exists());

    let row = dir.join("checkpoints").join(&id).join("fold_2/progress.csv");
    let text = String::from_utf8(bytes(row.clone())).unwrap();
    std::fs::write(row, text.replacen("512", "513", 1)).unwrap();
    let out = at(dir, &["runs", "repeat", &id, "--json"]);
    assert_eq!(out.code, 6, "{}", out.stderr);
    let data: Value = serde_json::from_str(&out.stdout).unwrap();
    let wrong: Vec<&Value> = data["data"]["models"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|m| m["files"].as_array().unwrap())
        .filter(|f| f["same"] == false)
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["file"], "progress.csv");
}

#[test]
fn two_processes_do_not_train_one_run() {
    let dir = recorded();
    let dir = dir.path();
    let id = trained(dir, &[]);
    let folder = dir.join("checkpoints").join(&id);
    let held = kalshiflow::agent::checkpoint::RunDir::claim(&folder).unwrap();
    refused(dir, &["train", "--resume", &id, "--steps", "5000"], 3, "another process");
    let listed = ok(dir, &["runs", "ls", "--json"])["runs"].clone();
    assert_eq!(listed[0]["status"], "training");
    drop(held);
    ok(dir, &["train", "--resume", &id, "--steps", "1500", "--json"]);
}

#[test]
fn filters_say_what_they_leave_and_refuse_to_leave_nothing() {
    let dir = recorded();
    let dir = dir.path();
    let preview = ok(dir, &["train", "--dry-run", "--min-updates", "1", "--json"]);
    assert_eq!(preview["left"].as_array().map(Vec::len), Some(2), "{preview}");
    assert!(!dir.join("checkpoints").exists(), "a preview leaves nothing behind");
    refused(dir, &["train", "--min-volume", "4000000000"], 3, "leave no market");
    refused(dir, &["train", "--series", "NOSUCH"], 3, "series NOSUCH");
    refused(dir, &["train", "-p", "batch_size=60"], 3, "does not divide");
    refused(dir, &["train", "-p", "n_envs=0"], 3, "n_envs");
    assert_eq!(at(dir, &["train", "--envs", "0"]).code, 2);
    refused(dir, &["train", "--stop", "boredom"], 3, "collapse");
    // A filter that all markets pass gives the same plan, in training and before the judge.
    let id = trained(dir, &["--min-updates", "1", "--curriculum", "spread"]);
    let folder = dir.join("checkpoints").join(&id);
    let filter: Value = serde_json::from_slice(&bytes(folder.join("fold_0/filter.json"))).unwrap();
    assert_eq!(filter["updates_min"], 1);
    ok(dir, &["eval", &id, "--json"]);
    assert_eq!(ok(dir, &["runs", "repeat", &id, "--json"])["same"], true);
}
