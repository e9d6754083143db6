//! The task that writes.

use std::time::Duration;

use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use reqwest::Upgraded;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

/// A peer that takes nothing for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// The only task that writes: pings overtake what waits.
pub(super) async fn write(
    mut sink: SplitSink<WebSocketStream<Upgraded>, Message>,
    mut urgent: mpsc::Receiver<String>,
    mut ordinary: mpsc::Receiver<String>,
    close: CancellationToken,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = urgent.recv() => frame,
            () = close.cancelled() => break,
            Some(frame) = ordinary.recv() => frame,
            else => break,
        };
        let written = tokio::time::timeout(WRITE_LIMIT, sink.send(Message::Text(frame.into()))).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    close.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.close()).await;
}
