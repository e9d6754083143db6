//! A WeChat Work (企业微信) that no corporation stands behind: the bot (智能机器人) with its long connection and its
//! callbacks, the application (自建应用), and group robots (群机器人), on one port of the loopback.
//!
//! It keeps people, groups, cards and the time it is handed; refuses what WeCom refuses with WeCom's codes; and can
//! misbehave. Where documents and reports disagree it takes the side that is worse for the desk. Paragraphs named below
//! are those of the project's fact sheet on WeCom. Where it posts callbacks the process needs a TLS provider installed,
//! as everything that uses `reqwest` here.
//!
//! ```no_run
//! # async fn story() {
//! use zhishou_fakes::wecom::FakeWeCom;
//! let wecom = FakeWeCom::start().await;
//! wecom.group("wrGROUP0001", &[("WangKeZhang", "王科长"), ("ZhangGong", "张工")]);
//! // … the desk is configured with `wecom.socket_url()` and `wecom.setup().bot`, and connects:
//! wecom.has_subscribed(1).await;
//! wecom.say_in_group("wrGROUP0001", "WangKeZhang", "登记系统打不开了", None).await;
//! let card = wecom.until_shown("group:wrGROUP0001", "a card", |shown| shown.card.is_some()).await;
//! wecom.press(&card.task_id.unwrap(), "claim", "ZhangGong").await.unwrap();
//! # }
//! ```
//!
//! # What it refuses
//!
//! **Line of the bot** (5.7–5.12): 93019 another bot id; 853000 another secret, or callback mode is on; 846609 any
//! command but `ping` without a subscription; 846605 a req_id from another connection, unknown, of an event, older than
//! 24 hours, and for cards and welcomes older than 5 seconds or answered before; 40008 `text` as a reply or push,
//! `stream_with_template_card`, unknown commands; 846608 a stream that is finished or began over 6 minutes ago; 40058
//! over 20480 bytes, bad cards, a task id used before or unlike the event's; 93006 a push where nobody spoke to it;
//! 45009 over 30 a minute or 1000 an hour in a conversation, every frame of a stream counted; 6000 a second command for
//! a req_id whose answer is held back; 40007 media that it did not upload or older than 3 days; uploads with wrong counts,
//! sizes or MD5. The newer connection wins, the older gets `disconnected_event` and is closed. Nothing is given later
//! to who was not connected.
//!
//! **Callbacks** (2, 4.8, 5.6): five seconds; messages and everything of the application up to three times until 200;
//! events of the bot once. Replies inside the answer must be sealed rightly (number, nonce, signature) and of an allowed
//! kind; what WeCom would drop in silence stands in [`FakeWeCom::complaints`]. `response_url` takes one reply of markdown
//! (a card only alone with the bot) within an hour: 40008 for other JSON, 40058 used or late.
//!
//! **Application** (4): 40001, 40013, 41002, 41004 at `gettoken`; 41001, 40014, 42001 for tokens; 60020 by
//! [`FakeWeCom::distrust_ip`]; 40056 and 301002 agent ids; 82001 nobody named; 81013 nobody valid (else `invaliduser`,
//! lower-cased); texts cut silently at 2048 bytes, markdown beyond refused with 45002; 43012 a card with buttons while no
//! callback is set; a member's 30 a minute and 1000 an hour dropped in silence; duplicates swallowed where asked for;
//! `response_code` once within 72 hours; recall within 24; `appchat` 48002, 86001 … 86216, no cards; `user/get` 60011,
//! 60111. **Robots** (3): 93000, 93004, 93008; 45009 over 20 in a minute; 44004 empty; 40058 over 2048 or 4096 bytes or
//! a card with buttons; 40008; 40007 another robot's media; 44001 an empty upload, looked at before the key.
//!
//! # What it does not play
//!
//! WeChat customer service (kf), menus, OAuth, parties and tags (always invalid), the frequency limits of a whole
//! corporation, the three unanswered interactions of a user, passive `update_template_card` of the application.

mod app_send;
mod appchat;
mod bot_rules;
mod bot_socket;
mod bot_upload;
mod callbacks;
mod cards;
mod crypto;
mod driving;
mod http;
mod media;
mod mischief;
mod observing;
mod qyapi;
mod replies;
mod response_url;
mod setup;
mod shown;
mod state;
mod webhook;
mod wire;

use std::sync::Arc;

use jiff::Timestamp;

pub use bot_rules::Layout;
pub use callbacks::{Given, Sealed, Way};
pub use cards::{Maker, Occasion, check as check_card};
pub use driving::Sent;
pub use setup::{AppSetup, BotSetup, Setup};
pub use shown::{By, Shown};
pub use state::{Call, Fault, Now};

use callbacks::Door;
use state::{Robot, Shared};

/// The stand-in. Clones are handles to the same one.
#[derive(Clone)]
pub struct FakeWeCom {
    shared: Arc<Shared>,
}

impl FakeWeCom {
    /// Starts with the default set-up and the real time.
    pub async fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place of the stand-in that may ask")]
        let now = Timestamp::now;
        Self::start_with(Arc::new(now)).await
    }

    /// Starts with the default set-up and a test's clock.
    pub async fn start_with(now: Now) -> Self {
        Self::start_as(Setup::default(), now).await
    }

    /// Starts with this set-up and a test's clock.
    pub async fn start_as(setup: Setup, now: Now) -> Self {
        let shared = Arc::new(Shared::new(setup, now));
        let port = http::serve(&shared).await;
        shared.edit(|state| state.base = format!("http://{port}"));
        Self { shared }
    }

    /// The API's address: `http://127.0.0.1:PORT`, to stand for `https://qyapi.weixin.qq.com`.
    pub fn api_base(&self) -> String {
        self.shared.read(|state| state.base.clone())
    }

    /// The address of the bot's long connection.
    pub fn socket_url(&self) -> String {
        self.api_base().replacen("http://", "ws://", 1) + "/"
    }

    /// The full address of a robot, as its group shows it.
    pub fn robot_url(&self, key: &str) -> String {
        format!("{}/cgi-bin/webhook/send?key={key}", self.api_base())
    }

    /// Ids and secrets, for the desk's configuration.
    pub fn setup(&self) -> Setup {
        self.shared.read(|state| state.setup.clone())
    }

    /// A member of the corporation.
    pub fn person(&self, userid: &str, name: &str) {
        self.shared.edit(|state| name.clone_into(&mut state.add_person(userid, name).name));
    }

    /// The number a member is registered with.
    pub fn mobile(&self, userid: &str, mobile: &str) {
        self.shared.edit(|state| state.add_person(userid, userid).mobile = Some(mobile.to_owned()));
    }

    /// Puts a member outside the applications' visible range.
    pub fn hide(&self, userid: &str) {
        self.shared.edit(|state| state.add_person(userid, userid).hidden = true);
    }

    /// The encrypted id of a member (`wo…`).
    pub fn open_userid(&self, userid: &str) -> String {
        self.shared.edit(|state| state.add_person(userid, userid).open_userid.clone())
    }

    /// A group with these members: userid and name each. The bot is in it.
    pub fn group(&self, chatid: &str, members: &[(&str, &str)]) {
        for (userid, name) in members {
            self.person(userid, name);
            self.shared.edit(|state| state.add_to_group(chatid, userid));
        }
    }

    /// Adds a robot with this key to a group.
    pub fn robot(&self, key: &str, chatid: &str) {
        let robot = Robot { chatid: chatid.to_owned(), ..Robot::default() };
        self.shared.edit(|state| {
            state.groups.entry(chatid.to_owned()).or_default();
            state.robots.insert(key.to_owned(), robot);
        });
    }

    /// Saves the callback address of the first application: asked to prove itself first, as the console does.
    ///
    /// # Errors
    /// Why the form would not be saved.
    pub async fn save_app_callback(&self, url: &str) -> Result<(), String> {
        callbacks::verify(&self.shared, Door::App, url).await?;
        self.shared.edit(|state| {
            if let Some(app) = state.setup.apps.first_mut() {
                app.callback_url = Some(url.to_owned());
            }
        });
        Ok(())
    }

    /// Saves the bot's callback address: asked to prove itself first. From then on the long connection is off.
    ///
    /// # Errors
    /// Why the form would not be saved.
    pub async fn save_bot_callback(&self, url: &str) -> Result<(), String> {
        callbacks::verify(&self.shared, Door::Bot, url).await?;
        self.shared.edit(|state| state.setup.bot.callback_url = Some(url.to_owned()));
        self.drop_socket();
        Ok(())
    }

    /// Sets the bot's callback address without asking it.
    pub fn bot_callback(&self, url: &str) {
        self.shared.edit(|state| state.setup.bot.callback_url = Some(url.to_owned()));
        self.drop_socket();
    }

    /// Sets the first application's callback address without asking it.
    pub fn app_callback(&self, url: &str) {
        self.shared.edit(|state| {
            if let Some(app) = state.setup.apps.first_mut() {
                app.callback_url = Some(url.to_owned());
            }
        });
    }

    /// Somebody has spoken to the bot here at some time before the test began: it may push.
    pub fn has_been_spoken_to(&self, conversation: &str) {
        self.shared.edit(|state| state.bot.spoken.insert(conversation.to_owned()));
    }
}
