//! The collected facts about the official QQ bot, driven as tables. Where each comes from stands in its `origin`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use zhishou_adapters::Action;
use zhishou_adapters::qq::official::codec::errcode;
use zhishou_adapters::qq::official::codec::event::{self, Heard, Message, Way};
use zhishou_adapters::qq::official::codec::outgoing::{self, Buttons, Cites, FileType, Source};
use zhishou_adapters::qq::official::codec::sign::{Keys, may_sign};
use zhishou_adapters::qq::official::planner::{Active, Choice, Kind, Scene, Talk, Windows};
use zhishou_adapters::qq::official::session::{Effect, Session, State};
use zhishou_adapters::qq::official::token::{self, TokenAnswer, TokenError};

pub fn vectors(key: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../vectors/qq-official.json")).unwrap();
    all[key].clone()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list of cases")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn signatures_are_checked_over_timestamp_and_raw_body() {
    for case in list(&vectors("ed25519")["request_verification"]) {
        let keys = Keys::new(text(case, "secret")).unwrap();
        let header = |name: &str| case["headers"][name].as_str().unwrap_or_default();
        let valid = keys.verify(
            header("X-Signature-Ed25519"),
            header("X-Signature-Timestamp"),
            text(case, "body_utf8").as_bytes(),
        );
        assert_eq!(valid, case["expect_valid"] == true, "{}", case["id"]);
    }
}

#[test]
fn validations_are_signed_as_documented() {
    for case in list(&vectors("ed25519")["validation_op13"]) {
        let frame = event::frame(text(case, "request_body_utf8").as_bytes()).unwrap();
        assert_eq!(frame.op, 13);
        let signature = Keys::new(text(case, "secret"))
            .unwrap()
            .sign(text(&frame.data, "event_ts"), text(&frame.data, "plain_token"));
        assert_eq!(signature, text(&case["response"], "signature"), "{}", case["id"]);
    }
}

#[test]
fn an_unsigned_validation_is_no_oracle() {
    for case in list(&vectors("ed25519")["op13_policy"]).iter().filter(|case| case["headers"] == json!({})) {
        let may = may_sign(text(&case["d"], "event_ts"), text(&case["d"], "plain_token"));
        assert_eq!(may, case["expect"] == "answer", "{}", case["id"]);
    }
    // What the oracle would have handed out does pass as an event: that is why.
    let forged =
        list(&vectors("ed25519")["op13_policy"]).iter().find(|case| case["would_sign"].is_string()).cloned().unwrap();
    let keys = Keys::new("DG5g3B4j9X2KOErG").unwrap();
    let (time, token) = (text(&forged["d"], "event_ts"), text(&forged["d"], "plain_token"));
    assert_eq!(keys.sign(time, token), text(&forged, "would_sign"));
    assert!(keys.verify(text(&forged, "would_sign"), time, token.as_bytes()));
}

#[test]
fn secrets_that_double_to_the_same_have_one_key() {
    for case in list(&vectors("ed25519")["seed_equivalence"]) {
        let sign = |key: &str| Keys::new(text(case, key)).unwrap().sign("1", "x");
        assert_eq!(sign("a") == sign("b"), case["same_key"] == true, "{case}");
    }
    assert!(Keys::new("").is_err(), "an empty secret is refused at the start");
}

fn message(heard: &Heard) -> &Message {
    match heard {
        Heard::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

fn kind(frame: &event::Frame, heard: &Heard) -> &'static str {
    match heard {
        Heard::Message(message) => match message.way {
            Way::Private => "c2c",
            Way::GroupAt => "group_at",
            Way::GroupPlain => "group_plain",
        },
        Heard::Click(_) | Heard::Scope { .. } => "interaction",
        Heard::Joined(place) if place.starts_with("user:") => "friend_add",
        Heard::Joined(_) => "group_add_robot",
        Heard::Left(_) => "group_del_robot",
        Heard::Active { allowed: true, .. } => "group_msg_receive",
        Heard::Active { allowed: false, .. } => "group_msg_reject",
        Heard::Member { came: true, .. } => "group_member_add",
        Heard::Ready { .. } => "ready",
        Heard::Resumed => "resumed",
        Heard::Ignored("author_is_bot") => "ignored",
        other => panic!("{other:?} of {frame:?}"),
    }
}

#[test]
fn events_are_understood() {
    let windows = Windows::default();
    for case in list(&vectors("qq_events")) {
        let (id, expect) = (text(case, "id"), &case["expect"]);
        let frame = event::frame(case["payload"].to_string().as_bytes()).unwrap();
        if frame.op != 0 {
            continue;
        }
        let heard = event::read(&frame);
        let found = kind(&frame, &heard);
        if expect["kind"] == "duplicate_of" {
            let other = list(&vectors("qq_events")).iter().find(|other| other["id"] == expect["id"]).cloned().unwrap();
            let other = event::read(&event::frame(other["payload"].to_string().as_bytes()).unwrap());
            assert_eq!(message(&heard).id, message(&other).id, "{id}: the second is known by the id of the first");
            continue;
        }
        assert_eq!(found, text(expect, "kind"), "{id}");
        for (what, wanted) in expect.as_object().unwrap() {
            let wanted_text = wanted.as_str().unwrap_or_default();
            match what.as_str() {
                "kind" | "note" => {}
                "passive_deadline" => {
                    let message = message(&heard);
                    let (window, _) = windows.of(Kind::Message, Scene::of(&message.conversation));
                    let deadline = message.at.unwrap().checked_add(window).unwrap();
                    assert_eq!(deadline, wanted_text.parse::<Timestamp>().unwrap(), "{id}");
                }
                "text_trimmed" => assert_eq!(message(&heard).text, wanted_text, "{id}"),
                "mentioned_bot" => assert_eq!(message(&heard).addressed, *wanted == true, "{id}"),
                "must_strip_own_mention" => {
                    assert_eq!(message(&heard).text, "@张三 帮我问一下  原始数据", "{id}");
                }
                "sender_role" => {
                    assert_eq!(message(&heard).role.as_deref().unwrap_or("member_default"), wanted_text, "{id}");
                }
                "quoted_text" => assert_eq!(message(&heard).quoted_text.as_deref(), Some(wanted_text), "{id}"),
                "attachments" => assert_eq!(json!(message(&heard).files.len()), *wanted, "{id}"),
                "attachment_url" => assert_eq!(message(&heard).files[0].url, wanted_text, "{id}"),
                "member_openid" => assert_eq!(message(&heard).sender.as_deref(), wanted.as_str(), "{id}"),
                "own_ref" => assert_eq!(message(&heard).own_ref.as_deref(), Some(wanted_text), "{id}"),
                "quoted_ref" => assert_eq!(message(&heard).quoted_ref.as_deref(), Some(wanted_text), "{id}"),
                "never_log" => {
                    let kept = format!("{heard:?}");
                    assert!(!kept.contains("auth_token") && !kept.contains("redacted-test-token"), "{id}: {kept}");
                }
                "dedupe_key" => assert_eq!(message(&heard).id, wanted_text, "{id}"),
                "action" => assert!(matches!(heard, Heard::Left(_)), "{id}: its binding is dead"),
                "active_allowed" => {
                    assert!(matches!(heard, Heard::Active { allowed, .. } if allowed == (*wanted == true)), "{id}");
                }
                "usable_as_event_id" => assert!(!frame.id.is_empty(), "{id}"),
                "reason" => assert_eq!(heard, Heard::Ignored("author_is_bot"), "{id}"),
                "scope_change" => {
                    assert!(matches!(&heard, Heard::Scope { scope, .. } if scope == wanted_text), "{id}");
                }
                "ack_with" => {
                    let Heard::Click(click) = &heard else { panic!("{id}") };
                    assert_eq!(format!("PUT /interactions/{}", click.id), wanted_text, "{id}");
                }
                "reply_with_event_id" => assert_eq!(frame.id, wanted_text, "{id}"),
                other => panic!("{id}: nobody looks at {other}"),
            }
        }
    }
}

#[test]
fn frames_of_the_gateway_do_what_they_say() {
    let now = Timestamp::from_second(1_772_413_200).unwrap();
    for case in list(&vectors("qq_events")).iter().filter(|case| case["payload"]["op"] != 0) {
        let mut session = Session::new(None);
        session.opened("t", now);
        let frame = event::frame(case["payload"].to_string().as_bytes()).unwrap();
        let effects = session.frame(frame, now);
        match text(&case["expect"], "kind") {
            "hello" => {
                assert_eq!(*session.state(), State::Greeting);
                let beat = session.next_tick().unwrap().duration_since(now);
                let told = case["expect"]["heartbeat_ms"].as_i64().unwrap();
                assert!((told * 9 / 10..=told).contains(&i64::try_from(beat.as_millis()).unwrap().max(told * 9 / 10)));
            }
            "heartbeat_ack" => assert_eq!(effects, []),
            "invalid_session" => assert_eq!(effects, [Effect::Forget, Effect::Close]),
            "reconnect" => assert_eq!(effects, [Effect::Close]),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn answers_of_the_platform_are_classified() {
    for case in list(&vectors("qq_api_results")) {
        let body = match &case["body"] {
            Value::Null => String::new(),
            Value::String(page) => page.clone(),
            other => other.to_string(),
        };
        let status = u16::try_from(case["http_status"].as_u64().unwrap()).unwrap();
        let answer = errcode::read(status, body.as_bytes());
        assert_eq!(answer.class.id(), text(&case["expect"], "class"), "{}", case["id"]);
    }
}

#[test]
fn tokens_are_read_by_what_is_there() {
    for case in list(&vectors("qq_token")) {
        let (id, expect) = (&case["id"], &case["expect"]);
        match token::read(&case["body"]) {
            TokenAnswer::Token(_, seconds) => assert_eq!(json!(seconds), expect["expires_in_s"], "{id}"),
            TokenAnswer::Refused(TokenError::Credentials(_)) => assert_eq!(expect["error"], "credential", "{id}"),
            TokenAnswer::Refused(TokenError::RateLimited) => assert_eq!(expect["error"], "rate_limited", "{id}"),
            other @ TokenAnswer::Refused(_) => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn bodies_are_those_the_platform_takes() {
    let claim = Action { id: "progress".to_owned(), label: "查看进度".to_owned(), command: "查询 42".to_owned() };
    for case in list(&vectors("qq_send_bodies")) {
        let (id, wanted) = (text(case, "id"), &case["body"]);
        let content = wanted["content"].as_str().unwrap_or_default();
        let seq = u32::try_from(wanted["msg_seq"].as_u64().unwrap_or_default()).unwrap();
        let cites = match (wanted["msg_id"].as_str(), wanted["event_id"].as_str()) {
            (Some(message), _) => Cites::Message(message, seq),
            (None, Some(event)) => Cites::Event(event, seq),
            (None, None) => Cites::Nothing,
        };
        let made = match id {
            "group-markdown-keyboard" => {
                let keyboard = outgoing::keyboard("card", std::slice::from_ref(&claim), Buttons::Callback);
                outgoing::markdown(text(&wanted["markdown"], "content"), &keyboard, cites)
            }
            "media" => outgoing::media(text(&wanted["media"], "file_info"), cites),
            "upload-url" => outgoing::upload(FileType::Image, None, Source::Address(text(wanted, "url"))),
            "upload-base64" => {
                let bytes = Source::Bytes(text(wanted, "file_data"));
                outgoing::upload(FileType::File, wanted["file_name"].as_str(), bytes)
            }
            _ => outgoing::text(content, cites),
        };
        if id == "group-markdown-keyboard" {
            let button = |body: &Value| body["keyboard"]["content"]["rows"][0]["buttons"][0].clone();
            let (ours, theirs) = (button(&made), button(wanted));
            for key in ["id", "render_data", "action"] {
                let keys =
                    |value: &Value| value[key].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
                assert_eq!(keys(&ours), keys(&theirs), "{id}: {key}");
            }
            assert_eq!((&ours["action"]["type"], &ours["action"]["permission"]), (&json!(1), &json!({ "type": 2 })));
            let data = text(&ours["action"], "data");
            assert_eq!(outgoing::pressed(data), Some(("card", "progress")), "{id}");
            let rest = |mut body: Value| {
                body["keyboard"] = Value::Null;
                body
            };
            assert_eq!(rest(made), rest(wanted.clone()), "{id}");
            continue;
        }
        assert_eq!(made, *wanted, "{id}");
    }
}

#[test]
fn the_planner_chooses_as_the_table_says() {
    for case in list(&vectors("qq_delivery_planner")["cases"]) {
        let instant = |key: &str| text(case, key).parse::<Timestamp>().unwrap();
        let (scene, name) = match text(case, "scene") {
            "group" => (Scene::Group, "group:G"),
            _ => (Scene::Private, "user:U"),
        };
        assert_eq!(scene, Scene::of(name));
        let mut talk = Talk::default();
        talk.contact(Kind::Message, "M", instant("latest_inbound_at"));
        talk.anchors[0].used = u32::try_from(case["replies_used_on_anchor"].as_u64().unwrap()).unwrap();
        talk.active = match text(case, "active_permission") {
            "allowed" => Active::Allowed,
            "denied" => Active::Denied,
            _ => Active::Unknown,
        };
        let chosen = match talk.choose(scene, instant("now"), &Windows::default()) {
            Choice::Passive(_) => "passive",
            Choice::Active { probe: false } => "active",
            Choice::Active { probe: true } => "active_probe_then_queue",
            Choice::Wait => "queue",
        };
        assert_eq!(chosen, text(case, "expect"), "{}", case["id"]);
    }
    assert_eq!(Windows::default().group.saturating_sub(Windows::default().margin), Duration::from_secs(285));
}
