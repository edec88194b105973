//! A pole on a cart.

use super::loaded;
use crate::env::{EpisodeEnd, StepBuf, VecEnv};
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
}
