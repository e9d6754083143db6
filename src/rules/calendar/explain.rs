//! How a due time came about, in sentences for whoever has to believe it.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};

use super::arith::{LATEST, local_date, ns_clamped, united};
use super::compile::{Compiled, Kind, Why};
use super::{Calendar, timestamp};

/// Weekends are listed up to this many; a longer list proves nothing that their number does not.
const WEEKENDS_LISTED: usize = 4;

/// Days in a row that differ from an ordinary working day for one reason.
struct Run<'a> {
    first: Date,
    last: Date,
    reason: Reason<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason<'a> {
    Holiday(&'a str),
    Worked(&'a str),
    Weekend,
    ClosedByWeek,
    OwnHours,
    Closed,
    Shortened,
}

pub(super) fn explain(
    calendar: &Calendar,
    start: Timestamp,
    due: Timestamp,
    pauses: &[(Timestamp, Timestamp)],
) -> Vec<String> {
    let (start, due) = if due < start { (due, start) } else { (start, due) };
    let compiled = &*calendar.0;
    let year = local_date(compiled, ns_clamped(start)).year();
    let moment = |at: Timestamp| in_words(compiled.tz.to_datetime(at), year);

    let mut out = vec![format!(
        "自{}起算，日历：{}（时区 {}）。",
        full(compiled.tz.to_datetime(start)),
        description(compiled),
        compiled.tz.iana_name().unwrap_or("固定偏移")
    )];
    if !calendar.is_open(start)
        && let Some(opening) = calendar.next_opening(start).filter(|opening| *opening <= due)
    {
        out.push(format!("起点不在服务时间内，从{}开始计时。", moment(opening)));
    }
    if !compiled.always {
        out.extend(exceptions(compiled, start, due, year));
    }
    for (from, to) in united(pauses) {
        let (from, to) = (timestamp(from).max(start), timestamp(to).min(due));
        if from < to {
            let taken = match calendar.elapsed(from, to) {
                0 => "不在服务时间内，不扣除".to_owned(),
                ms => format!("扣除服务时间{}", length(ms)),
            };
            out.push(format!("{}至{}暂停，{taken}。", moment(from), moment(to)));
        }
    }
    if let Some(first) = compiled.provisional_from
        && local_date(compiled, ns_clamped(due)) >= first
    {
        let year = first.year();
        out.push(format!("{year}年起的放假安排尚未公布，暂按周一至周五计算，通知公布后须重新计算。"));
    }
    let total = length(calendar.elapsed_with_pauses(start, due, pauses));
    out.push(format!("到{}为止，计服务时间{total}。", full(compiled.tz.to_datetime(due))));
    out
}

fn description(calendar: &Compiled) -> String {
    let hours = |date: Date| {
        let spans: Vec<String> = calendar.of_week(date).iter().map(ToString::to_string).collect();
        spans.join("、")
    };
    match calendar.kind {
        _ if calendar.always => "7×24 小时".to_owned(),
        Kind::Workdays => format!("工作日 {}，按国务院放假通知，调休上班日相同", hours(MONDAY)),
        Kind::Always | Kind::Given => {
            let mut text = String::from("每周");
            for (date, name) in MONDAY.series(jiff::Span::new().days(1)).zip(WEEKDAYS) {
                if !calendar.of_week(date).is_empty() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{}{name} {}", if text.ends_with('周') { "" } else { "；" }, hours(date));
                }
            }
            if text.ends_with('周') { "只在指定日期服务".to_owned() } else { text }
        }
    }
}

/// Any Monday.
const MONDAY: Date = Date::constant(2026, 1, 5);
const WEEKDAYS: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];

/// The days between start and due that are no ordinary working days, run by run; weekends together in one sentence.
fn exceptions(calendar: &Compiled, start: Timestamp, due: Timestamp, year: i16) -> Vec<String> {
    let last = local_date(calendar, ns_clamped(due).min(LATEST));
    let mut runs: Vec<Run> = Vec::new();
    for date in local_date(calendar, ns_clamped(start)).series(jiff::Span::new().days(1)).take_while(|d| *d <= last) {
        let Some(reason) = reason(calendar, date) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.reason == reason && run.last.tomorrow().ok() == Some(date) => {
                run.last = date;
            }
            _ => runs.push(Run { first: date, last: date, reason }),
        }
    }
    let (weekends, others): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.reason == Reason::Weekend);
    let mut out: Vec<String> = others.iter().map(|run| sentence(run, year)).collect();
    if weekends.len() > WEEKENDS_LISTED {
        out.push(format!("其间另有 {} 个周末休息。", weekends.len()));
    } else if !weekends.is_empty() {
        let listed: Vec<String> = weekends.iter().map(|run| days(run, year)).collect();
        out.push(format!("{} 周末休息。", listed.join("、")));
    }
    out
}

fn reason(calendar: &Compiled, date: Date) -> Option<Reason<'_>> {
    let open = !calendar.spans_on(date).is_empty();
    let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    match calendar.special(date).map(|special| &special.why) {
        Some(Why::Rest(name)) => Some(Reason::Holiday(name)),
        Some(Why::Work(name)) if open => Some(Reason::Worked(name)),
        Some(Why::Dated) if open => Some(Reason::OwnHours),
        Some(Why::Break) if open => Some(Reason::Shortened),
        Some(Why::Break) if calendar.of_week(date).is_empty() => Some(by_week(weekend)),
        Some(Why::Work(_) | Why::Dated | Why::Break) => Some(Reason::Closed),
        None => match calendar.recurring.name(date) {
            Some(name) => Some(Reason::Holiday(name)),
            None if open => None,
            None => Some(by_week(weekend)),
        },
    }
}

fn by_week(weekend: bool) -> Reason<'static> {
    if weekend { Reason::Weekend } else { Reason::ClosedByWeek }
}

fn sentence(run: &Run, year: i16) -> String {
    let days = days(run, year);
    match run.reason {
        Reason::Holiday(name) => format!("{days} {name}休息。"),
        Reason::Worked(name) => {
            let weekday = weekday_name(run.first);
            let swapped = if name.contains("调休") { "" } else { "调休" };
            format!("{days}（{weekday}{}）{name}{swapped}，照常上班。", if run.first == run.last { "" } else { "起" })
        }
        Reason::Weekend => format!("{days} 周末休息。"),
        Reason::ClosedByWeek => format!("{days} 按周历不服务。"),
        Reason::OwnHours => format!("{days} 按当日另定的时间服务。"),
        Reason::Closed => format!("{days} 当日另定为不服务。"),
        Reason::Shortened => format!("{days} 服务时间有中断。"),
    }
}

fn days(run: &Run, year: i16) -> String {
    let first = day(run.first, year);
    if run.first == run.last {
        first
    } else if (run.first.year(), run.first.month()) == (run.last.year(), run.last.month()) {
        format!("{first}至{}日", run.last.day())
    } else {
        format!("{first}至{}", day(run.last, run.first.year()))
    }
}

/// The year only where it is not the one the reader is in.
fn day(date: Date, year: i16) -> String {
    let with_year = if date.year() == year { String::new() } else { format!("{}年", date.year()) };
    format!("{with_year}{}月{}日", date.month(), date.day())
}

fn in_words(at: DateTime, year: i16) -> String {
    format!("{}（{}）{}", day(at.date(), year), weekday_name(at.date()), clock_time(at))
}

fn full(at: DateTime) -> String {
    format!("{}年{}", at.year(), in_words(at, at.year()))
}

fn clock_time(at: DateTime) -> String {
    let seconds = if at.second() == 0 { String::new() } else { format!(":{:02}", at.second()) };
    format!("{:02}:{:02}{seconds}", at.hour(), at.minute())
}

fn weekday_name(date: Date) -> &'static str {
    WEEKDAYS[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
}

fn length(ms: i64) -> String {
    let (minutes, seconds) = (ms / 60_000, ms % 60_000 / 1000);
    let mut out = match (minutes / 60, minutes % 60) {
        (0, minutes) => format!(" {minutes} 分钟"),
        (hours, 0) => format!(" {hours} 小时"),
        (hours, minutes) => format!(" {hours} 小时 {minutes} 分钟"),
    };
    if seconds != 0 {
        // Writing to a string cannot fail.
        let _ = write!(out, " {seconds} 秒");
    }
    out
}
