//! The bot (智能机器人): what it says, over its line or by the one answer a callback allows, each with a second way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Value, json};

use super::Now;
use super::codec::card::{Lengths, card, task_id, updated, wants_card};
use super::codec::card_rules::{CardSurface, check_card};
use super::codec::crypto::{KeyError, media_key};
use super::codec::errcode::{Class, advice, class};
use super::codec::frame;
use super::codec::markdown::markdown;
use super::codec::split::{BOT_BYTES, Dialect, pieces};
use super::config::{BotConfig, BotMode};
use super::memory::{Memory, PressWay};
use super::session::{Outcome, later};
use super::socket::{Line, LineConfig};
use crate::media::{Fetcher, MediaPolicy};
use crate::{ChannelError, Entry, Outgoing, Proxy, Receipt, SendError, Shelf};

/// How long a card is kept: as long as anybody may press it (wecom.md 4.4, the app's rule; the bot names none).
const CARD_KEPT: Duration = Duration::from_hours(72);
/// How long it is known that somebody was heard in a conversation. Whether the right to speak lapses is unknown (5.10); the
/// platform says so itself if it does.
const HEARD_KEPT: Duration = Duration::from_hours(24 * 400);
/// Replies and pushes of one conversation together (5.11).
const PER_MINUTE: u32 = 30;
/// The same in an hour.
const PER_HOUR: u32 = 1_000;
/// After 45009: the window of a minute, and a little.
const HOLD: Duration = Duration::from_secs(65);
/// How often a conflicting command is repeated (5.12).
const CONFLICTS: u32 = 3;

/// What is said in one frame.
#[derive(Debug, Clone)]
enum Part {
    /// Markdown of at most [`BOT_BYTES`].
    Text(String),
    /// A card; `instead` is the text that stands for it where the platform refuses it.
    Card { json: Value, instead: Option<String> },
}

impl Part {
    /// As the answer to a message. A reply is one finished stream: there is never one left open (5.8).
    fn reply(&self, stream: &str) -> Value {
        match self {
            Self::Text(text) => {
                json!({ "msgtype": "stream", "stream": { "id": stream, "finish": true, "content": text } })
            }
            Self::Card { json, .. } => json!({ "msgtype": "template_card", "template_card": json }),
        }
    }

    fn push(&self, conversation: &str) -> Value {
        let (chatid, kind) = match conversation.split_once(':') {
            Some(("group", chat)) => (chat, 2),
            Some((_, user)) => (user, 1),
            None => (conversation, 1),
        };
        let mut body = match self {
            Self::Text(text) => json!({ "msgtype": "markdown", "markdown": { "content": text } }),
            Self::Card { json, .. } => json!({ "msgtype": "template_card", "template_card": json }),
        };
        body["chatid"] = json!(chatid);
        // Left out, the platform would guess.
        body["chat_type"] = json!(kind);
        body
    }
}

/// Whether a card went out as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    AsMeant,
    AsText,
}

/// The bot. Both modes share it; only the line exists in one of them.
pub struct Bot {
    pub(super) config: BotConfig,
    pub(super) shelf: Arc<dyn Shelf>,
    pub(super) now: Now,
    pub(super) line: Option<Arc<Line>>,
    pub(super) fetcher: Fetcher,
    pub(super) http: Client,
    /// Callback mode: media have the key of the callbacks.
    pub(super) media_key: Option<[u8; 32]>,
    memory: Mutex<Memory>,
}

impl Bot {
    /// Opens nothing. The process's TLS provider must be installed.
    ///
    /// # Errors
    /// Where a key cannot be one.
    pub fn new(config: BotConfig, shelf: Arc<dyn Shelf>, now: Now) -> Result<Self, ChannelError> {
        use secrecy::ExposeSecret as _;
        let wrong = |why: String| ChannelError::Misconfigured(format!("企业微信智能机器人：{why}"));
        let (line, media_key) = match &config.mode {
            BotMode::Socket { bot_id, secret, url } => {
                let line = LineConfig {
                    bot_id: bot_id.trim().to_owned(),
                    secret: secret.clone(),
                    url: url.clone(),
                    timing: config.timing.line.clone(),
                    proxy: config.proxy.clone(),
                    lease: config.timing.lease,
                    look: config.timing.look,
                };
                let line = Line::new(line, shelf.clone(), now.clone()).map_err(|error| wrong(error.to_string()))?;
                (Some(Arc::new(line)), None)
            }
            BotMode::Callback { encoding_aes_key, .. } => {
                let key = media_key(encoding_aes_key.expose_secret().trim());
                (None, Some(key.map_err(|error: KeyError| wrong(error.to_string()))?))
            }
        };
        let media = MediaPolicy { proxy: config.proxy.clone(), ..config.media.clone() };
        let fetcher = Fetcher::new(media).map_err(|error| wrong(error.to_string()))?;
        let http = Client::builder().timeout(config.timing.http).redirect(reqwest::redirect::Policy::none());
        let http = Proxy::on(config.proxy.as_ref(), http).and_then(reqwest::ClientBuilder::build);
        let http = http.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { config, shelf, now, line, fetcher, http, media_key, memory: Mutex::default() })
    }

    /// What the bot keeps in mind.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says a message.
    ///
    /// # Errors
    /// See [`SendError`]; where only a change of the configuration helps, `Refused` says which.
    pub async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        if let Some(wait) = self.memory().held_for(&message.conversation, (self.now)()) {
            return Err(SendError::Throttled { retry_after: wait });
        }
        match &self.line {
            Some(line) => self.send_over_line(line, message).await,
            None => self.send_by_address(message).await,
        }
    }

    async fn send_over_line(&self, line: &Line, message: &Outgoing) -> Result<Receipt, SendError> {
        let Some(epoch) = line.epoch() else {
            return Err(SendError::Unreachable("智能机器人的长连接还没有建立".to_owned()));
        };
        if message.conversation.starts_with("user:") && !self.was_heard(&message.conversation).await? {
            return Err(SendError::Refused { code: 0, text: super::NEVER_WROTE.to_owned() });
        }
        let task = task_id(&message.key);
        let parts = self.parts(message, &task).await;
        let all = parts.len();
        let mut external_id = None;
        let done = self.memory().done(&message.key);
        for (index, part) in parts.into_iter().enumerate().skip(done) {
            let is_card = matches!(part, Part::Card { .. });
            let sent = self.send_part(line, epoch, message, index, part).await;
            match sent {
                Ok(shown) => {
                    if is_card && shown == Shown::AsMeant {
                        external_id = Some(task.clone());
                    }
                    self.memory().set_done(&message.key, index + 1, all);
                }
                // The text before it says everything, commands included: only the comfort of buttons is missing.
                Err(error) if is_card && index > 0 => {
                    tracing::warn!(%error, "a card could not follow its text");
                    self.memory().set_done(&message.key, all, all);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Receipt { external_id })
    }

    /// The frames of a message: a card alone where it shows everything, else the text and the card after it.
    async fn parts(&self, message: &Outgoing, task: &str) -> Vec<Part> {
        let text = markdown(message);
        let texts = || pieces(&text, BOT_BYTES, Dialect::Markdown).into_iter().map(Part::Text);
        if !wants_card(message) {
            return texts().collect();
        }
        let source = self.config.name.as_deref().unwrap_or_default();
        let made = card(message, task, source, Lengths::BOT);
        if let Err(fault) = check_card(&made.json, CardSurface::Interactive) {
            tracing::warn!(%fault, "a card would be refused; said as text");
            return texts().collect();
        }
        // Before it is sent: the first press may come within the same second.
        self.keep_card(task, &made.json).await;
        if made.whole && text.len() <= BOT_BYTES {
            return vec![Part::Card { json: made.json, instead: Some(text) }];
        }
        texts().chain([Part::Card { json: made.json, instead: None }]).collect()
    }

    async fn send_part(
        &self,
        line: &Line,
        epoch: u64,
        message: &Outgoing,
        index: usize,
        part: Part,
    ) -> Result<Shown, SendError> {
        self.spend(&message.conversation).await?;
        let asked = message.reply_to.as_deref().filter(|_| index == 0);
        let reply = asked.and_then(|msgid| {
            let req_id = self.memory().take_question(msgid, epoch, &message.conversation, (self.now)())?;
            Some((epoch, req_id))
        });
        let stream = task_id(&format!("{}/{index}", message.key));
        let replied = reply.is_some();
        let sent = self.deliver(line, &message.conversation, part, reply, &stream).await;
        if let (true, Err(SendError::Unreachable(_)), Some(msgid)) = (replied, &sent, asked) {
            self.memory().give_back(msgid);
        }
        sent
    }

    /// One frame, with all that its codes ask for (5.12).
    async fn deliver(
        &self,
        line: &Line,
        conversation: &str,
        mut part: Part,
        mut reply: Option<(u64, String)>,
        stream: &str,
    ) -> Result<Shown, SendError> {
        let mut shown = Shown::AsMeant;
        let mut conflicts = 0;
        let (mut repeated, mut reconnected) = (false, false);
        loop {
            let standing = line.epoch();
            let outcome = match &reply {
                Some((epoch, req_id)) => line.answer(*epoch, frame::RESPOND, req_id, &part.reply(stream)).await,
                None => line.call(frame::SEND, &part.push(conversation)).await,
            };
            let ack = match outcome {
                Outcome::Ack(ack) => ack,
                Outcome::Unknown => return Err(SendError::Perhaps),
                // The connection it was asked over is gone; the next one can still push.
                Outcome::NotSent if reply.take().is_some() => continue,
                Outcome::NotSent => return Err(SendError::Unreachable("智能机器人的长连接断开了".to_owned())),
            };
            let code = ack.code;
            match class(code) {
                Class::Done => return Ok(shown),
                Class::Retry if conflicts < CONFLICTS => {
                    tokio::time::sleep(self.config.timing.retry * 2_u32.pow(conflicts)).await;
                    conflicts += 1;
                }
                Class::RetryOnce if !repeated => {
                    repeated = true;
                    tokio::time::sleep(self.config.timing.retry).await;
                }
                Class::Reconnect if !reconnected => {
                    reconnected = true;
                    // Ids of the old connection are worth nothing on the new one.
                    reply = None;
                    if line.standing(standing, self.config.timing.reconnect).await.is_none() {
                        return Err(unreachable(code));
                    }
                }
                Class::Retry | Class::RetryOnce | Class::Reconnect => return Err(unreachable(code)),
                Class::PushInstead if reply.take().is_some() => {}
                Class::Throttled => {
                    self.memory().hold(conversation, HOLD, (self.now)());
                    return Err(SendError::Throttled { retry_after: HOLD });
                }
                Class::TooLong | Class::Bug => match part {
                    Part::Card { instead: Some(text), .. } => {
                        tracing::warn!(code, "the platform refused a card; said as text");
                        part = Part::Text(text);
                        shown = Shown::AsText;
                    }
                    // A stream that is not taken may still be taken as a message of its own.
                    Part::Text(_) if reply.take().is_some() => {}
                    Part::Card { instead: None, .. } | Part::Text(_) => return Err(refused(code)),
                },
                Class::PushInstead | Class::TokenStale | Class::Credentials | Class::ReceiverClosed => {
                    return Err(refused(code));
                }
            }
        }
    }

    /// Counts one message against the limits of its conversation, over all instances.
    pub(super) async fn spend(&self, conversation: &str) -> Result<(), SendError> {
        for (name, most, window) in
            [("minute", PER_MINUTE, Duration::from_mins(1)), ("hour", PER_HOUR, Duration::from_hours(1))]
        {
            let spent = self.shelf.spend(&format!("bot:{name}:{conversation}"), most, window).await;
            // Without the count the platform's own limit still holds.
            if let Ok(Some(wait)) = spent {
                return Err(SendError::Throttled { retry_after: wait });
            }
        }
        Ok(())
    }

    /// Changes a card whose button was pressed just now, for everybody who sees it. False where nobody pressed it lately:
    /// then there is no right to change it.
    pub async fn update(&self, task: &str, message: &Outgoing) -> bool {
        let waiting = self.memory().take_presses(task, (self.now)());
        // By callbacks it may have been another instance that was told of the press: it looks for the new card.
        if waiting.is_empty() && !self.pressed_elsewhere(task).await {
            return false;
        }
        let old = self.kept_card(task).await.unwrap_or_default();
        let new = updated(&old, message, task, Lengths::BOT);
        self.keep_card(task, &new).await;
        join_all(waiting.into_iter().map(|way| self.answer_press(way, &new))).await;
        true
    }

    /// Shows a card as it is now to whoever pressed it.
    pub(super) async fn answer_press(&self, way: PressWay, card: &Value) {
        let body = updating(card);
        match way {
            PressWay::Request(answer) => {
                // Whoever held the request open may have gone; the desk says the state besides.
                let _ = answer.send(body);
            }
            PressWay::Line { epoch, req_id } => {
                let Some(line) = &self.line else { return };
                if let Outcome::Ack(ack) = line.answer(epoch, frame::UPDATE, &req_id, &body).await
                    && ack.code != 0
                {
                    tracing::warn!(code = ack.code, "the platform did not change a card");
                }
            }
        }
    }

    /// The card as it was last shown.
    pub(super) async fn kept_card(&self, task: &str) -> Option<Value> {
        let kept = self.shelf.get(&format!("bot-card:{task}")).await.ok().flatten()?;
        serde_json::from_str(&kept).ok()
    }

    pub(super) async fn keep_card(&self, task: &str, card: &Value) {
        self.keep(format!("bot-card:{task}"), card.to_string(), later((self.now)(), CARD_KEPT)).await;
    }

    /// Puts something on the shelf. What cannot be kept costs comfort later, not the message now.
    pub(super) async fn keep(&self, key: String, value: String, until: Timestamp) -> bool {
        let kept = self.shelf.put(&[Entry { key, value, until }]).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, "something of the bot could not be kept");
        }
        kept.is_ok()
    }

    /// Somebody wrote here: from now on the bot may speak here unasked (5.10).
    pub(super) async fn heard_in(&self, conversation: &str) {
        if self.memory().knew(conversation) {
            return;
        }
        let now = (self.now)();
        if !self.keep(format!("heard:{conversation}"), now.to_string(), later(now, HEARD_KEPT)).await {
            self.memory().forget_heard(conversation);
        }
    }

    async fn was_heard(&self, conversation: &str) -> Result<bool, SendError> {
        let kept = self.shelf.get(&format!("heard:{conversation}")).await;
        kept.map(|kept| kept.is_some()).map_err(|error| SendError::Unreachable(error.to_string()))
    }
}

/// The answer to a press: the whole card as it is to look for everybody.
pub(super) fn updating(card: &Value) -> Value {
    json!({ "response_type": "update_template_card", "template_card": card })
}

pub(super) fn unreachable(code: i64) -> SendError {
    SendError::Unreachable(format!("{}（{code}）", advice(code)))
}

pub(super) fn refused(code: i64) -> SendError {
    SendError::Refused { code, text: advice(code).to_owned() }
}
