//! What the desk wants said, cut into pieces and put into segments.

use serde_json::Value;

use super::segment::Segment;
use crate::Outgoing;

/// Longest piece in characters, its number included. QQ takes about 5000, but long texts draw risk control;
/// AstrBot turns to forwarding above 1500.
pub const MAX_PIECE_CHARS: usize = 1500;

/// Room for a line such as `（12/34）`.
const NUMBER_CHARS: usize = 12;

/// Takes out NUL and control characters other than line feed and tab; carriage returns become line feeds.
/// Also the marks that turn the reading direction, with which a text can pose as another.
pub fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || turns_direction(*c)))
        .collect()
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The texts of one message, each at most [`MAX_PIECE_CHARS`] long: cut at line ends where possible, numbered where
/// there is more than one. Never empty.
pub fn pieces(text: &str) -> Vec<String> {
    let text = clean(text);
    let text = text.trim_end();
    if text.chars().count() <= MAX_PIECE_CHARS {
        return vec![text.to_owned()];
    }
    let parts = cut(text, MAX_PIECE_CHARS - NUMBER_CHARS);
    let total = parts.len();
    parts.into_iter().enumerate().map(|(at, part)| format!("（{}/{total}）\n{part}", at + 1)).collect()
}

fn cut(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for line in text.split_inclusive('\n') {
        let length = line.chars().count();
        if used + length > most && !current.trim().is_empty() {
            parts.push(std::mem::take(&mut current));
            used = 0;
        }
        if length <= most {
            current.push_str(line);
            used += length;
            continue;
        }
        // One line longer than a whole piece: cut it where it stands.
        for c in line.chars() {
            if used == most {
                parts.push(std::mem::take(&mut current));
                used = 0;
            }
            current.push(c);
            used += 1;
        }
    }
    parts.push(current);
    parts.iter().map(|part| part.trim_matches('\n').to_owned()).filter(|part| !part.trim().is_empty()).collect()
}

/// The segments of one piece. The first carries the quotation and the mentions; what people wrote stands in `text`
/// segments only, so that nothing in it can become a code.
pub fn message_json(message: &Outgoing, piece: &str, first: bool, in_group: bool) -> Value {
    let mut segments = Vec::new();
    if first {
        if let Some(quoted) = &message.reply_to {
            segments.push(Segment::reply(super::wire::message_id_of(quoted)));
        }
        if in_group {
            // Only accounts: "all" would ring the whole agency, and needs a quota that runs out.
            for account in message.mentions.iter().filter(|account| is_account(account)) {
                segments.push(Segment::at(account));
                segments.push(Segment::text(" "));
            }
        }
    }
    segments.push(Segment::text(piece));
    let mut merged: Vec<Segment> = Vec::new();
    for segment in segments {
        match merged.last_mut().filter(|last| last.kind == "text" && segment.kind == "text") {
            Some(last) => {
                let joined = last.get("text").unwrap_or_default() + &segment.get("text").unwrap_or_default();
                *last = Segment::text(&joined);
            }
            None => merged.push(segment),
        }
    }
    Value::Array(merged.iter().map(Segment::to_json).collect())
}

fn is_account(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
