//! TLS for real: a server with its own certificate. Nothing here installs a provider for the process, so a
//! configuration that relied on one would panic.

use super::TIMING;
use futures_util::{SinkExt, StreamExt};
use kalshiflow::config::{Endpoint, ExchangeEnv};
use kalshiflow::feed::access::Access;
use kalshiflow::feed::rest::{RestClient, RestError};
use kalshiflow::feed::tls::{self, TlsError};
use kalshiflow::wire::auth::{Signer, WS_PATH};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{Connector, accept_async, connect_async_tls_with_config};

/// A listener, what makes TLS of its connections, and the file with its certificate.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

async fn server() -> Server {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server { listener, acceptor: TlsAcceptor::from(Arc::new(config)), ca_file, _dir: dir }
}

impl Server {
    fn host(&self) -> String {
        format!("localhost:{}", self.listener.local_addr().unwrap().port())
    }

    fn client(&self, ca_file: Option<PathBuf>) -> RestClient {
        let url = format!("https://{}", self.host());
        let endpoint = Endpoint::resolve(ExchangeEnv::Demo, Some(&url), &Default::default());
        let access = Access {
            endpoint: endpoint.unwrap(),
            signer: Signer::simulator(),
            tls: tls::client(ca_file.as_deref()).unwrap(),
        };
        RestClient::new(&access, TIMING, 7).unwrap()
    }
}

#[tokio::test]
async fn a_websocket_opens_over_tls_with_the_server_s_own_certificate() {
    let server = server().await;
    let url = format!("wss://{}{WS_PATH}", server.host());
    let connector = Connector::Rustls(tls::client(Some(&server.ca_file)).unwrap());
    let echo = tokio::spawn(async move {
        let (tcp, _) = server.listener.accept().await.unwrap();
        let mut socket = accept_async(server.acceptor.accept(tcp).await.unwrap()).await.unwrap();
        let message = socket.next().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
        let _ = socket.close(None).await;
    });
    let (mut socket, _) =
        connect_async_tls_with_config(url, None, true, Some(connector)).await.unwrap();
    socket.send(Message::text("{\"id\":1}")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{\"id\":1}"));
    echo.await.unwrap();
}

#[tokio::test]
async fn a_stranger_s_certificate_is_not_trusted() {
    let server = server().await;
    let mut client = server.client(None);
    let serve = tokio::spawn(async move {
        let (tcp, _) = server.listener.accept().await.unwrap();
        assert!(server.acceptor.accept(tcp).await.is_err());
    });
    let error = client.exchange_status().await.unwrap_err();
    assert!(
        matches!(&error, RestError::Tls { why, .. } if why.contains("certificate")),
        "{error:?}"
    );
    serve.await.unwrap();
}

#[tokio::test]
async fn a_rest_call_goes_over_tls() {
    let server = server().await;
    let mut client = server.client(Some(server.ca_file.clone()));
    let serve = tokio::spawn(async move {
        let (tcp, _) = server.listener.accept().await.unwrap();
        let mut stream = server.acceptor.accept(tcp).await.unwrap();
        let mut request = vec![0; 4_096];
        let n = stream.read(&mut request).await.unwrap();
        assert!(request[..n].starts_with(b"GET /trade-api/v2/exchange/status HTTP/1.1\r\n"));
        let body = r#"{"exchange_active":true,"trading_active":true}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    });
    assert!(client.exchange_status().await.unwrap().trading_active);
    serve.await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_a_dead_one() {
    let server = super::server::Server::start([]).await;
    let url = server.url.replace("http://", "https://");
    let error = super::client(&url).exchange_status().await.unwrap_err();
    assert!(matches!(error, RestError::Tls { .. }), "{error:?}");
}

#[test]
fn a_certificate_file_without_a_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    assert!(matches!(tls::client(Some(&path)), Err(TlsError::Read { .. })));
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for text in ["", "not PEM", damaged, include_str!("../../fixtures/keys/ed25519.pub")] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(tls::client(Some(&path)), Err(TlsError::NoCertificate(_))), "{text}");
    }
}
