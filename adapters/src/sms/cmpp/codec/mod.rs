//! The frames of CMPP 2.0 and 3.0, one codec with a switch for the widths that differ (sms.md 1). Pure.

pub mod auth;
pub mod describe;
pub mod frames;
pub mod msg_id;
pub mod pdu;
pub mod report;
mod wire;

pub use auth::{authenticator, gateway_authenticator, timestamp_text};
pub use frames::{Framer, OutOfStep};
pub use msg_id::MsgId;
pub use pdu::{Connect, Deliver, Fault, Frame, Pdu, Submit, decode, encode, width_of};
pub use report::{Report, Verdict, verdict};

/// Which of the two layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 2.0 and 2.1: numbers of 21 bytes, results of one.
    Two,
    /// 3.0: numbers of 32 bytes, results of four.
    Three,
}

impl Width {
    /// Bytes of a phone number.
    pub fn number(self) -> usize {
        match self {
            Self::Two => 21,
            Self::Three => 32,
        }
    }

    /// Bytes of what ends SUBMIT and DELIVER: a reserve, or the LinkID.
    pub fn tail(self) -> usize {
        match self {
            Self::Two => 8,
            Self::Three => 20,
        }
    }

    /// The version as CONNECT says it.
    pub fn version(self) -> u8 {
        match self {
            Self::Two => 0x20,
            Self::Three => 0x30,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Two => "2.0",
            Self::Three => "3.0",
        }
    }
}
