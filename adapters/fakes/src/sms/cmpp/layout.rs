//! The bytes, by the tables of the standard.

use super::Agreement;

/// A text from a phone.
#[derive(Debug, Clone)]
pub struct Text<'a> {
    /// Who wrote.
    pub from: &'a str,
    /// Digits behind the access number.
    pub extension: &'a str,
    /// `TP_udhi`.
    pub flag: u8,
    /// Bytes before the text.
    pub header: &'a [u8],
    /// `Msg_Fmt`.
    pub format: u8,
    /// The text in that format.
    pub content: &'a [u8],
}

pub(super) fn frame(command: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &command.to_be_bytes(), &sequence.to_be_bytes(), body].concat()
}

fn padded(text: &str, width: usize) -> Vec<u8> {
    let mut field = text.as_bytes().to_vec();
    field.resize(width, 0);
    field
}

/// A status: one byte in 2.0, four in 3.0.
pub(super) fn status(version: u8, status: u32) -> Vec<u8> {
    if version == 3 { status.to_be_bytes().to_vec() } else { vec![u8::try_from(status).unwrap_or(255)] }
}

fn deliver_body(
    agreement: &Agreement,
    msg_id: u64,
    dest: &str,
    src: &str,
    (flag, format, report): (u8, u8, u8),
    content: &[u8],
) -> Vec<u8> {
    let three = agreement.version == 3;
    let mut body = msg_id.to_be_bytes().to_vec();
    body.extend(padded(dest, 21));
    body.extend(padded(&agreement.service_id, 10));
    body.extend([0, flag, format]);
    body.extend(padded(src, if three { 32 } else { 21 }));
    if three {
        body.push(0);
    }
    body.push(report);
    body.push(u8::try_from(content.len()).unwrap_or(255));
    body.extend(content);
    body.extend(vec![0; if three { 20 } else { 8 }]);
    body
}

pub(super) fn deliver(agreement: &Agreement, sequence: u32, msg_id: u64, text: &Text<'_>) -> Vec<u8> {
    let dest = format!("{}{}", agreement.access, text.extension);
    let content = [text.header, text.content].concat();
    let body = deliver_body(agreement, msg_id, &dest, text.from, (text.flag, text.format, 0), &content);
    frame(5, sequence, &body)
}

/// A report about `of`, itself under `msg_id`.
pub(super) fn report(agreement: &Agreement, sequence: u32, msg_id: u64, of: u64, to: &str, stat: &str) -> Vec<u8> {
    let mut content = of.to_be_bytes().to_vec();
    content.extend(padded(stat, 7));
    content.extend(b"2611220830");
    content.extend(b"2611220830");
    content.extend(padded(to, if agreement.version == 3 { 32 } else { 21 }));
    content.extend(7_u32.to_be_bytes());
    let body = deliver_body(agreement, msg_id, &agreement.access, to, (0, 0, 1), &content);
    frame(5, sequence, &body)
}
