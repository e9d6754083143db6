//! What a mailbox configured like this can and cannot do, for `check`.

use super::config::{MailConfig, Start, Tls};

/// One thing to know about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about (`收信`).
    pub about: String,
    /// False where something that a desk needs cannot be done.
    pub ok: bool,
    /// What can be done, what cannot, and what to change.
    pub text: String,
}

fn advice(about: &str, ok: bool, text: impl Into<String>) -> Advice {
    Advice { about: about.to_owned(), ok, text: text.into() }
}

/// Hosts of providers that take only their own code in place of the password, each with its hint (3).
const CODES: [(&str, &str); 9] = [
    ("163.com", "网易邮箱：password 填网页邮箱“设置 → POP3/SMTP/IMAP”里生成的授权码，不是登录密码"),
    ("126.com", "网易邮箱：password 填网页邮箱“设置 → POP3/SMTP/IMAP”里生成的授权码，不是登录密码"),
    ("yeah.net", "网易邮箱：password 填网页邮箱“设置 → POP3/SMTP/IMAP”里生成的授权码，不是登录密码"),
    ("exmail.qq.com", "腾讯企业邮箱：开启安全登录后，password 填“客户端专用密码”；发信额度由全公司共用"),
    ("qq.com", "QQ 邮箱：password 填网页邮箱“设置 → 账号”里生成的授权码，不是 QQ 密码"),
    ("qiye.aliyun.com", "阿里企业邮箱：需管理员允许第三方客户端，password 填“三方客户端安全密码”"),
    ("aliyun.com", "阿里云邮箱：请先在网页邮箱里开启 IMAP/SMTP"),
    ("139.com", "移动 139 邮箱：password 填网页邮箱里生成的授权码"),
    ("189.cn", "电信 189 邮箱：password 填网页邮箱里生成的专用密码"),
];

/// What is to be known about these settings.
pub fn explain(config: &MailConfig) -> Vec<Advice> {
    let mut told = Vec::new();
    match &config.imap {
        Some(imap) => {
            let from = match config.start {
                Start::Now => "只处理今后收到的邮件".to_owned(),
                Start::All => "信箱里已有的邮件也全部处理".to_owned(),
                Start::Since(date) => format!("处理 {date} 及以后收到的邮件"),
            };
            let after = match &imap.done_folder {
                Some(folder) => format!("处理后移到“{folder}”"),
                None => "处理后留在原处".to_owned(),
            };
            told.push(advice("收信", true, format!("读取 {} 的“{}”，{from}，{after}", imap.host, imap.folder)));
            odd_port("收信", imap.port, imap.tls, &mut told);
            let host = imap.host.to_ascii_lowercase();
            let known = CODES.iter().find(|(end, _)| host == *end || host.ends_with(&format!(".{end}")));
            told.extend(known.map(|(_, hint)| advice("收信", true, *hint)));
        }
        None => told.push(advice("收信", false, "没有配置 imap：听不到邮件，也收不到退信，只能发信")),
    }
    match &config.smtp {
        Some(smtp) => {
            let limits = &config.limits;
            let text = format!(
                "经 {} 以 {} 发信，每天至多 {} 封，每两封至少间隔 {} 秒",
                smtp.host,
                config.address,
                limits.mails_a_day,
                limits.pause.as_secs()
            );
            told.push(advice("发信", true, text));
            odd_port("发信", smtp.port, smtp.tls, &mut told);
            if smtp.password.is_some() && smtp.user.contains('@') && !smtp.user.eq_ignore_ascii_case(&config.address) {
                let text = "user 与 address 不同：QQ、网易等要求发件人就是登录的账号，否则会拒绝发信";
                told.push(advice("发信", false, text));
            }
        }
        None => told.push(advice("发信", false, "没有配置 smtp：只能听，不能答复，进展要靠别的渠道告知")),
    }
    if config.imap.is_some() && config.authserv_ids.is_empty() {
        let text = "没有配置 authserv_ids：无法核验发件人真伪，邮件可以报修和跟进，但不能下达需要权限的指令。请把收信服务器写在 Authentication-Results 开头的名字填进来；服务器不写这一项的，保持为空即可";
        told.push(advice("发件人核验", true, text));
    }
    told
}

/// A port that is usually protected in another way.
fn odd_port(about: &str, port: u16, tls: Tls, told: &mut Vec<Advice>) {
    let usual = match port {
        993 | 465 | 994 => Tls::Tls,
        143 | 587 => Tls::StartTls,
        _ => return,
    };
    if tls == Tls::None && usual == Tls::StartTls {
        told.push(advice(about, true, "连接不加密，只应在本机或内网使用"));
    } else if tls != usual {
        let name = if usual == Tls::Tls { "tls" } else { "starttls" };
        told.push(advice(about, false, format!("端口 {port} 通常用 {name}，与现在的设置不符；连不上时请先改这里")));
    }
}
