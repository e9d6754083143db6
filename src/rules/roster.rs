//! Rosters: who is on duty at an instant, and where nobody is.

use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::directory::{DayKind, Directory, Rotation, Shift, ShiftDays};
use super::terms::Terms;

/// `08:30` as a time of day; `24:00` counts as midnight.
pub(super) fn wall_clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    if (hour, minute) == (24, 0) { Some(Time::midnight()) } else { Time::new(hour, minute, 0, 0).ok() }
}

/// A weekday by its short English name, or a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    Week(Weekday),
    Date(Date),
}

pub(super) fn day_name(text: &str) -> Option<Day> {
    let weekday = match text {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return text.parse().ok().map(Day::Date),
    };
    Some(Day::Week(weekday))
}

fn falls_on(shift: &Shift, date: Date, terms: &Terms) -> bool {
    match &shift.days {
        ShiftDays::Kind(DayKind::Everyday) => true,
        ShiftDays::Kind(DayKind::Workdays) => terms.calendar("5x8").is_workday(date),
        ShiftDays::Kind(DayKind::Restdays) => !terms.calendar("5x8").is_workday(date),
        ShiftDays::List(days) => days.iter().filter_map(|day| day_name(day)).any(|day| match day {
            Day::Week(weekday) => date.weekday() == weekday,
            Day::Date(listed) => listed == date,
        }),
    }
}

/// The day a shift that covers `at` began on, if it does.
fn covers(shift: &Shift, at: Timestamp, terms: &Terms) -> Option<Date> {
    let local = terms.zoned(at).datetime();
    let (from, to) = (wall_clock(&shift.from)?, wall_clock(&shift.to)?);
    let overnight = to <= from;
    [local.date(), local.date().yesterday().ok()?].into_iter().find(|date| {
        let end = if overnight { date.tomorrow().ok() } else { Some(*date) };
        let Some(end) = end else { return false };
        falls_on(shift, *date, terms) && date.to_datetime(from) <= local && local < end.to_datetime(to)
    })
}

fn whole_days(from: Date, to: Date) -> i64 {
    i64::from(from.until(to).map_or(0, |span| span.get_days()))
}

fn monday(date: Date) -> Date {
    date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).unwrap_or(date)
}

/// Ids of those on duty; empty where nobody is. The first match from the bottom of the file wins.
pub fn on_duty(directory: &Directory, terms: &Terms, at: Timestamp) -> Vec<String> {
    let file = directory.file();
    for shift in file.shift.iter().rev() {
        if shift.contract.as_deref().is_some_and(|contract| contract != terms.id) || shift.people.is_empty() {
            continue;
        }
        let Some(date) = covers(shift, at, terms) else { continue };
        let since = shift.since.unwrap_or(jiff::civil::date(2024, 1, 1));
        let turn = match shift.rotate {
            Rotation::None => None,
            Rotation::Daily => Some(whole_days(since, date)),
            Rotation::Weekly => Some(whole_days(monday(since), monday(date)).div_euclid(7)),
        };
        let people: Vec<&String> = match turn {
            None => shift.people.iter().collect(),
            Some(turn) => {
                let count = i64::try_from(shift.people.len()).unwrap_or(1);
                let at = usize::try_from(turn.rem_euclid(count)).unwrap_or(0);
                vec![&shift.people[at]]
            }
        };
        return people
            .into_iter()
            .map(|id| {
                let swap = file.swap.iter().rev().find(|swap| swap.date == date && swap.from == *id);
                swap.map_or_else(|| id.clone(), |swap| swap.to.clone())
            })
            .filter(|id| directory.person(id).is_some_and(|person| person.serves(&terms.id)))
            .collect();
    }
    Vec::new()
}

/// Times without anybody on duty between `from` and `until`, found beforehand. At most `limit` of them.
pub fn gaps(
    directory: &Directory,
    terms: &Terms,
    from: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Vec<(Timestamp, Timestamp)> {
    let mut found: Vec<(Timestamp, Timestamp)> = Vec::new();
    // Shifts begin and end at whole minutes; half hours are fine enough to find a gap, then its edges are exact.
    let step = SignedDuration::from_mins(30);
    let (mut at, mut open) = (from, None);
    while at < until && found.len() < limit {
        let empty = on_duty(directory, terms, at).is_empty();
        match (open, empty) {
            (None, true) => open = Some(edge(directory, terms, at - step, at).max(from)),
            (Some(start), false) => {
                found.push((start, edge(directory, terms, at - step, at)));
                open = None;
            }
            (None, false) | (Some(_), true) => {}
        }
        at += step;
    }
    if let Some(start) = open.filter(|_| found.len() < limit) {
        found.push((start, until));
    }
    found
}

/// The minute between two instants at which "somebody is on duty" changes.
fn edge(directory: &Directory, terms: &Terms, before: Timestamp, after: Timestamp) -> Timestamp {
    let then = on_duty(directory, terms, before).is_empty();
    let minute = SignedDuration::from_mins(1);
    let mut at = before;
    while at < after {
        if on_duty(directory, terms, at).is_empty() != then {
            return at;
        }
        at += minute;
    }
    after
}
