//! The connection as a state machine: fed with frames and `now`, answers what to do. No socket, no clock, no waiting.
//!
//! It holds who is connected in which role, which calls are open, what the account and its groups may do. Deadlines of
//! calls are kept by whoever waits for them and told with [`Session::give_up`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::codec::{Answer, Dialect, Frame, Heard, Role, classify, id_of};
use super::throttle::{gap, later};

/// A connection, numbered in the order of coming.
pub type ConnId = u64;

/// A connection is suspicious after three missed heartbeats, yet never before this.
const LEAST_SILENCE: Duration = Duration::from_secs(90);

/// How long a mute without a told end holds messages back before the next try.
const OPEN_MUTE: Duration = Duration::from_mins(30);

/// How many sends without an answer are kept in mind for a late one.
const LATE_KEPT: usize = 256;

/// Close code for "somebody else took your place" and for refusals (RFC 6455 §7.4.1, policy violation).
pub const CLOSE_POLICY: u16 = 1008;

/// Which piece of which message a call carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendNote {
    /// `group:ID` or `user:ID`.
    pub conversation: String,
    /// [`crate::Outgoing::key`].
    pub key: String,
    /// Number of the piece, from 0.
    pub piece: usize,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The peer answered.
    Answer(Answer),
    /// The connection went away in between.
    Lost,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Close a connection.
    Close {
        /// Which.
        conn: ConnId,
        /// WebSocket close code.
        code: u16,
        /// Said to the peer.
        reason: &'static str,
    },
    /// Hand a reply to whoever waits for this echo.
    Resolve {
        /// Echo of the call.
        echo: String,
        /// The reply.
        reply: Reply,
    },
    /// Hand an event to the intake.
    Event(Value),
    /// A send that was given up has been answered after all.
    LateSend {
        /// What was sent.
        note: SendNote,
        /// Its answer.
        answer: Answer,
    },
    /// The peer refuses our token.
    TokenRefused,
    /// A frame of no known shape was dropped.
    Dropped,
}

/// A call ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Where to write it.
    pub conn: ConnId,
    /// Its echo.
    pub echo: String,
    /// The frame.
    pub text: String,
}

#[derive(Debug)]
struct Conn {
    role: Role,
    since: Timestamp,
    last_frame: Timestamp,
}

#[derive(Debug)]
struct Pending {
    conn: ConnId,
    note: Option<SendNote>,
}

/// One account's connection state.
#[derive(Debug, Default)]
pub struct Session {
    pinned: Option<String>,
    account: Option<String>,
    conns: BTreeMap<ConnId, Conn>,
    calls_over: Option<ConnId>,
    events_over: Option<ConnId>,
    pending: HashMap<String, Pending>,
    late: VecDeque<(String, SendNote)>,
    counter: u64,
    heartbeat: Option<Duration>,
    dialect: Dialect,
    online: Option<bool>,
    muted: HashMap<String, Timestamp>,
    last_frame: Option<Timestamp>,
}

impl Session {
    /// `pinned` is the only account that may connect; `None` takes any.
    pub fn new(pinned: Option<String>) -> Self {
        Self { account: pinned.clone(), pinned, ..Self::default() }
    }

    /// Whether an account may speak for this channel.
    pub fn admits(&self, account: &str) -> bool {
        self.pinned.as_deref().is_none_or(|pinned| pinned == account)
    }

    /// A connection stands. The newest wins: whoever held its role before is closed, its open calls become lost.
    pub fn attach(&mut self, conn: ConnId, role: Role, account: Option<&str>, now: Timestamp) -> Vec<Effect> {
        if let Some(account) = account {
            if !self.admits(account) {
                return vec![Effect::Close { conn, code: CLOSE_POLICY, reason: "another account is expected" }];
            }
            self.account = Some(account.to_owned());
        }
        self.conns.insert(conn, Conn { role, since: now, last_frame: now });
        self.last_frame = Some(now);
        if role.calls() {
            self.calls_over = Some(conn);
        }
        if role.events() {
            self.events_over = Some(conn);
        }
        let keep = [self.calls_over, self.events_over];
        let idle: Vec<ConnId> = self.conns.keys().copied().filter(|id| !keep.contains(&Some(*id))).collect();
        let mut effects = Vec::new();
        for old in idle {
            effects.push(Effect::Close { conn: old, code: CLOSE_POLICY, reason: "replaced by a newer connection" });
            effects.extend(self.detach(old));
        }
        effects
    }

    /// A connection is gone: its open calls may or may not have arrived.
    pub fn detach(&mut self, conn: ConnId) -> Vec<Effect> {
        self.conns.remove(&conn);
        for held in [&mut self.calls_over, &mut self.events_over] {
            if *held == Some(conn) {
                *held = None;
            }
        }
        let lost: Vec<String> =
            self.pending.iter().filter(|(_, pending)| pending.conn == conn).map(|(echo, _)| echo.clone()).collect();
        lost.into_iter()
            .map(|echo| {
                self.give_up(&echo);
                Effect::Resolve { echo, reply: Reply::Lost }
            })
            .collect()
    }

    /// A frame came in.
    pub fn frame(&mut self, conn: ConnId, frame: Value, now: Timestamp) -> Vec<Effect> {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.last_frame = now;
        }
        self.last_frame = Some(now);
        match classify(frame) {
            Frame::Event(event) => self.event(conn, event),
            Frame::Response(answer) => self.response(answer),
            Frame::Unknown => vec![Effect::Dropped],
        }
    }

    fn event(&mut self, conn: ConnId, event: Value) -> Vec<Effect> {
        if let Some(account) = event.get("self_id").and_then(id_of) {
            if !self.admits(&account) {
                return vec![Effect::Close { conn, code: CLOSE_POLICY, reason: "another account is expected" }];
            }
            if self.account.is_none() {
                self.account = Some(account);
            }
        }
        vec![Effect::Event(event)]
    }

    fn response(&mut self, answer: Answer) -> Vec<Effect> {
        let Some(echo) = id_of(&answer.echo) else {
            return vec![if answer.refuses_token() { Effect::TokenRefused } else { Effect::Dropped }];
        };
        if !answer.last {
            return Vec::new();
        }
        if self.pending.remove(&echo).is_some() {
            return vec![Effect::Resolve { echo, reply: Reply::Answer(answer) }];
        }
        match self.late.iter().position(|(kept, _)| *kept == echo).and_then(|at| self.late.remove(at)) {
            Some((_, note)) => vec![Effect::LateSend { note, answer }],
            None => vec![Effect::Dropped],
        }
    }

    /// Prepares a call; `None` while nobody is connected to take it.
    pub fn call(&mut self, action: &str, params: &Value, note: Option<SendNote>) -> Option<Call> {
        let conn = self.calls_over?;
        self.counter += 1;
        // A short string: numbers come back as floats from some peers, and null is dropped by LLOneBot.
        let echo = format!("{conn}-{}", self.counter);
        let text = json!({ "action": action, "params": params, "echo": echo }).to_string();
        self.pending.insert(echo.clone(), Pending { conn, note });
        Some(Call { conn, echo, text })
    }

    /// Nobody waits for this call any more. A send is kept in mind: its answer may still come.
    pub fn give_up(&mut self, echo: &str) {
        if let Some(Pending { note: Some(note), .. }) = self.pending.remove(echo) {
            if self.late.len() == LATE_KEPT {
                self.late.pop_front();
            }
            self.late.push_back((echo.to_owned(), note));
        }
    }

    /// Takes notice of what an event says about connection, account and groups. Answers the account's new state where
    /// it changed.
    pub fn observe(&mut self, heard: &Heard, now: Timestamp) -> Option<bool> {
        match heard {
            Heard::Heartbeat { online, interval_ms } => {
                self.heartbeat = interval_ms.map(Duration::from_millis).or(self.heartbeat);
                online.and_then(|online| self.set_online(online))
            }
            Heard::Online(online) => self.set_online(*online),
            Heard::Muted { conversation, seconds, .. } => {
                let until = later(now, seconds.map_or(OPEN_MUTE, Duration::from_secs));
                self.muted.insert(conversation.clone(), until);
                None
            }
            Heard::Unmuted(conversation) | Heard::Joined(conversation) | Heard::Left(conversation) => {
                self.muted.remove(conversation);
                None
            }
            // We spoke, so we may speak.
            Heard::Own(message) => {
                self.muted.remove(&message.scope.conversation());
                None
            }
            Heard::Message(_) | Heard::Upload(_) | Heard::Recalled { .. } | Heard::Lifecycle(_) | Heard::Ignored(_) => {
                None
            }
        }
    }

    /// Sets whether the account is on line; answers it where that is news. Never having been off is no news.
    pub fn set_online(&mut self, online: bool) -> Option<bool> {
        let before = self.online.replace(online);
        (before.unwrap_or(true) != online).then_some(online)
    }

    /// A send told us that we are muted, without saying for how long.
    pub fn muted_by_answer(&mut self, conversation: &str, for_about: Duration, now: Timestamp) {
        self.muted.insert(conversation.to_owned(), later(now, for_about));
    }

    /// How long a conversation is still closed to us.
    pub fn muted_for(&self, conversation: &str, now: Timestamp) -> Option<Duration> {
        self.muted.get(conversation).map(|until| gap(now, *until)).filter(|wait| !wait.is_zero())
    }

    /// Lifts a mute that turned out not to concern us.
    pub fn unmute(&mut self, conversation: &str) {
        self.muted.remove(conversation);
    }

    /// Connections that have been silent too long: `true` where a call over it can prove it alive, `false` where only
    /// heartbeats could, and they stopped.
    pub fn silent(&self, now: Timestamp) -> Vec<(ConnId, bool)> {
        let allowed = self.silence_allowed();
        let silent = self.conns.iter().filter(|(_, conn)| gap(conn.last_frame, now) > allowed);
        silent
            .map(|(id, conn)| (*id, conn.role.calls()))
            .filter(|(_, provable)| *provable || self.heartbeat.is_some())
            .collect()
    }

    /// Longest silence that raises no suspicion.
    pub fn silence_allowed(&self) -> Duration {
        self.heartbeat.map_or(LEAST_SILENCE, |interval| (interval * 3).max(LEAST_SILENCE))
    }

    /// When a connection was last heard; `None` where it is gone.
    pub fn last_frame_of(&self, conn: ConnId) -> Option<Timestamp> {
        self.conns.get(&conn).map(|conn| conn.last_frame)
    }

    /// When anything was last heard at all.
    pub fn last_frame(&self) -> Option<Timestamp> {
        self.last_frame
    }

    /// Something was heard outside a WebSocket.
    pub fn heard_at(&mut self, now: Timestamp) {
        self.last_frame = Some(now);
    }

    /// Whether calls can go out, and since when.
    pub fn connected_since(&self) -> Option<Timestamp> {
        self.conns.get(&self.calls_over?).map(|conn| conn.since)
    }

    /// Whether events can come in.
    pub fn hears(&self) -> bool {
        self.events_over.is_some()
    }

    /// False only where the platform said so.
    pub fn is_online(&self) -> bool {
        self.online != Some(false)
    }

    /// The account, once known.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Learns the account by asking. Answers false where another one is expected.
    pub fn learn_account(&mut self, account: &str) -> bool {
        let admitted = self.admits(account);
        if admitted {
            self.account = Some(account.to_owned());
        }
        admitted
    }

    /// The peer's dialect.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Sets the peer's dialect.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Groups that are closed to us now.
    pub fn muted_groups(&self, now: Timestamp) -> usize {
        self.muted.values().filter(|until| **until > now).count()
    }
}
