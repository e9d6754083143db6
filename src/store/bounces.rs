//! What the outbox and the shelf know of messages that came back.

use super::outbox::{OutboxRow, Settled, outbox_row};
use super::statement::statements;
use super::{StoreError, Write, json_rows, text_at};

statements! {
    /// Messages of ours by the platform's id of them, whatever has become of them.
    SENT_AS = "SELECT id, key, conversation, ticket, kind, merge_key, state, created_at_ms, send_at_ms, attempts, external_id, body
                 FROM outbox WHERE conversation = $1 AND external_id = $2 AND external_id <> '' LIMIT 8";
    /// What becomes of messages that were taken and came back; only of those that still count as sent.
    TAKE_BACK = "UPDATE outbox SET state = d.a, conversation = d.b, send_at_ms = d.c, attempts = 0, taken_at_ms = 0,
                                   external_id = d.e, problem = d.f, body = d.g
                   FROM (SELECT r.value ->> 0 AS id, r.value ->> 1 AS a, r.value ->> 2 AS b,
                                CAST(r.value ->> 3 AS BIGINT) AS c, r.value ->> 4 AS e, r.value ->> 5 AS f,
                                r.value ->> 6 AS g FROM" rows
                ") AS d WHERE outbox.id = d.id AND outbox.state = 'sent'";
    /// Several entries of the shelf by channel and key.
    KEPT_OF = "SELECT s.channel, s.key, s.value FROM shelf AS s JOIN" rows
              "ON s.channel = r.value ->> 0 AND s.key = r.value ->> 1 WHERE s.until_ms > $2";
    /// All entries of one shelf, at most 1,000.
    KEPT_ALL = "SELECT key FROM shelf WHERE channel = $1 AND until_ms > $2 ORDER BY key LIMIT 1000";
}

impl Write {
    /// Up to eight messages of a conversation (full name) that the platform knows under this id.
    pub async fn outbox_sent_as(
        &mut self,
        conversation: &str,
        external_id: &str,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let query = self.query(&SENT_AS).bind(conversation.to_owned()).bind(external_id.to_owned());
        Ok(self.rows(&SENT_AS, query).await?.iter().map(outbox_row).collect())
    }

    /// Writes what becomes of a message that came back; answers 0 where it no longer counted as sent.
    pub async fn outbox_take_back(&mut self, next: &Settled) -> Result<u64, StoreError> {
        let row = (
            &next.id,
            next.state.id(),
            &next.conversation,
            next.send_at_ms,
            &next.external_id,
            &next.problem,
            &next.body,
        );
        let query = self.query(&TAKE_BACK).bind(json_rows(&[row]));
        self.run(&TAKE_BACK, query).await
    }

    /// Entries of the shelf that have not expired, by `(channel, key)`: `(key, value)`.
    pub async fn shelf_of(
        &mut self,
        keys: &[(String, String)],
        now_ms: i64,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let query = self.query(&KEPT_OF).bind(json_rows(keys)).bind(now_ms);
        let rows = self.rows(&KEPT_OF, query).await?;
        Ok(rows.iter().map(|row| (text_at(row, 1), text_at(row, 2))).collect())
    }

    /// Keys of all entries of one shelf that have not expired; the first 1,000.
    pub async fn shelf_keys(&mut self, channel: &str, now_ms: i64) -> Result<Vec<String>, StoreError> {
        let query = self.query(&KEPT_ALL).bind(channel.to_owned()).bind(now_ms);
        Ok(self.rows(&KEPT_ALL, query).await?.iter().map(|row| text_at(row, 0)).collect())
    }
}
