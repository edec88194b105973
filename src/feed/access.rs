//! What it takes to reach an exchange: where it is, who we are, whom we trust.

use super::tls::{self, TlsConfig, TlsError};
use crate::config::{ConfigError, Credentials, Endpoint, ExchangeEnv, Settings};
use crate::wire::auth::{AuthError, Signer};

/// Resolved settings of one exchange. `Debug` shows the key's id, never the key.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where.
    pub endpoint: Endpoint,
    /// Who.
    pub signer: Signer,
    /// Whom to trust.
    pub tls: TlsConfig,
}

/// Why an exchange cannot be reached with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key.
    #[error("the private key of `{key_id}` cannot be used")]
    Key {
        /// Id of the key.
        key_id: String,
        /// What is wrong with it.
        source: AuthError,
    },
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Access {
    /// Access to `env`; `url` (`--url`) replaces its addresses. Reads the key file and the certificates, and
    /// opens no connection.
    ///
    /// # Errors
    /// When there is no key (the built-in exchange needs none), it is unusable, or an address or a certificate
    /// file is.
    pub fn resolve(
        settings: &Settings,
        env: ExchangeEnv,
        url: Option<&str>,
    ) -> Result<Access, AccessError> {
        let endpoint = Endpoint::resolve(env, url, &settings.file)?;
        let signer = match Credentials::resolve(env, settings)? {
            Credentials::Simulator => Signer::simulator(),
            Credentials::Own { key_id, pem } => Signer::from_pem(&key_id, &pem)
                .map_err(|source| AccessError::Key { key_id, source })?,
        };
        let tls = tls::client(endpoint.ca_file.as_deref())?;
        Ok(Access { endpoint, signer, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::auth::{REST_PREFIX, WS_PATH};

    #[test]
    fn the_addresses_end_in_the_paths_that_are_signed() {
        for env in [ExchangeEnv::Sim, ExchangeEnv::Demo, ExchangeEnv::Prod] {
            for url in [None, Some("http://127.0.0.1:1")] {
                let endpoint = Endpoint::resolve(env, url, &Default::default()).unwrap();
                assert!(endpoint.rest.ends_with(REST_PREFIX), "{}", endpoint.rest);
                assert!(endpoint.ws.ends_with(WS_PATH), "{}", endpoint.ws);
            }
        }
    }

    #[test]
    fn without_a_key_the_built_in_exchange_is_open_and_the_real_ones_are_not() {
        let settings = Settings::default();
        let sim = Access::resolve(&settings, ExchangeEnv::Sim, None).unwrap();
        assert_eq!(sim.signer.key_id(), "sim");
        for env in [ExchangeEnv::Demo, ExchangeEnv::Prod] {
            let error = Access::resolve(&settings, env, None).unwrap_err();
            assert!(matches!(error, AccessError::Config(ConfigError::NoCredentials { .. })));
        }
    }
}
