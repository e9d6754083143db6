//! Settings of the channel: which surfaces there are.

use std::time::Duration;

use secrecy::SecretString;

use super::app::AppConfig;
use super::robot::RobotConfig;
use super::session::LineTiming;
use crate::Proxy;
use crate::media::MediaPolicy;

/// Base address of WeCom's HTTP API.
pub const API_BASE: &str = "https://qyapi.weixin.qq.com";

/// Settings of one WeCom channel: what hears and what speaks.
#[derive(Debug, Clone)]
pub struct WeComConfig {
    /// The channel's id in the configuration (`wecom`).
    pub id: String,
    /// 智能机器人: hears groups.
    pub bot: Option<BotConfig>,
    /// 自建应用: speaks to and hears single people.
    pub app: Option<AppConfig>,
    /// 群机器人: each the way out of one conversation.
    pub robots: Vec<RobotConfig>,
}

/// How the bot is connected (5.1: one or the other, never both).
#[derive(Clone)]
pub enum BotMode {
    /// We call the platform and keep the line open.
    Socket {
        /// `aib…`.
        bot_id: String,
        /// Of the bot; shown once in the console.
        secret: SecretString,
        /// Default [`super::socket::DEFAULT_URL`].
        url: String,
    },
    /// The platform posts to us.
    Callback {
        /// As in the console.
        token: SecretString,
        /// 43 characters.
        encoding_aes_key: SecretString,
        /// Where it posts to; default [`BotMode::DEFAULT_PATH`].
        path: String,
    },
}

impl BotMode {
    /// Where callbacks are served by default.
    pub const DEFAULT_PATH: &str = "/wecom/bot";

    /// Whether the bot may speak without being asked.
    pub fn speaks_first(&self) -> bool {
        match self {
            Self::Socket { .. } => true,
            Self::Callback { .. } => false,
        }
    }
}

impl std::fmt::Debug for BotMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket { bot_id, url, .. } => {
                let url = url.split('?').next().unwrap_or_default();
                f.debug_struct("Socket").field("bot_id", bot_id).field("url", &url).finish_non_exhaustive()
            }
            Self::Callback { path, .. } => f.debug_struct("Callback").field("path", path).finish_non_exhaustive(),
        }
    }
}

/// Settings of the bot.
#[derive(Debug, Clone)]
pub struct BotConfig {
    /// Socket or callback.
    pub mode: BotMode,
    /// Display name as users see it (`值守`): its mention is taken out of texts, and it stands above cards.
    pub name: Option<String>,
    /// Said when somebody opens the single chat for the first time that day.
    pub welcome: String,
    /// Base of the HTTP API; addresses for answers must lie below it.
    pub api_base: String,
    /// Bounds of fetching pictures and files.
    pub media: MediaPolicy,
    /// The way out: for the line, for answers and for what is fetched.
    pub proxy: Option<Proxy>,
    /// Times.
    pub timing: BotTiming,
}

impl BotConfig {
    /// Says how to report and where to find the commands.
    pub const WELCOME: &str = "您好，我是值守。遇到系统或设备问题，直接在这里描述（可以带截图），我会登记工单并及时告诉您进展。发送“帮助”可查看全部指令。";

    /// Settings with everything but these at its default.
    pub fn new(mode: BotMode) -> Self {
        // 5.2: up to 100 MB are delivered; what a desk is shown is far smaller. 5.9: 30 to 60 s for a download.
        let media = MediaPolicy { time_limit: Duration::from_mins(1), ..MediaPolicy::default() };
        Self {
            mode,
            name: None,
            welcome: Self::WELCOME.to_owned(),
            api_base: API_BASE.to_owned(),
            media,
            proxy: None,
            timing: BotTiming::default(),
        }
    }
}

/// The time the bot takes for things. The defaults are for the real world; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotTiming {
    /// Of the long connection.
    pub line: LineTiming,
    /// How long its lease is held from renewal to renewal.
    pub lease: Duration,
    /// Longest sleep without a look at the clock.
    pub look: Duration,
    /// First pause before the same command is given again; doubles (5.12: 0.2, 0.4, 0.8 s).
    pub retry: Duration,
    /// How long a send waits for a connection that is being replaced.
    pub reconnect: Duration,
    /// How long a pressed card may wait for the desk: less than the 5 s of the platform.
    pub card: Duration,
    /// For one HTTP request to the platform.
    pub http: Duration,
    /// First pause before handing in an event again that the desk could not store.
    pub store: Duration,
}

impl Default for BotTiming {
    fn default() -> Self {
        Self {
            line: LineTiming::default(),
            lease: Duration::from_mins(1),
            look: Duration::from_secs(1),
            retry: Duration::from_millis(200),
            reconnect: Duration::from_secs(15),
            card: Duration::from_secs(4),
            http: Duration::from_secs(10),
            store: Duration::from_millis(200),
        }
    }
}
