//! From what is written down to what the arithmetic walks over: every date's spans, all precedence settled.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::super::holidays::{DayKind, Holidays};
use super::CalendarError;
use super::spec::{CalendarSpec, Span, WeekHours, joined, without};

/// What sort of calendar it is, for explanations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Always,
    Workdays,
    Given,
}

/// Why a date does not follow its weekday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    Rest(String),
    Work(String),
    Dated,
    Break,
}

#[derive(Debug)]
pub(super) struct Special {
    pub date: Date,
    pub spans: Vec<Span>,
    pub why: Why,
}

/// Holidays of every year.
#[derive(Debug, Default)]
pub(super) struct Recurring {
    /// A bit for each day, by month 1 to 12.
    days: [u32; 13],
    /// Years whose published dates decide instead, first and last.
    published: Option<(i16, i16)>,
    names: Vec<(i8, i8, String)>,
}

impl Recurring {
    fn insert(&mut self, month: i8, day: i8, name: &str) {
        self.days[usize::from(month.unsigned_abs())] |= 1 << day;
        self.names.push((month, day, name.to_owned()));
    }

    pub fn contains(&self, date: Date) -> bool {
        self.days[usize::from(date.month().unsigned_abs())] & (1 << date.day()) != 0
            && self.published.is_none_or(|(first, last)| !(first..=last).contains(&date.year()))
    }

    pub fn name(&self, date: Date) -> Option<&str> {
        let named = |(month, day, _): &&(i8, i8, String)| (*month, *day) == (date.month(), date.day());
        if self.contains(date) { self.names.iter().find(named).map(|(_, _, name)| name.as_str()) } else { None }
    }
}

/// What the arithmetic reads: every date's spans sorted, disjoint and not touching.
#[derive(Debug)]
pub(super) struct Compiled {
    pub tz: TimeZone,
    pub kind: Kind,
    /// Open at every instant, so that nothing needs walking.
    pub always: bool,
    /// Monday first.
    pub week: [Vec<Span>; 7],
    /// Sorted by date.
    pub special: Vec<Special>,
    pub recurring: Recurring,
    pub provisional_from: Option<Date>,
}

impl Compiled {
    pub fn always(tz: &str) -> Result<Self, CalendarError> {
        Ok(Self {
            tz: zone(tz)?,
            kind: Kind::Always,
            always: true,
            week: std::array::from_fn(|_| vec![Span::WHOLE_DAY]),
            special: Vec::new(),
            recurring: Recurring::default(),
            provisional_from: None,
        })
    }

    pub fn from_spec(spec: &CalendarSpec) -> Result<Self, CalendarError> {
        let week = &spec.week;
        let week =
            [&week.mon, &week.tue, &week.wed, &week.thu, &week.fri, &week.sat, &week.sun].map(|spans| joined(spans));
        let mut recurring = Recurring::default();
        for text in &spec.recurring_holidays {
            let (month, day) = month_day(text).ok_or_else(|| CalendarError::MonthDay(text.clone()))?;
            recurring.insert(month, day, "固定节假日");
        }
        let makeup_hours = match &spec.makeup_hours {
            Some(spans) => joined(spans),
            None => week.iter().find(|spans| !spans.is_empty()).cloned().unwrap_or_default(),
        };
        let mut compiled = Self {
            tz: zone(&spec.tz)?,
            kind: Kind::Given,
            always: false,
            week,
            special: Vec::new(),
            recurring,
            provisional_from: None,
        };
        compiled.special = special_days(spec, &compiled, &makeup_hours);
        compiled.always = compiled.special.is_empty()
            && spec.recurring_holidays.is_empty()
            && compiled.week.iter().all(|spans| *spans == [Span::WHOLE_DAY]);
        Ok(compiled)
    }

    pub fn workdays(
        hours: &WeekHours,
        tz: &str,
        holidays: &Holidays,
        extra_rest: &[Date],
        extra_work: &[Date],
    ) -> Result<Self, CalendarError> {
        let hours = joined(&hours.0);
        let mut dates: BTreeMap<Date, Why> = BTreeMap::new();
        for (date, kind, name) in holidays.days() {
            let name = name.to_owned();
            dates.insert(date, if kind == DayKind::Rest { Why::Rest(name) } else { Why::Work(name) });
        }
        dates.extend(extra_work.iter().map(|date| (*date, Why::Work("合同约定".to_owned()))));
        dates.extend(extra_rest.iter().map(|date| (*date, Why::Rest("合同约定".to_owned()))));
        let special = dates.into_iter().map(|(date, why)| {
            let spans = if matches!(why, Why::Work(_)) { hours.clone() } else { Vec::new() };
            Special { date, spans, why }
        });
        let mut recurring =
            Recurring { published: Some((holidays.first_year(), holidays.last_year())), ..Recurring::default() };
        for fixed in holidays.fixed() {
            recurring.insert(fixed.month, fixed.day, &fixed.name);
        }
        let (tz, special) = (zone(tz)?, special.collect());
        let week = std::array::from_fn(|day| if day < 5 { hours.clone() } else { Vec::new() });
        let provisional_from = Date::new(holidays.last_year() + 1, 1, 1).ok();
        Ok(Self { tz, kind: Kind::Workdays, always: false, week, special, recurring, provisional_from })
    }

    /// The wall-clock spans of a date.
    pub fn spans_on(&self, date: Date) -> &[Span] {
        match self.special(date) {
            Some(special) => &special.spans,
            None if self.recurring.contains(date) => &[],
            None => self.of_week(date),
        }
    }

    pub fn special(&self, date: Date) -> Option<&Special> {
        let at = self.special.binary_search_by_key(&date, |special| special.date).ok()?;
        self.special.get(at)
    }

    pub fn of_week(&self, date: Date) -> &[Span] {
        &self.week[weekday_index(date.weekday())]
    }
}

fn weekday_index(weekday: Weekday) -> usize {
    usize::from(weekday.to_monday_zero_offset().unsigned_abs())
}

fn special_days(spec: &CalendarSpec, compiled: &Compiled, makeup_hours: &[Span]) -> Vec<Special> {
    let holidays: BTreeSet<Date> = spec.holidays.iter().copied().collect();
    let makeup: BTreeSet<Date> = spec.makeup_workdays.iter().copied().collect();
    let named: BTreeSet<Date> =
        holidays.iter().chain(&makeup).chain(spec.dates.keys()).chain(spec.breaks.keys()).copied().collect();
    let rest = |name: &str| (Vec::new(), Why::Rest(name.to_owned()));
    let day = |date: Date| {
        let (mut spans, why) = if holidays.contains(&date) {
            rest("节假日")
        } else if let Some(name) = compiled.recurring.name(date) {
            rest(name)
        } else if let Some(spans) = spec.dates.get(&date) {
            (joined(spans), Why::Dated)
        } else if makeup.contains(&date) {
            (makeup_hours.to_vec(), Why::Work("调休".to_owned()))
        } else {
            (compiled.of_week(date).to_vec(), Why::Break)
        };
        for gap in spec.breaks.get(&date).into_iter().flatten() {
            spans = spans.iter().flat_map(|span| without(*span, *gap)).collect();
        }
        Special { date, spans, why }
    };
    named.into_iter().map(day).collect()
}

fn month_day(text: &str) -> Option<(i8, i8)> {
    // A leap year, so that "02-29" is a date.
    let date: Date = if text.len() == 5 {
        format!("2024-{text}").parse().ok()?
    } else {
        return None;
    };
    Some((date.month(), date.day()))
}

fn zone(name: &str) -> Result<TimeZone, CalendarError> {
    TimeZone::get(name).map_err(|_| CalendarError::Zone(name.to_owned()))
}
