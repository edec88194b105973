//! R22, training: killed at any moment, also while it saves; the disk full; numbers that break.

use super::{SmallDisk, say, spread, survived, times};
use crate::cli::kflow;
use crate::registry::{at, recorded};
use kalshiflow::agent::checkpoint::REPEATABLE;
use kalshiflow::agent::model::Model;
use kalshiflow::rng::Rng;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const DISK_BYTES: u64 = 24 << 20;
/// A run saves after every update: most of its time goes into that.
const QUICK: [&str; 13] = [
    "train",
    "--seeds",
    "1",
    "-p",
    "n_steps=64",
    "-p",
    "save_freq=1",
    "-p",
    "n_epochs=2",
    "--steps",
    "2500",
    "--threads",
    "2",
];

/// The run folder below `run_dir` that can be taken up, if any.
fn to_take_up(run_dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(run_dir).ok()?.flatten();
    // A run whose folders were being made ends in `.new`, and is none.
    let is_run = |d: &PathBuf| d.extension().is_none() && d.join("fold_0/config.json").is_file();
    entries.map(|entry| entry.path()).find(is_run)
}

/// The words that begin a run below `run_dir`, or take up the one that is there.
fn words(data: &Path, run_dir: &Path) -> Vec<String> {
    let mut words: Vec<String> = match to_take_up(run_dir) {
        Some(run) => vec!["train".into(), "--resume".into(), run.display().to_string()],
        None => QUICK.map(str::to_owned).to_vec(),
    };
    for (option, path) in [("--run-dir", run_dir), ("--data", data)] {
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    words
}

/// The files of all models of the one run below `run_dir` that must come out the same.
fn files(run_dir: &Path) -> Vec<(String, Vec<u8>)> {
    let run = to_take_up(run_dir).expect("a run");
    let mut files = Vec::new();
    for fold in 0..5 {
        for name in REPEATABLE.iter().chain(&["config.json", "provenance.json"]) {
            let path = format!("fold_{fold}/{name}");
            files.push((path.clone(), std::fs::read(run.join(&path)).unwrap_or_default()));
        }
    }
    files
}

fn differs(run_dir: &Path, reference: &[(String, Vec<u8>)]) -> Option<String> {
    let pairs = files(run_dir).into_iter().zip(reference);
    pairs.filter(|(is, was)| is != *was).map(|(is, _)| format!("{} differs", is.0)).next()
}

/// Runs to the end; says what went wrong.
fn finish(data: &Path, run_dir: &Path) -> Result<(), String> {
    let words = words(data, run_dir);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let out = at(data, &words);
    if out.code == 0 { Ok(()) } else { Err(format!("{words:?}: {}", out.stderr)) }
}

/// Kills one run after another at random moments until `kills` hit; how many of them came while a state was
/// being saved, and what was wrong.
fn kill(
    data: &Path,
    reference: &[(String, Vec<u8>)],
    whole: Duration,
    (kills, round): (u64, u64),
) -> (u64, Vec<String>) {
    let (mut rng, mut hits, mut saving, mut wrong) =
        (Rng::stream(22, "kill", round), 0, 0, Vec::new());
    while hits < kills {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("checkpoints");
        loop {
            let words = words(data, &run_dir);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut child =
                kflow(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole.mul_f64(rng.unit()));
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            if ended.code() == Some(0) || hits == kills {
                break;
            }
            if let Some(code) = ended.code() {
                wrong.push(format!("{words:?} ended by itself with {code}"));
                break;
            }
            hits += 1;
            let unfinished = |fold: u32| {
                let folder = to_take_up(&run_dir).map(|run| run.join(format!("fold_{fold}")));
                folder.is_some_and(|f| f.join("last.new").exists() || f.join("last.old").exists())
            };
            saving += u64::from((0..5).any(unfinished));
        }
        let end = finish(data, &run_dir).err().or_else(|| differs(&run_dir, reference));
        wrong.extend(end);
    }
    (saving, wrong)
}

/// Trains on a disk with little room; then with enough.
fn fill(
    data: &Path,
    reference: &[(String, Vec<u8>)],
    rng: &mut Rng,
) -> Option<Result<bool, String>> {
    let disk = SmallDisk::mount(DISK_BYTES)?;
    let run_dir = disk.path().join("checkpoints");
    let mut ballast = File::create(disk.path().join("ballast")).unwrap();
    let room = spread(rng, 1 << 12, 6 << 20);
    ballast.write_all(&vec![1; (DISK_BYTES - room) as usize]).unwrap();
    let out = at(data, &words(data, &run_dir).iter().map(String::as_str).collect::<Vec<_>>());
    if out.code != 0 && (out.code != 1 || !out.stderr.contains("hint:")) {
        return Some(Err(format!("room {room}: code {}: {}", out.code, out.stderr)));
    }
    ballast.set_len(0).unwrap();
    let end = finish(data, &run_dir).err().or_else(|| differs(&run_dir, reference));
    Some(end.map_or(Ok(out.code == 1), Err))
}

/// A step size that breaks every number: the run ends by name, and what it saved before is whole.
fn breaks(data: &Path, seed: u64) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let run_dir = dir.path().join("checkpoints");
    let seed = seed.to_string();
    let run_dir_text = run_dir.display().to_string();
    let data_text = data.display().to_string();
    let places = ["--data", &data_text, "--run-dir", &run_dir_text];
    let more = [&["-p", "learning_rate=1e30", "--seed", &seed][..], &places].concat();
    let out = at(data, &[&QUICK[..], &more].concat());
    let told = out.code == 1 && out.stderr.contains("broke down") && out.stderr.contains("hint:");
    let run = to_take_up(&run_dir).ok_or(format!("no run: {}", out.stderr))?;
    let dumped = (0..5).any(|i| run.join(format!("fold_{i}/broken.json")).is_file());
    let states = (0..5).map(|i| run.join(format!("fold_{i}"))).filter(|d| d.join("last").exists());
    let whole = states.map(|d| Model::load(&d)).all(|model| model.is_ok());
    if told && dumped && whole { Ok(()) } else { Err(format!("{}: {}", out.code, out.stderr)) }
}

#[test]
fn training_that_is_killed_or_runs_out_of_space_goes_on_to_the_same_bytes() {
    let dir = recorded();
    let data = dir.path().join("datasets");
    let reference_dir = dir.path().join("reference");
    let begun = Instant::now();
    finish(&data, &reference_dir).unwrap();
    let (whole, reference) = (begun.elapsed(), files(&reference_dir));

    let mut kills = times(40, 160);
    let (mut saving, mut wrong) = kill(&data, &reference, whole, (kills, 0));
    // Where a sync costs nothing, a state is saved in no time, and rarely hit.
    for round in 1..10 {
        if saving == 0 {
            let (hit, found) = kill(&data, &reference, whole, (40, round));
            (saving, kills) = (hit, kills + 40);
            wrong.extend(found);
        }
    }
    let (mut full, mut rounds, mut rng) = (0, 0, Rng::stream(22, "full", 0));
    for _ in 0..times(8, 30) {
        let Some(round) = fill(&data, &reference, &mut rng) else { break };
        rounds += 1;
        full += u64::from(round == Ok(true));
        wrong.extend(round.err());
    }
    let broken = times(2, 10);
    wrong.extend((0..broken).filter_map(|seed| breaks(&data, seed).err()));

    say(&format!(
        "R22: {saving} of {kills} kills while a state was being saved, {full} of {rounds} disks full"
    ));
    assert!(saving > 0, "no kill came while a state was being saved");
    assert!(full > 0 || rounds == 0, "no disk was ever full");
    // What is wrong comes first on the line: reports of test runs cut long texts.
    assert!(wrong.is_empty(), "R22: {}", wrong.join("; "));
    let n = kills + rounds + broken;
    survived(
        "R22",
        "training killed, also while saving, disk full, numbers that break: goes on to the same bytes",
        n,
        n,
        0,
    );
}
