//! Opening the line's socket.

use reqwest::{Upgraded, header};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Line;

/// Callbacks are small; media come by address.
const READ_LIMIT: usize = 4 << 20;

impl Line {
    /// TLS, proxies and certificates are those of the HTTP client; the WebSocket begins after its upgrade.
    pub(super) async fn dial(&self) -> Result<WebSocketStream<Upgraded>, String> {
        let url = match self.config.url.split_once("://") {
            Some(("wss", rest)) => format!("https://{rest}"),
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(_) | None => return Err("长连接地址应以 wss:// 开头，请检查 url".to_owned()),
        };
        let key = generate_key();
        let request = self
            .client
            .get(url)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(|error| why(&error))?;
        let status = response.status();
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(header::HeaderValue::as_bytes);
        if status.as_u16() != 101 || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(format!("对方没有接受 WebSocket 连接（HTTP {}）", status.as_u16()));
        }
        let upgraded = response.upgrade().await.map_err(|error| why(&error))?;
        let config = WebSocketConfig::default().max_message_size(Some(READ_LIMIT)).max_frame_size(Some(READ_LIMIT));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }
}

/// Why a connection failed, for an administrator. The causes inside the client's error name no address.
fn why(error: &reqwest::Error) -> String {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push_str(&inner.to_string().to_ascii_lowercase());
        cause = inner.source();
    }
    let says = |word: &str| causes.contains(word);
    let told = if says("tunnel") || says("proxy") {
        "经代理（proxy）出不去，请核对代理的地址和口令，并让网络管理员允许它连到企业微信"
    } else if says("certificate") {
        "对方的证书不受信任，可能有网络设备在中间解密流量，请让网络管理员放行"
    } else if says("dns") || says("lookup") {
        "域名解析不了，请检查服务器的 DNS"
    } else if says("refused") {
        "连接被拒绝"
    } else if error.is_timeout() || says("timed out") {
        "连接超时，可能被防火墙拦截"
    } else {
        "连接不上"
    };
    told.to_owned()
}
