//! The I/O of the gateway: lease, token, dialling, reading. What is to be written and what a frame means is decided by
//! [`Session`]; what was heard goes to the [`super::follow`]er, so that a slow desk or picture never stops the heartbeat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use reqwest::{Client, Method, Upgraded};
use secrecy::ExposeSecret as _;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::codec::errcode::Class;
use super::codec::event;
use super::dial;
use super::follow::Told;
use super::robot::Robot;
use super::session::{Effect, Place, Session, State, gap, later};
use crate::Entry;

/// How many looks pass between two tries for a lease that somebody else holds.
const STANDBY_LOOKS: u32 = 5;
/// How long a place is worth keeping; the platform forgets sessions much sooner.
const PLACE_KEPT: Duration = Duration::from_hours(24);
/// A peer that takes nothing for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// After the platform would not say where the gateway is because it was asked too often.
const ASKED_TOO_OFTEN: Duration = Duration::from_mins(1);
/// After a refusal that only a person can mend.
const OPERATOR: Duration = Duration::from_mins(10);
/// Name of the lease on the one connection.
const LEASE: &str = "gateway";
/// Where the place of a session is kept.
pub(super) const PLACE: &str = "place";

struct Core {
    session: Session,
    standby: bool,
    connections: u64,
    since: Option<Timestamp>,
}

/// How the connection is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStatus {
    /// Whether events come.
    pub live: bool,
    /// Whether another instance has the connection.
    pub standby: bool,
    /// Since when it is as it is.
    pub since: Option<Timestamp>,
    /// What is wrong.
    pub trouble: Option<String>,
    /// Which rights the robot lacks.
    pub lacks: Option<&'static str>,
    /// Connections since the process began.
    pub connections: u64,
}

/// The one connection to the gateway.
pub(super) struct Line {
    robot: Arc<Robot>,
    client: Client,
    core: Mutex<Core>,
    live: watch::Sender<bool>,
}

impl Line {
    pub(super) fn new(robot: Arc<Robot>) -> Result<Self, reqwest::Error> {
        let core = Core { session: Session::new(None), standby: false, connections: 0, since: None };
        Ok(Self { robot, client: dial::client()?, core: Mutex::new(core), live: watch::Sender::new(false) })
    }

    pub(super) async fn connected(&self) {
        // The sender lives as long as this does.
        let _ = self.live.subscribe().wait_for(|live| *live).await;
    }

    pub(super) fn status(&self) -> LineStatus {
        let core = self.lock();
        LineStatus {
            live: *core.session.state() == State::Live,
            standby: core.standby,
            since: core.since,
            trouble: core.session.trouble().map(str::to_owned),
            lacks: core.session.lacks(),
            connections: core.connections,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.robot.now)()
    }

    /// Keeps the connection open until `stop`; it never gives up.
    pub(super) async fn run(&self, heard: &mpsc::Sender<Told>, stop: &CancellationToken) {
        let look = self.robot.config.timing.look;
        loop {
            let wait = self.lock().session.not_before().map_or(Duration::ZERO, |at| gap(self.now(), at));
            if !wait.is_zero() {
                if !nap(wait.min(look), stop).await {
                    break;
                }
                continue;
            }
            if !self.hold().await {
                if !nap(look * STANDBY_LOOKS, stop).await {
                    break;
                }
                continue;
            }
            let opened = tokio::select! {
                () = stop.cancelled() => break,
                opened = self.open() => opened,
            };
            match opened {
                Ok(socket) => self.serve(socket, heard, stop).await,
                Err((why, wait)) => {
                    tracing::warn!(why, "the gateway could not be reached");
                    let now = self.now();
                    self.lock().session.unreachable(&why, wait, now);
                }
            }
            self.live.send_if_modified(|live| std::mem::replace(live, false));
            if stop.is_cancelled() {
                break;
            }
        }
        if let Err(error) = self.robot.shelf.release(LEASE).await {
            tracing::warn!(%error, "the lease of the gateway could not be given up");
        }
    }

    async fn hold(&self) -> bool {
        let until = later(self.now(), self.robot.config.timing.lease);
        let held = self.robot.shelf.hold(LEASE, until).await;
        self.lock().standby = matches!(held, Ok(false));
        held.unwrap_or(false)
    }

    /// A token, where the gateway is, and its socket.
    async fn open(&self) -> Result<WebSocketStream<Upgraded>, (String, Option<Duration>)> {
        let api = &self.robot.api;
        let failed = |error: String| (error, None);
        let mut token = api.tokens().get().await.map_err(|error| failed(error.to_string()))?;
        if self.lock().session.take_stale_token() {
            token = api.tokens().renew(&token).await.map_err(|error| failed(error.to_string()))?;
        }
        if self.lock().session.place().is_none()
            && let Some(place) = self.kept().await
        {
            self.lock().session.go_on_at(place);
        }
        let answer = api.call(Method::GET, "/gateway", None).await.map_err(|error| failed(error.to_string()))?;
        let Some(url) = answer.body["url"].as_str().filter(|_| answer.class == Class::Done) else {
            let wait = match answer.class {
                Class::RateLimited => Some(ASKED_TOO_OFTEN),
                Class::Config | Class::Permission | Class::Banned | Class::Token => Some(OPERATOR),
                _ => None,
            };
            if wait == Some(OPERATOR) {
                self.robot.block(Some(answer.told()));
            }
            return Err((answer.told(), wait));
        };
        let socket = dial::dial(&self.client, url).await.map_err(failed)?;
        self.robot.block(None);
        let now = self.now();
        let mut core = self.lock();
        core.session.opened(token.expose_secret(), now);
        core.connections += 1;
        core.since = Some(now);
        Ok(socket)
    }

    async fn serve(&self, socket: WebSocketStream<Upgraded>, heard: &mpsc::Sender<Told>, stop: &CancellationToken) {
        let (mut sink, mut stream) = socket.split();
        let mut lease = std::pin::pin!(self.keep_lease());
        let mut code = None;
        'line: loop {
            let now = self.now();
            let (mut effects, next) = {
                let mut core = self.lock();
                let effects = core.session.tick(now);
                (effects, core.session.next_tick())
            };
            if effects.is_empty() {
                let look = self.robot.config.timing.look;
                let wait = next.map_or(look, |at| gap(now, at)).min(look);
                effects = tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = &mut lease => break,
                    frame = stream.next() => match frame {
                        Some(Ok(Message::Text(text))) => self.frame(text.as_bytes()),
                        Some(Ok(Message::Binary(bytes))) => self.frame(&bytes),
                        Some(Ok(Message::Close(close))) => {
                            code = close.map(|close| u16::from(close.code));
                            break;
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                        // The rest of such a frame cannot be told from the next one.
                        Some(Err(Error::Capacity(_))) => {
                            tracing::warn!("closed the gateway over a frame that is too large");
                            break;
                        }
                        Some(Err(_)) | None => break,
                    },
                    () = tokio::time::sleep(wait) => continue,
                };
            }
            for effect in effects {
                match effect {
                    Effect::Write(text) => {
                        let written = tokio::time::timeout(WRITE_LIMIT, sink.send(Message::Text(text.into()))).await;
                        if !matches!(written, Ok(Ok(()))) {
                            break 'line;
                        }
                    }
                    Effect::Event(frame) => {
                        // A desk that takes nothing holds the line up; what waits here is handed in all the same.
                        let session = self.lock().session.place().map(|place| place.session.clone());
                        let told = Told { session: session.unwrap_or_default(), frame };
                        if heard.send(told).await.is_err() {
                            break 'line;
                        }
                    }
                    Effect::Forget => self.forget().await,
                    Effect::Close => break 'line,
                }
            }
            let live = *self.lock().session.state() == State::Live;
            self.live.send_if_modified(|known| std::mem::replace(known, live) != live);
        }
        // No farewell: a session that is said goodbye to cannot be resumed.
        let now = self.now();
        let forgotten = {
            let mut core = self.lock();
            core.session.gone(code, now);
            core.since = Some(now);
            tracing::info!(code, trouble = core.session.trouble(), "the gateway's connection has ended");
            core.session.place().is_none()
        };
        if forgotten {
            self.forget().await;
        }
    }

    fn frame(&self, text: &[u8]) -> Vec<Effect> {
        let now = self.now();
        let Some(frame) = event::frame(text) else {
            tracing::warn!("a frame of the gateway was not understood");
            return Vec::new();
        };
        self.lock().session.frame(frame, now)
    }

    async fn forget(&self) {
        // Kept by mistake it would be refused once more, and nothing worse.
        let _ = self.robot.shelf.take(PLACE).await;
    }

    async fn kept(&self) -> Option<Place> {
        serde_json::from_str(&self.robot.shelf.get(PLACE).await.ok()??).ok()
    }

    /// Renews the lease; returns once it is lost.
    async fn keep_lease(&self) {
        let timing = &self.robot.config.timing;
        let mut held_until = later(self.now(), timing.lease);
        let mut renew_at = later(self.now(), timing.lease / 3);
        loop {
            let wait = gap(self.now(), renew_at);
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(timing.look)).await;
                continue;
            }
            let until = later(self.now(), timing.lease);
            // A store that hangs is as good as one that fails: the lease runs out all the same.
            let held = tokio::time::timeout(timing.lease / 6, self.robot.shelf.hold(LEASE, until)).await;
            match held {
                Ok(Ok(true)) => {
                    held_until = until;
                    renew_at = later(self.now(), timing.lease / 3);
                }
                Ok(Ok(false)) => break,
                // Until its end nobody else can take it.
                Ok(Err(_)) | Err(_) if self.now() >= held_until => break,
                Ok(Err(_)) | Err(_) => renew_at = later(self.now(), timing.lease / 12),
            }
        }
        tracing::warn!("the lease of the gateway was lost");
    }
}

/// Keeps a place, so that a restart within minutes loses nothing.
pub(super) async fn keep(robot: &Robot, place: &Place) {
    let until = later((robot.now)(), PLACE_KEPT);
    let Ok(value) = serde_json::to_string(place) else { return };
    if let Err(error) = robot.shelf.put(&[Entry { key: PLACE.to_owned(), value, until }]).await {
        tracing::warn!(%error, "the place in the gateway's events could not be kept");
    }
}

/// A sleep; false where it is time to stop.
async fn nap(wait: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(wait) => true,
    }
}
