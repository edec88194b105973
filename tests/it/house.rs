//! The rules of the house: who may import whom, and which door leads to which heavy crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms in the order of `lib.rs`: each may import those before it.
fn rooms() -> Vec<String> {
    let lib = std::fs::read_to_string(source("lib.rs")).expect("lib.rs");
    lib.lines()
        .filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// Rooms that see less than the order allows.
const NARROW: [(&str, &[&str]); 7] = [
    ("view", &["units"]),
    ("wire", &["units", "event", "market", "secret"]),
    ("book", &["units", "event"]),
    (
        "feed",
        &["units", "event", "market", "rng", "secret", "config", "view", "wire", "book", "intake"],
    ),
    ("sim", &["units", "event", "market", "rng", "secret", "wire", "book", "broker"]),
    (
        "dash",
        &[
            "units", "event", "market", "view", "wire", "book", "store", "collect", "broker",
            "replay", "env", "trade", "actor",
        ],
    ),
    ("trade", &["units", "event", "market", "rng", "config", "wire", "book", "feed", "broker"]),
];

/// Crate and the paths under `src` that may name it.
const DOORS: [(&str, &[&str]); 20] = [
    ("redb", &["store"]),
    ("bincode", &["store/codec.rs"]),
    ("arrow", &["dataset"]),
    ("parquet", &["dataset"]),
    ("polars", &["dataset/bridge.rs", "features/pipeline.rs", "features/report.rs"]),
    ("burn", &["agent"]),
    ("safetensors", &["agent"]),
    ("clap", &["cli"]),
    ("rsa", &["wire/auth"]),
    ("ring", &["wire/auth"]),
    ("tokio_tungstenite", &["feed", "sim/server"]),
    ("reqwest", &["feed"]),
    ("rustls", &["feed/tls.rs"]),
    ("axum", &["sim"]),
    ("toml", &["config", "agent", "cli"]),
    ("indicatif", &["cli"]),
    ("ratatui", &["dash"]),
    ("crossterm", &["dash"]),
    ("zip", &["agent/sb3"]),
    ("pulp", &["agent/simd.rs"]),
];

/// Rooms without IO, clock and threads, and the files in them that are edges.
const PURE: [&str; 6] = ["wire", "book", "broker", "features", "env", "trade"];
const EDGES: [&str; 10] = [
    "features/pipeline.rs",
    "features/report.rs",
    "trade/gateway.rs",
    "trade/journal.rs",
    "trade/kill.rs",
    "trade/runner/clock.rs",
    "trade/runner/mod.rs",
    "trade/runner/private.rs",
    "trade/runner/work.rs",
    "trade/standing.rs",
];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Path under `src` and the lines of code (comments and tests left out) of every file.
fn code() -> Vec<(String, Vec<(usize, String)>)> {
    let mut paths = Vec::new();
    files(&source(""), &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(source("")).expect("under src").display().to_string();
        let text = std::fs::read_to_string(path).expect("source");
        let body = text.split("\nmod tests {").next().unwrap_or_default().to_owned();
        let lines = body.lines().enumerate();
        let lines = lines
            .map(|(i, l)| (i + 1, l.split("//").next().unwrap_or_default().to_owned()))
            .collect();
        (name, lines)
    };
    let is_test = |name: &str| name.ends_with("tests.rs") || name.contains("/tests/");
    paths.iter().map(read).filter(|(name, _)| !is_test(name)).collect()
}

/// Names that follow `crate::` in a line of code.
fn imports(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let starts =
            before.is_none_or(|c| !c.is_alphanumeric() && !['_', '"', '.', ':'].contains(&c));
        starts
            && (after.starts_with("::")
                || (line.trim_start().starts_with("use ") && after.starts_with(';')))
    })
}

#[test]
fn rooms_import_only_rooms_above_them() {
    let rooms = rooms();
    let rank: BTreeMap<_, _> = rooms.iter().enumerate().map(|(i, r)| (r.as_str(), i)).collect();
    let narrow: BTreeMap<_, _> = NARROW.into_iter().collect();
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        let Some(mine) = rank.get(room) else { continue };
        for (number, line) in &lines {
            for target in imports(line).filter(|t| *t != room) {
                let Some(theirs) = rank.get(target) else { continue };
                let seen = narrow.get(room).is_none_or(|allowed| allowed.contains(&target));
                if theirs > mine || !seen {
                    wrong.push(format!("src/{file}:{number}: `{room}` imports `{target}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a room imports only rooms above it (lib.rs):\n{}", wrong.join("\n"));
}

#[test]
fn each_heavy_crate_has_one_door() {
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        for (name, doors) in DOORS {
            let allowed = doors.iter().any(|d| {
                file == *d || file.starts_with(&format!("{d}/")) || file == format!("{d}.rs")
            });
            let hits = lines.iter().filter(|(_, l)| names_crate(l, name));
            wrong.extend(hits.filter(|_| !allowed).map(|(number, _)| {
                format!("src/{file}:{number}: `{name}` belongs to src/{}", doors.join(" or src/"))
            }));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What changes something at an exchange is sent in one file, which checks where it goes.
#[test]
fn order_calls_have_one_door() {
    let words = ["Method::POST", "Method::PUT", "Method::DELETE", ".post(", ".put(", ".delete("];
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        // Only the feed can send at all: it has the HTTP client.
        if file == "feed/rest/orders.rs" || !file.starts_with("feed/") {
            continue;
        }
        let hit = |l: &str| words.iter().any(|w| l.contains(w));
        wrong.extend(lines.iter().filter(|(_, l)| hit(l)).map(|(n, _)| format!("src/{file}:{n}")));
    }
    assert!(
        wrong.is_empty(),
        "order calls belong to src/feed/rest/orders.rs: {}",
        wrong.join(", ")
    );
}

#[test]
fn environment_variables_are_read_in_one_file() {
    let mut wrong = Vec::new();
    for (file, lines) in code().into_iter().filter(|(f, _)| f != "config/env.rs") {
        let reads = |l: &str| l.contains("env::var") || l.contains("env::vars");
        wrong
            .extend(lines.iter().filter(|(_, l)| reads(l)).map(|(n, _)| format!("src/{file}:{n}")));
    }
    assert!(wrong.is_empty(), "read it in src/config/env.rs: {}", wrong.join(", "));
}

#[test]
fn pure_rooms_touch_no_file_clock_or_thread() {
    let edges =
        ["std::fs", "std::net", "std::thread", "SystemTime", "Instant::now", "std::process"];
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        let room = file.split(['/', '.']).next().unwrap_or_default();
        if !PURE.contains(&room) || EDGES.contains(&file.as_str()) {
            continue;
        }
        let hit = |l: &str| edges.iter().any(|e| l.contains(e));
        wrong.extend(
            lines
                .iter()
                .filter(|(_, l)| hit(l))
                .map(|(n, l)| format!("src/{file}:{n}: {}", l.trim())),
        );
    }
    assert!(wrong.is_empty(), "pure rooms get time and data handed in:\n{}", wrong.join("\n"));
}

#[test]
fn no_unwrap_and_nothing_left_open_outside_tests() {
    let words = [".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "TODO", "FIXME"];
    let mut wrong = Vec::new();
    for (file, lines) in code() {
        let hit = |l: &str| words.iter().any(|w| l.contains(w));
        wrong.extend(
            lines
                .iter()
                .filter(|(_, l)| hit(l))
                .map(|(n, l)| format!("src/{file}:{n}: {}", l.trim())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The packages of one edge selection and their features, as cargo resolves them, by name and version.
fn resolved(edges: &str) -> BTreeMap<String, String> {
    let out = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--edges", edges, "--format", "{p}\t{f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8(out.stdout).expect("text");
    lines
        .lines()
        .filter_map(|l| l.split_once('\t'))
        .map(|(package, features)| {
            (package.to_owned(), features.trim_end_matches(" (*)").to_owned())
        })
        .collect()
}

/// `cargo run` and `cargo test` share one build of the dependencies. A tool of the tests that turned on a feature of
/// libc once had polars and burn built twice, half an hour on two cores.
#[test]
fn the_tests_build_no_dependency_of_the_program_anew() {
    let (program, tests) = (resolved("normal,build"), resolved("normal,build,dev"));
    let twice: Vec<_> = program
        .iter()
        .filter(|(package, features)| tests.get(*package).is_some_and(|t| t != *features))
        .map(|(package, features)| {
            format!("{package}: {features} for run, {} for test", tests[package])
        })
        .collect();
    assert!(program.len() > 100, "{} packages", program.len());
    assert!(twice.is_empty(), "{twice:#?}");
}
