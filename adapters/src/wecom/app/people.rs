//! Names and ids (wecom.md 4.6): the bot knows userids only, and encrypted ones at times.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::api::{CallError, Payload};
use super::super::codec::errcode::Class;
use super::App;
use crate::Entry;

/// Names change seldom.
const KNOWN: Duration = Duration::from_hours(12);
/// Somebody outside the visible range may be let in at any time.
const UNKNOWN: Duration = Duration::from_hours(1);
/// Longest id looked up; userids have 64 bytes.
const LONGEST: usize = 128;

impl App {
    /// The name of a member, from the shelf or the contact book; `None` outside the visible range or where it cannot be
    /// asked now.
    pub async fn name_of(&self, userid: &str) -> Option<String> {
        if userid.is_empty() || userid.len() > LONGEST {
            return None;
        }
        let key = format!("name:{}", userid.to_lowercase());
        if let Ok(Some(known)) = self.shelf.get(&key).await {
            return Some(known).filter(|name| !name.is_empty());
        }
        let plain = self.userid_of(userid).await;
        let asked = plain.as_deref().unwrap_or(userid);
        let answer = self.call("user/get", &[("userid", asked)], Payload::None).await;
        let name = match &answer {
            Ok(answer) => answer.get("name").and_then(Value::as_str).unwrap_or_default(),
            Err(error) if error.class() == Some(Class::ReceiverClosed) => "",
            Err(_) => return None,
        };
        self.remember(key, name, if name.is_empty() { UNKNOWN } else { KNOWN }).await;
        Some(name.to_owned()).filter(|name| !name.is_empty())
    }

    /// The plain userid of an encrypted one (`wo…`), as bots made by ordinary members see them. `None` where it is none or
    /// cannot be told.
    pub async fn userid_of(&self, open_userid: &str) -> Option<String> {
        if !open_userid.starts_with("wo") || open_userid.len() > LONGEST {
            return None;
        }
        let key = format!("userid:{open_userid}");
        if let Ok(Some(known)) = self.shelf.get(&key).await {
            return Some(known).filter(|id| !id.is_empty());
        }
        let body = json!({ "open_userid_list": [open_userid] });
        let answer = self.call("batch/openuserid_to_userid", &[], Payload::Json(&body)).await.ok()?;
        let found = answer.pointer("/userid_list/0/userid").and_then(Value::as_str).unwrap_or_default();
        self.remember(key, found, if found.is_empty() { UNKNOWN } else { KNOWN }).await;
        Some(found.to_owned()).filter(|id| !id.is_empty())
    }

    /// Addresses that WeCom calls from (2.6): for a firewall, not as a check.
    ///
    /// # Errors
    /// The platform's refusal.
    pub async fn callback_addresses(&self) -> Result<Vec<String>, CallError> {
        let answer = self.call("getcallbackip", &[], Payload::None).await?;
        let list = answer.get("ip_list").and_then(Value::as_array).into_iter().flatten();
        Ok(list.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn remember(&self, key: String, value: &str, long: Duration) {
        let until = (self.now)().saturating_add(long).unwrap_or(Timestamp::MAX);
        let entry = Entry { key, value: value.to_owned(), until };
        // Not remembered means asked again, nothing else.
        if let Err(error) = self.shelf.put(&[entry]).await {
            tracing::debug!(%error, "a looked-up name could not be kept");
        }
    }
}
