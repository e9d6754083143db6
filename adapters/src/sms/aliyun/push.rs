//! What Aliyun pushes: reports and texts, each a JSON array, unsigned (sms.md 5.2).

use axum::http::{HeaderMap, Uri};
use jiff::Timestamp;
use serde_json::Value;

use crate::sms::cmpp::codec::report::words;
use crate::sms::cmpp::codec::{Verdict, verdict};
use crate::sms::intake::{Heard, Intake, short_hash};
use crate::sms::web::{Callback, Pushed, Reading, UNSIGNED, list, local_time, text};

/// Reads pushes of one account.
pub(crate) struct Pushes {
    pub sign_name: String,
}

impl Callback for Pushes {
    fn good(&self) -> &'static str {
        r#"{"code":0,"msg":"接收成功"}"#
    }

    async fn read(&self, _: &Uri, _: &HeaderMap, body: &[u8], intake: &Intake) -> Reading {
        match read(body, &self.sign_name, (intake.ground.now)()) {
            Ok(pushed) => Reading::All(pushed),
            Err(why) => Reading::Malformed(why),
        }
    }
}

/// Everything in a push; one item that cannot be read spoils it all, so that the platform's repeat shows.
pub(crate) fn read(body: &[u8], sign_name: &str, now: Timestamp) -> Result<Vec<Pushed>, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    list(body).ok_or("neither a list nor an object")?.iter().map(|item| one(item, sign_name, now)).collect()
}

fn one(item: &Value, sign_name: &str, now: Timestamp) -> Result<Pushed, &'static str> {
    let phone = text(item, "phone_number").ok_or("no phone_number")?;
    if let Some(success) = item["success"].as_bool() {
        let id = text(item, "out_id").filter(|id| !id.is_empty()).ok_or("a report without out_id")?;
        let code = text(item, "err_code").unwrap_or_default();
        let verdict = match (success, verdict(&code)) {
            (true, _) => Verdict::Delivered,
            (false, Verdict::Refused) => Verdict::Refused,
            (false, _) => Verdict::Failed,
        };
        return Ok(Pushed::Report { id, verdict, why: words(&code).to_owned(), code });
    }
    let content = item["content"].as_str().ok_or("neither success nor content")?;
    if text(item, "sign_name").is_some_and(|name| !name.is_empty() && name.trim_matches(['【', '】']) != sign_name) {
        return Err("another account's signature");
    }
    let sent = text(item, "send_time").unwrap_or_default();
    let id = match text(item, "sequence_id") {
        Some(sequence) => format!("aliyun:{}", sequence.chars().take(64).collect::<String>()),
        None => format!("aliyun:{}", short_hash(&format!("{phone}|{sent}|{content}"))),
    };
    Ok(Pushed::Text(Heard {
        from: phone,
        external_id: id,
        sent_at: local_time(&sent).unwrap_or(now),
        text: content.to_owned(),
        doubt: Some(UNSIGNED),
    }))
}
