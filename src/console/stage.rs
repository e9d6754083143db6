//! The sandbox as a channel: what it takes stands in the outbox, and the page reads it there.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use zhishou_adapters::{Capabilities, Channel, Outgoing, Receipt, SendError};

/// The console's own chat.
#[derive(Debug)]
pub struct SandboxChannel {
    id: String,
}

impl SandboxChannel {
    /// A sandbox with this channel id.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }
}

#[async_trait]
impl Channel for SandboxChannel {
    fn id(&self) -> &str {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: true,
            mentions: true,
            edits: false,
            speaks_first: true,
            max_chars: 20_000,
            pause: Duration::ZERO,
            can_look_back: false,
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        // Its place is the outbox row itself, so the row's key is its id and sending twice shows it once.
        Ok(Receipt { external_id: Some(message.key.clone()) })
    }

    async fn find(&self, message: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Ok(Some(Receipt { external_id: Some(message.key.clone()) }))
    }

    fn health(&self) -> Result<String, String> {
        Ok("沙盒：正常".to_owned())
    }
}
