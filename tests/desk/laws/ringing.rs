//! Who is told when: once, in order, only of what still stands, and with an end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use zhishou::rules::length::Point;
use zhishou::rules::notice::Kind;
use zhishou::rules::profile::{Promise, Role};
use zhishou::rules::ticket::{About, Audience, Decision, Event, Outcome, Ticket};

use super::world::{Moment, Ringing, Tale, Verdict, find, hold, hold_cases};

/// One firing of a step: its row in the ticket and the round.
struct Shot<'a> {
    commitment: Option<u32>,
    step: &'a str,
    role: Role,
    round: u32,
}

/// The rows that fired between two states.
fn shots<'a>(before: Option<&Ticket>, after: &'a Ticket) -> Vec<Shot<'a>> {
    let mut shots = Vec::new();
    for (row, ping) in after.pings.iter().enumerate() {
        let fired = before.and_then(|before| before.pings.get(row)).map_or(0, |old| old.fired);
        for round in fired + 1..=ping.fired {
            shots.push(Shot { commitment: ping.commitment, step: &ping.step, role: ping.role, round });
        }
    }
    shots
}

fn abouts(decision: &Decision) -> impl Iterator<Item = (&Audience, &About)> {
    decision.tells.iter().flat_map(|tell| tell.about.iter().map(move |about| (&tell.to, about)))
}

/// Opening and every accepted event: the instant, the state before, the decision.
fn steps(tale: &Tale) -> impl Iterator<Item = (Timestamp, Option<&Moment>, Option<&Ticket>, &Decision)> {
    let opening = std::iter::once((tale.opened_at, None, None, &tale.opened));
    opening.chain(tale.decisions().map(|(m, d)| (m.at, Some(m), Some(&m.before), d)))
}

fn named(moment: Option<&Moment>) -> String {
    moment.map_or_else(|| "opening".to_owned(), Moment::name)
}

#[test]
fn a_step_fires_once_for_each_promise_role_and_round_and_its_rounds_have_no_gaps() {
    hold("a step fires once for each promise, role and round, and its rounds have no gaps", |tale| {
        let limit = 1 + tale.terms.profile.escalation.repeats;
        let mut rounds: BTreeMap<(u32, String, Role), u32> = BTreeMap::new();
        for (_, moment, before, decision) in steps(tale) {
            let shots = shots(before, &decision.ticket);
            for shot in &shots {
                prop_assert!(shot.round <= limit, "{} {} round {}", named(moment), shot.step, shot.round);
                if let Some(id) = shot.commitment {
                    let last = rounds.entry((id, shot.step.to_owned(), shot.role)).or_default();
                    *last += 1;
                    prop_assert_eq!(*last, shot.round, "{} #{} {}", named(moment), id, shot.step);
                }
            }
            // What was counted was told and written down, and nothing else.
            let mut counted: Vec<_> = shots.iter().map(|s| (s.step.to_owned(), s.role, s.round)).collect();
            let mut told: Vec<_> = abouts(decision).map(|(_, a)| (a.step.clone(), a.role, a.round)).collect();
            let written = decision.facts.iter().filter(|f| f.kind == "escalated").count();
            counted.sort();
            told.sort();
            prop_assert_eq!(&counted, &told, "{}", named(moment));
            prop_assert_eq!(written, told.len(), "{}", named(moment));
        }
        Ok(())
    });
}

#[test]
fn nobody_is_told_of_a_promise_that_has_ended_or_stands_still() {
    hold("nobody is told of a promise that has ended or stands still", |tale| {
        for (_, moment, before, decision) in steps(tale) {
            for shot in shots(before, &decision.ticket) {
                let Some(id) = shot.commitment else { continue };
                let outcome = find(&decision.ticket, id).map(|c| c.outcome);
                prop_assert!(
                    matches!(outcome, Some(Outcome::Running | Outcome::Broken)),
                    "{} told {} of #{id}, which is {outcome:?}",
                    named(moment),
                    shot.step
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_break_is_told_only_of_what_is_broken_and_a_warning_only_when_its_share_is_used() {
    hold("a break is told only of what is broken and a warning only when its share is used", |tale| {
        let point =
            |id: &str| tale.terms.profile.escalation.steps.iter().find(|step| step.id == id).map(|step| step.at);
        for (at, moment, before, decision) in steps(tale) {
            for shot in shots(before, &decision.ticket) {
                let Some(c) = shot.commitment.and_then(|id| find(&decision.ticket, id)) else { continue };
                match point(shot.step) {
                    Some(Point::Broken | Point::AfterBroken(_)) => {
                        prop_assert_eq!(c.outcome, Outcome::Broken, "{} #{}", named(moment), c.id);
                    }
                    Some(Point::Percent(percent)) => {
                        let used = tale.used(&c.calendar, c.started_at, at, &c.pauses);
                        let share = c.length_ms * i64::from(percent) / 100;
                        prop_assert!(used >= share, "{} #{} warned at {used} of {share} ms", named(moment), c.id);
                    }
                    Some(Point::Start) | None => {}
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_step_repeats_no_sooner_than_the_contract_says() {
    hold("a step repeats no sooner than the contract says", |tale| {
        let every = tale.terms.profile.escalation.repeat_every.fixed_ms().expect("minutes");
        let mut last: BTreeMap<(u32, String, Role), Timestamp> = BTreeMap::new();
        for (at, moment, before, decision) in steps(tale) {
            for shot in shots(before, &decision.ticket) {
                let Some(id) = shot.commitment else { continue };
                if let Some(previous) = last.insert((id, shot.step.to_owned(), shot.role), at) {
                    let passed = at.as_millisecond() - previous.as_millisecond();
                    prop_assert!(passed >= every, "{} #{id} {} after {passed} ms", named(moment), shot.step);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn the_lead_hears_of_every_break_at_once() {
    hold("the lead hears of every break at once", |tale| {
        if tale.ringing == Ringing::Late {
            return Ok(());
        }
        for (moment, decision) in tale.decisions().filter(|(moment, _)| moment.event == Event::Alarm) {
            for fact in decision.facts.iter().filter(|fact| fact.kind == "commitment.broken") {
                let heard = abouts(decision).any(|(to, about)| {
                    *to == Audience::Role(Role::Lead)
                        && about.kind == Kind::Broken
                        && about.round == 1
                        && about.commitment.map(Promise::id) == fact.data["commitment"].as_str()
                });
                prop_assert!(heard, "{}: {:?}", moment.name(), fact.data);
            }
        }
        Ok(())
    });
}

#[test]
fn the_lead_hears_of_a_major_emergency_at_once() {
    hold("the lead hears of a major emergency at once", |tale| {
        for (_, moment, before, decision) in steps(tale) {
            let was = before.is_some_and(|before| before.is_major(&tale.terms));
            let is = decision.ticket.is_major(&tale.terms);
            if was || !is || moment.is_some_and(|m| !m.before.state.is_live()) {
                continue;
            }
            let heard = abouts(decision).any(|(to, a)| *to == Audience::Role(Role::Lead) && a.kind == Kind::Escalation);
            let known =
                decision.ticket.commitments.iter().any(|c| c.promise.id() == "report" && c.outcome == Outcome::Broken);
            prop_assert!(heard || known, "{}", named(moment));
        }
        Ok(())
    });
}

#[test]
fn what_a_lead_or_engineer_is_told_at_once_is_one_message_and_never_the_requesters() {
    hold("what a lead or engineer is told at once is one message and never the requester's", |tale| {
        for (_, moment, _, decision) in steps(tale) {
            let with: Vec<_> = decision.tells.iter().filter(|tell| !tell.about.is_empty()).collect();
            for tell in &with {
                let Audience::Role(role) = &tell.to else {
                    return Err(TestCaseError::fail(format!("{} told {:?}", named(moment), tell.to)));
                };
                prop_assert!(tell.about.iter().all(|about| about.role == *role), "{}", named(moment));
                let messages = with.iter().filter(|other| other.to == tell.to).count();
                prop_assert_eq!(messages, 1, "{} messages to {:?}", named(moment), tell.to);
            }
        }
        Ok(())
    });
}

/// Rings from every state on the way until nothing waits.
fn rings_out(tale: &Tale) -> Verdict {
    let (mut ticket, mut now) = (tale.ticket().clone(), tale.now());
    let repeats = usize::try_from(tale.terms.profile.escalation.repeats).expect("few");
    let bound = ticket.pings.len() * (repeats + 1) + ticket.commitments.len() + 1;
    let mut rung = 0;
    while let Some(at) = ticket.next_alarm() {
        now = at.max(now);
        let next = ticket.decide(&tale.terms, &Event::Alarm, &zhishou::rules::ticket::Actor::desk(), now);
        let next = next.expect("never refused").ticket;
        prop_assert!(next != ticket, "rung at {now} for nothing");
        prop_assert!(
            next.next_alarm().is_none_or(|later| later > now),
            "rung at {now}, again at {:?}",
            next.next_alarm()
        );
        ticket = next;
        rung += 1;
        prop_assert!(rung <= bound, "more than {bound} alarms");
    }
    Ok(())
}

#[test]
fn an_alarm_always_moves_things_on_and_alarms_come_to_an_end() {
    hold_cases("an alarm always moves things on and alarms come to an end", 250, false, rings_out);
}

#[test]
fn an_alarm_before_its_time_does_nothing() {
    hold("an alarm before its time does nothing", |tale| {
        for (moment, decision) in tale.decisions() {
            let early = decision.ticket.next_alarm().is_none_or(|at| at > moment.at);
            if early {
                let rung =
                    decision.ticket.decide(&tale.terms, &Event::Alarm, &moment.by, moment.at).expect("never refused");
                prop_assert_eq!(&rung.ticket, &decision.ticket, "{}", moment.name());
                prop_assert!(rung.facts.is_empty() && rung.tells.is_empty(), "{}", moment.name());
            }
        }
        Ok(())
    });
}
