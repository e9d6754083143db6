//! Settings of the operator's own protocol.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::codec::Width;
use super::session::SessionTiming;
use crate::sms::text::extension::MOST_DIGITS;
use crate::sms::text::segments::Reference;
use crate::sms::text::{Limits, Signature};

/// What the operator gives when the channel is opened.
#[derive(Debug, Clone)]
pub struct CmppConfig {
    /// 2.0 or 3.0.
    pub width: Width,
    /// Of the gateway.
    pub host: String,
    /// 7890 by the standard; resellers use any.
    pub port: u16,
    /// 企业代码, six characters: the login.
    pub sp_id: String,
    /// As agreed.
    pub shared_secret: SecretString,
    /// 业务代码, up to 10 characters.
    pub service_id: String,
    /// 接入号: what the phone shows as sender.
    pub src_id: String,
    /// Who signs, and who writes the signature.
    pub signature: Signature,
    /// Most parts of one message.
    pub limits: Limits,
    /// How parts are held together.
    pub reference: Reference,
    /// How long a message is worth delivering; `None` leaves it to the operator, as some gateways refuse the field.
    pub validity: Option<Duration>,
    /// Whether a gateway is refused that cannot prove that it knows the secret.
    pub strict: bool,
    /// Waits and limits of the session.
    pub timing: SessionTiming,
    /// How long the lease of the line is held from renewal to renewal.
    pub lease: Duration,
    /// Longest sleep without a look at the clock.
    pub look: Duration,
}

impl CmppConfig {
    /// The standard's port for long connections.
    pub const PORT: u16 = 7890;

    /// Settings with everything else at its default.
    pub fn new(width: Width, host: &str, sp_id: &str, shared_secret: SecretString, src_id: &str) -> Self {
        Self {
            width,
            host: host.to_owned(),
            port: Self::PORT,
            sp_id: sp_id.to_owned(),
            shared_secret,
            service_id: String::new(),
            src_id: src_id.to_owned(),
            signature: Signature::none(),
            limits: Limits::default(),
            reference: Reference::default(),
            validity: None,
            strict: false,
            timing: SessionTiming::default(),
            lease: Duration::from_mins(1),
            look: Duration::from_secs(1),
        }
    }

    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn check(&self) -> Result<(), String> {
        if self.host.trim().is_empty() {
            return Err("缺少 host，应填写运营商给的网关地址".to_owned());
        }
        if self.sp_id.len() != 6 || !self.sp_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("sp_id（企业代码）应是 6 位字母或数字，现在是“{}”", self.sp_id));
        }
        if self.shared_secret.expose_secret().is_empty() {
            return Err("shared_secret 是空的，应填写运营商给的密钥".to_owned());
        }
        if self.service_id.len() > 10 || !self.service_id.is_ascii() {
            return Err("service_id（业务代码）最多 10 个字母或数字".to_owned());
        }
        let digits = self.src_id.bytes().all(|b| b.is_ascii_digit());
        if self.src_id.is_empty() || !digits || self.src_id.len() > MOST_DIGITS {
            return Err(format!("src_id（接入号）应是 1 到 {MOST_DIGITS} 位数字，现在是“{}”", self.src_id));
        }
        if !(1..=10).contains(&self.limits.segments) {
            return Err("max_segments 应在 1 到 10 之间".to_owned());
        }
        if !(1..=128).contains(&self.timing.window) || self.timing.rate == Some(0) {
            return Err("window 应在 1 到 128 之间，rate 应大于 0".to_owned());
        }
        Ok(())
    }
}
