//! WeChat Work (企业微信, WeCom): one channel made of a bot, an app and robots.
//!
//! Facts: `wecom.md` of the protocol sheets; numbers in comments are its sections.

pub mod codec;

// W1's modules (callback, token, app, robot, inspect):

// W2's modules (health, session, socket, bot):
pub mod session;
pub mod socket;

use std::sync::Arc;

use jiff::Timestamp;

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
