//! A desk whose channels say yes to everything, and mails as a channel hands them in.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use zhishou::clock::HandClock;
use zhishou::desk::{Desk, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::ticket::Ticket;
use zhishou::store::{Account, Store, TicketKey};
use zhishou_adapters::{Capabilities, Channel, Event, Inbound, Inbox, Outgoing, Receipt, SendError};

use crate::peers::support::{self, XIAN, quiet};

/// Agency staff, by domain.
pub const WANG: &str = "wang@zjj.example.gov.cn";
pub const LIU: &str = "liu@zjj.example.gov.cn";
/// An engineer, and the lead.
pub const ZHANG: &str = "zhang@ops.example.com";
pub const CHEN: &str = "chen@ops.example.com";
/// Where the engineers talk.
pub const TEAM: &str = "qq:group:20009";

/// Everybody. All names and numbers are invented.
pub const PEOPLE: &str = r#"
[[person]]
id = "zhang"
name = "张工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { qq = "30011", mail = "zhang@ops.example.com" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
ways = ["mail", "sms"]
accounts = { mail = "chen@ops.example.com", sms = "13800000005" }

[[domain]]
match = "@zjj.example.gov.cn"
contract = "xian-realestate"
unit = "市住建局"

[[domain]]
match = "@swj.example.gov.cn"
contract = "xian-realestate"
unit = "市税务局"

[[shift]]
contract = "xian-realestate"
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"
"#;

/// The engineers' group; left out where a story is about a desk without one.
pub const GROUP: &str = r#"
[[conversation]]
channel = "qq"
id = "group:20009"
contract = "xian-realestate"
unit = "运维组"
kind = "engineers"
"#;

/// A channel that takes everything and writes it down.
pub struct Post {
    id: &'static str,
    taken: Mutex<Vec<Outgoing>>,
    /// Told back to this desk before a send has returned: the answer of a server that is quicker than our own write.
    at_once: OnceLock<(Weak<Desk>, String)>,
}

impl Post {
    pub fn new(id: &'static str) -> Arc<Self> {
        Arc::new(Self { id, taken: Mutex::default(), at_once: OnceLock::new() })
    }

    /// From now on what is sent to this conversation comes back before its sending is written down.
    pub fn comes_back_at_once(&self, desk: &Arc<Desk>, conversation: &str) {
        let set = self.at_once.set((Arc::downgrade(desk), conversation.to_owned()));
        assert!(set.is_ok(), "said once in a story");
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<Outgoing> {
        self.taken.lock().expect("no test panics while it holds this").clone()
    }

    /// What was taken for one account, in order.
    pub fn to(&self, account: &str) -> Vec<Outgoing> {
        let conversation = format!("user:{account}");
        self.taken().into_iter().filter(|message| message.conversation == conversation).collect()
    }

    /// The platform's id of a message.
    pub fn id_of(message: &Outgoing) -> String {
        format!("sent-{}", message.key)
    }
}

#[async_trait]
impl Channel for Post {
    fn id(&self) -> &str {
        self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: false,
            edits: false,
            speaks_first: true,
            max_chars: 100_000,
            pause: Duration::ZERO,
            can_look_back: false,
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        self.taken.lock().expect("no test panics while it holds this").push(message.clone());
        let id = Self::id_of(message);
        if let Some((desk, conversation)) = self.at_once.get()
            && *conversation == message.conversation
            && let Some(desk) = desk.upgrade()
        {
            desk.accept(self.id, bounce(&message.conversation, &id, true)).await.expect("it is stored");
        }
        Ok(Receipt { external_id: Some(id) })
    }

    async fn find(&self, _: &Outgoing, _: Timestamp, _: &HashSet<String>) -> Result<Option<Receipt>, SendError> {
        Err(SendError::Perhaps)
    }

    fn health(&self) -> Result<String, String> {
        Ok("a letter box".to_owned())
    }
}

/// What a mail server says of an address it does not know, or that is full.
pub fn bounce(conversation: &str, external_id: &str, permanent: bool) -> Event {
    let why = if permanent { "550 5.1.1 没有这个收件人" } else { "452 4.2.2 对方邮箱已满" };
    Event::Bounced {
        conversation: conversation.to_owned(),
        external_id: external_id.to_owned(),
        permanent,
        why: why.to_owned(),
    }
}

/// A mail as its channel hands it in.
pub fn mail(from: &str, id: &str, text: &str) -> Inbound {
    Inbound {
        channel: "mail".to_owned(),
        conversation: format!("user:{from}"),
        sender: from.to_owned(),
        sender_name: if from == WANG { "王科长".to_owned() } else { String::new() },
        external_id: id.to_owned(),
        sent_at: support::morning(),
        text: text.to_owned(),
        addressed: true,
        ..Inbound::default()
    }
}

/// The desk, its clock and its channels.
pub struct Office {
    pub desk: Arc<Desk>,
    pub clock: Arc<HandClock>,
    pub mail: Arc<Post>,
    pub sms: Arc<Post>,
    pub qq: Arc<Post>,
    ids: std::sync::atomic::AtomicU32,
}

impl Office {
    /// With the engineers' group.
    pub async fn new() -> Self {
        Self::of(&format!("{PEOPLE}{GROUP}")).await
    }

    pub async fn of(people: &str) -> Self {
        let store = Store::in_memory().await.expect("a database in memory");
        let clock = support::clock();
        let (mail, sms, qq) = (Post::new("mail"), Post::new("sms"), Post::new("qq"));
        let channels: Vec<Arc<dyn Channel>> = vec![mail.clone(), sms.clone(), qq.clone()];
        let desk = support::open_with(&store, &clock, channels, 1, &[XIAN]).await;
        let people = PeopleFile::parse(people, "people.toml").expect("the people of the stories");
        desk.import(people_rows(&people)).await.expect("people can be brought in");
        Self { desk, clock, mail, sms, qq, ids: 0.into() }
    }

    fn next_id(&self) -> String {
        format!("m{}", self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// A mail arrives and all that follows at this instant is done; how it was disposed of.
    pub async fn gets(&self, mut mail: Inbound) -> Account {
        if mail.external_id.is_empty() {
            mail.external_id = self.next_id();
        }
        let id = mail.external_id.clone();
        self.desk.receive(mail).await.expect("it is stored");
        self.settle().await;
        self.account(&id).await
    }

    /// Somebody writes a mail.
    pub async fn writes(&self, from: &str, text: &str) -> Account {
        self.gets(mail(from, "", text)).await
    }

    /// Somebody answers in the thread of a ticket.
    pub async fn answers(&self, from: &str, ticket: u64, text: &str) -> Account {
        self.gets(Inbound { about: Some(format!("{XIAN}#{ticket}")), ..mail(from, "", text) }).await
    }

    /// An engineer types something in the group.
    pub async fn types(&self, text: &str) -> Account {
        let id = self.next_id();
        let mut inbound = support::inbound("group:20009", "30011", &id, text);
        "张工".clone_into(&mut inbound.sender_name);
        self.gets(inbound).await
    }

    /// Everything that is due, and what is merged within seconds, is done.
    pub async fn settle(&self) {
        quiet(&self.desk).await;
        support::forward(&self.clock, 3);
        quiet(&self.desk).await;
    }

    /// Time passes.
    pub async fn later(&self, seconds: i64) {
        support::forward(&self.clock, seconds);
        self.settle().await;
    }

    /// A mail of ours comes back.
    pub async fn comes_back(&self, message: &Outgoing, permanent: bool) {
        let event = bounce(&message.conversation, &Post::id_of(message), permanent);
        self.desk.accept("mail", event).await.expect("it is stored");
        self.settle().await;
    }

    pub async fn account(&self, id: &str) -> Account {
        let all = self.desk.store().inbox_account("", 10_000).await.expect("messages can be read");
        all.into_iter().find(|account| account.row.external_id == id).expect("it is stored")
    }

    pub async fn tickets(&self) -> Vec<Ticket> {
        self.desk.store().tickets_after(XIAN, 0, 100).await.expect("tickets can be read")
    }

    pub async fn ticket(&self, number: u64) -> Ticket {
        self.tickets().await.into_iter().find(|t| t.number == number).expect("there is such a ticket")
    }

    /// Kinds and texts of a ticket's record, in order.
    pub async fn record(&self, number: u64) -> Vec<(String, String)> {
        let key = TicketKey { contract: XIAN.to_owned(), number };
        let events = self.desk.store().events_of(&key).await.expect("the record can be read");
        let pair = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).expect("an event is JSON");
            (body["kind"].as_str().unwrap_or_default().to_owned(), body["text"].as_str().unwrap_or_default().to_owned())
        };
        events.iter().map(|event| pair(&event.body)).collect()
    }

    /// What the team was told, in order.
    pub fn team(&self) -> Vec<String> {
        let here = |message: &Outgoing| format!("qq:{}", message.conversation) == TEAM;
        self.qq.taken().into_iter().filter(here).map(|message| message.text).collect()
    }

    /// Waiting and failed messages.
    pub async fn outbox(&self) -> (i64, i64) {
        self.desk.store().outbox_counts().await.expect("messages can be counted")
    }
}
