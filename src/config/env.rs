//! Every environment variable of the program, each with its sentence.

use crate::secret::Secret;
use std::path::PathBuf;

/// `KFLOW_SHARED`: folder of the recordings and golden files that are not part of the repository;
/// default `../shared`.
pub fn shared() -> PathBuf {
    path("KFLOW_SHARED").unwrap_or_else(|| PathBuf::from("../shared"))
}

/// The seeds' variables of the actor that are not read, and what says the same here: a model and the rules that it
/// was trained under belong together, and stand in the command.
pub const UNREAD: [(&str, &str); 4] = [
    ("RL_ACTOR_ENABLED", "`kflow trade` trades, `kflow collect` records only"),
    ("RL_ACTOR_STRATEGY", "--policy or --model"),
    ("RL_ACTOR_MODEL_PATH", "--model"),
    ("RL_ACTOR_CONTRACT_SIZE", "--sizes, or the rules of the model"),
];

/// The variables that settings come from, as they were when the program started. An empty variable counts
/// as unset.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// `KALSHI_API_KEY_ID`: id of the API key, a UUID.
    pub key_id: Option<String>,
    /// `KALSHI_PRIVATE_KEY_CONTENT`: the private key itself, PEM; `\n` may stand for line ends.
    pub key_content: Option<Secret>,
    /// `KALSHI_PRIVATE_KEY_PATH`: file of the private key, PEM; less than `KALSHI_PRIVATE_KEY_CONTENT`.
    pub key_path: Option<PathBuf>,
    /// `KFLOW_ORDERS_KEY_ID`: id of the API key for orders, where they go to another exchange than the one that
    /// the market data come from.
    pub orders_key_id: Option<String>,
    /// `KFLOW_ORDERS_PRIVATE_KEY_CONTENT`: the private key of `KFLOW_ORDERS_KEY_ID`, PEM.
    pub orders_key_content: Option<Secret>,
    /// `KFLOW_ORDERS_PRIVATE_KEY_PATH`: file of that key; less than its content.
    pub orders_key_path: Option<PathBuf>,
    /// `RL_MARKET_TICKERS`: markets to follow, separated by commas.
    pub market_tickers: Option<String>,
    /// `RL_MARKET_MODE`: `config` follows `RL_MARKET_TICKERS` only, `discovery` asks the exchange for markets.
    pub market_mode: Option<String>,
    /// `RL_ACTOR_THROTTLE_MS`: milliseconds between two orders in one market; default 250.
    pub actor_throttle_ms: Option<String>,
    /// Those of [`UNREAD`] that are set.
    pub unread: Vec<(&'static str, &'static str)>,
    /// `KFLOW_CONFIG`: configuration file, as `--config`.
    pub config: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`: folder with `kflow/config.toml`; default `~/.config`.
    pub config_home: Option<PathBuf>,
    /// `HOME`: what `~` stands for.
    pub home: Option<PathBuf>,
}

impl Env {
    /// Reads the environment of the process.
    pub fn read() -> Env {
        Env {
            key_id: text("KALSHI_API_KEY_ID"),
            key_content: text("KALSHI_PRIVATE_KEY_CONTENT").map(Secret::new),
            key_path: path("KALSHI_PRIVATE_KEY_PATH"),
            orders_key_id: text("KFLOW_ORDERS_KEY_ID"),
            orders_key_content: text("KFLOW_ORDERS_PRIVATE_KEY_CONTENT").map(Secret::new),
            orders_key_path: path("KFLOW_ORDERS_PRIVATE_KEY_PATH"),
            market_tickers: text("RL_MARKET_TICKERS"),
            market_mode: text("RL_MARKET_MODE"),
            actor_throttle_ms: text("RL_ACTOR_THROTTLE_MS"),
            unread: UNREAD.into_iter().filter(|(name, _)| text(name).is_some()).collect(),
            config: path("KFLOW_CONFIG"),
            config_home: path("XDG_CONFIG_HOME"),
            home: path("HOME"),
        }
    }
}

/// What the terminal says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// `NO_COLOR`: set to anything, no colour is used (no-color.org).
    pub no_color: bool,
    /// `COLORTERM`: `truecolor` or `24bit` allow any colour.
    pub true_color: bool,
    /// `LC_ALL`, `LC_CTYPE`, `LANG`: the first that is set tells whether UTF-8 can be shown.
    pub unicode: bool,
    /// `TERM`: `dumb` cannot place a cursor.
    pub dumb: bool,
}

/// Reads what the terminal says about itself.
pub fn terminal() -> Terminal {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text);
    let utf8 = |locale: String| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    Terminal {
        no_color: text("NO_COLOR").is_some(),
        true_color: text("COLORTERM").is_some_and(|c| c == "truecolor" || c == "24bit"),
        // Nothing set is what containers have; their terminals show UTF-8 all the same.
        unicode: locale.is_none_or(utf8),
        dumb: text("TERM").is_none_or(|term| term == "dumb"),
    }
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    // Not UTF-8 is kept in its lossy form, so that it is refused where it is used and not passed over.
    std::env::var_os(name)
        .map(|v| v.to_string_lossy().into_owned())
        .filter(|v| !v.trim().is_empty())
}
