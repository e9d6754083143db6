//! A CMPP gateway, written from the byte layouts of the standard: it refuses what a real one refuses, and can be told to
//! misbehave in the ways real ones do.

mod layout;
mod serve;
mod submit;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use layout::Text;

/// The clock the gateway goes by.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What was agreed when the channel was opened.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// 2 or 3.
    pub version: u8,
    /// 企业代码.
    pub sp_id: String,
    /// The shared secret.
    pub secret: String,
    /// 接入号.
    pub access: String,
    /// 业务代码.
    pub service_id: String,
    /// Requests without an answer.
    pub window: usize,
    /// Messages a second; above it result 8.
    pub rate: Option<usize>,
}

impl Agreement {
    /// As the other side of the collected exchanges has it.
    pub fn new(version: u8) -> Self {
        Self {
            version,
            sp_id: "901234".to_owned(),
            secret: "Zs-2026-test".to_owned(),
            access: "106900001234".to_owned(),
            service_id: "HELP".to_owned(),
            window: 16,
            rate: None,
        }
    }
}

/// What happens to the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whim {
    /// Taken and answered.
    Take,
    /// Refused with this number.
    Refuse(u32),
    /// Taken, and the answer is lost.
    LoseAnswer,
    /// Taken, and the connection breaks before the answer.
    TakeAndCut,
    /// The connection breaks before it is taken.
    Cut,
    /// Taken; its report comes before the answer.
    ReportFirst,
    /// Nothing is done until [`FakeGateway::answer_held`].
    Hold,
}

/// A message that the gateway took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The id it was given.
    pub msg_id: u64,
    /// The phone.
    pub to: String,
    /// What the phone shows as sender.
    pub from: String,
    /// Parts of the whole, and which this is.
    pub part: (u8, u8),
    /// The bytes before the text, if any.
    pub header: Vec<u8>,
    /// The text of this part.
    pub text: String,
    /// Until when it is worth delivering, as it was written.
    pub valid: String,
}

/// A DELIVER that was not acknowledged yet.
#[derive(Debug, Clone)]
struct Pending {
    msg_id: u64,
    frame: Vec<u8>,
    sent_on: Option<u64>,
}

#[derive(Default)]
struct State {
    connections: u64,
    live: Option<u64>,
    logins: Vec<u32>,
    refuse_login: VecDeque<u32>,
    whims: VecDeque<Whim>,
    taken: Vec<Taken>,
    held: Vec<(u64, Vec<u8>, u64)>,
    pending: Vec<Pending>,
    acknowledged: Vec<(u64, u32)>,
    say: VecDeque<Vec<u8>>,
    report: Option<String>,
    next_id: u64,
    cut_after: Option<usize>,
    most_open: usize,
    broken_rules: Vec<String>,
    recent: VecDeque<Timestamp>,
    active_tests: usize,
    terminated: usize,
    silent: bool,
    sequence: u32,
}

struct Inner {
    agreement: Agreement,
    clock: Clock,
    state: Mutex<State>,
    changed: Notify,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let outcome = act(&mut self.lock());
        self.changed.notify_waiters();
        outcome
    }
}

/// See the module.
#[derive(Clone)]
pub struct FakeGateway {
    inner: Arc<Inner>,
    address: SocketAddr,
}

impl FakeGateway {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn start(agreement: Agreement, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State { next_id: 0xbb21_e3c1_a195_0100, ..State::default() };
        let inner = Arc::new(Inner { agreement, clock, state: Mutex::new(state), changed: Notify::new() });
        tokio::spawn(serve::accept(listener, inner.clone()));
        Self { inner, address }
    }

    /// Its port on this machine.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What happens to the next messages, in order; those after are taken.
    pub fn whims(&self, whims: &[Whim]) {
        self.inner.change(|state| state.whims.extend(whims));
    }

    /// The next logins are refused with these numbers.
    pub fn refuse_logins(&self, statuses: &[u32]) {
        self.inner.change(|state| state.refuse_login.extend(statuses));
    }

    /// Every message taken from now on is reported with this word.
    pub fn report_all(&self, stat: &str) {
        self.inner.change(|state| state.report = Some(stat.to_owned()));
    }

    /// A phone wrote.
    pub fn deliver(&self, text: &Text<'_>) -> u64 {
        self.inner.change(|state| {
            state.next_id += 1;
            let msg_id = state.next_id;
            state.sequence += 1;
            let frame = layout::deliver(&self.inner.agreement, state.sequence, msg_id, text);
            state.pending.push(Pending { msg_id, frame, sent_on: None });
            msg_id
        })
    }

    /// The same DELIVER once more, under another sequence number.
    ///
    /// # Panics
    /// Where the id is not one of those that wait.
    pub fn repeat(&self, msg_id: u64) {
        self.inner.change(|state| {
            state.sequence += 1;
            let known = state.pending.iter().find(|pending| pending.msg_id == msg_id);
            let mut frame = known.expect("one that waits").frame.clone();
            frame[8..12].copy_from_slice(&state.sequence.to_be_bytes());
            state.say.push_back(frame);
        });
    }

    /// A report on a message that was taken.
    pub fn report(&self, msg_id: u64, to: &str, stat: &str) {
        self.inner.change(|state| self.inner.report(state, msg_id, to, stat));
    }

    /// Answers the messages that were held back.
    pub fn answer_held(&self) {
        self.inner.change(|state| {
            for (connection, frame, _) in std::mem::take(&mut state.held) {
                if state.live == Some(connection) {
                    state.say.push_back(frame);
                }
            }
        });
    }

    /// The connection breaks after so many more frames, of either side.
    pub fn cut_after(&self, frames: usize) {
        self.inner.change(|state| state.cut_after = Some(frames));
    }

    /// Asks for a sign of life.
    pub fn active_test(&self) {
        self.say(layout::frame(8, 0x7777, &[]));
    }

    /// Ends the connection politely.
    pub fn terminate(&self) {
        self.say(layout::frame(2, 0x7778, &[]));
    }

    /// Any bytes at all.
    pub fn say(&self, bytes: Vec<u8>) {
        self.inner.change(|state| state.say.push_back(bytes));
    }

    /// Answers nothing any more, or does so again.
    pub fn silent(&self, silent: bool) {
        self.inner.change(|state| state.silent = silent);
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<Taken> {
        self.inner.lock().taken.clone()
    }

    /// Which DELIVERs were acknowledged, with which result.
    pub fn acknowledged(&self) -> Vec<(u64, u32)> {
        self.inner.lock().acknowledged.clone()
    }

    /// The status each login was answered with.
    pub fn logins(&self) -> Vec<u32> {
        self.inner.lock().logins.clone()
    }

    /// Most messages that were open at once.
    pub fn most_open(&self) -> usize {
        self.inner.lock().most_open
    }

    /// How often we were asked for a sign of life and gave one; how often a connection was ended politely.
    pub fn polite(&self) -> (usize, usize) {
        let state = self.inner.lock();
        (state.active_tests, state.terminated)
    }

    /// What was done against the standard, in words.
    pub fn broken_rules(&self) -> Vec<String> {
        self.inner.lock().broken_rules.clone()
    }

    /// Waits until it is so. Whoever calls it sees to a limit.
    pub async fn until(&self, so: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            if so(self) {
                return;
            }
            changed.await;
        }
    }
}
