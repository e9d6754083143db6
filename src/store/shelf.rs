//! What channels keep: by channel and key, each entry until its time; and uses of limits that all instances share.

use super::statement::statements;
use super::{Store, StoreError, Write, json_rows, text_at};

statements! {
    /// One entry that has not expired.
    KEPT = "SELECT value FROM shelf WHERE channel = $1 AND key = $2 AND until_ms > $3";
    /// The same, held until the transaction ends.
    KEPT_HELD = "SELECT value FROM shelf WHERE channel = $1 AND key = $2 AND until_ms > $3" hold "";
    /// Puts entries, or puts them anew.
    KEEP = "INSERT INTO shelf (channel, key, until_ms, value)
            SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), r.value ->> 3 FROM" rows
           "WHERE true ON CONFLICT (channel, key) DO UPDATE SET until_ms = excluded.until_ms, value = excluded.value";
    /// Takes an entry away.
    TAKE = "DELETE FROM shelf WHERE channel = $1 AND key = $2 AND until_ms > $3 RETURNING value";
    /// Sweeps what has expired.
    SWEEP = "DELETE FROM shelf WHERE until_ms <= $1";
    /// Gives a lease up.
    LET_GO = "UPDATE lease SET until_ms = 0 WHERE name = $1 AND holder = $2";
}

impl Write {
    /// Puts entries: `(channel, key, until_ms, value)`.
    pub async fn shelf_put(&mut self, rows: &[(String, String, i64, String)]) -> Result<(), StoreError> {
        let query = self.query(&KEEP).bind(json_rows(rows));
        self.run(&KEEP, query).await.map(drop)
    }

    /// Takes an entry away; of several that try at once only one gets it.
    pub async fn shelf_take(&mut self, channel: &str, key: &str, now_ms: i64) -> Result<Option<String>, StoreError> {
        let query = self.query(&TAKE).bind(channel.to_owned()).bind(key.to_owned()).bind(now_ms);
        Ok(self.rows(&TAKE, query).await?.first().map(|row| text_at(row, 0)))
    }

    /// One entry, which nobody else changes before this transaction ends.
    pub async fn shelf_held(&mut self, channel: &str, key: &str, now_ms: i64) -> Result<Option<String>, StoreError> {
        let query = self.query(&KEPT_HELD).bind(channel.to_owned()).bind(key.to_owned()).bind(now_ms);
        Ok(self.rows(&KEPT_HELD, query).await?.first().map(|row| text_at(row, 0)))
    }

    /// Sweeps what has expired.
    pub async fn shelf_sweep(&mut self, now_ms: i64) -> Result<u64, StoreError> {
        let query = self.query(&SWEEP).bind(now_ms);
        self.run(&SWEEP, query).await
    }

    /// Gives a lease up, if `holder` has it.
    pub async fn lease_release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        let query = self.query(&LET_GO).bind(name.to_owned()).bind(holder.to_owned());
        self.run(&LET_GO, query).await.map(drop)
    }
}

impl Store {
    /// One entry, unless it has expired.
    pub async fn shelf_get(&self, channel: &str, key: &str, now_ms: i64) -> Result<Option<String>, StoreError> {
        let query = sqlx::query(KEPT.on(self.engine)).bind(channel.to_owned()).bind(key.to_owned()).bind(now_ms);
        Ok(self.rows(&KEPT, query).await?.first().map(|row| text_at(row, 0)))
    }
}
