//! One binary: stories, laws, real peers, and the walls.

mod browser;
mod clock;
mod encoder;
mod foretold;
mod laws;
mod mail;
mod peers;
mod qq_official;
mod rehearse;
mod sms;
mod store;
mod tidy;
mod wecom;
