//! One line for the operator: how the channel is, and what to do about it.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Transport;
use super::codec::Dialect;
use super::hub::{Hub, lock};

/// `Ok` is healthy; `Err` says what a person should do.
pub(super) fn line(hub: &Hub) -> Result<String, String> {
    if let Some(problem) = hub.problem() {
        return Err(problem);
    }
    let now = hub.now();
    let session = lock(&hub.session);
    let account = session.account().unwrap_or("未知");
    if !session.is_online() {
        return Err(format!(
            "连接正常，但 QQ 账号 {account} 已下线。请在 OneBot 实现里重新登录；在此之前请用其他渠道联系。"
        ));
    }
    let since = match &hub.config.transport {
        Transport::Http { .. } => session.last_frame(),
        Transport::ReverseWs { .. } | Transport::ForwardWs { .. } => session.connected_since(),
    };
    let Some(since) = since else { return Err(hub.config.transport.how_to_connect()) };
    let is_http = matches!(hub.config.transport, Transport::Http { .. });
    if !is_http && !session.hears() {
        return Err(
            "只有 API 连接，没有事件连接，收不到消息。请检查实现里的 event_url，或改用一条 Universal 连接。".to_owned()
        );
    }
    let name = match session.dialect() {
        Dialect::NapCat => "NapCat",
        Dialect::GoCqHttp => "go-cqhttp",
        Dialect::Lagrange => "Lagrange",
        Dialect::LlOneBot => "LLOneBot",
        Dialect::Unknown => "OneBot 实现",
    };
    let mut line = if is_http {
        format!("HTTP 接口可用：{name}，账号 {account}，最近一次收到数据 {}", clock(since))
    } else {
        format!("已连接：{name}，账号 {account}，自 {} 起", clock(since))
    };
    let muted = session.muted_groups(now);
    drop(session);
    if muted > 0 {
        // Writing to a string cannot fail.
        let _ = write!(line, "；{muted} 个群禁言中，消息暂缓发送");
    }
    let closed = lock(&hub.throttle).closed(now);
    if closed > 0 {
        let _ = write!(line, "；{closed} 个会话发送结果不明，已放慢，请留意是否被风控");
    }
    if hub.config.access_token.is_none() && hub.config.secret.is_none() {
        line.push_str("；未设置 access_token，任何能访问该地址的程序都会被信任，请尽快设置");
    }
    Ok(line)
}

/// Date and time as people here read it.
fn clock(at: Timestamp) -> String {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%m-%d %H:%M:%S").to_string()
}
