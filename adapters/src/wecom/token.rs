//! The access token of an app: cached in memory and on the shelf, fetched by one task at a time, and dropped only where
//! it is still the one that was refused (wecom.md 4.1).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::Now;
use super::api::explained;
use super::codec::errcode::{self, Class};
use crate::{Entry, Shelf};

/// Refreshed this long before it ends.
const EARLY: Duration = Duration::from_mins(5);

/// After refused credentials nothing is asked for this long: wrong secrets get the address blocked for an hour.
const HOLD: Duration = Duration::from_mins(30);

/// The same for refusals that do no harm and that an administrator mends in a minute, such as 60020.
const SHORT_HOLD: Duration = Duration::from_mins(1);

/// For fetching a token.
const LIMIT: Duration = Duration::from_secs(10);

/// Why there is no token. The sentences are for administrators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// CorpID or secret wrong, or the caller's address is not trusted: a person has to change something.
    #[error("取不到访问凭证（{code}）：{text}")]
    Credentials {
        /// The platform's code.
        code: i64,
        /// What to do.
        text: String,
    },
    /// Passing: no connection, or the platform is busy.
    #[error("暂时取不到访问凭证：{0}")]
    Unreachable(String),
}

/// A token and its end.
#[derive(Clone)]
struct Held {
    token: SecretString,
    until: Timestamp,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// The refusal that stands, and until when it is believed.
    refusal: Option<(TokenError, Timestamp)>,
}

/// The token of one (CorpID, secret): apps do not share.
pub struct Tokens {
    base: String,
    corp_id: String,
    secret: SecretString,
    client: Client,
    shelf: Arc<dyn Shelf>,
    now: Now,
    /// Held while fetching: whoever comes meanwhile waits for the same token.
    state: Mutex<State>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("corp_id", &self.corp_id).finish_non_exhaustive()
    }
}

impl Tokens {
    /// `base` is the platform's address without a trailing slash.
    pub fn new(
        base: &str,
        corp_id: &str,
        secret: SecretString,
        client: Client,
        shelf: Arc<dyn Shelf>,
        now: Now,
    ) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            corp_id: corp_id.trim().to_owned(),
            secret,
            client,
            shelf,
            now,
            state: Mutex::new(State::default()),
        }
    }

    /// A token that is good for some minutes yet.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn get(&self) -> Result<SecretString, TokenError> {
        self.other_than(None).await
    }

    /// After a call was refused for its token: another one. Where somebody replaced it meanwhile, that one.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn renew(&self, stale: &SecretString) -> Result<SecretString, TokenError> {
        self.other_than(Some(stale.expose_secret())).await
    }

    /// Forgets a refusal, so that the next call asks again: for `check --online`, where somebody has just changed it.
    pub async fn forget_refusal(&self) {
        self.state.lock().await.refusal = None;
    }

    /// The refusal that stands, if any.
    pub fn refusal(&self) -> Option<TokenError> {
        // While the state is held somebody is asking: there is nothing to tell yet.
        let state = self.state.try_lock().ok()?;
        state.refusal.as_ref().filter(|(_, until)| (self.now)() < *until).map(|(error, _)| error.clone())
    }

    async fn other_than(&self, stale: Option<&str>) -> Result<SecretString, TokenError> {
        let mut state = self.state.lock().await;
        let now = (self.now)();
        let good = |held: &Held| {
            let ends = held.until.saturating_sub(EARLY).unwrap_or(held.until);
            now < ends && Some(held.token.expose_secret()) != stale
        };
        if let Some(held) = state.held.as_ref().filter(|held| good(held)) {
            return Ok(held.token.clone());
        }
        if let Some(held) = self.on_shelf().await.filter(good) {
            state.held = Some(held.clone());
            return Ok(held.token);
        }
        if let Some((error, _)) = state.refusal.as_ref().filter(|(_, until)| now < *until) {
            return Err(error.clone());
        }
        match self.fetch(now).await {
            Ok(held) => {
                state.refusal = None;
                self.put_on_shelf(&held).await;
                state.held = Some(held.clone());
                Ok(held.token)
            }
            Err(error) => {
                if let TokenError::Credentials { code, .. } = error {
                    let hold = if matches!(code, 40001 | 40013) { HOLD } else { SHORT_HOLD };
                    tracing::error!(error = %error, "the platform refuses the app's credentials; not asked again for a while");
                    state.refusal = Some((error.clone(), now.saturating_add(hold).unwrap_or(Timestamp::MAX)));
                }
                Err(error)
            }
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Held, TokenError> {
        let query = [("corpid", self.corp_id.as_str()), ("corpsecret", self.secret.expose_secret())];
        let url = address(&self.base, "gettoken", &query);
        let url = url.ok_or_else(|| TokenError::Unreachable("接口地址（api_base）不是有效的网址".to_owned()))?;
        let request = self.client.get(url).timeout(LIMIT);
        // The address holds the secret: it must not get into an error.
        let unreachable = |error: reqwest::Error| TokenError::Unreachable(why(&error.without_url()));
        let response = request.send().await.map_err(unreachable)?;
        let answer: Value = response.json().await.map_err(unreachable)?;
        let code = answer.get("errcode").and_then(Value::as_i64).unwrap_or_default();
        let token = answer.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
        match (errcode::class(code), token) {
            (Class::Done, Some(token)) => {
                let seconds = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(7200);
                let until = now.saturating_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
                Ok(Held { token: SecretString::from(token), until })
            }
            (Class::Retry | Class::RetryOnce | Class::Throttled | Class::Done, _) => {
                Err(TokenError::Unreachable(format!("平台返回 {code}")))
            }
            _ => {
                let words = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
                Err(TokenError::Credentials { code, text: explained(code, words) })
            }
        }
    }

    /// Neither the secret nor anything it could be guessed from stands in the key.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.corp_id.as_bytes());
        hash.update([0]);
        hash.update(self.secret.expose_secret().as_bytes());
        format!("token:{}", &hex::encode(hash.finalize())[..24])
    }

    async fn on_shelf(&self) -> Option<Held> {
        let text = self.shelf.get(&self.key()).await.ok().flatten()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let until = Timestamp::from_second(value.get("until")?.as_i64()?).ok()?;
        Some(Held { token: SecretString::from(value.get("token")?.as_str()?), until })
    }

    /// Other instances find it there; without the shelf each asks for itself and gets the same token.
    async fn put_on_shelf(&self, held: &Held) {
        let value = json!({ "token": held.token.expose_secret(), "until": held.until.as_second() }).to_string();
        let entry = Entry { key: self.key(), value, until: held.until };
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(%error, "the access token could not be shared with other instances");
        }
    }
}

/// The address of a call; `None` where the base is none.
pub(super) fn address(base: &str, path: &str, query: &[(&str, &str)]) -> Option<Url> {
    Url::parse_with_params(&format!("{base}/cgi-bin/{path}"), query).ok()
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
