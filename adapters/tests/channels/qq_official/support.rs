//! A robot in service before the stand-in platform.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::media::MediaPolicy;
use zhishou_adapters::qq::official::{Mode, OfficialConfig, OfficialQq, Timing};
use zhishou_adapters::{Action, Channel as _, ChannelError, Event, Outgoing, SendError};
use zhishou_fakes::qq_official::FakeQq;

use crate::support::{Desk, HandClock, outgoing, tls, within};
use crate::wecom::support::{MemoryShelf, as_shelf, now_of};

pub const GROUP: &str = "G1";
pub const AT_GROUP: &str = "group:G1";

/// A robot in service.
pub struct Served {
    pub qq: FakeQq,
    pub clock: HandClock,
    pub shelf: Arc<MemoryShelf>,
    pub channel: Arc<OfficialQq>,
    pub desk: Arc<Desk>,
    /// Where its callbacks are served.
    pub url: String,
    pub stop: CancellationToken,
    pub listening: JoinHandle<Result<(), ChannelError>>,
}

/// Settings for tests: short waits of the world; what the hand clock measures stays as it is.
pub fn settings(qq: &FakeQq, mode: Mode) -> OfficialConfig {
    let (app_id, secret) = qq.robot();
    let timing = Timing {
        call: Duration::from_millis(700),
        again: Duration::from_millis(1),
        store: Duration::from_millis(1),
        look: Duration::from_millis(5),
        ..Timing::default()
    };
    OfficialConfig {
        mode,
        api_base: qq.base(),
        token_base: qq.base(),
        media: MediaPolicy { allow_hosts: vec!["127.0.0.1".to_owned()], ..MediaPolicy::default() },
        timing,
        ..OfficialConfig::new("qqbot", &app_id, SecretString::from(secret))
    }
}

pub fn webhook() -> Mode {
    Mode::Webhook { path: Mode::DEFAULT_PATH.to_owned() }
}

pub async fn platform() -> (FakeQq, HandClock) {
    tls();
    let clock = HandClock::noon();
    (FakeQq::start_with(now_of(&clock)).await, clock)
}

/// Serves a robot on a port of its own.
pub async fn serve(qq: &FakeQq, config: OfficialConfig, shelf: Arc<MemoryShelf>, clock: &HandClock) -> Served {
    let channel = Arc::new(OfficialQq::new(config, &as_shelf(&shelf), &now_of(clock)).unwrap());
    let desk = Arc::new(Desk::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), Mode::DEFAULT_PATH);
    if let Some(routes) = channel.routes(desk.clone()) {
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (channel, desk, stop) = (channel.clone(), desk.clone(), stop.clone());
        async move { channel.listen(desk, stop).await }
    });
    Served { qq: qq.clone(), clock: clock.clone(), shelf, channel, desk, url, stop, listening }
}

/// A robot whose callback address is saved in the console.
pub async fn called() -> Served {
    let (qq, clock) = platform().await;
    let it = serve(&qq, settings(&qq, webhook()), MemoryShelf::new(clock.clone()), &clock).await;
    qq.save_callback(&it.url).await.unwrap();
    it
}

/// A robot at the gateway.
pub async fn connected() -> Served {
    let (qq, clock) = platform().await;
    let it = serve(&qq, settings(&qq, Mode::Socket), MemoryShelf::new(clock.clone()), &clock).await;
    within(it.channel.connected()).await;
    it
}

impl Served {
    pub async fn send(&self, message: &Outgoing) -> Result<Option<String>, SendError> {
        within(self.channel.send(message)).await.map(|receipt| receipt.external_id)
    }

    pub async fn say(&self, key: &str, text: &str) -> Result<Option<String>, SendError> {
        // The pace of a conversation is one message a second.
        self.forward(2);
        self.send(&outgoing(key, AT_GROUP, text)).await
    }

    pub fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
    }

    /// The desk was told that the conversation can be spoken to again.
    pub async fn reachable(&self) {
        let fits = |event: &Event| {
            matches!(event, Event::Reachable { conversation } if conversation == AT_GROUP).then_some(())
        };
        self.desk.next(fits).await;
    }

    /// Seconds pass until the stand-in has seen so many connections: identified and resumed.
    pub async fn in_time(&self, connections: (usize, usize)) {
        within(async {
            while self.qq.connections() != connections {
                self.clock.forward(Duration::from_millis(200));
                self.qq.a_moment().await;
            }
        })
        .await;
        within(self.channel.connected()).await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        within(self.listening).await.unwrap().unwrap();
    }
}

/// A message with one button.
pub fn card(key: &str, text: &str) -> Outgoing {
    let action = Action { id: "claim".to_owned(), label: "认领".to_owned(), command: "认领 42".to_owned() };
    Outgoing { actions: vec![action], ..outgoing(key, AT_GROUP, text) }
}
