//! HTTP: we call the implementation's API, and it posts signed events to us.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::codec::{Access, Answer, Status, access, id_of, verify};
use super::hub::{CallError, Hub, lock};
use super::intake::{self, Again};
use super::link::MAX_MEDIA_FRAME;
use super::{OneBotConfig, Transport, history};
use crate::{ChannelError, Event, Inbox};

/// Between two looks at the account: there is no heartbeat to rely on here.
const LOOK: Duration = Duration::from_secs(30);

const CANNOT_CALL: &str = "调不通 OneBot 实现的 HTTP 接口，请确认它正在运行、api_url 填写正确。";

const TOKEN_REFUSED: &str =
    "OneBot 实现的 HTTP 接口拒绝了 access_token。请核对本通道的 access_token 与实现里填写的 Token 是否一致。";

/// The implementation's API.
#[derive(Debug)]
pub(super) struct HttpApi {
    base: String,
    token: Option<SecretString>,
    client: Client,
}

impl HttpApi {
    /// `None` for the other transports.
    pub(super) fn of(config: &OneBotConfig) -> Option<Self> {
        let Transport::Http { api_url, .. } = &config.transport else { return None };
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().ok()?;
        let base = api_url.trim_end_matches('/').to_owned();
        Some(Self { base, token: config.access_token.clone(), client })
    }

    /// Posts one action. Only what certainly did not arrive is "not connected".
    pub(super) async fn call(&self, action: &str, params: &Value) -> Result<Answer, CallError> {
        let mut request = self.client.post(format!("{}/{action}", self.base)).json(params);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                CallError::NotConnected(CANNOT_CALL.to_owned())
            } else {
                CallError::Lost
            }
        })?;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(CallError::NotConnected(TOKEN_REFUSED.to_owned()));
            }
            StatusCode::NOT_FOUND => return Ok(failed(404, "API_NOT_FOUND")),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                return Err(CallError::Lost);
            }
            _ if status.is_client_error() => return Ok(failed(i64::from(status.as_u16()), "")),
            _ => {}
        }
        let body: Value = response.json().await.map_err(|_| CallError::Lost)?;
        Ok(Answer::read(&body))
    }
}

fn failed(code: i64, words: &str) -> Answer {
    let words = words.to_owned();
    Answer { echo: Value::Null, status: Status::Failed, code, data: Value::Null, words, last: true }
}

/// Closes gaps whenever the API comes (back) within reach, and watches the account.
pub(super) async fn run(hub: &Arc<Hub>, inbox: Arc<dyn Inbox>, stop: &CancellationToken) -> Result<(), ChannelError> {
    if hub.http.is_none() {
        let id = &hub.config.id;
        return Err(ChannelError::Misconfigured(format!("OneBot 通道“{id}”的 HTTP 客户端建立失败，请检查 TLS 设置")));
    }
    let mut reachable = false;
    loop {
        match hub.ask_status().await {
            Ok(changed) => {
                hub.clear_problem();
                if let Some(online) = changed {
                    // Told again with the next change; the health line shows it meanwhile.
                    let _ = intake::hand_in(hub, &inbox, Event::Online(online), Again::ByPeer).await;
                }
                if !reachable || changed == Some(true) {
                    let gaps = history::plan(hub, &inbox).await;
                    history::catch_up(hub, &inbox, None, gaps);
                }
                reachable = true;
            }
            Err(error) => {
                reachable = false;
                match error {
                    CallError::NotConnected(why) => hub.set_problem(&why),
                    CallError::Lost => hub.set_problem(CANNOT_CALL),
                }
            }
        }
        let wait = if reachable { LOOK } else { hub.config.timing.look };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[derive(Clone)]
struct Door {
    hub: Arc<Hub>,
    inbox: Arc<dyn Inbox>,
}

/// Where events are posted to.
pub(super) fn routes(hub: Arc<Hub>, path: &str, inbox: Arc<dyn Inbox>) -> Router {
    let path = format!("/{}", path.trim_matches('/'));
    Router::new()
        .route(&path, post(posted))
        .layer(DefaultBodyLimit::max(MAX_MEDIA_FRAME))
        .with_state(Door { hub, inbox })
}

/// Whether a posted event comes from our implementation. `secret` signs; where only a token is set, NapCat signs with
/// it and others may send it as a bearer or, as OneBot 11 allows, as `access_token` in the query.
pub(super) fn admit(
    secret: Option<&str>,
    token: Option<&str>,
    signature: Option<&str>,
    authorization: Option<&str>,
    query: Option<&str>,
    body: &[u8],
) -> Access {
    let Some(key) = secret.or(token) else { return Access::Granted };
    match signature {
        Some(signature) if verify(key, body, signature) => Access::Granted,
        Some(_) => Access::Wrong,
        None if secret.is_none() => access(token, authorization, query),
        None => Access::Missing,
    }
}

async fn posted(State(Door { hub, inbox }): State<Door>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secret = hub.config.secret.as_ref().map(ExposeSecret::expose_secret);
    let token = hub.config.access_token.as_ref().map(ExposeSecret::expose_secret);
    match admit(secret, token, header("x-signature"), header("authorization"), uri.query(), &body) {
        Access::Granted => {}
        Access::Missing => return (StatusCode::UNAUTHORIZED, "缺少签名 X-Signature").into_response(),
        Access::Wrong => return (StatusCode::FORBIDDEN, "签名不正确，请核对 secret").into_response(),
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "不是有效的 JSON").into_response();
    };
    let account = event.get("self_id").and_then(id_of);
    {
        let mut session = lock(&hub.session);
        session.heard_at(hub.now());
        match account {
            Some(account) if !session.learn_account(&account) => {
                return (StatusCode::FORBIDDEN, "这个通道只接受配置里指定的 QQ 账号").into_response();
            }
            Some(_) | None => {}
        }
    }
    let stored = match intake::take(&hub, &inbox, &event, Again::ByPeer).await {
        Some(stored) => stored.await.is_ok_and(|stored| stored.is_ok()),
        None => true,
    };
    // No quick reply: it would bring no message id back.
    if stored { StatusCode::NO_CONTENT.into_response() } else { StatusCode::SERVICE_UNAVAILABLE.into_response() }
}
