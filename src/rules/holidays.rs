//! The State Council's holidays and make-up working days (调休), as data with their notices.
//!
//! Border: pure. The shipped file `contracts/cn-holidays.json` holds the published years; nothing here computes a holiday, since
//! no calculation knows which weekend will be worked. Past the last published year the answer is provisional: Saturday and Sunday
//! rest, and so do the dates that the law itself fixes (1 January, 1–2 May, 1–3 October).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

/// Whether a named date is rested or worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// A holiday, whatever weekday it is.
    Rest,
    /// A Saturday or Sunday worked in exchange.
    Work,
}

/// One year's notice: where its dates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The year it arranges.
    pub year: i16,
    /// Its title.
    pub title: String,
    /// Its number, such as 国办发明电〔2025〕7号.
    pub number: String,
    /// The day it was published.
    pub published: Date,
    /// Where it can be read.
    pub url: String,
}

/// A date that the law fixes to rest in every year, by month and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedDay {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
    /// The holiday's name.
    pub name: String,
}

/// Why a holiday file was refused.
#[derive(Debug, thiserror::Error)]
pub enum HolidayError {
    /// Not the form this module reads.
    #[error("节假日文件读不懂：{0}")]
    Json(#[from] serde_json::Error),
    /// Two entries name one date.
    #[error("节假日文件中 {0} 出现了两次")]
    Twice(Date),
    /// A range that ends before it begins.
    #[error("节假日文件中“{name}”的末日 {to} 早于首日 {from}")]
    Reversed {
        /// The holiday.
        name: String,
        /// First day as written.
        from: String,
        /// Last day as written.
        to: String,
    },
    /// A date far outside the year whose notice names it.
    #[error("节假日文件中 {date} 不属于 {year} 年的通知")]
    WrongYear {
        /// The date.
        date: Date,
        /// The notice's year.
        year: i16,
    },
    /// No years, or a year left out: a hole would pass weekdays off as published.
    #[error("节假日文件的年份须至少一年、逐年连续，问题出在 {0} 年")]
    Hole(i16),
    /// Something that is no month and day.
    #[error("节假日文件中“{0}”不是“月-日”")]
    MonthDay(String),
}

/// Published holidays, by date.
#[derive(Debug, Clone)]
pub struct Holidays {
    days: BTreeMap<Date, (DayKind, String)>,
    fixed: Vec<FixedDay>,
    notices: Vec<Notice>,
    first_year: i16,
    last_year: i16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "fixed_source")]
    _fixed_source: String,
    fixed: Vec<Range<String>>,
    years: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    year: i16,
    notice: String,
    number: String,
    published: Date,
    url: String,
    rest: Vec<Range<Date>>,
    work: Vec<Worked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range<T> {
    name: String,
    from: T,
    to: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Worked {
    name: String,
    date: Date,
}

static SHIPPED: LazyLock<Holidays> = LazyLock::new(|| {
    Holidays::parse(include_str!("../../contracts/cn-holidays.json"))
        .expect("the shipped file is compiled in, and the tests in tests/desk/clock.rs read it")
});

impl Holidays {
    /// The years that came with this release.
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Reads a file in the form of `contracts/cn-holidays.json`.
    ///
    /// # Errors
    /// When the text has another form, names a date twice, or leaves out a year.
    pub fn parse(text: &str) -> Result<Self, HolidayError> {
        let file: File = serde_json::from_str(text)?;
        let (Some(first), Some(last)) = (file.years.first(), file.years.last()) else {
            return Err(HolidayError::Hole(0));
        };
        let (first_year, last_year) = (first.year, last.year);
        let mut days = BTreeMap::new();
        let mut notices = Vec::new();
        for (year, expected) in file.years.into_iter().zip(first_year..) {
            if year.year != expected {
                return Err(HolidayError::Hole(expected));
            }
            for rest in &year.rest {
                if rest.to < rest.from {
                    return Err(reversed(&rest.name, &rest.from.to_string(), &rest.to.to_string()));
                }
                // A typo in the year must not fill memory with a thousand years of holidays before it is noticed.
                belongs(rest.from, expected)?;
                belongs(rest.to, expected)?;
                for date in rest.from.series(jiff::Span::new().days(1)).take_while(|date| *date <= rest.to) {
                    put(&mut days, date, DayKind::Rest, &rest.name)?;
                }
            }
            for worked in &year.work {
                belongs(worked.date, expected)?;
                put(&mut days, worked.date, DayKind::Work, &worked.name)?;
            }
            notices.push(Notice {
                year: expected,
                title: year.notice,
                number: year.number,
                published: year.published,
                url: year.url,
            });
        }
        let mut fixed = Vec::new();
        for range in &file.fixed {
            fixed.extend(fixed_days(range)?);
        }
        Ok(Self { days, fixed, notices, first_year, last_year })
    }

    /// The first year whose notice is known.
    pub fn first_year(&self) -> i16 {
        self.first_year
    }

    /// The last year whose notice is known. Later dates are provisional.
    pub fn last_year(&self) -> i16 {
        self.last_year
    }

    /// The notices behind the dates, oldest first.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What a notice says of this date, with the holiday's name; `None` where the weekday decides.
    pub fn day(&self, date: Date) -> Option<(DayKind, &str)> {
        self.days.get(&date).map(|(kind, name)| (*kind, name.as_str()))
    }

    /// Every date that a notice names, in order.
    pub fn days(&self) -> impl Iterator<Item = (Date, DayKind, &str)> {
        self.days.iter().map(|(date, (kind, name))| (*date, *kind, name.as_str()))
    }

    /// The dates that rest by law in every year; they decide only outside the published years, whose notices name them anyway.
    pub fn fixed(&self) -> &[FixedDay] {
        &self.fixed
    }

    /// Whether this date is worked: by notice, else Monday to Friday. Outside the published years the fixed holidays rest too.
    pub fn is_workday(&self, date: Date) -> bool {
        if let Some((kind, _)) = self.day(date) {
            return kind == DayKind::Work;
        }
        let published = (self.first_year..=self.last_year).contains(&date.year());
        let fixed = || self.fixed.iter().any(|fixed| (fixed.month, fixed.day) == (date.month(), date.day()));
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && (published || !fixed())
    }
}

fn put(
    days: &mut BTreeMap<Date, (DayKind, String)>,
    date: Date,
    kind: DayKind,
    name: &str,
) -> Result<(), HolidayError> {
    match days.insert(date, (kind, name.to_owned())) {
        Some(_) => Err(HolidayError::Twice(date)),
        None => Ok(()),
    }
}

/// A notice names days of its year, and sometimes the last days of the December before (the 2019 notice did).
fn belongs(date: Date, year: i16) -> Result<(), HolidayError> {
    let eve = date.year().checked_add(1) == Some(year) && date.month() == 12;
    if date.year() == year || eve { Ok(()) } else { Err(HolidayError::WrongYear { date, year }) }
}

fn fixed_days(range: &Range<String>) -> Result<Vec<FixedDay>, HolidayError> {
    // Any leap year will do: only month and day are kept.
    let parse =
        |text: &str| format!("2024-{text}").parse::<Date>().map_err(|_| HolidayError::MonthDay(text.to_owned()));
    let (from, to) = (parse(&range.from)?, parse(&range.to)?);
    if to < from {
        return Err(reversed(&range.name, &range.from, &range.to));
    }
    let dates = from.series(jiff::Span::new().days(1)).take_while(|date| *date <= to);
    Ok(dates.map(|date| FixedDay { month: date.month(), day: date.day(), name: range.name.clone() }).collect())
}

fn reversed(name: &str, from: &str, to: &str) -> HolidayError {
    HolidayError::Reversed { name: name.to_owned(), from: from.to_owned(), to: to.to_owned() }
}
