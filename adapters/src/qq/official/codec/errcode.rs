//! What an answer of the platform means. HTTP status alone says little: an error comes with 200, a page with 502, and the
//! two code fields can differ (qq-official.md 5).

use serde_json::Value;

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing to read: PUT and DELETE.
    Done,
    /// A message was taken.
    Sent,
    /// Taken, and looked at by people before it is shown: never sent again.
    PendingAudit,
    /// Active messages are not permitted here.
    ActiveForbidden,
    /// Not at this hour.
    Night,
    /// The cited id is none, or not ours.
    AnchorInvalid,
    /// The cited id is too old.
    AnchorExpired,
    /// The cited id was answered as often as it may be.
    CountUsed,
    /// This `msg_seq` was used with this id before.
    Duplicate,
    /// Our address is not on the robot's list: another token helps nothing.
    Config,
    /// Token or application id wrong or too old.
    Token,
    /// The robot lacks a right, or works in the sandbox only.
    Permission,
    /// The robot is banned.
    Banned,
    /// An address in the text is not registered.
    Url,
    /// The words were not let through.
    Sensitive,
    /// Markdown is not for this robot.
    Markdown,
    /// These buttons are not for this robot.
    Keyboard,
    /// A file or picture was not taken.
    Media,
    /// Too many.
    RateLimited,
    /// The robot is muted there.
    Muted,
    /// The group is no more, or the robot is not in it.
    TargetGone,
    /// The person has closed the chat.
    Closed,
    /// Too long.
    TooLong,
    /// Nothing in it: our mistake.
    Empty,
    /// It cannot be taken back any more.
    Recall,
    /// Nobody knows: no answer of the platform itself.
    Transport,
    /// Refused for a reason not known here.
    Refused,
}

impl Class {
    /// The name it has in the vectors.
    pub fn id(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Sent => "sent",
            Self::PendingAudit => "pending_audit",
            Self::ActiveForbidden => "active_forbidden",
            Self::Night => "night",
            Self::AnchorInvalid => "anchor_invalid",
            Self::AnchorExpired => "anchor_expired",
            Self::CountUsed => "count_used",
            Self::Duplicate => "already_sent_or_seq_reused",
            Self::Config => "config_error",
            Self::Token => "token",
            Self::Permission => "permission",
            Self::Banned => "banned",
            Self::Url | Self::Sensitive => "content",
            Self::Markdown => "markdown_forbidden",
            Self::Keyboard => "keyboard_forbidden",
            Self::Media => "media",
            Self::RateLimited => "rate_limited",
            Self::Muted => "muted",
            Self::TargetGone => "target_gone",
            Self::Closed => "closed",
            Self::TooLong => "too_long",
            Self::Empty => "empty",
            Self::Recall => "recall",
            Self::Transport => "transport",
            Self::Refused => "refused",
        }
    }

    /// What an administrator should do, in Chinese.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Done | Self::Sent => "已发送",
            Self::PendingAudit => "平台正在人工审核，通过后才会显示，不会重发",
            Self::ActiveForbidden => {
                "这个会话不允许机器人主动发言，只能在对方发言后回复；群主可在“群聊 → 更多 → 群机器人 → 管理”里打开"
            }
            Self::Night => "平台夜间不允许主动发言，早上再发",
            Self::AnchorInvalid | Self::AnchorExpired | Self::CountUsed => "可回复的消息已过期或回复次数已用完",
            Self::Duplicate => "平台认为是重复消息",
            Self::Config => "本机出口 IP 不在机器人的白名单里：请在开放平台“开发设置 → IP 白名单”里加上所有出口地址",
            Self::Token => "访问凭证无效：请核对 app_id 和 app_secret",
            Self::Permission => "机器人没有这项权限，或尚未发布（只能在沙箱群里使用）",
            Self::Banned => "机器人已被平台封禁，请到开放平台查看原因",
            Self::Url => "消息里的网址没有在开放平台登记（开发设置 → 消息 URL 配置）",
            Self::Sensitive => "内容被平台的安全策略拦下",
            Self::Markdown => "机器人没有 Markdown 消息的权限，改发文字",
            Self::Keyboard => "机器人没有按钮的权限，改发文字",
            Self::Media => "图片或文件没有被接受，改发文字",
            Self::RateLimited => "发送过快，稍后再发",
            Self::Muted => "机器人在这个群里被禁言，请群管理员解除",
            Self::TargetGone => "群已解散，或机器人已不在群里",
            Self::Closed => "对方关闭了私聊",
            Self::TooLong => "消息过长",
            Self::Empty => "消息为空",
            Self::Recall => "消息不能撤回了",
            Self::Transport => "平台没有给出有效的应答",
            Self::Refused => "平台拒绝了这条消息",
        }
    }
}

/// An answer that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it comes to.
    pub class: Class,
    /// The platform's code; 0 where there is none.
    pub code: i64,
    /// The platform's words, shortened, without control characters.
    pub words: String,
    /// What support asks for.
    pub trace: String,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Answer {
    /// What to do, the platform's code and its words: for people.
    pub fn told(&self) -> String {
        match (self.code, self.words.as_str()) {
            (0, "") => self.class.advice().to_owned(),
            (code, words) => format!("{}（{code} {words}）", self.class.advice()),
        }
    }
}

/// Reads a status and a body.
pub fn read(status: u16, bytes: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let number = |key: &str| body.get(key).and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
    let code = number("code").filter(|code| *code != 0).or_else(|| number("err_code")).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let words: String = text("message").chars().filter(|c| !c.is_control()).take(200).collect();
    let class = class(status, code, &words, &body);
    Answer { class, code, words, trace: text("trace_id").chars().take(64).collect(), body }
}

fn class(status: u16, code: i64, words: &str, body: &Value) -> Class {
    // The number of this one is not sure, its words are.
    if words.contains("禁言") {
        return Class::Muted;
    }
    if words.contains("回复次数超限") || words.contains("reply msg exceed limit") {
        return Class::CountUsed;
    }
    match code {
        0 => {}
        11_241..=11_244 | 11_251 | 11_261 | 11_275 => return Class::Token,
        11_252..=11_255 => return Class::Permission,
        11_265 => return Class::Banned,
        11_298 | 40_023_002 => return Class::Config,
        20_028 | 22_009 | 304_045 | 304_049 | 1_100_100 | 1_100_308 => return Class::RateLimited,
        40_034_005 | 304_027 => return Class::AnchorExpired,
        40_034_024 | 40_034_025 | 304_026 | 50_048 | 304_028 | 50_045..=50_047 => return Class::AnchorInvalid,
        40_054_005 => return Class::Duplicate,
        40_034_102 | 40_034_105 => return Class::ActiveForbidden,
        304_003 => return Class::Url,
        304_022 => return Class::Night,
        304_023 | 304_024 => return Class::PendingAudit,
        304_025 | 1_100_101..=1_100_103 => return Class::Sensitive,
        304_031 => return Class::Closed,
        304_036 | 50_037 | 50_040..=50_042 | 50_054..=50_057 => return Class::Markdown,
        304_037..=304_040 => return Class::Keyboard,
        304_082 | 304_083 | 304_010 | 304_017 | 304_020 | 304_021 | 40_093_001 | 40_093_002 => return Class::Media,
        306_001..=306_011 => return Class::Recall,
        50_006 => return Class::Empty,
        1_100_104 => return Class::TargetGone,
        1_000_001 => return Class::TooLong,
        304_018 | 500 | 502 | 504 => return Class::Transport,
        _ => {
            return if status == 429 {
                Class::RateLimited
            } else if status >= 500 {
                Class::Transport
            } else {
                Class::Refused
            };
        }
    }
    match status {
        204 => Class::Done,
        200..=299 if body.get("id").is_some() => Class::Sent,
        // An answer without a code that is no message either: `/gateway`, files.
        200..=299 if body.is_object() => Class::Done,
        429 => Class::RateLimited,
        401 => Class::Token,
        400..=499 if body.is_object() => Class::Refused,
        _ => Class::Transport,
    }
}
