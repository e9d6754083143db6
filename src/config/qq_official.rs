//! The official QQ bot in the configuration.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use zhishou_adapters::qq::official::{Mode, OfficialConfig, SANDBOX_BASE};

fn qqbot() -> String {
    "qqbot".to_owned()
}

/// QQ 官方机器人 as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedOfficial {
    #[serde(default = "qqbot")]
    id: String,
    /// A number; given in quotes as well, since it is copied from a page.
    app_id: AppId,
    app_secret: SecretString,
    /// `socket` where none is given: it needs no address that the platform can reach.
    mode: Option<String>,
    path: Option<String>,
    api_base: Option<String>,
    token_base: Option<String>,
    #[serde(default)]
    sandbox: bool,
    #[serde(default)]
    windows: TypedWindows,
    #[serde(default)]
    media_hosts: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum AppId {
    Number(u64),
    Text(String),
}

/// How long and how often something may be answered, where the platform has changed it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedWindows {
    group_seconds: Option<u64>,
    group_replies: Option<u32>,
    private_seconds: Option<u64>,
    private_replies: Option<u32>,
    click_seconds: Option<u64>,
}

/// The robot as meant.
pub(super) fn mean(typed: TypedOfficial) -> Result<OfficialConfig, String> {
    let id = typed.id;
    let app_id = match typed.app_id {
        AppId::Number(number) => number.to_string(),
        AppId::Text(text) => text,
    };
    let mut config = OfficialConfig::new(&id, &app_id, typed.app_secret);
    config.mode = match typed.mode.as_deref().unwrap_or("socket") {
        // As in the example it may stand there unused.
        "socket" => Mode::Socket,
        "webhook" => Mode::Webhook { path: typed.path.unwrap_or_else(|| Mode::DEFAULT_PATH.to_owned()) },
        other => {
            return Err(format!(
                "{id}：qq-official 的 mode「{other}」不可用；可用的有 socket（长连接）和 webhook（平台回调）"
            ));
        }
    };
    if typed.sandbox {
        SANDBOX_BASE.clone_into(&mut config.api_base);
    }
    if let Some(base) = typed.api_base {
        config.api_base = base;
    }
    if let Some(base) = typed.token_base {
        config.token_base = base;
    }
    let windows = &mut config.windows;
    let TypedWindows { group_seconds, group_replies, private_seconds, private_replies, click_seconds } = typed.windows;
    for (window, seconds) in [
        (&mut windows.group, group_seconds),
        (&mut windows.private, private_seconds),
        (&mut windows.click, click_seconds),
    ] {
        if let Some(seconds) = seconds {
            *window = Duration::from_secs(seconds);
        }
    }
    windows.group_replies = group_replies.unwrap_or(windows.group_replies);
    windows.private_replies = private_replies.unwrap_or(windows.private_replies);
    config.media.allow_hosts = typed.media_hosts;
    config.check().map_err(|why| format!("{id}：{why}"))?;
    Ok(config)
}
