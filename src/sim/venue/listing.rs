//! New markets: names, times, ticks, crowds, and what is planned for their lives.

use super::life::Step;
use super::{Definition, FeeType, Live, Phase, Structure, Venue, random_id};
use crate::market::TickRange;
use crate::rng::Rng;
use crate::sim::crowd::{Crowd, CrowdSpec};
use crate::sim::exchange::Exchange;
use crate::sim::flow::ONE_E9;
use crate::units::TsUs;
use serde_json::{Value, json};

/// Strikes per event.
const MARKETS_PER_EVENT: u32 = 3;
/// A market is listed at most this long before it opens.
const LISTED_AHEAD_MAX_S: i64 = 60;
/// Standard deviation of the log-odds over a market's life, millionths.
const SPREAD_E6: i64 = 1_500_000;

impl Venue {
    /// The first events: open from the start, closing one after the other over one lifetime.
    pub(super) fn found(&mut self, start: TsUs) {
        let groups = self.spec.markets.div_ceil(MARKETS_PER_EVENT);
        for group in 0..groups {
            let life_us = self.spec.lifetime_ms * 1_000;
            let left_us = life_us * i64::from(group + 1) / i64::from(groups);
            self.list_event(group, start.0.div_euclid(1_000_000), ceil_s(start.0 + left_us));
        }
    }

    /// The successor of a group's event: opens when that closes.
    pub(super) fn list_next(&mut self, group: u32) {
        let ahead_s = self.listed_ahead_s();
        let open_s = self.now.0.div_euclid(1_000_000) + ahead_s;
        self.list_event(group, open_s, open_s + (self.spec.lifetime_ms / 1_000).max(1));
    }

    fn listed_ahead_s(&self) -> i64 {
        (self.spec.lifetime_ms / 4_000).clamp(1, LISTED_AHEAD_MAX_S)
    }

    fn list_event(&mut self, group: u32, open_s: i64, close_s: i64) {
        self.events += 1;
        let number = self.events;
        let first = group * MARKETS_PER_EVENT;
        for place in first..(first + MARKETS_PER_EVENT).min(self.spec.markets) {
            self.list_market(number, place, open_s, close_s);
        }
        let event = json!({
            "event_ticker": event_ticker(self.spec.seed, number),
            "exchange_index": 0,
            "title": format!("Synthetic event {number} of seed {}", self.spec.seed),
            "subtitle": "",
            "collateral_return_type": "",
            "series_ticker": series(number).0,
        });
        self.notice(self.markets.len() as u32 - 1, "event_lifecycle", &event);
        self.plan(Step::List, group, (close_s - self.listed_ahead_s()) * 1_000_000);
    }

    fn list_market(&mut self, event: u32, place: u32, open_s: i64, close_s: i64) {
        let strike = 1 + place % MARKETS_PER_EVENT;
        let mut rng =
            Rng::stream(self.spec.seed, "market", u64::from(event) << 8 | u64::from(strike));
        let structure = match rng.below(8) {
            0 => Structure::DeciCent,
            1 => Structure::TaperedDeciCent,
            2 => Structure::CenterDeciEdgeCenti,
            _ => Structure::LinearCent,
        };
        let start_e9 = ONE_E9 / 100 * (10 + rng.below(81) as i64);
        let crowd = CrowdSpec {
            start_e9,
            spread_e6: SPREAD_E6,
            life_s: (close_s - open_s).clamp(1, i64::from(u32::MAX)) as u32,
            events_per_s_e3: self.share_e3_per_s(place),
            tick_e4: structure.coarse_tick_e4(),
        };
        let crowd = Crowd::new(crowd, Rng::stream(rng.next_u64(), "crowd", 0));
        let event_ticker = event_ticker(self.spec.seed, event);
        let index = self.list(Definition {
            ticker: format!("{event_ticker}-T{}", strike * 25),
            event_ticker,
            series_ticker: series(event).0,
            id: random_id(&mut rng),
            title: format!("Synthetic market {strike} of event {event}"),
            phase: Phase::Initialized,
            created_s: self.now.0.div_euclid(1_000_000),
            open_s,
            close_s,
            determined_s: None,
            settled_s: None,
            settlement_timer_s: 1,
            settlement: None,
            structure,
            fee_type: series(event).1,
        });
        self.plan_life(index, &mut rng);
        let created = created_msg(&self.markets[index as usize].definition);
        self.markets[index as usize].live =
            Some(Box::new(Live { exchange: Exchange::default(), crowd, rng, burst_at: TsUs(0) }));
        self.notice(index, "market_lifecycle_v2", &created);
    }

    /// Opening and close, and what happens now and then on the way.
    fn plan_life(&mut self, index: u32, rng: &mut Rng) {
        let Definition { open_s, close_s, structure, .. } = self.markets[index as usize].definition;
        let (open_us, life_us) = (open_s * 1_000_000, (close_s - open_s) * 1_000_000);
        let at = |percent: i64| open_us + life_us / 100 * percent;
        self.plan(Step::Open, index, open_us);
        self.plan(Step::Close, index, close_s * 1_000_000);
        let fates = [rng.below(16), rng.below(8), rng.below(16)];
        if fates[0] == 0 {
            self.plan(Step::Halt, index, at(30));
            self.plan(Step::Resume, index, at(35));
        }
        if fates[1] == 0 && structure == Structure::LinearCent {
            self.plan(Step::Restructure, index, at(50));
        }
        if fates[2] == 0 {
            self.plan(Step::Shorten, index, at(60));
        }
    }

    /// The part of all events that falls to a place: a few markets are busy, most are quiet.
    fn share_e3_per_s(&self, place: u32) -> u32 {
        let weight = |p: u32| 1_000_000 / u64::from(p + 3);
        let all: u64 = (0..self.spec.markets).map(weight).sum();
        // Neighbours share an event, so the weights are dealt out with a stride.
        let dealt = (u64::from(place) * 7 % u64::from(self.spec.markets.max(1))) as u32;
        let dealt = if self.spec.markets.is_multiple_of(7) { place } else { dealt };
        let share = u64::from(self.spec.rate_per_s) * 1_000 * weight(dealt) / all.max(1);
        share.clamp(1, u64::from(u32::MAX)) as u32
    }
}

/// The band table of a structure as the exchange writes it.
pub(super) fn ranges_json(structure: Structure) -> Value {
    let range = |t: &TickRange| json!({"start": t.start.to_string(), "end": t.end.to_string(), "step": t.step.to_string()});
    structure.ranges().iter().map(range).collect()
}

fn created_msg(d: &Definition) -> Value {
    json!({
        "market_ticker": d.ticker,
        "exchange_index": 0,
        "open_ts": d.open_s,
        "close_ts": d.close_s,
        "additional_metadata": {
            "name": d.title,
            "title": d.title,
            "yes_sub_title": "Yes",
            "no_sub_title": "No",
            "rules_primary": "Drawn from the fair value at the close",
            "rules_secondary": "",
            "can_close_early": true,
            "event_ticker": d.event_ticker,
            "expected_expiration_ts": d.close_s,
        },
        "event_type": "created",
        "price_level_structure": d.structure.label(),
        "price_ranges": ranges_json(d.structure),
    })
}

/// Every fourth event belongs to the series whose makers pay fees.
fn series(event: u32) -> (&'static str, FeeType) {
    if event.is_multiple_of(4) {
        ("SIMMF", FeeType::QuadraticWithMakerFees)
    } else {
        ("SIM", FeeType::Quadratic)
    }
}

fn event_ticker(seed: u64, number: u32) -> String {
    format!("{}-S{seed}E{number:05}", series(number).0)
}

fn ceil_s(us: i64) -> i64 {
    us.div_euclid(1_000_000) + i64::from(us.rem_euclid(1_000_000) > 0)
}
