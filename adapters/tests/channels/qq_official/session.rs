//! The gateway's state machine, moved by hand.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use zhishou_adapters::qq::official::codec::event::{Frame, frame};
use zhishou_adapters::qq::official::session::{Effect, Place, Session, State, gap};

fn now() -> Timestamp {
    Timestamp::from_second(1_772_413_200).unwrap()
}

fn after(seconds: u64) -> Timestamp {
    now().checked_add(Duration::from_secs(seconds)).unwrap()
}

fn of(value: &Value) -> Frame {
    frame(value.to_string().as_bytes()).unwrap()
}

fn written(effects: &[Effect]) -> Value {
    match effects {
        [Effect::Write(text)] => serde_json::from_str(text).unwrap(),
        other => panic!("one frame is written, not {other:?}"),
    }
}

fn hello() -> Frame {
    of(&json!({ "op": 10, "d": { "heartbeat_interval": 45_000 } }))
}

fn live(session: &mut Session) {
    session.opened("T", now());
    session.frame(hello(), now());
    session.frame(of(&json!({ "op": 0, "t": "READY", "s": 1, "d": { "session_id": "S" } })), now());
    assert_eq!(*session.state(), State::Live);
}

#[test]
fn it_identifies_beats_and_resumes() {
    let mut session = Session::new(None);
    session.opened("T", now());
    let identify = written(&session.frame(hello(), now()));
    assert_eq!(identify["op"], 2);
    assert_eq!(identify["d"]["token"], "QQBot T");
    assert_eq!(identify["d"]["intents"], (1 << 25) | (1 << 26) | (1 << 27));
    session.frame(of(&json!({ "op": 0, "t": "READY", "s": 1, "d": { "session_id": "S" } })), now());
    let message = of(&json!({ "op": 0, "t": "GROUP_MESSAGE_CREATE", "s": 2, "id": "e", "d": {} }));
    assert_eq!(session.frame(message.clone(), now()), [Effect::Event(message)]);

    assert_eq!(session.tick(after(42)), []);
    assert_eq!(written(&session.tick(after(43))), json!({ "op": 1, "d": 2 }));
    session.frame(of(&json!({ "op": 11 })), after(43));
    assert_eq!(written(&session.tick(after(86))), json!({ "op": 1, "d": 2 }));
    // Nobody answered that one.
    assert_eq!(session.tick(after(129)), [Effect::Close]);
    session.gone(None, after(129));
    assert_eq!(session.not_before(), Some(after(129)), "at once");
    session.opened("T2", after(129));
    let resume = written(&session.frame(hello(), after(129)));
    assert_eq!(resume, json!({ "op": 6, "d": { "token": "QQBot T2", "session_id": "S", "seq": 2 } }));
    session.frame(of(&json!({ "op": 0, "t": "RESUMED", "s": 3, "d": "" })), after(130));
    assert_eq!(*session.state(), State::Live);
}

#[test]
fn a_session_goes_on_after_a_restart_unless_it_is_refused() {
    let mut session = Session::new(Some(Place { session: "S".to_owned(), seq: 9 }));
    session.opened("T", now());
    assert_eq!(written(&session.frame(hello(), now()))["d"]["seq"], 9);
    assert_eq!(session.frame(of(&json!({ "op": 9, "d": false })), now()), [Effect::Forget, Effect::Close]);
    session.gone(None, now());
    assert_eq!(gap(now(), session.not_before().unwrap()), Duration::from_secs(2));
    session.opened("T", after(5));
    assert_eq!(written(&session.frame(hello(), after(5)))["op"], 2);
}

#[test]
fn close_codes_mean_what_the_table_says() {
    for (code, resumes, stale, told, seconds) in [
        (4001_u16, true, false, true, 600),
        (4004, true, true, false, 0),
        (4006, false, false, false, 0),
        (4007, false, false, false, 0),
        (4008, true, false, false, 60),
        (4009, true, false, false, 0),
        (4011, true, false, true, 600),
        (4900, false, false, false, 0),
        (4914, true, false, true, 600),
        (4915, true, false, true, 600),
    ] {
        let mut session = Session::new(None);
        live(&mut session);
        session.gone(Some(code), after(100));
        assert_eq!(session.place().is_some(), resumes, "{code}");
        assert_eq!(session.take_stale_token(), stale, "{code}");
        assert_eq!(session.trouble().is_some(), told, "{code}: {:?}", session.trouble());
        assert_eq!(gap(after(100), session.not_before().unwrap()), Duration::from_secs(seconds), "{code}");
    }
}

#[test]
fn rights_that_are_refused_are_given_up_one_by_one_and_then_a_person_is_told() {
    let mut session = Session::new(None);
    for intents in [7_u64 << 25, 3 << 25, 1 << 25] {
        session.opened("T", now());
        assert_eq!(written(&session.frame(hello(), now()))["d"]["intents"], intents);
        assert!(session.trouble().is_none_or(|told| !told.contains("4014")));
        session.gone(Some(4014), now());
    }
    assert!(session.trouble().unwrap().contains("4014"), "{:?}", session.trouble());
    assert!(session.lacks().unwrap().contains("按钮"));
    assert_eq!(gap(now(), session.not_before().unwrap()), Duration::from_mins(10));
}

#[test]
fn it_never_gives_up() {
    let mut session = Session::new(None);
    let mut at = now();
    let mut pauses = Vec::new();
    for _ in 0..200 {
        session.unreachable("连接不上", None, at);
        pauses.push(gap(at, session.not_before().unwrap()).as_secs());
        at = session.not_before().unwrap();
    }
    assert_eq!(pauses[..7], [1, 2, 5, 10, 30, 60, 60]);
    assert_eq!(pauses.last(), Some(&60));
    // Connections that break at once, three times: a minute.
    let mut session = Session::new(None);
    for expected in [0, 0, 60] {
        live(&mut session);
        session.gone(Some(4009), after(1));
        assert_eq!(gap(after(1), session.not_before().unwrap()).as_secs(), expected);
    }
    // Refused five times: a person is told, and it goes on.
    let mut session = Session::new(None);
    for _ in 0..5 {
        session.opened("T", now());
        session.frame(hello(), now());
        session.frame(of(&json!({ "op": 9, "d": false })), now());
        session.gone(None, after(30));
    }
    assert!(session.trouble().unwrap().contains("身份验证"));
    assert!(session.not_before().is_some());
}
