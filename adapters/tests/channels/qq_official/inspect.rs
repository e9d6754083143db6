//! Looking at captures.

use serde_json::{Value, json};
use zhishou_adapters::qq::official::{InspectKeys, inspect};

use super::vectors::vectors;

#[test]
fn a_captured_callback_says_whether_it_is_genuine() {
    for case in vectors("ed25519")["request_verification"].as_array().unwrap() {
        let raw =
            json!({ "method": "POST", "path": "/qq/callback", "headers": case["headers"], "body": case["body_utf8"] });
        let keys = InspectKeys { channel: "qqbot", secret: case["secret"].as_str() };
        assert_eq!(inspect(&raw, keys)["verified"], case["expect_valid"], "{}", case["id"]);
        assert_eq!(inspect(&raw, InspectKeys { secret: None, ..keys })["verified"], Value::Null);
    }
}

#[test]
fn every_event_of_the_collection_can_be_looked_at() {
    for case in vectors("qq_events").as_array().unwrap() {
        let seen = inspect(&case["payload"], InspectKeys { channel: "qqbot", secret: None });
        let kind = case["expect"]["kind"].as_str().unwrap();
        let message = ["c2c", "group_at", "group_plain", "duplicate_of"].contains(&kind);
        assert_eq!(seen["inbound"].is_object(), message, "{}: {seen}", case["id"]);
        assert!(seen["error"].is_null(), "{}: {seen}", case["id"]);
        if message {
            assert_eq!(seen["inbound"]["channel"], "qqbot");
            assert_eq!(seen["inbound"]["external_id"], case["payload"]["d"]["id"]);
        }
        assert!(!seen.to_string().contains("auth_token"), "{}", case["id"]);
    }
    let odd = inspect(&json!({ "x": 1 }), InspectKeys { channel: "qqbot", secret: None });
    assert!(odd["error"].as_str().unwrap().contains("op"));
}

#[test]
fn a_validation_shows_what_would_be_answered() {
    for case in vectors("ed25519")["op13_policy"].as_array().unwrap() {
        let raw = json!({ "headers": case["headers"], "body": json!({ "op": 13, "d": case["d"] }).to_string() });
        let keys = InspectKeys { channel: "qqbot", secret: Some("DG5g3B4j9X2KOErG") };
        let seen = inspect(&raw, keys);
        let signature = seen["event"]["validation"]["signature"].as_str();
        assert_ne!(signature, case["would_sign"].as_str().or(Some("")), "{}", case["id"]);
    }
}
