//! What there is to say about a line, for health and metrics.

use std::time::Duration;

use jiff::Timestamp;

use crate::wecom::session::State;

/// What there is to say about the line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineStatus {
    /// Where it is.
    pub state: State,
    /// Another instance holds the lease, so this one stands by.
    pub standby: bool,
    /// The lease could not be asked for, or the last try to connect failed: why, without secrets.
    pub trouble: Option<String>,
    /// The last interruption of more than a minute: what was said meanwhile was not heard.
    pub outage: Option<(Timestamp, Timestamp)>,
    /// Since when commands cannot go out.
    pub down_since: Option<Timestamp>,
    /// Commands without an answer so far.
    pub open_calls: usize,
    /// How long the last ping took.
    pub round_trip: Option<Duration>,
    /// When somebody was last heard.
    pub last_callback: Option<Timestamp>,
    /// Subscriptions that succeeded.
    pub connections: u64,
    /// How often in a row another connection took the bot over.
    pub kicks: u32,
}
