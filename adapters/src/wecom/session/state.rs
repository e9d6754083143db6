//! Where the line is, what it asks of the shell, and how long things take.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::wecom::codec::frame::Ack;

/// A command of ours, numbered in the order of asking.
pub type CallId = u64;

/// How long things take on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineTiming {
    /// Between two pings (5.7: 30 s).
    pub ping: Duration,
    /// For the acknowledgement of any command (5.7 rule 8: 10 s).
    pub ack: Duration,
    /// First pause before dialling again; doubles from try to try.
    pub backoff: Duration,
    /// Longest such pause.
    pub backoff_most: Duration,
    /// Pause after our credentials were refused: subscribing is itself limited.
    pub refused: Duration,
    /// Least pause after another connection took the bot over; doubles while that goes on, up to eight times.
    pub kicked: Duration,
}

impl Default for LineTiming {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(30),
            ack: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            backoff_most: Duration::from_secs(30),
            refused: Duration::from_mins(5),
            kicked: Duration::from_mins(1),
        }
    }
}

/// Where the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is tried: before the first try, without the lease, or between two tries until `not_before`.
    Idle {
        /// When the next try may be made.
        not_before: Timestamp,
    },
    /// The shell dials.
    Connecting,
    /// The socket stands; the subscription is not acknowledged.
    Subscribing {
        /// By when it must be.
        until: Timestamp,
    },
    /// Commands go out.
    Live {
        /// Since when.
        since: Timestamp,
    },
    /// Another connection took the bot over.
    Kicked {
        /// When this process may ask for the lease again.
        not_before: Timestamp,
    },
    /// The platform refuses our credentials.
    Refused {
        /// When to try again, as somebody may have corrected them on the other side.
        not_before: Timestamp,
        /// The platform's code.
        code: i64,
    },
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write a frame; `urgent` ones overtake what waits.
    Write {
        /// The frame.
        text: String,
        /// Pings and the subscription.
        urgent: bool,
    },
    /// Hand an outcome to whoever made this call.
    Settle {
        /// Which.
        call: CallId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Hand a callback in.
    Heard {
        /// To answer under.
        req_id: String,
        /// Its body.
        body: Value,
    },
    /// Close the socket, without courtesy where it is half dead.
    Close,
    /// A frame of no known shape or kind was dropped.
    Dropped,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The platform answered.
    Ack(Ack),
    /// It was never written.
    NotSent,
    /// Written, and no answer came in time or at all: it may have arrived.
    Unknown,
}
