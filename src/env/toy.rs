//! Small environments with known answers, on which learning code proves itself.

use super::{EpisodeEnd, StepBuf, VecEnv};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Gymnasium's `CartPole-v1` (Barto, Sutton and Anderson 1983): push a cart left (0) or right (1) and keep
/// its pole upright. Reward 1 per step; over at 12 degrees or 2.4 m, cut after 500 steps.
pub struct CartPole {
    carts: Vec<Cart>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    /// Bits of the f64 position, velocity, angle and angular velocity: exact in JSON.
    state: [u64; 4],
    steps: u32,
    rng: Rng,
}

const CARTPOLE_STEPS: u32 = 500;

impl CartPole {
    /// `n_envs` carts; [`VecEnv::reset`] comes first.
    pub fn new(n_envs: usize) -> CartPole {
        let cart = |i| Cart { state: [0; 4], steps: 0, rng: Rng::stream(0, "cartpole", i) };
        CartPole { carts: (0..n_envs as u64).map(cart).collect() }
    }

    /// Names of the actions.
    pub fn actions() -> Vec<String> {
        vec!["left".into(), "right".into()]
    }
}

impl Cart {
    fn begin(&mut self) {
        self.state = std::array::from_fn(|_| (self.rng.unit() * 0.1 - 0.05).to_bits());
        self.steps = 0;
    }

    /// One step of 20 ms by Euler's method; true when the pole has fallen or the cart has left the track.
    fn push(&mut self, right: bool) -> bool {
        let [x, v, angle, spin] = self.state.map(f64::from_bits);
        let force = if right { 10.0 } else { -10.0 };
        let (sin, cos) = angle.sin_cos();
        let pull = (force + 0.05 * spin * spin * sin) / 1.1;
        let spin_change = (9.8 * sin - cos * pull) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
        let v_change = pull - 0.05 * spin_change * cos / 1.1;
        let next =
            [x + 0.02 * v, v + 0.02 * v_change, angle + 0.02 * spin, spin + 0.02 * spin_change];
        self.state = next.map(f64::to_bits);
        self.steps += 1;
        next[0].abs() > 2.4 || next[2].abs() > 12f64.to_radians()
    }

    fn write(&self, out: &mut [f32]) {
        for (out, bits) in out.iter_mut().zip(self.state) {
            *out = f64::from_bits(bits) as f32;
        }
    }
}

impl VecEnv for CartPole {
    fn n_envs(&self) -> usize {
        self.carts.len()
    }

    fn obs_len(&self) -> usize {
        4
    }

    fn n_actions(&self) -> usize {
        2
    }

    fn reset(&mut self, seed: u64, out: &mut StepBuf) {
        for (i, cart) in self.carts.iter_mut().enumerate() {
            cart.rng = Rng::stream(seed, "cartpole", i as u64);
            cart.begin();
            cart.write(&mut out.obs[i * 4..(i + 1) * 4]);
        }
        out.mask.fill(true);
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        for (i, cart) in self.carts.iter_mut().enumerate() {
            let obs = i * 4..(i + 1) * 4;
            out.terminated[i] = cart.push(actions[i] == 1);
            out.truncated[i] = !out.terminated[i] && cart.steps >= CARTPOLE_STEPS;
            out.reward[i] = 1.0;
            out.ended[i] = EpisodeEnd::default();
            if out.terminated[i] || out.truncated[i] {
                out.ended[i] = EpisodeEnd { ret: f64::from(cart.steps), len: cart.steps };
                cart.write(&mut out.final_obs[obs.clone()]);
                cart.begin();
            }
            cart.write(&mut out.obs[obs]);
        }
    }

    fn save(&self) -> Value {
        serde_json::json!({ "cartpole": self.carts })
    }

    fn load(&mut self, state: &Value, out: &mut StepBuf) -> Result<(), String> {
        self.carts = loaded(state, "cartpole", self.carts.len())?;
        for (i, cart) in self.carts.iter().enumerate() {
            cart.write(&mut out.obs[i * 4..(i + 1) * 4]);
        }
        out.mask.fill(true);
        Ok(())
    }
}

/// A slot machine with four arms that pay 0.1, 0.3, 0.9 and 1.0 on average, with noise. In every episode
/// (one pull) one arm is out of order: the observation shows which, the mask forbids it. Best play is
/// arm 3, or arm 2 when 3 is out: a mean of 0.975.
pub struct Bandit {
    pulls: Vec<Pull>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pull {
    broken: u64,
    rng: Rng,
}

impl Bandit {
    /// Mean payment of each arm.
    pub const ARMS: [f64; 4] = [0.1, 0.3, 0.9, 1.0];

    /// `n_envs` machines; [`VecEnv::reset`] comes first.
    pub fn new(n_envs: usize) -> Bandit {
        Bandit {
            pulls: (0..n_envs as u64)
                .map(|i| Pull { broken: 0, rng: Rng::stream(0, "bandit", i) })
                .collect(),
        }
    }

    /// Names of the actions.
    pub fn actions() -> Vec<String> {
        (0..4).map(|arm| format!("arm_{arm}")).collect()
    }

    fn write(&self, out: &mut StepBuf) {
        out.obs.fill(0.0);
        out.mask.fill(true);
        for (i, pull) in self.pulls.iter().enumerate() {
            out.obs[i * 4 + pull.broken as usize] = 1.0;
            out.mask[i * 4 + pull.broken as usize] = false;
        }
    }
}

impl VecEnv for Bandit {
    fn n_envs(&self) -> usize {
        self.pulls.len()
    }

    fn obs_len(&self) -> usize {
        4
    }

    fn n_actions(&self) -> usize {
        4
    }

    fn reset(&mut self, seed: u64, out: &mut StepBuf) {
        for (i, pull) in self.pulls.iter_mut().enumerate() {
            pull.rng = Rng::stream(seed, "bandit", i as u64);
            pull.broken = pull.rng.below(4);
        }
        self.write(out);
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        out.final_obs.copy_from_slice(&out.obs);
        for (i, pull) in self.pulls.iter_mut().enumerate() {
            assert_ne!(u64::from(actions[i]), pull.broken, "this arm is out of order");
            let payment = Bandit::ARMS[actions[i] as usize] + 0.2 * pull.rng.normal();
            out.reward[i] = payment as f32;
            out.terminated[i] = true;
            out.truncated[i] = false;
            out.ended[i] = EpisodeEnd { ret: payment, len: 1 };
            pull.broken = pull.rng.below(4);
        }
        self.write(out);
    }

    fn save(&self) -> Value {
        serde_json::json!({ "bandit": self.pulls })
    }

    fn load(&mut self, state: &Value, out: &mut StepBuf) -> Result<(), String> {
        self.pulls = loaded(state, "bandit", self.pulls.len())?;
        self.write(out);
        Ok(())
    }
}

/// An environment that costs nothing, to time a trainer: 52 numbers looked up in a table of 4096 rows, five
/// actions, episodes of 1000 steps. The reward is the row's first number times the action minus two.
pub struct TableWalk {
    table: Vec<f32>,
    at: Vec<usize>,
    steps: Vec<u32>,
    returns: Vec<f64>,
}

impl TableWalk {
    const OBS: usize = 52;
    const ROWS: usize = 4096;
    const STEPS: u32 = 1000;

    /// `n_envs` walkers through one table of standard normal numbers.
    pub fn new(n_envs: usize) -> TableWalk {
        let mut rng = Rng::stream(1234, "table", 0);
        TableWalk {
            table: (0..Self::ROWS * Self::OBS).map(|_| rng.normal() as f32).collect(),
            at: (0..n_envs).map(|i| i * 131).collect(),
            steps: vec![0; n_envs],
            returns: vec![0.0; n_envs],
        }
    }

    /// Names of the actions.
    pub fn actions() -> Vec<String> {
        (-2..=2).map(|i: i32| i.to_string()).collect()
    }

    fn row(&self, env: usize) -> &[f32] {
        let row = self.at[env] % Self::ROWS;
        &self.table[row * Self::OBS..(row + 1) * Self::OBS]
    }

    fn write(&self, out: &mut StepBuf) {
        for (env, obs) in out.obs.chunks_exact_mut(Self::OBS).enumerate() {
            obs.copy_from_slice(self.row(env));
        }
        out.mask.fill(true);
    }
}

impl VecEnv for TableWalk {
    fn n_envs(&self) -> usize {
        self.at.len()
    }

    fn obs_len(&self) -> usize {
        Self::OBS
    }

    fn n_actions(&self) -> usize {
        5
    }

    fn reset(&mut self, _seed: u64, out: &mut StepBuf) {
        self.steps.fill(0);
        self.returns.fill(0.0);
        self.write(out);
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        for env in 0..self.at.len() {
            let reward = self.row(env)[0] * (actions[env] as f32 - 2.0);
            self.at[env] += 1;
            self.steps[env] += 1;
            self.returns[env] += f64::from(reward);
            out.reward[env] = reward;
            out.truncated[env] = self.steps[env] == Self::STEPS;
            out.ended[env] = EpisodeEnd::default();
            if out.truncated[env] {
                out.ended[env] = EpisodeEnd { ret: self.returns[env], len: Self::STEPS };
                out.final_obs[env * Self::OBS..(env + 1) * Self::OBS]
                    .copy_from_slice(self.row(env));
                (self.steps[env], self.returns[env]) = (0, 0.0);
            }
        }
        self.write(out);
    }

    fn save(&self) -> Value {
        let returns: Vec<u64> = self.returns.iter().map(|r| r.to_bits()).collect();
        serde_json::json!({ "table_walk": self.at.iter().zip(&self.steps).zip(&returns).collect::<Vec<_>>() })
    }

    fn load(&mut self, state: &Value, out: &mut StepBuf) -> Result<(), String> {
        let saved: Vec<((usize, u32), u64)> = loaded(state, "table_walk", self.at.len())?;
        for (env, ((at, steps), bits)) in saved.into_iter().enumerate() {
            (self.at[env], self.steps[env], self.returns[env]) = (at, steps, f64::from_bits(bits));
        }
        self.write(out);
        Ok(())
    }
}

/// The saved environments under `key`, `n` of them.
fn loaded<T: for<'de> Deserialize<'de>>(
    state: &Value,
    key: &str,
    n: usize,
) -> Result<Vec<T>, String> {
    let saved = state.get(key).ok_or_else(|| format!("the saved state is not one of `{key}`"))?;
    let envs: Vec<T> =
        serde_json::from_value(saved.clone()).map_err(|e| format!("state of `{key}`: {e}"))?;
    match envs.len() {
        len if len == n => Ok(envs),
        len => Err(format!("the saved state holds {len} environments, not {n}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gymnasium 1.x, CartPole-v1 from state (0.01, -0.02, 0.03, 0.04), actions 1 1 0.
    #[test]
    fn the_cart_moves_as_in_gymnasium() {
        let mut cart = Cart {
            state: [0.01, -0.02, 0.03, 0.04].map(f64::to_bits),
            steps: 0,
            rng: Rng::stream(0, "", 0),
        };
        assert!(!cart.push(true) && !cart.push(true) && !cart.push(false));
        let want = GYMNASIUM;
        for (got, want) in cart.state.map(f64::from_bits).into_iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }

    const GYMNASIUM: [f64; 4] =
        [0.02048054343611022, 0.17387081260481596, 0.01542103307979687, -0.22513741609237464];

    #[test]
    fn a_saved_environment_goes_on_as_if_nothing_had_happened() {
        fn check(mut env: Box<dyn VecEnv>, mut twin: Box<dyn VecEnv>) {
            let (mut a, mut b) = (StepBuf::for_env(&*env), StepBuf::for_env(&*twin));
            let choose = |buf: &StepBuf| -> Vec<u32> {
                buf.mask
                    .chunks(buf.mask.len() / 3)
                    .map(|m| m.iter().rposition(|ok| *ok).unwrap() as u32)
                    .collect()
            };
            env.reset(5, &mut a);
            for _ in 0..20 {
                env.step(&choose(&a), &mut a);
            }
            let text = env.save().to_string();
            twin.load(&serde_json::from_str(&text).unwrap(), &mut b).unwrap();
            assert_eq!((&a.obs, &a.mask), (&b.obs, &b.mask));
            for _ in 0..200 {
                let actions = choose(&a);
                env.step(&actions, &mut a);
                twin.step(&actions, &mut b);
                assert_eq!(
                    (&a.obs, &a.mask, &a.reward, &a.ended),
                    (&b.obs, &b.mask, &b.reward, &b.ended)
                );
            }
        }
        check(Box::new(CartPole::new(3)), Box::new(CartPole::new(3)));
        check(Box::new(Bandit::new(3)), Box::new(Bandit::new(3)));
        check(Box::new(TableWalk::new(3)), Box::new(TableWalk::new(3)));
        let (cart, mut bandit) = (CartPole::new(3), Bandit::new(3));
        let mut buf = StepBuf::for_env(&bandit);
        assert!(bandit.load(&cart.save(), &mut buf).is_err());
        assert!(bandit.load(&Bandit::new(2).save(), &mut buf).is_err());
    }
}
