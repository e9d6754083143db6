//! `zhishou inspect onebot|wecom|qq FILE`: what a channel makes of a captured callback or event. Opens nothing, asks nobody.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use zhishou_adapters::{
    qq::{official, onebot},
    wecom,
};

use super::channels::{official_keys, onebot_keys, wecom_keys};
use super::{Failure, print_json};

#[derive(Args)]
pub(super) struct Capture {
    /// 截获的回调（JSON {method, path, query, headers, body}）或事件
    file: PathBuf,
    /// 配置里的渠道 id
    #[arg(long)]
    channel: Option<String>,
    /// 访问口令，或企业微信回调的 Token
    #[arg(long)]
    token: Option<String>,
    /// 签名密钥，或 QQ 官方机器人的 AppSecret
    #[arg(long)]
    secret: Option<String>,
    /// 企业微信回调的 EncodingAESKey
    #[arg(long)]
    aes_key: Option<String>,
    /// 输出 JSON（总是 JSON）
    #[arg(long)]
    json: bool,
}

impl Capture {
    fn read(&self) -> Result<Value, Failure> {
        let _ = self.json;
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| Failure::usage(format!("无法读取 {}：{error}", self.file.display())))?;
        serde_json::from_str(&text).map_err(|error| {
            print_json(&json!({ "verified": false, "error": format!("不是 JSON：{error}") }));
            Failure::work("文件不是 JSON")
        })
    }

    fn channel<'a>(&'a self, usual: &'a str) -> &'a str {
        self.channel.as_deref().unwrap_or(usual)
    }
}

pub(super) fn onebot(config: Option<&Path>, capture: &Capture) -> Result<(), Failure> {
    let known = onebot_keys(config, capture.channel.as_deref())?;
    let keys = onebot::InspectKeys {
        channel: capture.channel("qq"),
        secret: capture.secret.as_deref().or(known.secret.as_deref()),
        token: capture.token.as_deref().or(known.token.as_deref()),
    };
    print_json(&onebot::inspect(&capture.read()?, keys));
    Ok(())
}

pub(super) fn qq(config: Option<&Path>, capture: &Capture) -> Result<(), Failure> {
    let known = official_keys(config, capture.channel.as_deref())?;
    let keys = official::InspectKeys {
        channel: capture.channel("qqbot"),
        secret: capture.secret.as_deref().or(known.secret.as_deref()),
    };
    print_json(&official::inspect(&capture.read()?, keys));
    Ok(())
}

pub(super) fn wecom(config: Option<&Path>, capture: &Capture) -> Result<(), Failure> {
    let raw = capture.read()?;
    // The application's callbacks are XML, the bot's are JSON.
    let of_app = raw["body"].as_str().is_some_and(|body| body.trim_start().starts_with('<'));
    let known = wecom_keys(config, capture.channel.as_deref(), of_app)?;
    let keys = wecom::InspectKeys {
        channel: capture.channel("wecom"),
        token: capture.token.as_deref().or(known.token.as_deref()),
        aes_key: capture.aes_key.as_deref().or(known.aes_key.as_deref()),
        corp_id: known.corp_id.as_deref(),
        bot_name: known.bot_name.as_deref(),
    };
    print_json(&wecom::inspect(&raw, keys));
    Ok(())
}
