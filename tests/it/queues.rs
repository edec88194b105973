//! What an exchange told about places in its queues, written down by trading and read by the calibration.

use crate::actor::{Exchange, trade};
use crate::cli::{kflow, run};
use kalshiflow::check::fills::positions;
use kalshiflow::trade::journal::QUEUE_FILE;
use kalshiflow::units::Qty;
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn a_session_with_orders_at_an_exchange_can_be_calibrated_by_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let data = dir.path().join("data");
    let calibrate = || {
        let words = ["fills", "calibrate", "--json", "--positions", "--data"];
        run(kflow(&words).arg(&data))
    };
    let none = calibrate();
    assert_eq!(none.code, 3, "{}", none.stderr);
    assert!(none.stderr.contains("--orders"), "{}", none.stderr);

    let quotes = ["--policy", "random", "--select", "all", "--quotes", "join", "--orders", "sim"];
    let told = trade(&exchange, &data, &quotes);
    let session = std::fs::read_dir(data.join("trade")).unwrap().next().unwrap().unwrap().path();
    let places = positions::read(&session.join(QUEUE_FILE)).unwrap();
    let mut looks: BTreeMap<&str, usize> = BTreeMap::new();
    places.iter().for_each(|place| *looks.entry(&place.order_id).or_default() += 1);
    let followed = looks.values().filter(|looks| **looks > 1).count();
    assert!(followed > 0, "{} places, {told}", places.len());
    assert!(places.iter().all(|place| place.own > Qty::ZERO && place.ahead >= Qty::ZERO));

    // A few seconds may be too few for a fit, but every order that was seen twice beside a book is counted.
    let out = calibrate();
    assert!(out.code == 0 || out.code == 6, "{}", out.stderr);
    let found: Value = serde_json::from_str(&out.stdout).unwrap();
    let found = &found["data"];
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let fitted = found["series"].as_array().unwrap().iter();
    let few = found["too_few"].as_array().unwrap().iter();
    let orders = fitted.map(|row| number(&row["train_orders"]) + number(&row["test_orders"]));
    let few = few.map(|row| number(&row["orders"][0]) + number(&row["orders"][1]));
    let read: usize = orders.chain(few).sum();
    assert!(read > 0 && read <= looks.len(), "{read} of {followed}: {found}");
}
