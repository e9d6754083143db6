//! Takes out what a contract keeps confidential before a text leaves for others to read.

use crate::slots::id_card;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What is to be masked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each rule of a contract is switched alone")]
pub struct MaskRules {
    /// IPv4 and IPv6 addresses.
    pub ip: bool,
    /// Host names and web addresses.
    pub host: bool,
    /// Accounts and passwords: "账号: xx", "密码 xx".
    pub account: bool,
    /// Identity numbers of 18 digits, checksum right.
    pub id_card: bool,
    /// Mobile numbers.
    pub phone: bool,
    /// Further words.
    pub words: Vec<String>,
}

impl MaskRules {
    /// Every kind, no further words.
    pub fn all() -> Self {
        MaskRules { ip: true, host: true, account: true, id_card: true, phone: true, words: Vec::new() }
    }
}

struct Patterns {
    ip: Regex,
    ip6: Regex,
    url: Regex,
    host: Regex,
    account: Regex,
    digits: Regex,
    phone: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).expect("compiled by a test");
    // A port and a prefix length belong to the address. Full-width digits and dots are still an address.
    Patterns {
        ip: regex(r"[0-9０-９]{1,3}(?:[.．。][0-9０-９]{1,3}){3}(?:[:：][0-9]{1,5}|/[0-9]{1,2})?"),
        ip6: regex(
            r"(?i)(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4})?(?::[0-9a-f]{1,4})*",
        ),
        url: regex(r"(?i)(?-u:\b)(?:https?|ftp|jdbc:[a-z:]+|ssh|ws|wss|rtsp)://[^\s，。；、）)”」\p{Han}]+"),
        host: regex(
            r"(?i)(?-u:\b)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:com|cn|net|org|gov|local|lan|internal|intra|corp)(?:\.[a-z]{2})?(?::[0-9]{1,5})?(?:/[^\s，。；\p{Han}]*)?|(?:主机名?|服务器名?|机器名|hostname|host)[是为:：= ]{1,3}[a-z][a-z0-9._-]{2,40}",
        ),
        account: regex(
            r"(?i)(账号|帐号|账户|帐户|用户名|登录名|密码|口令|口令牌|passwd|password|pwd|user(?:name)?|account|token|密钥|secret)([是为:：=\s]{1,3})([A-Za-z0-9!@#$%^&*()_+\-=\[\]{};'\\|.<>/?~`]{2,64})",
        ),
        digits: regex(r"[0-9]{17}[0-9Xx]"),
        phone: regex(r"(?:\+?86[- ]?)?1[3-9][0-9](?:[- ]?[0-9]{4}){2}"),
    }
});

const MASK: &str = "***";

/// The text with what the rules name replaced by `***`.
///
/// ```
/// use zhishou_intents::{mask, MaskRules};
///
/// let rules = MaskRules { ip: true, account: true, ..MaskRules::default() };
/// assert_eq!(mask("登 10.21.3.45:8080 账号: admin 密码 Abc@123，工单3", &rules), "登 *** 账号: *** 密码 ***，工单3");
/// ```
pub fn mask(text: &str, rules: &MaskRules) -> String {
    let patterns = &*PATTERNS;
    let mut text = text.to_owned();
    for word in rules.words.iter().filter(|word| !word.is_empty()) {
        text = text.replace(word.as_str(), MASK);
    }
    if rules.account {
        text = patterns
            .account
            .replace_all(&text, |found: &Captures<'_>| format!("{}{}{MASK}", &found[1], &found[2]))
            .into_owned();
    }
    if rules.host {
        text = patterns.url.replace_all(&text, MASK).into_owned();
        text = patterns.host.replace_all(&text, MASK).into_owned();
    }
    if rules.ip {
        text = patterns
            .ip
            .replace_all(
                &text,
                |found: &Captures<'_>| if address(&found[0]) { MASK.to_owned() } else { found[0].to_owned() },
            )
            .into_owned();
        text = patterns
            .ip6
            .replace_all(&text, |found: &Captures<'_>| {
                if found[0].len() > 7 || found[0].contains("::") && found[0].len() > 3 {
                    MASK.to_owned()
                } else {
                    found[0].to_owned()
                }
            })
            .into_owned();
    }
    if rules.id_card {
        text = alone(&text, &patterns.digits, id_card);
    }
    if rules.phone {
        text = alone(&text, &patterns.phone, |_| true);
    }
    text
}

/// Replaces numbers that are not part of a longer one.
fn alone(text: &str, pattern: &Regex, right: impl Fn(&str) -> bool) -> String {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for found in pattern.find_iter(text) {
        let inside = digit(text[..found.start()].chars().next_back()) || digit(text[found.end()..].chars().next());
        if inside || !right(found.as_str()) {
            continue;
        }
        out.push_str(&text[last..found.start()]);
        out.push_str(MASK);
        last = found.end();
    }
    out.push_str(&text[last..]);
    out
}

/// Four parts of at most 255; a version number such as 6.3.1.2 is masked too, which is the safe side.
fn address(text: &str) -> bool {
    let plain = crate::normalise::normalise(text).text;
    let plain = plain.split([':', '/']).next().unwrap_or_default();
    plain.split('.').filter(|part| part.parse::<u16>().is_ok_and(|part| part <= 255)).count() == 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confidential_is_masked_and_the_rest_stays() {
        let all = MaskRules { words: vec!["天枢一号".to_owned()], ..MaskRules::all() };
        for (why, text, masked) in [
            ("address", "服务器 10.21.3.45 重启", "服务器 *** 重启"),
            ("with a port", "10.21.3.45:8080不通", "***不通"),
            ("full width", "１０．２１．３．４５", "***"),
            ("no address", "版本 300.1.2.999", "版本 300.1.2.999"),
            ("web address", "打开 http://oa.example.gov.cn/a?b=1 看", "打开 *** 看"),
            ("host name", "连 db01.example.local 失败", "连 *** 失败"),
            ("account", "账号：zhangsan 密码：P@ssw0rd!", "账号：*** 密码：***"),
            ("talk about passwords stays", "密码忘了怎么办", "密码忘了怎么办"),
            ("identity number", "身份证11010519491231002X", "身份证***"),
            ("wrong checksum stays", "受理号110105194912310021", "受理号110105194912310021"),
            ("mobile", "电话13800000001", "电话***"),
            ("case number stays", "受理号202403150012", "受理号202403150012"),
            ("word", "天枢一号的机柜", "***的机柜"),
            ("ticket and time stay", "#3 今天 12:30 恢复", "#3 今天 12:30 恢复"),
        ] {
            assert_eq!(mask(text, &all), masked, "{why}");
        }
    }

    #[test]
    fn nothing_is_masked_without_a_rule() {
        assert_eq!(mask("10.0.0.1 13800000001", &MaskRules::default()), "10.0.0.1 13800000001");
    }
}
