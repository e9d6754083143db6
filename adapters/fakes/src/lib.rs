//! Stand-in platforms for tests. They speak the wire, refuse what the real ones refuse, and share no codec with the
//! adapters, so that a mistake there is not repeated here.

pub mod mail;
pub mod onebot;
pub mod proxy;
pub mod qq_official;
pub mod sms;
pub mod wecom;
