//! Mail: IMAP in, SMTP out, threads tied to tickets.
//!
//! One channel is one mailbox. What comes in: `imap` fetches, `reader` keeps the position, `read` makes sense of the bytes,
//! `intake` tells the desk; `listen` keeps it all connected. What goes out: `thread` finds where it belongs, `fence` counts,
//! `compose` writes, `smtp` hands over. `ids`, `subject`, `trust`, `position` and `compose` are pure. Facts: `mail.md` of the
//! protocol sheets; numbers in comments are its sections.

pub mod ids;
pub mod position;
pub mod read;
pub mod subject;
pub mod trust;

mod compose;
mod config;
mod explain;
mod fence;
mod imap;
mod intake;
mod listen;
mod net;
mod probe;
mod reader;
mod smtp;
mod status;
mod thread;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use lettre::Address;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

pub use compose::ABOVE;
pub use config::{ImapConfig, Limits, MailConfig, MailTiming, SmtpConfig, Start, Tls};
pub use explain::{Advice, explain};

use compose::{From, compose};
use fence::{Fence, Room};
use intake::{Intake, NOBODY};
use listen::Listener;
use smtp::{Ready, Sender};
use status::{Counted, Status};
use thread::Threads;

use crate::{Capabilities, Channel, ChannelError, Inbox, Outgoing, Receipt, SendError, Shelf};

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Longest text of one mail, in characters; far more than anybody reads.
const MAX_CHARS: usize = 100_000;

/// One mailbox as a channel.
pub struct MailChannel {
    config: Arc<MailConfig>,
    shelf: Arc<dyn Shelf>,
    now: Now,
    tls: TlsConnector,
    from: Address,
    sender: Option<Sender>,
    threads: Arc<Threads>,
    fence: Arc<Fence>,
    status: Arc<Status>,
}

impl MailChannel {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::send`].
    ///
    /// # Errors
    /// Where [`MailConfig::check`] finds something wrong.
    pub fn new(config: MailConfig, shelf: &Arc<dyn Shelf>, now: &Now) -> Result<Self, ChannelError> {
        let wrong = ChannelError::Misconfigured;
        config.check().map_err(wrong)?;
        let tls = net::roots(config.ca_pem.as_deref()).and_then(net::connector).map_err(wrong)?;
        let from: Address =
            config.address.parse().map_err(|_| wrong(format!("邮件：address“{}”不能用来发信", config.address)))?;
        let status = Arc::new(Status::default());
        let sender = config.smtp.clone().map(|smtp| {
            Sender::new(smtp, from.clone(), tls.clone(), config.timing.clone(), now.clone(), status.clone())
        });
        Ok(Self {
            threads: Arc::new(Threads::new(shelf.clone(), now.clone(), &config.address)),
            fence: Arc::new(Fence::new(shelf.clone(), now.clone(), config.limits.clone())),
            config: Arc::new(config),
            shelf: shelf.clone(),
            now: now.clone(),
            tls,
            from,
            sender,
            status,
        })
    }

    /// Tries out what is configured: connects, logs in, looks at the folder, and says hello to the sending server, without
    /// reading or sending anything. A sentence each, `Err` where a person has to do something.
    pub async fn probe(&self) -> Vec<Result<String, String>> {
        let mut told = Vec::new();
        if let Some(imap) = &self.config.imap {
            probe::reading(&self.config, imap, &self.tls, &mut told).await;
        }
        if let Some(sender) = &self.sender {
            probe::sending(sender, &mut told).await;
        }
        told
    }

    async fn say(&self, sender: &Sender, message: &Outgoing) -> Result<Receipt, SendError> {
        let to = message.conversation.strip_prefix("user:").unwrap_or_default().to_lowercase();
        if to.is_empty() || to == NOBODY || to.eq_ignore_ascii_case(&self.config.address) {
            return Err(refused("这不是可以发信的邮箱地址，或是本邮箱自己"));
        }
        let about = message.about.as_deref();
        let ids = self.threads.ids().await.map_err(fence::unreachable)?;
        let id = ids.make(about, &message.key);
        let thread = self.threads.to_go_on(message.reply_to.as_deref(), &message.conversation, about).await;
        let mut thread = thread.map_err(fence::unreachable)?;
        if let Some(thread) = &mut thread {
            self.threads.without_gone(&mut thread.cc).await.map_err(fence::unreachable)?;
        }
        // Only answers to a sender are fenced: what the desk has to tell its own people goes out in any case.
        if message.reply_to.is_some() && !message.by_person && !message.commanded {
            let held = self.fence.holds_back(message, &to, thread.as_ref()).await.map_err(fence::unreachable)?;
            if let Some(why) = held {
                self.status.count(Counted::HeldBack);
                // What is said later about it belongs below the mail all the same.
                if let Some(thread) = thread {
                    self.threads.sent(&message.conversation, about, thread).await.map_err(fence::unreachable)?;
                }
                return Err(refused(why));
            }
        }
        let from = From { address: &self.from, name: self.config.display_name.as_deref() };
        let mail = compose(message, &from, &to, &id, thread, (self.now)()).map_err(refused)?;
        self.status.little_room(self.fence.spend_mail().await? == Room::Little);
        let copies = mail.copies.iter().map(|copy| copy.to_string().to_lowercase()).collect();
        self.threads.sending(&id, &message.conversation, copies).await.map_err(fence::unreachable)?;
        let ready = Ready { key: &message.key, to: mail.to, copies: mail.copies, raw: mail.raw };
        let handed = sender.send(&ready, &self.fence).await;
        if matches!(handed, Ok(()) | Err(SendError::Perhaps))
            && let Err(error) = self.threads.sent(&message.conversation, about, mail.thread).await
        {
            // The mail is out: later ones may stand beside it instead of below.
            tracing::warn!(channel = %self.config.id, %error, "a thread could not be kept");
        }
        handed.map(|()| Receipt { external_id: Some(id) })
    }
}

fn refused(text: impl Into<String>) -> SendError {
    SendError::Refused { code: 0, text: text.into() }
}

#[async_trait]
impl Channel for MailChannel {
    fn id(&self) -> &str {
        &self.config.id
    }

    /// `can_look_back` is false: SMTP has no way to ask, the Sent folder is filled by few servers and late, and the absence
    /// of a bounce proves nothing. What is in doubt is said once more under the same Message-ID, by which most receivers
    /// recognise it as the same mail.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: false,
            edits: false,
            speaks_first: self.sender.is_some(),
            max_chars: MAX_CHARS,
            // Counted per account, over all instances.
            pause: Duration::ZERO,
            can_look_back: false,
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        match &self.sender {
            Some(sender) => self.say(sender, message).await,
            None => Err(refused("没有配置发信（smtp）")),
        }
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Err(SendError::Unreachable("邮件没有可查询的发送记录".to_owned()))
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        let Some(imap) = &self.config.imap else {
            stop.cancelled().await;
            return Ok(());
        };
        let intake = Intake {
            config: self.config.clone(),
            inbox,
            threads: self.threads.clone(),
            fence: self.fence.clone(),
            status: self.status.clone(),
            now: self.now.clone(),
        };
        let listener = Listener { config: &self.config, imap, shelf: &self.shelf, tls: &self.tls, intake };
        listener.run(&stop).await;
        Ok(())
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.status.counts()
    }

    fn health(&self) -> Result<String, String> {
        self.status.health(&self.config)
    }
}
