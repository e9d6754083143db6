//! Segments as a person would read them: text, mentions, attachments, and whether we are meant.

use std::collections::HashMap;

use serde_json::Value;

use super::event::HeardMessage;
use super::outgoing::clean;
use super::segment::{Segment, message_from_json};
use super::wire::{compose_id, id_of};
use crate::Attachment;

/// Nested forwards deeper than this are not read: NapCat itself stops at three.
const MAX_DEPTH: usize = 3;

/// What the reader knows beyond the message.
#[derive(Debug, Clone, Default)]
pub struct Viewpoint {
    /// Who wrote the quoted message, where known.
    pub quoted_author: Option<String>,
    /// Names of accounts, for mentions that carry none.
    pub names: HashMap<String, String>,
}

/// An attachment together with the platform's keys to its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// As the desk will see it.
    pub attachment: Attachment,
    /// For `get_group_file_url` and the like.
    pub file_id: Option<String>,
    /// go-cqhttp's second key to a group file.
    pub busid: Option<i64>,
    /// The `file` value, for `get_image`.
    pub file: String,
    /// Bytes that came within the segment, still in base64.
    pub inline: Option<String>,
}

/// A message as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rendered {
    /// Plain text, trimmed.
    pub text: String,
    /// Accounts mentioned, ours left out, each once.
    pub mentions: Vec<String>,
    /// Whether we were mentioned, our message quoted, or the conversation is private.
    pub addressed: bool,
    /// Whether everybody was mentioned.
    pub at_all: bool,
    /// Composed id of the quoted message.
    pub quotes: Option<String>,
    /// Pictures and files.
    pub attachments: Vec<Piece>,
    /// Type words that say nothing to us.
    pub unknown: Vec<String>,
    /// Ids of merged forwards whose content is still to be fetched.
    pub forwards: Vec<String>,
}

/// Accounts that a message mentions without telling their names.
pub fn cached_names(message: &HeardMessage) -> Vec<String> {
    let nameless = |s: &&Segment| s.kind == "at" && s.get("name").is_none_or(|name| name.trim().is_empty());
    let accounts = message.segments.iter().filter(nameless).filter_map(|s| s.data.get("qq").and_then(id_of));
    accounts.filter(|account| account != "all" && *account != message.account).collect()
}

/// Reads a message from our point of view.
pub fn render(message: &HeardMessage, view: &Viewpoint) -> Rendered {
    let conversation = message.scope.conversation();
    let (text, out, quiet) = (String::new(), Rendered::default(), Vec::new());
    let mut reader = Reader { message, view, text, out, after_mention: false, quiet };
    reader.out.quotes = message.quoted().map(|quoted| compose_id(&message.account, &conversation, &quoted));
    reader.out.addressed = matches!(message.scope, super::event::Scope::Private(_))
        || (reader.out.quotes.is_some() && view.quoted_author.as_deref() == Some(&message.account));
    let skip = automatic_mention(message, view);
    for (at, segment) in message.segments.iter().enumerate() {
        if Some(at) == skip {
            reader.skipped_mention(segment);
        } else {
            reader.read(segment, 0);
        }
    }
    let Reader { text, mut out, quiet, .. } = reader;
    clean(&text).trim().clone_into(&mut out.text);
    if out.text.is_empty() && out.attachments.is_empty() && out.forwards.is_empty() && !quiet.is_empty() {
        out.text = quiet.join("");
    }
    out
}

/// QQ clients put a mention of the quoted author right behind the quotation. Its place in `segments`, if it is there.
fn automatic_mention(message: &HeardMessage, view: &Viewpoint) -> Option<usize> {
    let quoted = message.segments.iter().position(|segment| segment.kind == "reply")?;
    let rest = message.segments.iter().enumerate().skip(quoted + 1);
    let blank = |s: &Segment| s.kind == "text" && s.get("text").is_none_or(|text| text.trim().is_empty());
    let (at, segment) = rest.into_iter().find(|(_, segment)| !blank(segment))?;
    let mentioned = (segment.kind == "at").then(|| segment.data.get("qq").and_then(id_of))??;
    match &view.quoted_author {
        Some(author) if *author != mentioned => None,
        Some(_) | None => (mentioned != "all").then_some(at),
    }
}

struct Reader<'a> {
    message: &'a HeardMessage,
    view: &'a Viewpoint,
    text: String,
    out: Rendered,
    /// A mention stands at the end of `text`: what follows keeps a distance.
    after_mention: bool,
    /// Stand-ins shown only where nothing else is left.
    quiet: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, segment: &Segment, depth: usize) {
        let get = |key: &str| segment.get(key).unwrap_or_default();
        match segment.kind.as_str() {
            "text" => self.words(&get("text")),
            "at" => self.mention(segment),
            "reply" | "anonymous" => {}
            "image" => self.attach(segment, "image", "图片"),
            "record" => self.attach(segment, "audio", "语音"),
            "video" => self.attach(segment, "video", "视频"),
            "file" | "onlinefile" | "flashtransfer" => self.attach(segment, "file", "文件"),
            "face" | "mface" | "dice" | "rps" | "shake" | "poke" => self.quiet.push("[表情]".to_owned()),
            "json" => self.card(&get("data")),
            "xml" => self.labelled("卡片", &[attribute(&get("data"), "brief")]),
            "share" => self.labelled("链接", &[get("title"), get("url")]),
            "location" => self.labelled("位置", &[get("title"), get("address"), get("content")]),
            "contact" => self.labelled("名片", &[get("type"), get("id")]),
            "markdown" => self.words(&get("content")),
            "forward" | "node" => self.forward(segment, depth),
            other => {
                self.out.unknown.push(other.to_owned());
                self.quiet.push(format!("[不支持的消息: {}]", clean(other)));
            }
        }
    }

    fn read_all(&mut self, message: &Value, depth: usize) {
        for segment in message_from_json(message) {
            self.read(&segment, depth);
        }
    }

    fn words(&mut self, words: &str) {
        if std::mem::take(&mut self.after_mention) && !words.starts_with(char::is_whitespace) {
            self.text.push(' ');
        }
        self.text.push_str(words);
    }

    /// Puts words apart from what stands before them.
    fn apart(&mut self, words: &str) {
        if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.text.push(' ');
        }
        self.after_mention = false;
        self.text.push_str(words);
    }

    fn labelled(&mut self, label: &str, parts: &[String]) {
        let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        self.apart(format!("[{label}] {}", parts.join(" ")).trim_end());
        self.text.push('\n');
    }

    fn mention(&mut self, segment: &Segment) {
        let Some(account) = segment.data.get("qq").and_then(id_of) else { return };
        if account == "all" {
            self.out.at_all = true;
        } else if account == self.message.account {
            self.out.addressed = true;
        } else {
            let told = segment.get("name").map(|name| clean(name.trim().trim_start_matches('@')));
            let known = || self.view.names.get(&account).cloned();
            let name = told.filter(|name| !name.is_empty()).or_else(known).unwrap_or_else(|| account.clone());
            self.apart(&format!("@{name}"));
            self.after_mention = true;
            self.remember_mention(account);
        }
    }

    /// The client's automatic mention: not written by the person, so not in the text. Where we do not know whether it
    /// was automatic it still counts as a mention.
    fn skipped_mention(&mut self, segment: &Segment) {
        let Some(account) = segment.data.get("qq").and_then(id_of) else { return };
        if account == self.message.account {
            self.out.addressed = true;
        } else if self.view.quoted_author.is_none() {
            self.remember_mention(account);
        }
    }

    fn remember_mention(&mut self, account: String) {
        if !self.out.mentions.contains(&account) {
            self.out.mentions.push(account);
        }
    }

    fn attach(&mut self, segment: &Segment, kind: &str, word: &str) {
        let get = |key: &str| segment.get(key).unwrap_or_default();
        let file = get("file");
        let url = [get("url"), file.clone()].into_iter().find(|url| is_http(url)).unwrap_or_default();
        let inline = [get("base64"), file.clone()].iter().find_map(|value| base64_of(value)).map(str::to_owned);
        let shown = [get("name"), get("file_name"), file.clone()]
            .into_iter()
            .map(|name| file_name(&name))
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| word.to_owned());
        self.out.attachments.push(Piece {
            attachment: Attachment {
                name: shown,
                kind: kind.to_owned(),
                url,
                size_bytes: get("file_size").parse().ok(),
                stored: None,
                problem: None,
            },
            file_id: segment.data.get("file_id").and_then(id_of),
            busid: segment.data.get("busid").and_then(Value::as_i64),
            file,
            inline,
        });
    }

    /// A card (mini-program, shared article, location): what it shows and where it leads.
    fn card(&mut self, source: &str) {
        let Ok(card) = serde_json::from_str::<Value>(source) else { return self.labelled("卡片", &[]) };
        let mut parts = Vec::new();
        for key in ["prompt", "title", "desc", "jumpUrl", "qqdocurl", "url"] {
            if let Some(found) = find_key(&card, key, 0).filter(|found| !parts.contains(found)) {
                parts.push(found);
            }
        }
        parts.truncate(4);
        self.labelled("卡片", &parts);
    }

    fn forward(&mut self, segment: &Segment, depth: usize) {
        let content = segment.data.get("content").or_else(|| segment.data.get("messages"));
        let Some(content) = content.filter(|content| depth < MAX_DEPTH && !content.is_null()) else {
            match segment.data.get("id").and_then(id_of) {
                Some(id) if segment.kind == "forward" => self.out.forwards.push(id),
                _ => self.quiet.push("[合并转发]".to_owned()),
            }
            return;
        };
        if segment.kind == "node" {
            let name = ["nickname", "name"].iter().find_map(|key| segment.get(key)).unwrap_or_default();
            self.apart(&format!("{name}："));
            self.read_all(content, depth + 1);
            self.text.push('\n');
        } else {
            self.apart("[合并转发]\n");
            self.items(content, depth);
        }
    }

    /// The entries of a merged forward: nodes, or messages in the shape of events.
    fn items(&mut self, content: &Value, depth: usize) {
        for item in content.as_array().into_iter().flatten().take(200) {
            if item.get("type").is_some() && item.get("data").is_some() {
                self.read_all(item, depth + 1);
                continue;
            }
            let name = item.pointer("/sender/nickname").and_then(Value::as_str).unwrap_or_default();
            let body = item.get("message").or_else(|| item.get("content")).unwrap_or(&Value::Null);
            self.apart(&format!("{name}："));
            self.read_all(body, depth + 1);
            self.text.push('\n');
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// `base64://…` or a data URL; a bare string is a file name, not content.
fn base64_of(value: &str) -> Option<&str> {
    value.strip_prefix("base64://").or_else(|| Some(value.strip_prefix("data:")?.split_once(";base64,")?.1))
}

/// The last part of a path or name, of a bearable length. Addresses and inline content are no names.
fn file_name(value: &str) -> String {
    if is_http(value) || base64_of(value).is_some() {
        return String::new();
    }
    let last = value.rsplit(['/', '\\']).next().unwrap_or_default();
    clean(last).trim().chars().take(120).collect()
}

/// The first string under `key` anywhere in a card, not too deep.
fn find_key(value: &Value, key: &str, depth: usize) -> Option<String> {
    if depth > 6 {
        return None;
    }
    match value {
        Value::Object(map) => match map.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
        {
            Some(text) => Some(clean(text).chars().take(300).collect()),
            None => map.values().find_map(|inner| find_key(inner, key, depth + 1)),
        },
        Value::Array(items) => items.iter().find_map(|inner| find_key(inner, key, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn attribute(xml: &str, name: &str) -> String {
    let start = format!("{name}=\"");
    let found = xml.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    found.map(|(value, _)| clean(value).chars().take(300).collect()).unwrap_or_default()
}
