//! The official QQ bot.

mod flows;
mod gateway;
mod inspect;
mod planner;
mod saying;
mod session;
mod support;
mod texts;
mod vectors;
mod webhook;
