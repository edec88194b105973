//! The exchanges and where they are (protocol notes 2).

use super::{ConfigError, file::File};
use std::path::PathBuf;

/// Which exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeEnv {
    /// The built-in one, on this machine.
    Sim,
    /// Kalshi's demo: real protocol, play money.
    Demo,
    /// Kalshi.
    Prod,
}

impl ExchangeEnv {
    /// `sim`, `demo` or `prod`.
    pub const fn word(self) -> &'static str {
        match self {
            ExchangeEnv::Sim => "sim",
            ExchangeEnv::Demo => "demo",
            ExchangeEnv::Prod => "prod",
        }
    }

    const fn urls(self) -> (&'static str, &'static str) {
        match self {
            ExchangeEnv::Sim => {
                ("http://127.0.0.1:7007/trade-api/v2", "ws://127.0.0.1:7007/trade-api/ws/v2")
            }
            ExchangeEnv::Demo => (
                "https://external-api.demo.kalshi.co/trade-api/v2",
                "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
            ),
            ExchangeEnv::Prod => (
                "https://external-api.kalshi.com/trade-api/v2",
                "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
            ),
        }
    }
}

impl std::fmt::Display for ExchangeEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for ExchangeEnv {
    type Err = String;
    fn from_str(word: &str) -> Result<ExchangeEnv, String> {
        [ExchangeEnv::Sim, ExchangeEnv::Demo, ExchangeEnv::Prod]
            .into_iter()
            .find(|env| env.word() == word)
            .ok_or_else(|| "it can be `sim`, `demo` or `prod`".to_owned())
    }
}

/// Where an exchange is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Which exchange.
    pub env: ExchangeEnv,
    /// Base of the REST paths, without a slash at its end: `http://127.0.0.1:7007/trade-api/v2`.
    pub rest: String,
    /// The WebSocket: `ws://127.0.0.1:7007/trade-api/ws/v2`.
    pub ws: String,
    /// PEM file with certificates to trust besides the public authorities.
    pub ca_file: Option<PathBuf>,
}

impl Endpoint {
    /// The endpoint of `env`: from `url` (`--url http://HOST:PORT`, for both), else from the configuration
    /// file, else the built-in addresses.
    ///
    /// # Errors
    /// When an address has another scheme than a client could use.
    pub fn resolve(
        env: ExchangeEnv,
        url: Option<&str>,
        file: &File,
    ) -> Result<Endpoint, ConfigError> {
        let place = file.place(env);
        let (rest, ws) = match url {
            Some(url) => of_url(url)?,
            None => {
                let (rest, ws) = env.urls();
                let chosen = |own: &Option<String>, default: &str| {
                    own.as_deref().unwrap_or(default).trim_end_matches('/').to_owned()
                };
                (chosen(&place.rest, rest), chosen(&place.ws, ws))
            }
        };
        check("the REST address", &rest, ["http://", "https://"], "https://HOST/trade-api/v2")?;
        check("the WebSocket address", &ws, ["ws://", "wss://"], "wss://HOST/trade-api/ws/v2")?;
        Ok(Endpoint { env, rest, ws, ca_file: place.ca_file.clone() })
    }
}

/// Both addresses behind one `http(s)://HOST:PORT`; a REST base is taken too.
fn of_url(url: &str) -> Result<(String, String), ConfigError> {
    let form = "http://HOST:PORT or https://HOST";
    let bad = || ConfigError::Url { what: "--url", url: without_login(url), form };
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let rest = rest.trim_end_matches('/');
    let host = rest.strip_suffix("/trade-api/v2").unwrap_or(rest);
    let ws = match scheme {
        "http" => "ws",
        "https" => "wss",
        _ => return Err(bad()),
    };
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Err(bad());
    }
    Ok((format!("{scheme}://{host}/trade-api/v2"), format!("{ws}://{host}/trade-api/ws/v2")))
}

fn check(
    what: &'static str,
    url: &str,
    schemes: [&str; 2],
    form: &'static str,
) -> Result<(), ConfigError> {
    let host = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') && !host.contains('@') => Ok(()),
        _ => Err(ConfigError::Url { what, url: without_login(url), form }),
    }
}

/// What stands before an `@` could be a password, and goes no further than here.
fn without_login(url: &str) -> String {
    url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| format!("***@{host}"))
}
