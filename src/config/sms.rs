//! SMS in the configuration: `gateway` decides which keys there are.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use zhishou_adapters::sms::aliyun::AliyunConfig;
use zhishou_adapters::sms::cmpp::CmppConfig;
use zhishou_adapters::sms::cmpp::codec::Width;
use zhishou_adapters::sms::platform::PlatformConfig;
use zhishou_adapters::sms::template::{Source, Template};
use zhishou_adapters::sms::tencent::TencentConfig;
use zhishou_adapters::sms::text::Signature;
use zhishou_adapters::sms::{GatewayConfig, SmsConfig};

fn sms() -> String {
    "sms".to_owned()
}

/// A channel of kind `sms` as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "gateway", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum TypedSms {
    Cmpp2(TypedCmpp),
    Cmpp3(TypedCmpp),
    Aliyun(TypedCloud),
    Tencent(TypedCloud),
    Http(TypedPlatform),
}

/// The operator's own gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedCmpp {
    #[serde(default = "sms")]
    id: String,
    host: String,
    port: Option<u16>,
    sp_id: String,
    shared_secret: SecretString,
    #[serde(default)]
    service_id: String,
    src_id: String,
    signature: Option<String>,
    #[serde(default)]
    signature_mode: SignatureMode,
    max_segments: Option<usize>,
    rate: Option<u32>,
    window: Option<usize>,
    validity_minutes: Option<u32>,
    #[serde(default)]
    strict: bool,
}

/// Who writes the signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignatureMode {
    #[default]
    Own,
    Gateway,
}

/// Aliyun or Tencent Cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedCloud {
    #[serde(default = "sms")]
    id: String,
    access_key_id: String,
    access_key_secret: SecretString,
    app_id: Option<String>,
    sign_name: String,
    #[serde(default)]
    templates: Vec<TypedTemplate>,
    path: Option<String>,
    api_base: Option<String>,
    region: Option<String>,
    variable_chars: Option<usize>,
}

/// A template that was approved.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedTemplate {
    id: String,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    variables: Variables,
}

/// With names at Aliyun, in their order at Tencent Cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Variables {
    Named(BTreeMap<String, String>),
    Listed(Vec<String>),
}

impl Default for Variables {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// An agency's own platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedPlatform {
    #[serde(default = "sms")]
    id: String,
    api_base: String,
    key_id: String,
    shared_secret: SecretString,
    other_key_id: Option<String>,
    other_shared_secret: Option<SecretString>,
    path: Option<String>,
    public_path: Option<String>,
    signature: Option<String>,
    #[serde(default)]
    signature_mode: SignatureMode,
    max_segments: Option<usize>,
    validity_minutes: Option<u32>,
}

/// As meant.
pub(super) fn mean(typed: TypedSms) -> Result<SmsConfig, String> {
    let (id, gateway) = match typed {
        TypedSms::Cmpp2(typed) => cmpp(typed, Width::Two),
        TypedSms::Cmpp3(typed) => cmpp(typed, Width::Three),
        TypedSms::Aliyun(typed) => aliyun(typed),
        TypedSms::Tencent(typed) => tencent(typed),
        TypedSms::Http(typed) => platform(typed),
    }?;
    let config = SmsConfig { id, gateway };
    config.check().map_err(|why| format!("{}：{why}", config.id))?;
    Ok(config)
}

type Meant = Result<(String, GatewayConfig), String>;

fn signature(id: &str, name: Option<&str>, mode: SignatureMode) -> Result<Signature, String> {
    match name {
        Some(name) => Signature::new(name, mode == SignatureMode::Gateway).map_err(|why| format!("{id}：{why}")),
        None => Ok(Signature::none()),
    }
}

fn minutes(typed: Option<u32>) -> Option<Duration> {
    typed.map(|minutes| Duration::from_secs(u64::from(minutes) * 60))
}

fn cmpp(typed: TypedCmpp, width: Width) -> Meant {
    let mut config =
        CmppConfig::new(width, typed.host.trim(), typed.sp_id.trim(), typed.shared_secret, typed.src_id.trim());
    config.port = typed.port.unwrap_or(CmppConfig::PORT);
    config.service_id = typed.service_id;
    config.signature = signature(&typed.id, typed.signature.as_deref(), typed.signature_mode)?;
    config.limits.segments = typed.max_segments.unwrap_or(config.limits.segments);
    config.timing.rate = typed.rate;
    config.timing.window = typed.window.unwrap_or(config.timing.window);
    config.validity = minutes(typed.validity_minutes);
    config.strict = typed.strict;
    Ok((typed.id, GatewayConfig::Cmpp(Box::new(config))))
}

fn templates(id: &str, typed: Vec<TypedTemplate>, named: bool) -> Result<Vec<Template>, String> {
    let of = |typed: TypedTemplate| {
        let pairs: Vec<(String, String)> = match (typed.variables, named) {
            (Variables::Named(pairs), true) => pairs.into_iter().collect(),
            (Variables::Listed(list), _) if list.is_empty() || !named => {
                list.into_iter().enumerate().map(|(at, source)| ((at + 1).to_string(), source)).collect()
            }
            (_, true) => {
                let text = "的 variables 应写成 { 变量名 = 来源 }，变量名与控制台里的一致";
                return Err(format!("{id}：模板 {} {text}", typed.id));
            }
            (_, false) => {
                let text = "的 variables 应写成 [来源, 来源]，次序与模板里的 {1}{2} 一致";
                return Err(format!("{id}：模板 {} {text}", typed.id));
            }
        };
        let variables = pairs.into_iter().map(|(name, source)| Ok((name, Source::try_from(source)?)));
        let variables = variables.collect::<Result<_, String>>().map_err(|why| format!("{id}：{why}"))?;
        Ok(Template { id: typed.id, when: typed.when, variables })
    };
    typed.into_iter().map(of).collect()
}

fn aliyun(typed: TypedCloud) -> Meant {
    let id = typed.id;
    if typed.app_id.is_some() || typed.region.is_some() {
        return Err(format!("{id}：app_id 和 region 只用于腾讯云，阿里云不需要"));
    }
    let templates = templates(&id, typed.templates, true)?;
    let mut config = AliyunConfig::new(&typed.access_key_id, typed.access_key_secret, &typed.sign_name, templates);
    config.path = typed.path;
    config.api_base = typed.api_base.unwrap_or(config.api_base);
    config.variable_chars = typed.variable_chars.unwrap_or(config.variable_chars);
    Ok((id, GatewayConfig::Aliyun(Box::new(config))))
}

fn tencent(typed: TypedCloud) -> Meant {
    let id = typed.id;
    let app =
        typed.app_id.ok_or_else(|| format!("{id}：腾讯云短信缺少 app_id（SmsSdkAppId），见短信控制台的应用列表"))?;
    let templates = templates(&id, typed.templates, false)?;
    let mut config =
        TencentConfig::new(&typed.access_key_id, typed.access_key_secret, app.trim(), &typed.sign_name, templates);
    config.path = typed.path;
    config.api_base = typed.api_base.unwrap_or(config.api_base);
    config.region = typed.region.unwrap_or(config.region);
    config.variable_chars = typed.variable_chars.unwrap_or(config.variable_chars);
    Ok((id, GatewayConfig::Tencent(Box::new(config))))
}

fn platform(typed: TypedPlatform) -> Meant {
    let id = typed.id;
    let mut config = PlatformConfig::new(typed.api_base.trim(), &typed.key_id, typed.shared_secret);
    config.other_key = match (typed.other_key_id, typed.other_shared_secret) {
        (Some(key), Some(secret)) => Some((key, secret)),
        (None, None) => None,
        _ => return Err(format!("{id}：other_key_id 和 other_shared_secret 必须一起填写")),
    };
    config.path = typed.path.unwrap_or(config.path);
    config.public_path = typed.public_path;
    config.signature = signature(&id, typed.signature.as_deref(), typed.signature_mode)?;
    config.limits.segments = typed.max_segments.unwrap_or(config.limits.segments);
    config.validity = minutes(typed.validity_minutes);
    Ok((id, GatewayConfig::Http(Box::new(config))))
}
