//! What a wording may refer to: a ticket, its promises and the occasion, in the words and times people read.

use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Map, Value, json};

use super::{letter, trust};
use crate::rules::length::Point;
use crate::rules::profile::Promise;
use crate::rules::terms::Terms;
use crate::rules::ticket::{About, Commitment, Outcome, Ticket};

/// Longest summary, in characters.
const SUMMARY: usize = 60;

/// The first words of what was asked; of a letter, what it says it is about.
pub fn summary(ticket: &Ticket) -> String {
    if let Some(title) = ticket.text.first().and_then(|text| letter::title(text)) {
        return shorten(title, SUMMARY);
    }
    shorten(&ticket.text.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).collect::<Vec<_>>().join("；"), SUMMARY)
}

/// At most `most` characters, with an ellipsis where something was left out.
pub fn shorten(text: &str, most: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= most {
        return flat;
    }
    let mut short: String = flat.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// An instant as people read it here and now: `今天 16:30`, `10月8日 16:30`, `2027年1月4日 09:00`.
pub fn local_time(terms: &Terms, at: Timestamp, now: Timestamp) -> String {
    let (at, now): (ZonedDateTime, ZonedDateTime) = (terms.zoned(at), terms.zoned(now));
    let clock = at.strftime("%H:%M").to_string();
    let tomorrow = now.date().tomorrow().ok();
    if at.date() == now.date() {
        format!("今天 {clock}")
    } else if Some(at.date()) == tomorrow {
        format!("明天 {clock}")
    } else if at.year() == now.year() {
        format!("{}月{}日 {clock}", at.month(), at.day())
    } else {
        format!("{}年{}月{}日 {clock}", at.year(), at.month(), at.day())
    }
}

/// A length of time as people read it.
pub fn spoken_ms(ms: i64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "不到 1 分钟".to_owned(),
        (0, minutes) => format!("{minutes} 分钟"),
        (hours, 0) if hours < 48 => format!("{hours} 小时"),
        (hours, minutes) if hours < 48 => format!("{hours} 小时 {minutes} 分钟"),
        (hours, _) => format!("{} 天 {} 小时", hours / 24, hours % 24),
    }
}

/// Why a promise is due when it is: start, calendar, holidays, pauses.
pub fn explain_due(terms: &Terms, c: &Commitment) -> Vec<String> {
    let Some(due) = c.due_at else {
        return vec!["工单挂起中，恢复后按剩余的服务时间继续计时。".to_owned()];
    };
    terms.calendar(&c.calendar).explain(c.started_at, due, &c.pauses)
}

fn promise_json(terms: &Terms, c: &Commitment, now: Timestamp) -> Value {
    let due = c.due_at.map(|due| {
        let text = local_time(terms, due, now);
        if c.provisional { format!("{text}（暂定）") } else { text }
    });
    json!({
        "name": c.promise.zh(), "due": due,
        "when": due.as_ref().map_or_else(|| "已暂停计时".to_owned(), |due| format!("{due} 前")), "outcome": c.outcome.zh(),
        "left": c.due_at.map(|due| spoken_ms(due.as_millisecond() - now.as_millisecond())),
    })
}

/// Promises a requester is told of at the opening: those with a clock that runs for him.
fn told(promise: Promise) -> bool {
    !matches!(promise, Promise::Report | Promise::Track)
}

/// How the number of a ticket is shown: `#3`, or `YL-3` where several contracts meet.
pub fn shown(terms: &Terms, number: u64, several: bool) -> String {
    if several { format!("{}-{number}", terms.profile.code) } else { format!("#{number}") }
}

/// Everything a wording may say about a ticket.
pub fn occasion(terms: &Terms, ticket: &Ticket, now: Timestamp, several: bool, staff: bool) -> Map<String, Value> {
    let profile = &terms.profile;
    let severity = profile.severity(&ticket.severity).map_or(ticket.severity.as_str(), |s| s.name.as_str());
    let promises: Vec<Value> = ticket
        .commitments
        .iter()
        .filter(|c| matches!(c.outcome, Outcome::Running | Outcome::Paused))
        .filter(|c| staff || told(c.promise))
        .map(|c| promise_json(terms, c, now))
        .collect();
    let no = shown(terms, ticket.number, several);
    let value = json!({
        "ticket": true,
        "no": no,
        "n": if several { no.clone() } else { ticket.number.to_string() },
        "summary": summary(ticket),
        "images": ticket.attachments.iter().filter(|name| *name != letter::ORIGINAL).count(),
        "problems": ticket.problems.join("；"),
        "doubt": ticket.doubt.as_deref().filter(|why| staff && trust::is_forged(why)),
        "follows": ticket.follows,
        "system": ticket.system.as_deref().and_then(|id| profile.system(id)).map(|s| s.name.clone()),
        "category": ticket.category.as_deref().and_then(|id| profile.category(id)).map(|c| c.name.clone()),
        "severity": severity,
        "assumed": ticket.severity_assumed,
        "words": quoted_words(&ticket.severity_words),
        "major": ticket.is_major(terms),
        "state": ticket.state_zh(),
        "requester": ticket.requester.name,
        "unit": ticket.unit,
        "engineer": ticket.engineer.as_ref().map(|e| e.name.clone()),
        "before": ticket.before,
        "by": ticket.reopened_by,
        "promises": promises,
        "solution": ticket.solution,
        "into": ticket.merged_into,
        "contract": profile.name,
        "hotline": profile.hotline,
        "scale": profile.satisfaction.scale,
        "round": 1,
        "text": "",
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The words that decided the severity, quoted: none that is part of another (`登记系统` says `登记` too), and none of one
/// character (都, 全), which decides nothing by itself.
fn quoted_words(words: &[String]) -> String {
    let whole = |word: &&String| !words.iter().any(|other| other != *word && other.contains(word.as_str()));
    let whole = words.iter().filter(whole).filter(|word| word.chars().nth(1).is_some());
    whole.map(|word| format!("「{word}」")).collect::<Vec<_>>().concat()
}

/// The promises and steps a notice is about, each promise once.
pub fn about_json(terms: &Terms, about: &[About], now: Timestamp) -> Value {
    let mut lines: Vec<Value> = Vec::new();
    let mut seen = Vec::new();
    // The gravest step of each promise speaks for it, of two alike the later one.
    let steps = &terms.profile.escalation.steps;
    let mut ordered: Vec<&About> = about.iter().collect();
    ordered.sort_by_key(|a| std::cmp::Reverse((a.kind, steps.iter().position(|s| s.id == a.step))));
    for a in ordered {
        if a.commitment.is_some() && seen.contains(&a.commitment) {
            continue;
        }
        seen.push(a.commitment);
        let percent = steps.iter().find(|s| s.id == a.step).and_then(|s| match s.at {
            Point::Percent(percent) => Some(percent),
            Point::Start | Point::Broken | Point::AfterBroken(_) => None,
        });
        // The share is exact when the step first fires; a repetition says only what is left.
        let exact = percent.filter(|_| a.round == 1 && a.late_ms == 0 && !a.deferred);
        let left = a.due_at.map(|due| due.as_millisecond() - now.as_millisecond()).filter(|left| *left > 0);
        lines.push(json!({
            "name": a.commitment.map_or("工单", Promise::zh),
            "due": a.due_at.map(|due| local_time(terms, due, now)),
            "percent": exact,
            "left": left.map(spoken_ms),
            "late": (a.late_ms > 0).then(|| spoken_ms(a.late_ms)),
            "broken": percent.is_none(),
            "round": a.round,
        }));
    }
    Value::Array(lines)
}

#[cfg(test)]
mod tests {
    use super::quoted_words;

    #[test]
    fn the_basis_of_a_severity_quotes_whole_words_and_no_loose_character() {
        for (heard, quoted) in [
            (&["登记", "打不开", "大厅", "都"][..], "「登记」「打不开」「大厅」"),
            (&["登记", "登记系统", "瘫痪了"][..], "「登记系统」「瘫痪了」"),
            (&["都"][..], ""),
        ] {
            let heard: Vec<String> = heard.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(quoted_words(&heard), quoted, "{heard:?}");
        }
    }
}
