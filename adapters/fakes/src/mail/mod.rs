//! Mail servers: real ones in a folder of their own, and scripted ones that misbehave line by line.

mod login;
pub mod scripted;
pub mod server;
mod settings;
