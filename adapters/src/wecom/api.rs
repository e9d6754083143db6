//! Calling the platform: one request, its answer, and what the answer means. `errcode` decides, not the HTTP status
//! (wecom.md 0.1 item 10, 4.2). Secrets stand in addresses, so no error carries one.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::codec::errcode::{self, Class};
use super::token::{TokenError, Tokens, address, why};
use crate::{Proxy, SendError};

/// For one call, everything included.
const LIMIT: Duration = Duration::from_secs(15);
/// The same for files.
const FILE_LIMIT: Duration = Duration::from_mins(1);

/// A connection that was quiet for longer is not used again: where the platform closes it at the moment we write, nobody
/// knows whether the message went.
const IDLE: Duration = Duration::from_secs(8);

/// How often a call that was answered "busy" is repeated; the pause before it doubles (4.2: 1–2 s, at most three times).
const REPEATS: u32 = 2;

/// How long the whole app, or a robot, is left alone after 45009: the block lasts as long as the window (3.4).
pub const THROTTLED: Duration = Duration::from_secs(65);

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Surely not delivered: no connection, no token, or the platform was busy.
    #[error("{0}")]
    Unreachable(String),
    /// Handed over, and no answer that says what became of it.
    #[error("没有收到平台的应答，不确定是否成功")]
    Lost,
    /// The platform said no.
    #[error("{code}：{text}")]
    Refused {
        /// `errcode`.
        code: i64,
        /// What to do, and the platform's own words.
        text: String,
    },
}

impl CallError {
    /// The class of a refusal.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Refused { code, .. } => Some(errcode::class(*code)),
            Self::Unreachable(_) | Self::Lost => None,
        }
    }

    /// As the outbox understands it.
    pub fn into_send(self) -> SendError {
        match self {
            Self::Unreachable(why) => SendError::Unreachable(why),
            Self::Lost => SendError::Perhaps,
            Self::Refused { code, text } => match errcode::class(code) {
                Class::Throttled => SendError::Throttled { retry_after: THROTTLED },
                Class::Retry | Class::RetryOnce | Class::Reconnect | Class::TokenStale => SendError::Unreachable(text),
                Class::Done
                | Class::PushInstead
                | Class::TooLong
                | Class::Credentials
                | Class::ReceiverClosed
                | Class::Bug => SendError::Refused { code, text },
            },
        }
    }
}

impl From<TokenError> for CallError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Credentials { code, text } => Self::Refused { code, text },
            TokenError::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

/// A client that follows no redirects: an address with a secret in it is sent to nobody else.
///
/// # Errors
/// Where the process has not installed its TLS provider, or the proxy cannot be one.
pub fn client(proxy: Option<&Proxy>) -> reqwest::Result<Client> {
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).pool_idle_timeout(IDLE).timeout(LIMIT);
    Proxy::on(proxy, builder)?.build()
}

/// Sends a request and reads the answer's JSON; an `errcode` other than 0 is a refusal.
pub async fn answer(request: RequestBuilder) -> Result<Value, CallError> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            CallError::Unreachable(why(&error.without_url()))
        } else {
            CallError::Lost
        }
    })?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|_| CallError::Lost)?;
    read(status, &bytes)
}

/// An answer's body. A page instead of JSON comes from something between us and the platform.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Value, CallError> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        // Whoever gave up waiting had handed it over.
        if status == StatusCode::GATEWAY_TIMEOUT {
            return Err(CallError::Lost);
        }
        return Err(CallError::Unreachable(format!("平台返回的不是 JSON（HTTP {}），稍后重试", status.as_u16())));
    };
    // Numbers come as text at times.
    let code = answer.get("errcode").map(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
    match code {
        Some(Some(0)) => Ok(answer),
        None if status.is_success() => Ok(answer),
        Some(Some(code)) => {
            let words = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
            Err(refusal(code, words))
        }
        Some(None) | None => Err(CallError::Unreachable(format!("平台返回 HTTP {}", status.as_u16()))),
    }
}

/// What to do, then the platform's words, shortened: they hold the calling address (60020) and a hint for support.
pub fn refusal(code: i64, words: &str) -> CallError {
    CallError::Refused { code, text: explained(code, words) }
}

/// See [`refusal`].
pub(super) fn explained(code: i64, words: &str) -> String {
    let words: String = words.chars().filter(|c| !c.is_control()).take(200).collect();
    if words.is_empty() { errcode::advice(code).to_owned() } else { format!("{}（{words}）", errcode::advice(code)) }
}

/// The calls of an app, each with its token.
#[derive(Debug)]
pub struct Api {
    base: String,
    tokens: Tokens,
    client: Client,
    pause: Duration,
}

/// What a call carries.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// GET.
    None,
    /// POST of JSON.
    Json(&'a Value),
    /// POST of a multipart body with its content type.
    Multipart(&'a [u8], &'a str),
}

impl Api {
    /// `base` is the platform's address, `pause` what is waited before the first repeat of a call answered "busy".
    pub fn new(base: &str, tokens: Tokens, client: Client, pause: Duration) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), tokens, client, pause }
    }

    /// The token, for health and `check --online`.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// One call. A stale token is replaced and the call repeated once; "busy" is repeated twice after a pause; 45009 and
    /// everything else is the caller's.
    pub async fn call(&self, path: &str, query: &[(&str, &str)], payload: Payload<'_>) -> Result<Value, CallError> {
        let mut token = self.tokens.get().await?;
        let mut renewed = false;
        let mut repeats = 0;
        loop {
            let error = match answer(self.request(path, query, payload, &token)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.class() {
                Some(Class::TokenStale) if !renewed => {
                    renewed = true;
                    token = self.tokens.renew(&token).await?;
                }
                Some(Class::Retry | Class::RetryOnce) if repeats < REPEATS => {
                    tokio::time::sleep(self.pause * (1 << repeats)).await;
                    repeats += 1;
                }
                _ => return Err(error),
            }
        }
    }

    /// A GET whose answer may be a file; an error is JSON with status 200 (4.7). The bytes and `Content-Disposition`.
    pub async fn file(
        &self,
        path: &str,
        query: &[(&str, &str)],
        most: usize,
    ) -> Result<(Vec<u8>, Option<String>), CallError> {
        let mut token = self.tokens.get().await?;
        let mut renewed = false;
        loop {
            let request = self.request(path, query, Payload::None, &token).timeout(FILE_LIMIT);
            match fetch(request, most).await {
                Err(error) if error.class() == Some(Class::TokenStale) && !renewed => {
                    renewed = true;
                    token = self.tokens.renew(&token).await?;
                }
                done => return done,
            }
        }
    }

    fn request(
        &self,
        path: &str,
        query: &[(&str, &str)],
        payload: Payload<'_>,
        token: &SecretString,
    ) -> RequestBuilder {
        let mut pairs = vec![("access_token", token.expose_secret())];
        pairs.extend_from_slice(query);
        // A base that is no address shows when the token is fetched.
        let url = address(&self.base, path, &pairs).map(String::from).unwrap_or_default();
        match payload {
            Payload::None => self.client.get(url),
            Payload::Json(body) => self.client.post(url).json(body),
            Payload::Multipart(body, kind) => self
                .client
                .post(url)
                .header(reqwest::header::CONTENT_TYPE, kind)
                .body(body.to_vec())
                .timeout(FILE_LIMIT),
        }
    }
}

async fn fetch(request: RequestBuilder, most: usize) -> Result<(Vec<u8>, Option<String>), CallError> {
    let unreachable = |error: reqwest::Error| CallError::Unreachable(why(&error.without_url()));
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let disposition = response
        .headers()
        .get(reqwest::header::CONTENT_DISPOSITION)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let kind = header(reqwest::header::CONTENT_TYPE).unwrap_or_default();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > most {
            let megabytes = most / (1024 * 1024);
            return Err(CallError::Refused {
                code: 45001,
                text: format!("附件超过大小上限（{megabytes} MB），未下载"),
            });
        }
        bytes.extend_from_slice(&chunk);
    }
    if !status.is_success() || kind.contains("json") || bytes.starts_with(b"{\"errcode\"") {
        // A file of JSON has no `errcode`.
        read(status, &bytes)?;
    }
    Ok((bytes, disposition))
}
