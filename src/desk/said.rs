//! What the desk says, as it stands in the outbox: the words, whom they are for, and what their delivery proves.

use serde::{Deserialize, Serialize};
use zhishou_adapters::{Action, Outgoing};

use crate::rules::notice::Kind;
use crate::rules::ticket::{About, Proof};
use crate::store::TicketKey;

/// An outgoing message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Kind of its last change.
    pub kind: Kind,
    /// Kinds of all its changes, in order; more than one where several became one message.
    pub kinds: Vec<Kind>,
    /// The words of each change.
    pub parts: Vec<String>,
    /// One line above them.
    #[serde(default)]
    pub title: String,
    /// Buttons.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Accounts to mention.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// External id of the message it answers, and who wrote that.
    #[serde(default)]
    pub reply_to: Option<(String, String)>,
    /// Person it is for, where it is not for a conversation.
    #[serde(default)]
    pub person: Option<String>,
    /// Conversations to try, in order; the row's own is `ways[way]`.
    #[serde(default)]
    pub ways: Vec<String>,
    /// Which of them is tried now.
    #[serde(default)]
    pub way: usize,
    /// The ticket it is about.
    #[serde(default)]
    pub ticket: Option<TicketKey>,
    /// Promises and steps it is about.
    #[serde(default)]
    pub about: Vec<About>,
    /// FAQ entry it answers from.
    #[serde(default)]
    pub faq: Option<String>,
    /// What its delivery proves.
    #[serde(default)]
    pub proofs: Vec<Proof>,
    /// For channels of 70 characters.
    #[serde(default)]
    pub short: Option<String>,
    /// External id of the card it is to stand in the place of.
    #[serde(default)]
    pub updates: Option<String>,
    /// Who pressed which button of that card to have it so.
    #[serde(default)]
    pub pressed: Option<(String, String)>,
    /// Whether it tells that another message did not arrive: nobody is told of its own failure.
    #[serde(default)]
    pub failure: bool,
    /// Whether it carries words that a person wrote for its reader.
    #[serde(default)]
    pub by_person: bool,
    /// Whether it says that a command of a known person was carried out.
    #[serde(default)]
    pub commanded: bool,
    /// Set where its conversation could only be answered, and there was nothing to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Waited>,
}

/// What became of a message that had to wait for the other side to speak.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    /// Whether its other ways were tried in vain: it waits, whatever comes.
    #[serde(default)]
    pub elsewhere_closed: bool,
    /// Key and text of the one message that it was said in together with others, where it is in doubt whether that arrived.
    #[serde(default)]
    pub digest: Option<(String, String)>,
}

impl Said {
    /// A message of one part.
    pub fn new(kind: Kind, text: String) -> Self {
        Self {
            kind,
            kinds: vec![kind],
            parts: vec![text],
            title: String::new(),
            actions: Vec::new(),
            mentions: Vec::new(),
            reply_to: None,
            person: None,
            ways: Vec::new(),
            way: 0,
            ticket: None,
            about: Vec::new(),
            faq: None,
            proofs: Vec::new(),
            short: None,
            updates: None,
            pressed: None,
            failure: false,
            by_person: false,
            commanded: false,
            waited: None,
        }
    }

    /// It was said in one message with others, under the key of the first: to be remembered while that is in doubt.
    pub fn said_together(&mut self, first: &str, text: &str, in_doubt: bool) {
        if let Some(waited) = &mut self.waited {
            waited.digest = in_doubt.then(|| (first.to_owned(), text.to_owned()));
        }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.parts.join("\n")
    }

    /// Joins a later change about the same ticket to the same conversation. What was said twice is said once.
    pub fn join(&mut self, later: Self) {
        let said = self.parts.len();
        for part in later.parts {
            if !self.parts.contains(&part) {
                self.parts.push(part);
            }
        }
        if self.parts.len() > said || self.kinds.last() != later.kinds.last() {
            self.kinds.extend(later.kinds);
        }
        self.kind = later.kind;
        // Of several changes the newest is what a text has room for.
        self.short = later.short.or(self.short.take());
        if !later.actions.is_empty() {
            self.actions = later.actions;
        }
        for mention in later.mentions {
            if !self.mentions.contains(&mention) {
                self.mentions.push(mention);
            }
        }
        self.by_person |= later.by_person;
        self.about.extend(later.about);
        self.proofs.extend(later.proofs);
        self.reply_to = self.reply_to.take().or(later.reply_to);
    }

    /// The form a channel takes.
    pub fn outgoing(&self, key: &str, conversation: &str) -> Outgoing {
        Outgoing {
            key: key.to_owned(),
            conversation: conversation.to_owned(),
            text: self.text(),
            title: self.title.clone(),
            fields: Vec::new(),
            actions: self.actions.clone(),
            mentions: self.mentions.clone(),
            reply_to: self.reply_to.as_ref().map(|(id, _)| id.clone()),
            reply_account: self.reply_to.as_ref().map(|(_, account)| account.clone()),
            short: self.short.clone(),
            updates: self.updates.clone(),
            about: self.ticket.as_ref().map(TicketKey::text),
            urgent: self.kind.is_urgent() && self.person.is_some(),
            by_person: self.by_person,
            commanded: self.commanded,
        }
    }
}
