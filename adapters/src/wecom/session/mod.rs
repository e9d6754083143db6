//! The bot's long connection as a state machine (wecom.md 5.7, 5.13): fed with frames and `now`, says what to write. No
//! socket, no clock, no waiting; the shell (`socket.rs`) dials, writes and holds the lease.

mod state;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use state::{CallId, Effect, LineTiming, Outcome, State};

use super::codec::frame::{self, Ack, Frame};

#[derive(Debug)]
struct Pending {
    call: CallId,
    until: Timestamp,
}

/// Most commands waiting for one request id.
const WAITING: usize = 16;

/// Most commands without an answer. The shell's queue has room for as many, so that none is lost between the two.
pub const OPEN_CALLS: usize = 512;

/// The line's state.
#[derive(Debug)]
pub struct Session {
    timing: LineTiming,
    state: State,
    /// Counts connections, so that a request id is known to be of this one.
    epoch: u64,
    counter: u64,
    subscribe_id: String,
    /// Commands under way, by request id: one each.
    pending: HashMap<String, Pending>,
    waiting: HashMap<String, VecDeque<(CallId, String)>>,
    next_ping: Timestamp,
    pings_open: Vec<String>,
    /// When the oldest open ping was written.
    ping_sent: Option<Timestamp>,
    round_trip: Option<Duration>,
    failures: u32,
    kicks: u32,
    last_frame: Option<Timestamp>,
    last_callback: Option<Timestamp>,
    connections: u64,
}

impl Session {
    /// A line nobody has tried yet.
    pub fn new(timing: LineTiming, now: Timestamp) -> Self {
        Self {
            timing,
            state: State::Idle { not_before: now },
            epoch: 0,
            counter: 0,
            subscribe_id: String::new(),
            pending: HashMap::new(),
            waiting: HashMap::new(),
            next_ping: now,
            pings_open: Vec::new(),
            ping_sent: None,
            round_trip: None,
            failures: 0,
            kicks: 0,
            last_frame: None,
            last_callback: None,
            connections: 0,
        }
    }

    /// Where the line is.
    pub fn state(&self) -> State {
        self.state
    }

    /// The number of the connection that stands now; `None` while commands cannot go out.
    pub fn epoch(&self) -> Option<u64> {
        matches!(self.state, State::Live { .. }).then_some(self.epoch)
    }

    /// Commands without an answer so far.
    pub fn open_calls(&self) -> usize {
        self.pending.len() + self.waiting.values().map(VecDeque::len).sum::<usize>()
    }

    /// How long the last ping took.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// When anything was last heard.
    pub fn last_frame(&self) -> Option<Timestamp> {
        self.last_frame
    }

    /// When somebody was last heard.
    pub fn last_callback(&self) -> Option<Timestamp> {
        self.last_callback
    }

    /// Subscriptions that succeeded.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// How often in a row another connection took the bot over.
    pub fn kicks(&self) -> u32 {
        self.kicks
    }

    /// When a connection may be tried: in `Idle`, `Kicked` and `Refused` only.
    pub fn may_dial_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Idle { not_before } | State::Kicked { not_before } | State::Refused { not_before, .. } => {
                Some(not_before)
            }
            State::Connecting | State::Subscribing { .. } | State::Live { .. } => None,
        }
    }

    /// The shell begins to dial, holding the lease.
    pub fn dialling(&mut self) {
        self.state = State::Connecting;
    }

    /// The socket stands: subscribe at once.
    pub fn opened(&mut self, bot_id: &str, secret: &str, now: Timestamp) -> Vec<Effect> {
        self.epoch += 1;
        self.pings_open.clear();
        self.ping_sent = None;
        self.subscribe_id = self.own_id(frame::SUBSCRIBE, now);
        self.state = State::Subscribing { until: later(now, self.timing.ack) };
        let body = json!({ "bot_id": bot_id, "secret": secret });
        vec![Effect::Write { text: frame::command(frame::SUBSCRIBE, &self.subscribe_id, Some(&body)), urgent: true }]
    }

    /// The socket is gone, or was never had. `jitter` is 0 to 1, drawn by the shell.
    pub fn gone(&mut self, jitter: f64, now: Timestamp) -> Vec<Effect> {
        if !matches!(self.state, State::Kicked { .. } | State::Refused { .. }) {
            let pause = self.backoff(jitter);
            self.state = State::Idle { not_before: later(now, pause) };
        }
        self.lose_all()
    }

    /// 1, 2, 4 … 30 s and up to a quarter more, so that many do not come back in the same moment.
    fn backoff(&mut self, jitter: f64) -> Duration {
        let base = self.timing.backoff.saturating_mul(1 << self.failures.min(16)).min(self.timing.backoff_most);
        self.failures = self.failures.saturating_add(1);
        base + base.mul_f64(jitter.clamp(0.0, 1.0) / 4.0)
    }

    fn lose_all(&mut self) -> Vec<Effect> {
        self.pings_open.clear();
        self.ping_sent = None;
        let lost = self.pending.drain().map(|(_, pending)| (pending.call, Outcome::Unknown));
        let unsent = self.waiting.drain().flat_map(|(_, calls)| calls).map(|(call, _)| (call, Outcome::NotSent));
        let mut settled: Vec<(CallId, Outcome)> = lost.chain(unsent).collect();
        settled.sort_by_key(|(call, _)| *call);
        settled.into_iter().map(|(call, outcome)| Effect::Settle { call, outcome }).collect()
    }

    /// A frame came in. None of them ends the line but those that say so.
    pub fn frame(&mut self, text: &str, now: Timestamp) -> Vec<Effect> {
        self.last_frame = Some(now);
        match frame::read(text) {
            Ok(Frame::Ack(ack)) => self.ack(ack, now),
            Ok(Frame::Callback { req_id, body }) => {
                if body.pointer("/event/eventtype").and_then(Value::as_str) == Some("disconnected_event") {
                    return self.kicked(now);
                }
                self.last_callback = Some(now);
                vec![Effect::Heard { req_id, body }]
            }
            Ok(Frame::Unknown(_)) | Err(_) => vec![Effect::Dropped],
        }
    }

    fn kicked(&mut self, now: Timestamp) -> Vec<Effect> {
        let pause = self.timing.kicked.saturating_mul(1 << self.kicks.min(3));
        self.kicks = self.kicks.saturating_add(1);
        self.state = State::Kicked { not_before: later(now, pause) };
        let mut effects = self.lose_all();
        effects.push(Effect::Close);
        effects
    }

    fn ack(&mut self, ack: Ack, now: Timestamp) -> Vec<Effect> {
        if matches!(self.state, State::Subscribing { .. }) && ack.req_id == self.subscribe_id {
            return self.subscribed(ack.code, now);
        }
        if let Some(at) = self.pings_open.iter().position(|id| *id == ack.req_id) {
            // An answer to a later ping answers the earlier ones as well.
            self.pings_open.drain(..=at);
            self.round_trip = self.ping_sent.take().map(|sent| gap(sent, now));
            return if ack.code == 0 { Vec::new() } else { vec![Effect::Close] };
        }
        let Some(pending) = self.pending.remove(&ack.req_id) else { return vec![Effect::Dropped] };
        let (req_id, code) = (ack.req_id.clone(), ack.code);
        let mut effects = vec![Effect::Settle { call: pending.call, outcome: Outcome::Ack(ack) }];
        if code == NOT_SUBSCRIBED {
            // The socket lives, the subscription does not: nothing more will come over it.
            effects.push(Effect::Close);
        } else {
            effects.extend(self.next_of(&req_id, now));
        }
        effects
    }

    fn subscribed(&mut self, code: i64, now: Timestamp) -> Vec<Effect> {
        match code {
            0 => {
                self.failures = 0;
                self.connections += 1;
                self.state = State::Live { since: now };
                self.next_ping = later(now, self.timing.ping);
                Vec::new()
            }
            853_000 | 93_019 | 40_001 | 40_013 => {
                self.state = State::Refused { not_before: later(now, self.timing.refused), code };
                vec![Effect::Close]
            }
            // Anything else may pass: the usual back-off.
            _ => vec![Effect::Close],
        }
    }

    /// Asks for a command under a request id of its own.
    pub fn call(&mut self, call: CallId, cmd: &str, body: &Value, now: Timestamp) -> Vec<Effect> {
        let req_id = self.own_id(cmd, now);
        self.put(call, cmd, req_id, body, now)
    }

    /// Asks for an answer to a callback. Several to one callback go one after another: their acknowledgements look alike.
    pub fn answer(&mut self, call: CallId, cmd: &str, req_id: &str, body: &Value, now: Timestamp) -> Vec<Effect> {
        self.put(call, cmd, req_id.to_owned(), body, now)
    }

    fn put(&mut self, call: CallId, cmd: &str, req_id: String, body: &Value, now: Timestamp) -> Vec<Effect> {
        let refuse = vec![Effect::Settle { call, outcome: Outcome::NotSent }];
        if self.epoch().is_none() || self.open_calls() >= OPEN_CALLS {
            return refuse;
        }
        let text = frame::command(cmd, &req_id, Some(body));
        if self.pending.contains_key(&req_id) {
            let waiting = self.waiting.entry(req_id).or_default();
            if waiting.len() >= WAITING {
                return refuse;
            }
            waiting.push_back((call, text));
            return Vec::new();
        }
        self.write(call, req_id, text, now)
    }

    fn write(&mut self, call: CallId, req_id: String, text: String, now: Timestamp) -> Vec<Effect> {
        self.pending.insert(req_id, Pending { call, until: later(now, self.timing.ack) });
        vec![Effect::Write { text, urgent: false }]
    }

    /// The next command under a request id that has become free.
    fn next_of(&mut self, req_id: &str, now: Timestamp) -> Vec<Effect> {
        let Some(waiting) = self.waiting.get_mut(req_id) else { return Vec::new() };
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(req_id);
        }
        next.map(|(call, text)| self.write(call, req_id.to_owned(), text, now)).unwrap_or_default()
    }

    /// Looks at the time: pings, answers that are overdue, a line that is half dead.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        match self.state {
            State::Subscribing { until } if now >= until => return vec![Effect::Close],
            State::Live { since } => {
                if gap(since, now) >= self.timing.kicked.saturating_mul(10) {
                    self.kicks = 0;
                }
            }
            State::Idle { .. }
            | State::Connecting
            | State::Subscribing { .. }
            | State::Kicked { .. }
            | State::Refused { .. } => return Vec::new(),
        }
        let mut effects = self.overdue(now);
        if !effects.is_empty() && self.pings_open.is_empty() {
            // A command without an answer: is anybody there at all?
            self.next_ping = now;
        }
        if now >= self.next_ping {
            if self.pings_open.len() >= 2 {
                effects.push(Effect::Close);
                return effects;
            }
            let id = self.own_id(frame::PING, now);
            effects.push(Effect::Write { text: frame::command(frame::PING, &id, None), urgent: true });
            self.pings_open.push(id);
            self.ping_sent.get_or_insert(now);
            self.next_ping = later(now, self.timing.ping);
        }
        effects
    }

    fn overdue(&mut self, now: Timestamp) -> Vec<Effect> {
        let late = self.pending.iter().filter(|(_, pending)| now >= pending.until);
        let mut late: Vec<(CallId, String)> = late.map(|(id, pending)| (pending.call, id.clone())).collect();
        late.sort();
        let mut effects = Vec::new();
        for (call, req_id) in late {
            self.pending.remove(&req_id);
            effects.push(Effect::Settle { call, outcome: Outcome::Unknown });
            effects.extend(self.next_of(&req_id, now));
        }
        effects
    }

    /// When [`Self::tick`] has something to do.
    pub fn next_tick(&self) -> Option<Timestamp> {
        match self.state {
            State::Subscribing { until } => Some(until),
            State::Live { .. } => self.pending.values().map(|pending| pending.until).chain([self.next_ping]).min(),
            State::Idle { .. } | State::Connecting | State::Kicked { .. } | State::Refused { .. } => None,
        }
    }

    /// Prefix of the command, as the official client does it: easy to follow in a log.
    fn own_id(&mut self, cmd: &str, now: Timestamp) -> String {
        self.counter += 1;
        format!("{cmd}_{}_{}", now.as_millisecond(), self.counter)
    }
}

/// The subscription is gone though the socket lives (5.12).
const NOT_SUBSCRIBED: i64 = 846_609;

/// `at` and a while; the end of time where that lies beyond it.
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// From one instant to another; nothing where the second is earlier, as after a step of the clock.
pub fn gap(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}
