//! One question of `zhishou inspect clock --stdin`: a line of JSON in, an answer out.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::super::holidays::Holidays;
use super::{Calendar, CalendarError, CalendarSpec, DEFAULT_ZONE, WeekHours};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    calendar: Value,
    op: String,
    start: Option<String>,
    from: Option<String>,
    to: Option<String>,
    at: Option<String>,
    minutes: Option<Number>,
    seconds: Option<Number>,
    days: Option<u32>,
    #[serde(default)]
    pauses: Vec<(String, String)>,
}

/// Answers `{calendar, op, …}` for the ops add, sub, elapsed, workdays and state. `calendar` is a specification, or `"7x24"` or `"5x8"`.
/// Times come back with the offset of the calendar's zone.
///
/// # Errors
/// What is wrong with the question, in words for a person.
pub fn answer_line(line: &str) -> Result<Value, String> {
    let question: Question = serde_json::from_str(line).map_err(|error| format!("这一行读不懂：{error}"))?;
    let calendar = calendar(&question.calendar)?;
    let pauses = question
        .pauses
        .iter()
        .map(|(from, to)| Ok((instant("pauses", from)?, instant("pauses", to)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let time = |name: &str, value: &Option<String>| match value {
        Some(text) => instant(name, text),
        None => Err(format!("op 为 {} 时须有 {name}", question.op)),
    };
    let due = |due: Result<Timestamp, CalendarError>| {
        due.map(|due| json!({"due": calendar.rfc3339(due)})).map_err(|error| error.to_string())
    };
    match question.op.as_str() {
        "add" => due(calendar.add_with_pauses(time("start", &question.start)?, length(&question)?, &pauses)),
        "sub" => due(calendar.sub_with_pauses(time("start", &question.start)?, length(&question)?, &pauses)),
        "workdays" => {
            let days = question.days.ok_or("op 为 workdays 时须有 days")?;
            due(calendar.add_workdays_with_pauses(time("start", &question.start)?, days, &pauses))
        }
        "elapsed" => {
            let (from, to) = (time("from", &question.from)?, time("to", &question.to)?);
            Ok(json!({"minutes": minutes(calendar.elapsed_with_pauses(from, to, &pauses))}))
        }
        "state" => {
            let at = time("at", &question.at)?;
            Ok(json!({
                "open": calendar.is_open(at),
                "next_opening": calendar.next_opening(at).map(|at| calendar.rfc3339(at)),
                "last_closing": calendar.last_closing(at).map(|at| calendar.rfc3339(at)),
            }))
        }
        other => Err(format!("不认识的 op“{other}”，可用 add、sub、elapsed、workdays、state")),
    }
}

fn calendar(value: &Value) -> Result<Calendar, String> {
    let made = match value {
        Value::String(name) if name == "7x24" => Calendar::always(DEFAULT_ZONE),
        Value::String(name) if name == "5x8" => {
            Calendar::workdays(&WeekHours::office(), DEFAULT_ZONE, Holidays::shipped(), &[], &[])
        }
        Value::String(name) => {
            return Err(format!("没有名为“{name}”的日历，可用 7x24、5x8 或就地给出"));
        }
        spec => {
            let spec = CalendarSpec::deserialize(spec).map_err(|error| format!("calendar 不合规则：{error}"))?;
            Calendar::from_spec(&spec)
        }
    };
    made.map_err(|error| error.to_string())
}

fn instant(name: &str, text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("{name} 的“{text}”不是带时区偏移的时间，应写作 2026-10-08T09:00:00+08:00"))
}

/// The length asked for, in milliseconds.
fn length(question: &Question) -> Result<i64, String> {
    let (name, number, unit) = match (&question.minutes, &question.seconds) {
        (Some(minutes), None) => ("minutes", minutes, 60),
        (None, Some(seconds)) => ("seconds", seconds, 1),
        _ => {
            return Err(format!("op 为 {} 时须有 minutes 或 seconds 之一", question.op));
        }
    };
    let milliseconds = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => whole.checked_mul(unit * 1000),
        // Through a duration: it refuses what does not fit, where a cast would say something else instead.
        (None, Some(fraction)) => SignedDuration::try_from_secs_f64(fraction * if unit == 60 { 60.0 } else { 1.0 })
            .ok()
            .and_then(|length| i64::try_from(length.round(jiff::Unit::Millisecond).ok()?.as_millis()).ok()),
        (None, None) => None,
    };
    milliseconds.ok_or_else(|| format!("{name} 的 {number} 太大"))
}

/// Whole minutes as an integer, others as a fraction.
fn minutes(ms: i64) -> Value {
    if ms % 60_000 == 0 { json!(ms / 60_000) } else { json!(SignedDuration::from_millis(ms).as_secs_f64() / 60.0) }
}
