//! 收到 from a lead: what it cannot do, and what he is told instead.

use serde_json::json;
use zhishou_intents::Speaker;

use super::batch::{Batch, Disposition};
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::notice::Kind;
use crate::rules::profile::Promise;
use crate::rules::ticket::Ticket;
use crate::store::TicketKey;

impl Batch<'_> {
    /// Whether this is a lead who was asked for 确认 of a ticket that is not his own work.
    pub(super) fn awaits_lead(&self, message: &Message, key: &TicketKey) -> bool {
        message.speaker == Speaker::Lead
            && self.ticket(key).is_some_and(|t| {
                !message.owns(t)
                    && t.leads_reached.contains(&message.actor.id)
                    && t.unsettled(Promise::Report).is_some()
            })
    }

    /// 收到 from a lead who was asked for 确认 meets nothing, and he must not believe that it does.
    pub(super) fn ack_without_reminder(&mut self, message: &Message, named: Option<&TicketKey>) -> Outcome {
        let reported = |t: &Ticket| {
            t.leads_reached.contains(&message.actor.id)
                && t.commitments.iter().any(|c| c.promise == Promise::Report && c.is_unsettled())
        };
        let found = || self.tickets().find(|(_, t)| message.may_see(t) && reported(t)).map(|(key, _)| key.clone());
        let key = named.cloned().or_else(found);
        let Some(key) = key.filter(|_| message.speaker == Speaker::Lead) else {
            return Outcome::new(Disposition::Noted, None, "收到，没有待回应的提醒；");
        };
        let words = self.words("ask.confirm", json!({ "n": self.shown_number(message, &key) }));
        self.reply(message, Said::new(Kind::Ask, words));
        Outcome::new(Disposition::Asked, Some(key), "负责人回复收到，请其确认；")
    }
}
