//! One binary: stories, laws, real peers, and the walls.

mod browser;
mod clock;
mod foretold;
mod laws;
mod mail;
mod peers;
mod qq_official;
mod rehearse;
mod store;
mod tidy;
mod wecom;
