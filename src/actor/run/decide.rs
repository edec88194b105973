//! What is done at a moment of a market, and the row that says so: what the policy chose and the limits left of
//! it, a position given up before the close, and quotes taken back.
//!
//! **Invariant:** whatever is sent stands in the requests of one row.

use super::{Acting, Actor, ActorSpec, Market, obs_hash};
use crate::actor::deed::{Deed, Ended, Filled, Outcome, Reason};
use crate::actor::elsewhere::order_number;
use crate::actor::seat::{LiveSeat, Moment};
use crate::actor::watch::{At, Watch};
use crate::env::account::{Request, Wish};
use crate::env::action::HOLD;
use crate::event::{Body, Event, MarketId};
use crate::market::MarketInfo;
use crate::units::{Qty, TsNs};

/// Positions of quiet markets are looked after this often; more than any feed lags that one trades by.
const LOOK_EVERY: TsNs = TsNs::from_ms(1_000);

impl Actor {
    /// Takes the next event of its market, and acts where that makes a decision due.
    pub(super) fn decide(&mut self, event: &Event, out: &mut Outcome) {
        let Actor { spec, acting, selector, watch, adopted, obs, mask, .. } = self;
        let Some(market) = self.markets[event.market.0 as usize].as_mut() else { return };
        let Market { info, line, seat, part, dealt } = market;
        line.note(event);
        let chosen = selector.is_chosen(event.market, &info.ticker);
        let (halted, before) = (self.halted, out.deeds.len());
        let lived = seat.settlement().is_none();
        let mut pen = Pen { spec, acting, obs, mask, at: At::of(event) };
        seat.push(event, &spec.env, |mut moment| {
            if let Some(position) = adopted.remove(&info.ticker) {
                moment.adopt(position);
                *dealt |= position != Qty::ZERO;
            }
            out.deeds.extend(match chosen {
                true => Some(pen.decide(&mut moment, info, watch, halted)),
                // What was left resting when the market was given up must not fill unseen.
                false => pen.withdraw(&mut moment, info, ""),
            });
        });
        if let Some(stopped) = watch.stopped().filter(|_| seat.is_quoting()) {
            // What was on its way there when trading was stopped.
            let moment = seat.moment(event.recv, &spec.env);
            out.deeds.extend(moment.and_then(|mut m| pen.withdraw(&mut m, info, stopped)));
        }
        if lived && seat.settlement().is_some() && seat.decisions() > 0 {
            let ticker = info.ticker.clone();
            out.ends.push(Ended { ticker, profit_e6: seat.account().profit().e6() });
        }
        *part = watch.see(*part, seat.account(), event.recv);
        out.fills.extend(fills(&info.ticker, seat, event.row_id));
        seat.forget();
        self.count(&out.deeds[before..]);
    }

    /// Gives up positions of markets in which nothing happens, shortly before they close.
    pub(super) fn look_after(&mut self, event: &Event, out: &mut Outcome) {
        if event.recv < self.look_at || self.halted || matches!(event.body, Body::Gap(_)) {
            return;
        }
        self.look_at = TsNs(event.recv.0 + LOOK_EVERY.0);
        let before = out.deeds.len();
        for id in self.by_ticker() {
            let Actor { spec, acting, watch, markets, obs, mask, .. } = self;
            let Some(Market { info, seat, part, .. }) = &mut markets[id] else { continue };
            if !seat.is_fresh() || !watch.must_exit(info, seat.account(), event.recv) {
                continue;
            }
            // Feeds lag by less: nothing that happened until then is still to come.
            seat.pass(TsNs(event.recv.0 - LOOK_EVERY.0));
            let mut pen = Pen { spec, acting, obs, mask, at: At::of(event) };
            let moment = seat.moment(event.recv, &spec.env);
            let row = moment.and_then(|mut moment| pen.exit(&mut moment, info, watch));
            out.deeds.extend(row.map(|row| Deed { market: MarketId(id as u32), ..row }));
            *part = watch.see(*part, seat.account(), event.recv);
            out.fills.extend(fills(&info.ticker, seat, event.row_id));
            seat.forget();
        }
        self.count(&out.deeds[before..]);
    }

    /// Takes back all quotes after a stop, also where nothing happens.
    pub(super) fn withdraw_all(&mut self, now: TsNs, out: &mut Outcome) {
        let (Some(stopped), Some(at)) = (self.watch.stopped(), self.last) else { return };
        let before = out.deeds.len();
        for id in self.by_ticker() {
            let Actor { spec, acting, markets, obs, mask, .. } = self;
            let Some(Market { info, seat, .. }) = &mut markets[id] else { continue };
            let mut pen = Pen { spec, acting, obs, mask, at };
            let Some(mut moment) = seat.moment(now, &spec.env) else { continue };
            let row = pen.withdraw(&mut moment, info, stopped);
            out.deeds.extend(row.map(|row| Deed { market: MarketId(id as u32), ..row }));
            seat.forget();
        }
        self.count(&out.deeds[before..]);
    }

    /// All markets in an order that every session has: their numbers are told anew by each.
    fn by_ticker(&self) -> Vec<usize> {
        let known = self.markets.iter().enumerate();
        let mut known: Vec<(&str, usize)> =
            known.filter_map(|(id, m)| Some((m.as_ref()?.info.ticker.as_str(), id))).collect();
        known.sort_unstable();
        known.into_iter().map(|(_, id)| id).collect()
    }

    /// Counts rows, and remembers what the desk is asked for.
    fn count(&mut self, deeds: &[Deed]) {
        for deed in deeds {
            self.decisions += u64::from(deed.reason != Reason::Withdrawn);
            self.orders += u64::from(deed.ordered);
            self.held_back += u64::from(deed.reason.holds_back());
            if let Some(Some(market)) = self.markets.get_mut(deed.market.0 as usize) {
                market.dealt = true;
            }
            let new = deed.requests.iter().filter_map(Request::submitted);
            let asked = new.filter(|_| deed.reason == Reason::Asked);
            self.asked.extend(asked.map(|id| (order_number(deed.market, id), deed.row_id)));
        }
    }
}

/// What is new of a market's fills, known by row `row_id`.
fn fills(ticker: &str, seat: &LiveSeat, row_id: u64) -> impl Iterator<Item = Filled> {
    let known = seat.account().news().fills.iter();
    known.map(move |fill| Filled { ticker: ticker.to_owned(), row_id, fill: *fill })
}

/// What became of a decision.
struct Did {
    action: u32,
    confidence: Option<f32>,
    reason: Reason,
    /// Word of the limit that stood in the way.
    limit: &'static str,
    ordered: bool,
}

impl Did {
    /// Nobody chose it.
    fn unasked(reason: Reason, limit: &'static str, ordered: bool) -> Did {
        Did { action: HOLD, confidence: None, reason, limit, ordered }
    }
}

/// Acts at a moment, and writes the row.
struct Pen<'a> {
    spec: &'a ActorSpec,
    acting: &'a mut Acting,
    obs: &'a mut Vec<f32>,
    mask: &'a mut Vec<bool>,
    /// What made it due.
    at: At,
}

impl Pen<'_> {
    /// Lets the policy choose, and carries it out.
    fn decide(
        &mut self,
        moment: &mut Moment<'_>,
        info: &MarketInfo,
        watch: &mut Watch,
        halted: bool,
    ) -> Deed {
        moment.observe(self.obs, self.mask);
        let action = self.acting.policy.act(self.obs, self.mask);
        let confidence = self.acting.policy.confidence(action, self.mask);
        let did = |reason, limit, ordered| Did { action, confidence, reason, limit, ordered };
        let did = if halted {
            moment.withdraw(true);
            did(Reason::Halted, "", false)
        } else if let Err(refused) = watch.check_market(info, self.at) {
            moment.withdraw(refused.withdraws());
            did(Reason::Refused, refused.word(), false)
        } else if watch.must_exit(info, moment.account(), self.at.recv) {
            moment.propose_exit(watch.order_max());
            let (reason, limit, ordered) = self.send(moment, info, watch, Reason::Exit);
            did(reason, limit, ordered)
        } else if moment.propose(action).is_err() {
            did(Reason::Masked, "", false)
        } else {
            let (reason, limit, ordered) = self.send(moment, info, watch, Reason::Policy);
            did(reason, limit, ordered)
        };
        self.row(moment, info, did)
    }

    /// Gives the position up without a decision; `None` where nothing can be sent now.
    fn exit(
        &mut self,
        moment: &mut Moment<'_>,
        info: &MarketInfo,
        watch: &mut Watch,
    ) -> Option<Deed> {
        moment.observe(self.obs, self.mask);
        moment.propose_exit(watch.order_max());
        if moment.account().sent().is_empty() {
            return None;
        }
        let (reason, limit, ordered) = self.send(moment, info, watch, Reason::Exit);
        Some(self.row(moment, info, Did::unasked(reason, limit, ordered)))
    }

    /// Takes back what rests; `None` where nothing does.
    fn withdraw(
        &mut self,
        moment: &mut Moment<'_>,
        info: &MarketInfo,
        why: &'static str,
    ) -> Option<Deed> {
        moment.withdraw(true);
        if moment.account().sent().is_empty() {
            return None;
        }
        moment.observe(self.obs, self.mask);
        Some(self.row(moment, info, Did::unasked(Reason::Withdrawn, why, false)))
    }

    /// Sends what was proposed, as far as the limits allow: what became of it, the limit, and whether contracts
    /// were asked for.
    fn send(
        &mut self,
        moment: &mut Moment<'_>,
        info: &MarketInfo,
        watch: &mut Watch,
        reason: Reason,
    ) -> (Reason, &'static str, bool) {
        let account = moment.account();
        let wishes: Vec<Wish> = account.sent().iter().filter_map(|r| account.wish(r)).collect();
        let judge = |wish| watch.judge(wish, moment.account(), info, self.at).err();
        if let Some(refused) = wishes.iter().find_map(judge) {
            moment.withdraw(refused.withdraws());
            // An exit was nobody's choice, also where it has to wait.
            let kept = if reason == Reason::Exit { reason } else { Reason::Refused };
            return (kept, refused.word(), false);
        }
        let ordered = moment.commit();
        let asked = reason == Reason::Policy && self.spec.elsewhere && ordered;
        (if asked { Reason::Asked } else { reason }, "", ordered)
    }

    /// The row of what was done.
    fn row(&self, moment: &Moment<'_>, info: &MarketInfo, did: Did) -> Deed {
        let (account, decision) = (moment.account(), moment.decision());
        Deed {
            row_id: decision.row_id,
            due_row_id: self.at.row_id,
            ticker: info.ticker.clone(),
            market: self.at.market,
            ts_ms: decision.ts_ms,
            action: did.action,
            action_name: self.spec.env.actions.name(did.action),
            reason: did.reason,
            limit: did.limit.to_owned(),
            ordered: did.ordered,
            requests: account.sent().to_vec(),
            policy: self.acting.policy.name().to_owned(),
            model_hash: self.acting.model_hash.clone(),
            obs_hash: obs_hash(self.obs),
            reward_e6: moment.grown.e6(),
            position_e2: account.portfolio().position().e2(),
            cash_e6: account.portfolio().cash().e6(),
            equity_e6: account.equity().e6(),
            profit_e6: account.profit().e6(),
            obs: self.obs.clone(),
            mask: self.mask.clone(),
            confidence: did.confidence,
        }
    }
}
