//! A WeChat Work that is none, with any number of desks on one database file before it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou::clock::{Clock as _, HandClock};
use zhishou::console::{Console, router};
use zhishou::desk::{ChannelShelf, Desk, Parts, Wording, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::ticket::Ticket;
use zhishou::store::{OutboxRow, OutboxState, Store};
use zhishou_adapters::wecom::app::{AppCallback, AppConfig};
use zhishou_adapters::wecom::robot::RobotConfig;
use zhishou_adapters::wecom::session::LineTiming;
use zhishou_adapters::wecom::{BotConfig, BotMode, BotTiming, Now, WeCom, WeComConfig};
use zhishou_adapters::{Channel, Inbox, Shelf};
use zhishou_fakes::wecom::{FakeWeCom, Shown};

use super::people::{
    AGENCY, AT_AGENCY, AT_ENGINEERS, CHEN, ENGINEERS, KEYS, LI, PEOPLE, SUN, THEIR_GROUP, WANG, ZHANG,
};
use crate::peers::support::{self, XIAN, within};

/// Which surfaces there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surfaces {
    /// The bot on its line, nothing else.
    Socket,
    /// The bot on its line, and a robot in each group to ring.
    SocketAndRobots,
    /// The bot by callbacks, a robot in each group as the way out.
    Callback,
    /// The application alone: everybody writes to it, there are no groups.
    App,
    /// The bot on its line and the application.
    SocketAndApp,
    /// As `Callback`, and the application for single people.
    CallbackAndApp,
}

/// One desk.
pub struct Instance {
    pub desk: Arc<Desk>,
    pub channel: Arc<WeCom>,
    pub address: String,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    /// Clockwork and outbox.
    work: Vec<JoinHandle<()>>,
}

impl Instance {
    /// It goes on serving and listening; what comes in is left to others.
    pub async fn stops_working(&mut self) {
        for task in self.work.drain(..) {
            task.abort();
            // It was told to end in the middle.
            let _ = task.await;
        }
    }

    /// A clean end: what is under way is finished, the line is given up.
    pub async fn ends(self) {
        self.stop.cancel();
        for task in self.tasks.into_iter().chain(self.work) {
            within("an instance ends", task).await.expect("no task panics");
        }
    }

    /// The power goes out.
    pub async fn dies(self, wecom: &FakeWeCom) {
        let tasks: Vec<_> = self.tasks.into_iter().chain(self.work).collect();
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // It was told to end in the middle.
            let _ = task.await;
        }
        // The system closes what a process leaves behind.
        wecom.drop_socket();
    }
}

/// The platform, the database, and the desks that are up.
pub struct World {
    pub wecom: FakeWeCom,
    pub clock: Arc<HandClock>,
    pub store: Store,
    pub up: Vec<Instance>,
    surfaces: Surfaces,
    url: String,
    seeds: u64,
    /// Kept until the world ends: the database lies in it.
    folder: TempDir,
}

/// Whether a message waits behind another one of its conversation that is being retried or looked for.
fn held_up(row: &OutboxRow, rows: &[OutboxRow]) -> bool {
    let before = |e: &&OutboxRow| e.conversation == row.conversation && e.id < row.id;
    row.free == 0 && rows.iter().filter(before).any(|e| e.state != OutboxState::Ready || e.attempts > 0)
}

/// Long waits of the world short; what the hand clock measures stays as it is.
fn timing() -> BotTiming {
    BotTiming {
        line: LineTiming { backoff: Duration::ZERO, ..LineTiming::default() },
        look: Duration::from_millis(5),
        retry: Duration::from_millis(1),
        reconnect: Duration::from_secs(5),
        card: Duration::from_millis(1_500),
        http: Duration::from_secs(5),
        store: Duration::from_millis(1),
        ..BotTiming::default()
    }
}

fn bot(wecom: &FakeWeCom, callback: bool) -> BotConfig {
    let bot = wecom.setup().bot;
    let mode = if callback {
        BotMode::Callback {
            token: SecretString::from(bot.token),
            encoding_aes_key: SecretString::from(bot.encoding_aes_key),
            path: BotMode::DEFAULT_PATH.to_owned(),
        }
    } else {
        BotMode::Socket { bot_id: bot.bot_id, secret: SecretString::from(bot.secret), url: wecom.socket_url() }
    };
    let mut config = BotConfig::new(mode);
    // What is sent to the bot lies on the stand-in.
    config.media.allow_hosts = vec!["127.0.0.1".to_owned()];
    BotConfig { name: Some(bot.name), api_base: wecom.api_base(), timing: timing(), ..config }
}

fn app(wecom: &FakeWeCom) -> AppConfig {
    let setup = wecom.setup();
    let own = setup.app();
    let callback = AppCallback {
        token: SecretString::from(own.token.clone()),
        encoding_aes_key: SecretString::from(own.encoding_aes_key.clone()),
        path: AppCallback::DEFAULT_PATH.to_owned(),
    };
    let mut app = AppConfig::new(&setup.corp_id, own.agent_id, SecretString::from(own.secret.clone()));
    app.callback = Some(callback);
    app.api_base = wecom.api_base();
    app.retry = Duration::from_millis(1);
    app
}

impl Surfaces {
    fn has_app(self) -> bool {
        matches!(self, Self::App | Self::SocketAndApp | Self::CallbackAndApp)
    }

    fn posts(self) -> bool {
        matches!(self, Self::Callback | Self::CallbackAndApp)
    }

    fn has_line(self) -> bool {
        matches!(self, Self::Socket | Self::SocketAndRobots | Self::SocketAndApp)
    }

    fn has_robots(self) -> bool {
        self.posts() || self == Self::SocketAndRobots
    }

    fn config(self, wecom: &FakeWeCom) -> WeComConfig {
        let robots = KEYS.iter().filter(|_| self.has_robots()).map(|(key, chat)| {
            RobotConfig::new(&wecom.robot_url(key), &format!("group:{chat}")).expect("a robot of the stand-in")
        });
        WeComConfig {
            id: "wecom".to_owned(),
            bot: (self != Self::App).then(|| bot(wecom, self.posts())),
            app: self.has_app().then(|| app(wecom)),
            robots: robots.collect(),
        }
    }
}

impl World {
    /// One desk, connected, with everybody known to it.
    pub async fn new(surfaces: Surfaces) -> Self {
        let text = if surfaces == Surfaces::App { PEOPLE.to_owned() } else { format!("{PEOPLE}{THEIR_GROUP}") };
        Self::with(surfaces, &text).await
    }

    /// The same with these people and conversations.
    pub async fn with(surfaces: Surfaces, people: &str) -> Self {
        support::tls();
        let clock = support::clock();
        let shown: Now = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let wecom = FakeWeCom::start_with(shown).await;
        wecom.group(AGENCY, &[(WANG, "王科长"), ("LiuLaoShi", "刘老师"), (SUN, "孙老师")]);
        wecom.group(ENGINEERS, &[(ZHANG, "张工"), (LI, "李工"), (SUN, "孙老师")]);
        wecom.person(CHEN, "陈经理");
        for (key, chat) in KEYS {
            wecom.robot(key, chat);
        }
        // An administrator has said a word there, as the manual tells him to.
        wecom.has_been_spoken_to(AT_AGENCY);
        wecom.has_been_spoken_to(AT_ENGINEERS);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
        let store = Store::open(&url).await.expect("a database file");
        let mut world = Self { wecom, clock, store, up: Vec::new(), surfaces, url, seeds: 0, folder };
        world.start().await;
        world.imports(people).await;
        world.connected(1).await;
        world
    }

    /// One more desk on the same database.
    pub async fn start(&mut self) -> &Instance {
        self.seeds += 1;
        let store = Store::open(&self.url).await.expect("the database file");
        let now: Now = {
            let clock = self.clock.clone();
            Arc::new(move || clock.now())
        };
        let shelf: Arc<dyn Shelf> = Arc::new(ChannelShelf::new(store.clone(), self.clock.clone(), "wecom", self.seeds));
        let channel = Arc::new(WeCom::new(self.surfaces.config(&self.wecom), &shelf, &now).expect("a configuration"));
        let channels: Vec<Arc<dyn Channel>> = vec![channel.clone()];
        let desk = Desk::open(Parts {
            store,
            clock: self.clock.clone(),
            seed: self.seeds,
            contracts: vec![support::terms(XIAN)],
            default_contract: Some(XIAN.to_owned()),
            wording: Wording::new(None).expect("the shipped words"),
            channels,
            attachments: Some(self.attachments()),
        })
        .await
        .expect("a desk opens on its database");
        let console = Console { desk: desk.clone(), clock: None, admin_password: None, sandbox: false };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let routes = router(console);
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move {
                let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
                served.await.expect("it serves until it is stopped");
            }
        });
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
        let (tasks, work) = (vec![serving, listening], vec![clockwork, outbox]);
        self.up.push(Instance { desk, channel, address, stop, tasks, work });
        self.up.last().expect("it was just put there")
    }

    /// The platform reaches the newest desk; its line has been made so many times in all.
    pub async fn connected(&self, times: usize) {
        let address = &self.up.last().expect("a desk is up").address;
        if self.surfaces.posts() {
            let url = format!("http://{address}{}", BotMode::DEFAULT_PATH);
            self.wecom.save_bot_callback(&url).await.expect("the form can be saved");
        }
        if self.surfaces.has_app() {
            let url = format!("http://{address}{}", AppCallback::DEFAULT_PATH);
            self.wecom.save_app_callback(&url).await.expect("the form can be saved");
        }
        if self.surfaces.has_line() {
            self.wecom.has_subscribed(times).await;
            within("the desk knows its line", self.up.last().expect("a desk is up").channel.connected()).await;
        }
    }

    /// The platform posts to this desk from now on; it asks no address to prove itself.
    pub fn posts_to(&self, at: usize) {
        let address = &self.up[at].address;
        if self.surfaces.posts() {
            self.wecom.bot_callback(&format!("http://{address}{}", BotMode::DEFAULT_PATH));
        }
        if self.surfaces.has_app() {
            self.wecom.app_callback(&format!("http://{address}{}", AppCallback::DEFAULT_PATH));
        }
    }

    /// An administrator imports a people file.
    pub async fn imports(&self, people: &str) {
        let people = PeopleFile::parse(people, "people.toml").expect("the people of the stories");
        self.desk().import(people_rows(&people)).await.expect("people can be brought in");
    }

    /// Where pictures and files are kept.
    pub fn attachments(&self) -> PathBuf {
        self.folder.path().join("attachments")
    }

    /// The oldest desk that is up.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.up[0].desk
    }

    /// Stops the desk and starts another on what it left.
    pub async fn restarts(&mut self) {
        let subscriptions = self.wecom.subscriptions();
        self.up.remove(0).ends().await;
        self.start().await;
        self.connected(subscriptions + 1).await;
    }

    /// Waits until the store shows something; looks after every commit of any desk.
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Store) -> bool) {
        let mut changes: Vec<_> = self.up.iter().map(|instance| instance.desk.watch()).collect();
        within(what, async {
            while !holds(&self.store).await {
                let any = changes.iter_mut().map(|watch| Box::pin(watch.changed()));
                futures_util::future::select_all(any).await.0.expect("the desk is there");
            }
        })
        .await;
    }

    /// Waits until so many messages have a disposition.
    pub async fn taken(&self, messages: usize) {
        let what = format!("{messages} messages are dealt with");
        self.until(&what, async |store: &Store| {
            let accounts = store.inbox_account("", 1_000).await.expect("messages can be read");
            accounts.iter().filter(|account| !account.disposition.is_empty()).count() >= messages
        })
        .await;
    }

    /// Lets time pass until everything that was to be said is said: whenever nothing is being sent, the clock is set to
    /// when the next message is due.
    pub async fn quiet(&self) {
        let mut changes: Vec<_> = self.up.iter().map(|instance| instance.desk.watch()).collect();
        within("everything is said", async {
            loop {
                let pending = self.store.outbox_counts().await.expect("messages can be counted").0;
                if pending == 0 {
                    return;
                }
                let rows = self.pending().await;
                let waits = |row: &&OutboxRow| matches!(row.state, OutboxState::Ready | OutboxState::Perhaps);
                // What is not about a ticket waits for nothing.
                let at_work = rows.iter().filter(waits).count() < usize::try_from(pending).expect("a few");
                let next = rows.iter().filter(waits).filter(|row| !held_up(row, &rows)).map(|row| row.send_at_ms).min();
                if let Some(next) = next.filter(|next| !at_work && *next > self.clock.now().as_millisecond()) {
                    self.clock.set(jiff::Timestamp::from_millisecond(next).expect("an instant"));
                    self.up.iter().for_each(|instance| instance.desk.nudge());
                }
                let any = changes.iter_mut().map(|watch| Box::pin(watch.changed()));
                // A commit may have come between the look and the watch.
                let _ = tokio::time::timeout(Duration::from_millis(20), futures_util::future::select_all(any)).await;
            }
        })
        .await;
    }

    /// Lets time pass until nothing waits to be said, whatever it is about.
    pub async fn passes(&self) {
        let mut changes = self.desk().watch();
        within("everything is said", async {
            while self.store.outbox_counts().await.expect("messages can be counted").0 > 0 {
                // A message under way is not hurried: the clock moves after it has come to something, or not at all.
                if tokio::time::timeout(Duration::from_millis(100), changes.changed()).await.is_err() {
                    self.forward(21);
                }
            }
        })
        .await;
    }

    /// A desk looks again and again for what others have stored, as on a server that several share.
    pub fn looks_around(&self, at: usize) -> JoinHandle<()> {
        let (desk, mut changes) = (self.up[at].desk.clone(), self.up[at].desk.watch());
        tokio::spawn(async move {
            loop {
                // Storing a message rings only in the process that stored it.
                let _ = tokio::time::timeout(Duration::from_millis(20), changes.changed()).await;
                desk.nudge();
            }
        })
    }

    /// What is to be said yet about the tickets of a story.
    async fn pending(&self) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        for number in 1..4 {
            let said = self.store.said_of(&format!("{XIAN}#{number}")).await.expect("messages can be read");
            rows.extend(said.into_iter().filter(|row| !matches!(row.state, OutboxState::Sent | OutboxState::Failed)));
        }
        rows
    }

    /// So many messages are taken and everything is said.
    pub async fn settled(&self, messages: usize) {
        self.taken(messages).await;
        self.quiet().await;
    }

    /// Moves the clock.
    pub fn forward(&self, seconds: i64) {
        support::forward(&self.clock, seconds);
        self.up.iter().for_each(|instance| instance.desk.nudge());
    }

    /// A card with this button in a conversation.
    pub async fn card(&self, conversation: &str, words: &str) -> (String, Shown) {
        let card = |shown: &Shown| shown.card.is_some() && shown.words().contains(words);
        let shown = self.wecom.until_shown(conversation, &format!("a card: {words}"), card).await;
        (shown.task_id.clone().expect("a card with buttons has a task id"), shown)
    }

    /// A card shows these words, or will soon.
    pub async fn card_shows(&self, conversation: &str, task: &str, words: &str) {
        let holds = |shown: &Shown| shown.task_id.as_deref() == Some(task) && shown.words().contains(words);
        self.wecom.until_shown(conversation, &format!("{task} shows {words}"), holds).await;
    }

    /// What a card shows now.
    pub fn card_now(&self, task: &str) -> Value {
        self.wecom.card(task).expect("the card is there")
    }

    /// The tickets.
    pub async fn tickets(&self) -> Vec<Ticket> {
        self.store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read")
    }

    /// Nothing stands twice in a conversation, but for what says itself that it may.
    pub fn said_once(&self) {
        let mut seen = HashSet::new();
        for shown in self.wecom.all_shown() {
            let words = match &shown.task_id {
                Some(task) => task.clone(),
                None => shown.text.clone(),
            };
            if !words.contains("（网络不稳，此条可能重复）") {
                assert!(seen.insert((shown.conversation.clone(), words)), "said twice: {shown:#?}");
            }
        }
    }

    /// Stops everything: each message dealt with once, nothing waiting or failed, nothing said twice, and nothing that the
    /// platform would have dropped without a word.
    pub async fn ends(self, messages: usize) {
        self.quiet().await;
        support::sound(&self.store, messages).await;
        self.said_once();
        assert_eq!(self.wecom.complaints(), Vec::<String>::new());
        assert!(self.wecom.open_streams().is_empty(), "a stream was left open");
        for instance in self.up {
            instance.ends().await;
        }
    }
}
