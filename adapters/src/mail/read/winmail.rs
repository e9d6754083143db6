//! `winmail.dat`: what Outlook puts a mail into in rich text mode (section 5.5 of the mail sheet).
//!
//! The tnef crate is not used: it knows the attribute of the body under a wrong number and stops there, and its list of files
//! leaves out every one that lacks one of six attributes.

use encoding_rs::UTF_16LE;

use super::charset::decode;

/// The first four bytes of such a file.
const SIGNATURE: u32 = 0x223E_9F78;

/// Attributes that are read, by their ids.
const CODE_PAGE: u32 = 0x0006_9007;
const PLAIN_BODY: u32 = 0x0002_800C;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const NEW_FILE: u32 = 0x0006_9002;
const FILE_TITLE: u32 = 0x0001_8010;
const FILE_DATA: u32 = 0x0006_800F;
const FILE_PROPERTIES: u32 = 0x0006_9005;

/// What was packed.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) plain: Option<String>,
    pub(super) page: Option<String>,
}

/// MAPI properties that are read, by their ids.
const BODY: u16 = 0x1000;
const BODY_HTML: u16 = 0x1013;
const LONG_NAME: u16 = 0x3707;
const DATA: u16 = 0x3701;

/// Properties of one object that are looked at.
const MOST_PROPERTIES: u32 = 4_000;

/// Unpacks; `None` where it is no such file or holds nothing.
pub(super) fn unpack(bytes: &[u8]) -> Option<Packed> {
    let mut cursor = Cursor(bytes);
    if cursor.number()? != SIGNATURE {
        return None;
    }
    cursor.take(2)?;
    let mut code_page = String::new();
    let mut packed = Packed::default();
    let mut name = String::new();
    let mut data: Option<Vec<u8>> = None;
    let flush = |name: &mut String, data: &mut Option<Vec<u8>>, packed: &mut Packed| {
        if let Some(data) = data.take() {
            packed.files.push((std::mem::take(name), data));
        }
        name.clear();
    };
    // What stands before a broken attribute is still good.
    while let Some((id, value)) = attribute(&mut cursor) {
        let label = Some(code_page.as_str()).filter(|label| !label.is_empty());
        match id {
            CODE_PAGE => {
                let number = Cursor(value).number().unwrap_or(0);
                code_page = if number == 65001 { "utf-8".to_owned() } else { format!("windows-{number}") };
            }
            PLAIN_BODY => packed.plain = Some(decode(value.strip_suffix(b"\0").unwrap_or(value), label, false).text),
            MESSAGE_PROPERTIES => {
                for (id, value) in properties(value, label) {
                    match id {
                        BODY => packed.plain = Some(value.text()),
                        BODY_HTML => packed.page = Some(value.text()),
                        _ => {}
                    }
                }
            }
            NEW_FILE => flush(&mut name, &mut data, &mut packed),
            FILE_TITLE if name.is_empty() => {
                name = decode(value.strip_suffix(b"\0").unwrap_or(value), label, false).text;
            }
            FILE_DATA => data = Some(value.to_vec()),
            FILE_PROPERTIES => {
                for (id, value) in properties(value, label) {
                    match id {
                        LONG_NAME => name = value.text(),
                        DATA if data.is_none() => data = Some(value.bytes),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    flush(&mut name, &mut data, &mut packed);
    let any = !packed.files.is_empty() || packed.plain.is_some() || packed.page.is_some();
    any.then_some(packed)
}

/// The next attribute: its level, id and length, its value, and a checksum that says nothing an attacker could not write.
fn attribute<'a>(cursor: &mut Cursor<'a>) -> Option<(u32, &'a [u8])> {
    cursor.take(1)?;
    let id = cursor.number()?;
    let length = usize::try_from(cursor.number()?).ok()?;
    let value = cursor.take(length)?;
    cursor.take(2.min(cursor.0.len()))?;
    Some((id, value))
}

struct Property<'a> {
    bytes: Vec<u8>,
    unicode: bool,
    label: Option<&'a str>,
}

impl Property<'_> {
    fn text(&self) -> String {
        let text = if self.unicode {
            UTF_16LE.decode_without_bom_handling(&self.bytes).0.into_owned()
        } else {
            decode(&self.bytes, self.label, true).text
        };
        text.trim_end_matches('\0').to_owned()
    }
}

/// A cursor over little-endian fields.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A length and as many bytes, padded to four.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let value = self.take(length)?;
        let padding = length.next_multiple_of(4) - length;
        self.take(padding.min(self.0.len()))?;
        Some(value)
    }
}

/// The properties of an object, as far as they can be read.
fn properties<'l>(bytes: &[u8], label: Option<&'l str>) -> Vec<(u16, Property<'l>)> {
    let mut cursor = Cursor(bytes);
    let mut found = Vec::new();
    let count = cursor.number().unwrap_or(0);
    for _ in 0..count.min(MOST_PROPERTIES) {
        let Some((id, property)) = property(&mut cursor, label) else { break };
        if let Some(property) = property.filter(|_| matches!(id, BODY | BODY_HTML | LONG_NAME | DATA)) {
            found.push((id, property));
        }
    }
    found
}

fn property<'l>(cursor: &mut Cursor<'_>, label: Option<&'l str>) -> Option<(u16, Option<Property<'l>>)> {
    let tag = cursor.number()?;
    let (kind, id) = (tag & 0xFFFF, u16::try_from(tag >> 16).ok()?);
    if id >= 0x8000 {
        // A named property: its set, then a number or a name.
        cursor.take(16)?;
        if cursor.number()? == 0 {
            cursor.take(4)?
        } else {
            cursor.counted()?
        };
    }
    let many = kind & 0x1000 != 0;
    let size: usize = match kind & 0x0FFF {
        0x02 | 0x03 | 0x04 | 0x0A | 0x0B => 4,
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 => 8,
        0x48 => 16,
        0x0D | 0x1E | 0x1F | 0x102 => 0,
        _ => return None,
    };
    if size > 0 {
        let count = if many { cursor.number()? } else { 1 };
        cursor.take(size.checked_mul(usize::try_from(count).ok()?)?)?;
        return Some((id, None));
    }
    let mut last = None;
    for _ in 0..cursor.number()?.min(MOST_PROPERTIES) {
        last = Some(cursor.counted()?);
    }
    let property = last.map(|bytes| Property { bytes: bytes.to_vec(), unicode: kind & 0xFFF == 0x1F, label });
    Some((id, property))
}
