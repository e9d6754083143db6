//! The official QQ bot.

mod planner;
mod session;
mod texts;
mod vectors;
