//! Working time: which instants count as service, and the arithmetic of promises over them.
//!
//! Border: pure. No clock, no IO; the caller brings every instant, and the zone database is compiled in.
//!
//! What the words mean, so that every reader counts alike:
//! - A span is half-open: open at 08:30, closed at 12:00. It is a wall-clock time of the calendar's zone; an instant is open when
//!   the zone's clock at that instant shows a time inside a span of that date. So an hour skipped by daylight saving serves
//!   nothing and a repeated one serves twice.
//! - [`Calendar::add`] gives the *earliest* instant by which the service time has passed. It therefore ends at closing when a day
//!   is used to the last minute, and adding nothing gives the start itself, open or closed.
//! - [`Calendar::sub`] is its mirror: the *latest* instant from which the service time passes until the end. It therefore begins
//!   at opening when a day is used from the first minute. `add(sub(end, n), n)` is `end`, unless `end` lies in closed time or at
//!   an opening: then it is the closing before.
//! - A pause takes out of the count the service time inside it. Overlapping pauses count once; empty and reversed ones not at all.
//! - "N working days" is the sum of the service times of N successive working days, from the day of the start (or of the next
//!   opening) on. With equal days this is N times the day's minutes, and from inside service hours the same time of day N working
//!   days later. With unequal days each day brings its own length, which keeps the second sentence true; only where the Nth day
//!   is too short to have that time of day does the rest run into the day after.
//! - Times from 1900 to 2200 are counted; beyond, functions that can fail do, and the others count up to these ends.

mod arith;
mod compile;
mod explain;
mod query;
mod spec;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::holidays::Holidays;
use arith::{Backward, Forward, MILLISECOND, Ns, Piece, Without, consume, mirrored, ns, ns_clamped, timestamp};
use compile::Compiled;
pub use query::answer_line;
pub use spec::{CalendarSpec, Span, WeekHours, WeekSpec};

/// The zone meant where none is named.
pub const DEFAULT_ZONE: &str = "Asia/Shanghai";

/// Why a calendar could not be made, or a question not be answered. Read by administrators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No zone of that name.
    #[error("不认识的时区“{0}”，请用 IANA 名称，例如 Asia/Shanghai")]
    Zone(String),
    /// Not a time of day.
    #[error("“{0}”不是一天中的时刻，应写作 HH:MM，从 00:00 到 24:00")]
    Time(String),
    /// A span without length.
    #[error("时段 {from} 至 {to} 的结束须晚于开始；跨午夜的请拆成两段，前一段止于 24:00")]
    EmptySpan {
        /// Its beginning as written.
        from: String,
        /// Its end as written.
        to: String,
    },
    /// Not a month and day.
    #[error("“{0}”不是每年的日期，应写作 MM-DD，例如 10-01")]
    MonthDay(String),
    /// Less than no time.
    #[error("服务时间不能为负")]
    Negative,
    /// The calendar has no service time on the side asked for.
    #[error("这个日历在该时刻的前方没有任何服务时间，算不出结果")]
    NeverOpens,
    /// Before 1900, after 2200, or so long that it would lead there.
    #[error("只计算公元 1900 年至 2200 年之间的时间，所问的超出了这个范围")]
    OutOfRange,
}

/// A compiled calendar; a clone shares it.
#[derive(Debug, Clone)]
pub struct Calendar(Arc<Compiled>);

impl Calendar {
    /// `7x24`: open at every instant. The zone only shapes what is printed.
    ///
    /// # Errors
    /// When there is no zone of that name.
    pub fn always(tz: &str) -> Result<Self, CalendarError> {
        Compiled::always(tz).map(Self::from)
    }

    /// The calendar that a specification describes. One that never opens is a calendar too; only counting on it fails.
    ///
    /// # Errors
    /// When the zone or a recurring date cannot be understood.
    pub fn from_spec(spec: &CalendarSpec) -> Result<Self, CalendarError> {
        Compiled::from_spec(spec).map(Self::from)
    }

    /// `5x8`: Monday to Friday as the State Council's notices change them, make-up days with the same hours. `extra_rest` and
    /// `extra_work` are a contract's own dates and beat the notices; a date in both rests. Outside the published years the
    /// weekday and the holidays fixed by law decide.
    ///
    /// # Errors
    /// When there is no zone of that name.
    pub fn workdays(
        hours: &WeekHours,
        tz: &str,
        holidays: &Holidays,
        extra_rest: &[Date],
        extra_work: &[Date],
    ) -> Result<Self, CalendarError> {
        Compiled::workdays(hours, tz, holidays, extra_rest, extra_work).map(Self::from)
    }

    /// The zone whose wall clocks the hours mean.
    pub fn tz(&self) -> &TimeZone {
        &self.0.tz
    }

    /// The instant in RFC 3339, with the offset that the calendar's zone has then.
    pub fn rfc3339(&self, at: Timestamp) -> String {
        at.display_with_offset(self.0.tz.to_offset(at)).to_string()
    }

    /// The earliest instant by which `service_ms` milliseconds of service have passed since `start`.
    ///
    /// # Errors
    /// When the time is negative, never comes, or lies past 2200.
    pub fn add(&self, start: Timestamp, service_ms: i64) -> Result<Timestamp, CalendarError> {
        self.add_with_pauses(start, service_ms, &[])
    }

    /// As [`add`](Self::add), with the service time inside the pauses not counted.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_with_pauses(
        &self,
        start: Timestamp,
        service_ms: i64,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Result<Timestamp, CalendarError> {
        let (start, need) = (ns(start)?, need(service_ms)?);
        let pauses = arith::united(pauses);
        consume(start, need, Without::new(self.forward(start), &pauses)).map(timestamp)
    }

    /// The latest instant from which `service_ms` milliseconds of service pass until `end`.
    ///
    /// # Errors
    /// When the time is negative, never was, or lies before 1900.
    pub fn sub(&self, end: Timestamp, service_ms: i64) -> Result<Timestamp, CalendarError> {
        self.sub_with_pauses(end, service_ms, &[])
    }

    /// As [`sub`](Self::sub), with the service time inside the pauses not counted.
    ///
    /// # Errors
    /// As [`sub`](Self::sub).
    pub fn sub_with_pauses(
        &self,
        end: Timestamp,
        service_ms: i64,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Result<Timestamp, CalendarError> {
        let (end, need) = (ns(end)?, need(service_ms)?);
        let pauses: Vec<Piece> = arith::united(pauses).into_iter().rev().map(mirrored).collect();
        let pieces = Backward::new(&self.0, end).map(mirrored);
        consume(-end, need, Without::new(pieces, &pauses)).map(|at| timestamp(-at))
    }

    /// Service milliseconds between two instants, rounded down; negative where `to` lies before `from`.
    pub fn elapsed(&self, from: Timestamp, to: Timestamp) -> i64 {
        self.elapsed_with_pauses(from, to, &[])
    }

    /// As [`elapsed`](Self::elapsed), with the service time inside the pauses not counted.
    pub fn elapsed_with_pauses(&self, from: Timestamp, to: Timestamp, pauses: &[(Timestamp, Timestamp)]) -> i64 {
        if to < from {
            return -self.elapsed_with_pauses(to, from, pauses);
        }
        let (from, to) = (ns_clamped(from), ns_clamped(to));
        let pauses = arith::united(pauses);
        let open = Without::new(self.forward(from), &pauses).take_while(|piece| piece.0 < to);
        open.map(|piece| piece.1.min(to) - piece.0).sum::<Ns>() / MILLISECOND
    }

    /// `days` working days after `start`; what that means is said above.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_workdays(&self, start: Timestamp, days: u32) -> Result<Timestamp, CalendarError> {
        self.add_workdays_with_pauses(start, days, &[])
    }

    /// As [`add_workdays`](Self::add_workdays), with the service time inside the pauses not counted.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_workdays_with_pauses(
        &self,
        start: Timestamp,
        days: u32,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Result<Timestamp, CalendarError> {
        self.add_with_pauses(start, self.workdays_ms(start, days)?, pauses)
    }

    /// How many service milliseconds `days` working days from `start` are: the length to keep where a promise in working days
    /// may be paused, or its start moved.
    ///
    /// # Errors
    /// When there are not so many working days before 2200.
    pub fn workdays_ms(&self, start: Timestamp, days: u32) -> Result<i64, CalendarError> {
        if days == 0 {
            return Ok(0);
        }
        let Some((_, mut date)) = Forward::new(&self.0, ns(start)?).next() else {
            return Err(CalendarError::NeverOpens);
        };
        let last = arith::local_date(&self.0, arith::LATEST);
        let (mut left, mut total) = (days, 0);
        while left > 0 {
            if date >= last {
                return Err(CalendarError::OutOfRange);
            }
            let length = arith::real_length(&self.0, date);
            total += length;
            left -= u32::from(length > 0);
            date = date.tomorrow().map_err(|_| CalendarError::OutOfRange)?;
        }
        Ok(total / MILLISECOND)
    }

    /// Whether the instant is service time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let wall = self.0.tz.to_datetime(at);
        let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        self.0.spans_on(wall.date()).iter().any(|span| (span.from_minute()..span.to_minute()).contains(&minute))
    }

    /// The first change from closed to open after `at`; `None` where none comes before 2200. Midnight between two open days
    /// is no change.
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        let at = ns(at).ok()?;
        let mut open_until = None;
        for (from, to) in self.forward(at) {
            if from > at && open_until != Some(from) {
                return Some(timestamp(from));
            }
            open_until = Some(to);
        }
        None
    }

    /// The last change from open to closed at or before `at`; `None` where none came since 1900.
    pub fn last_closing(&self, at: Timestamp) -> Option<Timestamp> {
        let mut open_since = self.is_open(at).then_some(ns(at).ok()?);
        for (from, to) in Backward::new(&self.0, ns(at).ok()?) {
            if open_since != Some(to) {
                return Some(timestamp(to));
            }
            open_since = Some(from);
        }
        None
    }

    /// Whether there is any service on that date.
    pub fn is_workday(&self, date: Date) -> bool {
        !self.0.spans_on(date).is_empty()
    }

    /// The first date whose holidays no notice has fixed yet; `None` where no notice matters.
    pub fn provisional_from(&self) -> Option<Date> {
        self.0.provisional_from
    }

    /// How a due time came about, in Chinese sentences: where counting began, which days were skipped or worked and why, what
    /// the pauses took, and whether any of it is provisional.
    pub fn explain(&self, start: Timestamp, due: Timestamp, pauses: &[(Timestamp, Timestamp)]) -> Vec<String> {
        explain::explain(self, start, due, pauses)
    }

    fn forward(&self, from: Ns) -> impl Iterator<Item = Piece> {
        Forward::new(&self.0, from).map(|(piece, _)| piece)
    }
}

impl From<Compiled> for Calendar {
    fn from(compiled: Compiled) -> Self {
        Self(Arc::new(compiled))
    }
}

fn need(service_ms: i64) -> Result<Ns, CalendarError> {
    if service_ms < 0 {
        return Err(CalendarError::Negative);
    }
    service_ms.checked_mul(MILLISECOND).ok_or(CalendarError::OutOfRange)
}
