//! WeChat Work: bot, app and robots.

mod app;
mod app_cards;
mod app_hears;
mod callback;
mod crypto_peer;
mod inspect;
mod office;
mod proxy;
mod robot;
mod vectors;

mod bot;
mod bot_cards;
mod callback_mode;
mod cards;
mod channel;
mod frames;
mod line;
mod scenarios;
mod session;
pub mod support;
