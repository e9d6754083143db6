//! What an `errcode` means to whoever sends: its class, and what an administrator does about it (wecom.md 3.4, 5.12,
//! `errcodes` of the vectors).

/// What the sender does with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It was taken.
    Done,
    /// The same request again after a short pause, a few times.
    Retry,
    /// The same request once more; seen as passing by report only.
    RetryOnce,
    /// The socket is not subscribed: close, connect, subscribe, once more.
    Reconnect,
    /// The reply's right is gone or was never there: say it by a push instead.
    PushInstead,
    /// Too often: wait until the window has passed.
    Throttled,
    /// The access token is stale: fetch one, then once more.
    TokenStale,
    /// Too long (or, for 40058 without "max length", a parameter is wrong): split.
    TooLong,
    /// Credentials, rights or settings are wrong: stop this way, tell an administrator, do not retry.
    Credentials,
    /// This receiver cannot be reached this way: take the next way.
    ReceiverClosed,
    /// The request as it is will never be taken: a fault on our side.
    Bug,
}

use Class::{
    Bug, Credentials, Done, PushInstead, ReceiverClosed, Reconnect, Retry, RetryOnce, Throttled, TokenStale, TooLong,
};

/// Codes that somebody has seen or WeCom lists, by number.
const CLASSES: &[(i64, Class)] = &[
    (-1, Retry),
    (0, Done),
    (6000, Retry),
    (40001, Credentials),
    (40003, ReceiverClosed),
    (40004, Bug),
    (40005, Bug),
    (40006, Bug),
    (40007, Bug),
    (40008, Bug),
    (40009, Bug),
    (40011, Bug),
    (40013, Credentials),
    (40014, TokenStale),
    (40031, ReceiverClosed),
    (40032, Bug),
    (40033, Bug),
    (40035, Bug),
    (40050, ReceiverClosed),
    (40056, Credentials),
    (40058, TooLong),
    (40063, Bug),
    (41001, TokenStale),
    (41002, Credentials),
    (41004, Credentials),
    (42001, TokenStale),
    (43004, ReceiverClosed),
    (43012, Credentials),
    (44001, Bug),
    (44004, Bug),
    (45001, Bug),
    (45002, TooLong),
    (45007, Bug),
    (45008, Bug),
    (45009, Throttled),
    (45033, Throttled),
    (45034, Bug),
    (48001, Credentials),
    (48002, Credentials),
    (48006, Credentials),
    (48009, Credentials),
    (50001, Credentials),
    (50002, ReceiverClosed),
    (50003, Credentials),
    (60011, ReceiverClosed),
    (60020, Credentials),
    (60111, ReceiverClosed),
    (80001, Credentials),
    (81013, ReceiverClosed),
    (81026, Retry),
    (82001, Bug),
    (85005, Credentials),
    (86001, ReceiverClosed),
    (86003, ReceiverClosed),
    (86004, Bug),
    (86006, Bug),
    (86008, ReceiverClosed),
    (86207, Bug),
    (86215, Done),
    (86216, Bug),
    (93000, Credentials),
    (93004, Credentials),
    (93006, ReceiverClosed),
    (93008, Credentials),
    (93019, Credentials),
    (95000, Credentials),
    (95001, Throttled),
    (95002, Throttled),
    (95004, Credentials),
    (95007, Retry),
    (95013, ReceiverClosed),
    (95014, Bug),
    (95016, Bug),
    (95017, Credentials),
    (95018, ReceiverClosed),
    (301_002, Credentials),
    (301_019, Bug),
    (600_039, PushInstead),
    (846_601, RetryOnce),
    (846_602, RetryOnce),
    (846_605, PushInstead),
    (846_608, PushInstead),
    (846_609, Reconnect),
    (853_000, Credentials),
    (853_006, Credentials),
];

/// The class of a code; one that nobody has described is not tried again blindly.
pub fn class(code: i64) -> Class {
    CLASSES.binary_search_by_key(&code, |&(known, _)| known).map_or(Bug, |at| CLASSES[at].1)
}

/// Whether the words beside 40058 say that a text is too long; otherwise that code is a fault on our side.
pub fn says_too_long(errmsg: &str) -> bool {
    errmsg.contains("max length") || errmsg.contains("too long")
}

/// All codes that are known here, by number.
pub fn known() -> impl Iterator<Item = i64> {
    CLASSES.iter().map(|(code, _)| *code)
}

/// What an administrator does, in Chinese. Every code has an answer; it never contains anything secret.
pub fn advice(code: i64) -> &'static str {
    match code {
        0 => "正常",
        40001 => {
            "Secret 不正确，或属于另一个应用、已被重置。请在管理后台该应用页面重新查看 Secret 并更新配置；连续用错会使本机地址被封一小时"
        }
        40013 | 41002 => "企业 ID（CorpID）不正确，应以 ww 或 wx 开头，见管理后台“我的企业”页面底部",
        41004 => "没有填写应用的 Secret",
        40056 | 301_002 => "AgentId 不正确或与 Secret 不是同一个应用，请在应用详情页核对（应为整数）",
        43012 => {
            "应用没有设置接收消息的服务器地址，带按钮的卡片发不出去。请在应用的“接收消息”里设置 URL、Token 和 EncodingAESKey"
        }
        45009 => "发送过于频繁，被平台限流，稍后会自动继续",
        45033 => "同时进行的调用过多，稍后会自动继续",
        48001 | 48006 => "应用没有这个接口的权限，请在管理后台确认应用权限未被收回",
        48002 => "应用没有这个接口的权限。使用应用群聊时，应用的可见范围必须是根部门",
        48009 => "通讯录接口不再向新增地址开放，请改用应用的 Secret",
        50001 | 80001 | 85005 => "可信域名没有登记、没有备案或没有通过归属校验，请在应用详情的“网页授权及JS-SDK”里处理",
        50002 | 60011 => "该成员不在应用的可见范围内，请在应用详情的“可见范围”里加入",
        50003 => "应用已被停用，请在管理后台重新启用",
        60020 => "本机出口地址不在可信 IP 名单内。请把提示中的地址填入应用详情的“企业可信IP”，约一分钟后生效",
        60111 | 40003 | 40031 => "没有这个成员，请核对人员表里的企业微信账号（UserID）",
        81013 => "接收人全部无效或不在应用的可见范围内，请核对人员表里的企业微信账号和应用的可见范围",
        43004 => "该成员尚未激活企业微信",
        40050 | 86001 | 86003 => "没有这个群聊，请核对群聊编号",
        86008 => "这个群不是由本应用创建的，应用不能向它发消息。请改用群里的消息推送机器人或智能机器人",
        93000 => "机器人的 webhook 地址（key）不正确，或机器人已被移出群。请在群设置的“消息推送”里重新复制地址",
        93004 => "群机器人已被停用，请在群设置的“消息推送”里启用",
        93006 => "机器人不能向这个会话发消息：请先在该会话里 @ 一次机器人，或确认它仍在群里",
        93008 => "群机器人已不在群里，请在群设置的“消息推送”里重新添加",
        93019 => "智能机器人的 BotID 不正确，请在管理后台核对",
        853_000 => "智能机器人的 Secret 不正确（注意不是应用的 Secret）。请在机器人的“使用长连接”里重新生成并更新配置",
        853_006 => "企业没有开通这项功能，可以忽略",
        846_605 => "回复的凭据已失效（通常是重新连接之前的消息），会改为主动推送",
        846_608 => "这条回复已不能再更新，会改为主动推送",
        846_609 => "长连接没有完成订阅，会自动重新连接",
        600_039 => "群里的流式回复被拒绝，会改为主动推送",
        95000 | 95004 => "客服账号（open_kfid）不正确",
        95017 => "微信客服的接口开关没有打开",
        _ => match class(code) {
            Done => "正常",
            Retry | RetryOnce | Reconnect => "平台暂时繁忙或在维护，会自动重试",
            PushInstead => "会改为主动推送",
            Throttled => "被平台限流，稍后会自动继续",
            TokenStale => "访问凭证已过期，会自动刷新",
            TooLong => "消息过长或参数不被接受",
            Credentials => "配置或权限不正确，请对照管理后台检查",
            ReceiverClosed => "无法送达该接收人，会尝试其他方式",
            Bug => "平台不接受这条消息的格式，请把错误代码反馈给开发者",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(CLASSES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_code_nobody_has_described_is_not_tried_again() {
        assert_eq!(class(777_777), Bug);
        assert!(!advice(777_777).is_empty());
    }
}
