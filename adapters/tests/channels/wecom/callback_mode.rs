//! The bot in callback mode: stored before answered, one answer by its address, cards inside five seconds.

use std::time::Duration;

use serde_json::json;
use zhishou_adapters::wecom::BotMode;
use zhishou_adapters::wecom::codec::card::STATE_KEY;
use zhishou_adapters::{Channel as _, Outgoing, SendError};
use zhishou_fakes::wecom::{FakeWeCom, Sent};

use super::cards::action;
use super::support::{MemoryShelf, Served, callback_bot, only, platform, serve};
use crate::support::{HandClock, outgoing, within};

const GROUP: &str = "group:wrGROUP0001";
const USER: &str = "user:ZhangGong";

async fn posted_to(wecom: &FakeWeCom, clock: &HandClock) -> Served {
    let served = serve(only(callback_bot(wecom)), MemoryShelf::new(clock.clone()), clock).await;
    let url = format!("{}{}", served.base, BotMode::DEFAULT_PATH);
    wecom.save_bot_callback(&url).await.unwrap();
    served
}

fn reply(key: &str, to: &str, text: &str) -> Outgoing {
    Outgoing { reply_to: Some(to.to_owned()), ..outgoing(key, GROUP, text) }
}

#[tokio::test]
async fn a_message_is_stored_answered_empty_and_replied_to_once() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "登记系统打不开了", None).await;
    assert_eq!(given.statuses, [200]);
    assert_eq!(served.desk.next_message().await.text, "登记系统打不开了");
    assert_eq!(wecom.replies(), Vec::<serde_json::Value>::new());
    served.send(&reply("k1", &given.id, "已受理，工单 #12")).await.unwrap();
    assert_eq!(wecom.shows(GROUP, "已受理").await.kind, "markdown");
    // Hours later there is no address left, and the sentence says what to add.
    let SendError::Refused { text, .. } = served.send(&reply("k2", &given.id, "已解决")).await.unwrap_err() else {
        panic!("not refused")
    };
    assert!(text.contains("只能听、不能主动说") && text.contains("消息推送机器人"), "{text}");
    assert_eq!(wecom.count("aibot/response"), 1);
    assert!(served.channel.health().unwrap().contains("已收到"));
}

#[tokio::test]
async fn news_use_an_address_that_is_left_while_it_lives() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    for text in ["一", "二"] {
        wecom.say_in_group("wrGROUP0001", "WangKeZhang", text, None).await;
    }
    served.send(&outgoing("k1", GROUP, "张工已认领")).await.unwrap();
    clock.forward(Duration::from_secs(3_601));
    assert!(matches!(served.send(&outgoing("k2", GROUP, "已解决")).await, Err(SendError::Refused { .. })));
    assert_eq!(wecom.count("aibot/response"), 1, "a dead address is not tried");
}

#[tokio::test]
async fn an_address_that_was_not_used_is_not_lost() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    wecom.go_down().await;
    let failed = served.send(&reply("k1", &given.id, "已受理")).await;
    assert!(matches!(failed, Err(SendError::Unreachable(_))), "{failed:?}");
    wecom.come_back().await;
    served.send(&reply("k1", &given.id, "已受理")).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_answered_and_welcome_again() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    served.desk.fail(1);
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    assert_eq!(given.statuses, [503, 200]);
    assert_eq!(served.desk.next_message().await.external_id, given.id);
    let counts = served.channel.callback_counts().unwrap();
    assert_eq!((counts.accepted, counts.unavailable), (1, 1));
}

#[tokio::test]
async fn a_replayed_callback_is_refused_and_counted() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    let again = wecom.replay(&given.id).await;
    assert_eq!(again.statuses.last(), Some(&403));
    assert_eq!(served.desk.messages().len(), 1);
    assert!(served.channel.callback_counts().unwrap().repeated >= 1);
    let health = served.channel.health().unwrap();
    assert!(health.contains("已收到 1 次"), "{health}");
}

#[tokio::test]
async fn a_pressed_card_changes_within_the_answer() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_single("ZhangGong", "待办", None).await;
    served.desk.next_message().await;
    let card = Outgoing {
        reply_to: Some(given.id),
        title: "新工单 #12".to_owned(),
        actions: vec![action("claim", "认领")],
        ..outgoing("k1", USER, "登记系统打不开")
    };
    let task = served.send(&card).await.unwrap().expect("a card in a single chat");
    let desk = served.desk.clone();
    let channel = served.channel.clone();
    let deciding = async {
        let press = desk.next_message().await.press.unwrap();
        let news = Outgoing { updates: Some(press.on), ..outgoing("k2", USER, "您已认领") };
        channel.send(&news).await.unwrap();
    };
    let (given, ()) = within(async { tokio::join!(wecom.press(&task, "claim", "ZhangGong"), deciding) }).await;
    assert_eq!(given.unwrap().statuses, [200]);
    assert_eq!(wecom.card(&task).unwrap()["button_list"][0]["text"], "您已认领");
    wecom.press(&task, STATE_KEY, "ZhangGong").await.unwrap();
    assert_eq!(served.desk.messages().len(), 2, "the state answers for itself");
    assert_eq!(wecom.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_press_that_changes_nothing_is_answered_empty_in_time() {
    let (wecom, clock) = platform().await;
    let mut config = callback_bot(&wecom);
    config.timing.card = Duration::from_millis(50);
    let served = serve(only(config), MemoryShelf::new(clock.clone()), &clock).await;
    wecom.bot_callback(&format!("{}{}", served.base, BotMode::DEFAULT_PATH));
    let given = wecom.say_single("ZhangGong", "待办", None).await;
    let card = Outgoing {
        reply_to: Some(given.id),
        actions: vec![action("claim", "认领")],
        ..outgoing("k1", USER, "登记系统打不开")
    };
    let task = served.send(&card).await.unwrap().unwrap();
    assert_eq!(wecom.press(&task, "claim", "ZhangGong").await.unwrap().statuses, [200]);
    let news = Outgoing { updates: Some(task), ..outgoing("k2", USER, "太晚了") };
    assert_eq!(served.send(&news).await.unwrap(), None);
    assert_eq!(wecom.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_gets_text_where_cards_are_not_taken() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    let card = Outgoing {
        actions: vec![action("claim", "认领")],
        ..reply("k1", &given.id, "新工单 #12，回复「认领 12」")
    };
    assert_eq!(served.send(&card).await.unwrap(), None);
    assert_eq!(wecom.shows(GROUP, "认领 12").await.kind, "markdown");
}

#[tokio::test]
async fn a_visitor_is_welcomed_and_an_unknown_stream_ended() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    wecom.enter_chat("WangKeZhang").await;
    wecom.shows("user:WangKeZhang", "帮助").await;
    let poll = json!({ "msgid": "CAIQpoll", "aibotid": "aibDESK01", "from": { "userid": "WangKeZhang" },
        "msgtype": "stream", "stream": { "id": "s-0001" } });
    let sealed = wecom.seal_for_bot(&poll);
    let url = format!("{}{}?{}", served.base, BotMode::DEFAULT_PATH, sealed.query);
    let answer =
        reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(sealed.body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let envelope: serde_json::Value = answer.json().await.unwrap();
    let setup = wecom.setup().bot;
    let keys =
        zhishou_adapters::wecom::codec::crypto::CallbackKeys::new(&setup.token, &setup.encoding_aes_key, "").unwrap();
    let said = keys.decrypt(envelope["encrypt"].as_str().unwrap()).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!((&said["stream"]["id"], &said["stream"]["finish"]), (&json!("s-0001"), &json!(true)));
    assert_eq!(served.desk.messages(), []);
}

#[tokio::test]
async fn pictures_have_the_key_of_the_callbacks() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let picture = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 50]].concat();
    wecom.say_with_images("wrGROUP0001", "W", "截图", &[Sent { kind: "image", name: "a.png", bytes: &picture }]).await;
    let heard = served.desk.next_message().await;
    assert_eq!(heard.attachments[0].problem, None);
    assert_eq!(served.desk.kept(), [picture]);
}

#[tokio::test]
async fn an_answer_without_an_answer_is_a_perhaps() {
    let (wecom, clock) = platform().await;
    let served = posted_to(&wecom, &clock).await;
    let given = wecom.say_in_group("wrGROUP0001", "WangKeZhang", "报修", None).await;
    wecom.misbehave("aibot/response", &[zhishou_fakes::wecom::Fault::Page(502)]);
    let sent = served.send(&reply("k1", &given.id, "已受理")).await;
    assert!(matches!(sent, Err(SendError::Perhaps)), "{sent:?}");
}
