//! Text as markdown for the bot: what people wrote is shown as they wrote it and never acts as markup (wecom.md 9).

use crate::Outgoing;

/// A message as markdown: its title in bold, where the text does not begin with it anyway, then its text.
pub fn markdown(message: &Outgoing) -> String {
    let text = plain(&message.text);
    let title = plain(&message.title).replace('\n', " ");
    let title = title.trim();
    if title.is_empty() || text.starts_with(title) { text } else { format!("**{title}**\n{text}") }
}

/// Takes the effect out of everything that could act as markup. Whether clients honour a backslash is not documented, and
/// those that do not would show it: the full-width twin of the character is certain to show and to do nothing. Addresses
/// stay as they are, so that they can still be followed.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank_lines = 0;
    for line in clean(text).lines() {
        let line = line.trim_end();
        blank_lines = if line.is_empty() { blank_lines + 1 } else { 0 };
        if blank_lines > 2 {
            continue;
        }
        if !out.is_empty() || blank_lines > 0 {
            out.push('\n');
        }
        escape_line(line, &mut out);
    }
    out.trim_matches('\n').to_owned()
}

/// Removes control characters and the marks that turn the direction of writing around: they can make a text read as
/// something else.
pub fn clean(text: &str) -> String {
    let kept = |c: &char| match c {
        '\n' => true,
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => false,
        c => !c.is_control(),
    };
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ").chars().filter(kept).collect()
}

fn escape_line(line: &str, out: &mut String) {
    let indent = line.len() - line.trim_start().len();
    let mut at = 0;
    let mut before = None;
    while let Some(c) = line[at..].chars().next() {
        if let Some(length) = address_at(&line[at..]) {
            // Neither of these belongs bare into an address; angle brackets would open a tag.
            out.extend(line[at..at + length].chars().filter(|c| !matches!(c, '<' | '>' | '`' | '*' | '[' | ']' | '|')));
            at += length;
            before = Some('/');
            continue;
        }
        let next = line[at + c.len_utf8()..].chars().next();
        out.push(match c {
            // Inside a word it is no markup, and file names and accounts are full of it.
            '_' if !(before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric)) => '＿',
            // Only before a blank or another one does it make a heading: `#12` is how tickets are named.
            '#' if at == indent && next.is_none_or(|next| next == '#' || next.is_whitespace()) => '＃',
            '>' if at == indent => '＞',
            // A line of nothing else makes a heading of the line above it.
            '-' if line[indent..].chars().all(|c| c == '-') => '－',
            '=' if line[indent..].chars().all(|c| c == '=') => '＝',
            '*' => '＊',
            '`' => '｀',
            '[' => '［',
            ']' => '］',
            '<' => '＜',
            '|' => '｜',
            '~' if next == Some('~') || before == Some('~') => '～',
            c => c,
        });
        before = Some(c);
        at += c.len_utf8();
    }
}

/// Length of the web address that begins here, if one does.
fn address_at(rest: &str) -> Option<usize> {
    if !(rest.starts_with("http://") || rest.starts_with("https://")) {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_graphic() || matches!(c, '<' | '>' | '"' | '`' | '(' | ')'));
    Some(end.unwrap_or(rest.len()))
}
