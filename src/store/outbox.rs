//! What the desk says: written in the transaction that decided it, sent after, in order within a conversation.
//!
//! A row goes `ready` → `sending` → `sent`; or back to `ready` with a later time, or to `perhaps` (handed over, no answer)
//! → `looking` (the platform is asked), or to `failed`, where it stays visible. A `sending` row whose holder died is
//! looked for before it is sent again.

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, number_at, text_at};

statements! {
    /// Queues messages; a known key changes nothing.
    ADD = "INSERT INTO outbox (id, key, conversation, ticket, kind, merge_key, created_at_ms, send_at_ms, body, free)
           SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5,
                  CAST(r.value ->> 6 AS BIGINT), CAST(r.value ->> 7 AS BIGINT), r.value ->> 8,
                  CAST(r.value ->> 9 AS BIGINT) FROM" rows
          "WHERE true ON CONFLICT (key) DO NOTHING";
    /// Messages that wait to be joined by others.
    MERGEABLE = "SELECT o.id, o.key, o.conversation, o.ticket, o.kind, o.merge_key, o.state, o.created_at_ms, o.send_at_ms,
                        o.attempts, o.external_id, o.body
                   FROM outbox AS o JOIN" rows
                "ON o.merge_key = r.value ->> 0
                  WHERE o.state = 'ready' AND o.merge_key <> '' AND o.attempts = 0 AND o.send_at_ms > $2 AND o.problem = ''";
    /// Joins another change to a waiting message.
    REWRITE = "UPDATE outbox SET kind = d.a, body = d.b
                 FROM (SELECT r.value ->> 0 AS id, r.value ->> 1 AS a, r.value ->> 2 AS b FROM" rows
              ") AS d WHERE outbox.id = d.id AND outbox.state = 'ready'";
    /// Takes messages that are due. A lane waits behind a message that is being retried or looked for. What begins with one
    /// of the given rows is left to another instance.
    CLAIM = "UPDATE outbox SET state = CASE WHEN state = 'ready' THEN 'sending' ELSE 'looking' END,
                               claimed_by = $2, claimed_until_ms = $3
              WHERE id IN (
                    SELECT o.id FROM outbox AS o
                     WHERE o.state IN ('ready', 'sending', 'perhaps', 'looking') AND o.send_at_ms <= $4
                       AND (o.state IN ('ready', 'perhaps') OR o.claimed_until_ms <= $4)
                       AND (o.free = 1 OR NOT EXISTS (
                           SELECT 1 FROM outbox AS e
                            WHERE e.conversation = o.conversation AND e.id < o.id
                              AND e.state IN ('ready', 'sending', 'perhaps', 'looking')
                              AND (e.state <> 'ready' OR e.attempts > 0)))
                       AND NOT EXISTS (SELECT 1 FROM" rows
                    "WHERE substr(o.conversation, 1, length(r.value ->> 0)) = r.value ->> 0)
                     ORDER BY o.send_at_ms, o.id LIMIT $5" locked ")
             RETURNING id, key, conversation, ticket, kind, merge_key, state, created_at_ms, send_at_ms, attempts,
                       external_id, body";
    /// Writes what became of taken messages.
    SETTLE = "UPDATE outbox SET state = d.a, conversation = d.b, send_at_ms = d.c, attempts = d.e, taken_at_ms = d.f,
                                external_id = d.g, problem = d.h, body = d.i, claimed_by = '', claimed_until_ms = 0
                FROM (SELECT r.value ->> 0 AS id, r.value ->> 1 AS a, r.value ->> 2 AS b, CAST(r.value ->> 3 AS BIGINT) AS c,
                             CAST(r.value ->> 4 AS BIGINT) AS e, CAST(r.value ->> 5 AS BIGINT) AS f, r.value ->> 6 AS g,
                             r.value ->> 7 AS h, r.value ->> 8 AS i FROM" rows
             ") AS d WHERE outbox.id = d.id AND outbox.state IN ('sending', 'looking')";
    /// Forgets the claims of a process that is no more.
    RELEASE = "UPDATE outbox SET claimed_until_ms = 1 WHERE claimed_until_ms > 0 AND claimed_until_ms > 1";
    /// Lets out at once what was held back in a conversation.
    HASTEN = "UPDATE outbox SET send_at_ms = $2 WHERE conversation = $1 AND send_at_ms > $2 AND problem <> ''
                 AND state IN ('ready', 'sending', 'perhaps', 'looking') AND state = 'ready'";
    /// When the next message is due that no other of its lane holds up, and that is not left to another instance.
    NEXT = "SELECT o.send_at_ms FROM outbox AS o
             WHERE o.state IN ('ready', 'sending', 'perhaps', 'looking') AND o.state IN ('ready', 'perhaps')
               AND (o.free = 1 OR NOT EXISTS (
                   SELECT 1 FROM outbox AS e
                    WHERE e.conversation = o.conversation AND e.id < o.id
                      AND e.state IN ('ready', 'sending', 'perhaps', 'looking')
                      AND (e.state <> 'ready' OR e.attempts > 0)))
               AND NOT EXISTS (SELECT 1 FROM" rows
            "WHERE substr(o.conversation, 1, length(r.value ->> 0)) = r.value ->> 0)
             ORDER BY o.send_at_ms, o.id LIMIT 1";
    /// When the first claim runs out, of what is not left to another instance.
    HELD = "SELECT o.claimed_until_ms FROM outbox AS o
             WHERE o.claimed_until_ms > 0
               AND NOT EXISTS (SELECT 1 FROM" rows
            "WHERE substr(o.conversation, 1, length(r.value ->> 0)) = r.value ->> 0)
             ORDER BY o.claimed_until_ms LIMIT 1";
    /// Messages of ours that somebody quotes.
    QUOTED = "SELECT o.conversation, o.external_id, o.ticket, o.kind, o.body FROM outbox AS o JOIN" rows
             "ON o.conversation = r.value ->> 0 AND o.external_id = r.value ->> 1 WHERE o.external_id <> ''";
    /// Messages of a conversation, among the last of all, for which no platform has told an id.
    WITHOUT_ID = "SELECT key, ticket, body FROM (SELECT id, key, conversation, ticket, external_id, body FROM outbox
                                                  ORDER BY id DESC LIMIT 5000) AS o
                   WHERE o.conversation = $1 AND o.external_id = '' AND o.ticket <> '' ORDER BY o.id DESC";
    /// Platform ids that stand for messages taken in a conversation since an instant, newest first.
    TAKEN = "SELECT external_id FROM outbox
              WHERE conversation = $1 AND external_id <> '' AND taken_at_ms >= $2
              ORDER BY taken_at_ms DESC LIMIT 1000";
    /// What was said about a ticket.
    SAID_OF = "SELECT id, key, conversation, ticket, kind, merge_key, state, created_at_ms, send_at_ms, attempts, external_id, body
                 FROM outbox WHERE ticket = $1 AND ticket <> '' ORDER BY id LIMIT 1000";
    /// How many wait and how many failed.
    COUNTS = "SELECT (SELECT count(*) FROM outbox WHERE state IN ('ready', 'sending', 'perhaps', 'looking')),
                     (SELECT count(*) FROM outbox WHERE state = 'failed')";
    /// Failed messages, newest first.
    FAILED = "SELECT id, key, conversation, ticket, kind, merge_key, state, created_at_ms, send_at_ms, attempts, external_id, body
                FROM outbox WHERE state = 'failed' ORDER BY id DESC LIMIT $1";
    /// What was said last, newest first; `send_at_ms` stands for when it was taken.
    LATEST = "SELECT id, key, conversation, ticket, kind, merge_key, state, created_at_ms, taken_at_ms, attempts, external_id, body
                FROM outbox WHERE state = 'sent' ORDER BY id DESC LIMIT $1";
}

/// Where an outgoing message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxState {
    /// Waits for its time.
    Ready,
    /// Being handed over.
    Sending,
    /// Handed over without an answer; the platform will be asked.
    Perhaps,
    /// The platform is being asked.
    Looking,
    /// Taken by the channel.
    Sent,
    /// Not deliverable; visible until somebody deals with it.
    Failed,
}

impl OutboxState {
    /// The name in the database.
    pub fn id(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Sending => "sending",
            Self::Perhaps => "perhaps",
            Self::Looking => "looking",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "sending" => Self::Sending,
            "perhaps" => Self::Perhaps,
            "looking" => Self::Looking,
            "sent" => Self::Sent,
            "failed" => Self::Failed,
            _ => Self::Ready,
        }
    }
}

/// A message to be said.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Our id; the order within a conversation.
    pub id: String,
    /// Unique key: what it is a consequence of.
    pub key: String,
    /// Full name of the conversation.
    pub conversation: String,
    /// `contract#number`, where it is about a ticket.
    pub ticket: String,
    /// Kind.
    pub kind: String,
    /// Conversation and ticket whose changes become one message; empty where it stands alone.
    pub merge_key: String,
    /// State.
    pub state: OutboxState,
    /// When it was decided.
    pub created_at_ms: i64,
    /// When it may be sent.
    pub send_at_ms: i64,
    /// Tries so far.
    pub attempts: i64,
    /// 1 where it has other ways to go and waits behind nothing; as it was queued, 0 when read back.
    pub free: i64,
    /// The platform's id, once taken.
    pub external_id: String,
    /// The message as JSON.
    pub body: String,
}

/// What became of a taken message.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Row.
    pub id: String,
    /// New state.
    pub state: OutboxState,
    /// Conversation, changed where another way is tried.
    pub conversation: String,
    /// When to try or look again.
    pub send_at_ms: i64,
    /// Tries so far.
    pub attempts: i64,
    /// When the channel took it; 0 if it has not.
    pub taken_at_ms: i64,
    /// The platform's id.
    pub external_id: String,
    /// Why it failed, for people.
    pub problem: String,
    /// The message as JSON, changed where another way is tried.
    pub body: String,
}

/// How the conversations of these channels begin, as rows.
fn lanes_of(channels: &[String]) -> String {
    json_rows(&channels.iter().map(|channel| [format!("{channel}:")]).collect::<Vec<_>>())
}

pub(super) fn outbox_row(row: &sqlx::any::AnyRow) -> OutboxRow {
    OutboxRow {
        id: text_at(row, 0),
        key: text_at(row, 1),
        conversation: text_at(row, 2),
        ticket: text_at(row, 3),
        kind: text_at(row, 4),
        merge_key: text_at(row, 5),
        state: OutboxState::parse(&text_at(row, 6)),
        created_at_ms: number_at(row, 7),
        send_at_ms: number_at(row, 8),
        attempts: number_at(row, 9),
        free: 0,
        external_id: text_at(row, 10),
        body: text_at(row, 11),
    }
}

impl Write {
    /// Queues messages; one whose key is known is left as it is.
    pub async fn outbox_add(&mut self, messages: &[OutboxRow]) -> Result<u64, StoreError> {
        let rows: Vec<_> = messages
            .iter()
            .map(|m| {
                (
                    &m.id,
                    &m.key,
                    &m.conversation,
                    &m.ticket,
                    &m.kind,
                    &m.merge_key,
                    m.created_at_ms,
                    m.send_at_ms,
                    &m.body,
                    m.free,
                )
            })
            .collect();
        let query = self.query(&ADD).bind(json_rows(&rows));
        self.run(&ADD, query).await
    }

    /// Waiting messages that further changes can join.
    pub async fn outbox_mergeable(&mut self, keys: &[String], now_ms: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let rows: Vec<_> = keys.iter().map(|key| [key]).collect();
        let query = self.query(&MERGEABLE).bind(json_rows(&rows)).bind(now_ms);
        Ok(self.rows(&MERGEABLE, query).await?.iter().map(outbox_row).collect())
    }

    /// Replaces kind and body of waiting messages: `(id, kind, body)`.
    pub async fn outbox_rewrite(&mut self, rows: &[(String, String, String)]) -> Result<u64, StoreError> {
        let query = self.query(&REWRITE).bind(json_rows(rows));
        self.run(&REWRITE, query).await
    }

    /// Takes up to `limit` messages that are due, in the order of their lanes; none of the channels in `away`, over which
    /// another instance sends.
    pub async fn outbox_claim(
        &mut self,
        holder: &str,
        until_ms: i64,
        now_ms: i64,
        limit: usize,
        away: &[String],
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let query = self
            .query(&CLAIM)
            .bind(lanes_of(away))
            .bind(holder.to_owned())
            .bind(until_ms)
            .bind(now_ms)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut rows: Vec<OutboxRow> = self.rows(&CLAIM, query).await?.iter().map(outbox_row).collect();
        rows.sort_by(|a, b| (a.send_at_ms, &a.id).cmp(&(b.send_at_ms, &b.id)));
        Ok(rows)
    }

    /// Writes what became of taken messages.
    pub async fn outbox_settle(&mut self, settled: &[Settled]) -> Result<u64, StoreError> {
        let rows: Vec<_> = settled
            .iter()
            .map(|s| {
                (
                    &s.id,
                    s.state.id(),
                    &s.conversation,
                    s.send_at_ms,
                    s.attempts,
                    s.taken_at_ms,
                    &s.external_id,
                    &s.problem,
                    &s.body,
                )
            })
            .collect();
        let query = self.query(&SETTLE).bind(json_rows(&rows));
        self.run(&SETTLE, query).await
    }

    /// Forgets the claims of a process that is no more; for the only instance of a SQLite database, at its start.
    pub async fn outbox_release(&mut self) -> Result<u64, StoreError> {
        let query = self.query(&RELEASE);
        self.run(&RELEASE, query).await
    }

    /// Lets out at once what was held back in a conversation (full name).
    pub async fn outbox_hasten(&mut self, conversation: &str, now_ms: i64) -> Result<u64, StoreError> {
        let query = self.query(&HASTEN).bind(conversation.to_owned()).bind(now_ms);
        self.run(&HASTEN, query).await
    }

    /// Messages of ours by conversation and external id: `(conversation, external_id, ticket, kind, body)`.
    pub async fn outbox_quoted(
        &mut self,
        keys: &[(String, String)],
    ) -> Result<Vec<(String, String, String, String, String)>, StoreError> {
        let query = self.query(&QUOTED).bind(json_rows(keys));
        let rows = self.rows(&QUOTED, query).await?;
        Ok(rows
            .iter()
            .map(|row| (text_at(row, 0), text_at(row, 1), text_at(row, 2), text_at(row, 3), text_at(row, 4)))
            .collect())
    }

    /// What was said about a ticket (`contract#number`), as this transaction sees it.
    pub async fn outbox_about(&mut self, ticket: &str) -> Result<Vec<OutboxRow>, StoreError> {
        let query = self.query(&SAID_OF).bind(ticket.to_owned());
        Ok(self.rows(&SAID_OF, query).await?.iter().map(outbox_row).collect())
    }

    /// Messages about tickets in a conversation (full name) whose id no platform has told, or not yet: `(key, ticket, body)`,
    /// newest first, among the last 5,000 of all.
    pub async fn outbox_without_id(&mut self, conversation: &str) -> Result<Vec<(String, String, String)>, StoreError> {
        let query = self.query(&WITHOUT_ID).bind(conversation.to_owned());
        let rows = self.rows(&WITHOUT_ID, query).await?;
        Ok(rows.iter().map(|row| (text_at(row, 0), text_at(row, 1), text_at(row, 2))).collect())
    }
}

impl Store {
    /// When the next outgoing message can be taken, in milliseconds: it is due, or the claim on it has run out. None of the
    /// channels in `away`, as in [`Write::outbox_claim`].
    pub async fn next_outgoing(&self, away: &[String]) -> Result<Option<i64>, StoreError> {
        let away = lanes_of(away);
        let next = self.rows(&NEXT, sqlx::query(NEXT.on(self.engine)).bind(away.clone())).await?;
        let held = self.rows(&HELD, sqlx::query(HELD.on(self.engine)).bind(away)).await?;
        Ok(next.first().into_iter().chain(held.first()).map(|row| number_at(row, 0)).min())
    }

    /// How many outgoing messages wait, and how many failed.
    pub async fn outbox_counts(&self) -> Result<(i64, i64), StoreError> {
        let rows = self.rows(&COUNTS, sqlx::query(COUNTS.on(self.engine))).await?;
        Ok(rows.first().map_or((0, 0), |row| (number_at(row, 0), number_at(row, 1))))
    }

    /// The platform's ids of what was taken in a conversation (full name) since an instant: at most the newest 1,000.
    pub async fn outbox_taken(&self, conversation: &str, since_ms: i64) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(TAKEN.on(self.engine)).bind(conversation.to_owned()).bind(since_ms);
        Ok(self.rows(&TAKEN, query).await?.iter().map(|row| text_at(row, 0)).collect())
    }

    /// What was said about a ticket (`contract#number`).
    pub async fn said_of(&self, ticket: &str) -> Result<Vec<OutboxRow>, StoreError> {
        let query = sqlx::query(SAID_OF.on(self.engine)).bind(ticket);
        Ok(self.rows(&SAID_OF, query).await?.iter().map(outbox_row).collect())
    }

    /// Failed messages, newest first.
    pub async fn failed(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let query = sqlx::query(FAILED.on(self.engine)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.rows(&FAILED, query).await?.iter().map(outbox_row).collect())
    }

    /// The last `limit` messages that channels took, newest first; `send_at_ms` holds when each was taken.
    pub async fn said_last(&self, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let query = sqlx::query(LATEST.on(self.engine)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.rows(&LATEST, query).await?.iter().map(outbox_row).collect())
    }
}
