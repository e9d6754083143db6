//! What a channel must keep across restarts and share between instances: cards by task, one-use addresses, tokens,
//! limits, and who holds the one connection that a platform allows.
//!
//! The desk implements it on its database and hands it to the channels that need it; nothing here knows which.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// A place to keep things, shared by all instances of the desk. Keys are a channel's own; every channel gets a shelf of
/// its own, so two of them never meet.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What was put under this key, unless it has expired.
    async fn get(&self, key: &str) -> Result<Option<String>, ShelfError>;
    /// Puts values, each until its instant; what stood there is replaced. Durable when it returns.
    async fn put(&self, entries: &[Entry]) -> Result<(), ShelfError>;
    /// Takes a value away: of several that try at once only one gets it. For what may be used once.
    async fn take(&self, key: &str) -> Result<Option<String>, ShelfError>;
    /// Takes or keeps a lease until then; `false` while somebody else holds it.
    async fn hold(&self, what: &str, until: Timestamp) -> Result<bool, ShelfError>;
    /// Gives a lease up, so that another instance need not wait for its end.
    async fn release(&self, what: &str) -> Result<(), ShelfError>;
    /// Spends one use of a limit of `most` within a sliding `window`, counted over all instances. `None`: go ahead, it is
    /// counted. Otherwise nothing is counted and this is how long to wait. `most` is at most 1,000.
    async fn spend(&self, limit: &str, most: u32, window: Duration) -> Result<Option<Duration>, ShelfError>;
}

/// One thing to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Up to 256 bytes.
    pub key: String,
    /// Up to 64 KiB.
    pub value: String,
    /// Until when.
    pub until: Timestamp,
}

/// The shelf cannot be reached now.
#[derive(Debug, thiserror::Error)]
#[error("what the channel keeps could not be read or written: {0}")]
pub struct ShelfError(pub String);
