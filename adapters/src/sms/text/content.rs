//! Content by Msg_Fmt (sms.md 1.9). What cannot be decoded is replaced, never dropped.

use encoding_rs::{GB18030, UTF_16BE};

/// UCS-2, in practice UTF-16, big-endian, without a mark.
pub const UCS2: u8 = 8;
/// ASCII, and from some gateways GBK.
pub const ASCII: u8 = 0;
/// GB18030.
pub const GB: u8 = 15;

/// A text as UCS-2.
pub fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The text of a content; `None` where it is no text (binary, a WAP push, a SIM write).
pub fn text(format: u8, bytes: &[u8]) -> Option<String> {
    Some(match format {
        UCS2 | 25 | 9 => {
            // An odd byte at the end is half of something.
            let even = &bytes[..bytes.len() & !1];
            let text = UTF_16BE.decode_without_bom_handling(even).0;
            text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
        }
        ASCII | GB => GB18030.decode_without_bom_handling(bytes).0.into_owned(),
        1 | 2 => bytes.iter().map(|b| char::from(*b)).collect(),
        _ => return None,
    })
}

/// The text of several contents in a row, each with its Msg_Fmt: neighbours of one format are joined before they are
/// decoded, so that a character cut between them is whole again. `None` where one of them is no text.
pub fn joined(parts: &[(u8, Vec<u8>)]) -> Option<String> {
    let mut out = String::new();
    for run in parts.chunk_by(|a, b| a.0 == b.0 && (a.0 != UCS2 || a.1.len() % 2 == 0)) {
        let bytes: Vec<u8> = run.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        out.push_str(&text(run[0].0, &bytes)?);
    }
    Some(out)
}
