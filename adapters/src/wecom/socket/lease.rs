//! Who may have the line: one lease per bot over all instances, and a bar after a takeover.

use std::time::Duration;

use jiff::Timestamp;

use super::Line;
use crate::Entry;
use crate::wecom::session::{gap, later};

/// An interruption of a month is a new beginning.
const LIVE_KEPT: Duration = Duration::from_hours(24 * 30);

impl Line {
    fn lease_name(&self) -> String {
        format!("bot-socket:{}", self.config.bot_id)
    }

    /// Takes or keeps the lease; false where it is held elsewhere, or cannot be asked for.
    pub(super) async fn hold(&self) -> bool {
        let until = later((self.now)(), self.config.lease);
        let held = self.shelf.hold(&self.lease_name(), until).await;
        let mut core = self.lock();
        core.standby = matches!(held, Ok(false));
        match held {
            Ok(held) => held,
            Err(error) => {
                core.trouble = Some(format!("租约无法读写：{error}"));
                false
            }
        }
    }

    pub(super) async fn release(&self) {
        if let Err(error) = self.shelf.release(&self.lease_name()).await {
            tracing::warn!(bot.id = %self.config.bot_id, %error, "the lease of the bot's line could not be given up");
        }
    }

    /// Renews the lease; returns once it is lost.
    pub(super) async fn keep_lease(&self) {
        let mut held_until = later((self.now)(), self.config.lease);
        let mut renew_at = later((self.now)(), self.config.lease / 3);
        loop {
            let now = (self.now)();
            let wait = gap(now, renew_at);
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(self.config.look)).await;
                continue;
            }
            let until = later(now, self.config.lease);
            // A store that hangs is as good as one that fails: the lease runs out all the same.
            let name = self.lease_name();
            let held = tokio::time::timeout(self.config.lease / 6, self.shelf.hold(&name, until)).await;
            match held {
                Ok(Ok(true)) => {
                    held_until = until;
                    renew_at = later(now, self.config.lease / 3);
                    self.mark_live().await;
                }
                Ok(Ok(false)) => break,
                // Until its end nobody else can take it.
                Ok(Err(_)) | Err(_) if (self.now)() >= held_until => break,
                Ok(Err(_)) | Err(_) => renew_at = later(now, self.config.lease / 12),
            }
        }
        tracing::warn!(bot.id = %self.config.bot_id, "the lease of the bot's line was lost");
    }

    fn bar_name(&self) -> String {
        format!("bot-kicked:{}", self.config.bot_id)
    }

    /// After another connection took the bot over no instance of ours may come back by reflex: the lease is free, but what
    /// stands here keeps the others off as well.
    pub(super) async fn bar(&self, until: Timestamp) {
        let entry = Entry { key: self.bar_name(), value: String::new(), until };
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::warn!(bot.id = %self.config.bot_id, %error, "the other instances could not be warned of a takeover");
        }
    }

    pub(super) async fn barred(&self) -> bool {
        self.shelf.get(&self.bar_name()).await.is_ok_and(|bar| bar.is_some())
    }

    /// Writes down that the bot is heard, whoever of us holds the line: what lies between this and the next connection was
    /// missed, be it an outage or a stop.
    pub(super) async fn mark_live(&self) {
        if self.epoch().is_none() {
            return;
        }
        let now = (self.now)();
        let entry = Entry { key: self.live_name(), value: now.to_string(), until: later(now, LIVE_KEPT) };
        // Without it an interruption is not told; the line is none the worse.
        let _ = self.shelf.put(&[entry]).await;
    }

    /// Since when the bot was not heard by any of us.
    pub(super) async fn last_live(&self) -> Option<Timestamp> {
        self.shelf.get(&self.live_name()).await.ok().flatten()?.parse().ok()
    }

    fn live_name(&self) -> String {
        format!("bot-live:{}", self.config.bot_id)
    }
}
