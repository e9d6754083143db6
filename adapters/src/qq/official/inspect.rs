//! What a captured callback or a captured event of the gateway says, and whether it is genuine.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::codec::event::{self, Frame, Heard};
use super::codec::sign::{Keys, may_sign};
use super::intake::{blank, place_of};
use crate::{Event, Inbound, Press};

/// What a capture is looked at with.
#[derive(Debug, Clone, Copy)]
pub struct InspectKeys<'a> {
    /// Channel id.
    pub channel: &'a str,
    /// AppSecret; without it nothing can be verified.
    pub secret: Option<&'a str>,
}

/// Looks at `{method, path, query, headers, body}` or at a bare event: `{verified, inbound?, event?, error?}`.
pub fn inspect(raw: &Value, keys: InspectKeys<'_>) -> Value {
    let Some(body) = raw.get("body") else {
        // An event of the gateway: who sent it is known by the connection.
        return with_verdict(told(raw.to_string().as_bytes(), keys), &Value::Null);
    };
    let bytes = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    let verified = verdict(raw, &bytes, keys);
    with_verdict(told(bytes.as_bytes(), keys), &verified)
}

fn with_verdict(told: Result<(&'static str, Value), String>, verified: &Value) -> Value {
    match told {
        Ok((name, value)) => json!({ "verified": verified, name: value }),
        Err(error) => json!({ "verified": verified, "error": error }),
    }
}

fn verdict(raw: &Value, body: &str, keys: InspectKeys<'_>) -> Value {
    let Some(keys) = keys.secret.and_then(|secret| Keys::new(secret).ok()) else { return Value::Null };
    let header = |name: &str| {
        let mut headers = raw["headers"].as_object()?.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    };
    let (signature, at) = (header("X-Signature-Ed25519"), header("X-Signature-Timestamp"));
    json!(keys.verify(signature.unwrap_or_default(), at.unwrap_or_default(), body.as_bytes()))
}

fn told(bytes: &[u8], keys: InspectKeys<'_>) -> Result<(&'static str, Value), String> {
    let frame = event::frame(bytes).ok_or("不是 QQ 开放平台的事件：没有 op")?;
    match frame.op {
        0 => Ok(of_event(&frame, keys)),
        13 => Ok(("event", validation(&frame, keys))),
        op => Ok(("event", json!({ "op": op }))),
    }
}

fn validation(frame: &Frame, keys: InspectKeys<'_>) -> Value {
    let text = |key: &str| frame.data[key].as_str().unwrap_or_default();
    let (at, token) = (text("event_ts"), text("plain_token"));
    if !may_sign(at, token) {
        return json!({ "validation": { "answered": false, "why": "plain_token 或 event_ts 不像平台的校验请求，签了会被人拿去伪造事件" } });
    }
    let signature = keys.secret.and_then(|secret| Keys::new(secret).ok()).map(|keys| keys.sign(at, token));
    json!({ "validation": { "answered": true, "plain_token": token, "signature": signature } })
}

fn of_event(frame: &Frame, keys: InspectKeys<'_>) -> (&'static str, Value) {
    let heard = event::read(frame);
    let place = place_of(&heard).to_owned();
    match heard {
        Heard::Message(message) => {
            let inbound = Inbound {
                channel: keys.channel.to_owned(),
                conversation: message.conversation,
                sender: message.sender.unwrap_or_default(),
                sender_name: message.name,
                external_id: message.id,
                // The time of arrival is not in a capture.
                sent_at: message.at.unwrap_or(Timestamp::UNIX_EPOCH),
                text: message.text,
                attachments: message.files.iter().map(blank).collect(),
                quotes: message.quoted_ref,
                quoted_text: message.quoted_text,
                addressed: message.addressed,
                mentions: message.mentions,
                ..Inbound::default()
            };
            ("inbound", json!(inbound))
        }
        Heard::Click(click) => match click.on {
            Some((on, action)) => {
                let inbound = Inbound {
                    channel: keys.channel.to_owned(),
                    conversation: click.conversation,
                    sender: click.sender.unwrap_or_default(),
                    external_id: click.id,
                    sent_at: click.at.unwrap_or(Timestamp::UNIX_EPOCH),
                    addressed: true,
                    press: Some(Press { on, action }),
                    ..Inbound::default()
                };
                ("inbound", json!(inbound))
            }
            None => ("event", json!({ "click": { "conversation": click.conversation, "id": click.id } })),
        },
        Heard::Joined(conversation) => ("event", json!(Event::Joined { conversation })),
        Heard::Left(conversation) => ("event", json!(Event::Left { conversation })),
        Heard::Active { allowed, .. } => {
            ("event", json!({ "speaks_first": { "conversation": place, "allowed": allowed } }))
        }
        Heard::Scope { scope, .. } => ("event", json!({ "scope": { "conversation": place, "hears": scope } })),
        Heard::Member { came, .. } => ("event", json!({ "member": { "conversation": place, "came": came } })),
        Heard::Audit { audit, passed } => ("event", json!({ "audit": { "id": audit, "passed": passed } })),
        Heard::Ready { robot: (id, name), .. } => ("event", json!({ "ready": { "id": id, "name": name } })),
        Heard::Resumed => ("event", json!("resumed")),
        Heard::Ignored(why) => ("event", json!({ "ignored": why })),
    }
}
