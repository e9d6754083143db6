//! Settings of one mailbox, and what can be known to be wrong with them before anything is opened.

use std::net::IpAddr;
use std::time::Duration;

use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};

use super::net::roots;

/// Settings of one mail channel: one mailbox that is read, one account that sends.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// The channel's id in the configuration (`mail`).
    pub id: String,
    /// The mailbox's own address: From of everything sent, and what is recognised as our own.
    pub address: String,
    /// Name beside the address.
    pub display_name: Option<String>,
    /// Where mail is read; `None`: the channel only speaks.
    pub imap: Option<ImapConfig>,
    /// Where mail is sent; `None`: the channel only hears.
    pub smtp: Option<SmtpConfig>,
    /// Names under which our own receiving server writes its Authentication-Results (first word of that field). Empty: no
    /// sender can be verified.
    pub authserv_ids: Vec<String>,
    /// Received fields that our own servers put above their Authentication-Results at most: one where another server of ours
    /// delivers what the receiving one took. Default 1.
    pub authserv_hops: usize,
    /// Which mails already in the mailbox are taken at the first contact.
    pub start: Start,
    /// Larger mails are not fetched, but answered; bytes. Default [`MailConfig::MAX_BYTES`].
    pub max_bytes: u64,
    /// Certificates (PEM) of a private authority that are trusted beside the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// What may be sent.
    pub limits: Limits,
    /// The time things take.
    pub timing: MailTiming,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte (993, 465, 994).
    Tls,
    /// Plain at first, then raised (143, 587); never without.
    StartTls,
    /// Not at all: loopback and private addresses only.
    None,
}

/// Where mail is read.
#[derive(Debug, Clone)]
pub struct ImapConfig {
    /// Host name or address.
    pub host: String,
    /// Usually 993.
    pub port: u16,
    /// Protection.
    pub tls: Tls,
    /// Login; with most providers the whole address.
    pub user: String,
    /// Password, or the code for programs (授权码).
    pub password: SecretString,
    /// Folder that is read, as people see its name; default [`ImapConfig::INBOX`].
    pub folder: String,
    /// Folder that mails are moved to once the desk has them; `None`: they stay.
    pub done_folder: Option<String>,
}

impl ImapConfig {
    /// The folder every account has.
    pub const INBOX: &str = "INBOX";
}

/// Where mail is sent.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Host name or address.
    pub host: String,
    /// 465 with TLS, 587 with STARTTLS, 994 at NetEase.
    pub port: u16,
    /// Protection.
    pub tls: Tls,
    /// Login; unused without a password.
    pub user: String,
    /// `None`: the server takes mail from us without a login (a relay of the own network).
    pub password: Option<SecretString>,
}

/// Which mails are taken at the first contact with a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// What comes from now on.
    Now,
    /// Everything that is there.
    All,
    /// What arrived on this day or later, in China's time.
    Since(Date),
}

impl std::str::FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "now" => Ok(Self::Now),
            "all" => Ok(Self::All),
            date => date.parse().map(Self::Since).map_err(|_| {
                "start 应为 \"now\"（只处理今后的邮件）、\"all\"（处理信箱里全部邮件）或一个日期（如 \"2026-03-01\"）"
                    .to_owned()
            }),
        }
    }
}

/// What may be sent, whatever the desk wants. The first four are the last fence against two machines writing to each other (9);
/// the last two keep a provider from closing the account (3.2: no provider publishes its number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Automatic answers to one sender about one thing in 24 hours.
    pub per_topic_a_day: u32,
    /// Automatic answers to one sender in 24 hours.
    pub per_sender_a_day: u32,
    /// Automatic answers to all in an hour.
    pub answers_an_hour: u32,
    /// Mails of one sender within ten minutes; while there are more, it gets no automatic answer.
    pub burst: u32,
    /// Mails in 24 hours, of every kind; at most 1,000.
    pub mails_a_day: u32,
    /// Least pause between two mails.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_topic_a_day: 1,
            per_sender_a_day: 5,
            answers_an_hour: 60,
            burst: 10,
            mails_a_day: 200,
            pause: Duration::from_secs(3),
        }
    }
}

/// The time things take. The defaults are for the real world (2.4, 2.6, 8.1); tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailTiming {
    /// For a connection to stand, TLS included.
    pub connect: Duration,
    /// For one command; a fetch gets as much again for each megabyte.
    pub command: Duration,
    /// From one IDLE to the next: less than what a firewall forgets a silent connection after.
    pub idle: Duration,
    /// Between two looks where the server has no IDLE.
    pub poll: Duration,
    /// Between two comparisons of the whole mailbox with what is known.
    pub reconcile: Duration,
    /// First pause before connecting again; doubles.
    pub reconnect: Duration,
    /// Longest pause before connecting again.
    pub reconnect_most: Duration,
    /// A connection that held this long starts over with the first pause.
    pub healthy: Duration,
    /// Pause after the password was refused three times: more tries would lock the account.
    pub locked: Duration,
    /// How long the lease on the mailbox is held from renewal to renewal.
    pub lease: Duration,
    /// For one whole mail to be handed over.
    pub send: Duration,
    /// How long a connection for sending is kept open for the next mail.
    pub keep: Duration,
    /// First pause before handing in again what the desk could not store; doubles up to a minute.
    pub store: Duration,
}

impl Default for MailTiming {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_mins(1),
            idle: Duration::from_secs(270),
            poll: Duration::from_mins(1),
            reconcile: Duration::from_hours(1),
            reconnect: Duration::from_secs(1),
            reconnect_most: Duration::from_mins(5),
            healthy: Duration::from_mins(10),
            locked: Duration::from_mins(30),
            lease: Duration::from_mins(2),
            send: Duration::from_mins(2),
            keep: Duration::from_secs(30),
            store: Duration::from_millis(200),
        }
    }
}

impl MailConfig {
    /// Default of [`MailConfig::max_bytes`]: 30 MB (5.7).
    pub const MAX_BYTES: u64 = 30 << 20;
    /// Smallest size limit that makes sense: a mail with a picture.
    const LEAST_BYTES: u64 = 64 << 10;
    /// Largest: a mail is held in memory while it is read.
    const MOST_BYTES: u64 = 100 << 20;

    /// Settings with everything but these at its default; neither hears nor speaks yet.
    pub fn new(id: &str, address: &str) -> Self {
        Self {
            id: id.to_owned(),
            address: address.to_owned(),
            display_name: None,
            imap: None,
            smtp: None,
            authserv_ids: Vec::new(),
            authserv_hops: 1,
            start: Start::Now,
            max_bytes: Self::MAX_BYTES,
            ca_pem: None,
            limits: Limits::default(),
            timing: MailTiming::default(),
        }
    }

    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// The first thing that cannot be right, in a sentence for the administrator.
    pub fn check(&self) -> Result<(), String> {
        if !is_address(&self.address) {
            return Err(format!(
                "邮件：address 应是一个邮箱地址（如 helpdesk@example.gov.cn），现在是“{}”",
                self.address
            ));
        }
        if self.display_name.as_ref().is_some_and(|name| name.chars().any(char::is_control) || name.len() > 200) {
            return Err("邮件：display_name 不能换行，也不要超过 200 字节".to_owned());
        }
        if self.imap.is_none() && self.smtp.is_none() {
            return Err("邮件：收信（imap）和发信（smtp）至少要配置一项".to_owned());
        }
        if let Some(imap) = &self.imap {
            check_server("收信（imap）", &imap.host, imap.port, imap.tls)?;
            check_login("收信（imap）", &imap.user, Some(&imap.password))?;
            check_folder("folder", &imap.folder)?;
            if let Some(done) = &imap.done_folder {
                check_folder("done_folder", done)?;
                if done == &imap.folder {
                    return Err("邮件：done_folder 不能与 folder 相同".to_owned());
                }
            }
        }
        if let Some(smtp) = &self.smtp {
            check_server("发信（smtp）", &smtp.host, smtp.port, smtp.tls)?;
            if smtp.password.is_some() {
                check_login("发信（smtp）", &smtp.user, smtp.password.as_ref())?;
            }
        }
        if !(Self::LEAST_BYTES..=Self::MOST_BYTES).contains(&self.max_bytes) {
            return Err("邮件：单封邮件的大小上限应在 64 KB 与 100 MB 之间".to_owned());
        }
        if let Some(bad) = self.authserv_ids.iter().find(|id| id.trim().is_empty() || id.contains([' ', ';'])) {
            return Err(format!("邮件：authserv_ids 里的“{bad}”不是 Authentication-Results 开头的那个名字"));
        }
        if !(1..=1000).contains(&self.limits.mails_a_day) {
            return Err("邮件：每天发信上限应在 1 与 1000 之间".to_owned());
        }
        let limits =
            [self.limits.per_topic_a_day, self.limits.per_sender_a_day, self.limits.answers_an_hour, self.limits.burst];
        if limits.iter().any(|most| !(1..=1000).contains(most)) {
            return Err("邮件：自动答复的各项上限应在 1 与 1000 之间".to_owned());
        }
        roots(self.ca_pem.as_deref()).map(|_| ())
    }
}

/// Whether this is one plain address: something, one `@`, a host; no blanks, brackets, quotes.
pub(super) fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    match text.split_once('@') {
        Some((local, host)) => {
            let host_fits = !host.starts_with(['.', '-']) && !host.ends_with(['.', '-']) && !host.contains("..");
            !local.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && host_fits
                && text.len() <= 254
                && text.chars().all(plain)
        }
        None => false,
    }
}

fn check_server(which: &str, host: &str, port: u16, tls: Tls) -> Result<(), String> {
    if host.trim().is_empty() || host.contains(['/', ' ', '@']) {
        return Err(format!("邮件：{which}的 host 应是服务器名或地址，现在是“{host}”"));
    }
    if port == 0 {
        return Err(format!("邮件：{which}的 port 不能是 0"));
    }
    let public = host.parse::<IpAddr>().is_ok_and(|address| !is_near(address));
    if tls == Tls::None && public {
        return Err(format!("邮件：{which}不加密时只能连接本机或内网地址，{host} 不是；请改用 tls 或 starttls"));
    }
    Ok(())
}

fn check_login(which: &str, user: &str, password: Option<&SecretString>) -> Result<(), String> {
    if user.trim().is_empty() {
        return Err(format!("邮件：{which}缺少 user（多数邮箱填完整地址）"));
    }
    let secret = password.map(ExposeSecret::expose_secret).unwrap_or_default();
    if secret.is_empty() {
        return Err(format!("邮件：{which}缺少 password（网易、QQ 等填网页邮箱里生成的授权码）"));
    }
    if user.chars().chain(secret.chars()).any(char::is_control) {
        return Err(format!("邮件：{which}的 user 或 password 里有换行等控制字符，请检查密码文件"));
    }
    Ok(())
}

fn check_folder(key: &str, name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().any(char::is_control) || name.contains(['*', '%', '"', '\\']) {
        return Err(format!("邮件：{key} 应是一个文件夹名，现在是“{name}”"));
    }
    Ok(())
}

/// Whether an address is this machine or its own network.
pub(super) fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some_and(|v4| is_near(IpAddr::V4(v4)))
        }
    }
}
