//! The channels against stand-in platforms, over real sockets; and their codecs against collected vectors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking; helpers are tests too")]

mod catching_up;
mod codec;
mod forward;
mod http;
mod listening;
mod mail;
mod media;
mod qq_official;
mod reverse;
mod sending;
mod session;
mod sms;
mod support;
mod vectors;
mod wecom;
