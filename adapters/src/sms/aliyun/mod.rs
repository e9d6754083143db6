//! Aliyun (阿里云短信): sending by template, and its pushes (sms.md 5.2).

pub mod push;
pub mod sign;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::counts::count;
use super::gateway::Gateway;
use super::intake::{Ground, Intake, Sent, external_id};
use super::template::{self, Filled, NO_TEMPLATE, Template, fill};
use super::text::segments::{billed, units};
use super::text::{Number, Signature};
use super::web;
use crate::{ChannelError, Outgoing, Receipt, SendError};

use push::Pushes;
use sign::{Request, authorization};

/// Of the interface.
const VERSION: &str = "2017-05-25";
/// A minute's limit is over after this.
const MINUTE: Duration = Duration::from_secs(65);

/// What an account at Aliyun needs.
#[derive(Debug, Clone)]
pub struct AliyunConfig {
    /// AccessKey ID.
    pub access_key_id: String,
    /// AccessKey Secret.
    pub access_key_secret: SecretString,
    /// 签名名称, as approved, without brackets.
    pub sign_name: String,
    /// What may be said.
    pub templates: Vec<Template>,
    /// Where pushes are served; its last segment is their only protection.
    pub path: Option<String>,
    /// Default [`AliyunConfig::API_BASE`].
    pub api_base: String,
    /// Characters of one variable, 35 at most.
    pub variable_chars: usize,
    /// For one call.
    pub limit: Duration,
}

impl AliyunConfig {
    /// The public address.
    pub const API_BASE: &str = "https://dysmsapi.aliyuncs.com";
    /// Longest variable (sms.md 5.1).
    pub const VARIABLE_CHARS: usize = 35;

    /// Settings with everything else at its default.
    pub fn new(
        access_key_id: &str,
        access_key_secret: SecretString,
        sign_name: &str,
        templates: Vec<Template>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            access_key_secret,
            sign_name: sign_name.to_owned(),
            templates,
            path: None,
            api_base: Self::API_BASE.to_owned(),
            variable_chars: Self::VARIABLE_CHARS,
            limit: Duration::from_secs(15),
        }
    }

    /// What can be known to be wrong without asking anybody.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn check(&self) -> Result<(), String> {
        if self.access_key_id.trim().is_empty() || self.access_key_secret.expose_secret().is_empty() {
            return Err("阿里云短信缺少 access_key_id 或 access_key_secret（RAM 控制台创建）".to_owned());
        }
        Signature::new(&self.sign_name, true)?;
        if Url::parse(&self.api_base).is_err() {
            return Err("api_base 不是有效的网址".to_owned());
        }
        if !(2..=Self::VARIABLE_CHARS).contains(&self.variable_chars) {
            return Err(format!("variable_chars 应在 2 到 {} 之间", Self::VARIABLE_CHARS));
        }
        self.path.as_deref().map_or(Ok(()), web::check_secret_path)?;
        template::check(&self.templates)
    }
}

/// What a refusal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Closed for a time: the next way.
    Closed(Closed),
    /// The number.
    Number,
    /// Our variables: once more with shorter ones.
    Variables,
    /// Configuration or money: an administrator.
    Administrator,
    /// Passing.
    Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    Minute,
    Hour,
    Day,
    Month,
}

fn class(code: &str, message: &str) -> Class {
    match code {
        "isv.BUSINESS_LIMIT_CONTROL" => Class::Closed(if message.contains("分钟") || message.contains("minute") {
            Closed::Minute
        } else if message.contains("小时") || message.contains("hour") {
            Closed::Hour
        } else {
            Closed::Day
        }),
        "isv.DAY_LIMIT_CONTROL" => Class::Closed(Closed::Day),
        "isv.MONTH_LIMIT_CONTROL" => Class::Closed(Closed::Month),
        "isv.MOBILE_NUMBER_ILLEGAL" => Class::Number,
        "isv.BLACK_KEY_CONTROL_LIMIT"
        | "isv.SMS_CONTENT_ILLEGAL"
        | "isv.PARAM_LENGTH_LIMIT"
        | "isv.PARAM_NOT_SUPPORT_URL"
        | "isv.TEMPLATE_PARAMS_ILLEGAL"
        | "isv.TEMPLATE_MISSING_PARAMETERS"
        | "isv.INVALID_JSON_PARAM" => Class::Variables,
        code if code.starts_with("isp.SYSTEM_ERROR")
            || code.starts_with("Throttling")
            || code.starts_with("ServiceUnavailable") =>
        {
            Class::Retry
        }
        _ => Class::Administrator,
    }
}

/// See the module.
pub struct Aliyun {
    config: AliyunConfig,
    ground: Ground,
    client: Client,
    problem: Mutex<Option<String>>,
}

impl Aliyun {
    pub(crate) fn new(config: AliyunConfig, ground: Ground) -> Result<Self, ChannelError> {
        let client = web::client(config.limit)?;
        Ok(Self { config, ground, client, problem: Mutex::new(None) })
    }

    /// One signed call; `Ok` is the answer's JSON.
    async fn call(&self, action: &str, pairs: &[(&str, &str)]) -> Result<Value, SendError> {
        let unreachable = |why: &str| SendError::Unreachable(why.to_owned());
        let base = Url::parse(&self.config.api_base).map_err(|_| unreachable("api_base 不是有效的网址"))?;
        let host = match (base.host_str(), base.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(unreachable("api_base 不是有效的网址")),
        };
        let nonce = web::nonce().ok_or_else(|| unreachable("系统没有随机数来源"))?;
        let date = (self.ground.now)().to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let empty = hex::encode(Sha256::digest(b""));
        let headers = vec![
            ("host", host.as_str()),
            ("x-acs-action", action),
            ("x-acs-content-sha256", empty.as_str()),
            ("x-acs-date", date.as_str()),
            ("x-acs-signature-nonce", nonce.as_str()),
            ("x-acs-version", VERSION),
        ];
        let signed = Request { method: "POST", path: "/", query: pairs.to_vec(), headers, body: b"" };
        let secret = self.config.access_key_secret.expose_secret();
        let mut address = base.clone();
        address.set_path("/");
        address.set_query(Some(&sign::query(pairs)));
        let mut request = self.client.post(address);
        for (name, value) in signed.headers.iter().skip(1) {
            request = request.header(*name, *value);
        }
        request = request.header("authorization", authorization(&signed, &self.config.access_key_id, secret));
        let (status, _, body) = web::call(request).await?;
        if body.get("Code").is_none() {
            return Err(if status >= 500 { unreachable("阿里云暂时不可用") } else { SendError::Perhaps });
        }
        Ok(body)
    }

    async fn once(&self, to: &Number, external: &str, filled: &Filled) -> Result<Value, SendError> {
        let variables: Map<String, Value> =
            filled.variables.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let variables = Value::Object(variables).to_string();
        let pairs = [
            ("OutId", external),
            ("PhoneNumbers", to.canonical.as_str()),
            ("SignName", self.config.sign_name.as_str()),
            ("TemplateCode", filled.id.as_str()),
            ("TemplateParam", variables.as_str()),
        ];
        self.call("SendSms", &pairs).await
    }

    /// Whether the credentials are good, without sending anything: a question about a message that does not exist.
    pub async fn probe(&self) -> (bool, String) {
        let day =
            (self.ground.now)().to_zoned_datetime(TimeZone::fixed(Offset::constant(8))).strftime("%Y%m%d").to_string();
        let pairs = [("CurrentPage", "1"), ("PageSize", "1"), ("PhoneNumber", "13800138000"), ("SendDate", &day)];
        match self.call("QuerySendDetails", &pairs).await {
            Ok(answer) if answer["Code"] == "OK" => (true, "密钥可用".to_owned()),
            Ok(answer) => (false, format!("阿里云拒绝：{}", words(&answer))),
            Err(error) => (false, error.to_string()),
        }
    }

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

fn words(answer: &Value) -> String {
    let code = answer["Code"].as_str().unwrap_or_default();
    let message = answer["Message"].as_str().unwrap_or_default();
    format!("{message}（{code}）")
}

fn until_tomorrow(now: Timestamp) -> Duration {
    let local = now.to_zoned_datetime(TimeZone::fixed(Offset::constant(8)));
    let seconds = i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second());
    Duration::from_secs(u64::try_from(86_400 - seconds).unwrap_or(1).max(1))
}

#[async_trait]
impl Gateway for Aliyun {
    async fn send(&self, to: &Number, message: &Outgoing) -> Result<Receipt, SendError> {
        let external = external_id(&message.key);
        let sent = Sent { external_id: external.clone(), conversation: message.conversation.clone(), part: (1, 1) };
        // Before it goes: its report may come at any time after.
        let kept = self.ground.remember(&[(external.clone(), sent)]).await;
        kept.map_err(|error| SendError::Unreachable(error.to_string()))?;
        let mut most = self.config.variable_chars;
        for again in [true, false] {
            let filled = fill(&self.config.templates, message, most)
                .ok_or_else(|| SendError::Refused { code: 0, text: NO_TEMPLATE.to_owned() })?;
            let answer = self.once(to, &external, &filled).await?;
            let code = answer["Code"].as_str().unwrap_or_default();
            if code == "OK" {
                self.note(None);
                let length = filled.variables.iter().map(|(_, value)| units(value)).sum::<usize>();
                count(&self.ground.counts.messages_sent, 1);
                // The template's own text is not known here: a lower bound of what is billed.
                count(&self.ground.counts.segments_sent, u64::try_from(billed(length)).unwrap_or(1));
                count(&self.ground.counts.messages_cut, u64::from(filled.cut));
                return Ok(Receipt { external_id: Some(external) });
            }
            let refused = || SendError::Refused { code: 0, text: format!("阿里云短信：{}", words(&answer)) };
            match class(code, answer["Message"].as_str().unwrap_or_default()) {
                Class::Closed(closed) => {
                    let retry_after = match closed {
                        Closed::Minute => MINUTE,
                        Closed::Hour => Duration::from_hours(1),
                        Closed::Day | Closed::Month => until_tomorrow((self.ground.now)()),
                    };
                    return Err(SendError::Throttled { retry_after });
                }
                Class::Variables if again => most = (most / 2).max(2),
                Class::Number | Class::Variables => return Err(refused()),
                Class::Administrator => {
                    self.note(Some(words(&answer)));
                    return Err(refused());
                }
                Class::Retry => return Err(SendError::Unreachable(format!("阿里云短信：{}", words(&answer)))),
            }
        }
        Err(SendError::Refused { code: 0, text: NO_TEMPLATE.to_owned() })
    }

    fn routes(&self, intake: Arc<Intake>) -> Option<axum::Router> {
        let path = self.config.path.as_deref()?;
        Some(web::routes(path, Arc::new(Pushes { sign_name: self.config.sign_name.clone() }), intake))
    }

    fn health(&self) -> Result<String, String> {
        match &*self.problem.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(problem) => Err(format!("阿里云短信：{problem}，请在控制台检查签名、模板、余额和密钥")),
            None => Ok("阿里云短信：正常".to_owned()),
        }
    }
}
