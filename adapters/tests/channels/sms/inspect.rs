//! What is made of captures, of our own protocols and of others; and that every section of the collected facts is tried.

use jiff::Timestamp;
use serde_json::{Value, json};
use zhishou_adapters::sms::inspect::foreign;
use zhishou_adapters::sms::{InspectKeys, inspect};

use super::{bytes, cases, vectors, word};

fn keys() -> InspectKeys<'static> {
    let now: Timestamp = "2026-11-22T08:31:10+08:00".parse().unwrap();
    InspectKeys { channel: "sms", secret: Some("Zs-2026-test"), sign_name: None, now }
}

fn pdu(id: &str) -> String {
    let found = cases("cmpp.pdus").into_iter().find(|case| word(case, "id") == id);
    word(&found.unwrap_or_else(|| panic!("{id}")), "hex").to_owned()
}

#[test]
fn a_login_is_verified_with_the_secret() {
    let both = format!("{}\n\n# the answer\n{}", pdu("c-connect-3.0"), pdu("c-connect-resp-ok-3.0"));
    let told = inspect(&both, keys());
    assert_eq!(told["verified"], true);
    assert_eq!(told["event"][0]["command"], "CONNECT");
    assert_eq!(told["event"][1]["protocol"], "CMPP 3.0");
    let wrong = inspect(&both, InspectKeys { secret: Some("other"), ..keys() });
    assert_eq!(wrong["verified"], false);
    assert_eq!(inspect(&both, InspectKeys { secret: None, ..keys() })["verified"], Value::Null);
}

#[test]
fn texts_and_reports_are_told_as_the_desk_would_get_them() {
    let told = inspect(&pdu("c-mo-gbk-2.0"), keys());
    assert_eq!(told["inbound"]["conversation"], "user:13800138000");
    assert_eq!(told["inbound"]["text"], told["event"]["text"]);
    let told = inspect(&pdu("c-deliver-report-undeliv-3.0"), keys());
    assert_eq!(told["event"]["report"]["verdict"], "failed");
    assert_eq!(told.get("inbound"), None);
    for case in cases("cmpp.groups") {
        let frames: Vec<&str> =
            case["frames"].as_array().unwrap().iter().map(|frame| frame.as_str().unwrap()).collect();
        if word(&case, "id").starts_with("c-mo-long") {
            let told = inspect(&frames.join("\n"), keys());
            assert_eq!(told["inbound"]["text"], case["expect"]["text"]);
        }
    }
    for (bad, words) in [
        ("", "报文"),
        ("xyz", "十六进制"),
        ("7fffffff0000000500000001", "长度"),
        ("0000000c0000007700000001", "unknown"),
    ] {
        let told = inspect(bad, keys());
        assert!(told["error"].as_str().unwrap().contains(words), "{told}");
    }
}

#[test]
fn captured_posts_of_a_platform_are_verified() {
    for case in cases("http.generic_hmac_v1").into_iter().filter(|case| word(case, "path") == "/sms/inbound") {
        let headers = json!({
            "X-Sms-Key": "k", "X-Sms-Timestamp": case["timestamp"].to_string(), "X-Sms-Nonce": case["nonce"],
            "X-Sms-Signature": case["signature"],
        });
        let raw =
            json!({ "method": "POST", "path": case["path"], "query": "", "headers": headers, "body": case["body"] });
        let right = InspectKeys { secret: case["secret"].as_str(), ..keys() };
        let told = inspect(&raw.to_string(), right);
        assert_eq!(told["verified"], true, "{told}");
        assert!(told.get("inbound").is_some() || told["event"]["report"]["verdict"] == "delivered", "{told}");
        let told = inspect(&raw.to_string(), keys());
        assert_eq!(told["verified"], false);
        assert!(told["error"].as_str().unwrap().contains("401"));
    }
}

#[test]
fn pushes_of_clouds_are_told_apart() {
    let all = vectors("http.callbacks_composed");
    for (key, field) in [
        ("aliyun_sms_up", "inbound"),
        ("aliyun_sms_report", "event"),
        ("tencent_reply_callback", "inbound"),
        ("tencent_status_callback", "event"),
        ("mas_report", "event"),
        ("huawei_status_form", "event"),
        ("huawei_up_form", "event"),
    ] {
        let raw = all[key].as_str().map_or_else(|| all[key].to_string(), str::to_owned);
        let told = inspect(&raw, keys());
        assert!(told.get(field).is_some() && told.get("error").is_none(), "{key}: {told}");
        assert_eq!(told["verified"], Value::Null);
    }
    let told = inspect(all["huawei_up_form"].as_str().unwrap(), keys());
    assert_eq!(told["event"]["fields"]["body"], "收到");
    assert!(inspect("{\"a\":1}", keys())["error"].as_str().unwrap().contains("认不出"));
}

#[test]
fn calls_of_platforms_that_are_not_spoken_can_be_verified() {
    for case in cases("http.huawei_wsse") {
        let (nonce, created, secret) = (word(&case, "nonce"), word(&case, "created"), word(&case, "app_secret"));
        let digest = word(&case, "password_digest_of_hex_text");
        assert_eq!(foreign::huawei_digest(nonce, created, secret), digest);
        let wsse = |digest: &str| {
            let wsse =
                format!(r#"UsernameToken Username="u",PasswordDigest="{digest}",Nonce="{nonce}",Created="{created}""#);
            let raw = json!({ "method": "POST", "path": "/", "headers": { "X-WSSE": wsse }, "body": "" }).to_string();
            inspect(&raw, InspectKeys { secret: Some(secret), ..keys() })["verified"].clone()
        };
        assert_eq!(wsse(digest), true);
        assert_eq!(wsse(word(&case, "password_digest_of_raw_bytes")), false);
    }
    for case in cases("http.mas_mac") {
        let (fields, secret) = (&case["fields"], word(&case, "secret_key"));
        assert_eq!(foreign::mas_mac(fields, secret), word(&case, "mac"));
        let mut call = fields.clone();
        call["mac"] = case["mac"].clone();
        let told = inspect(&call.to_string(), InspectKeys { secret: Some(secret), ..keys() });
        assert_eq!(told["verified"], true);
    }
}

/// Every expected field but those that are secrets or lie in the capture only.
fn agrees(told: &Value, expect: &Value, but: &[&str]) {
    for (key, value) in expect.as_object().unwrap() {
        if but.contains(&key.as_str()) {
            continue;
        }
        match value {
            Value::Object(_) => agrees(&told[key], value, but),
            value => assert_eq!(&told[key], value, "{key} in {told}"),
        }
    }
}

#[test]
fn frames_of_other_protocols_are_recognised() {
    for (section, protocol) in [("sgip", "SGIP"), ("smgp", "SMGP"), ("smpp", "SMPP")] {
        for case in cases(section) {
            if let Some(text) = case["text"].as_str() {
                agrees(&foreign::receipt(text), &case["expect"], &[]);
                continue;
            }
            let id = word(&case, "id");
            if id.starts_with("report-text") {
                agrees(&foreign::smgp_receipt(&bytes(&case, "hex")).unwrap(), &case["expect"], &[]);
                continue;
            }
            let told = inspect(word(&case, "hex"), keys());
            assert!(told["event"]["protocol"].as_str().is_some_and(|told| told.starts_with(protocol)), "{id}: {told}");
            if let Some(expect) = case.get("expect") {
                agrees(&told["event"], expect, &["password", "secret"]);
            }
            assert!(!told.to_string().contains("testpwd"), "a password is not repeated");
        }
    }
    // None of ours is taken for one of theirs.
    for case in cases("cmpp.pdus") {
        let told = inspect(word(&case, "hex"), keys());
        assert!(told["event"]["protocol"].as_str().is_some_and(|told| told.starts_with("CMPP")), "{case}: {told}");
    }
}

/// Sections of the collected facts, and where each is tried.
const TRIED: [(&str, &[&str]); 10] = [
    ("about", &["what", "hex", "masking", "composed", "scenario", "sources"]),
    ("cmpp", &["auth", "pdus", "groups", "reports", "report_stats", "msg_ids", "udh", "malformed", "stream"]),
    ("text", &["ucs2", "gsm7", "cmpp", "gsm7_packing"]),
    ("numbers", &[]),
    ("keywords", &[]),
    ("extensions", &[]),
    ("sgip", &[]),
    ("smgp", &[]),
    ("smpp", &[]),
    (
        "http",
        &[
            "aliyun_rpc_hmac_sha1",
            "aliyun_acs3",
            "tencent_tc3",
            "huawei_wsse",
            "mas_mac",
            "callbacks_composed",
            "generic_hmac_v1",
            "generic_hmac_v1_must_refuse",
        ],
    ),
];

#[test]
fn no_section_of_the_collected_facts_is_left_out() {
    let all: Value = serde_json::from_str(include_str!("../../vectors/sms.json")).unwrap();
    let sections: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known: Vec<&str> = TRIED.iter().map(|(section, _)| *section).collect();
    let mut there = sections.clone();
    known.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, known);
    let sources = concat!(
        include_str!("texts.rs"),
        include_str!("frames.rs"),
        include_str!("clouds.rs"),
        include_str!("platform.rs"),
        include_str!("inspect.rs")
    );
    for (section, keys) in TRIED.iter().filter(|(section, _)| *section != "about") {
        if keys.is_empty() {
            assert!(sources.contains(&format!("\"{section}\"")), "{section}");
            continue;
        }
        let mut there: Vec<&str> = all[section].as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = keys.to_vec();
        there.sort_unstable();
        known.sort_unstable();
        assert_eq!(there, known, "{section}");
        for key in *keys {
            assert!(sources.contains(&format!("(\"{section}.{key}\")")), "{section}.{key}");
        }
    }
}
