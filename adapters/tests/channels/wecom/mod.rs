//! WeChat Work: bot, app and robots.

// W1's:
mod app;
mod callback;
mod crypto_peer;
mod robot;
mod vectors;

// W2's:
mod bot;
mod callback_mode;
mod cards;
mod channel;
mod frames;
mod line;
mod scenarios;
mod session;
mod support;
