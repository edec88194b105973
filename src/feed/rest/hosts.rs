//! Where orders may go: Kalshi's demo exchange and this machine. Nowhere else, whatever the settings say.
//!
//! Names are compared as a whole and only over TLS, so that no certificate but the demo's own is believed.
//! This machine is meant by address: a name such as `localhost` can point anywhere.

use crate::config::ExchangeEnv;
use reqwest::Url;

/// The demo exchange (protocol notes 2).
const DEMO_HOSTS: [&str; 2] = ["external-api.demo.kalshi.co", "demo-api.kalshi.co"];

/// An order was about to go where none may go. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "orders go to the demo exchange (https) and to this machine (http://127.0.0.1:PORT) only; \
     {env} at {place} is neither"
)]
pub struct NotAllowed {
    /// Which exchange was meant.
    pub env: ExchangeEnv,
    /// Scheme and host; nothing that could be a secret.
    pub place: String,
}

/// Checks an address that orders would go to.
///
/// # Errors
/// [`NotAllowed`] for every production host, for any other host, and for the settings of `prod` wherever they
/// point: a production key signs no order, not even for this machine, which could pass it on.
pub fn check_orders_allowed(env: ExchangeEnv, address: &str) -> Result<(), NotAllowed> {
    match Url::parse(address) {
        Ok(url) => check(env, &url),
        Err(_) => Err(NotAllowed { env, place: "an address that cannot be read".to_owned() }),
    }
}

pub(super) fn check(env: ExchangeEnv, url: &Url) -> Result<(), NotAllowed> {
    let plain = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().unwrap_or_default();
    // The URL was parsed, so that an address is in its one normal form here.
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let here = address.is_ok_and(|address| address.is_loopback());
    let demo = url.scheme() == "https" && url.port().is_none() && DEMO_HOSTS.contains(&host);
    if env != ExchangeEnv::Prod && plain && (here || demo) {
        return Ok(());
    }
    Err(NotAllowed { env, place: format!("{}://{host}", url.scheme()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_exchange_and_this_machine_take_orders() {
        for url in [
            "https://external-api.demo.kalshi.co/trade-api/v2",
            "https://DEMO-api.kalshi.co/trade-api/v2",
            "http://127.0.0.1:7007/trade-api/v2",
            "https://127.8.9.1/trade-api/v2",
            "http://[::1]:7007",
        ] {
            for env in [ExchangeEnv::Sim, ExchangeEnv::Demo] {
                assert_eq!(check_orders_allowed(env, url), Ok(()), "{url}");
            }
        }
    }

    #[test]
    fn nothing_else_takes_orders_however_it_is_written() {
        for url in [
            "https://external-api.kalshi.com/trade-api/v2",
            "https://api.elections.kalshi.com/trade-api/v2",
            "https://trading-api.kalshi.com",
            "http://demo-api.kalshi.co",
            "https://demo-api.kalshi.co:8443",
            "https://demo-api.kalshi.co.",
            "https://demo-api.kalshi.co.example.com",
            "https://demo-api.kalshi.co@external-api.kalshi.com",
            "https://user@demo-api.kalshi.co",
            "https://external-api.kalshi.com/demo-api.kalshi.co",
            "https://external-api.kalshi.com#127.0.0.1",
            "http://localhost:7007",
            "http://127.0.0.1.nip.io",
            "http://128.0.0.1",
            "http://[::ffff:10.0.0.1]",
            "http://0.0.0.0:7007",
            "file:///etc/hosts",
            "nonsense",
            "",
        ] {
            let refused = check_orders_allowed(ExchangeEnv::Demo, url).expect_err(url);
            assert!(!refused.to_string().contains("user"), "{refused}");
        }
    }

    #[test]
    fn the_settings_of_production_send_no_order_even_to_this_machine() {
        for url in ["http://127.0.0.1:7007", "https://demo-api.kalshi.co"] {
            assert!(check_orders_allowed(ExchangeEnv::Prod, url).is_err(), "{url}");
        }
    }
}
