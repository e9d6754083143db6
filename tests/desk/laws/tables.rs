//! The borders, worked out by hand.

use zhishou::rules::profile::{Promise, Role};
use zhishou::rules::ticket::{About, Event, Outcome, Proof, State};

use super::world::{Ringing, Tale, contract, minutes, ms, opening, t, ticket};

/// What each promise needs before its clock runs, and what meets it.
struct Row {
    contract: &'static str,
    severity: &'static str,
    category: Option<&'static str>,
    promise: Promise,
    before: &'static [Event],
    by: &'static str,
    meets: Event,
    minutes: i64,
}

fn rows() -> Vec<Row> {
    const NONE: &[Event] = &[];
    let row = |contract, severity, promise, before, by, meets, minutes| Row {
        contract,
        severity,
        category: None,
        promise,
        before,
        by,
        meets,
        minutes,
    };
    let said = || Event::Progress { text: "进展".to_owned(), spoken: true };
    let solved = || Event::Resolve { text: "已修复".to_owned() };
    vec![
        row("yulin-approval", "C", Promise::Respond, NONE, "engineer-1", Event::Claim, 30),
        row("yulin-approval", "C", Promise::Respond, NONE, "engineer-1", said(), 30),
        row("yulin-approval", "A", Promise::Resolve, NONE, "engineer-1", solved(), 120),
        Row { category: Some("bug"), ..row("yulin-approval", "D", Promise::Bugfix, NONE, "engineer-1", solved(), 120) },
        row("xian-realestate", "general", Promise::Feedback, NONE, "engineer-1", said(), 120),
        row("xian-realestate", "major", Promise::Report, NONE, "lead-1", Event::AcknowledgeReport, 60),
        row("xian-gaoxin-oa", "major", Promise::Resolve, NONE, "engineer-1", solved(), 480),
        row("xian-gaoxin-oa", "general", Promise::Arrive, &[Event::Visit], "engineer-1", Event::Arrive, 60),
        row("xian-gaoxin-oa", "general", Promise::Support, &[Event::Support], "engineer-2", Event::Arrive, 120),
        row(
            "xian-gaoxin-oa",
            "general",
            Promise::Upgrade,
            &[Event::Upgrade { begun: true }],
            "engineer-1",
            Event::Upgrade { begun: false },
            60,
        ),
        row("zhongshan-civil", "general", Promise::Resolve, NONE, "engineer-1", solved(), 240),
    ]
}

#[test]
fn met_at_the_due_time_is_met_and_the_first_moment_after_it_is_late() {
    for row in rows() {
        for (more, ringing, expected) in [
            (0, Ringing::OnTime, Outcome::Met),
            (0, Ringing::Late, Outcome::Met),
            (1, Ringing::OnTime, Outcome::MetLate),
            (1, Ringing::Late, Outcome::MetLate),
        ] {
            let start = t("10-03 23:50");
            let opening = opening("qq:group:1", 1, Some(row.severity), row.category);
            let mut tale = Tale::open(contract(row.contract), opening, start, ringing);
            for event in row.before {
                tale.event("engineer-1", event.clone());
            }
            tale.arrives(Proof::Lead { person: "lead-1".to_owned() });
            tale.until(start + minutes(row.minutes) + ms(more));
            tale.event(row.by, row.meets.clone());
            let c = tale.ticket().commitments.iter().find(|c| c.promise == row.promise).expect("promised");
            assert_eq!(
                c.outcome, expected,
                "{} {:?} {more} ms after its due time, {ringing:?}",
                row.contract, row.promise
            );
            assert_eq!(c.due_at, Some(start + minutes(row.minutes)), "{} {:?}", row.contract, row.promise);
            assert_eq!(c.met_at, Some(tale.now()));
        }
    }
}

#[test]
fn a_working_day_before_the_holidays_ends_after_them() {
    for (opened, severity, due) in [
        // Wednesday before the eight days off: one hour is left of the day, seven are for Thursday the 8th.
        ("09-30 17:00", "C", "10-08 17:00"),
        ("10-03 12:00", "C", "10-08 18:00"),
        ("10-08 08:30", "C", "10-08 18:00"),
        ("10-08 12:30", "C", "10-09 12:00"),
        // Saturday the 10th is worked.
        ("10-09 09:00", "C", "10-10 09:00"),
        ("10-10 09:00", "C", "10-12 09:00"),
        ("09-30 17:00", "D", "10-13 17:00"),
        ("09-30 17:00", "A", "09-30 19:00"),
    ] {
        let tale = ticket("yulin-approval", severity, None, opened);
        assert_eq!(tale.last(Promise::Resolve).due_at, Some(t(due)), "{severity} opened {opened}");
    }
}

#[test]
fn a_pause_takes_its_service_minutes_and_outside_service_time_none() {
    for (from, to, due) in [
        ("10-09 10:00", "10-09 11:00", "10-10 10:00"),
        // Over the midday break: half an hour before and half an hour after.
        ("10-09 11:30", "10-09 14:00", "10-10 10:00"),
        ("10-09 12:00", "10-09 13:30", "10-10 09:00"),
        ("10-09 19:00", "10-10 08:00", "10-10 09:00"),
        ("10-09 10:00", "10-09 10:00", "10-10 09:00"),
        ("10-10 09:00", "10-12 10:00", "10-12 10:00"),
    ] {
        let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
        tale.at(from).suspends();
        assert_eq!(tale.last(Promise::Resolve).due_at, None, "{from}");
        tale.at(to).then("engineer-1", Event::Resume);
        let resolve = tale.last(Promise::Resolve);
        assert_eq!((resolve.outcome, resolve.due_at), (Outcome::Running, Some(t(due))), "{from} to {to}");
    }
}

#[test]
fn the_requesters_next_message_resumes_by_itself() {
    let mut tale = ticket("xian-realestate", "general", None, "09-22 10:00");
    tale.at("09-22 10:30").suspends();
    tale.at("09-22 15:00").then("requester-1", Event::Append { text: "材料来了".to_owned(), attachments: Vec::new() });
    assert_eq!(tale.ticket().state, State::Open);
    assert_eq!(tale.rounds(Promise::Feedback), [(Outcome::Running, Some(t("09-22 16:30")))]);
}

/// When which step told whom, and in which round.
fn rung(tale: &Tale) -> Vec<String> {
    let mut rung = Vec::new();
    let opening = std::iter::once((tale.opened_at, &tale.opened));
    for (at, decision) in opening.chain(tale.decisions().map(|(moment, decision)| (moment.at, decision))) {
        for About { step, role, round, .. } in decision.tells.iter().flat_map(|tell| &tell.about) {
            let minute = (at.as_millisecond() - tale.opened_at.as_millisecond()) / 60_000;
            rung.push(format!("{minute} {step} {} {round}", role.id()));
        }
    }
    rung
}

#[test]
fn each_step_repeats_every_ten_minutes_three_times_until_the_next_step_speaks() {
    let mut tale = ticket("xian-gaoxin-oa", "general", None, "09-22 10:00");
    tale.at("09-23 10:00");
    let expected = "60 warn-50 engineer 1|70 warn-50 engineer 2|80 warn-50 engineer 3|90 warn-50 engineer 4\
        |96 warn-80 engineer 1|96 warn-80 lead 1|106 warn-80 engineer 2|106 warn-80 lead 2\
        |116 warn-80 engineer 3|116 warn-80 lead 3|120 broken lead 1|130 broken lead 2|140 broken lead 3|150 broken lead 4";
    assert_eq!(rung(&tale).join("|"), expected);
}

#[test]
fn after_downtime_late_steps_fire_at_once_and_say_how_late_they_are() {
    let opening = opening("qq:group:1", 1, Some("general"), None);
    let mut tale = Tale::open(contract("xian-gaoxin-oa"), opening, t("09-22 10:00"), Ringing::Late);
    tale.at("09-22 13:00").then("desk", Event::Alarm).then("desk", Event::Alarm);
    assert_eq!(
        rung(&tale),
        ["180 warn-50 engineer 1", "180 warn-80 engineer 1", "180 warn-80 lead 1", "180 broken lead 1"]
    );
    let (_, decision) = tale.decisions().next().expect("rung");
    let late: Vec<_> =
        decision.tells.iter().flat_map(|tell| &tell.about).map(|a| (a.role, a.late_ms / 60_000)).collect();
    assert_eq!(late, [(Role::Engineer, 120), (Role::Engineer, 84), (Role::Lead, 84), (Role::Lead, 59)]);
    let broken = decision.facts.iter().find(|fact| fact.kind == "commitment.broken").expect("broken");
    assert_eq!(broken.at, t("09-22 12:00"));
}

#[test]
fn a_change_of_severity_counts_from_the_old_start_or_from_now_where_that_has_passed() {
    for (changed, to, started, due) in [
        ("10-09 10:00", "A", "10-09 09:00", "10-09 11:00"),
        ("10-09 11:00", "A", "10-09 09:00", "10-09 11:00"),
        ("10-09 11:00:00.001", "A", "10-09 11:00:00.001", "10-09 13:00:00.001"),
        ("10-09 17:00", "D", "10-09 09:00", "10-15 09:00"),
    ] {
        let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
        tale.at(changed).becomes(to);
        let [old, new] = tale.rounds(Promise::Resolve)[..] else { panic!("{}", tale.told()) };
        assert_eq!((old.0, new), (Outcome::Cancelled, (Outcome::Running, Some(t(due)))), "{changed} {to}");
        assert_eq!(tale.last(Promise::Resolve).started_at, t(started), "{changed} {to}");
    }
}

#[test]
fn there_and_back_is_as_if_nothing_had_been() {
    let mut tale = ticket("yulin-approval", "C", None, "10-09 09:00");
    tale.at("10-09 09:20").becomes("A").at("10-09 09:40").becomes("D").at("10-09 10:00").becomes("C");
    assert_eq!(tale.last(Promise::Resolve).due_at, Some(t("10-10 09:00")));
    assert_eq!(tale.last(Promise::Resolve).started_at, t("10-09 09:00"));
}

#[test]
fn what_is_broken_stays_broken_whatever_the_severity() {
    let mut tale = ticket("yulin-approval", "A", None, "10-09 09:00");
    tale.at("10-09 11:01").becomes("D");
    assert_eq!(tale.rounds(Promise::Resolve), [(Outcome::Broken, Some(t("10-09 11:00")))]);
}

#[test]
fn leaving_major_cancels_report_and_track_and_coming_back_starts_them_anew() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 09:10").becomes("major");
    assert_eq!(tale.rounds(Promise::Report), [(Outcome::Running, Some(t("10-09 10:10")))]);
    assert_eq!(tale.rounds(Promise::Track), [(Outcome::Running, Some(t("10-09 09:40")))]);
    tale.at("10-09 09:20").becomes("general");
    assert_eq!(tale.last(Promise::Report).outcome, Outcome::Cancelled);
    assert_eq!(tale.last(Promise::Track).outcome, Outcome::Cancelled);
    tale.at("10-09 09:30").becomes("major");
    assert_eq!(tale.last(Promise::Report).due_at, Some(t("10-09 10:30")));
    assert_eq!(tale.last(Promise::Track).due_at, Some(t("10-09 10:00")));
}

#[test]
fn told_alone_or_claimed_or_answered_is_not_reported() {
    let mut tale = ticket("xian-realestate", "major", None, "10-09 09:00");
    let running = [(Outcome::Running, Some(t("10-09 10:00")))];
    tale.then("lead-1", Event::AcknowledgeReport);
    assert_eq!(tale.rounds(Promise::Report), running, "no notice has reached him");
    tale.arrives(Proof::Lead { person: "lead-1".to_owned() });
    assert_eq!(tale.rounds(Promise::Report), running, "told");
    tale.then("lead-1", Event::Acknowledge).then("engineer-1", Event::Claim).says();
    assert_eq!(tale.rounds(Promise::Report), running, "收到, a claim, progress");
    tale.then("lead-2", Event::AcknowledgeReport);
    assert_eq!(tale.rounds(Promise::Report), running, "another lead, whom nothing has reached");
    tale.at("10-09 10:00").then("lead-1", Event::AcknowledgeReport);
    assert_eq!(tale.last(Promise::Report).outcome, Outcome::Met);
}

#[test]
fn track_needs_both_the_requester_and_the_lead() {
    let mut tale = ticket("xian-realestate", "major", None, "10-09 09:00");
    tale.at("10-09 09:05");
    let word = tale.writes();
    tale.at("10-09 09:06").arrives(Proof::Word { word });
    assert_eq!(tale.rounds(Promise::Track), [(Outcome::Running, Some(t("10-09 09:30")))]);
    tale.at("10-09 09:08").arrives(Proof::WordToLead { word });
    let expected = [(Outcome::Met, Some(t("10-09 09:30"))), (Outcome::Running, Some(t("10-09 09:38")))];
    assert_eq!(tale.rounds(Promise::Track), expected);
}

#[test]
fn a_broken_round_stays_open_and_the_next_starts_when_it_is_met_late() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.at("10-09 12:00");
    assert_eq!(tale.rounds(Promise::Feedback), [(Outcome::Broken, Some(t("10-09 11:00")))]);
    tale.says();
    let expected = [(Outcome::MetLate, Some(t("10-09 11:00"))), (Outcome::Running, Some(t("10-09 14:00")))];
    assert_eq!(tale.rounds(Promise::Feedback), expected);
}

#[test]
fn a_bounce_brings_the_old_due_time_back() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    let word = tale.writes();
    tale.at("10-09 09:30").arrives(Proof::Word { word }).at("10-09 10:30").bounces(Proof::Word { word });
    let [first, second] = tale.rounds(Promise::Feedback)[..] else { panic!("{}", tale.told()) };
    assert_eq!(first, (Outcome::Running, Some(t("10-09 11:00"))));
    assert_eq!(second.0, Outcome::Cancelled);
    tale.at("10-09 11:00").says();
    assert_eq!(tale.rounds(Promise::Feedback)[0].0, Outcome::Met);
    assert_eq!(tale.last(Promise::Feedback).due_at, Some(t("10-09 13:00")));
}

#[test]
fn reopened_in_time_the_clock_goes_on_and_late_it_begins_anew() {
    let mut tale = ticket("xian-gaoxin-oa", "general", None, "10-09 09:00");
    tale.at("10-09 10:00").resolves().at("10-12 10:00").reopens();
    assert_eq!(tale.rounds(Promise::Resolve), [(Outcome::Running, Some(t("10-12 11:00")))]);
    let mut tale = ticket("xian-gaoxin-oa", "general", None, "10-09 09:00");
    tale.at("10-09 10:00").resolves().at("10-12 10:00:00.001").reopens();
    let expected = [(Outcome::Met, Some(t("10-09 11:00"))), (Outcome::Running, Some(t("10-12 12:00:00.001")))];
    assert_eq!(tale.rounds(Promise::Resolve), expected);
}

#[test]
fn a_merger_takes_the_earlier_due_time() {
    for (theirs, ours, due) in [("09:00", "09:30", "11:00"), ("09:30", "09:00", "11:00")] {
        let other = ticket("xian-realestate", "general", None, &format!("10-09 {theirs}"));
        let mut tale = ticket("xian-realestate", "general", None, &format!("10-09 {ours}"));
        tale.at("10-09 10:00").then("engineer-1", Event::Absorb { other: Box::new(other.ticket().clone()) });
        assert_eq!(tale.rounds(Promise::Feedback), [(Outcome::Running, Some(t(&format!("10-09 {due}"))))]);
    }
}

#[test]
fn a_mute_silences_reminders_but_no_break() {
    let mut tale = ticket("xian-realestate", "general", None, "10-09 09:00");
    tale.event("engineer-1", Event::Mute { until: t("10-09 15:00") });
    tale.at("10-09 14:00");
    // The first word of a break is never held back; its repetitions are.
    assert_eq!(rung(&tale), ["120 broken lead 1"]);
}
