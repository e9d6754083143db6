//! A mailbox in the configuration: as typed → as meant.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use zhishou_adapters::mail::{ImapConfig, MailConfig, SmtpConfig, Start, Tls};

fn mail() -> String {
    "mail".to_owned()
}

/// A mailbox as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedMail {
    #[serde(default = "mail")]
    id: String,
    address: String,
    display_name: Option<String>,
    imap: Option<TypedImap>,
    smtp: Option<TypedSmtp>,
    #[serde(default)]
    authserv_ids: Vec<String>,
    authserv_hops: Option<usize>,
    /// A text, or a date without quotes.
    start: Option<toml::Value>,
    max_bytes: Option<u64>,
    /// PEM file, relative to the configuration.
    ca_file: Option<PathBuf>,
    mails_a_day: Option<u32>,
    pause_seconds: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedImap {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: TypedTls,
    user: Option<String>,
    password: SecretString,
    folder: Option<String>,
    done_folder: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSmtp {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: TypedTls,
    user: Option<String>,
    password: Option<SecretString>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypedTls {
    #[default]
    Tls,
    StartTls,
    None,
}

impl TypedTls {
    fn meant(self) -> Tls {
        match self {
            Self::Tls => Tls::Tls,
            Self::StartTls => Tls::StartTls,
            Self::None => Tls::None,
        }
    }

    /// The port that usually goes with it.
    fn port(self, tls: u16, start_tls: u16, none: u16) -> u16 {
        match self {
            Self::Tls => tls,
            Self::StartTls => start_tls,
            Self::None => none,
        }
    }
}

/// A mailbox as meant.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// What the channel is built with.
    pub config: MailConfig,
    /// Whether somebody decided what becomes of the mails that are there already; else only later ones are taken.
    pub start_chosen: bool,
}

pub(super) fn mean(typed: TypedMail, folder: &Path) -> Result<MailSettings, String> {
    let id = typed.id;
    let address = typed.address.trim().to_ascii_lowercase();
    let mut config = MailConfig::new(&id, &address);
    config.display_name = typed.display_name;
    config.imap = typed.imap.map(|imap| ImapConfig {
        port: imap.port.unwrap_or(imap.tls.port(993, 143, 143)),
        tls: imap.tls.meant(),
        user: imap.user.unwrap_or_else(|| address.clone()),
        password: imap.password,
        folder: imap.folder.unwrap_or_else(|| ImapConfig::INBOX.to_owned()),
        done_folder: imap.done_folder,
        host: imap.host,
    });
    config.smtp = typed.smtp.map(|smtp| SmtpConfig {
        port: smtp.port.unwrap_or(smtp.tls.port(465, 587, 25)),
        tls: smtp.tls.meant(),
        user: smtp.user.unwrap_or_else(|| address.clone()),
        password: smtp.password,
        host: smtp.host,
    });
    config.authserv_ids = typed.authserv_ids;
    config.authserv_hops = typed.authserv_hops.unwrap_or(config.authserv_hops);
    let start_chosen = typed.start.is_some();
    if let Some(start) = typed.start {
        let text = match start {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        config.start = text.parse::<Start>().map_err(|why| format!("{id}：{why}"))?;
    }
    if let Some(bytes) = typed.max_bytes {
        config.max_bytes = bytes;
    }
    if let Some(path) = typed.ca_file {
        let read = std::fs::read(folder.join(&path));
        config.ca_pem = Some(read.map_err(|error| format!("{id}：无法读取 ca_file {}：{error}", path.display()))?);
    }
    if let Some(most) = typed.mails_a_day {
        config.limits.mails_a_day = most;
    }
    if let Some(seconds) = typed.pause_seconds {
        config.limits.pause = std::time::Duration::from_secs(seconds);
    }
    config.check().map_err(|why| format!("{id}：{why}"))?;
    Ok(MailSettings { config, start_chosen })
}
