//! A private key goes through everything that could show it, with logging at its loudest; none of it may
//! come out again.

use super::TIMING;
use super::server::{Answer, Server};
use base64::{Engine, engine::general_purpose::STANDARD};
use kalshiflow::cli::exit;
use kalshiflow::config::env::Env;
use kalshiflow::config::{Endpoint, ExchangeEnv, Settings};
use kalshiflow::feed::access::Access;
use kalshiflow::feed::rest::RestClient;
use kalshiflow::secret::Secret;
use serde_json::json;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tracing_subscriber::filter::LevelFilter;

/// Keys made for the tests, one of each form.
pub const KEYS: [&str; 3] = [
    include_str!("../../fixtures/keys/rsa_pkcs1.pem"),
    include_str!("../../fixtures/keys/rsa_pkcs8.pem"),
    include_str!("../../fixtures/keys/ed25519.pem"),
];

/// Everything that was said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Heard {
    fn say(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }
}

/// Forms in which a piece of the key would be recognised: lines of the PEM, hexadecimal of its bytes, and
/// base64 of the PEM text.
pub fn canaries(pem: &str) -> Vec<String> {
    let lines: Vec<_> = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    let der = STANDARD.decode(lines.concat()).unwrap();
    // The first bytes of a key are the same in all keys; the rest is this one's.
    let hex = der[16..].chunks_exact(12).map(|bytes| {
        bytes.iter().fold(String::new(), |mut text, b| {
            write!(text, "{b:02x}").unwrap();
            text
        })
    });
    let middle = pem.len() / 2 / 3 * 3;
    let encoded = STANDARD.encode(&pem.as_bytes()[middle..middle + 30]);
    let lines = lines.iter().map(|line| line[line.len() / 2..].to_owned());
    lines.chain(hex).chain([encoded]).collect()
}

fn settings(dir: &Path, pem: &str) -> Settings {
    let env = Env {
        key_id: Some("a1b2c3".to_owned()),
        key_content: Some(Secret::new(pem.to_owned())),
        ..Env::default()
    };
    Settings::load_from(env, dir, None).unwrap()
}

/// Every way in which a key can be wrong, and what is said then.
fn failures(dir: &Path, pem: &str, heard: &Heard) {
    let damaged = [
        pem.replace('\n', "\\n").replace("-----END", "-----FIN"),
        pem[..pem.len() / 2].to_owned(),
        pem.replacen("MC", "M!", 1).replacen("MI", "M!", 1),
        pem.replace("PRIVATE", "SECRET"),
        pem.replace("-----BEGIN", "BEGIN"),
        pem.lines().skip(1).collect(),
        pem.to_lowercase(),
    ];
    for text in damaged {
        let settings = settings(dir, &text);
        heard.say(&format!("{settings:?}"));
        let error = Access::resolve(&settings, ExchangeEnv::Prod, None).unwrap_err();
        heard.say(&format!("{error:?}"));
        heard.say(&exit::access(error).render());
    }
    let file = dir.join("kflow.toml");
    for text in [
        format!("private_key = '''{pem}'''"),
        format!("discover = '''{pem}'''"),
        format!("markets = '''{pem}'''"),
        format!("[env.prod]\nkey = '''{pem}'''"),
        pem.to_owned(),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Settings::load_from(Env::default(), dir, None).unwrap_err();
        heard.say(&format!("{error:?}"));
        heard.say(&exit::config(error).render());
    }
    std::fs::remove_file(&file).unwrap();
    let key_file = dir.join("key.pem");
    std::fs::write(&key_file, pem).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let env = Env { key_id: Some("a1b2c3".to_owned()), key_path: Some(key_file), ..Env::default() };
    let open = Settings::load_from(env, dir, None).unwrap();
    let error = Access::resolve(&open, ExchangeEnv::Prod, None).unwrap_err();
    heard.say(&exit::access(error).render());
}

#[tokio::test]
async fn no_piece_of_a_key_is_ever_shown() {
    let heard = Heard::default();
    let writer = heard.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for pem in KEYS {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start([
            Answer::json(200, json!({"exchange_active": true, "trading_active": true})),
            Answer::json(500, json!({"error": "later"})),
            Answer::json(401, json!({"error": {"code": "no", "message": "no"}})),
        ])
        .await;
        let settings = settings(dir.path(), pem);
        let mut access = Access::resolve(&settings, ExchangeEnv::Prod, None).unwrap();
        let url = Some(server.url.as_str());
        access.endpoint = Endpoint::resolve(ExchangeEnv::Demo, url, &settings.file).unwrap();
        let mut client = RestClient::new(&access, TIMING, 7).unwrap();
        client.exchange_status().await.unwrap();
        let error = client.exchange_status().await.unwrap_err();
        heard.say(&format!("{settings:?} {access:?} {client:?} {error:?}"));
        heard.say(&exit::rest(error).render());
        failures(dir.path(), pem, &heard);
    }
    let bytes = heard.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let lower = text.to_lowercase();
    for pem in KEYS {
        for canary in canaries(pem) {
            assert!(!lower.contains(&canary.to_lowercase()), "shown: {canary}");
        }
    }
    assert!(text.contains("trying again"), "the log was listened to");
    assert!(text.contains("chmod 600"), "the failures were listened to");
}
