//! What people see: every message with its present state, whoever sent it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::state::{Refusal, State, no};

/// Who sent something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The bot.
    Bot,
    /// The application with this agent id.
    App(i64),
    /// The group robot with this key.
    Robot(String),
}

/// One message as it stands in a conversation now.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// `group:CHATID` or `user:USERID`.
    pub conversation: String,
    /// Who sent it.
    pub by: By,
    /// The message type as it was sent: `text`, `markdown`, `markdown_v2`, `stream`, `template_card`, `image` …
    pub kind: String,
    /// Words; the file name of media; empty for a card.
    pub text: String,
    /// People who are really mentioned: userids of members, or `@all`.
    pub mentions: Vec<String>,
    /// The card as everybody sees it now.
    pub card: Option<Value>,
    /// What it was before, oldest first.
    pub earlier: Vec<Value>,
    /// Copies that differ for some people.
    pub copies: BTreeMap<String, Value>,
    /// The card's task id.
    pub task_id: Option<String>,
    /// The stream's id.
    pub stream_id: Option<String>,
    /// False while a stream still shows "thinking".
    pub finished: bool,
    /// The message it answers, where it is a reply: that message's `msgid`.
    pub answers: Option<String>,
    /// The id an application may recall it by.
    pub msgid: Option<String>,
    /// Taken back.
    pub recalled: bool,
    /// When, by the stand-in's clock.
    pub at: Timestamp,
}

impl Shown {
    /// A message of this kind, otherwise empty.
    pub(super) fn new(conversation: &str, by: By, kind: &str, text: &str, at: Timestamp) -> Self {
        Self {
            conversation: conversation.to_owned(),
            by,
            kind: kind.to_owned(),
            text: text.to_owned(),
            mentions: Vec::new(),
            card: None,
            earlier: Vec::new(),
            copies: BTreeMap::new(),
            task_id: None,
            stream_id: None,
            finished: true,
            answers: None,
            msgid: None,
            recalled: false,
            at,
        }
    }

    /// A card.
    pub(super) fn card(conversation: &str, by: By, card: &Value, at: Timestamp) -> Self {
        let task_id = card["task_id"].as_str().map(str::to_owned);
        let mut shown = Self::new(conversation, by, "template_card", "", at);
        shown.task_id = task_id;
        shown.card = Some(card.clone());
        shown
    }

    /// The card as this person sees it.
    pub fn card_for(&self, userid: &str) -> Option<&Value> {
        let own = self.copies.iter().find(|(person, _)| person.eq_ignore_ascii_case(userid));
        own.map(|(_, card)| card).or(self.card.as_ref())
    }

    /// Every word a person can read in it: text, or all texts of the card.
    pub fn words(&self) -> String {
        let mut words = self.text.clone();
        if let Some(card) = &self.card {
            gather(card, &mut words);
        }
        words
    }

    /// Replaces the card, for these people only where any are named.
    pub(super) fn change_card(&mut self, card: &Value, people: &[String]) {
        if people.is_empty() {
            self.earlier.extend(self.card.replace(card.clone()));
            self.copies.clear();
        } else {
            self.earlier.extend(self.card.clone());
            self.copies.extend(people.iter().map(|person| (person.clone(), card.clone())));
        }
    }

    /// Whether a key stands, or ever stood, on this card: somebody may still look at an older copy.
    pub(super) fn ever_had(&self, key: &str) -> bool {
        let all = self.earlier.iter().chain(&self.card).chain(self.copies.values());
        all.into_iter().any(|card| super::cards::keys(card).contains(&key))
    }
}

/// Texts of a card in reading order; ids and keys are not read by anybody.
fn gather(value: &Value, words: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if READ.contains(&key.as_str()) => {
                        words.push_str(text);
                        words.push('\n');
                    }
                    Value::Array(_) | Value::Object(_) => gather(value, words),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fields of a card that are read by people.
const READ: [&str; 9] =
    ["title", "desc", "quote_text", "sub_title_text", "keyname", "value", "text", "replace_text", "replace_name"];

impl State {
    /// Members of a conversation who are mentioned: named in a list, or as `<@userid>` in the text.
    pub(super) fn mentioned(&self, chatid: &str, named: &Value, text: &str) -> Vec<String> {
        let members = self.groups.get(chatid).map(|group| &group.members);
        let member = |id: &str| members?.iter().find(|member| member.eq_ignore_ascii_case(id)).cloned();
        let listed = named.as_array().into_iter().flatten().filter_map(Value::as_str);
        let inline = text.split("<@").skip(1).filter_map(|rest| rest.split_once('>').map(|(id, _)| id));
        let mut found = Vec::new();
        for id in listed.chain(inline) {
            // Somebody who is not in the group is not mentioned, and no error says so.
            if let Some(id) = if id == "@all" { Some(id.to_owned()) } else { member(id) }
                && !found.contains(&id)
            {
                found.push(id);
            }
        }
        found
    }

    /// Takes a task id into use.
    pub(super) fn claim_task_id(&mut self, by: &By, card: &Value) -> Result<(), Refusal> {
        let Some(id) = card["task_id"].as_str() else { return Ok(()) };
        // Robots' task ids call nothing back and are not looked at.
        if !matches!(by, By::Robot(_)) && !self.task_ids.insert((by.clone(), id.to_owned())) {
            return no(40058, "template_card.task_id repeated");
        }
        Ok(())
    }

    /// The messages that carry this card.
    pub(super) fn with_task<'a>(&'a mut self, task_id: &'a str) -> impl Iterator<Item = &'a mut Shown> {
        self.shown.iter_mut().filter(move |shown| shown.task_id.as_deref() == Some(task_id))
    }

    /// What stands in a conversation now.
    pub(super) fn in_conversation(&self, conversation: &str) -> Vec<Shown> {
        let here = self.shown.iter().filter(|shown| shown.conversation.eq_ignore_ascii_case(conversation));
        here.filter(|shown| !shown.recalled).cloned().collect()
    }
}
