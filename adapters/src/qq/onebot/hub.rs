//! What the transports share: the session, the open calls, the links. All I/O of a connection passes through here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::codec::{Answer, Dialect, Role, Status, compose_id, id_of};
use super::http::HttpApi;
use super::intake::Intake;
use super::memory::Memory;
use super::session::{CLOSE_POLICY, ConnId, Effect, Reply, SendNote, Session};
use super::throttle::Throttle;
use super::{Now, OneBotConfig};
use crate::media::Fetcher;

/// Frames waiting to be written; more than this and the peer is not reading.
const OUTWARD_QUEUE: usize = 64;

/// Something to write to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outward {
    /// A text frame.
    Text(String),
    /// Close with code and reason.
    Close(u16, &'static str),
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallError {
    /// It was never handed over.
    NotConnected(String),
    /// It was handed over, and nothing came back: it may have had its effect.
    Lost,
}

/// One account with all its connections.
pub(super) struct Hub {
    pub(super) config: OneBotConfig,
    pub(super) now: Now,
    pub(super) session: Mutex<Session>,
    pub(super) memory: Mutex<Memory>,
    pub(super) throttle: Mutex<Throttle>,
    pub(super) fetcher: Result<Fetcher, String>,
    pub(super) http: Option<HttpApi>,
    pub(super) intake: Intake,
    /// Something about the connection changed.
    pub(super) changed: Notify,
    /// What a person has to put right before anything can work.
    problem: Mutex<Option<String>>,
    links: Mutex<HashMap<ConnId, mpsc::Sender<Outward>>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Reply>>>,
    next_conn: AtomicU64,
    closed: AtomicBool,
}

/// A panic elsewhere must not silence the channel: the data behind these locks is consistent between statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(config: OneBotConfig, now: Now) -> Self {
        let fetcher = Fetcher::new(config.media.clone()).map_err(|error| error.to_string());
        Self {
            session: Mutex::new(Session::new(config.account.clone())),
            memory: Mutex::default(),
            throttle: Mutex::new(Throttle::new(config.timing.pace)),
            http: HttpApi::of(&config),
            fetcher,
            intake: Intake::default(),
            changed: Notify::new(),
            problem: Mutex::default(),
            links: Mutex::default(),
            waiting: Mutex::default(),
            next_conn: AtomicU64::new(1),
            closed: AtomicBool::new(false),
            config,
            now,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A connection stands: it gets a number and a queue to be written from. Whom it replaces is closed.
    pub(super) fn attach(&self, role: Role, account: Option<&str>) -> (ConnId, mpsc::Receiver<Outward>) {
        let conn = self.next_conn.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(OUTWARD_QUEUE);
        lock(&self.links).insert(conn, sender);
        let effects = lock(&self.session).attach(conn, role, account, self.now());
        self.carry_out(effects);
        self.changed.notify_waiters();
        tracing::info!(channel.id = %self.config.id, conn.id = conn, conn.role = ?role, "a OneBot peer connected");
        (conn, receiver)
    }

    /// A connection is gone.
    pub(super) fn detach(&self, conn: ConnId) {
        lock(&self.links).remove(&conn);
        let effects = lock(&self.session).detach(conn);
        self.carry_out(effects);
        self.changed.notify_waiters();
        tracing::info!(channel.id = %self.config.id, conn.id = conn, "a OneBot peer went away");
    }

    /// A text frame came in. Answers the event in it, if there is one; everything else is dealt with here.
    pub(super) fn frame(&self, conn: ConnId, text: &str) -> Vec<Value> {
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            tracing::warn!(channel.id = %self.config.id, conn.id = conn, frame.bytes = text.len(), "dropped a frame that is no JSON");
            return Vec::new();
        };
        let effects = lock(&self.session).frame(conn, frame, self.now());
        self.carry_out(effects)
    }

    fn carry_out(&self, effects: Vec<Effect>) -> Vec<Value> {
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                Effect::Close { conn, code, reason } => self.close(conn, code, reason),
                Effect::Resolve { echo, reply } => {
                    if let Some(waiting) = lock(&self.waiting).remove(&echo) {
                        // Whoever waited may have gone; then there is nobody to tell.
                        let _ = waiting.send(reply);
                    }
                }
                Effect::Event(event) => events.push(event),
                Effect::LateSend { note, answer } => self.late(&note, &answer),
                Effect::TokenRefused => self.set_problem(
                    "对方拒绝了 access_token。请核对本通道的 access_token 与 OneBot 实现（如 NapCat）里填写的 Token 是否一致。",
                ),
                Effect::Dropped => {
                    tracing::debug!(channel.id = %self.config.id, "dropped a frame nobody waits for");
                }
            }
        }
        events
    }

    /// Closes a link from our side; its task ends by it.
    pub(super) fn close(&self, conn: ConnId, code: u16, reason: &'static str) {
        if let Some(link) = lock(&self.links).remove(&conn) {
            // A full queue means a peer that reads nothing: dropping the sender ends the task as well.
            let _ = link.try_send(Outward::Close(code, reason));
        }
    }

    /// Closes all links: the channel is being stopped.
    pub(super) fn close_all(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let conns: Vec<ConnId> = lock(&self.links).keys().copied().collect();
        for conn in conns {
            self.close(conn, 1001, "going away");
        }
    }

    /// Whether connections are taken.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Takes connections again.
    pub(super) fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    fn late(&self, note: &SendNote, answer: &Answer) {
        let id = answer.data.get("message_id").and_then(id_of).filter(|id| id != "0" && id != "-1");
        if let (Status::Ok, Some(id)) = (answer.status, id) {
            self.delivered(note, Some(&id));
        }
    }

    /// One piece of a message is out. Answers its composed id.
    pub(super) fn delivered(&self, note: &SendNote, message_id: Option<&str>) -> Option<String> {
        let account = lock(&self.session).account().unwrap_or_default().to_owned();
        let external_id = message_id.map(|id| compose_id(&account, &note.conversation, id));
        let mut memory = lock(&self.memory);
        let mut progress = memory.progress.get(&note.key).cloned().unwrap_or_default();
        if progress.sent.len() == note.piece {
            progress.sent.push(external_id.clone());
        }
        progress.doubt_at = None;
        if let Some(external_id) = &external_id {
            memory.receipts.put(external_id.clone(), ());
            memory.authors.put(external_id.clone(), account);
            if let Some(Some(first)) = progress.sent.first().filter(|_| note.piece > 0) {
                memory.aliases.put(external_id.clone(), first.clone());
            }
        }
        memory.progress.put(note.key.clone(), progress);
        external_id
    }

    /// Calls an action and waits for its answer.
    pub(super) async fn call(
        &self,
        action: &str,
        params: Value,
        limit: Duration,
        note: Option<SendNote>,
    ) -> Result<Answer, CallError> {
        if let Some(http) = &self.http {
            let answer = tokio::time::timeout(limit, http.call(action, &params)).await.unwrap_or(Err(CallError::Lost));
            if answer.is_ok() {
                lock(&self.session).heard_at(self.now());
            }
            return answer;
        }
        let (sender, receiver) = oneshot::channel();
        let call = lock(&self.session).call(action, &params, note);
        let Some(call) = call else { return Err(CallError::NotConnected(self.not_connected())) };
        lock(&self.waiting).insert(call.echo.clone(), sender);
        let link = lock(&self.links).get(&call.conn).cloned();
        let handed_over = match link {
            Some(link) => matches!(tokio::time::timeout(limit, link.send(Outward::Text(call.text))).await, Ok(Ok(()))),
            None => false,
        };
        if !handed_over {
            self.forget(&call.echo);
            return Err(CallError::NotConnected(self.not_connected()));
        }
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(Reply::Answer(answer))) => Ok(answer),
            Ok(Ok(Reply::Lost) | Err(_)) => Err(CallError::Lost),
            Err(_) => {
                self.forget(&call.echo);
                Err(CallError::Lost)
            }
        }
    }

    fn forget(&self, echo: &str) {
        lock(&self.waiting).remove(echo);
        lock(&self.session).give_up(echo);
    }

    /// Asks who and what we are connected to. Failures are no harm: the standard's way is assumed.
    pub(super) async fn greet(&self, conn: Option<ConnId>) {
        let limit = self.config.timing.greeting;
        if let Ok(answer) = self.call("get_login_info", json!({}), limit, None).await
            && let Some(account) = answer.data.get("user_id").and_then(id_of)
        {
            if !lock(&self.session).learn_account(&account) {
                self.set_problem("连上来的 QQ 账号不是配置里指定的账号。请登录正确的账号，或修改本通道的 account。");
                if let Some(conn) = conn {
                    self.close(conn, CLOSE_POLICY, "another account is expected");
                }
                return;
            }
            self.clear_problem();
        }
        if let Ok(answer) = self.call("get_version_info", json!({}), limit, None).await {
            let name = answer.data.get("app_name").and_then(Value::as_str).unwrap_or_default();
            let dialect = Dialect::detect(name);
            lock(&self.session).set_dialect(dialect);
            tracing::info!(channel.id = %self.config.id, onebot.dialect = ?dialect, "the OneBot peer told its name");
        }
    }

    /// Asks whether the account is on line. `Some` where that changed.
    pub(super) async fn ask_status(&self) -> Result<Option<bool>, CallError> {
        let answer = self.call("get_status", json!({}), self.config.timing.greeting, None).await?;
        let online = answer.data.get("online").and_then(Value::as_bool);
        Ok(online.and_then(|online| lock(&self.session).set_online(online)))
    }

    /// Looks after a connection's life: silent ones are asked, and closed where no answer comes.
    pub(super) async fn look_after(&self) {
        let silent = lock(&self.session).silent(self.now());
        for (conn, provable) in silent {
            let before = lock(&self.session).last_frame_of(conn);
            if provable && self.ask_status().await.is_ok() {
                continue;
            }
            if lock(&self.session).last_frame_of(conn) == before {
                tracing::warn!(channel.id = %self.config.id, conn.id = conn, "closed a silent connection");
                self.close(conn, 1011, "no sign of life");
            }
        }
    }

    pub(super) fn set_problem(&self, problem: &str) {
        let mut held = lock(&self.problem);
        if held.as_deref() != Some(problem) {
            tracing::error!(channel.id = %self.config.id, "{problem}");
            *held = Some(problem.to_owned());
        }
        drop(held);
        self.changed.notify_waiters();
    }

    pub(super) fn clear_problem(&self) {
        *lock(&self.problem) = None;
    }

    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    /// Why nothing can be sent now, and what to do.
    pub(super) fn not_connected(&self) -> String {
        self.problem().unwrap_or_else(|| self.config.transport.how_to_connect())
    }

    /// Resolves once calls can go out.
    pub(super) async fn connected(self: &Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            if self.http.is_some() || lock(&self.session).connected_since().is_some() {
                return;
            }
            changed.await;
        }
    }
}
