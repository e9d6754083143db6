//! The OneBot 11 channel: a QQ account held by NapCat, LLOneBot, Lagrange or go-cqhttp.
//!
//! `codec` and `session` are pure; `reverse`, `forward` and `http` are the three transports; `intake` hands in what was
//! heard, `sending` says what is to be said, `history` closes gaps. Nothing of it is visible outside but [`OneBot`].

pub mod codec;
pub mod memory;
pub mod outcome;
pub mod session;
pub mod throttle;

mod forward;
mod health;
mod history;
mod http;
mod hub;
mod inspect;
mod intake;
mod link;
mod prepare;
mod reverse;
mod sending;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub use inspect::{InspectKeys, inspect};

use crate::media::MediaPolicy;
use crate::{Capabilities, Channel, ChannelError, Inbox, Outgoing, Receipt, SendError};
use hub::{Hub, lock};
use throttle::Pace;

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How we and the implementation reach each other.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    /// It dials us: the recommended way. Served at `path`; where that is the default one, at `/ws` as well.
    ReverseWs {
        /// Default [`Transport::DEFAULT_PATH`].
        path: String,
    },
    /// We dial it.
    ForwardWs {
        /// `ws://host:port/`.
        url: String,
    },
    /// We call its HTTP API, and it posts events to us at `path`.
    Http {
        /// `http://host:port`.
        api_url: String,
        /// Where events are posted to.
        path: String,
    },
}

/// Without the query, in which a token may stand: settings end up in logs.
impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ReverseWs { path } => f.debug_struct("ReverseWs").field("path", path).finish(),
            Self::ForwardWs { url } => f.debug_struct("ForwardWs").field("url", &without_query(url)).finish(),
            Self::Http { api_url, path } => {
                f.debug_struct("Http").field("api_url", &without_query(api_url)).field("path", path).finish()
            }
        }
    }
}

impl Transport {
    /// Where implementations dial by default, and where NoneBot listens too.
    pub const DEFAULT_PATH: &str = "/onebot/v11/ws";

    fn how_to_connect(&self) -> String {
        match self {
            Self::ReverseWs { path } => format!(
                "还没有 OneBot 实现连接进来。请在 NapCat 等实现里新建“WebSocket 客户端（反向 WebSocket）”，地址填 ws://本机地址:端口{path}，\
                 Token 与本通道的 access_token 一致，并开启心跳。"
            ),
            Self::ForwardWs { url } => format!(
                "连不上 OneBot 实现（{}）。请确认 NapCat 等实现正在运行、已开启“WebSocket 服务器”，地址、端口和 Token 填写正确。",
                without_query(url)
            ),
            Self::Http { api_url, .. } => format!(
                "调不通 OneBot 实现的 HTTP 接口（{}）。请确认它正在运行、已开启“HTTP 服务器”，地址、端口和 Token 填写正确。",
                without_query(api_url)
            ),
        }
    }
}

/// Tokens may stand in the query of an address; they must not reach a log or a page.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// Which messages of a group are taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// All of them; the desk keeps quiet where it is not meant.
    #[default]
    All,
    /// Only those that mention us or quote us.
    Mentions,
}

/// The time the channel takes for things. The defaults are for the real world; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// For the answer to a text: NapCat waits ten seconds itself.
    pub text: Duration,
    /// For asking names, status and quoted messages while connecting or reading.
    pub greeting: Duration,
    /// For one page of history.
    pub history: Duration,
    /// After a send in doubt: how long the platform may take to show it. Only then "not there" is sure.
    pub settle: Duration,
    /// Between two looks at the connection's life.
    pub look: Duration,
    /// First pause before dialling again; doubles up to a minute.
    pub reconnect: Duration,
    /// Pause after the peer refused our token: only a person can help.
    pub refused: Duration,
    /// First pause before handing in an event again that the desk could not store.
    pub retry: Duration,
    /// Pauses between messages.
    pub pace: Pace,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            text: Duration::from_secs(20),
            greeting: Duration::from_secs(4),
            history: Duration::from_secs(10),
            settle: Duration::from_secs(20),
            look: Duration::from_secs(10),
            reconnect: Duration::from_secs(1),
            refused: Duration::from_mins(5),
            retry: Duration::from_millis(200),
            pace: Pace::default(),
        }
    }
}

/// Settings of one OneBot channel.
#[derive(Debug, Clone)]
pub struct OneBotConfig {
    /// The channel's id in the configuration (`qq`).
    pub id: String,
    /// How to reach each other.
    pub transport: Transport,
    /// Token of WebSocket and HTTP API. Without one anybody who reaches the address is believed.
    pub access_token: Option<SecretString>,
    /// Key of the signature on posted events; where it is missing the token serves, as NapCat does it.
    pub secret: Option<SecretString>,
    /// Which group messages are taken up.
    pub listen: Listen,
    /// The only account that may connect; `None` takes any.
    pub account: Option<String>,
    /// Bounds of fetching pictures and files.
    pub media: MediaPolicy,
    /// Times.
    pub timing: Timing,
}

impl OneBotConfig {
    /// Settings with everything but these at its default.
    pub fn new(id: &str, transport: Transport) -> Self {
        Self {
            id: id.to_owned(),
            transport,
            access_token: None,
            secret: None,
            listen: Listen::default(),
            account: None,
            media: MediaPolicy::default(),
            timing: Timing::default(),
        }
    }
}

/// One QQ account over OneBot 11.
pub struct OneBot {
    hub: Arc<Hub>,
}

impl OneBot {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::routes`]. The process's TLS
    /// provider must be installed, as pictures are fetched over https.
    pub fn new(config: OneBotConfig, now: Now) -> Self {
        Self { hub: Arc::new(Hub::new(config, now)) }
    }

    /// Resolves once a peer is connected and calls can go out.
    pub async fn connected(&self) {
        self.hub.connected().await;
    }
}

#[async_trait]
impl Channel for OneBot {
    fn id(&self) -> &str {
        &self.hub.config.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: true,
            edits: false,
            speaks_first: true,
            max_chars: codec::MAX_PIECE_CHARS,
            pause: self.hub.config.timing.pace.conversation,
            can_look_back: true,
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        sending::send(&self.hub, message).await
    }

    async fn find(
        &self,
        message: &Outgoing,
        since: Timestamp,
        taken: &HashSet<String>,
    ) -> Result<Option<Receipt>, SendError> {
        history::find(&self.hub, message, since, taken).await
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        self.hub.open();
        let done = match &self.hub.config.transport {
            Transport::ReverseWs { .. } => {
                stop.cancelled().await;
                Ok(())
            }
            Transport::ForwardWs { url } => forward::run(&self.hub, url, inbox, &stop).await,
            Transport::Http { .. } => http::run(&self.hub, inbox, &stop).await,
        };
        self.hub.close_all();
        self.hub.intake.settle().await;
        done
    }

    fn routes(&self, inbox: Arc<dyn Inbox>) -> Option<axum::Router> {
        match &self.hub.config.transport {
            Transport::ReverseWs { path } => Some(reverse::routes(self.hub.clone(), path, inbox)),
            Transport::ForwardWs { .. } => None,
            Transport::Http { path, .. } => Some(http::routes(self.hub.clone(), path, inbox)),
        }
    }

    fn health(&self) -> Result<String, String> {
        health::line(&self.hub)
    }
}

/// The account, for those who need to name it.
fn account_of(hub: &Hub) -> String {
    lock(&hub.session).account().unwrap_or_default().to_owned()
}
