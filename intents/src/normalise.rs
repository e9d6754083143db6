//! One form for what people type in many: half width, lower case, simplified characters, plain
//! punctuation, single spaces, no emoji; with the way back to the original for every piece.

use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// A text in its plain form, and where each character of it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Normal {
    /// The plain form.
    pub text: String,
    /// Per character: its first byte here, its first byte and the byte behind it in the original.
    spans: Vec<(usize, usize, usize)>,
}

impl Normal {
    /// The bytes of the original that the bytes `start..end` of [`text`](Self::text) came from.
    ///
    /// ```
    /// let normal = zhishou_intents::normalise("＃３  登陸不了");
    /// assert_eq!(normal.text, "#3 登陆不了");
    /// assert_eq!(normal.original(0, 2), (0, 6));
    /// ```
    pub fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let after = self.spans.last().map_or(0, |span| span.2);
        let from = self.spans.partition_point(|span| span.0 < start);
        let to = self.spans.partition_point(|span| span.0 < end);
        let first = self.spans.get(from).map_or(after, |span| span.1);
        let last = to.checked_sub(1).and_then(|last| self.spans.get(last)).map_or(first, |span| span.2);
        (first, last.max(first))
    }

    fn push(&mut self, character: char, from: usize, to: usize) {
        self.spans.push((self.text.len(), from, to));
        self.text.push(character);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    traditional: String,
    faces: Vec<String>,
    slips: HashMap<String, String>,
}

struct Tables {
    simplified: HashMap<char, char>,
    faces: HashSet<String>,
    slips: Vec<(String, String)>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let data: Data = toml::from_str(include_str!("../data/normal.toml")).expect("shipped data, loaded by a test");
    let simplified = data
        .traditional
        .split_whitespace()
        .filter_map(|pair| {
            let mut pair = pair.chars();
            Some((pair.next()?, pair.next()?))
        })
        .collect();
    Tables { simplified, faces: data.faces.into_iter().collect(), slips: data.slips.into_iter().collect() }
});

/// Slips of the hand and what they mean; the folding lexicon begins with them.
pub(crate) fn slips() -> &'static [(String, String)] {
    &TABLES.slips
}

/// Whether a character is a Chinese one.
pub(crate) fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2ffff}')
}

fn plain(character: char) -> Option<char> {
    Some(match character {
        // Full width ASCII stands at a fixed distance from the plain one.
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = u32::from(character) - 0xfee0;
            char::from_u32(plain).unwrap_or(' ').to_ascii_lowercase()
        }
        '、' | '､' => ',',
        '。' | '｡' | '…' => '.',
        '“' | '”' | '„' => '"',
        '‘' | '’' => '\'',
        '—' | '–' | '−' | '‐' => '-',
        '【' | '〔' => '[',
        '】' | '〕' => ']',
        '￥' => '¥',
        '№' => '#',
        '①'..='⑨' => char::from_digit(u32::from(character) - 0x2460 + 1, 10).unwrap_or(' '),
        // Emoji, dingbats, arrows in use as emoji, variation selectors: a break, nothing more.
        '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' => ' ',
        '\u{fe00}'..='\u{fe0f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => {
            return None;
        }
        character if character.is_whitespace() || character.is_control() => ' ',
        character if character.is_ascii() => character.to_ascii_lowercase(),
        character => TABLES.simplified.get(&character).copied().unwrap_or(character),
    })
}

/// Brings a text into its plain form. Linear in its length.
pub fn normalise(text: &str) -> Normal {
    let mut normal = Normal { text: String::with_capacity(text.len()), spans: Vec::with_capacity(text.len() / 2) };
    let mut last = ' ';
    let mut skip_to = 0;
    for (at, character) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        let end = at + character.len_utf8();
        if character == '/'
            && let Some(face) = face(&text[end..])
        {
            skip_to = end + face;
            continue;
        }
        let Some(plain) = plain(character) else { continue };
        let repeated = plain == last && (plain == ' ' || matches!(plain, '!' | '?' | ',' | '.' | '~'));
        if repeated {
            continue;
        }
        normal.push(plain, at, end);
        last = plain;
    }
    if last == ' ' && !normal.text.is_empty() {
        normal.text.pop();
        normal.spans.pop();
    }
    close_up(normal)
}

/// The length of a QQ face's name at the head of a text.
fn face(after: &str) -> Option<usize> {
    let mut end = 0;
    for character in after.chars().take(3) {
        end += character.len_utf8();
        if TABLES.faces.contains(&after[..end]) {
            let next = after[end..].chars().next();
            return next.is_none_or(|next| !next.is_alphanumeric() || next == '/').then_some(end);
        }
    }
    None
}

/// "打 不 开 了" is one word typed with spaces: closes up three or more single characters.
fn close_up(normal: Normal) -> Normal {
    let characters: Vec<char> = normal.text.chars().collect();
    if characters.len() < 5 || !characters.contains(&' ') {
        return normal;
    }
    let mut drop = vec![false; characters.len()];
    let mut at = 0;
    while at < characters.len() {
        let mut end = at;
        let alone = |i: usize| {
            is_han(characters[i])
                && characters.get(i + 1).is_none_or(|next| !is_han(*next))
                && (i == 0 || !is_han(characters[i - 1]))
        };
        if alone(at) {
            while end + 2 < characters.len() && characters[end + 1] == ' ' && alone(end + 2) {
                end += 2;
            }
        }
        if end >= at + 4 {
            for space in (at + 1..end).step_by(2) {
                drop[space] = true;
            }
        }
        at = end + 1;
    }
    if !drop.contains(&true) {
        return normal;
    }
    let mut closed = Normal::default();
    for ((character, span), drop) in characters.into_iter().zip(&normal.spans).zip(drop) {
        if !drop {
            closed.push(character, span.1, span.2);
        }
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_forms_become_one() {
        for (why, typed, plain) in [
            ("full width", "＃３　認領", "#3 认领"),
            ("case", "Claim 3", "claim 3"),
            ("repeated marks", "急！！！！！", "急!"),
            ("spaces", "  打印机   坏了 ", "打印机 坏了"),
            ("emoji", "好的👍👍", "好的"),
            ("faces of QQ", "谢谢/强", "谢谢"),
            ("a slash is a command", "/认领 3", "/认领 3"),
            ("spaces inside a word", "打 不 开 了", "打不开了"),
            ("two phrases stay two", "密码 忘了", "密码 忘了"),
            ("invisible", "认\u{200b}领 3", "认领 3"),
            ("control", "认领\u{0}3", "认领 3"),
        ] {
            assert_eq!(normalise(typed).text, plain, "{why}");
        }
    }

    #[test]
    fn every_piece_knows_where_it_came_from() {
        let typed = "急！！！  電腦壞了";
        let normal = normalise(typed);
        let at = normal.text.find("电脑").expect("folded");
        let (from, to) = normal.original(at, at + "电脑".len());
        assert_eq!(&typed[from..to], "電腦");
    }
}
