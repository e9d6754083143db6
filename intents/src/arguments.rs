//! The arguments of a command, out of what follows its word and number.

use crate::command::{Command, CommandName};
use crate::lexicon::Lexicon;
use crate::normalise::normalise;
use crate::parse::Reader;
use crate::ticket::{ticket_at, tickets_in_row};
use regex::Regex;
use std::sync::LazyLock;

static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:\+?86[- ]?)?(?:1[3-9]\d{9}|0\d{2,3}-?\d{7,8}|\d{7,8}|[1-9]\d{3,5})$").expect("tested below")
});
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"([0-9]+(?:\.[0-9]+)?|半|[一二两三四五六七八九十]+)\s*(个半小时|个?小时|个?钟头|分钟?|min|h|天|日)(半)?",
    )
    .expect("tested below")
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\d{4}[-/.年])?\d{1,2}[-/.月]\d{1,2}[日号]?|大?[今明后]天|今晚|明晚|下?周[一二三四五六日天]|下?星期[一二三四五六日天]|\d{1,2}[日号]").expect("tested below")
});
static SCORE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:给|打)?(?:个|了)?([1-5]|[一二三四五])\s*(?:分|星|颗星)(?:好评)?").expect("tested below")
});

/// The day that a plain text names.
pub(crate) fn date_in(plain: &str) -> Option<&str> {
    DATE.find(plain).map(|found| found.as_str())
}

/// Fills in what the command takes from the plain text behind `at`.
pub(crate) fn fill(command: &mut Command, at: usize, reader: &Reader<'_>) {
    let plain = &reader.normal.text;
    let rest = &plain[at..];
    let skipped = rest.len() - rest.trim_start_matches([' ', ',', ':', '.', '!']).len();
    let at = at + skipped;
    let rest = &plain[at..];
    let typed = reader.typed(at, plain.len());
    match command.name {
        CommandName::Merge | CommandName::Link => {
            let (more, len) = tickets_in_row(rest);
            command.more = more;
            command.text = reader.typed(at + len, plain.len());
        }
        CommandName::Assign | CommandName::Assist | CommandName::Dispatch => {
            command.people = people(&typed, reader.lexicon);
            let named = command.people.last().and_then(|last| typed.rfind(last.as_str()).map(|at| at + last.len()));
            command.text = typed[named.unwrap_or(0)..]
                .trim_start_matches([' ', '，', ',', '。', '处', '理', '跟', '进'])
                .to_owned();
        }
        CommandName::Swap => {
            command.word = DATE.find(rest).map(|date| reader.typed(at + date.start(), at + date.end()));
            // The day may stand before the name: what is left without it names the person.
            let without = command.word.as_deref().map_or(typed.clone(), |word| typed.replacen(word, " ", 1));
            let named = people(&without, reader.lexicon);
            command.people = named.into_iter().filter(|name| !DATE.is_match(&normalise(name).text)).collect();
            command.text = typed;
        }
        CommandName::Duty => {
            command.word = DATE.find(rest).map(|date| reader.typed(at + date.start(), at + date.end()));
            command.text = typed;
        }
        CommandName::Severity | CommandName::Upgrade => severity(command, rest, &typed, reader.lexicon),
        CommandName::Category => {
            let word = rest.trim_start_matches(['为', '成', '到', '至', ' ']).trim_end_matches(['.', '!']);
            command.word =
                (!word.is_empty()).then(|| reader.lexicon.category_word(word).unwrap_or_else(|| word.to_owned()));
            command.text = typed;
        }
        CommandName::Evaluate => evaluate(command, at, reader),
        CommandName::Mute => {
            command.word = DURATION.find(rest).map(|found| reader.typed(at + found.start(), at + found.end()));
            command.text = typed;
        }
        CommandName::Bind | CommandName::FinishDuty | CommandName::ThirdParty => {
            let (word, text) = typed.split_once(char::is_whitespace).unwrap_or((&typed, ""));
            command.word = (!word.is_empty()).then(|| word.to_owned());
            command.text = text.trim().to_owned();
        }
        CommandName::Weekly | CommandName::Monthly => {
            command.word = (!typed.is_empty()).then(|| typed.clone());
            command.text = typed;
        }
        CommandName::OnBehalf => on_behalf(command, &typed),
        CommandName::Help
        | CommandName::Status
        | CommandName::Human
        | CommandName::Urge
        | CommandName::Withdraw
        | CommandName::Claim
        | CommandName::Progress
        | CommandName::Suspend
        | CommandName::Resume
        | CommandName::Visit
        | CommandName::Arrive
        | CommandName::Leave
        | CommandName::Support
        | CommandName::Resolve
        | CommandName::Close
        | CommandName::Reopen
        | CommandName::Mine
        | CommandName::Todo
        | CommandName::Ack
        | CommandName::Inspection
        | CommandName::Harvest
        | CommandName::NotProblem
        | CommandName::ConfirmReport
        | CommandName::Broadcast
        | CommandName::ConfirmNeed
        | CommandName::Change
        | CommandName::Escalation
        | CommandName::Maintenance => command.text = typed,
    }
}

/// 改级 takes a severity; 升级 takes a start or an end, and with a severity it is 改级.
fn severity(command: &mut Command, rest: &str, typed: &str, lexicon: &Lexicon) {
    let word = rest.trim_start_matches(['为', '成', '到', '至', ' ', ':']);
    let first = word.split([' ', ',', '.', '!']).next().unwrap_or_default();
    typed.clone_into(&mut command.text);
    if command.name == CommandName::Upgrade {
        let step = [
            ("开始", "start"),
            ("start", "start"),
            ("完成", "finish"),
            ("结束", "finish"),
            ("finish", "finish"),
            ("done", "finish"),
            ("回滚", "finish"),
        ];
        if let Some((_, id)) = step.iter().find(|(zh, _)| word.contains(zh)) {
            command.word = Some((*id).to_owned());
            return;
        }
        if let Some(level) = lexicon.severity_word(first) {
            command.name = CommandName::Severity;
            command.word = Some(level);
        }
        return;
    }
    if first.is_empty() {
        return;
    }
    command.word = Some(lexicon.severity_word(first).unwrap_or_else(|| first.to_owned()));
    let behind = typed.split_once(char::is_whitespace).map_or("", |(_, text)| text);
    behind.trim().clone_into(&mut command.text);
}

/// 评价 [N] 1–5 意见. One number alone is the mark, for the ticket is often clear and the mark never is.
fn evaluate(command: &mut Command, at: usize, reader: &Reader<'_>) {
    let plain = &reader.normal.text;
    let mut here = at;
    let digits_then_space = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        text[digits..].trim_start_matches([' ', ',', ':']).to_owned()
    };
    if let Some(found) = ticket_at(&plain[here..]) {
        let behind = digits_then_space(&plain[here..]);
        let second = behind.starts_with(|c: char| c.is_ascii_digit()) || score_at(&behind).is_some();
        let single = !found.explicit && !second && found.ticket.number <= 5;
        if !single {
            command.ticket = Some(found.ticket);
            here += found.len;
            here += plain[here..].len() - plain[here..].trim_start_matches([' ', ',', ':']).len();
        }
    }
    // A second number outside the scale is still meant as the mark: whoever asked for it says what the scale is.
    let digits = plain[here..].bytes().take_while(u8::is_ascii_digit).count();
    if command.ticket.is_some() && digits > 0 && score_at(&plain[here..]).is_none() {
        command.score = Some(plain[here..here + digits].parse().unwrap_or(u8::MAX));
        here += digits;
    } else if let Some((score, len)) = score_at(&plain[here..]) {
        command.score = Some(score);
        here += len;
        here += plain[here..].len() - plain[here..].trim_start_matches([' ', ',', ':', '.']).len();
    }
    command.text = reader.typed(here, plain.len());
}

/// A mark of 1 to 5 at the head of a plain text: `5`, `5分`, `五星`, `满意`.
pub(crate) fn score_at(text: &str) -> Option<(u8, usize)> {
    if let Some(found) = SCORE.captures(text) {
        let whole = found.get(0)?;
        let score = match found.get(1)?.as_str() {
            "1" | "一" => 1,
            "2" | "二" => 2,
            "3" | "三" => 3,
            "4" | "四" => 4,
            _ => 5,
        };
        return Some((score, whole.end()));
    }
    for (word, score) in [
        ("非常满意", 5),
        ("很满意", 5),
        ("非常不满意", 1),
        ("很不满意", 1),
        ("不满意", 2),
        ("基本满意", 4),
        ("比较满意", 4),
        ("满意", 5),
        ("一般", 3),
        ("很差", 1),
        ("好评", 5),
        ("差评", 1),
    ] {
        if text.starts_with(word) {
            return Some((score, word.len()));
        }
    }
    let digit = text.bytes().next().filter(|digit| (b'1'..=b'5').contains(digit))?;
    let next = text.as_bytes().get(1);
    (next.is_none_or(|next| !next.is_ascii_digit())).then_some((digit - b'0', 1))
}

/// The words of a typed text with their places.
fn words_of(typed: &str) -> Vec<(usize, &str)> {
    let parts = |c: char| c.is_whitespace() || matches!(c, '，' | ',');
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in typed.char_indices() {
        if !parts(character) {
            start.get_or_insert(at);
        } else if let Some(from) = start.take() {
            words.push((from, &typed[from..at]));
        }
    }
    if let Some(from) = start {
        words.push((from, &typed[from..]));
    }
    words
}

/// 代报 单位 人 电话 文, each part as far as it is there.
fn on_behalf(command: &mut Command, typed: &str) {
    let words = words_of(typed);
    let phone = words.iter().take(5).position(|(_, word)| PHONE.is_match(&normalise(word).text));
    let (before, after) = if let Some(at) = phone {
        (&words[..at], &words[at + 1..])
    } else {
        // Without a number the second word is a name if it is as short as one.
        let named = words.get(1).is_some_and(|(_, word)| word.chars().count() <= 4);
        words.split_at(words.len().min(if named { 2 } else { 1 }))
    };
    command.phone = phone.map(|at| normalise(words[at].1).text);
    match before {
        [] => {}
        [(_, only)] if looks_like_unit(only) || phone.is_none() => command.unit = Some((*only).to_owned()),
        [(_, only)] => command.reporter = Some((*only).to_owned()),
        [unit @ .., (_, reporter)] => {
            command.unit = Some(unit.iter().map(|(_, word)| *word).collect());
            command.reporter = Some((*reporter).to_owned());
        }
    }
    let text = after.first().map_or("", |(at, _)| &typed[*at..]);
    text.trim().clone_into(&mut command.text);
}

fn looks_like_unit(word: &str) -> bool {
    [
        "局", "委", "办", "厅", "院", "中心", "科", "处", "所", "银行", "公司", "支行", "街道", "镇", "乡", "县", "区",
        "市", "部", "会", "站", "大厅",
    ]
    .iter()
    .any(|end| word.ends_with(end))
}

/// The people named in a text: with `@`, after 给, or by a known name.
pub(crate) fn people(typed: &str, lexicon: &Lexicon) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    if typed.contains(['@', '＠']) {
        for part in typed.split(['@', '＠']).skip(1) {
            let name = part.split([' ', '\u{3000}', '，', ',', '。', '\n']).next().unwrap_or_default();
            let name = lexicon.begins_with_person(name).unwrap_or(name);
            if !name.is_empty() && !named.iter().any(|known| known == name) {
                named.push(name.to_owned());
            }
        }
        return named;
    }
    let head = typed.trim_start();
    let head = ["给", "到", "由", "请"].iter().find_map(|to| head.strip_prefix(to)).unwrap_or(head).trim_start();
    if let Some(known) = lexicon.begins_with_person(head) {
        return vec![known.to_owned()];
    }
    let name = head.split([' ', '\u{3000}', '，', ',', '。', '\n']).next().unwrap_or_default();
    let name = ["处理", "跟进", "来", "吧", "去"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
    if (1..=8).contains(&name.chars().count()) { vec![name.to_owned()] } else { Vec::new() }
}

/// Minutes of a duration as people type it: `2小时`, `90分钟`, `半小时`, `一个半小时`, `1天`.
///
/// ```
/// assert_eq!(zhishou_intents::duration_minutes("2小时"), Some(120));
/// assert_eq!(zhishou_intents::duration_minutes("半小时"), Some(30));
/// assert_eq!(zhishou_intents::duration_minutes("一个半小时"), Some(90));
/// assert_eq!(zhishou_intents::duration_minutes("一会儿"), None);
/// ```
pub fn duration_minutes(text: &str) -> Option<u32> {
    let plain = normalise(text).text;
    let found = DURATION.captures(&plain)?;
    let unit = match found.get(2)?.as_str() {
        "分" | "分钟" | "min" => 1.0,
        "天" | "日" => 1440.0,
        _ => 60.0,
    };
    let number = found.get(1)?.as_str();
    let mut count = match number {
        "半" => 0.5,
        _ => match number.parse::<f64>() {
            Ok(count) => count,
            Err(_) => f64::from(chinese(number)?),
        },
    };
    if &found[2] == "个半小时" || found.get(3).is_some() {
        count += 0.5;
    }
    let minutes = (count * unit).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked on the line")]
    (1.0..=525_600.0).contains(&minutes).then_some(minutes as u32)
}

/// 1 to 99 in Chinese numerals.
fn chinese(text: &str) -> Option<u32> {
    let digit = |c: char| {
        "一二三四五六七八九"
            .chars()
            .position(|d| d == c)
            .and_then(|at| u32::try_from(at + 1).ok())
            .or((c == '两').then_some(2))
    };
    let mut total = 0;
    for character in text.chars() {
        if character == '十' {
            total = if total == 0 { 10 } else { total * 10 };
        } else {
            total += digit(character)?;
        }
    }
    Some(total)
}
