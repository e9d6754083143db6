//! Suspending, and changes of severity: what moves a due time and what does not.

use jiff::Timestamp;
use proptest::prelude::*;
use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Commitment, Event, Outcome, State};

use super::world::{Tale, find, hold, hold_cases, minutes, pausable};

#[test]
fn while_suspended_what_stands_still_has_no_due_time_and_rings_nothing() {
    hold("while suspended what stands still has no due time and rings nothing", |tale| {
        for (moment, decision) in tale.decisions() {
            let ticket = &decision.ticket;
            for c in &ticket.commitments {
                if ticket.state == State::Suspended && pausable(c.promise) {
                    prop_assert_ne!(
                        c.outcome,
                        Outcome::Running,
                        "#{} {:?} runs on, {}",
                        c.id,
                        c.promise,
                        moment.name()
                    );
                }
                if c.outcome == Outcome::Paused {
                    prop_assert_eq!(
                        ticket.state,
                        State::Suspended,
                        "#{} {:?} stands still, {}",
                        c.id,
                        c.promise,
                        moment.name()
                    );
                    prop_assert!(pausable(c.promise), "{:?} stands still, {}", c.promise, moment.name());
                    prop_assert!(c.due_at.is_none() && c.breaks_at().is_none(), "{}", moment.name());
                    let rings = ticket.pings.iter().any(|ping| ping.commitment == Some(c.id) && ping.at.is_some());
                    prop_assert!(!rings, "#{} {:?} would ring, {}", c.id, c.promise, moment.name());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn resuming_gives_exactly_the_service_time_that_was_left() {
    hold("resuming gives exactly the service time that was left", |tale| {
        for (moment, decision) in tale.decisions() {
            if moment.before.state != State::Suspended || !matches!(moment.event, Event::Resume | Event::Append { .. })
            {
                continue;
            }
            for old in moment.before.commitments.iter().filter(|c| c.outcome == Outcome::Paused) {
                let since = old.pauses.last().map_or(moment.at, |pause| pause.0);
                let left = old.length_ms - tale.used(&old.calendar, old.started_at, since, &old.pauses);
                let new = find(&decision.ticket, old.id).expect("still there");
                prop_assert_eq!(new.outcome, Outcome::Running, "{}", moment.name());
                let due = new.due_at.expect("it runs");
                let given = tale.used(&new.calendar, moment.at, due, &[]);
                prop_assert_eq!(given, left, "#{} {:?} given and left, {}", new.id, new.promise, moment.name());
                prop_assert_eq!(old.left_ms, Some(left), "{}", moment.name());
            }
        }
        Ok(())
    });
}

#[test]
fn suspending_and_resuming_at_once_moves_nothing() {
    hold_cases("suspending and resuming at once moves nothing", 250, false, |tale| {
        let (before, now, by) = (tale.ticket(), tale.now(), super::world::actor("engineer-1"));
        let suspend = Event::Suspend { reason: "等".to_owned() };
        let Ok(suspended) = before.decide(&tale.terms, &suspend, &by, now) else { return Ok(()) };
        let after = suspended.ticket.decide(&tale.terms, &Event::Resume, &by, now).expect("it stands still").ticket;
        for old in &before.commitments {
            let new = find(&after, old.id).expect("still there");
            let left = |c: &Commitment| c.due_at.map(|due| tale.used(&c.calendar, now, due, &[]));
            if old.outcome == Outcome::Running && new.outcome == Outcome::Running {
                prop_assert_eq!(left(old), left(new), "#{} {:?}", old.id, old.promise);
            }
        }
        Ok(())
    });
}

#[test]
fn a_calendar_that_did_not_change_moves_no_due_time() {
    hold("a calendar that did not change moves no due time", |tale| {
        for (moment, decision) in tale.decisions() {
            let again = decision.ticket.decide(&tale.terms, &Event::CalendarChanged, &moment.by, moment.at);
            prop_assert_eq!(&again.expect("never refused").ticket, &decision.ticket, "after {}", moment.name());
        }
        Ok(())
    });
}

#[test]
fn the_figures_of_a_running_promise_add_up() {
    hold("the figures of a running promise add up", |tale| {
        for (moment, decision) in tale.decisions() {
            for c in decision.ticket.commitments.iter().filter(|c| c.outcome == Outcome::Running) {
                let Some(due) = c.due_at else { continue };
                let used = tale.used(&c.calendar, c.started_at, due, &c.pauses);
                prop_assert_eq!(used, c.length_ms, "#{} {:?} on {}, {}", c.id, c.promise, &c.calendar, moment.name());
            }
        }
        Ok(())
    });
}

/// What the old pauses are at `now`: an open one lasts until now.
fn pauses(c: &Commitment, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut pauses = c.pauses.clone();
    if c.outcome == Outcome::Paused
        && let Some(last) = pauses.last_mut()
    {
        last.1 = now;
    }
    pauses
}

fn due(tale: &Tale, calendar: &str, start: Timestamp, length: i64, pauses: &[(Timestamp, Timestamp)]) -> Timestamp {
    tale.terms.calendar(calendar).add_with_pauses(start, length, pauses).expect("within the years counted")
}

#[test]
fn a_change_of_severity_never_restarts_a_clock_and_mends_nothing() {
    hold("a change of severity never restarts a clock and mends nothing", |tale| {
        for (moment, decision) in tale.decisions() {
            if !matches!(moment.event, Event::Severity { .. }) || !moment.before.state.is_live() {
                continue;
            }
            let (now, ticket) = (moment.at, &decision.ticket);
            for old in &moment.before.commitments {
                let new = find(ticket, old.id).expect("still there");
                let name = || format!("#{} {:?}, {}", old.id, old.promise, moment.name());
                if !matches!(old.outcome, Outcome::Running | Outcome::Paused) {
                    prop_assert_eq!(new.outcome, old.outcome, "{}", name());
                    continue;
                }
                if old.due_at.is_some_and(|due| due < now) {
                    prop_assert_eq!(new.outcome, Outcome::Broken, "{}", name());
                    continue;
                }
                let Some(term) = tale.terms.profile.term(old.promise, &ticket.severity) else {
                    prop_assert_eq!(new.outcome, Outcome::Cancelled, "{}", name());
                    continue;
                };
                let length = tale.terms.length_ms(term);
                if length == old.length_ms && term.calendar == old.calendar {
                    prop_assert_eq!(
                        (new.outcome, new.due_at, new.left_ms),
                        (old.outcome, old.due_at, old.left_ms),
                        "{}",
                        name()
                    );
                    continue;
                }
                prop_assert_eq!(new.outcome, Outcome::Cancelled, "{}", name());
                let next = ticket
                    .commitments
                    .iter()
                    .find(|c| c.promise == old.promise && find(&moment.before, c.id).is_none());
                prop_assert!(next.is_some(), "no successor of {}", name());
                let next = next.expect("just asked");
                // A due time that stands still has not passed: what counts is whether anything is left.
                let used = tale.used(&term.calendar, old.started_at, now, &pauses(old, now));
                let from_old = due(tale, &term.calendar, old.started_at, length, &pauses(old, now));
                let stood = pauses(old, now).last().is_some_and(|pause| pause.1 == now);
                let passed = used > length || (from_old < now && !stood);
                let from_old = if stood { from_old.max(now) } else { from_old };
                if passed {
                    prop_assert_eq!(next.started_at, now, "{}", name());
                } else {
                    prop_assert_eq!(next.started_at, old.started_at, "restarted: {}", name());
                }
                if old.outcome == Outcome::Paused {
                    prop_assert_eq!(next.outcome, Outcome::Paused, "{}", name());
                    prop_assert_eq!(next.left_ms, Some(if passed { length } else { length - used }), "{}", name());
                } else {
                    let expected = if passed { due(tale, &term.calendar, now, length, &[]) } else { from_old };
                    prop_assert_eq!(next.due_at, Some(expected), "{}", name());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn there_and_back_again_leaves_the_same_due_times() {
    hold_cases("there and back again leaves the same due times", 250, false, |tale| {
        let (start, now, by) = (tale.ticket(), tale.now(), super::world::actor("engineer-1"));
        // What came with a merger has another severity's length.
        let merged = tale.decisions().any(|(moment, _)| matches!(moment.event, Event::Absorb { .. }));
        if !start.state.is_live() || start.severity_assumed || merged {
            return Ok(());
        }
        for severity in &tale.terms.profile.severities {
            let there = start.decide(&tale.terms, &Event::Severity { to: severity.id.clone() }, &by, now);
            let Ok(there) = there else { continue };
            let later = now + minutes(1);
            // Only while nothing has passed: neither a due time of before nor one of the new severity.
            let running = |t: &zhishou::rules::ticket::Ticket| {
                t.commitments.iter().any(|c| c.outcome == Outcome::Running && c.due_at.is_some_and(|due| due < later))
            };
            let restarted = there.ticket.commitments.iter().any(|c| {
                find(start, c.id).is_none()
                    && c.started_at == now
                    && ![Promise::Report, Promise::Track].contains(&c.promise)
            });
            if running(start) || running(&there.ticket) || restarted {
                continue;
            }
            let back = Event::Severity { to: start.severity.clone() };
            let back = there.ticket.decide(&tale.terms, &back, &by, later).expect("another severity").ticket;
            let owed = |t: &zhishou::rules::ticket::Ticket| {
                let owed = t.commitments.iter().filter(|c| c.is_unsettled());
                let kept = owed.filter(|c| ![Promise::Report, Promise::Track].contains(&c.promise));
                let mut kept: Vec<_> =
                    kept.map(|c| (c.promise, c.outcome, c.started_at, c.length_ms, c.due_at, c.left_ms)).collect();
                kept.sort_by_key(|c| (c.0, c.2));
                kept
            };
            prop_assert_eq!(owed(start), owed(&back), "over {} and back", severity.id);
        }
        Ok(())
    });
}

#[test]
fn leaving_the_major_severities_ends_report_and_track() {
    hold("leaving the major severities ends report and track", |tale| {
        for (moment, decision) in tale.decisions() {
            let (was, is) = (moment.before.is_major(&tale.terms), decision.ticket.is_major(&tale.terms));
            if !was || is {
                continue;
            }
            for c in
                decision.ticket.commitments.iter().filter(|c| [Promise::Report, Promise::Track].contains(&c.promise))
            {
                prop_assert_ne!(c.outcome, Outcome::Running, "#{} {:?} runs on, {}", c.id, c.promise, moment.name());
            }
        }
        Ok(())
    });
}
