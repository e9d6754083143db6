//! What the bot hears: the decrypted body of a callback and the body of a frame are the same (wecom.md 5.4, 5.5).

use jiff::Timestamp;
use serde_json::Value;

use super::frame::{number_of, text_of};
use super::markdown::clean;
use super::mention::strip_mention;

/// Something the bot was told.
#[derive(Debug, Clone, PartialEq)]
pub enum HeardBot {
    /// Somebody wrote.
    Message(Box<BotMessage>),
    /// Somebody pressed a button of a card, or submitted it.
    Press(Box<CardPress>),
    /// Somebody opened the single chat for the first time that day; a welcome is allowed for 5 s.
    EnterChat {
        /// Who.
        userid: String,
    },
    /// Callback mode: the platform asks how a stream goes on. Not a message of anybody.
    StreamPoll {
        /// The stream.
        stream: String,
    },
    /// Another connection took this bot over.
    Disconnected,
    /// An event nothing follows from: feedback, and kinds of tomorrow. Answering it would be refused.
    Ignored(String),
}

/// A message to the bot. It is always meant for it: nothing else is delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct BotMessage {
    /// The same one may come again.
    pub msgid: String,
    /// `group:{chatid}` or `user:{userid}`.
    pub conversation: String,
    /// Plain or encrypted (`wo…`) account.
    pub sender: String,
    /// Messages usually lack it; then the time of arrival counts.
    pub sent_at: Option<Timestamp>,
    /// Without the mention of the bot.
    pub text: String,
    /// Pictures and files, in order; those of the quotation after them.
    pub media: Vec<BotMedia>,
    /// Words of the quoted message. Its id is never told.
    pub quoted_text: Option<String>,
    /// Callback mode: where one answer may be posted within the hour. A secret.
    pub response_url: Option<String>,
    /// A kind of message that cannot be read (`link`).
    pub unreadable: Option<String>,
}

/// A picture or file to fetch within five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotMedia {
    /// `image`, `file`, `video`.
    pub kind: String,
    /// Where; encrypted there.
    pub url: String,
    /// Socket mode: the key of this very file. A secret.
    pub aeskey: Option<String>,
}

/// A pressed button or a submitted card.
#[derive(Debug, Clone, PartialEq)]
pub struct CardPress {
    /// Unique id of the event.
    pub msgid: String,
    /// `group:{chatid}` or `user:{userid}`.
    pub conversation: String,
    /// Who pressed.
    pub sender: String,
    /// When, where told.
    pub sent_at: Option<Timestamp>,
    /// Of the card.
    pub task: String,
    /// Key of the button.
    pub key: String,
    /// Question key and chosen ids of votes and lists, in order.
    pub selected: Vec<(String, Vec<String>)>,
    /// Callback mode: as in [`BotMessage::response_url`].
    pub response_url: Option<String>,
}

impl CardPress {
    /// Which action was meant: the one option that was chosen, else the key of the button.
    pub fn action(&self) -> &str {
        let mut chosen = self.selected.iter().flat_map(|(_, ids)| ids);
        match (chosen.next(), chosen.next()) {
            (Some(only), None) => only,
            (Some(_) | None, _) => &self.key,
        }
    }
}

/// A body that cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bot's callback has no {0}")]
pub struct BodyError(pub &'static str);

/// Reads a body. `bot_name` is the bot's display name, to be taken out of texts.
///
/// # Errors
/// Where what identifies it is missing.
pub fn read_body(body: &Value, bot_name: Option<&str>) -> Result<HeardBot, BodyError> {
    match body.get("msgtype").and_then(Value::as_str) {
        Some("event") => event(body),
        Some("stream") => {
            let stream = body.pointer("/stream/id").and_then(text_of).ok_or(BodyError("stream id"))?;
            Ok(HeardBot::StreamPoll { stream })
        }
        Some(kind) => message(body, kind, bot_name).map(|message| HeardBot::Message(Box::new(message))),
        None => Err(BodyError("msgtype")),
    }
}

/// Conversation and sender. A group is a group because it has an id, whatever `chattype` says.
fn place(body: &Value) -> Result<(String, String), BodyError> {
    let sender = body.pointer("/from/userid").and_then(text_of).filter(|id| !id.is_empty());
    let sender = sender.ok_or(BodyError("sender"))?;
    let chat = body.get("chatid").and_then(text_of).filter(|id| !id.is_empty());
    let single = body.get("chattype").and_then(Value::as_str) == Some("single");
    let conversation = match chat.filter(|_| !single) {
        Some(chat) => format!("group:{chat}"),
        None => format!("user:{sender}"),
    };
    Ok((conversation, sender))
}

fn msgid(body: &Value) -> Result<String, BodyError> {
    body.get("msgid").and_then(text_of).filter(|id| !id.is_empty()).ok_or(BodyError("msgid"))
}

fn sent_at(body: &Value) -> Option<Timestamp> {
    body.get("create_time").and_then(number_of).and_then(|at| Timestamp::from_second(at).ok())
}

fn response_url(body: &Value) -> Option<String> {
    body.get("response_url").and_then(Value::as_str).filter(|url| !url.is_empty()).map(str::to_owned)
}

fn message(body: &Value, kind: &str, bot_name: Option<&str>) -> Result<BotMessage, BodyError> {
    let (conversation, sender) = place(body)?;
    let mut read = Read::default();
    read.piece(kind, body);
    let mut quoted = Read::default();
    if let Some((quote, kind)) = body.get("quote").and_then(|quote| Some((quote, quote.get("msgtype")?.as_str()?))) {
        quoted.piece(kind, quote);
    }
    let words = quoted.words();
    read.media.append(&mut quoted.media);
    let text = strip_mention(&read.words(), bot_name, conversation.starts_with("group:"));
    Ok(BotMessage {
        msgid: msgid(body)?,
        conversation,
        sender,
        sent_at: sent_at(body),
        text,
        media: read.media,
        quoted_text: Some(words).filter(|words| !words.is_empty()),
        response_url: response_url(body),
        unreadable: read.unreadable,
    })
}

/// What was collected of a message and its parts.
#[derive(Default)]
struct Read {
    words: Vec<String>,
    media: Vec<BotMedia>,
    unreadable: Option<String>,
}

impl Read {
    fn words(&self) -> String {
        clean(&self.words.join("\n"))
    }

    fn piece(&mut self, kind: &str, holder: &Value) {
        let field = |name: &str| holder.get(kind).and_then(|of| of.get(name)).and_then(Value::as_str);
        match kind {
            // A voice message comes as its transcription, without the sound.
            "text" | "voice" | "markdown" => {
                self.words.extend(field("content").filter(|text| !text.is_empty()).map(str::to_owned));
            }
            "image" | "file" | "video" => {
                let aeskey = field("aeskey").filter(|key| !key.is_empty()).map(str::to_owned);
                let url = field("url").unwrap_or_default().to_owned();
                self.media.push(BotMedia { kind: kind.to_owned(), url, aeskey });
            }
            "mixed" => {
                let items = holder.pointer("/mixed/msg_item").and_then(Value::as_array).into_iter().flatten();
                for item in items {
                    match item.get("msgtype").and_then(Value::as_str) {
                        // One level only: what is nested deeper is nothing the platform sends.
                        Some("mixed") | None => {}
                        Some(kind) => self.piece(kind, item),
                    }
                }
            }
            other => self.unreadable = Some(other.chars().take(32).collect()),
        }
    }
}

fn event(body: &Value) -> Result<HeardBot, BodyError> {
    // One peer saw the type beside the event instead of inside it.
    let kind = body.pointer("/event/eventtype").or_else(|| body.get("eventtype"));
    match kind.and_then(Value::as_str).ok_or(BodyError("event type"))? {
        "disconnected_event" => Ok(HeardBot::Disconnected),
        "enter_chat" => place(body).map(|(_, userid)| HeardBot::EnterChat { userid }),
        "template_card_event" => press(body).map(|press| HeardBot::Press(Box::new(press))),
        other => Ok(HeardBot::Ignored(other.chars().take(64).collect())),
    }
}

/// A card event in any of its three layouts: nested as documented, flat under `event`, or in PascalCase.
fn press(body: &Value) -> Result<CardPress, BodyError> {
    let (conversation, sender) = place(body)?;
    let holders = ["/event/template_card_event", "/template_card_event", "/event"];
    let field = |names: [&str; 2]| {
        let found = holders.iter().filter_map(|holder| body.pointer(holder));
        found.flat_map(|holder| names.iter().filter_map(|name| holder.get(name))).next().cloned()
    };
    let text = |names| field(names).as_ref().and_then(text_of).unwrap_or_default();
    let task = Some(text(["task_id", "TaskId"])).filter(|task| !task.is_empty()).ok_or(BodyError("task id"))?;
    let selected = match field(["selected_items", "SelectedItems"]) {
        Some(items) => selections(&items),
        None => field(["ResponseData", "response_data"])
            .and_then(|data| match data {
                Value::String(json) => serde_json::from_str(&json).ok(),
                data => Some(data),
            })
            .map(|data: Value| response_data(&data))
            .unwrap_or_default(),
    };
    Ok(CardPress {
        msgid: msgid(body)?,
        conversation,
        sender,
        sent_at: sent_at(body),
        task,
        key: text(["event_key", "EventKey"]),
        selected,
        response_url: response_url(body),
    })
}

/// `{selected_item: [{question_key, option_ids: {option_id: [..]}}]}`; a single one may stand without its list.
fn selections(items: &Value) -> Vec<(String, Vec<String>)> {
    let either = |value: &Value, names: [&str; 2]| names.iter().find_map(|name| value.get(name)).cloned();
    listed(either(items, ["selected_item", "SelectedItem"]))
        .iter()
        .map(|item| {
            let question = either(item, ["question_key", "QuestionKey"]).as_ref().and_then(text_of).unwrap_or_default();
            let ids = either(item, ["option_ids", "OptionIds"]).unwrap_or_default();
            let ids = listed(either(&ids, ["option_id", "OptionId"]));
            (question, ids.iter().filter_map(text_of).collect())
        })
        .collect()
}

/// A peer's form: `{select_list: [{question_key, option_id}]}`.
fn response_data(data: &Value) -> Vec<(String, Vec<String>)> {
    listed(data.get("select_list").cloned())
        .iter()
        .map(|item| {
            let question = item.get("question_key").and_then(text_of).unwrap_or_default();
            (question, listed(item.get("option_id").cloned()).iter().filter_map(text_of).collect())
        })
        .collect()
}

fn listed(value: Option<Value>) -> Vec<Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(single) => vec![single],
    }
}
