//! What the oracle says of a window, counted from the verdicts.

use super::{Window, shadow};
use crate::book::Book;
use crate::broker::attribution::{Cause, Key, Stamp, Verdict};
use crate::digest::sha256_hex;
use crate::event::{Body, Event, Trade};
use crate::units::{Qty, Side};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts, lags, volumes, the digest of all matches and what became of the shadow orders.
pub(super) fn tally(window: &Window, orders: &[shadow::Order]) -> Value {
    let mut out = Map::new();
    counts(window, &mut out);
    ambiguity(window, &mut out);
    lags(window, &mut out);
    volumes(window, &mut out);
    out.insert("match_digest".into(), match_digest(window).into());
    out.insert("shadow".into(), shadow::summary(orders));
    Value::Object(out)
}

fn trades(window: &Window) -> impl Iterator<Item = (u64, &Event, &Trade)> {
    window.events.iter().zip(0..).filter_map(|(event, row)| match &event.body {
        Body::Trade(trade) => Some((row, event, &**trade)),
        _ => None,
    })
}

fn counts(window: &Window, out: &mut Map<String, Value>) {
    let n_trades = trades(window).count();
    let (mut increases, mut increase_volume) = (0, 0);
    for event in &window.events {
        if let Body::Delta(delta) = &event.body {
            increases += u64::from(delta.qty > Qty::ZERO);
            increase_volume += delta.qty.e2().max(0);
        }
    }
    let matched = window.trade_of.len();
    let put = |(key, value): (&str, Value)| (key.to_owned(), value);
    out.extend(
        [
            ("trades", json!(n_trades)),
            ("decreases", json!(window.verdicts.len())),
            ("increases", json!(increases)),
            ("increase_volume_e2", json!(increase_volume)),
            ("matched", json!(matched)),
            ("unmatched", json!(n_trades - matched)),
            ("cancels", json!(window.verdicts.len() - matched)),
        ]
        .map(put),
    );
}

/// Keys with trades: those with more decreases than trades, and those used more than once.
fn ambiguity(window: &Window, out: &mut Map<String, Value>) {
    let mut keys: BTreeMap<Key, [Vec<u64>; 2]> = BTreeMap::new();
    for (row, event, trade) in trades(window) {
        let key = Key::of_trade(Stamp::of(event), trade);
        keys.entry(key).or_default()[0].push(row);
    }
    for verdict in &window.verdicts {
        if let Some(rows) = keys.get_mut(&verdict.key) {
            rows[1].push(verdict.row);
        }
    }
    let unsure = || keys.iter().filter(|(_, [trades, decreases])| decreases.len() > trades.len());
    let mut list: Vec<_> = unsure().collect();
    list.sort_by_key(|(_, rows)| rows[0][0]);
    let list = list.into_iter().map(|(key, [trades, decreases])| {
        json!({"trades": trades, "candidate_deltas": decreases, "ts_ms": key.ts_ms,
            "side": key.side.word(), "price_e4": key.price.e4(), "size_e2": key.qty.e2()})
    });
    out.insert("ambiguous_list".into(), list.collect());
    let ambiguous: usize = unsure().map(|(_, rows)| rows[0].len()).sum();
    let repeated = keys.values().map(|rows| rows[0].len()).filter(|n| *n > 1).sum::<usize>();
    out.insert("ambiguous".into(), ambiguous.into());
    out.insert("exact".into(), (window.trade_of.len() - ambiguous).into());
    out.insert("trades_in_repeated_keys".into(), repeated.into());
}

fn lags(window: &Window, out: &mut Map<String, Value>) {
    let recv_ms = |row: u64| window.events[row as usize].recv.ms();
    let rows = || window.trade_of.iter().map(|(d, t)| *t as i64 - *d as i64);
    let times = || window.trade_of.iter().map(|(d, t)| recv_ms(*t) - recv_ms(*d));
    let first = rows().filter(|lag| *lag > 0).count();
    out.insert("delta_first".into(), first.into());
    out.insert("trade_first".into(), (window.trade_of.len() - first).into());
    out.insert("lag_rows_min".into(), json!(rows().min()));
    out.insert("lag_rows_max".into(), json!(rows().max()));
    out.insert("lag_recv_ms_min".into(), json!(times().min()));
    out.insert("lag_recv_ms_max".into(), json!(times().max()));
}

fn volumes(window: &Window, out: &mut Map<String, Value>) {
    let mut volume: BTreeMap<&str, i64> = BTreeMap::new();
    let mut book = Book::default();
    let mut verdicts = window.verdicts.iter().peekable();
    for (event, row) in window.events.iter().zip(0..) {
        while let Some(verdict) = verdicts.next_if(|v| v.row == row) {
            let best = book.bids(verdict.key.side).best();
            count(verdict, best.is_some_and(|b| b.0 == verdict.key.price), &mut volume);
        }
        // What a damaged tape says is in the books' own check.
        let _ = book.apply(event);
    }
    for (_, _, trade) in trades(window) {
        *volume.entry("trade_volume_e2").or_default() += trade.qty.e2();
    }
    const ALL: [&str; 9] = [
        "decrease_volume_e2",
        "trade_volume_e2",
        "cancel_volume_e2",
        "trade_volume_hit_yes_e2",
        "trade_volume_hit_no_e2",
        "cancel_volume_yes_e2",
        "cancel_volume_no_e2",
        "matched_at_best_level",
        "cancels_at_best_level",
    ];
    out.extend(ALL.map(|key| (key.to_owned(), 0.into())));
    out.insert("cancel_volume_at_best_level_e2".into(), 0.into());
    out.extend(volume.into_iter().map(|(key, n)| (key.to_owned(), n.into())));
}

fn count(verdict: &Verdict, at_best: bool, volume: &mut BTreeMap<&str, i64>) {
    let qty = verdict.key.qty.e2();
    let mut add = |key, n| *volume.entry(key).or_default() += n;
    add("decrease_volume_e2", qty);
    let is_yes = verdict.key.side == Side::Yes;
    match verdict.cause {
        Cause::Trade(_) => {
            add(if is_yes { "trade_volume_hit_yes_e2" } else { "trade_volume_hit_no_e2" }, qty);
            add("matched_at_best_level", i64::from(at_best));
        }
        Cause::Cancel => {
            add("cancel_volume_e2", qty);
            add(if is_yes { "cancel_volume_yes_e2" } else { "cancel_volume_no_e2" }, qty);
            add("cancels_at_best_level", i64::from(at_best));
            add("cancel_volume_at_best_level_e2", if at_best { qty } else { 0 });
        }
    }
}

/// SHA-256 of `trade_row:delta_row;` over all matches in order of the trades.
fn match_digest(window: &Window) -> String {
    let by_trade: BTreeMap<_, _> = window.trade_of.iter().map(|(d, t)| (t, d)).collect();
    let mut text = String::new();
    for (trade, decrease) in by_trade {
        let _ = write!(text, "{trade}:{decrease};");
    }
    sha256_hex(text)
}
