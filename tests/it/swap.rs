//! R20: models are replaced while they trade. A bad one is refused and the old one goes on; no tick is dropped;
//! every decision names the model that made it.

use crate::faults::survived;
use kalshiflow::actor::{Acting, Actor, ActorSpec, Choice, Deed, Outcome};
use kalshiflow::agent::config::TrainConfig;
use kalshiflow::agent::device::DeviceName;
use kalshiflow::agent::fit::interface;
use kalshiflow::agent::judge::trader;
use kalshiflow::agent::model::Model;
use kalshiflow::agent::net::NetShape;
use kalshiflow::agent::policy::{Policy, Random};
use kalshiflow::agent::weights::model_bytes;
use kalshiflow::config::Limits;
use kalshiflow::env::EnvConfig;
use kalshiflow::event::MarketId;
use kalshiflow::sim::tape::{TapeSpec, synthesize};
use std::path::{Path, PathBuf};

/// A model file of seed `seed`, changed by `spoil`.
fn model(dir: &Path, seed: u64, spoil: impl FnOnce(&mut Model, &mut Vec<u8>)) -> PathBuf {
    let rules = EnvConfig::default();
    let config = TrainConfig { seed, ..TrainConfig::ppo() };
    let shape = NetShape::mlp(52, vec![64, 64], 5);
    let mut model = Model::untrained(&config, shape, interface(&rules));
    let mut bytes = Vec::new();
    spoil(&mut model, &mut bytes);
    if bytes.is_empty() {
        bytes = model_bytes(&model.card, &model.params).unwrap();
    }
    let path = dir.join(format!("{seed}.safetensors"));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load(path: &Path) -> Result<Acting, String> {
    let trader = trader(path, DeviceName::default()).map_err(|e| format!("{e:?}"))?;
    Ok(Acting { policy: Box::new(trader.policy), model_hash: trader.hash })
}

fn spec() -> ActorSpec {
    ActorSpec {
        env: EnvConfig::default(),
        choice: Choice::All,
        limits: Limits::default(),
        tripped: None,
        seed: 1,
        elsewhere: false,
    }
}

/// How sure a model was stood in what it played, and not in what it did live; the dashboard's column was empty.
#[test]
fn a_decision_says_how_probable_its_model_held_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = model(dir.path(), 3, |_, _| ());
    let tape = synthesize(&TapeSpec { markets: 4, ..TapeSpec::default() });
    let decided = |acting: Acting| {
        let (mut actor, mut out) = (Actor::new(spec(), acting), Outcome::default());
        for (id, info) in tape.infos.iter().enumerate() {
            actor.meet(&(MarketId(id as u32), info.ticker.as_str().into(), None));
        }
        tape.events.iter().for_each(|event| actor.push(event, &mut out));
        assert!(out.deeds.len() > 100, "{}", out.deeds.len());
        out.deeds
    };
    let mut policy = trader(&path, DeviceName::default()).unwrap().policy;
    for deed in decided(load(&path).unwrap()) {
        assert_eq!(policy.act(&deed.obs, &deed.mask), deed.action);
        let probable = policy.probabilities(&deed.mask)[deed.action as usize];
        assert_eq!(deed.confidence, Some(probable));
        assert!((0.199..=1.0).contains(&probable), "the likeliest of five: {probable}");
        let line = serde_json::to_string(&deed).unwrap();
        assert_eq!(serde_json::from_str::<Deed>(&line).unwrap(), deed);
        let shown: kalshiflow::dash::Deed = serde_json::from_str(&line).unwrap();
        assert!(shown.confidence.is_some_and(|sure| (sure - f64::from(probable)).abs() < 1e-6));
    }
    let random = Acting { policy: Box::<Random>::default(), model_hash: String::new() };
    assert!(
        decided(random).iter().all(|deed| deed.confidence.is_none()),
        "a script believes nothing"
    );
}

#[test]
fn a_storm_of_swaps_drops_no_tick_and_lets_no_bad_model_in() {
    let swaps = if std::env::var_os("KFLOW_LONG").is_some() { 5_000 } else { 500 };
    let dir = tempfile::tempdir().unwrap();
    let good: Vec<PathBuf> = (0..4).map(|seed| model(dir.path(), seed, |_, _| ())).collect();
    let bad = [
        model(dir.path(), 10, |_, bytes| bytes.extend(b"not a model")),
        model(dir.path(), 11, |m, bytes| {
            bytes.extend(model_bytes(&m.card, &m.params).unwrap());
            bytes.truncate(bytes.len() / 2);
        }),
        model(dir.path(), 12, |m, _| {
            let shape = NetShape { obs_len: 51, ..m.card.shape.clone() };
            let interface = m.card.interface.clone();
            *m = Model::untrained(&TrainConfig::ppo(), shape, interface);
        }),
        model(dir.path(), 13, |m, _| m.params[7] = f32::NAN),
        model(dir.path(), 14, |m, _| m.card.interface.layout_hash = "another".into()),
        dir.path().join("missing.safetensors"),
    ];
    let tape = synthesize(&TapeSpec { markets: 40, ..TapeSpec::default() });
    let meet = |actor: &mut Actor| {
        for id in 0..tape.infos.len() as u32 {
            let ticker = tape.tickers.name(MarketId(id)).into();
            actor.meet(&(MarketId(id), ticker, None));
        }
    };
    let (mut calm, mut stormy) =
        (Actor::new(spec(), load(&good[0]).unwrap()), Actor::new(spec(), load(&good[0]).unwrap()));
    meet(&mut calm);
    meet(&mut stormy);
    let mut hash = load(&good[0]).unwrap().model_hash;
    let (mut undisturbed, mut disturbed) = (Outcome::default(), Outcome::default());
    let (every, mut survivals) = (tape.events.len() / swaps, 0);
    for (i, event) in tape.events.iter().enumerate() {
        if i % every == 0 && i / every < swaps {
            let n = i / every;
            match n % 3 {
                0 => assert!(load(&bad[n / 3 % bad.len()]).is_err(), "{n}"),
                _ => {
                    let acting = load(&good[n % good.len()]).unwrap();
                    hash.clone_from(&acting.model_hash);
                    stormy.swap(acting);
                }
            }
            survivals += 1;
        }
        calm.push(event, &mut undisturbed);
        let before = disturbed.deeds.len();
        stormy.push(event, &mut disturbed);
        assert!(disturbed.deeds[before..].iter().all(|deed| deed.model_hash == hash));
    }
    let ticks = |out: &Outcome| -> Vec<(String, u64)> {
        out.deeds.iter().map(|deed| (deed.ticker.clone(), deed.row_id)).collect()
    };
    let (calm, stormy) = (ticks(&undisturbed), ticks(&disturbed));
    assert!(calm.len() > 1_000 && calm == stormy, "{} and {} decisions", calm.len(), stormy.len());
    survived(
        "R20",
        "models swapped while they trade, a third of them bad",
        swaps as u64,
        survivals,
        0,
    );
}
