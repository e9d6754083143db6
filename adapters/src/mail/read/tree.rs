//! The parts of a mail, found in its bytes.
//!
//! mail-parser has a parser of parts as well. It is not used because a mail with some ten thousand nested
//! `message/rfc822` makes it build a chain that overflows the stack when it is dropped (which ends the process and cannot be
//! caught), because many parts with a boundary that never comes are each looked for to the end of the mail, and because its
//! boundaries match in the middle of a line. Its decoders are used.

use super::head::{Head, lines, split};
use super::transfer::decoded;
use super::words::{Value, text};

/// Parts that are read (5.7 of the mail sheet).
pub(super) const MOST_PARTS: usize = 200;
/// How deep multiparts may stand in one another.
pub(super) const DEEPEST: usize = 20;

/// A part, with the parts in it by their number.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) head: Head<'a>,
    /// `text/plain` and so on, in small letters.
    pub(super) kind: String,
    pub(super) content_type: Value,
    pub(super) disposition: Value,
    /// The body as it stands in the mail.
    pub(super) body: &'a [u8],
    pub(super) children: Vec<usize>,
}

impl Part<'_> {
    /// The file name, if one is given: `filename` before `name`, each in its best form.
    pub(super) fn file_name(&self) -> Option<String> {
        self.disposition
            .text("filename")
            .or_else(|| self.content_type.text("name"))
            .filter(|name| !name.trim().is_empty())
    }

    /// Content-ID without brackets.
    pub(super) fn content_id(&self) -> Option<String> {
        self.head
            .get("content-id")
            .map(text)
            .map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
            .filter(|id| !id.is_empty())
    }

    /// The body, decoded.
    pub(super) fn bytes(&self) -> Vec<u8> {
        decoded(self.body, &self.head.word("content-transfer-encoding").unwrap_or_default())
    }
}

/// A mail taken apart. The first part is the mail itself.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// There were more parts, or deeper ones, than are read.
    pub(super) cut: bool,
}

/// Takes a mail apart: each level is read once, so the work is at most [`DEEPEST`] times the length.
pub(super) fn tree(raw: &[u8]) -> Tree<'_> {
    let mut tree = Tree::default();
    let mut waiting = vec![(raw, None::<usize>, 0_usize)];
    while let Some((bytes, parent, depth)) = waiting.pop() {
        if tree.parts.len() >= MOST_PARTS {
            tree.cut = true;
            break;
        }
        let (head, body) = split(bytes, parent.is_some());
        let body = &bytes[body..];
        let digest = parent.is_some_and(|parent| tree.parts[parent].kind == "multipart/digest");
        let content_type = head.get("content-type").map(Value::parse).unwrap_or_default();
        let kind = match content_type.main.as_str() {
            "" if digest => "message/rfc822".to_owned(),
            // RFC 1049 and clients that write `text`.
            "" | "text" => "text/plain".to_owned(),
            "html" => "text/html".to_owned(),
            known => known.to_owned(),
        };
        let number = tree.parts.len();
        let multipart = kind.starts_with("multipart/");
        let boundary = content_type.bytes("boundary").map(|boundary| boundary.trim_ascii_end().to_vec());
        let disposition = head.get("content-disposition").map(Value::parse).unwrap_or_default();
        tree.parts.push(Part { head, kind, content_type, disposition, body, children: Vec::new() });
        if let Some(parent) = parent {
            tree.parts[parent].children.push(number);
        }
        if !multipart {
            continue;
        }
        if depth >= DEEPEST {
            tree.cut = true;
            continue;
        }
        let inner = pieces(body, boundary);
        if inner.is_empty() {
            // Called a multipart, without any part in it: what stands there is text.
            let html = body.trim_ascii_start().starts_with(b"<");
            let kind = if html { "text/html" } else { "text/plain" };
            kind.clone_into(&mut tree.parts[number].kind);
        }
        tree.cut |= inner.len() > MOST_PARTS;
        // The last is put first, so that they are taken in order.
        waiting.extend(inner.into_iter().take(MOST_PARTS).rev().map(|piece| (piece, Some(number), depth + 1)));
    }
    tree
}

/// What stands between the boundary lines. Without a boundary in the header the first line that looks like one is it.
fn pieces(body: &[u8], boundary: Option<Vec<u8>>) -> Vec<&[u8]> {
    let boundary = boundary.filter(|boundary| !boundary.is_empty()).or_else(|| {
        lines(body)
            .find(|line| line.len() > 4 && line.starts_with(b"--") && !line.contains(&b' '))
            .map(|line| line[2..].trim_ascii_end().to_vec())
    });
    let Some(boundary) = boundary else { return Vec::new() };
    let base = body.as_ptr() as usize;
    let mut found = Vec::new();
    let mut from: Option<usize> = None;
    for line in lines(body) {
        let Some(after) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_slice())) else {
            continue;
        };
        let closing = after.starts_with(b"--");
        let rest = if closing { &after[2..] } else { after };
        if !rest.trim_ascii().is_empty() {
            continue;
        }
        let at = line.as_ptr() as usize - base;
        if let Some(from) = from {
            // The line end before a boundary belongs to it.
            let piece = &body[from.min(at)..at];
            let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
            found.push(piece.strip_suffix(b"\r").unwrap_or(piece));
        }
        if closing {
            return found;
        }
        let end = at + line.len();
        let end = end + usize::from(body.get(end) == Some(&b'\r'));
        from = Some((end + usize::from(body.get(end) == Some(&b'\n'))).min(body.len()));
        if found.len() > MOST_PARTS {
            return found;
        }
    }
    if let Some(from) = from {
        found.push(&body[from..]);
    }
    found
}
