//! Opening the gateway's socket.

use std::time::Duration;

use reqwest::{Client, Upgraded, header, redirect};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::api::why;

/// Events are small; files come by address.
const READ_LIMIT: usize = 4 << 20;
/// Dialling, TLS and upgrade together.
const LIMIT: Duration = Duration::from_secs(10);

/// A client for upgrades, which need HTTP/1.1; a redirect of a WebSocket leads nowhere good.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().http1_only().no_proxy().redirect(redirect::Policy::none()).build()
}

/// TLS and certificates are those of the HTTP client; the WebSocket begins after its upgrade.
pub(super) async fn dial(client: &Client, url: &str) -> Result<WebSocketStream<Upgraded>, String> {
    tokio::time::timeout(LIMIT, upgraded(client, url)).await.unwrap_or_else(|_| Err("连接网关超时".to_owned()))
}

async fn upgraded(client: &Client, url: &str) -> Result<WebSocketStream<Upgraded>, String> {
    let url = match url.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(_) | None => return Err("平台给出的网关地址不是 wss://，请检查 api_base".to_owned()),
    };
    let key = generate_key();
    let request = client
        .get(url)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key);
    let response = request.send().await.map_err(|error| format!("网关{}", why(&error)))?;
    let status = response.status().as_u16();
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(header::HeaderValue::as_bytes);
    if status != 101 || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(format!("网关没有接受 WebSocket 连接（HTTP {status}）"));
    }
    let upgraded = response.upgrade().await.map_err(|error| format!("网关{}", why(&error)))?;
    let config = WebSocketConfig::default().max_message_size(Some(READ_LIMIT)).max_frame_size(Some(READ_LIMIT));
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}
