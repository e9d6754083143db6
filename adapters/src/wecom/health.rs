//! One line for the operator: each surface, how it is and what to do about it.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::bot::Bot;
use super::callback::Callback;
use super::codec::errcode::advice;
use super::session::{State, gap};
use super::socket::LineStatus;

/// How long an interruption is told of.
const OUTAGE_TOLD: Duration = Duration::from_hours(24);

/// The bot, however it is connected. `Ok` is healthy.
pub(super) fn of_bot(bot: &Bot, callback: Option<&Callback>) -> Result<String, String> {
    let now = (bot.now)();
    let held = bot.memory().held_now(now);
    let told = match (&bot.line, callback) {
        (Some(line), _) => of_line(&line.status(), now),
        (None, Some(callback)) => of_callback(callback),
        (None, None) => Err("智能机器人没有配置连接方式".to_owned()),
    };
    told.map(|mut line| {
        if held > 0 {
            // Writing to a string cannot fail.
            let _ = write!(line, "；{held} 个会话被平台限流，稍后自动继续");
        }
        line
    })
}

/// One text of all lines; ill where one of them is, and then that one comes first.
pub(super) fn joined(lines: Vec<Result<String, String>>) -> Result<String, String> {
    if lines.is_empty() {
        return Err("没有配置任何接入方式".to_owned());
    }
    let (well, ill): (Vec<_>, Vec<_>) = lines.into_iter().partition(Result::is_ok);
    let healthy = ill.is_empty();
    let text = ill.into_iter().chain(well).map(|line| line.unwrap_or_else(|ill| ill)).collect::<Vec<_>>().join("\n");
    if healthy { Ok(text) } else { Err(text) }
}

/// The long connection.
pub fn of_line(status: &LineStatus, now: Timestamp) -> Result<String, String> {
    let name = "智能机器人（长连接）";
    let down = || {
        let since = status.down_since.map(|since| format!("，自 {} 起", clock(since))).unwrap_or_default();
        let why = status.trouble.as_deref().map(|why| format!("：{why}")).unwrap_or_default();
        format!(
            "{name}没有连接{since}{why}。正在自动重连；请确认服务器能访问 openws.work.weixin.qq.com:443。断线期间 @ 机器人的消息不会补发"
        )
    };
    match status.state {
        State::Live { since } => {
            let mut line = format!("{name}已连接，自 {} 起", clock(since));
            if let Some(at) = status.last_callback {
                let _ = write!(line, "，最近一次听到消息 {}", clock(at));
            }
            if let Some(took) = status.round_trip {
                let _ = write!(line, "，心跳往返 {} 毫秒", took.as_millis());
            }
            if let Some((from, to)) = status.outage.filter(|(_, to)| gap(*to, now) < OUTAGE_TOLD) {
                let _ = write!(
                    line,
                    "；{} 到 {} 断线，期间 @ 机器人的消息可能没有收到，请在有未结工单的群里确认",
                    clock(from),
                    clock(to)
                );
            }
            if status.kicks > 0 {
                let _ = write!(line, "；曾被另一处连接顶掉 {} 次，请检查是否有两套程序使用同一个机器人", status.kicks);
            }
            Ok(line)
        }
        State::Kicked { not_before } => Err(format!(
            "{name}被另一处连接顶掉：同一个机器人只能有一处连接。请检查是否有另一套程序（或测试环境）使用同一个 BotID，测试与生产应各用一个机器人。{} 之后会再尝试",
            clock(not_before)
        )),
        State::Refused { not_before, code } => {
            Err(format!("{name}：{}（{code}）。{} 之后会再尝试", advice(code), clock(not_before)))
        }
        State::Idle { .. } if status.standby => {
            Ok(format!("{name}由另一个实例保持，本实例待命；它停止后由本实例自动接管"))
        }
        State::Idle { .. } | State::Connecting | State::Subscribing { .. } => Err(down()),
    }
}

/// The callback address.
fn of_callback(callback: &Callback) -> Result<String, String> {
    let name = "智能机器人（回调）";
    let counts = callback.counts();
    if let Some(verified) = &counts.verified
        && let Err(refused) = verified.outcome
    {
        return Err(format!("{name}：{} 管理后台验证回调地址失败，{}", clock(verified.at), refused.advice()));
    }
    if counts.accepted == 0 && counts.bad_signature > 0 {
        return Err(format!(
            "{name}：收到 {} 次请求，签名都不正确。请核对 Token 与管理后台是否一致",
            counts.bad_signature
        ));
    }
    let mut line = match (&counts.verified, counts.accepted) {
        (None, 0) => format!("{name}还没有收到过请求。请在管理后台保存一次回调地址；地址须能从公网访问"),
        (Some(verified), 0) => format!("{name}地址验证通过（{}），还没有收到消息", clock(verified.at)),
        (_, accepted) => format!("{name}已收到 {accepted} 次"),
    };
    let odd = counts.bad_signature + counts.stale + counts.malformed;
    if odd > 0 {
        let _ = write!(line, "；拒绝了 {odd} 次不可信的请求");
    }
    Ok(line)
}

/// Date and time as people here read it.
pub(super) fn clock(at: Timestamp) -> String {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%m-%d %H:%M:%S").to_string()
}
