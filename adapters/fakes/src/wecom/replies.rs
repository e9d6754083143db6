//! Encrypted replies inside the HTTP answer to a callback (wecom.md 2.5, 5.6): opened, checked, shown. What WeCom would
//! drop without a word is answered with why, for the complaints.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::FakeWeCom;
use super::app_send::replace_button;
use super::bot_rules::{self, About, Sort};
use super::callbacks::{Door, Sealed};
use super::crypto::Keys;
use super::shown::{By, Shown};
use super::state::State;

/// Takes the body of an answer with status 200.
pub(super) fn take(
    state: &mut State,
    door: Door,
    about: &About,
    asked: &Sealed,
    body: &[u8],
    now: Timestamp,
) -> Result<(), String> {
    if body.is_empty() || door == Door::App && body == b"success" {
        return Ok(());
    }
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    match door {
        Door::App => {
            let inner = open_xml(&state.setup.app_keys(), text)?;
            state.replies.push(Value::from(inner.as_str()));
            app(state, about, &inner, now)
        }
        Door::Bot => {
            let nonce = asked.query.rsplit_once("nonce=").map(|(_, nonce)| nonce).unwrap_or_default();
            let inner = open_json(&state.setup.bot_keys(), text, nonce)?;
            state.replies.push(inner.clone());
            bot(state, about, &inner, now)
        }
    }
}

fn open_json(keys: &Keys, text: &str, nonce: &str) -> Result<Value, String> {
    let outer: Value = serde_json::from_str(text).map_err(|_| "not JSON")?;
    let cipher = outer["encrypt"].as_str().ok_or("no encrypt")?;
    let timestamp = outer["timestamp"].as_i64().ok_or("timestamp is not a number")?;
    if outer["nonce"].as_str() != Some(nonce) {
        return Err("another nonce than the request's".to_owned());
    }
    let signature = keys.signature(&timestamp.to_string(), nonce, cipher);
    if outer["msgsignature"].as_str() != Some(signature.as_str()) {
        return Err("msgsignature does not match".to_owned());
    }
    let inner = keys.open(cipher)?;
    serde_json::from_slice(&inner).map_err(|_| "the inner text is not JSON".to_owned())
}

fn open_xml(keys: &Keys, text: &str) -> Result<String, String> {
    let part = |name: &str| content_of(text, name).ok_or_else(|| format!("no {name}"));
    let cipher = part("Encrypt")?;
    if part("MsgSignature")? != keys.signature(&part("TimeStamp")?, &part("Nonce")?, &cipher) {
        return Err("MsgSignature does not match".to_owned());
    }
    String::from_utf8(keys.open(&cipher)?).map_err(|_| "the inner text is not UTF-8".to_owned())
}

/// The text of the first element with this name; literal sections joined.
pub(super) fn content_of(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = xml.find(&open)? + open.len();
    let inner = &xml[start..start + xml[start..].find(&close)?];
    if !inner.contains("<![CDATA[") {
        return Some(inner.trim().to_owned());
    }
    let literal = inner.split("<![CDATA[").skip(1).filter_map(|part| part.split_once("]]>").map(|(text, _)| text));
    Some(literal.collect())
}

fn bot(state: &mut State, about: &About, inner: &Value, now: Timestamp) -> Result<(), String> {
    match about {
        About::Message { conversation, msgid } => {
            let kind = inner["msgtype"].as_str().unwrap_or_default();
            if matches!(kind, "stream" | "stream_with_template_card") {
                bot_rules::stream(state, msgid, conversation, msgid, &inner["stream"], now).map_err(|no| no.words)?;
            }
            match kind {
                "stream" => Ok(()),
                "template_card" | "stream_with_template_card" => {
                    let as_card = json!({ "msgtype": "template_card",
                        "template_card": inner["template_card"] });
                    let mut shown =
                        bot_rules::message(state, conversation, &as_card, Sort::Reply, now).map_err(|no| no.words)?;
                    shown.answers = Some(msgid.clone());
                    state.show_of_bot(shown).map_err(|no| no.words)
                }
                _ => Err(format!("msgtype {kind:?} is not a reply to a message")),
            }
        }
        About::Enter { userid } => {
            let shown = bot_rules::message(state, &format!("user:{userid}"), inner, Sort::Welcome, now)
                .map_err(|no| no.words)?;
            state.show_of_bot(shown).map_err(|no| no.words)
        }
        About::Card { task_id } => state.update_of_bot(task_id, inner).map_err(|no| no.words),
        About::Nothing => Err("this event is not to be answered".to_owned()),
    }
}

/// Texts, and the button's replacement on the copy of whoever pressed.
fn app(state: &mut State, about: &About, inner: &str, now: Timestamp) -> Result<(), String> {
    let part = |name: &str| content_of(inner, name).unwrap_or_default();
    let userid = part("ToUserName");
    let agent = state.setup.app().agent_id;
    match (part("MsgType").as_str(), about) {
        ("text", _) => {
            let shown = Shown::new(&format!("user:{userid}"), By::App(agent), "text", &part("Content"), now);
            state.shown.push(shown);
            Ok(())
        }
        ("update_button", About::Card { task_id }) => {
            let (name, hers) = (part("ReplaceName"), format!("user:{userid}"));
            let copies = state.with_task(task_id).filter(|shown| shown.conversation.eq_ignore_ascii_case(&hers));
            for shown in copies {
                let mut card = shown.card.clone().unwrap_or_default();
                replace_button(&mut card, &name);
                shown.change_card(&card, &[]);
            }
            Ok(())
        }
        (kind, _) => Err(format!("a passive reply {kind:?} is not played here")),
    }
}

impl FakeWeCom {
    /// Decrypts what the stand-in sealed for the application or the bot, or what is sealed for it.
    pub fn open_sealed(&self, ciphertext: &str) -> Option<String> {
        let (app, bot) = self.shared.read(|state| (state.setup.app_keys(), state.setup.bot_keys()));
        let plain = app.open(ciphertext).or_else(|_| bot.open(ciphertext)).ok()?;
        String::from_utf8(plain).ok()
    }

    /// A reply as a bot in callback mode gives it inside the answer to a request with this nonce.
    pub fn sealed_reply(&self, inner: &Value, nonce: &str) -> String {
        let keys = self.shared.read(|state| state.setup.bot_keys());
        let cipher = keys.seal(inner.to_string().as_bytes(), *b"0123456789abcdef");
        let timestamp = self.time().as_second();
        let signature = keys.signature(&timestamp.to_string(), nonce, &cipher);
        json!({ "encrypt": cipher, "msgsignature": signature, "timestamp": timestamp, "nonce": nonce }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheets_reply_opens_and_a_changed_one_does_not() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/wecom.json");
        let vectors: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors lie beside the adapters"))
                .expect("JSON");
        let case = &vectors["reply_json"][0];
        let text = |key: &str| case[key].as_str().expect("text");
        let keys = Keys::new(text("token"), text("encoding_aes_key"), "");
        let (outer, nonce) = (case["expect"].to_string(), text("nonce"));
        let inner: Value = serde_json::from_str(text("inner")).expect("JSON");
        assert_eq!(open_json(&keys, &outer, nonce), Ok(inner));
        assert!(open_json(&keys, &outer, "another").is_err());
        let quoted = outer.replace("1790812910", "\"1790812910\"");
        assert_eq!(open_json(&keys, &quoted, nonce), Err("timestamp is not a number".to_owned()));
        for case in vectors["reply_xml"].as_array().expect("a list") {
            let text = |key: &str| case[key].as_str().expect("text");
            let keys = Keys::new(text("token"), text("encoding_aes_key"), text("receive_id"));
            let outer: String = case["expect"]
                .as_object()
                .expect("an object")
                .iter()
                .map(|(name, value)| super::super::callbacks::element(name, value.as_str().expect("text")))
                .collect();
            assert_eq!(open_xml(&keys, &outer).as_deref(), Ok(text("inner")), "{}", case["id"]);
        }
    }
}
