//! Header values to text: encoded words (RFC 2047), parameters (RFC 2231), and what clients make of both.

use super::charset::{self, decode};
use super::head::unfold;
use super::transfer::base64_leniently;

/// A piece of a header value.
enum Piece<'a> {
    Bytes(&'a [u8]),
    Word { charset: &'a str, bytes: Vec<u8> },
}

/// Decodes a header value: encoded words joined as bytes where they belong together, bytes beyond ASCII guessed at.
pub(super) fn text(value: &[u8]) -> String {
    let value = unfold(value);
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut rest: &[u8] = &value;
    let mut plain: &[u8] = rest;
    // Behind the last end no word can be: without this, many openings would each look for it.
    let last_end = value.windows(2).rposition(|pair| pair == b"?=").unwrap_or(0);
    while let Some(at) = find(rest, b"=?").filter(|at| value.len() - rest.len() + at < last_end) {
        let Some((charset, bytes, after)) = word(&rest[at..]) else {
            rest = &rest[at + 2..];
            continue;
        };
        let before = &plain[..plain.len() - rest.len() + at];
        let between_words = matches!(pieces.last(), Some(Piece::Word { .. })) && before.trim_ascii().is_empty();
        if !before.is_empty() && !between_words {
            pieces.push(Piece::Bytes(before));
        }
        match pieces.last_mut() {
            Some(Piece::Word { charset: last, bytes: joined }) if charset::same(last, charset) => joined.extend(bytes),
            _ => pieces.push(Piece::Word { charset, bytes }),
        }
        rest = &rest[at + after..];
        plain = rest;
    }
    if !plain.is_empty() {
        pieces.push(Piece::Bytes(plain));
    }
    let mut out = String::with_capacity(value.len());
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => out.push_str(&decode(bytes, None, false).text),
            Piece::Word { charset, bytes } => out.push_str(&decode(&bytes, Some(charset), false).text),
        }
    }
    tidy(&out)
}

/// Blanks for what would break a line or hide something.
pub(super) fn tidy(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// One encoded word at the start of `from`: its charset, its bytes, and how long it is.
fn word(from: &[u8]) -> Option<(&str, Vec<u8>, usize)> {
    let inner = from.strip_prefix(b"=?")?;
    // No charset has a longer name; a language may follow it.
    let end = inner.iter().take(80).position(|byte| *byte == b'?')?;
    let charset = std::str::from_utf8(&inner[..end]).ok()?;
    if charset.is_empty() || charset.contains(char::is_whitespace) {
        return None;
    }
    let kind = *inner.get(end + 1)?;
    if inner.get(end + 2) != Some(&b'?') || !matches!(kind, b'b' | b'B' | b'q' | b'Q') {
        return None;
    }
    let data = &inner[end + 3..];
    let length = find(data, b"?=")?;
    let payload = &data[..length];
    let bytes = match kind {
        b'b' | b'B' => base64_leniently(payload),
        _ => q(payload),
    };
    Some((charset, bytes, 2 + end + 3 + length + 2))
}

fn q(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut at = 0;
    while at < payload.len() {
        let hex = (payload[at] == b'=')
            .then(|| payload.get(at + 1..at + 3))
            .flatten()
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (payload[at], hex) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'_', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A value with parameters: `text/plain; charset=gbk`.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// What stands before the first `;`, in small letters.
    pub(super) main: String,
    params: Vec<(String, Vec<u8>)>,
}

/// Parameters that are looked at in one field.
const MOST_PARAMETERS: usize = 200;

impl Value {
    pub(super) fn parse(value: &[u8]) -> Self {
        let value = unfold(value);
        let mut fields = split_outside_quotes(&value, b';');
        let main = fields.next().map(|main| {
            let main = String::from_utf8_lossy(main).trim().to_ascii_lowercase();
            main.split([' ', '(', '"']).next().unwrap_or_default().to_owned()
        });
        let params = fields
            .take(MOST_PARAMETERS)
            .filter_map(|field| {
                let at = field.iter().position(|byte| *byte == b'=')?;
                let name = String::from_utf8_lossy(&field[..at]).trim().to_ascii_lowercase();
                Some((name, unquoted(field[at + 1..].trim_ascii())))
            })
            .collect();
        Self { main: main.unwrap_or_default(), params }
    }

    fn raw(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// A parameter that is a plain word (`charset`, `boundary`).
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.raw(name).map(|value| String::from_utf8_lossy(value).into_owned()).or_else(|| self.extended(name))
    }

    /// The bytes of a parameter as they stand, without quotes.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.raw(name).map(<[u8]>::to_vec).or_else(|| self.extended(name).map(String::into_bytes))
    }

    /// A parameter that is a text (`filename`): the extended form before the plain one, in which encoded words, raw bytes
    /// and percent signs are read too.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.extended(name).or_else(|| self.raw(name).map(plain_text))
    }

    /// `name*=`, `name*0*=`, `name*0=` and what follows, joined as bytes before anything is decoded.
    fn extended(&self, name: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let mut charset = None;
        let mut any_percent = false;
        if let Some(value) = self.raw(&format!("{name}*")) {
            (charset, bytes) = charset_and_bytes(value);
            any_percent = true;
        } else {
            for at in 0..MOST_PARAMETERS {
                if let Some(value) = self.raw(&format!("{name}*{at}*")) {
                    any_percent = true;
                    if at == 0 {
                        (charset, bytes) = charset_and_bytes(value);
                    } else {
                        bytes.extend(percent(value));
                    }
                } else if let Some(value) = self.raw(&format!("{name}*{at}")) {
                    bytes.extend_from_slice(value);
                } else {
                    break;
                }
            }
        }
        if bytes.is_empty() {
            return None;
        }
        if any_percent { Some(tidy(&decode(&bytes, charset.as_deref(), false).text)) } else { Some(plain_text(&bytes)) }
    }
}

fn plain_text(value: &[u8]) -> String {
    let decoded = text(value);
    if decoded.contains('%')
        && let Ok(unescaped) = String::from_utf8(percent(decoded.as_bytes()))
        && !unescaped.is_ascii()
        && decoded.is_ascii()
    {
        return tidy(&unescaped);
    }
    decoded
}

/// `utf-8'zh'%E6…` in its charset and its bytes; a value without quotes has no charset.
fn charset_and_bytes(value: &[u8]) -> (Option<String>, Vec<u8>) {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(rest)) => (Some(String::from_utf8_lossy(charset).into_owned()), percent(rest)),
        _ => (None, percent(value)),
    }
}

fn percent(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        let hex = (value[at] == b'%')
            .then(|| value.get(at + 1..at + 3))
            .flatten()
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        out.push(hex.unwrap_or(value[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    out
}

/// Without quotes around it and backslashes in it.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => out.push(*escaped),
                // Clients that know no escapes write paths: the backslash is part of the name.
                Some(other) => out.extend([b'\\', *other]),
                None => out.push(b'\\'),
            },
            _ => out.push(*byte),
        }
    }
    out
}

/// Splits where `separator` stands outside of quotes.
pub(super) fn split_outside_quotes(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match *byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte => return byte == separator && !quoted,
        }
        false
    })
}
