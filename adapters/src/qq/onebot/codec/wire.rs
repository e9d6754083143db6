//! Envelopes: ids, signatures, access tokens, kinds of frames, answers to calls.

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// An id in either of its JSON types, as text. Empty strings and other types are none.
pub fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(whole.to_string()),
            // Some peers let ids pass through a float; a whole one below 2^53 is exact.
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => Some(format!("{float:.0}")),
            _ => Some(number.to_string()),
        },
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    }
}

/// An id as JSON for sending: a number where it is one (go-cqhttp and Lagrange insist), else a string.
pub fn id_json(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| Value::from(id), Value::from)
}

/// The id the desk knows a message by: the same over every transport. `conversation` is `group:ID` or `user:ID`.
///
/// ```
/// use zhishou_adapters::qq::onebot::codec::{compose_id, message_id_of};
/// let id = compose_id("10001", "group:20001", "-5");
/// assert_eq!((id.as_str(), message_id_of(&id)), ("10001:group:20001:-5", "-5"));
/// ```
pub fn compose_id(account: &str, conversation: &str, message_id: &str) -> String {
    let conversation = match conversation.strip_prefix("user:") {
        Some(peer) => format!("private:{peer}"),
        None => conversation.to_owned(),
    };
    format!("{account}:{conversation}:{message_id}")
}

/// The platform's own message id inside a composed one; a bare id is returned as it is.
pub fn message_id_of(external_id: &str) -> &str {
    external_id.splitn(4, ':').nth(3).unwrap_or(external_id)
}

/// The conversation inside a composed id.
pub fn conversation_of(external_id: &str) -> Option<String> {
    let mut parts = external_id.splitn(4, ':').skip(1);
    let (kind, id, _) = (parts.next()?, parts.next()?, parts.next()?);
    match kind {
        "group" => Some(format!("group:{id}")),
        "private" => Some(format!("user:{id}")),
        _ => None,
    }
}

/// Lower-case hex of HMAC-SHA1 over the raw body, as it stands after `sha1=` in `X-Signature`.
pub fn sign(secret: &str, body: &[u8]) -> String {
    hex::encode(mac(secret, body).finalize().into_bytes())
}

fn mac(secret: &str, body: &[u8]) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac
}

/// Whether the header is the signature of exactly these bytes. Compared in constant time, hex in either case.
pub fn verify(secret: &str, body: &[u8], header: &str) -> bool {
    header
        .trim()
        .strip_prefix("sha1=")
        .and_then(|hex| hex::decode(hex).ok())
        .is_some_and(|given| mac(secret, body).verify_slice(&given).is_ok())
}

/// What came of a look at the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is ours, or none is asked for.
    Granted,
    /// None was given: HTTP 401.
    Missing,
    /// Another one was given: HTTP 403.
    Wrong,
}

/// Compares the token of a request with ours: `Authorization: Bearer|Token …` (any case) or `access_token` in the query.
pub fn access(expected: Option<&str>, authorization: Option<&str>, query: Option<&str>) -> Access {
    let Some(expected) = expected.filter(|token| !token.is_empty()) else { return Access::Granted };
    let header = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        (known && !token.trim().is_empty()).then(|| token.trim().to_owned())
    });
    let from_query = || {
        let (_, value) =
            query?.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == "access_token")?;
        Some(percent_decode(value)).filter(|token| !token.is_empty())
    };
    match header.or_else(from_query) {
        None => Access::Missing,
        Some(given) if bool::from(given.as_bytes().ct_eq(expected.as_bytes())) => Access::Granted,
        Some(_) => Access::Wrong,
    }
}

/// `%XX` to bytes. `+` stays: it is a legal character of a token and every peer encodes a space as `%20`.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        if let Some(byte) = pair.and_then(|pair| hex::decode(pair).ok()) {
            out.extend(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a reverse connection says it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Calls and their answers.
    Api,
    /// Events.
    Event,
    /// Both.
    Universal,
}

impl Role {
    /// Reads `X-Client-Role` in any case; a missing or unknown word counts as universal, since frames are told apart by
    /// their shape anyway.
    pub fn read(header: Option<&str>) -> Self {
        match header.map(|word| word.trim().to_ascii_lowercase()).as_deref() {
            Some("api") => Self::Api,
            Some("event") => Self::Event,
            _ => Self::Universal,
        }
    }

    /// Whether calls go out over it.
    pub fn calls(self) -> bool {
        matches!(self, Self::Api | Self::Universal)
    }

    /// Whether events come in over it.
    pub fn events(self) -> bool {
        matches!(self, Self::Event | Self::Universal)
    }
}

/// The program that holds the account, by the name it gives itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// NapNeko/NapCatQQ.
    NapCat,
    /// Mrs4s/go-cqhttp.
    GoCqHttp,
    /// LagrangeDev/Lagrange.Core, branch v1.
    Lagrange,
    /// LLOneBot, now LuckyLilliaBot.
    LlOneBot,
    /// Not asked yet, or a name we do not know: the standard's way.
    #[default]
    Unknown,
}

impl Dialect {
    /// From `app_name` of `get_version_info`; unknown names are no failure.
    pub fn detect(app_name: &str) -> Self {
        let name = app_name.to_ascii_lowercase();
        let known = [
            ("napcat", Self::NapCat),
            ("go-cqhttp", Self::GoCqHttp),
            ("lagrange", Self::Lagrange),
            ("llonebot", Self::LlOneBot),
            ("lucky", Self::LlOneBot),
        ];
        known.iter().find(|(part, _)| name.contains(part)).map_or(Self::Unknown, |(_, dialect)| *dialect)
    }
}

/// A WebSocket frame by its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Has `post_type`.
    Event(Value),
    /// Has `echo`, or `status` and `retcode`.
    Response(Answer),
    /// Neither.
    Unknown,
}

/// `status` of an answer. The return code alone never decides: 200 is a failure with NapCat and Lagrange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Accepted; no result follows.
    Async,
    /// Refused, or nothing we know.
    Failed,
}

/// An answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the call carried; `Null` where the peer dropped it.
    pub echo: Value,
    /// How it went.
    pub status: Status,
    /// The platform's number; 0 where missing.
    pub code: i64,
    /// Result of the call.
    pub data: Value,
    /// All words about a failure in one line: `msg`, `message`, `wording`.
    pub words: String,
    /// False for the packets of a NapCat stream before its last.
    pub last: bool,
}

impl Answer {
    /// Reads an answer from its JSON object.
    pub fn read(value: &Value) -> Self {
        let status = match value.get("status").and_then(Value::as_str) {
            Some("ok") => Status::Ok,
            Some("async") => Status::Async,
            _ => Status::Failed,
        };
        let mut words: Vec<&str> = Vec::new();
        for key in ["msg", "message", "wording"] {
            let word = value.get(key).and_then(Value::as_str).map_or("", str::trim);
            if !word.is_empty() && !words.iter().any(|known| known.contains(word)) {
                words.push(word);
            }
        }
        let data = value.get("data").cloned().unwrap_or(Value::Null);
        let streams = value.get("stream").and_then(Value::as_str) == Some("stream-action");
        let last = !(streams && data.get("type").and_then(Value::as_str) == Some("stream"));
        let code = value.get("retcode").and_then(|code| code.as_i64().or_else(|| code.as_str()?.parse().ok()));
        let echo = value.get("echo").cloned().unwrap_or(Value::Null);
        Self { echo, status, code: code.unwrap_or(0), data, words: words.join(" "), last }
    }

    /// Whether the peer took the call.
    pub fn is_ok(&self) -> bool {
        self.status != Status::Failed
    }

    /// The peer refuses our token: said in a frame of its own after a friendly upgrade (NapCat, LLOneBot).
    pub fn refuses_token(&self) -> bool {
        self.status == Status::Failed && matches!(self.code, 1401 | 1403)
    }

    /// The peer does not know the action.
    pub fn unknown_action(&self) -> bool {
        self.status == Status::Failed
            && (matches!(self.code, 404 | 1404)
                || self.words.contains("API_NOT_FOUND")
                || self.words.contains("不支持的Api"))
    }
}

/// Tells frames apart by shape, never by the role of the socket they came over.
pub fn classify(value: Value) -> Frame {
    if value.get("post_type").is_some() {
        Frame::Event(value)
    } else if value.get("echo").is_some() || (value.get("status").is_some() && value.get("retcode").is_some()) {
        Frame::Response(Answer::read(&value))
    } else {
        Frame::Unknown
    }
}
