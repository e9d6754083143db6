//! The I/O of the bot's long connection: lease, dialling, one task that writes. What is to be written, when to ping and
//! what a frame means is decided by [`Session`].

mod dial;
mod lease;
mod status;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use reqwest::{Client, Upgraded};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

pub use status::LineStatus;
use writer::write;

use super::Now;
use super::session::{CallId, Effect, LineTiming, OPEN_CALLS, Outcome, Session, State, gap};
use crate::{Proxy, Shelf};

/// Where the platform listens (5.7).
pub const DEFAULT_URL: &str = "wss://openws.work.weixin.qq.com";

/// Dialling, TLS and upgrade together.
const DIAL: Duration = Duration::from_secs(10);
/// How long answers are waited for at a clean stop.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// How many looks pass between two tries for a lease that somebody else holds.
const STANDBY_LOOKS: u32 = 5;
/// An interruption worth telling people about (5.2: what was said meanwhile is lost).
const OUTAGE: Duration = Duration::from_mins(1);

/// Settings of one line.
#[derive(Clone)]
pub struct LineConfig {
    /// `aib…`.
    pub bot_id: String,
    /// Of the bot, not of an application.
    pub secret: SecretString,
    /// `wss://…`; `ws://` for a stand-in or a proxy nearby.
    pub url: String,
    /// The way out.
    pub proxy: Option<Proxy>,
    /// What the protocol asks for.
    pub timing: LineTiming,
    /// How long the lease is held from renewal to renewal; renewed at a third of it.
    pub lease: Duration,
    /// Longest sleep without a look at the clock, so that a stepped clock is noticed.
    pub look: Duration,
}

impl std::fmt::Debug for LineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineConfig").field("bot_id", &self.bot_id).finish_non_exhaustive()
    }
}

/// A callback as it came.
#[derive(Debug)]
pub struct Heard {
    /// The connection it came over: only there it can be answered under its request id.
    pub epoch: u64,
    /// To answer under.
    pub req_id: String,
    /// Its body.
    pub body: Value,
    /// When it came.
    pub at: Timestamp,
}

struct Writers {
    urgent: mpsc::Sender<String>,
    ordinary: mpsc::Sender<String>,
    close: CancellationToken,
}

struct Core {
    session: Session,
    waiters: HashMap<CallId, oneshot::Sender<Outcome>>,
    writers: Option<Writers>,
    next_call: CallId,
    standby: bool,
    trouble: Option<String>,
    down_since: Option<Timestamp>,
    missed_since: Option<Timestamp>,
    outage: Option<(Timestamp, Timestamp)>,
}

/// One bot's line.
pub struct Line {
    config: LineConfig,
    shelf: Arc<dyn Shelf>,
    now: Now,
    client: Client,
    core: Mutex<Core>,
    standing: watch::Sender<Option<u64>>,
}

impl Line {
    /// A line that [`Line::run`] will open. The process's TLS provider must be installed.
    ///
    /// # Errors
    /// Where no HTTP client can be built.
    pub fn new(config: LineConfig, shelf: Arc<dyn Shelf>, now: Now) -> Result<Self, reqwest::Error> {
        // An upgrade needs HTTP/1.1, and a redirect of a WebSocket leads nowhere good.
        let client = Client::builder().http1_only().redirect(reqwest::redirect::Policy::none());
        let client = Proxy::on(config.proxy.as_ref(), client)?.build()?;
        let start = now();
        let core = Core {
            session: Session::new(config.timing.clone(), start),
            waiters: HashMap::new(),
            writers: None,
            next_call: 0,
            standby: false,
            trouble: None,
            down_since: Some(start),
            missed_since: None,
            outage: None,
        };
        Ok(Self { config, shelf, now, client, core: Mutex::new(core), standing: watch::Sender::new(None) })
    }

    /// The connection that stands; `None` while commands cannot go out.
    pub fn epoch(&self) -> Option<u64> {
        *self.standing.borrow()
    }

    /// Waits for a connection other than `old`; `None` after `limit`.
    pub async fn standing(&self, old: Option<u64>, limit: Duration) -> Option<u64> {
        let mut standing = self.standing.subscribe();
        let fits = |epoch: &Option<u64>| epoch.is_some() && *epoch != old;
        tokio::time::timeout(limit, standing.wait_for(fits)).await.ok().and_then(Result::ok).and_then(|epoch| *epoch)
    }

    /// What there is to say about it.
    pub fn status(&self) -> LineStatus {
        let core = self.lock();
        LineStatus {
            state: core.session.state(),
            standby: core.standby,
            trouble: core.trouble.clone(),
            outage: core.outage,
            down_since: core.down_since,
            open_calls: core.session.open_calls(),
            round_trip: core.session.round_trip(),
            last_callback: core.session.last_callback(),
            connections: core.session.connections(),
            kicks: core.session.kicks(),
        }
    }

    /// Says something under a request id of its own.
    pub async fn call(&self, cmd: &str, body: &Value) -> Outcome {
        self.ask(|session, call, now| session.call(call, cmd, body, now)).await
    }

    /// Answers a callback. Over another connection than the one it came over nothing is written.
    pub async fn answer(&self, epoch: u64, cmd: &str, req_id: &str, body: &Value) -> Outcome {
        self.ask(|session, call, now| match session.epoch() {
            Some(standing) if standing == epoch => session.answer(call, cmd, req_id, body, now),
            Some(_) | None => vec![Effect::Settle { call, outcome: Outcome::NotSent }],
        })
        .await
    }

    async fn ask(&self, make: impl FnOnce(&mut Session, CallId, Timestamp) -> Vec<Effect>) -> Outcome {
        let now = (self.now)();
        let reply = {
            let mut core = self.lock();
            core.next_call += 1;
            let call = core.next_call;
            let (settle, reply) = oneshot::channel();
            core.waiters.insert(call, settle);
            let effects = make(&mut core.session, call, now);
            let heard = core.apply(effects);
            debug_assert!(heard.is_empty(), "asking hears nothing");
            reply
        };
        // Every call is settled; where this process goes down in between, nobody knows.
        reply.await.unwrap_or(Outcome::Unknown)
    }

    /// Keeps the line open until `stop`, handing in what is heard.
    pub async fn run(&self, heard: &mpsc::Sender<Heard>, stop: &CancellationToken) {
        loop {
            if !self.until_time(stop).await {
                break;
            }
            if self.barred().await || !self.hold().await {
                if !self.nap(self.config.look * STANDBY_LOOKS, self.config.look * STANDBY_LOOKS, stop).await {
                    break;
                }
                continue;
            }
            let last = self.last_live().await;
            {
                let mut core = self.lock();
                core.missed_since = last;
                core.session.dialling();
            }
            let dialled = tokio::select! {
                () = stop.cancelled() => break,
                dialled = tokio::time::timeout(DIAL, self.dial()) => dialled,
            };
            match dialled {
                Ok(Ok(stream)) => self.serve(stream, heard, stop).await,
                Ok(Err(why)) => self.lock().trouble = Some(why),
                Err(_) => self.lock().trouble = Some("连接超时".to_owned()),
            }
            self.closed();
            let state = self.lock().session.state();
            if let State::Kicked { not_before } = state {
                self.bar(not_before).await;
            }
            if matches!(state, State::Kicked { .. } | State::Refused { .. }) {
                self.release().await;
            }
            if stop.is_cancelled() {
                break;
            }
        }
        self.closed();
        self.release().await;
    }

    /// Sleeps until the session allows another try; false where it is time to stop.
    async fn until_time(&self, stop: &CancellationToken) -> bool {
        loop {
            let at = self.lock().session.may_dial_at();
            let wait = at.map_or(Duration::ZERO, |at| gap((self.now)(), at));
            if wait.is_zero() {
                return !stop.is_cancelled();
            }
            if !self.nap(wait, self.config.look, stop).await {
                return false;
            }
        }
    }

    /// A sleep of at most `most`; false where it is time to stop.
    async fn nap(&self, wait: Duration, most: Duration, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(wait.min(most)) => true,
        }
    }

    async fn serve(&self, socket: WebSocketStream<Upgraded>, heard: &mpsc::Sender<Heard>, stop: &CancellationToken) {
        let (sink, mut stream) = socket.split();
        let (urgent, urgent_queue) = mpsc::channel(16);
        // As many as the session has open at most: what it says is to be written is never turned away here.
        let (ordinary, ordinary_queue) = mpsc::channel(OPEN_CALLS);
        let close = CancellationToken::new();
        let writer = tokio::spawn(write(sink, urgent_queue, ordinary_queue, close.clone()));
        self.feed(|core, now| {
            core.writers = Some(Writers { urgent, ordinary, close: close.clone() });
            core.session.opened(&self.config.bot_id, self.config.secret.expose_secret(), now)
        });
        let mut lease = std::pin::pin!(self.keep_lease());
        let mut stopping = false;
        let mut last = std::pin::pin!(async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_ANSWERS).await;
        });
        loop {
            self.feed(|core, now| core.session.tick(now));
            if stopping && self.lock().session.open_calls() == 0 {
                break;
            }
            let next = self.lock().session.next_tick();
            let wait = next.map_or(self.config.look, |at| gap((self.now)(), at)).min(self.config.look);
            let callbacks = tokio::select! {
                biased;
                () = close.cancelled() => break,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    continue;
                }
                () = &mut last => break,
                () = &mut lease => break,
                frame = stream.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.feed(|core, now| core.session.frame(&text, now)),
                    Some(Ok(Message::Binary(bytes))) => {
                        self.feed(|core, now| core.session.frame(&String::from_utf8_lossy(&bytes), now))
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    // The rest of such a frame cannot be told from the next one.
                    Some(Err(Error::Capacity(_))) => {
                        tracing::warn!(bot.id = %self.config.bot_id, "closed the bot's line over a frame that is too large");
                        break;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                },
                () = tokio::time::sleep(wait) => continue,
            };
            for callback in callbacks {
                if heard.send(callback).await.is_err() {
                    break;
                }
            }
        }
        self.mark_live().await;
        close.cancel();
        // Written or not: the writer ends by itself, within its own limit.
        let _ = writer.await;
    }

    /// Feeds the session and does what it says; answers what was heard.
    fn feed(&self, make: impl FnOnce(&mut Core, Timestamp) -> Vec<Effect>) -> Vec<Heard> {
        let now = (self.now)();
        let mut core = self.lock();
        let effects = make(&mut core, now);
        let heard = core.apply(effects);
        let epoch = core.session.epoch();
        if let (Some(_), Some(since)) = (epoch, core.down_since) {
            // Where nobody was ever connected there is nothing to miss.
            let known = core.session.connections() > 1;
            let missed_since = core.missed_since.take().or(known.then_some(since));
            if let Some(missed_since) = missed_since.filter(|missed_since| gap(*missed_since, now) > OUTAGE) {
                core.outage = Some((missed_since, now));
            }
            core.down_since = None;
            core.trouble = None;
        }
        drop(core);
        self.standing.send_if_modified(|standing| std::mem::replace(standing, epoch) != epoch);
        let epoch = epoch.unwrap_or_default();
        heard.into_iter().map(|(req_id, body)| Heard { epoch, req_id, body, at: now }).collect()
    }

    /// The socket is gone, or there was none.
    fn closed(&self) {
        let jitter = jitter();
        self.feed(|core, now| {
            core.writers = None;
            core.down_since.get_or_insert(now);
            core.session.gone(jitter, now)
        });
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Does what the session says; answers the callbacks among it.
    fn apply(&mut self, effects: Vec<Effect>) -> Vec<(String, Value)> {
        let mut heard = Vec::new();
        for effect in effects {
            match effect {
                Effect::Write { text, urgent } => {
                    if let Some(writers) = &self.writers {
                        // A closed queue means that the socket is going down: what is open will be settled as lost.
                        let _ = if urgent { writers.urgent.try_send(text) } else { writers.ordinary.try_send(text) };
                    }
                }
                Effect::Settle { call, outcome } => {
                    if let Some(waiter) = self.waiters.remove(&call) {
                        let _ = waiter.send(outcome);
                    }
                }
                Effect::Heard { req_id, body } => heard.push((req_id, body)),
                Effect::Close => {
                    if let Some(writers) = &self.writers {
                        writers.close.cancel();
                    }
                }
                Effect::Dropped => tracing::debug!("a frame of the bot's line was dropped"),
            }
        }
        heard
    }
}

/// 0 to 1.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, and nothing else is lost.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
