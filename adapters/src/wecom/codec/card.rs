//! Template cards (wecom.md 6): a message with buttons as card JSON, and the same card once it was pressed.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::markdown::clean;
use crate::{Action, Outgoing};

/// Key of the button that only says how things stand. Pressing it asks for nothing.
pub const STATE_KEY: &str = "state";
/// Key of the button that submits a list of options; the chosen option is the action.
pub const SUBMIT_KEY: &str = "submit";
/// Question of such a list.
const QUESTION_KEY: &str = "action";

/// Most buttons of a card.
const BUTTONS: usize = 6;
/// Most options of a vote.
const OPTIONS: usize = 20;
/// Most rows of a card.
const ROWS: usize = 6;

/// How long texts may be: hints for what is shown, in characters. What is longer is cut by the client, so it is cut here
/// with a mark (wecom.md 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// `source.desc`.
    pub source: usize,
    /// `main_title.title`.
    pub title: usize,
    /// `sub_title_text`.
    pub text: usize,
    /// `value` of a row.
    pub value: usize,
    /// `text` of a vote's option.
    pub option: usize,
}

impl Lengths {
    /// Cards of the bot.
    pub const BOT: Self = Self { source: 13, title: 26, text: 112, value: 26, option: 11 };
    /// Cards of the application.
    pub const APP: Self = Self { source: 20, title: 36, text: 160, value: 30, option: 17 };
}

/// `keyname` of a row.
const KEY_CHARS: usize = 5;
/// `text` of a button.
const BUTTON_CHARS: usize = 10;

/// The task id of a message with buttons, from the key of the message: the same message always has the same, and no two
/// share one (the platform refuses a task id that was used).
pub fn task_id(key: &str) -> String {
    format!("z-{}", hex::encode(&Sha256::digest(key.as_bytes())[..12]))
}

/// Whether a message is to be a card: only buttons make it worth one.
pub fn wants_card(message: &Outgoing) -> bool {
    !message.actions.is_empty()
}

/// A card, and whether it shows the message whole. Where it does not, the text has to be said besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// `template_card`.
    pub json: Value,
    /// Nothing of the text was cut.
    pub whole: bool,
}

/// Makes a card of a message with buttons: up to six as buttons, more as a list with a button to submit it. `source` is
/// the bot's name above the card; empty for none.
pub fn card(message: &Outgoing, task: &str, source: &str, lengths: Lengths) -> Card {
    let Parts { mut card, whole } = parts(message, source, lengths);
    let mut actions: Vec<&Action> = Vec::new();
    for action in &message.actions {
        if actions.iter().all(|known| known.id != action.id) {
            actions.push(action);
        }
    }
    if actions.len() <= BUTTONS {
        card.insert("card_type".to_owned(), json!("button_interaction"));
        let buttons: Vec<Value> = actions
            .iter()
            .enumerate()
            // The first is what is usually wanted: blue; the others are plain.
            .map(|(at, action)| button(&action.label, &action.id, if at == 0 { 1 } else { 2 }))
            .collect();
        card.insert("button_list".to_owned(), Value::Array(buttons));
    } else {
        card.insert("card_type".to_owned(), json!("vote_interaction"));
        let options: Vec<Value> = actions
            .iter()
            .take(OPTIONS)
            .map(|action| json!({ "id": action.id, "text": cut(&clean(&action.label), lengths.option).0 }))
            .collect();
        card.insert("checkbox".to_owned(), json!({ "question_key": QUESTION_KEY, "mode": 0, "option_list": options }));
        card.insert("submit_button".to_owned(), json!({ "text": "提交", "key": SUBMIT_KEY }));
    }
    card.insert("task_id".to_owned(), json!(task));
    Card { json: Value::Object(card), whole }
}

/// The new state of a card that was sent: the whole card again, under its own task id. What the message leaves open stays
/// as it was. Without buttons of its own the message's words stand where the buttons were.
pub fn updated(old: &Value, message: &Outgoing, task: &str, lengths: Lengths) -> Value {
    let source = old.pointer("/source/desc").and_then(Value::as_str).unwrap_or_default();
    let mut new = if message.actions.is_empty() {
        let mut card = parts(message, source, lengths).card;
        let words = first_line(&message.text).unwrap_or("已处理");
        card.insert("card_type".to_owned(), json!("button_interaction"));
        card.insert("button_list".to_owned(), json!([button(words, STATE_KEY, 3)]));
        card
    } else {
        match card(message, task, source, lengths).json {
            Value::Object(card) => card,
            other => return other,
        }
    };
    new.insert("task_id".to_owned(), json!(task));
    let untitled = message.title.trim().is_empty();
    for key in ["main_title", "horizontal_content_list"] {
        let keep = if key == "main_title" { untitled } else { message.fields.is_empty() };
        if let Some(kept) = old.get(key).filter(|_| keep) {
            new.insert(key.to_owned(), kept.clone());
        }
    }
    if untitled {
        // The old title stands, so the words that would have been the title go below it.
        let (text, _) = cut(&clean(message.text.trim()), lengths.text);
        new.insert("sub_title_text".to_owned(), json!(text));
    }
    Value::Object(new)
}

struct Parts {
    card: Map<String, Value>,
    whole: bool,
}

/// Source, title, rows and text: what all cards have.
fn parts(message: &Outgoing, source: &str, lengths: Lengths) -> Parts {
    let mut card = Map::new();
    let source = clean(source.trim());
    if !source.is_empty() {
        card.insert("source".to_owned(), json!({ "desc": cut(&source, lengths.source).0 }));
    }
    let text = clean(message.text.trim());
    let first = first_line(&text).unwrap_or("值守");
    let title = clean(message.title.trim()).replace('\n', " ");
    let title = if title.is_empty() { first } else { &title };
    let (shown, title_whole) = cut(title, lengths.title);
    card.insert("main_title".to_owned(), json!({ "title": shown }));
    let mut whole = true;
    let rows: Vec<Value> = message
        .fields
        .iter()
        .filter(|(key, value)| !key.trim().is_empty() && !value.trim().is_empty())
        .take(ROWS)
        .map(|(key, value)| {
            let (value, all) = cut(&clean(value.trim()), lengths.value);
            whole &= all;
            json!({ "keyname": cut(&clean(key.trim()), KEY_CHARS).0, "value": value })
        })
        .collect();
    whole &= message.fields.len() <= ROWS;
    let body = body_of(message, &text, title, title_whole && whole);
    if !rows.is_empty() {
        card.insert("horizontal_content_list".to_owned(), Value::Array(rows));
    }
    let (body, body_whole) = cut(&body, lengths.text);
    if !body.is_empty() {
        card.insert("sub_title_text".to_owned(), json!(body));
    }
    // A cut title is no loss where the text below begins with it.
    Parts { card, whole: whole && body_whole }
}

/// The text without what the card shows anyway: its title and the rows of its table.
fn body_of(message: &Outgoing, text: &str, title: &str, shown_whole: bool) -> String {
    if !shown_whole {
        return text.to_owned();
    }
    let in_table = |line: &str| {
        message.fields.iter().any(|(key, value)| {
            let rest = line.strip_prefix(key.trim()).map(|rest| rest.trim_start_matches([':', '：', ' ']));
            rest == Some(value.trim())
        })
    };
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| *line != title && !in_table(line)).collect();
    lines.join("\n").trim().to_owned()
}

fn button(label: &str, key: &str, style: u8) -> Value {
    json!({ "text": cut(&clean(label.trim()), BUTTON_CHARS).0, "style": style, "key": key })
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// At most `most` characters, the last a `…` where something was cut; and whether nothing was.
fn cut(text: &str, most: usize) -> (String, bool) {
    if text.chars().count() <= most {
        return (text.to_owned(), true);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    (format!("{}…", kept.trim_end()), false)
}
