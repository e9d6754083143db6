//! What the fake knows: account, groups, history, and what the desk did.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};

use super::message::{cq, text_of};
use super::ws::Out;

/// How long the fake waits for what a test expects.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// Which implementation is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Array format, positive ids, `Bearer`, a token refused by a frame 1403, failures 1200.
    NapCat,
    /// String format, signed ids, `Token`, a token refused by HTTP, failures 100 with `msg`.
    GoCqHttp,
    /// Array format, signed ids, `Bearer`, role words `Api`/`Event`, own messages reported as plain ones.
    Lagrange,
    /// Array format, signed ids given as strings, `Bearer`, a token refused by a frame 1403 and close 1008.
    LlOneBot,
}

/// A message id as JSON: a number where it is one.
pub(super) fn number_or_text(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| Value::from(id), Value::from)
}

/// How one send is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should be.
    Answer,
    /// Neither taken nor answered.
    Lose,
    /// Taken, never answered.
    TakeSilently,
    /// Taken, and a time-out is answered.
    Lie,
    /// "ok" is answered, nothing is taken.
    Forget,
    /// Taken; the answer waits for [`super::FakeOneBot::answer_now`].
    AnswerLate,
    /// Taken twice, answered once.
    Duplicate,
    /// Taken, and the connection is cut before the answer.
    TakeAndCut,
}

/// Something the desk said.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// `group:ID` or `user:ID`.
    pub conversation: String,
    /// The message id given to it.
    pub id: String,
    /// Text segments joined, mentions as `@account`.
    pub text: String,
    /// The id it quotes.
    pub reply_to: Option<String>,
    /// Accounts it mentions.
    pub mentions: Vec<String>,
    /// The segments as they came.
    pub message: Value,
}

/// A call that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiCall {
    /// Action word.
    pub action: String,
    /// Parameters.
    pub params: Value,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeMap<String, String>,
    /// Roles other than `member`.
    pub(super) roles: BTreeMap<String, String>,
}

pub(super) struct Link {
    pub(super) queue: mpsc::Sender<Out>,
    pub(super) events: bool,
}

pub(super) struct State {
    pub(super) dialect: Dialect,
    pub(super) account: String,
    pub(super) token: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) time: i64,
    pub(super) online: bool,
    pub(super) reports_own: bool,
    pub(super) unresponsive: bool,
    pub(super) upgrades: usize,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) muted: BTreeSet<String>,
    pub(super) history: Vec<(String, Value)>,
    pub(super) files: HashMap<String, Vec<u8>>,
    pub(super) sent: Vec<Sent>,
    read: usize,
    pub(super) calls: Vec<ApiCall>,
    pub(super) behaviours: VecDeque<Behaviour>,
    pub(super) refusals: HashMap<String, (i64, String)>,
    pub(super) held: Vec<(mpsc::Sender<Out>, String)>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) closes: Vec<u16>,
    pub(super) dialled: Option<(String, String)>,
    pub(super) post_to: Option<String>,
    pub(super) posted: Vec<u16>,
    pub(super) file_host: Option<String>,
    sequence: i64,
    next_link: u64,
}

pub(super) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    pub(super) fn new(dialect: Dialect) -> Self {
        let state = State {
            dialect,
            account: "10001".to_owned(),
            token: None,
            secret: None,
            time: 1_772_413_200,
            online: true,
            reports_own: false,
            unresponsive: false,
            upgrades: 0,
            groups: BTreeMap::new(),
            muted: BTreeSet::new(),
            history: Vec::new(),
            files: HashMap::new(),
            sent: Vec::new(),
            read: 0,
            calls: Vec::new(),
            behaviours: VecDeque::new(),
            refusals: HashMap::new(),
            held: Vec::new(),
            links: BTreeMap::new(),
            closes: Vec::new(),
            dialled: None,
            post_to: None,
            posted: Vec::new(),
            file_host: None,
            sequence: 48_212,
            next_link: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
        done
    }

    pub(super) async fn until_some<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let found = look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    /// Waits for something, not for ever.
    pub(super) async fn until<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let found = tokio::time::timeout(WAIT, self.until_some(|state| look(state))).await;
        found.unwrap_or_else(|_| panic!("{what}: did not come to pass in time"))
    }

    pub(super) fn cut(&self) {
        self.edit(|state| state.links.clear());
    }
}

impl State {
    pub(super) fn add_group(&mut self, group: &str, members: &[(&str, &str)]) {
        let mut members: BTreeMap<String, String> =
            members.iter().map(|(account, name)| ((*account).to_owned(), (*name).to_owned())).collect();
        members.insert(self.account.clone(), "运维助手".to_owned());
        self.groups.insert(group.to_owned(), Group { members, roles: BTreeMap::new() });
    }

    pub(super) fn add_link(&mut self, queue: mpsc::Sender<Out>, events: bool) -> u64 {
        self.next_link += 1;
        self.links.insert(self.next_link, Link { queue, events });
        self.next_link
    }

    pub(super) fn event_links(&self) -> Vec<mpsc::Sender<Out>> {
        self.links.values().filter(|link| link.events).map(|link| link.queue.clone()).collect()
    }

    /// An account or group id in this dialect's JSON type.
    pub(super) fn id(&self, id: &str) -> Value {
        match (self.dialect, id.parse::<i64>()) {
            (Dialect::LlOneBot, _) | (_, Err(_)) => Value::from(id),
            (_, Ok(number)) => Value::from(number),
        }
    }

    /// Reports one of the bot's own messages, where the operator switched that on.
    pub(super) fn report_own(&self, event: &Value) {
        if self.reports_own {
            for link in self.event_links() {
                // A full queue is a test that reads nothing; losing a report is what the real ones do then.
                let _ = link.try_send(Out::Text(event.to_string()));
            }
        }
    }

    /// A new message id: positive with NapCat, anything with the others.
    fn next_id(&mut self) -> (i64, i64) {
        self.sequence += 1;
        let mixed = self.sequence.wrapping_mul(2_654_435_761) & 0x7fff_ffff;
        let negative = self.dialect != Dialect::NapCat && self.sequence % 2 == 0;
        (if negative { -mixed } else { mixed }, self.sequence)
    }

    /// Somebody writes: into the history, and as the event to report.
    pub(super) fn write(&mut self, group: Option<&str>, user: &str, segments: &Value) -> (String, Value) {
        let (id, sequence) = self.next_id();
        self.time += 1;
        let own = user == self.account;
        let name = group.and_then(|group| self.groups.get(group)?.members.get(user).cloned()).unwrap_or_default();
        let message = if self.dialect == Dialect::GoCqHttp { Value::from(cq(segments)) } else { segments.clone() };
        let post_type = if own && self.dialect != Dialect::Lagrange { "message_sent" } else { "message" };
        let mut event = json!({
            "time": self.time, "self_id": self.id(&self.account), "post_type": post_type,
            "message_type": if group.is_some() { "group" } else { "private" },
            "sub_type": if group.is_some() { "normal" } else { "friend" },
            "message_id": id, "message_seq": sequence, "user_id": self.id(user),
            "message": message, "raw_message": cq(segments), "font": 0,
            "sender": { "user_id": self.id(user), "nickname": name, "card": "", "role": "member" },
        });
        if let Some(group) = group {
            event["group_id"] = self.id(group);
        }
        if self.dialect == Dialect::NapCat {
            event["message_seq"] = Value::from(id);
            event["real_id"] = Value::from(id);
            event["real_seq"] = Value::from(sequence.to_string());
            event["message_format"] = Value::from("array");
        }
        let conversation = group.map_or_else(|| format!("user:{user}"), |group| format!("group:{group}"));
        self.history.push((conversation, event.clone()));
        (id.to_string(), event)
    }

    pub(super) fn upload(&mut self, group: &str, user: &str, name: &str, bytes: &[u8]) -> (String, Value, Value) {
        let file_id = format!("/f{}", self.files.len() + 1);
        self.files.insert(file_id.clone(), bytes.to_vec());
        let segments = json!([{ "type": "file", "data":
            { "file": name, "file_id": file_id, "file_size": bytes.len().to_string() } }]);
        let (id, message) = self.write(Some(group), user, &segments);
        let notice = self.notice(
            "group_upload",
            &json!({
                "group_id": self.id(group), "user_id": self.id(user),
                "file": { "id": file_id, "name": name, "size": bytes.len(), "busid": 102 },
            }),
        );
        (id, message, notice)
    }

    pub(super) fn author_of(&self, message_id: &str) -> Option<Value> {
        Some(self.event_of(message_id)?["user_id"].clone())
    }

    pub(super) fn event_of(&self, message_id: &str) -> Option<Value> {
        let same = |event: &&(String, Value)| super::message::plain(&event.1["message_id"]) == message_id;
        self.history.iter().find(same).map(|(_, event)| event.clone())
    }

    pub(super) fn notice(&self, kind: &str, more: &Value) -> Value {
        self.event("notice", "notice_type", kind, more)
    }

    pub(super) fn meta(&self, kind: &str, more: &Value) -> Value {
        self.event("meta_event", "meta_event_type", kind, more)
    }

    fn event(&self, post_type: &str, key: &str, kind: &str, more: &Value) -> Value {
        let mut event: Map<String, Value> = more.as_object().cloned().unwrap_or_default();
        event.insert("time".to_owned(), self.time.into());
        event.insert("self_id".to_owned(), self.id(&self.account));
        event.insert("post_type".to_owned(), post_type.into());
        event.insert(key.to_owned(), kind.into());
        Value::Object(event)
    }

    pub(super) fn ban(&self, group: &str, user: &str, seconds: i64) -> Value {
        self.notice(
            "group_ban",
            &json!({
                "sub_type": if seconds == 0 { "lift_ban" } else { "ban" },
                "group_id": self.id(group), "user_id": self.id(user), "operator_id": 0, "duration": seconds,
            }),
        )
    }

    /// The desk says something: kept as said and in the history. Answers the id and the event for self-report.
    pub(super) fn deliver(&mut self, conversation: &str, segments: &Value) -> (String, Value) {
        let account = self.account.clone();
        let group = conversation.strip_prefix("group:");
        let (id, mut event) = self.write(group, &account, segments);
        if let Some(peer) = conversation.strip_prefix("user:") {
            event["target_id"] = self.id(peer);
            if let Some(last) = self.history.last_mut() {
                *last = (conversation.to_owned(), event.clone());
            }
        }
        let pick = |kind: &str, key: &str| -> Vec<String> {
            let all = segments.as_array().into_iter().flatten();
            all.filter(|s| s["type"] == kind).map(|s| super::message::plain(&s["data"][key])).collect()
        };
        self.sent.push(Sent {
            conversation: conversation.to_owned(),
            id: id.clone(),
            text: text_of(segments),
            reply_to: pick("reply", "id").into_iter().next(),
            mentions: pick("at", "qq"),
            message: segments.clone(),
        });
        (id, event)
    }

    pub(super) fn take_next_sent(&mut self) -> Option<Sent> {
        let next = self.sent.get(self.read).cloned()?;
        self.read += 1;
        Some(next)
    }
}
