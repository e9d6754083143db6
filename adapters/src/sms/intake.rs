//! From a text that came in to what the desk takes; from a report to a message that bounced.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Now;
use super::cmpp::codec::Verdict;
use super::counts::{Counts, count};
use super::text::opt_out::{Keyword, automatic, keyword};
use super::text::{Kind, Number};
use super::watch::Watch;
use crate::sms::time::later;
use crate::{Entry, Event, Inbound, Inbox, InboxError, Shelf, ShelfError};

/// A report may come for two days (sms.md 1.4); a little longer.
const KEPT: std::time::Duration = std::time::Duration::from_hours(72);

/// What all gateways share.
#[derive(Clone)]
pub(crate) struct Ground {
    pub channel: String,
    pub shelf: Arc<dyn Shelf>,
    pub now: Now,
    pub counts: Arc<Counts>,
    pub watch: Arc<Watch>,
}

/// A text as a gateway tells it.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub from: String,
    pub external_id: String,
    pub sent_at: Timestamp,
    pub text: String,
    /// Why the number may not be the writer's.
    pub doubt: Option<&'static str>,
}

/// Why the wire must not be told that something was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    #[error(transparent)]
    Inbox(#[from] InboxError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// What becomes of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    pub verdict: Verdict,
    /// The gateway's own word.
    pub code: &'a str,
    /// Why it failed, for people.
    pub why: &'a str,
}

/// A message of ours, or a part of one, that a report may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub external_id: String,
    pub conversation: String,
    /// Which part, from 1, of how many.
    pub part: (usize, usize),
}

/// Enough of a hash to tell keys apart, in 24 characters of `[0-9a-f]`.
pub(crate) fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..12])
}

/// The id under which a message of ours is known here: made from its key, so that a second try has the same.
pub(crate) fn external_id(key: &str) -> String {
    format!("sms-{}", short_hash(key))
}

/// A text as the desk takes it; `None` where there is nothing to take (no text).
pub(crate) fn inbound(channel: &str, heard: Heard) -> Option<Inbound> {
    let text = heard.text.trim();
    if text.is_empty() {
        return None;
    }
    let number = Number::read(&heard.from);
    let sender = number.as_ref().map_or_else(|| heard.from.trim().to_owned(), |number| number.canonical.clone());
    let machine = match (&number, keyword(text)) {
        (Some(Number { kind: Kind::Service, .. }), _) => Some("服务号码发来的短信"),
        _ if automatic(text) => Some("手机的自动回复"),
        (_, Some(Keyword::OptOut)) => Some("退订短信"),
        (_, Some(Keyword::OptIn)) => Some("恢复接收短信"),
        _ => None,
    };
    Some(Inbound {
        channel: channel.to_owned(),
        conversation: format!("user:{sender}"),
        sender,
        external_id: heard.external_id,
        sent_at: heard.sent_at,
        text: text.to_owned(),
        addressed: true,
        automatic: machine.map(str::to_owned),
        doubt: heard.doubt.map(str::to_owned),
        ..Inbound::default()
    })
}

/// Hands in what a gateway tells.
pub(crate) struct Intake {
    pub ground: Ground,
    pub inbox: Arc<dyn Inbox>,
}

impl Intake {
    /// A text; `Ok` once it is stored or nothing is to be stored.
    pub async fn text(&self, heard: Heard) -> Result<(), NotStored> {
        let counts = &self.ground.counts;
        let Some(inbound) = inbound(&self.ground.channel, heard) else {
            count(&counts.texts_unreadable, 1);
            return Ok(());
        };
        let word = keyword(&inbound.text);
        let out = word == Some(Keyword::OptOut);
        let opted = word.map(|_| Event::OptedOut { conversation: inbound.conversation.clone(), out });
        match self.inbox.accept(&self.ground.channel, Event::Message(Box::new(inbound))).await {
            Ok(()) => {
                if let Some(opted) = opted {
                    self.inbox.accept(&self.ground.channel, opted).await?;
                }
                count(&counts.texts_received, 1);
                count(&counts.opt_outs, u64::from(out));
                Ok(())
            }
            // It never can be: the gateway would repeat it for ever.
            Err(InboxError::Refused(why)) => {
                tracing::warn!(why, "a text cannot be stored and is left");
                count(&counts.texts_unreadable, 1);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is known to have been sent under this id.
    pub async fn sent(&self, id: &str) -> Result<Option<Sent>, ShelfError> {
        let kept = self.ground.shelf.get(&sent_key(id)).await?;
        Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
    }

    /// A report on something sent. The desk is told once that a message did not arrive, however many of its parts fail.
    pub async fn report(&self, sent: &Sent, told: Told<'_>) -> Result<(), NotStored> {
        let Ground { shelf, now, counts, watch, .. } = &self.ground;
        match told.verdict {
            Verdict::Waiting => return Ok(()),
            Verdict::Delivered => {
                count(&counts.reports_delivered, 1);
                return Ok(watch.arrived(&**shelf, sent, (now)()).await?);
            }
            Verdict::Failed | Verdict::Refused => count(&counts.reports_failed, 1),
        }
        let code = if told.code.is_empty() { String::new() } else { format!("（{}）", told.code) };
        self.come_back(sent, told.verdict == Verdict::Refused, format!("短信{}{code}", told.why)).await
    }

    /// No report came in time on an urgent message.
    pub async fn unconfirmed(&self, sent: &Sent) -> Result<(), NotStored> {
        self.come_back(sent, false, "短信在 3 分钟内没有送达回执，可能关机或无信号".to_owned()).await
    }

    async fn come_back(&self, sent: &Sent, permanent: bool, why: String) -> Result<(), NotStored> {
        let Ground { channel, shelf, now, .. } = &self.ground;
        let end = format!("end:{}", sent.external_id);
        if shelf.get(&end).await?.is_some() {
            return Ok(());
        }
        let event = Event::Bounced {
            conversation: sent.conversation.clone(),
            external_id: sent.external_id.clone(),
            permanent,
            why,
        };
        self.inbox.accept(channel, event).await?;
        shelf.put(&[Entry { key: end, value: String::new(), until: later((now)(), KEPT) }]).await?;
        Ok(())
    }
}

fn sent_key(id: &str) -> String {
    if id.len() <= 200 { format!("sent:{id}") } else { format!("sent:{}", short_hash(id)) }
}

impl Ground {
    /// Keeps what a report may be about.
    pub async fn remember(&self, sent: &[(String, Sent)]) -> Result<(), ShelfError> {
        let until = later((self.now)(), KEPT);
        let mut entries = Vec::with_capacity(sent.len());
        for (id, sent) in sent {
            let value = serde_json::to_string(sent).map_err(|error| ShelfError(error.to_string()))?;
            entries.push(Entry { key: sent_key(id), value, until });
        }
        if entries.is_empty() { Ok(()) } else { self.shelf.put(&entries).await }
    }
}
