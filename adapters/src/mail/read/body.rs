//! Which parts are the text and which are files (section 5 of the mail sheet).

use std::collections::HashSet;

use super::charset::decode;
use super::flowed::unflow;
use super::head::split;
use super::lines::{Line, invisible, plain};
use super::tree::{Part as Node, Tree};
use super::{Part, names, page, winmail, words};

/// Files that are taken (5.7 of the mail sheet).
const MOST_FILES: usize = 100;

/// A stretch of the text, in one form or both.
#[derive(Debug, Default)]
struct Piece {
    plain: Option<String>,
    page: Option<String>,
}

/// The text and the files of a mail.
#[derive(Debug, Default)]
pub(super) struct Body {
    pieces: Vec<Piece>,
    files: Vec<(Part, Option<String>)>,
    pub(super) problems: Vec<String>,
    /// Nobody but the receiver's key can read it.
    pub(super) encrypted: bool,
    /// The method of a calendar entry in it (`request`).
    pub(super) calendar: Option<String>,
}

impl Body {
    fn problem(&mut self, problem: &str) {
        if !self.problems.iter().any(|known| known == problem) {
            self.problems.push(problem.to_owned());
        }
    }

    /// The text as lines: of each piece the plain form where that says anything.
    pub(super) fn lines(&mut self) -> Vec<Line> {
        self.lines_of(|piece| piece.plain.as_deref().is_some_and(says_something))
    }

    /// The text as lines from its pages, where a piece has both forms; `None` where none has.
    pub(super) fn page_lines(&mut self) -> Option<Vec<Line>> {
        let both =
            self.pieces.iter().any(|piece| piece.plain.as_deref().is_some_and(says_something) && piece.page.is_some());
        both.then(|| self.lines_of(|piece| piece.page.is_none()))
    }

    fn lines_of(&mut self, take_plain: impl Fn(&Piece) -> bool) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut cut = false;
        for piece in &self.pieces {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            match (&piece.plain, &piece.page) {
                (Some(text), _) if take_plain(piece) => lines.extend(plain(text)),
                (_, Some(page)) => {
                    let (of_page, too_long) = page::lines(page);
                    cut |= too_long;
                    lines.extend(of_page);
                }
                (Some(text), None) => lines.extend(plain(text)),
                (None, None) => {}
            }
        }
        if cut {
            self.problem("正文太长，只读了前面一部分");
        }
        lines
    }

    /// The files; a picture that the text shows in its place is marked so.
    pub(super) fn files(&mut self) -> Vec<Part> {
        let pages = self.pieces.iter().filter_map(|piece| piece.page.as_deref());
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | ')');
        let shown: HashSet<&str> = pages
            .flat_map(|page| {
                page.match_indices("cid:").map(|(at, _)| page[at + 4..].split(ends).next().unwrap_or_default())
            })
            .collect();
        let inline: Vec<bool> =
            self.files.iter().map(|(_, id)| id.as_deref().is_some_and(|id| shown.contains(id))).collect();
        std::mem::take(&mut self.files)
            .into_iter()
            .zip(inline)
            .map(|((part, _), inline)| Part { inline: inline || part.inline, ..part })
            .collect()
    }

    fn file(&mut self, name: &str, kind: &str, bytes: Vec<u8>, id: Option<String>) {
        if self.files.len() >= MOST_FILES {
            self.problem("附件太多，后面的没有读");
            return;
        }
        let danger = names::danger(name, &bytes);
        let name = names::shown(name);
        let part = Part { name, kind: kind.to_owned(), bytes, inline: false, danger };
        self.files.push((part, id));
    }
}

/// Whether a plain form is more than a note that the other one is the mail.
fn says_something(text: &str) -> bool {
    if text.chars().all(invisible) {
        return false;
    }
    if text.len() > 400 {
        return true;
    }
    let lower = text.to_lowercase();
    let note = [
        "does not support html",
        "doesn't support html",
        "cannot display html",
        "can't display html",
        "html-capable",
        "html capable",
        "not support html",
        "unable to display html",
        "view this email in html",
        "html version of this",
        "this is an html",
        "enable html",
        "不支持html",
        "不支持 html",
        "无法显示html",
        "无法显示 html",
        "不能显示html",
    ];
    !note.iter().any(|note| lower.contains(note))
}

/// Sorts the parts of a mail.
pub(super) fn body(tree: &Tree<'_>) -> Body {
    let mut body = Body::default();
    if tree.cut {
        body.problem("邮件的部分太多或嵌套太深，后面的没有读");
    }
    if !tree.parts.is_empty() {
        collect(tree, 0, &mut body);
    }
    body
}

/// Takes one part and what is in it; the tree is at most twenty levels deep.
fn collect(tree: &Tree<'_>, number: usize, body: &mut Body) {
    let node = &tree.parts[number];
    match node.kind.as_str() {
        "multipart/alternative" if !node.children.is_empty() => alternative(tree, node, body),
        "multipart/signed" if !node.children.is_empty() => {
            collect(tree, node.children[0], body);
            for child in &node.children[1..] {
                if !is_signature(&tree.parts[*child]) {
                    collect(tree, *child, body);
                }
            }
        }
        "multipart/encrypted" => body.encrypted = true,
        kind if kind.starts_with("multipart/") => {
            for child in &node.children {
                collect(tree, *child, body);
            }
        }
        "message/delivery-status"
        | "message/disposition-notification"
        | "message/global-delivery-status"
        | "text/rfc822-headers"
        | "message/feedback-report" => {}
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            if node.content_type.word("smime-type").is_some_and(|kind| kind.eq_ignore_ascii_case("signed-data")) {
                body.problem("正文封装在签名文件里，没有读出来");
                file(node, body);
            } else {
                body.encrypted = true;
            }
        }
        "application/ms-tnef" | "application/vnd.ms-tnef" => packed(node, body),
        kind => {
            let name = node.file_name();
            let attached = node.disposition.main == "attachment" || name.is_some() && number > 0;
            let text = matches!(
                kind,
                "text/plain" | "text/html" | "text/enriched" | "text/richtext" | "text/x-markdown" | "text/markdown"
            );
            if name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat")) {
                packed(node, body);
            } else if text && !attached {
                text_piece(node, body);
            } else {
                if kind == "text/calendar" {
                    body.calendar =
                        body.calendar.take().or_else(|| node.content_type.word("method")).or(Some(String::new()));
                }
                file(node, body);
            }
        }
    }
}

/// The same text in several forms: all of the plain ones, and the pages.
fn alternative(tree: &Tree<'_>, node: &Node<'_>, body: &mut Body) {
    let before = body.pieces.len();
    for child in &node.children {
        collect(tree, *child, body);
    }
    let pieces: Vec<Piece> = body.pieces.drain(before..).collect();
    let together = |forms: Vec<String>| (!forms.is_empty()).then(|| forms.join("\n"));
    let (mut plain, mut page) = (Vec::new(), Vec::new());
    for piece in pieces {
        plain.extend(piece.plain);
        page.extend(piece.page);
    }
    body.pieces.push(Piece { plain: together(plain), page: together(page) });
}

fn is_signature(node: &Node<'_>) -> bool {
    matches!(
        node.kind.as_str(),
        "application/pkcs7-signature" | "application/x-pkcs7-signature" | "application/pgp-signature"
    ) || node.file_name().is_some_and(|name| matches!(name.as_str(), "smime.p7s" | "signature.asc"))
}

fn text_piece(node: &Node<'_>, body: &mut Body) {
    let html = node.kind == "text/html";
    let charset = node.content_type.word("charset");
    let decoded = decode(&node.bytes(), charset.as_deref(), html);
    if decoded.damaged {
        body.problem("有些文字的编码不对，可能显示不全");
    }
    let mut text = decoded.text;
    let piece = if html {
        Piece { page: Some(text), plain: None }
    } else {
        if node.content_type.word("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed")) {
            text =
                unflow(&text, node.content_type.word("delsp").is_some_and(|delsp| delsp.eq_ignore_ascii_case("yes")));
        }
        // Coremail's web client writes entities into plain text.
        if text.lines().any(|line| line.starts_with("&gt;")) {
            text = text
                .replace("&gt;", ">")
                .replace("&lt;", "<")
                .replace("&quot;", "\"")
                .replace("&nbsp;", " ")
                .replace("&amp;", "&");
        }
        if !text.contains('\n') && text.contains('\r') {
            text = text.replace('\r', "\n");
        }
        Piece { plain: Some(text), page: None }
    };
    body.pieces.push(piece);
}

fn packed(node: &Node<'_>, body: &mut Body) {
    let Some(packed) = winmail::unpack(&node.bytes()) else {
        body.problem("winmail.dat 打不开，按附件保留");
        file(node, body);
        return;
    };
    for (number, (name, bytes)) in packed.files.into_iter().enumerate() {
        let name = if name.is_empty() { format!("附件{}", number + 1) } else { name };
        body.file(&name, "application/octet-stream", bytes, None);
    }
    let said =
        body.pieces.iter().any(|piece| piece.page.is_some() || piece.plain.as_deref().is_some_and(says_something));
    if !said && (packed.plain.is_some() || packed.page.is_some()) {
        body.pieces.push(Piece { plain: packed.plain, page: packed.page });
    }
}

fn file(node: &Node<'_>, body: &mut Body) {
    let nested = matches!(node.kind.as_str(), "message/rfc822" | "message/global");
    let name = node.file_name().unwrap_or_else(|| {
        if nested {
            let bytes = node.bytes();
            let subject = split(&bytes, false).0.get("subject").map(words::text).unwrap_or_default();
            let subject: String =
                subject.chars().take(80).map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).collect();
            return format!("{}.eml", if subject.is_empty() { "邮件" } else { &subject });
        }
        if node.kind == "text/calendar" {
            return "日程.ics".to_owned();
        }
        let ending = match node.kind.as_str() {
            "text/plain" => "txt",
            "text/html" => "html",
            "image/jpeg" => "jpg",
            "image/svg+xml" => "svg",
            "application/octet-stream" => "bin",
            kind => kind.rsplit(['/', '+', '.', '-']).next().unwrap_or("bin"),
        };
        format!("附件{}.{ending}", body.files.len() + 1)
    });
    let bytes = node.bytes();
    if bytes.is_empty() && !node.body.trim_ascii().is_empty() {
        body.problem("有附件的内容读不出来");
    }
    body.file(&name, &node.kind, bytes, node.content_id());
}
