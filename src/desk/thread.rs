//! Which ticket a message belongs to before anybody has read it: what it answers, what it quotes, what it names; and what
//! becomes of a letter in a ticket's thread.

use serde_json::json;
use zhishou_intents::{Band, FollowUp, Intent, Routing};

use super::DeskError;
use super::batch::{Batch, Disposition};
use super::letter;
use super::occasion::shorten;
use super::said::Said;
use super::take::{Message, Outcome};
use crate::rules::directory::{ConversationKind, PersonRole};
use crate::rules::escalation::leads;
use crate::rules::notice::Kind;
use crate::rules::organisation::same_organisation;
use crate::rules::ticket::{Actor, Event, Fact, State, Ticket};
use crate::store::TicketKey;

/// Mergers that are followed before a ticket is taken as it is.
const MERGERS: usize = 8;
/// How much of a machine's or a stranger's words goes into the record, in characters; the whole stays in the inbox.
const REMARK: usize = 500;
/// How much of what was cut off goes into the record, in characters; the whole stays in the inbox.
const CUT: usize = 16_000;
/// Longest text that can be thanks and nothing else, in characters.
const THANKS: usize = 40;

/// The ticket in whose thread a message stands.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    pub key: TicketKey,
    /// Whether the writer takes part in it; anybody can be sent a mail on.
    pub member: bool,
}

impl Thread {
    /// Whether it is the thread of this ticket, and the writer takes part in it.
    pub(super) fn is_of(&self, ticket: &Ticket) -> bool {
        self.member && self.key.number == ticket.number && self.key.contract == ticket.contract
    }
}

impl Batch<'_> {
    /// Finds the ticket a message belongs to. In a private conversation that makes a thread: what answers there belongs to
    /// the ticket, whatever it sounds like.
    pub(super) async fn bind_to_ticket(&mut self, message: &mut Message) -> Result<(), DeskError> {
        let inbound = &message.inbound;
        let conversation = message.issuer.conversation.clone();
        let press = inbound.press.as_ref().map(|press| press.on.clone());
        if let Some(key) = inbound.about.as_deref().and_then(TicketKey::parse).filter(|_| press.is_none()) {
            message.quoted = self.where_it_goes_on(key).await?;
        } else if let Some(id) = press.clone().or_else(|| inbound.quotes.clone()) {
            message.quoted = self.quoted(&conversation, &inbound.channel.clone(), &id).await?;
        }
        if message.quoted.is_none()
            && press.is_none()
            && let Some(text) = inbound.quoted_text.clone()
        {
            self.bind_by_number(message, &text).await?;
        }
        let Some(key) = message.quoted.clone().filter(|_| press.is_none() && message.place.private) else {
            return Ok(());
        };
        self.load(std::slice::from_ref(&key)).await?;
        let told = message.inbound.about.is_some();
        if let Some(ticket) = self.ticket(&key) {
            // Whoever shows one of our own ids was sent the mail; a colleague from the same house takes part.
            let member =
                message.takes_part(ticket) || told && same_organisation(&message.inbound.sender, &ticket.account);
            if member || told {
                message.thread = Some(Thread { key, member });
            }
        }
        Ok(())
    }

    /// The ticket, or where it goes on if it was merged; `None` where there is none.
    async fn where_it_goes_on(&mut self, mut key: TicketKey) -> Result<Option<TicketKey>, DeskError> {
        for _ in 0..MERGERS {
            self.load(std::slice::from_ref(&key)).await?;
            let Some(ticket) = self.ticket(&key) else { return Ok(None) };
            match ticket.merged_into {
                Some(number) => key.number = number,
                None => break,
            }
        }
        Ok(Some(key))
    }

    /// The ticket a quoted message belongs to: one of ours, or one that came in.
    async fn quoted(&mut self, conversation: &str, channel: &str, id: &str) -> Result<Option<TicketKey>, DeskError> {
        let ours = self.ours(conversation, channel, id).await?;
        if let Some(key) = ours.first().and_then(|(ticket, _)| TicketKey::parse(ticket)) {
            return Ok(Some(key));
        }
        let theirs = self.write().inbox_tickets(&[(channel.to_owned(), id.to_owned())]).await?;
        Ok(theirs.first().and_then(|(_, ticket)| TicketKey::parse(ticket)))
    }

    /// The ticket whose number stands in quoted words or a subject, where there is no id. Only one that is spoken of in this
    /// conversation, or that the writer takes part in: anybody can write a number.
    async fn bind_by_number(&mut self, message: &mut Message, text: &str) -> Result<(), DeskError> {
        let place = &message.place;
        let Some(number) = number_in(text, &message.terms.profile.code) else { return Ok(()) };
        let key = TicketKey { contract: place.contract.clone(), number };
        self.load(std::slice::from_ref(&key)).await?;
        let Some(ticket) = self.ticket(&key) else { return Ok(()) };
        let spoken_of = message.takes_part(ticket)
            || !place.private
                && (place.kind == ConversationKind::Engineers
                    || ticket.hearers().any(|hearer| hearer == message.issuer.conversation));
        if spoken_of {
            message.quoted = self.where_it_goes_on(key).await?;
        } else if place.private {
            message.note = format!("提到的工单 #{number} 与来信人无关，按新来信处理；");
        }
        Ok(())
    }

    /// What a machine wrote: kept, with its ticket where it has one, and answered by nobody.
    pub(super) async fn by_machine(&mut self, message: &Message, why: &str) -> Result<Outcome, DeskError> {
        // A number in a subject is no proof that the mail is an answer of ours to begin with.
        let key =
            message.quoted.clone().filter(|_| message.inbound.about.is_some() || message.inbound.quotes.is_some());
        if let Some(key) = &key {
            self.load(std::slice::from_ref(key)).await?;
            let text = format!("对方自动回复（{why}）：{}", shorten(&message.inbound.text, REMARK));
            self.remark(message, key, &text, false).await?;
        }
        self.tell_of_unreadable(message).await?;
        Ok(Outcome::new(Disposition::Noted, key, format!("不是人写的（{why}），不作答；")))
    }

    /// A letter that could not be read may be anybody's: the engineers are told to look at it, of one sender once an hour.
    async fn tell_of_unreadable(&mut self, message: &Message) -> Result<(), DeskError> {
        let Some(problem) = letter::unreadable(&message.inbound.attachments).map(str::to_owned) else { return Ok(()) };
        if !self.once(&format!("unreadable|{}", message.dialogue), 1).await? {
            return Ok(());
        }
        let words = self.words(
            "status.unreadable",
            json!({ "from": message.inbound.sender, "why": problem, "text": shorten(&message.inbound.text, REMARK) }),
        );
        let contract = message.place.contract.clone();
        let conversations = self.engineers_conversations(&contract);
        for conversation in &conversations {
            self.say(conversation, Said::new(Kind::Status, words.clone()));
        }
        if conversations.is_empty() {
            self.load_shut().await?;
            let directory = self.library.directory.clone();
            for lead in leads(&directory, &contract).iter().filter_map(|id| directory.person(id)) {
                self.tell_person(lead, &words);
            }
        }
        Ok(())
    }

    /// What was cut off a letter before it was read stays readable in the record of its ticket.
    pub(super) async fn keep_cut(
        &mut self,
        key: &TicketKey,
        by: Actor,
        cut: &str,
        message: &str,
    ) -> Result<(), DeskError> {
        let text = cut.trim();
        if text.is_empty() {
            return Ok(());
        }
        let text: String = text.chars().take(CUT).collect();
        let fact = Fact { kind: "cut_off", by, at: self.now, text, data: json!({ "message": message }) };
        self.record(&key.contract, key.number, &fact).await?;
        Ok(())
    }

    /// Puts a note on a ticket that changes nothing else about it.
    async fn remark(&mut self, message: &Message, key: &TicketKey, text: &str, tell: bool) -> Result<(), DeskError> {
        let event = Event::Remark { text: text.to_owned(), tell };
        // It is refused by no state; a ticket that is gone has no record to put it into.
        let _ = self.decide(key, &event, &message.actor, Some(&message.issuer)).await?;
        Ok(())
    }

    /// What a requester writes in a ticket's thread belongs to that ticket. `None`: it is a command, a confirmation or a mark,
    /// which take their usual course.
    pub(super) async fn in_thread(
        &mut self,
        message: &Message,
        text: &str,
        routing: &Routing,
    ) -> Result<Option<Outcome>, DeskError> {
        let Some(Thread { key, member }) = message.thread.clone().filter(|_| !message.is_staff()) else {
            return Ok(None);
        };
        let Some(state) = self.ticket(&key).map(|t| t.state) else { return Ok(None) };
        if !member {
            let note = format!(
                "{}（{}）来信，此人不属于提出单位：{}",
                message.actor.name,
                message.inbound.sender,
                shorten(text, REMARK)
            );
            self.remark(message, &key, &note, true).await?;
            return Ok(Some(Outcome::new(Disposition::Noted, Some(key), "不相识的人回复了工单的来信，转告工程师；")));
        }
        let brief = text.chars().count() <= THANKS && !message.has_enclosures();
        match &routing.intent {
            Intent::Command(_) | Intent::AcceptSuggestion | Intent::Choice(_) | Intent::Evaluation { .. } => Ok(None),
            Intent::FollowUp(FollowUp::Confirm) if matches!(state, State::Resolved) => Ok(None),
            Intent::FollowUp(FollowUp::Deny) if matches!(state, State::Resolved | State::Closed) => Ok(None),
            Intent::FollowUp(FollowUp::Urge) if !state.is_over() => Ok(None),
            Intent::Question if routing.faq_band == Band::Answer => Ok(None),
            Intent::Greeting | Intent::Thanks | Intent::Chitchat if brief => {
                Ok(Some(Outcome::new(Disposition::Noted, Some(key), "致谢或寒暄；")))
            }
            Intent::FollowUp(FollowUp::Confirm) if state.is_over() && brief => {
                Ok(Some(Outcome::new(Disposition::Noted, Some(key), "表示满意，工单已结束；")))
            }
            _ if state.is_live() && brief && letter::is_courtesy(text) => {
                Ok(Some(Outcome::new(Disposition::Noted, Some(key), "只是致谢，没有新内容；")))
            }
            _ if text.trim().is_empty() && !message.has_enclosures() => {
                Ok(Some(Outcome::new(Disposition::Noted, Some(key), "回信没有内容；")))
            }
            _ => self.words_in_thread(message, &key, text, routing).await.map(Some),
        }
    }

    /// More about a ticket, by letter. What comes after its end reopens it while the contract lets the requester do so;
    /// after that it is a ticket of its own that goes on from it.
    async fn words_in_thread(
        &mut self,
        message: &Message,
        key: &TicketKey,
        text: &str,
        routing: &Routing,
    ) -> Result<Outcome, DeskError> {
        let Some(ticket) = self.ticket(key) else { return self.open_ticket(message, text, Some(routing)).await };
        if ticket.state.is_live() || ticket.state == State::Resolved {
            return self.append(message, key, text).await;
        }
        let in_time = ticket.confirm_until.is_some_and(|until| self.now <= until);
        if ticket.state == State::Closed && in_time {
            return self.reopen_own(message, key, text).await;
        }
        let number = key.number;
        let goes_on = |t: &Ticket| t.follows == Some(number) && t.contract == key.contract && !t.state.is_over();
        if let Some(later) = self.own_ticket(message, goes_on) {
            return self.append(message, &later, text).await;
        }
        let outcome = self.open_ticket(message, text, Some(routing)).await?;
        if let Some(new) = &outcome.ticket {
            self.remark(message, key, &format!("来信另立工单 #{}", new.number), false).await?;
        }
        Ok(Outcome { why: format!("工单 #{number} 已结束，另立工单接续；"), ..outcome })
    }
}

impl Message {
    /// Whether this person has a part in a ticket: may see it, asked the same, or answers for it at the customer's.
    fn takes_part(&self, ticket: &Ticket) -> bool {
        let customer =
            self.person.as_ref().is_some_and(|p| p.role == PersonRole::Customer && p.serves(&ticket.contract));
        customer || self.may_see(ticket) || ticket.co_requesters.contains(&self.actor.id)
    }
}

/// The first ticket number in words of ours: `#12` or, with the contract's code, `YL-12`.
fn number_in(text: &str, code: &str) -> Option<u64> {
    let marks = [format!("{code}-"), "#".to_owned()];
    marks.iter().find_map(|mark| {
        text.match_indices(mark.as_str()).find_map(|(at, _)| {
            let digits = &text[at + mark.len()..];
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse().ok().filter(|number| *number > 0)
        })
    })
}
