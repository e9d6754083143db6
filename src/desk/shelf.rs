//! The shelf of each channel, on the desk's database: cards, one-use addresses, tokens, limits and leases outlive a restart
//! and are shared by all instances.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use zhishou_adapters::{Entry, Shelf, ShelfError};

use crate::clock::Clock;
use crate::store::{Store, StoreError, Write};

/// One channel's shelf.
pub struct ChannelShelf {
    store: Store,
    clock: Arc<dyn Clock>,
    channel: String,
    holder: String,
}

impl ChannelShelf {
    /// The shelf of `channel`. `seed` tells instances apart, as in [`super::Parts`].
    pub fn new(store: Store, clock: Arc<dyn Clock>, channel: &str, seed: u64) -> Self {
        Self { store, clock, channel: channel.to_owned(), holder: format!("{seed:x}") }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    fn lease(&self, what: &str) -> String {
        format!("{}|{what}", self.channel)
    }

    async fn write(&self) -> Result<Write, ShelfError> {
        Ok(self.store.write().await?)
    }
}

impl From<StoreError> for ShelfError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[async_trait]
impl Shelf for ChannelShelf {
    async fn get(&self, key: &str) -> Result<Option<String>, ShelfError> {
        Ok(self.store.shelf_get(&self.channel, key, self.now_ms()).await?)
    }

    async fn put(&self, entries: &[Entry]) -> Result<(), ShelfError> {
        let rows: Vec<_> = entries
            .iter()
            .map(|e| (self.channel.clone(), e.key.clone(), e.until.as_millisecond(), e.value.clone()))
            .collect();
        let mut write = self.write().await?;
        write.shelf_put(&rows).await?;
        Ok(write.commit().await?)
    }

    async fn take(&self, key: &str) -> Result<Option<String>, ShelfError> {
        let mut write = self.write().await?;
        let value = write.shelf_take(&self.channel, key, self.now_ms()).await?;
        write.commit().await?;
        Ok(value)
    }

    async fn hold(&self, what: &str, until: Timestamp) -> Result<bool, ShelfError> {
        let mut write = self.write().await?;
        let lease = write.lease(&self.lease(what), &self.holder, until.as_millisecond(), self.now_ms()).await;
        let held = lease?.is_some();
        write.commit().await?;
        Ok(held)
    }

    async fn release(&self, what: &str) -> Result<(), ShelfError> {
        let mut write = self.write().await?;
        write.lease_release(&self.lease(what), &self.holder).await?;
        Ok(write.commit().await?)
    }

    async fn spend(&self, limit: &str, most: u32, window: Duration) -> Result<Option<Duration>, ShelfError> {
        let key = format!("limit|{limit}");
        let now = self.now_ms();
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let mut write = self.write().await?;
        let spent = write.shelf_held(&self.channel, &key, now).await?;
        // What cannot be read counts as nothing spent: the platform's own limit still stands behind ours.
        let mut spent: Vec<i64> = spent.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        spent.retain(|at| at.saturating_add(window) > now);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if spent.len() >= most {
            let wait = spent[spent.len() - most].saturating_add(window).saturating_sub(now);
            return Ok(Some(Duration::from_millis(u64::try_from(wait).unwrap_or(1).max(1))));
        }
        spent.push(now);
        let value = serde_json::to_string(&spent).map_err(|error| ShelfError(error.to_string()))?;
        let row = (self.channel.clone(), key, now.saturating_add(window), value);
        write.shelf_put(&[row]).await?;
        write.commit().await?;
        Ok(None)
    }
}
