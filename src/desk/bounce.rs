//! A message that a platform had taken comes back: what it proved is proved no longer, it goes another way if there is
//! one, and an address that takes nothing is not tried first again.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batch::Batch;
use super::failure::after_bounce;
use super::said::Said;
use super::undelivered::undelivered;
use super::{Desk, DeskError};
use crate::rules::directory::Person;
use crate::rules::ticket::{Actor, Event, Fact};
use crate::store::{OutboxRow, OutboxState, Settled, TicketKey};

/// Shelf of what came back before its sending was written down, by conversation and external id.
const EARLY: &str = "desk:bounced";
/// How long that is kept: longer than any send is in doubt.
const EARLY_MS: i64 = 24 * 3_600_000;
/// Shelf of ways on which nothing arrives, by conversation.
const SHUT: &str = "desk:shut";
/// How long such a way is tried last.
const SHUT_MS: i64 = 7 * 24 * 3_600_000;
/// Shelf of passing failures of a way: the instants, newest last.
const SOFT: &str = "desk:soft";
/// So many passing failures within [`SHUT_MS`] count as one for good.
const SOFT_MOST: usize = 5;
/// Longest reason that is kept, in characters.
const WHY: usize = 300;

/// How a message came back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CameBack {
    /// Whether trying that address again is useless.
    pub permanent: bool,
    /// Why, in words for people.
    pub why: String,
}

/// Key under which a message that came back early waits for its sending to be written down.
fn early_key(conversation: &str, external_id: &str) -> String {
    format!("{conversation}|{external_id}")
}

impl Desk {
    /// Takes in that a message came back. A second telling changes nothing; one that comes before the sending was written
    /// down waits for that.
    pub(super) async fn bounced(
        &self,
        conversation: &str,
        external_id: &str,
        mut came_back: CameBack,
    ) -> Result<(), DeskError> {
        came_back.why = came_back.why.chars().filter(|c| !c.is_control()).take(WHY).collect();
        let mut batch = Batch::begin(self).await?;
        let rows = batch.write().outbox_sent_as(conversation, external_id).await?;
        if rows.is_empty() {
            let entry = (
                EARLY.to_owned(),
                early_key(conversation, external_id),
                batch.now.as_millisecond() + EARLY_MS,
                serde_json::to_string(&came_back).unwrap_or_default(),
            );
            batch.write().shelf_put(&[entry]).await?;
            return batch.finish().await;
        }
        let mut told = false;
        for row in rows.into_iter().filter(|row| row.state == OutboxState::Sent) {
            told |= take_back(&mut batch, &row, &came_back).await?;
        }
        if !told {
            return Ok(());
        }
        batch.shut_if_dead(conversation, &came_back).await?;
        batch.finish().await?;
        // Promises that run again may be due sooner than anything the clockwork waits for.
        self.work.notify_one();
        Ok(())
    }
}

/// Takes back one message that counted as sent; false where somebody else has done so meanwhile.
async fn take_back(batch: &mut Batch<'_>, row: &OutboxRow, came_back: &CameBack) -> Result<bool, DeskError> {
    let mut said: Said = match serde_json::from_str(&row.body) {
        Ok(said) => said,
        Err(error) => {
            tracing::error!(outbound.id = %row.id, %error, "a message that came back cannot be read");
            return Ok(false);
        }
    };
    let mut next = Settled {
        id: row.id.clone(),
        state: OutboxState::Failed,
        conversation: row.conversation.clone(),
        send_at_ms: row.send_at_ms,
        attempts: 0,
        taken_at_ms: 0,
        external_id: row.external_id.clone(),
        problem: came_back.why.clone(),
        body: row.body.clone(),
    };
    after_bounce(row, &mut said, batch.now.as_millisecond(), &mut next);
    if batch.write().outbox_take_back(&next).await? == 0 {
        return Ok(false);
    }
    batch.caused_by(&format!("bounce|{}|{}", row.id, row.external_id));
    if next.state == OutboxState::Ready {
        batch.will_send();
    }
    let Some(key) = said.ticket.clone() else { return Ok(true) };
    batch.load(std::slice::from_ref(&key)).await?;
    for proof in &said.proofs {
        let event = Event::Bounced { proof: proof.clone(), cause: came_back.why.clone() };
        // What has been proved by no word that is still known proves nothing to take back.
        let _ = batch.decide(&key, &event, &Actor::desk(), None).await?;
    }
    came_back_from(batch, &key, &said, row, &next, came_back).await?;
    Ok(true)
}

/// The record says where it came back from, and whoever must act hears of it if there is no other way.
pub(super) async fn came_back_from(
    batch: &mut Batch<'_>,
    key: &TicketKey,
    said: &Said,
    row: &OutboxRow,
    next: &Settled,
    came_back: &CameBack,
) -> Result<(), DeskError> {
    if next.state == OutboxState::Failed {
        return undelivered(batch, key, said, &row.conversation, &came_back.why, true).await;
    }
    let fact = Fact {
        kind: "came_back",
        by: Actor::desk(),
        at: batch.now,
        text: came_back.why.clone(),
        data: json!({ "to": row.conversation, "next": next.conversation, "kinds": said.kinds }),
    };
    batch.record(&key.contract, key.number, &fact).await?;
    Ok(())
}

impl Batch<'_> {
    /// What had come back before its sending was written down, for these pairs of conversation and external id.
    pub(super) async fn early_bounces(
        &mut self,
        sent: &[(String, String)],
    ) -> Result<Vec<(String, CameBack)>, DeskError> {
        if sent.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = sent.iter().map(|(at, id)| (EARLY.to_owned(), early_key(at, id))).collect();
        let now = self.now.as_millisecond();
        let found = self.write().shelf_of(&keys, now).await?;
        Ok(found.into_iter().filter_map(|(key, value)| Some((key, serde_json::from_str(&value).ok()?))).collect())
    }

    /// The entry of [`Self::early_bounces`] that is about this message, if there is one.
    pub(super) fn early<'b>(
        found: &'b [(String, CameBack)],
        conversation: &str,
        external_id: &str,
    ) -> Option<&'b CameBack> {
        let key = early_key(conversation, external_id);
        found.iter().find(|(known, _)| *known == key).map(|(_, came_back)| came_back)
    }

    /// Notes that nothing arrives at a person's account: at once where the failure is for good, else after several within a
    /// week. Other conversations have no second way that could be tried first.
    pub(super) async fn shut_if_dead(&mut self, conversation: &str, came_back: &CameBack) -> Result<(), DeskError> {
        if self.person_at(conversation).is_none() {
            return Ok(());
        }
        let now = self.now.as_millisecond();
        let (mut dead, mut rows) = (came_back.permanent, Vec::new());
        if !dead {
            let known = self.write().shelf_of(&[(SOFT.to_owned(), conversation.to_owned())], now).await?;
            let mut instants: Vec<i64> =
                known.first().and_then(|(_, value)| serde_json::from_str(value).ok()).unwrap_or_default();
            instants.retain(|at| now - at < SHUT_MS);
            instants.push(now);
            dead = instants.len() >= SOFT_MOST;
            let value = serde_json::to_string(&instants).unwrap_or_default();
            rows.push((SOFT.to_owned(), conversation.to_owned(), if dead { 0 } else { now + SHUT_MS }, value));
        }
        if dead {
            rows.push((SHUT.to_owned(), conversation.to_owned(), now + SHUT_MS, came_back.why.clone()));
            if let Some(shut) = &mut self.shut {
                shut.insert(conversation.to_owned());
            }
        }
        self.write().shelf_put(&rows).await?;
        Ok(())
    }

    /// A person has written from a way on which nothing arrived: it is as good as any again.
    pub(super) async fn open_again(&mut self, conversation: &str) -> Result<(), DeskError> {
        self.load_shut().await?;
        let Some(shut) = &mut self.shut else { return Ok(()) };
        if shut.remove(conversation) {
            let gone = |shelf: &str| (shelf.to_owned(), conversation.to_owned(), 0, String::new());
            self.write().shelf_put(&[gone(SHUT), gone(SOFT)]).await?;
        }
        Ok(())
    }

    /// Reads which ways are shut, once for the whole batch.
    pub(super) async fn load_shut(&mut self) -> Result<(), DeskError> {
        if self.shut.is_none() {
            let now = self.now.as_millisecond();
            self.shut = Some(self.write().shelf_keys(SHUT, now).await?.into_iter().collect());
        }
        Ok(())
    }

    /// The ways of a person in the order of trying: those on which nothing arrives come last.
    pub(super) fn ways_of(&self, person: &Person) -> Vec<String> {
        let mut ways = person.ways(&|channel| self.desk.has_channel(channel));
        if let Some(shut) = &self.shut {
            ways.sort_by_key(|way| shut.contains(way));
        }
        ways
    }

    /// Whose private conversation this is.
    fn person_at(&self, conversation: &str) -> Option<&Person> {
        let (channel, rest) = conversation.split_once(':')?;
        self.library.directory.by_account(channel, rest.strip_prefix("user:")?)
    }
}
