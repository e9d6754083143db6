//! Messages that came in: stored once, taken in order, disposed of exactly once.

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, number_at, text_at};

statements! {
    /// Stores new messages; a known `(channel, external_id)` changes nothing and comes back as no row.
    ADD = "INSERT INTO inbox (id, channel, external_id, conversation, sender, received_at_ms, body)
           SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4,
                  CAST(r.value ->> 5 AS BIGINT), r.value ->> 6 FROM" rows
          "WHERE true ON CONFLICT (channel, external_id) DO NOTHING RETURNING id";
    /// Messages nobody has dealt with, oldest first.
    PENDING = "SELECT id, channel, external_id, conversation, sender, received_at_ms, body FROM inbox
                WHERE disposition = '' ORDER BY id LIMIT $1" locked "";
    /// What became of messages; only of those that are still pending.
    DISPOSE = "UPDATE inbox SET disposition = d.a, ticket = d.b, why = d.c, done_at_ms = d.e
                 FROM (SELECT r.value ->> 0 AS id, r.value ->> 1 AS a, r.value ->> 2 AS b, r.value ->> 3 AS c,
                              CAST(r.value ->> 4 AS BIGINT) AS e FROM" rows
              ") AS d WHERE inbox.id = d.id AND inbox.disposition = ''";
    /// Which tickets messages belong to, by external id.
    TICKETS_OF = "SELECT i.channel, i.external_id, i.ticket FROM inbox AS i JOIN" rows
                 "ON i.channel = r.value ->> 0 AND i.external_id = r.value ->> 1 WHERE i.ticket <> ''";
    /// Newest message of a conversation.
    NEWEST = "SELECT external_id FROM inbox WHERE conversation = $1 ORDER BY id DESC LIMIT 1";
    /// How many are pending, and since when.
    BACKLOG = "SELECT count(*), coalesce(min(received_at_ms), 0) FROM inbox WHERE disposition = ''";
    /// The last messages with what became of them, newest first.
    LAST = "SELECT id, channel, external_id, conversation, sender, received_at_ms, body, disposition, ticket, why, done_at_ms
              FROM inbox ORDER BY id DESC LIMIT $1";
    /// The account of messages: what became of each, from a place in the order on.
    ACCOUNT = "SELECT id, channel, external_id, conversation, sender, received_at_ms, body, disposition, ticket, why, done_at_ms
                 FROM inbox WHERE id > $1 ORDER BY id LIMIT $2";
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct NewInbound {
    /// Our id.
    pub id: String,
    /// Channel id.
    pub channel: String,
    /// The channel's id of it.
    pub external_id: String,
    /// Full name of the conversation, `qq:group:20001`.
    pub conversation: String,
    /// Account.
    pub sender: String,
    /// When it was stored.
    pub received_at_ms: i64,
    /// The message as JSON.
    pub body: String,
}

/// A stored message.
pub type InboxRow = NewInbound;

/// A stored message with what became of it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The message.
    pub row: InboxRow,
    /// Disposition; empty while pending.
    pub disposition: String,
    /// Ticket as `contract#number`, where it belongs to one.
    pub ticket: String,
    /// Why.
    pub why: String,
    /// When it was decided.
    pub done_at_ms: i64,
}

fn inbox_row(row: &sqlx::any::AnyRow) -> InboxRow {
    InboxRow {
        id: text_at(row, 0),
        channel: text_at(row, 1),
        external_id: text_at(row, 2),
        conversation: text_at(row, 3),
        sender: text_at(row, 4),
        received_at_ms: number_at(row, 5),
        body: text_at(row, 6),
    }
}

fn account(row: &sqlx::any::AnyRow) -> Account {
    Account {
        row: inbox_row(row),
        disposition: text_at(row, 7),
        ticket: text_at(row, 8),
        why: text_at(row, 9),
        done_at_ms: number_at(row, 10),
    }
}

impl Write {
    /// Stores messages and answers the ids of those that were new.
    pub async fn inbox_add(&mut self, messages: &[NewInbound]) -> Result<Vec<String>, StoreError> {
        let rows: Vec<_> = messages
            .iter()
            .map(|m| (&m.id, &m.channel, &m.external_id, &m.conversation, &m.sender, m.received_at_ms, &m.body))
            .collect();
        let query = self.query(&ADD).bind(json_rows(&rows));
        Ok(self.rows(&ADD, query).await?.iter().map(|row| text_at(row, 0)).collect())
    }

    /// Up to `limit` pending messages, oldest first.
    pub async fn inbox_pending(&mut self, limit: usize) -> Result<Vec<InboxRow>, StoreError> {
        let query = self.query(&PENDING).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.rows(&PENDING, query).await?.iter().map(inbox_row).collect())
    }

    /// Writes what became of messages: `(id, disposition, ticket, why, at_ms)`.
    pub async fn inbox_dispose(&mut self, rows: &[(String, &str, String, String, i64)]) -> Result<u64, StoreError> {
        let query = self.query(&DISPOSE).bind(json_rows(rows));
        self.run(&DISPOSE, query).await
    }

    /// The tickets that messages belong to: `(channel, external_id)` to `contract#number`.
    pub async fn inbox_tickets(
        &mut self,
        keys: &[(String, String)],
    ) -> Result<Vec<((String, String), String)>, StoreError> {
        let query = self.query(&TICKETS_OF).bind(json_rows(keys));
        let rows = self.rows(&TICKETS_OF, query).await?;
        Ok(rows.iter().map(|row| ((text_at(row, 0), text_at(row, 1)), text_at(row, 2))).collect())
    }
}

impl Store {
    /// The external id of the newest message of a conversation (full name).
    pub async fn inbox_newest(&self, conversation: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query(NEWEST.on(self.engine)).bind(conversation);
        Ok(self.rows(&NEWEST, query).await?.first().map(|row| text_at(row, 0)))
    }

    /// How many messages are pending, and when the oldest of them came in (0 where none is).
    pub async fn inbox_backlog(&self) -> Result<(i64, i64), StoreError> {
        let rows = self.rows(&BACKLOG, sqlx::query(BACKLOG.on(self.engine))).await?;
        Ok(rows.first().map_or((0, 0), |row| (number_at(row, 0), number_at(row, 1))))
    }

    /// Up to `limit` messages after the id `after` with what became of them.
    pub async fn inbox_account(&self, after: &str, limit: usize) -> Result<Vec<Account>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query(ACCOUNT.on(self.engine)).bind(after).bind(limit);
        Ok(self.rows(&ACCOUNT, query).await?.iter().map(account).collect())
    }

    /// The last `limit` messages with what became of them, newest first.
    pub async fn inbox_last(&self, limit: usize) -> Result<Vec<Account>, StoreError> {
        let query = sqlx::query(LAST.on(self.engine)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(self.rows(&LAST, query).await?.iter().map(account).collect())
    }
}
