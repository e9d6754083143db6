//! What the platform posts to us: events, each with an id of its own (sms.md 6).

use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::sign::{NONCE_SECONDS, Signed};
use crate::sms::cmpp::codec::Verdict;
use crate::sms::cmpp::codec::report::words;
use crate::sms::intake::{Heard, Intake, short_hash};
use crate::sms::web::{Callback, Pushed, Reading, list, text};

/// Most events of one post.
const MOST_EVENTS: usize = 500;

/// Checks and reads posts.
pub(crate) struct Posts {
    /// Key ids and their secrets: one, or two while they are changed over.
    pub keys: Vec<(String, SecretString)>,
    /// The path as the sender writes it, where a proxy rewrites it.
    pub public_path: Option<String>,
}

impl Callback for Posts {
    fn good(&self) -> &'static str {
        r#"{"code":0,"msg":"ok"}"#
    }

    async fn read(&self, uri: &Uri, headers: &HeaderMap, body: &[u8], intake: &Intake) -> Reading {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (key, given) = (header("x-sms-key"), header("x-sms-signature"));
        let signed = Signed {
            method: "POST",
            path: self.public_path.as_deref().unwrap_or(uri.path()),
            query: uri.query().unwrap_or_default(),
            timestamp: header("x-sms-timestamp"),
            nonce: header("x-sms-nonce"),
            body,
        };
        let now = (intake.ground.now)();
        if !signed.in_time(now) {
            return Reading::Forged;
        }
        // An unknown key takes as long as a wrong signature.
        let known = self.keys.iter().find(|(known, _)| known == key);
        let secret = known.map_or("", |(_, secret)| secret.expose_secret());
        if !signed.holds(given, secret) || known.is_none() {
            return Reading::Forged;
        }
        // Only once the signature held, or anybody could use up nonces. A nonce is taken once, over all instances.
        let seen = format!("nonce:{}", short_hash(&format!("{key}|{}", signed.nonce)));
        let window = Duration::from_secs(NONCE_SECONDS);
        match intake.ground.shelf.spend(&seen, 1, window).await {
            Ok(None) => {}
            Ok(Some(_)) => return Reading::Forged,
            Err(_) => return Reading::Later,
        }
        match read(body, now) {
            Ok(pushed) => Reading::All(pushed),
            Err(why) => Reading::Malformed(why),
        }
    }
}

/// Everything in a post.
pub(crate) fn read(body: &[u8], now: Timestamp) -> Result<Vec<Pushed>, &'static str> {
    let mut body: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    let events = match body.get_mut("events") {
        Some(events) => list(events.take()),
        None => list(body),
    };
    let events = events.ok_or("no events")?;
    if events.len() > MOST_EVENTS {
        return Err("too many events in one post");
    }
    events.iter().map(|event| one(event, now)).collect()
}

fn one(event: &Value, now: Timestamp) -> Result<Pushed, &'static str> {
    let any = |names: &[&str]| names.iter().find_map(|name| text(event, name));
    let at = any(&["at"]).and_then(|at| at.parse().ok()).unwrap_or(now);
    match event["type"].as_str() {
        Some("mo") => {
            let id = any(&["id"]).filter(|id| (1..=128).contains(&id.len())).ok_or("an mo without id")?;
            Ok(Pushed::Text(Heard {
                from: any(&["from", "phone", "mobile"]).ok_or("an mo without from")?,
                external_id: format!("http:{id}"),
                sent_at: at,
                text: any(&["text", "content"]).ok_or("an mo without text")?,
                doubt: None,
            }))
        }
        Some("report") => {
            let id = any(&["client_id"]).or_else(|| any(&["message_id"])).ok_or("a report without client_id")?;
            let code = any(&["code"]).unwrap_or_default();
            let (verdict, why) = match event["status"].as_str() {
                Some("delivered") => (Verdict::Delivered, ""),
                Some("failed") => (Verdict::Failed, words(&code)),
                Some("expired") => (Verdict::Failed, words("EXPIRED")),
                Some("rejected") => (Verdict::Refused, words("REJECTD")),
                Some("unknown") => (Verdict::Failed, words("UNKNOWN")),
                _ => return Err("a report without a known status"),
            };
            Ok(Pushed::Report { id, verdict, why: why.to_owned(), code })
        }
        _ => Err("an event of an unknown type"),
    }
}
