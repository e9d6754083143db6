//! The channels of a rehearsal: they take everything at once, write it down, and fail when the script says so.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use zhishou_adapters::{Capabilities, Channel, Outgoing, Receipt, SendError};

/// The ids `rehearse` knows without configuration (`interfaces.md`).
pub const CHANNELS: [&str; 6] = ["qq", "qqbot", "wecom", "mail", "sms", "sandbox"];

/// Something a channel took.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Number of its line.
    pub number: u64,
    /// Full name of the conversation.
    pub conversation: String,
    /// The message.
    pub outgoing: Outgoing,
}

/// What all channels of a rehearsal share.
#[derive(Debug, Default)]
pub struct Stage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    down: BTreeSet<String>,
    taken: Vec<Taken>,
    count: u64,
}

impl Stage {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes a channel fail or recover.
    pub fn fault(&self, channel: &str, down: bool) {
        if down {
            self.lock().down.insert(channel.to_owned());
        } else {
            self.lock().down.remove(channel);
        }
    }

    /// What was taken since the last call.
    pub fn drain(&self) -> Vec<Taken> {
        std::mem::take(&mut self.lock().taken)
    }

    /// All channels of a rehearsal.
    pub fn channels(self: &Arc<Self>) -> Vec<Arc<dyn Channel>> {
        CHANNELS
            .iter()
            .map(|id| Arc::new(Player { id: (*id).to_owned(), stage: self.clone() }) as Arc<dyn Channel>)
            .collect()
    }
}

/// The external id of what stands in line `number`.
pub fn external_id(number: u64) -> String {
    format!("said-{number}")
}

struct Player {
    id: String,
    stage: Arc<Stage>,
}

#[async_trait]
impl Channel for Player {
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
            can_look_back: true,
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        let mut state = self.stage.lock();
        if state.down.contains(&self.id) {
            return Err(SendError::Unreachable("演练：渠道中断".to_owned()));
        }
        state.count += 1;
        let number = state.count;
        state.taken.push(Taken {
            number,
            conversation: format!("{}:{}", self.id, message.conversation),
            outgoing: message.clone(),
        });
        Ok(Receipt { external_id: Some(external_id(number)) })
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Ok(None)
    }

    fn health(&self) -> Result<String, String> {
        Ok("演练渠道".to_owned())
    }
}
