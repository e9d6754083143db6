//! People, conversations, rosters and FAQ entries as rows of JSON: small, read as a whole, changed by import.

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, text_at};

statements! {
    /// Everything.
    ALL_ROWS = "SELECT kind, key, body FROM directory ORDER BY kind, key";
    /// Adds and changes.
    PUT = "INSERT INTO directory (kind, key, body) SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2 FROM" rows
          "WHERE true ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body";
    /// Takes out.
    REMOVE = "DELETE FROM directory WHERE kind = $1 AND key = $2";
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRow {
    /// `person`, `conversation`, `domain`, `shift`, `swap`, `maintenance`, `faq`.
    pub kind: String,
    /// Key within the kind.
    pub key: String,
    /// JSON.
    pub body: String,
}

impl Write {
    /// Adds and changes entries.
    pub async fn directory_put(&mut self, rows: &[DirectoryRow]) -> Result<(), StoreError> {
        let rows: Vec<_> = rows.iter().map(|row| (&row.kind, &row.key, &row.body)).collect();
        let query = self.query(&PUT).bind(json_rows(&rows));
        self.run(&PUT, query).await.map(drop)
    }

    /// Takes an entry out.
    pub async fn directory_remove(&mut self, kind: &str, key: &str) -> Result<u64, StoreError> {
        let query = self.query(&REMOVE).bind(kind.to_owned()).bind(key.to_owned());
        self.run(&REMOVE, query).await
    }
}

impl Store {
    /// Everything.
    pub async fn directory(&self) -> Result<Vec<DirectoryRow>, StoreError> {
        let rows = self.rows(&ALL_ROWS, sqlx::query(ALL_ROWS.on(self.engine))).await?;
        Ok(rows
            .iter()
            .map(|row| DirectoryRow { kind: text_at(row, 0), key: text_at(row, 1), body: text_at(row, 2) })
            .collect())
    }
}
