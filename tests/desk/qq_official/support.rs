//! An open platform that is none, a desk on a database file before it, and the engineers in a group of another channel.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tempfile::TempDir;
use zhishou::clock::{Clock as _, HandClock};
use zhishou::console::{Console, router};
use zhishou::desk::{ChannelShelf, Desk, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::store::Store;
use zhishou_adapters::qq::official::{Mode, OfficialConfig, OfficialQq, Timing};
use zhishou_adapters::{Channel, Shelf};
use zhishou_fakes::qq_official::{FakeQq, How};

use crate::peers::support::{self, Tape, XIAN, inbound, quiet};

pub const GROUP: &str = "G-AGENCY";
pub const AT_GROUP: &str = "group:G-AGENCY";
/// The engineers' own group, on the other channel.
pub const ENGINEERS: &str = "group:20003";

/// Everybody; all names are invented. `{also}` is filled in.
const PEOPLE: &str = r#"
[[person]]
id = "zhang"
name = "张工"
role = "engineer"
contracts = ["xian-realestate"]
accounts = { qq = "30011" }

[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
accounts = { qq = "30020" }

[[conversation]]
channel = "qqbot"
id = "group:G-AGENCY"
contract = "xian-realestate"
unit = "市住建局"
kind = "requesters"
also = [{also}]

[[conversation]]
channel = "qq"
id = "group:20003"
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

pub struct World {
    pub qq: FakeQq,
    pub tape: Arc<Tape>,
    pub clock: Arc<HandClock>,
    pub store: Store,
    pub desk: Arc<Desk>,
    pub began: Timestamp,
    serial: std::sync::atomic::AtomicU64,
    _folder: TempDir,
}

impl World {
    /// A desk whose requesters write in a group of the robot. `also`: where else they may be told.
    pub async fn new(also: &str) -> Self {
        support::tls();
        let clock = support::clock();
        let now: Arc<dyn Fn() -> Timestamp + Send + Sync> = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let qq = FakeQq::start_with(now.clone()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
        let store = Store::open(&url).await.expect("a database file");
        let shelf: Arc<dyn Shelf> = Arc::new(ChannelShelf::new(store.clone(), clock.clone(), "qqbot", 1));
        let (app_id, secret) = qq.robot();
        let timing = Timing { call: Duration::from_secs(5), again: Duration::from_millis(1), ..Timing::default() };
        let config = OfficialConfig {
            mode: Mode::Webhook { path: Mode::DEFAULT_PATH.to_owned() },
            api_base: qq.base(),
            token_base: qq.base(),
            timing,
            ..OfficialConfig::new("qqbot", &app_id, SecretString::from(secret))
        };
        let channel = Arc::new(OfficialQq::new(config, &shelf, &now).expect("a configuration"));
        let tape = Tape::new();
        let channels: Vec<Arc<dyn Channel>> = vec![channel, tape.clone()];
        let desk = support::open_with(&store, &clock, channels, 1, &[XIAN]).await;
        let people =
            PeopleFile::parse(&PEOPLE.replace("{also}", also), "people.toml").expect("the people of the stories");
        desk.import(people_rows(&people)).await.expect("people can be brought in");
        let routes = router(Console { desk: desk.clone(), clock: None, admin_password: None, sandbox: false });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        qq.save_callback(&format!("http://{address}{}", Mode::DEFAULT_PATH)).await.expect("the form can be saved");
        let began = clock.now();
        Self { qq, tape, clock, store, desk, began, serial: 1.into(), _folder: folder }
    }

    /// Somebody of the agency speaks to the robot in the group.
    pub async fn asks(&self, text: &str) -> String {
        let id = self.qq.say_to_robot(GROUP, "M-WANG", text).await;
        self.passes(10).await;
        id
    }

    /// An engineer writes in the engineers' group of the other channel.
    pub async fn engineer(&self, text: &str) {
        let serial = self.serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut said = inbound(ENGINEERS, "30011", &format!("e{serial}"), text);
        said.addressed = true;
        said.sent_at = self.clock.now();
        self.desk.receive(said).await.expect("it is stored");
        self.passes(10).await;
    }

    /// Time passes, and the desk does what is due in it.
    pub async fn passes(&self, seconds: i64) {
        let end = self.desk.now() + jiff::SignedDuration::from_secs(seconds);
        loop {
            quiet(&self.desk).await;
            let tick = self.desk.tick().await.expect("the clockwork runs").next;
            let sent = self.desk.dispatch().await.expect("the outbox runs").next;
            match tick.into_iter().chain(sent).min() {
                Some(next) if next <= end => self.clock.set(next.max(self.desk.now())),
                Some(_) | None => break,
            }
        }
        self.clock.set(end);
        quiet(&self.desk).await;
    }

    /// So long after the story began.
    pub async fn at(&self, minutes: i64) {
        let at = self.began + jiff::SignedDuration::from_mins(minutes);
        self.passes(at.duration_since(self.desk.now()).as_secs()).await;
    }

    /// What the group saw: minutes since the beginning, by which right, and the words.
    pub fn seen(&self) -> Vec<(i64, String, String)> {
        let way = |how: &How| match how {
            How::Message(_, number) => format!("answer {number}"),
            How::Event(_, number) => format!("event {number}"),
            How::Active => "active".to_owned(),
        };
        let shown = self.qq.shown(AT_GROUP).into_iter();
        shown.map(|it| (it.at.duration_since(self.began).as_mins(), way(&it.how), it.text)).collect()
    }

    /// What the engineers saw last.
    pub fn engineers_saw(&self, words: &str) -> usize {
        self.tape.texts_in(&format!("qq:{ENGINEERS}")).iter().filter(|text| text.contains(words)).count()
    }
}
