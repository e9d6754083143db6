//! One WebSocket, whoever dialled: reads, writes, watches the silence. The two transports differ only in [`Socket`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::codec::Role;
use super::hub::{Hub, Outward};
use super::intake;
use crate::Inbox;

/// Most bytes of a frame without media in it.
pub(super) const MAX_FRAME: usize = 1 << 20;

/// Most bytes of any frame: media come as base64 inside.
pub(super) const MAX_MEDIA_FRAME: usize = 16 << 20;

/// What the libraries read at most. Above our own limits, so that a frame in between can still be refused in good order;
/// NapCat itself sends no more than 50 MB.
pub(super) const READ_LIMIT: usize = 64 << 20;

/// How long the other side may take to close after we did.
const CLOSING: Duration = Duration::from_secs(1);

/// Close code for frames that are too large (RFC 6455 §7.4.1).
const CLOSE_TOO_LARGE: u16 = 1009;

/// Events between the reader and the intake. A reader that runs full waits, and so does the peer.
const EVENT_QUEUE: usize = 1024;

/// A peer that takes nothing for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// What a socket gives.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A text frame, or a binary one that is text.
    Text(String),
    /// A frame beyond the limit.
    TooLarge,
    /// A ping and the like.
    Nothing,
    /// It is over.
    Closed,
}

/// A WebSocket of either library.
pub(super) trait Socket: Send {
    /// The next thing that comes in. May be dropped half-way without loss.
    fn receive(&mut self) -> impl Future<Output = Incoming> + Send;
    /// Writes one frame; false where the socket is gone.
    fn write(&mut self, frame: Outward) -> impl Future<Output = bool> + Send;
}

/// Serves a socket until it ends. `first` is a frame that was read before the role was known.
pub(super) async fn serve<S: Socket>(
    hub: &Arc<Hub>,
    inbox: &Arc<dyn Inbox>,
    mut socket: S,
    role: Role,
    account: Option<&str>,
    first: Option<String>,
) {
    let (conn, mut outward) = hub.attach(role, account);
    let (events, queue) = mpsc::channel(EVENT_QUEUE);
    // Outlives this connection: what was read is still handed in. It ends once its queue is empty and closed.
    hub.intake.tracker.spawn(intake::feed(hub.clone(), inbox.clone(), conn, queue));
    let mut look = tokio::time::interval(hub.config.timing.look);
    let watcher = hub.clone();
    let mut looking = tokio::task::JoinSet::new();
    let mut next = first.map(Incoming::Text);
    loop {
        let incoming = if let Some(first) = next.take() {
            first
        } else {
            tokio::select! {
                incoming = socket.receive() => incoming,
                frame = outward.recv() => {
                    let Some(frame) = frame else { break };
                    let last = matches!(frame, Outward::Close(..));
                    let written = tokio::time::timeout(WRITE_LIMIT, socket.write(frame)).await.unwrap_or(false);
                    if last {
                        until_closed(&mut socket).await;
                    }
                    if last || !written {
                        break;
                    }
                    continue;
                }
                _ = look.tick() => {
                    // In a task of its own: the look itself waits for an answer that this loop has to read.
                    if looking.try_join_next().is_some() || looking.is_empty() {
                        let watcher = watcher.clone();
                        looking.spawn(async move { watcher.look_after().await });
                    }
                    continue;
                }
            }
        };
        match incoming {
            Incoming::Text(text) if !fits(&text) => {
                refuse_size(hub, &mut socket, text.len()).await;
                break;
            }
            Incoming::Text(text) => {
                for event in hub.frame(conn, &text) {
                    if events.send(event).await.is_err() {
                        break;
                    }
                }
            }
            Incoming::TooLarge => {
                refuse_size(hub, &mut socket, MAX_MEDIA_FRAME).await;
                break;
            }
            Incoming::Nothing => {}
            Incoming::Closed => break,
        }
    }
    hub.detach(conn);
}

/// Whether a frame is of bearable size. Media travel as base64, and a page of history that we asked for holds many
/// messages, one of which may be huge: closing over it would meet the same page again after each reconnect.
fn fits(text: &str) -> bool {
    let answer = || text.contains("\"retcode\"") && text.contains("\"echo\"");
    text.len() <= MAX_FRAME || (text.len() <= MAX_MEDIA_FRAME && text.contains("base64")) || answer()
}

async fn refuse_size<S: Socket>(hub: &Hub, socket: &mut S, bytes: usize) {
    tracing::warn!(channel.id = %hub.config.id, frame.bytes = bytes, "closed a connection over a frame that is too large");
    let close = socket.write(Outward::Close(CLOSE_TOO_LARGE, "frame too large"));
    let _ = tokio::time::timeout(WRITE_LIMIT, close).await;
    until_closed(socket).await;
}

/// Reads on for a moment: dropping a socket with unread bytes resets it, and the reason for closing would be lost.
async fn until_closed<S: Socket>(socket: &mut S) {
    let closed = async { while !matches!(socket.receive().await, Incoming::Closed | Incoming::TooLarge) {} };
    let _ = tokio::time::timeout(CLOSING, closed).await;
}
