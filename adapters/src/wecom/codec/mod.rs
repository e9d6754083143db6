//! The pure part of WeCom: no socket, no clock, no randomness. Bytes, XML and JSON in, values out.

pub mod app_event;
pub mod crypto;
pub mod envelope;
pub mod errcode;
pub mod split;
pub mod xml;

pub mod bot_body;
pub mod card;
pub mod card_rules;
pub mod file_name;
pub mod frame;
pub mod markdown;
pub mod mention;
