//! From listing to payment: what is due in a market's life, and what follows from it (protocol notes 9).

use super::{Definition, FeeType, Live, Market, Phase, Structure, Venue, What, random_id};
use crate::event::Snapshot;
use crate::rng::Rng;
use crate::sim::crowd::{Crowd, CrowdSpec};
use crate::sim::exchange::Exchange;
use crate::sim::flow::ONE_E9;
use crate::units::{Price, TsUs};
use crate::wire::portfolio::UpdateReason;
use serde_json::{Value, json};
use std::cmp::Reverse;

/// Strikes per event.
const MARKETS_PER_EVENT: u32 = 3;
/// A market is listed at most this long before it opens.
const LISTED_AHEAD_MAX_S: i64 = 60;
/// Standard deviation of the log-odds over a market's life, millionths.
const SPREAD_E6: i64 = 1_500_000;
/// The empty book is shown this long after the close.
const DRAIN_AFTER_US: i64 = 400_000;

/// Something that is due, in the order in which it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: TsUs,
    step: Step,
    /// Market, or for [`Step::List`] the group of places that a new event takes.
    who: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    List,
    Open,
    Burst,
    Expire,
    Halt,
    Resume,
    Restructure,
    Shorten,
    Close,
    Drain,
    Determine,
    Settle,
}

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

    /// Does what is due.
    pub(super) fn happen(&mut self, due: Due) {
        let Due { step, who, .. } = due;
        match step {
            Step::List => self.list_next(who),
            Step::Open => self.open(who),
            Step::Burst => self.burst(who, due.at),
            Step::Expire => self.expire_orders(who),
            Step::Halt => self.halt(who),
            Step::Resume => self.resume(who),
            Step::Restructure => self.restructure(who),
            Step::Shorten => self.shorten(who),
            Step::Close => self.close(who),
            Step::Drain => self.tell(who, self.now, What::Book(Box::<Snapshot>::default())),
            Step::Determine => self.determine(who),
            Step::Settle => self.settle(who),
        }
    }

    /// An order of an account expires then.
    pub(super) fn plan_expiry(&mut self, index: u32, at_ms: i64) {
        self.plan(Step::Expire, index, at_ms.saturating_mul(1_000));
    }

    fn plan(&mut self, step: Step, who: u32, at_us: i64) {
        self.agenda.push(Reverse(Due { at: TsUs(at_us), step, who }));
    }

    /// The successor of a group's event: opens when that closes.
    fn list_next(&mut self, group: u32) {
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

    /// No frame is sent at the opening: only the first orders show it.
    fn open(&mut self, index: u32) {
        self.markets[index as usize].definition.phase = Phase::Active;
        self.fill_book(index);
    }

    fn fill_book(&mut self, index: u32) {
        let Some(live) = self.markets[index as usize].live.as_mut() else { return };
        live.crowd.open(&mut live.exchange, &mut self.facts);
        self.accounts_hear(index);
        self.publish(index);
        self.plan_burst(index);
    }

    /// The crowd's next burst. A former plan (from before a halt) is void.
    fn plan_burst(&mut self, index: u32) {
        let Some(live) = self.markets[index as usize].live.as_mut() else { return };
        let wait_us = live.crowd.next_wait_us().max(1);
        let at = self.now.0.saturating_add_unsigned(wait_us).max(self.paused_until.0);
        live.burst_at = TsUs(at);
        self.plan(Step::Burst, index, at);
    }

    fn burst(&mut self, index: u32, at: TsUs) {
        let Market { definition, live, .. } = &mut self.markets[index as usize];
        let due = |l: &&mut Box<Live>| definition.phase == Phase::Active && l.burst_at == at;
        let Some(live) = live.as_mut().filter(due) else { return };
        if self.now >= self.paused_until {
            live.crowd.act(&mut live.exchange, &mut self.facts);
            self.accounts_hear(index);
            self.publish(index);
        }
        self.plan_burst(index);
    }

    fn halt(&mut self, index: u32) {
        let definition = &mut self.markets[index as usize].definition;
        if definition.phase != Phase::Active {
            return;
        }
        definition.phase = Phase::Inactive;
        let msg = json!({"event_type": "deactivated", "market_ticker": definition.ticker, "is_deactivated": true});
        self.notice(index, "market_lifecycle_v2", &msg);
    }

    /// Resting orders are cancelled on reactivation.
    fn resume(&mut self, index: u32) {
        let definition = &mut self.markets[index as usize].definition;
        if definition.phase != Phase::Inactive {
            return;
        }
        definition.phase = Phase::Active;
        let ticker = &definition.ticker;
        let msg =
            json!({"event_type": "activated", "market_ticker": ticker, "is_deactivated": false});
        self.empty_book(index, UpdateReason::HaltCancel);
        self.publish(index);
        self.notice(index, "market_lifecycle_v2", &msg);
        self.fill_book(index);
    }

    /// Ticks only ever become finer: whole cents stay valid, so resting orders stay where they are.
    fn restructure(&mut self, index: u32) {
        let definition = &mut self.markets[index as usize].definition;
        if definition.phase > Phase::Active {
            return;
        }
        definition.structure = Structure::DeciCent;
        let msg = json!({
            "market_ticker": definition.ticker,
            "event_type": "price_level_structure_updated",
            "price_level_structure": definition.structure.label(),
            "price_ranges": ranges_json(definition.structure),
        });
        self.notice(index, "market_lifecycle_v2", &msg);
    }

    /// The close moves forward to three quarters of the life.
    fn shorten(&mut self, index: u32) {
        let definition = &mut self.markets[index as usize].definition;
        if definition.phase > Phase::Active {
            return;
        }
        let life_s = definition.close_s - definition.open_s;
        definition.close_s = definition.open_s + life_s - life_s / 4;
        let close_us = definition.close_s * 1_000_000;
        let msg = json!({"event_type": "close_date_updated", "market_ticker": definition.ticker, "close_ts": definition.close_s});
        self.notice(index, "market_lifecycle_v2", &msg);
        self.plan(Step::Close, index, close_us.max(self.now.0));
    }

    /// No frame is sent at the close; the empty book follows a little later.
    fn close(&mut self, index: u32) {
        let Market { definition, live, .. } = &mut self.markets[index as usize];
        let Some(live) = live.as_mut().filter(|_| definition.phase <= Phase::Active) else {
            return;
        };
        definition.phase = Phase::Closed;
        // Real markets: 1.7 s to 11.8 s, half of them within 5.5 s; short lives settle faster.
        let wait_us =
            1_700_000 + live.rng.below(4_000_000) as i64 + live.rng.below(4_000_000) as i64;
        let wait_us = wait_us.min(self.spec.lifetime_ms * 250).max(DRAIN_AFTER_US + 1);
        // Nobody sees these orders go one by one: the empty book says it.
        self.empty_book(index, UpdateReason::CloseCancel);
        self.facts.clear();
        self.plan(Step::Drain, index, self.now.0 + DRAIN_AFTER_US);
        self.plan(Step::Determine, index, self.now.0 + wait_us);
    }

    /// The outcome is drawn from the fair value and from nothing else.
    fn determine(&mut self, index: u32) {
        let now_s = self.now.0.div_euclid(1_000_000);
        let Market { definition, live, .. } = &mut self.markets[index as usize];
        let Some(live) = live.as_mut() else { return };
        let yes = (live.rng.below(ONE_E9 as u64) as i64) < live.crowd.fair_e9();
        let paid = if yes { Price::ONE } else { Price::ZERO };
        definition.settlement = Some(paid);
        definition.phase = Phase::Determined;
        definition.determined_s = Some(now_s);
        let msg = json!({
            "event_type": "determined",
            "market_ticker": definition.ticker,
            "result": definition.result(),
            "settlement_value": paid.to_string(),
            "determination_ts": now_s,
        });
        let timer_us = definition.settlement_timer_s * 1_000_000;
        self.notice(index, "market_lifecycle_v2", &msg);
        self.plan(Step::Settle, index, self.now.0 + timer_us);
    }

    fn settle(&mut self, index: u32) {
        let now_s = self.now.0.div_euclid(1_000_000);
        let market = &mut self.markets[index as usize];
        market.definition.phase = Phase::Finalized;
        market.definition.settled_s = Some(now_s);
        market.live = None;
        let paid = market.definition.settlement;
        let ticker = &market.definition.ticker;
        let msg = json!({"event_type": "settled", "market_ticker": ticker, "settled_ts": now_s});
        self.notice(index, "market_lifecycle_v2", &msg);
        self.pay_out(index, paid.unwrap_or_default());
    }

    fn notice(&mut self, index: u32, kind: &'static str, msg: &Value) {
        self.tell(index, self.now, What::Notice { kind, msg: msg.to_string().into() });
    }
}

/// The band table of a structure as the exchange writes it.
pub fn ranges_json(structure: Structure) -> Value {
    let range = |t: &crate::market::TickRange| json!({"start": t.start.to_string(), "end": t.end.to_string(), "step": t.step.to_string()});
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
