//! The collected facts about OneBot 11, driven as tables. Where each comes from stands in its `origin`.

use serde_json::{Value, json};
use zhishou_adapters::Outgoing;
use zhishou_adapters::qq::onebot::codec::{
    Access, Answer, Frame, Heard, HeardMessage, Role, Viewpoint, access, classify, decode_event, id_json, id_of,
    message_from_json, message_json, parse_cq, print_cq, render, sign, verify,
};
use zhishou_adapters::qq::onebot::outcome::{Outcome, of_send};
use zhishou_adapters::qq::onebot::{InspectKeys, inspect};

fn vectors(key: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../vectors/onebot.json")).unwrap();
    all[key].clone()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list of cases")
}

fn segments_json(source: &str) -> Value {
    parse_cq(source).iter().map(zhishou_adapters::qq::onebot::codec::Segment::to_json).collect()
}

#[test]
fn signatures_are_checked_over_the_raw_bytes() {
    for case in list(&vectors("onebot_hmac")["cases"]) {
        let (secret, body) = (case["secret"].as_str().unwrap(), case["body_utf8"].as_str().unwrap());
        assert_eq!(sign(secret, body.as_bytes()), case["hmac_sha1_hex"].as_str().unwrap(), "{}", case["id"]);
        let header = case["headers"]["X-Signature"].as_str().unwrap_or_default();
        assert_eq!(verify(secret, body.as_bytes(), header), case["expect_valid"] == true, "{}", case["id"]);
    }
}

#[test]
fn inspecting_a_captured_callback_says_whether_it_is_genuine() {
    for case in list(&vectors("onebot_hmac")["cases"]) {
        let raw = json!({ "method": "POST", "path": "/", "query": "", "headers": case["headers"], "body": case["body_utf8"] });
        let keys = InspectKeys { channel: "qq", secret: case["secret"].as_str(), token: None };
        let seen = inspect(&raw, keys);
        assert_eq!(seen["verified"], case["expect_valid"], "{}: {seen}", case["id"]);
        assert_eq!(seen.get("error").is_some(), case["expect_valid"] == false || case["id"] == "rfc2202-case2");
        if seen["inbound"].is_object() {
            assert_eq!(seen["inbound"]["text"], "3楼打印机坏了 & 不能扫描", "{}", case["id"]);
        }
    }
}

#[test]
fn a_capture_with_its_token_in_the_query_is_genuine_and_with_another_is_not() {
    let body = json!({ "time": 1, "self_id": 1, "post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "enable" });
    for (query, genuine) in [
        (json!("access_token=t0k"), true),
        (json!("?x=1&access_token=t%30k"), true),
        (json!({ "access_token": "t0k" }), true),
        (json!("access_token=another"), false),
        (json!(""), false),
    ] {
        let raw = json!({ "method": "POST", "path": "/", "query": query, "headers": {}, "body": body });
        let seen = inspect(&raw, InspectKeys { channel: "qq", secret: None, token: Some("t0k") });
        assert_eq!(seen["verified"], genuine, "{query}: {seen}");
    }
    // Where a secret is set a token is no signature.
    let raw = json!({ "query": "access_token=t0k", "headers": {}, "body": body });
    assert_eq!(inspect(&raw, InspectKeys { channel: "qq", secret: Some("s"), token: Some("t0k") })["verified"], false);
}

#[test]
fn cq_strings_are_read_and_malformed_ones_degrade_to_text() {
    for case in list(&vectors("cq_string")["decode"]) {
        let read = segments_json(case["cq"].as_str().unwrap());
        assert_eq!(read, case["expect_segments"], "{}", case["id"]);
    }
}

#[test]
fn cq_strings_are_written_with_everything_escaped() {
    for case in list(&vectors("cq_string")["encode"]) {
        let segments = message_from_json(&case["segments"]);
        let written = print_cq(&segments);
        // The order of parameters is free: compare what is read back.
        assert_eq!(parse_cq(&written), parse_cq(case["expect_cq"].as_str().unwrap()), "{}", case["id"]);
        assert_eq!(written.len(), case["expect_cq"].as_str().unwrap().len(), "{}", case["id"]);
        assert_eq!(parse_cq(&written), segments, "{}", case["id"]);
    }
}

#[test]
fn tokens_are_taken_in_every_form_peers_send_them() {
    for case in list(&vectors("onebot_auth")) {
        let request = &case["request"];
        if case.get("server_token").is_some() {
            let granted =
                access(case["server_token"].as_str(), request["authorization"].as_str(), request["query"].as_str());
            let expected = match (case["expect"].as_str(), case["http_status"].as_u64()) {
                (Some("accept"), _) => Access::Granted,
                (_, Some(401)) => Access::Missing,
                _ => Access::Wrong,
            };
            assert_eq!(granted, expected, "{}", case["id"]);
        }
        if let Some(role) = request["x-client-role"].as_str() {
            let expected = if case["expect"] == "accept_api_only" { Role::Api } else { Role::Universal };
            assert_eq!(Role::read(Some(role)), expected, "{}", case["id"]);
        }
    }
}

#[test]
fn frames_are_told_apart_by_shape() {
    for case in list(&vectors("onebot_frames")) {
        let (expect, id) = (&case["expect"], &case["id"]);
        match (expect["class"].as_str().unwrap(), classify(case["frame"].clone())) {
            ("event", Frame::Event(event)) => heartbeat(expect, &event, id),
            ("response", Frame::Response(answer)) => response(expect, &answer, id),
            ("auth_failure", Frame::Response(answer)) => assert!(answer.refuses_token(), "{id}"),
            (class, frame) => panic!("{id}: expected {class}, got {frame:?}"),
        }
    }
}

fn heartbeat(expect: &Value, event: &Value, id: &Value) {
    let Some(online) = expect.get("account_online") else { return };
    let Ok(Heard::Heartbeat { online: read, interval_ms }) = decode_event(event) else { panic!("{id}") };
    assert_eq!(json!(read), *online, "{id}");
    if let Some(within) = expect["next_heartbeat_within_ms"].as_u64() {
        assert_eq!(interval_ms.unwrap() * 3, within, "{id}");
    }
}

fn response(expect: &Value, answer: &Answer, id: &Value) {
    if let Some(ok) = expect.get("ok") {
        assert_eq!(json!(answer.is_ok()), *ok, "{id}");
    }
    if let Some(echo) = expect.get("echo") {
        assert_eq!(answer.echo, *echo, "{id}");
    }
    let outcome = of_send(answer);
    let fits = match (expect["delivery"].as_str(), expect["likely"].as_str()) {
        (Some("unknown"), _) => outcome == Outcome::Perhaps,
        (Some("not_delivered"), Some(_)) => outcome == Outcome::Muted,
        _ if expect["risk_control"] == true => matches!(outcome, Outcome::Blocked(_)),
        _ if expect["accepted_only"] == true => outcome == Outcome::Sent(None),
        _ if expect["unsupported_action"] == true => answer.unknown_action(),
        _ if expect["ok"] == false => matches!(outcome, Outcome::Refused(_)),
        _ => true,
    };
    assert!(fits, "{id}: {outcome:?}");
}

#[test]
fn events_are_read_as_the_helpdesk_means_them() {
    for case in list(&vectors("onebot_events")) {
        let (expect, id) = (&case["expect"], &case["id"]);
        let heard = decode_event(&case["event"]).unwrap_or_else(|why| panic!("{id}: {why}"));
        match expect["kind"].as_str().unwrap() {
            "message.private" | "message.group" => {
                let Heard::Message(message) = heard else { panic!("{id}: {heard:?}") };
                message_fits(expect, &message, id);
            }
            "ignored" if expect["reason"] == "self_message" => {
                // A private one to nobody in particular cannot be placed.
                assert!(matches!(heard, Heard::Own(_)), "{id}: {heard:?}");
            }
            kind => assert!(notice_fits(kind, expect, &heard), "{id}: {heard:?}"),
        }
    }
}

fn message_fits(expect: &Value, message: &HeardMessage, id: &Value) {
    let read = render(message, &Viewpoint::default());
    let told = json!({
        "self_id": message.account, "user_id": message.sender, "message_id": message.message_id,
        "group_id": message.scope.conversation().trim_start_matches("group:"), "text": read.text,
        "at_all": read.at_all, "sender_display": message.sender_name, "attachments": read.attachments.len(),
        "unknown_segments": read.unknown.len(), "reply_to": message.quoted(),
        "time_seconds": message.at.map(jiff::Timestamp::as_second),
    });
    for (key, value) in expect.as_object().unwrap() {
        match key.as_str() {
            "mentioned_bot" => assert_eq!(json!(read.addressed), *value, "{id}"),
            "sender_role" if value == "unknown" => assert_eq!(message.sender_role, "", "{id}"),
            "sender_role" => assert_eq!(json!(message.sender_role), *value, "{id}"),
            "text_after_at" => assert_eq!(read.text, value.as_str().unwrap().trim(), "{id}"),
            "temp_session" | "origin_group" => assert_eq!(message.through_group, None, "{id}"),
            "kind" => {}
            known => assert_eq!(told[known], *value, "{id}: {known}"),
        }
    }
}

fn notice_fits(kind: &str, expect: &Value, heard: &Heard) -> bool {
    match kind {
        "notice.group_upload" | "notice.offline_file" => matches!(heard, Heard::Upload(_)),
        "notice.group_recall" => matches!(heard, Heard::Recalled { .. }),
        "notice.group_increase" if expect["bot_itself"] == true => matches!(heard, Heard::Joined(_)),
        "notice.group_ban" => match heard {
            Heard::Muted { seconds, whole_group, .. } => {
                *seconds == expect["seconds"].as_u64() && *whole_group == (expect["whole_group"] == true)
            }
            _ => false,
        },
        "notice.bot_offline" => *heard == Heard::Online(false),
        _ => matches!(heard, Heard::Ignored(_)),
    }
}

#[test]
fn requests_are_written_as_peers_understand_them() {
    let case = list(&vectors("onebot_api")).iter().find(|case| case["id"] == "send-group-array").unwrap().clone();
    let message = Outgoing {
        reply_to: Some("10001:group:700100200:1268341729".to_owned()),
        mentions: vec!["20002".to_owned(), "all".to_owned()],
        ..Outgoing::default()
    };
    assert_eq!(message_json(&message, "工单#42 已受理", true, true), case["request"]["params"]["message"]);
}

#[test]
fn message_ids_of_every_scheme_survive_the_way_through() {
    for sample in list(&vectors("onebot_message_ids")["samples"]) {
        let id = &sample["message_id"];
        let text = id_of(id).unwrap();
        assert_eq!(id_of(&json!(text)).as_deref(), Some(text.as_str()), "as a string too");
        assert_eq!(id_json(&text), *id);
    }
}
