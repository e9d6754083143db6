//! `[[channel]]`: as typed → as meant. Several entries of WeChat Work with one id are surfaces of one channel.

use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use zhishou_adapters::qq::official::OfficialConfig;
use zhishou_adapters::wecom::WeComConfig;

use super::mail::{self, MailSettings};
use super::{qq_official, wecom};

/// A channel as typed: `kind` decides which keys it may have.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum TypedChannel {
    Onebot(TypedOnebot),
    QqOfficial(Box<qq_official::TypedOfficial>),
    WecomBot(wecom::TypedBot),
    WecomApp(wecom::TypedApp),
    WecomRobot(wecom::TypedRobot),
    Mail(Box<mail::TypedMail>),
    Sandbox {},
}

/// An OneBot channel as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedOnebot {
    #[serde(default = "qq")]
    id: String,
    #[serde(default)]
    transport: Transport,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    api_url: Option<String>,
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    secret: Option<SecretString>,
    #[serde(default)]
    listen: Listen,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    media_hosts: Vec<String>,
}

fn qq() -> String {
    "qq".to_owned()
}

fn sandbox() -> String {
    "sandbox".to_owned()
}

/// How an OneBot implementation is connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// It dials us.
    #[default]
    ReverseWs,
    /// We dial it.
    ForwardWs,
    /// Calls and posted events.
    Http,
}

/// What is taken up in groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    /// Everything.
    #[default]
    All,
    /// Only what mentions the bot.
    Mentions,
}

/// A channel as meant.
#[derive(Debug, Clone)]
pub enum ChannelSettings {
    /// OneBot 11.
    Onebot {
        /// Channel id.
        id: String,
        /// How it is connected.
        link: OnebotLink,
        /// Token of both sides.
        access_token: Option<SecretString>,
        /// Signs posted events.
        secret: Option<SecretString>,
        /// What is taken up.
        listen: Listen,
        /// Account it is pinned to.
        account: Option<String>,
        /// Hosts pictures may be fetched from although they lie inside the intranet.
        media_hosts: Vec<String>,
    },
    /// The official QQ bot.
    QqOfficial(Box<OfficialConfig>),
    /// WeChat Work, with all its surfaces.
    WeCom(Box<WeComConfig>),
    /// A mailbox.
    Mail(Box<MailSettings>),
    /// The console's own chat page.
    Sandbox {
        /// Channel id.
        id: String,
    },
}

/// The transport with what it needs.
#[derive(Debug, Clone)]
pub enum OnebotLink {
    /// Served at this path.
    ReverseWs {
        /// Path.
        path: String,
    },
    /// Dialled at this address.
    ForwardWs {
        /// Address.
        url: String,
    },
    /// Called here, events posted to this path.
    Http {
        /// Address of its API.
        api_url: String,
        /// Path events are posted to.
        path: String,
    },
}

impl ChannelSettings {
    /// The channel's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Onebot { id, .. } | Self::Sandbox { id } => id,
            Self::QqOfficial(config) => &config.id,
            Self::WeCom(config) => &config.id,
            Self::Mail(settings) => &settings.config.id,
        }
    }
}

/// All channels as meant; what is wrong is told to `problem`, a sentence each. None at all means the sandbox.
pub(super) fn mean(typed: Vec<TypedChannel>, folder: &Path, problem: &mut dyn FnMut(String)) -> Vec<ChannelSettings> {
    let mut channels: Vec<ChannelSettings> = Vec::new();
    let mut surfaces = wecom::Surfaces::default();
    for entry in typed {
        let meant = match entry {
            TypedChannel::QqOfficial(bot) => {
                qq_official::mean(*bot).map(|config| Some(ChannelSettings::QqOfficial(Box::new(config))))
            }
            TypedChannel::WecomBot(bot) => surfaces.bot(bot).map(|()| None),
            TypedChannel::WecomApp(app) => surfaces.app(app).map(|()| None),
            TypedChannel::WecomRobot(robot) => surfaces.robot(robot).map(|()| None),
            TypedChannel::Mail(typed) => {
                mail::mean(*typed, folder).map(|meant| Some(ChannelSettings::Mail(Box::new(meant))))
            }
            TypedChannel::Sandbox {} => Ok(Some(ChannelSettings::Sandbox { id: sandbox() })),
            TypedChannel::Onebot(onebot) => mean_onebot(onebot).map(Some),
        };
        match meant {
            Ok(Some(channel)) => channels.push(channel),
            Ok(None) => {}
            Err(why) => problem(why),
        }
    }
    for config in surfaces.channels() {
        if let Err(why) = config.check() {
            problem(format!("{}：{why}", config.id));
        }
        channels.push(ChannelSettings::WeCom(Box::new(config)));
    }
    for (at, channel) in channels.iter().enumerate() {
        if channels[..at].iter().any(|known| known.id() == channel.id()) {
            problem(format!("渠道 id「{}」出现了两次，请给其中一个另起 id", channel.id()));
        }
    }
    if channels.is_empty() {
        channels.push(ChannelSettings::Sandbox { id: sandbox() });
    }
    channels
}

fn mean_onebot(typed: TypedOnebot) -> Result<ChannelSettings, String> {
    let TypedOnebot { id, transport, path, url, api_url, access_token, secret, listen, account, media_hosts } = typed;
    let link = match transport {
        Transport::ReverseWs => OnebotLink::ReverseWs { path: path.unwrap_or_else(|| "/onebot/v11/ws".to_owned()) },
        Transport::ForwardWs => OnebotLink::ForwardWs {
            url: url.ok_or_else(|| format!("{id}：forward-ws 需要 url，例如 ws://127.0.0.1:3001"))?,
        },
        Transport::Http => OnebotLink::Http {
            api_url: api_url.ok_or_else(|| format!("{id}：http 需要 api_url，例如 http://127.0.0.1:3000"))?,
            path: path.unwrap_or_else(|| "/onebot/v11/http".to_owned()),
        },
    };
    if access_token.is_none() {
        return Err(format!("{id}：请设置 access_token，并在 OneBot 端填写同样的值；空口令等于任何人都能冒充"));
    }
    Ok(ChannelSettings::Onebot { id, link, access_token, secret, listen, account, media_hosts })
}
