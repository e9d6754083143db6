//! Working time: tables worked out by hand from the notices, and laws checked against a walk minute by minute.

mod answers;
mod holidays_2026;
mod hours;
mod laws;
mod rules;
mod zones;

use jiff::Timestamp;
use zhishou::rules::calendar::{Calendar, CalendarSpec, WeekHours};
use zhishou::rules::holidays::Holidays;

/// `5x8` as shipped: 08:30–12:00 and 13:30–18:00, eight hours a day.
fn office() -> Calendar {
    let hours = WeekHours::office();
    Calendar::workdays(&hours, "Asia/Shanghai", Holidays::shipped(), &[], &[]).expect("the zone exists")
}

fn calendar(spec: &str) -> Calendar {
    let spec: CalendarSpec = serde_json::from_str(spec).expect(spec);
    Calendar::from_spec(&spec).expect("the specification holds")
}

/// The rows of a table, its columns parted by bars.
fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    table.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        columns.try_into().expect(line)
    })
}

/// RFC 3339, or `MM-DD HH:MM` of 2026 in Shanghai.
fn t(text: &str) -> Timestamp {
    match text.split_once(' ') {
        Some((date, time)) => format!("2026-{date}T{time}:00+08:00").parse().expect(text),
        None => text.parse().expect(text),
    }
}

/// Minutes, as milliseconds.
fn ms(minutes: &str) -> i64 {
    minutes.parse::<i64>().expect(minutes) * MINUTE
}

/// `A to B, C to D`: pauses, each instant as [`t`] reads it.
fn pauses(text: &str) -> Vec<(Timestamp, Timestamp)> {
    let pause = |text: &str| text.split_once(" to ").map(|(from, to)| (t(from), t(to))).expect("a pause");
    text.split(", ").filter(|text| !text.is_empty()).map(pause).collect()
}

const MINUTE: i64 = 60_000;
