//! What the gateways over HTTP share: one call and its answer, and callbacks that store everything before they answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::cmpp::codec::Verdict;
use super::counts::count;
use super::intake::{Heard, Intake, Told};
use crate::{ChannelError, SendError};

/// Most bytes of a callback (sms.md 6).
pub const MAX_BODY: usize = 256 * 1024;
/// Most bytes of an answer that is read.
const MAX_ANSWER: usize = 256 * 1024;
/// Shortest last segment of a path that protects unsigned callbacks.
pub const SECRET_SEGMENT: usize = 16;

/// A client without redirects: they would carry a signed message to somebody else.
pub(crate) fn client(limit: Duration) -> Result<Client, ChannelError> {
    Client::builder()
        .timeout(limit)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ChannelError::Misconfigured(format!("短信：HTTP 客户端无法建立：{error}")))
}

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Surely not handed over.
    Unreachable(String),
    /// Handed over, and no answer that says what became of it.
    Lost,
}

impl From<CallError> for SendError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(why) => Self::Unreachable(why),
            CallError::Lost => Self::Perhaps,
        }
    }
}

/// One request; its status, the seconds of `Retry-After`, and its body as JSON (null where it is none).
pub(crate) async fn call(request: RequestBuilder) -> Result<(u16, Option<u64>, Value), CallError> {
    let mut answer = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            CallError::Unreachable("连不上短信平台，请检查网络和 api_base".to_owned())
        } else {
            CallError::Lost
        }
    })?;
    let status = answer.status().as_u16();
    let wait = answer.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| CallError::Lost)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError::Lost);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, wait, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// One thing a platform pushed.
#[derive(Debug, Clone)]
pub(crate) enum Pushed {
    /// A phone wrote.
    Text(Heard),
    /// What became of a message.
    Report {
        /// Under which it was remembered.
        id: String,
        verdict: Verdict,
        code: String,
        why: String,
    },
}

/// What comes of reading a callback.
pub(crate) enum Reading {
    /// Everything in it.
    All(Vec<Pushed>),
    /// It is not what the platform sends.
    Malformed(&'static str),
    /// It is not from the platform.
    Forged,
    /// It cannot be judged now.
    Later,
}

/// How a platform's callbacks are read and answered.
pub(crate) trait Callback: Send + Sync + 'static {
    /// The body of a good answer.
    fn good(&self) -> &'static str;
    /// Reads one.
    fn read(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        intake: &Intake,
    ) -> impl Future<Output = Reading> + Send;
}

/// Serves callbacks at `path`.
pub(crate) fn routes<C: Callback>(path: &str, callback: Arc<C>, intake: Arc<Intake>) -> Router {
    let serve = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let (callback, intake) = (callback.clone(), intake.clone());
        async move { answer(callback.as_ref(), &intake, &uri, &headers, &body).await }
    };
    Router::new().route(path, post(serve)).layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn answer<C: Callback>(callback: &C, intake: &Intake, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    let counts = &intake.ground.counts;
    let json = |status: StatusCode, body: &'static str| {
        (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
    };
    match callback.read(uri, headers, body, intake).await {
        Reading::Forged => {
            count(&counts.callback_forged, 1);
            // The same whatever was wrong.
            json(StatusCode::UNAUTHORIZED, r#"{"code":401,"msg":"unauthorized"}"#)
        }
        Reading::Malformed(why) => {
            count(&counts.callback_malformed, 1);
            tracing::info!(why, "a callback of the SMS platform could not be read");
            json(StatusCode::BAD_REQUEST, r#"{"code":400,"msg":"malformed"}"#)
        }
        Reading::Later => json(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":503,"msg":"try again"}"#),
        Reading::All(pushed) => {
            for pushed in pushed {
                if let Err(error) = store(intake, pushed).await {
                    tracing::warn!(%error, "a callback could not be stored; the platform will repeat it");
                    return json(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":503,"msg":"try again"}"#);
                }
            }
            count(&counts.callback_accepted, 1);
            json(StatusCode::OK, callback.good())
        }
    }
}

async fn store(intake: &Intake, pushed: Pushed) -> Result<(), super::intake::NotStored> {
    match pushed {
        Pushed::Text(heard) => intake.text(heard).await,
        Pushed::Report { id, verdict, code, why } => {
            if let Some(sent) = intake.sent(&id).await? {
                return intake.report(&sent, Told { verdict, code: &code, why: &why }).await;
            }
            // Not ours, or of days ago.
            count(&intake.ground.counts.reports_unknown, 1);
            Ok(())
        }
    }
}

/// A path that the router takes.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') || path.contains(['{', '}', '*', '?', '#', ' ']) || path.contains("/:") {
        return Err(format!("回调路径 path 应以 / 开头且不含特殊字符，现在是“{path}”"));
    }
    Ok(())
}

/// A path that nobody guesses, as it is all that protects an unsigned callback.
pub(crate) fn check_secret_path(path: &str) -> Result<(), String> {
    check_path(path)?;
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.len() < SECRET_SEGMENT {
        return Err(format!(
            "云短信的回调没有签名，path 的最后一段要用至少 {SECRET_SEGMENT} 位的随机字符（如 /sms/9f2c…），现在是“{path}”"
        ));
    }
    Ok(())
}

/// `yyyy-MM-dd HH:mm:ss`, local time of the platforms.
pub(crate) fn local_time(text: &str) -> Option<Timestamp> {
    let at: DateTime = text.trim().replace(' ', "T").parse().ok()?;
    Offset::constant(8).to_timestamp(at).ok()
}

/// A single object counts as a list of one.
pub(crate) fn list(body: Value) -> Option<Vec<Value>> {
    match body {
        Value::Array(list) => Some(list),
        Value::Object(_) => Some(vec![body]),
        _ => None,
    }
}

/// Text of a field; numbers are read as text, as platforms mix them.
pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    match &value[key] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// So many random bytes in hex; `None` where the machine has no randomness.
pub(crate) fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// Why the number of a cloud's text proves nothing.
pub(crate) const UNSIGNED: &str = "云短信的上行推送没有签名，号码不能证明身份";
