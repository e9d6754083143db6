//! Which surface says a message, and what a set of surfaces can and cannot do. Pure.

use super::config::{BotMode, WeComConfig};
use super::{CANNOT_SPEAK_HERE, ONLY_HEARS_GROUP, ONLY_HEARS_USER};

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// 智能机器人: over its line, or by the one answer a callback allows.
    Bot,
    /// 群机器人 of this conversation.
    Robot,
    /// 自建应用.
    App,
}

/// What there is for one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a list of surfaces, each there or not")]
pub struct Surfaces {
    /// A bot, in whichever mode.
    pub bot: bool,
    /// It may speak first (socket mode).
    pub bot_speaks_first: bool,
    /// A robot is attached to the conversation.
    pub robot: bool,
    /// An application that can speak here: to people, or to a group it made itself.
    pub app: bool,
    /// It hears what is pressed, so its cards may have buttons.
    pub app_hears: bool,
}

/// The ways to try, best first. `rings`: somebody is mentioned and has to notice; `card`: there are buttons.
pub fn ways(conversation: &str, rings: bool, card: bool, there: Surfaces) -> Vec<Way> {
    let mut ways = Vec::with_capacity(3);
    if conversation.starts_with("group:") {
        // Only the robot's mentions are certain to ring (wecom.md 0.1); only the bot has buttons in a group, and only where
        // it may speak first. With both wanted the bot says it and the robot rings after it.
        let robot_first = there.robot && rings && !(card && there.bot_speaks_first);
        if robot_first {
            ways.push(Way::Robot);
        }
        if there.bot {
            ways.push(Way::Bot);
        }
        if there.robot && !robot_first {
            ways.push(Way::Robot);
        }
        if there.app {
            ways.push(Way::App);
        }
        return ways;
    }
    let bot_first = there.bot_speaks_first && card && !there.app_hears;
    if there.app && !bot_first {
        ways.push(Way::App);
    }
    if there.bot {
        ways.push(Way::Bot);
    }
    if there.app && bot_first {
        ways.push(Way::App);
    }
    ways
}

/// Whether the robot has to ring after a message went out by `sent`.
pub fn rings_after(sent: Way, rings: bool, there: Surfaces) -> bool {
    rings && there.robot && sent == Way::Bot && there.bot_speaks_first
}

/// One statement about a configuration, in Chinese.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about: a surface (`智能机器人`) or a conversation (`group:wr…`).
    pub about: String,
    /// False where something that a desk needs cannot be done.
    pub ok: bool,
    /// What can be done, what cannot, and what to add.
    pub text: String,
}

fn advice(about: &str, ok: bool, text: impl Into<String>) -> Advice {
    Advice { about: about.to_owned(), ok, text: text.into() }
}

/// What this set of surfaces can and cannot do, for `check`.
pub fn explain(config: &WeComConfig) -> Vec<Advice> {
    let mut told = Vec::new();
    let robots: Vec<&str> = config.robots.iter().map(|robot| robot.conversation.as_str()).collect();
    let app = config.app.as_ref();
    let app_hears = app.is_some_and(|app| app.callback.is_some());
    match config.bot.as_ref().map(|bot| &bot.mode) {
        None if app.is_none() && robots.is_empty() => {
            told.push(advice("企业微信", false, "没有配置任何接入方式：请至少配置一个智能机器人（推荐长连接模式）"));
        }
        None if app_hears => {
            let text = "没有智能机器人：群里的消息一律听不到，只能通过与应用的单聊报修。需要在群里报修，请添加智能机器人（推荐长连接模式）";
            told.push(advice("智能机器人", false, text));
        }
        None => {
            let text = "没有智能机器人，应用也收不到消息：只能说、不能听。请添加智能机器人（推荐长连接模式）";
            told.push(advice("智能机器人", false, text));
        }
        Some(BotMode::Socket { bot_id, .. }) => {
            let text = "长连接模式：能听到群里 @ 它的消息和单聊，能主动通知，卡片按钮可用。每个群先 @ 它一次、每位工程师先与它单聊一句，之后才能主动通知";
            told.push(advice("智能机器人", true, text));
            if !bot_id.trim().starts_with("aib") {
                let text = "bot_id 一般以 aib 开头，请确认没有误填应用的 AgentId 或企业的 CorpID";
                told.push(advice("智能机器人", false, text));
            }
            if robots.is_empty() {
                let text = "没有消息推送机器人：群里 @ 人时对方不一定有强提醒。需要强提醒的群请另加消息推送机器人";
                told.push(advice("群内强提醒", true, text));
            }
        }
        Some(BotMode::Callback { .. }) => {
            let text = "回调模式：能听到群里 @ 它的消息和单聊；每条消息一小时内只能答复一次，之后不能主动说话。需要公网可访问的回调地址";
            told.push(advice("智能机器人", true, text));
            let others = if robots.is_empty() { "所有群" } else { "没有配置消息推送机器人的群" };
            told.push(advice(others, false, format!("{ONLY_HEARS_GROUP}；群里的卡片没有按钮，请用文字指令")));
            if app.is_none() {
                told.push(advice("单聊", false, ONLY_HEARS_USER));
            }
        }
    }
    for (at, conversation) in robots.iter().enumerate() {
        let hears = config.bot.is_some();
        let (ok, text) = match (conversation.starts_with("group:"), robots[..at].contains(conversation), hears) {
            (false, ..) => (false, "消息推送机器人要绑定到一个群：conversation 应写成 group:群编号".to_owned()),
            (true, true, _) => (false, "这个群配置了不止一个消息推送机器人，只会用第一个".to_owned()),
            (true, false, true) => {
                (true, "能听（智能机器人），能主动通知，能 @ 人强提醒（消息推送机器人，每分钟 20 条）".to_owned())
            }
            (true, false, false) => (false, "这个群只能说、不能听：请在群里添加智能机器人".to_owned()),
        };
        told.push(Advice { about: (*conversation).to_owned(), ok, text });
    }
    match app {
        Some(_) if app_hears => {
            told.push(advice("自建应用", true, "能主动通知可见范围内的任何人，能收单聊消息，卡片按钮可用"));
        }
        Some(_) => {
            let text =
                "能主动通知可见范围内的任何人，但没有设置接收消息（token、encoding_aes_key），收不到单聊，卡片没有按钮";
            told.push(advice("自建应用", true, text));
        }
        None if config.bot.as_ref().is_some_and(|bot| bot.mode.speaks_first()) => {
            let text =
                "没有自建应用：单独通知某人要先由本人与机器人单聊过；看不到姓名，人员要用“绑定”或在人员表里填账号";
            told.push(advice("自建应用", true, text));
        }
        None => {}
    }
    if app.is_none() && config.bot.is_none() && !robots.is_empty() {
        told.push(advice("单聊", false, CANNOT_SPEAK_HERE));
    }
    told
}
