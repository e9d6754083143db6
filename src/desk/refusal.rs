//! Why a command was not carried out, and what to do instead.

use serde_json::json;

use super::batch::{Batch, Disposition};
use super::change::part_zh;
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::notice::Kind;
use crate::rules::ticket::{Refusal, Ticket};
use crate::store::TicketKey;

impl Batch<'_> {
    /// Says why an event was refused, and what to do instead.
    pub(super) fn refuse(&mut self, message: &Message, key: &TicketKey, command: &str, refusal: &Refusal) -> Outcome {
        let n = self.shown_number(message, key);
        let no = self.numbered_for(message, key);
        let severity = self
            .ticket(key)
            .and_then(|t| message.terms.profile.severity(&t.severity))
            .map_or(String::new(), |s| s.name.clone());
        let ticket = self.ticket(key);
        let engineer = ticket.and_then(|t| t.engineer.as_ref()).map(|engineer| engineer.name.clone());
        let category = ticket
            .and_then(|t| t.category.as_deref())
            .and_then(|id| message.terms.profile.category(id))
            .map(|category| category.name.clone());
        let into = ticket
            .and_then(|t| t.merged_into)
            .map(|number| self.numbered_for(message, &TicketKey { contract: key.contract.clone(), number }));
        let (entry, values, asked) = match refusal {
            Refusal::Taken { by } => ("refusal.taken", json!({ "by": by }), false),
            Refusal::State(state) => {
                let state = ticket.filter(|ticket| ticket.state == *state).map_or(state.zh(), Ticket::state_zh);
                ("refusal.state", json!({ "state": state, "command": command, "into": into }), false)
            }
            Refusal::NoSuspension { clause } => {
                ("refusal.suspension", json!({ "severity": severity, "clause": clause }), false)
            }
            Refusal::Missing(what) => {
                ("ask.words", json!({ "text": what, "example": format!("{command} {n} …") }), true)
            }
            Refusal::Unknown { typed, known } => {
                ("refusal.value", json!({ "typed": typed, "known": known.join("、") }), false)
            }
            Refusal::Change { missing, window, clause } => {
                let missing: Vec<&str> = missing.iter().map(|part| part_zh(*part)).collect();
                ("refusal.change", json!({ "missing": missing.join("、"), "window": window, "clause": clause }), false)
            }
            Refusal::Already => (
                "refusal.already",
                json!({ "command": command, "engineer": engineer, "severity": severity, "category": category }),
                false,
            ),
        };
        let mut map = match values {
            serde_json::Value::Object(map) => map,
            _ => serde_json::Map::new(),
        };
        map.insert("no".to_owned(), json!(no));
        map.insert("n".to_owned(), json!(n));
        let words = self.ticket_words(entry, map);
        let mut said = Said::new(if asked { Kind::Ask } else { Kind::Refusal }, words);
        said.ticket = Some(key.clone());
        self.reply(message, said);
        let disposition = if asked { Disposition::Asked } else { Disposition::Refused };
        Outcome::new(disposition, Some(key.clone()), format!("{command}未执行；"))
    }

    /// The number as it is written in this conversation: `#3`, or `YL-3` where several contracts meet.
    pub(super) fn numbered_for(&self, message: &Message, key: &TicketKey) -> String {
        let n = self.shown_number(message, key);
        if n.contains('-') { n } else { format!("#{n}") }
    }

    pub(super) fn missing(&mut self, message: &Message, key: &TicketKey, what: &str, example: &str) -> Outcome {
        let words = self.words("ask.words", json!({ "text": what, "example": example }));
        self.reply(message, Said::new(Kind::Ask, words));
        Outcome::new(Disposition::Asked, Some(key.clone()), "指令不完整；")
    }
}
