//! From "tell the lead" to rows of the outbox: roles become people, people become ways, occasions become words.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use zhishou_adapters::Action;
use zhishou_intents::{MaskRules, mask};

use super::batch::Batch;
use super::occasion::{about_json, local_time, occasion};
use super::said::Said;
use crate::rules::directory::ConversationKind;
use crate::rules::escalation::{Reached, leads, reach};
use crate::rules::notice::Kind;
use crate::rules::profile::{Confidentiality, Masked, Role};
use crate::rules::terms::Terms;
use crate::rules::ticket::{Audience, Proof, Tell, Ticket};
use crate::store::TicketKey;

/// Where a command came from: what it is answered to.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// Full name of the conversation.
    pub conversation: String,
    /// External id of the message.
    pub message: String,
    /// Account that wrote it.
    pub account: String,
    /// Whether agency staff read along.
    pub requesters: bool,
    /// Whether tickets are shown with the contract's code here.
    pub several: bool,
}

/// What is masked for readers outside the supplier's side.
fn mask_rules(terms: &Confidentiality) -> MaskRules {
    let has = |what| terms.mask.contains(&what);
    MaskRules {
        ip: has(Masked::Ip),
        host: has(Masked::Host),
        account: has(Masked::Account),
        id_card: has(Masked::IdCard),
        phone: has(Masked::Phone),
        words: terms.words.clone(),
    }
}

/// A text as it may leave the supplier's side.
pub(super) fn masked(terms: &Terms, text: &str) -> String {
    let confidentiality = &terms.profile.confidentiality;
    if confidentiality.mask.is_empty() && confidentiality.words.is_empty() {
        return text.to_owned();
    }
    mask(text, &mask_rules(confidentiality))
}

fn action(id: &str, label: &str, n: &str) -> Action {
    Action { id: id.to_owned(), label: label.to_owned(), command: format!("{label} {n}") }
}

/// Buttons that go with a message of this kind.
fn actions(kind: Kind, staff: bool, n: &str) -> Vec<Action> {
    match (kind, staff) {
        (Kind::Opened, true) => vec![action("claim", "认领", n)],
        (Kind::Warning, true) => vec![action("ack", "收到", n)],
        (Kind::Broken | Kind::Escalation, true) => vec![action("confirm", "确认", n)],
        (Kind::Resolved, false) => {
            vec![
                Action { id: "accept".to_owned(), label: "可以了".to_owned(), command: "可以了".to_owned() },
                Action { id: "deny".to_owned(), label: "还是不行".to_owned(), command: "还是不行".to_owned() },
            ]
        }
        (Kind::Survey, false) => (1..=5)
            .rev()
            .map(|score| Action {
                id: format!("rate-{score}"),
                label: format!("{score}分"),
                command: format!("评价 {n} {score}"),
            })
            .collect(),
        _ => Vec::new(),
    }
}

impl Batch<'_> {
    /// Whether somebody or some conversation meets several contracts of this desk, so that numbers need the code.
    pub(super) fn several(&self, serves: &dyn Fn(&str) -> bool) -> bool {
        self.desk.contracts.keys().filter(|id| serves(id)).count() > 1
    }

    /// Takes over one effect of a decision.
    pub(super) fn speak(&mut self, terms: &Arc<Terms>, key: &TicketKey, tell: &Tell, issuer: Option<&Issuer>) {
        let Some(ticket) = self.ticket(key).cloned() else { return };
        match &tell.to {
            Audience::Requester => self.speak_to_requester(terms, key, &ticket, tell),
            Audience::Issuer => {
                if let Some(issuer) = issuer {
                    // What the requester's conversation hears anyway is not said there twice.
                    let heard = ticket.hearers().any(|hearer| hearer == issuer.conversation)
                        && !matches!(tell.kind, Kind::Status | Kind::Escalation);
                    if !heard {
                        self.speak_to_issuer(terms, key, &ticket, tell, issuer);
                    }
                }
            }
            Audience::Engineers => {
                let conversations = self.engineers_conversations(&terms.id);
                if conversations.is_empty() {
                    // How a ticket stands is told to those it concerns by name.
                    if !matches!(tell.kind, Kind::Claimed | Kind::Assigned) {
                        self.speak_to_role(terms, key, &ticket, tell, Role::Engineer);
                    }
                } else {
                    let there = issuer.is_some_and(|issuer| conversations.contains(&issuer.conversation));
                    for conversation in conversations {
                        // Where the command was given it is confirmed; of a claim among the engineers no more is said.
                        let here = issuer.is_some_and(|issuer| issuer.conversation == conversation);
                        let confirmed = (tell.kind == Kind::Claimed && there) || (tell.kind == Kind::Assigned && here);
                        if !confirmed && ticket.hearers().all(|hearer| hearer != conversation) {
                            let mut said = self.staff_words(terms, key, &ticket, tell, false, None);
                            said.mentions = self.rung(terms, &ticket, tell, &conversation);
                            self.say(&conversation, said);
                        }
                    }
                }
            }
            Audience::Role(Role::Engineers) => {
                let conversations = self.engineers_conversations(&terms.id);
                for conversation in &conversations {
                    let mut said = self.staff_words(terms, key, &ticket, tell, false, None);
                    said.mentions = self.rung(terms, &ticket, tell, conversation);
                    self.say(conversation, said);
                }
                if conversations.is_empty() {
                    self.speak_to_role(terms, key, &ticket, tell, Role::Engineer);
                }
            }
            Audience::Role(role) => self.speak_to_role(terms, key, &ticket, tell, *role),
            Audience::Person(person) => self.speak_to_person(terms, key, &ticket, tell, person, None),
        }
    }

    fn speak_to_requester(&mut self, terms: &Terms, key: &TicketKey, ticket: &Ticket, tell: &Tell) {
        let mut hearers: Vec<String> = ticket.hearers().map(str::to_owned).collect();
        hearers.dedup();
        for (at, hearer) in hearers.iter().enumerate() {
            // A caller whom no message can reach has a conversation on no channel: the engineer calls back.
            if !self.reachable(hearer) {
                continue;
            }
            // One mark is asked for, from who opened the ticket.
            if tell.kind == Kind::Survey && at > 0 {
                continue;
            }
            let kind = self.kind_of(hearer);
            let mut map = occasion(terms, ticket, self.now, false, false);
            map.insert("text".to_owned(), Value::String(tell.text.clone()));
            map.insert("solved".to_owned(), Value::Bool(tell.kind == Kind::Resolved));
            let entry = if kind == ConversationKind::Engineers { staff_entry(tell.kind) } else { tell.kind.id() };
            let entry = if self.desk.wording.has(entry) { entry } else { tell.kind.id() };
            let short = self.short_words(entry, &map).map(|short| masked(terms, &short));
            let mut text = masked(terms, &self.ticket_words(entry, map));
            if let Some(note) = self.maintenance_note(terms, ticket).filter(|_| tell.kind == Kind::Opened) {
                text = format!("{text}\n{note}");
            }
            let mut said = Said::new(tell.kind, text);
            said.short = short;
            said.ticket = Some(key.clone());
            said.about.clone_from(&tell.about);
            said.actions = actions(tell.kind, false, &ticket.number.to_string());
            said.by_person = by_person(tell);
            if at == 0 {
                // Only the conversation that opened the ticket proves that the requester was reached.
                said.proofs.extend(tell.proof.clone());
                if tell.kind == Kind::Opened {
                    said.reply_to = ticket.opening.as_ref().map(|id| (id.clone(), ticket.account.clone()));
                }
                if hearer.contains(":group:") && !ticket.account.is_empty() {
                    said.mentions = vec![ticket.account.clone()];
                }
            }
            // Reported for somebody among the engineers: those on duty have to hear of it there.
            if kind == ConversationKind::Engineers {
                let rung = self.rung(terms, ticket, tell, hearer);
                said.mentions.extend(rung.into_iter().filter(|account| *account != ticket.account));
            }
            self.say(hearer, said);
        }
    }

    /// Accounts to ring for in an engineers' conversation: those whom a new ticket, a promise in danger or an assignment
    /// concerns. Other news there are for everybody and ring for nobody.
    fn rung(&self, terms: &Terms, ticket: &Ticket, tell: &Tell, conversation: &str) -> Vec<String> {
        let role = match tell.kind {
            Kind::Assigned => {
                let named = ticket.engineer.iter().chain(&ticket.assistants).find(|actor| actor.name == tell.text);
                return self.accounts_in(conversation, named.map(|actor| actor.id.clone()).as_slice());
            }
            Kind::Opened => Role::Engineer,
            kind if kind.is_urgent() => match tell.to {
                Audience::Role(role) => role,
                _ => Role::Engineer,
            },
            _ => return Vec::new(),
        };
        match reach(role, ticket, &self.library.directory, terms, self.now) {
            Reached::People(people) => self.accounts_in(conversation, &people),
            // The lead hears of it in nobody's place.
            Reached::Nobody => Vec::new(),
        }
    }

    /// The accounts of these people on the channel of a group; nowhere else is anybody mentioned.
    pub(super) fn accounts_in(&self, conversation: &str, people: &[String]) -> Vec<String> {
        let Some((channel, _)) = conversation.split_once(':').filter(|(_, place)| place.starts_with("group:")) else {
            return Vec::new();
        };
        let people = people.iter().filter_map(|id| self.library.directory.person(id));
        people.filter_map(|person| person.accounts.get(channel).cloned()).collect()
    }

    /// What is said of a planned maintenance that covers the ticket now.
    fn maintenance_note(&self, terms: &Terms, ticket: &Ticket) -> Option<String> {
        let window = self.library.directory.maintenance(&terms.id, ticket.system.as_deref(), self.now)?;
        let system =
            ticket.system.as_deref().and_then(|id| terms.profile.system(id)).map_or("系统", |s| s.name.as_str());
        let until = local_time(terms, window.until, self.now);
        Some(self.words("maintenance", json!({ "system": system, "text": window.text, "until": until })))
    }

    fn speak_to_issuer(&mut self, terms: &Terms, key: &TicketKey, ticket: &Ticket, tell: &Tell, issuer: &Issuer) {
        let mut said = self.staff_words(terms, key, ticket, tell, issuer.several, None);
        if issuer.requesters {
            said.parts = said.parts.iter().map(|part| masked(terms, part)).collect();
            said.actions.clear();
        }
        said.reply_to = Some((issuer.message.clone(), issuer.account.clone()));
        said.proofs.extend(tell.proof.clone());
        // Of an assignment among the engineers no more is said there than this.
        if tell.kind == Kind::Assigned && !issuer.requesters {
            said.mentions = self.rung(terms, ticket, tell, &issuer.conversation);
        }
        self.say(&issuer.conversation, said);
    }

    fn speak_to_role(&mut self, terms: &Terms, key: &TicketKey, ticket: &Ticket, tell: &Tell, role: Role) {
        let directory = self.library.directory.clone();
        match reach(role, ticket, &directory, terms, self.now) {
            Reached::People(people) => {
                // What the engineer should have heard says so, where there is nobody to hear it.
                let meant = tell.about.iter().any(|about| about.role == Role::Engineer);
                let gap = (role == Role::Lead && meant).then(|| self.words("gap.roster", json!({})));
                for person in people {
                    self.speak_to_person(terms, key, ticket, tell, &person, gap.clone());
                }
            }
            Reached::Nobody => {
                let gap = self.words("gap.roster", json!({}));
                let mut tell = tell.clone();
                if !tell.kind.is_urgent() {
                    tell.kind = Kind::Escalation;
                }
                for person in leads(&directory, &terms.id) {
                    self.speak_to_person(terms, key, ticket, &tell, &person, Some(gap.clone()));
                }
            }
        }
    }

    /// Says something to one person over the first way that exists, with the others to fall back on.
    fn speak_to_person(
        &mut self,
        terms: &Terms,
        key: &TicketKey,
        ticket: &Ticket,
        tell: &Tell,
        id: &str,
        gap: Option<String>,
    ) {
        let directory = self.library.directory.clone();
        let Some(person) = directory.person(id) else { return };
        let ways = self.ways_of(person);
        let several = self.several(&|contract| person.serves(contract));
        let mut said = if person.role.is_staff() {
            self.staff_words(terms, key, ticket, tell, several, gap)
        } else {
            self.customer_words(terms, key, ticket, tell)
        };
        said.proofs.extend(tell.proof.clone());
        if person.role.leads() && tell.kind.is_urgent() {
            said.proofs.push(Proof::Lead { person: person.id.clone() });
        }
        said.person = Some(person.id.clone());
        let Some(first) = ways.first().cloned() else {
            tracing::error!(person.id = %person.id, ticket.number = key.number, "a person has no way to be reached");
            self.say_unreachable(terms, key, ticket, person.name.as_str(), id);
            return;
        };
        said.ways = ways;
        self.say(&first, said);
    }

    /// Nobody may be missed in silence: the engineers' conversations hear of a person without an account.
    fn say_unreachable(&mut self, terms: &Terms, key: &TicketKey, ticket: &Ticket, name: &str, id: &str) {
        let gap = self.words("gap.unreachable", json!({ "text": name }));
        for conversation in self.engineers_conversations(&terms.id) {
            let tell = Tell {
                to: Audience::Person(id.to_owned()),
                kind: Kind::Escalation,
                text: String::new(),
                about: Vec::new(),
                proof: None,
            };
            let said = self.staff_words(terms, key, ticket, &tell, false, Some(gap.clone()));
            self.say(&conversation, said);
        }
    }

    fn staff_words(
        &self,
        terms: &Terms,
        key: &TicketKey,
        ticket: &Ticket,
        tell: &Tell,
        several: bool,
        gap: Option<String>,
    ) -> Said {
        let mut map = occasion(terms, ticket, self.now, several, true);
        map.insert("text".to_owned(), Value::String(tell.text.clone()));
        map.insert("about".to_owned(), about_json(terms, &tell.about, self.now));
        // It is a repetition only where nothing of the kind that names it is new.
        let rounds = tell.about.iter().filter(|a| a.kind == tell.kind).map(|a| a.round);
        map.insert("round".to_owned(), json!(rounds.min().unwrap_or(1)));
        map.insert("gap".to_owned(), json!(gap));
        let to_lead = tell.to == Audience::Role(Role::Lead);
        map.insert("to_lead".to_owned(), json!(to_lead));
        let n = match map.get("n") {
            Some(Value::String(n)) => n.clone(),
            _ => ticket.number.to_string(),
        };
        let urged = tell.kind == Kind::Status && tell.to == Audience::Role(Role::Engineer);
        let entry = if urged { "status.urged" } else { staff_entry(tell.kind) };
        let entry = if self.desk.wording.has(entry) { entry } else { tell.kind.id() };
        let short = self.short_words(entry, &map);
        let mut text = self.ticket_words(entry, map);
        if let Some(gap) = gap.filter(|_| tell.kind != Kind::Escalation) {
            text = format!("{gap}\n{text}");
        }
        let mut said = Said::new(tell.kind, text);
        said.short = short;
        said.ticket = Some(key.clone());
        said.about.clone_from(&tell.about);
        said.actions = match tell.kind {
            Kind::Warning if to_lead => vec![action("confirm", "确认", &n)],
            kind => actions(kind, true, &n),
        };
        said
    }

    fn customer_words(&self, terms: &Terms, key: &TicketKey, ticket: &Ticket, tell: &Tell) -> Said {
        let mut map: Map<String, Value> = occasion(terms, ticket, self.now, false, false);
        map.insert("text".to_owned(), Value::String(tell.text.clone()));
        map.insert("solved".to_owned(), Value::Bool(ticket.solution.is_some()));
        map.insert("about".to_owned(), about_json(terms, &tell.about, self.now));
        let short = self.short_words(tell.kind.id(), &map).map(|short| masked(terms, &short));
        let mut said = Said::new(tell.kind, masked(terms, &self.ticket_words(tell.kind.id(), map)));
        said.short = short;
        said.ticket = Some(key.clone());
        said.about.clone_from(&tell.about);
        said
    }

    /// The engineers' conversations of a contract, those on channels this desk has.
    pub(super) fn engineers_conversations(&self, contract: &str) -> Vec<String> {
        let mut names = self.library.directory.engineers_conversations(contract);
        names.retain(|name| self.reachable(name));
        names
    }

    /// Whether a conversation lies on a channel of this desk.
    pub(super) fn reachable(&self, conversation: &str) -> bool {
        conversation.split_once(':').is_some_and(|(channel, _)| self.desk.has_channel(channel))
    }

    fn kind_of(&self, conversation: &str) -> ConversationKind {
        let Some((channel, rest)) = conversation.split_once(':') else { return ConversationKind::Requesters };
        let account = rest.split_once(':').map_or(rest, |(_, account)| account);
        self.library
            .directory
            .place(channel, rest, account)
            .filter(|place| !place.private)
            .map_or(ConversationKind::Requesters, |place| place.kind)
    }
}

/// Whether an engineer wrote the words that are carried: his progress, his question back, his solution.
fn by_person(tell: &Tell) -> bool {
    matches!(tell.proof, Some(Proof::Word { .. })) || tell.kind == Kind::Paused && !tell.text.is_empty()
}

fn staff_entry(kind: Kind) -> &'static str {
    match kind {
        Kind::Opened => "ticket.opened.staff",
        Kind::Claimed => "ticket.claimed.staff",
        Kind::Assigned => "ticket.assigned.staff",
        Kind::Progress => "ticket.progress.staff",
        Kind::Paused => "ticket.paused.staff",
        Kind::Resumed => "ticket.resumed.staff",
        Kind::SeverityChanged => "ticket.severity.staff",
        Kind::Resolved => "ticket.resolved.staff",
        Kind::Closed => "ticket.closed.staff",
        Kind::Reopened => "ticket.reopened.staff",
        Kind::Linked => "ticket.linked.staff",
        Kind::Status => "status.staff",
        other => other.id(),
    }
}
