//! What meets a promise, and one round after the other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Commitment, Event, Outcome, Proof, State, Ticket};

use super::world::{Tale, find, hold, owed, solved};

const REPEATING: [Promise; 2] = [Promise::Feedback, Promise::Track];

/// Promises that a decision met or met late.
fn met(before: &Ticket, after: &Ticket) -> Vec<Promise> {
    let settled = |o: Outcome| matches!(o, Outcome::Met | Outcome::MetLate);
    let new = after.commitments.iter().filter(|c| settled(c.outcome));
    new.filter(|c| find(before, c.id).is_none_or(|old| !settled(old.outcome))).map(|c| c.promise).collect()
}

#[test]
fn report_is_met_only_by_a_lead_who_acknowledges_after_a_notice_reached_him() {
    hold("report is met only by a lead who acknowledges after a notice reached him", |tale| {
        let mut reached = BTreeSet::new();
        for (moment, decision) in tale.decisions() {
            match &moment.event {
                Event::Delivered { proof: Proof::Lead { person }, .. } => {
                    reached.insert(person.clone());
                }
                Event::Bounced { proof: Proof::Lead { person }, .. } => {
                    reached.remove(person);
                }
                _ => {}
            }
            let now_met = met(&moment.before, &decision.ticket).contains(&Promise::Report);
            let acknowledged = moment.event == Event::AcknowledgeReport && reached.contains(&moment.by.id);
            let owed = !owed(&moment.before, Promise::Report).is_empty();
            prop_assert_eq!(now_met, acknowledged && owed, "{}", moment.name());
        }
        Ok(())
    });
}

#[test]
fn each_promise_is_met_only_by_what_the_contract_says_meets_it() {
    hold("each promise is met only by what the contract says meets it", |tale| {
        for (moment, decision) in tale.decisions() {
            let caller = moment.before.phone.is_some();
            let spoken = match &moment.event {
                Event::Progress { spoken, .. } => *spoken || caller,
                Event::Resolve { .. } => caller,
                _ => false,
            };
            let reached = matches!(&moment.event, Event::Delivered { proof: Proof::Word { .. }, .. });
            let lead = matches!(&moment.event, Event::Delivered { proof: Proof::WordToLead { .. }, .. });
            let resolve = matches!(moment.event, Event::Resolve { .. });
            // A bounce shows that another word was the first to arrive, or that a claim came first.
            let bounced = matches!(&moment.event, Event::Bounced { .. });
            for promise in met(&moment.before, &decision.ticket) {
                let fits = match promise {
                    Promise::Respond => moment.event == Event::Claim || resolve || spoken || reached || bounced,
                    Promise::Feedback => spoken || reached || bounced,
                    Promise::Track => spoken || reached || lead || bounced,
                    Promise::Report => moment.event == Event::AcknowledgeReport,
                    Promise::Resolve | Promise::Bugfix | Promise::Configure | Promise::ThirdParty => resolve,
                    Promise::Arrive | Promise::Support => moment.event == Event::Arrive,
                    Promise::Upgrade => moment.event == Event::Upgrade { begun: false },
                };
                prop_assert!(fits, "{promise:?} met by {}", moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn what_has_reached_the_requester_meets_what_was_owed() {
    hold("what has reached the requester meets what was owed", |tale| {
        for (moment, decision) in tale.decisions() {
            let Event::Delivered { proof: Proof::Word { word }, .. } = &moment.event else { continue };
            let new = moment.before.words.iter().any(|w| w.id == *word && w.requester_at.is_none());
            if !new || moment.before.state.is_over() {
                continue;
            }
            for promise in [Promise::Respond, Promise::Feedback] {
                for old in owed(&moment.before, promise) {
                    let new = find(&decision.ticket, old.id).expect("still there");
                    prop_assert_eq!(new.met_at, Some(moment.at), "#{} {:?}, {}", old.id, promise, moment.name());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn no_promise_is_owed_twice_at_a_time() {
    hold("no promise is owed twice at a time", |tale| {
        for (moment, decision) in tale.decisions() {
            for promise in Promise::ALL {
                // What an earlier round of the whole ticket left broken stays broken beside the new one.
                let mut owed = owed(&decision.ticket, promise);
                owed.retain(|c| c.outcome != Outcome::Broken || c.ended_at.is_none());
                let running = owed.iter().filter(|c| c.outcome != Outcome::Broken).count();
                let rounds = decision.ticket.rounds;
                prop_assert!(running <= 1, "{promise:?} runs {running} times, {}", moment.name());
                prop_assert!(rounds > 1 || owed.len() <= 1, "{promise:?} owed {} times, {}", owed.len(), moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn the_next_round_starts_exactly_when_the_last_was_met() {
    hold("the next round starts exactly when the last was met", |tale| {
        for (moment, decision) in tale.decisions() {
            if !matches!(moment.event, Event::Delivered { .. } | Event::Progress { .. }) {
                continue;
            }
            for promise in REPEATING {
                let last = |c: &&Commitment| {
                    find(&moment.before, c.id).is_some_and(Commitment::is_unsettled) && !c.is_unsettled()
                };
                let of = || decision.ticket.commitments.iter().filter(|c| c.promise == promise);
                let ended: Vec<_> = of().filter(last).collect();
                let started: Vec<_> = of().filter(|c| find(&moment.before, c.id).is_none()).collect();
                let goes_on = decision.ticket.state.is_live()
                    && tale.terms.profile.term(promise, &decision.ticket.severity).is_some();
                let expected = if goes_on { ended.len() } else { 0 };
                prop_assert_eq!(started.len(), expected, "{:?}, {}", promise, moment.name());
                for (ended, started) in ended.iter().zip(&started) {
                    prop_assert_eq!(ended.met_at, Some(started.started_at), "{:?}, {}", promise, moment.name());
                }
            }
        }
        Ok(())
    });
}

/// What the promises met by the word that bounces were, newest first.
fn met_by(before: &Ticket, word: u32, promise: Promise) -> Vec<u32> {
    let of = before.words.iter().find(|w| w.id == word).map(|w| w.met.clone()).unwrap_or_default();
    of.into_iter().filter(|id| find(before, *id).is_some_and(|c| c.promise == promise)).collect()
}

#[test]
fn a_bounce_voids_its_round_cancels_the_one_it_had_started_and_the_old_due_time_is_back() {
    hold("a bounce voids its round, cancels the one it had started, and the old due time is back", |tale| {
        for (moment, decision) in tale.decisions() {
            let Event::Bounced { proof: Proof::Word { word }, .. } = &moment.event else { continue };
            if moment.before.state.is_over() {
                continue;
            }
            for promise in [Promise::Respond, Promise::Feedback, Promise::Track] {
                for id in met_by(&moment.before, *word, promise) {
                    let name = || format!("#{id} {promise:?}, {}", moment.name());
                    let (old, new) =
                        (find(&moment.before, id).expect("met"), find(&decision.ticket, id).expect("kept"));
                    let of = || {
                        moment
                            .before
                            .commitments
                            .iter()
                            .filter(|c| c.promise == promise && c.started_at >= old.started_at)
                    };
                    let followers: Vec<_> = of().filter(|c| c.id != id).collect();
                    // Where a later word or a claim has come meanwhile, or the ticket began anew, the case is another law's.
                    // One that is not met any more was struck by an earlier bounce.
                    let Some(met_at) = old.met_at else { continue };
                    let heard = moment.before.words.iter().any(|w| w.id != *word && w.requester_at >= old.met_at);
                    let claims = tale.decisions().filter(|(claim, _)| claim.event == Event::Claim);
                    let claimed =
                        promise == Promise::Respond && claims.into_iter().any(|(claim, _)| claim.at >= met_at);
                    if heard
                        || claimed
                        || followers.len() > 1
                        || followers.iter().any(|c| !c.is_unsettled())
                        || moment.before.rounds > 1
                    {
                        continue;
                    }
                    let voided = decision.facts.iter().any(|f| f.kind == "commitment.voided" && f.data["id"] == id);
                    prop_assert!(voided, "{}", name());
                    for next in followers.iter().filter(|c| c.outcome != Outcome::Broken) {
                        let next = find(&decision.ticket, next.id).expect("kept");
                        let broke = next.due_at.is_some_and(|due| due < moment.at);
                        prop_assert!(
                            broke || next.outcome == Outcome::Cancelled,
                            "next of {} is {:?}",
                            name(),
                            next.outcome
                        );
                    }
                    if moment.before.state != State::Suspended && old.due_at.is_some() && old.outcome == Outcome::Met {
                        prop_assert_eq!(new.due_at, old.due_at, "{}", name());
                        let expected = if old.due_at.is_some_and(|due| due < moment.at) {
                            Outcome::Broken
                        } else {
                            Outcome::Running
                        };
                        prop_assert_eq!(new.outcome, expected, "{}", name());
                    }
                    prop_assert!(new.met_at.is_none(), "{}", name());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_bounce_of_the_leads_copy_leaves_what_the_requester_got() {
    hold("a bounce of the lead's copy leaves what the requester got", |tale| {
        for (moment, decision) in tale.decisions() {
            let Event::Bounced { proof: Proof::WordToLead { .. }, .. } = &moment.event else { continue };
            for old in moment.before.commitments.iter().filter(|c| c.promise != Promise::Track) {
                let new = find(&decision.ticket, old.id).expect("kept");
                let same = (new.outcome, new.met_at) == (old.outcome, old.met_at);
                prop_assert!(
                    same || new.outcome == Outcome::Broken,
                    "#{} {:?}, {}",
                    old.id,
                    old.promise,
                    moment.name()
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_bounce_of_a_notice_to_a_lead_moves_no_clock() {
    hold("a bounce of a notice to a lead moves no clock", |tale| {
        for (moment, decision) in tale.decisions() {
            if matches!(&moment.event, Event::Bounced { proof: Proof::Lead { .. }, .. }) {
                prop_assert_eq!(&moment.before.commitments, &decision.ticket.commitments, "{}", moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn an_open_ticket_always_owes_its_feedback_and_its_solution() {
    hold("an open ticket always owes its feedback and its solution", |tale| {
        for (moment, decision) in tale.decisions() {
            let ticket = &decision.ticket;
            if !ticket.state.is_live() {
                continue;
            }
            for promise in [Promise::Feedback, Promise::Resolve] {
                if tale.terms.profile.term(promise, &ticket.severity).is_some() {
                    prop_assert!(!owed(ticket, promise).is_empty(), "{promise:?} is owed no more, {}", moment.name());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn an_open_bug_always_owes_its_repair() {
    hold("an open bug always owes its repair", |tale| {
        for (moment, decision) in tale.decisions() {
            let ticket = &decision.ticket;
            let promised = tale.terms.profile.term(Promise::Bugfix, &ticket.severity).is_some();
            if ticket.state.is_live() && promised && ticket.category.as_deref() == Some("bug") {
                prop_assert!(!owed(ticket, Promise::Bugfix).is_empty(), "{}", moment.name());
            }
        }
        Ok(())
    });
}

fn is_major(tale: &Tale, ticket: &Ticket) -> bool {
    ticket.state.is_live()
        && tale.terms.profile.term(Promise::Report, &ticket.severity).is_some()
        && ticket.is_major(&tale.terms)
}

#[test]
fn an_open_major_emergency_is_tracked_and_has_been_or_will_be_reported() {
    hold("an open major emergency is tracked and has been or will be reported", |tale| {
        for (moment, decision) in tale.decisions() {
            if is_major(tale, &decision.ticket) {
                let report = decision.ticket.commitments.iter().rev().find(|c| c.promise == Promise::Report);
                let track = owed(&decision.ticket, Promise::Track);
                prop_assert!(!track.is_empty(), "not tracked, {}", moment.name());
                prop_assert!(
                    report.is_some_and(|c| c.outcome != Outcome::Cancelled),
                    "not reported: {report:?}, {}",
                    moment.name()
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_solution_meets_all_that_it_can_meet() {
    hold("a solution meets all that it can meet", |tale| {
        for (moment, decision) in tale.decisions() {
            if matches!(moment.event, Event::Resolve { .. }) {
                let open = decision.ticket.commitments.iter().find(|c| solved(c.promise) && c.is_unsettled());
                prop_assert!(open.is_none(), "{open:?}, {}", moment.name());
            }
        }
        Ok(())
    });
}
