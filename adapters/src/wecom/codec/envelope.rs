//! The outer form of callbacks and of replies to them: XML for an app, JSON for a bot (wecom.md 2.4, 2.5).

use reqwest::Url;
use serde_json::{Value, json};

use super::xml::{Element, cdata};

/// How an address talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An app.
    Xml,
    /// A bot.
    Json,
}

/// What stands in the query of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `msg_signature`.
    pub signature: String,
    /// `timestamp`, as received.
    pub timestamp: String,
    /// `nonce`, as received.
    pub nonce: String,
    /// `echostr`, only when the address is being verified.
    pub echo: Option<String>,
}

/// Reads the query; `None` where one of the three that are always there is missing or empty.
pub fn read_query(query: &str) -> Option<Query> {
    let mut url = Url::parse("http://callback.invalid/").ok()?;
    url.set_query(Some(query.trim_start_matches('?')));
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let present = |name: &str| value(name).filter(|value| !value.is_empty());
    Some(Query {
        signature: present("msg_signature")?,
        timestamp: present("timestamp")?,
        nonce: present("nonce")?,
        // A form decoder makes a blank of a bare `+`, and base64 has no blanks.
        echo: value("echostr").map(|echo| echo.replace(' ', "+")),
    })
}

/// The base64 inside a posted envelope; `None` where it is malformed or has none.
pub fn ciphertext(body: &[u8], form: Form) -> Option<String> {
    let text = match form {
        Form::Xml => Element::parse(body).ok()?.text_of("Encrypt")?.trim().to_owned(),
        Form::Json => serde_json::from_slice::<Value>(body).ok()?.get("encrypt")?.as_str()?.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// The encrypted reply as the HTTP body. The JSON form spells `msgsignature` without underscore and writes the timestamp
/// as a number.
pub fn reply(ciphertext: &str, signature: &str, timestamp: i64, nonce: &str, form: Form) -> String {
    match form {
        Form::Xml => format!(
            "<xml><Encrypt>{}</Encrypt><MsgSignature>{}</MsgSignature><TimeStamp>{timestamp}</TimeStamp><Nonce>{}</Nonce></xml>",
            cdata(ciphertext),
            cdata(signature),
            cdata(nonce),
        ),
        Form::Json => json!({
            "encrypt": ciphertext, "msgsignature": signature, "timestamp": timestamp, "nonce": nonce,
        })
        .to_string(),
    }
}
