//! The subject, and what its prefixes say.

use std::sync::LazyLock;

use regex::Regex;

use super::head::Head;
use super::words;

/// Characters of a subject (5.7 of the mail sheet).
const LONGEST_SUBJECT: usize = 1_000;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("compiled by a test")
}

static ANSWERS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(?:[\[【][^\]】]{0,60}[\]】]\s*)*(?:re|aw|antw(?:ort)?|sv|vs|ref|rif|res|odp|ynt|回复|答复|回覆|答覆|回信)\s*(?:\[\d+\]|\(\d+\)|\^\d+)?\s*[:：]",
    )
});
static FORWARDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(?:[\[【][^\]】]{0,60}[\]】]\s*)*(?:fwd?|wg|tr|rv|enc|i|vb|vl|doorst|pd|ilt|转发|轉寄|轉發|转寄)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]",
    )
});

/// The subject, decoded.
pub(super) fn shown(head: &Head<'_>) -> String {
    head.get("subject").map(words::text).unwrap_or_default().chars().take(LONGEST_SUBJECT).collect()
}

/// Whether the outermost prefix says that this is an answer.
pub(super) fn answers(subject: &str) -> bool {
    ANSWERS.is_match(subject)
}

/// Whether the outermost prefix says that something is sent on.
pub(super) fn forwards(subject: &str) -> bool {
    FORWARDS.is_match(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_prefix_counts() {
        for answer in ["Re: x", "回复：回复：x", "[#12] RE[2]: x", "AW: Fwd: x", "答复: x"] {
            assert!(answers(answer) && !forwards(answer), "{answer}");
        }
        for sent_on in ["Fwd: Re: x", "转发: x", "WG: x", "FW: x"] {
            assert!(forwards(sent_on) && !answers(sent_on), "{sent_on}");
        }
        for neither in ["Regarding: x", "Retry: x", "回复不了邮件", "Info: x", "Treffen: x"] {
            assert!(!answers(neither) && !forwards(neither), "{neither}");
        }
    }
}
