//! The one connection to the gateway: a socket around the session, under a lease shared by all instances.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::codec::{Deliver, MsgId, Submit};
use super::session::{CallId, Effect, Outcome, Session, SessionConfig, State};
use crate::Shelf;
use crate::sms::Now;
use crate::sms::time::{gap, later};

/// For opening the socket.
const DIAL: Duration = Duration::from_secs(5);
/// Bytes that may wait to be written; a gateway that reads nothing is as good as gone.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// Looks between two tries to get the lease that another instance holds.
const STANDBY_LOOKS: u32 = 5;

/// Where the gateway is and how to speak to it.
#[derive(Debug, Clone)]
pub struct LineConfig {
    /// Name or address.
    pub host: String,
    /// 7890 by the standard.
    pub port: u16,
    /// Of the session.
    pub session: SessionConfig,
    /// How long the lease is held from renewal to renewal.
    pub lease: Duration,
    /// Longest sleep without a look at the clock.
    pub look: Duration,
}

/// Something the gateway delivered, to be stored and then acknowledged by [`Line::stored`].
#[derive(Debug)]
pub struct Heard {
    /// The connection it came over.
    pub epoch: u64,
    /// To answer under.
    pub sequence: u32,
    /// A text or a report.
    pub deliver: Box<Deliver>,
}

/// How the line is, for people.
#[derive(Debug, Clone)]
pub struct LineStatus {
    /// Of the session.
    pub state: State,
    /// Whether another instance holds it.
    pub standby: bool,
    /// Why it could not be opened, in words.
    pub trouble: Option<String>,
    /// Logins so far, and how often the gateway asked to slow down.
    pub counted: (u64, u64),
    /// Until when nothing is sent because the gateway asked for it.
    pub paused_until: Timestamp,
    /// Whether the gateway could not prove that it knows the secret.
    pub unproven: bool,
    /// Messages waiting to be sent.
    pub queued: usize,
}

struct Core {
    session: Session,
    epoch: u64,
    out: Vec<u8>,
    closing: bool,
    waiters: HashMap<CallId, oneshot::Sender<Outcome>>,
    next_call: CallId,
    standby: bool,
    trouble: Option<String>,
}

/// See the module.
pub struct Line {
    config: LineConfig,
    shelf: Arc<dyn Shelf>,
    now: Now,
    core: Mutex<Core>,
    wake: Notify,
    standing: watch::Sender<bool>,
}

impl Line {
    /// Nothing is opened before [`Self::run`].
    pub fn new(config: LineConfig, shelf: Arc<dyn Shelf>, now: Now) -> Self {
        let core = Core {
            session: Session::new(config.session.clone()),
            epoch: 0,
            out: Vec::new(),
            closing: false,
            waiters: HashMap::new(),
            next_call: 0,
            standby: false,
            trouble: None,
        };
        Self { config, shelf, now, core: Mutex::new(core), wake: Notify::new(), standing: watch::Sender::new(false) }
    }

    /// How it is.
    pub fn status(&self) -> LineStatus {
        let core = self.lock();
        LineStatus {
            state: core.session.state(),
            standby: core.standby,
            trouble: core.trouble.clone(),
            counted: core.session.counted(),
            paused_until: core.session.paused_until(),
            unproven: core.session.unproven(),
            queued: core.session.queued(),
        }
    }

    /// Resolves once the login was taken.
    pub async fn standing(&self) {
        let mut standing = self.standing.subscribe();
        // The sender lives as long as this line.
        let _ = standing.wait_for(|standing| *standing).await;
    }

    /// Hands over the parts of one message, back to back; the outcomes are in their order.
    pub async fn submit(&self, parts: Vec<Submit>) -> Vec<Outcome> {
        let mut replies = Vec::with_capacity(parts.len());
        {
            let now = (self.now)();
            let mut core = self.lock();
            for part in parts {
                core.next_call += 1;
                let call = core.next_call;
                let (settle, reply) = oneshot::channel();
                core.waiters.insert(call, settle);
                replies.push(reply);
                let effects = core.session.submit(call, part, now);
                let heard = core.apply(effects);
                debug_assert!(heard.is_empty(), "submitting hears nothing");
            }
        }
        self.wake.notify_one();
        let mut outcomes = Vec::with_capacity(replies.len());
        for reply in replies {
            // Every call is settled; where this process goes down in between, nobody knows.
            outcomes.push(reply.await.unwrap_or(Outcome::Unknown));
        }
        outcomes
    }

    /// What was heard is stored: the gateway need not say it again. Of another connection than the one that stands nothing
    /// is acknowledged.
    pub fn stored(&self, epoch: u64, sequence: u32, msg_id: MsgId) {
        let now = (self.now)();
        let mut core = self.lock();
        if core.epoch == epoch {
            let effects = core.session.stored(sequence, msg_id, now);
            core.apply(effects);
        }
        drop(core);
        self.wake.notify_one();
    }

    /// Keeps the line open until `stop`, handing over what is heard.
    pub async fn run(&self, heard: &mpsc::Sender<Heard>, stop: &CancellationToken) {
        loop {
            if !self.until_time(stop).await {
                break;
            }
            if !self.hold().await {
                if !self.nap(self.config.look * STANDBY_LOOKS, stop).await {
                    break;
                }
                continue;
            }
            let address = (self.config.host.as_str(), self.config.port);
            let dialled = tokio::select! {
                () = stop.cancelled() => break,
                dialled = tokio::time::timeout(DIAL, TcpStream::connect(address)) => dialled,
            };
            match dialled {
                Ok(Ok(stream)) => self.serve(stream, heard, stop).await,
                Ok(Err(error)) => self.lock().trouble = Some(error.to_string()),
                Err(_) => self.lock().trouble = Some("连接超时".to_owned()),
            }
            self.closed();
            if matches!(self.lock().session.state(), State::Idle { why: Some(why), .. } if why.needs_a_person()) {
                self.release().await;
            }
            if stop.is_cancelled() {
                break;
            }
        }
        self.closed();
        self.release().await;
    }

    async fn serve(&self, mut stream: TcpStream, heard: &mpsc::Sender<Heard>, stop: &CancellationToken) {
        // Frames are small and wait for answers.
        let _ = stream.set_nodelay(true);
        let (mut reader, mut writer) = stream.split();
        let epoch = {
            let mut core = self.lock();
            core.epoch += 1;
            core.out.clear();
            core.closing = false;
            core.epoch
        };
        self.feed(Session::dialled);
        let mut buffer = vec![0; 16 * 1024];
        let mut lease = std::pin::pin!(self.keep_lease());
        let mut unwritten: Vec<u8> = Vec::new();
        let mut stopping = false;
        loop {
            self.feed(Session::tick);
            let (closing, wait) = {
                let mut core = self.lock();
                unwritten.append(&mut core.out);
                let next = core.session.next_tick().map_or(self.config.look, |at| gap((self.now)(), at));
                (core.closing, next.min(self.config.look))
            };
            if closing || unwritten.len() > MOST_UNWRITTEN {
                break;
            }
            let came = tokio::select! {
                biased;
                wrote = writer.write(&unwritten), if !unwritten.is_empty() => match wrote {
                    Ok(count @ 1..) => {
                        unwritten.drain(..count);
                        continue;
                    }
                    Ok(0) | Err(_) => break,
                },
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.feed(Session::stop);
                    continue;
                }
                came = reader.read(&mut buffer) => match came {
                    Ok(count @ 1..) => count,
                    Ok(0) | Err(_) => break,
                },
                () = &mut lease => break,
                () = self.wake.notified() => continue,
                () = tokio::time::sleep(wait) => continue,
            };
            for (sequence, deliver) in self.feed(|session, now| session.bytes(&buffer[..came], now)) {
                // With too many unstored the gateway is left to say it again.
                if heard.try_send(Heard { epoch, sequence, deliver }).is_err() {
                    tracing::warn!("more was delivered than can be stored at once; the gateway will repeat it");
                }
            }
        }
        // What is said last: the answer to TERMINATE, or to a frame before it.
        let _ = tokio::time::timeout(Duration::from_secs(1), writer.write_all(&unwritten)).await;
    }

    /// Feeds the session, does what it says, and gives what was heard.
    fn feed(&self, act: impl FnOnce(&mut Session, Timestamp) -> Vec<Effect>) -> Vec<(u32, Box<Deliver>)> {
        let now = (self.now)();
        let mut core = self.lock();
        let effects = act(&mut core.session, now);
        let heard = core.apply(effects);
        let ready = matches!(core.session.state(), State::Ready { .. });
        if ready {
            core.trouble = None;
        }
        drop(core);
        self.standing.send_if_modified(|standing| std::mem::replace(standing, ready) != ready);
        heard
    }

    fn closed(&self) {
        let mut byte = [0];
        // Without randomness there is no jitter, and nothing else is lost.
        let _ = getrandom::fill(&mut byte);
        self.lock().epoch += 1;
        self.feed(|session, now| match session.state() {
            State::Idle { not_before, .. } if not_before > now => Vec::new(),
            _ => session.gone(f64::from(byte[0]) / 255.0, now),
        });
    }

    async fn until_time(&self, stop: &CancellationToken) -> bool {
        loop {
            let at = self.lock().session.may_dial_at();
            let wait = at.map_or(Duration::ZERO, |at| gap((self.now)(), at));
            if wait.is_zero() {
                return !stop.is_cancelled();
            }
            if !self.nap(wait.min(self.config.look), stop).await {
                return false;
            }
        }
    }

    /// False where it is time to stop.
    async fn nap(&self, wait: Duration, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn lease_name(&self) -> String {
        format!("cmpp:{}", self.config.session.sp_id)
    }

    async fn hold(&self) -> bool {
        let until = later((self.now)(), self.config.lease);
        let held = self.shelf.hold(&self.lease_name(), until).await;
        let mut core = self.lock();
        core.standby = matches!(held, Ok(false));
        match held {
            Ok(held) => held,
            Err(error) => {
                core.trouble = Some(format!("租约无法读写：{error}"));
                false
            }
        }
    }

    /// Renews the lease; returns once it is lost.
    async fn keep_lease(&self) {
        let mut held_until = later((self.now)(), self.config.lease);
        let mut renew_at = later((self.now)(), self.config.lease / 3);
        loop {
            let now = (self.now)();
            let wait = gap(now, renew_at);
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(self.config.look)).await;
                continue;
            }
            let until = later(now, self.config.lease);
            let name = self.lease_name();
            // A store that hangs is as good as one that fails: the lease runs out all the same.
            match tokio::time::timeout(self.config.lease / 6, self.shelf.hold(&name, until)).await {
                Ok(Ok(true)) => (held_until, renew_at) = (until, later(now, self.config.lease / 3)),
                Ok(Ok(false)) => break,
                // Until its end nobody else can take it.
                Ok(Err(_)) | Err(_) if (self.now)() >= held_until => break,
                Ok(Err(_)) | Err(_) => renew_at = later(now, self.config.lease / 12),
            }
        }
        tracing::warn!("the lease of the gateway's line was lost");
    }

    async fn release(&self) {
        if let Err(error) = self.shelf.release(&self.lease_name()).await {
            tracing::warn!(%error, "the lease of the gateway's line could not be given up");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Does what the session says; gives what was heard.
    fn apply(&mut self, effects: Vec<Effect>) -> Vec<(u32, Box<Deliver>)> {
        let mut heard = Vec::new();
        for effect in effects {
            match effect {
                Effect::Write(bytes) => self.out.extend(bytes),
                Effect::Settle { call, outcome } => {
                    if let Some(waiter) = self.waiters.remove(&call) {
                        // Whoever asked may have gone.
                        let _ = waiter.send(outcome);
                    }
                }
                Effect::Heard { sequence, deliver } => heard.push((sequence, deliver)),
                Effect::Close => self.closing = true,
                Effect::Note(note) => tracing::debug!(note, "the gateway's line"),
            }
        }
        heard
    }
}
