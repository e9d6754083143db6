//! Msg_Id: eight bytes that identify and nothing more (sms.md 1.5). Vendors deviate from the layout, so it is never checked;
//! the time in it is a hint.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Serialize;

use super::auth::local;

/// The id that a gateway gave a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MsgId(pub u64);

/// The standard's reading of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// 1 to 12 where the gateway keeps to the standard.
    pub month: u8,
    /// Of the month.
    pub day: u8,
    /// Local time of the gateway.
    pub hour: u8,
    /// As above.
    pub minute: u8,
    /// As above.
    pub second: u8,
    /// 22 bits.
    pub gateway: u32,
    /// Counts within the second.
    pub sequence: u16,
}

/// How old a message may be for its own time to be believed (1.7).
const BELIEVED: Duration = Duration::from_hours(48);

impl MsgId {
    /// Whether the gateway gave none.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// By the standard's layout.
    pub fn parts(self) -> Parts {
        let bits = |shift: u32, count: u32| (self.0 >> shift) & ((1 << count) - 1);
        let small = |shift, count| u8::try_from(bits(shift, count)).unwrap_or_default();
        Parts {
            month: small(60, 4),
            day: small(55, 5),
            hour: small(50, 5),
            minute: small(44, 6),
            second: small(38, 6),
            gateway: u32::try_from(bits(16, 22)).unwrap_or_default(),
            sequence: u16::try_from(bits(0, 16)).unwrap_or_default(),
        }
    }

    /// Twenty-two digits, as a peer prints it.
    pub fn digits(self) -> String {
        let Parts { month, day, hour, minute, second, gateway, sequence } = self.parts();
        format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}{gateway:07}{sequence:05}")
    }

    /// When the gateway made it, where that lies within the last 48 hours; the year is not in it.
    pub fn time_before(self, now: Timestamp) -> Option<Timestamp> {
        let Parts { month, day, hour, minute, second, .. } = self.parts();
        let small = |n: u8| i8::try_from(n).unwrap_or(-1);
        let this = local(now).year();
        [this, this - 1].into_iter().find_map(|year| {
            let at =
                DateTime::new(year, small(month), small(day), small(hour), small(minute), small(second), 0).ok()?;
            let at = Offset::constant(8).to_timestamp(at).ok()?;
            let age = Duration::try_from(now.duration_since(at)).ok()?;
            (age <= BELIEVED).then_some(at)
        })
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MsgId({self})")
    }
}
