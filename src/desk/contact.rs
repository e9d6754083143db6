//! Conversations that can only be answered: what waited there is said as one message at the next contact, and until then the
//! engineers and whoever asks see that it waits.

use serde_json::json;
use zhishou_adapters::{Retry, SendError};

use super::batch::Batch;
use super::said::Said;
use super::{Desk, DeskError};
use crate::rules::notice::Kind;
use crate::store::{OutboxRow, OutboxState, Settled, TicketKey};

/// How long an engineers' conversation is not told again that the messages of a ticket wait, in hours.
const TOLD_HOURS: i64 = 24 * 30;

/// Whether a message waited for its conversation to be heard from, and is to be said there now.
pub(super) fn waits(row: &OutboxRow, said: &Said) -> bool {
    row.state == OutboxState::Sending && said.waited.is_some() && said.way == 0 && said.person.is_none()
}

/// A message that could not be said because nobody had spoken.
pub(super) struct Waiting {
    key: TicketKey,
    conversation: String,
    /// The other conversation it was moved to.
    other: Option<String>,
}

impl Waiting {
    /// What a try that failed says about that; `None` where it failed for another reason, or is about no ticket.
    pub(super) fn of(row: &OutboxRow, said: &Said, error: &SendError, next: &Settled) -> Option<Self> {
        if error.retry() != Retry::Contact || next.state != OutboxState::Ready || said.person.is_some() {
            return None;
        }
        let other = Some(next.conversation.clone()).filter(|other| *other != row.conversation);
        Some(Self { key: said.ticket.clone()?, conversation: row.conversation.clone(), other })
    }

    /// Tells the engineers, once a ticket.
    pub(super) async fn tell(self, batch: &mut Batch<'_>) -> Result<(), DeskError> {
        let engineers = batch.engineers_conversations(&self.key.contract);
        if engineers.contains(&self.conversation)
            || !batch.once(&format!("awaits|{}", self.key.text()), TOLD_HOURS).await?
        {
            return Ok(());
        }
        batch.caused_by(&format!("awaits|{}", self.key.text()));
        for conversation in engineers {
            let words = batch.words(
                "status.awaits",
                json!({ "no": format!("#{}", self.key.number), "to": self.conversation, "other": self.other }),
            );
            let mut notice = Said::new(Kind::Status, words);
            notice.ticket = Some(self.key.clone());
            batch.say(&conversation, notice);
        }
        Ok(())
    }
}

impl Desk {
    /// What waited in a lane, as one text: what was said when. Empty where no more than one message did.
    pub(super) fn digest(&self, rows: &[OutboxRow]) -> String {
        let waited = rows.iter().filter_map(|row| {
            let said: Said = serde_json::from_str(&row.body).ok()?;
            waits(row, &said).then(|| json!({ "when": self.clock_time(row.created_at_ms, &said), "text": said.text() }))
        });
        let parts: Vec<_> = waited.collect();
        if parts.len() < 2 { String::new() } else { self.wording.say("outbox.digest", json!({ "parts": parts })) }
    }

    /// `10:05`, or `3月2日 10:05` of another day, by the clock of the message's contract.
    fn clock_time(&self, at_ms: i64, said: &Said) -> String {
        let Ok(at) = jiff::Timestamp::from_millisecond(at_ms) else { return String::new() };
        let terms = said.ticket.as_ref().and_then(|key| self.contracts.get(&key.contract));
        let Some(terms) = terms.or_else(|| self.contracts.values().next()) else { return String::new() };
        let (at, now) = (terms.terms.zoned(at), terms.terms.zoned(self.now()));
        let clock = at.strftime("%H:%M").to_string();
        if at.date() == now.date() { clock } else { format!("{}月{}日 {clock}", at.month(), at.day()) }
    }
}

impl Batch<'_> {
    /// What people do not see yet of what was said about a ticket, in words; `None` where all of it is out.
    pub(super) async fn unseen(&mut self, key: &TicketKey) -> Result<Option<String>, DeskError> {
        let rows = self.write().outbox_about(&key.text()).await?;
        let waiting = rows.iter().filter(|row| {
            let waited =
                || serde_json::from_str::<Said>(&row.body).is_ok_and(|said| said.waited.is_some() && said.way == 0);
            row.state == OutboxState::Ready && waited()
        });
        let waiting = waiting.count();
        let audits = rows.iter().filter(|row| row.state == OutboxState::Sent).filter_map(|row| {
            let channel = self.desk.channels.get(row.conversation.split_once(':')?.0)?;
            channel.awaits(&row.external_id)
        });
        let mut told: Vec<String> = Vec::new();
        if waiting > 0 {
            told.push(format!("有 {waiting} 条消息在等待窗口（对方再次发言后合并送达）"));
        }
        for audit in audits {
            let line = format!("有消息{audit}");
            if !told.contains(&line) {
                told.push(line);
            }
        }
        Ok(if told.is_empty() { None } else { Some(told.join("；")) })
    }
}
