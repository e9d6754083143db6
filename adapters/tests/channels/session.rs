//! The session from transcripts: frames and instants in, effects out. No socket.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use zhishou_adapters::qq::onebot::codec::{Role, decode_event};
use zhishou_adapters::qq::onebot::session::{Effect, Reply, SendNote, Session};

use crate::support::NOON;

fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON + seconds).unwrap()
}

fn note(piece: usize) -> SendNote {
    SendNote { conversation: "group:20001".to_owned(), key: "k".to_owned(), piece }
}

fn ok(echo: &Value) -> Value {
    json!({ "status": "ok", "retcode": 0, "data": { "message_id": 9 }, "echo": echo })
}

fn connected() -> Session {
    let mut session = Session::new(None);
    assert_eq!(session.attach(1, Role::Universal, Some("10001"), t(0)), []);
    session
}

#[test]
fn an_answer_finds_its_call_in_any_order() {
    let mut session = connected();
    let first = session.call("get_status", &json!({}), None).unwrap();
    let second = session.call("get_status", &json!({}), None).unwrap();
    assert_eq!((first.echo.as_str(), second.echo.as_str()), ("1-1", "1-2"), "short strings");
    for echo in [second.echo, first.echo] {
        let effects = session.frame(1, ok(&json!(echo)), t(1));
        assert!(
            matches!(&effects[..], [Effect::Resolve { echo: resolved, reply: Reply::Answer(_) }] if *resolved == echo)
        );
    }
}

#[test]
fn frames_nobody_waits_for_are_dropped() {
    let mut session = connected();
    for frame in [
        ok(&json!("gone-1")),
        ok(&json!(17)),
        ok(&json!({ "seq": 3 })),
        ok(&Value::Null),
        json!({}),
        json!([]),
        json!(1),
    ] {
        assert_eq!(session.frame(1, frame.clone(), t(1)), [Effect::Dropped], "{frame}");
    }
}

#[test]
fn only_the_last_packet_of_a_stream_answers_the_call() {
    let mut session = connected();
    let call = session.call("download_file_stream", &json!({}), None).unwrap();
    let packet = |kind: &str| json!({ "status": "ok", "retcode": 0, "stream": "stream-action", "data": { "type": kind }, "echo": call.echo });
    assert_eq!(session.frame(1, packet("stream"), t(1)), []);
    assert!(matches!(session.frame(1, packet("response"), t(1))[..], [Effect::Resolve { .. }]));
}

#[test]
fn a_late_answer_to_a_send_is_still_of_use() {
    let mut session = connected();
    let call = session.call("send_group_msg", &json!({}), Some(note(0))).unwrap();
    session.give_up(&call.echo);
    let effects = session.frame(1, ok(&json!(call.echo)), t(60));
    assert!(matches!(&effects[..], [Effect::LateSend { note: kept, .. }] if *kept == note(0)));
    assert_eq!(session.frame(1, ok(&json!(call.echo)), t(61)), [Effect::Dropped], "once");
}

#[test]
fn the_newest_connection_wins_and_the_open_calls_of_the_old_one_are_lost() {
    let mut session = connected();
    let call = session.call("send_group_msg", &json!({}), Some(note(0))).unwrap();
    let effects = session.attach(2, Role::Universal, Some("10001"), t(5));
    assert!(matches!(effects[0], Effect::Close { conn: 1, code: 1008, .. }));
    assert_eq!(effects[1], Effect::Resolve { echo: call.echo, reply: Reply::Lost });
    assert_eq!(session.call("get_status", &json!({}), None).unwrap().conn, 2);
    assert_eq!(session.detach(1), [], "the old one's end changes nothing");
    assert_eq!(session.connected_since(), Some(t(5)));
}

#[test]
fn split_roles_make_one_bot() {
    let mut session = Session::new(None);
    session.attach(1, Role::Event, Some("10001"), t(0));
    assert_eq!(session.connected_since(), None, "nobody takes calls yet");
    session.attach(2, Role::Api, Some("10001"), t(0));
    assert_eq!(session.call("get_status", &json!({}), None).unwrap().conn, 2);
    let event = json!({ "post_type": "meta_event", "self_id": "10001" });
    assert_eq!(session.frame(2, event.clone(), t(1)), [Effect::Event(event)], "shape decides, not the role");
    let effects = session.attach(3, Role::Universal, Some("10001"), t(2));
    let closed: Vec<u64> =
        effects.iter().filter_map(|e| if let Effect::Close { conn, .. } = e { Some(*conn) } else { None }).collect();
    assert_eq!(closed, [1, 2]);
}

#[test]
fn a_pinned_channel_takes_no_other_account() {
    let mut session = Session::new(Some("10001".to_owned()));
    assert!(matches!(session.attach(1, Role::Universal, Some("99999"), t(0))[..], [Effect::Close { conn: 1, .. }]));
    assert_eq!(session.attach(2, Role::Universal, None, t(0)), [], "not told yet");
    let stranger = json!({ "post_type": "meta_event", "self_id": 99999 });
    assert!(matches!(session.frame(2, stranger, t(1))[..], [Effect::Close { conn: 2, .. }]));
    assert_eq!(session.account(), Some("10001"));
}

#[test]
fn a_refused_token_is_told_even_after_a_friendly_upgrade() {
    let mut session = connected();
    let frame = json!({ "status": "failed", "retcode": 1403, "data": null, "message": "token验证失败", "echo": null });
    assert_eq!(session.frame(1, frame, t(0)), [Effect::TokenRefused]);
}

#[test]
fn silence_becomes_suspicious_after_three_heartbeats_and_never_before_ninety_seconds() {
    for (interval_ms, allowed) in [(None, 90), (Some(5_000), 90), (Some(30_000), 90), (Some(60_000), 180)] {
        let mut session = connected();
        if let Some(interval) = interval_ms {
            let beat = json!({ "post_type": "meta_event", "meta_event_type": "heartbeat", "self_id": 10001,
                               "status": { "online": true, "good": true }, "interval": interval });
            session.frame(1, beat.clone(), t(0));
            assert_eq!(session.observe(&decode_event(&beat).unwrap(), t(0)), None);
        }
        assert_eq!(session.silent(t(allowed)), [], "{interval_ms:?}: on the dot");
        assert_eq!(session.silent(t(allowed + 1)), [(1, true)], "{interval_ms:?}: a second later");
    }
}

#[test]
fn an_account_going_off_and_on_line_is_told_once_each() {
    let mut session = connected();
    let beat = |online: Value| {
        decode_event(&json!({ "post_type": "meta_event", "meta_event_type": "heartbeat", "self_id": 1,
                              "status": { "online": online }, "interval": 5000 }))
        .unwrap()
    };
    for (why, online, told) in [
        ("on line from the start is no news", json!(true), None),
        ("unknown is not off line", Value::Null, None),
        ("off", json!(false), Some(false)),
        ("still off", json!(false), None),
        ("on again", json!(true), Some(true)),
    ] {
        assert_eq!(session.observe(&beat(online), t(0)), told, "{why}");
    }
}

#[test]
fn a_muted_group_is_held_until_the_time_is_over_or_the_mute_is_lifted() {
    let ban = |kind: &str, user: u64, seconds: i64| {
        decode_event(&json!({ "post_type": "notice", "notice_type": "group_ban", "sub_type": kind, "self_id": 10001,
                              "group_id": 20001, "user_id": user, "duration": seconds }))
        .unwrap()
    };
    let mut session = connected();
    session.observe(&ban("ban", 10001, 600), t(0));
    assert_eq!(session.muted_for("group:20001", t(0)), Some(Duration::from_mins(10)));
    assert_eq!(session.muted_for("group:20001", t(600)), None, "over");
    session.observe(&ban("ban", 30003, 600), t(0));
    session.observe(&ban("ban", 0, -1), t(0));
    assert_eq!(session.muted_for("group:20001", t(0)), Some(Duration::from_mins(30)), "no end told: tried again then");
    session.observe(&ban("lift_ban", 0, 0), t(1));
    assert_eq!(session.muted_for("group:20001", t(1)), None, "lifted");
    assert_eq!(session.muted_for("group:20002", t(1)), None, "another group");
}
