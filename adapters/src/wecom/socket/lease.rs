//! Who may have the line: one lease per bot over all instances, and a bar after a takeover.

use jiff::Timestamp;

use super::Line;
use crate::Entry;
use crate::wecom::session::{gap, later};

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
            match self.shelf.hold(&self.lease_name(), until).await {
                Ok(true) => {
                    held_until = until;
                    renew_at = later(now, self.config.lease / 3);
                }
                Ok(false) => break,
                // Until its end nobody else can take it.
                Err(_) if (self.now)() >= held_until => break,
                Err(_) => renew_at = later(now, self.config.lease / 12),
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
}
