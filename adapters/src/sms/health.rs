//! One line for the operator: how the gateway is and what to do about it.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::cmpp::link::LineStatus;
use super::cmpp::session::State;

/// The operator's gateway. `Ok` is healthy.
pub(crate) fn of_line(
    status: &LineStatus,
    version: &str,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<String, String> {
    let name = format!("短信网关（CMPP {version}）");
    if let Some(problem) = problem {
        return Err(format!("{name}：{problem}"));
    }
    match status.state {
        State::Ready { since } => {
            let mut line = format!("{name}已连接，自 {} 起", clock(since));
            if status.paused_until > now {
                line.push_str("；网关要求放慢（流控），正在自动重试");
            }
            if status.queued > 0 {
                // Writing to a string cannot fail.
                let _ = write!(line, "；{} 条在排队", status.queued);
            }
            if status.unproven {
                line.push_str("；网关的认证码与密钥不符（多为网关实现不标准）");
            }
            Ok(line)
        }
        _ if status.standby => Ok(format!("{name}由另一个实例保持，本实例待命；它停止后由本实例自动接管")),
        State::Idle { not_before, why: Some(why) } => {
            let trouble = status.trouble.as_deref().map(|trouble| format!("：{trouble}")).unwrap_or_default();
            let again = if not_before > now {
                format!("。{} 之后会再尝试", clock(not_before))
            } else {
                "。正在自动重连".to_owned()
            };
            Err(format!("{name}：{}{trouble}{again}", why.words()))
        }
        State::Idle { why: None, .. } => {
            let trouble = status.trouble.as_deref().map(|trouble| format!("：{trouble}")).unwrap_or_default();
            Err(format!("{name}还没有连接{trouble}"))
        }
        State::Connecting { .. } | State::Closing { .. } | State::Over { .. } => Err(format!("{name}正在连接")),
    }
}

/// Date and time as people here read it.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::fixed(Offset::constant(8))).strftime("%m-%d %H:%M:%S").to_string()
}
