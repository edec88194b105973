//! One WebSocket connection on the wire: frames of the floor out, commands of the client in, heartbeats.

use super::floor::Ask;
use super::tap::Control;
use crate::sim::ws::Out;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What a client may send in one message: subscribing to the largest market list takes half of it.
const COMMAND_BYTES_MAX: usize = 4 << 20;
/// Pings without an answer after which a client is dropped.
const PINGS_UNANSWERED: u32 = 2;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// One connection.
pub(super) struct Link {
    /// Its number on the floor.
    pub(super) number: usize,
    /// Frames to send. Closed: the exchange stops.
    pub(super) frames: mpsc::Receiver<Vec<Out>>,
    /// Where commands go.
    pub(super) floor: mpsc::Sender<Ask>,
    /// The TCP connection below.
    pub(super) control: Control,
    /// Time between two pings.
    pub(super) heartbeat: Duration,
}

impl Link {
    /// Talks until one side ends it.
    pub(super) async fn run(mut self, upgraded: Upgraded) {
        let config = WebSocketConfig::default()
            .max_message_size(Some(COMMAND_BYTES_MAX))
            .max_frame_size(Some(COMMAND_BYTES_MAX));
        let io = TokioIo::new(upgraded);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        if let Err(error) = self.talk(&mut socket).await {
            tracing::debug!(connection = self.number, %error, "connection failed");
        }
        // The socket goes first: what the client sees must not wait for a busy floor.
        drop(socket);
        self.leave().await;
    }

    /// Tells the floor that nobody listens any more.
    pub(super) async fn leave(self) {
        // A floor that is gone knows already.
        let _ = self.floor.send(Ask::Gone(self.number)).await;
    }

    async fn talk(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let start = tokio::time::Instant::now() + self.heartbeat;
        let mut beat = interval_at(start, self.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                batch = self.frames.recv() => {
                    let last = batch.is_none();
                    let batch = batch.unwrap_or_else(|| vec![Out::Close(1001)]);
                    // A client that takes nothing is as good as one that does not pong.
                    let patience = self.heartbeat * (PINGS_UNANSWERED + 1);
                    let Ok(sent) = timeout(patience, self.send(socket, batch)).await else {
                        return Ok(());
                    };
                    if sent?.is_break() || last {
                        return Ok(());
                    }
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let ask = Ask::Text(self.number, text.as_str().to_owned());
                        if self.floor.send(ask).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Ok(Message::Pong(_))) => unanswered = 0,
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
                _ = beat.tick() => {
                    if unanswered >= PINGS_UNANSWERED {
                        return Ok(());
                    }
                    unanswered += 1;
                    let ping = Message::Ping("heartbeat".into());
                    let Ok(sent) = timeout(self.heartbeat, socket.send(ping)).await else {
                        return Ok(());
                    };
                    sent?;
                }
            }
        }
    }

    /// Sends a batch; breaks when it held the end of the connection.
    async fn send(&self, socket: &mut Socket, batch: Vec<Out>) -> Result<ControlFlow<()>, Error> {
        for out in batch {
            match out {
                Out::Text(text) => socket.feed(Message::Text(text.into())).await?,
                Out::RawText(bytes) => {
                    let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
                    socket.feed(Message::Frame(frame)).await?;
                }
                Out::Binary(bytes) => socket.feed(Message::Binary(bytes.into())).await?,
                Out::ReadSlowly(ms) => self.control.read_slowly(ms),
                Out::Mute => {
                    socket.flush().await?;
                    self.control.mute();
                }
                Out::Cut => {
                    socket.flush().await?;
                    return Ok(ControlFlow::Break(()));
                }
                Out::Reset => {
                    socket.flush().await?;
                    self.control.reset();
                    return Ok(ControlFlow::Break(()));
                }
                Out::Close(code) => {
                    // As a raw frame: some of the codes may not stand on the wire, and that is the point.
                    let close = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                    socket.send(Message::Frame(Frame::close(Some(close)))).await?;
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        socket.flush().await?;
        Ok(ControlFlow::Continue(()))
    }
}
