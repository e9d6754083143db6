//! QQ: the account held by a OneBot 11 implementation.

pub mod onebot;
