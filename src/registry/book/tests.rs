//! Names, numbers, aliases and the gate.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn version(name: &str, number: u32) -> Version {
    Version {
        name: name.to_owned(),
        version: number,
        source: "run".to_owned(),
        parent: None,
        algo: "ppo".to_owned(),
        steps: 1_000,
        models: 1,
        seeds: 1,
        layout: "flow52-v1".to_owned(),
        layout_hash: "00".to_owned(),
        actions: "hold".to_owned(),
        reward: "equity-v1".to_owned(),
        digests: vec!["d".to_owned()],
        content_sha256: format!("{name}{number}"),
        metrics: json!([{"train/loss": 0.1}]),
        registered_unix_s: 7,
        program: "kflow".to_owned(),
    }
}

fn judged(version: &Version, markets: usize) -> Judged {
    Judged {
        content_sha256: version.content_sha256.clone(),
        data_sha256: "data".to_owned(),
        seeds: 1,
        tries: 1,
        markets,
        mean_return: (markets > 0).then_some(-0.01),
        ci95: None,
        verdict: "no evidence".to_owned(),
        unix_s: 8,
    }
}

fn hand(reason: Option<&str>) -> Hand {
    Hand { unix_s: 9, uid: 1, reason: reason.map(str::to_owned) }
}

/// A book with two versions of `gold`.
fn book() -> Book {
    let mut book = Book::default();
    book.register(version("gold", 1)).unwrap();
    book.register(version("gold", 2)).unwrap();
    book
}

#[test]
fn only_what_was_judged_on_held_out_markets_becomes_champion() {
    let mut book = book();
    let try_it = |book: &mut Book| book.alias(("gold", 1), CHAMPION, &hand(None));
    assert!(matches!(try_it(&mut book), Err(RegistryError::Gate { .. })));
    book.judge(judged(&version("gold", 2), 30));
    assert!(try_it(&mut book).is_err(), "another version's evaluation opens no gate");
    book.judge(judged(&version("gold", 1), 0));
    assert!(try_it(&mut book).is_err(), "nothing was held out");
    assert_eq!(book.aliased("gold", CHAMPION), None);
    book.judge(judged(&version("gold", 1), 30));
    try_it(&mut book).unwrap();
    assert_eq!(book.status(&version("gold", 1)), Status::Deployed);
}

#[test]
fn who_passes_over_the_gate_is_kept_with_the_reason() {
    let mut book = book();
    book.alias(("gold", 1), CHAMPION, &hand(Some("a rehearsal"))).unwrap();
    let event = book.events().last().unwrap();
    assert_eq!((event.uid, event.reason.as_deref()), (1, Some("a rehearsal")));
    assert!(event.what.contains("by force"), "{}", event.what);
}

#[test]
fn a_champion_that_is_replaced_is_ready_again() {
    let mut book = book();
    let force = hand(Some("test"));
    book.alias(("gold", 1), CHAMPION, &force).unwrap();
    book.alias(("gold", 2), CHAMPION, &force).unwrap();
    let status = |n| book.status(&version("gold", n));
    assert_eq!((status(1), status(2)), (Status::Ready, Status::Deployed));
}

#[test]
fn what_has_an_alias_is_not_archived_and_what_is_archived_gets_none() {
    let mut book = book();
    book.alias(("gold", 1), "candidate", &hand(None)).unwrap();
    assert!(matches!(book.archive(("gold", 1), &hand(None)), Err(RegistryError::Move { .. })));
    book.drop_alias("gold", "candidate", &hand(None)).unwrap();
    book.archive(("gold", 1), &hand(None)).unwrap();
    assert!(book.archive(("gold", 1), &hand(None)).is_err(), "once is enough");
    assert!(book.alias(("gold", 1), "candidate", &hand(None)).is_err());
    assert!(book.alias(("gold", 1), CHAMPION, &hand(Some("but"))).is_err(), "not by force either");
    assert_eq!(book.newest("gold").map(|v| v.version), Some(2));
    assert_eq!(book.next_version("gold").unwrap(), 3, "numbers are never given twice");
}

#[test]
fn what_was_recorded_is_not_recorded_again() {
    let mut book = book();
    assert!(matches!(book.register(version("gold", 2)), Err(RegistryError::Recorded(_))));
    assert!(book.register(version("gold", 4)).is_err(), "no number is left out");
    let run = |seed| Run {
        id: "r".to_owned(),
        algo: "ppo".to_owned(),
        seed,
        digests: Vec::new(),
        status: Status::Training,
        started_unix_s: 1,
        ended_unix_s: None,
        results: Vec::new(),
    };
    book.start_run(run(1)).unwrap();
    let came = vec![Trained { steps: 9, ended: "finished".to_owned(), metrics: json!({"a": 1}) }];
    book.end_run("r", came.clone(), Vec::new(), 2).unwrap();
    let again = book.end_run("r", Vec::new(), Vec::new(), 3);
    assert!(again.is_err(), "the figures of a run stand");
    assert!(book.start_run(run(2)).is_err(), "an id belongs to one run");
    book.start_run(Run { started_unix_s: 4, ..run(1) }).unwrap();
    let (run, begun) = (book.run("r").unwrap(), 1);
    assert_eq!(run.status, Status::Training, "taken up again");
    assert_eq!((run.started_unix_s, &run.results), (begun, &came), "until it ends anew");
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    for name in ["", "..", "a/b", "a:1", "a@b", "1a", "-a", &"a".repeat(65)] {
        assert!(
            matches!(Book::default().next_version(name), Err(RegistryError::Name(_))),
            "{name}"
        );
    }
    assert_eq!(Book::default().next_version("PPO_NYC-2.b").unwrap(), 1);
}

#[test]
fn a_record_of_another_program_is_an_error() {
    let mut entries = book().records();
    entries.insert("vote/1".to_owned(), b"1".to_vec());
    assert!(matches!(Book::read(&entries), Err(RegistryError::Record { .. })));
}

#[test]
fn a_record_from_before_seeds_and_tries_were_counted_is_of_one() {
    let mut book = book();
    book.judge(judged(&version("gold", 1), 30));
    let mut entries = book.records();
    for (name, bytes) in &mut entries {
        let mut record: Value = serde_json::from_slice(bytes).unwrap();
        let tries = record.as_object_mut().and_then(|r| r.remove("tries"));
        assert_eq!(tries, name.starts_with("judged").then(|| json!(1)));
        assert_eq!(record.as_object_mut().and_then(|r| r.remove("seeds")), Some(json!(1)));
        *bytes = record.to_string().into_bytes();
    }
    assert_eq!(Book::read(&entries).unwrap(), book);
}

proptest! {
    /// Whatever is done to a book, reading what it wrote gives the same book, at most one version of a name is
    /// deployed, nothing archived has an alias, and no version's record ever changes.
    #[test]
    fn a_book_survives_its_file_and_keeps_its_rules(moves in prop::collection::vec((0u8..5, 1u32..4, 0u8..2), 0..40)) {
        let mut book = Book::default();
        let mut written: BTreeMap<String, Value> = BTreeMap::new();
        for (what, number, which) in moves {
            let (name, alias) = (["gold", "oil"][which as usize], ["candidate", CHAMPION][which as usize]);
            // That many moves are refused is part of it.
            let _ = match what {
                0 => book.next_version(name).and_then(|n| book.register(version(name, n))),
                1 => book.alias((name, number), alias, &hand(Some("why"))),
                2 => book.drop_alias(name, alias, &hand(None)).map(drop),
                3 => book.archive((name, number), &hand(None)),
                _ => book.alias((name, number), alias, &hand(None)),
            };
            let again = Book::read(&book.records()).unwrap();
            prop_assert_eq!(&again, &book);
            let told = Book::of_json(book.to_json().to_string().as_bytes()).unwrap();
            prop_assert_eq!(&told, &book, "what stands as text is all of it");
            for version in book.versions() {
                let first = written.entry(version.id()).or_insert_with(|| json!(version));
                prop_assert_eq!(&*first, &json!(version));
                let archived = book.status(version) == Status::Archived;
                prop_assert!(!archived || book.aliases_of(version).is_empty());
            }
            for name in ["gold", "oil"] {
                let of_name = book.versions().filter(|v| v.name == name);
                prop_assert!(of_name.filter(|v| book.status(v) == Status::Deployed).count() <= 1);
            }
        }
    }
}
