//! Frames of the gateway and bodies of the webhook, which have one form: `{id, op, s, t, d}`. The id of the envelope, of a
//! message and of an interaction are three different things (qq-official.md 3.3).

use jiff::Timestamp;
use serde_json::Value;

use super::mention::{self, Mention};
use super::outgoing;

/// How deep forwarded and quoted messages are read into each other.
const DEPTH: usize = 3;
/// Most files of one message that are looked at.
const MOST_FILES: usize = 20;
/// Most lines of a forwarded record that are kept.
const MOST_LINES: usize = 100;

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Operation; 0 is an event.
    pub op: i64,
    /// Id of the envelope: what `event_id` cites. Empty where there is none.
    pub id: String,
    /// Running number on the gateway.
    pub seq: Option<u64>,
    /// Name of the event; empty for other operations.
    pub kind: String,
    /// What it carries. Of RESUMED it is an empty string.
    pub data: Value,
}

/// Reads a frame; `None` for what is no JSON object with an operation.
pub fn frame(text: &[u8]) -> Option<Frame> {
    let mut raw: Value = serde_json::from_slice(text).ok()?;
    let op = raw.get("op")?.as_i64()?;
    Some(Frame {
        op,
        id: text_of(&raw, "id"),
        seq: raw.get("s").and_then(Value::as_u64),
        kind: text_of(&raw, "t"),
        data: raw.get_mut("d").map(Value::take).unwrap_or_default(),
    })
}

/// Which way a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A private chat.
    Private,
    /// A group, and the robot was mentioned.
    GroupAt,
    /// A group whose owner lets the robot hear everything.
    GroupPlain,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Which way it came.
    pub way: Way,
    /// What `msg_id` cites, and what tells repeats.
    pub id: String,
    /// `group:OPENID` or `user:OPENID`.
    pub conversation: String,
    /// Openid of the writer in this place; `None` where the platform keeps it to itself.
    pub sender: Option<String>,
    /// Shown name; empty where it is not told.
    pub name: String,
    /// `owner`, `admin` or `member` of the group; `None` where it is not told.
    pub role: Option<String>,
    /// The text without the robot's own mention; others stand in it as `@name`.
    pub text: String,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Pictures and files.
    pub files: Vec<File>,
    /// Openids that were mentioned, the robot left out.
    pub mentions: Vec<String>,
    /// Whether it is meant for the robot.
    pub addressed: bool,
    /// The platform's mark of this message, by which it is quoted.
    pub own_ref: Option<String>,
    /// The mark of the quoted message.
    pub quoted_ref: Option<String>,
    /// The words of the quoted message.
    pub quoted_text: Option<String>,
}

/// A picture or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Name as shown.
    pub name: String,
    /// `image/png`, `voice`, `file`.
    pub kind: String,
    /// Where it can be fetched for a while.
    pub url: String,
    /// Bytes, where they are told.
    pub size: Option<u64>,
}

/// A click on a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// What it is acknowledged by.
    pub id: String,
    /// `group:OPENID` or `user:OPENID`.
    pub conversation: String,
    /// Who clicked.
    pub sender: Option<String>,
    /// Card and action, where the button is ours.
    pub on: Option<(String, String)>,
    /// When.
    pub at: Option<Timestamp>,
}

/// What an event means.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Somebody wrote.
    Message(Box<Message>),
    /// Somebody clicked.
    Click(Click),
    /// An administrator changed what the robot hears: `mention` or `all`.
    Scope {
        /// What it is acknowledged by.
        id: String,
        /// Conversation.
        conversation: String,
        /// The new scope.
        scope: String,
    },
    /// The robot was added to a group or to somebody's friends.
    Joined(String),
    /// The robot was removed.
    Left(String),
    /// Active messages were allowed or forbidden.
    Active {
        /// Conversation.
        conversation: String,
        /// Whether they are allowed now.
        allowed: bool,
    },
    /// Somebody came into a group or left it.
    Member {
        /// Conversation.
        conversation: String,
        /// Whether he or she came.
        came: bool,
    },
    /// What people decided about a message that waited for them.
    Audit {
        /// The number it waited under.
        audit: String,
        /// Whether it is shown now.
        passed: bool,
    },
    /// The gateway knows us.
    Ready {
        /// What to resume by.
        session: String,
        /// The robot's id and name.
        robot: (String, String),
    },
    /// The gateway goes on where it was.
    Resumed,
    /// Not for a desk, and why.
    Ignored(&'static str),
}

/// Reads an event (op 0).
pub fn read(frame: &Frame) -> Heard {
    let data = &frame.data;
    match frame.kind.as_str() {
        "C2C_MESSAGE_CREATE" => message(data, Way::Private),
        "GROUP_AT_MESSAGE_CREATE" => message(data, Way::GroupAt),
        "GROUP_MESSAGE_CREATE" => message(data, Way::GroupPlain),
        "INTERACTION_CREATE" => interaction(data),
        "GROUP_ADD_ROBOT" | "FRIEND_ADD" => place(data).map_or(Heard::Ignored("no_place"), Heard::Joined),
        "GROUP_DEL_ROBOT" | "FRIEND_DEL" => place(data).map_or(Heard::Ignored("no_place"), Heard::Left),
        "GROUP_MSG_RECEIVE" | "C2C_MSG_RECEIVE" => active(data, true),
        "GROUP_MSG_REJECT" | "C2C_MSG_REJECT" => active(data, false),
        "GROUP_MEMBER_ADD" => member(data, true),
        "GROUP_MEMBER_REMOVE" => member(data, false),
        "MESSAGE_AUDIT_PASS" => Heard::Audit { audit: text_of(data, "audit_id"), passed: true },
        "MESSAGE_AUDIT_REJECT" => Heard::Audit { audit: text_of(data, "audit_id"), passed: false },
        "READY" => Heard::Ready {
            session: text_of(data, "session_id"),
            robot: (text_of(&data["user"], "id"), text_of(&data["user"], "username")),
        },
        "RESUMED" => Heard::Resumed,
        _ => Heard::Ignored("unknown_event"),
    }
}

fn active(data: &Value, allowed: bool) -> Heard {
    place(data).map_or(Heard::Ignored("no_place"), |conversation| Heard::Active { conversation, allowed })
}

fn member(data: &Value, came: bool) -> Heard {
    place(data).map_or(Heard::Ignored("no_place"), |conversation| Heard::Member { conversation, came })
}

/// `group:OPENID` or `user:OPENID` of an event.
fn place(data: &Value) -> Option<String> {
    if let Some(group) = openid(data, &["group_openid"]) {
        return Some(format!("group:{group}"));
    }
    openid(data, &["user_openid", "openid"]).map(|user| format!("user:{user}"))
}

fn message(data: &Value, way: Way) -> Heard {
    let author = &data["author"];
    let robot = |who: &Value| who["bot"].as_bool() == Some(true) || who["is_bot"].as_bool() == Some(true);
    if robot(author) {
        return Heard::Ignored("author_is_bot");
    }
    let id = text_of(data, "id");
    if id.is_empty() {
        return Heard::Ignored("no_id");
    }
    let (sender, conversation) = if way == Way::Private {
        let user = openid(author, &["user_openid", "id"]).or_else(|| openid(data, &["user_openid"]));
        let Some(user) = user else { return Heard::Ignored("no_sender") };
        (Some(user.clone()), format!("user:{user}"))
    } else {
        let Some(group) = openid(data, &["group_openid"]) else { return Heard::Ignored("no_group") };
        let member = openid(author, &["member_openid"]).or_else(|| openid(data, &["member_openid"]));
        (member.or_else(|| openid(author, &["id"])), format!("group:{group}"))
    };
    let mentions = mentions(data);
    let (own_ref, ext_quoted) = refs(data);
    let elements = data["msg_elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = data["message_type"].as_i64().unwrap_or_default();
    let mut text = mention::read(data["content"].as_str().unwrap_or_default(), &mentions, way == Way::GroupAt);
    let (mut quoted_ref, mut quoted_text) = (ext_quoted, None);
    match kind {
        103 => {
            if let Some(quoted) = elements.first() {
                quoted_ref = quoted_ref.or_else(|| Some(text_of(quoted, "msg_idx")).filter(|idx| !idx.is_empty()));
                quoted_text = quoted["content"].as_str().map(|words| words.trim().to_owned()).filter(|w| !w.is_empty());
            }
        }
        101 | 102 => append(&mut text, "【转发的聊天记录】", &record(elements, DEPTH)),
        3 if text.is_empty() => "【卡片消息】".clone_into(&mut text),
        _ => {}
    }
    let attachments = data["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    for spoken in attachments.iter().filter_map(|file| file["asr_refer_text"].as_str()).filter(|w| !w.trim().is_empty())
    {
        append(&mut text, "【语音转文字】", &[spoken.trim().to_owned()]);
    }
    Heard::Message(Box::new(Message {
        way,
        id,
        conversation,
        sender,
        name: text_of(author, "username"),
        role: Some(text_of(author, "member_role")).filter(|role| !role.is_empty()),
        text,
        at: instant(&data["timestamp"]),
        files: attachments.iter().take(MOST_FILES).map(file).collect(),
        addressed: way != Way::GroupPlain || mentions.iter().any(|mention| mention.own),
        mentions: mentions.into_iter().filter(|m| !m.own && !m.id.is_empty()).map(|m| m.id).collect(),
        own_ref,
        quoted_ref,
        quoted_text,
    }))
}

fn append(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(title);
    for line in lines {
        text.push('\n');
        text.push_str(line);
    }
}

/// The lines of a forwarded record.
fn record(elements: &[Value], depth: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for element in elements {
        let said = element["content"].as_str().unwrap_or_default().trim();
        let name = text_of(&element["author"], "username");
        match (said.is_empty(), name.is_empty()) {
            (true, _) => {}
            (false, true) => lines.push(said.to_owned()),
            (false, false) => lines.push(format!("{name}：{said}")),
        }
        if depth > 1 {
            lines.extend(record(element["msg_elements"].as_array().map(Vec::as_slice).unwrap_or_default(), depth - 1));
        }
        if lines.len() >= MOST_LINES {
            lines.truncate(MOST_LINES);
            break;
        }
    }
    lines
}

fn mentions(data: &Value) -> Vec<Mention> {
    let list = data["mentions"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|mention| {
            let name = [text_of(mention, "username"), text_of(mention, "nickname")];
            let all = mention["scope"].as_str() == Some("all");
            Mention {
                id: openid(mention, &["member_openid", "user_openid", "id"]).unwrap_or_default(),
                name: name.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
                own: mention["is_you"].as_bool() == Some(true) && mention["bot"].as_bool() != Some(false) && !all,
            }
        })
        .collect()
}

/// The mark of this message and of the quoted one. Whatever else stands beside them may be a credential: it is not kept.
fn refs(data: &Value) -> (Option<String>, Option<String>) {
    let ext = data["message_scene"]["ext"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |key: &str| {
        let mut pairs = ext.iter().filter_map(|pair| pair.as_str()?.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
    };
    (find("msg_idx"), find("ref_msg_idx"))
}

fn file(raw: &Value) -> File {
    let url = text_of(raw, "url");
    let url = match url.strip_prefix("//") {
        _ if url.is_empty() || url.contains("://") => url,
        Some(rest) => format!("https://{rest}"),
        None => format!("https://{url}"),
    };
    let kind = text_of(raw, "content_type");
    let name = text_of(raw, "filename");
    File { name: if name.is_empty() { kind.clone() } else { name }, kind, url, size: raw["size"].as_u64() }
}

fn interaction(data: &Value) -> Heard {
    let Some(conversation) = place(data) else { return Heard::Ignored("no_place") };
    let id = text_of(data, "id");
    if id.is_empty() {
        return Heard::Ignored("no_id");
    }
    let resolved = &data["data"]["resolved"];
    if let Some(scope) = resolved["claw_cfg"]["require_mention"].as_str() {
        let scope = if scope == "mention" { "mention" } else { "all" };
        return Heard::Scope { id, conversation, scope: scope.to_owned() };
    }
    let on = resolved["button_data"].as_str().and_then(outgoing::pressed);
    Heard::Click(Click {
        id,
        conversation,
        sender: openid(data, &["group_member_openid", "user_openid"]),
        on: on.map(|(card, action)| (card.to_owned(), action.to_owned())),
        at: instant(&data["timestamp"]),
    })
}

/// RFC 3339, or seconds as a number or as text.
pub fn instant(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = value.as_i64() {
        return Timestamp::from_second(seconds).ok();
    }
    let text = value.as_str()?;
    match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

fn text_of(data: &Value, key: &str) -> String {
    data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The first of these keys that holds something.
fn openid(data: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().map(|key| text_of(data, key)).find(|id| !id.is_empty())
}
