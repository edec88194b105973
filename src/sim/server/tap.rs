//! A TCP connection that can be made to misbehave from outside.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Sleep;

/// Bytes that a slow reader takes at a time, and the rest it takes after them.
const SLOW_BYTES: usize = 16;
const SLOW_REST: Duration = Duration::from_millis(20);

const NORMAL: u8 = 0;
const MUTE: u8 = 1;
const RESET: u8 = 2;

/// Sockets of vanished peers: kept open so that no FIN is sent, until the server stops.
pub(super) type Grave = mpsc::Sender<TcpStream>;

/// The handle by which a connection is made to misbehave.
#[derive(Clone, Debug)]
pub(super) struct Control(Arc<State>);

#[derive(Debug)]
struct State {
    mode: AtomicU8,
    opened: Instant,
    /// Reads are slow until so many milliseconds after `opened`.
    slow_until_ms: AtomicU64,
}

impl Control {
    /// From here on nothing is read, what is written vanishes, and the end is not told.
    pub(super) fn mute(&self) {
        self.0.mode.store(MUTE, Ordering::Relaxed);
    }

    /// The end of the connection will be a reset.
    pub(super) fn reset(&self) {
        self.0.mode.store(RESET, Ordering::Relaxed);
    }

    /// For `ms` milliseconds, a few bytes are read at a time.
    pub(super) fn read_slowly(&self, ms: u32) {
        self.0.slow_until_ms.store(self.0.age_ms() + u64::from(ms), Ordering::Relaxed);
    }
}

impl State {
    fn age_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    fn is(&self, mode: u8) -> bool {
        self.mode.load(Ordering::Relaxed) == mode
    }

    fn is_slow(&self) -> bool {
        let until_ms = self.slow_until_ms.load(Ordering::Relaxed);
        until_ms > 0 && self.age_ms() < until_ms
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Tap {
    /// `None` only while it is dropped.
    stream: Option<TcpStream>,
    state: Arc<State>,
    rest: Option<Pin<Box<Sleep>>>,
    grave: Grave,
}

impl Tap {
    pub(super) fn new(stream: TcpStream, grave: Grave) -> (Tap, Control) {
        let state = Arc::new(State {
            mode: AtomicU8::new(NORMAL),
            opened: Instant::now(),
            slow_until_ms: AtomicU64::new(0),
        });
        let control = Control(state.clone());
        (Tap { stream: Some(stream), state, rest: None, grave }, control)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        if self.state.is(RESET) {
            // Without it the end is a FIN: a milder fault than asked for, not an error.
            let _ = stream.set_zero_linger();
        } else if self.state.is(MUTE) {
            // A full grave lets the socket go: the client then sees an end after all.
            let _ = self.grave.try_send(stream);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state.is(MUTE) {
            return Poll::Pending;
        }
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(cx));
            self.rest = None;
        }
        if !self.state.is_slow() {
            return self.stream()?.poll_read(cx, buf);
        }
        let mut few = [0; SLOW_BYTES];
        let room = buf.remaining().min(SLOW_BYTES);
        let mut part = ReadBuf::new(&mut few[..room]);
        ready!(self.stream()?.poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        self.rest = Some(Box::pin(tokio::time::sleep(SLOW_REST)));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.state.is(MUTE) {
            return Poll::Ready(Ok(buf.len()));
        }
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.is(NORMAL) { self.stream()?.poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }
}
