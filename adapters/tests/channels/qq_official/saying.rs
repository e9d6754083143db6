//! Saying things: buttons and their refusal, words that do not go through, long texts, mentions, pace.

use std::time::Duration;

use zhishou_adapters::{Channel as _, Event, Outgoing, SendError};
use zhishou_fakes::qq_official::{Fault, How};

use super::support::{AT_GROUP, GROUP, called, card};
use crate::support::outgoing;

#[tokio::test]
async fn a_button_is_shown_pressed_and_acknowledged() {
    let it = called().await;
    it.qq.grant(true, true);
    it.qq.say_to_robot(GROUP, "M-WANG", "登记系统打不开了").await;
    it.desk.next_message().await;
    let id = it.send(&card("card", "#42 新工单\n* 登记系统")).await.unwrap().unwrap();
    assert_eq!(it.channel.card_id("card"), Some(id.clone()));
    let shown = it.qq.shown(AT_GROUP).remove(0);
    assert_eq!(shown.text, "#42 新工单\n\n＊ 登记系统");
    let click = it.qq.click(GROUP, "M-ZHANG", &shown.buttons[0]).await;
    let pressed = it.desk.next_message().await;
    assert_eq!(pressed.press.map(|press| (press.on, press.action)), Some((id, "claim".to_owned())));
    assert_eq!((pressed.sender.as_str(), pressed.external_id.as_str()), ("M-ZHANG", click.as_str()));
    it.qq.until("the click is acknowledged", |qq| qq.acknowledged(&click)).await;
    assert_eq!(it.qq.acknowledged(&click), Some(0));
    // The click opens half an hour.
    it.forward(1_000);
    it.say("k", "张工已认领").await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[1].how, How::Event(format!("INTERACTION_CREATE:{click}"), 1));
}

#[tokio::test]
async fn a_robot_without_buttons_says_it_in_words_and_remembers() {
    for (markdown, calls) in [(false, 2), (true, 3)] {
        let it = called().await;
        it.qq.grant(markdown, false);
        it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
        it.send(&card("c1", "回复 认领 42")).await.unwrap();
        assert_eq!(it.qq.sends(AT_GROUP).len(), calls, "each form was tried once");
        let shown = it.qq.shown(AT_GROUP).remove(0);
        assert!(shown.buttons.is_empty());
        it.forward(2);
        it.send(&card("c2", "回复 认领 43")).await.unwrap();
        assert_eq!(it.qq.sends(AT_GROUP).len(), calls + 1, "the second was plain at once");
        // A week later it is tried again.
        it.forward(8 * 24 * 3_600);
        it.qq.grant(true, true);
        it.qq.say_to_robot(GROUP, "M-WANG", "还在吗").await;
        it.send(&card("c3", "回复 认领 44")).await.unwrap();
        assert_eq!(it.qq.shown(AT_GROUP).last().unwrap().buttons.len(), 1);
    }
}

#[tokio::test]
async fn words_that_are_not_let_through_become_fewer() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    let about = |key: &str, text: &str| Outgoing { about: Some("xian#42".to_owned()), ..outgoing(key, AT_GROUP, text) };
    it.send(&about("k1", "详见 https://ops.example.cn/t/42，谢谢")).await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[0].text, "详见 （网址略），谢谢");
    it.qq.forbid_words(&["10.0.0.8"]);
    it.forward(2);
    it.send(&about("k2", "请登录 10.0.0.8 重启")).await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[1].text, "工单#42 有更新，请在系统内查看");
    // Once: where even that is not let through, it is refused visibly.
    it.qq.forbid_words(&["工单", "10.0.0.8"]);
    it.qq.say_to_robot(GROUP, "M-WANG", "再来").await;
    it.forward(2);
    let outcome = it.send(&about("k3", "请登录 10.0.0.8 重启")).await;
    assert!(matches!(outcome, Err(SendError::Refused { code: 1_100_101, .. })), "{outcome:?}");
    assert_eq!(it.qq.sends(AT_GROUP).len(), 6);
}

#[tokio::test]
async fn a_long_text_comes_in_pieces_and_its_end_is_named() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    let text = "登记系统的处理过程：逐项核对。\n".repeat(600);
    let message = Outgoing { about: Some("xian#42".to_owned()), ..outgoing("k", AT_GROUP, &text) };
    // One message a second: the outbox comes back for the rest.
    let mut rounds = 0;
    while let Err(error) = it.send(&message).await {
        assert!(matches!(error, SendError::Throttled { .. }), "{error:?}");
        it.forward(1);
        rounds += 1;
        assert!(rounds < 10);
    }
    let shown = it.qq.shown(AT_GROUP);
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|shown| shown.text.chars().count() <= 1_800));
    assert!(shown[2].text.ends_with("……（内容较长，回复“查询 42”看全部）"));
    let numbers: Vec<How> = shown.into_iter().map(|shown| shown.how).collect();
    assert!(matches!(numbers.as_slice(), [How::Message(_, 1), How::Message(_, n), How::Message(_, m)] if n < m));
}

#[tokio::test]
async fn people_are_called_in_groups_and_only_by_us() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    let message =
        Outgoing { mentions: vec!["M-ZHANG".to_owned()], ..outgoing("k", AT_GROUP, "王科长说 <@M-ALL> 请看") };
    it.send(&message).await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[0].text, "<qqbot-at-user id=\"M-ZHANG\"/> 王科长说 ＜@M-ALL> 请看");
}

#[tokio::test]
async fn an_answer_to_a_message_of_ours_names_it() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.desk.next_message().await;
    let id = it.say("k", "#42 已受理").await.unwrap();
    let mark = it.qq.shown(AT_GROUP)[0].mark.clone();
    let more = serde_json::json!({
        "message_type": 103, "message_scene": { "ext": [format!("ref_msg_idx={mark}"), "auth_token=x"] },
        "msg_elements": [{ "msg_idx": mark, "message_type": 103, "content": "#42 已受理" }],
    });
    it.qq.say_as(GROUP, "M-WANG", "催一下", false, more).await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.quotes, heard.addressed), (id, true));
}

#[tokio::test]
async fn refusals_end_as_the_outbox_understands_them() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.qq.mute(AT_GROUP, true);
    assert!(matches!(it.say("k1", "答复").await, Err(SendError::Muted { .. })));
    it.qq.mute(AT_GROUP, false);
    it.qq.fault("/messages", Fault::Answer(429, serde_json::json!({ "code": 22009, "message": "rate limited" })));
    assert!(matches!(it.say("k1", "答复").await, Err(SendError::Throttled { .. })));
    let night = serde_json::json!({ "code": 304_022, "message": "push at night" });
    it.qq.fault("/messages", Fault::Answer(400, night));
    match it.say("k1", "答复").await {
        // Noon of Beijing is nine o'clock in the morning of the test's clock: until eight of the next day.
        Err(SendError::Muted { retry_after }) => assert!(retry_after > Duration::from_hours(12), "{retry_after:?}"),
        other => panic!("{other:?}"),
    }
    it.say("k1", "答复").await.unwrap();
    it.qq.remove_from_group(GROUP).await;
    it.desk.next(|event| matches!(event, Event::Left { .. }).then_some(())).await;
    assert!(matches!(it.say("k2", "答复").await, Err(SendError::AwaitsContact)));
    let wrong = it.send(&outgoing("k3", "group:../x", "答复")).await;
    assert!(matches!(wrong, Err(SendError::Refused { .. })), "{wrong:?}");
}
