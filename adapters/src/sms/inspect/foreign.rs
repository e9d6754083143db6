//! What other protocols say (sms.md 4, 5.4, 5.5): recognised, so that whoever set up the wrong gateway sees which one it is.
//! None of them is spoken by this channel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::sms::text::content;

fn u32_at(frame: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

fn text_at(frame: &[u8], at: usize, width: usize) -> Option<String> {
    let field = frame.get(at..at + width)?;
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    Some(String::from_utf8_lossy(&field[..end]).trim().to_owned())
}

/// A frame of SGIP, SMGP or SMPP, told from CMPP by its arithmetic; `None` where it is none of them.
pub fn frame(raw: &[u8]) -> Option<Value> {
    if usize::try_from(u32_at(raw, 0)?).ok()? != raw.len() {
        return None;
    }
    sgip(raw).or_else(|| smgp(raw)).or_else(|| smpp(raw))
}

/// Header of 20 bytes: length, command, three numbers.
fn sgip(raw: &[u8]) -> Option<Value> {
    let command = u32_at(raw, 4)?;
    let mut told = json!({
        "protocol": "SGIP 1.2",
        "command": command,
        "sequence": [u32_at(raw, 8)?, u32_at(raw, 12)?, u32_at(raw, 16)?],
    });
    let more = match (command, raw.len()) {
        // The password stands in it in clear and is not repeated.
        (1, 61) => json!({ "login_type": raw[20], "login_name": text_at(raw, 21, 16)? }),
        (0x8000_0001 | 0x8000_0003 | 0x8000_0004 | 0x8000_0005, 29) => json!({ "result": raw[20] }),
        (4, length) => {
            let size = usize::try_from(u32_at(raw, 65)?).ok()?;
            if length != 77 + size {
                return None;
            }
            let text = content::text(raw[64], raw.get(69..69 + size)?);
            json!({
                "user_number": text_at(raw, 20, 21)?,
                "sp_number": text_at(raw, 41, 21)?,
                "message_coding": raw[64],
                "content": text,
            })
        }
        (3, length) => {
            let count = usize::from(*raw.get(62)?);
            let after = 63 + 21 * count;
            let size_at = after + 5 + 10 + 1 + 6 + 6 + 3 + 16 + 16 + 5;
            let size = usize::try_from(u32_at(raw, size_at)?).ok()?;
            if length != 143 + 21 * count + size {
                return None;
            }
            let body = raw.get(size_at + 4..size_at + 4 + size)?;
            let coding = *raw.get(size_at - 2)?;
            let text = content::text(coding, body).unwrap_or_else(|| hex::encode(body));
            json!({ "sp_number": text_at(raw, 20, 21)?, "user_count": count, "content": text })
        }
        _ => return None,
    };
    merge(&mut told, more);
    Some(told)
}

/// Header of 12 bytes like CMPP's; other bodies.
fn smgp(raw: &[u8]) -> Option<Value> {
    let command = u32_at(raw, 4)?;
    let mut told = json!({ "protocol": "SMGP 3.0", "command": command, "sequence": u32_at(raw, 8)? });
    let more = match (command, raw.len()) {
        (1, 42) => json!({
            "client_id": text_at(raw, 12, 8)?,
            "authenticator": hex::encode(raw.get(20..36)?),
            "login_mode": raw[36],
            "timestamp": format!("{:010}", u32_at(raw, 37)?),
            "version": raw[41],
        }),
        (2, length) => {
            let count = usize::from(*raw.get(116)?);
            let size_at = 117 + 21 * count;
            let size = usize::from(*raw.get(size_at)?);
            if length < size_at + 1 + size + 8 {
                return None;
            }
            let format = *raw.get(39)?;
            if !matches!(format, 0 | 3 | 4 | 8 | 15) || raw[12] > 7 {
                return None;
            }
            let dest: Option<Vec<String>> = (0..count).map(|at| text_at(raw, 117 + 21 * at, 21)).collect();
            json!({
                "msg_type": raw[12],
                "need_report": raw[13],
                "priority": raw[14],
                "service_id": text_at(raw, 15, 10)?,
                "msg_format": format,
                "src": text_at(raw, 74, 21)?,
                "dest": dest?,
                "content": content::text(format, raw.get(size_at + 1..size_at + 1 + size)?),
            })
        }
        (3, length) => {
            let size = usize::from(*raw.get(80)?);
            if length < 81 + size + 8 || raw[22] > 1 || !matches!(raw[23], 0 | 3 | 4 | 8 | 15) {
                return None;
            }
            let body = raw.get(81..81 + size)?;
            json!({
                "msg_id": hex::encode(raw.get(12..22)?),
                "is_report": raw[22],
                "msg_format": raw[23],
                "src": text_at(raw, 38, 21)?,
                "dest": text_at(raw, 59, 21)?,
                "content": content::text(raw[23], body),
            })
        }
        _ => return None,
    };
    merge(&mut told, more);
    Some(told)
}

/// Header of 16 bytes: length, command, status, sequence; then texts that end with a zero.
fn smpp(raw: &[u8]) -> Option<Value> {
    let (command, status) = (u32_at(raw, 4)?, u32_at(raw, 8)?);
    if command != 5 || status != 0 {
        return None;
    }
    let mut rest = raw.get(16..)?;
    let mut word = |most: usize| -> Option<String> {
        let end = rest.iter().take(most).position(|b| *b == 0)?;
        let (word, more) = rest.split_at(end);
        rest = &more[1..];
        word.is_ascii().then(|| String::from_utf8_lossy(word).into_owned())
    };
    let _service = word(6)?;
    let mut address = || -> Option<String> {
        // Type and plan of the number stand before it.
        let (_, more) = rest.split_at_checked(2)?;
        let end = more.iter().take(21).position(|b| *b == 0)?;
        let (number, more) = more.split_at(end);
        rest = &more[1..];
        number.is_ascii().then(|| String::from_utf8_lossy(number).into_owned())
    };
    let (source, dest) = (address()?, address()?);
    let [esm_class, _, _, rest @ ..] = rest else { return None };
    // Two times, each a text that is mostly empty.
    let mut rest = rest;
    for _ in 0..2 {
        let end = rest.iter().take(17).position(|b| *b == 0)?;
        rest = &rest[end + 1..];
    }
    let [_, _, data_coding, _, length, body @ ..] = rest else { return None };
    let (short, mut tlvs) = body.split_at_checked(usize::from(*length))?;
    let mut told = json!({
        "protocol": "SMPP 3.4",
        "command": command,
        "sequence": u32_at(raw, 12)?,
        "source": source,
        "dest": dest,
        "esm_class": esm_class,
        "data_coding": data_coding,
        "sm_length": length,
    });
    let mut tlv = Map::new();
    while let [a, b, c, d, more @ ..] = tlvs {
        let (tag, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
        let (value, more) = more.split_at_checked(length)?;
        match tag {
            0x0427 => drop(tlv.insert("message_state".to_owned(), hex::encode(value).into())),
            0x001e => {
                let id = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
                tlv.insert("receipted_message_id".to_owned(), id.into());
            }
            _ => {}
        }
        tlvs = more;
    }
    if !tlv.is_empty() {
        told["tlv"] = Value::Object(tlv);
    }
    let text = String::from_utf8_lossy(short);
    if text.starts_with("id:") {
        told["receipt"] = receipt(&text);
    }
    Some(told)
}

fn merge(told: &mut Value, more: Value) {
    if let (Value::Object(told), Value::Object(more)) = (told, more) {
        told.extend(more);
    }
}

/// Names of a report's fields, each with how it is written.
const FIELDS: [(&str, &[&str], usize); 7] = [
    ("sub", &["sub:"], 3),
    ("dlvrd", &["dlvrd:"], 3),
    ("submit_date", &["submit date:", "submit_date:"], 10),
    ("done_date", &["done date:", "done_date:"], 10),
    ("stat", &["stat:"], 7),
    ("err", &["err:"], 3),
    ("id", &["id:"], 32),
];

/// A report in words, its fields in any order and with anything between them: the names are looked for.
pub fn receipt(text: &str) -> Value {
    let lower = text.to_ascii_lowercase();
    let mut told = Map::new();
    for (name, written, width) in FIELDS {
        let found = written.iter().find_map(|written| lower.find(written).map(|at| at + written.len()));
        let Some(value) = found.and_then(|at| text.get(at..)) else { continue };
        let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len()).min(width);
        told.insert(name.to_owned(), value[..end].into());
    }
    Value::Object(told)
}

/// A report of SMGP: ten raw bytes stand behind `id:`, which may be anything, blanks and colons too.
pub fn smgp_receipt(content: &[u8]) -> Option<Value> {
    let rest = content.strip_prefix(b"id:")?;
    let (id, rest) = rest.split_at_checked(10)?;
    let mut told = receipt(&rest.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '?' }).collect::<String>());
    told["id"] = hex::encode(id).into();
    Some(told)
}

/// A form of Huawei Cloud: a text or a status. Without a signature it proves nothing.
pub fn huawei_form(form: &str) -> Value {
    let pairs = reqwest::Url::parse(&format!("http://capture.invalid/?{}", form.trim()));
    let fields: Map<String, Value> = pairs
        .iter()
        .flat_map(|url| url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned().into())))
        .collect();
    json!({ "protocol": "华为云短信", "fields": fields, "note": "本渠道不支持华为云短信" })
}

/// A call to Huawei Cloud by its header `X-WSSE`, which proves who calls.
pub(super) fn huawei_call(wsse: &str, secret: Option<&str>) -> (Value, Option<Value>, Value) {
    let field = |name: &str| {
        let behind = wsse.split_once(&format!("{name}=\""))?.1;
        Some(behind.split_once('"')?.0)
    };
    let verified = match (secret, field("Nonce"), field("Created"), field("PasswordDigest")) {
        (Some(secret), Some(nonce), Some(created), Some(digest)) => {
            (huawei_digest(nonce, created, secret) == digest).into()
        }
        _ => Value::Null,
    };
    (verified, None, json!({ "protocol": "华为云短信", "user": field("Username"), "note": "本渠道不支持华为云短信" }))
}

/// `PasswordDigest` of Huawei Cloud: base64 of the hash in hex.
pub fn huawei_digest(nonce: &str, created: &str, secret: &str) -> String {
    STANDARD.encode(hex::encode(Sha256::digest(format!("{nonce}{created}{secret}"))))
}

/// A call or a report of China Mobile's 云MAS; a call proves itself with `mac`.
pub(super) fn mas(item: &Value, secret: Option<&str>) -> (Value, Option<Value>, Value) {
    let verified = match (secret, item["mac"].as_str()) {
        (Some(secret), Some(mac)) => (mas_mac(item, secret) == mac).into(),
        _ => Value::Null,
    };
    (
        verified,
        None,
        json!({ "protocol": "云MAS", "fields": item, "note": "本渠道不直接支持云MAS，云MAS 也提供 CMPP 接口" }),
    )
}

/// `mac` of 云MAS: MD5 over the fields in their order, the secret in the third place.
pub fn mas_mac(fields: &Value, secret: &str) -> String {
    let mut hash = Md5::new();
    for name in ["ecName", "apId", "", "mobiles", "content", "sign", "addSerial"] {
        let value = if name.is_empty() { secret } else { fields[name].as_str().unwrap_or_default() };
        hash.update(value.as_bytes());
    }
    hex::encode(hash.finalize())
}
