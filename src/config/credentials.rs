//! Which key proves who we are.
//!
//! The id comes from `KALSHI_API_KEY_ID`, else from the configuration file; the private key from
//! `KALSHI_PRIVATE_KEY_CONTENT`, else from the file in `KALSHI_PRIVATE_KEY_PATH`, else from `key_file` of the
//! configuration. A key file that others can read is refused.

use super::{ConfigError, ExchangeEnv, Settings};
use crate::secret::Secret;
use std::io::Read;
use std::path::Path;

/// A key file is at most this long; a 8192-bit RSA key takes 6.4 KB.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A key, not yet looked into.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Somebody's own.
    Own {
        /// Id of the API key.
        key_id: String,
        /// The private key, PEM.
        pem: Secret,
    },
    /// The well-known key of the built-in exchange, which also lets in who has a key of their own.
    Simulator,
}

impl Credentials {
    /// The key for `env`. Without any, the built-in exchange gets its own well-known one.
    ///
    /// # Errors
    /// When there is none, and what was looked at; when a key file is missing, unreadable or readable by
    /// others.
    pub fn resolve(env: ExchangeEnv, settings: &Settings) -> Result<Credentials, ConfigError> {
        let place = settings.file.place(env);
        // The variables hold a key of the real exchanges: the built-in one has its own.
        if env == ExchangeEnv::Sim && place.key_id.is_none() {
            return Ok(Credentials::Simulator);
        }
        let key_id = settings.env.key_id.clone().or_else(|| place.key_id.clone());
        let key_file = settings.env.key_path.as_ref().or(place.key_file.as_ref());
        match (key_id, &settings.env.key_content, key_file) {
            (Some(key_id), Some(pem), _) => {
                Ok(Credentials::Own { key_id: key_id.trim().to_owned(), pem: unescape(pem) })
            }
            (Some(key_id), None, Some(path)) => {
                let allow_open = settings.file.allow_open_key_file.unwrap_or(false);
                let pem = read_key(path, allow_open)?;
                Ok(Credentials::Own { key_id: key_id.trim().to_owned(), pem })
            }
            _ => Err(ConfigError::NoCredentials { looked_at: looked_at(env, settings) }),
        }
    }
}

/// Container files and `.env` files often hold the key on one line, with `\n` for its line ends.
fn unescape(pem: &Secret) -> Secret {
    let text = pem.reveal().trim().trim_matches(['"', '\'']);
    Secret::new(text.replace("\\r", "").replace("\\n", "\n"))
}

fn read_key(path: &Path, allow_open: bool) -> Result<Secret, ConfigError> {
    // An easy mistake, and the path of a missing file is shown.
    if path.to_string_lossy().contains("-----BEGIN") {
        return Err(ConfigError::KeyAsPath);
    }
    let read = |why| ConfigError::Read { path: path.to_path_buf(), why };
    let file = std::fs::File::open(path).map_err(read)?;
    let mode = mode(&file.metadata().map_err(read)?);
    if mode & 0o077 != 0 && !allow_open {
        return Err(ConfigError::OpenKeyFile { path: path.to_path_buf(), mode });
    }
    let mut text = String::new();
    match file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(n) if (n as u64) < KEY_FILE_BYTES_MAX => Ok(Secret::new(text)),
        Err(e) if e.kind() != std::io::ErrorKind::InvalidData => Err(read(e)),
        _ => Err(ConfigError::KeyFileText(path.to_path_buf())),
    }
}

#[cfg(unix)]
fn mode(meta: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> u32 {
    0 // elsewhere permissions are no bits
}

/// Each place and what was there, never what it holds.
fn looked_at(env: ExchangeEnv, settings: &Settings) -> String {
    let set = |is_set: bool| if is_set { "set" } else { "unset" };
    let key = match &settings.env.key_content {
        Some(_) => "KALSHI_PRIVATE_KEY_CONTENT (set)".to_owned(),
        None => format!("KALSHI_PRIVATE_KEY_PATH ({})", set(settings.env.key_path.is_some())),
    };
    let mut places =
        vec![format!("KALSHI_API_KEY_ID ({})", set(settings.env.key_id.is_some())), key];
    let place = settings.file.place(env);
    let lacks = match (&place.key_id, &place.key_file) {
        (None, None) => format!("nothing for [env.{env}]"),
        (None, Some(_)) => format!("no key_id in [env.{env}]"),
        (Some(_), _) => format!("no key_file in [env.{env}]"),
    };
    for (path, exists) in &settings.files {
        let home = settings.env.home.as_deref();
        let short = home.and_then(|home| path.strip_prefix(home).ok());
        let shown = match short {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        };
        places.push(format!("{shown} ({})", if *exists { &lacks } else { "absent" }));
    }
    places.join(", ")
}
