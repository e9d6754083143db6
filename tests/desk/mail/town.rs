//! A desk with a real mailbox: Dovecot and Exim in a folder of their own, people who write, and a chat beside it.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou::clock::{Clock as _, SystemClock};
use zhishou::desk::{ChannelShelf, Desk, Parts, Wording, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::ticket::Ticket;
use zhishou::store::{Account, Store};
use zhishou_adapters::mail::read::{Mail, read};
use zhishou_adapters::mail::{ImapConfig, MailChannel, MailConfig, Now, SmtpConfig, Start, Tls};
use zhishou_adapters::{Channel, Inbox, Shelf};
use zhishou_fakes::mail::server::MailServer;

use super::support::Post;
use crate::peers::support::{self, XIAN, terms};

/// The mailbox of the desk.
pub const DESK: &str = "helpdesk@gov.test";
/// Who asks, and who is in copy.
pub const ALICE: &str = "alice@gov.test";
pub const ROBOT: &str = "robot@gov.test";
/// An engineer with a mailbox, and a lead whose address does not exist.
pub const BOB: &str = "bob@corp.test";
pub const GONE: &str = "nouser1@corp.test";
/// Under which name our own server says whom it has verified.
pub const AUTHSERV: &str = "mx.gov.test";

/// Everybody. All names and numbers are invented.
const PEOPLE: &str = r#"
[[person]]
id = "zhang"
name = "张工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { qq = "30011" }

[[person]]
id = "li"
name = "李工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { mail = "bob@corp.test" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
ways = ["mail", "sms"]
accounts = { mail = "nouser1@corp.test", sms = "13800000005" }

[[conversation]]
channel = "qq"
id = "group:20009"
contract = "xian-realestate"
unit = "运维组"
kind = "engineers"

[[domain]]
match = "@gov.test"
contract = "xian-realestate"
unit = "市住建局"

[[shift]]
contract = "xian-realestate"
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"
"#;

/// Long enough for a loaded machine, short enough to end.
const LIMIT: Duration = Duration::from_secs(90);

pub struct Town {
    pub server: MailServer,
    pub desk: Arc<Desk>,
    pub channel: Arc<MailChannel>,
    pub qq: Arc<Post>,
    pub sms: Arc<Post>,
    typed: std::sync::atomic::AtomicU32,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    /// Kept until the story ends: the database lies in it.
    _folder: TempDir,
}

pub fn config(server: &MailServer) -> MailConfig {
    let ports = server.ports();
    let mut config = MailConfig::new("mail", DESK);
    config.imap = Some(ImapConfig {
        host: "localhost".to_owned(),
        port: ports.imaps,
        tls: Tls::Tls,
        user: DESK.to_owned(),
        password: "secret".to_owned().into(),
        folder: ImapConfig::INBOX.to_owned(),
        done_folder: Some("Processed".to_owned()),
    });
    config.smtp = Some(SmtpConfig {
        host: "localhost".to_owned(),
        port: ports.submission,
        tls: Tls::StartTls,
        user: DESK.to_owned(),
        password: Some("secret".to_owned().into()),
    });
    config.authserv_ids = vec![AUTHSERV.to_owned()];
    // The transfer agent and the local delivery stand above what the stories say was verified at the border.
    config.authserv_hops = 2;
    config.start = Start::All;
    config.ca_pem = Some(server.ca_pem());
    config.limits.pause = Duration::ZERO;
    config.timing.reconnect = Duration::from_millis(50);
    config.timing.reconnect_most = Duration::from_millis(500);
    config
}

impl Town {
    pub async fn new() -> Self {
        support::tls();
        let server = MailServer::start().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
        let store = Store::open(&url).await.expect("a database file");
        let clock = Arc::new(SystemClock::default());
        let now: Now = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let shelf: Arc<dyn Shelf> = Arc::new(ChannelShelf::new(store.clone(), clock.clone(), "mail", 1));
        let channel = Arc::new(MailChannel::new(config(&server), &shelf, &now).expect("a configuration"));
        let (qq, sms) = (Post::new("qq"), Post::new("sms"));
        let channels: Vec<Arc<dyn Channel>> = vec![channel.clone(), qq.clone(), sms.clone()];
        let desk = Desk::open(Parts {
            store,
            clock,
            seed: 1,
            contracts: vec![terms(XIAN)],
            default_contract: Some(XIAN.to_owned()),
            wording: Wording::new(None).expect("the shipped words"),
            channels,
            attachments: Some(folder.path().join("attachments")),
        })
        .await
        .expect("a desk opens on its database");
        let people = PeopleFile::parse(PEOPLE, "people.toml").expect("the people of the stories");
        desk.import(people_rows(&people)).await.expect("people can be brought in");
        let stop = CancellationToken::new();
        let clockwork = tokio::spawn({
            let (desk, stop) = (desk.clone(), stop.clone());
            async move { desk.run_clockwork(stop).await }
        });
        let outbox = tokio::spawn({
            let (desk, stop) = (desk.clone(), stop.clone());
            async move { desk.run_outbox(stop).await }
        });
        let listening = tokio::spawn({
            let (inbox, stop): (Arc<dyn Inbox>, _) = (desk.clone(), stop.clone());
            let channel = channel.clone();
            async move { channel.listen(inbox, stop).await.expect("the channel is configured") }
        });
        let tasks = vec![clockwork, outbox, listening];
        Self { server, desk, channel, qq, sms, typed: 0.into(), stop, tasks, _folder: folder }
    }

    /// Waits until something holds; looks every moment, as nothing tells when a server has done something.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let waited = tokio::time::timeout(LIMIT, async {
            while !holds().await {
                tick.tick().await;
            }
        });
        if waited.await.is_err() {
            let messages: Vec<_> =
                self.accounts().await.into_iter().map(|a| (a.row.sender, a.disposition, a.ticket, a.why)).collect();
            panic!(
                "{what}: did not come to pass\nmessages: {messages:#?}\nchannel: {:?}\nservers: {}",
                self.channel.health(),
                self.server.log()
            );
        }
    }

    /// The first mail in somebody's mailbox that fits, as soon as it is there: as it is, and as it reads.
    pub async fn mail_for(&self, user: &str, what: &str, fits: impl Fn(&Mail) -> bool) -> (String, Mail) {
        let find = || {
            let mails = self.server.mails(user, "INBOX").into_iter();
            let mut read = mails.map(|raw| (String::from_utf8_lossy(&raw).into_owned(), read(&raw)));
            read.find(|(_, mail)| fits(mail))
        };
        self.until(&format!("{user} gets {what}"), async || find().is_some()).await;
        find().expect("it was there a moment ago")
    }

    /// An engineer types something in the chat.
    pub async fn types(&self, text: &str) {
        let id = format!("typed-{}", self.typed.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let mut inbound = support::inbound("group:20009", "30011", &id, text);
        inbound.sent_at = self.desk.now();
        self.desk.receive(inbound).await.expect("it is stored");
        self.until(&format!("{text} is dealt with"), async || {
            self.accounts().await.iter().any(|a| a.row.external_id == id && !a.disposition.is_empty())
        })
        .await;
    }

    pub async fn accounts(&self) -> Vec<Account> {
        self.desk.store().inbox_account("", 1_000).await.expect("messages can be read")
    }

    /// Messages of the mail channel that were dealt with.
    pub async fn taken(&self, mails: usize) {
        self.until(&format!("{mails} mails are dealt with"), async || self.mails_taken().await >= mails).await;
    }

    pub async fn mails_taken(&self) -> usize {
        let accounts = self.accounts().await;
        accounts.iter().filter(|a| a.row.channel == "mail" && !a.disposition.is_empty()).count()
    }

    pub async fn tickets(&self) -> Vec<Ticket> {
        self.desk.store().tickets_after(XIAN, 0, 100).await.expect("tickets can be read")
    }

    pub async fn ends(self) {
        self.stop.cancel();
        for task in self.tasks {
            support::within("the desk ends", task).await.expect("no task panics");
        }
    }
}

/// A plain mail; `fields` are further header lines.
pub fn plain(from: &str, id: &str, subject: &str, fields: &str, text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n");
    format!(
        "{fields}From: <{from}>\r\nTo: {DESK}\r\nSubject: {subject}\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

/// What our own server writes above a mail whose sender it has verified.
pub fn verified(from: &str) -> String {
    format!("Authentication-Results: {AUTHSERV}; spf=pass smtp.mailfrom={from}\r\n")
}
