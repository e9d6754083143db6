//! Mail: IMAP in, SMTP out, threads tied to tickets.
//!
//! One channel is one mailbox. Facts: `mail.md` of the protocol sheets; numbers in comments are its sections.

pub mod read;

mod config;
mod explain;
mod net;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use config::{ImapConfig, Limits, MailConfig, MailTiming, SmtpConfig, Start, Tls};
pub use explain::{Advice, explain};

use crate::{Capabilities, Channel, ChannelError, Outgoing, Receipt, SendError, Shelf};

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One mailbox as a channel.
pub struct MailChannel {
    config: MailConfig,
}

impl MailChannel {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::send`].
    ///
    /// # Errors
    /// Where [`MailConfig::check`] finds something wrong.
    pub fn new(config: MailConfig, _: &Arc<dyn Shelf>, _: &Now) -> Result<Self, ChannelError> {
        config.check().map_err(ChannelError::Misconfigured)?;
        Ok(Self { config })
    }

    /// Tries out what is configured: connects, logs in, looks at the folder, and says hello to the sending server, without
    /// sending anything. One sentence each, `Err` where a person has to do something.
    pub async fn probe(&self) -> Vec<Result<String, String>> {
        Vec::new()
    }
}

#[async_trait]
impl Channel for MailChannel {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: false,
            edits: false,
            speaks_first: self.config.smtp.is_some(),
            max_chars: 100_000,
            pause: std::time::Duration::ZERO,
            can_look_back: false,
        }
    }

    async fn send(&self, _: &Outgoing) -> Result<Receipt, SendError> {
        Err(SendError::Unreachable("发信尚未接通".to_owned()))
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Err(SendError::Unreachable("邮件没有可查询的发送记录".to_owned()))
    }

    fn health(&self) -> Result<String, String> {
        Err("邮件尚未接通".to_owned())
    }
}
