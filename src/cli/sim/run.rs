//! `kflow sim run`: the built-in exchange on this machine.

use super::{MarketArgs, replay};
use crate::cli::exit::{self, Code, Failure, OrFail};
use crate::cli::{printer, signals};
use crate::config::{ConfigError, ExchangeEnv, Settings};
use crate::feed::access::{Access, AccessError};
use crate::sim::keys::Keyring;
use crate::sim::replay::Speed;
use crate::sim::script::Script;
use crate::sim::server::{self, SimReport, SimSpec};
use crate::sim::truth::Truth;
use crate::sim::ws::WsSpec;
use crate::wire::auth::WS_PATH;
use serde_json::json;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Options of `kflow sim run`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    markets: MarketArgs,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7007")]
    bind: SocketAddr,
    /// Write down every frame that is issued, as JSON lines
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Misbehave as this file of JSON lines says
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Frames leave as late as real ones arrive
    #[arg(long)]
    lag: bool,
    /// Tell a recording again instead of simulating: a file, or a folder with `events/`
    #[arg(long, value_name = "PATH")]
    replay: Option<PathBuf>,
    /// Pace of the recording: 1 as it was, 10 ten times as fast, or max
    #[arg(long, value_name = "X", default_value = "1", requires = "replay", value_parser = speed)]
    speed: Speed,
    /// Print the addresses as one JSON object
    #[arg(long)]
    json: bool,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// 3 when the script, the recording, the configuration or the address cannot be used, 1 when serving fails.
pub fn run(args: Args) -> Result<(), Failure> {
    super::runtime()?.block_on(serve(args))
}

async fn serve(args: Args) -> Result<(), Failure> {
    let venue = args.markets.spec();
    let spec = SimSpec {
        ws: WsSpec { seed: venue.seed, lag: args.lag, ..WsSpec::default() },
        venue,
        script: args.script.as_deref().map_or(Ok(Script::default()), script)?,
        keys: keys()?,
        truth: args.truth.as_deref().map_or(Ok(Truth::counting()), truth)?,
        replay: args.replay.as_deref().map(|path| replay::open(path, args.speed)).transpose()?,
        ..SimSpec::default()
    };
    let hint = "choose another address with --bind; port 0 picks a free one";
    let listener = TcpListener::bind(args.bind)
        .await
        .or_hint(Code::Config, hint)
        .map_err(|f| f.context(format!("cannot listen at {}", args.bind)))?;
    // Before the address is told: whoever reads it may stop us at once.
    let mut signals = signals::listen("the truth may lack its last lines")?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        // Either way it is over: a signal came, or nobody can send one any more.
        let _ = signals.wait_for(Option::is_some).await;
        stop.send_replace(true);
    });
    announce(&listener, &args)?;
    let SimReport { truth, connections, .. } =
        server::run(listener, spec, stopped).await.map_err(super::failure)?;
    let (frames, faults) = (truth.issued, truth.faults.len());
    printer::say(&format!("{connections} connections, {frames} numbered frames, {faults} faults"));
    Ok(())
}

/// The well-known key, and the user's own one for `--env demo --url http://127.0.0.1:PORT`, where it is usable.
fn keys() -> Result<Keyring, Failure> {
    let settings = Settings::load(None).map_err(exit::config)?;
    match Access::resolve(&settings, ExchangeEnv::Demo, None) {
        Ok(access) => Ok(Keyring::with(&access.signer)),
        Err(AccessError::Config(ConfigError::NoCredentials { .. })) => Ok(Keyring::default()),
        Err(error) => {
            printer::say(&format!("your own key is not let in: {error}"));
            Ok(Keyring::default())
        }
    }
}

/// One line with both addresses.
fn announce(listener: &TcpListener, args: &Args) -> Result<(), Failure> {
    let address = listener.local_addr()?;
    let (http, ws) = (format!("http://{address}"), format!("ws://{address}{WS_PATH}"));
    if args.json {
        return printer::json(
            "sim run",
            &json!({"http": http, "ws": ws, "seed": args.markets.seed}),
        );
    }
    printer::line(&format!("{http} {ws}"))
}

fn script(path: &Path) -> Result<Script, Failure> {
    let text = std::fs::read_to_string(path)
        .or_hint(Code::Config, "check --script")
        .map_err(|f| f.context(format!("cannot read {}", path.display())))?;
    let hint = "each line is like {\"after_frames\":1000,\"do\":\"drop\",\"n\":5}";
    Script::parse(&text).or_hint(Code::Config, hint)
}

fn truth(path: &Path) -> Result<Truth, Failure> {
    let file = File::create(path)
        .or_hint(Code::Config, "check --truth")
        .map_err(|f| f.context(format!("cannot write {}", path.display())))?;
    Ok(Truth::counting().written(Box::new(file)))
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Full);
    }
    let wrong = || "a positive number up to 1000000, or max".to_owned();
    let times: f64 = text.parse().map_err(|_| wrong())?;
    let speed_e3 = (times * 1_000.0).round();
    // A pace is no money: thousandths are as fine as it needs to be.
    if (1.0..=1e9).contains(&speed_e3) { Ok(Speed::TimesE3(speed_e3 as u64)) } else { Err(wrong()) }
}
