//! What the tests share: an inbox that can be watched and made to fail, and a channel that is served.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::media::MediaPolicy;
use zhishou_adapters::qq::onebot::throttle::Pace;
use zhishou_adapters::qq::onebot::{OneBot, OneBotConfig, Timing, Transport};
use zhishou_adapters::{Channel as _, ChannelError, Event, Inbound, Inbox, InboxError, Outgoing};

pub const NOON: i64 = 1_772_413_200;

/// Long enough for a loaded machine, short enough to end.
const LIMIT: Duration = Duration::from_secs(10);

pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it did not come to pass in time")
}

/// The process has one TLS provider; every test may be the first to need it.
pub fn tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().expect("nobody else installs one"));
}

/// An inbox in memory.
#[derive(Default)]
pub struct Desk {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    read: usize,
    kept: Vec<Vec<u8>>,
    bound: Vec<String>,
    since: Option<Timestamp>,
    failures: VecDeque<InboxError>,
    refused: usize,
}

impl Desk {
    pub fn bind(&self, conversation: &str) {
        self.state.lock().unwrap().bound.push(conversation.to_owned());
    }

    /// The desk listens to this channel since then.
    pub fn listens_from(&self, since: Timestamp) {
        self.state.lock().unwrap().since = Some(since);
    }

    /// The next so many events are not stored.
    pub fn fail(&self, times: usize) {
        let failures = (0..times).map(|_| InboxError::Unavailable("disk full".to_owned()));
        self.state.lock().unwrap().failures.extend(failures);
    }

    pub fn kept(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().kept.clone()
    }

    pub fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    pub fn messages(&self) -> Vec<Inbound> {
        let state = self.state.lock().unwrap();
        state.events.iter().filter_map(message).collect()
    }

    /// All events so far that fit.
    pub fn all<T>(&self, fits: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.state.lock().unwrap().events.iter().filter_map(fits).collect()
    }

    /// The next event that fits, in order; those before it are passed over.
    pub async fn next<T>(&self, fits: impl Fn(&Event) -> Option<T>) -> T {
        within(async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                {
                    let mut state = self.state.lock().unwrap();
                    while let Some(event) = state.events.get(state.read).cloned() {
                        state.read += 1;
                        if let Some(found) = fits(&event) {
                            return found;
                        }
                    }
                }
                changed.await;
            }
        })
        .await
    }

    pub async fn next_message(&self) -> Inbound {
        self.next(message).await
    }
}

fn message(event: &Event) -> Option<Inbound> {
    match event {
        Event::Message(inbound) => Some((**inbound).clone()),
        _ => None,
    }
}

#[async_trait]
impl Inbox for Desk {
    async fn accept(&self, channel: &str, event: Event) -> Result<(), InboxError> {
        assert!(["qq", "qqbot", "wecom", "sms"].contains(&channel), "{channel}");
        {
            let mut state = self.state.lock().unwrap();
            if let Some(failure) = state.failures.pop_front() {
                state.refused += 1;
                return Err(failure);
            }
            state.events.push(event);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn keep(&self, bytes: Vec<u8>) -> Result<String, InboxError> {
        let mut state = self.state.lock().unwrap();
        state.kept.push(bytes);
        Ok(format!("hash-{}", state.kept.len()))
    }

    async fn newest(&self, _: &str, conversation: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        let mut fits =
            state.events.iter().rev().filter_map(message).filter(|inbound| inbound.conversation == conversation);
        fits.next().map(|inbound| inbound.external_id)
    }

    async fn listens_since(&self, _: &str) -> Option<Timestamp> {
        self.state.lock().unwrap().since
    }

    async fn bound(&self, _: &str) -> Vec<String> {
        self.state.lock().unwrap().bound.clone()
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    pub fn noon() -> Self {
        Self(Arc::new(Mutex::new(Timestamp::from_second(NOON).unwrap())))
    }

    pub fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    pub fn forward(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

/// A channel in service.
pub struct Running {
    pub channel: Arc<OneBot>,
    pub desk: Arc<Desk>,
    pub clock: HandClock,
    pub address: String,
    pub stop: CancellationToken,
    pub listening: tokio::task::JoinHandle<Result<(), ChannelError>>,
}

impl Running {
    pub fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub async fn send(&self, message: &Outgoing) -> Result<Option<String>, zhishou_adapters::SendError> {
        Ok(within(self.channel.send(message)).await?.external_id)
    }
}

/// Settings for tests: the token `t0k`, no pauses between messages, short waits.
pub fn settings(transport: Transport) -> OneBotConfig {
    let timing = Timing {
        text: Duration::from_secs(5),
        greeting: Duration::from_secs(2),
        history: Duration::from_secs(2),
        reconnect: Duration::from_millis(5),
        retry: Duration::from_millis(1),
        look: Duration::from_millis(20),
        pace: Pace::unlimited(),
        ..Timing::default()
    };
    let media = MediaPolicy { allow_hosts: vec!["127.0.0.1".to_owned()], ..MediaPolicy::default() };
    OneBotConfig { access_token: Some(SecretString::from("t0k")), media, timing, ..OneBotConfig::new("qq", transport) }
}

/// The same for peers that will not answer: a send is in doubt soon.
pub fn impatient(transport: Transport) -> OneBotConfig {
    let mut config = settings(transport);
    config.timing.text = Duration::from_millis(300);
    config
}

pub fn reverse() -> Transport {
    Transport::ReverseWs { path: "/onebot/v11/ws".to_owned() }
}

/// Serves a channel on a port of its own.
pub async fn run(config: OneBotConfig) -> Running {
    tls();
    let now = HandClock(Arc::new(Mutex::new(Timestamp::from_second(NOON).unwrap())));
    let clock = now.clone();
    let channel = Arc::new(OneBot::new(config, Arc::new(move || *now.0.lock().unwrap())));
    let desk = Arc::new(Desk::default());
    serve(channel, desk, clock).await
}

async fn serve(channel: Arc<OneBot>, desk: Arc<Desk>, clock: HandClock) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    if let Some(routes) = channel.routes(desk.clone()) {
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (channel, desk, stop) = (channel.clone(), desk.clone(), stop.clone());
        async move { channel.listen(desk, stop).await }
    });
    Running { channel, desk, clock, address, stop, listening }
}

pub fn outgoing(key: &str, conversation: &str, text: &str) -> Outgoing {
    Outgoing {
        key: key.to_owned(),
        conversation: conversation.to_owned(),
        text: text.to_owned(),
        ..Outgoing::default()
    }
}
