//! The desk as the outside meets it: real sockets, a real file, a real process, and everything that may go wrong between.

mod bad_input;
mod conversation;
mod crash;
mod doctor;
mod doubt;
mod killed;
mod outages;
pub(crate) mod process;
pub(crate) mod support;
