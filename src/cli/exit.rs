//! Exit codes and the one error shape that leaves the program.

use crate::config::ConfigError;
use crate::feed::access::AccessError;
use crate::feed::discover::DiscoverError;
use crate::feed::rest::RestError;
use crate::feed::{ConnectError, FeedError};
use crate::store::StoreError;
use std::fmt::Write as _;

/// Shown below `kflow --help`.
pub const CODES_HELP: &str = "Exit codes: 0 done, 1 failed at run time, 2 usage, 3 configuration or data missing or \
invalid, 4 remote refused or unreachable, 5 data integrity problem (damaged file, other schema or layout; unknown run or \
model), 6 a check failed (`conformance`, `env check`, `features report`, `fills calibrate` and `compare`, `sim soak` and \
`calibrate`, gate of `champion`, `runs repeat`), 130 or 143 ended by SIGINT or SIGTERM after everything was saved.";

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Failed at run time: IO, full disk, a bug that was caught.
    Runtime = 1,
    /// The words of the command line do not fit.
    Usage = 2,
    /// Configuration, credentials or data missing, or configuration invalid.
    Config = 3,
    /// Remote refused or unreachable.
    Remote = 4,
    /// Data integrity problem: gap, checksum, schema or layout mismatch, unreadable input; a run or model that the
    /// registry does not know.
    Integrity = 5,
    /// A check failed: conformance, environment check, features that no model may see, a fit or comparison of fills
    /// without evidence, a simulator that is not true or a soak that lost something, the gate of `champion`, a run that
    /// did not repeat itself.
    Check = 6,
    /// Ended by SIGINT, cleanly.
    Interrupted = 130,
    /// Ended by SIGTERM, cleanly.
    Terminated = 143,
}

/// What a command gives back when it cannot do its work.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: Code,
    /// What happened, outermost context first.
    pub error: anyhow::Error,
    /// The next step for the person.
    pub hint: Option<String>,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { code: Code::Runtime, error: error.into(), hint: None }
    }
}

impl Failure {
    /// A failure with its code.
    pub fn new(code: Code, error: impl Into<anyhow::Error>) -> Failure {
        Failure { code, error: error.into(), hint: None }
    }

    /// A failure from a sentence.
    pub fn msg(code: Code, text: impl std::fmt::Display) -> Failure {
        Failure { code, error: anyhow::anyhow!("{text}"), hint: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what was being done.
    #[must_use]
    pub fn context(mut self, what: impl std::fmt::Display + Send + Sync + 'static) -> Failure {
        self.error = self.error.context(what);
        self
    }

    /// The text for stderr: `error: ..`, its causes, and `hint: ..`.
    pub fn render(&self) -> String {
        if matches!(self.code, Code::Interrupted | Code::Terminated) {
            return format!("{}\n", self.error);
        }
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            // Some errors tell their cause themselves.
            if !text.trim_end().ends_with(&cause) {
                let _ = writeln!(text, "  caused by: {cause}");
            }
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "\nhint: {hint}");
        }
        text
    }
}

/// The failure of a command whose log could not be written or read.
pub fn store(error: StoreError) -> Failure {
    let (code, hint) = match &error {
        StoreError::Locked { .. } => {
            (Code::Config, "wait until that process has ended, or use another --data directory")
        }
        StoreError::NoLog { .. } => {
            (Code::Config, "record or import something first: `kflow import PATH`, or `kflow demo`")
        }
        StoreError::Archive { .. } => {
            (Code::Config, "name another folder with --archive: one for each log, outside of it")
        }
        StoreError::Full { .. } => {
            (Code::Runtime, "free some space and run the command again; what was committed is kept")
        }
        StoreError::Corrupt { .. } | StoreError::Format { .. } => {
            (Code::Integrity, "`kflow data verify` lists everything that is damaged")
        }
        StoreError::Io { .. } | StoreError::SealAbandoned { .. } => {
            (Code::Runtime, "check the directory and its permissions; what was committed is kept")
        }
    };
    Failure::new(code, error).hint(hint)
}

/// The failure of a command whose settings cannot be used.
pub fn config(error: ConfigError) -> Failure {
    let hint = match &error {
        // The three ways on stand right below the places looked at, so they are part of the message.
        ConfigError::NoCredentials { .. } => {
            return Failure::msg(Code::Config, format!("{error}\n{TRY_WITHOUT_KEY}"));
        }
        ConfigError::OpenKeyFile { path, .. } => {
            format!("chmod 600 {}   (or `allow_open_key_file = true`)", path.display())
        }
        ConfigError::NoFile(_) => "give `--config` a file that exists, or leave it out".to_owned(),
        ConfigError::Read { .. } => "check the path and its permissions".to_owned(),
        ConfigError::Syntax { .. } => {
            "correct that line or remove it; every key is optional".to_owned()
        }
        ConfigError::Url { .. } => "give the address as shown".to_owned(),
        ConfigError::KeyAsPath => {
            "KALSHI_PRIVATE_KEY_CONTENT takes the text of a key; KALSHI_PRIVATE_KEY_PATH and key_file name a file"
                .to_owned()
        }
        ConfigError::KeyFileText(_) => {
            "the file must hold the private key as it was downloaded".to_owned()
        }
        ConfigError::Word { .. } => "set it to one of these words, or unset it".to_owned(),
    };
    Failure::new(Code::Config, error).hint(hint)
}

const TRY_WITHOUT_KEY: &str =
    "  hint: try it offline first:   kflow sim run --seed 7        (in one terminal)
                                kflow collect --env sim       (in another)
        or all in one:          just demo";

/// The failure of a command that cannot get at an exchange with its settings.
pub fn access(error: AccessError) -> Failure {
    match error {
        AccessError::Config(error) => config(error),
        AccessError::Key { .. } => Failure::new(Code::Config, error).hint(
            "use the private key file as the exchange gave it, and the id that belongs to it",
        ),
        AccessError::Tls(_) => {
            Failure::new(Code::Config, error).hint("check `ca_file` in the configuration")
        }
    }
}

/// The failure of a command that the exchange did not answer as needed.
pub fn rest(error: RestError) -> Failure {
    let (code, hint) = match &error {
        RestError::Setup { .. } => {
            (Code::Config, "give the address as `https://HOST/trade-api/v2`")
        }
        RestError::Sign(_) => (Code::Config, "check the private key"),
        RestError::Dns { .. } => (Code::Remote, "check the name in the address, and the network"),
        RestError::Connect { .. } => {
            (Code::Remote, "is it running? the built-in exchange: `kflow sim run`")
        }
        RestError::Tls { .. } => {
            (Code::Remote, "a server with its own certificate needs `ca_file` in the configuration")
        }
        RestError::Unauthorized { .. } => (
            Code::Remote,
            "check key id and key; demo and prod keys are separate, and this machine's clock must be right",
        ),
        RestError::RateLimited { .. } => {
            (Code::Remote, "wait a moment; another program may be using the same key")
        }
        RestError::Server { .. } | RestError::Lost { .. } | RestError::Timeout { .. } => (
            Code::Remote,
            "try again later; Kalshi's maintenance is on Thursdays, 3:00 to 5:00 Eastern time",
        ),
        RestError::Refused { .. } => (Code::Remote, "the reply says what the exchange objects to"),
        RestError::NotKalshi { .. } | RestError::TooLarge { .. } => {
            (Code::Remote, "check `--env`, `--url` and the addresses in the configuration")
        }
    };
    Failure::new(code, error).hint(hint)
}

/// The failure of a command whose feed gave up.
pub fn feed(error: FeedError) -> Failure {
    let FeedError::Connect { source, .. } = &error;
    let (code, hint) = match source {
        ConnectError::Url(_) => (Code::Config, "give the address as wss://HOST/trade-api/ws/v2"),
        ConnectError::Sign(_) => (Code::Config, "check the private key"),
        ConnectError::Dns { .. } => {
            (Code::Remote, "check the name in the address, and the network")
        }
        ConnectError::Tcp { .. } | ConnectError::Broken(_) | ConnectError::Timeout(_) => {
            (Code::Remote, "is it running? the built-in exchange: `kflow sim run`")
        }
        ConnectError::Tls { .. } => {
            (Code::Remote, "a server with its own certificate needs `ca_file` in the configuration")
        }
        ConnectError::Unauthorized | ConnectError::Forbidden => (
            Code::Remote,
            "check key id and key; demo and prod keys are separate, and this machine's clock must be right",
        ),
        ConnectError::TooManyRequests => {
            (Code::Remote, "wait a moment; another program may be using the same key")
        }
        ConnectError::Unavailable(_) => (
            Code::Remote,
            "try again later; Kalshi's maintenance is on Thursdays, 3:00 to 5:00 Eastern time",
        ),
        ConnectError::Status(_) | ConnectError::Protocol(_) => {
            (Code::Remote, "check `--env`, `--url` and the addresses in the configuration")
        }
    };
    Failure::new(code, error).hint(hint)
}

/// The failure of a command that found no markets to follow.
pub fn discover(error: DiscoverError) -> Failure {
    let hint = match error {
        DiscoverError::Rest(error) => return rest(error),
        DiscoverError::Unknown(_) => "check the ticker; `--discover` finds markets by itself",
        DiscoverError::Closed(_) => "choose a market that is open; `--discover` finds some",
        DiscoverError::Nothing(_) => "widen the filter, or look on the exchange for open markets",
        DiscoverError::Endless => "check `--url`; narrow the search with `--series`",
    };
    Failure::new(Code::Remote, error).hint(hint)
}

/// Gives an error its exit code and hint where it is passed on.
pub trait OrFail<T> {
    /// Fails with `code` on error.
    ///
    /// # Errors
    /// The error, with its code.
    fn or_fail(self, code: Code) -> Result<T, Failure>;
    /// Fails with `code` and `hint` on error.
    ///
    /// # Errors
    /// The error, with its code and hint.
    fn or_hint(self, code: Code, hint: &str) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(self, code: Code) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(code, e))
    }

    fn or_hint(self, code: Code, hint: &str) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(code, e).hint(hint))
    }
}
