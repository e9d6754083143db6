//! How the channels are, written down for whoever asks from another process: `doctor` sees what the running desk sees.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use zhishou_adapters::Inbound;

use super::{Desk, DeskError};
use crate::store::{Account, StoreError};

/// How often it is written down.
const EVERY: Duration = Duration::from_secs(15);
/// How long it is believed: twice that, and a little for a busy database.
const BELIEVED_MS: i64 = 40_000;
/// Key on the channel's shelf.
const KEY: &str = "health";

/// How a channel was when the desk that runs it last looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it works.
    pub ok: bool,
    /// A line for each of its parts, in words an administrator reads.
    pub text: String,
}

impl Desk {
    /// Writes down how each channel is.
    pub async fn report_health(&self) -> Result<(), DeskError> {
        let until = self.now().as_millisecond() + BELIEVED_MS;
        let rows: Vec<_> = self
            .channels()
            .map(|channel| {
                let health = match channel.health() {
                    Ok(text) => Health { ok: true, text },
                    Err(text) => Health { ok: false, text },
                };
                let value = serde_json::to_string(&health).unwrap_or_default();
                (channel.id().to_owned(), KEY.to_owned(), until, value)
            })
            .collect();
        let mut write = self.store.write().await?;
        write.shelf_put(&rows).await?;
        write.commit().await?;
        Ok(())
    }

    /// What the running desk wrote down last; `None` where none runs.
    pub async fn reported_health(&self, channel: &str) -> Result<Option<Health>, StoreError> {
        let told = self.store.shelf_get(channel, KEY, self.now().as_millisecond()).await?;
        Ok(told.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// By how many milliseconds the newest messages were heard after they were written, by our clock and the platforms'. What
    /// was fetched from a history later is left out.
    pub async fn lags(&self, most: usize) -> Result<Vec<i64>, StoreError> {
        let rows = self.store.inbox_last(most).await?;
        let lag = |account: Account| {
            let inbound: Inbound = serde_json::from_str(&account.row.body).ok()?;
            (!inbound.recovered).then(|| account.row.received_at_ms - inbound.sent_at.as_millisecond())
        };
        Ok(rows.into_iter().filter_map(lag).collect())
    }

    /// Keeps it written down until `stop`.
    pub async fn run_health_watch(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.report_health().await {
                tracing::warn!(%error, "how the channels are could not be written down");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
