//! Rosters: who is on duty at an instant, and where nobody is.

use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::directory::{DayKind, Directory, Rotation, Shift, ShiftDays, Swap};
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

/// The shift that counts at an instant, the day it began on, and who has it by turns, before any swap. The first match
/// from the bottom of the file wins.
fn shift_at<'a>(directory: &'a Directory, terms: &Terms, at: Timestamp) -> Option<(&'a Shift, Date, Vec<String>)> {
    for shift in directory.file().shift.iter().rev() {
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
        let people = match turn {
            None => shift.people.clone(),
            Some(turn) => {
                let count = i64::try_from(shift.people.len()).unwrap_or(1);
                let at = usize::try_from(turn.rem_euclid(count)).unwrap_or(0);
                vec![shift.people[at].clone()]
            }
        };
        return Some((shift, date, people));
    }
    None
}

/// Who has the shift of `id` on `date` after all swaps: those of a file are followed from hand to hand, those agreed in a
/// chat count in the order in which they were agreed.
fn after_swaps(directory: &Directory, terms: &Terms, date: Date, id: String) -> String {
    // Whoever does not serve this contract cannot take its shift: the swap then changes nothing here.
    let fits = |swap: &&Swap| {
        swap.date == date
            && swap.contract.as_deref().is_none_or(|contract| contract == terms.id)
            && directory.person(&swap.to).is_some_and(|person| person.serves(&terms.id))
    };
    let (mut agreed, written): (Vec<&Swap>, Vec<&Swap>) =
        directory.file().swap.iter().filter(fits).partition(|swap| swap.at.is_some());
    let mut holder = id;
    let mut passed: Vec<&str> = Vec::new();
    while let Some(swap) = written.iter().rev().find(|swap| swap.from == holder) {
        // Lines that hand a shift round in a circle end where they would begin again.
        if passed.contains(&swap.to.as_str()) {
            break;
        }
        passed.push(&swap.from);
        holder.clone_from(&swap.to);
    }
    agreed.sort_by_key(|swap| swap.at);
    for swap in agreed {
        if swap.from == holder {
            holder.clone_from(&swap.to);
        }
    }
    holder
}

/// Ids of those on duty, each once; empty where nobody is.
pub fn on_duty(directory: &Directory, terms: &Terms, at: Timestamp) -> Vec<String> {
    let Some((_, date, people)) = shift_at(directory, terms, at) else { return Vec::new() };
    let mut found: Vec<String> = Vec::with_capacity(people.len());
    for id in people {
        let id = after_swaps(directory, terms, date, id);
        if !found.contains(&id) && directory.person(&id).is_some_and(|person| person.serves(&terms.id)) {
            found.push(id);
        }
    }
    found
}

/// The minutes of a local day: its instants, one a minute.
fn minutes_of(terms: &Terms, date: Date) -> impl Iterator<Item = Timestamp> {
    let start = date.in_tz(&terms.profile.timezone).map(|at| at.timestamp()).ok();
    start.into_iter().flat_map(|start| (0..24 * 60).map(move |minute| start + SignedDuration::from_mins(minute)))
}

/// What somebody still has of a day's shifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A shift of this contract alone.
    Contract,
    /// One that is for all contracts.
    All,
}

/// Whether `person` has a shift that begins on `date` and is not over at `now`, all swaps counted.
pub fn holds(directory: &Directory, terms: &Terms, person: &str, date: Date, now: Timestamp) -> Option<Held> {
    let next = date.tomorrow().ok()?;
    let mut found = None;
    for at in minutes_of(terms, date).chain(minutes_of(terms, next)).filter(|at| *at >= now).step_by(5) {
        let Some((shift, began, people)) = shift_at(directory, terms, at) else { continue };
        if began != date || !people.into_iter().any(|id| after_swaps(directory, terms, date, id) == person) {
            continue;
        }
        if shift.contract.is_none() {
            return Some(Held::All);
        }
        found = Some(Held::Contract);
    }
    found
}

/// Who is on duty in the course of a day: spans one after the other, empty ones included.
pub fn day(directory: &Directory, terms: &Terms, date: Date) -> Vec<(Timestamp, Timestamp, Vec<String>)> {
    let mut spans: Vec<(Timestamp, Timestamp, Vec<String>)> = Vec::new();
    for at in minutes_of(terms, date) {
        let people = on_duty(directory, terms, at);
        let until = at + SignedDuration::from_mins(1);
        match spans.last_mut() {
            Some((_, end, same)) if *same == people => *end = until,
            Some(_) | None => spans.push((at, until, people)),
        }
    }
    spans
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::directory::PeopleFile;
    use std::path::Path;

    const PEOPLE: &str = r#"
person = [
    { id = "a", name = "张工", role = "engineer" },
    { id = "b", name = "李工", role = "engineer" },
    { id = "c", name = "赵工", role = "engineer" },
    { id = "d", name = "孙工", role = "engineer", contracts = ["elsewhere"] },
]
shift = [{ people = ["a", "b"], from = "08:00", to = "18:00" }]
"#;

    fn terms() -> std::sync::Arc<Terms> {
        let holidays = crate::config::holidays(None).unwrap();
        crate::config::load_contract("yulin-approval", Path::new("."), &holidays).unwrap()
    }

    fn swap(from: &str, to: &str, minute: Option<i64>) -> Swap {
        let at = minute.map(|minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute));
        let (from, to) = (from.to_owned(), to.to_owned());
        Swap { contract: None, date: jiff::civil::date(2026, 10, 8), from, to, at }
    }

    fn with(swaps: Vec<Swap>) -> Directory {
        let mut file = PeopleFile::parse(PEOPLE, "people").unwrap();
        file.swap = swaps;
        Directory::new(file, None)
    }

    #[test]
    fn swaps_are_followed_from_hand_to_hand_and_name_nobody_twice() {
        let at = "2026-10-08T10:00:00+08:00".parse().unwrap();
        for (why, swaps, expected) in [
            ("no swap", vec![], vec!["a", "b"]),
            ("to somebody on the same shift", vec![swap("a", "b", Some(1))], vec!["b"]),
            ("handed on", vec![swap("a", "c", Some(1)), swap("c", "b", Some(2))], vec!["b"]),
            ("given back", vec![swap("a", "c", Some(1)), swap("c", "a", Some(2))], vec!["a", "b"]),
            ("agreed before it came", vec![swap("c", "b", Some(1)), swap("a", "c", Some(2))], vec!["c", "b"]),
            ("a file in any order", vec![swap("c", "b", None), swap("a", "c", None)], vec!["b"]),
            ("a circle in a file ends", vec![swap("a", "c", None), swap("c", "a", None)], vec!["c", "b"]),
            ("to somebody who does not serve here", vec![swap("a", "d", Some(1))], vec!["a", "b"]),
        ] {
            assert_eq!(on_duty(&with(swaps), &terms(), at), expected, "{why}");
        }
    }

    #[test]
    fn a_swap_of_one_contract_leaves_the_others_alone() {
        let at = "2026-10-08T10:00:00+08:00".parse().unwrap();
        let mut other = swap("a", "c", Some(1));
        other.contract = Some("elsewhere".to_owned());
        assert_eq!(on_duty(&with(vec![other]), &terms(), at), ["a", "b"]);
    }

    #[test]
    fn a_shift_is_held_until_it_is_over_or_handed_on() {
        let (day, terms) = (jiff::civil::date(2026, 10, 8), terms());
        let t = |text: &str| text.parse::<Timestamp>().unwrap();
        for (why, swaps, person, now, expected) in [
            ("before it", vec![], "a", t("2026-10-08T07:00:00+08:00"), Some(Held::All)),
            ("after it", vec![], "a", t("2026-10-08T18:00:00+08:00"), None),
            ("not on it", vec![], "c", t("2026-10-08T07:00:00+08:00"), None),
            ("handed on", vec![swap("a", "c", Some(1))], "a", t("2026-10-08T07:00:00+08:00"), None),
            ("taken over", vec![swap("a", "c", Some(1))], "c", t("2026-10-08T07:00:00+08:00"), Some(Held::All)),
        ] {
            assert_eq!(holds(&with(swaps), &terms, person, day, now), expected, "{why}");
        }
    }
}
