//! Settings of the channel: which gateway, and what can be said about it without trying.

use super::aliyun::AliyunConfig;
use super::cmpp::CmppConfig;
use super::platform::PlatformConfig;
use super::tencent::TencentConfig;
use crate::ChannelError;

/// Settings of one SMS channel.
#[derive(Debug, Clone)]
pub struct SmsConfig {
    /// The channel's id in the configuration (`sms`).
    pub id: String,
    /// Who carries the texts.
    pub gateway: GatewayConfig,
}

/// Who carries the texts.
#[derive(Debug, Clone)]
pub enum GatewayConfig {
    /// The operator, by CMPP.
    Cmpp(Box<CmppConfig>),
    /// 阿里云短信.
    Aliyun(Box<AliyunConfig>),
    /// 腾讯云短信.
    Tencent(Box<TencentConfig>),
    /// An agency's own platform, by signed JSON.
    Http(Box<PlatformConfig>),
}

/// One thing a set of settings can or cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub about: String,
    /// Whether a desk has what it needs.
    pub ok: bool,
    /// A sentence for the administrator.
    pub text: String,
}

impl SmsConfig {
    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// In a sentence for the administrator.
    pub fn check(&self) -> Result<(), ChannelError> {
        let outcome = match &self.gateway {
            GatewayConfig::Cmpp(config) => config.check(),
            GatewayConfig::Aliyun(config) => config.check(),
            GatewayConfig::Tencent(config) => config.check(),
            GatewayConfig::Http(config) => config.check(),
        };
        outcome.map_err(|why| ChannelError::Misconfigured(format!("短信：{why}")))
    }
}

/// What the channel can and cannot do as configured, a sentence each.
pub fn explain(config: &SmsConfig) -> Vec<Advice> {
    let advice = |about: &str, ok, text: String| Advice { about: about.to_owned(), ok, text };
    let mut told = Vec::new();
    match &config.gateway {
        GatewayConfig::Cmpp(config) => {
            let text = format!(
                "CMPP {} 直连运营商网关 {}:{}：能收能发，有状态报告，文字不受模板限制；同一时刻只有一个实例连接",
                config.width.name(),
                config.host,
                config.port
            );
            told.push(advice("网关", true, text));
            if config.signature.text().is_empty() {
                let text = "没有填写签名 signature：未带签名的短信多数会被运营商拦截，请填写已报备的签名";
                told.push(advice("签名", false, text.to_owned()));
            }
            if config.timing.rate.is_none() {
                let text = "没有填写速率 rate：超速时网关会要求放慢，建议按合同填写每秒条数";
                told.push(advice("速率", true, text.to_owned()));
            }
            if config.service_id.is_empty() {
                let text = "没有填写业务代码 service_id：多数网关会拒绝，请向运营商索取";
                told.push(advice("业务代码", false, text.to_owned()));
            }
        }
        GatewayConfig::Aliyun(config) => of_cloud(&mut told, "阿里云", config.path.as_deref(), &config.templates),
        GatewayConfig::Tencent(config) => of_cloud(&mut told, "腾讯云", config.path.as_deref(), &config.templates),
        GatewayConfig::Http(config) => {
            let text = format!("单位自有短信平台：能发，平台把上行短信和回执推送到 {}；双向签名", config.path);
            told.push(advice("平台", true, text));
            if config.api_base.starts_with("http://") && !config.api_base.contains("//127.0.0.1") {
                let text = "api_base 没有加密（http）：内容和号码在网络上是明文，请尽量改用 https";
                told.push(advice("加密", false, text.to_owned()));
            }
        }
    }
    told
}

fn of_cloud(told: &mut Vec<Advice>, name: &str, path: Option<&str>, templates: &[super::template::Template]) {
    let advice = |about: &str, ok, text: String| Advice { about: about.to_owned(), ok, text };
    let text = format!("{name}短信：只能按模板发送（{} 个），适合提醒和升级通知，不适合往来对话", templates.len());
    told.push(advice("网关", true, text));
    if !templates.iter().any(|template| template.when.is_empty()) {
        let text = "没有通用模板（不带 when）：没有对应模板的消息会发不出去";
        told.push(advice("模板", false, text.to_owned()));
    }
    let text = if path.is_some() {
        "推送没有签名，只靠 path 保密；上行短信可以登记和跟进，需要身份的指令不会执行"
    } else {
        "没有填写 path：收不到回复，也收不到回执，短信没有送达时无从知道"
    };
    told.push(advice("上行", path.is_some(), text.to_owned()));
}
