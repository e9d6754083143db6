//! From something the bot heard to something the desk has stored: files fetched while their addresses live, presses kept
//! in mind, and nothing answered before it is stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::bot::Bot;
use super::codec::bot_body::{BotMedia, BotMessage, CardPress, HeardBot, read_body};
use super::codec::card::STATE_KEY;
use super::codec::crypto::{decrypt_media, media_key};
use super::codec::file_name::{disposition_name, invented_name};
use super::codec::frame;
use super::memory::PressWay;
use super::socket::{Heard, Line};
use crate::media::{Fetched, MediaError};
use crate::{Attachment, Event, Inbound, Inbox, InboxError, Press};

/// Callbacks worked on at the same time; more wait on the line.
const AT_ONCE: usize = 256;
/// Callbacks between the line and this.
pub(super) const QUEUE: usize = 1024;
/// Longest pause before handing in again what the desk could not store.
const STORE_MOST: Duration = Duration::from_secs(10);
/// How long is waited at a stop for what was heard last.
const SETTLE: Duration = Duration::from_secs(20);
/// A name is a comfort: nothing waits for it longer than this.
const NAME_LIMIT: Duration = Duration::from_millis(1_500);
/// Pictures and files of one message that are fetched.
const MOST_MEDIA: usize = 20;

/// Hands in what the bot hears.
pub(super) struct Intake {
    pub(super) bot: Arc<Bot>,
    pub(super) channel: String,
    pub(super) inbox: Arc<dyn Inbox>,
    /// Knows names, where there is one: the bot is told none.
    pub(super) app: Option<Arc<App>>,
}

impl Intake {
    /// Works off what comes over the line, until the queue ends. Messages of one conversation are stored in the order of
    /// their coming, though their files are fetched side by side.
    pub(super) async fn follow(
        self: &Arc<Self>,
        line: &Arc<Line>,
        mut queue: mpsc::Receiver<Heard>,
        stop: &CancellationToken,
    ) {
        let tracker = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let order = Order::default();
        while let Some(heard) = queue.recv().await {
            // Never closed, so a place is always given.
            let Ok(slot) = slots.clone().acquire_owned().await else { break };
            let name = self.bot.config.name.as_deref();
            let told = match read_body(&heard.body, name) {
                Ok(told) => told,
                Err(error) => {
                    tracing::warn!(%error, "a callback of the bot was not understood");
                    continue;
                }
            };
            let (intake, line, stop) = (self.clone(), line.clone(), stop.clone());
            match told {
                HeardBot::Message(message) => {
                    let conversation = &message.conversation;
                    self.bot.memory().asked(&message.msgid, heard.epoch, &heard.req_id, conversation, heard.at);
                    let turn = order.next(conversation);
                    tracker.spawn(async move {
                        intake.message(*message, heard.at, turn, &stop).await;
                        drop(slot);
                    });
                }
                HeardBot::Press(press) => {
                    let way = PressWay::Line { epoch: heard.epoch, req_id: heard.req_id };
                    tracker.spawn(async move {
                        if let Some(event) = intake.press(*press, heard.at, way).await {
                            intake.store(event, &stop).await;
                        }
                        drop(slot);
                    });
                }
                HeardBot::EnterChat { .. } => {
                    let body = self.welcome();
                    tracker.spawn(async move {
                        line.answer(heard.epoch, frame::WELCOME, &heard.req_id, &body).await;
                        drop(slot);
                    });
                }
                HeardBot::StreamPoll { .. } | HeardBot::Disconnected => {}
                HeardBot::Ignored(kind) => tracing::debug!(event.kind = %kind, "an event of the bot was noted"),
            }
        }
        tracker.close();
        if tokio::time::timeout(SETTLE, tracker.wait()).await.is_err() {
            tracing::error!("what the bot heard last could not be stored before the stop");
        }
    }

    /// Said to whoever opens the single chat.
    pub(super) fn welcome(&self) -> Value {
        json!({ "msgtype": "text", "text": { "content": self.bot.config.welcome } })
    }

    async fn message(&self, message: BotMessage, at: Timestamp, mut turn: Turn, stop: &CancellationToken) {
        self.bot.heard_in(&message.conversation).await;
        let event = self.inbound(message, at).await;
        turn.come().await;
        self.store(event, stop).await;
    }

    /// Stores an event, again and again: the line delivers nothing twice.
    async fn store(&self, event: Event, stop: &CancellationToken) {
        let mut pause = self.bot.config.timing.store;
        loop {
            match self.inbox.accept(&self.channel, event.clone()).await {
                Ok(()) => return,
                Err(error @ InboxError::Refused(_)) => {
                    tracing::error!(%error, "what the bot heard cannot be stored");
                    return;
                }
                Err(error @ InboxError::Unavailable(_)) if stop.is_cancelled() => {
                    tracing::error!(%error, "what the bot heard was lost at the stop");
                    return;
                }
                Err(InboxError::Unavailable(_)) => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(STORE_MOST),
            }
        }
    }

    /// What the desk is told of a message, its files fetched.
    pub(super) async fn inbound(&self, message: BotMessage, at: Timestamp) -> Event {
        let (mut attachments, sender_name, sender) = tokio::join!(
            self.attachments(&message.media),
            self.name_of(&message.sender),
            self.plain_id(&message.sender)
        );
        if let Some(kind) = &message.unreadable {
            attachments.push(Attachment {
                name: kind.clone(),
                kind: kind.clone(),
                url: String::new(),
                size_bytes: None,
                stored: None,
                problem: Some("机器人读不到这种消息，请改发文字、图片或文件".to_owned()),
            });
        }
        Event::Message(Box::new(Inbound {
            channel: self.channel.clone(),
            conversation: message.conversation,
            sender,
            sender_name,
            external_id: message.msgid,
            sent_at: message.sent_at.unwrap_or(at),
            text: message.text,
            attachments,
            quotes: None,
            quoted_text: message.quoted_text,
            // Nothing else reaches a bot.
            addressed: true,
            mentions: Vec::new(),
            recovered: false,
            ..Inbound::default()
        }))
    }

    /// What the desk is told of a press; `None` where the card can answer for itself.
    pub(super) async fn press(&self, press: CardPress, at: Timestamp, way: PressWay) -> Option<Event> {
        if press.key == STATE_KEY
            && let Some(card) = self.bot.kept_card(&press.task).await
        {
            self.bot.answer_press(way, &card).await;
            return None;
        }
        self.bot.memory().pressed(&press.task, way, at);
        let action = press.action().to_owned();
        let sender = self.plain_id(&press.sender).await;
        Some(Event::Message(Box::new(Inbound {
            channel: self.channel.clone(),
            conversation: press.conversation,
            sender,
            sender_name: String::new(),
            external_id: press.msgid,
            sent_at: press.sent_at.unwrap_or(at),
            text: String::new(),
            attachments: Vec::new(),
            quotes: None,
            quoted_text: None,
            addressed: true,
            mentions: Vec::new(),
            recovered: false,
            press: Some(Press { on: press.task, action }),
            ..Inbound::default()
        })))
    }

    /// Whoever wrote, by name; empty where nobody knows it within a moment. A press needs none and has no time for it.
    async fn name_of(&self, userid: &str) -> String {
        let Some(app) = &self.app else { return String::new() };
        let named = tokio::time::timeout(NAME_LIMIT, app.name_of(userid)).await;
        named.ok().flatten().unwrap_or_default()
    }

    /// The plain userid of whoever wrote, where a bot that an ordinary member made tells an encrypted one and the application
    /// can turn it (4.6): so that one person has one account over both. As it came where nobody can tell within a moment.
    async fn plain_id(&self, userid: &str) -> String {
        let asked = async { self.app.as_ref()?.userid_of(userid).await };
        let plain = tokio::time::timeout(NAME_LIMIT, asked).await.ok().flatten();
        plain.unwrap_or_else(|| userid.to_owned())
    }

    async fn attachments(&self, media: &[BotMedia]) -> Vec<Attachment> {
        join_all(media.iter().take(MOST_MEDIA).map(|media| self.attachment(media))).await
    }

    async fn attachment(&self, media: &BotMedia) -> Attachment {
        let mut attachment = Attachment {
            name: media.kind.clone(),
            kind: media.kind.clone(),
            url: String::new(),
            size_bytes: None,
            stored: None,
            problem: None,
        };
        match self.fetch(media).await {
            Ok((fetched, name)) => {
                attachment.name = name.unwrap_or_else(|| invented_name(&media.kind, fetched.kind));
                attachment.size_bytes = Some(fetched.bytes.len() as u64);
                fetched.kind.clone_into(&mut attachment.kind);
                match self.inbox.keep(fetched.bytes).await {
                    Ok(hash) => attachment.stored = Some(hash),
                    Err(_) => attachment.problem = Some("附件已下载，但本机保存失败，请管理员检查磁盘空间".to_owned()),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an attachment was not fetched");
                attachment.problem = Some(error.to_string());
            }
        }
        attachment
    }

    /// Fetched at once: the address lives for five minutes. Encrypted with a key of its own, or with that of the callbacks.
    async fn fetch(&self, media: &BotMedia) -> Result<(Fetched, Option<String>), MediaError> {
        let bot = &self.bot;
        let allowed = |host: &str| bot.config.media.allow_hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let host = reqwest::Url::parse(&media.url).map_err(|_| MediaError::BadAddress)?;
        if host.scheme() != "https" && !host.host_str().is_some_and(allowed) {
            return Err(MediaError::BadAddress);
        }
        let key = match &media.aeskey {
            Some(key) => Some(media_key(key).map_err(|_| MediaError::WrongContent)?),
            None => bot.media_key,
        };
        let (bytes, disposition) = bot.fetcher.fetch_raw(&media.url).await?;
        let bytes = match key {
            Some(key) => decrypt_media(&key, &bytes).map_err(|_| MediaError::WrongContent)?,
            None => bytes,
        };
        let fetched = bot.fetcher.check(bytes, media.kind == "image")?;
        Ok((fetched, disposition.as_deref().and_then(disposition_name)))
    }
}

/// Whose turn it is to be stored, conversation by conversation.
#[derive(Default)]
struct Order(Mutex<HashMap<String, oneshot::Receiver<()>>>);

/// A place in a conversation's row. Dropping it lets the next one pass.
struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _after: oneshot::Sender<()>,
}

impl Order {
    fn next(&self, conversation: &str) -> Turn {
        let (after, next) = oneshot::channel();
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { before: rows.insert(conversation.to_owned(), next), _after: after }
    }
}

impl Turn {
    /// Waits until the one before is stored, or gone.
    async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = before.await;
        }
    }
}
