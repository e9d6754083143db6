//! Settings of the channel.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::codec::sign::Keys;
use super::planner::Windows;
use crate::ChannelError;
use crate::media::MediaPolicy;

/// The platform in service.
pub const API_BASE: &str = "https://api.sgroup.qq.com";
/// The platform's sandbox: only groups and people entered in the console hear and are heard.
pub const SANDBOX_BASE: &str = "https://sandbox.api.sgroup.qq.com";
/// Where tokens come from.
pub const TOKEN_BASE: &str = "https://bots.qq.com";

/// How events come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The platform calls us here.
    Webhook {
        /// Path.
        path: String,
    },
    /// We dial the platform's gateway.
    Socket,
}

impl Mode {
    /// Where callbacks are served unless told otherwise.
    pub const DEFAULT_PATH: &str = "/qq/callback";
}

/// How long is waited for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// For one call; the platform asks for no less than 5 s.
    pub call: Duration,
    /// Before a message without an answer is sent again under its number.
    pub again: Duration,
    /// How often that is done.
    pub repeats: u32,
    /// First pause before handing in again what the desk could not store.
    pub store: Duration,
    /// Longest sleep without a look at the clock.
    pub look: Duration,
    /// How long the lease on the connection is held from renewal to renewal.
    pub lease: Duration,
    /// How long a callback may take before the platform is asked to deliver again; the work goes on.
    pub callback: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(15),
            again: Duration::from_secs(2),
            repeats: 2,
            store: Duration::from_millis(200),
            look: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            callback: Duration::from_millis(2_500),
        }
    }
}

/// One robot.
#[derive(Debug, Clone)]
pub struct OfficialConfig {
    /// Channel id.
    pub id: String,
    /// AppID.
    pub app_id: String,
    /// AppSecret.
    pub app_secret: SecretString,
    /// How events come.
    pub mode: Mode,
    /// Address of the API.
    pub api_base: String,
    /// Address of the token service.
    pub token_base: String,
    /// How long and how often something may be answered.
    pub windows: Windows,
    /// Bounds of fetching pictures and files.
    pub media: MediaPolicy,
    /// How far a signed timestamp may lie from our clock.
    pub replay: Duration,
    /// Waits.
    pub timing: Timing,
}

impl OfficialConfig {
    /// A robot in service, by the gateway.
    pub fn new(id: &str, app_id: &str, app_secret: SecretString) -> Self {
        Self {
            id: id.to_owned(),
            app_id: app_id.trim().to_owned(),
            app_secret,
            mode: Mode::Socket,
            api_base: API_BASE.to_owned(),
            token_base: TOKEN_BASE.to_owned(),
            windows: Windows::default(),
            media: MediaPolicy::default(),
            replay: Duration::from_mins(5),
            timing: Timing::default(),
        }
    }

    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn check(&self) -> Result<(), ChannelError> {
        let wrong = |why: String| Err(ChannelError::Misconfigured(why));
        if self.app_id.is_empty() || !self.app_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return wrong(format!("app_id 应是一串数字（开放平台“开发设置”里的 AppID），现在是“{}”", self.app_id));
        }
        Keys::new(self.app_secret.expose_secret()).map_err(|error| ChannelError::Misconfigured(error.to_string()))?;
        for (key, base) in [("api_base", &self.api_base), ("token_base", &self.token_base)] {
            let sound = reqwest::Url::parse(base).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !sound {
                return wrong(format!("{key} 应是以 https:// 开头的网址，现在是“{base}”"));
            }
        }
        match &self.mode {
            Mode::Webhook { path }
                if !path.starts_with('/') || path.contains(['{', '}', '*', '?', '#', ' ']) || path.contains("/:") =>
            {
                wrong(format!("回调路径 path 应以 / 开头且不含特殊字符，现在是“{path}”"))
            }
            Mode::Webhook { .. } | Mode::Socket => Ok(()),
        }
    }
}
