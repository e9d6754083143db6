//! The pure part of the official QQ bot: no socket, no clock, no randomness. Bytes and JSON in, values out.

pub mod errcode;
pub mod event;
pub mod mention;
pub mod outgoing;
pub mod sign;
pub mod split;
