//! One connection to the gateway, and the pause before the next, as a state machine: fed with bytes and the time, it says
//! what to write and what became of each message (sms.md 1.2, 1.6, 1.8). No I/O, no clock.

mod sending;
mod state;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::codec::{
    Connect, Deliver, Fault, Framer, MsgId, Pdu, Submit, Width, authenticator, decode, encode, gateway_authenticator,
    timestamp_text,
};
use crate::sms::time::{gap, later};

pub use state::{Gone, SessionTiming, State};

use sending::{Open, Waiting};

/// Names a message from [`Session::submit`] to [`Effect::Settle`]; later ones are larger.
pub type CallId = u64;

/// Who logs in, and how.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The layout that is spoken.
    pub width: Width,
    /// 企业代码, six characters.
    pub sp_id: String,
    /// As agreed with the operator.
    pub secret: SecretString,
    /// Whether a gateway that cannot prove itself is refused; peers compute their proof wrongly, so by default it is noted.
    pub strict: bool,
    /// Waits and limits.
    pub timing: SessionTiming,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway took it; `None` where it had it already and did not say under which id.
    Accepted {
        /// For its report.
        msg_id: Option<MsgId>,
    },
    /// It will not be taken.
    Refused {
        /// The gateway's number.
        result: u32,
    },
    /// Written, and no answer: it may have been taken.
    Unknown,
    /// Never written.
    NotSent,
    /// Too many wait already.
    Busy,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Tell whoever asked.
    Settle {
        /// Which message.
        call: CallId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Store this; then [`Session::stored`].
    Heard {
        /// To answer under.
        sequence: u32,
        /// A text or a report.
        deliver: Box<Deliver>,
    },
    /// Close the socket; [`Session::gone`] follows.
    Close,
    /// Something odd that changes nothing, for the log.
    Note(&'static str),
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    framer: Framer,
    sequence: u32,
    ours: [u8; 16],
    last_traffic: Timestamp,
    last_heard: Timestamp,
    probe: Option<(Timestamp, u32)>,
    waiting: VecDeque<Waiting>,
    open: BTreeMap<u32, Open>,
    paused_until: Timestamp,
    pauses: u32,
    next_free: Timestamp,
    losses: u32,
    connections: u64,
    flow_controls: u64,
    unproven: bool,
}

impl Session {
    /// Not connected, free to dial at once.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            state: State::Idle { not_before: Timestamp::MIN, why: None },
            framer: Framer::default(),
            sequence: 0,
            ours: [0; 16],
            last_traffic: Timestamp::MIN,
            last_heard: Timestamp::MIN,
            probe: None,
            waiting: VecDeque::new(),
            open: BTreeMap::new(),
            paused_until: Timestamp::MIN,
            pauses: 0,
            next_free: Timestamp::MIN,
            losses: 0,
            connections: 0,
            flow_controls: 0,
            unproven: false,
        }
    }

    /// Where things stand.
    pub fn state(&self) -> State {
        self.state
    }

    /// Before this nobody should dial; `None` while something is going on.
    pub fn may_dial_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Idle { not_before, .. } => Some(not_before),
            _ => None,
        }
    }

    /// Requests of ours without an answer.
    pub fn open_requests(&self) -> usize {
        self.open.len() + usize::from(self.probe.is_some())
    }

    /// Messages that wait for the window, the pace or a pause.
    pub fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// How often a login succeeded, and how often the gateway asked to slow down.
    pub fn counted(&self) -> (u64, u64) {
        (self.connections, self.flow_controls)
    }

    /// Until when nothing is sent because the gateway asked for it.
    pub fn paused_until(&self) -> Timestamp {
        self.paused_until
    }

    /// Whether the gateway could not prove that it knows the secret.
    pub fn unproven(&self) -> bool {
        self.unproven
    }

    /// The socket stands: log in.
    pub fn dialled(&mut self, now: Timestamp) -> Vec<Effect> {
        self.framer = Framer::default();
        // Numbers start anew with a connection (1.6).
        self.sequence = 0;
        self.probe = None;
        self.last_traffic = now;
        self.last_heard = now;
        self.state = State::Connecting { since: now };
        // The clock is read once: hash and field must agree.
        let digits = timestamp_text(now);
        self.ours = authenticator(&self.config.sp_id, self.config.secret.expose_secret(), &digits);
        let connect = Connect {
            source_addr: self.config.sp_id.clone(),
            authenticator: self.ours,
            version: self.config.width.version(),
            timestamp: digits.parse().unwrap_or_default(),
        };
        let sequence = self.next_sequence();
        vec![self.write(sequence, &Pdu::Connect(connect), now)]
    }

    /// The socket is gone: what was written may have been taken, what waits was not. `jitter` is 0 to 1.
    pub fn gone(&mut self, jitter: f64, now: Timestamp) -> Vec<Effect> {
        let open = std::mem::take(&mut self.open).into_values().map(|open| (open.call, Outcome::Unknown));
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|waiting| (waiting.call, Outcome::NotSent));
        let mut settled: Vec<_> = open.chain(waiting).collect();
        settled.sort_by_key(|(call, _)| *call);
        let why = match self.state {
            State::Idle { .. } => None,
            State::Over { why, .. } => Some(why),
            State::Closing { .. } => Some(Gone::Stopped),
            State::Connecting { .. } => Some(Gone::Lost),
            State::Ready { since } => {
                if gap(since, now) >= state::SETTLED {
                    self.losses = 0;
                }
                Some(Gone::Lost)
            }
        };
        let why = why.unwrap_or(Gone::Lost);
        let wait = match why {
            Gone::Lost | Gone::Silent | Gone::OutOfStep | Gone::NoLogin => {
                self.losses = self.losses.saturating_add(1);
                self.config.timing.backoff(self.losses, jitter)
            }
            why => why.pause(),
        };
        self.probe = None;
        self.state = State::Idle { not_before: later(now, wait), why: Some(why) };
        settled.into_iter().map(|(call, outcome)| Effect::Settle { call, outcome }).collect()
    }

    /// Nothing more is sent; what is open is waited for, then the connection is ended politely.
    pub fn stop(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects: Vec<Effect> = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|waiting| Effect::Settle { call: waiting.call, outcome: Outcome::NotSent })
            .collect();
        match self.state {
            State::Ready { .. } => {
                self.state = State::Closing { since: now, terminated: None };
                effects.extend(self.tick(now));
            }
            State::Connecting { .. } => {
                effects.extend(self.over(Gone::Stopped, now));
            }
            State::Idle { .. } | State::Closing { .. } | State::Over { .. } => {}
        }
        effects
    }

    /// The next instant at which [`Self::tick`] has something to do, with nothing coming in between.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let timing = &self.config.timing;
        let idle = match self.probe {
            Some((sent, _)) => later(sent, timing.answer),
            None => later(self.last_traffic, timing.idle),
        };
        let answer = self.open.values().map(|open| later(open.sent_at, timing.answer)).min();
        match self.state {
            State::Idle { .. } | State::Over { .. } => None,
            State::Connecting { since } => Some(later(since, timing.answer)),
            State::Closing { since, terminated: None } => Some(later(since, state::LAST_ANSWERS)),
            State::Closing { terminated: Some(at), .. } => Some(later(at, state::LAST_WORD)),
            State::Ready { .. } => {
                let send = (!self.waiting.is_empty() && self.open_requests() < timing.window)
                    .then(|| self.paused_until.max(self.next_free));
                [Some(idle), answer, send].into_iter().flatten().min()
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        match self.state {
            State::Connecting { since } if gap(since, now) >= self.config.timing.answer => {
                self.over(Gone::NoLogin, now)
            }
            State::Closing { since, terminated: None } => {
                if !self.open.is_empty() && gap(since, now) < state::LAST_ANSWERS {
                    return Vec::new();
                }
                self.state = State::Closing { since, terminated: Some(now) };
                let sequence = self.next_sequence();
                vec![self.write(sequence, &Pdu::Terminate, now)]
            }
            State::Closing { terminated: Some(at), .. } if gap(at, now) >= state::LAST_WORD => {
                self.over(Gone::Stopped, now)
            }
            State::Idle { .. } | State::Over { .. } | State::Connecting { .. } | State::Closing { .. } => Vec::new(),
            State::Ready { .. } => {
                let mut effects = self.repeat(now);
                if matches!(self.state, State::Over { .. }) {
                    return effects;
                }
                effects.extend(self.send_waiting(now));
                effects.extend(self.look_alive(now));
                effects
            }
        }
    }

    /// Bytes from the gateway.
    pub fn bytes(&mut self, bytes: &[u8], now: Timestamp) -> Vec<Effect> {
        if matches!(self.state, State::Idle { .. } | State::Over { .. }) {
            // Of a connection that is over.
            return Vec::new();
        }
        self.framer.push(bytes);
        let mut effects = Vec::new();
        loop {
            match self.framer.next_frame() {
                Ok(Some(frame)) => {
                    self.last_traffic = now;
                    self.last_heard = now;
                    // Any traffic is a sign of life.
                    self.probe = None;
                    effects.extend(self.frame(&frame, now));
                    if matches!(self.state, State::Over { .. }) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    effects.extend(self.over(Gone::OutOfStep, now));
                    break;
                }
            }
        }
        effects
    }

    fn frame(&mut self, raw: &[u8], now: Timestamp) -> Vec<Effect> {
        let frame = match decode(raw, self.config.width) {
            Ok(frame) => frame,
            Err(Fault::Overrun { sequence, msg_id }) => {
                return vec![
                    self.write(sequence, &Pdu::DeliverResp { msg_id, result: 4 }, now),
                    Effect::Note("a DELIVER whose length runs past its end was answered with result 4"),
                ];
            }
            Err(Fault::Unknown(_)) => return vec![Effect::Note("an unknown command was passed over")],
            Err(Fault::Length) => return vec![Effect::Note("a frame shorter than its fields was passed over")],
        };
        let sequence = frame.sequence;
        match frame.pdu {
            Pdu::ConnectResp { status, authenticator, version } => {
                self.connected(raw.len(), status, &authenticator, version, now)
            }
            Pdu::ActiveTest => vec![self.write(sequence, &Pdu::ActiveTestResp { reserved: Some(0) }, now)],
            Pdu::Terminate => {
                let answer = self.write(sequence, &Pdu::TerminateResp, now);
                let why = match self.state {
                    State::Closing { .. } => Gone::Stopped,
                    _ => Gone::Terminated,
                };
                let mut effects = vec![answer];
                effects.extend(self.over(why, now));
                effects
            }
            Pdu::TerminateResp => match self.state {
                State::Closing { terminated: Some(_), .. } => self.over(Gone::Stopped, now),
                _ => vec![Effect::Note("an answer to a TERMINATE that was not said")],
            },
            Pdu::SubmitResp { msg_id, result } => self.answered(sequence, msg_id, result, now),
            Pdu::Deliver(deliver) => match self.state {
                State::Ready { .. } | State::Closing { .. } => vec![Effect::Heard { sequence, deliver }],
                _ => vec![Effect::Note("a DELIVER before the login was passed over")],
            },
            Pdu::ActiveTestResp { .. } => Vec::new(),
            Pdu::Connect(_)
            | Pdu::Submit(_)
            | Pdu::DeliverResp { .. }
            | Pdu::Query { .. }
            | Pdu::QueryResp { .. }
            | Pdu::Cancel { .. }
            | Pdu::CancelResp { .. } => vec![Effect::Note("a command that is not for us was passed over")],
        }
    }

    fn connected(&mut self, length: usize, status: u32, proof: &[u8; 16], version: u8, now: Timestamp) -> Vec<Effect> {
        if !matches!(self.state, State::Connecting { .. }) {
            return vec![Effect::Note("a second answer to the login was passed over")];
        }
        let width = self.config.width;
        if status != 0 {
            return self.over(Gone::Refused { status, speaks: version }, now);
        }
        let layout = if length >= 33 { Width::Three } else { Width::Two };
        if layout != width || version >> 4 < width.version() >> 4 {
            return self.over(Gone::Version { speaks: version }, now);
        }
        let expected = gateway_authenticator(width, status, &self.ours, self.config.secret.expose_secret());
        self.unproven = expected != *proof;
        if self.unproven && self.config.strict {
            return self.over(Gone::Impostor, now);
        }
        self.state = State::Ready { since: now };
        self.connections += 1;
        let mut effects = Vec::new();
        if self.unproven {
            effects.push(Effect::Note("the gateway's proof of the shared secret is wrong"));
        }
        effects.extend(self.tick(now));
        effects
    }

    /// What was heard is stored: only now may it be acknowledged.
    pub fn stored(&mut self, sequence: u32, msg_id: MsgId, now: Timestamp) -> Vec<Effect> {
        match self.state {
            State::Ready { .. } | State::Closing { .. } => {
                vec![self.write(sequence, &Pdu::DeliverResp { msg_id, result: 0 }, now)]
            }
            _ => Vec::new(),
        }
    }

    /// Asks for a sign of life where nothing was said for long; gives up after so many without an answer.
    fn look_alive(&mut self, now: Timestamp) -> Vec<Effect> {
        let timing = &self.config.timing;
        let asked = match self.probe {
            None if gap(self.last_traffic, now) >= timing.idle && self.open.len() < timing.window => 0,
            Some((sent, asked)) if gap(sent, now) >= timing.answer => asked,
            _ => return Vec::new(),
        };
        if asked >= timing.sends {
            return self.over(Gone::Silent, now);
        }
        let sequence = self.next_sequence();
        let effect = self.write(sequence, &Pdu::ActiveTest, now);
        self.probe = Some((now, asked + 1));
        vec![effect]
    }

    fn over(&mut self, why: Gone, now: Timestamp) -> Vec<Effect> {
        if let State::Ready { since } = self.state
            && gap(since, now) >= state::SETTLED
        {
            self.losses = 0;
        }
        self.state = State::Over { why };
        vec![Effect::Close]
    }

    fn next_sequence(&mut self) -> u32 {
        loop {
            self.sequence = self.sequence.wrapping_add(1);
            if !self.open.contains_key(&self.sequence) {
                return self.sequence;
            }
        }
    }

    fn write(&mut self, sequence: u32, pdu: &Pdu, now: Timestamp) -> Effect {
        self.last_traffic = now;
        Effect::Write(encode(sequence, pdu, self.config.width))
    }
}

/// How many messages may wait at most.
pub const QUEUE: usize = 256;

impl Session {
    /// A message to be sent as soon as window, pace and pauses allow.
    pub fn submit(&mut self, call: CallId, submit: Submit, now: Timestamp) -> Vec<Effect> {
        let outcome = match self.state {
            State::Ready { .. } if self.waiting.len() < QUEUE => None,
            State::Ready { .. } => Some(Outcome::Busy),
            _ => Some(Outcome::NotSent),
        };
        if let Some(outcome) = outcome {
            return vec![Effect::Settle { call, outcome }];
        }
        self.waiting.push_back(Waiting { call, submit: Box::new(submit), refusals: 0 });
        self.send_waiting(now)
    }
}

/// Zero where there is no pace.
fn spacing(rate: Option<u32>) -> Duration {
    rate.filter(|rate| *rate > 0).map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate)
}
