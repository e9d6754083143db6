//! `zhishou.toml`: as typed → as meant. Nothing outside this room reads the environment or a secret file.

mod channels;
mod contracts;
mod mail;
mod qq_official;
mod secrets;
mod sms;
mod wecom;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;

use crate::rules::terms::Terms;
use channels::TypedChannel;

pub use channels::{ChannelSettings, Listen, OnebotLink};
pub use contracts::{holidays, load_contract};
pub use mail::MailSettings;

/// The file as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Typed {
    desk: TypedDesk,
    database: TypedDatabase,
    console: TypedConsole,
    model: TypedModel,
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedModel {
    path: Option<PathBuf>,
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
    /// The small encoder's weight file.
    pub model: ModelFile,
}

/// Where the small encoder's weight file lies, or would lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The file.
    pub path: PathBuf,
    /// The configuration names it, so it must be there; else it is loaded if it is there.
    pub named: bool,
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
        let channels = channels::mean(typed.channel, folder, &mut |problem| {
            problems.push(format!("{file} 的 channel：{problem}"));
        });
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
        let model = ModelFile {
            named: typed.model.path.is_some(),
            path: typed.model.path.map_or_else(|| data.join(crate::encoder::FILE_NAME), |path| folder.join(path)),
        };
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
            model,
        })
    }

    /// Whether the sandbox's clock may be moved: it is the only channel, and only this machine can reach the console.
    pub fn clock_movable(&self) -> bool {
        let only = matches!(self.channels.as_slice(), [ChannelSettings::Sandbox { .. }]);
        let host = self.listen.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        only && (host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
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
