//! A dashboard in the middle of its work: the same numbers each time, at a fixed moment.

use kalshiflow::broker::matching::{NewOrder, OrderId};
use kalshiflow::broker::{Intent, Verb};
use kalshiflow::dash::source::tape::Tape;
use kalshiflow::dash::{Deed, Heard, Level, Line, Msg, News, Opening, Reach, Run, State};
use kalshiflow::env::account::Request;
use kalshiflow::event::{Body, Delta, Event, Gap, GapCause, MarketId, Snapshot, Trade};
use kalshiflow::rng::Rng;
use kalshiflow::units::{Price, Qty, Side, TsNs, TsUs};
use kalshiflow::view::{CollectStatus, Link, ModelStatus, Quantiles, RunStatus, SessionStatus};
use kalshiflow::wire::orders::{SelfTradePrevention, TimeInForce};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-11-20 12:34:56 UTC.
pub const NOW: TsNs = TsNs::from_ms(1_795_178_096_000);
/// Seconds of events before it.
const SECONDS: i64 = 120;
/// Book frames between two trades.
const TRADE_EVERY: u64 = 17;

/// What happens in `markets` markets in the two minutes before [`NOW`], `per_second` events in a second.
pub fn heard(markets: u32, per_second: u64) -> Heard {
    let mut rng = Rng::stream(7, "dash fixture", 0);
    let start = NOW.0 - SECONDS * 1_000_000_000;
    let mut heard = Heard { began: true, ..Heard::default() };
    let mut row_id = 0;
    let mut push = |heard: &mut Heard, market: u32, at: i64, seq: u64, body: Body| {
        row_id += 1;
        let lag_us = 1_500 + (row_id as i64 * 7_919) % 4_000;
        let ts = (!matches!(body, Body::Market(_) | Body::Snapshot(_)))
            .then(|| TsUs(at / 1_000 - lag_us));
        let market = MarketId(market);
        heard.events.push(Event { row_id, recv: TsNs(at), ts, market, sid: 1, seq, body });
    };
    for id in 0..markets {
        let ticker = format!("KXHIGHNY-26NOV20-B{}.5", 40 + id);
        heard.markets.push((MarketId(id), ticker.as_str().into()));
        let (low, high) = (40 + id, 41 + id);
        let definition = json!({
            "ticker": ticker, "event_ticker": "KXHIGHNY-26NOV20", "status": "active",
            "title": format!("High temperature in NYC: {low} to {high} degrees"),
            "close_time": format!("2026-11-20T{:02}:00:00Z", 13 + id % 10),
        });
        push(&mut heard, id, start, 0, Body::Market(definition.to_string().into()));
        let mid = 20 + (id * 13) % 60;
        let levels = |rng: &mut Rng, best: u32| -> Vec<(Price, Qty)> {
            let level = |rng: &mut Rng, i: u32| {
                let size = Qty(100 * (50 + rng.below(2_000) as i64));
                (Price::new(i64::from(best.saturating_sub(i)) * 100).expect("in range"), size)
            };
            (0..best.min(18)).map(|i| level(rng, i)).collect()
        };
        let yes = levels(&mut rng, mid - 1);
        let no = levels(&mut rng, 100 - mid);
        push(&mut heard, id, start, 1, Body::Snapshot(Box::new(Snapshot { yes, no })));
    }
    let events = SECONDS as u64 * per_second;
    for i in 0..events {
        let at = start + ((i + 1) as i64 * SECONDS * 1_000_000_000) / (events as i64 + 1);
        let id =
            if markets > 1 && rng.chance(0.5) { rng.below(u64::from(markets)) as u32 } else { 0 };
        let mid = 20 + (id * 13) % 60;
        let side = if rng.chance(0.5) { Side::Yes } else { Side::No };
        let best = if side == Side::Yes { mid - 1 } else { 100 - mid };
        let price = Price::new(100 * i64::from(best - rng.below(10) as u32)).expect("in range");
        let qty = Qty(100 * (1 + rng.below(60) as i64));
        let body = if i % TRADE_EVERY == 3 {
            let yes_price = if side == Side::Yes { price } else { price.complement() };
            let trade_id = [i as u8; 16];
            Body::Trade(Box::new(Trade { taker: side, yes_price, qty, block: None, id: trade_id }))
        } else {
            Body::Delta(Delta { side, price, qty })
        };
        push(&mut heard, id, at, i + 2, body);
    }
    heard
}

/// The collector's figures.
pub fn collect_status() -> CollectStatus {
    CollectStatus {
        session: "0199f7a2-5f00-7000-8000-000000000001".into(),
        exchange_env: "sim".into(),
        source: "sim:seed=7".into(),
        link: Link::Live,
        uptime_s: 8_024,
        markets: 300,
        received: 6_514_220,
        accepted: 6_514_523,
        committed: 6_514_388,
        missing: 3,
        gaps: 2,
        reconnects: 1,
        frames_per_s: 812.3,
        lag_ms: Quantiles { p50: 1.9, p99: 4.1 },
        commit_ms: Quantiles { p50: 48.0, p99: 102.5 },
        queue: 12,
        queue_max: 64,
        log_bytes: 1_200_000_000,
        log_bytes_per_min: 3_100_000.0,
        disk_free_bytes: 71_000_000_000,
        disk_days: Some(15.2),
        ..CollectStatus::default()
    }
}

/// Ten YES contracts, to rest at this price.
pub fn bid(price_e4: i64) -> NewOrder {
    NewOrder {
        intent: Intent { side: Side::Yes, verb: Verb::Buy },
        price: Price::new(price_e4).expect("in range"),
        qty: Qty::contracts(10),
        time_in_force: TimeInForce::GoodTillCanceled,
        expires: None,
        post_only: false,
        reduce_only: false,
        self_trade: SelfTradePrevention::TakerAtCross,
    }
}

fn deeds() -> Vec<Deed> {
    let mut rng = Rng::stream(7, "dash deeds", 0);
    let names = ["hold", "buy_yes_10", "sell_yes_10", "buy_no_10", "sell_no_10"];
    let mut equity_e6 = 100_000_000;
    (0..90)
        .map(|i| {
            let action = if rng.chance(0.6) { 0 } else { 1 + rng.below(4) as u32 };
            equity_e6 += (rng.below(400_000) as i64) - 190_000;
            let held = i % 11 == 7 && action > 0;
            let submit = Request::Submit { id: OrderId(i), order: bid(1_600) };
            let submit = serde_json::to_value(submit).expect("plain numbers and words");
            Deed {
                row_id: 40 + i * 20,
                ticker: format!("KXHIGHNY-26NOV20-B{}.5", 40 + i % 3),
                ts_ms: NOW.ms() - 110_000 + i as i64 * 1_200,
                action,
                action_name: names[action as usize].to_owned(),
                reason: if held { "refused" } else { "policy" }.to_owned(),
                ordered: action > 0 && !held,
                confidence: Some(0.35 + 0.6 * rng.unit()),
                position_e2: if i % 3 == 0 { 1_000 } else { 0 },
                cash_e6: equity_e6 - 4_600_000,
                equity_e6,
                latency_us: 180,
                limit: if held { "throttle" } else { "" }.to_owned(),
                requests: if i == 60 { vec![submit] } else { Vec::new() },
            }
        })
        .collect()
}

fn opening() -> Opening {
    Opening {
        id: "0199f7a2-6000-7000-8000-000000000002".into(),
        policy: "ppo".into(),
        model_hash: "8f21c03ac7712".into(),
        elsewhere: false,
        start_cash_e6: 100_000_000,
        ..Opening::default()
    }
}

/// What a run of this seed is called, as long as such names are.
pub fn run_id(seed: u64) -> String {
    format!("ppo-s{seed}-01a1fd73-8342-76ec-b82a-dea2dd33be{}/fold_{}", 19 + seed, seed - 5)
}

/// A training run of `total` rollouts, `rows` of them done and logged.
pub fn run(seed: u64, rows: u64, total: u64) -> Run {
    let mut rng = Rng::stream(seed, "dash run", 0);
    let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut latest = BTreeMap::new();
    for row in 1..=rows {
        let (steps, part) = (row as f64 * 16_384.0, row as f64 / total as f64);
        let mut put = |key: &str, value: f64| {
            curves.entry(key.to_owned()).or_default().push((steps, value));
            latest.insert(key.to_owned(), value);
        };
        let noise = rng.unit() - 0.5;
        put("rollout/ep_rew_mean", -2.0 + 6.0 * part + noise);
        put("rollout/ep_equity_mean", 98.0 + 6.0 * part + noise);
        put("rollout/nonzero_reward_share", 0.4 + noise / 10.0);
        put("rollout/ep_len_mean", 80.0 + noise);
        put("train/explained_variance", 0.9 * part + noise / 5.0);
        put("train/entropy_loss", -1.6 + part + noise / 10.0);
        put("train/approx_kl", 0.012 + noise / 100.0);
        put("train/value_loss", 4.0 - 3.0 * part + noise);
        put("train/policy_gradient_loss", -0.01 + noise / 50.0);
        put("train/loss", 2.0 - 1.4 * part + noise / 2.0);
        put("train/clip_fraction", 0.15 + noise / 10.0);
        put("time/fps", 21_200.0 + 400.0 * noise);
        put("action_share/hold", 0.52 - 0.2 * part);
        put("action_share/buy_yes_10", 0.22 + 0.2 * part);
        put("action_share/sell_yes_10", 0.10);
        put("action_share/buy_no_10", 0.09);
        put("action_share/sell_no_10", 0.07);
        put("time/total_timesteps", steps);
    }
    let status = RunStatus {
        id: run_id(seed),
        algo: "ppo".into(),
        seed,
        steps: rows * 16_384,
        steps_total: total * 16_384,
        steps_per_s: 21_200.0,
        eta_s: (rows < total).then(|| (total - rows) * 16_384 / 21_200),
        written_unix_s: NOW.0 as f64 / 1e9 - 2.0 - 4_000.0 * (seed as f64 - 7.0),
        latest,
    };
    let curves = curves.into_iter().map(|(key, points)| (key, points.into_iter().collect()));
    Run { status, curves: Arc::new(curves.collect()), sources: vec!["sim:seed=7".into()] }
}

fn model(seed: u64, reward: f64, verdict: &str) -> ModelStatus {
    let facts = json!({
        "algo": "ppo", "seed": seed, "learning_rate": 3e-4, "n_steps": if seed == 7 { 2048 } else { 256 },
        "gamma": 0.99, "layout": "flow52-v1", "fingerprint_sha256": "03ac9911aa", "episodes": 200,
        "sources": ["sim:seed=7"],
    });
    ModelStatus {
        id: run_id(seed),
        parent: if seed == 8 { "gold:2".into() } else { String::new() },
        facts: facts.as_object().expect("an object").clone(),
        steps: 983_040,
        reward: Some(reward),
        verdict: verdict.into(),
        saved_unix_s: NOW.0 as f64 / 1e9 - 600.0 * (seed - 6) as f64,
        status: "ready".into(),
        ..ModelStatus::default()
    }
}

/// A registered version of the run with this seed.
fn version(number: u64, seed: u64, status: &str, aliases: &[&str]) -> ModelStatus {
    let made = model(seed, 0.9, if number == 1 { "no evidence" } else { "beats holding" });
    let mean = 0.004 * number as f64;
    ModelStatus {
        id: format!("gold:{number}"),
        parent: made.id.clone(),
        status: status.into(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        mean_return: Some(mean),
        ci95: Some((mean - 0.006, mean + 0.007)),
        saved_unix_s: NOW.0 as f64 / 1e9 - 86_400.0 * (4 - number) as f64,
        ..made
    }
}

/// Everything that a dashboard may have heard.
pub fn news() -> Vec<News> {
    let session = |n: i64, cause: &str| SessionStatus {
        id: format!("0199f7a2-5f00-7000-8000-00000000000{n}"),
        source: "sim:seed=7".into(),
        from: TsNs(NOW.0 - n * 7_200_000_000_000),
        to: TsNs(NOW.0 - n * 7_200_000_000_000 + 3_601_000_000_000),
        cause: cause.into(),
        records: 1_204_816 * n as u64,
        gaps: n as u64,
        markets: 300,
        bytes: 5_400_000 * n as u64,
    };
    let line = |at_s: i64, level, text: &str| {
        News::Line(Line { at: TsNs(NOW.0 - at_s * 1_000_000_000), level, text: text.into() })
    };
    let gap = Gap {
        from: 48_200,
        to: 48_202,
        since: TsNs(1),
        ..Gap::unnumbered(GapCause::SeqGap, TsNs(2_300_000_001))
    };
    let healed = Gap { healed_by: "snapshot".into(), ..gap.clone() };
    let of_all = |body| {
        let market = MarketId::NONE;
        // Of a subscription that brings no book here.
        Event {
            row_id: 9,
            recv: TsNs(NOW.0 - 60_000_000_000),
            ts: None,
            market,
            sid: 77,
            seq: 0,
            body,
        }
    };
    let holes = vec![of_all(Body::Gap(Box::new(gap))), of_all(Body::Healed(Box::new(healed)))];
    let mut news = vec![
        News::Reach(Reach::Attached),
        News::Heard(heard(12, 40)),
        News::Heard(Heard { events: holes, ..Heard::default() }),
        News::Trading(opening()),
        News::Deeds(deeds()),
        News::Runs(vec![run(7, 40, 61), run(8, 61, 61), run(9, 25, 61)]),
        News::Models(vec![
            version(3, 8, "deployed", &["champion"]),
            version(2, 7, "ready", &["candidate"]),
            version(1, 7, "archived", &[]),
            model(7, 1.93, "beats holding"),
            model(8, 0.42, "no evidence"),
            model(9, -0.7, ""),
        ]),
        News::Sessions(
            vec![session(1, ""), session(2, "sigterm"), session(3, "finished")],
            String::new(),
        ),
        line(30, Level::Info, "session 0199f7a2-5f00-7000-8000-000000000001"),
        line(20, Level::Warn, "gap: numbers 48200 to 48202 are missing"),
        line(12, Level::Debug, "a frame of an unknown type"),
        line(3, Level::Error, "the disk is nearly full"),
    ];
    for i in 0..60 {
        let wave = 800.0 + 100.0 * (f64::from(i) / 5.0).sin();
        let status = CollectStatus { frames_per_s: wave, ..collect_status() };
        news.push(News::Status(Box::new(status)));
    }
    let heard = heard(12, 40);
    let rows = (1, heard.events.len() as u64);
    let tape = Tape {
        session: "0199f7a2-5f00-7000-8000-000000000002".into(),
        source: "sim:seed=7".into(),
        from: TsNs(NOW.0 - SECONDS * 1_000_000_000),
        to: NOW,
        rows,
        gaps: vec![(900, TsNs(NOW.0 - 70_000_000_000))],
        opening: opening(),
        deeds: deeds(),
        fills: Vec::new(),
        verdicts: Vec::new(),
    };
    news.push(News::Tape(Ok(Box::new(tape))));
    let at = TsNs(NOW.0 - 40_000_000_000);
    let events = heard.events.into_iter().filter(|event| event.recv <= at).collect();
    news.push(News::Wound(Heard { began: true, markets: heard.markets, events, skipped: 0 }, at));
    news
}

/// The dashboard.
pub fn state(size: (u16, u16)) -> State {
    let mut state = State::new("datasets", size);
    for news in news() {
        state.update(Msg::News(news), NOW);
    }
    state
}
