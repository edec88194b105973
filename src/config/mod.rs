//! Settings that come from outside the command line: environment and configuration files.
//!
//! What is said last loses: command-line flags, then the environment, then `--config FILE` or
//! `./kflow.toml`, then `$XDG_CONFIG_HOME/kflow/config.toml`, then the defaults.
//!
//! **Invariant:** the environment is read in [`env`] and nowhere else.
//! **Invariant:** no error repeats a value that could be a secret.

pub mod credentials;
pub mod endpoints;
pub mod env;
pub mod file;
pub mod risk;

pub use credentials::Credentials;
pub use endpoints::{Endpoint, ExchangeEnv};
pub use risk::Limits;

use env::Env;
use file::File;
use std::path::{Path, PathBuf};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A configuration file that was asked for is not there.
    #[error("configuration file {} does not exist", .0.display())]
    NoFile(PathBuf),
    /// A file of the settings cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// A configuration file does not say what it should.
    #[error("{}:{line}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// An address that no client could use.
    #[error("{what} `{url}` must look like {form}")]
    Url {
        /// Whose address.
        what: &'static str,
        /// As given.
        url: String,
        /// As wanted.
        form: &'static str,
    },
    /// No key for an exchange that wants one. `looked_at` names each place and what was there.
    #[error("no exchange credentials\n  looked at: {looked_at}")]
    NoCredentials {
        /// The places, in order.
        looked_at: String,
    },
    /// Others on this machine could read the key.
    #[error("the key file {} can be read by others (mode {mode:04o})", path.display())]
    OpenKeyFile {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file with bytes that are no text, or far too large for a key.
    #[error("the key file {} is not a PEM text", .0.display())]
    KeyFileText(PathBuf),
    /// The key itself where the path of its file belongs. It is not shown.
    #[error("the path of the key file holds a key in place of a path")]
    KeyAsPath,
    /// A word where only some are known.
    #[error("{name} is `{value}`; it can be {known}")]
    Word {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        known: &'static str,
    },
}

/// Which markets to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Markets {
    /// These.
    Named(Vec<String>),
    /// Whatever the exchange lists under the filters given.
    Discover,
}

/// Environment and configuration files, read once.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The environment.
    pub env: Env,
    /// The configuration files, laid over each other.
    pub file: File,
    /// Configuration files that were looked for, and whether they exist.
    pub files: Vec<(PathBuf, bool)>,
}

impl Settings {
    /// Reads the process's environment and the configuration files; `named` is the one from `--config`.
    ///
    /// # Errors
    /// When a named file is missing, or any file has an error: with file, line and the reason.
    pub fn load(named: Option<&Path>) -> Result<Settings, ConfigError> {
        Settings::load_from(Env::read(), Path::new("."), named)
    }

    /// The same from a given environment and working directory.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_from(
        env: Env,
        work_dir: &Path,
        named: Option<&Path>,
    ) -> Result<Settings, ConfigError> {
        let home = env.home.as_deref();
        let named = named.map(Path::to_path_buf).or_else(|| env.config.clone());
        let near = match &named {
            Some(path) => Some(path.clone()),
            None => Some(work_dir.join("kflow.toml")).filter(|path| path.exists()),
        };
        let own = env.config_home.clone().or_else(|| Some(home?.join(".config")));
        let own = own.map(|dir| dir.join("kflow/config.toml"));
        let (mut file, mut files) = (File::default(), Vec::new());
        for path in near.into_iter().chain(own) {
            let exists = path.exists();
            if exists {
                file = file.over(File::read(&path, home)?);
            } else if named.as_ref() == Some(&path) {
                return Err(ConfigError::NoFile(path));
            }
            files.push((path, exists));
        }
        Ok(Settings { env, file, files })
    }

    /// The settings under which orders go to `orders` while market data come from `market`: with the key of
    /// `KFLOW_ORDERS_*` where there is one. A key that the environment names for one real exchange is never
    /// shown to another: the configuration file has to name the other's.
    #[must_use]
    pub fn for_orders(&self, orders: ExchangeEnv, market: ExchangeEnv) -> Settings {
        let Env { orders_key_id, orders_key_content, orders_key_path, .. } = self.env.clone();
        let own =
            orders_key_id.is_some() || orders_key_content.is_some() || orders_key_path.is_some();
        if !own && (orders == market || market == ExchangeEnv::Sim) {
            return self.clone();
        }
        let env = Env {
            key_id: orders_key_id,
            key_content: orders_key_content,
            key_path: orders_key_path,
            ..self.env.clone()
        };
        Settings { env, ..self.clone() }
    }

    /// Which markets to follow when the command line does not say; `None` when nothing does.
    ///
    /// # Errors
    /// When `RL_MARKET_MODE` holds an unknown word.
    pub fn markets(&self) -> Result<Option<Markets>, ConfigError> {
        let listed = self.env.market_tickers.as_ref().map(|list| {
            let tickers = list.split(',').map(str::trim).filter(|t| !t.is_empty());
            Markets::Named(tickers.map(str::to_owned).collect())
        });
        match self.env.market_mode.as_deref() {
            Some("discovery") => Ok(Some(Markets::Discover)),
            Some("config") | None => {
                let discover = self.file.discover.unwrap_or(false).then_some(Markets::Discover);
                let named = || self.file.markets.clone().map(Markets::Named);
                Ok(listed.or_else(named).or(discover))
            }
            Some(other) => Err(ConfigError::Word {
                name: "RL_MARKET_MODE",
                value: other.to_owned(),
                known: "`discovery` or `config`",
            }),
        }
    }
}

#[cfg(test)]
mod tests;
