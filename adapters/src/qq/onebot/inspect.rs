//! What the channel makes of something captured: for `zhishou inspect onebot FILE`. Opens nothing, asks nobody.

use serde_json::{Map, Value, json};

use super::codec::{
    Access, Heard, Scope, Viewpoint, access, classify, clean, compose_id, decode_event, render, words_of_segments,
};
use super::codec::{Frame, HeardMessage, Upload};
use super::http::admit;
use super::prepare::muted;
use crate::{Attachment, Event, Inbound};

/// Keys to check a capture with.
#[derive(Debug, Clone, Copy, Default)]
pub struct InspectKeys<'a> {
    /// The channel's id, for the `channel` field.
    pub channel: &'a str,
    /// Signature key of posted events.
    pub secret: Option<&'a str>,
    /// Access token.
    pub token: Option<&'a str>,
}

/// Decodes a captured HTTP callback `{method, path, query, headers, body}` or a bare event. Answers
/// `{verified, inbound?, event?, error?}`; `verified` is null for a bare event, which carries no proof.
pub fn inspect(raw: &Value, keys: InspectKeys<'_>) -> Value {
    let mut out = Map::new();
    let event = if raw.get("post_type").is_none() && (raw.get("body").is_some() || raw.get("headers").is_some()) {
        let body = match raw.get("body") {
            Some(Value::String(text)) => text.clone(),
            Some(other) if !other.is_null() => other.to_string(),
            _ => String::new(),
        };
        let header = |name: &str| {
            let headers = raw.get("headers").and_then(Value::as_object)?;
            let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            value.as_str().or_else(|| value.get(0)?.as_str())
        };
        let query = query_of(raw.get("query").unwrap_or(&Value::Null));
        // A WebSocket upgrade carries the token, a posted event the signature.
        let admitted = if body.is_empty() && header("upgrade").is_some() {
            access(keys.token, header("authorization"), query.as_deref())
        } else {
            let (signature, bearer) = (header("x-signature"), header("authorization"));
            admit(keys.secret, keys.token, signature, bearer, query.as_deref(), body.as_bytes())
        };
        let checkable = keys.secret.or(keys.token).is_some();
        out.insert("verified".to_owned(), if checkable { (admitted == Access::Granted).into() } else { Value::Null });
        match admitted {
            Access::Granted => {}
            Access::Missing => return failed(out, "缺少签名或 access_token（应答 401）"),
            Access::Wrong => return failed(out, "签名或 access_token 不正确（应答 403）"),
        }
        if body.is_empty() {
            return Value::Object(out);
        }
        match serde_json::from_str::<Value>(&body) {
            Ok(event) => event,
            Err(error) => {
                return failed(out, &format!("正文不是有效的 JSON：第 {} 行第 {} 列", error.line(), error.column()));
            }
        }
    } else {
        out.insert("verified".to_owned(), Value::Null);
        raw.clone()
    };
    decoded(out, &event, keys.channel)
}

fn failed(mut out: Map<String, Value>, error: &str) -> Value {
    out.insert("error".to_owned(), error.into());
    Value::Object(out)
}

fn query_of(query: &Value) -> Option<String> {
    match query {
        Value::String(query) => Some(query.trim_start_matches('?').to_owned()),
        Value::Object(pairs) => {
            let pairs = pairs.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
            Some(pairs.collect::<Vec<_>>().join("&"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn decoded(mut out: Map<String, Value>, event: &Value, channel: &str) -> Value {
    let heard = match classify(event.clone()) {
        Frame::Event(event) => decode_event(&event),
        Frame::Response(answer) => {
            let answer = json!({ "ok": answer.is_ok(), "code": answer.code, "data": answer.data, "echo": answer.echo });
            out.insert("event".to_owned(), json!({ "response": answer }));
            return Value::Object(out);
        }
        Frame::Unknown => return failed(out, "既不是事件（缺少 post_type），也不是接口应答"),
    };
    match heard {
        Err(missing) => return failed(out, &format!("事件不完整：{missing}")),
        Ok(Heard::Message(message)) => {
            let inbound = inbound_of(&message, channel);
            out.insert("inbound".to_owned(), json!(inbound));
        }
        Ok(Heard::Upload(upload)) => {
            out.insert("inbound".to_owned(), json!(uploaded(*upload, channel)));
        }
        Ok(other) => {
            out.insert("event".to_owned(), described(other, event));
        }
    }
    Value::Object(out)
}

/// The message as the desk would get it, with nothing looked up or fetched.
fn inbound_of(message: &HeardMessage, channel: &str) -> Inbound {
    let read = render(message, &Viewpoint::default());
    Inbound {
        channel: channel.to_owned(),
        conversation: message.scope.conversation(),
        sender: message.sender.clone(),
        sender_name: message.sender_name.clone(),
        external_id: message.external_id(),
        sent_at: message.at.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        text: read.text,
        attachments: read.attachments.into_iter().map(|piece| piece.attachment).collect(),
        quotes: read.quotes,
        quoted_text: None,
        addressed: read.addressed,
        mentions: read.mentions,
        recovered: false,
        ..Inbound::default()
    }
}

fn uploaded(upload: Upload, channel: &str) -> Inbound {
    let conversation = upload.scope.conversation();
    Inbound {
        channel: channel.to_owned(),
        external_id: compose_id(&upload.account, &conversation, &format!("upload/{}", upload.file_id)),
        sender: upload.sender,
        sender_name: String::new(),
        sent_at: upload.at.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        text: String::new(),
        attachments: vec![Attachment {
            name: upload.name,
            kind: "file".to_owned(),
            url: upload.url,
            size_bytes: upload.size_bytes,
            stored: None,
            problem: None,
        }],
        quotes: None,
        quoted_text: None,
        addressed: matches!(upload.scope, Scope::Private(_)),
        mentions: Vec::new(),
        recovered: false,
        conversation,
        ..Inbound::default()
    }
}

fn described(heard: Heard, event: &Value) -> Value {
    let at = event.get("time").and_then(super::codec::instant).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    match heard {
        Heard::Own(own) => json!(Event::OwnMessage {
            conversation: own.scope.conversation(),
            external_id: own.external_id(),
            text: clean(&words_of_segments(&own.segments)).trim().to_owned(),
        }),
        Heard::Recalled { conversation, external_id } => json!(Event::Recalled { conversation, external_id }),
        Heard::Joined(conversation) => json!(Event::Joined { conversation }),
        Heard::Left(conversation) => json!(Event::Left { conversation }),
        Heard::Muted { conversation, seconds, .. } => json!(muted(conversation, seconds, at)),
        Heard::Unmuted(conversation) => json!(Event::Muted { conversation, until: None }),
        Heard::Online(online) => json!(Event::Online(online)),
        Heard::Heartbeat { online, interval_ms } => {
            json!({ "heartbeat": { "online": online, "interval_ms": interval_ms } })
        }
        Heard::Lifecycle(kind) => json!({ "lifecycle": kind }),
        Heard::Ignored(reason) => json!({ "ignored": reason }),
        Heard::Message(_) | Heard::Upload(_) => Value::Null,
    }
}
