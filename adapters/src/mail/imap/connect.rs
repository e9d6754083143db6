//! From nothing to an open folder: connection, TLS, greeting, login, capabilities, ID, SELECT (2.2, 2.6, 3.1).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_imap::imap_proto::{Capability, MailboxDatum, Response, ResponseCode, Status};
use async_imap::{Client, error::Error};
use secrecy::ExposeSecret as _;
use tokio_rustls::TlsConnector;

use super::line::lost;
use super::mailbox::encode_name;
use super::{Line, Trouble};
use crate::mail::config::{ImapConfig, MailTiming, Tls};
use crate::mail::net::{self, Metered, Stream, raise, told};

/// What a server can do, of what is of use here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of abilities, each there or not")]
pub(in crate::mail) struct Abilities {
    /// Tells of new mail by itself.
    pub idle: bool,
    /// Moves mails in one step.
    pub mv: bool,
    /// Removes single mails.
    pub uid_plus: bool,
    /// Wants or takes to be told who we are.
    pub id: bool,
}

/// An open folder.
pub(in crate::mail) struct Opened {
    /// The connection.
    pub line: Line,
    /// What the server can do.
    pub can: Abilities,
    /// While it stays the same, UIDs mean the same.
    pub uid_validity: u32,
    /// The next UID to be given, where the server tells.
    pub uid_next: Option<u32>,
    /// How many mails there are.
    pub exists: u32,
    /// What the server calls itself, at most 200 characters.
    pub greeting: String,
}

/// Told to servers that ask who connects; NetEase takes nobody who does not say (3.1).
const IDENTITY: &str =
    concat!(r#"ID ("name" "zhishou" "version" ""#, env!("CARGO_PKG_VERSION"), r#"" "vendor" "zhishou")"#);

/// Domains whose servers want ID whatever they list (3.1).
const WANT_ID: [&str; 5] = ["163.com", "126.com", "yeah.net", "188.com", "netease.com"];

/// Opens the configured folder.
pub(in crate::mail) async fn open(
    config: &ImapConfig,
    tls: &TlsConnector,
    timing: &MailTiming,
) -> Result<Opened, Trouble> {
    let (client, left, greeting) = connect(config, tls, timing).await?;
    let login = client.login(&config.user, config.password.expose_secret());
    let login = tokio::time::timeout(timing.command, login).await;
    let session = match login {
        Err(_) => return Err(Trouble::Lost("登录时收信服务器没有应答".to_owned())),
        Ok(Ok(session)) => session,
        Ok(Err((error, _))) => return Err(refused_login(&error)),
    };
    let mut line = Line::new(session, left, timing.command);
    // The list changes after the login (2.2).
    let mut can = abilities(&mut line).await?;
    let host = config.host.to_ascii_lowercase();
    can.id |= greeting.contains("Coremail") || WANT_ID.iter().any(|end| host.ends_with(end));
    if can.id {
        // A refusal does no harm.
        line.run(IDENTITY, std::time::Duration::ZERO, |_| ()).await?;
    }
    let mut opened = Opened { line, can, uid_validity: 0, uid_next: None, exists: 0, greeting };
    opened.select(&config.folder).await?;
    Ok(opened)
}

async fn connect(
    config: &ImapConfig,
    tls: &TlsConnector,
    timing: &MailTiming,
) -> Result<(Client<Metered>, Arc<AtomicU64>, String), Trouble> {
    let limit = timing.connect;
    let failed = |error: &std::io::Error| Trouble::Lost(told(error));
    let tcp = net::open(&config.host, config.port, config.tls, limit).await.map_err(|error| failed(&error))?;
    match config.tls {
        Tls::Tls => {
            let stream = raise(tcp, &config.host, tls, limit).await.map_err(|error| failed(&error))?;
            greeted(Box::new(stream), limit).await
        }
        Tls::None => greeted(Box::new(tcp), limit).await,
        Tls::StartTls => {
            let mut client = Client::new(tcp);
            let greeting = greeting(&mut client, limit).await?;
            let raised = client.run_command_and_check_ok("STARTTLS", None);
            let raised = tokio::time::timeout(limit, raised).await;
            match raised {
                Err(_) => return Err(Trouble::Lost("收信服务器没有应答 STARTTLS".to_owned())),
                Ok(Err(Error::No(_) | Error::Bad(_))) => {
                    return Err(Trouble::Person(
                        "收信服务器不支持 STARTTLS：请改用 tls = \"tls\"（通常是端口 993）".to_owned(),
                    ));
                }
                Ok(Err(error)) => return Err(lost(&error)),
                Ok(Ok(())) => {}
            }
            // What was read before TLS is dropped with the client.
            let stream = raise(client.into_inner(), &config.host, tls, limit).await.map_err(|error| failed(&error))?;
            let (stream, left) = Metered::new(Box::new(stream));
            Ok((Client::new(stream), left, greeting))
        }
    }
}

async fn greeted(
    stream: Stream,
    limit: std::time::Duration,
) -> Result<(Client<Metered>, Arc<AtomicU64>, String), Trouble> {
    let (stream, left) = Metered::new(stream);
    let mut client = Client::new(stream);
    let greeting = greeting(&mut client, limit).await?;
    Ok((client, left, greeting))
}

/// The library does not read the greeting (2.3).
async fn greeting<S: net::Io>(client: &mut Client<S>, limit: std::time::Duration) -> Result<String, Trouble> {
    let read = tokio::time::timeout(limit, client.read_response()).await;
    let read = read.map_err(|_| Trouble::Lost("连上了，但收信服务器没有问候：端口可能不是 IMAP 的".to_owned()))?;
    match read {
        Ok(Some(response)) => match response.parsed() {
            Response::Data { status: Status::Ok | Status::PreAuth, outcome } => {
                Ok(outcome.information.as_deref().unwrap_or_default().chars().take(200).collect())
            }
            Response::Data { outcome, .. } => {
                let text: String = outcome.information.as_deref().unwrap_or_default().chars().take(200).collect();
                Err(Trouble::Lost(format!("收信服务器现在不接受连接：{text}")))
            }
            _ => Err(Trouble::Lost("收信服务器的问候无法解读：端口可能不是 IMAP 的".to_owned())),
        },
        Ok(None) => Err(Trouble::Lost("连接被收信服务器断开".to_owned())),
        Err(error) => Err(lost(&Error::Io(error))),
    }
}

/// A refused login is the password's fault unless the server says that it is its own.
fn refused_login(error: &Error) -> Trouble {
    match error {
        Error::No(text) | Error::Bad(text) => {
            let upper = text.to_ascii_uppercase();
            let passing = ["UNAVAILABLE", "INUSE", "[LIMIT]", "TEMPORAR", "TOO MANY", "TRY AGAIN"];
            if passing.iter().any(|word| upper.contains(word)) && !upper.contains("PASSWORD") {
                Trouble::Lost("收信服务器暂时不接受登录".to_owned())
            } else {
                Trouble::Login(
                    "登录被拒绝：请核对 user 与 password（网易、QQ 等要用授权码），并确认网页邮箱里已开启 IMAP"
                        .to_owned(),
                )
            }
        }
        Error::Validate(_) => Trouble::Person("user 或 password 里有换行，请检查密码文件".to_owned()),
        error => lost(error),
    }
}

async fn abilities(line: &mut Line) -> Result<Abilities, Trouble> {
    let mut can = Abilities::default();
    line.must("CAPABILITY", |response| {
        if let Response::Capabilities(list) = response {
            for capability in list {
                if let Capability::Atom(name) = capability {
                    match name.to_ascii_uppercase().as_str() {
                        "IDLE" => can.idle = true,
                        "MOVE" => can.mv = true,
                        "UIDPLUS" => can.uid_plus = true,
                        "ID" => can.id = true,
                        _ => {}
                    }
                }
            }
        }
    })
    .await?;
    Ok(can)
}

impl Opened {
    /// Opens the folder, also once more: what has changed about it is told only then.
    pub(in crate::mail) async fn select(&mut self, folder: &str) -> Result<(), Trouble> {
        self.line.expect_validity(None);
        let (mut validity, mut next, mut exists) = (None, None, 0);
        let command = format!("SELECT {}", encode_name(folder));
        let answer = self
            .line
            .run(&command, std::time::Duration::ZERO, |response| match response {
                Response::Data { outcome, .. } => match outcome.code {
                    Some(ResponseCode::UidValidity(value)) => validity = Some(value),
                    Some(ResponseCode::UidNext(value)) => next = Some(value),
                    _ => {}
                },
                Response::MailboxData(MailboxDatum::Exists(count)) => exists = *count,
                _ => {}
            })
            .await?;
        if !answer.ok {
            if answer.text.to_ascii_uppercase().contains("UNSAFE LOGIN") {
                return Err(Trouble::Person(
                    "邮箱服务商拒绝了这个程序（Unsafe Login）：请登录网页邮箱，在安全设置里允许第三方客户端，或联系服务商".to_owned(),
                ));
            }
            let text = format!("打不开文件夹“{folder}”：{}", answer.text);
            let missing = ["NONEXISTENT", "DOESN'T EXIST", "NOT EXIST", "NOT FOUND", "不存在"];
            let upper = answer.text.to_ascii_uppercase();
            let gone = answer.try_create || missing.iter().any(|word| upper.contains(word));
            return Err(if gone { Trouble::Person(text) } else { Trouble::Lost(text) });
        }
        let Some(validity) = validity else {
            return Err(Trouble::Lost("收信服务器没有给出 UIDVALIDITY".to_owned()));
        };
        self.line.expect_validity(Some(validity));
        self.uid_validity = validity;
        self.uid_next = next;
        self.exists = exists;
        Ok(())
    }
}
