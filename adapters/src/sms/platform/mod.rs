//! An agency's own platform: signed JSON both ways (sms.md 6, `docs/sms-gateway.md`).

pub mod inbound;
pub mod sign;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::counts::count;
use super::gateway::Gateway;
use super::intake::{Ground, Intake, Sent, external_id, short_hash};
use super::text::{Limits, Number, Signature, Wanted, fit};
use super::time::later;
use super::web;
use crate::{ChannelError, Outgoing, Receipt, SendError};

use inbound::Posts;
use sign::{SECRET_BYTES, Signed};

/// Where posts are served by default.
pub const DEFAULT_PATH: &str = "/sms/inbound";

/// What an agency's platform and we agree on.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Its address; `/v1/messages` is added.
    pub api_base: String,
    /// Name of the key.
    pub key_id: String,
    /// At least 32 bytes.
    pub shared_secret: SecretString,
    /// A second key that is still or already taken, while keys are changed over.
    pub other_key: Option<(String, SecretString)>,
    /// Where it posts to.
    pub path: String,
    /// The same as it writes it, where a proxy rewrites paths.
    pub public_path: Option<String>,
    /// Whose texts these are, and whether we or the platform write it.
    pub signature: Signature,
    /// Most parts of one message.
    pub limits: Limits,
    /// How long a message is worth delivering.
    pub validity: Option<Duration>,
    /// For one call.
    pub limit: Duration,
}

impl PlatformConfig {
    /// Settings with everything else at its default.
    pub fn new(api_base: &str, key_id: &str, shared_secret: SecretString) -> Self {
        Self {
            api_base: api_base.to_owned(),
            key_id: key_id.to_owned(),
            shared_secret,
            other_key: None,
            path: DEFAULT_PATH.to_owned(),
            public_path: None,
            signature: Signature::none(),
            limits: Limits::default(),
            validity: None,
            limit: Duration::from_secs(15),
        }
    }

    /// What can be known to be wrong without asking anybody.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn check(&self) -> Result<(), String> {
        let base = Url::parse(&self.api_base).map_err(|_| "api_base 不是有效的网址".to_owned())?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
            return Err("api_base 应是 http 或 https 网址，不带问号".to_owned());
        }
        let other = self.other_key.iter().map(|(id, secret)| (id, secret));
        for (id, secret) in std::iter::once((&self.key_id, &self.shared_secret)).chain(other) {
            if id.trim().is_empty() || !id.is_ascii() {
                return Err("key_id 不能为空，且只能用英文字符".to_owned());
            }
            if secret.expose_secret().len() < SECRET_BYTES {
                return Err(format!("shared_secret 至少要 {SECRET_BYTES} 个字节，请用随机字符重新生成"));
            }
        }
        if !(1..=10).contains(&self.limits.segments) {
            return Err("max_segments 应在 1 到 10 之间".to_owned());
        }
        web::check_path(&self.path)
    }
}

/// See the module.
pub struct Platform {
    config: PlatformConfig,
    ground: Ground,
    client: Client,
    problem: Mutex<Option<String>>,
}

impl Platform {
    pub(crate) fn new(config: PlatformConfig, ground: Ground) -> Result<Self, ChannelError> {
        let client = web::client(config.limit)?;
        Ok(Self { config, ground, client, problem: Mutex::new(None) })
    }

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    async fn post(&self, body: &Value) -> Result<(u16, Option<u64>, Value), SendError> {
        let unreachable = |why: &str| SendError::Unreachable(why.to_owned());
        let address = format!("{}/v1/messages", self.config.api_base.trim_end_matches('/'));
        let address = Url::parse(&address).map_err(|_| unreachable("api_base 不是有效的网址"))?;
        let body = body.to_string();
        let timestamp = (self.ground.now)().as_second().to_string();
        let nonce = web::nonce().ok_or_else(|| unreachable("系统没有随机数来源"))?;
        let signed = Signed {
            method: "POST",
            path: address.path(),
            query: "",
            timestamp: &timestamp,
            nonce: &nonce,
            body: body.as_bytes(),
        };
        let signature = signed.signature(self.config.shared_secret.expose_secret());
        let request = self
            .client
            .post(address.clone())
            .header("content-type", "application/json; charset=utf-8")
            .header("x-sms-key", self.config.key_id.as_str())
            .header("x-sms-timestamp", timestamp.as_str())
            .header("x-sms-nonce", nonce.as_str())
            .header("x-sms-signature", signature)
            .body(body);
        Ok(web::call(request).await?)
    }
}

#[async_trait]
impl Gateway for Platform {
    async fn send(&self, to: &Number, message: &Outgoing) -> Result<Receipt, SendError> {
        let wanted = Wanted { text: &message.text, short: message.short.as_deref(), whole: message.by_person };
        let fitted = fit(wanted, &self.config.signature, self.config.limits)
            .map_err(|unfit| SendError::Refused { code: 0, text: unfit.to_string() })?;
        let text = fitted.segments.concat();
        let external = external_id(&message.key);
        // Other words under one key (marked as a repeat) are another message to the platform.
        let client_id = format!("{external}-{}", &short_hash(&text)[..8]);
        let sent = Sent { external_id: external.clone(), conversation: message.conversation.clone(), part: (1, 1) };
        // Before it goes: its report may come at any time after.
        let kept = self.ground.remember(&[(client_id.clone(), sent.clone())]).await;
        kept.map_err(|error| SendError::Unreachable(error.to_string()))?;
        let mut body = json!({ "client_id": client_id, "to": to.canonical, "text": text, "report": true });
        if let Some(validity) = self.config.validity {
            body["valid_until"] = later((self.ground.now)(), validity).to_string().into();
        }
        let (status, wait, answer) = self.post(&body).await?;
        let code = answer["code"].as_str().unwrap_or_default();
        let refused = |text: &str| {
            Err(SendError::Refused {
                code: i64::from(status), text: format!("短信平台：{text}（{status} {code}）")
            })
        };
        match status {
            200 | 202 => {
                self.note(None);
                if let Some(id) = answer["id"].as_str().filter(|id| id.len() <= 128)
                    && let Err(error) = self.ground.remember(&[(id.to_owned(), sent)]).await
                {
                    tracing::warn!(%error, "the platform's id of a message could not be kept");
                }
                let segments = answer["segments"].as_u64().unwrap_or(u64::try_from(fitted.segments.len()).unwrap_or(1));
                count(&self.ground.counts.messages_sent, 1);
                count(&self.ground.counts.segments_sent, segments.clamp(1, 10));
                count(&self.ground.counts.messages_cut, u64::from(fitted.cut));
                Ok(Receipt { external_id: Some(external) })
            }
            // It knows this id: what it took the first time went out.
            409 => refused("同一个 client_id 内容不同"),
            400 => refused(match code {
                "bad_number" => "手机号码不正确",
                "too_long" => "内容过长",
                _ => "内容被拒绝",
            }),
            403 if code == "blacklisted" => refused("号码在黑名单中"),
            401 => {
                self.note(Some("短信平台不接受我们的签名，请核对 key_id、shared_secret 和服务器时间".to_owned()));
                Err(SendError::Unreachable("短信平台不接受我们的签名".to_owned()))
            }
            402 | 403 => {
                let text = if status == 402 { "余额不足" } else { "没有发送权限" };
                self.note(Some(format!("短信平台：{text}")));
                refused(text)
            }
            429 => Err(SendError::Throttled { retry_after: Duration::from_secs(wait.unwrap_or(30).clamp(1, 3600)) }),
            // Idempotent by client_id: saying it again is safe.
            500..=599 => Err(SendError::Unreachable(format!("短信平台暂时不可用（{status}）"))),
            _ => refused("平台的应答不在约定之内"),
        }
    }

    fn routes(&self, intake: Arc<Intake>) -> Option<axum::Router> {
        let own = (self.config.key_id.clone(), self.config.shared_secret.clone());
        let keys = std::iter::once(own).chain(self.config.other_key.clone()).collect();
        let posts = Posts { keys, public_path: self.config.public_path.clone() };
        Some(web::routes(&self.config.path, Arc::new(posts), intake))
    }

    fn health(&self) -> Result<String, String> {
        match &*self.problem.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(problem) => Err(problem.clone()),
            None => Ok("短信平台（http）：正常".to_owned()),
        }
    }
}
