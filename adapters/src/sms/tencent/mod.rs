//! Tencent Cloud (腾讯云短信): sending by template, and its callbacks (sms.md 5.3).

pub mod push;
pub mod sign;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::counts::count;
use super::gateway::Gateway;
use super::intake::{Ground, Intake, Sent, external_id};
use super::template::{self, Filled, NO_TEMPLATE, Template, fill};
use super::text::{Number, Signature};
use super::web;
use crate::{ChannelError, Outgoing, Receipt, SendError};

use push::Pushes;
use sign::Request;

/// Of the interface.
const VERSION: &str = "2021-01-11";
/// Signed and sent alike.
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// What an application at Tencent Cloud needs.
#[derive(Debug, Clone)]
pub struct TencentConfig {
    /// SecretId.
    pub access_key_id: String,
    /// SecretKey.
    pub access_key_secret: SecretString,
    /// SmsSdkAppId.
    pub app_id: String,
    /// 签名内容, as approved, without brackets.
    pub sign_name: String,
    /// What may be said.
    pub templates: Vec<Template>,
    /// Where callbacks are served; its last segment is their only protection.
    pub path: Option<String>,
    /// Default [`TencentConfig::API_BASE`].
    pub api_base: String,
    /// Default [`TencentConfig::REGION`].
    pub region: String,
    /// Characters of one variable.
    pub variable_chars: usize,
    /// For one call.
    pub limit: Duration,
}

impl TencentConfig {
    /// The public address.
    pub const API_BASE: &str = "https://sms.tencentcloudapi.com";
    /// A region is required, whichever.
    pub const REGION: &str = "ap-guangzhou";
    /// What every kind of account may use (sms.md 5.1).
    pub const VARIABLE_CHARS: usize = 12;

    /// Settings with everything else at its default.
    pub fn new(
        access_key_id: &str,
        access_key_secret: SecretString,
        app_id: &str,
        sign_name: &str,
        templates: Vec<Template>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            access_key_secret,
            app_id: app_id.to_owned(),
            sign_name: sign_name.to_owned(),
            templates,
            path: None,
            api_base: Self::API_BASE.to_owned(),
            region: Self::REGION.to_owned(),
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
            return Err("腾讯云短信缺少 access_key_id（SecretId）或 access_key_secret（SecretKey）".to_owned());
        }
        if self.app_id.is_empty() || !self.app_id.bytes().all(|b| b.is_ascii_digit()) {
            return Err("腾讯云短信的 app_id（SmsSdkAppId）应是一串数字，见短信控制台的应用列表".to_owned());
        }
        Signature::new(&self.sign_name, true)?;
        if Url::parse(&self.api_base).is_err() {
            return Err("api_base 不是有效的网址".to_owned());
        }
        if !(2..=100).contains(&self.variable_chars) {
            return Err("variable_chars 应在 2 到 100 之间".to_owned());
        }
        self.path.as_deref().map_or(Ok(()), web::check_secret_path)?;
        template::check(&self.templates)
    }
}

/// What a refusal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Closed(Duration),
    Number,
    Variables,
    Administrator,
    Retry,
}

fn class(code: &str) -> Class {
    match code {
        "LimitExceeded.PhoneNumberThirtySecondLimit" | "LimitExceeded.DeliveryFrequencyLimit" => {
            Class::Closed(Duration::from_secs(31))
        }
        "LimitExceeded.PhoneNumberOneHourLimit" => Class::Closed(Duration::from_hours(1)),
        // Of a natural day; asked again in some hours, as the day's end is theirs.
        code if code.starts_with("LimitExceeded") => Class::Closed(Duration::from_hours(4)),
        "FailedOperation.PhoneNumberInBlacklist" | "InvalidParameterValue.IncorrectPhoneNumber" => Class::Number,
        "FailedOperation.ContainSensitiveWord"
        | "InvalidParameterValue.ContentLengthLimit"
        | "InvalidParameterValue.TemplateParameterLengthLimit"
        | "InvalidParameterValue.TemplateParameterFormatError" => Class::Variables,
        code if code.starts_with("InternalError") || code.starts_with("RequestLimitExceeded") => Class::Retry,
        _ => Class::Administrator,
    }
}

/// See the module.
pub struct Tencent {
    config: TencentConfig,
    ground: Ground,
    client: Client,
    problem: Mutex<Option<String>>,
}

impl Tencent {
    pub(crate) fn new(config: TencentConfig, ground: Ground) -> Result<Self, ChannelError> {
        let client = web::client(config.limit)?;
        Ok(Self { config, ground, client, problem: Mutex::new(None) })
    }

    /// One signed call; `Ok` is `Response` of the answer.
    async fn call(&self, action: &str, body: &Value) -> Result<Value, SendError> {
        let unreachable = |why: &str| SendError::Unreachable(why.to_owned());
        let mut address = Url::parse(&self.config.api_base).map_err(|_| unreachable("api_base 不是有效的网址"))?;
        address.set_path("/");
        let host = match (address.host_str(), address.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(unreachable("api_base 不是有效的网址")),
        };
        let body = body.to_string();
        let timestamp = (self.ground.now)().as_second();
        let signed = Request {
            service: "sms",
            host: &host,
            action: Some(action),
            content_type: CONTENT_TYPE,
            body: &body,
            timestamp,
        };
        let authorization =
            signed.authorization(&self.config.access_key_id, self.config.access_key_secret.expose_secret());
        let request = self
            .client
            .post(address)
            .header("content-type", CONTENT_TYPE)
            .header("x-tc-action", action)
            .header("x-tc-version", VERSION)
            .header("x-tc-region", self.config.region.as_str())
            .header("x-tc-timestamp", timestamp.to_string())
            .header("authorization", authorization)
            .body(body);
        let (status, _, mut answer) = web::call(request).await?;
        match answer.get_mut("Response").map(Value::take) {
            Some(answer) => Ok(answer),
            None if status >= 500 => Err(unreachable("腾讯云暂时不可用")),
            None => Err(SendError::Perhaps),
        }
    }

    async fn once(&self, to: &Number, external: &str, filled: &Filled) -> Result<(String, String), SendError> {
        let values: Vec<&str> = filled.variables.iter().map(|(_, value)| value.as_str()).collect();
        let body = json!({
            "PhoneNumberSet": [format!("+86{}", to.canonical)],
            "SmsSdkAppId": self.config.app_id,
            "TemplateId": filled.id,
            "SignName": self.config.sign_name,
            "TemplateParamSet": values,
            "SessionContext": external,
        });
        let answer = self.call("SendSms", &body).await?;
        // 200 says nothing: the error first, then what became of the one number.
        let told = answer.get("Error").or_else(|| answer["SendStatusSet"].get(0)).ok_or(SendError::Perhaps)?;
        let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        Ok((word("Code"), word("Message")))
    }

    /// Whether the credentials are good, without sending anything.
    pub async fn probe(&self) -> (bool, String) {
        match self.call("DescribeSmsSignList", &json!({ "SignIdSet": [], "International": 0 })).await {
            Ok(answer) => match answer.get("Error") {
                Some(error) => {
                    let code = error["Code"].as_str().unwrap_or_default();
                    (!code.starts_with("AuthFailure") && !code.starts_with("UnauthorizedOperation"), words_of(error))
                }
                None => (true, "密钥可用".to_owned()),
            },
            Err(error) => (false, error.to_string()),
        }
    }

    fn note(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

fn words_of(error: &Value) -> String {
    format!("{}（{}）", error["Message"].as_str().unwrap_or_default(), error["Code"].as_str().unwrap_or_default())
}

#[async_trait]
impl Gateway for Tencent {
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
            let (code, why) = self.once(to, &external, &filled).await?;
            if code == "Ok" {
                self.note(None);
                count(&self.ground.counts.messages_sent, 1);
                count(&self.ground.counts.segments_sent, 1);
                count(&self.ground.counts.messages_cut, u64::from(filled.cut));
                return Ok(Receipt { external_id: Some(external) });
            }
            let told = format!("腾讯云短信：{why}（{code}）");
            match class(&code) {
                Class::Closed(retry_after) => return Err(SendError::Throttled { retry_after }),
                Class::Variables if again => most = (most / 2).max(2),
                Class::Number | Class::Variables => return Err(SendError::Refused { code: 0, text: told }),
                Class::Administrator => {
                    self.note(Some(format!("{why}（{code}）")));
                    return Err(SendError::Refused { code: 0, text: told });
                }
                Class::Retry => return Err(SendError::Unreachable(told)),
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
            Some(problem) => Err(format!("腾讯云短信：{problem}，请在控制台检查签名、模板、套餐余量和密钥")),
            None => Ok("腾讯云短信：正常".to_owned()),
        }
    }
}
