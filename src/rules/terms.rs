//! A profile made ready for use: its calendars compiled, its lengths in service time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::calendar::{Calendar, CalendarError, CalendarSpec, Span, WeekHours, WeekSpec};
use super::holidays::Holidays;
use super::length::Length;
use super::profile::{CalendarDays, CommitmentTerm, Profile};

/// A contract as it runs.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The id conversations and tickets name; the profile's own unless the configuration gives another.
    pub id: String,
    /// What the contract says.
    pub profile: Profile,
    calendars: BTreeMap<String, Compiled>,
}

#[derive(Debug, Clone)]
struct Compiled {
    calendar: Calendar,
    /// Service milliseconds of one working day.
    day_ms: i64,
}

impl Terms {
    /// Compiles the calendars of `profile` with the public holidays given.
    ///
    /// # Errors
    /// Where a calendar of the profile can never open or names impossible hours.
    pub fn new(id: &str, profile: Profile, holidays: &Holidays) -> Result<Arc<Self>, CalendarError> {
        let zone = profile.timezone.clone();
        let mut calendars = BTreeMap::new();
        calendars.insert("7x24".to_owned(), Compiled { calendar: Calendar::always(&zone)?, day_ms: 24 * 3_600_000 });
        let mut defined = vec![("5x8".to_owned(), WeekHours::office(), CalendarDays::Workdays)];
        for (name, def) in &profile.calendars {
            let spans: Result<Vec<Span>, _> = def.hours.iter().map(|[from, to]| Span::parse(from, to)).collect();
            defined.push((name.clone(), WeekHours(spans?), def.days));
        }
        for (name, hours, days) in defined {
            let calendar = match days {
                CalendarDays::Workdays => {
                    Calendar::workdays(&hours, &zone, holidays, &profile.extra_rest_days, &profile.extra_work_days)?
                }
                CalendarDays::Everyday => Calendar::from_spec(&every_day(&hours, &zone))?,
            };
            let day_ms = hours.0.iter().map(|span| i64::from(span.to_minute() - span.from_minute()) * 60_000).sum();
            calendars.insert(name, Compiled { calendar, day_ms });
        }
        Ok(Arc::new(Self { id: id.to_owned(), profile, calendars }))
    }

    /// The calendar called `name`; the loader has made sure that every named one exists.
    pub fn calendar(&self, name: &str) -> &Calendar {
        &self.compiled(name).calendar
    }

    /// Whether a calendar of that name exists.
    pub fn has_calendar(&self, name: &str) -> bool {
        self.calendars.contains_key(name)
    }

    fn compiled(&self, name: &str) -> &Compiled {
        self.calendars.get(name).unwrap_or_else(|| &self.calendars["7x24"])
    }

    /// Service milliseconds of a promise.
    pub fn length_ms(&self, term: &CommitmentTerm) -> i64 {
        self.span_ms(term.within, &term.calendar)
    }

    /// Service milliseconds of `length` on the calendar `name`: N working days are N times the day's service time.
    pub fn span_ms(&self, length: Length, name: &str) -> i64 {
        match length {
            Length::Minutes(minutes) => i64::from(minutes) * 60_000,
            Length::Workdays(days) => i64::from(days) * self.compiled(name).day_ms,
        }
    }

    /// The instant at which `service_ms` have been used since `start`, the pauses taken out.
    pub fn due(
        &self,
        calendar: &str,
        start: Timestamp,
        service_ms: i64,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Timestamp {
        // A calendar that cannot be counted any further (year 9999) leaves the promise at its start: overdue and seen.
        self.calendar(calendar).add_with_pauses(start, service_ms, pauses).unwrap_or(start)
    }

    /// Whether an instant lies past the last published holiday notice, so that it may still move.
    pub fn is_provisional(&self, calendar: &str, at: Timestamp) -> bool {
        self.calendar(calendar).provisional_from().is_some_and(|from| self.date(at) >= from)
    }

    /// The civil date of an instant in the contract's zone.
    pub fn date(&self, at: Timestamp) -> Date {
        self.zoned(at).date()
    }

    /// An instant in the contract's zone.
    pub fn zoned(&self, at: Timestamp) -> jiff::ZonedDateTime {
        at.in_tz(&self.profile.timezone).unwrap_or_else(|_| at.to_zoned_datetime(jiff::tz::TimeZone::UTC))
    }
}

fn every_day(hours: &WeekHours, zone: &str) -> CalendarSpec {
    let [mon, tue, wed, thu, fri, sat, sun] = std::array::from_fn(|_| hours.0.clone());
    let week = WeekSpec { mon, tue, wed, thu, fri, sat, sun };
    CalendarSpec { tz: zone.to_owned(), week, ..CalendarSpec::default() }
}
