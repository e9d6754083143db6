//! Whether a machine wrote a mail (section 9 of the mail sheet).

use std::sync::LazyLock;

use regex::Regex;

use super::Address;
use super::head::{Head, unfold};

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("compiled by a test")
}

/// How the subject of an automatic reply begins. Most Chinese ones carry no field that says so.
static REPLY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:\[[^\]]{0,40}\]\s*)*(?:
            (?:系统)?(?:自动|自動)(?:回复|答复|回覆|答覆|应答|應答|返信)
          | (?:外出|休假|不在办公室|不在辦公室)(?:\s*$|\s*[:：(（]|自动|自動|回复|期间|中\s*$|通知\s*$)
          | automatic\ (?:reply|response)\b | auto(?:mated)?[-\s]?(?:reply|response|answer|responder)\b | auto\s*:
          | out[-\ ]of[-\ ](?:the[-\ ])?office\b | vacation\ (?:reply|response|notice|message)\b | away\ from\ (?:the\ )?office\b | ooo\s*:
          | abwesenheits(?:notiz|nachricht|assistent|meldung) | automatische\ (?:antwort|rückmeldung) | abwesend\s*:
          | réponse\ automatique | absence\ du\ bureau | respuesta\ automática | fuera\ de\ (?:la\ )?oficina | resposta\ automática
          | risposta\ automatica | automatisch\ antwoord | afwezig(?:heid)? | automatiskt?\ svar | automatisk\ svar | autosvar | automaattinen\ vastaus
          | автоответ | automatyczna\ odpowiedź | automatická\ odpověď
        )",
    )
});

/// How the subject of a receipt begins.
static RECEIPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:已读|已讀|送达|已送达|未读|read|not read|delivered|gelesen|lu|leído|return receipt \(displayed\)[^:]*)\s*[:：]\s*\S",
    )
});

/// How the subject of a delivery report begins or what it holds.
static REPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?:
            (?:系统)?退信 | 来自.{1,100}的退信 | (?:邮件)?投递失败 | (?:邮件)?投递(?:状态|延迟|失败)(?:通知|报告)? | 邮件(?:被)?退回 | 未送达 | 无法(?:投递|送达|传递) | 無法(?:傳遞|投遞) | 傳遞狀態通知
          | undeliver(?:ed|able) | (?:mail\ )?delivery\ (?:status|failure|failed|report|notification|problem|error|unsuccessful|delayed) | mail\ (?:delivery|system)\ (?:failed|failure|error|problem|delayed)
          | mail\ could\ not\ be\ delivered | returned\ mail | failure\ notice | message\ (?:delivery\ )?(?:failure|undeliverable|delayed|not\ delivered) | non[-\ ]?deliver(?:y|able)
          | nondeliverable\ mail | successful\ mail\ delivery | warning:\ (?:message|could\ not\ send|mail) | (?:permanent|temporary)\ delivery\ failure | failed\ delivery | email\ delivery\ failure
          | delayed\ mail | delivery\ reports?\ about\ your | rejected\ mail | returned\ to\ sender | error\ sending\ message | mail\ failure | bounce\ notification | could\ not\ deliver
          | unzustellbar | mail\ delivery\ (?:system|subsystem) | échec\ de\ (?:la\ )?remise | no\ se\ puede\ entregar | (?:mensagem\ )?não\ entregue | mancato\ recapito | onbestelbaar
          | delivery\ (?:has\ )?failed | mail\ system\ error | notice:\ mail\ delivery | considered\ unsolicited | benachrichti?gung\ zum\ übermittlungsstatus
          | user\ unknown | message\ status\ -\ undeliverable | email\ (?:returned|could\ not\ be\ delivered) | failed\ mail | エラーメール | message\ you\ sent\ blocked
          | (?:your\ )?message\ (?:could\ not\ be|was\ not)\ delivered | mail\ not\ delivered | mensaje\ no\ entregado | notification\ de\ (?:non[-\ ]remise|l['’]état\ de\ remise)
          | недоставленное\ сообщение | delivery\ notification
        )",
    )
});

/// Whether the subject is one of a delivery report.
pub(super) fn report_subject(subject: &str) -> bool {
    REPORT.is_match(subject.trim())
}

/// Whether the subject is one of an automatic reply.
pub(super) fn reply_subject(subject: &str) -> bool {
    REPLY.is_match(subject.trim())
}

/// Whether the account is one of a mail server.
pub(super) fn server_account(address: &str) -> bool {
    let local = local_part(address);
    matches!(
        local.as_str(),
        "postmaster" | "mailer-daemon" | "mailerdaemon" | "mail-daemon" | "mailer_daemon" | "maildaemon"
    ) || local.starts_with("mailer-daemon")
        || local.starts_with("microsoftexchange")
}

fn local_part(address: &str) -> String {
    address.split('@').next().unwrap_or_default().to_lowercase()
}

/// Accounts that nobody reads.
fn nobody(address: &str) -> bool {
    let local = local_part(address);
    let starts = [
        "noreply",
        "no-reply",
        "no_reply",
        "no.reply",
        "donotreply",
        "do-not-reply",
        "do_not_reply",
        "bounce",
        "bounces",
    ];
    let exact = ["notification", "notifications", "system", "listserv", "majordomo", "autoreply", "auto-reply", "系统"];
    exact.contains(&local.as_str())
        || starts
            .iter()
            .any(|start| local.strip_prefix(start).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphabetic())))
}

/// Why a machine wrote this, in words for people; `None` where a person did, as far as the header tells.
pub(super) fn auto(
    head: &Head<'_>,
    from: &[Address],
    sender: &[Address],
    subject: &str,
    kind: &str,
    calendar: bool,
) -> Option<String> {
    let word =
        |name: &str| head.word(name).map(|value| value.split([';', '(']).next().unwrap_or_default().trim().to_owned());
    if let Some(value) =
        word("auto-submitted").or_else(|| word("autosubmitted")).filter(|value| value != "no" && !value.is_empty())
    {
        return Some(format!("系统自动发出（Auto-Submitted: {}）", shortened(&value)));
    }
    if REPLY.is_match(subject.trim()) {
        return Some("自动回复".to_owned());
    }
    if kind == "multipart/report" || report_subject(subject) && from.iter().any(|from| server_account(&from.address)) {
        return Some("系统报告（退信或回执）".to_owned());
    }
    if RECEIPT.is_match(subject.trim()) {
        return Some("已读或送达回执".to_owned());
    }
    if let Some(value) = word("precedence")
        .or_else(|| word("x-precedence"))
        .filter(|value| matches!(value.as_str(), "bulk" | "list" | "junk" | "auto_reply" | "auto-reply"))
    {
        return Some(format!("群发或自动邮件（Precedence: {value}）"));
    }
    if ["list-id", "list-unsubscribe", "list-post"].iter().any(|name| head.get(name).is_some()) {
        return Some("邮件列表".to_owned());
    }
    if word("x-auto-response-suppress")
        .is_some_and(|value| value.split(',').any(|value| matches!(value.trim(), "oof" | "autoreply" | "all")))
    {
        return Some("发件系统要求不要自动回复".to_owned());
    }
    let marks = [
        "x-autoreply",
        "x-autorespond",
        "x-autoreply-from",
        "x-mail-autoreply",
        "x-autogenerated",
        "x-autoresponse",
        "x-auto-reply",
        "x-vacation",
        "x-failed-recipients",
        "feedback-id",
        "x-fc-machinegenerated",
    ];
    if let Some(mark) =
        marks.iter().find(|name| word(name).is_some_and(|value| !matches!(value.as_str(), "no" | "false" | "0")))
    {
        return Some(format!("系统自动发出（{mark}）"));
    }
    if word("preference").is_some_and(|value| value == "auto_reply")
        || word("x-post-messageclass").is_some_and(|value| value.starts_with('9'))
        || head.all("delivered-to").any(|value| value.trim_ascii().eq_ignore_ascii_case(b"autoresponder"))
    {
        return Some("自动回复".to_owned());
    }
    if head.get("return-path").is_some_and(|value| matches!(unfold(value).as_slice(), b"<>" | b"< >")) {
        return Some("退信地址为空，系统自动发出".to_owned());
    }
    if from.iter().chain(sender).any(|who| nobody(&who.address) || server_account(&who.address)) {
        return Some("发件账号是系统账号，没有人看回信".to_owned());
    }
    calendar.then(|| "日程邀请或答复".to_owned())
}

fn shortened(value: &str) -> String {
    value.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&REPLY, &RECEIPT, &REPORT] {
            assert!(!pattern.as_str().is_empty());
        }
    }
}
