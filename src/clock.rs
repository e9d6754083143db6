//! Where the desk gets the time: the only place that may ask what time it is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Tells the time. Only `main`, the sandbox, rehearsals and tests choose one.
pub trait Clock: Send + Sync {
    /// Now, cut to whole milliseconds: the resolution of everything that is stored.
    fn now(&self) -> Timestamp;
}

/// Cuts an instant to the resolution of the store.
pub fn to_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// The machine's clock, moved by an offset that only the sandbox sets.
#[derive(Debug, Default)]
pub struct SystemClock {
    offset_ms: AtomicI64,
}

impl SystemClock {
    /// A clock that runs `offset_ms` ahead of the machine's.
    pub fn ahead_by(offset_ms: i64) -> Self {
        Self { offset_ms: AtomicI64::new(offset_ms) }
    }

    /// Moves the clock forward and answers the new offset in milliseconds.
    pub fn forward(&self, by_ms: i64) -> i64 {
        self.offset_ms.fetch_add(by_ms, Ordering::SeqCst) + by_ms
    }

    /// How far it runs ahead of the machine's clock, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask")]
    fn now(&self) -> Timestamp {
        to_ms(Timestamp::now() + SignedDuration::from_millis(self.offset_ms.load(Ordering::SeqCst)))
    }
}

/// Stands still until it is set.
#[derive(Debug)]
pub struct HandClock(Mutex<Timestamp>);

impl HandClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(Mutex::new(to_ms(at)))
    }

    /// Sets it; it may be set back, as real clocks are.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = to_ms(at);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
