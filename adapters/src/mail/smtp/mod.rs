//! Handing mails over to the sending server.

mod line;
mod outcome;
mod send;

pub(super) use outcome::told;
pub(super) use send::{Ready, Sender};
