//! Messages with buttons: which of ours was pressed or quoted, what the button does, and what the card shows afterwards.

use serde_json::json;

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::notice::Kind;
use crate::store::TicketKey;

impl Batch<'_> {
    /// What we said under the platform's id, each with its ticket: a card, and after it what it was to show later. A card can
    /// be pressed before its receipt has come, or though it was lost; then it is known by the key it was made from.
    pub(super) async fn ours(
        &mut self,
        conversation: &str,
        channel: &str,
        id: &str,
    ) -> Result<Vec<(String, Said)>, DeskError> {
        let said = |ticket: String, body: &str| Some((ticket, serde_json::from_str::<Said>(body).ok()?));
        let known = self.write().outbox_quoted(&[(conversation.to_owned(), id.to_owned())]).await?;
        let mut all: Vec<_> = known.into_iter().filter_map(|(_, _, ticket, _, body)| said(ticket, &body)).collect();
        if let Some(channel) = self.desk.channels.get(channel).filter(|channel| channel.card_id("").is_some()) {
            let without = self.write().outbox_without_id(conversation).await?;
            let fits = |key: &str, body: &str| body.contains(id) || channel.card_id(key).as_deref() == Some(id);
            let found = without.into_iter().filter(|(key, _, body)| fits(key, body));
            all.extend(found.filter_map(|(_, ticket, body)| said(ticket, &body)));
        }
        let now = self.saying().filter(|said| said.updates.as_deref() == Some(id));
        let now: Vec<_> = now.filter_map(|said| Some((said.ticket.as_ref()?.text(), said.clone()))).collect();
        all.extend(now);
        // The card itself first.
        all.sort_by_key(|(_, said)| said.updates.is_some());
        Ok(all)
    }

    /// What a pressed button does: the command it stands for, and the card shows it.
    pub(super) async fn pressed(&mut self, message: &Message, action: &str) -> Result<Outcome, DeskError> {
        let Some(key) = message.quoted.clone() else {
            return Ok(Outcome::new(Disposition::Noted, None, "按钮所在的消息与工单无关；"));
        };
        if let Some(shown) = self.pressed_before(message, action).await? {
            // The same finger once more: the card shows what it showed, nothing else comes of it.
            self.say(&message.issuer.conversation, shown);
            return Ok(Outcome::new(Disposition::Noted, Some(key), "同一个按钮已经点过；"));
        }
        let number = self.shown_number(message, &key);
        let command = match action {
            "claim" => format!("认领 {number}"),
            "ack" => format!("收到 {number}"),
            "confirm" | "accept" => format!("确认 {number}"),
            "deny" => format!("重开 {number} 仍未解决"),
            rate => match rate.strip_prefix("rate-") {
                Some(score) => format!("评价 {number} {score}"),
                None => return Ok(Outcome::new(Disposition::Noted, None, "未知的按钮；")),
            },
        };
        let outcome = if action == "deny" && !message.is_staff() {
            self.reopen_own(message, &key, "仍未解决").await?
        } else {
            self.typed(message, &command).await?
        };
        self.renew_card(message, &key, action, &outcome).await?;
        Ok(outcome)
    }

    /// What a card was to show after the same person pressed the same button of it.
    async fn pressed_before(&mut self, message: &Message, action: &str) -> Result<Option<Said>, DeskError> {
        let Some(press) = &message.inbound.press else { return Ok(None) };
        let shown = self.ours(&message.issuer.conversation, &message.inbound.channel, &press.on).await?;
        let same = |by: &(String, String)| by.0 == message.actor.id && by.1 == action;
        Ok(shown.into_iter().map(|(_, said)| said).find(|said| said.pressed.as_ref().is_some_and(same)))
    }

    /// Where a card can be changed it shows who did it; where the press had no effect because somebody was faster, who that
    /// was. A press by somebody without the right to it leaves the card as it is.
    async fn renew_card(
        &mut self,
        message: &Message,
        key: &TicketKey,
        action: &str,
        outcome: &Outcome,
    ) -> Result<(), DeskError> {
        let Some(press) = &message.inbound.press else { return Ok(()) };
        let channel = self.desk.channels.get(&message.inbound.channel);
        if !channel.is_some_and(|channel| channel.capabilities().edits) {
            return Ok(());
        }
        let done = match outcome.disposition {
            Disposition::Refused if action == "claim" => {
                self.ticket(key).and_then(|t| Some(t.engineer.as_ref()?.name.clone()))
            }
            Disposition::Commanded | Disposition::Appended => Some(message.actor.name.clone()),
            _ => None,
        };
        let Some(name) = done else { return Ok(()) };
        let shown = self.ours(&message.issuer.conversation, &message.inbound.channel, &press.on).await?;
        let Some((_, card)) = shown.into_iter().next() else { return Ok(()) };
        let label = card.actions.iter().find(|a| a.id == action).map_or(action, |a| a.label.as_str());
        let line = self.words("card.done", json!({ "name": name, "label": label }));
        // Who did it comes first: what is too long for a card is cut at the end.
        let mut renewed = Said::new(Kind::Status, line);
        renewed.parts.extend(card.parts);
        renewed.title = card.title;
        renewed.ticket = Some(key.clone());
        renewed.updates = Some(press.on.clone());
        if outcome.disposition != Disposition::Refused {
            renewed.pressed = Some((message.actor.id.clone(), action.to_owned()));
        }
        self.say(&message.issuer.conversation, renewed);
        Ok(())
    }
}
