//! How the channels are, written down for whoever asks from another process: `doctor` sees what the running desk sees.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use zhishou_adapters::{Channel, Inbound};

use super::{Desk, DeskError};
use crate::store::{Account, StoreError};

/// How often the channels are asked.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is written down although nothing has changed, in looks.
const EVERY: u32 = 15;
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
    /// How each channel is now, by its id.
    fn health(&self) -> Vec<(String, Health)> {
        let of = |channel: &std::sync::Arc<dyn Channel>| match channel.health() {
            Ok(text) => (channel.id().to_owned(), Health { ok: true, text }),
            Err(text) => (channel.id().to_owned(), Health { ok: false, text }),
        };
        self.channels().map(of).collect()
    }

    /// Writes it down, to be believed until then.
    async fn report(&self, health: &[(String, Health)], until_ms: i64) -> Result<(), DeskError> {
        let rows: Vec<_> = health
            .iter()
            .map(|(id, health)| {
                (id.clone(), KEY.to_owned(), until_ms, serde_json::to_string(health).unwrap_or_default())
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

    /// Keeps it written down until `stop`; what has stopped is healthy no longer.
    pub async fn run_health_watch(&self, stop: CancellationToken) {
        let (mut written, mut looks, mut believed_until) = (Vec::new(), 0, i64::MIN);
        loop {
            let (health, now) = (self.health(), self.now().as_millisecond());
            // A sandbox's clock may have been moved past what is believed.
            if health != written || looks == EVERY || now >= believed_until {
                match self.report(&health, now + BELIEVED_MS).await {
                    Ok(()) => (written, looks, believed_until) = (health, 0, now + BELIEVED_MS),
                    Err(error) => tracing::warn!(%error, "how the channels are could not be written down"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK) => looks = EVERY.min(looks + 1),
            }
        }
        if let Err(error) = self.report(&written, self.now().as_millisecond()).await {
            tracing::warn!(%error, "that the channels have stopped could not be written down");
        }
    }
}
