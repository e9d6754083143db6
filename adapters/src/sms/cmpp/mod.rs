//! CMPP, the operator's own protocol (sms.md 1).

pub mod codec;
pub mod link;
pub mod session;
