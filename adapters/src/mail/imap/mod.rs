//! Reading a mailbox: commands over a connection, finding what is new, fetching, waiting, moving away.
//!
//! The client library is used for its connection, its login and its parser. Commands are run here, as its own calls take a
//! refused search for an empty mailbox and a broken connection for the end of an answer (2.3).

mod connect;
mod fetch;
mod line;
mod mailbox;
mod watch;

pub(super) use connect::{Opened, open};
pub(super) use fetch::{Fetched, Meta};
use line::Line;
pub(super) use watch::Woken;

/// Why a step on the mailbox did not succeed, each with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection is gone or cannot be trusted any more: connect again.
    Lost(String),
    /// The login was refused.
    Login(String),
    /// The server wants a person to change something first.
    Person(String),
    /// The server refused one command; the connection stands.
    Refused(String),
}

impl Trouble {
    /// The sentence.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Lost(text) | Self::Login(text) | Self::Person(text) | Self::Refused(text) => text,
        }
    }
}
