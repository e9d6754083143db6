//! CMPP, the operator's own protocol (sms.md 1). `codec`, `session`, `fragments` and `sending` are pure; `link` is the
//! socket, `hearing` stores what comes in, `channel` puts them together.

pub mod codec;
pub mod fragments;
pub mod link;
pub mod session;

mod channel;
mod config;
mod hearing;
mod sending;

pub use channel::Cmpp;
pub use config::CmppConfig;
