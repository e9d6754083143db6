//! One binary: stories, laws, real peers, and the walls.

mod browser;
mod clock;
mod encoder;
mod laws;
mod mail;
mod peers;
mod rehearse;
mod store;
mod tidy;
mod wecom;
