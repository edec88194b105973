//! The configuration file.
//!
//! ```toml
//! markets = ["KXHIGHNY-26NOV20-B59.5"]   # or: discover = true
//! allow_open_key_file = false            # true: a key file that others can read is taken
//!
//! [env.demo]                             # sim, demo or prod
//! key_id = "a1b2c3d4-..."
//! key_file = "~/.kalshi/demo.pem"        # relative paths start at this file
//! rest = "https://demo-api.kalshi.co/trade-api/v2"
//! ws = "wss://demo-api.kalshi.co/trade-api/ws/v2"
//! ca_file = "own-ca.pem"                 # accepted besides the public ones
//! ```
//!
//! Every key is optional; an unknown one is an error. The part `[risk]` is described in [`super::risk`].

use super::risk::RiskFile;
use super::{ConfigError, ExchangeEnv};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Markets to follow.
    pub markets: Option<Vec<String>>,
    /// Ask the exchange for markets.
    pub discover: Option<bool>,
    /// Take a key file that others on this machine can read.
    pub allow_open_key_file: Option<bool>,
    /// Limits of trading.
    #[serde(default)]
    pub risk: RiskFile,
    #[serde(default)]
    env: Places,
}

/// What it says about each exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Places {
    sim: Place,
    demo: Place,
    prod: Place,
}

/// How to reach one exchange, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// Base URL of the REST API, with its `/trade-api/v2`.
    pub rest: Option<String>,
    /// URL of the WebSocket, with its path.
    pub ws: Option<String>,
    /// PEM file with certificates to trust besides the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Id of the API key.
    pub key_id: Option<String>,
    /// PEM file of the private key.
    pub key_file: Option<PathBuf>,
}

impl File {
    /// Reads `path`. Relative paths in it are taken from its own folder, `~/` from `home`.
    ///
    /// # Errors
    /// When it cannot be read, or with the line that is wrong. Values are not repeated: somebody may have
    /// pasted a key.
    pub fn read(path: &Path, home: Option<&Path>) -> Result<File, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|why| ConfigError::Read { path: path.to_path_buf(), why })?;
        let mut file: File = toml::from_str(&text).map_err(|e| {
            let before = e.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            ConfigError::Syntax { path: path.to_path_buf(), line, why: without_value(e.message()) }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for place in [&mut file.env.sim, &mut file.env.demo, &mut file.env.prod] {
            for named in [&mut place.ca_file, &mut place.key_file].into_iter().flatten() {
                *named = match (named.strip_prefix("~"), home) {
                    (Ok(rest), Some(home)) => home.join(rest),
                    _ => folder.join(&*named),
                };
            }
        }
        Ok(file)
    }

    /// What the file says about `env`.
    pub fn place(&self, env: ExchangeEnv) -> &Place {
        match env {
            ExchangeEnv::Sim => &self.env.sim,
            ExchangeEnv::Demo => &self.env.demo,
            ExchangeEnv::Prod => &self.env.prod,
        }
    }

    /// This file, and where it says nothing, `below`.
    pub(super) fn over(self, below: File) -> File {
        File {
            markets: self.markets.or(below.markets),
            discover: self.discover.or(below.discover),
            allow_open_key_file: self.allow_open_key_file.or(below.allow_open_key_file),
            risk: self.risk.over(below.risk),
            env: Places {
                sim: self.env.sim.over(below.env.sim),
                demo: self.env.demo.over(below.env.demo),
                prod: self.env.prod.over(below.env.prod),
            },
        }
    }
}

impl Place {
    /// A key belongs to its id: the two are taken from one file.
    fn over(self, below: Place) -> Place {
        let own_key = self.key_id.is_some() || self.key_file.is_some();
        let key =
            if own_key { (self.key_id, self.key_file) } else { (below.key_id, below.key_file) };
        Place {
            rest: self.rest.or(below.rest),
            ws: self.ws.or(below.ws),
            ca_file: self.ca_file.or(below.ca_file),
            key_id: key.0,
            key_file: key.1,
        }
    }
}

/// serde repeats the value in `invalid type: string "..", expected ..`; we do not.
fn without_value(message: &str) -> String {
    match message.rsplit_once(", expected") {
        Some((said, wanted)) if said.starts_with("invalid") => {
            let kind = said.split(['"', '`']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected{wanted}")
        }
        _ => message.to_owned(),
    }
}
