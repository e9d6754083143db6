//! The access token of a robot: in memory and on the shelf, fetched by one task at a time, refreshed before it ends
//! (qq-official.md 2).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::Now;
use super::session::later;
use crate::{Entry, Shelf};

/// Asked again this long after a refusal.
const HOLD: Duration = Duration::from_mins(1);
/// Least remaining life of a token that is used: in its last minute the platform gives the next one.
const LEAST: Duration = Duration::from_mins(1);
/// Most of a token's life that is given away.
const EARLY: Duration = Duration::from_mins(5);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// AppID or AppSecret wrong: a person has to change something.
    #[error("取不到访问凭证：{0}。请核对 app_id 和 app_secret")]
    Credentials(String),
    /// Asked too often.
    #[error("取访问凭证过于频繁，一分钟后再试")]
    RateLimited,
    /// Passing.
    #[error("暂时取不到访问凭证：{0}")]
    Unreachable(String),
}

/// What the token service answered.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenAnswer {
    /// A token and how many seconds it lives yet.
    Token(String, u64),
    /// None.
    Refused(TokenError),
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_, seconds) => f.debug_tuple("Token").field(seconds).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

/// Reads an answer; a failure comes with status 200 too, so the token itself decides.
pub fn read(body: &Value) -> TokenAnswer {
    let token = body["access_token"].as_str().filter(|token| !token.is_empty());
    let seconds = &body["expires_in"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.trim().parse().ok());
    if let Some(token) = token {
        return TokenAnswer::Token(token.to_owned(), seconds.unwrap_or(600));
    }
    let code = body["code"].as_i64().unwrap_or_default();
    let words: String = body["message"].as_str().unwrap_or("没有说明").chars().take(120).collect();
    TokenAnswer::Refused(match code {
        100_001 | 100_017 => TokenError::RateLimited,
        0 => TokenError::Unreachable("应答里没有凭证".to_owned()),
        code => TokenError::Credentials(format!("{code} {words}")),
    })
}

#[derive(Clone)]
struct Held {
    token: SecretString,
    /// Until when it is used.
    good: Timestamp,
    until: Timestamp,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    refusal: Option<(TokenError, Timestamp)>,
}

/// The token of one robot.
pub struct Tokens {
    url: String,
    app_id: String,
    secret: SecretString,
    client: Client,
    shelf: Arc<dyn Shelf>,
    now: Now,
    /// Held while fetching: whoever comes meanwhile waits for the same token.
    state: Mutex<State>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Of the robot `app_id`, from the service at `base`.
    pub fn new(
        base: &str,
        app_id: &str,
        secret: SecretString,
        client: Client,
        shelf: Arc<dyn Shelf>,
        now: Now,
    ) -> Self {
        let url = format!("{}/app/getAppAccessToken", base.trim_end_matches('/'));
        Self { url, app_id: app_id.to_owned(), secret, client, shelf, now, state: Mutex::new(State::default()) }
    }

    /// A token that is good for a while yet.
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

    /// The refusal that stands, if any.
    pub fn refusal(&self) -> Option<TokenError> {
        // While the state is held somebody is asking: there is nothing to tell yet.
        let state = self.state.try_lock().ok()?;
        state.refusal.as_ref().filter(|(_, until)| (self.now)() < *until).map(|(error, _)| error.clone())
    }

    async fn other_than(&self, stale: Option<&str>) -> Result<SecretString, TokenError> {
        let mut state = self.state.lock().await;
        let now = (self.now)();
        let good = |held: &Held| now < held.good && Some(held.token.expose_secret()) != stale;
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
                if !matches!(error, TokenError::Unreachable(_)) {
                    tracing::error!(%error, "the platform gives no token; not asked again for a while");
                    state.refusal = Some((error.clone(), later(now, HOLD)));
                }
                Err(error)
            }
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Held, TokenError> {
        let body = json!({ "appId": self.app_id, "clientSecret": self.secret.expose_secret() });
        let unreachable = |error: reqwest::Error| TokenError::Unreachable(super::api::why(&error));
        let response = self.client.post(&self.url).json(&body).send().await.map_err(unreachable)?;
        let answer: Value = response.json().await.map_err(unreachable)?;
        match read(&answer) {
            TokenAnswer::Token(token, seconds) => {
                let life = Duration::from_secs(seconds);
                // What lives for a moment only is used for half of it: asking gives the same one again.
                let early = LEAST.max(EARLY.min(life / 3)).min(life / 2);
                let good = later(now, life.saturating_sub(early));
                Ok(Held { token: SecretString::from(token), good, until: later(now, life) })
            }
            TokenAnswer::Refused(error) => Err(error),
        }
    }

    /// Neither the secret nor anything it could be guessed from stands in the key.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.app_id.as_bytes());
        hash.update([0]);
        hash.update(self.secret.expose_secret().as_bytes());
        format!("token:{}", &hex::encode(hash.finalize())[..24])
    }

    async fn on_shelf(&self) -> Option<Held> {
        let text = self.shelf.get(&self.key()).await.ok().flatten()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let instant = |key: &str| Timestamp::from_second(value.get(key)?.as_i64()?).ok();
        Some(Held {
            token: SecretString::from(value.get("token")?.as_str()?),
            good: instant("good")?,
            until: instant("until")?,
        })
    }

    /// Other instances find it there; without the shelf each asks for itself and gets the same token.
    async fn put_on_shelf(&self, held: &Held) {
        let value = json!({
            "token": held.token.expose_secret(), "good": held.good.as_second(), "until": held.until.as_second(),
        });
        let entry = Entry { key: self.key(), value: value.to_string(), until: held.until };
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(%error, "the access token could not be shared with other instances");
        }
    }
}
