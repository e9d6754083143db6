//! The bot over its line: what it hears, how it answers, and what every refusal of the platform leads to.

use std::time::Duration;

use serde_json::json;
use zhishou_adapters::{Channel as _, Outgoing, SendError};
use zhishou_fakes::wecom::{Fault, Sent};

use super::support::{connected, only, platform, serve, socket_bot};
use crate::support::{outgoing, within};

const GROUP: &str = "group:wrGROUP0001";

fn reply(key: &str, to: &str, text: &str) -> Outgoing {
    Outgoing { reply_to: Some(to.to_owned()), ..outgoing(key, GROUP, text) }
}

#[tokio::test]
pub async fn a_message_is_stored_and_answered_by_one_finished_stream() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "登记系统打不开了", Some("工单 #3|打印机")).await;
    let heard = served.desk.next_message().await;
    assert_eq!((heard.channel.as_str(), heard.conversation.as_str()), ("wecom", GROUP));
    assert_eq!((heard.sender.as_str(), heard.text.as_str()), ("WangKeZhang", "登记系统打不开了"));
    assert_eq!(heard.external_id, given.id);
    assert_eq!(heard.quoted_text.as_deref(), Some("工单 #3|打印机"));
    assert!(heard.addressed && heard.quotes.is_none());
    assert_eq!(served.send(&reply("k1", &given.id, "已受理，工单 #12")).await.unwrap(), None);
    let shown = wecom.shows(GROUP, "已受理").await;
    assert_eq!((shown.kind.as_str(), shown.finished), ("stream", true));
    assert_eq!(shown.answers.as_deref(), Some(given.id.as_str()));
    // The second answer to the same message is one of its own accord.
    served.send(&reply("k2", &given.id, "张工正在处理")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "张工").await.kind, "markdown");
    assert_eq!(wecom.count("aibot_respond_msg"), 1);
    assert_eq!(wecom.open_streams(), []);
}

#[tokio::test]
pub async fn a_repeated_callback_is_the_same_message() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    served.desk.next_message().await;
    wecom.repeat(&given.id).await;
    assert_eq!(served.desk.next_message().await.external_id, given.id);
    served.send(&reply("k1", &given.id, "已受理")).await.unwrap();
    served.send(&reply("k2", &given.id, "又一条")).await.unwrap();
    assert_eq!(wecom.count("aibot_respond_msg"), 1, "the repeat gives no second right to answer");
}

#[tokio::test]
pub async fn after_a_reconnect_the_answer_is_pushed() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    served.desk.next_message().await;
    wecom.drop_socket();
    within(wecom.has_subscribed(2)).await;
    within(served.channel.connected()).await;
    served.send(&reply("k1", &given.id, "已受理")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "已受理").await.kind, "markdown");
    assert_eq!(wecom.count("aibot_respond_msg"), 0, "old request ids are not even tried");
}

#[tokio::test]
pub async fn an_answer_that_is_refused_is_pushed_instead() {
    for code in [846_605, 846_608, 600_039, 40_008] {
        let (wecom, clock) = platform().await;
        let served = connected(&wecom, &clock).await;
        let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
        served.desk.next_message().await;
        wecom.refuse_next("aibot_respond_msg", code, 1);
        served.send(&reply("k1", &given.id, "已受理")).await.unwrap();
        assert_eq!(wecom.shows(GROUP, "已受理").await.kind, "markdown", "{code}");
    }
}

#[tokio::test]
pub async fn what_passes_is_repeated_and_no_more_often_than_it_should() {
    for (code, repeats) in [(6000, 3), (846_601, 1), (846_602, 1)] {
        let (wecom, clock) = platform().await;
        let served = connected(&wecom, &clock).await;
        wecom.has_been_spoken_to(GROUP);
        wecom.refuse_next("aibot_send_msg", code, repeats);
        served.send(&outgoing("k1", GROUP, "一条")).await.unwrap();
        assert_eq!(wecom.count("aibot_send_msg"), repeats + 1, "{code}");
        wecom.refuse_next("aibot_send_msg", code, repeats + 1);
        let refused = served.send(&outgoing("k2", GROUP, "又一条")).await;
        assert!(matches!(refused, Err(SendError::Unreachable(_))), "{code}: {refused:?}");
        assert_eq!(wecom.shown(GROUP).len(), 1, "{code}");
    }
}

#[tokio::test]
pub async fn a_lost_subscription_is_renewed_and_the_message_said_once() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    wecom.lose_subscription();
    served.send(&outgoing("k1", GROUP, "一条")).await.unwrap();
    assert_eq!(wecom.shown(GROUP).len(), 1);
    assert_eq!(wecom.subscriptions(), 2);
}

#[tokio::test]
async fn too_often_holds_the_conversation_and_no_other() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    wecom.has_been_spoken_to("group:wrOTHER");
    wecom.refuse_next("aibot_send_msg", 45_009, 1);
    let refused = served.send(&outgoing("k1", GROUP, "一条")).await;
    assert!(matches!(refused, Err(SendError::Throttled { retry_after }) if retry_after >= Duration::from_mins(1)));
    assert!(matches!(served.send(&outgoing("k1", GROUP, "一条")).await, Err(SendError::Throttled { .. })));
    assert_eq!(wecom.count("aibot_send_msg"), 1, "it is left alone");
    assert!(served.channel.health().unwrap().contains("1 个会话被平台限流"));
    served.send(&outgoing("k2", "group:wrOTHER", "别的群")).await.unwrap();
    clock.forward(Duration::from_secs(66));
    served.send(&outgoing("k1", GROUP, "一条")).await.unwrap();
}

#[tokio::test]
pub async fn the_thirty_first_in_a_minute_waits_without_asking_the_platform() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    for n in 0..30 {
        served.send(&outgoing(&format!("k{n}"), GROUP, "一条")).await.unwrap();
    }
    let SendError::Throttled { retry_after } = served.send(&outgoing("k30", GROUP, "一条")).await.unwrap_err() else {
        panic!("not throttled")
    };
    assert_eq!(wecom.count("aibot_send_msg"), 30);
    clock.forward(retry_after + Duration::from_secs(1));
    served.send(&outgoing("k30", GROUP, "一条")).await.unwrap();
}

#[tokio::test]
pub async fn a_lost_acknowledgement_is_a_perhaps_and_pings_flow_meanwhile() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    wecom.misbehave("aibot_send_msg", &[Fault::TakeSilently]);
    let message = outgoing("k1", GROUP, "一条");
    let sending = served.channel.send(&message);
    let moving = async {
        wecom.was_called("aibot_send_msg", 1).await;
        clock.forward(Duration::from_secs(11));
        wecom.was_called("ping", 1).await;
    };
    let (sent, ()) = within(async { tokio::join!(sending, moving) }).await;
    assert!(matches!(sent, Err(SendError::Perhaps)), "{sent:?}");
    assert_eq!(wecom.subscriptions(), 1);
    assert!(
        within(served.channel.find(&message, clock.now(), &std::collections::HashSet::new())).await.is_err(),
        "nobody can look back"
    );
}

#[tokio::test]
async fn a_line_that_drops_in_the_middle_of_an_answer_leaves_a_perhaps_and_no_open_stream() {
    for fault in [Fault::TakeAndCut, Fault::Cut] {
        let (wecom, clock) = platform().await;
        let served = connected(&wecom, &clock).await;
        let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
        served.desk.next_message().await;
        wecom.misbehave("aibot_respond_msg", &[fault]);
        let sent = served.send(&reply("k1", &given.id, "已受理")).await;
        assert!(matches!(sent, Err(SendError::Perhaps)), "{sent:?}");
        within(wecom.has_subscribed(2)).await;
        assert_eq!(wecom.open_streams(), []);
    }
}

#[tokio::test]
async fn nobody_is_written_to_who_never_wrote() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let SendError::Refused { text, .. } = served.send(&outgoing("k1", "user:ZhangGong", "请认领")).await.unwrap_err()
    else {
        panic!("not refused")
    };
    assert!(text.contains("打开与机器人的单聊"), "{text}");
    assert_eq!(wecom.count("aibot_send_msg"), 0);
    wecom.say_single("ZhangGong", "在", None).await;
    served.desk.next_message().await;
    served.send(&outgoing("k2", "user:ZhangGong", "请认领")).await.unwrap();
    wecom.shows("user:ZhangGong", "请认领").await;
    // Groups cannot be asked beforehand; the platform says so itself.
    let SendError::Refused { code, text } = served.send(&outgoing("k3", GROUP, "一条")).await.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(code, 93_006);
    assert!(text.contains('@'), "{text}");
}

#[tokio::test]
async fn what_went_out_of_a_long_message_is_not_said_again() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    let long = outgoing("k1", GROUP, &"很长的一行话\n".repeat(2_000));
    // The first part passes, the second is turned away for good measure.
    wecom.misbehave("aibot_send_msg", &[Fault::TakeAndCut]);
    assert!(matches!(served.send(&long).await, Err(SendError::Perhaps)));
    within(wecom.has_subscribed(2)).await;
    within(served.channel.connected()).await;
    let other = Outgoing { key: "k2".to_owned(), ..long };
    let before = wecom.shown(GROUP).len();
    served.send(&other).await.unwrap();
    let parts = wecom.shown(GROUP).len() - before;
    assert!(parts >= 2, "{parts}");
    assert!(wecom.shown(GROUP).iter().all(|shown| shown.text.len() <= 20_480));
}

#[tokio::test]
async fn whoever_opens_the_chat_is_welcomed_and_a_thumb_is_not_answered() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.enter_chat("WangKeZhang").await;
    let shown = wecom.shows("user:WangKeZhang", "帮助").await;
    assert_eq!(shown.kind, "text");
    wecom.thumb("wrGROUP0001", "WangKeZhang", "fb-1", 2).await;
    wecom.say_single("WangKeZhang", "报修", None).await;
    served.desk.next_message().await;
    assert_eq!(wecom.all_calls().iter().filter(|call| call.what.starts_with("aibot_respond")).count(), 1);
    assert_eq!(served.desk.messages().len(), 1);
}

#[tokio::test]
async fn pictures_and_files_are_fetched_and_decrypted_at_once() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let picture = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 100]].concat();
    let image = Sent { kind: "image", name: "shot.png", bytes: &picture };
    wecom.say_with_images("wrGROUP0001", "WangKeZhang", "报错截图", &[image, image]).await;
    let heard = served.desk.next_message().await;
    assert_eq!(heard.text, "报错截图");
    assert_eq!(heard.attachments.len(), 2);
    for attachment in &heard.attachments {
        assert_eq!(attachment.kind, "image/png");
        assert!(attachment.stored.is_some() && attachment.problem.is_none(), "{attachment:?}");
        assert_eq!(attachment.url, "", "an address with a signature is kept nowhere");
    }
    assert_eq!(served.desk.kept(), [picture.clone(), picture]);
    wecom.send_single("WangKeZhang", Sent { kind: "file", name: "周报.docx", bytes: b"PK\x03\x04rest" }).await;
    let heard = served.desk.next_message().await;
    assert_eq!(heard.attachments[0].name, "周报.docx");
    assert_eq!(heard.attachments[0].kind, "application/zip");
    // A picture that is none.
    wecom.send_single("WangKeZhang", Sent { kind: "image", name: "x.png", bytes: b"<html>expired</html>" }).await;
    let heard = served.desk.next_message().await;
    assert!(heard.attachments[0].problem.as_deref().is_some_and(|why| why.contains("重新发送")), "{heard:?}");
}

#[tokio::test]
async fn media_are_fetched_from_public_addresses_over_https_only() {
    let (wecom, clock) = platform().await;
    let mut config = socket_bot(&wecom);
    config.media.allow_hosts.clear();
    let served = serve(only(config), super::support::MemoryShelf::new(clock.clone()), &clock).await;
    within(served.channel.connected()).await;
    for (url, expected) in [
        ("http://8.8.8.8/x", "附件地址无效"),
        ("http://127.0.0.1:1/x", "附件地址无效"),
        ("https://169.254.169.254/latest", "内部网络"),
        ("file:///etc/passwd", "附件地址无效"),
        ("", "附件地址无效"),
    ] {
        let content = json!({ "msgtype": "image", "image": { "url": url } });
        wecom.bot_hears_anything("user:WangKeZhang", "WangKeZhang", content).await;
        let heard = served.desk.next_message().await;
        let problem = heard.attachments[0].problem.as_deref().unwrap_or_default();
        assert!(problem.contains(expected), "{url}: {problem}");
        assert_eq!(heard.attachments[0].stored, None, "{url}");
    }
}

#[tokio::test]
async fn a_kind_that_cannot_be_read_is_accounted_for() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let content = json!({ "msgtype": "link", "link": { "title": "x" } });
    wecom.bot_hears_anything("user:WangKeZhang", "WangKeZhang", content).await;
    let heard = served.desk.next_message().await;
    assert_eq!(heard.attachments[0].name, "link");
    assert!(heard.attachments[0].problem.is_some());
}

#[tokio::test]
async fn what_the_desk_cannot_store_is_handed_in_again_in_order() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    served.desk.fail(3);
    for text in ["一", "二", "三"] {
        wecom.say_single("WangKeZhang", text, None).await;
    }
    for text in ["一", "二", "三"] {
        assert_eq!(served.desk.next_message().await.text, text);
    }
    assert_eq!(served.desk.refused(), 3);
}

#[tokio::test]
async fn a_text_after_a_picture_stays_after_it_however_long_the_picture_takes() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let picture = [b"\x89PNG\r\n\x1a\n".as_slice(), vec![7; 1 << 20].as_slice()].concat();
    wecom.send_single("WangKeZhang", Sent { kind: "image", name: "big.png", bytes: &picture }).await;
    wecom.say_single("WangKeZhang", "上面是截图", None).await;
    // Somebody else need not wait for it.
    wecom.say_single("LiGong", "我的", None).await;
    let first = served.desk.next(|event| match event {
        zhishou_adapters::Event::Message(message) if message.sender == "WangKeZhang" => Some((**message).clone()),
        _ => None,
    });
    assert_eq!(first.await.attachments.len(), 1);
    within(async {
        while served.desk.messages().len() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let order: Vec<String> = served.desk.messages().into_iter().map(|message| message.text).collect();
    let place = |text: &str| order.iter().position(|known| known == text);
    assert!(place("") < place("上面是截图"), "{order:?}");
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_of_what_was_said_last() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    served.desk.next_message().await;
    wecom.misbehave("aibot_respond_msg", &[Fault::AnswerLate]);
    let channel = served.channel.clone();
    let sending = tokio::spawn(async move { channel.send(&reply("k1", &given.id, "已受理")).await });
    within(wecom.was_called("aibot_respond_msg", 1)).await;
    served.stop.cancel();
    wecom.answer_now();
    within(sending).await.unwrap().unwrap();
    within(served.listening).await.unwrap().unwrap();
    assert_eq!(wecom.open_streams(), []);
    assert_eq!(served.shelf.holder("bot-socket:aibDESK01"), None);
}

#[tokio::test]
async fn users_with_encrypted_ids_are_people_too() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.bot_sees_open_userids(true);
    wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    let heard = served.desk.next_message().await;
    assert_eq!(heard.sender, wecom.open_userid("WangKeZhang"));
    assert!(heard.sender.starts_with("wo"));
}
