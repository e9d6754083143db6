//! Lengths and points in time as a profile writes them: `30m`, `2h`, `5wd`, `50%`, `broken+30m`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// How long a promise is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Service minutes.
    Minutes(u32),
    /// Working days, each the service minutes of one day of the calendar.
    Workdays(u32),
}

impl Length {
    /// Milliseconds of a length in minutes; `None` for working days, whose length the calendar decides.
    pub fn fixed_ms(self) -> Option<i64> {
        match self {
            Self::Minutes(minutes) => Some(i64::from(minutes) * 60_000),
            Self::Workdays(_) => None,
        }
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("「{text}」不是时长：请写成 30m、2h、1h30m、3d 或 5wd（工作日）");
        if let Some(days) = text.strip_suffix("wd") {
            return days.parse().ok().filter(|n| *n > 0).map(Self::Workdays).ok_or_else(wrong);
        }
        let (mut minutes, mut digits) = (0u32, String::new());
        for c in text.chars() {
            let unit = match c {
                '0'..='9' => {
                    digits.push(c);
                    continue;
                }
                'm' => 1,
                'h' => 60,
                'd' => 24 * 60,
                _ => return Err(wrong()),
            };
            let n: u32 = digits.parse().map_err(|_| wrong())?;
            minutes = n.checked_mul(unit).and_then(|m| minutes.checked_add(m)).ok_or_else(wrong)?;
            digits.clear();
        }
        if minutes == 0 || !digits.is_empty() { Err(wrong()) } else { Ok(Self::Minutes(minutes)) }
    }
}

impl fmt::Display for Length {
    /// As people read it: `30 分钟`, `2 小时`, `5 个工作日`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workdays(days) => write!(f, "{days} 个工作日"),
            Self::Minutes(minutes) if minutes % 60 == 0 => write!(f, "{} 小时", minutes / 60),
            Self::Minutes(minutes) if *minutes > 60 => write!(f, "{} 小时 {} 分钟", minutes / 60, minutes % 60),
            Self::Minutes(minutes) => write!(f, "{minutes} 分钟"),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// When an escalation step fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// As soon as the ticket is, or becomes, major.
    Start,
    /// When this share of the promise is used up; 1 to 99.
    Percent(u8),
    /// The first moment after the promise is broken.
    Broken,
    /// So many minutes after that.
    AfterBroken(u32),
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("「{text}」不是升级时点：请写成 start、50%、broken 或 broken+30m");
        if text == "start" {
            return Ok(Self::Start);
        }
        if let Some(percent) = text.strip_suffix('%') {
            return percent.parse().ok().filter(|p| (1..100).contains(p)).map(Self::Percent).ok_or_else(wrong);
        }
        match text.strip_prefix("broken") {
            Some("") => Ok(Self::Broken),
            Some(rest) => match rest.strip_prefix('+').map(str::parse) {
                Some(Ok(Length::Minutes(minutes))) => Ok(Self::AfterBroken(minutes)),
                _ => Err(wrong()),
            },
            None => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
