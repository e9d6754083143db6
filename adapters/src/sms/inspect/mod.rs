//! What the channel makes of something captured: for `zhishou inspect sms FILE`. Opens nothing, asks nobody.

pub mod foreign;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cmpp::codec::describe::describe;
use super::cmpp::codec::{Deliver, Framer, MsgId, Pdu, Width, authenticator, decode, gateway_authenticator, width_of};
use super::cmpp::fragments::{Group, Piece, plan};
use super::intake::{Heard, inbound};
use super::platform::inbound as platform;
use super::platform::sign::Signed;
use super::text::{Number, content, udh};
use super::web::Pushed;
use super::{aliyun, tencent};

/// Keys to check a capture with, and whose it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct InspectKeys<'a> {
    /// The channel's id, for the `channel` field.
    pub channel: &'a str,
    /// The shared secret of the gateway or platform.
    pub secret: Option<&'a str>,
    /// The signature at the cloud; another one in a push is then an error.
    pub sign_name: Option<&'a str>,
    /// Where there is no time in the capture.
    pub now: Timestamp,
}

/// Decodes PDUs in hex (one a line), a captured callback `{method, path, query, headers, body}`, or the body of one. Answers
/// `{verified, inbound?, event?, error?}`; `verified` is null for what carries no proof, or without a secret. Of several
/// PDUs or events `event` is a list, and `inbound` the first text that is whole.
pub fn inspect(raw: &str, keys: InspectKeys<'_>) -> Value {
    let text = raw.trim();
    let outcome = match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => of_json(&value, text, keys),
        _ if text.starts_with("smsMsgId=") => Ok((Value::Null, None, foreign::huawei_form(text))),
        _ => of_hex(text, keys),
    };
    match outcome {
        Ok((verified, inbound, event)) => {
            let mut told = json!({ "verified": verified });
            if let Some(inbound) = inbound {
                told["inbound"] = inbound;
            }
            if !event.is_null() {
                told["event"] = event;
            }
            told
        }
        Err((verified, error)) => json!({ "verified": verified, "error": error }),
    }
}

type Seen = Result<(Value, Option<Value>, Value), (Value, String)>;

fn unknown(error: &str) -> (Value, String) {
    (Value::Null, error.to_owned())
}

/// One or a list.
fn folded(mut events: Vec<Value>) -> Value {
    if events.len() == 1 { events.remove(0) } else { Value::Array(events) }
}

fn of_hex(text: &str, keys: InspectKeys<'_>) -> Seen {
    let mut reading =
        Pdus { keys, width: None, login: None, groups: BTreeMap::new(), verified: Value::Null, inbound: None };
    let mut events = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bytes = hex::decode(&line).map_err(|_| unknown(&format!("第 {} 行不是十六进制的报文", number + 1)))?;
        let mut framer = Framer::default();
        framer.push(&bytes);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => events.push(reading.frame(&frame)),
                Ok(None) => break,
                Err(error) => {
                    return Err(unknown(&format!("第 {} 行的长度字段不对：{error}（收到时会断开连接）", number + 1)));
                }
            }
        }
    }
    if events.is_empty() {
        return Err(unknown("没有完整的报文"));
    }
    if let [only] = events.as_slice()
        && let Some(error) = only["error"].as_str()
    {
        return Err(unknown(error));
    }
    Ok((reading.verified, reading.inbound, folded(events)))
}

struct Pdus<'a> {
    keys: InspectKeys<'a>,
    width: Option<Width>,
    login: Option<[u8; 16]>,
    groups: BTreeMap<String, Group>,
    verified: Value,
    inbound: Option<Value>,
}

impl Pdus<'_> {
    fn frame(&mut self, raw: &[u8]) -> Value {
        let arithmetic = width_of(raw);
        if arithmetic.is_none()
            && let Some(told) = foreign::frame(raw)
        {
            return told;
        }
        let width = arithmetic.or(self.width).unwrap_or(Width::Two);
        self.width = Some(width);
        let frame = match decode(raw, width) {
            Ok(frame) => frame,
            Err(fault) => return json!({ "error": fault.to_string(), "hex": hex::encode(raw) }),
        };
        match (&frame.pdu, self.keys.secret) {
            (Pdu::Connect(connect), secret) => {
                self.login = Some(connect.authenticator);
                if let Some(secret) = secret {
                    let digits = format!("{:010}", connect.timestamp);
                    let right = authenticator(&connect.source_addr, secret, &digits) == connect.authenticator;
                    self.verified = right.into();
                }
            }
            (Pdu::ConnectResp { status: 0, authenticator, .. }, Some(secret)) => {
                if let Some(ours) = &self.login {
                    self.verified = (gateway_authenticator(width, 0, ours, secret) == *authenticator).into();
                }
            }
            (Pdu::Deliver(deliver), _) if deliver.registered_delivery != 1 => {
                let deliver = deliver.clone();
                self.text(&deliver);
            }
            _ => {}
        }
        let mut told = describe(&frame, width);
        told["protocol"] = format!("CMPP {}", width.name()).into();
        told
    }

    fn text(&mut self, deliver: &Deliver) {
        let sender = Number::read(&deliver.src_terminal_id)
            .map_or_else(|| deliver.src_terminal_id.clone(), |number| number.canonical);
        let read = udh::flagged(deliver.tp_udhi).then(|| udh::read(&deliver.content)).flatten();
        let payload = read.as_ref().map_or(deliver.content.as_slice(), |read| read.payload);
        let (id, text) = match read.as_ref().and_then(|read| read.concat).filter(|concat| concat.total > 1) {
            Some(concat) => {
                let name =
                    format!("{sender}|{}|{}|{}|{}", deliver.dest_id, concat.reference, concat.ref_bits, concat.total);
                let piece =
                    Piece { id: deliver.msg_id.to_string(), format: deliver.msg_fmt, bytes: hex::encode(payload) };
                let next = plan(self.groups.remove(&name), &sender, concat, piece, self.keys.now);
                if let Some(group) = next.group {
                    self.groups.insert(name, group);
                }
                match next.whole {
                    Some(whole) => (whole.id, whole.text),
                    None => return,
                }
            }
            None => (deliver.msg_id.to_string(), content::text(deliver.msg_fmt, payload)),
        };
        let Some(text) = text else { return };
        let time = u64::from_str_radix(&id, 16).ok().and_then(|id| MsgId(id).time_before(self.keys.now));
        let heard = Heard {
            external_id: format!("cmpp:{id}:{sender}"),
            from: sender,
            sent_at: time.unwrap_or(self.keys.now),
            text,
            doubt: None,
        };
        if self.inbound.is_none() {
            self.inbound = inbound(self.keys.channel, heard).map(|inbound| json!(inbound));
        }
    }
}

/// A header of a capture, whatever its case.
fn header<'a>(raw: &'a Value, name: &str) -> &'a str {
    let headers = raw["headers"].as_object();
    let found = headers.and_then(|headers| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
    found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
}

fn of_json(value: &Value, raw: &str, keys: InspectKeys<'_>) -> Seen {
    let captured = ["method", "path", "headers"].iter().any(|name| value.get(name).is_some());
    let body = match value.get("body") {
        Some(Value::String(text)) if captured => text.clone(),
        Some(other) if captured && !other.is_null() => other.to_string(),
        _ if captured => String::new(),
        _ => raw.to_owned(),
    };
    let mut verified = Value::Null;
    if captured && !header(value, "x-sms-signature").is_empty() {
        let path = value["path"].as_str().unwrap_or_default();
        let (path, behind) = path.split_once('?').unwrap_or((path, ""));
        let signed = Signed {
            method: value["method"].as_str().unwrap_or("POST"),
            path,
            query: value["query"].as_str().filter(|query| !query.is_empty()).unwrap_or(behind),
            timestamp: header(value, "x-sms-timestamp"),
            nonce: header(value, "x-sms-nonce"),
            body: body.as_bytes(),
        };
        if let Some(secret) = keys.secret {
            if !signed.holds(header(value, "x-sms-signature"), secret) {
                return Err((
                    false.into(),
                    "签名不正确：请核对 shared_secret，以及 path 是否被代理改写（应答 401）".to_owned(),
                ));
            }
            verified = true.into();
        }
    }
    if !header(value, "x-wsse").is_empty() {
        return Ok(foreign::huawei_call(header(value, "x-wsse"), keys.secret));
    }
    if body.starts_with("smsMsgId=") {
        return Ok((Value::Null, None, foreign::huawei_form(&body)));
    }
    let parsed: Value =
        serde_json::from_str(&body).map_err(|_| (verified.clone(), "正文不是有效的 JSON".to_owned()))?;
    let first = parsed.get(0).unwrap_or(&parsed);
    let has = |name: &str| first.get(name).is_some();
    let pushed = if has("events") || has("type") {
        platform::read(body.as_bytes(), keys.now)
    } else if has("phone_number") {
        aliyun::push::read(body.as_bytes(), &sign_name(first, "sign_name", keys), keys.now)
    } else if has("report_status") || has("nationcode") {
        tencent::push::read(body.as_bytes(), &sign_name(first, "sign", keys), keys.now)
    } else if has("reportStatus") || has("ecName") {
        return Ok(foreign::mas(first, keys.secret));
    } else {
        Err("认不出这是哪个平台的推送")
    };
    let pushed = pushed.map_err(|why| (verified.clone(), format!("推送读不懂：{why}（应答 400）")))?;
    let mut first_text = None;
    let mut events = Vec::new();
    for pushed in pushed {
        match pushed {
            Pushed::Text(heard) => {
                let told = inbound(keys.channel, heard).map(|inbound| json!(inbound));
                if first_text.is_none() {
                    first_text = told;
                }
            }
            Pushed::Report { id, verdict, code, why } => {
                events.push(json!({ "report": { "id": id, "verdict": verdict, "code": code, "why": why } }));
            }
        }
    }
    let event = if events.is_empty() { Value::Null } else { folded(events) };
    Ok((verified, first_text, event))
}

/// The signature that is expected: where none is known, the one in the push.
fn sign_name(push: &Value, field: &str, keys: InspectKeys<'_>) -> String {
    let given = push[field].as_str().unwrap_or_default().trim_matches(['【', '】']);
    keys.sign_name.unwrap_or(given).to_owned()
}
