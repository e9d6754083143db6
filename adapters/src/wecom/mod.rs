//! WeChat Work (企业微信, WeCom): one channel made of a bot, an app and robots.
//!
//! The bot (智能机器人) hears groups and single chats, the application (自建应用) speaks to and hears single people, each robot
//! (群机器人) is the way out of one conversation. `codec`, `session`, `memory` and `choose` are pure; `socket` and `callback`
//! carry what comes in, `intake` hands it in; `bot`, `app` and `robot` say what is to be said. Outside there is only
//! [`WeCom`]. Facts: `wecom.md` of the protocol sheets; numbers in comments are its sections.

pub mod codec;

pub mod api;
pub mod app;
pub mod callback;
mod inspect;
mod multipart;
mod parts;
pub mod robot;
pub mod token;

pub mod choose;
pub mod health;
pub mod memory;
pub mod session;
pub mod socket;

mod bot;
mod bot_callback;
mod bot_reply;
mod config;
mod intake;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use choose::{Advice, explain};
pub use config::{API_BASE, BotConfig, BotMode, BotTiming, WeComConfig};
pub use inspect::{InspectKeys, inspect};

use app::App;
use bot::Bot;
use callback::Callback;
use choose::{Surfaces, Way, rings_after, ways};
use codec::card::wants_card;
use codec::crypto::CallbackKeys;
use intake::{Intake, QUEUE};
use robot::Robot;

use crate::{Capabilities, Channel, ChannelError, Inbox, Outgoing, Receipt, SendError, Shelf};

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A person whom the bot may not write to, as nobody may before they have written to it (5.10).
const NEVER_WROTE: &str = "请先在企业微信里打开与机器人的单聊并发一句话，之后才能单独通知；或配置自建应用";
/// A group without a way out.
const ONLY_HEARS_GROUP: &str = "这个群只能听、不能主动说：请在群里添加消息推送机器人，或改用长连接模式";
/// A person without a way out.
const ONLY_HEARS_USER: &str = "单聊只能一问一答、不能主动通知：请配置自建应用，或改用长连接模式";
/// A conversation that nothing reaches.
const CANNOT_SPEAK_HERE: &str =
    "没有能在这个会话里说话的接入方式：群请添加智能机器人或消息推送机器人，单聊请配置自建应用";

/// What to add where the bot can only answer.
fn only_hears(conversation: &str) -> &'static str {
    if conversation.starts_with("group:") { ONLY_HEARS_GROUP } else { ONLY_HEARS_USER }
}

/// How long a message of the bot is left to the instance that has its line.
const ELSEWHERE: Duration = Duration::from_secs(2);
/// The same of a pressed card, which has to change within seconds.
const CARD_ELSEWHERE: Duration = Duration::from_millis(200);

/// Longest text that every surface takes in one piece: 2048 bytes of three each (0.1). Longer ones are split by bytes.
const MAX_CHARS: usize = 680;

/// WeChat Work as one channel.
pub struct WeCom {
    id: String,
    bot: Option<Arc<Bot>>,
    /// Callback mode of the bot: where it is served, and what opens it.
    callback: Option<(String, Arc<Callback>)>,
    app: Option<Arc<App>>,
    robots: Vec<Arc<Robot>>,
    app_hears: bool,
}

impl WeCom {
    /// Builds the channel; nothing is opened before [`Channel::listen`] and [`Channel::routes`]. The process's TLS provider
    /// must be installed.
    ///
    /// # Errors
    /// Where a key or an address cannot be one; the sentence says which.
    pub fn new(config: WeComConfig, shelf: &Arc<dyn Shelf>, now: &Now) -> Result<Self, ChannelError> {
        let callback = match config.bot.as_ref().map(|bot| &bot.mode) {
            Some(BotMode::Callback { token, encoding_aes_key, path }) => {
                // The bot of one's own corp has no receive id (2.3).
                let keys = CallbackKeys::new(token.expose_secret(), encoding_aes_key.expose_secret(), "");
                let keys = keys.map_err(|error| ChannelError::Misconfigured(format!("企业微信智能机器人：{error}")))?;
                Some((path.clone(), Arc::new(Callback::new(keys, shelf.clone(), now.clone(), "bot"))))
            }
            Some(BotMode::Socket { .. }) | None => None,
        };
        config.check()?;
        let app_hears = config.app.as_ref().is_some_and(|app| app.callback.is_some());
        let bot = config.bot.map(|bot| Bot::new(bot, shelf.clone(), now.clone())).transpose()?.map(Arc::new);
        let app = config.app.map(|app| App::new(app, shelf.clone(), now.clone())).transpose()?.map(Arc::new);
        let robots = config.robots.into_iter().map(|robot| Robot::new(robot, shelf.clone(), now.clone()).map(Arc::new));
        let robots = robots.collect::<Result<_, ChannelError>>()?;
        Ok(Self { id: config.id, bot, callback, app, robots, app_hears })
    }

    /// Resolves once the bot's line stands; at once where there is none.
    pub async fn connected(&self) {
        if let Some(line) = self.bot.as_ref().and_then(|bot| bot.line.as_ref()) {
            line.standing(None, Duration::MAX).await;
        }
    }

    /// What there is to say about the bot's line; `None` where there is none.
    pub fn line_status(&self) -> Option<socket::LineStatus> {
        self.bot.as_ref().and_then(|bot| bot.line.as_ref()).map(|line| line.status())
    }

    /// What was refused at the bot's callback address and what was taken; `None` in socket mode.
    pub fn callback_counts(&self) -> Option<callback::Counts> {
        self.callback.as_ref().map(|(_, callback)| callback.counts())
    }

    /// The application, for checks that go on line and for names.
    pub fn app(&self) -> Option<&App> {
        self.app.as_deref()
    }

    fn robot_of(&self, conversation: &str) -> Option<&Robot> {
        self.robots.iter().map(Arc::as_ref).find(|robot| robot.conversation() == conversation)
    }

    fn surfaces(&self, conversation: &str) -> Surfaces {
        Surfaces {
            bot: self.bot.is_some(),
            bot_speaks_first: self.bot.as_ref().is_some_and(|bot| bot.config.mode.speaks_first()),
            robot: self.robot_of(conversation).is_some(),
            app: self.app.as_ref().is_some_and(|app| app.serves(conversation)),
            app_hears: self.app_hears,
        }
    }

    async fn by(&self, way: Way, message: &Outgoing) -> Result<Receipt, SendError> {
        let none = || SendError::Refused { code: 0, text: CANNOT_SPEAK_HERE.to_owned() };
        match way {
            Way::Bot => self.bot.as_ref().ok_or_else(none)?.send(message).await,
            Way::App => {
                let message = self.with_plain_mentions(message).await;
                self.app.as_ref().ok_or_else(none)?.send(&message).await
            }
            Way::Robot => {
                let message = self.with_plain_mentions(message).await;
                self.robot_of(&message.conversation).ok_or_else(none)?.send(&message).await
            }
        }
    }

    /// Robots and groups of the application ring for plain userids only (3.2); a bot that an ordinary member made knows
    /// encrypted ones. Where an application can tell the plain one it is named instead.
    async fn with_plain_mentions<'m>(&self, message: &'m Outgoing) -> Cow<'m, Outgoing> {
        let encrypted = |account: &String| account.starts_with("wo");
        let Some(app) = self.app.as_ref().filter(|_| message.mentions.iter().any(encrypted)) else {
            return Cow::Borrowed(message);
        };
        let mut message = message.clone();
        for account in &mut message.mentions {
            if let Some(plain) = app.userid_of(account).await {
                *account = plain;
            }
        }
        Cow::Owned(message)
    }

    /// The robot rings for what the bot has just said.
    async fn ring(&self, message: &Outgoing) {
        let title = message.title.trim();
        let line =
            if title.is_empty() { message.text.lines().find(|line| !line.trim().is_empty()) } else { Some(title) };
        let bell = Outgoing {
            key: format!("{}/ring", message.key),
            conversation: message.conversation.clone(),
            text: line.unwrap_or("请看上一条消息").to_owned(),
            mentions: message.mentions.clone(),
            ..Outgoing::default()
        };
        if let Err(error) = self.by(Way::Robot, &bell).await {
            tracing::warn!(%error, "a message was said, but the robot could not ring for it");
        }
    }

    /// A card is put into its new state by whoever can still do so; where nobody can, nothing is said.
    async fn update(&self, task: &str, message: &Outgoing) -> Result<Receipt, SendError> {
        if let Some(bot) = &self.bot
            && bot.update(task, message).await
        {
            return Ok(Receipt { external_id: None });
        }
        let receipt = match &self.app {
            Some(app) => app.update_card(task, message).await?,
            None => Receipt { external_id: None },
        };
        if receipt.external_id.is_none() && self.stands_by() {
            return Err(SendError::Throttled { retry_after: CARD_ELSEWHERE });
        }
        Ok(receipt)
    }

    /// Whether another instance has the bot's line.
    fn stands_by(&self) -> bool {
        self.line_status().is_some_and(|status| status.standby)
    }
}

#[async_trait]
impl Channel for WeCom {
    fn id(&self) -> &str {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let bot = self.bot.as_ref().map(|bot| &bot.config.mode);
        let buttons = bot.is_some() || self.app_hears;
        Capabilities {
            buttons,
            mentions: !self.robots.is_empty(),
            edits: buttons,
            speaks_first: self.app.is_some() || !self.robots.is_empty() || bot.is_some_and(BotMode::speaks_first),
            max_chars: MAX_CHARS,
            // Limits are counted per surface, over all instances.
            pause: Duration::ZERO,
            can_look_back: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        if let Some(task) = &message.updates {
            return self.update(task, message).await;
        }
        let there = self.surfaces(&message.conversation);
        let rings = !message.mentions.is_empty();
        let mut why: Option<SendError> = None;
        let ways = ways(&message.conversation, rings, wants_card(message), there);
        if ways.first() == Some(&Way::Bot) && self.stands_by() {
            // Not by a second way: the line stands, only not here.
            return Err(SendError::Throttled { retry_after: ELSEWHERE });
        }
        for way in ways {
            match self.by(way, message).await {
                Ok(receipt) => {
                    if rings_after(way, rings, there) {
                        self.ring(message).await;
                    }
                    return Ok(receipt);
                }
                // It may have arrived: saying it another way would say it twice.
                Err(SendError::Perhaps) => return Err(SendError::Perhaps),
                Err(error) => {
                    tracing::info!(?way, %error, "a way of saying a message is closed now");
                    why = Some(worth_most(why, error));
                }
            }
        }
        Err(why.unwrap_or_else(|| SendError::Refused { code: 0, text: CANNOT_SPEAK_HERE.to_owned() }))
    }

    /// One instance has the line, and speaks for the whole channel while it has it.
    fn sends_here(&self) -> bool {
        !self.stands_by()
    }

    fn card_id(&self, key: &str) -> Option<String> {
        Some(codec::card::task_id(key))
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Err(SendError::Unreachable("企业微信不提供查询已发消息的接口".to_owned()))
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> Result<(), ChannelError> {
        let Some((bot, line)) = self.bot.as_ref().and_then(|bot| Some((bot, bot.line.as_ref()?))) else {
            stop.cancelled().await;
            return Ok(());
        };
        let intake = Arc::new(Intake { bot: bot.clone(), channel: self.id.clone(), inbox, app: self.app.clone() });
        let (heard, queue) = mpsc::channel(QUEUE);
        let speaking = async {
            line.run(&heard, &stop).await;
            drop(heard);
        };
        tokio::join!(speaking, intake.follow(line, queue, &stop));
        Ok(())
    }

    fn routes(&self, inbox: Arc<dyn Inbox>) -> Option<axum::Router> {
        let mut routes: Option<axum::Router> = None;
        let mut add = |more: axum::Router| {
            routes = Some(match routes.take() {
                Some(routes) => routes.merge(more),
                None => more,
            });
        };
        if let (Some(bot), Some((path, callback))) = (&self.bot, &self.callback) {
            let intake = Arc::new(Intake {
                bot: bot.clone(),
                channel: self.id.clone(),
                inbox: inbox.clone(),
                app: self.app.clone(),
            });
            add(bot_callback::routes(path, intake, callback.clone()));
        }
        if let Some(more) = self.app.as_ref().and_then(|app| app.routes(inbox, &self.id)) {
            add(more);
        }
        routes
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let of_app = self.app.as_ref().and_then(|app| app.counts());
        let mut all: Vec<(&'static str, u64)> = Vec::new();
        for (name, count) in self.callback_counts().iter().chain(&of_app).flat_map(callback::Counts::named) {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += count,
                None => all.push((name, count)),
            }
        }
        all
    }

    fn health(&self) -> Result<String, String> {
        let mut lines = Vec::new();
        if let Some(bot) = &self.bot {
            lines.push(health::of_bot(bot, self.callback.as_ref().map(|(_, callback)| callback.as_ref())));
        }
        lines.extend(self.app.iter().map(|app| app.health()));
        lines.extend(self.robots.iter().map(|robot| robot.health()));
        health::joined(lines)
    }
}

impl WeComConfig {
    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// Where a key or a path cannot be one, in a sentence for the administrator.
    pub fn check(&self) -> Result<(), ChannelError> {
        let mut paths = [None, self.app.as_ref().and_then(|app| Some(&app.callback.as_ref()?.path))];
        if let Some(BotMode::Callback { token, encoding_aes_key, path }) = self.bot.as_ref().map(|bot| &bot.mode) {
            CallbackKeys::new(token.expose_secret(), encoding_aes_key.expose_secret(), "")
                .map_err(|error| ChannelError::Misconfigured(format!("企业微信智能机器人：{error}")))?;
            paths[0] = Some(path);
        }
        check_paths(paths)
    }
}

/// The router takes neither a path without its slash nor the same one twice.
fn check_paths(paths: [Option<&String>; 2]) -> Result<(), ChannelError> {
    let wrong = |why: String| Err(ChannelError::Misconfigured(why));
    for path in paths.into_iter().flatten() {
        if !path.starts_with('/') || path.contains(['{', '}', '*', '?', '#', ' ']) || path.contains("/:") {
            return wrong(format!("企业微信的回调路径 path 应以 / 开头且不含特殊字符，现在是“{path}”"));
        }
    }
    match paths {
        [Some(bot), Some(app)] if bot == app => {
            wrong(format!("企业微信智能机器人和自建应用的回调路径相同（{bot}），请改成不同的 path"))
        }
        _ => Ok(()),
    }
}

/// Of two reasons the one that lets the message live: what passes by itself before what does not.
fn worth_most(known: Option<SendError>, new: SendError) -> SendError {
    let rank = |error: &SendError| match error {
        SendError::Throttled { .. } | SendError::Muted { .. } | SendError::AwaitsContact => 0,
        SendError::Unreachable(_) => 1,
        SendError::Perhaps => 2,
        SendError::Refused { .. } => 3,
    };
    match known {
        Some(known) if rank(&known) <= rank(&new) => known,
        Some(_) | None => new,
    }
}
