//! What the channel makes of something captured: for `zhishou inspect wecom FILE`. Opens nothing, asks nobody.

use serde_json::{Value, json};

use super::app::inbound_of;
use super::codec::app_event::{self, AppWhat};
use super::codec::bot_body::{BotMessage, CardPress, HeardBot, read_body};
use super::codec::crypto::CallbackKeys;
use super::codec::envelope::{Form, ciphertext, read_query};
use super::codec::frame::{self, Frame};
use crate::{Attachment, Inbound, Press};

/// Keys to check a capture with.
#[derive(Debug, Clone, Copy, Default)]
pub struct InspectKeys<'a> {
    /// The channel's id, for the `channel` field.
    pub channel: &'a str,
    /// Token of the callback.
    pub token: Option<&'a str>,
    /// EncodingAESKey of the callback.
    pub aes_key: Option<&'a str>,
    /// CorpID for an app's callback, where known: another receiver is then an error.
    pub corp_id: Option<&'a str>,
    /// The bot's display name, to be taken out of texts.
    pub bot_name: Option<&'a str>,
}

/// Decodes a captured callback `{method, path, query, headers, body}`, a frame of the long connection, or a decrypted body.
/// Answers `{verified, inbound?, event?, error?}`; `verified` is null for what carries no proof, or without a token.
pub fn inspect(raw: &Value, keys: InspectKeys<'_>) -> Value {
    let captured = ["method", "path", "query"].iter().any(|name| raw.get(name).is_some());
    let outcome = if captured { of_request(raw, keys) } else { of_frame(raw, keys).map(|seen| (Value::Null, seen)) };
    match outcome {
        Ok((verified, Seen::Inbound(inbound))) => json!({ "verified": verified, "inbound": inbound }),
        Ok((verified, Seen::Event(event))) => json!({ "verified": verified, "event": event }),
        Err(Fault { verified, error }) => json!({ "verified": verified, "error": error }),
    }
}

enum Seen {
    Inbound(Box<Inbound>),
    Event(Value),
}

struct Fault {
    verified: Value,
    error: String,
}

impl Fault {
    fn new(verified: impl Into<Value>, error: impl Into<String>) -> Self {
        Self { verified: verified.into(), error: error.into() }
    }
}

fn of_request(raw: &Value, keys: InspectKeys<'_>) -> Result<(Value, Seen), Fault> {
    let unknown = |error: &str| Fault::new(Value::Null, error);
    let query = query_of(raw).ok_or_else(|| unknown("没有 query，无法验证签名"))?;
    let query =
        read_query(&query).ok_or_else(|| unknown("query 里缺少 msg_signature、timestamp 或 nonce（应答 400）"))?;
    let (Some(token), Some(aes_key)) = (keys.token, keys.aes_key) else {
        return Err(unknown(
            "需要 token 和 EncodingAESKey 才能验证和解密（--token、--aes-key，或 --config 与 --channel）",
        ));
    };
    let crypt = CallbackKeys::new(token, aes_key, "").map_err(|error| unknown(&error.to_string()))?;
    let body = match raw.get("body") {
        Some(Value::String(text)) => text.clone(),
        Some(other) if !other.is_null() => other.to_string(),
        _ => String::new(),
    };
    let form = if body.trim_start().starts_with('{') { Form::Json } else { Form::Xml };
    let sealed = match (&query.echo, body.is_empty()) {
        (Some(echo), true) => Some(echo.clone()),
        _ => ciphertext(body.as_bytes(), form),
    };
    let sealed = sealed.ok_or_else(|| unknown("正文里没有密文（Encrypt 或 encrypt），应答 400"))?;
    if !crypt.verify(&query.signature, &query.timestamp, &query.nonce, &sealed) {
        return Err(Fault::new(false, "签名不正确，请核对 Token（应答 403）"));
    }
    let decrypted = crypt.decrypt_any(&sealed);
    let (message, receiver) = decrypted
        .map_err(|error| Fault::new(true, format!("签名正确但解不开：{error}，请核对 EncodingAESKey（应答 400）")))?;
    let receiver = String::from_utf8_lossy(&receiver).into_owned();
    let expected = if form == Form::Json { Some("") } else { keys.corp_id };
    if query.echo.is_none() && expected.is_some_and(|expected| expected != receiver) {
        return Err(Fault::new(true, format!("消息属于另一个企业（{receiver}），应答 403")));
    }
    if query.echo.is_some() && body.is_empty() {
        let echo = String::from_utf8_lossy(&message).into_owned();
        return Ok((true.into(), Seen::Event(json!({ "url_verification": { "echo": echo, "receive_id": receiver } }))));
    }
    let seen = match form {
        Form::Xml => of_app(&message, keys),
        Form::Json => match serde_json::from_slice::<Value>(&message) {
            Ok(body) => of_body(&body, keys),
            Err(_) => Err("解密后的正文不是有效的 JSON".to_owned()),
        },
    };
    seen.map(|seen| (true.into(), seen)).map_err(|error| Fault::new(true, error))
}

/// `query`, or what stands behind the question mark of `path`.
fn query_of(raw: &Value) -> Option<String> {
    match raw.get("query") {
        Some(Value::String(query)) if !query.is_empty() => Some(query.trim_start_matches('?').to_owned()),
        Some(Value::Object(pairs)) => {
            let mut url = reqwest::Url::parse("http://capture.invalid/").ok()?;
            for (name, value) in pairs {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                url.query_pairs_mut().append_pair(name, &value);
            }
            url.query().map(str::to_owned)
        }
        _ => raw.get("path")?.as_str()?.split_once('?').map(|(_, query)| query.to_owned()),
    }
}

fn of_app(xml: &[u8], keys: InspectKeys<'_>) -> Result<Seen, String> {
    let heard = app_event::read(xml).map_err(|error| format!("解密后的 XML 读不懂：{error}"))?;
    if let Some(inbound) = inbound_of(&heard, keys.channel) {
        return Ok(Seen::Inbound(Box::new(inbound)));
    }
    Ok(Seen::Event(match heard.what {
        AppWhat::Contact { change, user_id, new_user_id } => {
            json!({ "change_contact": { "change": change, "user_id": user_id, "new_user_id": new_user_id } })
        }
        AppWhat::Kf { open_kf_id, .. } => json!({ "kf_msg_or_event": { "open_kf_id": open_kf_id } }),
        AppWhat::Event { name, key } => json!({ "event": name, "key": key, "from": heard.from }),
        other => json!({ "ignored": format!("{other:?}") }),
    }))
}

fn of_frame(raw: &Value, keys: InspectKeys<'_>) -> Result<Seen, Fault> {
    let read = |body: &Value| of_body(body, keys).map_err(|error| Fault::new(Value::Null, error));
    if raw.get("cmd").is_none() && raw.get("errcode").is_none() {
        return read(raw);
    }
    match frame::read(&raw.to_string()) {
        Ok(Frame::Callback { body, .. }) => read(&body),
        Ok(Frame::Ack(ack)) => {
            Ok(Seen::Event(json!({ "ack": { "req_id": ack.req_id, "code": ack.code, "text": ack.text } })))
        }
        Ok(Frame::Unknown(command)) => Ok(Seen::Event(json!({ "ignored": command }))),
        Err(error) => Err(Fault::new(Value::Null, error.to_string())),
    }
}

fn of_body(body: &Value, keys: InspectKeys<'_>) -> Result<Seen, String> {
    let heard = read_body(body, keys.bot_name).map_err(|error| format!("智能机器人的回调读不懂：{error}"))?;
    Ok(match heard {
        HeardBot::Message(message) => Seen::Inbound(Box::new(bot_message(*message, keys.channel))),
        HeardBot::Press(press) => Seen::Inbound(Box::new(bot_press(*press, keys.channel))),
        HeardBot::EnterChat { userid } => Seen::Event(json!({ "enter_chat": { "userid": userid } })),
        HeardBot::StreamPoll { stream } => Seen::Event(json!({ "stream": stream })),
        HeardBot::Disconnected => Seen::Event(json!("disconnected")),
        HeardBot::Ignored(kind) => Seen::Event(json!({ "ignored": kind })),
    })
}

/// As the desk would get it, with nothing looked up or fetched; addresses of files hold no secret of ours.
fn bot_message(message: BotMessage, channel: &str) -> Inbound {
    let attachments = message.media.into_iter().map(|media| Attachment {
        name: media.kind.clone(),
        kind: media.kind,
        url: media.url,
        size_bytes: None,
        stored: None,
        problem: None,
    });
    let mut inbound = blank(channel, message.conversation, message.sender, message.msgid, message.sent_at);
    inbound.text = message.text;
    inbound.attachments = attachments.collect();
    inbound.quoted_text = message.quoted_text;
    inbound
}

fn bot_press(press: CardPress, channel: &str) -> Inbound {
    let action = press.action().to_owned();
    let mut inbound = blank(channel, press.conversation, press.sender, press.msgid, press.sent_at);
    inbound.press = Some(Press { on: press.task, action });
    inbound
}

fn blank(
    channel: &str,
    conversation: String,
    sender: String,
    external_id: String,
    sent_at: Option<jiff::Timestamp>,
) -> Inbound {
    Inbound {
        channel: channel.to_owned(),
        conversation,
        sender,
        sender_name: String::new(),
        external_id,
        // The time of arrival is not in a capture.
        sent_at: sent_at.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        text: String::new(),
        attachments: Vec::new(),
        quotes: None,
        quoted_text: None,
        addressed: true,
        mentions: Vec::new(),
        recovered: false,
        ..Inbound::default()
    }
}
