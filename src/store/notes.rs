//! Small things the desk remembers: open questions, things done once in a while, and who holds what.

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, number_at, text_at};

statements! {
    /// Open questions by key.
    DIALOGUES = "SELECT g.key, g.body FROM dialogue AS g JOIN" rows
                "ON g.key = r.value ->> 0 WHERE g.expires_at_ms > $2";
    /// Asks, or asks anew.
    ASK = "INSERT INTO dialogue (key, expires_at_ms, body)
           SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2 FROM" rows
          "WHERE true ON CONFLICT (key) DO UPDATE SET expires_at_ms = excluded.expires_at_ms, body = excluded.body";
    /// Sweeps what has expired.
    FORGET = "DELETE FROM dialogue WHERE expires_at_ms <= $1";
    /// Marks by key.
    MARKS = "SELECT m.key, m.until_ms, m.value FROM mark AS m JOIN" rows "ON m.key = r.value ->> 0";
    /// Sets marks.
    MARK = "INSERT INTO mark (key, until_ms, value)
            SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2 FROM" rows
           "WHERE true ON CONFLICT (key) DO UPDATE SET until_ms = excluded.until_ms, value = excluded.value";
    /// Takes or keeps a lease; a new holder raises the fence.
    LEASE = "INSERT INTO lease (name, holder, fence, until_ms) VALUES ($1, $2, 1, $3)
             ON CONFLICT (name) DO UPDATE SET
                 fence = CASE WHEN lease.holder = excluded.holder THEN lease.fence ELSE lease.fence + 1 END,
                 holder = excluded.holder, until_ms = excluded.until_ms
             WHERE lease.holder = excluded.holder OR lease.until_ms <= $4
             RETURNING fence";
}

/// What only one instance may hold, held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What.
    pub name: String,
    /// Grows with each change of holder.
    pub fence: i64,
    /// Until when.
    pub until_ms: i64,
}

impl Write {
    /// Open questions by key.
    pub async fn dialogues(&mut self, keys: &[String], now_ms: i64) -> Result<Vec<(String, String)>, StoreError> {
        let rows: Vec<_> = keys.iter().map(|key| [key]).collect();
        let query = self.query(&DIALOGUES).bind(json_rows(&rows)).bind(now_ms);
        Ok(self.rows(&DIALOGUES, query).await?.iter().map(|row| (text_at(row, 0), text_at(row, 1))).collect())
    }

    /// Writes open questions: `(key, expires_at_ms, body)`; one that expires at once is answered.
    pub async fn dialogues_save(&mut self, rows: &[(String, i64, String)]) -> Result<(), StoreError> {
        let query = self.query(&ASK).bind(json_rows(rows));
        self.run(&ASK, query).await.map(drop)
    }

    /// Sweeps questions that have expired.
    pub async fn dialogues_sweep(&mut self, now_ms: i64) -> Result<u64, StoreError> {
        let query = self.query(&FORGET).bind(now_ms);
        self.run(&FORGET, query).await
    }

    /// Marks by key: `(key, until_ms, value)`.
    pub async fn marks(&mut self, keys: &[String]) -> Result<Vec<(String, i64, String)>, StoreError> {
        let rows: Vec<_> = keys.iter().map(|key| [key]).collect();
        let query = self.query(&MARKS).bind(json_rows(&rows));
        let rows = self.rows(&MARKS, query).await?;
        Ok(rows.iter().map(|row| (text_at(row, 0), number_at(row, 1), text_at(row, 2))).collect())
    }

    /// Sets marks: `(key, until_ms, value)`.
    pub async fn marks_save(&mut self, rows: &[(String, i64, String)]) -> Result<(), StoreError> {
        let query = self.query(&MARK).bind(json_rows(rows));
        self.run(&MARK, query).await.map(drop)
    }

    /// Takes or keeps a lease until `until_ms`; `None` where somebody else holds it.
    pub async fn lease(
        &mut self,
        name: &str,
        holder: &str,
        until_ms: i64,
        now_ms: i64,
    ) -> Result<Option<Lease>, StoreError> {
        let query = self.query(&LEASE).bind(name.to_owned()).bind(holder.to_owned()).bind(until_ms).bind(now_ms);
        let rows = self.rows(&LEASE, query).await?;
        Ok(rows.first().map(|row| Lease { name: name.to_owned(), fence: number_at(row, 0), until_ms }))
    }
}

impl Store {
    /// One mark.
    pub async fn mark(&self, key: &str) -> Result<Option<(i64, String)>, StoreError> {
        let query = sqlx::query(MARKS.on(self.engine)).bind(json_rows(&[[key]]));
        Ok(self.rows(&MARKS, query).await?.first().map(|row| (number_at(row, 1), text_at(row, 2))))
    }
}
