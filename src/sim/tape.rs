//! Synthetic tapes: what a recorded feed looks like, made from a seed.
//!
//! Two kinds. On the **fair** tape the price is a martingale, the outcome is drawn from the last fair
//! value, and nothing else knows it: no strategy that takes shown prices gains on average. With the
//! **planted edge** the price path is drawn in the same way and the outcome from its end, so the price
//! alone still says nothing; but from the first quote on the touch of the winning side is larger.
//!
//! **Invariant:** deterministic: integers and [`Rng`] only, no clock.

use super::exchange::Fact;
use super::flow::{Fair, Flow, FlowSpec, ONE_E9};
use crate::event::{Body, Event, Tickers, Trade};
use crate::market::{MarketInfo, TickRange};
use crate::rng::Rng;
use crate::units::{Price, Qty, TsNs, TsUs};

/// Subscription that carries snapshots and deltas.
const BOOK_SID: u32 = 1;
/// Subscription that carries trades.
const TRADE_SID: u32 = 2;
/// The outcome is published this long after the close.
const SETTLE_AFTER_MS: i64 = 5_000;

/// What, besides the price, knows the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nothing: the fair tape.
    None,
    /// Quotes of the side that will win are larger, those of the other side smaller, by `per_mille`
    /// thousandths (0..1000).
    TouchImbalance {
        /// Strength of the leak.
        per_mille: u16,
    },
}

/// What to synthesize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeSpec {
    /// Same seed, same tape.
    pub seed: u64,
    /// Number of markets, each with its own event.
    pub markets: u32,
    /// Life of a market in minutes.
    pub minutes: u32,
    /// A new market opens every so many minutes.
    pub stagger_minutes: u32,
    /// Moments of activity in a market's life: about one decision each, some five frames each.
    pub steps: u32,
    /// Standard deviation of the log-odds of the fair value over a market's life, in thousandths.
    pub spread_e3: u32,
    /// What knows the outcome.
    pub edge: Edge,
    /// Opening of the first market, milliseconds since the epoch.
    pub start_ms: i64,
}

impl Default for TapeSpec {
    fn default() -> Self {
        TapeSpec {
            seed: 7,
            markets: 200,
            minutes: 15,
            stagger_minutes: 15,
            steps: 80,
            spread_e3: 1_500,
            edge: Edge::None,
            // 2026-01-05 00:00:00 UTC, a Monday: any fixed time will do.
            start_ms: 1_767_571_200_000,
        }
    }
}

/// A synthetic recording.
#[derive(Clone, Debug)]
pub struct Tape {
    /// `sim:seed=N`: the label that all that is derived from it carries.
    pub source: String,
    /// The dictionary of the events' market ids.
    pub tickers: Tickers,
    /// Definitions with their outcomes, in order of market id.
    pub infos: Vec<MarketInfo>,
    /// All events in order of arrival, row ids from 1.
    pub events: Vec<Event>,
}

/// Makes the tape.
pub fn synthesize(spec: &TapeSpec) -> Tape {
    let mut tickers = Tickers::default();
    let (mut infos, mut told) = (Vec::new(), Vec::new());
    for index in 0..spec.markets {
        let market = Market::synthesize(spec, index);
        let id = tickers.intern(&market.info.ticker);
        tickers.set_uuid(id, market.uuid);
        infos.push(market.info);
        told.extend(market.told.into_iter().map(|t| (id, t)));
    }
    // Stable: what one market tells keeps its order.
    told.sort_by_key(|(_, t)| t.at.ms());
    let mut rng = Rng::stream(spec.seed, "latency", 0);
    let (mut seqs, mut recv) = ([0u64; 2], TsNs::default());
    let number = |(row, (market, told)): (usize, (_, Told))| {
        let trade = matches!(told.body, Body::Trade(_));
        seqs[usize::from(trade)] += 1;
        let latency_ms = 4 + rng.below(20) as i64;
        recv = recv.max(TsNs::from_ms(told.at.ms() + latency_ms));
        let ts = match told.body {
            Body::Snapshot(_) => None,
            // Trade frames tell whole milliseconds.
            Body::Trade(_) => Some(TsUs::from_ms(told.at.ms())),
            _ => Some(told.at),
        };
        let (sid, seq) = (if trade { TRADE_SID } else { BOOK_SID }, seqs[usize::from(trade)]);
        Event { row_id: row as u64 + 1, recv, ts, market, sid, seq, body: told.body }
    };
    let events = told.into_iter().enumerate().map(number).collect();
    Tape { source: format!("sim:seed={}", spec.seed), tickers, infos, events }
}

/// Something that a market's feed tells, and when.
struct Told {
    at: TsUs,
    body: Body,
}

struct Market {
    info: MarketInfo,
    uuid: [u8; 16],
    told: Vec<Told>,
}

impl Market {
    fn synthesize(spec: &TapeSpec, index: u32) -> Market {
        let stream = |name| Rng::stream(spec.seed, name, u64::from(index));
        let (mut rng, mut ids) = (stream("market"), stream("ids"));
        let fair = fair_path(spec, &mut rng);
        let last = fair.last().copied().unwrap_or(ONE_E9 / 2);
        // The outcome is drawn from the end of the price path and from nothing else.
        let yes = (rng.below(ONE_E9 as u64) as i64) < last;
        let flow = FlowSpec {
            half_spread_e9: 2_000_000 + rng.below(8_000_000) as i64,
            quote_weight_e3: weights(spec.edge, yes),
        };
        let mut flow = Flow::new(flow, stream("flow"));
        let open_ms = spec.start_ms + i64::from(index * spec.stagger_minutes) * 60_000;
        let close_ms = open_ms + i64::from(spec.minutes) * 60_000;
        let mut teller = Teller { told: Vec::new(), volume: Qty::ZERO };

        flow.open(fair.first().copied().unwrap_or(last));
        let book = Body::Snapshot(Box::new(flow.exchange().snapshot()));
        teller.told.push(Told { at: TsUs::from_ms(open_ms), body: book });
        let mut facts = Vec::new();
        for (at_ms, fair_e9) in moments(open_ms, close_ms, fair.len(), &mut rng).zip(&fair) {
            flow.step(*fair_e9, &mut facts);
            teller.tell(at_ms, &mut facts, &mut ids);
        }
        flow.drain(&mut facts);
        teller.tell(close_ms, &mut facts, &mut ids);
        let info = info(spec, index, [open_ms, close_ms], yes, teller.volume);
        Market { info, uuid: random_uuid(&mut ids), told: teller.told }
    }
}

/// Fair values at the moments of activity.
fn fair_path(spec: &TapeSpec, rng: &mut Rng) -> Vec<i64> {
    let start_e9 = ONE_E9 / 100 * (35 + rng.below(31) as i64);
    let mut fair = Fair::new(start_e9, i64::from(spec.spread_e3) * 1_000, spec.steps);
    let step = |_| {
        fair.step(rng);
        fair.e9()
    };
    (0..spec.steps).map(step).collect()
}

/// Times of activity, one in each of `n` equal parts of a market's life, strictly before its close.
fn moments(open_ms: i64, close_ms: i64, n: usize, rng: &mut Rng) -> impl Iterator<Item = i64> {
    let part = ((close_ms - open_ms) / n.max(1) as i64).max(1);
    (0..n as i64).map(move |i| open_ms + i * part + rng.below(part as u64) as i64)
}

fn weights(edge: Edge, yes: bool) -> [i64; 2] {
    let Edge::TouchImbalance { per_mille } = edge else { return [1_000; 2] };
    let lean = i64::from(per_mille.min(1_000)) * if yes { 1 } else { -1 };
    [1_000 + lean, 1_000 - lean]
}

/// Collects what the exchange does as what its feed tells.
struct Teller {
    told: Vec<Told>,
    volume: Qty,
}

impl Teller {
    /// Everything in `facts` happened in the millisecond `at_ms`, a microsecond apart.
    fn tell(&mut self, at_ms: i64, facts: &mut Vec<Fact>, ids: &mut Rng) {
        for (i, fact) in facts.drain(..).enumerate() {
            let body = match fact {
                Fact::Level(delta) => Body::Delta(delta),
                Fact::Fill { side, yes_price, qty, .. } => {
                    self.volume += qty;
                    let id = random_uuid(ids);
                    Body::Trade(Box::new(Trade { taker: side, yes_price, qty, block: None, id }))
                }
            };
            self.told.push(Told { at: TsUs(at_ms * 1_000 + i.min(999) as i64), body });
        }
    }
}

fn random_uuid(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    bytes[8..].copy_from_slice(&rng.next_u64().to_le_bytes());
    bytes
}

fn info(spec: &TapeSpec, index: u32, life_ms: [i64; 2], yes: bool, volume: Qty) -> MarketInfo {
    let event_ticker = format!("KXSIM{}M-S{}N{index:04}", spec.minutes, spec.seed);
    let cent = Price::new(100).unwrap_or_default();
    MarketInfo {
        ticker: format!("{event_ticker}-T50"),
        event_ticker,
        title: format!("Synthetic market {index} of seed {}", spec.seed),
        open: Some(TsUs::from_ms(life_ms[0])),
        close: Some(TsUs::from_ms(life_ms[1])),
        settled: Some(TsUs::from_ms(life_ms[1] + SETTLE_AFTER_MS)),
        settlement: Some(if yes { Price::ONE } else { Price::ZERO }),
        status: "finalized".into(),
        ticks: vec![TickRange { start: Price::ZERO, end: Price::ONE, step: cent }],
        volume: Some(volume),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Book, Change};

    /// Per market: (mid at half time, mean touch imbalance until then, outcome), in dollars; checks
    /// on the way that the tape is a feed that a client can follow.
    fn follow(tape: &Tape) -> Vec<(f64, f64, f64)> {
        let mut out = Vec::new();
        for (id, info) in tape.infos.iter().enumerate() {
            let mine = |e: &&Event| e.market.0 as usize == id;
            let events: Vec<&Event> = tape.events.iter().filter(mine).collect();
            assert!(matches!(events[0].body, Body::Snapshot(_)));
            let (mut book, mut seen) = (Book::default(), Vec::new());
            for event in &events {
                assert!(event.ts.is_none_or(|t| Some(t.ms()) <= info.close.map(TsUs::ms)));
                let change = book.apply(event).expect("no level goes negative");
                assert!(!book.is_crossed() && change != Change::NoBook);
                let touch = book.touch();
                if let (Some(b), Some(a)) = (touch.bid, touch.ask) {
                    let (bq, aq) = (b.1.0 as f64, a.1.0 as f64);
                    seen.push(((b.0.prob() + a.0.prob()) / 2.0, (bq - aq) / (bq + aq)));
                }
            }
            assert_eq!(book.touch(), Default::default(), "the book drains at the close");
            seen.truncate(seen.len() / 2);
            let imbalance = seen.iter().map(|s| s.1).sum::<f64>() / seen.len() as f64;
            let outcome = info.settlement.expect("settled").prob();
            out.push((seen.last().expect("quoted").0, imbalance, outcome));
        }
        out
    }

    fn correlation(xy: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
        let n = xy.clone().count() as f64;
        let mean = |f: fn((f64, f64)) -> f64| xy.clone().map(f).sum::<f64>() / n;
        let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| xy.clone().map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
    }

    #[test]
    fn same_seed_same_tape_and_order_is_arrival() {
        let spec = TapeSpec { markets: 5, stagger_minutes: 4, ..TapeSpec::default() };
        let (a, b) = (synthesize(&spec), synthesize(&spec));
        assert_eq!((&a.events, &a.infos), (&b.events, &b.infos));
        assert_ne!(a.events, synthesize(&TapeSpec { seed: 8, ..spec }).events);
        assert!(a.events.is_sorted_by_key(|e| e.recv));
        assert!(a.events.iter().map(|e| e.row_id).eq(1..=a.events.len() as u64));
        for sid in [BOOK_SID, TRADE_SID] {
            let seqs: Vec<u64> = a.events.iter().filter(|e| e.sid == sid).map(|e| e.seq).collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
        }
        let fractional = |e: &&Event| matches!(e.body, Body::Delta(d) if d.qty.e2() % 100 != 0);
        assert!(a.events.iter().filter(fractional).count() > 50);
    }

    #[test]
    fn on_the_fair_tape_prices_are_right_and_sizes_say_nothing() {
        let spec = TapeSpec { markets: 1_500, steps: 30, ..TapeSpec::default() };
        let markets = follow(&synthesize(&spec));
        let bias = markets.iter().map(|m| m.2 - m.0).sum::<f64>() / 1_500.0;
        // Standard error 0.5 / sqrt(1500) = 0.013.
        assert!(bias.abs() < 0.04, "{bias}");
        let r = correlation(markets.iter().map(|m| (m.1, m.2 - m.0)));
        assert!(r.abs() < 0.08, "{r}");
    }

    #[test]
    fn the_planted_edge_is_in_the_sizes_and_not_in_the_price() {
        let edge = Edge::TouchImbalance { per_mille: 400 };
        let spec =
            TapeSpec { markets: 600, steps: 40, spread_e3: 400, edge, ..TapeSpec::default() };
        let markets = follow(&synthesize(&spec));
        let bias = markets.iter().map(|m| m.2 - m.0).sum::<f64>() / 600.0;
        assert!(bias.abs() < 0.06, "{bias}");
        let r = correlation(markets.iter().map(|m| (m.1, m.2)));
        assert!(r > 0.8, "{r}");
    }
}
