//! An agency's own platform: the contract both ways, and everything that must be refused.

use std::time::Duration;

use serde_json::{Value, json};
use zhishou_adapters::sms::platform::PlatformConfig;
use zhishou_adapters::sms::platform::sign::Signed;
use zhishou_adapters::sms::text::Signature;
use zhishou_adapters::sms::{GatewayConfig, SmsConfig};
use zhishou_adapters::{Channel as _, Event, SendError};
use zhishou_fakes::sms::web::{FakeWeb, KEY_ID, SECRET, SIGN_NAME, Whim, platform_headers};

use super::support::{PHONE, Served, serve};
use super::{cases, word};
use crate::support::{HandClock, tls, within};
use crate::wecom::support::{MemoryShelf, now_of};

#[test]
fn the_signature_is_that_of_the_contract() {
    for case in cases("http.generic_hmac_v1") {
        let timestamp = case["timestamp"].as_i64().unwrap();
        let at = timestamp.to_string();
        let signed = Signed {
            method: word(&case, "method"),
            path: word(&case, "path"),
            query: word(&case, "query"),
            timestamp: &at,
            nonce: word(&case, "nonce"),
            body: word(&case, "body").as_bytes(),
        };
        let (secret, right) = (word(&case, "secret"), word(&case, "signature"));
        assert_eq!(signed.string_to_sign(), word(&case, "string_to_sign"));
        assert_eq!(signed.signature(secret), right);
        assert!(signed.holds(right, secret));
        assert!(!signed.holds(&right.to_uppercase(), secret) && !signed.holds(&right[3..], secret));
        let near = |apart: i64| signed.in_time(jiff::Timestamp::from_second(timestamp + apart).unwrap());
        assert!(near(300) && near(-300) && !near(301) && !near(-301));
    }
}

fn platform(web: &FakeWeb) -> SmsConfig {
    let mut config = PlatformConfig::new(&web.base(), KEY_ID, SECRET.into());
    config.signature = Signature::new(SIGN_NAME, false).unwrap();
    config.other_key = Some(("old".to_owned(), "an-old-secret-of-at-least-32-bytes".into()));
    SmsConfig { id: "sms".to_owned(), gateway: GatewayConfig::Http(Box::new(config)) }
}

async fn served() -> (FakeWeb, Served, HandClock) {
    tls();
    let clock = HandClock::noon();
    let web = FakeWeb::start(now_of(&clock)).await;
    let served = serve(platform(&web), MemoryShelf::new(clock.clone()), &clock).await;
    (web, served, clock)
}

async fn post(served: &Served, path: &str, headers: &[(&'static str, String)], body: String) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("{}{path}", served.base)).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = within(request.send()).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

async fn event(served: &Served, clock: &HandClock, nonce: &str, event: &Value) -> (u16, Value) {
    let body = json!({ "events": [event] }).to_string();
    let headers = platform_headers("/sms/inbound", clock.now().as_second(), nonce, &body);
    post(served, "/sms/inbound", &headers, body).await
}

fn mo(id: &str) -> Value {
    json!({ "type": "mo", "id": id, "from": PHONE, "to": "1069", "text": "系统登录不上", "at": "2026-11-22T08:31:04+08:00" })
}

#[tokio::test]
async fn a_message_goes_out_signed_and_its_report_comes_back() {
    let (web, served, clock) = served().await;
    let receipt = served.send("k", "已受理").await.unwrap().unwrap();
    let taken = web.taken();
    assert_eq!(taken[0].words, [format!("【{SIGN_NAME}】已受理")]);
    let report = |id: &str, status: &str| json!({ "type": "report", "id": "R1", "client_id": id, "status": status, "code": "MK:0012" });
    let good = (200, json!({ "code": 0, "msg": "ok" }));
    assert_eq!(event(&served, &clock, "nonce-0000000000001", &report(&taken[0].id, "delivered")).await, good);
    assert_eq!(event(&served, &clock, "nonce-0000000000002", &report(&taken[0].id, "failed")).await, good);
    assert_eq!(event(&served, &clock, "nonce-0000000000003", &report("unknown", "failed")).await, good);
    let bounced = served
        .desk
        .next(|event| match event {
            Event::Bounced { external_id, why, .. } => Some((external_id.clone(), why.clone())),
            _ => None,
        })
        .await;
    assert_eq!(bounced.0, receipt);
    assert!(bounced.1.contains("关机"), "{}", bounced.1);
    assert_eq!((served.count("reports_delivered"), served.count("reports_unknown")), (1, 1));
}

#[tokio::test]
async fn a_second_try_is_the_same_message_to_the_platform() {
    let (web, served, _) = served().await;
    web.whims(&[Whim::Silent(504)]);
    assert!(matches!(served.send("k", "已受理").await, Err(SendError::Unreachable(_))));
    served.send("k", "已受理").await.unwrap();
    assert_eq!(web.taken().len(), 1);
    served.send("k", "可能重复：已受理").await.unwrap();
    assert_eq!(web.taken().len(), 2);
}

#[tokio::test]
async fn its_refusals_are_told_as_they_are_meant() {
    let (web, served, _) = served().await;
    for (code, status, words) in
        [("too_long", "400", "过长"), ("blacklisted", "403", "黑名单"), ("no_balance", "402", "余额")]
    {
        web.whims(&[Whim::Refuse(code, status)]);
        let error = served.send("k", "短信").await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { text, .. } if text.contains(words)), "{error}");
    }
    assert!(served.channel.health().unwrap_err().contains("余额"));
    web.whims(&[Whim::Refuse("busy", "429")]);
    let error = served.send("k", "短信").await.unwrap_err();
    assert!(matches!(error, SendError::Throttled { retry_after } if retry_after == Duration::from_secs(7)), "{error}");
    served.send("k", "短信").await.unwrap();
    assert!(served.channel.health().is_ok());
}

#[tokio::test]
async fn a_text_is_stored_before_it_is_answered() {
    let (_, served, clock) = served().await;
    served.desk.fail(1);
    assert_eq!(event(&served, &clock, "nonce-0000000000001", &mo("M1")).await.0, 503);
    assert_eq!(event(&served, &clock, "nonce-0000000000002", &mo("M1")).await.0, 200);
    let heard = served.desk.next_message().await;
    assert_eq!((heard.external_id.as_str(), heard.text.as_str()), ("http:M1", "系统登录不上"));
    assert_eq!((heard.doubt, heard.sent_at.to_string().as_str()), (None, "2026-11-22T00:31:04Z"));
}

#[tokio::test]
async fn what_is_forged_late_repeated_or_changed_is_refused_alike() {
    let (_, served, clock) = served().await;
    let body = json!({ "events": [mo("M1")] }).to_string();
    let now = clock.now().as_second();
    let signed = |at: i64, nonce: &str| platform_headers("/sms/inbound", at, nonce, &body);
    let with = |name: &str, value: &str| -> Vec<(&'static str, String)> {
        let mut headers = signed(now, "nonce-0000000000001");
        for (known, old) in &mut headers {
            if *known == name {
                value.clone_into(old);
            }
        }
        headers
    };
    let right = signed(now, "nonce-0000000000001")[3].1.clone();
    let mut told = Vec::new();
    for case in cases("http.generic_hmac_v1_must_refuse") {
        let what = word(&case, "what");
        let attempts: Vec<(Vec<(&'static str, String)>, String, &str)> = if what.starts_with("timestamp") {
            vec![
                (signed(now - 301, "nonce-0000000000002"), body.clone(), "/sms/inbound"),
                (signed(now + 301, "nonce-0000000000003"), body.clone(), "/sms/inbound"),
            ]
        } else if what.starts_with("a nonce") {
            let headers = signed(now, "nonce-0000000000004");
            assert_eq!(post(&served, "/sms/inbound", &headers, body.clone()).await.0, 200);
            vec![(headers, body.clone(), "/sms/inbound")]
        } else if what.starts_with("body") {
            vec![(with("", ""), body.replacen('M', "N", 1), "/sms/inbound")]
        } else if what.starts_with("path") {
            vec![(with("", ""), body.clone(), "/sms/inbound?unit=a")]
        } else if what.starts_with("signature") {
            let upper = right.to_uppercase().replace("V1=", "v1=");
            vec![
                (with("x-sms-signature", &upper), body.clone(), "/sms/inbound"),
                (with("x-sms-signature", &right[3..]), body.clone(), "/sms/inbound"),
            ]
        } else if what.starts_with("header") {
            (0..4)
                .map(|missing| {
                    let mut headers = with("", "");
                    headers.remove(missing);
                    (headers, body.clone(), "/sms/inbound")
                })
                .collect()
        } else if what.starts_with("unknown key") {
            vec![(with("x-sms-key", "nobody"), body.clone(), "/sms/inbound")]
        } else {
            panic!("{what} is not tried");
        };
        for (headers, body, path) in attempts {
            let answer = post(&served, path, &headers, body).await;
            assert_eq!(answer.0, 401, "{what}");
            told.push(answer.1);
        }
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "nobody learns what was wrong");
    assert_eq!(served.count("callback_forged"), u64::try_from(told.len()).unwrap());
    // A refused signature uses up no nonce.
    assert_eq!(post(&served, "/sms/inbound", &with("", ""), body).await.0, 200);
    assert_eq!(served.desk.messages().len(), 2);
}

#[tokio::test]
async fn what_is_malformed_is_said_to_be() {
    let (_, served, clock) = served().await;
    for (at, bad) in [
        json!({ "type": "mo", "id": "1", "text": "x" }),
        json!({ "type": "mo", "from": PHONE, "text": "x" }),
        json!({ "type": "report", "id": "1", "client_id": "c", "status": "gone" }),
        json!({ "type": "other" }),
    ]
    .iter()
    .enumerate()
    {
        let nonce = format!("nonce-malformed-{at}");
        assert_eq!(event(&served, &clock, &nonce, bad).await.0, 400, "{bad}");
    }
    // Other names for the same, as platforms have them.
    let liberal = json!({ "type": "mo", "id": "M9", "mobile": "+8613800138000", "content": "收到" });
    assert_eq!(event(&served, &clock, "nonce-liberal-0001", &liberal).await.0, 200);
    assert_eq!(served.desk.next_message().await.sender, PHONE);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let good = || PlatformConfig::new("https://sms.example.gov.cn", KEY_ID, SECRET.into());
    good().check().unwrap();
    for (wrong, words) in [
        (PlatformConfig { shared_secret: "short".into(), ..good() }, "shared_secret"),
        (PlatformConfig { key_id: String::new(), ..good() }, "key_id"),
        (PlatformConfig { api_base: "sms.example".to_owned(), ..good() }, "api_base"),
        (PlatformConfig { path: "sms".to_owned(), ..good() }, "path"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}
