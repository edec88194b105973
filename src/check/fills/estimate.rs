//! Models of the queue run over tracks: how far each is from the truth.
//!
//! Ours is [`QueueModel`], the integer one that orders meet. Beside it stand the six that hftbacktest 0.9.4
//! offers, in its own floating point (fill notes 2), fed in two ways: with the exact cause of each decrease, and
//! as it feeds them, where a trade's message comes before the decrease of its level. On Kalshi it mostly comes
//! after, so the same contracts are taken off twice.

use super::track::{Step, Track};
use crate::broker::{Exponent, QueueModel};
use crate::units::Qty;
use serde::Serialize;

/// A way to estimate how many contracts stand before an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// Ours.
    Model(QueueModel),
    /// One of hftbacktest's.
    Peer(Peer, Feeding),
}

/// The queue functions of hftbacktest: the probability that a cancel happened behind us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peer {
    /// `back^n / (back^n + front^n)`
    Power(f64),
    /// `back^n / (back + front)^n`
    Power2(f64),
    /// `1 - (front / (front + back))^n`
    Power3(f64),
    /// `ln(1 + back) / (ln(1 + back) + ln(1 + front))`
    Log,
    /// `ln(1 + back) / ln(1 + back + front)`
    Log2,
    /// Cancels never help; a level smaller than what stands before us does.
    RiskAdverse,
}

/// How a peer's function learns of trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeding {
    /// Every decrease with its cause.
    Exact,
    /// hftbacktest's own: a trade's message counts at once and is netted from the next change of the level.
    TradeFirst,
}

/// The six, with the exponent of its examples.
pub const PEERS: [(&str, Peer); 6] = [
    ("PowerProbQueueFunc(3)", Peer::Power(3.0)),
    ("PowerProbQueueFunc2(3)", Peer::Power2(3.0)),
    ("PowerProbQueueFunc3(3)", Peer::Power3(3.0)),
    ("LogProbQueueFunc", Peer::Log),
    ("LogProbQueueFunc2", Peer::Log2),
    ("RiskAdverseQueueModel", Peer::RiskAdverse),
];

/// The uniform model: a cancel is as likely before as behind us.
pub const UNIFORM: Estimator = Estimator::Model(QueueModel::Power(Exponent::ONE));

/// Size of a lot, contracts: a trade beyond the front by half of it fills.
const LOT: f64 = 0.01;

/// Distances from the truth, in contracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    /// Places compared.
    pub looks: u64,
    sum: f64,
    distance: f64,
}

impl Errors {
    /// Enters one look.
    pub fn enter(&mut self, estimate: f64, truth: f64) {
        self.looks += 1;
        self.sum += estimate - truth;
        self.distance += (estimate - truth).abs();
    }

    /// Mean of estimate less truth; zero without a look.
    pub fn bias(&self) -> f64 {
        self.sum / self.looks.max(1) as f64
    }

    /// Mean distance from the truth; zero without a look.
    pub fn mean_error(&self) -> f64 {
        self.distance / self.looks.max(1) as f64
    }
}

/// Errors of one estimator over all tracks.
pub fn errors<'a>(estimator: Estimator, tracks: impl IntoIterator<Item = &'a Track>) -> Errors {
    let mut errors = Errors::default();
    for track in tracks {
        follow(estimator, track, |estimate, truth| errors.enter(estimate, contracts(truth)));
    }
    errors
}

/// Runs the estimator over one track; `look` gets its estimate in contracts and the truth at every look.
pub fn follow(estimator: Estimator, track: &Track, look: impl FnMut(f64, Qty)) {
    match estimator {
        Estimator::Model(model) => follow_model(model, track, look),
        Estimator::Peer(peer, feeding) => follow_peer(peer, feeding, track, look),
    }
}

/// Contracts as a float, for reports.
pub fn contracts(qty: Qty) -> f64 {
    qty.e2() as f64 / 100.0
}

fn follow_model(model: QueueModel, track: &Track, mut look: impl FnMut(f64, Qty)) {
    let mut front = track.start;
    for step in &track.steps {
        match *step {
            Step::Level { before, after, traded: true } => {
                front = (front - (before - after)).max(Qty::ZERO);
            }
            Step::Level { before, after, traded: false } if after < before => {
                front = model.cancel(front, before, before - after);
            }
            Step::Level { .. } | Step::Print(_) => {}
            Step::Look(truth) => look(contracts(front), truth),
        }
    }
}

/// hftbacktest's queue of one order.
struct PeerQueue {
    peer: Peer,
    front: f64,
    /// Traded since the level changed last.
    traded: f64,
    /// A trade went beyond what was before the order: it believes in its fill.
    filled: bool,
}

fn follow_peer(peer: Peer, feeding: Feeding, track: &Track, mut look: impl FnMut(f64, Qty)) {
    let front = contracts(track.start);
    let mut queue = PeerQueue { peer, front, traded: 0.0, filled: false };
    for step in &track.steps {
        match (*step, feeding) {
            (Step::Level { before, after, traded: true }, Feeding::Exact) => {
                queue.trade(contracts(before - after));
                queue.level(contracts(before), contracts(after));
            }
            (Step::Level { before, after, .. }, _) => {
                queue.level(contracts(before), contracts(after));
            }
            (Step::Print(qty), Feeding::TradeFirst) => queue.trade(contracts(qty)),
            (Step::Print(_), Feeding::Exact) => {}
            (Step::Look(truth), _) if queue.filled => look(0.0, truth),
            // Cancels can take its front below zero; the next trade then fills.
            (Step::Look(truth), _) => look(queue.front.max(0.0), truth),
        }
    }
}

impl PeerQueue {
    fn trade(&mut self, qty: f64) {
        self.front -= qty;
        self.traded += qty;
        self.filled |= (-self.front / LOT).round() > 0.0;
    }

    fn level(&mut self, before: f64, after: f64) {
        let change = before - after - std::mem::take(&mut self.traded);
        if self.peer == Peer::RiskAdverse || change < 0.0 {
            self.front = self.front.min(after);
            return;
        }
        let back = before - self.front;
        let behind = self.peer.behind(self.front, back);
        let behind = if behind.is_infinite() { 1.0 } else { behind };
        let front = self.front - (1.0 - behind) * change + (back - behind * change).min(0.0);
        // As in Rust's `f64::min`, no number gives way to a number.
        self.front = front.min(after);
    }
}

impl Peer {
    /// Probability that a cancel happened behind us.
    fn behind(self, front: f64, back: f64) -> f64 {
        let log = |x: f64| (1.0 + x).ln();
        match self {
            Peer::Power(n) => back.powf(n) / (back.powf(n) + front.powf(n)),
            Peer::Power2(n) => back.powf(n) / (back + front).powf(n),
            Peer::Power3(n) => 1.0 - (front / (front + back)).powf(n),
            Peer::Log => log(back) / (log(back) + log(front)),
            Peer::Log2 => log(back) / log(back + front),
            Peer::RiskAdverse => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TsUs;

    fn track(steps: Vec<Step>) -> Track {
        let (ticker, joined, ended) = ("KXA-1".to_owned(), TsUs(0), TsUs(0));
        Track { ticker, joined, ended, start: Qty(5_000), steps, ambiguous: Qty::ZERO }
    }

    fn level(before: i64, after: i64, traded: bool) -> Step {
        Step::Level { before: Qty(before), after: Qty(after), traded }
    }

    #[track_caller]
    fn check(estimator: Estimator, steps: &[Step], want: f64) {
        let steps = [steps, &[Step::Look(Qty(4_000))]].concat();
        let mut got = Vec::new();
        follow(estimator, &track(steps.clone()), |estimate, truth| got.push((estimate, truth)));
        assert_eq!(got.len(), 1);
        assert!((got[0].0 - want).abs() < 1e-9, "{estimator:?}: {} instead of {want}", got[0].0);
        let errors = errors(estimator, [&track(steps)]);
        assert!((errors.bias() - (want - 40.0)).abs() < 1e-9);
    }

    /// 50 contracts before us, 50 behind; 20 go.
    #[test]
    fn each_function_takes_its_share_of_a_cancel_off_the_front() {
        let cancel = [level(10_000, 8_000, false)];
        let peer = |peer| Estimator::Peer(peer, Feeding::Exact);
        check(UNIFORM, &cancel, 40.0);
        check(Estimator::Model(QueueModel::Risk), &cancel, 50.0);
        check(peer(Peer::Power(3.0)), &cancel, 40.0);
        check(peer(Peer::Power2(3.0)), &cancel, 50.0 - 20.0 * 0.875);
        check(peer(Peer::Power3(3.0)), &cancel, 47.5);
        check(peer(Peer::Log), &cancel, 40.0);
        check(peer(Peer::Log2), &cancel, 50.0 - 20.0 * (1.0 - 51f64.ln() / 101f64.ln()));
        check(peer(Peer::RiskAdverse), &cancel, 50.0);
    }

    /// The same 20 contracts, traded: everybody takes them off once, trade-first feeding twice when the
    /// message comes after the decrease and once when it comes before.
    #[test]
    fn a_trade_told_after_its_decrease_is_counted_twice_by_trade_first_feeding() {
        let (told_after, told_before) = (
            [level(10_000, 8_000, true), Step::Print(Qty(2_000))],
            [Step::Print(Qty(2_000)), level(10_000, 8_000, true)],
        );
        for (_, peer) in PEERS {
            check(Estimator::Peer(peer, Feeding::Exact), &told_after, 30.0);
            check(Estimator::Peer(peer, Feeding::TradeFirst), &told_before, 30.0);
        }
        check(Estimator::Peer(Peer::Power3(3.0), Feeding::TradeFirst), &told_after, 27.5);
        check(Estimator::Peer(Peer::RiskAdverse, Feeding::TradeFirst), &told_after, 30.0);
        check(UNIFORM, &told_after, 30.0);
    }
}
