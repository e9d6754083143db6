//! What channels hand in: stored before the wire is answered, many messages with one commit.
//!
//! Natural group commit, without a fixed delay: while one commit is under way the next messages gather, and all of them
//! go with the commit after it. Alone, a message waits for none but its own.

use std::sync::Mutex;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use zhishou_adapters::{Event, Inbound, Inbox, InboxError};

use super::bounce::CameBack;
use super::{Desk, DeskError};
use crate::ids::InboundId;
use crate::rules::ticket::{Actor, Event as TicketEvent};
use crate::store::{NewInbound, TicketKey};

/// Longest message that is taken up, in bytes of its text: of what is longer only the head is kept, and its sender is told.
const MAX_TEXT: usize = 1 << 20;
/// How much of a message that is too long is kept, in characters.
const HEAD: usize = 20_000;
/// Most messages that wait for a commit; beyond it the channel is told to deliver later.
const MAX_WAITING: usize = 4096;
/// Most messages in one commit.
const MOST: usize = 512;

/// A message as it is stored.
#[derive(serde::Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    inbound: &'a Inbound,
    /// Bytes of the whole text, where only its head was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_from_bytes: Option<usize>,
}

/// What a stored message says about its length.
#[derive(serde::Deserialize)]
struct Cut {
    #[serde(default)]
    cut_from_bytes: Option<usize>,
}

/// How long a stored message was before its tail was left out; nothing where it is whole.
pub(super) fn cut_from_bytes(body: &str) -> Option<usize> {
    // What was cut is long still; nothing shorter need be looked through.
    if body.len() < HEAD {
        return None;
    }
    serde_json::from_str::<Cut>(body).ok()?.cut_from_bytes
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(HEAD) {
        text.truncate(end);
    }
}

type Waiting = (NewInbound, oneshot::Sender<Result<(), String>>);

/// Messages waiting for the next commit.
#[derive(Default)]
pub(super) struct Intake {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    /// Stores a message and answers once that has lasted. A repeat is fine and changes nothing.
    pub async fn receive(&self, mut inbound: Inbound) -> Result<(), InboxError> {
        // The channel has delivered it and would deliver it again for ever: it is accounted for, but not kept.
        let cut_from_bytes = Some(inbound.text.len()).filter(|bytes| *bytes > MAX_TEXT);
        if cut_from_bytes.is_some() {
            cut(&mut inbound.text);
        }
        if let Some(quoted) = inbound.quoted_text.as_mut().filter(|text| text.len() > MAX_TEXT) {
            cut(quoted);
        }
        // A database text holds no NUL, and a control character has no business in a ticket.
        inbound.text.retain(|c| c == '\n' || c == '\t' || !c.is_control());
        for field in
            [&mut inbound.sender_name, &mut inbound.sender, &mut inbound.external_id, &mut inbound.conversation]
        {
            field.retain(|c| !c.is_control());
        }
        let now = self.now();
        let stored = Stored { inbound: &inbound, cut_from_bytes };
        let body = serde_json::to_string(&stored).map_err(|error| InboxError::Refused(error.to_string()))?;
        let row = NewInbound {
            id: InboundId::next(&self.ids, now).to_string(),
            conversation: format!("{}:{}", inbound.channel, inbound.conversation),
            channel: inbound.channel,
            external_id: inbound.external_id,
            sender: inbound.sender,
            received_at_ms: now.as_millisecond(),
            body,
        };
        let (done, answer) = oneshot::channel();
        {
            let mut waiting = self.intake.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if waiting.len() >= MAX_WAITING {
                return Err(InboxError::Unavailable("积压过多，请稍后重发".to_owned()));
            }
            waiting.push((row, done));
        }
        // Whoever gets the turn stores for all that wait; the others find their answer there already.
        {
            let _turn = self.intake.turn.lock().await;
            self.store_waiting().await;
        }
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(problem)) => Err(InboxError::Unavailable(problem)),
            Err(_) => Err(InboxError::Unavailable("服务正在停止".to_owned())),
        }
    }

    async fn store_waiting(&self) {
        let batch: Vec<Waiting> = {
            let mut waiting = self.intake.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let most = waiting.len().min(MOST);
            waiting.drain(..most).collect()
        };
        if batch.is_empty() {
            return;
        }
        let (rows, answers): (Vec<NewInbound>, Vec<_>) = batch.into_iter().unzip();
        let stored = self.store_rows(&rows).await;
        if let Err(error) = &stored {
            tracing::error!(%error, messages = rows.len(), "incoming messages could not be stored");
        }
        for answer in answers {
            // A channel that has gone meanwhile delivers again; the unique key makes that harmless.
            let _ = answer.send(stored.as_ref().map_err(ToString::to_string).copied());
        }
        if stored.is_ok() {
            self.work.notify_one();
        }
    }

    async fn store_rows(&self, rows: &[NewInbound]) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        write.inbox_add(rows).await?;
        write.commit().await?;
        Ok(())
    }

    /// What was held back in a conversation may go out.
    async fn let_out(&self, conversation: &str) -> Result<(), DeskError> {
        let mut write = self.store.write().await?;
        write.outbox_hasten(conversation, self.now().as_millisecond()).await?;
        write.commit().await?;
        Ok(())
    }

    /// A message was taken back on its platform: the ticket and what was captured stay, the fact is noted.
    async fn recalled(&self, channel: &str, conversation: &str, external_id: &str) -> Result<(), DeskError> {
        let mut batch = super::batch::Batch::begin(self).await?;
        batch.caused_by(&format!("recall|{channel}|{external_id}"));
        let found = batch.write().inbox_tickets(&[(channel.to_owned(), external_id.to_owned())]).await?;
        if let Some(key) = found.first().and_then(|(_, ticket)| TicketKey::parse(ticket)) {
            batch.load(std::slice::from_ref(&key)).await?;
            let by = Actor { channel: format!("{channel}:{conversation}"), ..Actor::desk() };
            // A refusal would mean that there is nothing to note it on.
            let _ = batch.decide(&key, &TicketEvent::Recalled, &by, None).await?;
        }
        batch.finish().await
    }
}

/// The desk as channels see it.
#[async_trait]
impl Inbox for Desk {
    async fn accept(&self, channel: &str, event: Event) -> Result<(), InboxError> {
        match event {
            Event::Message(inbound) => self.receive(*inbound).await,
            Event::Recalled { conversation, external_id } => self
                .recalled(channel, &conversation, &external_id)
                .await
                .map_err(|error| InboxError::Unavailable(error.to_string())),
            Event::OwnMessage { conversation, external_id, .. } => {
                tracing::debug!(channel, conversation, external_id, "own message seen");
                Ok(())
            }
            Event::Joined { conversation } => {
                tracing::info!(channel, conversation, "added to a conversation; bind it to a contract to serve it");
                Ok(())
            }
            Event::Left { conversation } => {
                tracing::warn!(channel, conversation, "removed from a conversation; messages for it will fail visibly");
                Ok(())
            }
            Event::Muted { conversation, until } => {
                tracing::warn!(channel, conversation, ?until, "a conversation was muted or may be spoken in again");
                if until.is_none() {
                    let name = format!("{channel}:{conversation}");
                    self.let_out(&name).await.map_err(|error| InboxError::Unavailable(error.to_string()))?;
                }
                self.mail.notify_one();
                Ok(())
            }
            Event::Reachable { conversation } => {
                let name = format!("{channel}:{conversation}");
                self.let_out(&name).await.map_err(|error| InboxError::Unavailable(error.to_string()))?;
                self.mail.notify_one();
                Ok(())
            }
            Event::OptedOut { conversation, out } => self
                .opted(&format!("{channel}:{conversation}"), out)
                .await
                .map_err(|error| InboxError::Unavailable(error.to_string())),
            Event::Bounced { conversation, external_id, permanent, why } => {
                tracing::warn!(channel, conversation, external_id, permanent, why, "a message did not arrive");
                let name = format!("{channel}:{conversation}");
                self.bounced(&name, &external_id, CameBack { permanent, why })
                    .await
                    .map_err(|error| InboxError::Unavailable(error.to_string()))
            }
            Event::Online(online) => {
                tracing::warn!(channel, online, "the account's state has changed");
                self.mail.notify_one();
                Ok(())
            }
        }
    }

    async fn keep(&self, bytes: Vec<u8>) -> Result<String, InboxError> {
        let name = hex::encode(Sha256::digest(&bytes));
        let Some(folder) = &self.attachments else { return Ok(name) };
        let path = folder.join(&name[..2]).join(&name);
        let unavailable = |error: std::io::Error| InboxError::Unavailable(error.to_string());
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(name);
        }
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(unavailable)?;
        }
        // Written beside and moved: a power cut leaves no half file under the name of the whole.
        let part = path.with_extension("part");
        tokio::fs::write(&part, &bytes).await.map_err(unavailable)?;
        tokio::fs::rename(&part, &path).await.map_err(unavailable)?;
        Ok(name)
    }

    async fn newest(&self, channel: &str, conversation: &str) -> Option<String> {
        self.store.inbox_newest(&format!("{channel}:{conversation}")).await.ok().flatten()
    }

    async fn listens_since(&self, channel: &str) -> Option<jiff::Timestamp> {
        let key = format!("listens|{channel}");
        let noted = async {
            if let Some((at, _)) = self.store.mark(&key).await? {
                return Ok(at);
            }
            let now = self.now().as_millisecond();
            let mut write = self.store.write().await?;
            // Between the look and the transaction somebody else may have been first.
            if let Some((_, at, _)) = write.marks(std::slice::from_ref(&key)).await?.first() {
                return Ok(*at);
            }
            write.marks_save(&[(key.clone(), now, String::new())]).await?;
            write.commit().await?;
            Ok::<_, crate::store::StoreError>(now)
        };
        noted.await.ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
    }

    async fn bound(&self, channel: &str) -> Vec<String> {
        let directory = self.directory();
        directory.file().conversation.iter().filter(|c| c.channel == channel).map(|c| c.id.clone()).collect()
    }
}
