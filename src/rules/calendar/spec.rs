//! A calendar as written down.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::CalendarError;

/// Service from one wall-clock minute up to, not including, another of the same day; written `["08:30", "12:00"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct Span {
    from: u16,
    to: u16,
}

impl Span {
    /// The whole day, 00:00 to 24:00.
    pub const WHOLE_DAY: Self = Self { from: 0, to: 1440 };

    /// From `"HH:MM"` to `"HH:MM"`; only the end may be `"24:00"`.
    ///
    /// # Errors
    /// When either is no time of day, or the end is not after the beginning.
    pub fn parse(from: &str, to: &str) -> Result<Self, CalendarError> {
        let span = Self { from: minute_of_day(from)?, to: minute_of_day(to)? };
        if span.from < span.to {
            Ok(span)
        } else {
            Err(CalendarError::EmptySpan { from: from.to_owned(), to: to.to_owned() })
        }
    }

    /// First minute of the day that is open, 0 to 1439.
    pub fn from_minute(self) -> u16 {
        self.from
    }

    /// First minute after it that is closed again, 1 to 1440.
    pub fn to_minute(self) -> u16 {
        self.to
    }
}

impl TryFrom<(String, String)> for Span {
    type Error = CalendarError;

    fn try_from((from, to): (String, String)) -> Result<Self, CalendarError> {
        Self::parse(&from, &to)
    }
}

impl From<Span> for (String, String) {
    fn from(span: Span) -> Self {
        (hh_mm(span.from), hh_mm(span.to))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}", hh_mm(self.from), hh_mm(self.to))
    }
}

fn hh_mm(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn minute_of_day(text: &str) -> Result<u16, CalendarError> {
    let number = |digits: &str| match digits.len() {
        2 if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<u16>().ok(),
        _ => None,
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
        .filter(|&(hour, minute)| (hour < 24 && minute < 60) || (hour, minute) == (24, 0))
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| CalendarError::Time(text.to_owned()))
}

/// The service spans of an ordinary working day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WeekHours(pub Vec<Span>);

impl WeekHours {
    /// 08:30–12:00 and 13:30–18:00: what `5x8` means where a contract names no hours.
    pub fn office() -> Self {
        Self(vec![Span { from: 510, to: 720 }, Span { from: 810, to: 1080 }])
    }
}

impl Default for WeekHours {
    fn default() -> Self {
        Self::office()
    }
}

/// The spans of each weekday; a day left out is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct WeekSpec {
    pub mon: Vec<Span>,
    pub tue: Vec<Span>,
    pub wed: Vec<Span>,
    pub thu: Vec<Span>,
    pub fri: Vec<Span>,
    pub sat: Vec<Span>,
    pub sun: Vec<Span>,
}

/// A calendar given on the spot or in a profile. Breaks are cut last; before them a holiday beats a dated opening, which beats
/// a make-up day, which beats the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarSpec {
    /// IANA name of the zone whose wall clocks the spans mean.
    pub tz: String,
    /// The ordinary week.
    pub week: WeekSpec,
    /// Dates that rest.
    pub holidays: Vec<Date>,
    /// Dates that rest every year, `"MM-DD"`.
    pub recurring_holidays: Vec<String>,
    /// Dates with hours of their own; an empty list closes the date.
    pub dates: BTreeMap<Date, Vec<Span>>,
    /// Cut out of whatever the date would have.
    pub breaks: BTreeMap<Date, Vec<Span>>,
    /// Dates worked though the week would rest.
    pub makeup_workdays: Vec<Date>,
    /// Their hours; left out: those of Monday, or of the first weekday that has any.
    pub makeup_hours: Option<Vec<Span>>,
}

impl Default for CalendarSpec {
    fn default() -> Self {
        Self {
            tz: super::DEFAULT_ZONE.to_owned(),
            week: WeekSpec::default(),
            holidays: Vec::new(),
            recurring_holidays: Vec::new(),
            dates: BTreeMap::new(),
            breaks: BTreeMap::new(),
            makeup_workdays: Vec::new(),
            makeup_hours: None,
        }
    }
}

/// Sorted, with what overlaps or touches made one.
pub(super) fn joined(spans: &[Span]) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match out.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => out.push(span),
        }
    }
    out
}

/// What a gap leaves of a span.
pub(super) fn without(span: Span, gap: Span) -> impl Iterator<Item = Span> {
    let before = Span { from: span.from, to: span.to.min(gap.from) };
    let after = Span { from: span.from.max(gap.to), to: span.to };
    [before, after].into_iter().filter(|span| span.from < span.to)
}
