//! What Tencent Cloud pushes: a text as one object, reports as an array, unsigned (sms.md 5.3).

use axum::http::{HeaderMap, Uri};
use jiff::Timestamp;
use serde_json::Value;

use crate::sms::cmpp::codec::report::words;
use crate::sms::cmpp::codec::{Verdict, verdict};
use crate::sms::intake::{Heard, Intake, short_hash};
use crate::sms::web::{Callback, Pushed, Reading, UNSIGNED, list, text};

/// Reads pushes of one application.
pub(crate) struct Pushes {
    pub sign_name: String,
}

impl Callback for Pushes {
    fn good(&self) -> &'static str {
        r#"{"result":0,"errmsg":"OK"}"#
    }

    async fn read(&self, _: &Uri, _: &HeaderMap, body: &[u8], intake: &Intake) -> Reading {
        match read(body, &self.sign_name, (intake.ground.now)()) {
            Ok(pushed) => Reading::All(pushed),
            Err(why) => Reading::Malformed(why),
        }
    }
}

/// Everything in a push.
pub(crate) fn read(body: &[u8], sign_name: &str, now: Timestamp) -> Result<Vec<Pushed>, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    list(body).ok_or("neither a list nor an object")?.iter().map(|item| one(item, sign_name, now)).collect()
}

fn one(item: &Value, sign_name: &str, now: Timestamp) -> Result<Pushed, &'static str> {
    let mobile = text(item, "mobile").ok_or("no mobile")?;
    if let Some(status) = item["report_status"].as_str() {
        let id = text(item, "ext").filter(|id| !id.is_empty()).ok_or("a report without ext")?;
        let code = text(item, "errmsg").unwrap_or_default();
        let verdict = match (status, verdict(&code)) {
            ("SUCCESS", _) => Verdict::Delivered,
            (_, Verdict::Refused) => Verdict::Refused,
            _ => Verdict::Failed,
        };
        return Ok(Pushed::Report { id, verdict, why: words(&code).to_owned(), code });
    }
    let said = item["text"].as_str().ok_or("neither report_status nor text")?;
    if text(item, "sign").is_some_and(|name| !name.is_empty() && name.trim_matches(['【', '】']) != sign_name) {
        return Err("another application's signature");
    }
    let nation = text(item, "nationcode").unwrap_or_default();
    let from = if nation.is_empty() { mobile.clone() } else { format!("+{nation}{mobile}") };
    let (extend, time) = (text(item, "extend").unwrap_or_default(), text(item, "time").unwrap_or_default());
    Ok(Pushed::Text(Heard {
        from,
        // There is no id in it.
        external_id: format!("tencent:{}", short_hash(&format!("{mobile}|{extend}|{said}|{time}"))),
        sent_at: time.parse().ok().and_then(|time| Timestamp::from_second(time).ok()).unwrap_or(now),
        text: said.to_owned(),
        doubt: Some(UNSIGNED),
    }))
}
