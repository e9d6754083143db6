//! TC3-HMAC-SHA256 (sms.md 5.3). Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::sms::aliyun::sign::hmac_sha256;

/// What a request is signed over. Its content type must be the one that is sent, byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `sms`.
    pub service: &'a str,
    /// As in the header `host`.
    pub host: &'a str,
    /// `SendSms`; `None` leaves it unsigned, as older examples do.
    pub action: Option<&'a str>,
    /// As sent.
    pub content_type: &'a str,
    /// As sent.
    pub body: &'a str,
    /// Seconds since 1970, as in `X-TC-Timestamp`.
    pub timestamp: i64,
}

impl Request<'_> {
    fn signed(&self) -> &'static str {
        if self.action.is_some() { "content-type;host;x-tc-action" } else { "content-type;host" }
    }

    /// The date is that of UTC.
    fn date(&self) -> String {
        let at = Timestamp::from_second(self.timestamp).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
    }

    /// The request in the form that is hashed.
    pub fn canonical(&self) -> String {
        let action = self.action.map(|action| format!("x-tc-action:{}\n", action.to_lowercase())).unwrap_or_default();
        format!(
            "POST\n/\n\ncontent-type:{}\nhost:{}\n{action}\n{}\n{}",
            self.content_type,
            self.host,
            self.signed(),
            hex::encode(Sha256::digest(self.body.as_bytes()))
        )
    }

    /// What is signed.
    pub fn string_to_sign(&self) -> String {
        format!(
            "TC3-HMAC-SHA256\n{}\n{}/{}/tc3_request\n{}",
            self.timestamp,
            self.date(),
            self.service,
            hex::encode(Sha256::digest(self.canonical().as_bytes()))
        )
    }

    /// The signature, lower-case hex.
    pub fn signature(&self, secret: &str) -> String {
        let mut key = format!("TC3{secret}").into_bytes();
        for step in [self.date().as_str(), self.service, "tc3_request"] {
            key = hmac_sha256(&key, step.as_bytes());
        }
        hex::encode(hmac_sha256(&key, self.string_to_sign().as_bytes()))
    }

    /// The header `Authorization`.
    pub fn authorization(&self, key_id: &str, secret: &str) -> String {
        format!(
            "TC3-HMAC-SHA256 Credential={key_id}/{}/{}/tc3_request, SignedHeaders={}, Signature={}",
            self.date(),
            self.service,
            self.signed(),
            self.signature(secret)
        )
    }
}
