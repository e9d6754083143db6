//! Closing, withdrawing, merging, reopening.

use proptest::prelude::*;
use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Event, Outcome, State};

use super::world::{Tale, find, hold, owed, solved};

#[test]
fn when_a_ticket_is_over_nothing_runs_and_nothing_rings() {
    hold("when a ticket is over nothing runs and nothing rings", |tale| {
        for (moment, decision) in tale.decisions() {
            if !decision.ticket.state.is_over() {
                continue;
            }
            for c in &decision.ticket.commitments {
                let runs = matches!(c.outcome, Outcome::Running | Outcome::Paused);
                prop_assert!(!runs, "#{} {:?} {:?}, {}", c.id, c.promise, c.outcome, moment.name());
            }
            prop_assert_eq!(decision.ticket.next_alarm(), None, "{}", moment.name());
        }
        Ok(())
    });
}

/// Whether a reopening comes after the confirmation time, or of a ticket that was never solved.
fn late(moment: &super::world::Moment) -> bool {
    let before = &moment.before;
    before.resolved_at.is_none() || before.confirm_until.is_none_or(|until| moment.at > until)
}

#[test]
fn a_late_reopening_starts_a_new_round_of_promises() {
    hold("a late reopening starts a new round of promises", |tale| {
        for (moment, decision) in tale.decisions() {
            if !matches!(moment.event, Event::Reopen { .. }) || !late(moment) {
                continue;
            }
            let ticket = &decision.ticket;
            let mut promised = vec![Promise::Respond, Promise::Feedback, Promise::Resolve];
            if ticket.category.as_deref() == Some("bug") {
                promised.push(Promise::Bugfix);
            }
            if ticket.is_major(&tale.terms) {
                promised.extend([Promise::Report, Promise::Track]);
            }
            for promise in promised {
                let Some(term) = tale.terms.profile.term(promise, &ticket.severity) else { continue };
                let length = tale.terms.length_ms(term);
                let due = tale.terms.calendar(&term.calendar).add(moment.at, length).expect("within the years counted");
                let new =
                    ticket.commitments.iter().filter(|c| find(&moment.before, c.id).is_none() && c.promise == promise);
                let new: Vec<_> = new.map(|c| (c.outcome, c.started_at, c.due_at)).collect();
                prop_assert_eq!(
                    new,
                    vec![(Outcome::Running, moment.at, Some(due))],
                    "{:?}, {}",
                    promise,
                    moment.name()
                );
            }
        }
        Ok(())
    });
}

#[test]
fn a_reopening_in_time_voids_the_solution_and_the_clock_goes_on_without_the_time_it_stood_resolved() {
    hold("a reopening in time voids the solution and the clock goes on without the time it stood resolved", |tale| {
        for (moment, decision) in tale.decisions() {
            if !matches!(moment.event, Event::Reopen { .. }) || late(moment) {
                continue;
            }
            let since = moment.before.resolved_at.expect("not late");
            // A change while it stood resolved has its own law.
            let ticket = &decision.ticket;
            let same = |c: &&zhishou::rules::ticket::Commitment| {
                let term = tale.terms.profile.term(c.promise, &ticket.severity);
                c.severity == ticket.severity
                    && term.is_some_and(|term| tale.terms.length_ms(term) == c.length_ms)
                    && (c.promise != Promise::Bugfix || ticket.category.as_deref() == Some("bug"))
            };
            for old in
                moment.before.commitments.iter().filter(same).filter(|c| solved(c.promise) && c.met_at == Some(since))
            {
                let new = find(&decision.ticket, old.id).expect("kept");
                let name = || format!("#{} {:?}, {}", old.id, old.promise, moment.name());
                let voided = decision.facts.iter().any(|f| f.kind == "commitment.voided" && f.data["id"] == old.id);
                prop_assert!(voided, "{}", name());
                if old.outcome == Outcome::MetLate {
                    prop_assert_eq!(new.outcome, Outcome::Broken, "{}", name());
                    continue;
                }
                prop_assert_eq!(new.outcome, Outcome::Running, "{}", name());
                let left = tale.used(&old.calendar, since, old.due_at.expect("met"), &[]);
                let given = tale.used(&new.calendar, moment.at, new.due_at.expect("runs"), &[]);
                prop_assert_eq!(given, left, "given and left, {}", name());
            }
        }
        Ok(())
    });
}

#[test]
fn a_merger_goes_on_with_the_earlier_due_time() {
    hold("a merger goes on with the earlier due time", |tale| {
        for (moment, decision) in tale.decisions() {
            let Event::Absorb { other } = &moment.event else { continue };
            let both_run = moment.before.suspension.is_none() && other.suspension.is_none();
            for theirs in other.commitments.iter().filter(|c| c.outcome == Outcome::Running) {
                let ours = owed(&moment.before, theirs.promise);
                let Some(ours) = ours.first().filter(|c| c.outcome == Outcome::Running) else { continue };
                let after = find(&decision.ticket, ours.id).expect("kept");
                if both_run {
                    prop_assert_eq!(
                        after.due_at,
                        theirs.due_at.min(ours.due_at),
                        "{:?}, {}",
                        ours.promise,
                        moment.name()
                    );
                }
            }
        }
        Ok(())
    });
}

#[test]
fn what_a_merged_ticket_owed_is_owed_by_the_one_it_goes_on_in() {
    hold("what a merged ticket owed is owed by the one it goes on in", |tale| {
        for (moment, decision) in tale.decisions() {
            let Event::Absorb { other } = &moment.event else { continue };
            for theirs in other.commitments.iter().filter(|c| matches!(c.outcome, Outcome::Running | Outcome::Paused)) {
                let settled =
                    |c: &&zhishou::rules::ticket::Commitment| matches!(c.outcome, Outcome::Met | Outcome::MetLate);
                let once = [Promise::Respond, Promise::Report].contains(&theirs.promise);
                let ours = moment.before.commitments.iter().filter(|c| c.promise == theirs.promise);
                // The engineer and the lead of this incident have answered already.
                if once && ours.clone().any(|c| settled(&c)) {
                    continue;
                }
                let owed = owed(&decision.ticket, theirs.promise);
                prop_assert!(!owed.is_empty(), "{:?} {:?} is lost, {}", theirs.promise, theirs.outcome, moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn merging_closing_and_withdrawing_cancel_what_runs_and_leave_the_rest() {
    hold("merging, closing and withdrawing cancel what runs and leave the rest", |tale| {
        for (moment, decision) in tale.decisions() {
            let ends = !moment.before.state.is_over() && decision.ticket.state.is_over();
            if !ends {
                continue;
            }
            for old in &moment.before.commitments {
                let new = find(&decision.ticket, old.id).expect("kept");
                let name = || format!("#{} {:?} {:?}, {}", old.id, old.promise, new.outcome, moment.name());
                match old.outcome {
                    Outcome::Running if old.due_at.is_some_and(|due| due < moment.at) => {
                        prop_assert_eq!(new.outcome, Outcome::Broken, "{}", name());
                    }
                    Outcome::Running | Outcome::Paused => {
                        prop_assert_eq!(
                            (new.outcome, new.ended_at),
                            (Outcome::Cancelled, Some(moment.at)),
                            "{}",
                            name()
                        );
                        prop_assert!(!new.cause.is_empty(), "no reason: {}", name());
                    }
                    Outcome::Broken | Outcome::Met | Outcome::MetLate | Outcome::Cancelled => {
                        prop_assert_eq!(new.outcome, old.outcome, "{}", name());
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_solved_ticket_closes_by_itself_at_the_end_of_the_confirmation_time_and_not_before() {
    hold("a solved ticket closes by itself at the end of the confirmation time and not before", |tale: &Tale| {
        for (moment, decision) in tale.decisions().filter(|(moment, _)| moment.event == Event::Alarm) {
            if moment.before.state != State::Resolved {
                continue;
            }
            let until = moment.before.confirm_until.expect("resolved");
            prop_assert_eq!(decision.ticket.state == State::Closed, moment.at >= until, "{}", moment.name());
        }
        Ok(())
    });
}
