//! What an answer to a send means. Pure.
//!
//! Decided by `status`, never by the return code alone. "Ambiguous is not failed": NapCat's time-out with `result: 0`
//! is often a message that everybody can read.

use serde_json::Value;

use super::codec::{Answer, Status, clean, id_of};

/// Outcome classes of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The platform took it; the id where it told a usable one.
    Sent(Option<String>),
    /// It may have arrived.
    Perhaps,
    /// Surely not delivered, and trying again will not help.
    Refused(String),
    /// Tencent blocked it: surely not delivered, and everything should slow down.
    Blocked(String),
    /// We may not speak in that group now.
    Muted,
    /// The account is out.
    Offline,
    /// Our token was not taken.
    Token,
}

/// Classifies the answer to `send_group_msg` and the like.
pub fn of_send(answer: &Answer) -> Outcome {
    match answer.status {
        Status::Async => Outcome::Sent(None),
        Status::Ok => match answer.data.get("message_id").and_then(id_of).as_deref() {
            // go-cqhttp answers -1 where the send failed within, and 0 where there is no id to give.
            Some("-1") => Outcome::Perhaps,
            Some("0") | None => Outcome::Sent(None),
            Some(id) => Outcome::Sent(Some(id.to_owned())),
        },
        Status::Failed => of_failure(answer),
    }
}

fn of_failure(answer: &Answer) -> Outcome {
    let words = answer.words.as_str();
    let has = |part: &str| words.contains(part);
    if answer.refuses_token() {
        return Outcome::Token;
    }
    if has("blocked by server") {
        return Outcome::Blocked(explain(answer));
    }
    // Lagrange gives the raw result as its code, without a word.
    if squeezed(words).contains("\"result\":120") || has("禁言") || (answer.code == 120 && words.is_empty()) {
        return Outcome::Muted;
    }
    let lower = words.to_ascii_lowercase();
    if has("KickedOffLine") || lower.contains("kicked") || has("账号已离线") || has("未登录") {
        return Outcome::Offline;
    }
    if has("EventChecker Failed") || lower.contains("rich media transfer failed") {
        return Outcome::Refused(explain(answer));
    }
    if has("Timeout") || lower.contains("timed out") || lower.contains("timeout") {
        return Outcome::Perhaps;
    }
    if answer.code == 0 && answer.data == Value::Null && words.is_empty() {
        // An empty object: go-cqhttp found no target in the call. Nothing was sent.
        return Outcome::Refused("对方没有给出结果，消息没有发出。请检查群号或 QQ 号是否填写正确。".to_owned());
    }
    Outcome::Refused(explain(answer))
}

fn squeezed(words: &str) -> String {
    words.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Machine words of peers, and what a person should make of them.
const CAUSES: [(&str, &str); 12] = [
    ("blocked by server", "被腾讯风控拦截。请放慢发送、去掉链接和图片，必要时人工用该账号登录验证"),
    ("GROUP_NOT_FOUND", "机器人不在这个群里，请把它重新拉进群或检查群号"),
    ("群聊不存在", "机器人不在这个群里，请把它重新拉进群或检查群号"),
    ("MEMBER_NOT_FOUND", "群里没有这个成员"),
    ("FRIEND_NOT_FOUND", "对方不是机器人的好友，私聊发不出去，请在群里联系或先加好友"),
    ("EMPTY_MSG_ERROR", "消息内容为空"),
    ("API_NOT_FOUND", "对方程序不支持这个接口，请升级 NapCat 等实现"),
    ("不支持的Api", "对方程序不支持这个接口，请升级 NapCat 等实现"),
    ("rich media transfer failed", "图片或文件上传失败"),
    ("PERMISSION_DENIED", "机器人在群里没有相应权限"),
    ("NOT_MANAGEABLE", "机器人在群里没有相应权限"),
    ("EventChecker Failed", "QQ 拒绝了这条消息"),
];

/// A sentence for the operator: cause and remedy where we know them, then the peer's own words, shortened.
pub fn explain(answer: &Answer) -> String {
    let words: String = clean(&answer.words).split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(120).collect();
    match CAUSES.iter().find(|(sign, _)| answer.words.contains(sign)) {
        Some((_, cause)) => format!("{cause}（{short}）"),
        None if answer.unknown_action() => format!("对方程序不支持这个接口，请升级 NapCat 等实现（{short}）"),
        None if short.is_empty() => format!("对方返回失败，代码 {}，没有说明原因", answer.code),
        None => format!("对方返回失败：{short}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_to_sends_fall_into_their_classes() {
        let failed =
            |code: i64, words: &str| json!({ "status": "failed", "retcode": code, "data": null, "message": words });
        let refused = |text: &str| Outcome::Refused(text.to_owned());
        for (why, answer, outcome) in [
            (
                "a negative id is an id",
                json!({ "status": "ok", "data": { "message_id": -7 } }),
                Outcome::Sent(Some("-7".to_owned())),
            ),
            (
                "a string id too",
                json!({ "status": "ok", "data": { "message_id": "7" } }),
                Outcome::Sent(Some("7".to_owned())),
            ),
            ("no id to give", json!({ "status": "ok", "data": { "message_id": 0 } }), Outcome::Sent(None)),
            ("failed within", json!({ "status": "ok", "data": { "message_id": -1 } }), Outcome::Perhaps),
            ("accepted", json!({ "status": "async", "retcode": 1 }), Outcome::Sent(None)),
            ("200 is a failure", failed(200, "坏了"), refused("对方返回失败：坏了")),
            ("without a word", failed(9000, ""), refused("对方返回失败，代码 9000，没有说明原因")),
            ("Lagrange's mute", failed(120, ""), Outcome::Muted),
            ("NapCat's mute", failed(1200, "EventChecker Failed EventRet: { \"result\": 120 }"), Outcome::Muted),
            ("NapCat's doubt", failed(1200, "Timeout: NTEvent sendMsg { \"result\": 0 }"), Outcome::Perhaps),
            ("kicked", failed(1200, "KickedOffLine"), Outcome::Offline),
            ("token", failed(1403, "token验证失败"), Outcome::Token),
            (
                "a cause we know",
                failed(100, "GROUP_NOT_FOUND"),
                refused("机器人不在这个群里，请把它重新拉进群或检查群号（GROUP_NOT_FOUND）"),
            ),
        ] {
            assert_eq!(of_send(&Answer::read(&answer)), outcome, "{why}");
        }
    }
}
