//! From a message to SUBMITs, and from their outcomes to what the outbox is told (sms.md 1.3, 1.10).

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::codec::{MsgId, Submit};
use super::config::CmppConfig;
use super::session::Outcome;
use crate::SendError;
use crate::sms::text::segments::Reference;
use crate::sms::text::udh::{self, Concat};
use crate::sms::text::{Fitted, content};
use crate::sms::time::later;

/// Waits after what passes by itself.
const SOON: Duration = Duration::from_secs(5);
/// As above, where the gateway is full.
const FULL: Duration = Duration::from_secs(30);
/// As above, where something behind the gateway is down or full.
const LATER: Duration = Duration::from_mins(1);

/// How far a message in several parts has come. A second try goes on with the same reference, so that the phone puts old
/// and new parts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Of the text: another text is another message.
    pub text: String,
    pub reference: u16,
    /// Parts, from 1, that the gateway took.
    pub done: Vec<usize>,
}

/// The SUBMIT of each part that is not through yet, with its number from 1.
pub(super) fn submits(
    config: &CmppConfig,
    to: &str,
    fitted: &Fitted,
    progress: &Progress,
    now: Timestamp,
) -> Vec<(usize, Submit)> {
    let total = fitted.segments.len();
    let bits = match config.reference {
        Reference::Eight => 8,
        Reference::Sixteen => 16,
    };
    let valid_time = config.validity.map(|validity| valid_until(later(now, validity))).unwrap_or_default();
    let todo = fitted.segments.iter().enumerate().map(|(at, text)| (at + 1, text));
    todo.filter(|(part, _)| !progress.done.contains(part))
        .map(|(part, text)| {
            // A message has at most ten parts.
            let (total, number) = (u8::try_from(total).unwrap_or(1), u8::try_from(part).unwrap_or(1));
            let mut bytes = Vec::new();
            if total > 1 {
                let reference = if bits == 8 { progress.reference & 0xff } else { progress.reference };
                bytes = udh::write(Concat { reference, ref_bits: bits, total, number });
            }
            bytes.extend(content::ucs2(text));
            let submit = Submit {
                pk_total: total,
                pk_number: number,
                registered_delivery: 1,
                service_id: config.service_id.clone(),
                fee_user_type: 2,
                tp_udhi: u8::from(total > 1),
                msg_fmt: content::UCS2,
                msg_src: config.sp_id.clone(),
                fee_type: "01".to_owned(),
                fee_code: "000000".to_owned(),
                valid_time: valid_time.clone(),
                src_id: config.src_id.clone(),
                dest_terminal_ids: vec![to.to_owned()],
                content: bytes,
                ..Submit::default()
            };
            (part, submit)
        })
        .collect()
}

/// `YYMMDDhhmmsstnnp`: local time, tenths, quarter hours from UTC (1.3).
fn valid_until(at: Timestamp) -> String {
    use jiff::tz::{Offset, TimeZone};
    at.to_zoned_datetime(TimeZone::fixed(Offset::constant(8))).strftime("%y%m%d%H%M%S032+").to_string()
}

/// What the outcomes of all parts mean together. What may have arrived weighs most, as saying it another way would say it
/// twice; then what will never be taken.
pub(super) fn verdict(outcomes: &[(usize, Outcome)], unreachable: impl Fn() -> String) -> Result<(), SendError> {
    let mut worst: Option<(u8, SendError)> = None;
    for (_, outcome) in outcomes {
        let (rank, error) = match *outcome {
            Outcome::Accepted { .. } => continue,
            Outcome::Unknown => (3, SendError::Perhaps),
            Outcome::Refused { result } => (2, refusal(result)),
            Outcome::Busy => (1, SendError::Throttled { retry_after: SOON }),
            Outcome::NotSent => (0, SendError::Unreachable(unreachable())),
        };
        if worst.as_ref().is_none_or(|(known, _)| *known < rank) {
            worst = Some((rank, error));
        }
    }
    worst.map_or(Ok(()), |(_, error)| Err(error))
}

/// The ids by part, of those that were taken under one.
pub(super) fn ids(outcomes: &[(usize, Outcome)]) -> impl Iterator<Item = (usize, MsgId)> + '_ {
    outcomes.iter().filter_map(|(part, outcome)| match outcome {
        Outcome::Accepted { msg_id: Some(msg_id) } => Some((*part, *msg_id)),
        _ => None,
    })
}

/// A result that is not 0 (1.3).
fn refusal(result: u32) -> SendError {
    match result {
        8 => SendError::Throttled { retry_after: FULL },
        54 | 77 | 250 => SendError::Throttled { retry_after: LATER },
        result => SendError::Refused { code: i64::from(result), text: words(result).to_owned() },
    }
}

/// Whether only an administrator can mend it.
pub(super) fn is_configuration(result: u32) -> bool {
    matches!(result, 5 | 7 | 10 | 11 | 12)
}

/// What a result means, for people.
pub fn words(result: u32) -> &'static str {
    match result {
        1 | 2 | 4 | 6 => "网关认为短信格式不对，请把此错误报告给开发方",
        5 => "资费代码错误，请与运营商核对",
        7 => "业务代码 service_id 错误，请与运营商核对",
        9 => "网关不为该计费号码服务",
        10 => "接入号 src_id 错误，请与运营商核对（含扩展码报备）",
        11 => "企业代码 sp_id 错误，请与运营商核对",
        12 => "计费号码错误，请与运营商核对",
        13 => "手机号码不正确",
        61 => "短信已过期",
        69 => "号码在运营商黑名单中，需机主联系运营商解除",
        72 => "没有到该号码的路由",
        76 => "内容被运营商拦截",
        83 => "短信过长",
        208 => "短信账户余额不足",
        _ => "网关拒绝了短信（厂商自定义代码，请向运营商查询）",
    }
}
