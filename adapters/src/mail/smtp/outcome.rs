//! What a failure means for the mail: again soon, again later, never, or perhaps it arrived (3.1, 3.2, 8.1, 8.3). Pure.

use std::time::Duration;

use super::line::{Failure, Stage};

/// What to do about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server asks for a pause.
    Later(Duration),
    /// A refusal that passes: the receiver's server limits us. Three times at most.
    RefusedForNow(Duration),
    /// Nothing was handed over: the usual back-off.
    Again,
    /// It may have arrived.
    Perhaps,
    /// Never, with the sentence for people.
    Never(String),
    /// Our account is refused: no mail will pass until a person has done something.
    Account(String),
}

/// 421 and its kind: one mail a minute (3.1).
const SLOW: Duration = Duration::from_mins(1);
/// Content that looks like spam: two minutes (3.1).
const SPAM: Duration = Duration::from_mins(2);
/// Refusals of QQ that pass: an hour, not sooner (3.2).
const LIMITED: Duration = Duration::from_hours(1);

pub(super) fn outcome(failure: &Failure) -> Outcome {
    let upper = failure.text.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    let Some(code) = failure.code else {
        return match failure.stage {
            Stage::Body => Outcome::Perhaps,
            Stage::Login => Outcome::Account(format!("发信服务器没有可用的登录方式（{}）", failure.text)),
            Stage::Connecting | Stage::Envelope => Outcome::Again,
        };
    };
    let told = format!("{code} {}", failure.text);
    if failure.stage == Stage::Login {
        return match code {
            400..=499 if !has(&["AUTH"]) => Outcome::Later(SLOW),
            _ => {
                Outcome::Account(format!("发信登录被拒绝（{told}）：请核对 user 与 password（网易、QQ 等要用授权码）"))
            }
        };
    }
    match code {
        530 | 534 | 535 | 538 => Outcome::Account(format!("发信服务器要求登录（{told}）：请配置 user 与 password")),
        501 | 553
            if has(&["SAME AS AUTH", "MUST EQUAL AUTH", "MUST BE SAME", "AUTHORIZED USER", "AUTHORIZATION USER"]) =>
        {
            Outcome::Account(format!("发件人必须与登录账号相同（{told}）：请把 address 改成登录的邮箱"))
        }
        451 if has(&["DT:SPM"]) => Outcome::Later(SPAM),
        421 => Outcome::Later(SLOW),
        450..=452 if has(&["MI:", "HL:", "RP:DRC", "TOO MANY", "FREQUENCY"]) => Outcome::Later(SLOW),
        400..=499 => Outcome::Again,
        500..=599 if has(&["FREQUENCY LIMITED", "MAILBOX UNAVAILABLE OR ACCESS DENIED"]) => {
            Outcome::RefusedForNow(LIMITED)
        }
        _ => Outcome::Never(failure.text.clone()),
    }
}

/// A failure, for people, with what to do.
pub(in crate::mail) fn told(failure: &Failure) -> String {
    match outcome(failure) {
        Outcome::Account(text) => text,
        _ => failure.text.clone(),
    }
}
