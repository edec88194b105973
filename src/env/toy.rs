//! Small environments with known answers, on which learning code proves itself.

mod bandit;
mod cartpole;
mod table_walk;

pub use bandit::Bandit;
pub use cartpole::CartPole;
pub use table_walk::TableWalk;

use serde::Deserialize;
use serde_json::Value;

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
    use crate::env::{StepBuf, VecEnv};

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
