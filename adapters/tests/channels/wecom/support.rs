//! What the tests of WeCom share: a shelf in memory, and a channel in service before the stand-in platform.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::media::MediaPolicy;
use zhishou_adapters::wecom::session::LineTiming;
use zhishou_adapters::wecom::{BotConfig, BotMode, BotTiming, Now, WeCom, WeComConfig};
use zhishou_adapters::{Channel as _, ChannelError, Entry, Outgoing, Receipt, SendError, Shelf, ShelfError};
use zhishou_fakes::wecom::FakeWeCom;

use crate::support::{Desk, HandClock, tls, within};

/// What is kept, for any number of instances.
#[derive(Default)]
struct Boards {
    kept: HashMap<String, (String, Timestamp)>,
    leases: HashMap<String, (u32, Timestamp)>,
    spent: HashMap<String, VecDeque<Timestamp>>,
    failing: bool,
    looks: HashMap<String, usize>,
}

/// A shelf in memory; clones by [`MemoryShelf::another`] are other instances at the same shelf.
pub struct MemoryShelf {
    boards: Arc<Mutex<Boards>>,
    clock: HandClock,
    instance: u32,
}

impl MemoryShelf {
    pub fn new(clock: HandClock) -> Arc<Self> {
        Arc::new(Self { boards: Arc::default(), clock, instance: 1 })
    }

    /// A second process at the same shelf.
    pub fn another(&self) -> Arc<Self> {
        Arc::new(Self { boards: self.boards.clone(), clock: self.clock.clone(), instance: self.instance + 1 })
    }

    /// Whether it cannot be reached.
    pub fn fail(&self, failing: bool) {
        self.boards.lock().unwrap().failing = failing;
    }

    /// Who holds a lease now: the number of the instance.
    pub fn holder(&self, what: &str) -> Option<u32> {
        let boards = self.boards.lock().unwrap();
        boards.leases.get(what).filter(|(_, until)| *until > self.clock.now()).map(|(holder, _)| *holder)
    }

    /// Gives a lease to nobody we know, as a process elsewhere would take it.
    pub fn give_away(&self, what: &str, until: Timestamp) {
        self.boards.lock().unwrap().leases.insert(what.to_owned(), (0, until));
    }

    /// Everything that was ever put and not taken, for asking what was kept.
    pub fn keys(&self) -> Vec<String> {
        self.boards.lock().unwrap().kept.keys().cloned().collect()
    }

    /// How often somebody looked for a key.
    pub fn looks(&self, key: &str) -> usize {
        self.boards.lock().unwrap().looks.get(key).copied().unwrap_or_default()
    }

    /// How long a lease still runs.
    pub fn runs_for(&self, what: &str) -> Duration {
        let until = self.boards.lock().unwrap().leases.get(what).map_or(Timestamp::MIN, |(_, until)| *until);
        until.duration_since(self.clock.now()).try_into().unwrap_or_default()
    }

    fn boards<T>(&self, act: impl FnOnce(&mut Boards, Timestamp) -> T) -> Result<T, ShelfError> {
        let mut boards = self.boards.lock().unwrap();
        if boards.failing {
            return Err(ShelfError("the test said so".to_owned()));
        }
        Ok(act(&mut boards, self.clock.now()))
    }
}

#[async_trait]
impl Shelf for MemoryShelf {
    async fn get(&self, key: &str) -> Result<Option<String>, ShelfError> {
        self.boards(|boards, now| {
            *boards.looks.entry(key.to_owned()).or_default() += 1;
            boards.kept.get(key).filter(|(_, until)| *until > now).map(|(value, _)| value.clone())
        })
    }

    async fn put(&self, entries: &[Entry]) -> Result<(), ShelfError> {
        self.boards(|boards, _| {
            for entry in entries {
                assert!(entry.key.len() <= 256, "a key has at most 256 bytes: {}", entry.key);
                assert!(entry.value.len() <= 64 * 1024, "a value has at most 64 KiB: {}", entry.key);
                boards.kept.insert(entry.key.clone(), (entry.value.clone(), entry.until));
            }
        })
    }

    async fn take(&self, key: &str) -> Result<Option<String>, ShelfError> {
        self.boards(|boards, now| boards.kept.remove(key).filter(|(_, until)| *until > now).map(|(value, _)| value))
    }

    async fn hold(&self, what: &str, until: Timestamp) -> Result<bool, ShelfError> {
        self.boards(|boards, now| {
            let held = boards.leases.get(what);
            if held.is_some_and(|(holder, until)| *holder != self.instance && *until > now) {
                return false;
            }
            boards.leases.insert(what.to_owned(), (self.instance, until));
            true
        })
    }

    async fn release(&self, what: &str) -> Result<(), ShelfError> {
        self.boards(|boards, _| {
            if boards.leases.get(what).is_some_and(|(holder, _)| *holder == self.instance) {
                boards.leases.remove(what);
            }
        })
    }

    async fn spend(&self, limit: &str, most: u32, window: Duration) -> Result<Option<Duration>, ShelfError> {
        self.boards(|boards, now| {
            let spent = boards.spent.entry(limit.to_owned()).or_default();
            let begin = now.checked_sub(window).unwrap();
            while spent.front().is_some_and(|at| *at <= begin) {
                spent.pop_front();
            }
            if spent.len() < most as usize {
                spent.push_back(now);
                return None;
            }
            let wait = spent[0].checked_add(window).unwrap().duration_since(now);
            Some(wait.try_into().unwrap())
        })
    }
}

/// The clock as the channel is handed it.
pub fn now_of(clock: &HandClock) -> Now {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}

/// The shelf as the channel is handed it.
pub fn as_shelf(shelf: &Arc<MemoryShelf>) -> Arc<dyn Shelf> {
    shelf.clone()
}

/// Long waits of the world short, so that a test waits for nothing; what the hand clock measures stays as it is.
pub fn quick() -> BotTiming {
    BotTiming {
        line: LineTiming { backoff: Duration::ZERO, ..LineTiming::default() },
        look: Duration::from_millis(5),
        retry: Duration::from_millis(1),
        reconnect: Duration::from_secs(5),
        card: Duration::from_secs(4),
        http: Duration::from_secs(5),
        store: Duration::from_millis(1),
        ..BotTiming::default()
    }
}

/// The bot in socket mode, connected to the stand-in.
pub fn socket_bot(wecom: &FakeWeCom) -> BotConfig {
    let bot = wecom.setup().bot;
    let secret = SecretString::from(bot.secret);
    bot_of(wecom, BotMode::Socket { bot_id: bot.bot_id, secret, url: wecom.socket_url() })
}

/// The bot in callback mode.
pub fn callback_bot(wecom: &FakeWeCom) -> BotConfig {
    let bot = wecom.setup().bot;
    let (token, encoding_aes_key) = (SecretString::from(bot.token), SecretString::from(bot.encoding_aes_key));
    bot_of(wecom, BotMode::Callback { token, encoding_aes_key, path: BotMode::DEFAULT_PATH.to_owned() })
}

fn bot_of(wecom: &FakeWeCom, mode: BotMode) -> BotConfig {
    let media = MediaPolicy { allow_hosts: vec!["127.0.0.1".to_owned()], ..MediaPolicy::default() };
    let name = Some(wecom.setup().bot.name);
    BotConfig { name, api_base: wecom.api_base(), media, timing: quick(), ..BotConfig::new(mode) }
}

/// A channel with a bot and nothing else.
pub fn only(bot: BotConfig) -> WeComConfig {
    WeComConfig { id: "wecom".to_owned(), bot: Some(bot), app: None, robots: Vec::new() }
}

/// A channel in service.
pub struct Served {
    pub channel: Arc<WeCom>,
    pub desk: Arc<Desk>,
    pub shelf: Arc<MemoryShelf>,
    /// Where its callbacks are served: `http://127.0.0.1:PORT`.
    pub base: String,
    pub stop: CancellationToken,
    pub listening: JoinHandle<Result<(), ChannelError>>,
}

impl Served {
    pub async fn send(&self, message: &Outgoing) -> Result<Option<String>, SendError> {
        within(self.channel.send(message)).await.map(|Receipt { external_id }| external_id)
    }

    /// Stops it and waits for the end.
    pub async fn stop(self) {
        self.stop.cancel();
        within(self.listening).await.unwrap().unwrap();
    }
}

/// A stand-in and its clock.
pub async fn platform() -> (FakeWeCom, HandClock) {
    tls();
    let clock = HandClock::noon();
    let fake = FakeWeCom::start_with(now_of(&clock)).await;
    (fake, clock)
}

/// Serves a channel on a port of its own.
pub async fn serve(config: WeComConfig, shelf: Arc<MemoryShelf>, clock: &HandClock) -> Served {
    tls();
    let channel = Arc::new(WeCom::new(config, &as_shelf(&shelf), &now_of(clock)).unwrap());
    let desk = Arc::new(Desk::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    if let Some(routes) = channel.routes(desk.clone()) {
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (channel, desk, stop) = (channel.clone(), desk.clone(), stop.clone());
        async move { channel.listen(desk, stop).await }
    });
    Served { channel, desk, shelf, base, stop, listening }
}

/// The bot in socket mode, connected.
pub async fn connected(wecom: &FakeWeCom, clock: &HandClock) -> Served {
    let served = serve(only(socket_bot(wecom)), MemoryShelf::new(clock.clone()), clock).await;
    within(served.channel.connected()).await;
    served
}
