//! From an event of the platform to something the desk has stored. Both ways in, webhook and gateway, end here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use super::codec::event::{self, Click, File, Frame, Heard, Message, Way};
use super::planner::{Active, Kind};
use super::robot::{Robot, audit_key, ref_key};
use crate::media::Fetcher;
use crate::{Attachment, Event, Inbound, Inbox, InboxError, Press, ShelfError};

/// A click must be answered within three seconds: the desk has so much of them.
const CLICK: Duration = Duration::from_secs(2);

/// Hands in what is heard.
pub(super) struct Intake {
    pub(super) robot: Arc<Robot>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) fetcher: Fetcher,
}

impl From<ShelfError> for InboxError {
    fn from(error: ShelfError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Where an event happened; empty where that is nowhere in particular.
pub(super) fn place_of(heard: &Heard) -> &str {
    match heard {
        Heard::Message(message) => &message.conversation,
        Heard::Click(click) => &click.conversation,
        Heard::Scope { conversation, .. } | Heard::Active { conversation, .. } | Heard::Member { conversation, .. } => {
            conversation
        }
        Heard::Joined(conversation) | Heard::Left(conversation) => conversation,
        Heard::Audit { .. } | Heard::Ready { .. } | Heard::Resumed | Heard::Ignored(_) => "",
    }
}

impl Intake {
    fn id(&self) -> &str {
        &self.robot.config.id
    }

    /// Hands one event in. After `Ok` it is stored, and what waited for it may go.
    pub(super) async fn hear(&self, frame: &Frame, heard: Heard) -> Result<(), InboxError> {
        match heard {
            Heard::Message(message) => self.message(*message).await,
            Heard::Click(click) => self.click(frame, click).await,
            Heard::Scope { id, conversation, scope } => {
                self.acknowledge(&id, 0).await;
                self.robot.talks.note(&conversation, |known| known.full = Some(scope == "all"));
                Ok(())
            }
            Heard::Joined(conversation) => {
                self.contact(&conversation, Kind::Event, &frame.id, frame).await?;
                self.tell(Event::Joined { conversation: conversation.clone() }).await?;
                self.reachable(&conversation).await
            }
            Heard::Left(conversation) => {
                let gone = self.robot.talks.change(&conversation, |talk| {
                    talk.anchors.clear();
                    talk.active = Active::Denied;
                });
                gone.await?;
                self.tell(Event::Left { conversation }).await
            }
            Heard::Active { conversation, allowed } => {
                let active = if allowed { Active::Allowed } else { Active::Denied };
                self.robot.talks.change(&conversation, |talk| talk.active = active).await?;
                if !allowed {
                    return Ok(());
                }
                self.contact(&conversation, Kind::Event, &frame.id, frame).await?;
                self.reachable(&conversation).await
            }
            Heard::Audit { audit, passed } => self.audited(&audit, passed).await,
            Heard::Member { .. } | Heard::Ready { .. } | Heard::Resumed => Ok(()),
            Heard::Ignored(why) => {
                tracing::debug!(why, kind = %frame.kind, "an event was passed over");
                Ok(())
            }
        }
    }

    /// Where an administrator reads how it is only: something to answer, dated by whoever's clock is behind.
    async fn contact(&self, conversation: &str, kind: Kind, id: &str, frame: &Frame) -> Result<(), InboxError> {
        let at = event::instant(&frame.data["timestamp"]);
        let now = (self.robot.now)();
        let at = at.map_or(now, |at| at.min(now));
        Ok(self.robot.talks.change(conversation, |talk| talk.contact(kind, id, at)).await?)
    }

    async fn tell(&self, event: Event) -> Result<(), InboxError> {
        self.inbox.accept(self.id(), event).await
    }

    /// Lets go what waited for a contact. Only once that is stored it is forgotten that something waited.
    async fn reachable(&self, conversation: &str) -> Result<(), InboxError> {
        if !self.robot.talks.change(conversation, |talk| talk.waiting).await? {
            return Ok(());
        }
        self.robot.talks.change(conversation, |talk| talk.waiting = false).await?;
        let told = self.tell(Event::Reachable { conversation: conversation.to_owned() }).await;
        if told.is_err() {
            self.robot.talks.change(conversation, |talk| talk.waiting = true).await?;
        }
        told
    }

    async fn message(&self, message: Message) -> Result<(), InboxError> {
        let now = (self.robot.now)();
        let at = message.at.unwrap_or(now);
        let conversation = message.conversation.clone();
        let contact =
            self.robot.talks.change(&conversation, |talk| talk.contact(Kind::Message, &message.id, at.min(now)));
        contact.await?;
        if message.way == Way::GroupPlain {
            self.robot.talks.note(&conversation, |known| known.full = Some(true));
        }
        let inbound = self.inbound(message, at).await;
        self.tell(Event::Message(Box::new(inbound))).await?;
        self.reachable(&conversation).await
    }

    async fn inbound(&self, message: Message, at: Timestamp) -> Inbound {
        let quoted = message.quoted_ref.as_deref().map(ref_key);
        let quotes = match quoted {
            Some(key) => self.robot.shelf.get(&key).await.ok().flatten(),
            None => None,
        };
        let attachments = join_all(message.files.iter().map(|file| self.attachment(file))).await;
        Inbound {
            channel: self.id().to_owned(),
            conversation: message.conversation,
            // Without an account nobody has rights.
            sender: message.sender.unwrap_or_default(),
            sender_name: message.name,
            external_id: message.id,
            sent_at: at,
            text: message.text,
            attachments,
            addressed: message.addressed || quotes.is_some(),
            quotes,
            quoted_text: message.quoted_text,
            mentions: message.mentions,
            ..Inbound::default()
        }
    }

    /// Fetched at once: addresses live for a short while.
    async fn attachment(&self, file: &File) -> Attachment {
        let mut attachment = blank(file);
        match self.fetcher.fetch(&file.url, file.kind.starts_with("image")).await {
            Ok(fetched) => {
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

    /// The desk first, within its time; whatever comes of it, the client hears within three seconds.
    async fn click(&self, frame: &Frame, click: Click) -> Result<(), InboxError> {
        let stored = tokio::time::timeout(CLICK, self.press(frame, &click)).await;
        let code = match &stored {
            Ok(Ok(())) => 0,
            Ok(Err(_)) | Err(_) => 1,
        };
        self.acknowledge(&click.id, code).await;
        stored.unwrap_or_else(|_| Err(InboxError::Unavailable("按钮点击未能及时保存".to_owned())))?;
        self.reachable(&click.conversation).await
    }

    async fn press(&self, frame: &Frame, click: &Click) -> Result<(), InboxError> {
        self.contact(&click.conversation, Kind::Click, &frame.id, frame).await?;
        let Some((card, action)) = &click.on else { return Ok(()) };
        let inbound = Inbound {
            channel: self.id().to_owned(),
            conversation: click.conversation.clone(),
            sender: click.sender.clone().unwrap_or_default(),
            external_id: click.id.clone(),
            sent_at: click.at.unwrap_or_else(|| (self.robot.now)()),
            addressed: true,
            press: Some(Press { on: card.clone(), action: action.clone() }),
            ..Inbound::default()
        };
        self.tell(Event::Message(Box::new(inbound))).await
    }

    /// 0: done; 1: failed, try again.
    async fn acknowledge(&self, interaction: &str, code: i32) {
        if interaction.contains(['/', '?', '#', '%']) {
            return;
        }
        let path = format!("/interactions/{interaction}");
        if let Err(error) = self.robot.api.call(Method::PUT, &path, Some(&json!({ "code": code }))).await {
            tracing::warn!(%error, "a click could not be acknowledged");
        }
    }

    async fn audited(&self, audit: &str, passed: bool) -> Result<(), InboxError> {
        let key = audit_key(audit);
        let Some(known) = self.robot.shelf.get(&key).await? else { return Ok(()) };
        self.robot.counters.audits.fetch_sub(1, Ordering::Relaxed);
        if !passed && let Some((conversation, external_id)) = known.split_once('\n') {
            let event = Event::Bounced {
                conversation: conversation.to_owned(),
                external_id: external_id.to_owned(),
                permanent: true,
                why: "平台审核未通过，消息没有显示".to_owned(),
            };
            self.tell(event).await?;
        }
        self.robot.shelf.take(&key).await?;
        Ok(())
    }
}

/// What is known of a file before it is fetched.
pub(super) fn blank(file: &File) -> Attachment {
    Attachment {
        name: file.name.clone(),
        kind: file.kind.clone(),
        url: String::new(),
        size_bytes: file.size,
        stored: None,
        problem: None,
    }
}
