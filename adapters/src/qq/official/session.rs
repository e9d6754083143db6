//! The gateway as a state machine: fed with frames and time, it says what is to be written, handed on or closed
//! (qq-official.md 3.2). It never gives up: what only a person can mend is tried at a slow rate, and told.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::event::Frame;

const GROUP_AND_C2C: u64 = 1 << 25;
const INTERACTION: u64 = 1 << 26;
const MESSAGE_AUDIT: u64 = 1 << 27;
/// What is asked for, and what is asked for where that was refused: without the results of audits, then without clicks.
const INTENTS: [u64; 3] = [GROUP_AND_C2C | INTERACTION | MESSAGE_AUDIT, GROUP_AND_C2C | INTERACTION, GROUP_AND_C2C];

/// Pauses before the next connection; the last repeats.
const BACKOFF: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
];
/// A connection shorter than this counts as none.
const SHORT: Duration = Duration::from_secs(5);
/// After so many short ones in a row the pause is the longest.
const SHORT_MOST: u32 = 3;
/// After `4008` (too fast).
const TOO_FAST: Duration = Duration::from_mins(1);
/// Where a person has to change something.
const OPERATOR: Duration = Duration::from_mins(10);
/// How long the gateway may take to say hello and to know us.
const GREETING: Duration = Duration::from_secs(20);
/// Identifications refused in a row before a person is told.
const REJECTIONS: u32 = 5;

/// Where a connection was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Session id.
    pub session: String,
    /// The last number that was taken.
    pub seq: u64,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// None.
    Closed,
    /// The socket stands; the gateway has not said hello.
    Opened,
    /// Identified or resuming.
    Greeting,
    /// Events come.
    Live,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write this.
    Write(String),
    /// An event for the desk.
    Event(Frame),
    /// The place is to be forgotten.
    Forget,
    /// Close the socket.
    Close,
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    state: State,
    token: String,
    place: Option<Place>,
    interval: Duration,
    beat_at: Option<Timestamp>,
    unanswered: bool,
    opened_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    level: usize,
    failures: usize,
    short: u32,
    rejections: u32,
    resuming: bool,
    stale_token: bool,
    trouble: Option<String>,
}

impl Session {
    /// A session that goes on at a place, or begins anew.
    pub fn new(place: Option<Place>) -> Self {
        Self {
            state: State::Closed,
            token: String::new(),
            place,
            interval: Duration::from_secs(40),
            beat_at: None,
            unanswered: false,
            opened_at: None,
            not_before: None,
            level: 0,
            failures: 0,
            short: 0,
            rejections: 0,
            resuming: false,
            stale_token: false,
            trouble: None,
        }
    }

    /// How the connection is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What a person has to mend, or why there is no connection.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Goes on where another process was.
    pub fn go_on_at(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Where it would be resumed.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Which rights were given up because the platform refuses them.
    pub fn lacks(&self) -> Option<&'static str> {
        match self.level {
            0 => None,
            1 => Some("收不到消息审核结果（没有 MESSAGE_AUDIT 权限）"),
            _ => Some("收不到按钮点击（没有 INTERACTION 权限），请改用文字指令"),
        }
    }

    /// Whether the token was refused: to be renewed before the next connection. Answers once.
    pub fn take_stale_token(&mut self) -> bool {
        std::mem::take(&mut self.stale_token)
    }

    /// When the next connection may be tried.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// The socket stands.
    pub fn opened(&mut self, token: &str, now: Timestamp) {
        self.state = State::Opened;
        token.clone_into(&mut self.token);
        self.opened_at = Some(now);
        self.beat_at = None;
        self.unanswered = false;
        self.resuming = false;
    }

    /// The connection could not be opened, and why.
    pub fn unreachable(&mut self, why: &str, wait: Option<Duration>, now: Timestamp) {
        self.state = State::Closed;
        self.trouble = Some(why.to_owned());
        let pause = wait.unwrap_or(BACKOFF[self.failures.min(BACKOFF.len() - 1)]);
        self.failures += 1;
        self.not_before = Some(later(now, pause));
    }

    /// A frame came.
    pub fn frame(&mut self, frame: Frame, now: Timestamp) -> Vec<Effect> {
        match frame.op {
            0 => self.event(frame, now),
            1 => vec![Effect::Write(self.heartbeat())],
            7 => vec![Effect::Close],
            9 => {
                self.not_before = Some(later(now, Duration::from_secs(2)));
                if !self.resuming {
                    self.rejections += 1;
                }
                if frame.data == Value::Bool(true) {
                    return vec![Effect::Close];
                }
                self.place = None;
                vec![Effect::Forget, Effect::Close]
            }
            10 => {
                let told = frame.data["heartbeat_interval"].as_u64().unwrap_or(41_250).max(1_000);
                // A little early: a beat that comes late counts as none.
                self.interval = Duration::from_millis(told - told / 20);
                self.beat_at = Some(later(now, self.interval));
                self.state = State::Greeting;
                vec![Effect::Write(self.greeting())]
            }
            11 => {
                self.unanswered = false;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn greeting(&mut self) -> String {
        let token = format!("QQBot {}", self.token);
        self.resuming = self.place.is_some();
        match &self.place {
            Some(place) => {
                json!({ "op": 6, "d": { "token": token, "session_id": place.session, "seq": place.seq } }).to_string()
            }
            None => json!({
                "op": 2,
                "d": { "token": token, "intents": INTENTS[self.level], "shard": [0, 1], "properties": {} },
            })
            .to_string(),
        }
    }

    fn heartbeat(&self) -> String {
        json!({ "op": 1, "d": self.place.as_ref().map(|place| place.seq) }).to_string()
    }

    fn event(&mut self, frame: Frame, now: Timestamp) -> Vec<Effect> {
        match frame.kind.as_str() {
            "READY" => {
                let session = frame.data["session_id"].as_str().unwrap_or_default().to_owned();
                self.place = Some(Place { session, seq: frame.seq.unwrap_or_default() });
                self.live(now);
            }
            "RESUMED" => self.live(now),
            _ => {}
        }
        if let (Some(place), Some(seq)) = (&mut self.place, frame.seq) {
            place.seq = place.seq.max(seq);
        }
        vec![Effect::Event(frame)]
    }

    fn live(&mut self, _now: Timestamp) {
        self.state = State::Live;
        self.failures = 0;
        self.rejections = 0;
        self.trouble = None;
        self.not_before = None;
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.state == State::Closed {
            return Vec::new();
        }
        if self.state != State::Live && self.opened_at.is_some_and(|at| since(at, now) >= GREETING) {
            self.trouble = Some("平台没有应答身份验证".to_owned());
            return vec![Effect::Close];
        }
        if self.beat_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        if self.unanswered {
            // The last beat was not answered for a whole interval: nobody is there.
            self.trouble = Some("心跳没有应答，重新连接".to_owned());
            return vec![Effect::Close];
        }
        self.unanswered = true;
        self.beat_at = Some(later(now, self.interval));
        vec![Effect::Write(self.heartbeat())]
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let greeting = (self.state != State::Live).then_some(self.opened_at).flatten().map(|at| later(at, GREETING));
        self.beat_at.into_iter().chain(greeting).min()
    }

    /// The socket is gone, with the code the platform gave.
    pub fn gone(&mut self, code: Option<u16>, now: Timestamp) {
        let was_live = self.state == State::Live;
        let lived = self.opened_at.take().map_or(Duration::ZERO, |at| since(at, now));
        self.state = State::Closed;
        self.beat_at = None;
        self.short = if lived < SHORT { self.short + 1 } else { 0 };
        let told = self.not_before.filter(|at| *at > now);
        let mut pause = if was_live { Duration::ZERO } else { BACKOFF[self.failures.min(BACKOFF.len() - 1)] };
        self.failures += usize::from(!was_live);
        if self.short >= SHORT_MOST {
            pause = BACKOFF[BACKOFF.len() - 1];
        }
        let code = code.unwrap_or_default();
        let mut operator = |why: String| {
            tracing::error!(code, why, "the gateway refuses the robot");
            self.trouble = Some(why);
            pause = OPERATOR;
        };
        match code {
            4001 | 4002 => operator(format!("平台认为我们发出的数据有误（{code}），请反馈给开发者")),
            4004 => self.stale_token = true,
            4008 => pause = TOO_FAST,
            4013 | 4014 if self.level + 1 < INTENTS.len() => {
                self.level += 1;
                self.place = None;
                pause = Duration::ZERO;
            }
            4010..=4014 => operator(format!(
                "平台不允许机器人订阅群聊和私聊消息（{code}）：请在开放平台确认机器人已开通群聊、单聊场景并通过审核"
            )),
            4006 | 4007 | 4900..=4913 => self.place = None,
            4914 => operator("机器人未上线，只能连接沙箱环境：请发布机器人，或在配置里设置 sandbox = true".to_owned()),
            4915 => operator("机器人已被平台封禁，请到开放平台查看原因".to_owned()),
            // 4009 included: the session may be resumed.
            _ => {}
        }
        if self.rejections >= REJECTIONS {
            self.trouble =
                Some("平台连续拒绝机器人的身份验证：请核对 app_id、app_secret、IP 白名单和机器人状态".to_owned());
            pause = pause.max(OPERATOR);
        }
        if self.trouble.is_none() && !was_live {
            self.trouble = Some("连接中断".to_owned());
        }
        let at = later(now, pause);
        self.not_before = Some(told.map_or(at, |told| told.max(at)));
    }
}

/// How long until then; nothing where it has passed.
pub fn gap(now: Timestamp, until: Timestamp) -> Duration {
    until.duration_since(now).try_into().unwrap_or_default()
}

/// An instant and a while after it.
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn since(at: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(at).try_into().unwrap_or_default()
}
