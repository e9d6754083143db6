//! Who a step reaches: roles become people, and the question "who would be told when" is answered without anything
//! happening.

use jiff::Timestamp;
use serde::Serialize;

use super::directory::{Directory, Person, PersonRole};
use super::profile::Role;
use super::roster::on_duty;
use super::terms::Terms;
use super::ticket::{About, Actor, Audience, Event, Opening, Tell, Ticket};

/// Whom a role means for a ticket now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// These people.
    People(Vec<String>),
    /// Nobody is on duty: the lead has to hear that, with what should have been said.
    Nobody,
}

/// Whom a role means. The engineer who claimed, or those on duty while nobody has; never silence.
pub fn reach(role: Role, ticket: &Ticket, directory: &Directory, terms: &Terms, now: Timestamp) -> Reached {
    let ids = |people: Vec<&Person>| people.into_iter().map(|person| person.id.clone()).collect::<Vec<_>>();
    let people = match role {
        Role::Engineer => match &ticket.engineer {
            Some(engineer) if directory.person(&engineer.id).is_some() => vec![engineer.id.clone()],
            Some(_) | None => on_duty(directory, terms, now),
        },
        Role::Engineers => on_duty(directory, terms, now),
        Role::Lead => leads(directory, &terms.id),
        Role::Customer => ids(directory.of_role(PersonRole::Customer, &terms.id)),
    };
    if people.is_empty() && matches!(role, Role::Engineer | Role::Engineers) {
        Reached::Nobody
    } else {
        Reached::People(people)
    }
}

/// The leads of a contract; the administrators where it has none, so that somebody hears.
pub fn leads(directory: &Directory, contract: &str) -> Vec<String> {
    let leads = directory.of_role(PersonRole::Lead, contract);
    let found = if leads.is_empty() { directory.of_role(PersonRole::Admin, contract) } else { leads };
    found.into_iter().map(|person| person.id.clone()).collect()
}

/// Where nobody is on duty the leads hear in the engineer's place: in one message with what they are told themselves, and no
/// repetition while they have acknowledged. What is to be said, and what is not said for that reason.
pub fn in_nobodys_place(
    ticket: &Ticket,
    directory: &Directory,
    terms: &Terms,
    now: Timestamp,
    tells: Vec<Tell>,
) -> (Vec<Tell>, Vec<About>) {
    let for_nobody = |tell: &Tell| {
        tell.to == Audience::Role(Role::Engineer)
            && !tell.about.is_empty()
            && reach(Role::Engineer, ticket, directory, terms, now) == Reached::Nobody
    };
    let (orphans, mut kept): (Vec<Tell>, Vec<Tell>) = tells.into_iter().partition(for_nobody);
    let mut unsaid = Vec::new();
    let quiet = ticket.quiet.iter().any(|(role, until)| *role == Role::Lead && *until > now);
    for orphan in orphans {
        let own = kept.iter_mut().find(|tell| tell.to == Audience::Role(Role::Lead) && tell.kind == orphan.kind);
        match own {
            Some(own) => {
                let known: Vec<_> = own.about.iter().map(|a| a.commitment).collect();
                own.about.extend(orphan.about.into_iter().filter(|a| !known.contains(&a.commitment)));
            }
            None if quiet && orphan.about.iter().all(|about| about.round > 1) => unsaid.extend(orphan.about),
            None => kept.push(Tell { to: Audience::Role(Role::Lead), ..orphan }),
        }
    }
    (kept, unsaid)
}

/// One line of "who would be told when".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// Promise, where the step watches one.
    pub commitment: Option<&'static str>,
    /// Step of the chain.
    pub step: String,
    /// Role.
    pub role: &'static str,
    /// Round of repetition, from 1.
    pub round: u32,
    /// Person id; `None` where nobody can be reached.
    pub person: Option<String>,
    /// Ways in the order of trying.
    pub ways: Vec<String>,
}

/// What would be said about `ticket` from now on if nobody did anything, until `until` or `limit` lines. Planned maintenance
/// holds back what it will hold back.
pub fn forecast(
    ticket: &Ticket,
    directory: &Directory,
    terms: &Terms,
    until: Timestamp,
    limit: usize,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<Line> {
    let mut ticket = ticket.clone();
    let mut lines = Vec::new();
    while let Some(at) = ticket.next_alarm().filter(|at| *at <= until) {
        if let Some(window) = directory.maintenance(&terms.id, ticket.system.as_deref(), at) {
            let held = Event::HoldBack { until: window.until };
            if let Ok(held) = ticket.decide(terms, &held, &Actor::desk(), at) {
                ticket = held.ticket;
            }
        }
        let Ok(decision) = ticket.decide(terms, &Event::Alarm, &Actor::desk(), at) else { break };
        push_lines(&mut lines, decision.tells, &decision.ticket, directory, terms, at, exists);
        ticket = decision.ticket;
        if lines.len() >= limit {
            break;
        }
    }
    lines.truncate(limit);
    lines
}

fn push_lines(
    lines: &mut Vec<Line>,
    tells: Vec<Tell>,
    ticket: &Ticket,
    directory: &Directory,
    terms: &Terms,
    at: Timestamp,
    exists: &dyn Fn(&str) -> bool,
) {
    for tell in in_nobodys_place(ticket, directory, terms, at, tells).0 {
        let Audience::Role(role) = tell.to else { continue };
        let people = match reach(role, ticket, directory, terms, at) {
            Reached::People(people) => people,
            Reached::Nobody => leads(directory, &terms.id),
        };
        for about in &tell.about {
            let mut line = Line {
                at,
                commitment: about.commitment.map(super::profile::Promise::id),
                step: about.step.clone(),
                role: role.id(),
                round: about.round,
                person: None,
                ways: Vec::new(),
            };
            if people.is_empty() {
                lines.push(line.clone());
            }
            for person in &people {
                line.ways = directory.person(person).map_or_else(Vec::new, |person| person.ways(exists));
                line.person = Some(person.clone());
                lines.push(line.clone());
            }
        }
    }
}

/// The same for a ticket that would be opened at `start` with `severity`.
pub fn forecast_opening(
    opening: Opening,
    directory: &Directory,
    terms: &Terms,
    start: Timestamp,
    limit: usize,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<Line> {
    let by = opening.requester.clone();
    let decision = Ticket::open(terms, opening, &by, start);
    let mut lines = Vec::new();
    push_lines(&mut lines, decision.tells, &decision.ticket, directory, terms, start, exists);
    // A year is longer than any chain; the limit ends a contract with many steps.
    let until = start + jiff::SignedDuration::from_hours(24 * 366);
    lines.extend(forecast(&decision.ticket, directory, terms, until, limit, exists));
    lines.truncate(limit);
    lines
}
