//! Many seats in lockstep over one shared set of episodes: the environment that an agent trains in.
//!
//! Every environment walks its own random permutation of the episodes, then draws the next one. Under a
//! curriculum it passes over those whose tier has not been opened yet.
//!
//! **Invariant:** a step allocates nothing; rows are read where they lie.

use super::account::{Exact, Rules};
use super::seat::{End, Seat};
use super::{EnvConfig, EnvError, EpisodeEnd, StepBuf, VecEnv, domain};
use crate::features::episode::{Episode, TapeKind};
use crate::rng::Rng;
use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Recorded markets as a vector environment.
#[derive(Clone, Debug)]
pub struct TradingEnv<R: Rules = Exact> {
    episodes: Arc<[Episode]>,
    config: EnvConfig,
    lanes: Vec<Lane<R>>,
    stage: Stage,
}

/// Which episodes a curriculum lets in.
#[derive(Clone, Debug)]
struct Stage {
    /// Tier of each episode, from 0.
    tiers: Arc<[u8]>,
    /// The highest tier let in.
    open: u8,
    /// The highest tier there is.
    last: u8,
}

/// One environment: its order of episodes and its seat at the current one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Lane<R: Rules> {
    rng: Rng,
    /// Draws the rules of each episode, and how long its orders take.
    deals: Rng,
    order: Vec<u32>,
    /// Place of the current episode in `order`.
    turn: usize,
    seat: Seat<R>,
    /// Sum of the rewards of the current episode.
    ret: Money,
    len: u32,
}

/// What [`VecEnv::save`] writes.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Saved<R: Rules> {
    config: EnvConfig,
    /// Decisions of each episode: tells other data apart.
    decisions: Vec<usize>,
    lanes: Vec<Lane<R>>,
}

impl TradingEnv {
    /// `n_envs` environments over `episodes` by the rules of the exchange.
    ///
    /// # Errors
    /// When the rules contradict themselves, there is no episode, or one cannot be stepped through.
    pub fn new(
        episodes: Arc<[Episode]>,
        config: EnvConfig,
        n_envs: usize,
    ) -> Result<TradingEnv, EnvError> {
        TradingEnv::under(episodes, config, n_envs)
    }
}

impl<R: Rules> TradingEnv<R> {
    /// [`TradingEnv::new`] under other rules: for checks that must find what is wrong with them.
    ///
    /// # Errors
    /// As [`TradingEnv::new`].
    pub fn under(
        episodes: Arc<[Episode]>,
        config: EnvConfig,
        n_envs: usize,
    ) -> Result<TradingEnv<R>, EnvError> {
        config.validate()?;
        if episodes.is_empty() {
            return Err(EnvError::NoEpisode);
        }
        for (index, episode) in episodes.iter().enumerate() {
            let ticker = || episode.ticker.to_string();
            playable(episode, &config).map_err(|why| EnvError::Episode {
                index,
                ticker: ticker(),
                why,
            })?;
        }
        let stage = Stage { tiers: vec![0; episodes.len()].into(), open: 0, last: 0 };
        let lanes = (0..n_envs).map(|i| Lane::new(0, i, &episodes, &config, &stage)).collect();
        Ok(TradingEnv { episodes, config, lanes, stage })
    }

    /// Begins with the episodes of tier 0, and lets one tier more in after each equal part of the training;
    /// `tiers` holds one for each episode, 0 among them.
    #[must_use]
    pub fn with_tiers(mut self, tiers: Vec<u8>) -> TradingEnv<R> {
        debug_assert!(tiers.len() == self.episodes.len() && tiers.contains(&0));
        let last = tiers.iter().copied().max().unwrap_or(0);
        self.stage = Stage { tiers: tiers.into(), open: 0, last };
        self
    }

    /// The rules.
    pub fn config(&self) -> &EnvConfig {
        &self.config
    }

    /// The episode that environment `env` is in, and its seat there.
    pub fn seat(&self, env: usize) -> (&Episode, &Seat<R>) {
        let lane = &self.lanes[env];
        (&self.episodes[lane.episode()], &lane.seat)
    }

    fn show(&self, env: usize, out: &mut StepBuf) {
        let (episode, seat) = self.seat(env);
        seat.observe(episode, &self.config, row(&mut out.obs, env, self.obs_len()));
        seat.mask(episode, &self.config, row(&mut out.mask, env, self.n_actions()));
    }
}

impl<R: Rules> VecEnv for TradingEnv<R> {
    fn n_envs(&self) -> usize {
        self.lanes.len()
    }

    fn obs_len(&self) -> usize {
        self.config.layout.len()
    }

    fn n_actions(&self) -> usize {
        self.config.actions.len()
    }

    fn reset(&mut self, seed: u64, out: &mut StepBuf) {
        for env in 0..self.lanes.len() {
            self.lanes[env] = Lane::new(seed, env, &self.episodes, &self.config, &self.stage);
            self.show(env, out);
        }
    }

    fn step(&mut self, actions: &[u32], out: &mut StepBuf) {
        for (env, &action) in actions.iter().enumerate() {
            let lane = &mut self.lanes[env];
            let episode = &self.episodes[lane.episode()];
            let step = lane.seat.step(episode, &self.config, action);
            let step = step.expect("the caller chooses among the actions that the mask allows");
            lane.ret += step.reward;
            lane.len += 1;
            out.reward[env] = step.reward.as_dollars() as f32;
            out.terminated[env] = step.end == Some(End::Settled);
            out.truncated[env] = step.end == Some(End::Cut);
            out.ended[env] = EpisodeEnd::default();
            if step.end.is_some() {
                out.ended[env] = EpisodeEnd { ret: lane.ret.as_dollars(), len: lane.len };
                let obs_len = self.config.layout.len();
                lane.seat.observe(episode, &self.config, row(&mut out.final_obs, env, obs_len));
                lane.next(&self.episodes, &self.config, &self.stage);
            }
            self.show(env, out);
        }
    }

    fn spread_e4(&self, env: usize) -> Option<i64> {
        let (episode, seat) = self.seat(env);
        episode.decisions[seat.at()].spread_e4()
    }

    fn set_progress(&mut self, done: f64) {
        let last = self.stage.last;
        self.stage.open = ((done * f64::from(last + 1)) as u8).min(last);
    }

    fn save(&self) -> serde_json::Value {
        let saved = Saved {
            config: self.config.clone(),
            decisions: self.episodes.iter().map(Episode::len).collect(),
            lanes: self.lanes.clone(),
        };
        serde_json::to_value(saved).expect("numbers, lists and names are always JSON")
    }

    fn load(&mut self, state: &serde_json::Value, out: &mut StepBuf) -> Result<(), String> {
        let saved = Saved::<R>::deserialize(state)
            .map_err(|e| format!("not the state of a trading environment: {e}"))?;
        if saved.config != self.config {
            return Err("the state was saved under other rules".into());
        }
        if saved.decisions != self.episodes.iter().map(Episode::len).collect::<Vec<_>>() {
            return Err("the state was saved over other episodes".into());
        }
        if saved.lanes.len() != self.lanes.len() {
            return Err(format!(
                "the state has {} environments, here are {}",
                saved.lanes.len(),
                self.lanes.len()
            ));
        }
        if !saved.lanes.iter().all(|lane| lane.fits(&self.episodes)) {
            return Err("the state points outside its episodes".into());
        }
        self.lanes = saved.lanes;
        for lane in &mut self.lanes {
            let episode = &self.episodes[lane.episode()];
            lane.seat.rebuild(episode);
        }
        (0..self.lanes.len()).for_each(|env| self.show(env, out));
        Ok(())
    }
}

impl<R: Rules> Lane<R> {
    fn new(
        seed: u64,
        env: usize,
        episodes: &[Episode],
        config: &EnvConfig,
        stage: &Stage,
    ) -> Lane<R> {
        let mut rng = Rng::stream(seed, "episodes", env as u64);
        let mut order: Vec<u32> = (0..episodes.len() as u32).collect();
        rng.shuffle(&mut order);
        let deals = Rng::stream(seed, "execution", env as u64);
        let seat = Seat::new(&episodes[order[0] as usize], config, deals.clone());
        let mut lane = Lane { rng, deals, order, turn: 0, seat, ret: Money::ZERO, len: 0 };
        lane.pass_over(stage);
        lane.sit_down(episodes, config);
        lane
    }

    fn episode(&self) -> usize {
        self.order[self.turn] as usize
    }

    /// Takes a flat seat at the next episode; after the last one the order is drawn anew.
    fn next(&mut self, episodes: &[Episode], config: &EnvConfig, stage: &Stage) {
        self.turn += 1;
        self.pass_over(stage);
        self.sit_down(episodes, config);
    }

    /// Moves on to an episode that the curriculum lets in; one of tier 0 is in every permutation.
    fn pass_over(&mut self, stage: &Stage) {
        loop {
            if self.turn == self.order.len() {
                self.turn = 0;
                self.rng.shuffle(&mut self.order);
            }
            if stage.tiers[self.episode()] <= stage.open {
                return;
            }
            self.turn += 1;
        }
    }

    fn sit_down(&mut self, episodes: &[Episode], config: &EnvConfig) {
        let episode = &episodes[self.episode()];
        let base = config.matching(&episode.ticker, episode.close);
        let matching = domain::draw(&config.randomise, base, &mut self.deals);
        let orders = Rng::stream(self.deals.next_u64(), "orders", 0);
        self.seat.restart(episode, config, matching, orders);
        self.ret = Money::ZERO;
        self.len = 0;
    }

    /// True when a loaded lane is a permutation of these episodes, at a decision that can be acted on.
    fn fits(&self, episodes: &[Episode]) -> bool {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        sorted.iter().copied().eq(0..episodes.len() as u32)
            && self.turn < self.order.len()
            && self.seat.at() + 1 < episodes[self.episode()].len()
    }
}

/// Whether an episode can be stepped through; says why not.
fn playable(episode: &Episode, config: &EnvConfig) -> Result<(), String> {
    let market_len = config.layout.market_len();
    let ends: Vec<usize> = episode.decisions.iter().map(|d| d.next_event as usize).collect();
    if episode.len() < 2 {
        Err(format!("{} decisions leave no room to act", episode.len()))
    } else if episode.market_len != market_len {
        Err(format!("rows of {} values, {} has {market_len}", episode.market_len, config.layout))
    } else if episode.rows.len() != episode.len() * market_len {
        Err(format!("{} values in {} rows", episode.rows.len(), episode.len()))
    } else if !ends.is_sorted() || ends.last().is_some_and(|end| *end > episode.events.len()) {
        Err("decisions point outside the events".into())
    } else if episode
        .events
        .iter()
        .any(|e| matches!(e.kind, TapeKind::Snapshot(n) if n as usize >= episode.books.len()))
    {
        Err("a snapshot without its book".into())
    } else {
        Ok(())
    }
}

fn row<T>(buffer: &mut [T], env: usize, len: usize) -> &mut [T] {
    &mut buffer[env * len..(env + 1) * len]
}
