//! Events as a peer reports them, turned into what happened. Tolerant: a bad field costs that field, not the event.

use jiff::Timestamp;
use serde_json::Value;

use super::segment::{Segment, message_from_json};
use super::wire::{compose_id, id_of};

/// QQ's own group management bot. It also speaks in groups, and nothing it says is for us.
pub const MANAGEMENT_BOT: &str = "2854196310";

/// NapCat's placeholder for "source group unknown" in temporary sessions; never a real group.
const UNKNOWN_SOURCE_GROUP: &str = "284840486";

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In a group.
    Group(String),
    /// With one person.
    Private(String),
}

impl Scope {
    /// `group:ID` or `user:ID`.
    pub fn conversation(&self) -> String {
        match self {
            Self::Group(id) => format!("group:{id}"),
            Self::Private(id) => format!("user:{id}"),
        }
    }

    /// Reads `group:ID` or `user:ID`.
    pub fn parse(conversation: &str) -> Option<Self> {
        match conversation.split_once(':')? {
            ("group", id) if !id.is_empty() => Some(Self::Group(id.to_owned())),
            ("user", id) if !id.is_empty() => Some(Self::Private(id.to_owned())),
            _ => None,
        }
    }
}

/// A message as reported, its segments not yet turned into text.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardMessage {
    /// The account we speak as.
    pub account: String,
    /// Where.
    pub scope: Scope,
    /// The platform's id: may be negative, may be no number at all.
    pub message_id: String,
    /// Who wrote.
    pub sender: String,
    /// Group card, else nickname.
    pub sender_name: String,
    /// `owner`, `admin`, `member`; empty where unknown.
    pub sender_role: String,
    /// When; `None` where the peer says nothing usable.
    pub at: Option<Timestamp>,
    /// What.
    pub segments: Vec<Segment>,
    /// The true group sequence (go-cqhttp, LLOneBot), for paging through history.
    pub sequence: Option<String>,
    /// For a temporary session: the group through which it runs, needed to answer.
    pub through_group: Option<String>,
}

impl HeardMessage {
    /// The id the desk knows it by.
    pub fn external_id(&self) -> String {
        compose_id(&self.account, &self.scope.conversation(), &self.message_id)
    }

    /// The id of the message it quotes, in the platform's own form.
    pub fn quoted(&self) -> Option<String> {
        self.segments.iter().find(|s| s.kind == "reply").and_then(|s| s.data.get("id").and_then(id_of))
    }
}

/// A file that was put into a conversation, told by a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The account we speak as.
    pub account: String,
    /// Where.
    pub scope: Scope,
    /// Who.
    pub sender: String,
    /// When.
    pub at: Option<Timestamp>,
    /// File name.
    pub name: String,
    /// Bytes, where told.
    pub size_bytes: Option<u64>,
    /// The platform's id of the file.
    pub file_id: String,
    /// go-cqhttp's second key to a group file.
    pub busid: Option<i64>,
    /// Where to fetch it, where told.
    pub url: String,
}

/// What an event means.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Somebody wrote.
    Message(Box<HeardMessage>),
    /// We wrote, from here or from another device.
    Own(Box<HeardMessage>),
    /// A file arrived; often told by a message as well.
    Upload(Box<Upload>),
    /// A message was taken back.
    Recalled {
        /// `group:ID` or `user:ID`.
        conversation: String,
        /// Composed id.
        external_id: String,
    },
    /// We were added to a group.
    Joined(String),
    /// We were removed from a group, or it is gone.
    Left(String),
    /// Nobody may write there: the whole group, or we alone.
    Muted {
        /// `group:ID`.
        conversation: String,
        /// How long; `None` where no end is told.
        seconds: Option<u64>,
        /// The whole group, from which administrators are exempt.
        whole_group: bool,
    },
    /// The mute was lifted.
    Unmuted(String),
    /// The account went off or on line.
    Online(bool),
    /// Sign of life.
    Heartbeat {
        /// Whether the account is on line; `None` where the peer cannot tell.
        online: Option<bool>,
        /// Until the next one.
        interval_ms: Option<u64>,
    },
    /// The connection, or reporting, begins or ends.
    Lifecycle(String),
    /// Deliberately nothing, with the reason.
    Ignored(&'static str),
}

/// Unix time in seconds; above 10^11 it is NapCat's fallback to milliseconds. Zero and less are "not told".
pub fn instant(value: &Value) -> Option<Timestamp> {
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|number| *number > 0)?;
    if number > 100_000_000_000 {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok()
    }
}

/// Reads an event. `Err` where it is none, with what is missing.
pub fn decode_event(event: &Value) -> Result<Heard, &'static str> {
    let Some(post_type) = event.get("post_type").and_then(Value::as_str) else { return Err("post_type is missing") };
    match post_type {
        "message" | "message_sent" => message(event, post_type == "message_sent"),
        "notice" => notice(event),
        "meta_event" => Ok(meta(event)),
        "request" => Ok(Heard::Ignored("request")),
        _ => Ok(Heard::Ignored("unknown")),
    }
}

fn id(event: &Value, key: &str) -> Option<String> {
    event.get(key).and_then(id_of)
}

fn word<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn message(event: &Value, sent: bool) -> Result<Heard, &'static str> {
    let account = id(event, "self_id").ok_or("self_id is missing")?;
    let sender = id(event, "user_id").ok_or("user_id is missing")?;
    let own = sent || sender == account;
    let message_id = id(event, "message_id").ok_or("message_id is missing")?;
    let group = id(event, "group_id");
    let scope = match word(event, "message_type") {
        "group" => Scope::Group(group.clone().ok_or("group_id is missing")?),
        "private" if own => match id(event, "target_id").filter(|peer| *peer != account) {
            Some(peer) => Scope::Private(peer),
            None => return Ok(Heard::Ignored("own message to nobody we know")),
        },
        "private" => Scope::Private(sender.clone()),
        _ => return Ok(Heard::Ignored("unknown")),
    };
    let through_group = match &scope {
        Scope::Private(_) => group.filter(|group| group != UNKNOWN_SOURCE_GROUP),
        Scope::Group(_) => None,
    };
    let (sender_name, sender_role) = sender_of(event);
    let found = HeardMessage {
        account,
        scope,
        message_id,
        sender,
        sender_name,
        sender_role,
        at: event.get("time").and_then(instant),
        segments: event.get("message").map(message_from_json).unwrap_or_default(),
        sequence: id(event, "message_seq"),
        through_group,
    };
    if own {
        return Ok(Heard::Own(Box::new(found)));
    }
    if found.sender == MANAGEMENT_BOT {
        return Ok(Heard::Ignored("management bot"));
    }
    Ok(Heard::Message(Box::new(found)))
}

/// Name and role. The card may be an empty string; anonymous writers carry their name elsewhere.
fn sender_of(event: &Value) -> (String, String) {
    let sender = event.get("sender").unwrap_or(&Value::Null);
    let anonymous = event.get("anonymous").unwrap_or(&Value::Null);
    let candidates = [word(anonymous, "name"), word(sender, "card"), word(sender, "nickname")];
    let name = candidates.into_iter().map(str::trim).find(|name| !name.is_empty()).unwrap_or_default();
    let role = match word(sender, "role") {
        known @ ("owner" | "admin" | "member") => known,
        _ => "",
    };
    (super::outgoing::clean(name).replace('\n', " "), role.to_owned())
}

fn notice(event: &Value) -> Result<Heard, &'static str> {
    let account = id(event, "self_id").ok_or("self_id is missing")?;
    let group = id(event, "group_id").map(|group| format!("group:{group}"));
    let user = id(event, "user_id").unwrap_or_default();
    let conversation = || group.clone().ok_or("group_id is missing");
    match (word(event, "notice_type"), word(event, "sub_type")) {
        ("group_upload", _) if user == account => Ok(Heard::Ignored("own file")),
        ("group_upload" | "offline_file", _) => upload(event, account),
        ("group_recall", _) => recalled(event, &account, conversation()?),
        ("friend_recall", _) => recalled(event, &account, format!("user:{user}")),
        ("group_increase", _) if user == account => Ok(Heard::Joined(conversation()?)),
        ("group_decrease", "kick_me" | "disband") => Ok(Heard::Left(conversation()?)),
        ("group_decrease", _) if user == account => Ok(Heard::Left(conversation()?)),
        ("group_ban", kind) => Ok(ban(event, kind, &account, &user, conversation()?)),
        ("bot_offline", _) => Ok(Heard::Online(false)),
        ("bot_online", _) => Ok(Heard::Online(true)),
        // Grey bars can be forged by anybody in the group; a command in one must never count.
        (_, "gray_tip") => Ok(Heard::Ignored("grey bar")),
        (
            "group_increase"
            | "group_decrease"
            | "group_admin"
            | "friend_add"
            | "notify"
            | "group_card"
            | "essence"
            | "client_status"
            | "group_msg_emoji_like"
            | "reaction"
            | "online_file_send"
            | "online_file_receive",
            _,
        ) => Ok(Heard::Ignored("notice of no meaning here")),
        _ => Ok(Heard::Ignored("unknown")),
    }
}

fn recalled(event: &Value, account: &str, conversation: String) -> Result<Heard, &'static str> {
    if id(event, "user_id").as_deref() == Some(account) {
        return Ok(Heard::Ignored("own message recalled"));
    }
    let message_id = id(event, "message_id").ok_or("message_id is missing")?;
    Ok(Heard::Recalled { external_id: compose_id(account, &conversation, &message_id), conversation })
}

fn ban(event: &Value, kind: &str, account: &str, user: &str, conversation: String) -> Heard {
    let whole_group = user.is_empty() || user == "0";
    if !whole_group && user != account {
        return Heard::Ignored("somebody else was muted");
    }
    let seconds = event.get("duration").and_then(Value::as_i64).and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    match kind {
        "lift_ban" => Heard::Unmuted(conversation),
        // A personal mute of zero seconds is how some peers spell its end.
        _ if !whole_group && seconds.is_none() => Heard::Unmuted(conversation),
        _ => Heard::Muted { conversation, seconds, whole_group },
    }
}

fn upload(event: &Value, account: String) -> Result<Heard, &'static str> {
    let file = event.get("file").ok_or("file is missing")?;
    let sender = id(event, "user_id").ok_or("user_id is missing")?;
    let scope = match id(event, "group_id") {
        Some(group) => Scope::Group(group),
        None => Scope::Private(sender.clone()),
    };
    let name = super::outgoing::clean(word(file, "name"));
    Ok(Heard::Upload(Box::new(Upload {
        account,
        scope,
        sender,
        at: event.get("time").and_then(instant),
        size_bytes: file.get("size").and_then(|size| size.as_u64().or_else(|| size.as_str()?.parse().ok())),
        file_id: id(file, "id").unwrap_or_else(|| name.clone()),
        busid: file.get("busid").and_then(Value::as_i64),
        url: word(file, "url").to_owned(),
        name,
    })))
}

fn meta(event: &Value) -> Heard {
    match word(event, "meta_event_type") {
        "heartbeat" => Heard::Heartbeat {
            online: event.pointer("/status/online").and_then(Value::as_bool),
            interval_ms: event.get("interval").and_then(Value::as_u64).filter(|interval| *interval > 0),
        },
        "lifecycle" => Heard::Lifecycle(word(event, "sub_type").to_owned()),
        _ => Heard::Ignored("unknown"),
    }
}
