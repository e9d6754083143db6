//! Who wants no surveys any more: said by the other side in one word, confirmed once. Answers to what somebody asked and
//! everything that is urgent go on (sms.md 3.2).

use serde_json::json;

use super::batch::Batch;
use super::said::Said;
use super::{Desk, DeskError};
use crate::rules::notice::Kind;
use crate::store::TicketKey;

/// Shelf of conversations that want no surveys.
const OUT: &str = "desk:optout";
/// How long that holds without being said again.
const OUT_MS: i64 = 5 * 366 * 24 * 3_600_000;

impl Desk {
    /// Takes in that a conversation wants no surveys, or wants them again. Said twice it is confirmed once.
    pub(super) async fn opted(&self, conversation: &str, out: bool) -> Result<(), DeskError> {
        let mut batch = Batch::begin(self).await?;
        let now = batch.now.as_millisecond();
        let known = batch.write().shelf_of(&[(OUT.to_owned(), conversation.to_owned())], now).await?;
        if known.is_empty() != out {
            return Ok(());
        }
        let until = if out { now + OUT_MS } else { 0 };
        batch.write().shelf_put(&[(OUT.to_owned(), conversation.to_owned(), until, String::new())]).await?;
        batch.caused_by(&format!("optout|{conversation}|{now}"));
        let words = batch.words("status.opted", json!({ "out": out }));
        batch.say(conversation, Said::new(Kind::Status, words));
        batch.finish().await
    }
}

impl Batch<'_> {
    /// Whether the conversation that opened a ticket, the one that is asked for a mark, wants no surveys.
    pub(super) async fn wants_no_survey(&mut self, key: &TicketKey) -> Result<bool, DeskError> {
        let asked = self.ticket(key).and_then(|ticket| ticket.hearers().next().map(str::to_owned));
        let Some(asked) = asked else { return Ok(false) };
        let now = self.now.as_millisecond();
        Ok(!self.write().shelf_of(&[(OUT.to_owned(), asked)], now).await?.is_empty())
    }
}
