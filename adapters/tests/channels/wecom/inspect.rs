//! Captures as `zhishou inspect wecom` reads them.

use serde_json::{Value, json};
use zhishou_adapters::wecom::{InspectKeys, inspect};

fn vectors(section: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    all[section].as_array().filter(|cases| !cases.is_empty()).unwrap().clone()
}

fn keys(case: &Value) -> InspectKeys<'_> {
    InspectKeys {
        channel: "wecom",
        token: case["token"].as_str(),
        aes_key: case["encoding_aes_key"].as_str(),
        corp_id: case["corp_id"].as_str(),
        bot_name: Some("值守"),
    }
}

/// As a proxy or a script writes a request down.
fn captured(case: &Value) -> Value {
    let (path, query) = case["request_target"].as_str().unwrap().split_once('?').unwrap();
    json!({ "method": "POST", "path": path, "query": query, "headers": {}, "body": case["body"] })
}

#[test]
fn callbacks_of_the_application_are_opened() {
    let mut inbound = 0;
    for case in vectors("post_xml") {
        let seen = inspect(&captured(&case), keys(&case));
        assert_eq!((&seen["verified"], seen.get("error")), (&json!(true), None), "{}: {seen}", case["id"]);
        if seen["inbound"].is_object() {
            inbound += 1;
            assert_eq!(seen["inbound"]["external_id"], case["dedupe_key"], "{}", case["id"]);
            if let Some(content) = case["expect"]["content"].as_str() {
                assert_eq!(seen["inbound"]["text"], content, "{}", case["id"]);
            }
            if let Some(task) = case["expect"]["task_id"].as_str() {
                assert_eq!(seen["inbound"]["press"]["on"], task, "{}", case["id"]);
            }
        } else {
            assert!(!seen["event"].is_null(), "{}: {seen}", case["id"]);
        }
    }
    assert!(inbound >= 9, "{inbound}");
}

#[test]
fn callbacks_of_the_bot_are_opened() {
    for case in vectors("post_json") {
        let seen = inspect(&captured(&case), keys(&case));
        assert_eq!((&seen["verified"], seen.get("error")), (&json!(true), None), "{}: {seen}", case["id"]);
        assert!(seen["inbound"].is_object() || !seen["event"].is_null(), "{}: {seen}", case["id"]);
    }
}

#[test]
fn an_address_verification_says_its_echo_and_its_corp() {
    for case in vectors("verify_url") {
        let (path, query) = case["request_target"].as_str().unwrap().split_once('?').unwrap();
        let seen = inspect(&json!({ "method": "GET", "path": path, "query": query }), keys(&case));
        if case["id"] == "wrong-signature" {
            assert_eq!(seen["verified"], false);
            assert!(seen["error"].as_str().unwrap().contains("403"));
        } else {
            assert_eq!(seen["verified"], true, "{}: {seen}", case["id"]);
            let told = &seen["event"]["url_verification"];
            if let Some(body) = case["body"].as_str() {
                assert_eq!((&told["echo"], &told["receive_id"]), (&json!(body), &case["receive_id"]), "{}", case["id"]);
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_capture_is_said() {
    let case = vectors("post_xml").swap_remove(0);
    let good = captured(&case);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let right = keys(&case);
    let other_key = InspectKeys { aes_key: Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), ..right };
    for (why, capture, keys, verified, words) in [
        ("no keys", good.clone(), InspectKeys::default(), Value::Null, "--token"),
        ("a bad key", good.clone(), InspectKeys { aes_key: Some("short"), ..right }, Value::Null, "43"),
        ("another token", good.clone(), InspectKeys { token: Some("x"), ..right }, json!(false), "403"),
        ("another key", good.clone(), other_key, json!(true), "EncodingAESKey"),
        ("another corp", good.clone(), InspectKeys { corp_id: Some("ww0"), ..right }, json!(true), "另一个企业"),
        ("no query", with(&|raw| raw["query"] = Value::Null), right, Value::Null, "query"),
        ("half a query", with(&|raw| raw["query"] = json!("nonce=1")), right, Value::Null, "400"),
        ("no body", with(&|raw| raw["body"] = Value::Null), right, Value::Null, "密文"),
    ] {
        let seen = inspect(&capture, keys);
        assert_eq!(seen["verified"], verified, "{why}: {seen}");
        assert!(seen["error"].as_str().unwrap().contains(words), "{why}: {seen}");
    }
}

#[test]
fn the_query_may_stand_in_the_path_or_as_pairs() {
    let case = vectors("post_xml").swap_remove(0);
    let (path, query) = case["request_target"].as_str().unwrap().split_once('?').unwrap();
    let pairs: serde_json::Map<String, Value> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    for raw in [
        json!({ "method": "POST", "path": case["request_target"], "body": case["body"] }),
        json!({ "method": "POST", "path": path, "query": pairs, "body": case["body"] }),
        json!({ "method": "POST", "path": path, "query": format!("?{query}"), "body": case["body"] }),
    ] {
        assert_eq!(inspect(&raw, keys(&case))["verified"], true, "{raw}");
    }
}

#[test]
fn frames_and_bare_bodies_carry_no_proof() {
    let body = json!({
        "msgid": "m1", "aibotid": "aibDESK01", "chatid": "wrGROUP0001", "chattype": "group",
        "from": { "userid": "WangKeZhang" }, "msgtype": "text", "text": { "content": "@值守 登记系统打不开了" },
    });
    let frame = json!({ "cmd": "aibot_msg_callback", "headers": { "req_id": "R1" }, "body": body });
    let keys = InspectKeys { channel: "wecom", bot_name: Some("值守"), ..InspectKeys::default() };
    for raw in [body, frame] {
        let seen = inspect(&raw, keys);
        assert_eq!(seen["verified"], Value::Null);
        assert_eq!(seen["inbound"]["text"], "登记系统打不开了", "{seen}");
        assert_eq!(seen["inbound"]["conversation"], "group:wrGROUP0001");
    }
    let ack = json!({ "headers": { "req_id": "R1" }, "errcode": 846_609, "errmsg": "not subscribed" });
    assert_eq!(inspect(&ack, keys)["event"]["ack"]["code"], 846_609);
    assert!(inspect(&json!({ "hello": 1 }), keys)["error"].is_string());
}
