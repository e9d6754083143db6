//! What of a page is given to the HTML parser: tags that shape a text, at most [`DEEPEST`] in one another.
//!
//! The parser makes a tree of whatever it gets; a page made to hurt it (a hundred thousand open tags, formatting tags closed in
//! the wrong order) costs it quadratic time. Behind this sieve there are no formatting tags, nothing raw and no depth. It
//! reads the page once.

/// Bytes of a page that are read (5.2 of the mail sheet).
pub(super) const LONGEST_PAGE: usize = 2 * 1024 * 1024;
/// How deep tags may stand in one another (5.2).
const DEEPEST: usize = 200;

/// Tags that make lines, cells, lists or quotes, or can carry what marks a quote.
const KEPT: [&str; 44] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "img",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "sign",
    "span",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "caption",
    "details",
    "summary",
];
/// Tags whose content is not text for people.
const DROPPED: [&str; 6] = ["script", "style", "title", "object", "noframes", "xml"];
/// Attributes that say what a tag is for.
const ATTRIBUTES: [&str; 12] = [
    "alt",
    "class",
    "data-marker",
    "data-smartmail",
    "data-uneditable",
    "height",
    "href",
    "id",
    "name",
    "style",
    "type",
    "width",
];
/// A longer value is left out; what marks a quote is short, and a link is shown.
const LONGEST_VALUE: usize = 4096;

/// The page, sifted. The second is whether it was too long and has lost its end.
pub(super) fn sift(page: &str) -> (String, bool) {
    let mut end = page.len().min(LONGEST_PAGE);
    while !page.is_char_boundary(end) {
        end -= 1;
    }
    let mut sieve =
        Sieve { out: String::with_capacity(end), open: Vec::new(), skipped: [0; KEPT.len()], unclosed: [false; 6] };
    sieve.run(&page[..end]);
    (sieve.out, end < page.len())
}

struct Sieve {
    out: String,
    /// Tags that are open, outermost first, by their place in [`KEPT`]; `a` is there as `span`.
    open: Vec<usize>,
    /// How many tags of each kind stand too deep to be kept, so that their ends are left out too.
    skipped: [u32; KEPT.len()],
    /// Of [`DROPPED`]: those that are never closed in the rest of the page.
    unclosed: [bool; 6],
}

fn kept(name: &str) -> Option<usize> {
    let name = if name == "a" { "span" } else { name };
    KEPT.iter().position(|kept| *kept == name)
}

impl Sieve {
    fn run(&mut self, page: &str) {
        let mut rest = page;
        let mut comments = true;
        while let Some(at) = rest.find('<') {
            self.out.push_str(&rest[..at]);
            rest = &rest[at..];
            let next = rest.as_bytes().get(1).copied().unwrap_or(0);
            if comments && rest.starts_with("<!--") {
                // Without an end it is no comment, and no other one has an end either.
                match rest[4..].find("-->") {
                    Some(end) => rest = &rest[4 + end + 3..],
                    None => comments = false,
                }
            } else if next == b'!' || next == b'?' {
                rest = behind(rest, '>');
            } else if next.is_ascii_alphabetic() {
                rest = self.start(rest);
            } else if next == b'/' && rest.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic) {
                let name = name_at(&rest[2..]);
                rest = behind(rest, '>');
                self.end(&name);
            } else {
                self.out.push_str("&lt;");
                rest = &rest[1..];
            }
        }
        self.out.push_str(rest);
    }

    /// A start tag at the front of `tag`; gives back what follows it.
    fn start<'a>(&mut self, tag: &'a str) -> &'a str {
        let name = name_at(&tag[1..]);
        let (attributes, rest, closed) = attributes(&tag[1 + name.len()..]);
        if let Some(dropped) = DROPPED.iter().position(|dropped| *dropped == name) {
            if closed || self.unclosed[dropped] {
                return rest;
            }
            if let Some(at) = end_tag(rest, &name) {
                return behind(&rest[at..], '>');
            }
            self.unclosed[dropped] = true;
            return rest;
        }
        let Some(kind) = kept(&name) else { return rest };
        let void = matches!(name.as_str(), "br" | "hr" | "img");
        if !void {
            // One of these ends the one before it.
            if matches!(name.as_str(), "p" | "li" | "td" | "th" | "tr" | "dd" | "dt") && self.open.last() == Some(&kind)
            {
                self.open.pop();
            }
            if self.open.len() >= DEEPEST {
                self.skipped[kind] = self.skipped[kind].saturating_add(1);
                if KEPT[kind] != "span" {
                    self.out.push_str("<br>");
                }
                return rest;
            }
            self.open.push(kind);
        }
        self.out.push('<');
        self.out.push_str(KEPT[kind]);
        for (name, value) in attributes {
            self.out.extend([" ", &name, "=\""]);
            for piece in value.split('"').enumerate() {
                self.out.push_str(if piece.0 > 0 { "&quot;" } else { "" });
                self.out.push_str(piece.1);
            }
            self.out.push('"');
        }
        self.out.push('>');
        rest
    }

    fn end(&mut self, name: &str) {
        if name == "br" {
            self.out.push_str("<br>");
            return;
        }
        let Some(kind) = kept(name) else { return };
        if self.skipped[kind] > 0 {
            self.skipped[kind] -= 1;
            return;
        }
        let of_table = |kind: usize| matches!(KEPT[kind], "td" | "th" | "tr" | "tbody" | "thead" | "tfoot" | "table");
        for at in (0..self.open.len()).rev() {
            if self.open[at] == kind {
                self.open.truncate(at);
                self.out.extend(["</", KEPT[kind], ">"]);
                return;
            }
            // What was opened outside of a cell is not closed in it.
            if of_table(self.open[at]) && !of_table(kind) {
                return;
            }
        }
    }
}

/// A tag's name in small letters.
fn name_at(tag: &str) -> String {
    let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '<')).unwrap_or(tag.len());
    tag[..end].to_ascii_lowercase()
}

fn behind(text: &str, end: char) -> &str {
    text.find(end).map_or("", |at| &text[at + end.len_utf8()..])
}

/// Where `</name` stands, in any letters.
fn end_tag(text: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let at = from + at;
        let after = text.as_bytes().get(at + 2..at + 2 + name.len());
        if after.is_some_and(|after| after.eq_ignore_ascii_case(name.as_bytes())) {
            return Some(at);
        }
        from = at + 2;
    }
    None
}

/// The attributes worth keeping of a tag, what follows the tag, and whether it closes itself.
fn attributes(tag: &str) -> (Vec<(String, &str)>, &str, bool) {
    let mut found: Vec<(String, &str)> = Vec::new();
    let mut rest = tag;
    let mut closed = false;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let Some(first) = rest.chars().next() else { return (found, "", closed) };
        match first {
            '>' => return (found, &rest[1..], closed),
            '/' => {
                closed = true;
                rest = &rest[1..];
                continue;
            }
            _ => closed = false,
        }
        // A name may begin with anything, even `=`.
        let skip = first.len_utf8();
        let end = rest[skip..]
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .map_or(rest.len(), |end| skip + end);
        let name = &rest[..end];
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_whitespace());
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            if let Some(quote) = quote {
                let inner = &after[1..];
                let end = inner.find(quote).unwrap_or(inner.len());
                value = &inner[..end];
                rest = inner.get(end + 1..).unwrap_or("");
            } else {
                let end = after.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(after.len());
                value = &after[..end];
                rest = &after[end..];
            }
        }
        let name = name.to_ascii_lowercase();
        let new = !found.iter().any(|(known, _)| *known == name);
        if ATTRIBUTES.contains(&name.as_str()) && value.len() <= LONGEST_VALUE && new {
            found.push((name, value));
        }
    }
}
