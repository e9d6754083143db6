//! What the application says: texts and cards to single people, texts to groups of its own, new states of pressed cards,
//! recalls (wecom.md 4.3–4.5).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::api::{CallError, Payload, THROTTLED};
use super::super::codec::card::{Lengths, card, task_id, updated, wants_card};
use super::super::codec::card_rules::{CardSurface, check_card};
use super::super::codec::errcode::{Class, advice};
use super::super::codec::split::{Dialect, TEXT_BYTES, pieces};
use super::super::parts::{Progress, plain_text, short_hash, unavailable};
use super::{App, lock};
use crate::{Entry, Outgoing, Receipt, SendError};

/// Cards can be updated this long.
const CARD_LIFE: Duration = Duration::from_hours(72);

/// Per member and application; what exceeds it is dropped without a word, so it must never be exceeded (4.3).
const PER_MINUTE: u32 = 30;
const PER_HOUR: u32 = 1000;

/// One call's worth.
enum Part {
    Text(String),
    /// A card, and the text that stands for it where it is refused; none where the text went before it.
    Card(Value, Option<String>),
}

/// Where the platform keeps nothing for us: a card, who got it, and the code to change it once.
pub(super) fn card_key(task: &str) -> String {
    format!("app-card:{task}")
}

/// See [`card_key`].
pub(super) fn code_key(task: &str) -> String {
    format!("app-code:{task}")
}

impl App {
    /// Hands one message over; `Ok` means that the platform took it for this receiver.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        if let Some(task) = &message.updates {
            return self.update_card(task, message).await;
        }
        match message.conversation.split_once(':') {
            Some(("user", user)) if !user.is_empty() => self.to_person(user, message).await,
            Some(("group", chat)) if self.serves(&message.conversation) => self.to_chat(chat, message).await,
            _ => Err(SendError::Refused { code: 86008, text: advice(86008).to_owned() }),
        }
    }

    async fn to_person(&self, user: &str, message: &Outgoing) -> Result<Receipt, SendError> {
        let task = task_id(&message.key);
        let parts = self.parts(message, &task);
        let mut progress = Progress::of(&*self.shelf, "app", &message.key, (self.now)()).await?;
        let mut external_id = None;
        for part in parts.iter().skip(progress.done()) {
            self.spend(user).await?;
            let sent = match part {
                Part::Text(text) => {
                    self.send_message(user, message, &json!({ "msgtype": "text", "text": { "content": text } })).await
                }
                Part::Card(card, instead) => self.send_card(user, message, &task, card, instead.as_deref()).await,
            };
            external_id = sent.map_err(CallError::into_send)?;
            if parts.len() > 1 {
                progress.one_more().await;
            }
        }
        Ok(Receipt { external_id })
    }

    /// Text in as many parts as it needs; with buttons a card, after the text where the card does not show all of it.
    fn parts(&self, message: &Outgoing, task: &str) -> Vec<Part> {
        let text = plain_text(message);
        let texts = || pieces(&text, TEXT_BYTES, Dialect::Plain);
        if wants_card(message) && self.callback.is_some() {
            let made = card(message, task, &self.config.source, Lengths::APP);
            if check_card(&made.json, CardSurface::Interactive).is_ok() {
                // What a card does not show whole is said as text before it.
                let before = if made.whole { Vec::new() } else { texts() };
                let instead = before.is_empty().then(|| text.clone());
                let card = Part::Card(made.json, instead);
                return before.into_iter().map(Part::Text).chain([card]).collect();
            }
        }
        texts().into_iter().map(Part::Text).collect()
    }

    async fn spend(&self, user: &str) -> Result<(), SendError> {
        let who = user.to_lowercase();
        let agent = self.config.agent_id;
        for (limit, most, window) in
            [("m", PER_MINUTE, Duration::from_mins(1)), ("h", PER_HOUR, Duration::from_hours(1))]
        {
            let wait = self.shelf.spend(&format!("app:{agent}:{who}:{limit}"), most, window).await;
            if let Some(retry_after) = wait.map_err(unavailable)? {
                return Err(SendError::Throttled { retry_after });
            }
        }
        Ok(())
    }

    /// Sends a card and keeps what changing it needs. A card that is refused as such becomes text.
    async fn send_card(
        &self,
        user: &str,
        message: &Outgoing,
        task: &str,
        card: &Value,
        instead: Option<&str>,
    ) -> Result<Option<String>, CallError> {
        // Kept first: the button may be pressed before the answer to the send is read.
        let kept = json!({ "users": [user], "card": card }).to_string();
        if let Err(error) = self.keep(vec![(card_key(task), kept)]).await {
            tracing::warn!(%error, "a card could not be kept; it will not change when it is pressed");
        }
        let body = json!({ "msgtype": "template_card", "template_card": card });
        match self.deliver(user, message, &body).await {
            Ok(answer) => {
                self.cards_work(true);
                if let Some(code) = answer.get("response_code").and_then(Value::as_str).filter(|code| !code.is_empty())
                    && let Err(error) = self.keep(vec![(code_key(task), code.to_owned())]).await
                {
                    tracing::warn!(%error, "the code for changing a card could not be kept");
                }
                Ok(Some(task.to_owned()))
            }
            // 43012: no callback in the console; 40058: a fault in the card. Neither may swallow the message.
            Err(CallError::Refused { code: code @ (43012 | 40058), .. }) => {
                if code == 43012 {
                    self.cards_work(false);
                }
                let mut receipt = None;
                for text in instead.map(|text| pieces(text, TEXT_BYTES, Dialect::Plain)).into_iter().flatten() {
                    let body = json!({ "msgtype": "text", "text": { "content": text } });
                    receipt = self.send_message(user, message, &body).await?;
                }
                Ok(receipt)
            }
            Err(error) => Err(error),
        }
    }

    /// That the console knows no callback address is a lasting fault, though every message gets through as text.
    fn cards_work(&self, work: bool) {
        let mut notice = lock(&self.notice);
        let known = notice.as_deref() == Some(advice(43012));
        if known && work {
            *notice = None;
        } else if !work {
            *notice = Some(advice(43012).to_owned());
        }
    }

    async fn send_message(&self, user: &str, message: &Outgoing, body: &Value) -> Result<Option<String>, CallError> {
        let answer = self.deliver(user, message, body).await?;
        Ok(answer.get("msgid").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned))
    }

    /// `message/send` to one person. A lost answer is asked for once more with the very same bytes: the platform swallows
    /// the repeat.
    async fn deliver(&self, user: &str, message: &Outgoing, body: &Value) -> Result<Value, CallError> {
        let mut body = body.clone();
        body["touser"] = json!(user);
        body["agentid"] = json!(self.config.agent_id);
        body["enable_duplicate_check"] = json!(1);
        // Two honest messages with the same words differ in this, two tries of one message do not.
        body["duplicate_check_interval"] = json!(1800 + spread(&message.key));
        let mut outcome = self.call("message/send", &[], Payload::Json(&body)).await;
        if outcome == Err(CallError::Lost) {
            outcome = self.call("message/send", &[], Payload::Json(&body)).await;
        }
        let answer = outcome?;
        for list in ["invaliduser", "unlicenseduser"] {
            let named = answer.get(list).and_then(Value::as_str).unwrap_or_default();
            // The platform answers in lower case whatever it was given.
            if named.split('|').any(|id| id.eq_ignore_ascii_case(user)) {
                let text = format!("{}（{list}）", advice(81013));
                return Err(CallError::Refused { code: 81013, text });
            }
        }
        Ok(answer)
    }

    async fn to_chat(&self, chat: &str, message: &Outgoing) -> Result<Receipt, SendError> {
        let parts = pieces(&plain_text(message), TEXT_BYTES, Dialect::Plain);
        let mut progress = Progress::of(&*self.shelf, "chat", &message.key, (self.now)()).await?;
        for (at, text) in parts.iter().enumerate().skip(progress.done()) {
            let mut given = json!({ "content": text });
            // Those meant are called once, not with every part.
            if at == 0 && !message.mentions.is_empty() {
                given["mentioned_list"] = json!(message.mentions);
            }
            let body = json!({ "chatid": chat, "msgtype": "text", "text": given });
            self.call("appchat/send", &[], Payload::Json(&body)).await.map_err(CallError::into_send)?;
            if parts.len() > 1 {
                progress.one_more().await;
            }
        }
        Ok(Receipt { external_id: None })
    }

    /// Shows a pressed card's new state to everybody who has it. Too late, unknown or changed before: nothing is said, as
    /// the desk says the state in the conversation anyway.
    ///
    /// # Errors
    /// Where a later try can succeed.
    pub async fn update_card(&self, task: &str, message: &Outgoing) -> Result<Receipt, SendError> {
        let nothing = Receipt { external_id: None };
        let Some(kept) = self.shelf.get(&card_key(task)).await.map_err(unavailable)? else { return Ok(nothing) };
        let Ok(mut kept) = serde_json::from_str::<Value>(&kept) else { return Ok(nothing) };
        let Some(code) = self.shelf.take(&code_key(task)).await.map_err(unavailable)? else { return Ok(nothing) };
        let card = updated(&kept["card"], message, task, Lengths::APP);
        let body = json!({
            "userids": kept["users"], "agentid": self.config.agent_id, "response_code": code, "template_card": card,
        });
        match self.call("message/update_template_card", &[], Payload::Json(&body)).await {
            Ok(_) => {
                kept["card"] = card;
                if let Err(error) = self.keep(vec![(card_key(task), kept.to_string())]).await {
                    tracing::warn!(%error, "a card's new state could not be kept");
                }
                Ok(Receipt { external_id: Some(task.to_owned()) })
            }
            Err(error) => {
                let again = match (&error, error.class()) {
                    (_, Some(Class::Throttled)) => SendError::Throttled { retry_after: THROTTLED },
                    (_, Some(Class::Retry | Class::RetryOnce)) | (CallError::Unreachable(_) | CallError::Lost, _) => {
                        SendError::Unreachable(error.to_string())
                    }
                    _ => {
                        tracing::warn!(%error, "a card could not be changed");
                        return Ok(nothing);
                    }
                };
                // Whether a lost call used the code up shows at the next try: then it is refused, and that is all.
                self.keep(vec![(code_key(task), code)]).await.map_err(unavailable)?;
                Err(again)
            }
        }
    }

    /// Takes a message of this application back within 24 h; `msgid` as in the receipt of a text.
    ///
    /// # Errors
    /// The platform's refusal.
    pub async fn recall(&self, msgid: &str) -> Result<(), CallError> {
        self.call("message/recall", &[], Payload::Json(&json!({ "msgid": msgid }))).await.map(|_| ())
    }

    /// Puts things on the shelf for as long as a card lives.
    pub(super) async fn keep(&self, entries: Vec<(String, String)>) -> Result<(), crate::ShelfError> {
        let until = (self.now)().saturating_add(CARD_LIFE).unwrap_or(Timestamp::MAX);
        let entries: Vec<Entry> = entries.into_iter().map(|(key, value)| Entry { key, value, until }).collect();
        self.shelf.put(&entries).await
    }
}

/// 0 to 599, the same for the same key.
fn spread(key: &str) -> u64 {
    u64::from_str_radix(&short_hash(key)[..8], 16).unwrap_or_default() % 600
}
