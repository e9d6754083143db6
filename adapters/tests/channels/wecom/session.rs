//! The long connection as a state machine: fed with frames and instants, no socket anywhere.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use zhishou_adapters::wecom::codec::frame;
use zhishou_adapters::wecom::session::{Effect, LineTiming, OPEN_CALLS, Outcome, Session, State};

/// A line under test and its time.
struct Rig {
    session: Session,
    now: Timestamp,
}

impl Rig {
    fn new() -> Self {
        let now = Timestamp::from_second(1_790_812_800).unwrap();
        Self { session: Session::new(LineTiming::default(), now), now }
    }

    fn live() -> Self {
        let mut rig = Self::new();
        rig.open(0);
        rig
    }

    /// Dials, and has the subscription answered with this code.
    fn open(&mut self, code: i64) -> Vec<Effect> {
        self.session.dialling();
        let effects = self.session.opened("aibDESK01", "SECRET", self.now);
        let [Effect::Write { text, urgent: true }] = effects.as_slice() else { panic!("{effects:?}") };
        let written: Value = serde_json::from_str(text).unwrap();
        assert_eq!(written["cmd"], "aibot_subscribe");
        assert_eq!(written["body"], json!({ "bot_id": "aibDESK01", "secret": "SECRET" }));
        self.ack(written["headers"]["req_id"].as_str().unwrap(), code)
    }

    fn forward(&mut self, seconds: u64) -> Vec<Effect> {
        self.now = self.now.checked_add(Duration::from_secs(seconds)).unwrap();
        self.session.tick(self.now)
    }

    fn ack(&mut self, req_id: &str, code: i64) -> Vec<Effect> {
        let frame = json!({ "headers": { "req_id": req_id }, "errcode": code, "errmsg": "" });
        self.session.frame(&frame.to_string(), self.now)
    }

    fn push(&mut self, call: u64) -> Vec<Effect> {
        self.session.call(call, frame::SEND, &json!({ "call": call }), self.now)
    }

    fn answer(&mut self, call: u64, req_id: &str) -> Vec<Effect> {
        self.session.answer(call, frame::RESPOND, req_id, &json!({ "call": call }), self.now)
    }

    fn gone(&mut self) -> Vec<Effect> {
        self.session.gone(0.0, self.now)
    }

    /// Seconds until another try is allowed.
    fn pause(&self) -> u64 {
        let at = self.session.may_dial_at().expect("it may dial at some time");
        u64::try_from(at.duration_since(self.now).as_secs()).unwrap()
    }
}

/// Commands and request ids of what is written.
fn written(effects: &[Effect]) -> Vec<(String, String)> {
    let writes = effects.iter().filter_map(|effect| match effect {
        Effect::Write { text, .. } => Some(serde_json::from_str::<Value>(text).unwrap()),
        _ => None,
    });
    let part = |value: &Value| value.as_str().unwrap().to_owned();
    writes.map(|frame| (part(&frame["cmd"]), part(&frame["headers"]["req_id"]))).collect()
}

fn settled(effects: &[Effect]) -> Vec<(u64, Option<i64>)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settle { call, outcome: Outcome::Ack(ack) } => Some((*call, Some(ack.code))),
        Effect::Settle { call, outcome: Outcome::Unknown } => Some((*call, None)),
        _ => None,
    });
    settled.collect()
}

fn closes(effects: &[Effect]) -> bool {
    effects.contains(&Effect::Close)
}

#[test]
fn nothing_goes_out_before_the_subscription_is_acknowledged() {
    let mut rig = Rig::new();
    rig.session.dialling();
    rig.session.opened("aibDESK01", "SECRET", rig.now);
    assert_eq!(rig.push(1), [Effect::Settle { call: 1, outcome: Outcome::NotSent }]);
    let mut rig = Rig::live();
    let effects = rig.push(1);
    let [(cmd, req_id)] = written(&effects).try_into().unwrap();
    assert_eq!(cmd, "aibot_send_msg");
    assert!(req_id.starts_with("aibot_send_msg_"), "{req_id}");
    assert_eq!(settled(&rig.ack(&req_id, 0)), [(1, Some(0))]);
}

#[test]
fn a_subscription_without_an_answer_is_given_up_after_ten_seconds() {
    let mut rig = Rig::new();
    rig.session.dialling();
    rig.session.opened("aibDESK01", "SECRET", rig.now);
    assert!(!closes(&rig.forward(9)));
    assert!(closes(&rig.forward(1)));
}

#[test]
fn pauses_grow_to_half_a_minute_and_shrink_only_after_a_subscription() {
    let mut rig = Rig::new();
    for expected in [1, 2, 4, 8, 16, 30, 30] {
        rig.session.dialling();
        // The socket opens each time: that alone proves nothing.
        rig.session.opened("aibDESK01", "SECRET", rig.now);
        rig.gone();
        assert_eq!(rig.pause(), expected);
    }
    rig.open(0);
    rig.gone();
    assert_eq!(rig.pause(), 1);
}

#[test]
fn many_do_not_come_back_in_the_same_moment() {
    let mut rig = Rig::new();
    rig.session.dialling();
    rig.session.gone(1.0, rig.now);
    let wait = rig.session.may_dial_at().unwrap().duration_since(rig.now);
    assert_eq!(wait.as_millis(), 1_250);
}

#[test]
fn refused_credentials_are_tried_again_after_minutes_only() {
    for code in [853_000, 93_019] {
        let mut rig = Rig::new();
        assert!(closes(&rig.open(code)), "{code}");
        rig.gone();
        assert!(matches!(rig.session.state(), State::Refused { code: refused, .. } if refused == code));
        assert_eq!(rig.pause(), 300, "{code}");
    }
}

#[test]
fn a_dead_peer_is_noticed_within_ninety_seconds() {
    let mut rig = Rig::live();
    assert_eq!(written(&rig.forward(30))[0].0, "ping");
    assert_eq!(written(&rig.forward(30))[0].0, "ping");
    let effects = rig.forward(30);
    assert!(closes(&effects), "{effects:?}");
}

#[test]
fn an_answered_ping_keeps_the_line_and_tells_its_round_trip() {
    let mut rig = Rig::live();
    for _ in 0..10 {
        let [(_, id)] = written(&rig.forward(30)).try_into().unwrap();
        rig.now = rig.now.checked_add(Duration::from_millis(7)).unwrap();
        assert_eq!(rig.ack(&id, 0), []);
    }
    assert_eq!(rig.session.round_trip(), Some(Duration::from_millis(7)));
    assert!(rig.session.epoch().is_some());
}

#[test]
fn pings_overtake_everything_and_flow_while_an_answer_is_missing() {
    let mut rig = Rig::live();
    rig.answer(1, "SRV-1");
    for call in 2..10 {
        assert_eq!(written(&rig.answer(call, "SRV-1")), [], "one at a time for one request");
    }
    let effects = rig.forward(30);
    let urgent: Vec<&Effect> = effects.iter().filter(|e| matches!(e, Effect::Write { urgent: true, .. })).collect();
    assert_eq!(urgent.len(), 1, "{effects:?}");
}

#[test]
fn a_lost_answer_is_neither_a_success_nor_a_failure_and_makes_the_line_prove_itself() {
    let mut rig = Rig::live();
    rig.push(1);
    assert_eq!(rig.forward(9), []);
    let effects = rig.forward(1);
    assert_eq!(settled(&effects), [(1, None)]);
    assert_eq!(written(&effects)[0].0, "ping", "long before it was due");
}

#[test]
fn answers_to_one_request_go_one_after_another_and_each_gets_its_own_acknowledgement() {
    let mut rig = Rig::live();
    assert_eq!(written(&rig.answer(1, "SRV-1")).len(), 1);
    assert_eq!(written(&rig.answer(2, "SRV-1")).len(), 0);
    assert_eq!(written(&rig.answer(3, "SRV-2")).len(), 1, "another request need not wait");
    let effects = rig.ack("SRV-1", 846_608);
    assert_eq!(settled(&effects), [(1, Some(846_608))]);
    assert_eq!(written(&effects), [("aibot_respond_msg".to_owned(), "SRV-1".to_owned())]);
    assert_eq!(settled(&rig.ack("SRV-1", 0)), [(2, Some(0))]);
    assert_eq!(rig.session.open_calls(), 1);
}

#[test]
fn a_loss_settles_everything_as_unknown_and_what_was_never_written_as_not_sent() {
    let mut rig = Rig::live();
    rig.answer(1, "SRV-1");
    rig.answer(2, "SRV-1");
    rig.push(3);
    let effects = rig.gone();
    let unknown = |call| Effect::Settle { call, outcome: Outcome::Unknown };
    assert_eq!(effects, [unknown(1), Effect::Settle { call: 2, outcome: Outcome::NotSent }, unknown(3)]);
    assert_eq!(rig.session.open_calls(), 0);
}

#[test]
fn a_lost_subscription_replaces_the_connection() {
    let mut rig = Rig::live();
    let [(_, id)] = written(&rig.push(1)).try_into().unwrap();
    let effects = rig.ack(&id, 846_609);
    assert_eq!(settled(&effects), [(1, Some(846_609))]);
    assert!(closes(&effects));
}

#[test]
fn being_taken_over_is_not_answered_by_reflex_and_less_and_less_often() {
    let mut rig = Rig::live();
    let frame = json!({ "cmd": "aibot_event_callback", "headers": { "req_id": "SRV-9" },
        "body": { "msgid": "m", "msgtype": "event", "event": { "eventtype": "disconnected_event" } } });
    for expected in [60, 120, 240, 480, 480] {
        rig.push(1);
        let effects = rig.session.frame(&frame.to_string(), rig.now);
        assert!(closes(&effects));
        assert_eq!(settled(&effects), [(1, None)]);
        rig.gone();
        assert!(matches!(rig.session.state(), State::Kicked { .. }));
        assert_eq!(rig.pause(), expected);
        rig.open(0);
    }
    rig.forward(601);
    rig.session.frame(&frame.to_string(), rig.now);
    assert_eq!(rig.pause(), 60, "after ten quiet minutes it is a new affair");
}

#[test]
fn callbacks_are_handed_on_and_everything_else_is_dropped_without_harm() {
    let mut rig = Rig::live();
    for text in ["hello", "", "{}", "[]", r#"{"cmd":"aibot_something_new","headers":{"req_id":"R"}}"#] {
        assert_eq!(rig.session.frame(text, rig.now), [Effect::Dropped], "{text}");
    }
    let frame = json!({ "cmd": "aibot_msg_callback", "headers": { "req_id": "SRV-1" }, "body": { "msgid": "m1" } });
    let effects = rig.session.frame(&frame.to_string(), rig.now);
    assert_eq!(effects, [Effect::Heard { req_id: "SRV-1".to_owned(), body: json!({ "msgid": "m1" }) }]);
    assert!(rig.session.epoch().is_some());
}

#[test]
fn more_than_the_line_can_hold_is_turned_away_unsent() {
    let mut rig = Rig::live();
    for call in 0..OPEN_CALLS as u64 {
        assert_eq!(written(&rig.push(call)).len(), 1);
    }
    assert_eq!(rig.push(9_999), [Effect::Settle { call: 9_999, outcome: Outcome::NotSent }]);
}

#[derive(Debug, Clone)]
enum Step {
    Dial(i64),
    Call,
    Answer(u8),
    Ack(usize, i64),
    Frame(String),
    Wait(u16),
    Gone,
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![Just(0), Just(6000), Just(846_609), Just(853_000), Just(45_009)];
    prop_oneof![
        code.clone().prop_map(Step::Dial),
        Just(Step::Call),
        (0..3_u8).prop_map(Step::Answer),
        (0..20_usize, code).prop_map(|(which, code)| Step::Ack(which, code)),
        "\\PC{0,30}".prop_map(Step::Frame),
        (0..200_u16).prop_map(Step::Wait),
        Just(Step::Gone),
    ]
}

proptest! {
    /// Whatever happens in whatever order: every call is settled once, and at most one is under way for a request.
    #[test]
    fn every_call_is_settled_exactly_once(steps in proptest::collection::vec(step(), 0..80)) {
        let mut rig = Rig::new();
        let (mut next, mut open) = (0, Vec::<String>::new());
        let mut settled = Vec::new();
        let mut note = |effects: Vec<Effect>, open: &mut Vec<String>| {
            for effect in effects {
                match effect {
                    Effect::Write { text, urgent: false } => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        let id = frame["headers"]["req_id"].as_str().unwrap().to_owned();
                        assert!(!open.contains(&id), "two under way for {id}");
                        open.push(id);
                    }
                    Effect::Settle { call, .. } => settled.push(call),
                    _ => {}
                }
            }
        };
        for step in steps {
            match step {
                Step::Dial(code) => {
                    if rig.session.may_dial_at().is_some() {
                        let effects = rig.open(code);
                        note(effects, &mut open);
                    }
                }
                Step::Call => { next += 1; let effects = rig.push(next); note(effects, &mut open); }
                Step::Answer(to) => { next += 1; let effects = rig.answer(next, &format!("SRV-{to}")); note(effects, &mut open); }
                Step::Ack(which, code) => if !open.is_empty() {
                    let id = open.remove(which % open.len());
                    let effects = rig.ack(&id, code);
                    note(effects, &mut open);
                },
                Step::Frame(text) => { let effects = rig.session.frame(&text, rig.now); note(effects, &mut open); }
                Step::Wait(seconds) => {
                    // Overdue requests may be asked again at once: what waited for them is written.
                    rig.now = rig.now.checked_add(Duration::from_secs(u64::from(seconds))).unwrap();
                    if seconds >= 10 { open.clear(); }
                    let effects = rig.session.tick(rig.now);
                    note(effects, &mut open);
                }
                Step::Gone => { let effects = rig.gone(); open.clear(); note(effects, &mut open); }
            }
        }
        let effects = rig.gone();
        open.clear();
        note(effects, &mut open);
        settled.sort_unstable();
        prop_assert_eq!(settled, (1..=next).collect::<Vec<_>>());
    }
}
