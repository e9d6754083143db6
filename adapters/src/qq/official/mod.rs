//! The official QQ bot: a robot registered on the open platform (API v2).
//!
//! What makes it hard is what it forbids: it may answer what was just said, and hardly speak by itself. `codec`, `session`
//! and `planner` are pure; the planner knows for each conversation what may still be answered. `socket` and `webhook` carry
//! what comes in, `intake` hands it in; `robot` says what is to be said, by the right the planner finds. Outside there is
//! only [`OfficialQq`]. Facts: `qq-official.md` of the protocol sheets; numbers in comments are its sections.

pub mod codec;
pub mod planner;
pub mod session;
pub mod talks;
pub mod token;

mod api;
mod config;
mod dial;
mod follow;
mod health;
mod inspect;
mod intake;
mod robot;
mod socket;
mod webhook;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use config::{API_BASE, Mode, OfficialConfig, SANDBOX_BASE, TOKEN_BASE, Timing};
pub use inspect::{InspectKeys, inspect};
pub use robot::{LIMIT, Rich};
pub use socket::LineStatus;

use api::Api;
use codec::errcode::Class;
use codec::sign::Keys;
use intake::Intake;
use robot::Robot;
use socket::Line;
use token::Tokens;

use crate::media::Fetcher;
use crate::{Capabilities, Channel, ChannelError, Inbox, Outgoing, Receipt, SendError, Shelf};

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The robot as a channel.
pub struct OfficialQq {
    robot: Arc<Robot>,
    keys: Keys,
    /// The gateway; `None` where the platform calls us.
    line: Option<Arc<Line>>,
    fetcher: Fetcher,
}

impl OfficialQq {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::routes`]. The process's TLS provider
    /// must be installed.
    ///
    /// # Errors
    /// Where a key or an address cannot be one; the sentence says which.
    pub fn new(config: OfficialConfig, shelf: &Arc<dyn Shelf>, now: &Now) -> Result<Self, ChannelError> {
        config.check()?;
        let broken = |error: reqwest::Error| ChannelError::Misconfigured(format!("无法建立 HTTP 客户端：{error}"));
        let keys = Keys::new(config.app_secret.expose_secret());
        let keys = keys.map_err(|error| ChannelError::Misconfigured(error.to_string()))?;
        let client = api::client(config.timing.call).map_err(broken)?;
        let (base, id, secret) = (&config.token_base, &config.app_id, config.app_secret.clone());
        let tokens = Tokens::new(base, id, secret, client.clone(), shelf.clone(), now.clone());
        let api = Api::new(&config.api_base, id, tokens, client);
        let fetcher = Fetcher::new(config.media.clone()).map_err(broken)?;
        let by_gateway = config.mode == Mode::Socket;
        let robot = Arc::new(Robot::new(config, api, shelf.clone(), now.clone()));
        let line = by_gateway.then(|| Line::new(robot.clone())).transpose().map_err(broken)?.map(Arc::new);
        Ok(Self { robot, keys, line, fetcher })
    }

    /// Resolves once the gateway knows us; at once where the platform calls us.
    pub async fn connected(&self) {
        if let Some(line) = &self.line {
            line.connected().await;
        }
    }

    /// What there is to say about the gateway; `None` where the platform calls us.
    pub fn line_status(&self) -> Option<LineStatus> {
        self.line.as_ref().map(|line| line.status())
    }

    /// What is known of each conversation since the process began.
    pub fn conversations(&self) -> std::collections::BTreeMap<String, talks::Known> {
        self.robot.talks.known()
    }

    /// For `check --online`: whether the platform gives a token and takes it, from this address.
    pub async fn probe(&self) -> Vec<(bool, String)> {
        if let Err(error) = self.robot.api.tokens().get().await {
            return vec![(false, error.to_string())];
        }
        let mut found = vec![(true, "app_id 和 app_secret 有效，已取得访问凭证".to_owned())];
        found.push(match self.robot.api.call(Method::GET, "/gateway", None).await {
            Ok(answer) if answer.class == Class::Done => (true, "接口可以调用，本机 IP 未被白名单拦截".to_owned()),
            Ok(answer) => (false, answer.told()),
            Err(error) => (false, error.to_string()),
        });
        found
    }

    fn intake(&self, inbox: Arc<dyn Inbox>) -> Intake {
        Intake { robot: self.robot.clone(), inbox, fetcher: self.fetcher.clone() }
    }
}

#[async_trait]
impl Channel for OfficialQq {
    fn id(&self) -> &str {
        &self.robot.config.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: true,
            mentions: true,
            // A click leaves the message as it is.
            edits: false,
            // Perhaps here and there, which nobody may build upon.
            speaks_first: false,
            max_chars: LIMIT,
            // Counted on the shelf, over all instances.
            pause: Duration::ZERO,
            // Not by looking: the same number sent again tells whether it was taken.
            can_look_back: true,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        self.robot.say(message).await
    }

    fn card_id(&self, key: &str) -> Option<String> {
        Some(robot::card_id(key))
    }

    /// Sends the same number again: taken or called a duplicate, it is there. A message that was never numbered was never
    /// handed over. Nothing tells what became of an active message.
    async fn find(&self, message: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        self.robot.found(message).await
    }

    fn many_accounts(&self) -> bool {
        true
    }

    fn awaits(&self, external_id: &str) -> Option<&'static str> {
        external_id.starts_with(robot::AUDIT).then_some("待平台审核")
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        let Some(line) = &self.line else {
            stop.cancelled().await;
            return Ok(());
        };
        let (heard, queue) = mpsc::channel(follow::QUEUE);
        let listening = async {
            line.run(&heard, &stop).await;
            drop(heard);
        };
        tokio::join!(listening, follow::follow(Arc::new(self.intake(inbox)), queue, &stop));
        Ok(())
    }

    fn routes(&self, inbox: Arc<dyn Inbox>) -> Option<axum::Router> {
        let Mode::Webhook { path } = &self.robot.config.mode else { return None };
        Some(webhook::routes(path, self.intake(inbox), self.keys.clone()))
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counters = &self.robot.counters;
        [
            ("sent_passive", &counters.passive),
            ("sent_active", &counters.active),
            ("awaited_contact", &counters.waited),
            ("callback_accepted", &counters.accepted),
            ("callback_repeated", &counters.repeated),
            ("callback_forged", &counters.forged),
            ("callback_stale", &counters.stale),
            ("callback_malformed", &counters.malformed),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .to_vec()
    }

    fn health(&self) -> Result<String, String> {
        health::of(&self.robot, self.line_status().as_ref())
    }
}
