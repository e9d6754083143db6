//! Forward WebSocket: we dial the implementation, again and again.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

use super::codec::Role;
use super::hub::{Hub, Outward};
use super::link::{Incoming, READ_LIMIT, Socket, serve};
use crate::{ChannelError, Inbox};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// For TCP and upgrade together.
const DIAL: Duration = Duration::from_secs(10);

/// Longest pause before dialling again.
const RECONNECT_MOST: Duration = Duration::from_mins(1);

const TOKEN_REFUSED: &str = "对方拒绝了 access_token。请核对本通道的 access_token 与 OneBot 实现（如 NapCat）里填写的 Token 是否一致，改好后会自动重连。";

/// How a try ended.
enum Try {
    /// There was a connection, and it ended.
    Served,
    /// There was none.
    Failed,
    /// Our token was refused: a person has to change something.
    Refused,
}

/// Dials until `stop`.
///
/// # Errors
/// Where the address can never work.
pub(super) async fn run(
    hub: &Arc<Hub>,
    url: &str,
    inbox: Arc<dyn Inbox>,
    stop: &CancellationToken,
) -> Result<(), ChannelError> {
    let mut pause = hub.config.timing.reconnect;
    loop {
        let tried = tokio::select! {
            // Closes first, so that a stopped channel leaves in good order.
            biased;
            () = stop.cancelled() => return Ok(()),
            tried = once(hub, url, &inbox, stop) => tried?,
        };
        if stop.is_cancelled() {
            return Ok(());
        }
        let wait = match tried {
            Try::Refused => hub.config.timing.refused,
            Try::Served => {
                pause = hub.config.timing.reconnect;
                pause
            }
            Try::Failed => {
                let wait = pause;
                pause = (pause * 2).min(RECONNECT_MOST);
                wait
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn once(
    hub: &Arc<Hub>,
    url: &str,
    inbox: &Arc<dyn Inbox>,
    stop: &CancellationToken,
) -> Result<Try, ChannelError> {
    let wrong = |why: &str| ChannelError::Misconfigured(format!("OneBot 通道“{}”的 url {why}", hub.config.id));
    if url.starts_with("wss://") {
        return Err(wrong("是 wss://，本程序不直接支持；请改用 ws:// 经内网或隧道连接，或改用反向 WebSocket"));
    }
    if !url.starts_with("ws://") {
        return Err(wrong("不是有效的 ws:// 地址，请检查"));
    }
    let mut request = url.into_client_request().map_err(|_| wrong("不是有效的 ws:// 地址，请检查"))?;
    if let Some(token) = &hub.config.access_token {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| wrong("对应的 access_token 含有不能放进请求头的字符，请更换"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default().max_message_size(Some(READ_LIMIT)).max_frame_size(Some(READ_LIMIT));
    let dialled = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    let stream = match tokio::time::timeout(DIAL, dialled).await {
        Ok(Ok((stream, _))) => stream,
        Ok(Err(Error::Url(_))) => return Err(wrong("不是有效的 ws:// 地址，请检查")),
        Ok(Err(Error::Http(response)))
            if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
        {
            hub.set_problem(TOKEN_REFUSED);
            return Ok(Try::Refused);
        }
        Ok(Err(error)) => {
            tracing::debug!(channel.id = %hub.config.id, %error, "could not dial the OneBot peer");
            return Ok(Try::Failed);
        }
        Err(_) => return Ok(Try::Failed),
    };
    hub.clear_problem();
    let served = serve(hub, inbox, stream, Role::Universal, None, None);
    tokio::select! {
        () = served => {}
        () = async { stop.cancelled().await; hub.close_all(); std::future::pending::<()>().await } => {}
    }
    // The refusal may have come as a frame after a friendly upgrade.
    Ok(if hub.problem().is_some() { Try::Refused } else { Try::Served })
}

impl Socket for Stream {
    async fn receive(&mut self) -> Incoming {
        match self.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => {
                String::from_utf8(bytes.to_vec()).map_or(Incoming::Nothing, Incoming::Text)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Incoming::Nothing,
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => Incoming::TooLarge,
            Some(Ok(Message::Close(_)) | Err(_)) | None => Incoming::Closed,
        }
    }

    async fn write(&mut self, frame: Outward) -> bool {
        let message = match frame {
            Outward::Text(text) => Message::Text(text.into()),
            Outward::Close(code, reason) => {
                Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) }))
            }
        };
        self.send(message).await.is_ok()
    }
}
