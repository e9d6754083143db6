//! Keywords of a text that came in (sms.md 3.2): an opt-out only as the whole text, since a fault report may begin with one.

use super::half_width;

/// What a whole text means to the channel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// No more announcements and surveys.
    OptOut,
    /// They are welcome again.
    OptIn,
}

const OUT: [&str; 9] = ["TD", "T", "R", "退订", "拒收", "取消订阅", "回复TD退订", "QX", "00000"];
const IN: [&str; 3] = ["KT", "恢复", "订阅"];

/// The text for comparing: half width, upper case, without blanks and without punctuation at its end.
pub fn normalised(text: &str) -> String {
    let flat: String = half_width(text).to_uppercase().chars().filter(|c| !c.is_whitespace()).collect();
    flat.trim_end_matches(['.', ',', '!', '?', ';', '。', '，', '！', '？', '；', '、', '~', '…']).to_owned()
}

/// The keyword that this text is as a whole, if any.
pub fn keyword(text: &str) -> Option<Keyword> {
    let text = normalised(text);
    if OUT.contains(&text.as_str()) {
        Some(Keyword::OptOut)
    } else if IN.contains(&text.as_str()) {
        Some(Keyword::OptIn)
    } else {
        None
    }
}

/// How texts begin that a phone or an operator wrote and nobody typed.
const AUTOMATIC: [&str; 8] = [
    "[自动回复]",
    "【自动回复】",
    "自动回复:",
    "自动回复：",
    "[来电提醒]",
    "【来电提醒】",
    "[AUTO-REPLY]",
    "[驾驶模式]",
];

/// Whether a phone answered by itself.
pub fn automatic(text: &str) -> bool {
    let text = half_width(text.trim()).to_uppercase();
    AUTOMATIC.iter().any(|head| text.starts_with(half_width(head).as_str()))
}
