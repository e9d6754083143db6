//! The callback address and those who call it.

use std::time::Duration;

use serde_json::{Value, json};
use zhishou_adapters::{Channel as _, Event};

use super::support::{AT_GROUP, GROUP, called, platform, serve, settings, webhook};
use super::vectors::vectors;
use crate::support::{NOON, within};
use crate::wecom::support::MemoryShelf;

fn counted(it: &super::support::Served, name: &str) -> u64 {
    it.channel.counts().into_iter().find(|(known, _)| *known == name).unwrap().1
}

#[tokio::test]
async fn only_the_platform_is_heard() {
    let it = called().await;
    let body = json!({ "op": 0, "id": "E1", "t": "GROUP_AT_MESSAGE_CREATE", "d": {
        "id": "FORGED", "group_openid": GROUP, "content": "认领 42", "author": { "member_openid": "M-ENGINEER" },
    } })
    .to_string();
    let now = NOON.to_string();
    let good = it.qq.sign(&now, &body);
    let old = (NOON - 400).to_string();
    let stale = it.qq.sign(&old, &body);
    let zero = "0".repeat(128);
    for (headers, body, status) in [
        (vec![], body.clone(), 401),
        (vec![("X-Signature-Ed25519", zero.as_str()), ("X-Signature-Timestamp", now.as_str())], body.clone(), 401),
        (vec![("X-Signature-Ed25519", good.as_str())], body.clone(), 401),
        (
            vec![("X-Signature-Ed25519", good.as_str()), ("X-Signature-Timestamp", now.as_str())],
            body.clone() + " ",
            401,
        ),
        (vec![("X-Signature-Ed25519", stale.as_str()), ("X-Signature-Timestamp", old.as_str())], body.clone(), 401),
        (vec![], "not json".to_owned(), 401),
    ] {
        let (told, answer) = it.qq.call_with(&it.url, &body, &headers).await;
        assert_eq!((told, answer), (status, Value::Null), "{headers:?}");
    }
    let (told, _) = it.qq.call(&it.url, &"x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(told, 413);
    assert!(it.desk.messages().is_empty());
    assert_eq!((counted(&it, "callback_forged"), counted(&it, "callback_stale")), (5, 1));
    // Another robot's event, though the key were the same.
    let signed = [("X-Signature-Ed25519", good.as_str()), ("X-Signature-Timestamp", now.as_str())];
    let (told, _) = it.qq.call_with(&it.url, &body, &signed).await;
    assert_eq!(told, 200);
    assert_eq!(it.desk.next_message().await.external_id, "FORGED");
}

#[tokio::test]
async fn a_validation_is_answered_and_never_signs_an_event() {
    let it = called().await;
    for case in vectors("ed25519")["op13_policy"].as_array().unwrap() {
        let body = json!({ "op": 13, "d": case["d"] }).to_string();
        let headers: Vec<(String, String)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (status, answer) = it.qq.call_with(&it.url, &body, &headers).await;
        let expected = match case["expect"].as_str().unwrap() {
            "answer" => 200,
            "reject_400" => 400,
            _ => 401,
        };
        assert_eq!(status, expected, "{}", case["id"]);
        assert_eq!(answer["signature"].is_string(), expected == 200, "{}", case["id"]);
    }
    for case in vectors("ed25519")["validation_op13"].as_array().unwrap() {
        let body = case["request_body_utf8"].as_str().unwrap();
        let (status, _) = it.qq.call(&it.url, body).await;
        let ascii = body.is_ascii() && !body.contains("\\u");
        assert_eq!(status, if ascii { 200 } else { 400 }, "{}: even signed, nothing odd is signed", case["id"]);
    }
}

/// E: the document's own request, to the second it was signed in.
#[tokio::test]
async fn the_documents_request_is_taken() {
    let (qq, clock) = platform().await;
    let case = &vectors("ed25519")["request_verification"][0];
    let mut config = settings(&qq, webhook());
    config.app_secret = secrecy::SecretString::from(case["secret"].as_str().unwrap());
    // The clock stands in 2026, the document was signed in 2024.
    config.replay = Duration::from_hours(24 * 365 * 3);
    let it = serve(&qq, config, MemoryShelf::new(clock.clone()), &clock).await;
    let header = |name: &str| case["headers"][name].as_str().unwrap();
    let (signature, at) = (header("X-Signature-Ed25519"), header("X-Signature-Timestamp"));
    let signed = [("X-Signature-Ed25519", signature), ("X-Signature-Timestamp", at)];
    let body = case["body_utf8"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(it.qq.call_with(&it.url, body, &signed).await, (200, json!({ "op": 12, "d": 0 })));
    }
    assert_eq!(counted(&it, "callback_repeated"), 1);
    let (status, _) = it.qq.call_with(&it.url, &body.replace('0', "1"), &signed).await;
    assert_eq!(status, 401);
    let beat = &vectors("ed25519")["callback_ack"][2]["reply"];
    let (_, answer) = it.qq.call(&it.url, &json!({ "op": 1, "d": 1314 }).to_string()).await;
    assert_eq!(answer, *beat);
}

#[tokio::test]
async fn what_could_not_be_stored_is_asked_for_again() {
    let it = called().await;
    let body = json!({ "op": 0, "id": "E1", "t": "GROUP_MESSAGE_CREATE", "d": {
        "id": "M1", "group_openid": GROUP, "content": "网络又断了", "author": { "member_openid": "M-WANG" },
    } })
    .to_string();
    it.desk.fail(1);
    assert_eq!(it.qq.call(&it.url, &body).await.1, json!({ "op": 12, "d": 1 }));
    it.shelf.fail(true);
    assert_eq!(it.qq.call(&it.url, &body).await.1, json!({ "op": 12, "d": 1 }));
    it.shelf.fail(false);
    for _ in 0..3 {
        assert_eq!(it.qq.call(&it.url, &body).await.1, json!({ "op": 12, "d": 0 }));
    }
    assert_eq!(it.desk.messages().len(), 1, "a repeat is a success and no second message");
    let heard = it.desk.next_message().await;
    assert!(!heard.addressed, "it was said to nobody in particular");
}

#[tokio::test]
async fn pictures_are_fetched_and_odd_events_harm_nothing() {
    let it = called().await;
    let files = axum::Router::new().route("/a.png", axum::routing::get(|| async { PNG.to_vec() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, files).await });
    let more = json!({ "attachments": [
        { "content_type": "image/png", "filename": "故障.png", "url": format!("http://{address}/a.png"), "size": 8 },
        { "content_type": "image/png", "filename": "内网.png", "url": "http://10.0.0.8/x.png" },
        { "content_type": "voice", "filename": "v.silk", "url": "http://10.0.0.8/v.silk", "asr_refer_text": "打印机不出纸" },
    ] });
    it.qq.say_single_with("U-WANG", "见图", more).await;
    let heard = it.desk.next_message().await;
    assert_eq!(heard.conversation, "user:U-WANG");
    assert_eq!(heard.text, "见图\n【语音转文字】\n打印机不出纸");
    assert_eq!(heard.attachments.len(), 3);
    assert!(heard.attachments[0].stored.is_some());
    assert!(heard.attachments[1].problem.as_deref().unwrap().contains("内部网络"));
    assert_eq!(it.desk.kept(), [PNG.to_vec()]);

    for data in [json!({}), json!("x"), json!({ "id": 7 }), json!({ "group_openid": GROUP, "id": "i", "data": null })] {
        for kind in
            ["GROUP_AT_MESSAGE_CREATE", "INTERACTION_CREATE", "C2C_MESSAGE_CREATE", "NEVER_HEARD_OF", "GROUP_DEL_ROBOT"]
        {
            assert!(it.qq.event(kind, data.clone()).await, "{kind} {data}");
        }
    }
    it.qq.add_to_group("G9").await;
    let joined = it.desk.next(|event| match event {
        Event::Joined { conversation } => Some(conversation.clone()),
        _ => None,
    });
    assert_eq!(joined.await, "group:G9");
    within(it.qq.say_to_robot(GROUP, "M-WANG", "还在吗")).await;
    assert_eq!(it.desk.next_message().await.conversation, AT_GROUP);
}

const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
