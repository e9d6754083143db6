//! Segments of a message, and both ways of writing them: JSON array and CQ string.
//!
//! Border: knows the notation, not what a segment means to people; that is `render`.

use serde_json::{Map, Value};

/// One piece of a message: a kind (`text`, `at`, `image`, …) and its data.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The type word; unknown words are kept.
    pub kind: String,
    /// Values are normally strings; numbers, booleans and nested content occur in the wild.
    pub data: Map<String, Value>,
}

impl Segment {
    /// A segment with string values.
    pub fn new(kind: &str, pairs: &[(&str, &str)]) -> Self {
        let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        Self { kind: kind.to_owned(), data }
    }

    /// Plain text: the only segment that may carry what a person wrote.
    pub fn text(text: &str) -> Self {
        Self::new("text", &[("text", text)])
    }

    /// A mention of an account.
    pub fn at(account: &str) -> Self {
        Self::new("at", &[("qq", account)])
    }

    /// A quotation. Only `id`: further keys made implementations answer "message not found".
    pub fn reply(message_id: &str) -> Self {
        Self::new("reply", &[("id", message_id)])
    }

    /// A value as a string, whatever JSON type it came in; `None` where it is missing, null or nested.
    pub fn get(&self, key: &str) -> Option<String> {
        match self.data.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As JSON for the array format.
    pub fn to_json(&self) -> Value {
        serde_json::json!({ "type": self.kind, "data": self.data })
    }
}

/// Reads the `message` field in any of its shapes: array, CQ string, or one lone segment. Anything else is empty.
pub fn message_from_json(message: &Value) -> Vec<Segment> {
    match message {
        Value::String(text) => parse_cq(text),
        Value::Array(items) => merge(items.iter().filter_map(segment_from_json)),
        Value::Object(_) => merge(segment_from_json(message)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn segment_from_json(item: &Value) -> Option<Segment> {
    if let Value::String(text) = item {
        return Some(Segment::text(text));
    }
    let kind = item.get("type")?.as_str()?.to_owned();
    let data = match item.get("data") {
        Some(Value::Object(data)) => data.clone(),
        _ => Map::new(),
    };
    Some(Segment { kind, data })
}

/// Joins neighbouring texts and drops empty ones.
fn merge(segments: impl IntoIterator<Item = Segment>) -> Vec<Segment> {
    let mut merged: Vec<Segment> = Vec::new();
    for segment in segments {
        if segment.kind != "text" {
            merged.push(segment);
            continue;
        }
        let text = segment.get("text").unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        match merged.last_mut().filter(|last| last.kind == "text") {
            Some(last) => {
                let joined = last.get("text").unwrap_or_default() + &text;
                *last = Segment::text(&joined);
            }
            None => merged.push(Segment::text(&text)),
        }
    }
    merged
}

/// The words of the text segments alone.
pub fn words_of_segments(segments: &[Segment]) -> String {
    segments.iter().filter(|segment| segment.kind == "text").filter_map(|segment| segment.get("text")).collect()
}

const OPENING: &str = "[CQ:";

/// Reads a CQ string. Malformed codes stay text; nothing panics.
///
/// ```
/// use zhishou_adapters::qq::onebot::codec::{Segment, parse_cq};
/// assert_eq!(parse_cq("[CQ:at,qq=10001] 在吗"), [Segment::at("10001"), Segment::text(" 在吗")]);
/// ```
pub fn parse_cq(source: &str) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find(OPENING) {
        let body = &rest[start + OPENING.len()..];
        let Some(end) = body.find(']') else { break };
        // An unescaped `[` inside a code means the first opening was never closed: it is text, and the search goes on.
        if let Some(inner) = body[..end].rfind(OPENING) {
            let keep = start + OPENING.len() + inner;
            found.push(Segment::text(&unescape_text(&rest[..keep])));
            rest = &rest[keep..];
            continue;
        }
        found.push(Segment::text(&unescape_text(&rest[..start])));
        found.push(code(&body[..end]));
        rest = &body[end + 1..];
    }
    found.push(Segment::text(&unescape_text(rest)));
    merge(found)
}

fn code(body: &str) -> Segment {
    let mut parts = body.split(',');
    let kind = unescape(parts.next().unwrap_or_default());
    let mut data = Map::new();
    for part in parts {
        // A parameter without `=` (a trailing comma, a stray word) carries nothing that can be named.
        if let Some((key, value)) = part.split_once('=') {
            data.insert(unescape(key.trim_start()), Value::String(unescape(value)));
        }
    }
    Segment { kind, data }
}

/// Writes a CQ string. Everything is escaped, so that no text can pose as a code.
pub fn print_cq(segments: &[Segment]) -> String {
    let mut out = String::new();
    for segment in segments {
        if segment.kind == "text" {
            escape(&segment.get("text").unwrap_or_default(), false, &mut out);
            continue;
        }
        out.push_str(OPENING);
        escape(&segment.kind, true, &mut out);
        for (key, value) in &segment.data {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            out.push(',');
            escape(key, true, &mut out);
            out.push('=');
            escape(&value, true, &mut out);
        }
        out.push(']');
    }
    out
}

fn escape(text: &str, parameter: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '[' => out.push_str("&#91;"),
            ']' => out.push_str("&#93;"),
            ',' if parameter => out.push_str("&#44;"),
            other => out.push(other),
        }
    }
}

const ENTITIES: [(&str, char); 4] = [("&#44;", ','), ("&#91;", '['), ("&#93;", ']'), ("&amp;", '&')];

fn unescape(text: &str) -> String {
    unescape_with(text, &ENTITIES)
}

/// In plain text the comma's entity is no escape: go-cqhttp leaves it alone, and so do we.
fn unescape_text(text: &str) -> String {
    unescape_with(text, &ENTITIES[1..])
}

/// One pass from left to right: `&amp;#91;` gives `&#91;` and never `[`.
fn unescape_with(text: &str, entities: &[(&str, char)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((entity, meant)) = entities.iter().find(|(entity, _)| rest.starts_with(entity)) {
            out.push(*meant);
            rest = &rest[entity.len()..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}
