//! From the socket to the session: as many frames as lie ready.

use super::connect::Socket;
use super::ws::Clock;
use super::{Lost, Now, Session};
use futures_util::StreamExt;
use std::task::{Context, Poll};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

/// Frames read before their records are handed on: about a millisecond of work, so that deadlines and
/// commands wait no longer.
const BATCH_FRAMES: usize = 1_024;
/// Close code of a good-bye without one (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1_005;

/// Reads every frame that is there, up to [`BATCH_FRAMES`]; pending only when there is none.
pub(super) fn read(
    socket: &mut Socket,
    session: &mut Session,
    clock: &Clock,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Lost>> {
    let mut first = None;
    for _ in 0..BATCH_FRAMES {
        let Poll::Ready(item) = socket.poll_next_unpin(cx) else {
            return if first.is_some() { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        // One look at the clocks for all that lay ready: it is one read of the socket, or two.
        let now = *first.get_or_insert_with(|| clock.now());
        if let Err(why) = take(session, now, item) {
            return Poll::Ready(Err(why));
        }
        if session.has_actions() {
            break;
        }
    }
    Poll::Ready(Ok(()))
}

fn take(
    session: &mut Session,
    now: Now,
    item: Option<Result<Message, WsError>>,
) -> Result<(), Lost> {
    match item {
        Some(Ok(Message::Text(text))) => session.frame(now, text.as_bytes()),
        Some(Ok(Message::Binary(bytes))) => session.unreadable(now, Some(&bytes), "a binary frame"),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => session.alive(now),
        // Only ever written.
        Some(Ok(Message::Frame(_))) => {}
        Some(Ok(Message::Close(frame))) => {
            let code = frame.as_ref().map_or(NO_CODE, |f| f.code.into());
            let reason = frame.map(|f| f.reason.to_string()).unwrap_or_default();
            return Err(Lost::Closed { code, reason });
        }
        Some(Err(error)) => {
            // RFC 6455 ends a connection with such a frame; its bytes are not given out.
            match &error {
                WsError::Utf8(_) => session.unreadable(now, None, "text that is not UTF-8"),
                WsError::Capacity(_) => {
                    session.unreadable(now, None, "a frame of more than 16 MiB")
                }
                _ => {}
            }
            return Err(Lost::Broken(error.to_string()));
        }
        None => return Err(Lost::Closed { code: NO_CODE, reason: String::new() }),
    }
    Ok(())
}
