//! A plain client: what it is told to send it sends, what comes it gives back.

use super::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use kalshiflow::wire::auth::{Signer, WS_PATH};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::SystemTime;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

/// One connection.
pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

pub(super) fn subscribe(id: u64, channels: &[&str], tickers: &[String]) -> Value {
    let params = json!({"channels": channels, "market_tickers": tickers, "use_yes_price": false});
    json!({"id": id, "cmd": "subscribe", "params": params})
}

/// Numbers of a subscription's frames in the order in which they came.
pub(super) fn seqs(frames: &[Value], sid: u32) -> Vec<u64> {
    frames.iter().filter(|f| f["sid"] == sid).filter_map(|f| f["seq"].as_u64()).collect()
}

type Headers = Vec<(&'static str, String)>;

async fn upgrade(address: SocketAddr, headers: Headers) -> Result<Client, Error> {
    let mut request = format!("ws://{address}{WS_PATH}").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
    }
    let stream = TcpStream::connect(address).await?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    Ok(Client { socket })
}

/// A signed attempt, whatever comes of it.
pub(super) async fn attempt(address: SocketAddr) -> Result<Client, Error> {
    let headers = Signer::simulator().headers(now_ms(), "GET", WS_PATH).unwrap();
    upgrade(address, headers.to_vec()).await
}

/// The HTTP status with which an upgrade is refused.
pub(super) async fn refusal(address: SocketAddr, headers: Headers) -> u16 {
    match upgrade(address, headers).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("came in"),
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Client {
        attempt(address).await.expect("connected")
    }

    pub(super) async fn send(&mut self, command: &Value) {
        self.socket.send(Message::text(command.to_string())).await.expect("sent");
    }

    /// The next message that is no ping.
    pub(super) async fn message(&mut self) -> Option<Result<Message, Error>> {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("nothing came");
            if !matches!(next, Some(Ok(Message::Ping(_)))) {
                return next;
            }
        }
    }

    /// The next frame, as JSON.
    pub(super) async fn next(&mut self) -> Value {
        match self.message().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The next `n` frames.
    pub(super) async fn read(&mut self, n: usize) -> Vec<Value> {
        let mut frames = Vec::with_capacity(n);
        while frames.len() < n {
            frames.push(self.next().await);
        }
        frames
    }

    /// Reads until the connection ends: frames that were JSON, and how it ended.
    pub(super) async fn until_end(&mut self) -> (Vec<Value>, End) {
        let mut frames = Vec::new();
        loop {
            match self.message().await {
                Some(Ok(Message::Text(text))) => frames.extend(serde_json::from_str(&text).ok()),
                Some(Ok(Message::Close(frame))) => {
                    return (frames, End::Close(frame.map_or(0, |f| f.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return (frames, End::Error(error)),
                None => return (frames, End::Eof),
            }
        }
    }

    /// Raw bytes until the server ends the connection; nothing is answered.
    pub(super) async fn raw_until_end(self) -> Vec<u8> {
        let (mut stream, mut bytes) = (self.socket.into_inner(), Vec::new());
        // A reset is an end as well.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it never ends");
        bytes
    }

    pub(super) async fn close(mut self) {
        self.socket.close(None).await.expect("closed");
        while let Some(Ok(_)) = self.message().await {}
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    Close(u16),
    Error(Error),
    Eof,
}
