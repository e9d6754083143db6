//! Reverse WebSocket: the implementation dials us. The answer to the upgrade waits for nothing: NapCat gives up after
//! two seconds.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::Transport;
use super::codec::{Access, Role, access, id_of};
use super::hub::{Hub, Outward, lock};
use super::link::{Incoming, READ_LIMIT, Socket, serve};
use super::session::CLOSE_POLICY;
use crate::Inbox;

/// How long a peer that did not say who it is may take to send its first frame.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// Where aiocqhttp and its many tutorials tell implementations to dial. Served beside the default path only: a second
/// channel with a path of its own must not claim it too.
const SECOND_PATH: &str = "/ws";

#[derive(Clone)]
struct Door {
    hub: Arc<Hub>,
    inbox: Arc<dyn Inbox>,
}

/// The configured path, and `/ws` beside the default one, each with and without a slash at the end.
pub(super) fn routes(hub: Arc<Hub>, path: &str, inbox: Arc<dyn Inbox>) -> Router {
    let path = format!("/{}", path.trim_matches('/'));
    let mut router = Router::new();
    let second = (path == Transport::DEFAULT_PATH).then_some(SECOND_PATH);
    for path in [Some(path.as_str()), second].into_iter().flatten() {
        router = router.route(path, any(upgrade));
        if path != "/" {
            router = router.route(&format!("{path}/"), any(upgrade));
        }
    }
    router.with_state(Door { hub, inbox })
}

async fn upgrade(
    State(Door { hub, inbox }): State<Door>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let token = hub.config.access_token.as_ref().map(ExposeSecret::expose_secret);
    match access(token, header("authorization"), query.as_deref()) {
        Access::Granted => {}
        Access::Missing => return refuse(&hub, StatusCode::UNAUTHORIZED, "缺少 access_token"),
        Access::Wrong => return refuse(&hub, StatusCode::FORBIDDEN, "access_token 不正确"),
    }
    if !hub.is_open() {
        return (StatusCode::SERVICE_UNAVAILABLE, "通道正在停止，请稍后重连").into_response();
    }
    let account = header("x-self-id").map(str::trim).filter(|account| !account.is_empty()).map(str::to_owned);
    if let Some(account) = &account
        && !lock(&hub.session).admits(account)
    {
        return refuse(&hub, StatusCode::FORBIDDEN, "这个通道只接受配置里指定的 QQ 账号");
    }
    let role = Role::read(header("x-client-role"));
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(READ_LIMIT)
            .max_frame_size(READ_LIMIT)
            .on_upgrade(move |socket| connection(hub, inbox, socket, role, account)),
        Err(rejection) => rejection.into_response(),
    }
}

fn refuse(hub: &Hub, status: StatusCode, why: &'static str) -> Response {
    tracing::warn!(channel.id = %hub.config.id, http.status = status.as_u16(), "refused a OneBot peer");
    (status, why).into_response()
}

async fn connection(hub: Arc<Hub>, inbox: Arc<dyn Inbox>, mut socket: WebSocket, role: Role, account: Option<String>) {
    if account.is_some() {
        return serve(&hub, &inbox, socket, role, account.as_deref(), None).await;
    }
    // Without X-Self-ID the first frame has to tell.
    let first = match tokio::time::timeout(FIRST_FRAME, first_text(&mut socket)).await {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(_) => {
            socket.write(Outward::Close(CLOSE_POLICY, "X-Self-ID is missing")).await;
            return;
        }
    };
    let told = serde_json::from_str::<Value>(&first).ok().and_then(|frame| frame.get("self_id").and_then(id_of));
    match told {
        Some(account) if lock(&hub.session).admits(&account) => {
            serve(&hub, &inbox, socket, role, Some(&account), Some(first)).await;
        }
        Some(_) | None => {
            socket.write(Outward::Close(CLOSE_POLICY, "X-Self-ID is missing or not ours")).await;
        }
    }
}

async fn first_text(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.receive().await {
            Incoming::Text(text) => return Some(text),
            Incoming::Nothing => {}
            Incoming::TooLarge | Incoming::Closed => return None,
        }
    }
}

impl Socket for WebSocket {
    async fn receive(&mut self) -> Incoming {
        match self.recv().await {
            Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => {
                String::from_utf8(bytes.to_vec()).map_or(Incoming::Nothing, Incoming::Text)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Nothing,
            // The library names its errors only in words here.
            Some(Err(error)) if error.to_string().to_lowercase().contains("too long") => Incoming::TooLarge,
            Some(Ok(Message::Close(_)) | Err(_)) | None => Incoming::Closed,
        }
    }

    async fn write(&mut self, frame: Outward) -> bool {
        let message = match frame {
            Outward::Text(text) => Message::Text(text.into()),
            Outward::Close(code, reason) => Message::Close(Some(CloseFrame { code, reason: reason.into() })),
        };
        self.send(message).await.is_ok()
    }
}
