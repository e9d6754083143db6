//! The text of a mail as lines that remember what the mail's own structure says of them.

/// What the structure of a page says about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mark {
    /// Nothing: the words have to tell.
    #[default]
    Open,
    /// In a container that a client puts around what is quoted.
    Quote,
    /// Behind a mark after which there is only the quoted mail.
    Rest,
    /// In a container that a client puts around a signature.
    Signature,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) mark: Mark,
    /// In how many block quotes it stands, of whatever purpose.
    pub(super) indent: u8,
}

impl Line {
    pub(super) fn blank(&self) -> bool {
        self.text.chars().all(invisible)
    }
}

/// Blank, or of no width.
pub(super) fn invisible(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{AD}' | '\u{2060}')
}

/// Lines of a plain text.
pub(super) fn plain(text: &str) -> Vec<Line> {
    text.lines().map(|text| Line { text: text.to_owned(), ..Line::default() }).collect()
}

/// The lines as one text: quoted blocks of a page get the `>` that mail has for them.
pub(super) fn whole(lines: &[Line]) -> String {
    joined(lines.iter().map(|line| match line.mark {
        Mark::Quote if line.indent > 0 => (usize::from(line.indent.min(8)), line.text.as_str()),
        _ => (0, line.text.as_str()),
    }))
}

/// Lines put together, each with its number of `>`: at most two empty ones in a row, none at the ends.
pub(super) fn joined<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut out = String::new();
    let mut empty = 0;
    for (quotes, text) in lines {
        let visible = !text.chars().all(invisible);
        if !visible && quotes == 0 {
            empty += 1;
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
            (0..empty.min(2)).for_each(|_| out.push('\n'));
        }
        empty = 0;
        (0..quotes).for_each(|_| out.push('>'));
        if quotes > 0 && visible {
            out.push(' ');
        }
        out.extend(text.trim_end().chars().filter(|c| *c == '\t' || !c.is_control()));
    }
    out
}
