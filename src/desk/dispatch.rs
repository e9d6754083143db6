//! The outbox at work: each message is handed to its channel, in order within a conversation, retried with back-off, moved
//! to the next way where somebody has to be woken, and never silently lost.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::{Channel, Receipt, Retry, SendError};

use super::batch::Batch;
use super::bounce::{CameBack, came_back_from};
use super::contact::{Waiting, waits};
use super::failure::{after_bounce, after_failure, nobody_can_tell};
use super::said::Said;
use super::undelivered::undelivered;
use super::{Desk, DeskError};
use crate::clock::Clock;
use crate::rules::notice::Kind;
use crate::rules::ticket::{Actor, Event};
use crate::store::{Engine, OutboxRow, OutboxState, Settled, TicketKey};

/// Most messages taken at once.
const MOST: usize = 128;
/// How long a claim holds: longer than any channel's own time-out.
const CLAIM_MS: i64 = 180_000;
/// After a send without an answer: when the platform is asked.
pub const RECHECK_MS: i64 = 20_000;
/// A lane is left after this share of its claim, so that nobody else takes over what it is still sending.
const LANE_MS: i64 = CLAIM_MS / 3;

/// What a try came to.
#[derive(Clone)]
enum Came {
    Taken(Receipt),
    NotThere,
    /// Not tried: something before it is stuck, or the lane's time is up.
    Untried,
    Failed(SendError),
    /// In doubt a second time, on a platform that cannot be asked.
    Lost,
}

/// The messages of one conversation.
struct Lane {
    /// The channel they go over; `None` where none is configured.
    channel: Option<Arc<dyn Channel>>,
    rows: Vec<OutboxRow>,
    /// The platform's ids that already stand for other messages here; only filled where something is looked for.
    taken: HashSet<String>,
    /// Stands behind what is said once more because nobody can look whether it arrived; filled as `taken` is.
    again: String,
    /// What waited for the other side to speak, as one message; only where there is more than one such row.
    digest: String,
}

/// One try, with everything that is needed to settle it.
struct Tried {
    row: OutboxRow,
    said: Said,
    result: Came,
}

impl Desk {
    /// Sends all that is due now and settles it. Answers how many messages were dealt with, and when the next is due.
    pub async fn dispatch(self: &Arc<Self>) -> Result<super::Tick, DeskError> {
        let mut done = 0;
        loop {
            let claimed = self.claim().await?;
            if claimed.is_empty() {
                break;
            }
            // Side by side, but begun in the order of the decisions: a rehearsal says the same each time.
            let lanes = self.lanes(claimed).await?.into_iter().map(|lane| send_lane(lane, self.clock.clone()));
            let tried: Vec<Tried> = futures_util::future::join_all(lanes).await.into_iter().flatten().collect();
            done += tried.len();
            self.settle(tried).await?;
        }
        let next = self.store.next_outgoing(&self.away()).await?.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(super::Tick { done, next })
    }

    /// Channels over which another instance sends now.
    fn away(&self) -> Vec<String> {
        self.channels.values().filter(|channel| !channel.sends_here()).map(|channel| channel.id().to_owned()).collect()
    }

    async fn claim(&self) -> Result<Vec<OutboxRow>, DeskError> {
        let now = self.now().as_millisecond();
        let away = self.away();
        // A look costs one read; a claim costs a transaction.
        if self.store.next_outgoing(&away).await?.is_none_or(|next| next > now) {
            return Ok(Vec::new());
        }
        let mut write = self.store.write().await?;
        let rows = write.outbox_claim(&self.holder, now + CLAIM_MS, now, MOST, &away).await?;
        if rows.is_empty() {
            return Ok(rows);
        }
        write.commit().await?;
        Ok(rows)
    }

    /// One lane a conversation, in the order of their first messages: within a lane in order, and after a failure the rest
    /// waits.
    async fn lanes(&self, rows: Vec<OutboxRow>) -> Result<Vec<Lane>, DeskError> {
        let mut lanes: Vec<Lane> = Vec::new();
        for row in rows {
            if let Some(lane) = lanes.iter_mut().find(|lane| lane.rows[0].conversation == row.conversation) {
                lane.rows.push(row);
                continue;
            }
            let channel = row.conversation.split_once(':').and_then(|(id, _)| self.channels.get(id)).cloned();
            let (taken, again, digest) = (HashSet::new(), String::new(), String::new());
            lanes.push(Lane { channel, rows: vec![row], taken, again, digest });
        }
        for lane in &mut lanes {
            lane.digest = self.digest(&lane.rows);
            // Words said twice look alike on the platform: one that another row stands for is not the one looked for.
            let looked_for = lane.rows.iter().filter(|row| row.state == OutboxState::Looking);
            if let Some(since) = looked_for.map(|row| row.created_at_ms).min() {
                lane.taken.extend(self.store.outbox_taken(&lane.rows[0].conversation, since).await?);
                lane.again = self.wording.say("outbox.again", json!({}));
            }
        }
        Ok(lanes)
    }

    /// Writes what became of tries, and what their delivery proves, in one transaction.
    async fn settle(&self, tried: Vec<Tried>) -> Result<(), DeskError> {
        let mut batch = Batch::begin(self).await?;
        let now = batch.now.as_millisecond();
        let mut settled = Vec::with_capacity(tried.len());
        let mut proofs: Vec<(TicketKey, Said, String)> = Vec::new();
        let mut lost: Vec<(TicketKey, Said, OutboxRow, String)> = Vec::new();
        let mut back: Vec<(Said, OutboxRow, Settled, CameBack)> = Vec::new();
        let early = batch.early_bounces(&sent_as(&tried)).await?;
        let mut waiting: Vec<Waiting> = Vec::new();
        let directory = self.directory();
        for Tried { row, mut said, result } in tried {
            let mut next = Settled {
                id: row.id.clone(),
                state: OutboxState::Sent,
                conversation: row.conversation.clone(),
                send_at_ms: row.send_at_ms,
                attempts: row.attempts + 1,
                taken_at_ms: 0,
                external_id: row.external_id.clone(),
                problem: String::new(),
                body: row.body.clone(),
            };
            match result {
                Came::Taken(receipt) => {
                    next.taken_at_ms = now;
                    next.external_id = receipt.external_id.unwrap_or_default();
                    if let Some(came_back) = Batch::early(&early, &row.conversation, &next.external_id) {
                        next.problem.clone_from(&came_back.why);
                        after_bounce(&row, &mut said, now, &mut next);
                        back.push((said, row, next.clone(), came_back.clone()));
                    } else if let Some(key) = said.ticket.clone().filter(|_| !said.proofs.is_empty()) {
                        proofs.push((key, said, row.id.clone()));
                    }
                }
                Came::NotThere => {
                    // Looked for and surely not there: once more, from the beginning.
                    next.state = OutboxState::Ready;
                    next.send_at_ms = now;
                }
                Came::Untried => {
                    let looked = row.state == OutboxState::Looking;
                    next.state = if looked { OutboxState::Perhaps } else { OutboxState::Ready };
                    next.attempts = row.attempts;
                }
                failed @ (Came::Failed(_) | Came::Lost) => {
                    if let Came::Failed(error) = failed {
                        next.problem = error.to_string();
                        let also: Vec<String> = directory
                            .also(&row.conversation)
                            .iter()
                            .filter(|name| self.serves(name))
                            .cloned()
                            .collect();
                        after_failure(&row, &mut said, &error, &also, now, &mut next);
                        waiting.extend(Waiting::of(&row, &said, &error, &next));
                        if said.waited.as_ref().is_some_and(|waited| waited.digest.is_some()) {
                            next.body = serde_json::to_string(&said).unwrap_or(next.body);
                        }
                    } else {
                        nobody_can_tell(&row, &mut said, now, &mut next);
                    }
                    if next.state == OutboxState::Failed
                        && let Some(key) = said.ticket.clone()
                    {
                        lost.push((key, said, row.clone(), next.problem.clone()));
                    }
                }
            }
            settled.push(next);
        }
        batch.write().outbox_settle(&settled).await?;
        let keys: Vec<TicketKey> = proofs
            .iter()
            .map(|(key, ..)| key.clone())
            .chain(lost.iter().map(|(key, ..)| key.clone()))
            .chain(back.iter().filter_map(|(said, ..)| said.ticket.clone()))
            .collect();
        batch.load(&keys).await?;
        for (key, said, id) in proofs {
            batch.caused_by(&format!("taken|{id}|{now}"));
            let other_way = said.way > 0;
            for proof in said.proofs {
                // A proof for a ticket that is over proves nothing any more, and harms nothing.
                let _ = batch.decide(&key, &Event::Delivered { proof, other_way }, &Actor::desk(), None).await?;
            }
        }
        for (key, said, row, problem) in lost {
            batch.caused_by(&format!("lost|{}", row.id));
            undelivered(&mut batch, &key, &said, &row.conversation, &problem, false).await?;
        }
        for (said, row, next, came_back) in back {
            batch.caused_by(&format!("bounce|{}|{now}", row.id));
            batch.shut_if_dead(&row.conversation, &came_back).await?;
            if let Some(key) = &said.ticket {
                came_back_from(&mut batch, key, &said, &row, &next, &came_back).await?;
            }
        }
        for wait in waiting {
            wait.tell(&mut batch).await?;
        }
        batch.finish().await
    }

    /// Whether the channel of a conversation (full name) is there.
    fn serves(&self, conversation: &str) -> bool {
        conversation.split_once(':').is_some_and(|(id, _)| self.has_channel(id))
    }

    /// Runs the outbox until `stop`.
    pub async fn run_outbox(self: &Arc<Self>, stop: CancellationToken) {
        let mut lanes: JoinSet<Vec<Tried>> = JoinSet::new();
        let mut wait_ms: i64 = 200;
        loop {
            let nap = match self.turn(&mut lanes).await {
                Ok(nap) => {
                    wait_ms = 200;
                    nap
                }
                Err(error) => {
                    tracing::error!(%error, retry_in_ms = wait_ms, "the outbox could not run");
                    wait_ms = (wait_ms * 2).min(10_000);
                    wait_ms
                }
            };
            let nap = std::time::Duration::from_millis(u64::try_from(nap).unwrap_or(0));
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.mail.notified() => {}
                Some(first) = lanes.join_next(), if !lanes.is_empty() => {
                    let mut tried = first.unwrap_or_default();
                    // What has finished meanwhile is settled with the same commit.
                    while let Some(more) = lanes.try_join_next() {
                        tried.extend(more.unwrap_or_default());
                    }
                    if let Err(error) = self.settle(tried).await {
                        // The rows stay claimed: when the claim runs out they are looked for before being sent again.
                        tracing::error!(%error, "what was sent could not be written down");
                    }
                }
                () = tokio::time::sleep(nap) => {}
            }
        }
        // What is under way is brought to its end, so that nothing has to be looked for after a clean stop.
        while let Some(lane) = lanes.join_next().await {
            if let Err(error) = self.settle(lane.unwrap_or_default()).await {
                tracing::error!(%error, "what was sent could not be written down");
            }
        }
    }

    async fn turn(self: &Arc<Self>, lanes: &mut JoinSet<Vec<Tried>>) -> Result<i64, DeskError> {
        let rows = self.claim().await?;
        if !rows.is_empty() {
            for lane in self.lanes(rows).await? {
                // A lane that panics leaves its rows claimed; they are looked for when the claim runs out.
                lanes.spawn(send_lane(lane, self.clock.clone()));
            }
            return Ok(0);
        }
        let now = self.now().as_millisecond();
        let away = self.away();
        let next = self.store.next_outgoing(&away).await?;
        let most = match self.store.engine() {
            Engine::Sqlite if away.is_empty() => 60_000,
            // Other instances write into the same outbox and cannot ring here, nor does a channel that comes over.
            Engine::Sqlite | Engine::Postgres => 2_000,
        };
        Ok(next.map_or(most, |next| (next - now).clamp(if lanes.is_empty() { 1 } else { 50 }, most)))
    }
}

/// Conversation and platform's id of what was taken.
fn sent_as(tried: &[Tried]) -> Vec<(String, String)> {
    let pair = |tried: &Tried| match &tried.result {
        Came::Taken(Receipt { external_id: Some(id) }) => Some((tried.row.conversation.clone(), id.clone())),
        _ => None,
    };
    tried.iter().filter_map(pair).collect()
}

async fn send_lane(lane: Lane, clock: Arc<dyn Clock>) -> Vec<Tried> {
    let Lane { channel, rows, mut taken, again, digest } = lane;
    let until = clock.now().as_millisecond() + LANE_MS;
    let mut tried = Vec::with_capacity(rows.len());
    let mut stuck = false;
    let mut together: Option<(Came, String)> = None;
    for row in rows {
        let mut said: Said = match serde_json::from_str(&row.body) {
            Ok(said) => said,
            Err(error) => {
                tracing::error!(outbound.id = %row.id, %error, "an outgoing message cannot be read");
                let result = Came::Failed(SendError::Refused { code: 0, text: "消息内容无法读取".to_owned() });
                let said = Said::new(Kind::Status, String::new());
                tried.push(Tried { row, said, result });
                continue;
            }
        };
        stuck = stuck || clock.now().as_millisecond() > until;
        let joins = !digest.is_empty() && waits(&row, &said);
        let result = match (&channel, &together) {
            // It was said together with the first of those that waited.
            (_, Some((came, first))) if joins => {
                said.said_together(first, &digest, matches!(came, Came::Failed(SendError::Perhaps)));
                came.clone()
            }
            // What has other ways is tried all the same: an escalation waits behind nothing.
            _ if stuck && said.ways.len() < 2 => Came::Untried,
            (None, _) => {
                Came::Failed(SendError::Refused { code: 0, text: "没有这个渠道，请检查配置".to_owned() })
            }
            (Some(channel), _) if joins => {
                let mut outgoing = said.outgoing(&row.key, bare(&row.conversation));
                outgoing.text.clone_from(&digest);
                outgoing.actions.clear();
                let came = match channel.send(&outgoing).await {
                    Ok(receipt) => Came::Taken(receipt),
                    Err(error) => Came::Failed(error),
                };
                said.said_together(&row.key, &digest, matches!(came, Came::Failed(SendError::Perhaps)));
                together = Some((came.clone(), row.key.clone()));
                came
            }
            (Some(channel), _) => hand_over(channel.as_ref(), &row, &said, &taken, &again).await,
        };
        if let Came::Taken(Receipt { external_id: Some(id) }) = &result {
            taken.insert(id.clone());
        }
        // What waits for a contact holds up nothing.
        let holds_up = |error: &SendError| !matches!(error.retry(), Retry::Never | Retry::Contact);
        stuck = stuck || matches!(&result, Came::Failed(error) if holds_up(error));
        tried.push(Tried { row, said, result });
    }
    tried
}

/// A conversation without its channel.
fn bare(conversation: &str) -> &str {
    conversation.split_once(':').map_or("", |(_, rest)| rest)
}

async fn hand_over(channel: &dyn Channel, row: &OutboxRow, said: &Said, taken: &HashSet<String>, again: &str) -> Came {
    let mut outgoing = said.outgoing(&row.key, bare(&row.conversation));
    if let Some(waited) = &said.waited {
        if let Some((key, text)) = &waited.digest {
            // What is looked for is the one message it was said in.
            (outgoing.key, outgoing.text) = (key.clone(), text.clone());
            outgoing.actions.clear();
        }
        if said.way > 0 && said.person.is_none() {
            // Another conversation knows neither the people nor the messages of its own.
            (outgoing.mentions, outgoing.reply_to, outgoing.reply_account) = (Vec::new(), None, None);
        }
    }
    if row.state == OutboxState::Looking && !channel.capabilities().can_look_back {
        // Better twice, and marked so, than perhaps never. Once: what is in doubt again is for a person to settle.
        outgoing.text.push_str(again);
        return match channel.send(&outgoing).await {
            Ok(receipt) => Came::Taken(receipt),
            Err(SendError::Perhaps) => Came::Lost,
            Err(error) => Came::Failed(error),
        };
    }
    if row.state == OutboxState::Looking {
        let since = Timestamp::from_millisecond(row.created_at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        return match channel.find(&outgoing, since, taken).await {
            Ok(Some(receipt)) => Came::Taken(receipt),
            Ok(None) => Came::NotThere,
            // It cannot be asked now: still perhaps.
            Err(_) => Came::Failed(SendError::Perhaps),
        };
    }
    match channel.send(&outgoing).await {
        Ok(receipt) => Came::Taken(receipt),
        Err(error) => Came::Failed(error),
    }
}
