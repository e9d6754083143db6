//! What was written stays, and was true when it was written.

use proptest::prelude::*;
use zhishou::rules::ticket::{Decision, Event, Outcome, Ticket};

use super::ledger::Ledger;
use super::world::{Moment, Ringing, Tale, find, hold, minutes};

/// The numbers of the promises that a decision voids.
fn voided(decision: &Decision) -> Vec<u64> {
    decision.facts.iter().filter(|f| f.kind == "commitment.voided").filter_map(|f| f.data["id"].as_u64()).collect()
}

#[test]
fn an_outcome_once_written_changes_only_by_a_fact_that_voids_it() {
    hold("an outcome once written changes only by a fact that voids it", |tale| {
        for (moment, decision) in tale.decisions() {
            for old in &moment.before.commitments {
                let new = find(&decision.ticket, old.id);
                prop_assert!(new.is_some(), "#{} is gone: {}", old.id, moment.name());
                let new = new.expect("just asked");
                if voided(decision).contains(&u64::from(old.id)) {
                    continue;
                }
                prop_assert!(new.broke || !old.broke, "#{} never broke any more: {}", old.id, moment.name());
                let same = (old.outcome, old.met_at, old.ended_at, &old.cause)
                    == (new.outcome, new.met_at, new.ended_at, &new.cause);
                let fits = match old.outcome {
                    Outcome::Running | Outcome::Paused => true,
                    Outcome::Broken => new.outcome == Outcome::Broken || new.outcome == Outcome::MetLate,
                    Outcome::Met | Outcome::MetLate | Outcome::Cancelled => same,
                };
                prop_assert!(fits, "#{} {:?} became {:?}: {}", old.id, old.outcome, new.outcome, moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn the_facts_alone_tell_the_same_story_as_the_state() {
    hold("the facts alone tell the same story as the state", |tale| {
        let mut ledger = Ledger::default();
        let read = ledger.read(&tale.opened.facts, tale.opened_at);
        prop_assert!(read.is_ok(), "{read:?}");
        for (moment, decision) in tale.decisions() {
            let read = ledger.read(&decision.facts, moment.at);
            prop_assert!(read.is_ok(), "{} at {}", read.unwrap_err(), moment.name());
            prop_assert_eq!(ledger.entries.len(), decision.ticket.commitments.len(), "{}", moment.name());
            for c in &decision.ticket.commitments {
                let told = &ledger.entries[&c.id];
                let (told, held) = (
                    (
                        told.promise,
                        told.outcome,
                        told.met_at,
                        told.due_at,
                        told.started_at,
                        told.length_ms,
                        &told.calendar,
                    ),
                    (c.promise, c.outcome, c.met_at, c.due_at, c.started_at, c.length_ms, &c.calendar),
                );
                prop_assert_eq!(told, held, "#{} told and held, {}", c.id, moment.name());
            }
        }
        Ok(())
    });
}

/// Walks over the facts of promises, with what they said before.
fn facts(
    tale: &Tale,
    mut see: impl FnMut(&Moment, &zhishou::rules::ticket::Fact, &Ledger) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::default();
    // A fold that stumbles is the matter of the law above.
    let _ = ledger.read(&tale.opened.facts, tale.opened_at);
    for (moment, decision) in tale.decisions() {
        for fact in &decision.facts {
            see(moment, fact, &ledger)?;
            let _ = ledger.read_one(fact, moment.at);
        }
    }
    Ok(())
}

#[test]
fn a_promise_is_met_when_it_was_met_by_its_due_time_and_met_late_when_it_was_not() {
    hold("a promise is met when it was met by its due time and met late when it was not", |tale| {
        facts(tale, |moment, fact, ledger| {
            let id = fact.data["id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
            let due = ledger.entries.get(&id).and_then(|entry| entry.due_at);
            match fact.kind {
                "commitment.met" => {
                    prop_assert!(due.is_none_or(|due| fact.at <= due), "{} met after {due:?}", moment.name());
                }
                "commitment.met_late" => {
                    prop_assert!(due.is_some_and(|due| fact.at > due), "{} met late before {due:?}", moment.name());
                }
                _ => {}
            }
            prop_assert!(fact.at <= moment.at, "{} tells of the future: {fact:?}", moment.name());
            Ok(())
        })
    });
}

#[test]
fn a_break_is_dated_at_the_due_time_and_written_only_after_it() {
    hold("a break is dated at the due time and written only after it", |tale| {
        facts(tale, |moment, fact, ledger| {
            if fact.kind == "commitment.broken" {
                let id = fact.data["id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
                let due = ledger.entries.get(&id).and_then(|entry| entry.due_at);
                prop_assert_eq!(Some(fact.at), due, "{}", moment.name());
                prop_assert!(moment.at > fact.at, "{} broken at its due time", moment.name());
            }
            Ok(())
        })
    });
}

#[test]
fn a_promise_breaks_only_when_its_service_time_is_really_used_up() {
    hold("a promise breaks only when its service time is really used up", |tale| {
        facts(tale, |moment, fact, ledger| {
            let id = fact.data["id"].as_u64().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
            if fact.kind == "commitment.broken"
                && let Some(entry) = ledger.entries.get(&id)
                && !entry.inherited
            {
                let used = tale.used(&entry.calendar, entry.started_at, fact.at, &entry.pauses);
                prop_assert_eq!(
                    used,
                    entry.length_ms,
                    "#{} {:?} used and promised, {}",
                    id,
                    entry.promise,
                    moment.name()
                );
            }
            Ok(())
        })
    });
}

#[test]
fn while_the_alarm_rings_on_time_no_promise_runs_past_its_due_time() {
    hold("while the alarm rings on time no promise runs past its due time", |tale| {
        if tale.ringing == Ringing::Late {
            return Ok(());
        }
        for (moment, decision) in tale.decisions() {
            for c in decision.ticket.commitments.iter().filter(|c| c.outcome == Outcome::Running) {
                prop_assert!(c.due_at.is_some(), "#{} {:?} runs to no end, {}", c.id, c.promise, moment.name());
                prop_assert!(
                    c.due_at.is_some_and(|due| due >= moment.at),
                    "#{} {:?} overdue, {}",
                    c.id,
                    c.promise,
                    moment.name()
                );
            }
        }
        Ok(())
    });
}

#[test]
fn every_running_promise_has_a_due_time_and_everything_else_has_ended_or_stands_still() {
    hold("every running promise has a due time and everything else has ended or stands still", |tale| {
        for (moment, decision) in tale.decisions() {
            for c in &decision.ticket.commitments {
                let fits = match c.outcome {
                    Outcome::Running => c.due_at.is_some() && c.left_ms.is_none() && c.ended_at.is_none(),
                    Outcome::Paused => c.due_at.is_none() && c.left_ms.is_some() && c.ended_at.is_none(),
                    Outcome::Met | Outcome::MetLate => c.met_at.is_some() && c.ended_at == c.met_at,
                    Outcome::Cancelled => c.met_at.is_none() && c.ended_at.is_some(),
                    Outcome::Broken => c.met_at.is_none() && c.due_at.is_some(),
                };
                prop_assert!(fits, "{}: {c:?}", moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn telling_the_same_thing_twice_has_the_effect_of_once() {
    hold("telling the same thing twice has the effect of once", |tale| {
        for (moment, decision) in tale.decisions() {
            let again = |at| decision.ticket.decide(&tale.terms, &moment.event, &moment.by, at);
            match &moment.event {
                Event::Alarm | Event::CalendarChanged => {
                    let again = again(moment.at).expect("never refused");
                    prop_assert_eq!(&again.ticket, &decision.ticket, "{}", moment.name());
                    prop_assert!(again.facts.is_empty() && again.tells.is_empty(), "{} again", moment.name());
                }
                Event::Delivered { .. } => {
                    for at in [moment.at, moment.at + minutes(7)] {
                        let again = again(at).expect("never refused");
                        prop_assert_eq!(&again.ticket, &decision.ticket, "{}", moment.name());
                        prop_assert!(again.facts.is_empty() && again.tells.is_empty(), "{} again", moment.name());
                    }
                }
                Event::Bounced { .. } => {
                    let again = again(moment.at).expect("never refused");
                    prop_assert_eq!(&again.ticket, &decision.ticket, "{}", moment.name());
                }
                Event::Claim
                | Event::Assign { .. }
                | Event::Suspend { .. }
                | Event::Resume
                | Event::Severity { .. }
                | Event::Category { .. }
                | Event::Resolve { .. }
                | Event::Confirm
                | Event::Reopen { .. }
                | Event::Close { .. }
                | Event::Withdraw { .. }
                | Event::MergeInto { .. } => {
                    prop_assert!(again(moment.at).is_err(), "{} accepted again", moment.name());
                }
                _ => {}
            }
        }
        Ok(())
    });
}

#[test]
fn deciding_is_a_function_and_a_refusal_changes_nothing() {
    hold("deciding is a function and a refusal changes nothing", |tale| {
        let mut last: &Ticket = &tale.opened.ticket;
        for moment in &tale.moments {
            prop_assert_eq!(&moment.before, last);
            let again = moment.before.decide(&tale.terms, &moment.event, &moment.by, moment.at);
            prop_assert_eq!(&again, &moment.became, "{}", moment.name());
            last = moment.after();
        }
        let text = serde_json::to_string(last).expect("written");
        prop_assert_eq!(last, &serde_json::from_str::<Ticket>(&text).expect("read"));
        Ok(())
    });
}
