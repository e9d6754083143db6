//! Status reports and what their words mean (sms.md 1.4).

use serde::Serialize;

use super::MsgId;
use super::wire::{Reader, text};

/// Bytes of a report in 2.0.
pub const SHORT: usize = 60;
/// Bytes of a report in 3.0; 3.0 links send both.
pub const LONG: usize = 71;

/// A report as far as it could be read; dates are kept as they came, since `0001010000` occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of the SUBMIT_RESP it belongs to.
    pub msg_id: MsgId,
    /// Seven letters at most.
    pub stat: String,
    /// `YYMMDDHHMM`; empty where the report is cut short.
    pub submit_time: String,
    /// As above.
    pub done_time: String,
    /// The phone, or our own access number.
    pub dest_terminal_id: String,
    /// Of the message centre.
    pub smsc_sequence: u32,
}

impl Report {
    /// Reads a report; `None` where not even Msg_Id and Stat are there. Told apart by length, not by the version.
    pub fn read(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let msg_id = MsgId(u64::from_be_bytes(reader.array().ok()?));
        let stat = reader.text(7).ok()?;
        let mut report = Self {
            msg_id,
            stat,
            submit_time: String::new(),
            done_time: String::new(),
            dest_terminal_id: String::new(),
            smsc_sequence: 0,
        };
        let number = if content.len() >= LONG { 32 } else { 21 };
        let rest = || -> Option<(String, String, String, u32)> {
            let mut reader = Reader(content.get(15..)?);
            let times = (reader.take(10).ok()?, reader.take(10).ok()?);
            let number = reader.take(number).ok()?;
            Some((text(times.0), text(times.1), text(number), reader.u32().ok()?))
        };
        if let Some((submit, done, number, sequence)) = rest() {
            report.submit_time = submit;
            report.done_time = done;
            report.dest_terminal_id = number;
            report.smsc_sequence = sequence;
        }
        Some(report)
    }
}

/// What a word of a report says about the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// On the phone.
    Delivered,
    /// Nothing final: go on waiting.
    Waiting,
    /// Not on the phone; the same may work later (switched off, no answer on the way).
    Failed,
    /// Not on the phone, and not going to be (no such number, refused).
    Refused,
}

impl Verdict {
    /// Whether nothing more will come.
    pub fn is_final(self) -> bool {
        self != Self::Waiting
    }
}

/// The verdict of a Stat. What is not known counts as not delivered.
pub fn verdict(stat: &str) -> Verdict {
    let family = stat.split(':').next().unwrap_or_default();
    match (stat, family) {
        // Some resellers send 0 for success.
        ("DELIVRD" | "0", _) => Verdict::Delivered,
        ("ACCEPTD", _) | (_, "ML") => Verdict::Waiting,
        // No such number or suspended; refused by the subscriber or for its content.
        ("REJECTD" | "DELETED" | "MK:0001", _) | (_, "DB" | "MN" | "MJ") => Verdict::Refused,
        _ => Verdict::Failed,
    }
}

/// What a person is told about a failed message.
pub fn words(stat: &str) -> &'static str {
    let family = stat.split(':').next().unwrap_or_default();
    match (stat, family) {
        ("EXPIRED", _) | (_, "MI") => "在有效期内没有送达（多为关机或不在服务区）",
        ("MK:0001", _) => "号码是空号或已停机",
        ("MK:0012", _) => "手机关机或不在服务区",
        ("UNDELIV", _) | (_, "MK") => "没有送达",
        ("REJECTD", _) | (_, "MN") => "被运营商拒绝（内容或黑名单）",
        ("DELETED", _) | (_, "MJ") => "被短信中心删除",
        (_, "DB") => "被运营商平台拦截（多为黑名单、退订或内容）",
        (_, "MC" | "IC") | ("UNKNOWN" | "", _) => "运营商没有给出结果",
        _ => "没有送达，运营商网络没有应答或返回错误",
    }
}
