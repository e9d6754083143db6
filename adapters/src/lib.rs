//! Channels: wire protocols in, plain messages out.
//!
//! Border: this crate knows messages and platforms, never tickets, contracts or promises. A channel imports no
//! other channel. What differs between platforms is data in [`Capabilities`]; nobody outside asks which one it is.

mod message;
mod proxy;
mod shelf;

pub mod mail;
pub mod media;
pub mod qq;
pub mod sms;
pub mod wecom;

pub use message::{
    Action, Attachment, Capabilities, Channel, ChannelError, Event, Inbound, Inbox, InboxError, Outgoing, Press,
    Receipt, Retry, SendError,
};
pub use proxy::Proxy;
pub use shelf::{Entry, Shelf, ShelfError};
