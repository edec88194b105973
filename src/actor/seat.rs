//! A seat at a market that is happening: what [`crate::env::Seat`] is at a recorded one.
//!
//! Events go through the same [`Observer`] and the same [`Account`]. When an event makes a decision due, the
//! decision is made *before* that event counts: it shows the market as it was, in training and here.
//!
//! **Invariant:** what happens at a decision depends on the accepted events alone, never on a clock: a session
//! played back from the log is the session.

use crate::broker::matching::{Bracket, Fill, Update};
use crate::env::{Account, EnvConfig, Refusal};
use crate::event::{Body, Event};
use crate::features::Observer;
use crate::features::episode::{Decision, FILL_LEVELS, TapeEvent, is_over};
use crate::market::MarketInfo;
use crate::rng::Rng;
use crate::units::{Money, Price, Qty, TsNs, TsUs};
use crate::wire::market::market_info;

/// One agent at one live market.
pub struct LiveSeat {
    observer: Observer,
    account: Account,
    decision: Decision,
    /// Market part of the observation at `decision`.
    row: Vec<f32>,
    close: Option<TsUs>,
    decisions: u64,
    settlement: Option<Price>,
}

/// A decision that is due, and the account that may act on it.
pub struct Moment<'a> {
    seat: &'a mut LiveSeat,
    config: &'a EnvConfig,
    /// How much equity grew since the decision before.
    pub grown: Money,
}

impl LiveSeat {
    /// A flat account before the first decision in `market`; `rng` draws how long paper orders take.
    pub fn new(market: &MarketInfo, config: &EnvConfig, rng: Rng) -> LiveSeat {
        let nothing = [[(Price::ZERO, Qty::ZERO); FILL_LEVELS]; 2];
        let mut account =
            Account::new(config, config.matching(market.ticker.as_str(), market.close), rng);
        account.set_ticks(&market.ticks);
        LiveSeat {
            observer: Observer::new(config.layout, market.open, market.close),
            account,
            decision: Decision {
                ts_ms: 0,
                recv: TsNs(0),
                row_id: 0,
                mid2: 0,
                bids: nothing,
                next_event: 0,
            },
            row: vec![0.0; config.layout.market_len()],
            close: market.close,
            decisions: 0,
            settlement: market.settlement,
        }
    }

    /// From now on orders go to an exchange elsewhere ([`Account::trade_elsewhere`]).
    pub fn trade_elsewhere(&mut self) {
        self.account.trade_elsewhere();
    }

    /// What an exchange elsewhere said of our orders.
    pub fn hear(&mut self, fills: &[Fill], updates: &[Update]) {
        self.account.hear(fills, updates);
    }

    /// What the exchange elsewhere holds, where that is not what our orders made.
    pub fn adopt(&mut self, position: Qty) {
        self.account.adopt(position, &self.decision);
    }

    /// The last decision once more at `now`, where something has to be done though nothing happens in this market;
    /// `None` before the first one and after the end.
    pub fn moment<'a>(&'a mut self, now: TsNs, config: &'a EnvConfig) -> Option<Moment<'a>> {
        let lives = self.decisions > 0 && self.settlement.is_none();
        self.decision.recv = self.decision.recv.max(now);
        lives.then_some(Moment { seat: self, config, grown: Money::ZERO })
    }

    /// Cash and the position marked at the last decision.
    pub fn worth(&self) -> Money {
        self.account.worth(&self.decision)
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Decisions that were due so far.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Equity in the pessimistic, fitted and optimistic queue.
    pub fn bracket(&self) -> Bracket<Money> {
        self.account.bracket(&self.decision)
    }

    /// Equity, had no order filled that rested over a gap.
    pub fn certain(&self) -> Money {
        self.account.certain(&self.decision)
    }

    /// Forgets news and requests that were dealt with.
    pub fn forget(&mut self) {
        self.account.forget();
    }

    /// Nothing happened here until `until`: what is under way by then arrives.
    pub fn pass(&mut self, until: TsNs) {
        if self.is_fresh() {
            self.account.pass(until);
        }
    }

    /// True while the book is whole: after a snapshot, and until a gap.
    pub fn is_fresh(&self) -> bool {
        self.observer.book().is_valid()
    }

    /// Best ask - best bid, 1e-4 dollars; `None` while a side is empty or the book is not whole.
    pub fn spread_e4(&self) -> Option<i64> {
        let book = self.observer.book();
        let touch = book.touch();
        let (bid, ask) = (touch.bid?.0, touch.ask?.0);
        book.is_valid().then_some(ask.e4() - bid.e4())
    }

    /// True while a quote rests, or is on its way there or back.
    pub fn is_quoting(&self) -> bool {
        self.account.is_quoting()
    }

    /// True while a position is held.
    pub fn is_holding(&self) -> bool {
        self.account.portfolio().position() != Qty::ZERO
    }

    /// What a YES contract paid; `None` while the market lives.
    pub fn settlement(&self) -> Option<Price> {
        self.settlement
    }

    /// Takes the next event of this market. Where it makes a decision due, `act` may act on it first.
    pub fn push(&mut self, event: &Event, config: &EnvConfig, act: impl FnOnce(Moment<'_>)) {
        let was_whole = self.is_fresh();
        let due = self.settlement.is_none() && self.observe(event);
        if due {
            self.decisions += 1;
            let grown = self.account.mark(&self.decision);
            // A gap closes a group too, and then nobody knows what the market is like now.
            if !matches!(event.body, Body::Gap(_)) {
                act(Moment { seat: self, config, grown });
            }
        }
        self.see(event, was_whole);
    }

    /// Hands the event to the observer; true if it made a decision due.
    fn observe(&mut self, event: &Event) -> bool {
        let Some(row) = self.observer.push(event) else { return false };
        self.decision = Decision {
            ts_ms: row.ts_ms,
            recv: event.recv,
            row_id: row.row_id,
            mid2: row.mid2,
            bids: *row.bids,
            next_event: 0,
        };
        self.row.copy_from_slice(row.market);
        true
    }

    /// The event happens.
    fn see(&mut self, event: &Event, was_whole: bool) {
        self.meet(event, was_whole);
        if let Body::Market(object) = &event.body {
            self.announce(object);
        }
    }

    /// The event meets the orders of the account.
    fn meet(&mut self, event: &Event, was_whole: bool) {
        if is_over(self.observer.clock_ms(), self.close) {
            return;
        }
        let snapshot = match &event.body {
            Body::Snapshot(snapshot) => Some(&**snapshot),
            _ => None,
        };
        if was_whole && !self.is_fresh() {
            return self.account.see_gap(event.recv);
        }
        // Whether the market trades is known without its book.
        let counts = self.is_fresh() || matches!(event.body, Body::Market(_));
        if let Some(seen) = counts.then(|| TapeEvent::of(event, 0)).flatten() {
            self.account.at_row(event.row_id);
            self.account.see(&seen, snapshot);
        }
    }

    /// Learns which prices there are, and when and how the market ends.
    fn announce(&mut self, object: &str) {
        let value = serde_json::from_str(object).ok();
        let Some(market) = value.and_then(|v| market_info(&v).ok()) else { return };
        // A definition that leaves the grid out has not changed it.
        if !market.ticks.is_empty() {
            self.account.set_ticks(&market.ticks);
        }
        if let Some(close) = market.close {
            self.close = Some(close);
            self.account.set_close(Some(TsNs(close.0.saturating_mul(1_000))));
        }
        if let (None, Some(value)) = (self.settlement, market.settlement) {
            self.settlement = Some(value);
            self.account.settle(value);
            self.account.mark(&self.decision);
        }
    }
}

impl Moment<'_> {
    /// The market as it is seen.
    pub fn decision(&self) -> &Decision {
        &self.seat.decision
    }

    /// The account before the action.
    pub fn account(&self) -> &Account {
        &self.seat.account
    }

    /// Writes observation and mask.
    pub fn observe(&self, obs: &mut [f32], mask: &mut [bool]) {
        let seat = &self.seat;
        seat.account.observe(&seat.decision, &seat.row, self.config, obs);
        seat.account.mask(&seat.decision, self.config, mask);
    }

    /// Performs an action; true if contracts were asked for.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids it; nothing changed.
    pub fn act(&mut self, action: u32) -> Result<bool, Refusal> {
        self.seat.account.act(&self.seat.decision, self.config, action)
    }

    /// Prepares an action; [`Moment::commit`] sends it.
    ///
    /// # Errors
    /// [`Refusal`] when the mask forbids it; nothing changed.
    pub fn propose(&mut self, action: u32) -> Result<(), Refusal> {
        self.seat.account.propose(&self.seat.decision, self.config, action)
    }

    /// Sends what was proposed; true if contracts were asked for.
    pub fn commit(&mut self) -> bool {
        self.seat.account.commit(&self.seat.decision)
    }

    /// Nothing of what was proposed is sent; what rests is taken back, if `retreat`.
    pub fn withdraw(&mut self, retreat: bool) {
        self.seat.account.withdraw();
        if retreat {
            self.seat.account.retreat(&self.seat.decision);
        }
    }

    /// The exchange elsewhere holds this position.
    pub fn adopt(&mut self, position: Qty) {
        self.seat.adopt(position);
    }

    /// Prepares to give the position up, at most `most` contracts at a time; [`Moment::commit`] sends it.
    pub fn propose_exit(&mut self, most: Qty) {
        self.seat.account.propose_exit(&self.seat.decision, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::action::Placement;
    use crate::env::{ActionSet, Seat};
    use crate::event::SessionId;
    use crate::features::episode::EpisodeBuilder;
    use crate::rng::Rng;
    use crate::sim::tape::{TapeSpec, synthesize};

    /// Observation (bits), mask and equity at one decision.
    type Seen = (Vec<u32>, Vec<bool>, Money);

    /// Acts by chance on what it sees, and remembers it.
    struct Gambler {
        rng: Rng,
        seen: Vec<Seen>,
        obs: Vec<f32>,
        mask: Vec<bool>,
    }

    impl Gambler {
        fn new(config: &EnvConfig) -> Gambler {
            let (obs, mask) = (vec![0.0; config.layout.len()], vec![true; config.actions.len()]);
            Gambler { rng: Rng::stream(3, "gambler", 0), seen: Vec::new(), obs, mask }
        }

        fn act(&mut self, equity: Money) -> u32 {
            let bits = self.obs.iter().map(|v| v.to_bits()).collect();
            self.seen.push((bits, self.mask.clone(), equity));
            let allowed: Vec<u32> =
                (0..self.mask.len() as u32).filter(|a| self.mask[*a as usize]).collect();
            allowed[self.rng.below(allowed.len() as u64) as usize]
        }
    }

    /// The outcome of a market, told after `last`.
    fn outcome(market: &MarketInfo, last: &Event) -> Event {
        let value = market.settlement.expect("an outcome");
        let result = if value == Price::ONE { "yes" } else { "no" };
        let object = format!(
            r#"{{"ticker":"{}","status":"finalized","result":"{result}","settlement_value_dollars":"{value}"}}"#,
            market.ticker
        );
        Event { body: Body::Market(object.into()), ..last.clone() }
    }

    /// The market is deactivated for a third of its rows, from row `from` on.
    fn pause(events: &mut Vec<Event>, ticker: &str, from: usize) {
        for (at, status) in [(from + events.len() / 3, "active"), (from, "inactive")] {
            let object = format!(r#"{{"ticker":"{ticker}","status":"{status}"}}"#);
            let told = Event { ts: None, body: Body::Market(object.into()), ..events[at].clone() };
            events.insert(at, told);
        }
    }

    /// Promise 3: what training steps through and what lives here is one engine, bit for bit.
    #[test]
    fn a_live_market_is_the_recorded_one_bit_by_bit() {
        let quotes = vec![Placement::Join, Placement::Improve];
        let actions = ActionSet { quotes, ..ActionSet::default() };
        let config = EnvConfig { actions, ..EnvConfig::default() };
        let tape = synthesize(&TapeSpec { markets: 12, steps: 200, ..TapeSpec::default() });
        let (mut decisions, mut made, mut taken) = (0, Qty::ZERO, Qty::ZERO);
        for (index, info) in tape.infos.iter().enumerate() {
            let mut events: Vec<Event> =
                tape.events.iter().filter(|e| e.market.0 as usize == index).cloned().collect();
            match index % 4 {
                1 => {
                    let third = events.len() / 3;
                    pause(&mut events, &info.ticker, third);
                }
                // Before the first book.
                3 => pause(&mut events, &info.ticker, 0),
                _ => {}
            }
            let events = || events.iter();
            let mut builder = EpisodeBuilder::new(config.layout, info, SessionId::default());
            events().for_each(|event| builder.push(event));
            let episode = builder.finish().remove(0);

            let mut recorded = Gambler::new(&config);
            let mut seat: Seat = Seat::new(&episode, &config, Rng::stream(9, "orders", 0));
            while seat.at() + 1 < episode.len() {
                seat.observe(&episode, &config, &mut recorded.obs);
                seat.mask(&episode, &config, &mut recorded.mask);
                let action = recorded.act(seat.account().equity());
                seat.step(&episode, &config, action).expect("allowed");
            }

            let unsettled = MarketInfo { settlement: None, ..info.clone() };
            let mut lived = Gambler::new(&config);
            let mut live = LiveSeat::new(&unsettled, &config, Rng::stream(9, "orders", 0));
            for event in events() {
                live.push(event, &config, |mut moment| {
                    moment.observe(&mut lived.obs, &mut lived.mask);
                    // The last decision of a recording is only seen: nothing follows.
                    if lived.seen.len() + 1 < episode.len() {
                        let action = lived.act(moment.account().equity());
                        moment.act(action).expect("allowed");
                    }
                });
            }
            live.push(&outcome(info, events().next_back().expect("events")), &config, |_| ());
            assert_eq!(lived.seen.len(), recorded.seen.len(), "{}", info.ticker);
            assert!(lived.seen == recorded.seen, "{}", info.ticker);
            assert_eq!(live.account().portfolio(), seat.account().portfolio(), "{}", info.ticker);
            assert_eq!(live.account().equity(), seat.account().equity(), "{}", info.ticker);
            decisions += lived.seen.len();
            made += seat.account().tally().maker;
            taken += seat.account().tally().taker;
        }
        assert!(decisions > 1_000 && made.0 > 50 && taken.0 > 50, "{decisions}, {made}, {taken}");
    }

    #[test]
    fn a_settled_market_pays_and_is_over() {
        let config = EnvConfig::default();
        let tape = synthesize(&TapeSpec { markets: 1, ..TapeSpec::default() });
        let unsettled = MarketInfo { settlement: None, ..tape.infos[0].clone() };
        let mut live = LiveSeat::new(&unsettled, &config, Rng::stream(9, "orders", 0));
        let buy = |mut moment: Moment<'_>| {
            let _ = moment.act(1);
        };
        tape.events.iter().for_each(|event| live.push(event, &config, buy));
        let position = live.account().portfolio().position();
        assert!(position > Qty::ZERO);
        let cash = live.account().portfolio().cash();
        let last = tape.events.last().expect("events");
        let yes = MarketInfo { settlement: Some(Price::ONE), ..unsettled };
        live.push(&outcome(&yes, last), &config, |_| panic!("nothing is due at the end"));
        assert_eq!(live.settlement(), Some(Price::ONE));
        assert_eq!(live.account().equity(), cash + Price::ONE.times(position));
        let before = live.decisions();
        tape.events.iter().for_each(|event| live.push(event, &config, buy));
        assert_eq!((live.decisions(), live.account().portfolio().position()), (before, Qty::ZERO));
    }
}
