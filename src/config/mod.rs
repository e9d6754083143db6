//! `zhishou.toml`: as typed → as meant. Nothing outside this room reads the environment or a secret file.

mod contracts;
mod secrets;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;

use crate::rules::terms::Terms;

pub use contracts::{holidays, load_contract};

/// The file as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Typed {
    desk: TypedDesk,
    database: TypedDatabase,
    console: TypedConsole,
    contract: Vec<toml::Table>,
    channel: Vec<TypedChannel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedDesk {
    name: String,
    timezone: String,
    data: PathBuf,
    wording: Option<PathBuf>,
    holidays: Option<PathBuf>,
}

impl Default for TypedDesk {
    fn default() -> Self {
        Self {
            name: "值守".to_owned(),
            timezone: "Asia/Shanghai".to_owned(),
            data: PathBuf::from("data"),
            wording: None,
            holidays: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedDatabase {
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedConsole {
    listen: String,
    public_url: Option<String>,
    admin_password: Option<SecretString>,
}

impl Default for TypedConsole {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".to_owned(), public_url: None, admin_password: None }
    }
}

/// A channel as typed: `kind` decides which keys it may have.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum TypedChannel {
    Onebot {
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
    },
    Sandbox {},
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
        }
    }
}

/// The configuration as meant.
#[derive(Debug)]
pub struct Settings {
    /// Name of the desk.
    pub name: String,
    /// Folder of the data.
    pub data: PathBuf,
    /// Address of the database.
    pub database: String,
    /// Where the console and all callbacks are served.
    pub listen: String,
    /// How people reach it, where that differs.
    pub public_url: Option<String>,
    /// Password of the console's administrator.
    pub admin_password: Option<SecretString>,
    /// Contracts.
    pub contracts: Vec<Arc<Terms>>,
    /// Contract of conversations nobody bound.
    pub default_contract: Option<String>,
    /// Channels.
    pub channels: Vec<ChannelSettings>,
    /// The supplier's own wording, as TOML.
    pub wording: Option<String>,
}

/// What is wrong with the configuration: one sentence for each thing, with the place and the fix.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place and the fix.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::one(format!("无法读取配置文件 {}：{error}", path.display())))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        Self::parse(&text, &path.display().to_string(), &folder)
    }

    /// Reads the text of a configuration file that lies in `folder`.
    pub fn parse(text: &str, file: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            ConfigError::one(format!("{file} 第 {line} 行：{}", error.message()))
        })?;
        let mut problems = Vec::new();
        secrets::expand_table(&mut table, folder, "", &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError(problems.into_iter().map(|p| format!("{file}：{p}")).collect()));
        }
        let typed: Typed = serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
            let place = error.path().to_string();
            ConfigError::one(format!("{file} 的 {place}：{}", explain(&error.into_inner().to_string())))
        })?;
        Self::mean(typed, file, folder)
    }

    /// The settings of a first visit: no file, a sample contract, sample people, the sandbox.
    pub fn first_visit(folder: &Path) -> Result<Self, ConfigError> {
        let text = "[[contract]]\nprofile = \"xian-realestate\"\ndefault = true\n[[channel]]\nkind = \"sandbox\"\n";
        Self::parse(text, "（内置示例）", folder)
    }

    fn mean(typed: Typed, file: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let data = folder.join(&typed.desk.data);
        let holidays = contracts::holidays(typed.desk.holidays.as_deref().map(|p| folder.join(p)).as_deref())
            .map_err(|problem| ConfigError::one(format!("{file} 的 desk.holidays：{problem}")))?;
        let (mut contracts, mut default_contract) = (Vec::new(), None);
        for entry in typed.contract {
            match contracts::contract(entry, folder, &holidays) {
                Ok((terms, default)) => {
                    if contracts.iter().any(|known: &Arc<Terms>| known.id == terms.id) {
                        problems.push(format!("{file}：合同「{}」出现了两次，请用 id 区分", terms.id));
                    }
                    if default {
                        default_contract = Some(terms.id.clone());
                    }
                    contracts.push(terms);
                }
                Err(found) => problems.extend(found),
            }
        }
        for (at, one) in contracts.iter().enumerate() {
            if let Some(other) = contracts[..at].iter().find(|o| o.profile.code == one.profile.code) {
                problems.push(format!(
                    "{file}：合同「{}」和「{}」的 code 相同，工单编号无法区分，请改其中一个",
                    other.id, one.id
                ));
            }
        }
        if contracts.is_empty() && problems.is_empty() {
            problems.push(format!("{file}：没有 [[contract]]。至少写一个，例如 profile = \"xian-realestate\""));
        }
        let mut channels: Vec<ChannelSettings> = Vec::new();
        for entry in typed.channel {
            match mean_channel(entry) {
                Ok(channel) if channels.iter().any(|known| known.id() == channel.id()) => {
                    problems.push(format!("{file}：渠道 id「{}」出现了两次，请给其中一个另起 id", channel.id()));
                }
                Ok(channel) => channels.push(channel),
                Err(problem) => problems.push(format!("{file} 的 channel：{problem}")),
            }
        }
        if channels.is_empty() {
            channels.push(ChannelSettings::Sandbox { id: sandbox() });
        }
        let wording = match typed.desk.wording {
            None => None,
            Some(path) => match std::fs::read_to_string(folder.join(&path)) {
                Ok(text) => Some(text),
                Err(error) => {
                    problems.push(format!("{file} 的 desk.wording：无法读取 {}：{error}", path.display()));
                    None
                }
            },
        };
        if typed.desk.timezone != "Asia/Shanghai" && jiff::tz::TimeZone::get(&typed.desk.timezone).is_err() {
            problems.push(format!("{file} 的 desk.timezone：没有时区「{}」，例如 Asia/Shanghai", typed.desk.timezone));
        }
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let database = match typed.database.url {
            None => format!("sqlite://{}", data.join("zhishou.db").display()),
            Some(url) => match url.strip_prefix("sqlite://") {
                Some(path) if !path.starts_with('/') && !path.starts_with(":memory:") => {
                    format!("sqlite://{}", folder.join(path).display())
                }
                Some(_) | None => url,
            },
        };
        Ok(Self {
            name: typed.desk.name,
            data,
            database,
            listen: typed.console.listen,
            public_url: typed.console.public_url,
            admin_password: typed.console.admin_password,
            default_contract: default_contract.or_else(|| (contracts.len() == 1).then(|| contracts[0].id.clone())),
            contracts,
            channels,
            wording,
        })
    }

    /// Whether the sandbox's clock may be moved: it is the only channel, and only this machine can reach the console.
    pub fn clock_movable(&self) -> bool {
        let only = matches!(self.channels.as_slice(), [ChannelSettings::Sandbox { .. }]);
        let host = self.listen.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        only && (host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
    }
}

fn mean_channel(typed: TypedChannel) -> Result<ChannelSettings, String> {
    match typed {
        TypedChannel::Sandbox {} => Ok(ChannelSettings::Sandbox { id: sandbox() }),
        TypedChannel::Onebot {
            id,
            transport,
            path,
            url,
            api_url,
            access_token,
            secret,
            listen,
            account,
            media_hosts,
        } => {
            let default_path = || "/onebot/v11/ws".to_owned();
            let link = match transport {
                Transport::ReverseWs => OnebotLink::ReverseWs { path: path.unwrap_or_else(default_path) },
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
    }
}

/// The loader's English words in the reader's language, as far as they are the usual ones.
fn explain(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    if let Some(rest) = first.strip_prefix("unknown field `") {
        let (field, known) = rest.split_once('`').unwrap_or((rest, ""));
        let known =
            known.trim_start_matches([',', ' ']).replace("expected one of", "可用的有").replace("expected", "可用的有");
        return format!("没有「{field}」这个键；{known}");
    }
    if let Some(rest) = first.strip_prefix("missing field `") {
        return format!("缺少「{}」", rest.trim_end_matches('`'));
    }
    if let Some(rest) = first.strip_prefix("unknown variant `") {
        let (value, known) = rest.split_once('`').unwrap_or((rest, ""));
        let known =
            known.trim_start_matches([',', ' ']).replace("expected one of", "可用的有").replace("expected", "可用的有");
        return format!("「{value}」不可用（或此版本尚不支持）；{known}");
    }
    first.to_owned()
}
