//! QQ: the account held by a OneBot 11 implementation, and the registered robot of the open platform. They are two
//! channels that know nothing of each other.

pub mod official;
pub mod onebot;
