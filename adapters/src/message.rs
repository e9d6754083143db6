//! The plain form of everything that crosses a channel, and the traits on both sides of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// A message as a channel heard it. `conversation` and `sender` are in the channel's own terms, without the channel's
/// id: `group:20001`, `user:10001`; the sender is the bare account (`10001`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The id of the channel in the configuration (`qq`).
    pub channel: String,
    /// `group:ID` or `user:ID`.
    pub conversation: String,
    /// The account that wrote.
    pub sender: String,
    /// What the platform shows as the sender's name; empty where it tells none.
    #[serde(default)]
    pub sender_name: String,
    /// Unique within the channel: a repeat of it is the same message.
    pub external_id: String,
    /// When it was written, by the platform's clock.
    pub sent_at: Timestamp,
    /// Plain text; mentions of others stand in it as `@name`, the mention of the bot itself is taken out.
    #[serde(default)]
    pub text: String,
    /// Pictures and files.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// External id of the quoted message.
    #[serde(default)]
    pub quotes: Option<String>,
    /// Words of the quoted message, where the platform gives those and no id: a ticket number in them says what is meant.
    #[serde(default)]
    pub quoted_text: Option<String>,
    /// Whether the bot was mentioned, or one of its own messages was quoted, or the conversation is private.
    #[serde(default)]
    pub addressed: bool,
    /// Accounts that were mentioned, the bot itself left out.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Fetched from history after a gap: old commands in it are not to be carried out blindly.
    #[serde(default)]
    pub recovered: bool,
    /// Set where this is a pressed button and not a text.
    #[serde(default)]
    pub press: Option<Press>,
    /// What a message of ours was about that this one answers: [`Outgoing::about`], given back where the channel can prove
    /// that the id it was found in is one we made.
    #[serde(default)]
    pub about: Option<String>,
    /// Why this was written by a machine (an out-of-office note, a list), in words for people. It is recorded, and
    /// neither answered nor taken as anybody's word.
    #[serde(default)]
    pub automatic: Option<String>,
    /// Why it may have been written by somebody else than it says, in words for people. Nothing that needs a right is done
    /// on such a message.
    #[serde(default)]
    pub doubt: Option<String>,
    /// What was cut from the text: quotation and signature. Kept for the record.
    #[serde(default)]
    pub cut: Option<String>,
}

/// A button that was pressed on a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// External id of the message that carries the button.
    pub on: String,
    /// [`Action::id`].
    pub action: String,
}

/// A file or picture that came with a message, or goes out with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name as shown; never used as a path.
    pub name: String,
    /// MIME type, or the channel's own word for it (`image`).
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Where the channel fetched it from; empty where the bytes are already stored.
    #[serde(default)]
    pub url: String,
    /// Bytes, where known.
    #[serde(default)]
    pub size_bytes: Option<u64>,
    /// SHA-256 (hex) under which the attachment store keeps the bytes; `None` while not fetched.
    #[serde(default)]
    pub stored: Option<String>,
    /// Why the bytes could not be kept.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What a channel tells the desk. Everything but a message concerns the channel's own state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Somebody wrote or pressed a button.
    Message(Box<Inbound>),
    /// The writer took a message back; what was captured stays.
    Recalled {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
        /// [`Inbound::external_id`] of the message.
        external_id: String,
    },
    /// The bot was added to a conversation.
    Joined {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
    },
    /// The bot was removed; nothing can be said there any more.
    Left {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
    },
    /// Nothing may be said in a conversation until then; `None` lifts it.
    Muted {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
        /// When it ends; a far instant where the platform names none.
        until: Option<Timestamp>,
    },
    /// A conversation that could only be answered can be spoken to again: what waited for that may go.
    Reachable {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
    },
    /// The account went off or came back on line while the connection stands.
    Online(bool),
    /// One of our own messages was seen in a conversation: proof that a "perhaps" went through.
    OwnMessage {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
        /// The platform's id of it.
        external_id: String,
        /// Its plain text.
        text: String,
    },
    /// The other side wants no surveys and announcements here any more (`out`), or wants them again. Answers to what it asked
    /// and everything urgent are not concerned.
    OptedOut {
        /// Conversation as in [`Inbound::conversation`].
        conversation: String,
        /// Whether it is out.
        out: bool,
    },
    /// A message of ours that the platform had taken did not arrive after all.
    Bounced {
        /// Conversation it was sent to, as in [`Outgoing::conversation`].
        conversation: String,
        /// [`Receipt::external_id`] of it.
        external_id: String,
        /// Whether trying again later is useless.
        permanent: bool,
        /// Why, in words for people, with nothing secret in them.
        why: String,
    },
}

/// Where channels hand in what they hear.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Takes one event of the channel `channel`. Returns only once it is stored: after `Ok` it survives a power cut and
    /// the wire may be answered. A repeat of a known external id is `Ok` as well and changes nothing.
    async fn accept(&self, channel: &str, event: Event) -> Result<(), InboxError>;
    /// Stores attachment bytes and returns their SHA-256 (hex).
    async fn keep(&self, bytes: Vec<u8>) -> Result<String, InboxError>;
    /// The external id of the newest message stored for a conversation: where catching up after a gap begins.
    async fn newest(&self, channel: &str, conversation: &str) -> Option<String>;
    /// Since when the desk listens to this channel: the first time it was asked, kept for ever. What was said before is none
    /// of its business. `None` where that cannot be told now.
    async fn listens_since(&self, channel: &str) -> Option<Timestamp>;
    /// Conversations of this channel that are bound to a contract: those worth catching up.
    async fn bound(&self, channel: &str) -> Vec<String>;
}

/// Why an event was not stored: the wire must not be told that it was.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The database refuses or is full; the peer should deliver again.
    #[error("the message could not be stored now: {0}")]
    Unavailable(String),
    /// The message itself cannot be stored (too large).
    #[error("the message cannot be stored: {0}")]
    Refused(String),
}

/// What the desk wants said, in the richest form any channel knows. Each channel renders it as well as it can.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Unique key of this message: what a platform may use to recognise a repeat.
    pub key: String,
    /// `group:ID` or `user:ID`.
    pub conversation: String,
    /// The whole text, ready to read, without markup.
    pub text: String,
    /// One line above the text, for channels with cards or subjects.
    #[serde(default)]
    pub title: String,
    /// Label and value pairs that a card shows as a table; they stand in `text` too.
    #[serde(default)]
    pub fields: Vec<(String, String)>,
    /// Buttons; channels without buttons leave them out, as `text` names the command.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Accounts to mention, in this channel's own form.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// External id of the message this answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Account that wrote the message this answers, for channels that want it.
    #[serde(default)]
    pub reply_account: Option<String>,
    /// Form for channels of 70 characters; `None` where `text` is short enough.
    #[serde(default)]
    pub short: Option<String>,
    /// External id of the card that this message is to stand in the place of: one whose button was pressed. Only said
    /// where [`Capabilities::edits`]; a channel that can no longer edit the card takes it and says nothing.
    #[serde(default)]
    pub updates: Option<String>,
    /// What it is about, as one word (a ticket's key): a channel with threads keeps one thread for each, and gives it back
    /// in [`Inbound::about`].
    #[serde(default)]
    pub about: Option<String>,
    /// Whether somebody has to be woken by it: a channel that learns whether messages arrive says so when it hears nothing in
    /// time.
    #[serde(default)]
    pub urgent: bool,
    /// Whether a person wrote these words (an engineer's progress), and not the desk by itself.
    #[serde(default)]
    pub by_person: bool,
    /// Whether it says that a command was carried out, for somebody whose account is known and not in doubt: no answer to a
    /// sender that may be a machine.
    #[serde(default)]
    pub commanded: bool,
}

/// A button on a card, and the command a person may type instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Stable id (`claim`).
    pub id: String,
    /// What the button says (`认领`).
    pub label: String,
    /// The same as a chat command (`认领 3`).
    pub command: String,
}

/// What may be sent over a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "a list of abilities, each there or not")]
pub struct Capabilities {
    /// Whether a message may carry buttons.
    pub buttons: bool,
    /// Whether people can be mentioned.
    pub mentions: bool,
    /// Whether a card that was sent can be changed once its button was pressed.
    pub edits: bool,
    /// Whether the bot may speak without being spoken to.
    pub speaks_first: bool,
    /// Longest text in characters (`char`s); longer ones are split by the channel.
    pub max_chars: usize,
    /// Least pause between two messages to one conversation.
    pub pause: Duration,
    /// What follows when a send timed out: whether [`Channel::find`] can ask the platform.
    pub can_look_back: bool,
    /// Whether a sender is known by nothing but a number that others may show as well: of what needs a right only the
    /// acknowledgement of a reminder or a report is taken here.
    pub acknowledges_only: bool,
}

/// The platform took a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's id of it, where it tells one.
    pub external_id: Option<String>,
}

/// When the same message may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not before this long.
    After(Duration),
    /// By the outbox's usual back-off.
    Backoff,
    /// The same message will never be taken over this way.
    Never,
    /// It may have arrived: look before sending again.
    Look,
    /// Once [`Event::Reachable`] tells that the conversation was heard from; what has another way takes that.
    Contact,
}

/// Why a message did not go out. The outbox reads only [`SendError::retry`]; people read the sentence.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// Too many messages; wait.
    #[error("the platform asks us to slow down")]
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The platform refused this message for good.
    #[error("the platform refused the message: {code} {text}")]
    Refused {
        /// The platform's code.
        code: i64,
        /// The platform's words, with nothing secret in them.
        text: String,
    },
    /// Not connected, or the connection failed before the message was handed over.
    #[error("could not reach the platform: {0}")]
    Unreachable(String),
    /// Handed over, but no answer: it may have arrived.
    #[error("no answer after sending; it may have arrived")]
    Perhaps,
    /// The conversation cannot be spoken to now (muted).
    #[error("the conversation is muted")]
    Muted {
        /// How long, where known.
        retry_after: Duration,
    },
    /// The conversation can only be answered, and there is nothing to answer now.
    #[error("the conversation can only be answered: waiting for the other side to speak")]
    AwaitsContact,
}

impl SendError {
    /// Whether the same message may be tried again, and when.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { retry_after } | Self::Muted { retry_after } => Retry::After(*retry_after),
            Self::Unreachable(_) => Retry::Backoff,
            Self::Refused { .. } => Retry::Never,
            Self::Perhaps => Retry::Look,
            Self::AwaitsContact => Retry::Contact,
        }
    }
}

/// Why a channel cannot work at all until somebody changes something.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The configuration is wrong, or the platform refuses our credentials.
    #[error("{0}")]
    Misconfigured(String),
}

/// One account on one platform.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The id in the configuration.
    fn id(&self) -> &str;
    /// What a message may carry here.
    fn capabilities(&self) -> Capabilities;
    /// Hands over one message. `Ok` means the platform took it, not that it was read.
    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError>;
    /// Whether this instance may send now. False while another one holds what only one may have (a line): then its
    /// messages are left to that one.
    fn sends_here(&self) -> bool {
        true
    }
    /// The external id of a message with buttons, from the message's key, where the channel makes it itself: people can
    /// press a card before its receipt has come, or though it was lost. `None` where the platform makes ids.
    fn card_id(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }
    /// Whether one person has another account in each conversation: an account that is bound is then added to the others,
    /// instead of standing in their place.
    fn many_accounts(&self) -> bool {
        false
    }
    /// What a message that the platform took still waits for before people see it (`待平台审核`), by its
    /// [`Receipt::external_id`].
    fn awaits(&self, external_id: &str) -> Option<&'static str> {
        let _ = external_id;
        None
    }
    /// After [`SendError::Perhaps`]: whether the platform shows this message as sent after `since`. Words said twice look
    /// alike there: what has an id in `taken` (external ids) already stands for another message and is not this one.
    /// `Ok(None)` means it is surely not there; `Err` that the platform could not be asked.
    async fn find(
        &self,
        message: &Outgoing,
        since: Timestamp,
        taken: &HashSet<String>,
    ) -> Result<Option<Receipt>, SendError>;
    /// Feeds `inbox` until `stop`; reconnects by itself. Returns early only where nothing but a person can help.
    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        // What is only served or only speaks has nothing to wait for.
        drop(inbox);
        stop.cancelled().await;
        Ok(())
    }
    /// What the desk's HTTP server must serve for this channel (callbacks, reverse WebSockets), if anything.
    fn routes(&self, inbox: Arc<dyn Inbox>) -> Option<axum::Router> {
        drop(inbox);
        None
    }
    /// What the channel has counted since it was built, for metrics: `("callback_forged", 3)`. Names are `[a-z_]+`.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// One line for `doctor`: connected or not, since when, and what a person should do. `Ok` is healthy.
    fn health(&self) -> Result<String, String>;
}
