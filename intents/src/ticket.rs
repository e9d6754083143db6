//! Reads a ticket's number as people type it, and tells it from the many other numbers of an office.

use crate::command::TicketRef;
use crate::normalise::is_han;

/// A ticket found at the head of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub ticket: TicketRef,
    /// Bytes it takes.
    pub len: usize,
    /// Typed so that it can be nothing else: `#3`, `工单3`, `YL-3`, `3号单`.
    pub explicit: bool,
}

/// Measure words: a number followed by one of these counts something ("3楼", "2小时", "5星").
const MEASURES: &str = "楼层台个次天点分秒月年日时小室人份张条件位栋幢度级兆块元周星科类种寸期区所县步批套页行列遍名家间路米处项岁万千百亿倍寸代季股组队段排座扇把盏根支只本册部辆封轮版成半多几几来余以之%/kgm";

/// What makes "3号" a window, a house, a line or a date instead of ticket 3.
const AFTER_HAO: &str = "楼窗机线厅柜桌大门院文服库主前后早上下之中晚凌以到至房室台位车站店口栋区";

/// The ticket at the head of a plain (normalised) text.
pub(crate) fn ticket_at(text: &str) -> Option<Found> {
    let mut at = 0;
    let mut explicit = false;
    for prefix in ["工单号", "工单", "单号", "单子", "编号", "no."] {
        if let Some(rest) = text.strip_prefix(prefix) {
            at += prefix.len() + (rest.len() - rest.trim_start_matches([' ', ':']).len());
            explicit = true;
            break;
        }
    }
    if text[at..].starts_with('#') {
        at += 1;
        at += text[at..].len() - text[at..].trim_start().len();
        explicit = true;
    }
    let letters = text[at..].bytes().take_while(u8::is_ascii_lowercase).count();
    let mut code = None;
    if letters > 0 {
        let behind = &text[at + letters..];
        if letters <= 8 && behind.starts_with('-') {
            code = Some(text[at..at + letters].to_ascii_uppercase());
            at += letters + 1;
            explicit = true;
        } else if matches!(&text[at..at + letters], "t" | "gd" | "no" | "inc") {
            at += letters;
            explicit = true;
        } else {
            return None;
        }
    }
    let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return None;
    }
    let number: u64 = text[at..at + digits].parse().ok()?;
    at += digits;
    if number == 0 {
        return None;
    }
    let behind = &text[at..];
    let mut next = behind.chars();
    match next.next() {
        // 3-201, 10.21.3.45, 12:30, 24/3: a house, an address, a time, a date.
        Some('-' | '.' | ':' | '/' | '_') if next.next().is_some_and(|c| c.is_ascii_digit()) => return None,
        Some(c)
            if c.is_ascii_alphanumeric() && !explicit
            // "3a" is a room; "3hold" is a command typed without a space.
            && !behind.bytes().take_while(u8::is_ascii_alphabetic).nth(2).is_some_and(|_| true) =>
        {
            return None;
        }
        Some('号') => {
            let behind = &behind['号'.len_utf8()..];
            let noun = ["工单", "单子", "单"].iter().find(|noun| behind.starts_with(**noun));
            if let Some(noun) = noun {
                at += '号'.len_utf8() + noun.len();
                explicit = true;
            } else if !explicit && behind.chars().next().is_some_and(|c| AFTER_HAO.contains(c)) {
                return None;
            } else {
                at += '号'.len_utf8();
            }
        }
        Some(c) if !explicit && MEASURES.contains(c) => return None,
        Some(' ') if !explicit => {
            // "3 楼" is still a floor; "3 等用户" is ticket 3.
            let after = behind.trim_start();
            if ["楼", "层", "台", "小时", "分钟"].iter().any(|word| after.starts_with(word)) {
                return None;
            }
        }
        _ => {}
    }
    Some(Found { ticket: TicketRef { code, number }, len: at, explicit })
}

/// Further tickets in a row: `12 #13, 和14`.
pub(crate) fn tickets_in_row(text: &str) -> (Vec<TicketRef>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let skipped =
            rest.len() - rest.trim_start_matches([' ', ',', '和', '与', '到', '及', '、', '入', '+', '&']).len();
        let Some(ticket) = ticket_at(&rest[skipped..]) else { break };
        at += skipped + ticket.len;
        found.push(ticket.ticket);
    }
    (found, at)
}

/// Whether what follows a word lets the word end there.
pub(crate) fn ends_word(behind: &str) -> bool {
    behind.chars().next().is_none_or(|c| !is_han(c) && !c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_told_from_other_numbers() {
        for (why, text, number) in [
            ("bare", "3", Some(3)),
            ("hash", "#3", Some(3)),
            ("hash with a space", "# 3", Some(3)),
            ("with a word", "工单3", Some(3)),
            ("contract code", "yl-3", Some(3)),
            ("3号", "3号 认领", Some(3)),
            ("3号单", "3号单我来", Some(3)),
            ("old number", "t0231", Some(231)),
            ("floor", "3楼的打印机", None),
            ("floor with a space", "3 楼打印机", None),
            ("window", "3号窗口", None),
            ("date", "3号下午", None),
            ("house", "3-201", None),
            ("address", "10.21.3.45", None),
            ("hours", "2小时", None),
            ("explicit beats measure words", "#3 个人资料", Some(3)),
            ("case number", "202403150012", None),
            ("zero", "0", None),
        ] {
            assert_eq!(ticket_at(text).map(|found| found.ticket.number), number, "{why}");
        }
        assert_eq!(ticket_at("yl-3").and_then(|found| found.ticket.code).as_deref(), Some("YL"));
    }
}
