//! A change request as an engineer types it: its parts, and its window.

use jiff::Timestamp;

use super::take::Message;
use crate::rules::profile::ChangePart;
use crate::rules::when;

/// Parts of a change request, and its window.
pub(super) type Changed = (Vec<(ChangePart, String)>, Option<(Timestamp, Timestamp)>);

/// The parts of a change request in a text like `方案：… 应急：… 回退：… 时间：10月8日 20:00-22:00`.
pub(super) fn change_parts(text: &str, now: Timestamp, message: &Message) -> Changed {
    const LABELS: [(&str, Option<ChangePart>); 9] = [
        ("变更方案", Some(ChangePart::Plan)),
        ("方案", Some(ChangePart::Plan)),
        ("应急预案", Some(ChangePart::Emergency)),
        ("应急", Some(ChangePart::Emergency)),
        ("回退方案", Some(ChangePart::Rollback)),
        ("回退", Some(ChangePart::Rollback)),
        ("回滚", Some(ChangePart::Rollback)),
        ("时间", None),
        ("窗口", None),
    ];
    let mut marks: Vec<(usize, usize, Option<ChangePart>)> = Vec::new();
    for (label, part) in LABELS {
        for colon in ["：", ":"] {
            let full = format!("{label}{colon}");
            for (at, _) in text.match_indices(&full) {
                if !marks.iter().any(|(from, to, _)| at < *to && at + full.len() > *from) {
                    marks.push((at, at + full.len(), part));
                }
            }
        }
    }
    marks.sort_by_key(|(at, ..)| *at);
    let (mut parts, mut window) = (Vec::new(), None);
    for (index, (_, from, part)) in marks.iter().enumerate() {
        let until = marks.get(index + 1).map_or(text.len(), |(at, ..)| *at);
        let value = text[*from..until].trim().trim_end_matches(['；', ';', '，', ',']).trim();
        match part {
            Some(part) if !value.is_empty() => parts.push((*part, value.to_owned())),
            Some(_) => {}
            None => window = when::window(value, message.terms.date(now), &message.terms.profile.timezone),
        }
    }
    (parts, window)
}

/// What a part is called.
pub(super) fn part_zh(part: ChangePart) -> &'static str {
    match part {
        ChangePart::Plan => "变更方案",
        ChangePart::Emergency => "应急预案",
        ChangePart::Rollback => "回退方案",
    }
}
