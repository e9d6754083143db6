//! Bytes to characters: labels are hints, the bytes decide (section 4 of the mail sheet).

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// What a label stands for.
#[derive(Clone, Copy)]
enum Label {
    /// An encoding of the WHATWG list.
    Known(&'static Encoding),
    /// `hz-gb-2312`: seven bits, which that list leaves out.
    Hz,
    /// `iso-2022-cn`: seven bits with shifts, left out as well.
    Iso2022Cn,
    /// Something only mail knows (`utf-7`, `cp437`).
    Mail(fn(&[u8]) -> String),
}

/// What was decoded, and whether it is sure to be what was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// Some characters could not be made out.
    pub(super) damaged: bool,
}

impl Decoded {
    fn sure(text: impl Into<String>) -> Self {
        Self { text: text.into(), damaged: false }
    }
}

fn label(written: &str) -> Option<Label> {
    let name: String = written
        .trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ';' | ','))
        .split('*')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = name.strip_prefix("charset=").unwrap_or(&name);
    match name {
        "gb2312" | "gbk" | "x-gbk" | "cp936" | "936" | "ms936" | "gb_2312-80" | "gb2312-80" | "gb-2312" | "euc-cn"
        | "euccn" | "chinese" | "gb18030" | "gb-18030" | "gb18030-2000" | "windows-936" | "chinesegb2312"
        | "csgb2312" => Some(Label::Known(GB18030)),
        "utf8" | "utf-8" | "utf_8" | "utf8mb4" | "unicode-1-1-utf-8" => Some(Label::Known(UTF_8)),
        "hz-gb-2312" | "hz" | "hz-gb2312" => Some(Label::Hz),
        "iso-2022-cn" | "iso-2022-cn-ext" => Some(Label::Iso2022Cn),
        "" | "unknown-8bit" | "x-unknown" | "unknown" | "default_charset" | "default" | "_charset_" | "binary"
        | "8bit" => None,
        _ => match Encoding::for_label_no_replacement(name.as_bytes()) {
            Some(encoding) => Some(Label::Known(encoding)),
            // The table there asks for at least one and at most 45 bytes.
            None if name.len() <= 45 => charset_decoder(name.as_bytes()).map(Label::Mail),
            None => None,
        },
    }
}

/// Whether two labels mean the same encoding, so that pieces of one character may stand in words of both.
pub(super) fn same(one: &str, other: &str) -> bool {
    match (label(one), label(other)) {
        (Some(Label::Known(one)), Some(Label::Known(other))) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// Decodes a text. The order is: what needs no guessing (seven-bit encodings by their label, strict UTF-8), the label,
/// an HTML page's own word, pairs as GB2312 has them, statistics, and GB18030 with holes.
pub(super) fn decode(bytes: &[u8], written: Option<&str>, html: bool) -> Decoded {
    let known = written.and_then(label);
    if let Some(text) = shifted(bytes, known) {
        return Decoded::sure(text);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.is_ascii() {
        return Decoded::sure(String::from_utf8_lossy(bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded::sure(text);
    }
    let western = matches!(known, Some(Label::Known(encoding)) if encoding == WINDOWS_1252);
    if western && pairs(bytes) {
        return Decoded::sure(GB18030.decode_without_bom_handling(bytes).0);
    }
    if western && written.is_some_and(|written| written.to_ascii_lowercase().contains("ascii")) {
        return by_meta(bytes, html).unwrap_or_else(|| guessed(bytes));
    }
    match known {
        Some(Label::Known(encoding)) => {
            if let Some(decoded) = nearly(bytes, encoding) {
                return decoded;
            }
        }
        Some(Label::Mail(decoder)) => return Decoded::sure(decoder(bytes)),
        Some(Label::Hz | Label::Iso2022Cn) | None => {}
    }
    if let Some(decoded) = nearly(bytes, UTF_8) {
        return decoded;
    }
    by_meta(bytes, html).unwrap_or_else(|| guessed(bytes))
}

/// Encodings in which ASCII bytes are something else.
fn shifted(bytes: &[u8], known: Option<Label>) -> Option<String> {
    match known {
        Some(Label::Hz) if bytes.is_ascii() => Some(hz(bytes)),
        Some(Label::Iso2022Cn) if bytes.is_ascii() => Some(iso_2022_cn(bytes)),
        Some(Label::Mail(decoder)) if bytes.is_ascii() => Some(decoder(bytes)),
        Some(Label::Known(encoding)) if !encoding.is_ascii_compatible() => {
            let (text, _, errors) = encoding.decode(bytes);
            // A page that says UTF-16 in an eight-bit mail is not in it.
            (!errors && (bytes.contains(&0) || encoding.name().starts_with("ISO-2022"))).then(|| text.into_owned())
        }
        _ => None,
    }
}

/// By this encoding, if at most one character in twenty cannot be made out.
fn nearly(bytes: &[u8], encoding: &'static Encoding) -> Option<Decoded> {
    let (text, errors) = encoding.decode_without_bom_handling(bytes);
    if !errors {
        return Some(Decoded::sure(text));
    }
    let beyond_ascii = text.chars().filter(|c| !c.is_ascii()).count();
    let holes = text.matches('\u{FFFD}').count();
    (holes * 20 <= beyond_ascii.max(20) && holes < beyond_ascii)
        .then(|| Decoded { text: text.into_owned(), damaged: true })
}

/// By what the page says of itself in its first 1,024 bytes.
fn by_meta(bytes: &[u8], html: bool) -> Option<Decoded> {
    if !html {
        return None;
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let (_, after) = start.split_once("charset=")?;
    let name: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    match label(&name)? {
        Label::Known(encoding) if encoding == WINDOWS_1252 && pairs(bytes) => None,
        Label::Known(encoding) => nearly(bytes, encoding),
        _ => None,
    }
}

fn guessed(bytes: &[u8]) -> Decoded {
    if pairs(bytes) {
        return Decoded::sure(GB18030.decode_without_bom_handling(bytes).0);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // What the statistics need; a mail is in one encoding.
    detector.feed(&bytes[..bytes.len().min(64 * 1024)], true);
    let encoding = detector.guess(Some(b"cn"), Utf8Detection::Deny);
    if let Some(decoded) = nearly(bytes, encoding) {
        return Decoded { damaged: decoded.damaged, ..decoded };
    }
    Decoded { text: GB18030.decode_without_bom_handling(bytes).0.into_owned(), damaged: true }
}

/// Whether all bytes beyond ASCII come in pairs as GB2312 has them, and most of those are common characters: French or
/// German text has its letters one at a time.
fn pairs(bytes: &[u8]) -> bool {
    let (mut at, mut all, mut common) = (0, 0_usize, 0_usize);
    while at < bytes.len() {
        let lead = bytes[at];
        if lead < 0x80 {
            at += 1;
            continue;
        }
        let Some(trail) = bytes.get(at + 1) else { return false };
        if !(0xA1..=0xF7).contains(&lead) || !(0xA1..=0xFE).contains(trail) {
            return false;
        }
        all += 1;
        common += usize::from(matches!(lead, 0xB0..=0xD7 | 0xA1 | 0xA3));
        at += 2;
    }
    all > 0 && common * 2 > all
}

/// HZ (RFC 1843): `~{` opens pairs of seven-bit GB2312, `~}` closes them, `~~` is a tilde, a tilde at a line's end joins it
/// with the next.
fn hz(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut at, mut wide) = (0, false);
    while at < bytes.len() {
        let (one, two) = (bytes[at], bytes.get(at + 1).copied());
        match (wide, one, two) {
            (_, b'~', Some(b'{')) => (wide, at) = (true, at + 2),
            (_, b'~', Some(b'}')) => (wide, at) = (false, at + 2),
            (false, b'~', Some(b'~')) => {
                plain.push(b'~');
                at += 2;
            }
            (false, b'~', Some(b'\n')) => at += 2,
            (true, b'\n', _) => {
                // An escape does not reach beyond its line.
                wide = false;
                plain.push(b'\n');
                at += 1;
            }
            (true, 0x21..=0x7E, Some(two @ 0x21..=0x7E)) => {
                plain.extend([one | 0x80, two | 0x80]);
                at += 2;
            }
            _ => {
                plain.push(one);
                at += 1;
            }
        }
    }
    GB18030.decode_without_bom_handling(&plain).0.into_owned()
}

/// ISO-2022-CN (RFC 1922), as far as GB2312 goes: `ESC $ ) A` announces it, SO and SI switch.
fn iso_2022_cn(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut at, mut wide) = (0, false);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1).copied()) {
            (0x1B, Some(b'$')) => at += 4,
            (0x0E, _) => (wide, at) = (true, at + 1),
            (0x0F, _) => (wide, at) = (false, at + 1),
            (one @ 0x21..=0x7E, Some(two @ 0x21..=0x7E)) if wide => {
                plain.extend([one | 0x80, two | 0x80]);
                at += 2;
            }
            (one, _) => {
                wide &= one != b'\n';
                plain.push(one);
                at += 1;
            }
        }
    }
    GB18030.decode_without_bom_handling(&plain).0.into_owned()
}
