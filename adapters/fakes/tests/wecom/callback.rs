//! What reaches the desk by HTTP, and what it answers there.

use jiff::SignedDuration;
use serde_json::{Value, json};
use zhishou_fakes::wecom::Way;

use super::support::{Desk, Line, button_card, code, post};
use super::{GROUP, IN_GROUP, begin};

#[tokio::test]
async fn an_application_hears_xml_and_is_asked_up_to_three_times() {
    let (wecom, _) = begin().await;
    let desk = Desk::start(&wecom, vec![500, 500, 200, 500, 500, 500, 200]).await;
    assert!(wecom.save_app_callback(&format!("{}/nowhere", desk.url)).await.is_err());
    wecom.save_app_callback(&desk.url).await.expect("the desk decrypts the word");
    let given = wecom.say_to_app("ZhangGong", "认领 ]]> 1024").await;
    assert_eq!((given.way, given.statuses.as_slice()), (Way::Callback, &[500, 500, 200][..]));
    let heard = desk.heard();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0], heard[2], "the same bytes, signature included");
    assert!(heard[0].1.contains(&format!("<MsgId>{}</MsgId>", given.id)));
    assert!(heard[0].1.contains("认领 ]]]]><![CDATA[> 1024"), "{}", heard[0].1);
    assert_eq!(wecom.say_to_app("ZhangGong", "三次不成").await.statuses, [500, 500, 500]);
    assert_eq!(wecom.repeat(&given.id).await.statuses, [200]);
    let heard = desk.heard();
    assert_eq!(heard[6].1, heard[0].1, "the same message");
    assert_ne!(heard[6].0, heard[0].0, "signed anew");
    wecom.replay(&given.id).await;
    assert_eq!(desk.heard()[7], heard[0], "byte for byte");
}

#[tokio::test]
async fn a_bot_in_callback_mode_has_one_reply_for_an_hour_and_the_line_is_off() {
    let (wecom, clock) = begin().await;
    let desk = Desk::start(&wecom, Vec::new()).await;
    let mut line = Line::subscribed(&wecom).await;
    wecom.save_bot_callback(&desk.url).await.expect("the desk decrypts the word");
    assert!(line.ended().await);
    let given = wecom.say_in_group(GROUP, "WangKeZhang", "打不开", None).await;
    assert_eq!((given.way, given.statuses.as_slice()), (Way::Callback, &[200][..]));
    let body: Value = serde_json::from_str(&desk.heard().pop().unwrap().1).unwrap();
    let url = body["response_url"].as_str().unwrap().to_owned();
    let reply = |content: &str| json!({ "msgtype": "markdown", "markdown": { "content": content } });
    let update = json!({ "response_type": "update_template_card", "template_card": button_card("t", "x", "k") });
    assert_eq!(code(&post(&url, &update).await), 40008, "no updates by this way");
    assert_eq!(code(&post(&url, &reply("已受理")).await), 0);
    assert_eq!(code(&post(&url, &reply("再说")).await), 40058, "once");
    assert_eq!(wecom.shown(IN_GROUP).len(), 1);
    wecom.say_in_group(GROUP, "WangKeZhang", "还是打不开", None).await;
    let body: Value = serde_json::from_str(&desk.heard().pop().unwrap().1).unwrap();
    clock.forward(SignedDuration::from_secs(3601));
    assert_eq!(code(&post(body["response_url"].as_str().unwrap(), &reply("晚了")).await), 40058);
    let mut line = Line::open(&wecom).await;
    let setup = wecom.setup().bot;
    let ack = line.ask("aibot_subscribe", "s", &json!({ "bot_id": setup.bot_id, "secret": setup.secret })).await;
    assert_eq!(code(&ack), 853_000);
}

#[tokio::test]
async fn replies_inside_a_callback_are_opened_checked_and_polled() {
    let (wecom, _) = begin().await;
    let desk = Desk::start(&wecom, Vec::new()).await;
    wecom.bot_callback(&desk.url);
    let frame = |finish: bool, content: &str| json!({ "msgtype": "stream", "stream": { "id": "s-1", "finish": finish, "content": content } });
    desk.reply(frame(false, "正在查找…"));
    wecom.say_in_group(GROUP, "WangKeZhang", "打不开", None).await;
    assert_eq!(wecom.open_streams().len(), 1, "{:?}", wecom.complaints());
    desk.reply(frame(true, "已受理"));
    wecom.poll_streams().await;
    let poll: Value = serde_json::from_str(&desk.heard().pop().unwrap().1).unwrap();
    assert_eq!((&poll["msgtype"], &poll["stream"]["id"]), (&json!("stream"), &json!("s-1")));
    assert!(wecom.open_streams().is_empty());
    assert_eq!(wecom.shown(IN_GROUP)[0].text, "已受理");
    assert!(wecom.complaints().is_empty());
    desk.reply(json!({ "msgtype": "text", "text": { "content": "x" } }));
    wecom.say_in_group(GROUP, "WangKeZhang", "打不开", None).await;
    assert_eq!(wecom.complaints().len(), 1, "plain text is dropped");
    assert_eq!(wecom.shown(IN_GROUP).len(), 1);

    desk.reply(json!({ "msgtype": "template_card", "template_card": button_card("t-9", "认领", "claim:9") }));
    wecom.say_in_group(GROUP, "WangKeZhang", "再来", None).await;
    desk.reply(
        json!({ "response_type": "update_template_card", "template_card": button_card("t-9", "已认领", "claimed:9") }),
    );
    let given = wecom.press("t-9", "claim:9", "ZhangGong").await.unwrap();
    assert_eq!(given.statuses, [200]);
    assert_eq!(wecom.card("t-9").unwrap()["button_list"][0]["text"], "已认领");
    desk.stop();
    let given = wecom.press("t-9", "claimed:9", "ZhangGong").await.unwrap();
    assert_eq!(given.statuses, [0], "card events are given once");
}
