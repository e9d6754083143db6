//! Group robots, and HTTP going wrong.

use jiff::SignedDuration;
use serde_json::{Value, json};
use zhishou_fakes::wecom::Fault;

use super::support::{Api, button_card, code};
use super::{GROUP, IN_GROUP, begin};

#[tokio::test]
async fn robots_are_known_by_their_key_and_say_twenty_a_minute() {
    let (wecom, clock) = begin().await;
    wecom.robot("key-1", GROUP);
    wecom.robot("key-2", GROUP);
    wecom.mobile("LiGong", "13800000001");
    let api = Api::new(&wecom);
    let text = |content: &str| json!({ "msgtype": "text", "text": { "content": content, "mentioned_list": ["zhanggong", "Nobody"], "mentioned_mobile_list": ["13800000001"] } });
    let markdown = |kind: &str, content: &str| json!({ "msgtype": kind, kind: { "content": content } });
    for (why, key, body, expected) in [
        ("no such key", "key-0", text("x"), 93000),
        ("empty", "key-1", text(""), 44004),
        ("2048 bytes", "key-1", text(&"修".repeat(683)), 40058),
        ("4096 bytes", "key-1", markdown("markdown", &"政".repeat(1366)), 40058),
        ("4096 bytes again", "key-1", markdown("markdown_v2", &"政".repeat(1366)), 40058),
        ("no such kind", "key-1", markdown("html", "x"), 40008),
        (
            "cards with buttons",
            "key-1",
            json!({ "msgtype": "template_card", "template_card": button_card("t", "x", "k") }),
            40058,
        ),
        (
            "images are checked",
            "key-1",
            json!({ "msgtype": "image", "image": { "base64": "aGVsbG8=", "md5": "00" } }),
            301_019,
        ),
        (
            "good",
            "key-1",
            json!({ "msgtype": "image", "image": { "base64": "aGVsbG8=", "md5": "5d41402abc4b2a76b9719d911017c592" } }),
            0,
        ),
    ] {
        assert_eq!(code(&api.webhook(key, &body).await), expected, "{why}");
    }
    assert_eq!(code(&api.webhook("key-1", &text("响了 <@ZhangGong>")).await), 0);
    assert_eq!(wecom.shows(IN_GROUP, "响了").await.mentions, ["ZhangGong", "LiGong"], "each once");
    api.webhook("key-1", &markdown("markdown", "看 <@LiGong>")).await;
    assert_eq!(wecom.shows(IN_GROUP, "看").await.mentions, ["LiGong"]);
    api.webhook("key-1", &markdown("markdown_v2", "表 <@LiGong>")).await;
    assert!(wecom.shows(IN_GROUP, "表").await.mentions.is_empty(), "this dialect mentions nobody");
    for _ in 0..16 {
        assert_eq!(code(&api.webhook("key-1", &text("x")).await), 0);
    }
    assert_eq!(code(&api.webhook("key-1", &text("x")).await), 45009);
    assert_eq!(code(&api.webhook("key-2", &text("x")).await), 0, "each robot has its own");
    clock.forward(SignedDuration::from_secs(60));
    assert_eq!(code(&api.webhook("key-1", &text("x")).await), 0);
    wecom.robot_out("key-1", 93004);
    assert_eq!(code(&api.webhook("key-1", &text("x")).await), 93004);
}

#[tokio::test]
async fn a_robots_media_are_its_own() {
    let (wecom, _) = begin().await;
    wecom.robot("key-1", GROUP);
    wecom.robot("key-2", GROUP);
    let api = Api::new(&wecom);
    assert_eq!(
        code(&api.upload("webhook/upload_media", "key=none&type=file", "a.txt", b"").await),
        44001,
        "before the key"
    );
    assert_eq!(code(&api.upload("webhook/upload_media", "key=none&type=file", "a.txt", b"0123456789").await), 93000);
    let up = api.upload("webhook/upload_media", "key=key-1&type=file", "a.txt", b"0123456789").await;
    let body = json!({ "msgtype": "file", "file": { "media_id": up["media_id"] } });
    assert_eq!(code(&api.webhook("key-2", &body).await), 40007);
    assert_eq!(code(&api.webhook("key-1", &body).await), 0);
    assert_eq!(wecom.shown(IN_GROUP)[0].text, "a.txt");
}

#[tokio::test]
async fn calls_by_http_can_fail_in_every_way() {
    let (wecom, _) = begin().await;
    wecom.robot("key-1", GROUP);
    let api = Api::new(&wecom);
    let text = json!({ "msgtype": "text", "text": { "content": "x" } });
    wecom.misbehave("webhook/send", &[Fault::Page(502), Fault::Cut, Fault::TakeAndCut, Fault::AnswerLate]);
    let query = "key=key-1";
    assert_eq!(api.try_post("webhook/send", query, &text).await, Some(Value::Null), "a page, not JSON");
    assert_eq!(api.try_post("webhook/send", query, &text).await, None);
    assert!(wecom.shown(IN_GROUP).is_empty());
    assert_eq!(api.try_post("webhook/send", query, &text).await, None);
    assert_eq!(wecom.shown(IN_GROUP).len(), 1, "it had arrived");
    let late = tokio::spawn({
        let (api, text) = (api.clone(), text.clone());
        async move { api.webhook("key-1", &text).await }
    });
    wecom.was_called("webhook/send", 4).await;
    assert!(!late.is_finished());
    wecom.answer_now();
    assert_eq!(code(&late.await.unwrap()), 0);
    wecom.refuse_next("webhook/send", 45009, 1);
    assert_eq!(code(&api.webhook("key-1", &text).await), 45009);
    assert_eq!(code(&api.webhook("key-1", &text).await), 0);
}
