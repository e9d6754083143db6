//! Channels as configured → channels as run, and what `check` can say about each without running it.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use zhishou_adapters::mail::{self, MailChannel, MailConfig};
use zhishou_adapters::qq::official::{Mode as OfficialMode, OfficialConfig, OfficialQq};
use zhishou_adapters::qq::onebot::{Listen as OnebotListen, OneBot, OneBotConfig, Transport};
use zhishou_adapters::wecom::{self, BotMode, WeCom, WeComConfig};
use zhishou_adapters::{Channel, Shelf};

use super::Failure;
use crate::clock::Clock;
use crate::config::{ChannelSettings, Listen, OnebotLink, Settings};
use crate::console::SandboxChannel;
use crate::desk::ChannelShelf;
use crate::store::Store;

/// What a channel is built with, beside its settings.
pub(super) struct Ground {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    /// Tells instances apart.
    pub seed: u64,
}

impl Ground {
    fn now(&self) -> Arc<dyn Fn() -> jiff::Timestamp + Send + Sync> {
        let clock = self.clock.clone();
        Arc::new(move || clock.now())
    }

    fn shelf(&self, channel: &str) -> Arc<dyn Shelf> {
        Arc::new(ChannelShelf::new(self.store.clone(), self.clock.clone(), channel, self.seed))
    }
}

/// All channels of the configuration, ready to listen.
pub(super) fn build(settings: &Settings, ground: &Ground) -> Result<Vec<Arc<dyn Channel>>, Failure> {
    settings.channels.iter().map(|channel| one(channel, ground)).collect()
}

fn one(settings: &ChannelSettings, ground: &Ground) -> Result<Arc<dyn Channel>, Failure> {
    Ok(match settings {
        ChannelSettings::Sandbox { id } => Arc::new(SandboxChannel::new(id)),
        ChannelSettings::WeCom(config) => Arc::new(wecom_channel(config, ground)?),
        ChannelSettings::Mail(settings) => Arc::new(mail_channel(&settings.config, ground)?),
        ChannelSettings::QqOfficial(config) => Arc::new(official_channel(config, ground)?),
        ChannelSettings::Onebot { id, link, access_token, secret, listen, account, media_hosts } => {
            let transport = match link {
                OnebotLink::ReverseWs { path } => Transport::ReverseWs { path: path.clone() },
                OnebotLink::ForwardWs { url } => Transport::ForwardWs { url: url.clone() },
                OnebotLink::Http { api_url, path } => Transport::Http { api_url: api_url.clone(), path: path.clone() },
            };
            let mut config = OneBotConfig::new(id, transport);
            config.access_token.clone_from(access_token);
            config.secret.clone_from(secret);
            config.listen = match listen {
                Listen::All => OnebotListen::All,
                Listen::Mentions => OnebotListen::Mentions,
            };
            config.account.clone_from(account);
            config.media.allow_hosts.clone_from(media_hosts);
            Arc::new(OneBot::new(config, ground.now()))
        }
    })
}

fn wecom_channel(config: &WeComConfig, ground: &Ground) -> Result<WeCom, Failure> {
    WeCom::new(config.clone(), &ground.shelf(&config.id), &ground.now())
        .map_err(|error| Failure::usage(format!("渠道 {}：{error}", config.id)))
}

fn mail_channel(config: &MailConfig, ground: &Ground) -> Result<MailChannel, Failure> {
    MailChannel::new(config.clone(), &ground.shelf(&config.id), &ground.now())
        .map_err(|error| Failure::usage(format!("渠道 {}：{error}", config.id)))
}

fn official_channel(config: &OfficialConfig, ground: &Ground) -> Result<OfficialQq, Failure> {
    OfficialQq::new(config.clone(), &ground.shelf(&config.id), &ground.now())
        .map_err(|error| Failure::usage(format!("渠道 {}：{error}", config.id)))
}

/// What a channel can and cannot do as configured: a sentence each; `false` where something a desk needs is missing.
pub(super) fn abilities(settings: &ChannelSettings) -> Vec<(bool, String)> {
    match settings {
        ChannelSettings::Onebot { id, .. } => {
            vec![(true, format!("渠道 {id}：OneBot 11。群里能听能说；QQ 账号有被风控的可能，重要通知请再配一个渠道。"))]
        }
        ChannelSettings::WeCom(config) => wecom::explain(config)
            .into_iter()
            .map(|advice| (advice.ok, format!("渠道 {}（企业微信）{}：{}。", config.id, advice.about, advice.text)))
            .collect(),
        ChannelSettings::Mail(settings) => {
            let id = &settings.config.id;
            let mut told: Vec<_> = mail::explain(&settings.config)
                .into_iter()
                .map(|advice| (advice.ok, format!("渠道 {id}（邮件）{}：{}。", advice.about, advice.text)))
                .collect();
            if settings.config.imap.is_some() && !settings.start_chosen {
                let text = "没有写 start，信箱里已有的邮件不处理；要处理请写 start = \"all\" 或一个日期，第一次连上以后再改就不起作用了";
                told.push((false, format!("渠道 {id}（邮件）收信：{text}。")));
            }
            told
        }
        ChannelSettings::QqOfficial(config) => official_abilities(config),
        ChannelSettings::Sandbox { id } => vec![(true, format!("渠道 {id}：沙盒页面。"))],
    }
}

fn official_abilities(config: &OfficialConfig) -> Vec<(bool, String)> {
    let windows = &config.windows;
    let hears = match &config.mode {
        OfficialMode::Socket => "长连接，值守主动连出去，不需要公网地址".to_owned(),
        OfficialMode::Webhook { path } => {
            format!(
                "平台回调，公网的 HTTPS 地址（端口 80、443、8080 或 8443）要转到本机的 {path}；保存回调地址后长连接自动停用"
            )
        }
    };
    let answers = format!(
        "群里每条消息 {} 分钟内可回复 {} 次，私聊 {} 分钟内 {} 次；过后只能等对方再次发言，消息会排队、合并送达。重要通知请给人再配一个渠道，给会话配 also",
        windows.group.as_secs() / 60,
        windows.group_replies,
        windows.private.as_secs() / 60,
        windows.private_replies,
    );
    let name = format!("渠道 {}（QQ 官方机器人）", config.id);
    vec![(true, format!("{name}收：{hears}。")), (true, format!("{name}发：{answers}。"))]
}

/// What `check --online` finds when it tries a channel: a sentence each.
pub(super) async fn probe(settings: &ChannelSettings, ground: &Ground) -> Result<Vec<(bool, String)>, Failure> {
    Ok(match settings {
        ChannelSettings::Onebot { id, link, .. } => vec![(true, format!("渠道 {id}：{}", probe_onebot(link).await))],
        ChannelSettings::WeCom(config) => {
            let channel = wecom_channel(config, ground)?;
            let mut found = Vec::new();
            if let Some(app) = channel.app() {
                for probe in app.probe().await {
                    found.push((probe.ok, format!("渠道 {} 自建应用 {}：{}", config.id, probe.what, probe.text)));
                }
            }
            if let Some(BotMode::Socket { .. }) = config.bot.as_ref().map(|bot| &bot.mode) {
                // Subscribing would throw a running desk off its line (wecom.md 5.7).
                let text = "长连接要等值守运行后才能确认，请启动后用 zhishou doctor 查看";
                found.push((true, format!("渠道 {} 智能机器人：{text}", config.id)));
            }
            for robot in &config.robots {
                let text = "平台没有不发消息的检测方式，请在群里确认能收到第一条通知";
                found.push((true, format!("渠道 {} 消息推送机器人 {}：{text}", config.id, robot.conversation)));
            }
            found
        }
        ChannelSettings::Mail(settings) => {
            let config = &settings.config;
            let told = mail_channel(config, ground)?.probe().await.into_iter();
            told.map(|result| match result {
                Ok(text) => (true, format!("渠道 {}（邮件）：{text}", config.id)),
                Err(text) => (false, format!("渠道 {}（邮件）：{text}", config.id)),
            })
            .collect()
        }
        ChannelSettings::QqOfficial(config) => {
            let found = official_channel(config, ground)?.probe().await;
            found.into_iter().map(|(ok, text)| (ok, format!("渠道 {}：{text}", config.id))).collect()
        }
        ChannelSettings::Sandbox { .. } => Vec::new(),
    })
}

async fn probe_onebot(link: &OnebotLink) -> String {
    let url = match link {
        OnebotLink::ReverseWs { path } => {
            return format!("等待 OneBot 端连到本机的 {path}；启动后用 zhishou doctor 看是否连上");
        }
        OnebotLink::ForwardWs { url } | OnebotLink::Http { api_url: url, .. } => url,
    };
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let connect = tokio::net::TcpStream::connect(&host);
    match tokio::time::timeout(std::time::Duration::from_secs(5), connect).await {
        Ok(Ok(_)) => format!("{host} 可以连接"),
        Ok(Err(error)) => format!("{host} 连不上（{error}）：请确认 OneBot 端已启动、端口正确"),
        Err(_) => format!("{host} 5 秒没有应答：请检查防火墙"),
    }
}

/// Secrets with which `inspect` checks a capture.
#[derive(Default)]
pub(super) struct CaptureKeys {
    pub token: Option<String>,
    pub secret: Option<String>,
    pub aes_key: Option<String>,
    pub corp_id: Option<String>,
    pub bot_name: Option<String>,
}

/// The secrets of the configured channel `id`; of the first of the kind where none is named.
pub(super) fn onebot_keys(config: Option<&Path>, id: Option<&str>) -> Result<CaptureKeys, Failure> {
    for channel in configured(config, id)? {
        if let ChannelSettings::Onebot { access_token, secret, .. } = channel {
            return Ok(CaptureKeys { token: text(access_token), secret: text(secret), ..CaptureKeys::default() });
        }
    }
    Ok(CaptureKeys::default())
}

/// The same of the official QQ bot: its AppSecret.
pub(super) fn official_keys(config: Option<&Path>, id: Option<&str>) -> Result<CaptureKeys, Failure> {
    for channel in configured(config, id)? {
        if let ChannelSettings::QqOfficial(official) = channel {
            return Ok(CaptureKeys { secret: text(Some(official.app_secret)), ..CaptureKeys::default() });
        }
    }
    Ok(CaptureKeys::default())
}

/// The same of WeChat Work: the bot's callback where it has one, else the application's. `app` asks for the latter.
pub(super) fn wecom_keys(config: Option<&Path>, id: Option<&str>, app: bool) -> Result<CaptureKeys, Failure> {
    for channel in configured(config, id)? {
        let ChannelSettings::WeCom(wecom) = channel else { continue };
        let mut keys = CaptureKeys {
            bot_name: wecom.bot.as_ref().and_then(|bot| bot.name.clone()),
            corp_id: wecom.app.as_ref().map(|app| app.corp_id.clone()),
            ..CaptureKeys::default()
        };
        let of_app = wecom.app.as_ref().and_then(|app| app.callback.as_ref());
        match wecom.bot.map(|bot| bot.mode) {
            Some(BotMode::Callback { token, encoding_aes_key, .. }) if !app => {
                keys.token = text(Some(token));
                keys.aes_key = text(Some(encoding_aes_key));
            }
            _ => {
                keys.token = of_app.map(|callback| callback.token.expose_secret().to_owned());
                keys.aes_key = of_app.map(|callback| callback.encoding_aes_key.expose_secret().to_owned());
            }
        }
        return Ok(keys);
    }
    Ok(CaptureKeys::default())
}

fn configured(config: Option<&Path>, id: Option<&str>) -> Result<Vec<ChannelSettings>, Failure> {
    if config.is_none() && id.is_none() {
        return Ok(Vec::new());
    }
    let channels = super::settings(config)?.channels;
    Ok(channels.into_iter().filter(|channel| id.is_none_or(|id| id == channel.id())).collect())
}

fn text(secret: Option<SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}
