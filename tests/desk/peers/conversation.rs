//! A ticket's life over OneBot, with the whole desk behind it: all three transports, and the ways real peers misbehave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhishou::clock::{Clock as _, HandClock};
use zhishou::console::{Console, router};
use zhishou::desk::{Desk, RECHECK_MS};
use zhishou::store::Store;
use zhishou_adapters::media::MediaPolicy;
use zhishou_adapters::qq::onebot::throttle::Pace;
use zhishou_adapters::qq::onebot::{OneBot, OneBotConfig, Timing, Transport};
use zhishou_adapters::{Channel, Inbox};
use zhishou_fakes::onebot::{Behaviour, Dialect, FakeOneBot, Sent};

use super::support::{self, XIAN, within};

pub const AGENCY: &str = "20001";
pub const TAX: &str = "20002";
pub const ENGINEERS: &str = "20009";
pub const WANG: &str = "40001";
pub const ZHANG: &str = "30011";
pub const TOKEN: &str = "t0k";

/// Which of the transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Reverse,
    Forward,
    Http,
}

/// The whole desk in this process, with a QQ that is none.
pub struct World {
    pub desk: Arc<Desk>,
    pub store: Store,
    pub clock: Arc<HandClock>,
    pub qq: FakeOneBot,
    pub address: String,
    pub url: String,
    heard: VecDeque<Sent>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Kept until the world ends: the database lies in it.
    _folder: TempDir,
}

fn timing() -> Timing {
    Timing {
        text: Duration::from_secs(5),
        greeting: Duration::from_secs(2),
        history: Duration::from_secs(2),
        reconnect: Duration::from_millis(5),
        retry: Duration::from_millis(1),
        look: Duration::from_millis(20),
        pace: Pace::unlimited(),
        ..Timing::default()
    }
}

/// A QQ with our groups in it.
pub fn qq(dialect: Dialect) -> FakeOneBot {
    let qq = FakeOneBot::new(dialect).token(TOKEN);
    qq.group(AGENCY, &[(WANG, "王科长"), ("40002", "刘老师")]);
    qq.group(TAX, &[("40003", "赵科")]);
    qq.group("20003", &[("40004", "钱科")]);
    qq.group(ENGINEERS, &[(ZHANG, "张工"), ("30012", "李工")]);
    qq
}

impl World {
    pub async fn new(wire: Wire, qq: FakeOneBot) -> Self {
        Self::with(wire, qq, timing()).await
    }

    pub async fn with(wire: Wire, qq: FakeOneBot, timing: Timing) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = support::clock();
        qq.set_time(clock.now().as_second());
        let world = Self::wake(wire, qq, timing, folder, clock, 1).await;
        support::furnish(&world.desk).await;
        world.connect(wire).await;
        world
    }

    async fn connect(&self, wire: Wire) {
        match wire {
            Wire::Reverse => self.dial().await,
            Wire::Forward => self.qq.has_connections(1).await,
            Wire::Http => self.qq.post_events_to(&format!("http://{}/onebot/v11/http", self.address)),
        }
    }

    async fn wake(
        wire: Wire,
        qq: FakeOneBot,
        timing: Timing,
        folder: TempDir,
        clock: Arc<HandClock>,
        seed: u64,
    ) -> Self {
        support::tls();
        let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
        let store = Store::open(&url).await.expect("a database file");
        let transport = match wire {
            Wire::Reverse => Transport::ReverseWs { path: Transport::DEFAULT_PATH.to_owned() },
            Wire::Forward => Transport::ForwardWs { url: qq.serve_ws().await },
            Wire::Http => Transport::Http { api_url: qq.serve_http("").await, path: "/onebot/v11/http".to_owned() },
        };
        let mut config = OneBotConfig::new("qq", transport);
        config.access_token = Some(SecretString::from(TOKEN));
        config.media = MediaPolicy { allow_hosts: vec!["127.0.0.1".to_owned()], ..MediaPolicy::default() };
        config.timing = timing.clone();
        if wire == Wire::Http {
            config.secret = Some(SecretString::from("s3cret"));
        }
        let now = clock.clone();
        let channel: Arc<dyn Channel> = Arc::new(OneBot::new(config, Arc::new(move || now.now())));
        let desk = support::open(&store, &clock, vec![channel.clone()], seed).await;
        let console = Console { desk: desk.clone(), clock: None, admin_password: None, sandbox: false };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let routes = router(console);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        // Ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, routes).await });
        tasks.spawn({
            let (desk, stop) = (desk.clone(), stop.clone());
            async move { desk.run_clockwork(stop).await }
        });
        tasks.spawn({
            let (desk, stop) = (desk.clone(), stop.clone());
            async move { desk.run_outbox(stop).await }
        });
        tasks.spawn({
            let (inbox, stop): (Arc<dyn Inbox>, _) = (desk.clone(), stop.clone());
            async move { channel.listen(inbox, stop).await.expect("the channel is configured") }
        });
        tasks.close();
        Self { desk, store, clock, qq, address, url, heard: VecDeque::new(), stop, tasks, _folder: folder }
    }

    /// The fake dials our reverse WebSocket, and has been greeted.
    pub async fn dial(&self) {
        let greeted = self.qq.calls().iter().filter(|call| call.action == "get_version_info").count();
        self.qq.dial(&format!("ws://{}/onebot/v11/ws", self.address)).await.expect("the desk takes the connection");
        self.qq.was_called("get_version_info", greeted + 1).await;
    }

    /// Lets time pass.
    pub fn forward(&self, seconds: i64) {
        support::forward(&self.clock, seconds);
        self.qq.set_time(self.clock.now().as_second());
        self.desk.nudge();
    }

    /// What is said in a conversation next; what is said elsewhere meanwhile is kept.
    pub async fn hears(&mut self, conversation: &str) -> Sent {
        if let Some(at) = self.heard.iter().position(|sent| sent.conversation == conversation) {
            return self.heard.remove(at).expect("it was just found there");
        }
        loop {
            let sent = self.qq.next_sent().await;
            if sent.conversation == conversation {
                return sent;
            }
            self.heard.push_back(sent);
        }
    }

    /// Waits until so many messages have a disposition.
    pub async fn taken(&self, messages: usize) {
        self.until("messages are dealt with", async |store: &Store| {
            let accounts = store.inbox_account("", 1_000).await.expect("messages can be read");
            accounts.iter().filter(|a| !a.disposition.is_empty()).count() >= messages
        })
        .await;
    }

    /// Waits until the desk has settled what it said.
    pub async fn settled(&self) {
        self.until("what was said is settled", async |store: &Store| {
            store.outbox_counts().await.expect("messages can be counted").0 == 0
        })
        .await;
    }

    /// Waits until the store shows something; looks after every commit.
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Store) -> bool) {
        let mut changes = self.desk.watch();
        within(what, async {
            while !holds(&self.store).await {
                changes.changed().await.expect("the desk is there");
            }
        })
        .await;
    }

    /// Stops everything; nothing that was said is left unread, nothing is waiting.
    pub async fn ends(mut self, messages: usize) {
        self.settled().await;
        while let Some(sent) = self.qq.next_sent_within(Duration::from_millis(1)).await {
            self.heard.push_back(sent);
        }
        assert!(self.heard.is_empty(), "nobody expected this: {:#?}", self.heard);
        support::sound(&self.store, messages).await;
        self.stop.cancel();
        within("everything ends", self.tasks.wait()).await;
    }
}

fn group(id: &str) -> String {
    format!("group:{id}")
}

/// Reported, claimed by quoting the card, worked on, solved, confirmed, rated. Each message is reported twice.
async fn a_ticket_lives(wire: Wire, dialect: Dialect) {
    let fake = if wire == Wire::Http { qq(dialect).secret("s3cret") } else { qq(dialect) };
    let mut world = World::new(wire, fake).await;
    let (agency, engineers) = (group(AGENCY), group(ENGINEERS));

    let report = world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    let told = world.hears(&agency).await;
    assert!(told.text.contains("已受理") && told.text.contains("#1"), "{told:?}");
    assert_eq!(told.reply_to.as_deref(), Some(report.as_str()), "it answers the report");
    assert!(told.mentions.contains(&WANG.to_owned()), "{told:?}");
    let card = world.hears(&engineers).await;
    assert!(card.text.contains("认领 1") && card.text.contains("王科长"), "{card:?}");
    world.qq.repeat(&report).await;

    world.settled().await;
    let claim = world.qq.quote(ENGINEERS, ZHANG, &card.id, "认领").await;
    world.taken(2).await;
    world.qq.repeat(&claim).await;
    world.forward(3);
    assert!(world.hears(&agency).await.text.contains("已由张工受理"));
    assert!(world.hears(&engineers).await.text.contains("已由张工认领"));

    world.qq.say(ENGINEERS, ZHANG, "进展 1 正在重启服务").await;
    world.taken(3).await;
    world.forward(3);
    assert!(world.hears(&agency).await.text.contains("正在重启服务"));
    assert!(world.hears(&engineers).await.text.contains("正在重启服务"));

    world.qq.say(ENGINEERS, ZHANG, "解决 1 已重启恢复").await;
    world.taken(4).await;
    world.forward(3);
    assert!(world.hears(&agency).await.text.contains("已处理完毕"));
    assert!(world.hears(&engineers).await.text.contains("已解决"));

    world.qq.say(AGENCY, WANG, "可以了，谢谢").await;
    world.taken(5).await;
    world.forward(3);
    let closed = world.hears(&agency).await;
    assert!(closed.text.contains("已关闭") && closed.text.contains("打分"), "{closed:?}");

    world.qq.say(AGENCY, WANG, "5分 很及时").await;
    assert!(world.hears(&agency).await.text.contains("感谢"));
    world.taken(6).await;

    let tickets = world.store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
    assert_eq!(tickets.len(), 1, "a message that is reported twice opens one ticket");
    assert_eq!(tickets[0].state.id(), "closed");
    assert_eq!(tickets[0].rating.as_ref().map(|(score, _)| *score), Some(5));
    if wire == Wire::Http {
        let posted = world.qq.posted();
        assert!(posted.iter().all(|status| *status == 204), "{posted:?}");
    }
    world.ends(6).await;
}

#[tokio::test]
async fn a_ticket_lives_over_a_reverse_websocket() {
    a_ticket_lives(Wire::Reverse, Dialect::NapCat).await;
}

#[tokio::test]
async fn a_ticket_lives_over_a_reverse_websocket_in_go_cqhttps_dialect() {
    a_ticket_lives(Wire::Reverse, Dialect::GoCqHttp).await;
}

#[tokio::test]
async fn a_ticket_lives_over_a_forward_websocket() {
    a_ticket_lives(Wire::Forward, Dialect::Lagrange).await;
}

#[tokio::test]
async fn a_ticket_lives_over_http() {
    a_ticket_lives(Wire::Http, Dialect::LlOneBot).await;
}

#[tokio::test]
async fn what_the_desk_says_itself_is_no_report() {
    for dialect in [Dialect::NapCat, Dialect::Lagrange] {
        let mut world = World::new(Wire::Reverse, qq(dialect).reporting_own()).await;
        world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
        world.hears(&group(AGENCY)).await;
        world.hears(&group(ENGINEERS)).await;
        // Its own words lie before this one on the wire.
        world.qq.say(AGENCY, WANG, "还没好吗").await;
        assert!(world.hears(&group(AGENCY)).await.text.contains("待认领"));
        assert!(world.hears(&format!("user:{ZHANG}")).await.text.contains("催办"));
        world.taken(2).await;
        world.ends(2).await;
    }
}

#[tokio::test]
async fn a_muted_group_hears_when_the_mute_has_run_out() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.mute(AGENCY, 600).await;
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.hears(&group(ENGINEERS)).await;
    world.until("the message waits", async |store: &Store| store.outbox_counts().await.expect("counted").0 == 1).await;
    assert!(
        world.qq.calls().iter().filter(|call| call.action == "send_group_msg").count() == 1,
        "nobody tries in vain"
    );
    world.qq.unmute(AGENCY).await;
    world.forward(600);
    assert!(world.hears(&group(AGENCY)).await.text.contains("已受理"));
    world.ends(1).await;
}

#[tokio::test]
async fn a_mute_that_is_lifted_early_lets_out_at_once_what_was_held() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.mute(AGENCY, 600).await;
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.hears(&group(ENGINEERS)).await;
    let held = async |store: &Store| {
        let said = store.said_of(&format!("{XIAN}#1")).await.expect("messages can be read");
        said.iter().any(|row| row.conversation == "qq:group:20001" && row.send_at_ms > row.created_at_ms)
    };
    world.until("the message is held", held).await;
    world.qq.unmute(AGENCY).await;
    world.forward(1);
    assert!(world.hears(&group(AGENCY)).await.text.contains("已受理"));
    world.ends(1).await;
}

#[tokio::test]
async fn an_answer_that_lies_is_checked_in_the_history_and_nothing_is_doubled() {
    for (dialect, wire) in
        [(Dialect::NapCat, Wire::Reverse), (Dialect::GoCqHttp, Wire::Forward), (Dialect::LlOneBot, Wire::Http)]
    {
        // Lagrange is left out: its failures come without a word, so a time-out cannot be told from a refusal.
        let fake = if wire == Wire::Http { qq(dialect).secret("s3cret") } else { qq(dialect) };
        let mut world = World::new(wire, fake).await;
        world.qq.behave(&[Behaviour::Lie, Behaviour::Lie]);
        world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
        world.hears(&group(AGENCY)).await;
        world.hears(&group(ENGINEERS)).await;
        let doubted = async |store: &Store| {
            let said = store.said_of(&format!("{XIAN}#1")).await.expect("messages can be read");
            said.iter().filter(|row| row.state.id() == "perhaps").count() == 2
        };
        world.until("both are in doubt", doubted).await;
        world.forward(RECHECK_MS / 1000);
        world.settled().await;
        world.ends(1).await;
    }
}

#[tokio::test]
async fn a_send_that_was_never_answered_is_repeated_only_where_it_was_lost() {
    for (behaviour, why) in
        [(Behaviour::TakeSilently, "taken without a word: not said again"), (Behaviour::Lose, "lost: said again")]
    {
        let impatient = Timing { text: Duration::from_millis(100), ..timing() };
        let mut world = World::with(Wire::Reverse, qq(Dialect::NapCat), impatient).await;
        world.qq.behave(&[behaviour, behaviour]);
        world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
        let doubted = async |store: &Store| {
            let said = store.said_of(&format!("{XIAN}#1")).await.expect("messages can be read");
            said.iter().filter(|row| row.state.id() == "perhaps").count() == 2
        };
        world.until("both are in doubt", doubted).await;
        world.forward(RECHECK_MS / 1000 + 1);
        world.hears(&group(AGENCY)).await;
        world.hears(&group(ENGINEERS)).await;
        world.settled().await;
        assert_eq!(world.qq.sent().len(), 2, "{why}");
        world.ends(1).await;
    }
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_send_doubles_nothing() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.behave(&[Behaviour::TakeAndCut]);
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.qq.has_connections(0).await;
    world.dial().await;
    // Time passes, as long as something is still to be sent or looked for.
    for _ in 0..40 {
        world.forward(5);
        if tokio::time::timeout(Duration::from_millis(250), world.settled()).await.is_ok() {
            break;
        }
    }
    world.hears(&group(AGENCY)).await;
    world.hears(&group(ENGINEERS)).await;
    world.ends(1).await;
}

#[tokio::test]
async fn what_was_written_during_an_outage_is_caught_up_once_and_in_order() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.hears(&group(AGENCY)).await;
    world.hears(&group(ENGINEERS)).await;
    world.settled().await;
    world.qq.disconnect();
    world.qq.has_connections(0).await;
    world.qq.say_unheard(AGENCY, WANG, "报错代码 502");
    world.forward(60);
    world.qq.say_unheard(AGENCY, "40002", "自助查询机也连不上了");
    world.dial().await;
    world.taken(3).await;
    let second = world.hears(&group(AGENCY)).await;
    assert!(second.text.contains("#2"), "{second:?}");
    assert!(world.hears(&group(ENGINEERS)).await.text.contains("自助查询机"));
    let tickets = world.store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
    assert!(tickets[0].text.iter().any(|text| text.contains("502")), "what came later joined the ticket");
    world.ends(3).await;
}

#[tokio::test]
async fn what_belongs_together_is_told_by_when_it_was_written_not_by_when_it_was_caught_up() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.hears(&group(AGENCY)).await;
    world.hears(&group(ENGINEERS)).await;
    world.settled().await;
    world.qq.disconnect();
    world.qq.has_connections(0).await;
    // Seconds after the report; the connection comes back six minutes later.
    world.qq.say_unheard(AGENCY, WANG, "报错代码 502");
    world.forward(360);
    world.dial().await;
    world.taken(2).await;
    let tickets = world.store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
    assert_eq!(tickets.len(), 1, "one fault, one ticket: {:?}", support::dispositions(&world.store).await);
    world.ends(2).await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_on_every_wire() {
    let world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    let stranger = FakeOneBot::new(Dialect::NapCat).account("66666").token("guess");
    let ws = format!("ws://{}/onebot/v11/ws", world.address);
    assert_eq!(stranger.dial(&ws).await, Err("403".to_owned()));
    let silent = FakeOneBot::new(Dialect::LlOneBot).account("66666");
    assert_eq!(silent.dial(&ws).await, Err("401".to_owned()));
    world.ends(0).await;

    let mut world = World::new(Wire::Http, qq(Dialect::NapCat).secret("s3cret")).await;
    let stranger = FakeOneBot::new(Dialect::NapCat).secret("guess");
    stranger.group(AGENCY, &[(WANG, "王科长")]);
    stranger.post_events_to(&format!("http://{}/onebot/v11/http", world.address));
    stranger.say(AGENCY, WANG, "登记系统打不开了").await;
    assert_eq!(stranger.posted(), [403]);
    // And the right one is still served.
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.hears(&group(AGENCY)).await;
    world.hears(&group(ENGINEERS)).await;
    world.ends(1).await;
}

#[tokio::test]
async fn a_peer_that_refuses_our_token_is_shown_as_unhealthy_and_messages_wait() {
    support::tls();
    let peer = FakeOneBot::new(Dialect::GoCqHttp).token("another");
    let mut config = OneBotConfig::new("qq", Transport::ForwardWs { url: peer.serve_ws().await });
    config.access_token = Some(SecretString::from(TOKEN));
    config.timing = timing();
    let clock = support::clock();
    let now = clock.clone();
    let channel: Arc<dyn Channel> = Arc::new(OneBot::new(config, Arc::new(move || now.now())));
    let store = Store::in_memory().await.expect("a database in memory");
    let desk = support::open(&store, &clock, vec![channel.clone()], 1).await;
    support::furnish(&desk).await;
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (inbox, stop): (Arc<dyn Inbox>, _) = (desk.clone(), stop.clone());
        let channel = channel.clone();
        async move { channel.listen(inbox, stop).await }
    });
    within("the peer is asked", async {
        while channel.health().is_ok_and(|_| true) || !channel.health().unwrap_err().contains("access_token") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    desk.receive(support::inbound("group:20001", WANG, "m1", "登记系统打不开了")).await.expect("it is stored");
    support::quiet(&desk).await;
    assert_eq!(store.outbox_counts().await.expect("counted"), (2, 0), "they wait");
    stop.cancel();
    within("it ends", listening).await.expect("no panic").expect("no misconfiguration");
}
