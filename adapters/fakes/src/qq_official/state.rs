//! The world of the stand-in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use super::Now;

/// What is done instead of the proper thing, once.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A page with this status, nothing taken.
    Page(u16),
    /// Taken, and a page with this status.
    TakeAndPage(u16),
    /// Taken, and no answer ever.
    TakeSilently,
    /// This status and body.
    Answer(u16, Value),
}

/// By which right something was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// As an answer to a message, under this number.
    Message(String, u32),
    /// As an answer to an event, under this number.
    Event(String, u32),
    /// By itself.
    Active,
}

/// A message of the robot that people see.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// `group:OPENID` or `user:OPENID`.
    pub place: String,
    /// Its words.
    pub text: String,
    /// By which right it came.
    pub how: How,
    /// When.
    pub at: Timestamp,
    /// The platform's id of it.
    pub id: String,
    /// The mark by which it is quoted.
    pub mark: String,
    /// The data of its buttons.
    pub buttons: Vec<String>,
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `POST`.
    pub method: String,
    /// Path.
    pub path: String,
    /// Body; null where there is none.
    pub body: Value,
    /// When.
    pub at: Timestamp,
}

/// Something that may be answered.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    pub(super) place: String,
    pub(super) at: Timestamp,
    pub(super) seconds: i64,
    pub(super) most: usize,
    pub(super) numbers: BTreeSet<u64>,
    pub(super) event: bool,
}

/// A group or a private chat.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a list of what holds there, each by itself")]
pub(super) struct Place {
    pub(super) active: bool,
    pub(super) muted: bool,
    pub(super) gone: bool,
    pub(super) audit: bool,
}

pub(super) enum Out {
    Text(String),
    Close(u16),
    Cut,
}

/// A session of the gateway.
#[derive(Default)]
pub(super) struct Session {
    pub(super) events: Vec<Value>,
    pub(super) line: Option<mpsc::Sender<Out>>,
}

#[expect(clippy::struct_excessive_bools, reason = "a list of switches, each by itself")]
pub(super) struct World {
    pub(super) base: String,
    pub(super) app_id: String,
    pub(super) secret: String,
    pub(super) tokens: BTreeMap<String, Timestamp>,
    pub(super) token_calls: usize,
    pub(super) ip_trusted: bool,
    pub(super) markdown: bool,
    pub(super) buttons: bool,
    pub(super) forbidden: Vec<String>,
    pub(super) places: BTreeMap<String, Place>,
    pub(super) anchors: BTreeMap<String, Anchor>,
    pub(super) shown: Vec<Shown>,
    pub(super) calls: Vec<Call>,
    pub(super) clicks: BTreeMap<String, Option<i64>>,
    pub(super) faults: VecDeque<(String, Fault)>,
    pub(super) intents: u64,
    pub(super) deaf: bool,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) identified: usize,
    pub(super) resumed: usize,
    pub(super) callback: Option<String>,
    pub(super) serial: u64,
}

impl World {
    pub(super) fn serial(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}{}", self.serial)
    }

    pub(super) fn fault(&mut self, path: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(part, _)| path.contains(part.as_str()))?;
        self.faults.remove(at).map(|(_, fault)| fault)
    }
}

pub(super) struct Shared {
    world: Mutex<World>,
    pub(super) now: Now,
    pub(super) changed: Notify,
}

impl Shared {
    pub(super) fn new(now: Now) -> Self {
        let world = World {
            base: String::new(),
            app_id: "102000001".to_owned(),
            secret: "naOC0ocQE3shWLAfffVLB1rhYPG7".to_owned(),
            tokens: BTreeMap::new(),
            token_calls: 0,
            ip_trusted: true,
            markdown: false,
            buttons: false,
            forbidden: Vec::new(),
            places: BTreeMap::new(),
            anchors: BTreeMap::new(),
            shown: Vec::new(),
            calls: Vec::new(),
            clicks: BTreeMap::new(),
            faults: VecDeque::new(),
            intents: u64::MAX,
            deaf: false,
            sessions: BTreeMap::new(),
            identified: 0,
            resumed: 0,
            callback: None,
            serial: 0,
        };
        Self { world: Mutex::new(world), now, changed: Notify::new() }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn edit<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let out = act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        out
    }
}
