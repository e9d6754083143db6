//! Acceptance rehearsals: scripts played through the real pipeline, each held against all that it should bring about.
//!
//! `rehearsals/README.md` explains the files. What a script did not expect to be said fails it, as does a promise that ends
//! otherwise than `contracts.md` has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zhishou::config::{holidays, load_contract};
use zhishou::rehearse::{Cast, Line, Played, parse, play};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::profile::Profile;
use zhishou_intents::FaqEntry;

/// Characters of a text that an expectation keeps, where the script does not ask for the whole.
const OPENING: usize = 40;

/// The parts of a line of the transcript that an expectation keeps, in this order.
const KEPT: [&str; 17] = [
    "at",
    "in",
    "disposition",
    "to",
    "person",
    "kind",
    "kinds",
    "ticket",
    "commitment",
    "commitments",
    "step",
    "role",
    "round",
    "late_ms",
    "faq",
    "actions",
    "text",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk/rehearsals")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A script with what its first line says about it.
struct Script {
    name: String,
    head: BTreeMap<String, String>,
    lines: Vec<Line>,
    text: String,
}

impl Script {
    fn load(name: &str) -> Self {
        let text = read(&folder().join(format!("{name}.jsonl")));
        let first = text.lines().next().and_then(|line| line.strip_prefix("//")).unwrap_or_default();
        let words: Vec<&str> = first.split_whitespace().collect();
        let head = words
            .chunks(2)
            .map(|pair| match pair {
                [key, value] if key.ends_with(':') => (key.trim_end_matches(':').to_owned(), (*value).to_owned()),
                _ => panic!("{name}: the first line is `// contract: ID  until: T  people: FILE`, not `{first}`"),
            })
            .collect();
        let lines = parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        Self { name: name.to_owned(), head, lines, text }
    }

    fn head(&self, key: &str) -> Option<&str> {
        self.head.get(key).map(String::as_str)
    }

    fn cast(&self) -> Cast {
        let contract = self.head("contract").expect("the first line names the contract");
        let holidays = holidays(None).expect("the shipped holidays");
        let people = match self.head("people") {
            Some(file) => read(&folder().join(file)),
            None => Profile::sample_people().to_owned(),
        };
        let faq = Profile::sample_faq().lines().filter(|line| !line.trim().is_empty());
        Cast {
            terms: load_contract(contract, Path::new("."), &holidays).unwrap_or_else(|why| panic!("{why:?}")),
            people: PeopleFile::parse(&people, "people").unwrap_or_else(|why| panic!("{why}")),
            faq: faq.map(|line| serde_json::from_str::<FaqEntry>(line).expect(line)).collect(),
            until: self.head("until").map(|until| until.parse().expect(until)),
            wording: None,
        }
    }

    async fn play(&self) -> Played {
        play(&self.lines, self.cast()).await.unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }

    /// Ids of everything in the script that gets an `in` line: messages and presses, no repeats.
    fn inbound(&self) -> Vec<String> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| line.starts_with('{'));
        lines
            .filter_map(|(index, line)| {
                let line: Value = serde_json::from_str(line).expect(line);
                let speaks = line.get("from").is_some();
                let id = line.get("id").and_then(Value::as_str).map(str::to_owned);
                speaks.then(|| id.unwrap_or_else(|| format!("L{}", index + 1)))
            })
            .collect()
    }
}

/// A JSON object with its keys in the order given, whatever serde_json is built with.
fn object(from: &Value, keys: &[&str]) -> String {
    let pairs = keys.iter().filter_map(|key| from.get(key).map(|value| format!("\"{key}\": {value}")));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// A line of the transcript as an expectation keeps it.
fn compact(line: &Value, whole: bool) -> Value {
    let mut kept = Map::new();
    for key in KEPT {
        if let Some(value) = line.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(Value::String(text)) = kept.get_mut("text") {
        *text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ");
        if !whole && text.chars().count() > OPENING {
            *text = text.chars().take(OPENING).chain(['…']).collect();
        }
    }
    Value::Object(kept)
}

/// The transcript as an expectation keeps it. What is said at one instant to several stands in the order of their names:
/// between conversations no order is promised.
fn transcript(played: &Played, whole: bool) -> Vec<String> {
    let mut lines: Vec<Value> = played.transcript.iter().map(|line| compact(line, whole)).collect();
    for run in lines.chunk_by_mut(|a, b| a["at"] == b["at"] && a.get("to").is_some() && b.get("to").is_some()) {
        run.sort_by_key(|line| line["to"].as_str().unwrap_or_default().to_owned());
    }
    lines.iter().map(|line| object(line, &KEPT)).collect()
}

/// The state as an expectation keeps it: tickets and promises, a line each.
fn state(played: &Played) -> Vec<String> {
    let mut lines = vec!["{\"tickets\": [".to_owned()];
    let tickets = played.state["tickets"].as_array().expect("tickets");
    for (at, ticket) in tickets.iter().enumerate() {
        let keys = ["number", "state", "severity", "category", "system", "requester", "engineer", "opened_at"];
        let head = object(ticket, &keys);
        lines.push(format!("  {}, \"commitments\": [", head.trim_end_matches('}')));
        let promises = ticket["commitments"].as_array().expect("commitments");
        for (at, promise) in promises.iter().enumerate() {
            let keys = ["name", "round", "severity", "started_at", "due_at", "met_at", "outcome"];
            let comma = if at + 1 < promises.len() { "," } else { "" };
            lines.push(format!("    {}{comma}", object(promise, &keys)));
        }
        lines.push(format!("  ]}}{}", if at + 1 < tickets.len() { "," } else { "" }));
    }
    let (inbox, outbox) = (&played.state["inbox"], &played.state["outbox"]);
    let (inbox, outbox) = (object(inbox, &["pending"]), object(outbox, &["pending", "failed"]));
    lines.push(format!("], \"inbox\": {inbox}, \"outbox\": {outbox}}}"));
    lines
}

/// What differs, a line each; empty where nothing does.
fn difference(expected: &[String], got: &[String]) -> String {
    // Longest common subsequence: rehearsals are short.
    let mut table = vec![vec![0_usize; got.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..got.len()).rev() {
            table[i][j] =
                if expected[i] == got[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < expected.len() || j < got.len() {
        if i < expected.len() && j < got.len() && expected[i] == got[j] {
            (i, j) = (i + 1, j + 1);
        } else if j >= got.len() || (i < expected.len() && table[i + 1][j] >= table[i][j + 1]) {
            let _ = writeln!(text, "  expected {}", expected[i]);
            i += 1;
        } else {
            let _ = writeln!(text, "  got      {}", got[j]);
            j += 1;
        }
    }
    text
}

/// Holds what came against a file; with `ZHISHOU_BLESS=1` writes the file instead.
fn hold(path: &Path, got: &[String]) -> String {
    if std::env::var_os("ZHISHOU_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, got.join("\n") + "\n").expect("the expectation can be written");
        return String::new();
    }
    let expected: Vec<String> = read(path).lines().map(str::to_owned).collect();
    let differs = difference(&expected, got);
    if differs.is_empty() { differs } else { format!("{}\n{differs}", path.display()) }
}

/// What holds in every rehearsal: each message one disposition, nothing pending, nothing failed, lines in time order and
/// what is said numbered from 1 (`design.md`, rules 1 and 6).
fn laws(script: &Script, played: &Played) -> String {
    let mut broken = String::new();
    let mut heard: Vec<&str> = played.transcript.iter().filter_map(|line| line["in"].as_str()).collect();
    let mut written = script.inbound();
    heard.sort_unstable();
    written.sort_unstable();
    if heard != written {
        let _ = writeln!(broken, "messages {written:?} got dispositions {heard:?}");
    }
    let numbers: Vec<u64> = played.transcript.iter().filter_map(|line| line["n"].as_u64()).collect();
    if numbers.iter().enumerate().any(|(at, n)| *n != at as u64 + 1) {
        let _ = writeln!(broken, "what is said is numbered {numbers:?}");
    }
    if !played.transcript.is_sorted_by_key(|line| line["at"].as_str().unwrap_or_default().to_owned()) {
        let _ = writeln!(broken, "the transcript is not in the order of time");
    }
    let left = json!({
        "inbox": 0,
        "pending": script.head("pending").map_or(0, |n| n.parse().expect(n)),
        "failed": script.head("failed").map_or(0, |n| n.parse().expect(n)),
    });
    let got = json!({
        "inbox": played.state["inbox"]["pending"],
        "pending": played.state["outbox"]["pending"],
        "failed": played.state["outbox"]["failed"],
    });
    if left != got {
        let _ = writeln!(broken, "left behind {got}, not {left}");
    }
    broken
}

/// Plays a script and holds everything against what it should bring about.
async fn comes_out(name: &str) {
    let script = Script::load(name);
    let played = script.play().await;
    let whole = script.head("text") == Some("full");
    let mut wrong = laws(&script, &played);
    wrong += &hold(&folder().join(format!("{name}.expected.jsonl")), &transcript(&played, whole));
    wrong += &hold(&folder().join(format!("{name}.state.json")), &state(&played));
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

macro_rules! rehearsals {
    ($($test:ident: $name:literal;)*) => {
        /// The names of all scripts.
        const SCRIPTS: &[&str] = &[$($name),*];

        $(
            #[tokio::test(flavor = "current_thread")]
            async fn $test() {
                comes_out($name).await;
            }
        )*
    };
}

rehearsals! {
    a_maintenance_window_holds_warnings_back_and_loses_none: "maintenance-holds-back";
    received_is_no_acknowledgement_and_a_new_break_is_said_as_new: "lead-says-received";
    a_merged_reporters_word_closes_nothing: "merged-reporter-says-fine";
    an_emergency_in_the_holiday_night_is_answered_late_and_the_next_in_time: "nantong-major-over-national-day";
    what_nobody_answered_stays_broken_when_it_is_withdrawn: "nantong-broken-for-good";
    all_five_promises_of_a_major_fault_broken_and_met_late: "gaoxin-major-late";
    all_five_promises_of_a_major_fault_kept_across_two_crashes: "gaoxin-major-kept";
    a_mute_holds_back_no_first_word_of_five_breaks: "gaoxin-broken-for-good";
    a_bug_at_level_a_late_in_all_three_and_another_kept: "yulin-a-bug";
    a_bug_at_level_b_late_in_all_three_and_another_kept: "yulin-b-bug";
    one_solution_keeps_resolve_and_is_late_for_the_bug: "yulin-c-bug-late";
    five_working_days_at_level_d_end_on_the_minute_across_holiday_and_crashes: "yulin-d-over-national-day";
    a_withdrawn_bug_stays_broken_in_all_three: "yulin-broken-for-good";
    configuration_warned_broken_and_late_over_the_national_day_and_crashes: "zhongshan-configure-late";
    a_major_fault_with_visit_and_configuration_is_late_in_all: "zhongshan-major-late";
    a_major_bug_counts_its_five_days_over_a_weekend: "zhongshan-major-bug-late";
    every_promise_of_zhongshan_kept_in_time: "zhongshan-kept";
    withdrawing_after_five_breaks_leaves_them_broken: "zhongshan-broken-for-good";
    hours_of_silence_on_a_major_emergency_break_all_and_are_met_late: "realestate-major-silence";
    a_withdrawn_emergency_stays_broken_in_all_three: "realestate-broken-for-good";
    feedback_counts_when_the_group_has_taken_it_and_starts_again_each_time: "realestate-feedback";
    a_major_emergency_is_reported_by_the_leads_word_and_tracked_in_rounds: "realestate-major";
    a_ticket_that_becomes_major_late_owes_the_report_from_then_on: "realestate-report-late";
    leaving_major_cancels_report_and_tracking_and_silences_the_lead: "realestate-leaves-major";
    suspension_stands_still_until_the_requester_writes_and_is_forbidden_for_major: "realestate-suspend";
    feedback_said_while_the_channel_is_down_counts_when_it_arrives: "realestate-channel-down";
    two_messages_waiting_for_a_channel_hold_up_no_break: "two-wait-for-a-channel";
    what_is_said_to_the_lead_takes_the_next_way_when_one_is_down: "realestate-other-way";
    an_acknowledgement_before_any_notice_meets_nothing: "the-lead-must-have-been-told";
    one_working_day_over_the_national_day_ends_on_the_minute: "yulin-c-national-day";
    respond_and_resolve_warned_broken_and_met_late: "yulin-c-late";
    a_crash_in_the_holiday_and_at_the_steps_doubles_and_loses_nothing: "yulin-crash-over-national-day";
    a_change_of_severity_counts_from_the_old_start_or_from_the_change: "yulin-severity-in-flight";
    what_is_broken_stays_broken_through_severity_and_reopening: "yulin-a-broken-stays-broken";
    five_working_days_and_a_bug_that_was_none: "yulin-d-and-bug";
    bug_repair_stands_still_while_the_requester_owes_an_answer: "yulin-bugfix";
    host_address_and_account_never_reach_the_agency: "yulin-masking";
    a_reopening_after_the_confirmation_time_starts_a_new_round: "yulin-reopen-late";
    the_lead_hears_that_nobody_is_on_duty: "yulin-nobody-on-duty";
    a_change_without_papers_or_in_business_hours_is_refused_with_the_clause: "nantong-change-refused";
    the_suppliers_own_promises_run_where_the_contract_names_none: "nantong-own-promises";
    an_engineers_own_word_in_the_group_is_response_and_feedback: "engineer-speaks-in-the-group";
    arrival_support_and_third_party_each_have_their_clock: "gaoxin-arrive-support-third-party";
    third_party_and_resolve_broken_are_met_late_by_one_solution: "gaoxin-third-party-late";
    the_customer_hears_of_a_fault_with_its_level_and_of_its_end: "gaoxin-customer-notice";
    an_upgrade_has_an_hour_each_time: "gaoxin-upgrade";
    late_by_a_second_is_late_and_a_reopening_keeps_it_so: "gaoxin-late";
    five_working_days_for_a_bug_count_the_worked_saturday: "zhongshan-bugfix-national-day";
    configuration_counts_from_the_confirmed_requirement: "zhongshan-configure";
    general_and_major_faults_have_their_own_hours: "zhongshan-general-and-major";
    arrival_resolve_and_bug_repair_broken_and_met_late: "zhongshan-late";
    a_burst_is_one_ticket_and_small_talk_is_silent: "burst-and-small-talk";
    commands_are_forgiven_offered_or_refused_once_a_day: "commands-forgiven-and-refused";
    a_swap_goes_from_hand_to_hand_and_nonsense_is_refused_with_its_reason: "swaps-kept-and-refused";
    a_command_with_hash_full_width_or_without_a_number_is_a_command: "hash-full-width-and-no-number";
    two_engineers_at_the_same_second_one_has_it: "two-engineers-at-the-same-second";
    another_agencys_ticket_does_not_exist_and_a_bare_command_asks_which: "other-agency-and-which-number";
    repeats_and_crashes_have_no_second_effect: "repeat-and-crash";
    merged_promises_go_on_with_the_earlier_due_time_and_both_hear: "merge-and-withdraw";
    what_is_told_names_who_did_it_and_what_the_next_step_may_be: "small-courtesies";
    one_incident_of_several_agencies_is_offered_linked_and_told_to_all: "incident-linked";
    a_callers_progress_goes_to_the_number_by_text: "caller-by-telephone";
    a_fault_is_never_answered_with_instructions: "a-fault-is-no-question";
    groups_are_left_in_peace: "quiet-in-groups";
    a_reply_that_waits_holds_up_no_escalation: "a-waiting-reply-holds-up-no-escalation";
    a_button_is_a_command_and_a_crash_doubles_no_waiting_message: "buttons-and-a-crash-while-a-message-waits";
    a_change_of_severity_while_suspended_keeps_what_was_used: "yulin-severity-while-suspended";
    mail_and_text_carry_a_ticket_from_end_to_end: "by-mail-and-by-text";
    letters_are_whole_and_what_answers_them_is_no_second_ticket: "letters";
    only_the_opener_closes_and_only_who_asked_rates: "whose-word-closes-and-whose-mark-counts";
    what_has_an_owner_is_told_where_the_card_asks_for_one: "what-is-over-is-told-to-who-was-called";
}

#[test]
fn every_script_in_the_folder_is_played() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .filter(|name| !name.ends_with(".expected"))
        .collect();
    let mut listed: Vec<String> = SCRIPTS.iter().map(|name| (*name).to_owned()).collect();
    found.sort_unstable();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[tokio::test(flavor = "current_thread")]
async fn every_message_of_every_script_ends_with_one_disposition_and_nothing_is_left_lying() {
    let mut wrong = String::new();
    for name in SCRIPTS {
        let script = Script::load(name);
        let broken = laws(&script, &script.play().await);
        if !broken.is_empty() {
            let _ = writeln!(wrong, "{name}: {broken}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A script may quote what the desk said by the number of its line; that holds only if every playing gives the same numbers,
/// also on several threads, as `zhishou rehearse` plays it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn playing_a_script_again_says_the_same_in_the_same_order() {
    for name in ["yulin-c-late", "realestate-major"] {
        let script = Script::load(name);
        let first = script.play().await.transcript;
        for _ in 0..4 {
            let again = script.play().await.transcript;
            assert!(first == again, "{name}: {}", {
                let lines = |lines: &[Value]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
                difference(&lines(&first), &lines(&again))
            });
        }
    }
}

/// `contracts.md` and the profiles are the measure, not a list kept by hand: each promise, at each severity it is given for,
/// is met, warned of, broken (and that told at once) and met late in some script.
#[test]
fn every_promise_at_every_severity_is_met_warned_broken_and_met_late_in_some_script() {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let time = |value: &Value, key: &str| value[key].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let mut proven = BTreeSet::new();
    let mut never_made_good = BTreeSet::new();
    for name in SCRIPTS {
        let script = Script::load(name);
        let contract = script.head("contract").expect("the first line names the contract").to_owned();
        let state: Value = serde_json::from_str(&read(&folder().join(format!("{name}.state.json")))).expect(name);
        let told: Vec<Value> = read(&folder().join(format!("{name}.expected.jsonl")))
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        for ticket in state["tickets"].as_array().expect("tickets") {
            for promise in ticket["commitments"].as_array().expect("commitments") {
                let (kind, severity) = (text(promise, "name"), text(promise, "severity"));
                let (Some(start), Some(due)) = (time(promise, "started_at"), time(promise, "due_at")) else { continue };
                let speaks = |line: &&Value| {
                    line["ticket"] == ticket["number"]
                        && (line["commitment"] == promise["name"]
                            || line["commitments"].as_array().is_some_and(|all| all.contains(&promise["name"])))
                };
                let said = |what: &str, from: jiff::Timestamp, to: jiff::Timestamp| {
                    told.iter()
                        .filter(speaks)
                        .any(|line| line["kind"] == what && time(line, "at").is_some_and(|at| from < at && at <= to))
                };
                let outcome = text(promise, "outcome");
                let first_after = due + jiff::SignedDuration::from_millis(1);
                let broken = matches!(outcome.as_str(), "broken" | "met_late");
                let facts = [
                    ("met", outcome == "met"),
                    ("warned", said("commitment.warning", start, due)),
                    ("broken", broken && said("commitment.broken", due, first_after)),
                    ("met late", outcome == "met_late"),
                ];
                for (fact, _) in facts.into_iter().filter(|(_, holds)| *holds) {
                    proven.insert((contract.clone(), kind.clone(), severity.clone(), fact));
                }
                if outcome == "broken" {
                    never_made_good.insert((contract.clone(), kind.clone()));
                }
            }
        }
    }
    let mut missing = String::new();
    let holidays = holidays(None).expect("the shipped holidays");
    for (contract, _) in Profile::shipped() {
        let terms = load_contract(contract, Path::new("."), &holidays).unwrap_or_else(|why| panic!("{why:?}"));
        for term in &terms.profile.commitments {
            let kind = term.name.id();
            if !never_made_good.contains(&((*contract).to_owned(), kind.to_owned())) {
                let _ = writeln!(missing, "{contract} {kind}: ends broken in no script");
            }
            for severity in &terms.profile.severities {
                if term.severities.as_ref().is_some_and(|only| !only.contains(&severity.id)) {
                    continue;
                }
                for fact in ["met", "warned", "broken", "met late"] {
                    let cell = ((*contract).to_owned(), kind.to_owned(), severity.id.clone(), fact);
                    if !proven.contains(&cell) {
                        let _ = writeln!(missing, "{contract} {kind} {}: {fact} in no script", severity.id);
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing}");
}

#[tokio::test]
async fn one_over_long_message_is_refused_and_the_rehearsal_goes_on() {
    let says = |minute: u8, text: &str| {
        json!({
            "at": format!("2026-10-08T09:0{minute}:00+08:00"), "conversation": "qq:group:20001", "from": "30001",
            "text": text, "id": format!("m{minute}"),
        })
        .to_string()
    };
    let text = [says(0, &"啊".repeat(500_000)), says(1, "登记系统打不开了")].join("\n");
    let cast = Cast { until: None, ..Script::load("quiet-in-groups").cast() };
    let played = play(&parse(&text).expect("the script can be read"), cast).await.expect("it goes on");
    let taken: Vec<(&str, &str)> = played
        .transcript
        .iter()
        .filter_map(|line| Some((line["in"].as_str()?, line["disposition"].as_str()?)))
        .collect();
    assert_eq!(taken, [("m0", "refused"), ("m1", "opened")]);
    let told = played.transcript.iter().find(|line| line["kind"] == "refusal").expect("its sender is told");
    assert!(told["text"].as_str().is_some_and(|text| text.contains("分段发送")), "{told}");
}
