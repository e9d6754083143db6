//! Newtype ids: text with a prefix that says what it names, made from our own clock and generator.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The next id of this kind.
            pub fn next(maker: &IdMaker, now: Timestamp) -> Self {
                Self(format!(concat!($prefix, "_{}"), maker.ulid(now)))
            }
            /// The text that stands in the database and in logs.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = WrongId;
            fn from_str(text: &str) -> Result<Self, WrongId> {
                match text.strip_prefix(concat!($prefix, "_")) {
                    Some(rest) if ulid::Ulid::from_string(rest).is_ok() => Ok(Self(text.to_owned())),
                    _ => Err(WrongId { expected: $prefix }),
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = WrongId;
            fn try_from(text: String) -> Result<Self, WrongId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(/// One request for help, from its first message to its closing.
    TicketId, "tkt");
id!(/// One message that came in.
    InboundId, "in");
id!(/// One message that goes out.
    OutboundId, "out");

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the kind `{expected}_…`")]
pub struct WrongId {
    expected: &'static str,
}

/// Makes ids that grow with time and never repeat within a process. Two processes differ by `seed`.
pub struct IdMaker {
    state: Mutex<(u64, u128)>,
    seed: u128,
}

impl IdMaker {
    /// `seed` tells instances apart; a test hands in a fixed one and gets the same ids each time.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new((0, 0)), seed: u128::from(seed) << 40 }
    }

    fn ulid(&self, now: Timestamp) -> ulid::Ulid {
        let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A clock that steps back must not make ids that sort before older ones.
        *state = if now_ms > state.0 { (now_ms, 0) } else { (state.0, state.1 + 1) };
        ulid::Ulid::from_parts(state.0, (state.1 << 48) | (self.seed & ((1 << 48) - 1)))
    }
}

impl fmt::Debug for IdMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdMaker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let maker = IdMaker::new(7);
        let later: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let earlier: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let ids = [later, later, earlier, later].map(|now| TicketId::next(&maker, now));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = InboundId::next(&IdMaker::new(1), Timestamp::UNIX_EPOCH);
        assert!(id.as_str().parse::<TicketId>().is_err());
        assert_eq!(id.as_str().parse::<InboundId>().unwrap(), id);
    }
}
