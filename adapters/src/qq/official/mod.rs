//! The official QQ bot: a robot registered on the open platform (API v2).
//!
//! What makes it hard is what it forbids: it may answer what was just said, and hardly speak by itself. `codec`, `session`
//! and `planner` are pure; the planner knows for each conversation what may still be answered. Facts: `qq-official.md` of
//! the protocol sheets; numbers in comments are its sections.

pub mod codec;
pub mod planner;
pub mod session;
