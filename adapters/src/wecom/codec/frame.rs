//! Frames of the bot's long connection (wecom.md 5.7): commands we write, callbacks and acknowledgements we read.

use serde_json::{Map, Value, json};

/// Opens the line: bot id and secret.
pub const SUBSCRIBE: &str = "aibot_subscribe";
/// Keeps it open.
pub const PING: &str = "ping";
/// Answers a message; carries the `req_id` of its callback.
pub const RESPOND: &str = "aibot_respond_msg";
/// Answers `enter_chat` within 5 s.
pub const WELCOME: &str = "aibot_respond_welcome_msg";
/// Answers a pressed card within 5 s.
pub const UPDATE: &str = "aibot_respond_update_msg";
/// Speaks without being asked.
pub const SEND: &str = "aibot_send_msg";

/// A message somebody wrote.
const ON_MESSAGE: &str = "aibot_msg_callback";
/// Something somebody did.
const ON_EVENT: &str = "aibot_event_callback";

/// What came over the line.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A message or an event; answered, if at all, under the same `req_id`.
    Callback {
        /// Chosen by the platform.
        req_id: String,
        /// wecom.md 5.4 or 5.5.
        body: Value,
    },
    /// What became of a command of ours.
    Ack(Ack),
    /// A command this program does not know. Noted, never an error.
    Unknown(String),
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Ack {
    /// That of the command.
    pub req_id: String,
    /// 0 is success; see [`super::errcode`].
    pub code: i64,
    /// The platform's words.
    pub text: String,
    /// What some commands answer (uploads).
    pub body: Value,
}

/// A frame that makes no sense. The line goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, even without stray control characters.
    #[error("the frame is not JSON")]
    NotJson,
    /// Neither a command nor an acknowledgement.
    #[error("the frame has no request id")]
    NoRequest,
    /// An acknowledgement that does not say of what.
    #[error("the acknowledgement has no code")]
    NoCode,
    /// A callback about nothing.
    #[error("the callback has no body")]
    NoBody,
}

/// Reads one text frame. Raw control characters inside strings, which the platform has been seen to send, are taken out
/// first; tab and line break stay, so that JSON written over several lines is read as well.
///
/// # Errors
/// See [`FrameError`]; none of them is a reason to close.
pub fn read(text: &str) -> Result<Frame, FrameError> {
    let parsed = serde_json::from_str::<Value>(text).or_else(|_| {
        let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect();
        serde_json::from_str(&clean)
    });
    let mut frame = parsed.map_err(|_| FrameError::NotJson)?;
    let req_id = frame.pointer("/headers/req_id").and_then(text_of).filter(|id| !id.is_empty());
    let body = frame.get_mut("body").map(Value::take).unwrap_or_default();
    match frame.get("cmd").and_then(Value::as_str) {
        Some(ON_MESSAGE | ON_EVENT) => match (req_id, body) {
            (None, _) => Err(FrameError::NoRequest),
            (Some(req_id), body @ Value::Object(_)) => Ok(Frame::Callback { req_id, body }),
            (Some(_), _) => Err(FrameError::NoBody),
        },
        Some(other) if !other.is_empty() => Ok(Frame::Unknown(other.chars().take(64).collect())),
        Some(_) | None => {
            let req_id = req_id.ok_or(FrameError::NoRequest)?;
            // Taking its absence for success would lose a message, for failure say it twice: as good as no answer.
            let code = frame.get("errcode").and_then(number_of).ok_or(FrameError::NoCode)?;
            let text = frame.get("errmsg").and_then(text_of).unwrap_or_default();
            Ok(Frame::Ack(Ack { req_id, code, text, body }))
        }
    }
}

/// Writes one command.
pub fn command(cmd: &str, req_id: &str, body: Option<&Value>) -> String {
    let mut frame = Map::new();
    frame.insert("cmd".to_owned(), json!(cmd));
    frame.insert("headers".to_owned(), json!({ "req_id": req_id }));
    if let Some(body) = body {
        frame.insert("body".to_owned(), body.clone());
    }
    Value::Object(frame).to_string()
}

/// Ids come as strings, now and then as numbers.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Numbers come as numbers, now and then as strings.
pub(crate) fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
