//! A channel in service before a stand-in gateway.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zhishou_adapters::sms::cmpp::CmppConfig;
use zhishou_adapters::sms::cmpp::codec::Width;
use zhishou_adapters::sms::text::Signature;
use zhishou_adapters::sms::{GatewayConfig, Sms, SmsConfig};
use zhishou_adapters::{Channel as _, ChannelError, Outgoing, SendError};
use zhishou_fakes::sms::cmpp::{Agreement, FakeGateway, Text};

use crate::support::{Desk, HandClock, outgoing, tls, within};
use crate::wecom::support::{MemoryShelf, as_shelf, now_of};

pub const PHONE: &str = "13800138000";
const STEP: Duration = Duration::from_millis(5);

/// Waits until it is so; the clock stands still.
pub async fn settles(what: &str, mut so: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(STEP);
    for _ in 0..2000 {
        if so() {
            return;
        }
        ticks.tick().await;
    }
    panic!("it did not come to pass: {what}");
}

/// The same while the clock runs, `by` at a time.
pub async fn passing<T>(clock: &HandClock, by: Duration, what: impl Future<Output = T>) -> T {
    let mut what = std::pin::pin!(what);
    let mut ticks = tokio::time::interval(STEP);
    within(async {
        loop {
            tokio::select! {
                biased;
                done = &mut what => return done,
                _ = ticks.tick() => clock.forward(by),
            }
        }
    })
    .await
}

/// Settings that fit an agreement, with short waits.
pub fn cmpp(gateway: &FakeGateway, agreement: &Agreement) -> CmppConfig {
    let width = if agreement.version == 3 { Width::Three } else { Width::Two };
    let secret = agreement.secret.as_str().into();
    let mut config = CmppConfig::new(width, "127.0.0.1", &agreement.sp_id, secret, &agreement.access);
    config.port = gateway.port();
    config.service_id.clone_from(&agreement.service_id);
    config.signature = Signature::new("榆林审批运维", false).unwrap();
    config.strict = true;
    config.look = STEP;
    config.timing.backoff = Duration::ZERO;
    config
}

pub fn sms(config: CmppConfig) -> SmsConfig {
    SmsConfig { id: "sms".to_owned(), gateway: GatewayConfig::Cmpp(Box::new(config)) }
}

/// A channel in service.
pub struct Served {
    pub channel: Arc<Sms>,
    pub desk: Arc<Desk>,
    pub shelf: Arc<MemoryShelf>,
    pub base: String,
    stop: CancellationToken,
    listening: JoinHandle<Result<(), ChannelError>>,
}

impl Served {
    pub async fn send(&self, key: &str, text: &str) -> Result<Option<String>, SendError> {
        self.say(&outgoing(key, &format!("user:{PHONE}"), text)).await
    }

    pub async fn say(&self, message: &Outgoing) -> Result<Option<String>, SendError> {
        Ok(within(self.channel.send(message)).await?.external_id)
    }

    pub fn count(&self, name: &str) -> u64 {
        let counts = self.channel.counts();
        counts.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name}")).1
    }

    pub async fn stop(self, clock: &HandClock) {
        self.stop.cancel();
        passing(clock, Duration::from_secs(1), self.listening).await.unwrap().unwrap();
    }
}

pub async fn serve(config: SmsConfig, shelf: Arc<MemoryShelf>, clock: &HandClock) -> Served {
    serve_at(config, shelf, clock, Arc::new(Desk::default())).await
}

pub async fn serve_at(config: SmsConfig, shelf: Arc<MemoryShelf>, clock: &HandClock, desk: Arc<Desk>) -> Served {
    tls();
    let channel = Arc::new(Sms::new(config, &as_shelf(&shelf), &now_of(clock)).unwrap());
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

/// A gateway and a channel that is logged in.
pub async fn connected(agreement: Agreement) -> (FakeGateway, Served, HandClock) {
    let clock = HandClock::noon();
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let served = serve(sms(cmpp(&gateway, &agreement)), MemoryShelf::new(clock.clone()), &clock).await;
    within(served.channel.connected()).await;
    (gateway, served, clock)
}

pub fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A phone writes a short text.
pub fn write(gateway: &FakeGateway, text: &str) -> u64 {
    let content = ucs2(text);
    gateway.deliver(&Text { from: PHONE, extension: "", flag: 0, header: &[], format: 8, content: &content })
}

/// A phone writes a part of a long text.
pub fn part(gateway: &FakeGateway, header: &[u8], text: &str) -> u64 {
    let content = ucs2(text);
    gateway.deliver(&Text { from: PHONE, extension: "", flag: 0x40, header, format: 8, content: &content })
}
