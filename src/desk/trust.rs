//! What a message may do that somebody else may have written: ask, add and inquire; nothing that needs a right.

use serde_json::json;
use zhishou_intents::{Command, CommandName, Who};

use super::batch::{Batch, Disposition};
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::notice::Kind;
use crate::store::TicketKey;

/// Words of a reason that says more than that nothing is known: a check was made, and failed.
const FORGED: [&str; 3] = ["没有通过", "未通过", "冒用"];

/// Whether the engineers have to be warned of the writer, and not only kept from obeying him.
pub(super) fn is_forged(why: &str) -> bool {
    FORGED.iter().any(|word| why.contains(word))
}

impl Batch<'_> {
    /// Refuses what needs a right where the channel knows a sender by a number alone, but the acknowledgement of a reminder
    /// or a report: that quiets nothing for long and is what such a channel is for.
    pub(super) fn by_number_alone(&mut self, message: &Message, command: &Command) -> Option<Outcome> {
        let channel = self.desk.channels.get(&message.inbound.channel)?;
        let open = match command.name {
            CommandName::Ack
            | CommandName::ConfirmReport
            | CommandName::Bind
            | CommandName::Help
            | CommandName::Status => true,
            other => other.who() == Who::Anyone && !message.is_staff(),
        };
        if open || !channel.capabilities().acknowledges_only {
            return None;
        }
        let words = self.words("refusal.number", json!({ "command": command.name.zh() }));
        self.reply(message, Said::new(Kind::Refusal, words));
        let why = format!("{}未执行：短信号码可能被冒用；", command.name.zh());
        Some(Outcome::new(Disposition::Refused, message.quoted.clone(), why))
    }

    /// Refuses a command that needs a right where the writer is in doubt. What anybody may do to a ticket of his own, and is
    /// undone by a word, is done all the same.
    pub(super) fn doubted(&mut self, message: &Message, command: &Command) -> Option<Outcome> {
        let harmless = match command.name {
            CommandName::Help | CommandName::Human | CommandName::Status | CommandName::Urge => true,
            CommandName::Reopen => !message.is_staff(),
            CommandName::Bind
            | CommandName::Evaluate
            | CommandName::Withdraw
            | CommandName::ConfirmReport
            | CommandName::Ack => false,
            other => other.who() == Who::Anyone,
        };
        if harmless { None } else { self.refuse_in_doubt(message, command.name.zh(), None) }
    }

    /// Refuses `what` with the reason where the writer is in doubt; `None` where he is not.
    pub(super) fn refuse_in_doubt(
        &mut self,
        message: &Message,
        what: &str,
        ticket: Option<&TicketKey>,
    ) -> Option<Outcome> {
        let why = message.inbound.doubt.clone()?;
        let hotline = &message.terms.profile.hotline;
        let words = self.words("refusal.doubt", json!({ "command": what, "why": why, "hotline": hotline }));
        let mut said = Said::new(Kind::Refusal, words);
        said.ticket = ticket.cloned().or_else(|| message.quoted.clone());
        self.reply(message, said);
        Some(Outcome::new(Disposition::Refused, ticket.cloned(), format!("{what}未执行：{why}；")))
    }
}
