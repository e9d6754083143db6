//! How the robot is, for `doctor`: the connection, then what is known of each conversation.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::planner::Active;
use super::robot::Robot;
use super::socket::LineStatus;
use super::talks::Known;

/// Most conversations that are told one by one.
const MOST: usize = 20;

/// The lines; `Err` where a person has to do something.
pub(super) fn of(robot: &Robot, line: Option<&LineStatus>) -> Result<String, String> {
    let mut ok = true;
    let mut lines = Vec::new();
    match line {
        Some(line) if line.live => lines.push(format!("网关已连接{}", since(line.since))),
        Some(line) if line.standby => lines.push("网关由另一个实例连接，本机待命".to_owned()),
        Some(line) => {
            ok = false;
            lines.push(format!("网关没有连上：{}", line.trouble.as_deref().unwrap_or("正在连接")));
        }
        None => {
            let counters = &robot.counters;
            let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            let (taken, forged) = (count(&counters.accepted), count(&counters.forged));
            lines.push(format!("等待平台回调，已收 {taken} 个事件"));
            if forged > 0 {
                lines.push(format!(
                    "有 {forged} 次回调签名不对：若消息也收不到，请核对 app_secret；否则是外人在试探，已拒绝"
                ));
            }
            if count(&counters.stale) > 0 {
                lines.push("有回调的时间与本机相差超过 5 分钟：请核对服务器时间".to_owned());
            }
        }
    }
    lines.extend(line.and_then(|line| line.lacks).map(str::to_owned));
    if let Some(refusal) = robot.api.tokens().refusal() {
        ok = false;
        lines.push(refusal.to_string());
    }
    if let Some(blocked) = robot.blocked() {
        ok = false;
        lines.push(blocked);
    }
    let known = robot.talks.known();
    let waiting = known.values().filter(|known| known.waiting).count();
    if waiting > 0 {
        lines.push(format!("{waiting} 个会话有消息在等对方再次发言"));
    }
    let audits = robot.counters.audits.load(Ordering::Relaxed);
    if audits > 0 {
        lines.push(format!("{audits} 条消息待平台审核"));
    }
    lines.extend(known.iter().take(MOST).map(|(name, known)| of_conversation(name, known)));
    let text = lines.join("\n");
    if ok { Ok(text) } else { Err(text) }
}

fn of_conversation(name: &str, known: &Known) -> String {
    let mut parts = Vec::new();
    if name.starts_with("group:") {
        parts.push(match known.full {
            Some(true) => "能听到群里所有消息",
            Some(false) => "只听 @ 机器人的消息",
            None => "未见到全量消息（群主可打开“接收全部消息”）",
        });
    }
    parts.push(match known.active {
        Active::Allowed => "可以主动发言",
        Active::Denied => "不能主动发言，只能在对方发言后回复",
        Active::Unknown => "主动发言的权限未知",
    });
    parts.extend(known.waiting.then_some("有消息在等待"));
    let last = known.last.map(|last| format!("，最近发言 {}", at(last))).unwrap_or_default();
    let error = known.error.as_ref().map(|error| format!("，最近的错误：{error}")).unwrap_or_default();
    format!("{name}：{}{last}{error}", parts.join("，"))
}

fn since(at_: Option<Timestamp>) -> String {
    at_.map(|at_| format!("（自 {}）", at(at_))).unwrap_or_default()
}

fn at(at: Timestamp) -> String {
    at.in_tz("Asia/Shanghai").map_or_else(|_| at.to_string(), |at| at.strftime("%m-%d %H:%M").to_string())
}
