//! Policies: what looks at an observation and chooses an action. Here are the scripted ones, which stand
//! beside every learned policy in the same table.

pub use crate::env::Policy;

use crate::env::action::HOLD;
use crate::rng::Rng;
use crate::units::Side;

/// How often [`Hardcoded`] holds.
const HARDCODED_HOLD: f64 = 0.75;

/// Never trades.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hold;

impl Policy for Hold {
    fn name(&self) -> &str {
        "hold"
    }

    fn begin(&mut self, _seed: u64) {}

    fn act(&mut self, _obs: &[f32], _mask: &[bool]) -> u32 {
        HOLD
    }
}

/// Uniform over the allowed actions, hold among them.
#[derive(Clone, Debug)]
pub struct Random(Rng);

impl Default for Random {
    fn default() -> Random {
        Random(Rng::stream(0, "random", 0))
    }
}

impl Policy for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn begin(&mut self, seed: u64) {
        self.0 = Rng::stream(seed, "random", 0);
    }

    fn act(&mut self, _obs: &[f32], mask: &[bool]) -> u32 {
        uniform(&mut self.0, mask, HOLD)
    }
}

/// The strategy that the predecessor traded with: holds three times out of four, else one of the
/// allowed trades, each as likely.
#[derive(Clone, Debug)]
pub struct Hardcoded(Rng);

impl Default for Hardcoded {
    fn default() -> Hardcoded {
        Hardcoded(Rng::stream(0, "hardcoded", 0))
    }
}

impl Policy for Hardcoded {
    fn name(&self) -> &str {
        "hardcoded"
    }

    fn begin(&mut self, seed: u64) {
        self.0 = Rng::stream(seed, "hardcoded", 0);
    }

    fn act(&mut self, _obs: &[f32], mask: &[bool]) -> u32 {
        if self.0.chance(HARDCODED_HOLD) { HOLD } else { uniform(&mut self.0, mask, HOLD + 1) }
    }
}

/// Buys one side from the first decision on until its limit, the largest allowed clip each time, and
/// holds to the end.
#[derive(Clone, Copy, Debug)]
pub struct BuyAndHold(pub Side);

impl Policy for BuyAndHold {
    fn name(&self) -> &str {
        match self.0 {
            Side::Yes => "buy_yes",
            Side::No => "buy_no",
        }
    }

    fn begin(&mut self, _seed: u64) {}

    fn act(&mut self, _obs: &[f32], mask: &[bool]) -> u32 {
        // Coding of `env::action`: hold, then buy YES, sell YES, buy NO, sell NO at each size.
        let sizes = (mask.len() - 1) / 4;
        let first = 1 + 2 * sizes * self.0.index();
        (first..first + sizes).rev().find(|a| mask[*a]).map_or(HOLD, |a| a as u32)
    }
}

/// One action whenever it is allowed, else hold.
#[derive(Clone, Debug)]
pub struct Constant {
    name: String,
    action: u32,
}

impl Constant {
    /// Always `action`, called `name` in tables.
    pub fn new(name: impl Into<String>, action: u32) -> Constant {
        Constant { name: name.into(), action }
    }
}

impl Policy for Constant {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, _seed: u64) {}

    fn act(&mut self, _obs: &[f32], mask: &[bool]) -> u32 {
        if mask[self.action as usize] { self.action } else { HOLD }
    }
}

/// One of the allowed actions from `first` on, each as likely; hold when there is none.
fn uniform(rng: &mut Rng, mask: &[bool], first: u32) -> u32 {
    let allowed = || (first as usize..mask.len()).filter(|a| mask[*a]);
    match allowed().count() {
        0 => HOLD,
        n => allowed().nth(rng.below(n as u64) as usize).map_or(HOLD, |a| a as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(policy: &mut dyn Policy, mask: &[bool]) -> Vec<f64> {
        let mut counts = vec![0; mask.len()];
        policy.begin(3);
        (0..40_000).for_each(|_| counts[policy.act(&[], mask) as usize] += 1);
        counts.iter().map(|n| f64::from(*n) / 40_000.0).collect()
    }

    #[track_caller]
    fn check(policy: &mut dyn Policy, mask: &[bool], want: &[f64]) {
        let got = shares(policy, mask);
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.01), "{got:?}");
    }

    #[test]
    fn chance_is_shared_among_the_allowed_actions() {
        let mask = [true, true, false, false, true];
        check(&mut Random::default(), &mask, &[1.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0 / 3.0]);
        check(&mut Hardcoded::default(), &mask, &[0.75, 0.125, 0.0, 0.0, 0.125]);
        check(&mut Hardcoded::default(), &[true, false, false, false, false], &[1.0]);
    }

    #[test]
    fn scripted_policies_do_what_they_say() {
        let mask = [true, true, false, true, true];
        check(&mut Hold, &mask, &[1.0]);
        check(&mut BuyAndHold(Side::Yes), &mask, &[0.0, 1.0]);
        check(&mut BuyAndHold(Side::No), &mask, &[0.0, 0.0, 0.0, 1.0]);
        check(&mut Constant::new("sell_yes", 2), &mask, &[1.0]);
        let two_sizes = [true, true, false, true, true, true, true, true, true];
        check(&mut BuyAndHold(Side::Yes), &two_sizes, &[0.0, 1.0]);
        check(&mut BuyAndHold(Side::No), &two_sizes, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn the_same_seed_chooses_the_same_actions() {
        let draw = |seed| {
            let mut policy = Random::default();
            policy.begin(seed);
            (0..50).map(|_| policy.act(&[], &[true; 5])).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
