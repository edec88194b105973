//! Faults without a script: drawn from a seed, for long runs.

use super::{Fault, Garbage, Step, When};
use crate::rng::Rng;
use crate::sim::ws::Channel;

/// Every kind of fault, now and then.
#[derive(Clone, Debug)]
pub struct RandomFaults {
    rng: Rng,
    mean_wait_ms: u64,
    next_ms: u64,
}

impl RandomFaults {
    /// About `per_minute` faults a minute, the same ones for the same seed; none for 0.
    pub fn new(seed: u64, per_minute: u32) -> RandomFaults {
        let mean_wait_ms = 60_000 / u64::from(per_minute.max(1));
        let mut faults =
            RandomFaults { rng: Rng::stream(seed, "faults", 0), mean_wait_ms, next_ms: u64::MAX };
        if per_minute > 0 {
            faults.next_ms = faults.wait_ms();
        }
        faults
    }

    /// Adds what strikes until `elapsed_ms` after the start.
    pub fn due(&mut self, elapsed_ms: u64, into: &mut Vec<Step>) {
        while self.next_ms <= elapsed_ms {
            let when = When::AtMs(self.next_ms);
            let channel =
                if self.rng.below(4) == 0 { Channel::Trade } else { Channel::OrderbookDelta };
            into.push(Step { when, channel, fault: self.draw() });
            self.next_ms += self.wait_ms();
        }
    }

    fn wait_ms(&mut self) -> u64 {
        1 + self.rng.below(2 * self.mean_wait_ms.max(1))
    }

    /// Lost frames are as frequent as all ways to lose the connection together; a vanished peer is rare,
    /// because it takes its client a quarter of a minute to notice.
    fn draw(&mut self) -> Fault {
        let rng = &mut self.rng;
        let up_to = |rng: &mut Rng, n: u64| 1 + rng.below(n) as u32;
        match rng.below(100) {
            0..20 => Fault::Drop(up_to(rng, 20)),
            20..30 => Fault::Duplicate(up_to(rng, 5)),
            30..38 => Fault::Reorder(up_to(rng, 3)),
            38..46 => Fault::Delay { n: up_to(rng, 50), ms: up_to(rng, 300) },
            46..60 => self.garbage(),
            60..68 => Fault::Error([10, 25, 26, 27][rng.below(4) as usize]),
            68..73 => Fault::Cut,
            73..78 => Fault::Reset,
            78..79 => Fault::HalfOpen,
            79..83 => Fault::SlowReader(up_to(rng, 500)),
            83..90 => Fault::Close(1_000 + rng.below(16) as u16),
            90..94 => Fault::Pause(up_to(rng, 500)),
            94..98 => {
                // Not 401 or 403: a client rightly stays away from those for half a minute.
                let status = [429, 500, 503][rng.below(3) as usize];
                Fault::Refuse { n: up_to(rng, 2), status }
            }
            _ => Fault::Restart(up_to(rng, 400)),
        }
    }

    fn garbage(&mut self) -> Fault {
        use Garbage::{
            Binary, Deep, Huge, InvalidUtf8, NotANumber, Truncated, UnknownType, WrongTypes,
        };
        let all = [InvalidUtf8, Truncated, WrongTypes, Binary, Deep, Huge, UnknownType, NotANumber];
        let kind = all[self.rng.below(8) as usize];
        let (n, bytes) = (1 + self.rng.below(3) as u32, 1 + self.rng.below(1 << 20) as u32);
        Fault::Garbage { kind, n, bytes, in_place: self.rng.below(2) == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_faults_at_about_the_rate_asked_for() {
        let run = |seed, stride: u64| {
            let (mut faults, mut steps) = (RandomFaults::new(seed, 60), Vec::new());
            (0..600_000).step_by(stride as usize).for_each(|ms| faults.due(ms, &mut steps));
            steps
        };
        let steps = run(1, 7);
        assert!((450..750).contains(&steps.len()), "{}", steps.len());
        assert_eq!(steps[..400], run(1, 1_000)[..400]);
        assert_ne!(steps[..20], run(2, 7)[..20]);
        let mut none = Vec::new();
        RandomFaults::new(1, 0).due(u64::MAX - 1, &mut none);
        assert!(none.is_empty());
    }
}
