//! Subjects: prefixes taken off, our tag put on and found (6, 7.4). Pure.

/// Words that programs put before the subject of an answer or a forwarded mail.
const PREFIXES: [&str; 14] =
    ["re", "fwd", "fw", "aw", "回复", "答复", "转发", "回覆", "答覆", "轉寄", "轉發", "回信", "转寄", "reply"];

/// Longest subject that is kept, in characters (5.7).
const LONGEST: usize = 1000;

/// A subject without prefixes and without our tags; `（无主题）` where nothing is left.
pub fn base(subject: &str) -> String {
    let mut rest: String = subject.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    loop {
        let before = rest.clone();
        rest = without_prefix(rest.trim()).to_owned();
        while let Some((from, to, _)) = tag_at(&rest) {
            rest.replace_range(from..to, " ");
        }
        if rest == before {
            break;
        }
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    if words.is_empty() { "（无主题）".to_owned() } else { words.join(" ") }
}

/// The subject of an answer: `Re: ` + base + tag, each once.
pub fn answer(subject: &str, about: Option<&str>) -> String {
    tagged(&format!("Re: {}", base(subject)), about)
}

/// A subject with the tag of what it is about behind it.
pub fn tagged(subject: &str, about: Option<&str>) -> String {
    match about.and_then(number) {
        Some(number) => format!("{subject} [#{number}]"),
        None => subject.to_owned(),
    }
}

/// The number in the last tag of a subject: `[#12]`, also in full width (`【＃12】`).
pub fn tag(subject: &str) -> Option<u64> {
    let mut found = None;
    let mut rest = subject;
    while let Some((_, to, number)) = tag_at(rest) {
        found = Some(number);
        rest = &rest[to..];
    }
    found
}

/// What stands behind the last `#` of what a message is about, if it is a number.
fn number(about: &str) -> Option<&str> {
    let number = about.rsplit_once('#')?.1;
    (!number.is_empty() && number.len() <= 18 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// One prefix taken off: a word, perhaps a count (`Re[2]`, `Re(3)`), a colon of either width.
fn without_prefix(text: &str) -> &str {
    for prefix in PREFIXES {
        let Some(head) = text.get(..prefix.len()) else { continue };
        if !head.eq_ignore_ascii_case(prefix) {
            continue;
        }
        let mut rest = text[prefix.len()..].trim_start();
        for (open, close) in [('[', ']'), ('(', ')'), ('（', '）')] {
            if let Some((count, after)) = rest.strip_prefix(open).and_then(|counted| counted.split_once(close))
                && !count.is_empty()
                && count.bytes().all(|byte| byte.is_ascii_digit())
            {
                rest = after.trim_start();
            }
        }
        if let Some(rest) = rest.strip_prefix([':', '：']) {
            return rest.trim_start();
        }
    }
    text
}

/// Where the first tag stands, and its number.
fn tag_at(text: &str) -> Option<(usize, usize, u64)> {
    let mut from = 0;
    while let Some(at) = text[from..].find(['[', '［', '【']).map(|at| at + from) {
        let width = text[at..].chars().next().map_or(1, char::len_utf8);
        let inside = &text[at + width..];
        if let Some(end) = inside.find([']', '］', '】'])
            && let Some(digits) = inside[..end].trim().strip_prefix(['#', '＃'])
            && let Some(number) = digits_of(digits.trim())
        {
            let close = inside[end..].chars().next().map_or(1, char::len_utf8);
            return Some((at, at + width + end + close, number));
        }
        from = at + width;
    }
    None
}

/// Digits of either width.
fn digits_of(text: &str) -> Option<u64> {
    if text.is_empty() || text.chars().count() > 18 {
        return None;
    }
    text.chars().try_fold(0_u64, |sum, c| {
        let digit = match c {
            '0'..='9' => u64::from(c) - u64::from('0'),
            '０'..='９' => u64::from(c) - u64::from('０'),
            _ => return None,
        };
        Some(sum * 10 + digit)
    })
}
