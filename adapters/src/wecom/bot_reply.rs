//! Callback mode: the one answer that every message and press brings an address for (wecom.md 5.6). It serves once, for an
//! hour; it is kept on the shelf and taken from there, so that no two instances use it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bot::{Bot, refused, unreachable};
use super::codec::card::{Lengths, card, task_id, wants_card};
use super::codec::card_rules::{CardSurface, check_card};
use super::codec::errcode::{Class, class};
use super::codec::frame::number_of;
use super::codec::markdown::markdown;
use super::codec::split::{BOT_BYTES, shorten};
use super::config::API_BASE;
use super::memory::CARD_WINDOW;
use super::session::later;
use crate::{Outgoing, Receipt, SendError};

/// How long an address serves; a little less than the platform allows.
const SERVES: Duration = Duration::from_mins(59);
/// Addresses of one conversation that are remembered for news that answer nothing in particular.
const SPARE: usize = 8;
/// Between two looks for what another instance has made of a pressed card, of the five seconds there are (5.5).
const LOOK: Duration = Duration::from_millis(250);

/// One address, as kept. It is a secret while it serves, so it cannot be printed.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    until: Timestamp,
}

impl Bot {
    /// Keeps the address that came with a message or a press.
    pub(super) async fn keep_address(&self, msgid: &str, conversation: &str, url: &str) {
        let until = later((self.now)(), SERVES);
        let kept = Kept { url: url.to_owned(), until };
        // A structure of two plain fields has nothing that JSON could refuse.
        let value = serde_json::to_string(&kept).unwrap_or_default();
        self.keep(format!("reply:{msgid}"), value, until).await;
        let list = format!("replies:{conversation}");
        let mut known = self.listed(&list).await;
        known.retain(|id| id != msgid);
        known.push(msgid.to_owned());
        let surplus = known.len().saturating_sub(SPARE);
        known.drain(..surplus);
        self.keep(list, json!(known).to_string(), until).await;
    }

    async fn listed(&self, list: &str) -> Vec<String> {
        let kept = self.shelf.get(list).await.ok().flatten();
        kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default()
    }

    /// Takes the address of the message that is answered, else any of the conversation that is left, the newest first.
    async fn take_address(&self, message: &Outgoing) -> Result<Option<(String, Kept)>, SendError> {
        let listed = self.listed(&format!("replies:{}", message.conversation)).await;
        let candidates = message.reply_to.iter().chain(listed.iter().rev());
        for msgid in candidates {
            let taken = self.shelf.take(&format!("reply:{msgid}")).await;
            let taken = taken.map_err(|error| SendError::Unreachable(error.to_string()))?;
            let kept = taken.and_then(|kept| serde_json::from_str::<Kept>(&kept).ok());
            if let Some(kept) = kept {
                return Ok(Some((msgid.clone(), kept)));
            }
        }
        Ok(None)
    }

    /// Says a message by an address.
    pub(super) async fn send_by_address(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        let Some((msgid, kept)) = self.take_address(message).await? else {
            return Err(SendError::Refused { code: 0, text: super::only_hears(&message.conversation).to_owned() });
        };
        if let Err(wait) = self.spend(&message.conversation).await {
            self.put_back(&msgid, &kept).await;
            return Err(wait);
        }
        let task = task_id(&message.key);
        let (body, is_card) = self.body(message, &task).await;
        // The address was told by the platform; a stand-in or a proxy of the intranet has another beginning.
        let url = match kept.url.strip_prefix(API_BASE) {
            Some(rest) => format!("{}{rest}", self.config.api_base.trim_end_matches('/')),
            None if kept.url.starts_with(&self.config.api_base) => kept.url.clone(),
            None => {
                return Err(SendError::Refused {
                    code: 0, text: "回复地址不属于企业微信，未使用".to_owned()
                });
            }
        };
        let answer = match self.http.post(url).json(&body).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                self.put_back(&msgid, &kept).await;
                return Err(SendError::Unreachable(format!("连不上企业微信接口：{}", error.without_url())));
            }
            Err(_) => return Err(SendError::Perhaps),
        };
        let answer: Value = answer.json().await.map_err(|_| SendError::Perhaps)?;
        let code = answer.get("errcode").and_then(number_of).ok_or(SendError::Perhaps)?;
        match class(code) {
            Class::Done => Ok(Receipt { external_id: is_card.then_some(task) }),
            Class::Throttled => Err(SendError::Throttled { retry_after: Duration::from_secs(65) }),
            Class::Retry | Class::RetryOnce => {
                self.put_back(&msgid, &kept).await;
                Err(unreachable(code))
            }
            Class::Reconnect
            | Class::PushInstead
            | Class::TokenStale
            | Class::TooLong
            | Class::Credentials
            | Class::ReceiverClosed
            | Class::Bug => Err(refused(code)),
        }
    }

    /// Cards are taken in single chats only.
    async fn body(&self, message: &Outgoing, task: &str) -> (Value, bool) {
        if wants_card(message) && message.conversation.starts_with("user:") {
            let source = self.config.name.as_deref().unwrap_or_default();
            let made = card(message, task, source, Lengths::BOT);
            // There is one answer: a card that leaves something out would be all that is said.
            if made.whole && check_card(&made.json, CardSurface::Interactive).is_ok() {
                self.keep_card(task, &made.json).await;
                return (json!({ "msgtype": "template_card", "template_card": made.json }), true);
            }
        }
        let text = shorten(&markdown(message), BOT_BYTES);
        (json!({ "msgtype": "markdown", "markdown": { "content": text } }), false)
    }

    /// A press waits here for its card, whichever instance decides on it.
    pub(super) async fn note_press(&self, task: &str) {
        let until = later((self.now)(), CARD_WINDOW);
        self.keep(format!("bot-press:{task}"), String::new(), until).await;
    }

    /// Whether a press of this card waits at some instance. Whoever is told so has to put the new card in place.
    pub(super) async fn pressed_elsewhere(&self, task: &str) -> bool {
        // Over the line a press is answered by who heard it.
        self.line.is_none() && self.shelf.take(&format!("bot-press:{task}")).await.is_ok_and(|press| press.is_some())
    }

    /// The card once another instance has changed it from `before`.
    pub(super) async fn changed_elsewhere(&self, task: &str, before: Option<Value>) -> Value {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(card) = self.kept_card(task).await.filter(|card| before.as_ref() != Some(card)) {
                return card;
            }
        }
    }

    async fn put_back(&self, msgid: &str, kept: &Kept) {
        let value = serde_json::to_string(kept).unwrap_or_default();
        self.keep(format!("reply:{msgid}"), value, kept.until).await;
    }
}
