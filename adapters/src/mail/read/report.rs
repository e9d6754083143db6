//! Delivery reports: RFC 3464, and what servers write that know nothing of it (section 9.1 of the mail sheet).

use std::sync::LazyLock;

use regex::Regex;

use super::auto::{self, report_subject, server_account};
use super::charset::decode;
use super::head::{Head, lines, split, unfold};
use super::people::ids;
use super::tree::Tree;
use super::{Address, Bounce};

/// Bytes of text that are searched for reasons and addresses: what a server says stands on top.
const SEARCHED: usize = 64 * 1024;
/// Recipients and ids that are taken.
const MOST: usize = 100;
/// Characters of a reason.
const LONGEST_REASON: usize = 500;

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("compiled by a test")
}

static ENHANCED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^\d.]|\.(?:$|\D))"));
static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^\d.:-])([45][0-5]\d)(?:$|[^\d.:])"));
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"));
static MESSAGE_ID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?im)^[>\s]*(?:original-)?message-id\s*:\s*(<[^<>\s]{1,900}>)"));
/// Where a copy of the undelivered mail begins in a text.
static COPY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?im)^[-\s>*]*(?:below this line is a copy|this is a copy of (?:the|your) message|(?:the )?original message (?:follows|headers)|-+ ?(?:original|returned|undelivered) (?:message|mail)|message headers? follow|original message|unsent message|included is a copy|原邮件(?:内容|信息)?|原始邮件(?:头|信息)?|return-path:|received:)",
    )
});
static DELAYED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bdelay(?:ed)?\b|still being retried|will (?:be retried|keep trying|continue to (?:try|be retried)|retry)|no action is required|not yet been delivered|warning message only|do not need to resend|延迟|延遲|仍在(?:尝试|重试)",
    )
});
static SUCCESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)success(?:ful(?:ly)?)? (?:mail )?deliver|(?:was|were|been) successfully (?:delivered|relayed)|投递成功|成功(?:投递|送达)",
    )
});
static NO_SUCH_USER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)user unknown|unknown user|no such (?:user|mailbox|recipient|address)|does ?n[o']t exist|mailbox (?:unavailable|not found)|invalid recipient|recipient (?:address )?rejected|not found in directory|用户不存在|收件人不存在|地址不存在|账号不存在|帐号不存在|邮箱不存在|无此用户|查无此人|not our customer|no mailbox here",
    )
});
static FULL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:mailbox|quota|inbox|storage).{0,30}(?:full|exceeded|over)|over quota|容量不足|空间不足|邮箱已满|frequency limited|too large|超过.{0,10}(?:大小|限制)",
    )
});
/// Words before the reason in Chinese reports and some others.
static REASON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^.{0,20}(?:退信原因|失败原因|错误原因|原因|错误信息|Reason|Error|The reason[^:]{0,60}|said|responded)\s*[:：]\s*(\S.{0,600})$",
    )
});
/// A line that says of an address that it was not reached.
static UNREACHED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)无法|不能|未能|失败|退回|收件人|fail|could ?n[o']t|cannot|unable|undeliver|not (?:be )?deliver|not reach|rejected|recipient|unknown|does ?n[o']t exist|^\s*to:|->|for <",
    )
});

/// What a report says of one recipient.
#[derive(Default)]
struct Group {
    recipient: Option<String>,
    action: String,
    status: String,
    diagnostic: String,
}

/// The delivery report that this mail is, if it is one.
pub(super) fn bounce(tree: &Tree<'_>, from: &[Address], subject: &str, text: &str) -> Option<Bounce> {
    let root = tree.parts.first()?;
    let head = &root.head;
    let mut searched = text.len().min(SEARCHED);
    while !text.is_char_boundary(searched) {
        searched -= 1;
    }
    let text = &text[..searched];
    let status = tree
        .parts
        .iter()
        .find(|part| matches!(part.kind.as_str(), "message/delivery-status" | "message/global-delivery-status"));
    let report = root.kind == "multipart/report"
        && root.content_type.word("report-type").is_some_and(|kind| kind.eq_ignore_ascii_case("delivery-status"));
    let other_report = root.kind == "multipart/report"
        && !report
        && root.content_type.word("report-type").is_some()
        && status.is_none();
    if other_report {
        return None;
    }
    let failed_field = head.get("x-failed-recipients");
    let server = from.iter().any(|from| server_account(&from.address))
        || head.get("return-path").is_some_and(|path| unfold(path) == b"<>")
        || head.get("from").is_some_and(|from| {
            let from = unfold(from).to_ascii_lowercase();
            [&b"mailer-daemon"[..], b"mail delivery", b"postmaster"]
                .iter()
                .any(|name| super::words::find(&from, name).is_some())
        });
    let nested = tree.parts.iter().any(|part| matches!(part.kind.as_str(), "message/rfc822" | "text/rfc822-headers"));
    let daemon = from.iter().any(|from| from.address.to_lowercase().contains("daemon@"));
    let looks = report_subject(subject) || text.contains("This is the qmail-send program") || text.contains("退信原因");
    let evidence = || nested || ADDRESS.is_match(text) || MESSAGE_ID.is_match(text);
    let told = || nested || NO_SUCH_USER.is_match(text) || FULL.is_match(text) || enhanced(text).is_some();
    let in_words = || (looks && (server || strong_subject(subject)) || server && (daemon || told())) && evidence();
    if !report && status.is_none() && failed_field.is_none() && (auto::reply_subject(subject) || !in_words()) {
        return None;
    }
    let own = COPY.find(text).map_or(text, |copy| &text[..copy.start()]);
    let groups = status.map(|part| groups(&part.bytes())).unwrap_or_default();
    let mut bounce = Bounce::default();
    for recipient in groups.iter().filter_map(|group| group.recipient.clone()) {
        put(&mut bounce.recipients, recipient);
    }
    if bounce.recipients.is_empty() {
        bounce.recipients = named(failed_field, own, from);
    }
    bounce.about = about(tree, head, text);
    let actions: Vec<&str> =
        groups.iter().map(|group| group.action.as_str()).filter(|action| !action.is_empty()).collect();
    bounce.harmless = if actions.is_empty() {
        DELAYED.is_match(subject)
            || SUCCESS.is_match(subject)
            || !NO_SUCH_USER.is_match(own) && DELAYED.is_match(own) && !looks_final(own)
            || SUCCESS.is_match(own)
    } else {
        actions.iter().all(|action| matches!(*action, "delayed" | "delivered" | "relayed" | "expanded"))
    };
    let told = groups.iter().find(|group| group.action == "failed").or(groups.first());
    let diagnostic = told.map(|group| group.diagnostic.as_str()).unwrap_or_default();
    bounce.status = told
        .map(|group| group.status.as_str())
        .and_then(enhanced)
        .filter(|status| !status.ends_with(".0.0"))
        .or_else(|| enhanced(diagnostic))
        .or_else(|| code(diagnostic))
        .or_else(|| told.map(|group| group.status.as_str()).and_then(enhanced))
        .or_else(|| enhanced(own))
        .or_else(|| code(own))
        .unwrap_or_default();
    bounce.why =
        if diagnostic.is_empty() { reason(own) } else { diagnostic.to_owned() }.chars().take(LONGEST_REASON).collect();
    bounce.permanent = !bounce.harmless && permanent(&bounce.status, &format!("{} {own}", bounce.why));
    Some(bounce)
}

/// Subjects that no person writes.
fn strong_subject(subject: &str) -> bool {
    let lower = subject.trim().to_lowercase();
    lower.contains("退信") && (lower.starts_with("来自") || lower.starts_with("系统退信"))
        || [
            "undelivered mail returned",
            "delivery status notification",
            "mail delivery failed",
            "returned mail:",
            "failure notice",
        ]
        .iter()
        .any(|start| lower.starts_with(start))
}

fn looks_final(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["permanent", "giving up", "gave up", "could not be delivered", "退信原因", "永久"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Whether trying again is useless. Full boxes, size and policy pass or are settled by people (section 9.1).
fn permanent(status: &str, words: &str) -> bool {
    if status.starts_with('4') || matches!(status, "5.2.2" | "5.3.4" | "552") || status.starts_with("5.7.") {
        return false;
    }
    NO_SUCH_USER.is_match(words) || !FULL.is_match(words)
}

/// The groups of fields of a delivery status, without the first, which is about the mail as a whole.
fn groups(bytes: &[u8]) -> Vec<Group> {
    let mut found = Vec::new();
    let mut group = Group::default();
    let mut field: Option<(String, String)> = None;
    for line in lines(bytes).chain(std::iter::once(&b""[..])) {
        let text = decode(line, None, false).text;
        if text.starts_with([' ', '\t']) && !text.trim().is_empty() {
            if let Some((_, value)) = &mut field {
                value.push(' ');
                value.push_str(text.trim());
            }
            continue;
        }
        if let Some((name, value)) = field.take() {
            set(&mut group, &name, &value);
        }
        if text.trim().is_empty() {
            if group.recipient.is_some() || !group.action.is_empty() {
                found.push(std::mem::take(&mut group));
            }
            if found.len() >= MOST {
                break;
            }
        } else if let Some((name, value)) = text.split_once(':') {
            field = Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

fn set(group: &mut Group, name: &str, value: &str) {
    let behind_type = value.split_once(';').map_or(value, |(_, value)| value).trim();
    match name {
        // The final one is what the server knows; the other only stands in for it.
        "final-recipient" | "original-recipient" | "x-actual-recipient"
            if group.recipient.is_none() || name == "final-recipient" =>
        {
            group.recipient =
                ADDRESS.find(behind_type).map(|address| address.as_str().to_lowercase()).or(group.recipient.take());
        }
        "action" => group.action = value.split([' ', '(', ';']).next().unwrap_or_default().to_ascii_lowercase(),
        "status" => value.clone_into(&mut group.status),
        "diagnostic-code" if group.diagnostic.is_empty() => behind_type.clone_into(&mut group.diagnostic),
        _ => {}
    }
}

fn put(list: &mut Vec<String>, value: String) {
    if list.len() < MOST && !list.contains(&value) {
        list.push(value);
    }
}

/// Addresses that a report in words names as not reached.
fn named(field: Option<&[u8]>, own: &str, from: &[Address]) -> Vec<String> {
    let mut found = Vec::new();
    let usable = |address: &str| {
        let address = address.to_lowercase();
        (!server_account(&address) && !from.iter().any(|from| from.address == address)).then_some(address)
    };
    if let Some(field) = field {
        let field = decode(&unfold(field), None, false).text;
        ADDRESS
            .find_iter(&field)
            .filter_map(|address| usable(address.as_str()))
            .for_each(|address| put(&mut found, address));
    }
    if found.is_empty() {
        // `<who@where>:` of qmail and Postfix, and a line that is nothing but an address (Exim).
        for line in own.lines() {
            let bare = line.trim().trim_start_matches('<').trim_end_matches([':', '>', ';', ',']);
            if ADDRESS.find(bare).is_some_and(|address| address.as_str().len() == bare.len())
                || line.trim_start().starts_with('<') && line.contains(">:")
                || UNREACHED.is_match(line)
            {
                ADDRESS
                    .find_iter(line)
                    .filter_map(|address| usable(address.as_str()))
                    .for_each(|address| put(&mut found, address));
            }
        }
    }
    if found.is_empty() {
        found.extend(ADDRESS.find_iter(own).find_map(|address| usable(address.as_str())));
    }
    found
}

/// Ids of the mail that the report is about: in the copy of it first, then in fields and words.
fn about(tree: &Tree<'_>, head: &Head<'_>, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let copies = tree.parts.iter().filter(|part| {
        matches!(
            part.kind.as_str(),
            "message/rfc822"
                | "message/global"
                | "text/rfc822-headers"
                | "message/global-headers"
                | "message/rfc822-headers"
        )
    });
    let mut named = Vec::new();
    for part in copies {
        let bytes = part.bytes();
        let (copy, _) = split(&bytes, false);
        for field in ["message-id", "x-microsoft-original-message-id", "x-source-message-id"] {
            copy.all(field).flat_map(ids).for_each(|id| put(&mut found, id));
        }
        for field in ["in-reply-to", "references"] {
            copy.all(field).flat_map(ids).for_each(|id| put(&mut named, id));
        }
    }
    for part in tree.parts.iter().filter(|part| part.kind == "message/delivery-status") {
        let status = decode(&part.bytes(), None, false).text;
        MESSAGE_ID
            .captures_iter(&status)
            .take(MOST)
            .flat_map(|id| ids(id[1].as_bytes()))
            .for_each(|id| put(&mut found, id));
    }
    MESSAGE_ID.captures_iter(text).take(MOST).flat_map(|id| ids(id[1].as_bytes())).for_each(|id| put(&mut found, id));
    for field in ["in-reply-to", "references", "original-message-id", "x-original-message-id"] {
        head.all(field).flat_map(ids).for_each(|id| put(&mut found, id));
    }
    for id in named {
        put(&mut found, id);
    }
    found
}

fn enhanced(text: &str) -> Option<String> {
    ENHANCED.captures(text).map(|found| found[1].to_owned())
}

fn code(text: &str) -> Option<String> {
    CODE.captures(text).map(|found| found[1].to_owned())
}

/// The line that gives the reason.
fn reason(own: &str) -> String {
    if let Some(found) = REASON.captures(own) {
        return found[1].trim().to_owned();
    }
    let telling = |line: &&str| enhanced(line).is_some() || NO_SUCH_USER.is_match(line) || FULL.is_match(line);
    own.lines()
        .map(str::trim)
        .find(telling)
        .or_else(|| own.lines().map(str::trim).find(|line| line.len() > 20))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [
            &ENHANCED,
            &CODE,
            &ADDRESS,
            &MESSAGE_ID,
            &COPY,
            &DELAYED,
            &SUCCESS,
            &NO_SUCH_USER,
            &FULL,
            &REASON,
            &UNREACHED,
        ] {
            assert!(!pattern.as_str().is_empty());
        }
    }
}
