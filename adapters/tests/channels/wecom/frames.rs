//! What the bot hears and writes, by the collected vectors: frames, bodies, mentions, cards.

use serde_json::{Value, json};
use zhishou_adapters::wecom::codec::bot_body::{BotMessage, HeardBot, read_body};
use zhishou_adapters::wecom::codec::card_rules::{CardSurface, check_card};
use zhishou_adapters::wecom::codec::crypto::CallbackKeys;
use zhishou_adapters::wecom::codec::errcode::{Class, class};
use zhishou_adapters::wecom::codec::frame::{self, Frame, FrameError};
use zhishou_adapters::wecom::codec::markdown::plain;
use zhishou_adapters::wecom::codec::mention::strip_mention;

fn vectors(section: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    all[section].clone()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list of cases")
}

/// Checks everything that a case expects of a body; answers how many expectations it knew.
fn fits(id: &Value, expect: &Value, body: &Value) -> usize {
    let heard = read_body(body, Some("值守")).unwrap_or_else(|error| panic!("{id}: {error}"));
    let mut known = 0;
    for (key, value) in expect.as_object().unwrap() {
        known += 1;
        match (key.as_str(), &heard) {
            ("external_id", HeardBot::Message(message)) => assert_eq!(message.msgid, *value, "{id}"),
            ("conversation", HeardBot::Message(message)) => assert_eq!(message.conversation, *value, "{id}"),
            ("sender", HeardBot::Message(message)) => assert_eq!(message.sender, *value, "{id}"),
            ("text", HeardBot::Message(message)) => assert_eq!(message.text, *value, "{id}"),
            ("quote_text", HeardBot::Message(message)) => assert_eq!(json!(message.quoted_text), *value, "{id}"),
            ("attachments", HeardBot::Message(message)) => assert_eq!(media(message), *value, "{id}"),
            ("disposition", HeardBot::Message(message)) => assert!(message.unreadable.is_some(), "{id}"),
            ("is_message", told) => assert!(!matches!(told, HeardBot::Message(_)), "{id}"),
            ("stream_id", HeardBot::StreamPoll { stream }) => assert_eq!(stream, value, "{id}"),
            ("task_id", HeardBot::Press(press)) => assert_eq!(press.task, *value, "{id}"),
            ("event_key", HeardBot::Press(press)) => assert_eq!(press.key, *value, "{id}"),
            ("clicker", HeardBot::Press(press)) => assert_eq!(press.sender, *value, "{id}"),
            ("selected", HeardBot::Press(press)) => {
                let chosen: serde_json::Map<String, Value> =
                    press.selected.iter().map(|(question, ids)| (question.clone(), json!(ids))).collect();
                assert_eq!(Value::Object(chosen), *value, "{id}");
            }
            ("event", told) => assert!(is_event(told, value.as_str().unwrap()), "{id}: {told:?}"),
            ("action", told) => assert_eq!(*told, HeardBot::Disconnected, "{id}"),
            // No answer may be made: there is nothing in it that could be answered.
            ("reply", HeardBot::Ignored(_)) => {}
            ("reply_cmd", HeardBot::EnterChat { .. }) => assert_eq!(frame::WELCOME, value, "{id}"),
            ("reply_cmd", HeardBot::Press(_)) => assert_eq!(frame::UPDATE, value, "{id}"),
            // Always so for a bot; shown where the inbound message is made (bot.rs).
            (_, _) => known -= 1,
        }
    }
    known
}

fn media(message: &BotMessage) -> Value {
    let piece = |media: &zhishou_adapters::wecom::codec::bot_body::BotMedia| {
        let mut told = json!({ "kind": media.kind, "url": media.url });
        if let Some(key) = &media.aeskey {
            told["aeskey"] = json!(key);
        }
        told
    };
    message.media.iter().map(piece).collect()
}

fn is_event(told: &HeardBot, name: &str) -> bool {
    match told {
        HeardBot::EnterChat { .. } => name == "enter_chat",
        HeardBot::Press(_) => name == "template_card_event",
        HeardBot::Ignored(kind) => kind == name,
        HeardBot::Message(_) | HeardBot::StreamPoll { .. } | HeardBot::Disconnected => false,
    }
}

#[test]
fn posted_callbacks_are_opened_and_read() {
    let mut known = 0;
    for case in list(&vectors("post_json")) {
        let text = |key: &str| case[key].as_str().unwrap();
        let keys = CallbackKeys::new(text("token"), text("encoding_aes_key"), text("receive_id")).unwrap();
        let envelope: Value = serde_json::from_str(text("body")).unwrap();
        let opened = keys.decrypt(envelope["encrypt"].as_str().unwrap()).unwrap();
        let body: Value = serde_json::from_slice(&opened).unwrap();
        assert_eq!(body, case["inner"], "{}", case["id"]);
        known += fits(&case["id"], &case["expect"], &body);
    }
    assert!(known >= 25, "only {known} expectations were understood");
}

#[test]
fn frames_of_the_line_are_read_and_written() {
    let mut known = 0;
    for case in list(&vectors("aibot_frames")) {
        let (id, given, expect) = (&case["id"], &case["frame"], &case["expect"]);
        if case["direction"] == "out" {
            let cmd = given["cmd"].as_str().unwrap();
            let req_id = given["headers"]["req_id"].as_str().unwrap();
            let written: Value = serde_json::from_str(&frame::command(cmd, req_id, given.get("body"))).unwrap();
            assert_eq!(written, *given, "{id}");
            if let Some(card) = given.pointer("/body/template_card") {
                assert_eq!(check_card(card, CardSurface::Interactive), Ok(()), "{id}");
            }
            continue;
        }
        match frame::read(&given.to_string()).unwrap_or_else(|error| panic!("{id}: {error}")) {
            Frame::Ack(ack) => {
                assert_eq!(ack.req_id, given["headers"]["req_id"], "{id}");
                assert_eq!(ack.code, given["errcode"], "{id}");
                match expect["class"].as_str() {
                    Some("credentials") => assert_eq!(class(ack.code), Class::Credentials, "{id}"),
                    Some("address") => assert_eq!(class(ack.code), Class::ReceiverClosed, "{id}"),
                    Some(other) => panic!("{id}: {other}"),
                    None => {}
                }
            }
            Frame::Callback { req_id, body } => {
                assert_eq!(req_id, given["headers"]["req_id"], "{id}");
                if let Some(reply) = expect.get("reply_req_id") {
                    assert_eq!(req_id, *reply, "{id}");
                }
                known += fits(id, expect, &body);
            }
            Frame::Unknown(cmd) => panic!("{id}: {cmd}"),
        }
    }
    assert!(known >= 25, "only {known} expectations were understood");
}

#[test]
fn broken_frames_are_told_from_whole_ones() {
    for case in list(&vectors("aibot_raw_frames")) {
        let raw = match case["raw_hex"].as_str() {
            Some(hex) => String::from_utf8(hex::decode(hex).unwrap()).unwrap(),
            None => case["raw"].as_str().unwrap().to_owned(),
        };
        let read = frame::read(&raw);
        match case["id"].as_str().unwrap() {
            "control-character-in-string" => {
                let Ok(Frame::Callback { body, .. }) = read else { panic!("{read:?}") };
                assert_eq!(body["text"]["content"], "ab");
            }
            "not-json" => assert_eq!(read, Err(FrameError::NotJson)),
            "no-headers" => assert_eq!(read, Err(FrameError::NoRequest)),
            "body-null" => assert_eq!(read, Err(FrameError::NoBody)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_mention_of_the_bot_is_taken_out_and_no_other() {
    let section = vectors("mention_strip");
    for case in list(&section["cases"]) {
        let read =
            strip_mention(case["content"].as_str().unwrap(), case["bot_name"].as_str(), case["chattype"] == "group");
        assert_eq!(read, case["expect"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn a_card_that_would_be_refused_is_known_before() {
    let section = vectors("template_card");
    for case in list(&section["cases"]) {
        let surface = if case["channel"] == "wecom-robot" { CardSurface::Robot } else { CardSurface::Interactive };
        let checked = check_card(&case["card"], surface);
        assert_eq!(json!(checked.is_ok()), case["valid"], "{}: {checked:?}", case["id"]);
    }
}

#[test]
fn what_people_wrote_never_acts_as_markup() {
    for (why, text, expected) in [
        ("a ticket number is no heading", "#12 打不开", "#12 打不开"),
        ("a heading", "## 大标题", "＃# 大标题"),
        ("bold and code", "**重要** `rm -rf`", "＊＊重要＊＊ ｀rm -rf｀"),
        ("a mention", "<@all> 快来", "＜@all> 快来"),
        (
            "a tag that folds or colours",
            "<think>x</think><font color=\"warning\">y</font>",
            "＜think>x＜/think>＜font color=\"warning\">y＜/font>",
        ),
        ("a link", "[点我](http://evil.example/)", "［点我］(http://evil.example/)"),
        (
            "an address stays whole",
            "见 https://a.example/x_y_z?q=1#top_2 _强调_",
            "见 https://a.example/x_y_z?q=1#top_2 ＿强调＿",
        ),
        ("a file name", "report_2026_1.xlsx", "report_2026_1.xlsx"),
        ("a quotation", "> 引用\n5 > 3", "＞ 引用\n5 > 3"),
        ("a table", "a|b", "a｜b"),
        ("a line below makes a heading", "标题\n---", "标题\n－－－"),
        ("direction marks", "abc\u{202e}cba\u{2066}", "abccba"),
        ("control characters", "a\u{1}b\tc\r\nd", "ab c\nd"),
        ("many blank lines", "a\n\n\n\n\nb", "a\n\n\nb"),
    ] {
        assert_eq!(plain(text), expected, "{why}");
    }
}

proptest::proptest! {
    #[test]
    fn no_frame_and_no_body_is_too_strange_to_be_read(text in "\\PC{0,200}", key in "[a-z_]{1,20}") {
        let _ = frame::read(&text);
        let _ = plain(&text);
        let _ = strip_mention(&text, Some(&key), true);
        let body = json!({ "msgtype": key, key.clone(): text, "from": { "userid": "u" }, "msgid": text, "event": text });
        let _ = read_body(&body, None);
    }

    #[test]
    fn markup_never_survives(text in "[*_`\\[\\]<>#|a中 \n~=-]{0,60}") {
        let shown = plain(&text);
        proptest::prop_assert!(!shown.contains(['*', '`', '[', ']', '<', '|']), "{shown:?}");
        proptest::prop_assert!(!shown.lines().any(|line| line.trim_start().starts_with("# ")), "{shown:?}");
        // What was made harmless stays as it is.
        proptest::prop_assert_eq!(plain(&shown), shown);
    }
}
