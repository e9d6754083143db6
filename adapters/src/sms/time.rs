//! Spans between instants that never overflow.

use std::time::Duration;

use jiff::Timestamp;

/// From one instant to a later one; zero where it is not later.
pub(crate) fn gap(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// So much later; the end of time where there is no such instant.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
