//! Messages that belong to a ticket: more about it, a question after it, a word on its solution, a mark for it.

use serde_json::json;
use zhishou_intents::{FollowUp, Routing};

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::occasion::{occasion, shorten};
use super::said::Said;
use super::speak::masked;
use super::take::{Message, Outcome};
use crate::rules::directory::PersonRole;
use crate::rules::notice::Kind;
use crate::rules::ticket::{Event, State, Ticket};
use crate::store::TicketKey;

/// How much of an addition is passed on, in characters; the whole stands in the ticket.
const PASSED_ON: usize = 300;

impl Batch<'_> {
    pub(super) async fn follow_up(
        &mut self,
        message: &Message,
        what: FollowUp,
        text: &str,
        routing: &Routing,
    ) -> Result<Outcome, DeskError> {
        if message.is_staff() {
            return Ok(Outcome::new(Disposition::Noted, None, "工程师的话，不是指令；"));
        }
        let quoted = message.quoted.clone().filter(|key| self.ticket(key).is_some_and(|t| message.may_see(t)));
        let pick = |batch: &Self, fits: &dyn Fn(&Ticket) -> bool| {
            quoted.clone().filter(|key| batch.ticket(key).is_some_and(fits)).or_else(|| batch.own_ticket(message, fits))
        };
        match what {
            FollowUp::Urge => {
                let own = pick(self, &|t| !t.state.is_over());
                let key = match own {
                    Some(key) => Some(key),
                    None => self.any_here(message).await?,
                };
                match key {
                    Some(key) => self.urge(message, &key, text).await,
                    None => Ok(Outcome::new(Disposition::Noted, None, "像催办，但这里没有未完成的工单；")),
                }
            }
            FollowUp::Confirm => match pick(self, &|t| t.state == State::Resolved) {
                // Somebody whose ticket was merged into it speaks for himself: only who opened it closes it by a word.
                Some(key) if self.ticket(&key).is_some_and(|t| t.requester.id != message.actor.id) => {
                    self.second(message, &key, text).await
                }
                Some(key) => {
                    if let Some(outcome) = self.refuse_in_doubt(message, "确认解决", Some(&key)) {
                        return Ok(outcome);
                    }
                    self.put_event(message, &key, &Event::Confirm).await?;
                    Ok(Outcome::new(Disposition::Appended, Some(key), "提出人确认已解决；"))
                }
                None => match pick(self, &|t| t.state.is_live()) {
                    // Good news before the engineer has said so: kept for him to see, decided by nobody but him.
                    Some(key) => self.append(message, &key, text).await,
                    None => Ok(Outcome::new(Disposition::Noted, None, "表示满意，没有待确认的工单；")),
                },
            },
            FollowUp::Deny => match pick(self, &|t| matches!(t.state, State::Resolved | State::Closed)) {
                Some(key) => self.reopen_own(message, &key, text).await,
                None => match pick(self, &|t| t.state.is_live()) {
                    Some(key) => self.append(message, &key, text).await,
                    None => self.open_ticket(message, text, Some(routing)).await,
                },
            },
            FollowUp::Append | FollowUp::Supply => {
                let waiting = pick(self, &|t| t.state == State::Suspended).filter(|_| what == FollowUp::Supply);
                match waiting.or_else(|| pick(self, &|t| t.state.is_live() || t.state == State::Resolved)) {
                    Some(key) => self.append(message, &key, text).await,
                    None => self.without_ticket(message, text, routing).await,
                }
            }
        }
    }

    /// Something that reads like an addition, with nothing to add it to: work if it may be, else noted.
    async fn without_ticket(&mut self, message: &Message, text: &str, routing: &Routing) -> Result<Outcome, DeskError> {
        let addressed = message.inbound.addressed || message.place.private;
        if addressed || routing.second == Some("ticket") || routing.severity.is_some() {
            return self.open_ticket(message, text, Some(routing)).await;
        }
        Ok(Outcome::new(Disposition::Noted, None, "像补充说明，但没有可补充的工单；"))
    }

    /// The newest live ticket of a requesters' group: a colleague may ask after it.
    async fn any_here(&mut self, message: &Message) -> Result<Option<TicketKey>, DeskError> {
        self.load_conversations(std::slice::from_ref(&message.issuer.conversation)).await?;
        let newest = self
            .tickets()
            .filter(|(_, t)| t.origin == message.issuer.conversation && !t.state.is_over())
            .max_by_key(|(_, t)| t.opened_at)
            .map(|(key, _)| key.clone());
        Ok(newest)
    }

    async fn put_event(&mut self, message: &Message, key: &TicketKey, event: &Event) -> Result<bool, DeskError> {
        Ok(self.decide(key, event, &message.actor, Some(&message.issuer)).await?.is_ok())
    }

    /// A word that it is solved from somebody who did not open the ticket: from who asked the same it is kept and thanked for,
    /// from anybody else only thanked for. Only the opener's closes.
    pub(super) async fn second(
        &mut self,
        message: &Message,
        key: &TicketKey,
        text: &str,
    ) -> Result<Outcome, DeskError> {
        let n = self.shown_number(message, key);
        let no = if n.contains('-') { n } else { format!("#{n}") };
        if !self.ticket(key).is_some_and(|t| message.owns(t)) {
            let words = self.words("refusal.confirm", json!({ "no": no }));
            self.reply(message, Said::new(Kind::Refusal, words));
            return Ok(Outcome::new(Disposition::Refused, Some(key.clone()), "由提出人确认；"));
        }
        let outcome = self.append(message, key, text).await?;
        let words = self.words("status.seconded", json!({ "no": no }));
        self.say_status(message, Some(key), &words);
        Ok(Outcome { why: "表示已解决，等提出人确认；".to_owned(), ..outcome })
    }

    pub(super) async fn append(
        &mut self,
        message: &Message,
        key: &TicketKey,
        text: &str,
    ) -> Result<Outcome, DeskError> {
        let attachments = message.inbound.attachments.iter().map(|a| a.name.clone()).collect();
        let event = Event::Append { text: text.to_owned(), attachments };
        if self.put_event(message, key, &event).await? && message.place.private && !message.is_staff() {
            self.pass_on(message, key, text).await?;
        }
        Ok(Outcome::new(Disposition::Appended, Some(key.clone()), "补充到工单；"))
    }

    /// What somebody adds where no engineer reads along is told to whoever works on the ticket; before anybody does, to the
    /// engineers' conversations.
    async fn pass_on(&mut self, message: &Message, key: &TicketKey, text: &str) -> Result<(), DeskError> {
        let files = message.inbound.attachments.len();
        let words = json!({
            "no": format!("#{}", key.number), "name": message.actor.name, "text": shorten(text, PASSED_ON), "files": files,
        });
        let mut said = Said::new(Kind::Status, self.words("status.added", words));
        said.ticket = Some(key.clone());
        let engineer = self.ticket(key).and_then(|t| t.engineer.as_ref()).map(|engineer| engineer.id.clone());
        let directory = self.library.directory.clone();
        if let Some(person) = engineer.and_then(|id| directory.person(&id)) {
            self.load_shut().await?;
            if self.say_to_person(person, said.clone()) {
                return Ok(());
            }
        }
        for conversation in self.engineers_conversations(&key.contract) {
            self.say(&conversation, said.clone());
        }
        Ok(())
    }

    pub(super) async fn urge(&mut self, message: &Message, key: &TicketKey, text: &str) -> Result<Outcome, DeskError> {
        self.put_event(message, key, &Event::Urge { text: text.to_owned() }).await?;
        self.tell_status(message, key).await?;
        Ok(Outcome::new(Disposition::Appended, Some(key.clone()), "询问进展；"))
    }

    pub(super) async fn reopen_own(
        &mut self,
        message: &Message,
        key: &TicketKey,
        text: &str,
    ) -> Result<Outcome, DeskError> {
        if self.put_event(message, key, &Event::Reopen { text: text.to_owned() }).await? {
            return Ok(Outcome::new(Disposition::Appended, Some(key.clone()), "提出人反映仍未解决；"));
        }
        self.append(message, key, text).await
    }

    /// How a ticket stands, said to whoever asked.
    pub(super) async fn tell_status(&mut self, message: &Message, key: &TicketKey) -> Result<(), DeskError> {
        let (Some(ticket), Some(terms)) = (self.ticket(key).cloned(), self.terms(&key.contract)) else { return Ok(()) };
        // Whoever asks from the conversation itself is about to see it.
        let unseen = if message.issuer.requesters { None } else { self.unseen(key).await? };
        let mut map = occasion(&terms, &ticket, self.now, message.issuer.several, message.is_staff());
        map.insert("latest".to_owned(), json!(ticket.latest.as_ref().filter(|_| ticket.solution.is_none())));
        map.insert("unseen".to_owned(), json!(unseen));
        let words = self.ticket_words("status", map);
        let words = if message.issuer.requesters { masked(&terms, &words) } else { words };
        let mut said = Said::new(Kind::Status, words);
        said.ticket = Some(key.clone());
        self.reply(message, said);
        Ok(())
    }

    /// A mark in plain words, for the ticket that waits for one.
    pub(super) async fn evaluate(&mut self, message: &Message, score: u8, text: &str) -> Result<Outcome, DeskError> {
        let ended = |t: &Ticket| matches!(t.state, State::Resolved | State::Closed);
        if message.is_staff() {
            return Ok(Outcome::new(Disposition::Noted, None, "工程师的话，不是评价；"));
        }
        let rates = |t: &Ticket| message.may_see(t) && may_rate(message, t) && ended(t);
        let quoted = message.quoted.clone().filter(|key| self.ticket(key).is_some_and(rates));
        let key = quoted
            .or_else(|| self.own_ticket(message, |t| ended(t) && t.rating.is_none()))
            .or_else(|| self.own_ticket(message, ended));
        let Some(key) = key else {
            return Ok(Outcome::new(Disposition::Noted, None, "像评价，但没有可评价的工单；"));
        };
        self.evaluate_ticket(message, &key, score, text).await
    }

    pub(super) async fn evaluate_ticket(
        &mut self,
        message: &Message,
        key: &TicketKey,
        score: u8,
        text: &str,
    ) -> Result<Outcome, DeskError> {
        let event = Event::Evaluate { score, text: text.to_owned() };
        if !self.ticket(key).is_some_and(|t| may_rate(message, t)) {
            let words = self.words("refusal", json!({ "text": "这个工单请由提出人评价，谢谢您的关心。" }));
            self.reply(message, Said::new(Kind::Refusal, words));
            return Ok(Outcome::new(Disposition::Refused, Some(key.clone()), "不是本人的工单；"));
        }
        if let Some(outcome) = self.refuse_in_doubt(message, "评价", Some(key)) {
            return Ok(outcome);
        }
        match self.decide(key, &event, &message.actor, Some(&message.issuer)).await? {
            Ok(()) => Ok(Outcome::new(Disposition::Commanded, Some(key.clone()), "评价；")),
            Err(refusal) => Ok(self.refuse(message, key, "评价", &refusal)),
        }
    }
}

/// Whether this person's mark counts: who asked, who asked the same, or the customer's responsible person.
fn may_rate(message: &Message, ticket: &Ticket) -> bool {
    let customer = message.person.as_ref().is_some_and(|person| person.role == PersonRole::Customer);
    !message.is_staff() && (message.owns(ticket) || customer)
}
