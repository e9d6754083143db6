//! Transfer encodings, read leniently: mails are cut, wrapped and re-encoded on their way.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

/// The bytes a body stands for. `encoding` is the value of Content-Transfer-Encoding.
pub(super) fn decoded(body: &[u8], encoding: &str) -> Vec<u8> {
    match encoding.split([' ', ';', '(']).next().unwrap_or_default() {
        "base64" => base64_leniently(body),
        // The library gives up at a broken escape; then each is taken as it stands.
        "quoted-printable" => quoted_printable_decode(body).unwrap_or_else(|| quoted_printable_leniently(body)),
        _ => body.to_vec(),
    }
}

/// Base64 with missing padding, blanks and strange characters passed over.
pub(super) fn base64_leniently(body: &[u8]) -> Vec<u8> {
    let bytes = body.trim_ascii();
    base64_decode(bytes).unwrap_or_else(|| {
        let cleaned: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
            .collect();
        base64_decode(&cleaned).unwrap_or_default()
    })
}

fn quoted_printable_leniently(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let hex = rest
            .get(1..3)
            .filter(|pair| rest[0] == b'=' && pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        if let Some(byte) = hex {
            out.push(byte);
            at += 3;
        } else if rest.starts_with(b"=\r\n") {
            at += 3;
        } else if rest.starts_with(b"=\n") {
            at += 2;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    out
}
