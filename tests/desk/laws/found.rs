//! Faults that the laws found, each as its shortest history. They stay found.

use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Event, Outcome, Proof, State};

use super::world::{find, owed, t, ticket};

#[test]
fn closing_silences_what_was_broken_too() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 11:01").then("engineer-1", Event::Close { text: "完".to_owned() });
    assert_eq!(tale.rounds(Promise::Feedback), [(Outcome::Broken, Some(t("10-09 11:00")))]);
    assert_eq!(tale.ticket().next_alarm(), None);
}

#[test]
fn what_was_left_broken_does_not_stand_in_the_way_of_a_new_round() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 11:01").then("engineer-1", Event::Close { text: "完".to_owned() });
    tale.at("10-12 09:00").reopens();
    let expected = [(Outcome::Broken, Some(t("10-09 11:00"))), (Outcome::Running, Some(t("10-12 11:00")))];
    assert_eq!(tale.rounds(Promise::Feedback), expected);
}

#[test]
fn a_bounce_while_suspended_leaves_the_round_standing_still_with_what_it_had_left() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 10:00").suspends();
    tale.at("10-09 10:30").arrives(Proof::Word { word }).bounces(Proof::Word { word });
    assert_eq!(tale.rounds(Promise::Feedback)[0], (Outcome::Paused, None), "{}", tale.told());
    tale.at("10-09 15:00").then("engineer-1", Event::Resume);
    assert_eq!(tale.rounds(Promise::Feedback)[0], (Outcome::Running, Some(t("10-09 16:00"))));
}

#[test]
fn a_bounce_of_a_word_that_arrived_before_the_suspension_rings_nothing_during_it() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:30").arrives(Proof::Word { word }).at("10-09 10:00").suspends();
    tale.at("10-09 10:30").bounces(Proof::Word { word });
    assert_eq!(tale.rounds(Promise::Feedback)[0], (Outcome::Paused, None), "{}", tale.told());
    assert_eq!(tale.ticket().next_alarm(), None);
}

#[test]
fn a_bounce_after_the_end_starts_nothing() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.arrives(Proof::Word { word }).then("engineer-1", Event::Close { text: "完".to_owned() });
    tale.at("10-09 09:30").bounces(Proof::Word { word });
    assert_eq!(tale.ticket().state, State::Closed);
    assert_eq!(tale.ticket().next_alarm(), None, "{}", tale.told());
    assert!(tale.ticket().commitments.iter().all(|c| c.outcome != Outcome::Running), "{}", tale.told());
}

#[test]
fn a_bounce_of_an_old_word_leaves_the_new_round_of_a_late_reopening_alone() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.resolves().arrives(Proof::Word { word: 1 });
    tale.at("10-13 09:00").reopens().at("10-13 09:10").bounces(Proof::Word { word: 1 });
    let owed = owed(tale.ticket(), Promise::Feedback);
    let owed: Vec<_> = owed.iter().filter(|c| c.outcome == Outcome::Running).map(|c| c.due_at).collect();
    assert_eq!(owed, [Some(t("10-13 11:00"))], "{}", tale.told());
}

#[test]
fn a_bounce_when_the_next_round_is_broken_leaves_one_round_owed() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.arrives(Proof::Word { word }).at("10-09 11:01").bounces(Proof::Word { word });
    assert_eq!(owed(tale.ticket(), Promise::Feedback).len(), 1, "{}", tale.told());
    tale.at("10-09 12:00").says();
    let owed = owed(tale.ticket(), Promise::Feedback);
    assert_eq!(owed.iter().map(|c| c.due_at).collect::<Vec<_>>(), [Some(t("10-09 14:00"))], "{}", tale.told());
}

#[test]
fn a_bounce_when_a_later_word_has_come_through_leaves_one_round_owed() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:10").arrives(Proof::Word { word }).at("10-09 10:00").says();
    tale.at("10-09 10:30").bounces(Proof::Word { word });
    // The requester heard at 10:00, in time for the first round; the next runs from there.
    assert_eq!(tale.rounds(Promise::Feedback)[0].0, Outcome::Met, "{}", tale.told());
    assert_eq!(tale.ticket().commitments[0].met_at, Some(t("10-09 10:00")));
    let owed = owed(tale.ticket(), Promise::Feedback);
    assert_eq!(owed.iter().map(|c| c.due_at).collect::<Vec<_>>(), [Some(t("10-09 12:00"))], "{}", tale.told());
}

#[test]
fn a_bounce_of_the_leads_copy_does_not_take_the_feedback_back() {
    let mut tale = ticket("xian-realestate", "major", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:10").arrives(Proof::Word { word }).arrives(Proof::WordToLead { word });
    tale.at("10-09 09:20").bounces(Proof::WordToLead { word });
    assert_eq!(tale.rounds(Promise::Feedback)[0].0, Outcome::Met, "{}", tale.told());
    assert_eq!(tale.rounds(Promise::Track)[0], (Outcome::Running, Some(t("10-09 09:30"))));
}

#[test]
fn a_change_of_severity_while_suspended_keeps_what_was_used() {
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.at("10-09 09:10").suspends().at("10-09 12:00").becomes("A");
    tale.at("10-09 15:00").then("engineer-1", Event::Resume);
    assert_eq!(tale.last(Promise::Resolve).due_at, Some(t("10-09 16:50")), "{}", tale.told());
}

#[test]
fn leaving_major_after_the_solution_cancels_the_report_too() {
    let mut tale = ticket("xian-realestate", "major", None, "10-09 09:00");
    tale.at("10-09 09:10").resolves().becomes("general");
    assert_eq!(tale.last(Promise::Report).outcome, Outcome::Cancelled, "{}", tale.told());
    assert_eq!(tale.last(Promise::Track).outcome, Outcome::Cancelled, "{}", tale.told());
}

#[test]
fn a_ticket_that_became_major_while_resolved_is_reported_when_it_is_reopened() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 09:10").resolves().becomes("major").at("10-09 09:20").reopens();
    assert_eq!(owed(tale.ticket(), Promise::Report).len(), 1, "{}", tale.told());
}

#[test]
fn a_ticket_that_became_a_bug_while_resolved_owes_the_repair_when_it_is_reopened() {
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.at("10-09 09:10").resolves().then("engineer-1", Event::Category { to: "bug".to_owned() });
    tale.at("10-09 09:20").reopens();
    assert_eq!(owed(tale.ticket(), Promise::Bugfix).len(), 1, "{}", tale.told());
}

#[test]
fn a_severity_changed_while_resolved_gives_the_length_when_it_is_reopened() {
    let mut tale = ticket("xian-gaoxin-oa", "major", None, "10-09 09:00");
    tale.at("10-09 10:00").resolves().becomes("general").at("10-09 12:00").reopens();
    // One of two hours was used when it was solved.
    assert_eq!(tale.last(Promise::Resolve).due_at, Some(t("10-09 13:00")), "{}", tale.told());
}

#[test]
fn a_word_that_bounces_after_the_claim_leaves_respond_met() {
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:10").arrives(Proof::Word { word }).at("10-09 09:20").then("engineer-1", Event::Claim);
    tale.at("10-09 10:00").bounces(Proof::Word { word });
    assert_eq!(tale.last(Promise::Respond).outcome, Outcome::Met, "{}", tale.told());
}

#[test]
fn a_mute_from_before_does_not_hide_a_major_emergency_from_the_lead() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.then("engineer-1", Event::Mute { until: t("10-09 12:00") }).at("10-09 09:10").becomes("major");
    let (_, decision) = tale.decisions().last().expect("it became major");
    assert!(decision.tells.iter().any(|tell| tell.about.iter().any(|about| about.step == "major")), "{}", tale.told());
}

#[test]
fn a_solution_at_the_due_time_that_is_reopened_is_not_broken_before_it_was_reopened() {
    let mut tale = ticket("xian-gaoxin-oa", "general", None, "10-09 09:00");
    tale.at("10-09 11:00").resolves().at("10-09 15:00").reopens();
    // Nothing was left of the two hours; the time it stood resolved does not count against them.
    assert_eq!(tale.rounds(Promise::Resolve), [(Outcome::Running, Some(t("10-09 15:00")))], "{}", tale.told());
}

#[test]
fn a_merger_takes_the_calendar_with_the_due_time() {
    let other = ticket("yulin-approval", "A", None, "10-09 17:00");
    let mut tale = ticket("yulin-approval", "C", None, "10-09 17:00");
    tale.then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
    tale.at("10-09 18:30").suspends().at("10-09 20:00").then("engineer-1", Event::Resume);
    assert_eq!(tale.last(Promise::Resolve).due_at, Some(t("10-09 20:30")), "{}", tale.told());
}

#[test]
fn a_merger_loses_no_promise_that_stands_still() {
    let mut other = ticket("yulin-approval", "C", Some("bug"), "10-09 09:00");
    other.suspends();
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
    assert_eq!(owed(tale.ticket(), Promise::Bugfix).len(), 1, "{}", tale.told());
}

#[test]
fn a_merger_into_a_suspended_ticket_starts_nothing_that_stands_still() {
    let other = ticket("yulin-approval", "C", Some("bug"), "10-09 09:00");
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.suspends().then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
    assert_eq!(tale.last(Promise::Bugfix).outcome, Outcome::Paused, "{}", tale.told());
}

#[test]
fn a_merger_keeps_a_visit_that_is_owed_though_there_was_one_before() {
    let mut other = ticket("xian-gaoxin-oa", "general", None, "10-09 09:00");
    other.then("engineer-2", Event::Visit);
    let mut tale = ticket("xian-gaoxin-oa", "general", None, "10-09 09:00");
    tale.then("engineer-1", Event::Visit).then("engineer-1", Event::Arrive);
    tale.then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
    assert_eq!(owed(tale.ticket(), Promise::Arrive).len(), 1, "{}", tale.told());
}

#[test]
fn the_claim_of_an_engineer_to_whom_it_was_assigned_meets_respond() {
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.then("lead-1", Event::Assign { to: super::world::actor("engineer-1") });
    assert_eq!(tale.last(Promise::Respond).outcome, Outcome::Running, "being handed a ticket is no claim");
    tale.at("10-09 09:10").then("engineer-1", Event::Claim);
    assert_eq!(tale.last(Promise::Respond).outcome, Outcome::Met, "{}", tale.told());
}

#[test]
fn a_promise_taken_over_is_no_bounce_away_from_running_to_no_end() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.suspends();
    let word = tale.writes();
    tale.arrives(Proof::Word { word }).bounces(Proof::Word { word });
    tale.at("10-09 10:00").then("engineer-1", Event::Resume);
    let c = find(tale.ticket(), 1).expect("the first round");
    assert!(c.due_at.is_some(), "{}", tale.told());
}

#[test]
fn no_step_speaks_of_a_break_that_is_not_written() {
    let opening = super::world::opening("qq:group:1", 1, Some("major"), None);
    let contract = super::world::contract("nantong-exchange");
    let mut tale = super::world::Tale::open(contract, opening, t("10-09 09:00"), super::world::Ringing::Late);
    tale.resolves().at("10-12 10:00").reopens();
    let (_, decision) = tale.decisions().last().expect("reopened");
    let told = decision.tells.iter().flat_map(|tell| &tell.about).any(|about| about.step == "broken");
    let broken = decision.facts.iter().any(|fact| fact.kind == "commitment.broken");
    assert!(broken || !told, "{}", tale.told());
}

#[test]
fn the_successor_of_a_promise_that_stands_still_warns_and_tells_of_its_break() {
    let mut tale = ticket("xian-gaoxin-oa", "major", None, "10-09 09:00");
    tale.suspends().becomes("general").then("engineer-1", Event::Resume).at("10-09 11:00:00.001");
    let (_, decision) = tale.decisions().last().expect("it broke");
    let told: Vec<_> = decision.tells.iter().flat_map(|tell| &tell.about).map(|about| about.step.as_str()).collect();
    assert_eq!(told, ["broken"], "{}", tale.told());
}

#[test]
fn a_bounce_of_the_solution_after_a_reopening_in_time_is_not_passed_over() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 09:30").resolves().arrives(Proof::Word { word: 1 }).at("10-09 10:00").reopens();
    tale.at("10-09 10:10").bounces(Proof::Word { word: 1 });
    let owed = owed(tale.ticket(), Promise::Feedback);
    assert_eq!(owed.iter().map(|c| c.due_at).collect::<Vec<_>>(), [Some(t("10-09 11:00"))], "{}", tale.told());
}

#[test]
fn a_bounce_voids_its_round_though_a_merger_moved_the_next() {
    let other = ticket("xian-realestate", "general", None, "10-09 09:00");
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:30").arrives(Proof::Word { word });
    tale.then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
    tale.at("10-09 09:40").bounces(Proof::Word { word });
    assert_ne!(tale.rounds(Promise::Feedback)[0].0, Outcome::Met, "{}", tale.told());
    assert_eq!(owed(tale.ticket(), Promise::Feedback).len(), 1, "{}", tale.told());
}

#[test]
fn a_second_bounce_leaves_a_round_that_was_struck_as_it_is() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let first = tale.writes();
    tale.at("10-09 09:10").arrives(Proof::Word { word: first });
    let second = tale.writes();
    tale.at("10-09 09:20").arrives(Proof::Word { word: second });
    tale.at("10-09 09:30").bounces(Proof::Word { word: first }).bounces(Proof::Word { word: second });
    for c in tale.ticket().commitments.iter().filter(|c| c.outcome == Outcome::Cancelled) {
        assert!(c.ended_at.is_some() && !c.cause.is_empty(), "{c:?}\n{}", tale.told());
    }
    let owed = owed(tale.ticket(), Promise::Feedback);
    assert_eq!(owed.iter().map(|c| c.due_at).collect::<Vec<_>>(), [Some(t("10-09 11:00"))], "{}", tale.told());
}

#[test]
fn a_bounce_after_the_resumption_gives_no_more_time_than_was_left_at_it() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 10:00").suspends().arrives(Proof::Word { word });
    tale.at("10-09 12:00").then("engineer-1", Event::Resume).at("10-09 12:30").bounces(Proof::Word { word });
    // One hour was left at noon.
    assert_eq!(tale.rounds(Promise::Feedback)[0], (Outcome::Running, Some(t("10-09 13:00"))), "{}", tale.told());
}
