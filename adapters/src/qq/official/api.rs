//! Calls of the platform: one request, its answer, and what the answer means.

use std::time::Duration;

use reqwest::{Client, Method, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::codec::errcode::{self, Answer, Class};
use super::token::{TokenError, Tokens};

/// A connection that was quiet for longer is not used again: where the platform closes it while we write, nobody knows
/// whether the message went.
const IDLE: Duration = Duration::from_secs(8);

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Surely not handed over.
    #[error("{0}")]
    Unreachable(String),
    /// Handed over, and no answer that says what became of it.
    #[error("没有收到平台的应答，不确定是否成功")]
    Lost,
}

impl From<TokenError> for CallError {
    fn from(error: TokenError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// A client that follows no redirects: the token is sent to nobody else.
///
/// # Errors
/// Where no HTTP client can be built.
pub fn client(limit: Duration) -> Result<Client, reqwest::Error> {
    Client::builder().redirect(redirect::Policy::none()).no_proxy().pool_idle_timeout(IDLE).timeout(limit).build()
}

/// A failed request in words, without its address.
pub(super) fn why(error: &reqwest::Error) -> String {
    let cause = if error.is_timeout() {
        "超时未应答"
    } else if error.is_connect() {
        "连接不上，请检查网络、防火墙和接口地址"
    } else if error.is_decode() {
        "应答不是有效的 JSON，请检查接口地址是否被代理拦截"
    } else {
        "连接中断"
    };
    cause.to_owned()
}

/// The calls of one robot.
#[derive(Debug)]
pub struct Api {
    base: String,
    app_id: String,
    tokens: Tokens,
    client: Client,
}

impl Api {
    /// The robot `app_id` at the platform's address `base`.
    pub fn new(base: &str, app_id: &str, tokens: Tokens, client: Client) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), app_id: app_id.to_owned(), tokens, client }
    }

    /// The token, for the gateway and for health.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// One call. A token that is too old is replaced and the call repeated once; everything else is the caller's. A call
    /// from an address that is not on the robot's list gets no second token.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, CallError> {
        let token = self.tokens.get().await?;
        let answer = self.once(method.clone(), path, body, &token).await?;
        if answer.class != Class::Token {
            return Ok(answer);
        }
        let token = self.tokens.renew(&token).await?;
        self.once(method, path, body, &token).await
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: &SecretString,
    ) -> Result<Answer, CallError> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("Authorization", format!("QQBot {}", token.expose_secret()))
            .header("X-Union-Appid", &self.app_id);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() { CallError::Unreachable(why(&error)) } else { CallError::Lost }
        })?;
        let status = response.status().as_u16();
        let trace = response.headers().get("X-Tps-trace-ID").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = response.bytes().await.map_err(|_| CallError::Lost)?;
        let mut answer = errcode::read(status, &bytes);
        if let Some(trace) = trace.filter(|_| answer.trace.is_empty()) {
            answer.trace = trace.chars().take(64).collect();
        }
        if !matches!(answer.class, Class::Sent | Class::Done) {
            tracing::warn!(
                status, code = answer.code, class = answer.class.id(), trace = %answer.trace, "the platform said no"
            );
        }
        Ok(answer)
    }
}
