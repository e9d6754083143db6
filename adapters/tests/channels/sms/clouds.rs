//! The clouds: their signatures to the byte, templates, pushes.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use zhishou_adapters::sms::aliyun::{AliyunConfig, sign as acs};
use zhishou_adapters::sms::template::{Source, Template, clean, fill};
use zhishou_adapters::sms::tencent::{TencentConfig, sign as tc3};
use zhishou_adapters::sms::{GatewayConfig, SmsConfig, explain};
use zhishou_adapters::{Channel as _, Event, Outgoing, SendError};
use zhishou_fakes::sms::web::{FakeWeb, KEY_ID, SECRET, SIGN_NAME, TEMPLATE, Whim};

use super::support::{PHONE, Served, serve};
use super::{cases, vectors, word};
use crate::support::{HandClock, outgoing, tls, within};
use crate::wecom::support::{MemoryShelf, now_of};

const SECRET_PATH: &str = "/sms/9f2c4be1a07d4c35";

fn pairs(value: &Value) -> Vec<(&str, &str)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

#[test]
fn signatures_of_aliyun_are_those_of_its_documents() {
    for case in cases("http.aliyun_acs3") {
        let request = acs::Request {
            method: word(&case, "method"),
            path: "/",
            query: pairs(&case["query"]),
            headers: pairs(&case["headers"]),
            body: word(&case, "body").as_bytes(),
        };
        assert_eq!(acs::canonical(&request), word(&case, "canonical_request"));
        assert_eq!(acs::string_to_sign(&request), word(&case, "string_to_sign"));
        assert_eq!(acs::signature(&request, word(&case, "secret")), word(&case, "signature"));
        let header = acs::authorization(&request, "testid", word(&case, "secret"));
        assert!(header.starts_with("ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;"), "{header}");
        assert!(header.ends_with(&format!(",Signature={}", word(&case, "signature"))));
    }
    for case in cases("http.aliyun_rpc_hmac_sha1") {
        let (method, params) = (word(&case, "method"), pairs(&case["params"]));
        assert_eq!(acs::rpc_string_to_sign(method, &params), word(&case, "string_to_sign"));
        assert_eq!(acs::rpc_signature(method, &params, word(&case, "secret")), word(&case, "signature"));
    }
    assert_eq!(acs::encode("a *~+/中"), "a%20%2A~%2B%2F%E4%B8%AD");
}

#[test]
fn signatures_of_tencent_are_those_of_its_documents() {
    for case in cases("http.tencent_tc3") {
        let request = tc3::Request {
            service: word(&case, "service"),
            host: word(&case, "host"),
            action: case["action"].as_str(),
            content_type: word(&case, "content_type"),
            body: word(&case, "payload"),
            timestamp: case["timestamp"].as_i64().unwrap(),
        };
        assert_eq!(request.canonical(), word(&case, "canonical_request"));
        assert_eq!(request.string_to_sign(), word(&case, "string_to_sign"));
        assert_eq!(request.signature(word(&case, "secret_key")), word(&case, "signature"));
    }
}

fn templates() -> Vec<Template> {
    let of = |id: &str, when: &[&str], what: Source| Template {
        id: id.to_owned(),
        when: when.iter().map(|word| (*word).to_owned()).collect(),
        variables: vec![("no".to_owned(), Source::Field("工单".to_owned())), ("what".to_owned(), what)],
    };
    vec![of(TEMPLATE, &["升级"], Source::Title), of(TEMPLATE, &[], Source::Short)]
}

fn aliyun(web: &FakeWeb) -> SmsConfig {
    let mut config = AliyunConfig::new(KEY_ID, SECRET.into(), SIGN_NAME, templates());
    config.api_base = web.base();
    config.path = Some(SECRET_PATH.to_owned());
    SmsConfig { id: "sms".to_owned(), gateway: GatewayConfig::Aliyun(Box::new(config)) }
}

fn tencent(web: &FakeWeb) -> SmsConfig {
    let mut config = TencentConfig::new(KEY_ID, SECRET.into(), "1400000000", SIGN_NAME, templates());
    config.api_base = web.base();
    config.path = Some(SECRET_PATH.to_owned());
    SmsConfig { id: "sms".to_owned(), gateway: GatewayConfig::Tencent(Box::new(config)) }
}

async fn served(config: impl Fn(&FakeWeb) -> SmsConfig) -> (FakeWeb, Served, HandClock) {
    tls();
    let clock = HandClock::noon();
    let web = FakeWeb::start(now_of(&clock)).await;
    let served = serve(config(&web), MemoryShelf::new(clock.clone()), &clock).await;
    (web, served, clock)
}

fn notice(key: &str, title: &str, text: &str) -> Outgoing {
    Outgoing {
        title: title.to_owned(),
        fields: vec![("工单".to_owned(), "#12".to_owned())],
        ..outgoing(key, "user:13800138000", text)
    }
}

async fn push(served: &Served, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::new();
    let sent = client.post(format!("{}{SECRET_PATH}", served.base)).json(body).send();
    let answer = within(sent).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_notice_goes_as_the_template_that_is_for_it() {
    for (name, to) in [("aliyun", PHONE), ("tencent", "+8613800138000")] {
        let (web, served, _) = served(if name == "aliyun" { aliyun } else { tencent }).await;
        let receipt = served.say(&notice("k1", "升级提醒", "已超过响应时限")).await.unwrap().unwrap();
        served.say(&notice("k2", "进展", "正在处理，预计下午恢复")).await.unwrap();
        let taken = web.taken();
        assert_eq!(taken.iter().map(|taken| taken.by).collect::<Vec<_>>(), [name; 2]);
        assert_eq!((taken[0].to.as_str(), &taken[0].id), (to, &receipt));
        assert_eq!(taken[0].words, ["#12", "升级提醒"]);
        assert_eq!(taken[1].words, ["#12", "正在处理，预计下午恢复"]);
        // Without the field the template cannot be filled: refused clearly, nothing sent.
        let error = served.send("k3", "没有工单号").await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { text, .. } if text.contains("模板")), "{error}");
        assert_eq!(web.taken().len(), 2);
        assert!(served.channel.probe().await.0);
    }
}

#[tokio::test]
async fn refusals_of_the_clouds_are_told_as_they_are_meant() {
    type Case = (&'static str, &'static str, Option<u64>);
    let of_aliyun: [Case; 8] = [
        ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", Some(65)),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", Some(3600)),
        // Until midnight there; it is 09:00 UTC, so 17:00.
        ("isv.DAY_LIMIT_CONTROL", "触发日发送限额", None),
        ("isv.MOBILE_NUMBER_ILLEGAL", "号码错误", Some(0)),
        ("isv.AMOUNT_NOT_ENOUGH", "账户余额不足", Some(0)),
        ("isp.RAM_PERMISSION_DENY", "没有权限", Some(0)),
        ("isp.SYSTEM_ERROR", "系统错误", Some(1)),
        ("Throttling.User", "太快", Some(1)),
    ];
    let of_tencent: [Case; 6] = [
        ("LimitExceeded.PhoneNumberThirtySecondLimit", "30 秒", Some(31)),
        ("LimitExceeded.PhoneNumberOneHourLimit", "一小时", Some(3600)),
        ("LimitExceeded.PhoneNumberDailyLimit", "一天", None),
        ("FailedOperation.PhoneNumberInBlacklist", "黑名单", Some(0)),
        ("FailedOperation.InsufficientBalanceInSmsPackage", "套餐包余量不足", Some(0)),
        ("InternalError.Timeout", "超时", Some(1)),
    ];
    for (cases, config) in [(&of_aliyun[..], aliyun as fn(&FakeWeb) -> SmsConfig), (&of_tencent[..], tencent)] {
        let (web, served, _) = served(config).await;
        for (code, words, expected) in cases {
            web.whims(&[Whim::Refuse(code, words)]);
            match (served.say(&notice("k", "进展", "短信")).await.unwrap_err(), expected) {
                (SendError::Throttled { retry_after }, Some(seconds)) => {
                    assert_eq!(retry_after.as_secs(), *seconds, "{code}")
                }
                (SendError::Throttled { retry_after }, None) => {
                    assert!(retry_after > Duration::from_hours(3), "{code}")
                }
                (SendError::Refused { text, .. }, Some(0)) => assert!(text.contains(code), "{text}"),
                (SendError::Unreachable(text), Some(1)) => assert!(text.contains(code), "{text}"),
                (other, _) => panic!("{code}: {other}"),
            }
        }
        assert!(served.channel.health().is_err(), "money is an administrator's affair");
        served.say(&notice("k", "进展", "短信")).await.unwrap();
        assert!(served.channel.health().is_ok());
    }
}

#[tokio::test]
async fn refused_variables_are_tried_once_more_shorter() {
    let (web, served, _) = served(aliyun).await;
    web.whims(&[Whim::Refuse("isv.SMS_CONTENT_ILLEGAL", "内容非法")]);
    served.say(&notice("k", "进展", &"长".repeat(40))).await.unwrap();
    assert_eq!(web.taken()[0].words[1], format!("{}…", "长".repeat(16)));
    web.whims(&[
        Whim::Refuse("isv.SMS_CONTENT_ILLEGAL", "内容非法"),
        Whim::Refuse("isv.SMS_CONTENT_ILLEGAL", "内容非法"),
    ]);
    assert!(matches!(served.say(&notice("k2", "进展", "短信")).await, Err(SendError::Refused { .. })));
}

#[tokio::test]
async fn no_answer_after_sending_is_doubt_and_no_connection_is_not() {
    for config in [aliyun as fn(&FakeWeb) -> SmsConfig, tencent] {
        let (web, served, clock) = served(config).await;
        web.whims(&[Whim::Silent(200)]);
        assert!(matches!(served.say(&notice("k", "进展", "短信")).await, Err(SendError::Perhaps)));
        assert_eq!(web.taken().len(), 1);
        let mut gone = config(&web);
        match &mut gone.gateway {
            GatewayConfig::Aliyun(config) => config.api_base = "http://127.0.0.1:1".to_owned(),
            GatewayConfig::Tencent(config) => config.api_base = "http://127.0.0.1:1".to_owned(),
            other => panic!("{other:?}"),
        }
        let gone = serve(gone, MemoryShelf::new(clock.clone()), &clock).await;
        assert!(matches!(gone.say(&notice("k", "进展", "短信")).await, Err(SendError::Unreachable(_))));
    }
}

#[tokio::test]
async fn wrong_credentials_are_shown() {
    for config in [aliyun as fn(&FakeWeb) -> SmsConfig, tencent] {
        let (_, served, _) = served(|web| {
            let mut wrong = config(web);
            match &mut wrong.gateway {
                GatewayConfig::Aliyun(config) => config.access_key_secret = "wrong".into(),
                GatewayConfig::Tencent(config) => config.access_key_secret = "wrong".into(),
                other => panic!("{other:?}"),
            }
            wrong
        })
        .await;
        assert!(matches!(served.say(&notice("k", "进展", "短信")).await, Err(SendError::Refused { .. })));
        assert!(served.channel.health().is_err());
        assert!(!served.channel.probe().await.0);
    }
}

#[tokio::test]
async fn pushed_texts_are_taken_with_doubt_and_answered_as_the_cloud_wants() {
    let all = vectors("http.callbacks_composed");
    for (config, body, reply, sent_at) in [
        (aliyun as fn(&FakeWeb) -> SmsConfig, &all["aliyun_sms_up"], &all["aliyun_reply"], "2026-11-22T00:31:04Z"),
        (tencent, &all["tencent_reply_callback"], &all["tencent_reply"], "2026-11-22T00:31:04Z"),
    ] {
        let (_, served, _) = served(config).await;
        assert_eq!(push(&served, body).await, (200, reply.clone()));
        let heard = served.desk.next_message().await;
        assert_eq!((heard.text.as_str(), heard.sender.as_str()), ("系统登录不上，显示502", PHONE));
        assert_eq!(heard.sent_at.to_string(), sent_at);
        assert!(heard.doubt.is_some_and(|why| why.contains("签名")));
        // Said once more it has the same id.
        push(&served, body).await;
        assert_eq!(served.desk.next_message().await.external_id, heard.external_id);
        // Not stored: asked to come again.
        served.desk.fail(1);
        assert_eq!(push(&served, body).await.0, 503);
    }
}

#[tokio::test]
async fn pushed_reports_bounce_what_did_not_arrive_and_only_what_was_sent() {
    let all = vectors("http.callbacks_composed");
    for (config, report) in [
        (aliyun as fn(&FakeWeb) -> SmsConfig, all["aliyun_sms_report"].clone()),
        (tencent, all["tencent_status_callback"].clone()),
    ] {
        let (web, served, _) = served(config).await;
        assert_eq!(push(&served, &report).await.0, 200);
        let unknown = served.count("reports_unknown");
        assert_eq!(unknown, u64::try_from(report.as_array().unwrap().len()).unwrap(), "none of them is ours");
        served.say(&notice("k", "进展", "短信")).await.unwrap();
        let id = web.taken()[0].id.clone();
        let mut ours = report.as_array().unwrap().last().unwrap().clone();
        for (key, value) in
            [("out_id", json!(id)), ("ext", json!(id)), ("report_status", json!("FAIL")), ("errmsg", json!("MK:0001"))]
        {
            if ours.get(key).is_some() {
                ours[key] = value;
            }
        }
        push(&served, &json!([ours, ours])).await;
        let (external, permanent, why) = served
            .desk
            .next(|event| match event {
                Event::Bounced { external_id, permanent, why, .. } => {
                    Some((external_id.clone(), *permanent, why.clone()))
                }
                _ => None,
            })
            .await;
        assert_eq!((external, permanent), (id, true));
        assert!(why.contains("空号"), "{why}");
        assert_eq!(served.count("reports_failed"), 2);
    }
}

#[tokio::test]
async fn what_the_cloud_would_not_push_is_refused() {
    let (_, served, _) = served(aliyun).await;
    for body in [
        json!(7),
        json!("text"),
        json!([{}]),
        json!([{ "phone_number": PHONE, "content": "x", "sign_name": "别的公司", "sequence_id": 1 }]),
        json!([{ "phone_number": PHONE, "success": true }]),
    ] {
        assert_eq!(push(&served, &body).await.0, 400, "{body}");
    }
    assert_eq!(push(&served, &json!({ "content": "长".repeat(100_000) })).await.0, 413);
    assert_eq!(served.count("callback_malformed"), 5);
    assert_eq!(served.desk.messages(), []);
    let other = reqwest::Client::new().post(format!("{}/sms/guess", served.base)).body("[]").send();
    assert_eq!(within(other).await.unwrap().status().as_u16(), 404);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let good = || {
        let mut config = AliyunConfig::new(KEY_ID, SECRET.into(), SIGN_NAME, templates());
        config.path = Some(SECRET_PATH.to_owned());
        config
    };
    good().check().unwrap();
    for (wrong, words) in [
        (AliyunConfig { path: Some("/sms/short".to_owned()), ..good() }, "随机"),
        (AliyunConfig { templates: Vec::new(), ..good() }, "templates"),
        (AliyunConfig { access_key_id: String::new(), ..good() }, "access_key_id"),
        (AliyunConfig { variable_chars: 36, ..good() }, "variable_chars"),
        (AliyunConfig { sign_name: "一".to_owned(), ..good() }, "签名"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(words), "{why}");
    }
    let bare = SmsConfig {
        id: "sms".to_owned(),
        gateway: GatewayConfig::Aliyun(Box::new(AliyunConfig {
            path: None,
            templates: vec![templates().remove(0)],
            ..good()
        })),
    };
    let lacking: Vec<String> =
        explain(&bare).into_iter().filter(|advice| !advice.ok).map(|advice| advice.about).collect();
    assert_eq!(lacking, ["模板", "上行"]);
    assert!(Source::try_from("field:".to_owned()).is_err() && Source::try_from("body".to_owned()).is_err());
    assert_eq!(Source::try_from("field:工单".to_owned()), Ok(Source::Field("工单".to_owned())));
}

proptest! {
    #[test]
    fn whatever_is_said_a_variable_is_one_the_clouds_take(text in "\\PC{0,120}|[a中【】\\n ]{0,80}|(见 )?https?://[a-z]{3,9}(/[a-z]*)?", most in 2_usize..36) {
        let cleaned = clean(&text, most);
        prop_assert!(cleaned.chars().count() <= most);
        prop_assert!(!cleaned.contains("://") && !cleaned.contains(['【', '】', '\n']), "{}", cleaned);
        let message = Outgoing { text: text.clone(), ..notice("k", "进展", "") };
        if let Some(filled) = fill(&templates(), &message, most) {
            for (_, value) in filled.variables {
                prop_assert!((1..=most).contains(&value.chars().count()));
            }
        }
    }
}
