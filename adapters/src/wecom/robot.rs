//! The robot of a group (群机器人, 消息推送): the way out of one conversation; it hears nothing (wecom.md 3).
//!
//! Twenty messages a minute, shared by all who use its key. What comes while another is on its way goes out together with
//! the next as one message: the longer the queue, the fewer messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Now;
use super::api::{CallError, THROTTLED, answer, client};
use super::codec::errcode::{Class, says_too_long};
use super::codec::markdown::markdown;
use super::codec::split::{Dialect, MARKDOWN_BYTES, TEXT_BYTES, pieces};
use super::config::API_BASE;
use super::multipart::{UploadKind, ascii_name, media_part};
use super::parts::{Progress, plain_text, short_hash, unavailable};
use crate::{ChannelError, Outgoing, Proxy, Receipt, SendError, Shelf};

/// Messages a minute (3.4).
const PER_MINUTE: u32 = 20;
const MINUTE: Duration = Duration::from_mins(1);

/// Between messages that go out as one.
const SEAM: &str = "\n————\n";

/// Settings of a robot.
#[derive(Debug, Clone)]
pub struct RobotConfig {
    /// The key: all that is needed to speak as it.
    pub key: SecretString,
    /// The conversation it stands in (`group:{chatid}`, as the bot hears it).
    pub conversation: String,
    /// Base of the HTTP API.
    pub api_base: String,
    /// The way out.
    pub proxy: Option<Proxy>,
}

impl RobotConfig {
    /// Reads what an administrator gives as `key` or `url`: the bare key, or the whole address with the key in its query.
    /// An address names the base as well.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn new(key_or_url: &str, conversation: &str) -> Result<Self, String> {
        let given = key_or_url.trim();
        let (key, api_base) = if given.contains("://") {
            let url = Url::parse(given).map_err(|_| "群机器人的地址不是有效的网址".to_owned())?;
            let key = url.query_pairs().find(|(name, _)| name == "key").map(|(_, key)| key.into_owned());
            let key = key.ok_or("群机器人的地址里没有 key=…，请从群设置的“消息推送”里完整复制")?;
            // A proxy of the intranet may serve the platform below a path of its own.
            let before = url.path().strip_suffix("/cgi-bin/webhook/send").unwrap_or_default();
            (key, format!("{}{before}", url.origin().ascii_serialization()))
        } else {
            (given.to_owned(), API_BASE.to_owned())
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if key.is_empty() || key.len() > 128 || !key.chars().all(fits) {
            return Err("群机器人的 key 不正确，请从群设置的“消息推送”里重新复制 webhook 地址".to_owned());
        }
        Ok(Self { key: SecretString::from(key), conversation: conversation.trim().to_owned(), api_base, proxy: None })
    }
}

/// A message waiting for its turn.
struct Waiting {
    text: String,
    mentions: Vec<String>,
    done: oneshot::Sender<Result<(), SendError>>,
}

/// See the module.
pub struct Robot {
    config: RobotConfig,
    client: Client,
    shelf: Arc<dyn Shelf>,
    now: Now,
    queue: Mutex<VecDeque<Waiting>>,
    /// Held by whoever sends for all that wait.
    turn: tokio::sync::Mutex<()>,
    held_until: Mutex<Option<Timestamp>>,
    problem: Mutex<Option<String>>,
}

impl std::fmt::Debug for Robot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Robot").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Robot {
    /// # Errors
    /// Where the conversation is none a robot can stand in.
    pub fn new(config: RobotConfig, shelf: Arc<dyn Shelf>, now: Now) -> Result<Self, ChannelError> {
        if !config.conversation.starts_with("group:") {
            return Err(ChannelError::Misconfigured("群机器人的 conversation 应写成 group:群编号".to_owned()));
        }
        Ok(Self {
            client: client(config.proxy.as_ref())
                .map_err(|error| ChannelError::Misconfigured(format!("群机器人：{error}")))?,
            config,
            shelf,
            now,
            queue: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            held_until: Mutex::default(),
            problem: Mutex::default(),
        })
    }

    /// Where it stands.
    pub fn conversation(&self) -> &str {
        &self.config.conversation
    }

    /// Says one message. A robot's messages have no id.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        let text = plain_text(message);
        if text.trim().is_empty() {
            return Err(SendError::Refused { code: 44004, text: super::codec::errcode::advice(44004).to_owned() });
        }
        if text.len() <= TEXT_BYTES {
            self.say(text, message.mentions.clone()).await?;
        } else {
            self.say_long(message).await?;
        }
        Ok(Receipt { external_id: None })
    }

    /// Text longer than a text may be: markdown_v2 takes twice as much. It mentions nobody (3.2), so those meant are called
    /// by a short text after it.
    async fn say_long(&self, message: &Outgoing) -> Result<(), SendError> {
        let parts = pieces(&markdown(message), MARKDOWN_BYTES, Dialect::Markdown);
        let mut progress = Progress::of(&*self.shelf, "robot", &message.key, (self.now)()).await?;
        for text in parts.iter().skip(progress.done()) {
            self.post(&json!({ "msgtype": "markdown_v2", "markdown_v2": { "content": text } })).await?;
            progress.one_more().await;
        }
        if !message.mentions.is_empty() && progress.done() <= parts.len() {
            let title = message.title.trim();
            let text = if title.is_empty() { "请看上一条消息" } else { title };
            self.post(&text_body(text, &message.mentions, &[])).await?;
            progress.one_more().await;
        }
        Ok(())
    }

    /// Queues a text and sends all that wait when its turn comes.
    async fn say(&self, text: String, mentions: Vec<String>) -> Result<(), SendError> {
        let (done, outcome) = oneshot::channel();
        lock(&self.queue).push_back(Waiting { text, mentions, done });
        let mut outcome = std::pin::pin!(outcome);
        loop {
            tokio::select! {
                biased;
                said = &mut outcome => return said.unwrap_or(Err(SendError::Perhaps)),
                _turn = self.turn.lock() => self.send_waiting().await,
            }
        }
    }

    /// The first of those that wait, and as many after it as fit into one text.
    async fn send_waiting(&self) {
        let mut batch: Vec<Waiting> = Vec::new();
        let mut text = String::new();
        let mut mentions: Vec<String> = Vec::new();
        {
            let mut queue = lock(&self.queue);
            while let Some(next) = queue.front() {
                // Whoever does not wait any more does not want it said: its outbox row is tried again.
                if next.done.is_closed() {
                    queue.pop_front();
                    continue;
                }
                if !text.is_empty() && text.len() + SEAM.len() + next.text.len() > TEXT_BYTES {
                    break;
                }
                let Some(next) = queue.pop_front() else { break };
                if !text.is_empty() {
                    text.push_str(SEAM);
                }
                text.push_str(&next.text);
                mentions.extend(next.mentions.iter().cloned());
                batch.push(next);
            }
        }
        if batch.is_empty() {
            return;
        }
        let mut named = std::collections::HashSet::new();
        mentions.retain(|mention| named.insert(mention.clone()));
        let outcome = self.post(&text_body(&text, &mentions, &[])).await;
        for waiting in batch {
            // Whoever went away meanwhile learns it from the outbox.
            let _ = waiting.done.send(outcome.clone());
        }
    }

    /// One message of whatever type, within the limit of all who use the key.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn post(&self, body: &Value) -> Result<(), SendError> {
        let now = (self.now)();
        if let Some(until) = lock(&self.held_until).filter(|until| now < *until) {
            return Err(SendError::Throttled { retry_after: until.duration_since(now).unsigned_abs() });
        }
        let limit = format!("robot:{}", short_hash(self.config.key.expose_secret()));
        if let Some(retry_after) = self.shelf.spend(&limit, PER_MINUTE, MINUTE).await.map_err(unavailable)? {
            return Err(SendError::Throttled { retry_after });
        }
        let outcome = answer(self.client.post(self.address("send", &[])?).json(body)).await;
        self.note(&outcome, now);
        outcome.map(|_| ()).map_err(|error| match error {
            // What stands behind 40058 shows in the words; too long cannot be: the text was measured.
            CallError::Refused { code: 40058, ref text } if says_too_long(text) => {
                tracing::error!("a text that was measured is too long for the platform");
                error.into_send()
            }
            error => error.into_send(),
        })
    }

    /// A card: notices only, and with somewhere to lead (6.1).
    ///
    /// # Errors
    /// See [`SendError`]; what the platform would refuse is refused here.
    pub async fn send_card(&self, card: &Value) -> Result<(), SendError> {
        use super::codec::card_rules::{CardSurface, check_card};
        check_card(card, CardSurface::Robot)
            .map_err(|fault| SendError::Refused { code: 40058, text: fault.to_string() })?;
        self.post(&json!({ "msgtype": "template_card", "template_card": card })).await
    }

    /// A file from [`Self::upload`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_file(&self, media_id: &str) -> Result<(), SendError> {
        self.post(&json!({ "msgtype": "file", "file": { "media_id": media_id } })).await
    }

    /// Uploads a file or a recording; the `media_id` is good for three days and for this robot alone. Where a name is
    /// refused, the same bytes go under a name in ASCII.
    ///
    /// # Errors
    /// The platform's refusal, or ours where the limits are known.
    pub async fn upload(&self, kind: UploadKind, name: &str, bytes: &[u8]) -> Result<String, SendError> {
        if let Some(text) = kind.fault(bytes) {
            return Err(SendError::Refused { code: 40006, text });
        }
        let mut outcome = self.upload_as(kind, name, bytes).await?;
        if outcome.as_ref().is_err_and(|error| error.class() == Some(Class::Bug)) && !name.is_ascii() {
            outcome = self.upload_as(kind, &ascii_name(name), bytes).await?;
        }
        self.note(&outcome, (self.now)());
        let answer = outcome.map_err(CallError::into_send)?;
        let id = answer.get("media_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or_else(|| SendError::Unreachable("平台没有返回 media_id".to_owned()))
    }

    async fn upload_as(
        &self,
        kind: UploadKind,
        name: &str,
        bytes: &[u8],
    ) -> Result<Result<Value, CallError>, SendError> {
        let (body, content_type) = media_part(name, bytes);
        let url = self.address("upload_media", &[("type", kind.word())])?;
        let request = self.client.post(url).header(reqwest::header::CONTENT_TYPE, content_type).body(body);
        Ok(answer(request.timeout(MINUTE)).await)
    }

    /// `Ok` is healthy; `Err` says what a person should do.
    ///
    /// # Errors
    /// The sentence.
    pub fn health(&self) -> Result<String, String> {
        let place = &self.config.conversation;
        if let Some(problem) = &*lock(&self.problem) {
            return Err(format!("群机器人（{place}）：{problem}"));
        }
        let now = (self.now)();
        if lock(&self.held_until).is_some_and(|until| now < until) {
            return Ok(format!("群机器人（{place}）：被平台限流，一分钟左右后继续"));
        }
        Ok(format!("群机器人（{place}）：正常"))
    }

    /// After 45009 the whole robot rests; what only a person can mend is kept for the health line until a success.
    fn note(&self, outcome: &Result<Value, CallError>, now: Timestamp) {
        match outcome {
            Ok(_) => *lock(&self.problem) = None,
            Err(error) => match (error.class(), error) {
                (Some(Class::Throttled), _) => {
                    *lock(&self.held_until) = Some(now.saturating_add(THROTTLED).unwrap_or(Timestamp::MAX));
                }
                (Some(Class::Credentials), CallError::Refused { text, .. }) => {
                    *lock(&self.problem) = Some(text.clone());
                }
                _ => {}
            },
        }
    }

    /// The key stands in it: for the request, never for an error.
    fn address(&self, what: &str, more: &[(&str, &str)]) -> Result<Url, SendError> {
        let base = self.config.api_base.trim_end_matches('/');
        let pairs = std::iter::once(("key", self.config.key.expose_secret())).chain(more.iter().copied());
        Url::parse_with_params(&format!("{base}/cgi-bin/webhook/{what}"), pairs)
            .map_err(|_| SendError::Unreachable("接口地址（api_base）不是有效的网址".to_owned()))
    }
}

/// A text that rings for those named: members by userid, or by the phone number registered with WeCom.
pub fn text_body(text: &str, userids: &[String], mobiles: &[String]) -> Value {
    let mut given = json!({ "content": text });
    if !userids.is_empty() {
        given["mentioned_list"] = json!(userids);
    }
    if !mobiles.is_empty() {
        given["mentioned_mobile_list"] = json!(mobiles);
    }
    json!({ "msgtype": "text", "text": given })
}

/// Markdown of the small dialect, where `<@userid>` mentions.
pub fn markdown_body(text: &str) -> Value {
    json!({ "msgtype": "markdown", "markdown": { "content": text } })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
