//! What is posted: texts, markdown with buttons, files (qq-official.md 4).

use serde_json::{Value, json};

use crate::Action;

/// Most rows of buttons, and most buttons in a row (4.3).
const SIDE: usize = 5;
/// Longest label of a button, in characters: what a phone shows in a row of three.
const LABEL: usize = 10;
/// Marks our own buttons among whatever a click may carry.
const MARK: &str = "zs";

/// What a message stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cites<'a> {
    /// An inbound message and the running number of the answer to it.
    Message(&'a str, u32),
    /// The envelope id of an event and the running number of the answer to it.
    Event(&'a str, u32),
    /// Nothing: an active message.
    Nothing,
}

/// How a press comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buttons {
    /// As an event of its own.
    Callback,
    /// As the command, typed into the input box.
    Command,
}

fn cited(mut body: Value, cites: Cites<'_>) -> Value {
    match cites {
        Cites::Message(id, seq) => {
            body["msg_id"] = json!(id);
            body["msg_seq"] = json!(seq);
        }
        Cites::Event(id, seq) => {
            body["event_id"] = json!(id);
            body["msg_seq"] = json!(seq);
        }
        Cites::Nothing => {}
    }
    body
}

/// A plain text.
pub fn text(content: &str, cites: Cites<'_>) -> Value {
    cited(json!({ "content": content, "msg_type": 0 }), cites)
}

/// Markdown with buttons below it.
pub fn markdown(content: &str, keyboard: &Value, cites: Cites<'_>) -> Value {
    cited(json!({ "msg_type": 2, "markdown": { "content": content }, "keyboard": keyboard }), cites)
}

/// A file or picture that was uploaded before; the text is at least a space.
pub fn media(file_info: &str, cites: Cites<'_>) -> Value {
    cited(json!({ "content": " ", "msg_type": 7, "media": { "file_info": file_info } }), cites)
}

/// What kind of file is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// png or jpg.
    Image = 1,
    /// Anything.
    File = 4,
}

/// Where the platform gets what is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Bytes, as base64: the only way out of an intranet.
    Bytes(&'a str),
    /// An address that the platform can reach.
    Address(&'a str),
}

/// Uploads a file. `srv_send_msg` is always false: true would send at once and count as an active message.
pub fn upload(kind: FileType, name: Option<&str>, source: Source<'_>) -> Value {
    let mut body = json!({ "file_type": kind as i64, "srv_send_msg": false });
    match source {
        Source::Bytes(base64) => body["file_data"] = json!(base64),
        Source::Address(url) => body["url"] = json!(url),
    }
    if let Some(name) = name {
        body["file_name"] = json!(name);
    }
    body
}

/// The keyboard of a card.
pub fn keyboard(card: &str, actions: &[Action], buttons: Buttons) -> Value {
    let rows: Vec<Value> = actions
        .iter()
        .take(SIDE * SIDE)
        .enumerate()
        .map(|(at, action)| button(card, at, action, buttons))
        .collect::<Vec<_>>()
        .chunks(SIDE)
        .map(|row| json!({ "buttons": row }))
        .collect();
    json!({ "content": { "rows": rows } })
}

fn button(card: &str, at: usize, action: &Action, buttons: Buttons) -> Value {
    let label: String = action.label.chars().take(LABEL).collect();
    let (kind, data) = match buttons {
        Buttons::Callback => (1, format!("{MARK}|{card}|{}", action.id)),
        Buttons::Command => (2, action.command.clone()),
    };
    let mut action = json!({
        "type": kind, "permission": { "type": 2 }, "data": data, "unsupport_tips": "请升级 QQ 后再点，或直接回复文字",
    });
    if buttons == Buttons::Command {
        action["enter"] = json!(true);
    }
    json!({
        "id": (at + 1).to_string(),
        "render_data": { "label": label, "visited_label": label, "style": i32::from(at == 0) },
        "action": action,
    })
}

/// Card and action of a button of ours.
pub fn pressed(data: &str) -> Option<(&str, &str)> {
    data.strip_prefix(MARK)?
        .strip_prefix('|')?
        .split_once('|')
        .filter(|(card, action)| !card.is_empty() && !action.is_empty())
}

/// A plain text as markdown that shows the same: signs that would mean something give way to their full-width twins, which
/// are certain to show and to do nothing.
pub fn as_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let heads = begins && chars.peek().is_none_or(|next| *next == ' ' || *next == '#');
        out.push(match c {
            '*' => '＊',
            '_' => '＿',
            '`' => '｀',
            '~' => '～',
            '|' => '｜',
            '[' => '［',
            ']' => '］',
            '<' => '＜',
            '\\' => '＼',
            '>' if begins => '＞',
            '#' if heads => '＃',
            '-' | '+' if heads => '·',
            other => other,
        });
        if c == '\n' {
            // One line end alone is none in markdown.
            out.push('\n');
        }
        begins = c == '\n' || (begins && c == ' ');
    }
    out
}

/// A text without addresses: they have to be registered one by one (4.2). Gives `None` where there is none in it.
pub fn without_addresses(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = next_address(rest) {
        found = true;
        out.push_str(&rest[..at]);
        out.push_str("（网址略）");
        let end = rest[at..].find(|c: char| c.is_whitespace() || !c.is_ascii()).map_or(rest.len(), |end| at + end);
        rest = &rest[end..];
    }
    out.push_str(rest);
    found.then_some(out)
}

/// Where an address begins: with its scheme, with `www.`, or a bare host name with a letter domain.
fn next_address(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let named = ["http://", "https://", "www."].iter().filter_map(|mark| lower.find(mark)).min();
    named.into_iter().chain(bare_host(text)).min()
}

fn bare_host(text: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut from = 0;
    while let Some(start) = text[from..].find(part).map(|at| from + at) {
        let end = text[start..].find(|c| !part(c)).map_or(text.len(), |end| start + end);
        let word = text[start..end].trim_matches('.');
        let top = word.rsplit('.').next().unwrap_or_default();
        if word.contains('.') && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Some(start);
        }
        from = end;
    }
    None
}
