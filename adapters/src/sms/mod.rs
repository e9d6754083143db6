//! SMS: the operator's gateway (CMPP), the clouds, and an agency's own platform.
//!
//! One channel, whoever carries the texts. `text` and the codecs are pure; each gateway is behind one small trait
//! (`gateway`); what comes in goes through `intake`. Facts: `sms.md` of the protocol sheets; numbers in comments are its
//! sections.

pub mod aliyun;
pub mod cmpp;
pub mod counts;
pub mod inspect;
pub mod platform;
pub mod template;
pub mod tencent;
pub mod text;

mod config;
mod gateway;
mod health;
mod intake;
mod time;
mod watch;
mod web;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use config::{Advice, GatewayConfig, SmsConfig, explain};
pub use inspect::{InspectKeys, inspect};

use aliyun::Aliyun;
use cmpp::Cmpp;
use counts::Counts;
use gateway::Gateway;
use intake::{Ground, Intake, Sent};
use platform::Platform;
use tencent::Tencent;
use text::{Kind, Number};

use crate::{Capabilities, Channel, ChannelError, Inbox, Outgoing, Receipt, SendError, Shelf};

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Longest text of three parts; what is longer is said shorter by the channel itself, never split.
const MAX_CHARS: usize = 201;

/// SMS as one channel.
pub struct Sms {
    id: String,
    ground: Ground,
    gateway: Carrier,
}

/// Who carries the texts.
enum Carrier {
    Cmpp(Cmpp),
    Aliyun(Aliyun),
    Tencent(Tencent),
    Http(Platform),
}

impl Carrier {
    /// Longest sleep without a look at the clock.
    fn look(&self) -> Duration {
        match self {
            Self::Cmpp(cmpp) => cmpp.look(),
            Self::Aliyun(_) | Self::Tencent(_) | Self::Http(_) => Duration::from_secs(1),
        }
    }

    fn gateway(&self) -> &dyn Gateway {
        match self {
            Self::Cmpp(cmpp) => cmpp,
            Self::Aliyun(aliyun) => aliyun,
            Self::Tencent(tencent) => tencent,
            Self::Http(platform) => platform,
        }
    }
}

impl Sms {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::routes`].
    ///
    /// # Errors
    /// Where a setting cannot be right; the sentence says which.
    pub fn new(config: SmsConfig, shelf: &Arc<dyn Shelf>, now: &Now) -> Result<Self, ChannelError> {
        config.check()?;
        let ground = Ground {
            channel: config.id.clone(),
            shelf: shelf.clone(),
            now: now.clone(),
            counts: Arc::new(Counts::default()),
            watch: Arc::default(),
        };
        let gateway = match config.gateway {
            GatewayConfig::Cmpp(config) => Carrier::Cmpp(Cmpp::new(*config, ground.clone())),
            GatewayConfig::Aliyun(config) => Carrier::Aliyun(Aliyun::new(*config, ground.clone())?),
            GatewayConfig::Tencent(config) => Carrier::Tencent(Tencent::new(*config, ground.clone())?),
            GatewayConfig::Http(config) => Carrier::Http(Platform::new(*config, ground.clone())?),
        };
        Ok(Self { id: config.id, ground, gateway })
    }

    /// What `check --online` can find out without sending anything: whether it worked, and a sentence.
    pub async fn probe(&self) -> (bool, String) {
        match &self.gateway {
            Carrier::Cmpp(cmpp) => cmpp.probe().await,
            Carrier::Aliyun(aliyun) => aliyun.probe().await,
            Carrier::Tencent(tencent) => tencent.probe().await,
            Carrier::Http(_) => (true, "平台没有不发短信的检测方式，请发一条给自己确认".to_owned()),
        }
    }

    /// Resolves once the operator's line stands; at once where there is none.
    pub async fn connected(&self) {
        if let Carrier::Cmpp(cmpp) = &self.gateway {
            cmpp.line().standing().await;
        }
    }

    fn intake(&self, inbox: Arc<dyn Inbox>) -> Arc<Intake> {
        Arc::new(Intake { ground: self.ground.clone(), inbox })
    }
}

/// The phone behind a conversation.
fn phone(conversation: &str) -> Result<Number, SendError> {
    let refused = |text: String| SendError::Refused { code: 13, text };
    let Some(raw) = conversation.strip_prefix("user:") else {
        return Err(refused("短信只能发给个人手机号，不能发到群".to_owned()));
    };
    match Number::read(raw) {
        Some(number) if number.takes_texts() => Ok(number),
        Some(Number { kind: Kind::Service, .. }) => Err(refused("不给服务号码发短信".to_owned())),
        Some(Number { kind: Kind::Landline, .. }) => Err(refused("座机收不到短信".to_owned())),
        Some(_) => Err(refused("只能给大陆手机号发短信".to_owned())),
        None => Err(refused("这不是一个手机号".to_owned())),
    }
}

#[async_trait]
impl Channel for Sms {
    fn id(&self) -> &str {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: false,
            edits: false,
            speaks_first: true,
            max_chars: MAX_CHARS,
            // The gateway's own pace is kept where it is known: by the session, or by the limits of a cloud.
            pause: Duration::ZERO,
            can_look_back: false,
            acknowledges_only: true,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        let to = phone(&message.conversation)?;
        let receipt = self.gateway.gateway().send(&to, message).await?;
        if let Some(external_id) = receipt.external_id.clone().filter(|_| message.urgent) {
            let sent = Sent { external_id, conversation: message.conversation.clone(), part: (1, 1) };
            if let Err(error) = self.ground.watch.begin(&*self.ground.shelf, sent, (self.ground.now)()).await {
                // It is sent; only a missing report on it may go unnoticed.
                tracing::warn!(%error, "that a text is waited for could not be kept");
            }
        }
        Ok(receipt)
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Err(SendError::Unreachable("短信网关不提供查询已发短信的接口".to_owned()))
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        let intake = self.intake(inbox);
        let look = self.gateway.look();
        tokio::join!(
            self.gateway.gateway().listen(intake.clone(), &stop),
            self.ground.watch.follow(&intake, look, &stop)
        );
        Ok(())
    }

    fn routes(&self, inbox: Arc<dyn Inbox>) -> Option<axum::Router> {
        self.gateway.gateway().routes(self.intake(inbox))
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.ground.counts.named();
        all.extend(self.gateway.gateway().counts());
        all
    }

    fn health(&self) -> Result<String, String> {
        self.gateway.gateway().health()
    }
}
