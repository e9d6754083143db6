//! What the stories share: people, a clock moved by hand, a channel that writes down what it takes, a desk on a database.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use zhishou::clock::{Clock, HandClock};
use zhishou::config::{holidays, load_contract};
use zhishou::desk::{Desk, Parts, Wording, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::terms::Terms;
use zhishou::store::{Store, TicketKey, chain};
use zhishou_adapters::{Capabilities, Channel, Inbound, Outgoing, Receipt, SendError};

/// The contract of most stories: feedback within two hours, round the clock.
pub const XIAN: &str = "xian-realestate";
/// Another one, with people of its own.
pub const YULIN: &str = "yulin-approval";

/// Long enough for a loaded machine, short enough to end.
const LIMIT: Duration = Duration::from_secs(30);

/// Everybody. All names and numbers are invented.
pub const PEOPLE: &str = r#"
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
accounts = { qq = "30012" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
accounts = { qq = "30020" }

[[conversation]]
channel = "qq"
id = "group:20001"
contract = "xian-realestate"
unit = "市住建局"
kind = "requesters"

[[conversation]]
channel = "qq"
id = "group:20002"
contract = "xian-realestate"
unit = "市税务局"
kind = "requesters"

[[conversation]]
channel = "qq"
id = "group:20003"
contract = "yulin-approval"
unit = "市审批局"
kind = "requesters"

[[conversation]]
channel = "qq"
id = "group:20009"
contract = "xian-realestate"
unit = "运维组"
kind = "engineers"

[[shift]]
contract = "xian-realestate"
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"
"#;

/// Waits for something, not for ever.
pub async fn within<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, awaited).await.unwrap_or_else(|_| panic!("{what}: did not come to pass in time"))
}

/// The process has one TLS provider; every test may be the first to need it.
pub fn tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another module of this binary may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Monday morning, an ordinary working day.
pub fn morning() -> Timestamp {
    "2026-03-02T09:00:00+08:00".parse().expect("a valid instant")
}

/// A clock that shows that morning.
pub fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::at(morning()))
}

/// Moves it.
pub fn forward(clock: &HandClock, seconds: i64) {
    clock.set(clock.now() + SignedDuration::from_secs(seconds));
}

/// A shipped contract.
pub fn terms(id: &str) -> Arc<Terms> {
    let holidays = holidays(None).expect("the shipped holidays");
    load_contract(id, Path::new("."), &holidays).expect("a shipped contract")
}

/// A message as a channel hands it in.
pub fn inbound(conversation: &str, sender: &str, id: &str, text: &str) -> Inbound {
    Inbound {
        channel: "qq".to_owned(),
        conversation: conversation.to_owned(),
        sender: sender.to_owned(),
        sender_name: if sender.starts_with('4') { "王科长".to_owned() } else { String::new() },
        external_id: id.to_owned(),
        sent_at: morning(),
        text: text.to_owned(),
        attachments: Vec::new(),
        quotes: None,
        quoted_text: None,
        addressed: false,
        mentions: Vec::new(),
        recovered: false,
        ..Inbound::default()
    }
}

/// A desk on a database.
pub async fn open(store: &Store, clock: &Arc<HandClock>, channels: Vec<Arc<dyn Channel>>, seed: u64) -> Arc<Desk> {
    open_with(store, clock, channels, seed, &[XIAN, YULIN]).await
}

/// A desk with several contracts; the first takes conversations bound to none.
pub async fn open_with(
    store: &Store,
    clock: &Arc<HandClock>,
    channels: Vec<Arc<dyn Channel>>,
    seed: u64,
    contracts: &[&str],
) -> Arc<Desk> {
    Desk::open(Parts {
        store: store.clone(),
        clock: clock.clone(),
        seed,
        contracts: contracts.iter().map(|id| terms(id)).collect(),
        default_contract: contracts.first().map(|id| (*id).to_owned()),
        wording: Wording::new(None).expect("the shipped words"),
        channels,
        attachments: None,
    })
    .await
    .expect("a desk opens on its database")
}

/// Brings in everybody.
pub async fn furnish(desk: &Desk) {
    let people = PeopleFile::parse(PEOPLE, "people.toml").expect("the people of the stories");
    desk.import(people_rows(&people)).await.expect("people can be brought in");
}

/// Does all there is to do at this instant.
pub async fn quiet(desk: &Arc<Desk>) {
    for _ in 0..200 {
        let tick = desk.tick().await.expect("the clockwork runs");
        let sent = desk.dispatch().await.expect("the outbox runs");
        if tick.done + sent.done == 0 {
            return;
        }
    }
    panic!("the desk does not come to rest at one instant");
}

/// What the store holds after a story is in order: each message disposed of exactly once, the record unbroken, nothing
/// waiting and nothing failed.
pub async fn sound(store: &Store, messages: usize) {
    let accounts = store.inbox_account("", 10_000).await.expect("messages can be read");
    assert_eq!(accounts.len(), messages, "every acknowledged message is there once");
    for account in &accounts {
        assert!(!account.disposition.is_empty(), "nobody dealt with {}", account.row.external_id);
    }
    assert_eq!(store.outbox_counts().await.expect("messages can be counted"), (0, 0), "waiting and failed");
    unbroken(store).await;
}

/// The record of every contract: places without a gap, each hash over the one before it.
pub async fn unbroken(store: &Store) {
    for contract in store.contracts().await.expect("contracts can be read") {
        let (mut before, mut seq) = (String::new(), 0);
        for event in store.events_after(&contract, 0, 100_000).await.expect("the record can be read") {
            seq += 1;
            assert_eq!(event.seq, seq, "no gap in the record");
            assert_eq!(event.hash, chain(&before, &event.body), "event {seq} is chained to the one before it");
            before = event.hash;
        }
    }
}

/// What became of each message: external id, disposition, ticket.
pub async fn dispositions(store: &Store) -> Vec<(String, String, String)> {
    let accounts = store.inbox_account("", 10_000).await.expect("messages can be read");
    let mut all: Vec<_> = accounts.into_iter().map(|a| (a.row.external_id, a.disposition, a.ticket)).collect();
    all.sort();
    all
}

/// The tickets of a contract with their promises and their record, without anything drawn by lot.
pub async fn account_of(store: &Store, contract: &str) -> Value {
    let mut all = Vec::new();
    for ticket in store.tickets_after(contract, 0, 1_000).await.expect("tickets can be read") {
        let key = TicketKey { contract: contract.to_owned(), number: ticket.number };
        let events: Vec<Value> = store
            .events_of(&key)
            .await
            .expect("the record can be read")
            .iter()
            .map(|event| serde_json::from_str::<Value>(&event.body).expect("an event is JSON"))
            .map(|event| json!([event["kind"], event["at"], event["by"], event["text"], event["data"]]))
            .collect();
        let commitments: Vec<Value> = ticket
            .commitments
            .iter()
            .map(|c| json!([c.promise.id(), c.round, c.started_at, c.due_at, c.met_at, c.outcome.id()]))
            .collect();
        all.push(json!({ "state": ticket.state.id(), "commitments": commitments, "events": events }));
    }
    Value::Array(all)
}

/// A channel that writes down what it takes, tells the truth about it, and leaves the desk time to die in between.
pub struct Tape {
    state: Mutex<Recorded>,
}

#[derive(Default)]
struct Recorded {
    taken: Vec<(String, Outgoing)>,
    trouble: BTreeMap<String, SendError>,
    blind: bool,
    no_history: bool,
    looked: usize,
}

impl Tape {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default() })
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Recorded) -> T) -> T {
        change(&mut self.state.lock().expect("no test panics while it holds this"))
    }

    /// From now on every send to this conversation (`group:1`) ends so; nothing is taken.
    pub fn fail(&self, conversation: &str, error: SendError) {
        self.edit(|state| state.trouble.insert(conversation.to_owned(), error));
    }

    /// All is well again.
    pub fn heal(&self) {
        self.edit(|state| {
            state.trouble.clear();
            state.blind = false;
        });
    }

    /// From now on the platform cannot be asked what it has taken.
    pub fn go_blind(&self) {
        self.edit(|state| state.blind = true);
    }

    /// A platform that keeps no history that could be asked for.
    pub fn keeps_no_history(&self) {
        self.edit(|state| state.no_history = true);
    }

    /// How often the platform was asked.
    pub fn looked(&self) -> usize {
        self.edit(|state| state.looked)
    }

    /// Keys of what was taken, in order.
    pub fn keys(&self) -> Vec<String> {
        self.edit(|state| state.taken.iter().map(|(_, message)| message.key.clone()).collect())
    }

    /// Texts of what was taken, in order.
    pub fn texts(&self) -> Vec<String> {
        self.edit(|state| state.taken.iter().map(|(_, message)| message.text.clone()).collect())
    }

    /// Texts taken for one conversation (`qq:group:1`), in order.
    pub fn texts_in(&self, conversation: &str) -> Vec<String> {
        let fits = |(at, message): &(String, Outgoing)| (at == conversation).then(|| message.text.clone());
        self.edit(|state| state.taken.iter().filter_map(fits).collect())
    }

    /// Conversations of what was taken, sorted.
    pub fn conversations(&self) -> Vec<String> {
        let mut all: Vec<String> = self.edit(|state| state.taken.iter().map(|(at, _)| at.clone()).collect());
        all.sort();
        all
    }

    /// Conversation and text of what was taken, sorted: what people saw, whatever the order between groups.
    pub fn seen(&self) -> Vec<(String, String)> {
        let pair = |(at, message): &(String, Outgoing)| (at.clone(), message.text.clone());
        let mut all: Vec<(String, String)> = self.edit(|state| state.taken.iter().map(pair).collect());
        all.sort();
        all
    }
}

#[async_trait]
impl Channel for Tape {
    fn id(&self) -> &'static str {
        "qq"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            buttons: false,
            mentions: true,
            edits: false,
            speaks_first: true,
            max_chars: 20_000,
            pause: Duration::ZERO,
            can_look_back: !self.edit(|state| state.no_history),
            acknowledges_only: false,
        }
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        // On the way there.
        tokio::task::yield_now().await;
        self.edit(|state| {
            if let Some(error) = state.trouble.get(&message.conversation) {
                return Err(error.clone());
            }
            state.taken.push((format!("qq:{}", message.conversation), message.clone()));
            Ok(())
        })?;
        // On the way back.
        tokio::task::yield_now().await;
        Ok(Receipt { external_id: Some(format!("said-{}", message.key)) })
    }

    async fn find(
        &self,
        message: &Outgoing,
        _: Timestamp,
        taken: &HashSet<String>,
    ) -> Result<Option<Receipt>, SendError> {
        tokio::task::yield_now().await;
        self.edit(|state| {
            state.looked += 1;
            if state.blind {
                return Err(SendError::Unreachable("the platform cannot be asked".to_owned()));
            }
            // As on a platform, words are all there is to recognise a message by.
            let alike = state
                .taken
                .iter()
                .map(|(_, said)| said)
                .filter(|said| said.conversation == message.conversation && said.text == message.text);
            let mut ids = alike.map(|said| format!("said-{}", said.key)).filter(|id| !taken.contains(id));
            Ok(ids.next().map(|id| Receipt { external_id: Some(id) }))
        })
    }

    fn health(&self) -> Result<String, String> {
        Ok("a tape".to_owned())
    }
}
