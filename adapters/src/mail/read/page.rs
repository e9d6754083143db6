//! A page (HTML) as lines of text, with what its containers say of them.

use scraper::{Html, Node};

use super::containers::{self, Role};
use super::lines::{Line, Mark};
use super::sieve::sift;

/// Reads a page. The second is whether it was too long and has lost its end.
pub(super) fn lines(page: &str) -> (Vec<Line>, bool) {
    let (sifted, cut) = sift(page);
    let document = Html::parse_document(&sifted);
    let mut writer = Writer::default();
    let mut node = document.tree.root();
    loop {
        match node.value() {
            Node::Text(text) => writer.text(text),
            Node::Element(element) => writer.open(element),
            _ => {}
        }
        if let Some(child) = node.first_child() {
            node = child;
            continue;
        }
        // Upwards until there is something beside: no recursion, however deep the page.
        let next = loop {
            if let Node::Element(element) = node.value() {
                writer.close(element.name());
            }
            match (node.next_sibling(), node.parent()) {
                (Some(sibling), _) => break Some(sibling),
                (None, Some(parent)) => node = parent,
                (None, None) => break None,
            }
        };
        match next {
            Some(sibling) => node = sibling,
            None => break,
        }
    }
    writer.line_end(false);
    (writer.lines, cut)
}

/// What an open element has changed, to be undone at its end.
struct Open {
    role: Role,
    hidden: bool,
    link: Option<(String, usize, usize)>,
    gap: bool,
}

#[derive(Default)]
struct Writer {
    lines: Vec<Line>,
    line: String,
    /// A blank is due before the next word.
    blank: bool,
    open: Vec<Open>,
    hidden: usize,
    quotes: usize,
    signatures: usize,
    indent: u8,
    preformatted: usize,
    rest: bool,
}

impl Writer {
    fn mark(&self) -> Mark {
        match (self.rest, self.quotes, self.signatures) {
            (true, ..) => Mark::Rest,
            (_, 1.., _) => Mark::Quote,
            (_, _, 1..) => Mark::Signature,
            _ => Mark::Open,
        }
    }

    /// Ends the line; an empty one is kept only where the page wants one.
    fn line_end(&mut self, wanted: bool) {
        self.blank = false;
        if self.line.is_empty() && !wanted {
            return;
        }
        let text = std::mem::take(&mut self.line);
        self.lines.push(Line { text, mark: self.mark(), indent: self.indent });
    }

    /// An empty line between blocks that have one on the screen.
    fn gap(&mut self) {
        self.line_end(false);
        if self.lines.last().is_some_and(|line| !line.blank()) {
            self.line_end(true);
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        for c in text.chars() {
            match c {
                '\n' if self.preformatted > 0 => self.line_end(true),
                ' ' | '\t' if self.preformatted > 0 => self.line.push(c),
                '\u{200B}' | '\u{FEFF}' | '\u{AD}' | '\r' => {}
                ' ' | '\t' | '\n' | '\u{C}' => self.blank = true,
                _ => {
                    if self.blank && !self.line.is_empty() && !self.line.ends_with([' ', '\t']) {
                        self.line.push(' ');
                    }
                    self.blank = false;
                    self.line.push(if c == '\u{A0}' { ' ' } else { c });
                }
            }
        }
    }

    fn open(&mut self, element: &scraper::node::Element) {
        let name = element.name();
        let seen = containers::look(element);
        let gap = matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol") || name == "p" && seen.spaced;
        match name {
            "br" => self.line_end(true),
            "td" | "th" => {
                if !self.line.is_empty() {
                    self.line.push('\t');
                    self.blank = false;
                }
            }
            "span" | "img" => {}
            _ if gap => self.gap(),
            _ => self.line_end(false),
        }
        if seen.role != Role::None && !matches!(name, "br" | "span" | "img") {
            self.line_end(false);
        }
        match seen.role {
            Role::Rest => self.rest = true,
            Role::Quote => self.quotes += 1,
            Role::Signature => self.signatures += 1,
            Role::None => {}
        }
        self.hidden += usize::from(seen.hidden);
        match name {
            "blockquote" => self.indent = self.indent.saturating_add(1),
            "pre" => self.preformatted += 1,
            "li" if self.hidden == 0 => self.line.push_str("- "),
            _ => {}
        }
        let link = (name == "span").then(|| element.attr("href")).flatten();
        let link = link.map(|href| (href.trim().to_owned(), self.lines.len(), self.line.len()));
        self.open.push(Open { role: seen.role, hidden: seen.hidden, link, gap });
    }

    fn close(&mut self, name: &str) {
        let Some(open) = self.open.pop() else { return };
        if let Some((href, line, from)) = open.link {
            self.link(&href, line, from);
        }
        match name {
            "br" | "img" | "span" | "td" | "th" | "html" | "head" => {}
            _ if open.gap => self.gap(),
            _ => self.line_end(false),
        }
        match open.role {
            Role::Quote => {
                self.line_end(false);
                self.quotes -= 1;
            }
            Role::Signature => {
                self.line_end(false);
                self.signatures -= 1;
            }
            Role::Rest | Role::None => {}
        }
        self.hidden -= usize::from(open.hidden);
        match name {
            "blockquote" => self.indent = self.indent.saturating_sub(1),
            "pre" => self.preformatted -= 1,
            _ => {}
        }
    }

    /// The address of a link, where its words say something else.
    fn link(&mut self, href: &str, line: usize, from: usize) {
        let web = ["http://", "https://", "ftp://"].iter().any(|scheme| href.starts_with(scheme));
        if !web || self.hidden > 0 || line != self.lines.len() || href.len() > 2000 {
            return;
        }
        let shown = self.line.get(from..).unwrap_or_default().trim();
        let bare = |link: &str| {
            let link = link.trim().trim_end_matches('/');
            link.rsplit_once("://").map_or(link, |(_, link)| link).trim_start_matches("www.").to_ascii_lowercase()
        };
        if !shown.is_empty() && bare(shown) != bare(href) {
            self.line.extend([" (", href, ")"]);
        }
    }
}
