//! Limits in bytes, and splitting what is longer (wecom.md 0.1 item 9, 3.4).
//!
//! Text is cut at line ends where there are any, else between characters; markdown never inside a `**…**`, a code span,
//! a link or a tag. The marks are measured before the text is.

/// Hard limit of a text of app and robot, of the app's markdown too.
pub const TEXT_BYTES: usize = 2048;
/// Hard limit of the robot's markdown and markdown_v2.
pub const MARKDOWN_BYTES: usize = 4096;
/// Hard limit of what a bot says.
pub const BOT_BYTES: usize = 20480;

/// Room for a mark such as `\n（12/34）`; enough up to 9,999 parts.
const MARK_BYTES: usize = 20;

/// How text may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anywhere between two characters.
    Plain,
    /// Not inside a span that markdown would lose.
    Markdown,
}

/// The longest beginning of `text` with at most `limit` bytes that ends between characters.
pub fn prefix(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The same, with `…` in the place of what was cut; for hints such as titles of cards. `limit` in bytes.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub('…'.len_utf8());
    format!("{}…", prefix(text, room).trim_end())
}

/// Parts of at most `limit` bytes each; a text that fits is one part without a mark, others end in `（1/3）`.
///
/// # Panics
/// Never for limits the platform has; a limit below 64 bytes is taken as 64.
pub fn pieces(text: &str, limit: usize, dialect: Dialect) -> Vec<String> {
    let limit = limit.max(64);
    if text.len() <= limit {
        return vec![text.to_owned()];
    }
    let room = limit - MARK_BYTES;
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > room {
        let at = cut(rest, room, dialect);
        let (part, later) = rest.split_at(at);
        parts.push(part.trim_end_matches('\n'));
        rest = later.trim_start_matches('\n');
    }
    parts.push(rest);
    parts.retain(|part| !part.trim().is_empty());
    let all = parts.len();
    if all < 2 {
        return parts.into_iter().map(str::to_owned).collect();
    }
    parts.iter().enumerate().map(|(at, part)| format!("{part}\n（{}/{all}）", at + 1)).collect()
}

/// Where to cut: after the last line end in the second half of the room, else before the span that would be torn, else
/// between characters. Never 0.
fn cut(text: &str, room: usize, dialect: Dialect) -> usize {
    let end = text.floor_char_boundary(room);
    let window = &text[..end];
    let whole = |at: &usize| dialect == Dialect::Plain || !inside_span(&text[..*at], text);
    let line_ends = window.rmatch_indices('\n').map(|(at, _)| at + 1).take_while(|&at| at > end / 2);
    if let Some(at) = line_ends.into_iter().find(whole) {
        return at;
    }
    let boundaries = window.char_indices().rev().map(|(at, c)| at + c.len_utf8()).take_while(|&at| at > end / 2);
    boundaries.into_iter().find(whole).unwrap_or(end)
}

/// Whether a cut after `before` would tear something that markdown closes later on the same line.
fn inside_span(before: &str, text: &str) -> bool {
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    let after = &text[before.len()..];
    let after = &after[..after.find('\n').unwrap_or(after.len())];
    let torn_pair = before.ends_with('*') && after.starts_with('*');
    let odd = |sign: &str| line.matches(sign).count() % 2 == 1 && after.contains(sign);
    let open = |left: char, right: char| match (line.rfind(left), line.rfind(right)) {
        (Some(begun), Some(ended)) => begun > ended && after.contains(right),
        (Some(_), None) => after.contains(right),
        (None, _) => false,
    };
    // Between the two halves of a link: `[words](address)`.
    let between = line.ends_with(']') && after.starts_with('(');
    let address = line.rfind("](").is_some_and(|at| !line[at..].contains(')')) && after.contains(')');
    let tag = line.matches("<font").count() > line.matches("</font>").count() && after.contains("</font>");
    torn_pair || odd("**") || odd("`") || open('[', ']') || open('<', '>') || between || address || tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unmarked(part: &str) -> &str {
        part.rsplit_once("\n（").map_or(part, |(words, _)| words)
    }

    #[test]
    fn a_text_that_fits_stays_whole_and_unmarked() {
        assert_eq!(pieces(&"修".repeat(682), TEXT_BYTES, Dialect::Plain), ["修".repeat(682)]);
        assert_eq!(pieces(&"修".repeat(683), TEXT_BYTES, Dialect::Plain).len(), 2);
    }

    #[test]
    fn it_is_cut_at_line_ends() {
        let text = "第一行说明\n".repeat(20);
        for part in pieces(&text, 100, Dialect::Plain) {
            assert!(unmarked(&part).lines().all(|line| line == "第一行说明"), "{part}");
        }
    }

    #[test]
    fn markdown_is_not_torn_inside_a_span() {
        for (why, span) in [
            ("bold", "**这里是不能断开的一段粗体**"),
            ("code", "`systemctl restart 登记服务`"),
            ("link", "[值守台](https://desk.example.gov.cn/t/1024)"),
            ("font", "<font color=\"warning\">剩余十分钟</font>"),
            ("mention", "<@ZhangGongZhangGong>"),
        ] {
            for lead in 20..60 {
                let text = format!("{}{span}{}", "字".repeat(lead), "尾".repeat(60));
                let parts = pieces(&text, 150, Dialect::Markdown);
                assert!(parts.iter().any(|part| part.contains(span)), "{why} after {lead}: {parts:?}");
            }
        }
    }

    #[test]
    fn shortening_leaves_room_for_its_own_dots() {
        assert_eq!(shorten("工单一二三四", 12), "工单一…");
        assert_eq!(shorten("工单", 12), "工单");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(text in "[a字😀*`<>\\[\\]() \\n]{0,900}", limit in 64usize..300) {
            for dialect in [Dialect::Plain, Dialect::Markdown] {
                let parts = pieces(&text, limit, dialect);
                prop_assert!(parts.iter().all(|part| part.len() <= limit));
                let joined: String = parts.iter().map(|part| unmarked(part)).collect();
                let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(bare(&joined), bare(&text));
            }
        }
    }
}
