//! WeChat Work in the configuration: each surface is an entry of its own, those with one id are one channel.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zhishou_adapters::Proxy;
use zhishou_adapters::wecom::app::{AppCallback, AppConfig};
use zhishou_adapters::wecom::robot::RobotConfig;
use zhishou_adapters::wecom::{BotConfig, BotMode, WeComConfig, socket};

fn wecom() -> String {
    "wecom".to_owned()
}

/// 智能机器人 as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedBot {
    #[serde(default = "wecom")]
    id: String,
    /// `socket`, where none is given: it needs no address that the platform can reach.
    mode: Option<String>,
    bot_id: Option<String>,
    secret: Option<SecretString>,
    url: Option<String>,
    token: Option<SecretString>,
    encoding_aes_key: Option<SecretString>,
    path: Option<String>,
    api_base: Option<String>,
    name: Option<String>,
    welcome: Option<String>,
    #[serde(default)]
    media_hosts: Vec<String>,
    proxy: Option<SecretString>,
}

/// 自建应用 as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedApp {
    #[serde(default = "wecom")]
    id: String,
    corp_id: String,
    /// A number; given in quotes as well, since it is copied from a page.
    agent_id: AgentId,
    secret: SecretString,
    token: Option<SecretString>,
    encoding_aes_key: Option<SecretString>,
    path: Option<String>,
    api_base: Option<String>,
    #[serde(default)]
    chats: Vec<String>,
    proxy: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum AgentId {
    Number(i64),
    Text(String),
}

/// 群机器人 as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedRobot {
    /// The channel whose conversation it speaks in.
    #[serde(default = "wecom")]
    id: String,
    key: Option<SecretString>,
    url: Option<SecretString>,
    conversation: String,
    proxy: Option<SecretString>,
}

/// The way out, where one is named. It may hold a password.
fn proxy(id: &str, typed: Option<&SecretString>) -> Result<Option<Proxy>, String> {
    typed.map(|typed| Proxy::parse(typed.expose_secret()).map_err(|why| format!("{id}：{why}"))).transpose()
}

/// The surfaces found so far, by channel.
#[derive(Default)]
pub(super) struct Surfaces(BTreeMap<String, WeComConfig>);

impl Surfaces {
    fn channel(&mut self, id: &str) -> &mut WeComConfig {
        self.0.entry(id.to_owned()).or_insert_with(|| WeComConfig {
            id: id.to_owned(),
            bot: None,
            app: None,
            robots: Vec::new(),
        })
    }

    pub(super) fn bot(&mut self, typed: TypedBot) -> Result<(), String> {
        let id = typed.id;
        let given = |value: Option<SecretString>, key: &str, where_found: &str| {
            value.ok_or_else(|| format!("{id}：wecom-bot 缺少 {key}，{where_found}"))
        };
        let mode = match typed.mode.as_deref().unwrap_or("socket") {
            "socket" => BotMode::Socket {
                bot_id: typed.bot_id.ok_or_else(|| {
                    format!("{id}：wecom-bot 缺少 bot_id，在管理后台“智能机器人 → API 模式 → 使用长连接”里复制")
                })?,
                secret: given(typed.secret, "secret", "与 bot_id 在同一页，只显示一次")?,
                url: typed.url.unwrap_or_else(|| socket::DEFAULT_URL.to_owned()),
            },
            "callback" => BotMode::Callback {
                token: given(typed.token, "token", "在管理后台机器人的“URL 回调”里生成")?,
                encoding_aes_key: given(
                    typed.encoding_aes_key,
                    "encoding_aes_key",
                    "在管理后台机器人的“URL 回调”里生成",
                )?,
                path: typed.path.unwrap_or_else(|| BotMode::DEFAULT_PATH.to_owned()),
            },
            other => {
                return Err(format!(
                    "{id}：wecom-bot 的 mode「{other}」不可用；可用的有 socket（长连接）和 callback（URL 回调）"
                ));
            }
        };
        let mut bot = BotConfig::new(mode);
        bot.name = typed.name;
        if let Some(welcome) = typed.welcome {
            bot.welcome = welcome;
        }
        if let Some(base) = typed.api_base {
            bot.api_base = base;
        }
        bot.media.allow_hosts = typed.media_hosts;
        bot.proxy = proxy(&id, typed.proxy.as_ref())?;
        let channel = self.channel(&id);
        if channel.bot.replace(bot).is_some() {
            return Err(format!("{id}：一个渠道只能有一个 wecom-bot；第二个机器人请另起 id"));
        }
        Ok(())
    }

    pub(super) fn app(&mut self, typed: TypedApp) -> Result<(), String> {
        let id = typed.id;
        let agent_id = match typed.agent_id {
            AgentId::Number(number) => number,
            AgentId::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("{id}：wecom-app 的 agent_id 应是数字，见应用详情页的 AgentId"))?,
        };
        let mut app = AppConfig::new(typed.corp_id.trim(), agent_id, typed.secret);
        app.callback = match (typed.token, typed.encoding_aes_key) {
            (Some(token), Some(encoding_aes_key)) => Some(AppCallback {
                token,
                encoding_aes_key,
                path: typed.path.unwrap_or_else(|| AppCallback::DEFAULT_PATH.to_owned()),
            }),
            (None, None) if typed.path.is_none() => None,
            _ => {
                return Err(format!(
                    "{id}：wecom-app 要接收消息，token 和 encoding_aes_key 必须一起填写（应用详情 → 接收消息 → 设置 API 接收）"
                ));
            }
        };
        if let Some(base) = typed.api_base {
            app.api_base = base;
        }
        app.chats = typed.chats;
        app.proxy = proxy(&id, typed.proxy.as_ref())?;
        if let Some(fault) = app.fault() {
            return Err(format!("{id}：{fault}"));
        }
        let channel = self.channel(&id);
        if channel.app.replace(app).is_some() {
            return Err(format!("{id}：一个渠道只能有一个 wecom-app；第二个应用请另起 id"));
        }
        Ok(())
    }

    pub(super) fn robot(&mut self, typed: TypedRobot) -> Result<(), String> {
        let id = typed.id;
        let ((Some(key), None) | (None, Some(key))) = (typed.key, typed.url) else {
            return Err(format!("{id}：wecom-robot 请填写 key 或 url 中的一个（群设置 → 消息推送里复制）"));
        };
        // With or without the channel's id in front, as it stands in the people file or in `doctor`.
        let conversation = typed.conversation.strip_prefix(&format!("{id}:")).unwrap_or(&typed.conversation).to_owned();
        let mut robot = RobotConfig::new(key.expose_secret(), &conversation).map_err(|why| format!("{id}：{why}"))?;
        robot.proxy = proxy(&id, typed.proxy.as_ref())?;
        self.channel(&id).robots.push(robot);
        Ok(())
    }

    pub(super) fn channels(self) -> impl Iterator<Item = WeComConfig> {
        self.0.into_values()
    }
}
