//! From listing to payment: what is due in a market's life, and what follows from it (protocol notes 9).

use super::listing::ranges_json;
use super::{Live, Market, Phase, Structure, Venue, What};
use crate::event::Snapshot;
use crate::sim::flow::ONE_E9;
use crate::units::{Price, TsUs};
use crate::wire::portfolio::UpdateReason;
use serde_json::{Value, json};
use std::cmp::Reverse;

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
pub(super) enum Step {
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

    /// Makes `step` due.
    pub(super) fn plan(&mut self, step: Step, who: u32, at_us: i64) {
        self.agenda.push(Reverse(Due { at: TsUs(at_us), step, who }));
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

    pub(super) fn notice(&mut self, index: u32, kind: &'static str, msg: &Value) {
        self.tell(index, self.now, What::Notice { kind, msg: msg.to_string().into() });
    }
}
