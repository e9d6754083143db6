//! The application (自建应用): speaks to single people and to groups it made itself, hears single people, knows names
//! (wecom.md 4).

mod chats;
mod files;
mod intake;
mod people;
mod sending;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::Now;
use super::api::{Api, CallError, Payload, client};
use super::callback::Callback;
use super::codec::crypto::CallbackKeys;
use super::codec::errcode::Class;
use super::config::API_BASE;
use super::token::Tokens;
use crate::{ChannelError, Proxy, Shelf};

pub use super::multipart::UploadKind;
pub use chats::Chat;
pub use files::Download;
pub(super) use intake::inbound_of;

/// Where the application's messages are posted to.
#[derive(Debug, Clone)]
pub struct AppCallback {
    /// As in the console.
    pub token: SecretString,
    /// 43 characters.
    pub encoding_aes_key: SecretString,
    /// Path on our side; default [`AppCallback::DEFAULT_PATH`].
    pub path: String,
}

impl AppCallback {
    /// Where callbacks are served by default.
    pub const DEFAULT_PATH: &str = "/wecom/app";
}

/// Settings of the application.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// `ww…` or `wx…`.
    pub corp_id: String,
    /// Number of the application.
    pub agent_id: i64,
    /// Of the application, not of the bot.
    pub secret: SecretString,
    /// Without it the application only speaks, and its cards have no buttons (43012).
    pub callback: Option<AppCallback>,
    /// Base of the HTTP API.
    pub api_base: String,
    /// `chatid`s of groups that this application made: the only ones it may speak to.
    pub chats: Vec<String>,
    /// Name above its cards; empty for none.
    pub source: String,
    /// Most bytes of a picture or file taken in.
    pub max_file_bytes: usize,
    /// Before the first repeat of a call that was answered "busy"; doubles.
    pub retry: Duration,
    /// The way out.
    pub proxy: Option<Proxy>,
}

impl AppConfig {
    /// Settings with everything but these at its default.
    pub fn new(corp_id: &str, agent_id: i64, secret: SecretString) -> Self {
        Self {
            corp_id: corp_id.to_owned(),
            agent_id,
            secret,
            callback: None,
            api_base: API_BASE.to_owned(),
            chats: Vec::new(),
            source: "值守".to_owned(),
            max_file_bytes: 20 * 1024 * 1024,
            retry: Duration::from_secs(1),
            proxy: None,
        }
    }

    /// Whether it hears single people and its cards may have buttons.
    pub fn hears(&self) -> bool {
        self.callback.is_some()
    }

    /// What an administrator has certainly mistaken, in Chinese.
    pub fn fault(&self) -> Option<String> {
        let corp_id = self.corp_id.trim();
        if !(corp_id.starts_with("ww") || corp_id.starts_with("wx")) {
            return Some("企业 ID（corp_id）应以 ww 或 wx 开头，见管理后台“我的企业”页面底部".to_owned());
        }
        if self.agent_id <= 0 {
            return Some("应用的 agent_id 应为正整数，见应用详情页的 AgentId".to_owned());
        }
        if self.secret.expose_secret().trim().is_empty() {
            return Some("没有填写应用的 secret".to_owned());
        }
        let callback = self.callback.as_ref()?;
        if callback.token.expose_secret().trim().is_empty() {
            return Some("应用设置了回调，但没有填写 token".to_owned());
        }
        let key = callback.encoding_aes_key.expose_secret();
        CallbackKeys::new("", key, "").err().map(|error| error.to_string())
    }
}

/// One line of `check --online`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried.
    pub what: &'static str,
    /// Whether it worked.
    pub ok: bool,
    /// What came of it, and what to do.
    pub text: String,
}

/// See the module.
pub struct App {
    config: AppConfig,
    api: Api,
    shelf: Arc<dyn Shelf>,
    now: Now,
    callback: Option<Callback>,
    /// What a person has to see to, and since when; a success clears it.
    problem: Mutex<Option<(Timestamp, String)>>,
    /// What WeCom has announced about the application (unused, about to be stopped).
    notice: Mutex<Option<String>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// # Errors
    /// Where the settings cannot be right.
    pub fn new(config: AppConfig, shelf: Arc<dyn Shelf>, now: Now) -> Result<Self, ChannelError> {
        if let Some(fault) = config.fault() {
            return Err(ChannelError::Misconfigured(fault));
        }
        let callback = match &config.callback {
            Some(given) => {
                let (token, key) = (given.token.expose_secret(), given.encoding_aes_key.expose_secret());
                let keys = CallbackKeys::new(token, key, &config.corp_id)
                    .map_err(|error| ChannelError::Misconfigured(error.to_string()))?;
                Some(Callback::new(keys, Arc::clone(&shelf), Arc::clone(&now), "app"))
            }
            None => None,
        };
        let client =
            client(config.proxy.as_ref()).map_err(|error| ChannelError::Misconfigured(format!("自建应用：{error}")))?;
        let tokens = Tokens::new(
            &config.api_base,
            &config.corp_id,
            config.secret.clone(),
            client.clone(),
            Arc::clone(&shelf),
            Arc::clone(&now),
        );
        let api = Api::new(&config.api_base, tokens, client, config.retry);
        Ok(Self { config, api, shelf, now, callback, problem: Mutex::new(None), notice: Mutex::new(None) })
    }

    /// Its settings.
    pub fn config(&self) -> &AppConfig {
        &self.config
    }

    /// Whether it may speak to this conversation: any single person, and groups of its own.
    pub fn serves(&self, conversation: &str) -> bool {
        match conversation.split_once(':') {
            Some(("user", _)) => true,
            Some(("group", chat)) => self.config.chats.iter().any(|own| own == chat),
            _ => false,
        }
    }

    /// The callback's counters, where it has one.
    pub fn counts(&self) -> Option<super::callback::Counts> {
        self.callback.as_ref().map(Callback::counts)
    }

    /// `Ok` is healthy; `Err` says what a person should do.
    ///
    /// # Errors
    /// The sentence.
    pub fn health(&self) -> Result<String, String> {
        if let Some(refusal) = self.api.tokens().refusal() {
            return Err(format!("自建应用：{refusal}"));
        }
        if let Some((_, problem)) = &*lock(&self.problem) {
            return Err(format!("自建应用：{problem}"));
        }
        if let Some(notice) = &*lock(&self.notice) {
            return Err(format!("自建应用：{notice}"));
        }
        let Some(counts) = self.counts() else {
            return Ok("自建应用：可以发消息；没有设置回调，听不到私聊，卡片没有按钮".to_owned());
        };
        let unheard = counts.accepted == 0;
        match &counts.verified {
            Some(super::callback::Verification { outcome: Err(refused), .. }) if unheard => {
                Err(format!("自建应用：管理后台验证回调地址失败：{}", refused.advice()))
            }
            Some(_) if unheard => Ok("自建应用：回调地址已通过验证，尚未收到消息".to_owned()),
            None if unheard && counts.bad_signature > 0 => {
                Err("自建应用：收到的回调签名都不正确，请核对 Token 与管理后台填写的是否一致".to_owned())
            }
            None if unheard => Ok("自建应用：可以发消息；启动以来还没有收到回调".to_owned()),
            _ => Ok(format!("自建应用：正常，已收到 {} 条回调，拒绝 {} 条", counts.accepted, refused(&counts))),
        }
    }

    /// Tries the credentials and the trusted address; sends nothing.
    pub async fn probe(&self) -> Vec<Probe> {
        self.api.tokens().forget_refusal().await;
        let mut probes = Vec::new();
        match self.api.tokens().get().await {
            Ok(_) => probes.push(Probe { what: "应用凭证", ok: true, text: "CorpID 和 Secret 正确".to_owned() }),
            Err(error) => {
                probes.push(Probe { what: "应用凭证", ok: false, text: error.to_string() });
                return probes;
            }
        }
        let probe = match self.call("getcallbackip", &[], Payload::None).await {
            Ok(_) => Probe { what: "可信IP", ok: true, text: "本机可以调用接口".to_owned() },
            Err(error) => Probe { what: "可信IP", ok: false, text: error.to_string() },
        };
        probes.push(probe);
        probes
    }

    /// One call; a refusal that only a person can mend is kept for the health line.
    async fn call(
        &self,
        path: &str,
        query: &[(&str, &str)],
        payload: Payload<'_>,
    ) -> Result<serde_json::Value, CallError> {
        let outcome = self.api.call(path, query, payload).await;
        match &outcome {
            Ok(_) => *lock(&self.problem) = None,
            Err(error @ CallError::Refused { text, .. }) if error.class() == Some(Class::Credentials) => {
                *lock(&self.problem) = Some(((self.now)(), text.clone()));
            }
            Err(_) => {}
        }
        outcome
    }
}

fn refused(counts: &super::callback::Counts) -> u64 {
    counts.repeated + counts.bad_signature + counts.stale + counts.malformed
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
