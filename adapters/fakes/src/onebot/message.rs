//! Messages in both notations, written for the fake alone.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The readable text of an array message: texts as they are, mentions as `@account`.
pub fn text_of(segments: &Value) -> String {
    let mut text = String::new();
    for segment in segments.as_array().into_iter().flatten() {
        let data = &segment["data"];
        match segment["type"].as_str() {
            Some("text") => text.push_str(data["text"].as_str().unwrap_or_default()),
            Some("at") => {
                text.push('@');
                text.push_str(&plain(&data["qq"]));
            }
            _ => {}
        }
    }
    text
}

/// A number or string as a string.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The same message as a CQ string, for dialects that report so.
pub(super) fn cq(segments: &Value) -> String {
    let mut out = String::new();
    for segment in segments.as_array().into_iter().flatten() {
        let kind = segment["type"].as_str().unwrap_or_default();
        if kind == "text" {
            out.push_str(&guarded(segment["data"]["text"].as_str().unwrap_or_default()));
            continue;
        }
        let parameters: Vec<String> = segment["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!(",{key}={}", guarded(&plain(value)).replace(',', "&#44;")))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(out, "[CQ:{kind}{}]", parameters.concat());
    }
    out
}

fn guarded(text: &str) -> String {
    text.replace('&', "&amp;").replace('[', "&#91;").replace(']', "&#93;")
}

/// What a `message` parameter may be: an array, one segment, or a string taken literally.
pub(super) fn segments_of(message: &Value) -> Value {
    match message {
        Value::Array(_) => message.clone(),
        Value::Object(_) => json!([message]),
        other => json!([{ "type": "text", "data": { "text": plain(other) } }]),
    }
}
