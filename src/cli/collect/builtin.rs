//! The built-in exchange in this very process, where `--env sim` finds nobody at its usual place.

use super::options::Args;
use super::screen::Screen;
use crate::cli::exit::{Code, Failure, OrFail};
use crate::config::{Endpoint, ExchangeEnv};
use crate::feed::access::Access;
use crate::sim::keys::Keyring;
use crate::sim::server::{self, SimSpec};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The exchange; it closes when this is dropped.
pub(super) struct Builtin {
    _stop: watch::Sender<bool>,
}

/// Starts it, if it is wanted and nobody answers: an address that was given is never stood in for.
pub(super) async fn start_if_needed(
    args: &Args,
    access: &Access,
    screen: &Screen,
) -> Result<Option<Builtin>, Failure> {
    let usual = Endpoint::resolve(ExchangeEnv::Sim, None, &Default::default());
    let is_usual = usual.is_ok_and(|usual| usual == access.endpoint);
    if args.env != ExchangeEnv::Sim || args.url.is_some() || !is_usual {
        return Ok(None);
    }
    let host = access.endpoint.rest.trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    if TcpStream::connect(host).await.is_ok() {
        return Ok(None);
    }
    let listener = TcpListener::bind(host).await.or_fail(Code::Runtime)?;
    let spec = SimSpec { keys: Keyring::with(&access.signer), ..SimSpec::default() };
    let (seed, markets) = (spec.venue.seed, spec.venue.markets);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        if let Err(error) = server::run(listener, spec, stopped).await {
            tracing::error!(%error, "the built-in exchange has ended");
        }
    });
    screen.say(&format!(
        "nothing listens at http://{host}: started the built-in exchange (seed {seed}, {markets} markets)"
    ));
    Ok(Some(Builtin { _stop: stop }))
}
