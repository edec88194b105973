//! Generalised advantage estimation (Schulman et al. 2016, equation 16) over a rollout.

/// What GAE reads: arrays are time-major, `[steps, envs]`.
pub struct Trace<'a> {
    /// Rewards; where an episode was cut, the caller has already added `gamma * value(final_obs)`.
    pub rewards: &'a [f32],
    /// Values of the observations acted on.
    pub values: &'a [f32],
    /// True where the episode ended with this step, for whatever reason.
    pub dones: &'a [bool],
    /// `[envs]`: values of the observations after the last step.
    pub last_values: &'a [f32],
}

/// Writes advantages, `[steps, envs]`. Nothing flows across the end of an episode.
pub fn advantages(trace: &Trace, gamma: f32, lambda: f32, out: &mut [f32]) {
    let n = trace.last_values.len();
    let n_steps = out.len() / n;
    for step in (0..n_steps).rev() {
        // The row after this one is done: its advantages are carried on, its values come next.
        let (out, later) = out[step * n..].split_at_mut(n);
        let at = step * n..(step + 1) * n;
        let (rewards, values) = (&trace.rewards[at.clone()], &trace.values[at.clone()]);
        let (dones, last) = (&trace.dones[at.clone()], step + 1 == n_steps);
        let next = if last { trace.last_values } else { &trace.values[at.end..at.end + n] };
        for env in 0..n {
            let goes_on = if dones[env] { 0.0 } else { 1.0 };
            let carried = if last { 0.0 } else { later[env] };
            let delta = rewards[env] + gamma * next[env] * goes_on - values[env];
            out[env] = delta + gamma * lambda * goes_on * carried;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The definition, term by term: sum over k of (gamma lambda)^k delta_{t+k} up to the episode's end.
    fn by_definition(t: &Trace, gamma: f64, lambda: f64, n_steps: usize) -> Vec<f64> {
        let n = t.last_values.len();
        let value = |step: usize, env: usize| {
            f64::from(if step == n_steps { t.last_values[env] } else { t.values[step * n + env] })
        };
        let mut out = vec![0.0; n_steps * n];
        for env in 0..n {
            for start in 0..n_steps {
                for step in start..n_steps {
                    let i = step * n + env;
                    let next = if t.dones[i] { 0.0 } else { value(step + 1, env) };
                    let delta = f64::from(t.rewards[i]) + gamma * next - value(step, env);
                    out[start * n + env] += (gamma * lambda).powi((step - start) as i32) * delta;
                    if t.dones[i] {
                        break;
                    }
                }
            }
        }
        out
    }

    #[test]
    fn equals_the_definition_with_episodes_ending_anywhere() {
        let (n_steps, n_envs) = (37, 3);
        let mut rng = Rng::stream(5, "gae", 0);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
        let (rewards, values, last_values) =
            (draw(n_steps * n_envs), draw(n_steps * n_envs), draw(n_envs));
        let dones: Vec<bool> = draw(n_steps * n_envs).iter().map(|x| *x > 1.0).collect();
        let trace =
            Trace { rewards: &rewards, values: &values, dones: &dones, last_values: &last_values };
        let mut got = vec![0.0; n_steps * n_envs];
        advantages(&trace, 0.97, 0.9, &mut got);
        for (got, want) in got.iter().zip(by_definition(&trace, 0.97, 0.9, n_steps)) {
            assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want}");
        }
    }

    #[test]
    fn with_lambda_one_the_return_is_the_discounted_sum() {
        let trace = Trace {
            rewards: &[1.0, 1.0, 1.0],
            values: &[9.0; 3],
            dones: &[false, true, false],
            last_values: &[4.0],
        };
        let mut adv = [0.0; 3];
        advantages(&trace, 0.5, 1.0, &mut adv);
        let returns: Vec<f32> = adv.iter().map(|a| a + 9.0).collect();
        assert_eq!(returns, [1.5, 1.0, 3.0]);
    }
}
