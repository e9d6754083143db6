//! The pure part of WeCom: no socket, no clock, no randomness. Bytes, XML and JSON in, values out.

// W1's modules (crypto, envelope, xml, app_event, errcode, split):
pub mod crypto;

// W2's modules (frame, bot_body, card, markdown, mention):
