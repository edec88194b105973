use super::*;
use crate::secret::Secret;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A home, a working directory, and an environment with nothing else in it.
struct Place {
    dir: tempfile::TempDir,
    env: Env,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("home/.config/kflow")).unwrap();
        fs::create_dir_all(dir.path().join("work")).unwrap();
        let env = Env { home: Some(dir.path().join("home")), ..Env::default() };
        Place { dir, env }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_mode(name, text, 0o600)
    }

    fn write_mode(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load(&self, named: Option<&Path>) -> Result<Settings, ConfigError> {
        Settings::load_from(self.env.clone(), &self.dir.path().join("work"), named)
    }

    fn key(&self, env: ExchangeEnv) -> Result<(String, String), ConfigError> {
        match Credentials::resolve(env, &self.load(None)?)? {
            Credentials::Own { key_id, pem } => Ok((key_id, pem.reveal().to_owned())),
            Credentials::Simulator => Ok(("sim".to_owned(), String::new())),
        }
    }
}

fn own(id: &str, pem: &str) -> (String, String) {
    (id.to_owned(), pem.to_owned())
}

#[test]
fn without_any_key_the_message_names_each_place_and_what_was_there() {
    let place = Place::new();
    assert_eq!(
        place.key(ExchangeEnv::Prod).unwrap_err().to_string(),
        "no exchange credentials\n  looked at: KALSHI_API_KEY_ID (unset), \
         KALSHI_PRIVATE_KEY_PATH (unset), ~/.config/kflow/config.toml (absent)"
    );
    place.write("home/.config/kflow/config.toml", "[env.demo]\nkey_id = \"d\"");
    let message = place.key(ExchangeEnv::Prod).unwrap_err().to_string();
    assert!(message.ends_with("config.toml (nothing for [env.prod])"), "{message}");
    let message = place.key(ExchangeEnv::Demo).unwrap_err().to_string();
    assert!(message.ends_with("config.toml (no key_file in [env.demo])"), "{message}");
}

#[test]
fn the_built_in_exchange_needs_no_key() {
    assert_eq!(Place::new().key(ExchangeEnv::Sim).unwrap(), own("sim", ""));
}

#[test]
fn environment_beats_near_file_beats_home_file() {
    let mut place = Place::new();
    let at_home = "[env.demo]\nkey_id = \"home\"\nkey_file = \"home.pem\"\nws = \"wss://home/ws\"";
    place.write("home/.config/kflow/config.toml", at_home);
    place.write("home/.config/kflow/home.pem", "at home");
    assert_eq!(place.key(ExchangeEnv::Demo).unwrap(), own("home", "at home"));

    place.write("work/kflow.toml", "[env.demo]\nkey_id = \"near\"\nkey_file = \"~/near.pem\"");
    place.write("home/near.pem", "near");
    assert_eq!(place.key(ExchangeEnv::Demo).unwrap(), own("near", "near"));
    let settings = place.load(None).unwrap();
    let endpoint = Endpoint::resolve(ExchangeEnv::Demo, None, &settings.file).unwrap();
    assert_eq!(endpoint.ws, "wss://home/ws", "what the near file leaves open comes from below");

    place.env.key_id = Some("env".to_owned());
    place.env.key_path = Some(place.write("env.pem", "from a path"));
    assert_eq!(place.key(ExchangeEnv::Demo).unwrap(), own("env", "from a path"));
    place.env.key_content = Some(Secret::new("\"one\\ntwo\\n\"".to_owned()));
    assert_eq!(place.key(ExchangeEnv::Demo).unwrap(), own("env", "one\ntwo\n"), "inline wins");
}

#[test]
fn a_key_id_is_never_paired_with_the_key_of_another_file() {
    let place = Place::new();
    let at_home = "[env.prod]\nkey_id = \"home\"\nkey_file = \"home.pem\"";
    place.write("home/.config/kflow/config.toml", at_home);
    place.write("work/kflow.toml", "[env.prod]\nkey_id = \"near\"");
    assert!(matches!(
        place.key(ExchangeEnv::Prod),
        Err(ConfigError::NoCredentials { looked_at }) if looked_at.contains("no key_file")
    ));
}

#[test]
fn a_key_file_that_others_can_read_is_refused_unless_that_is_wanted() {
    let mut place = Place::new();
    place.env.key_id = Some("id".to_owned());
    for mode in [0o640, 0o604, 0o660, 0o777] {
        place.env.key_path = Some(place.write_mode("key.pem", "the key", mode));
        let error = place.key(ExchangeEnv::Prod).unwrap_err();
        assert!(matches!(error, ConfigError::OpenKeyFile { mode: m, .. } if m == mode), "{error}");
        assert!(error.to_string().ends_with(&format!("(mode {mode:04o})")), "{error}");
    }
    place.write("work/kflow.toml", "allow_open_key_file = true");
    assert_eq!(place.key(ExchangeEnv::Prod).unwrap(), own("id", "the key"));
}

#[test]
fn a_key_in_the_place_of_its_path_is_not_shown() {
    let mut place = Place::new();
    place.env.key_id = Some("id".to_owned());
    place.env.key_path =
        Some("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----".into());
    let error = place.key(ExchangeEnv::Prod).unwrap_err();
    assert!(matches!(error, ConfigError::KeyAsPath), "{error}");
}

#[test]
fn an_unusable_key_file_is_named() {
    let mut place = Place::new();
    place.env.key_id = Some("id".to_owned());
    place.env.key_path = Some(place.dir.path().join("absent.pem"));
    let error = place.key(ExchangeEnv::Prod).unwrap_err();
    assert!(error.to_string().contains("absent.pem"), "{error}");
    let huge = "x".repeat(100_000);
    place.env.key_path = Some(place.write("huge.pem", &huge));
    assert!(matches!(place.key(ExchangeEnv::Prod), Err(ConfigError::KeyFileText(_))));
    fs::write(place.dir.path().join("huge.pem"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(matches!(place.key(ExchangeEnv::Prod), Err(ConfigError::KeyFileText(_))));
}

#[test]
fn a_named_configuration_file_must_exist() {
    let mut place = Place::new();
    let absent = place.dir.path().join("absent.toml");
    assert!(matches!(place.load(Some(&absent)), Err(ConfigError::NoFile(p)) if p == absent));
    place.env.config = Some(absent.clone());
    assert!(matches!(place.load(None), Err(ConfigError::NoFile(p)) if p == absent));
    let named = place.write("named.toml", "discover = true");
    place.write("work/kflow.toml", "discover = false");
    let settings = place.load(Some(&named)).unwrap();
    assert_eq!(settings.file.discover, Some(true), "--config stands in for ./kflow.toml");
}

#[test]
fn an_error_in_a_file_names_the_line_and_repeats_no_value() {
    let canary = "MIIEcanary";
    let cases = [
        ("\n\nkeyid = 1", 3, "unknown field `keyid`, expected one of `markets`"),
        ("[env.live]\nkey_id = \"x\"", 1, "unknown field `live`, expected one of `sim`"),
        ("discover = \"MIIEcanary\"", 1, "invalid type: string, expected a boolean"),
        ("[env.prod]\nkey_id = 5", 2, "expected a string"),
        ("[env.prod]\nkey_id = \"MIIEcanary", 2, ""),
        ("private_key = \"MIIEcanary\"", 1, "unknown field `private_key`"),
        ("markets = \"MIIEcanary\"", 1, "expected a sequence"),
    ];
    let place = Place::new();
    for (text, line, why) in cases {
        let path = place.write("work/kflow.toml", text);
        let error = place.load(None).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:{line}: ", path.display())), "{error}");
        assert!(error.contains(why) && !error.contains(canary), "{error}");
    }
}

#[test]
fn each_exchange_has_its_addresses_and_a_url_replaces_both() {
    let resolve = |env, url| Endpoint::resolve(env, url, &File::default());
    let sim = resolve(ExchangeEnv::Sim, None).unwrap();
    assert_eq!(sim.rest, "http://127.0.0.1:7007/trade-api/v2");
    assert_eq!(sim.ws, "ws://127.0.0.1:7007/trade-api/ws/v2");
    assert!(resolve(ExchangeEnv::Prod, None).unwrap().rest.contains(".kalshi.com/"));
    assert!(resolve(ExchangeEnv::Demo, None).unwrap().ws.contains(".demo.kalshi.co/"));
    for (url, rest, ws) in [
        ("http://h:1", "http://h:1/trade-api/v2", "ws://h:1/trade-api/ws/v2"),
        ("https://h/", "https://h/trade-api/v2", "wss://h/trade-api/ws/v2"),
        ("http://h:1/trade-api/v2/", "http://h:1/trade-api/v2", "ws://h:1/trade-api/ws/v2"),
    ] {
        let endpoint = resolve(ExchangeEnv::Demo, Some(url)).unwrap();
        assert_eq!((endpoint.rest.as_str(), endpoint.ws.as_str()), (rest, ws));
    }
    for url in ["", "h:1", "ws://h:1", "http://", "ftp://h", "http://h/other", "http://h?x"] {
        assert!(
            matches!(resolve(ExchangeEnv::Sim, Some(url)), Err(ConfigError::Url { .. })),
            "{url}"
        );
    }
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let error = Endpoint::resolve(ExchangeEnv::Sim, Some("http://me:pass@h"), &File::default());
    assert!(!error.unwrap_err().to_string().contains("pass@"));
    let place = Place::new();
    place.write("work/kflow.toml", "[env.prod]\nrest = \"https://me:pass@h/trade-api/v2\"");
    let settings = place.load(None).unwrap();
    let error = Endpoint::resolve(ExchangeEnv::Prod, None, &settings.file).unwrap_err();
    assert!(!error.to_string().contains("pass@"), "{error}");
}

#[test]
fn the_market_list_of_the_environment_beats_that_of_the_file() {
    let mut place = Place::new();
    let markets = |place: &Place| place.load(None).unwrap().markets();
    assert_eq!(markets(&place).unwrap(), None);
    place.write("work/kflow.toml", "discover = true");
    assert_eq!(markets(&place).unwrap(), Some(Markets::Discover));
    place.write("work/kflow.toml", "markets = [\"A\"]");
    assert_eq!(markets(&place).unwrap(), Some(Markets::Named(vec!["A".to_owned()])));
    place.env.market_tickers = Some(" B, C ,".to_owned());
    let listed = Markets::Named(vec!["B".to_owned(), "C".to_owned()]);
    assert_eq!(markets(&place).unwrap(), Some(listed));
    place.env.market_mode = Some("discovery".to_owned());
    assert_eq!(markets(&place).unwrap(), Some(Markets::Discover));
    place.env.market_mode = Some("all".to_owned());
    assert!(matches!(markets(&place), Err(ConfigError::Word { .. })));
}

#[test]
fn limits_come_from_the_near_file_then_the_far_one_then_the_defaults_and_the_seeds_variable_wins() {
    let mut place = Place::new();
    assert_eq!(Limits::resolve(&place.load(None).unwrap()).unwrap(), Limits::default());
    place.write("home/.config/kflow/config.toml", "[risk]\nthrottle_ms = 9\nstale_book_ms = 7");
    place.write("work/kflow.toml", "[risk]\nthrottle_ms = 1\ndaily_loss_usd_max = 3");
    place.env.actor_throttle_ms = Some("400".to_owned());
    let limits = Limits::resolve(&place.load(None).unwrap()).unwrap();
    assert_eq!((limits.throttle_ms, limits.stale_book_ms), (400, 7));
    assert_eq!(limits.daily_loss_max, crate::units::Money::dollars(3));
    place.env.actor_throttle_ms = Some("fast".to_owned());
    let error = Limits::resolve(&place.load(None).unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("RL_ACTOR_THROTTLE_MS is `fast`"), "{error}");
    place.write("work/kflow.toml", "[risk]\ndaily_loss = 3");
    assert!(matches!(place.load(None), Err(ConfigError::Syntax { .. })), "an unknown limit");
}

#[test]
fn a_key_of_one_real_exchange_is_never_shown_to_another() {
    use ExchangeEnv::{Demo, Prod, Sim};
    let env = Env { key_id: Some("market".into()), ..Env::default() };
    let settings = Settings { env: env.clone(), ..Settings::default() };
    let key = |settings: &Settings, orders, market| settings.for_orders(orders, market).env.key_id;
    assert_eq!(key(&settings, Demo, Prod), None, "the file has to name it");
    assert_eq!(key(&settings, Demo, Demo).as_deref(), Some("market"));
    assert_eq!(
        key(&settings, Demo, Sim).as_deref(),
        Some("market"),
        "the built-in one has its own"
    );
    let env = Env { orders_key_id: Some("orders".into()), ..env };
    let settings = Settings { env, ..Settings::default() };
    for market in [Demo, Prod, Sim] {
        assert_eq!(key(&settings, Demo, market).as_deref(), Some("orders"));
    }
}
