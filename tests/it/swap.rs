//! R20: models are replaced while they trade. A bad one is refused and the old one goes on; no tick is dropped;
//! every decision names the model that made it.

use crate::actor::{Exchange, play_back};
use crate::cli::kflow;
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
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes; ends a test that waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

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
        // The market's number is of this session alone, and not written down.
        let named = Deed { market: MarketId::default(), ..deed.clone() };
        assert_eq!(serde_json::from_str::<Deed>(&line).unwrap(), named);
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

/// A trading session in a process of its own, and what it says as it says it.
struct Session {
    process: Child,
    said: Receiver<String>,
}

impl Session {
    fn start(command: &mut Command) -> Session {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (say, said) = channel();
        // It ends with the process, or with the test.
        std::thread::spawn(move || lines.map_while(Result::ok).all(|line| say.send(line).is_ok()));
        Session { process, said }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for a line with `words`.
    fn says(&self, words: &str) {
        let mut before = Vec::new();
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("never said {words:?}: {before:?}"));
            if line.contains(words) {
                return;
            }
            before.push(line);
        }
    }

    fn end(mut self) -> Value {
        self.signal("-INT");
        let mut stdout = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.process.wait().unwrap();
        serde_json::from_str::<Value>(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"))["data"]
            .clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The decisions written down so far, but for a line that is being written.
fn deeds(data: &Path) -> Vec<Deed> {
    let session = data.join("trade").read_dir().ok().and_then(|mut all| all.next()?.ok());
    let file = session.map(|dir| dir.path().join("decisions.jsonl"));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until so many decisions more than `before` are written down.
fn decides(data: &Path, before: usize) {
    let give_up = Instant::now() + PATIENCE;
    while deeds(data).len() < before + 20 {
        assert!(Instant::now() < give_up, "nothing is decided any more");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The same from outside: SIGHUP loads the model of a session that trades.
#[test]
fn a_hangup_swaps_the_model_of_a_running_session_and_a_broken_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let exchange = Exchange::start(dir.path(), "");
    let (data, runs) = (dir.path().join("data"), dir.path().join("runs"));
    let (first, second) = (model(dir.path(), 0, |_, _| ()), model(dir.path(), 1, |_, _| ()));
    let hashes = [&first, &second].map(|path| load(path).unwrap().model_hash);
    let weights = runs.join("gold").join("model.safetensors");
    std::fs::create_dir_all(weights.parent().unwrap()).unwrap();
    // Whole or not at all, as training writes it.
    let put = |from: &Path| std::fs::rename(from, &weights).unwrap();

    put(&first);
    let words = ["trade", "--model", "gold", "--env", "sim", "--discover", "--select", "all"];
    let mut command = kflow(&words);
    command.args(["--json", "--url", &exchange.url, "--data"]).arg(&data);
    let session = Session::start(command.arg("--run-dir").arg(&runs));
    decides(&data, 0);
    put(&second);
    session.signal("-HUP");
    session.says(&hashes[1]);
    let swapped = deeds(&data).len();
    decides(&data, swapped);
    put(&model(dir.path(), 2, |_, bytes| bytes.extend(b"not a model")));
    session.signal("-HUP");
    session.says("the old model goes on");
    decides(&data, deeds(&data).len());
    let told = session.end();

    // Every row names one of the two, and the second one from the swap on.
    let lived = deeds(&data);
    let from = lived.iter().position(|deed| deed.model_hash == hashes[1]).expect("swapped");
    assert!(from > 0 && from < swapped + 200, "{from} of {}", lived.len());
    assert!(lived[..from].iter().all(|deed| deed.model_hash == hashes[0]));
    assert!(lived[from..].iter().all(|deed| deed.model_hash == hashes[1]));

    // No record was lost on the way to the log, and none on the way to the actor.
    let collected = &told["collected"];
    assert!(collected["received"].as_u64() > Some(0), "{told}");
    // Definitions are rows beside what was received.
    assert!(collected["committed"].as_u64() >= collected["received"].as_u64(), "{told}");
    for key in ["missing", "gaps", "reconnects"] {
        assert_eq!(collected[key], 0, "{key}");
    }
    let (again, _) = play_back(&data, 0);
    assert!(again["cases"].as_u64() > Some(lived.len() as u64), "{again}");
    assert_eq!(again["passed"], again["cases"]);
}
