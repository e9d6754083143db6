//! The flows of the sheet (section 7), at the channel's border. With a whole desk behind them they stand in
//! `tests/desk/qq_official`.

use std::collections::HashSet;

use serde_json::json;
use zhishou_adapters::{Channel as _, Event, SendError};
use zhishou_fakes::qq_official::{Fault, How};

use super::support::{AT_GROUP, GROUP, called, connected};
use crate::support::{outgoing, within};

fn waits(outcome: &Result<Option<String>, SendError>) {
    assert!(matches!(outcome, Err(SendError::AwaitsContact)), "{outcome:?}");
}

/// A: acknowledged at once; an hour later one try, refused; merged at the next contact.
#[tokio::test]
async fn late_progress_is_tried_once_and_waits_for_the_next_contact() {
    let it = called().await;
    let asked = it.qq.say_to_robot(GROUP, "M-WANG", "登记系统打不开了").await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.sender.as_str(), heard.addressed), ("登记系统打不开了", "M-WANG", true));
    it.say("ack", "工单#42 已受理").await.unwrap();
    let shown = it.qq.shown(AT_GROUP);
    assert_eq!(shown[0].how, How::Message(asked, 1));

    it.forward(3_600);
    waits(&it.say("p1", "10:00 已到现场").await);
    assert_eq!(it.qq.sends(AT_GROUP).len(), 2, "one active try");
    waits(&it.say("p2", "10:05 正在处理").await);
    assert_eq!(it.qq.sends(AT_GROUP).len(), 2, "and no second one");

    it.forward(1_200);
    let asked = it.qq.say_to_robot(GROUP, "M-WANG", "进度 42").await;
    it.reachable().await;
    it.say("p1", "10:00 已到现场；10:40 已修复").await.unwrap();
    let shown = it.qq.shown(AT_GROUP);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[1].how, How::Message(asked, 1));
    // The refusal stands a day later, and after a restart: it is on the shelf.
    it.forward(48 * 3_600);
    waits(&it.say("p3", "还有一事").await);
    assert_eq!(it.qq.sends(AT_GROUP).len(), 3);
}

/// B: the owner lets the robot speak; the event itself may be answered.
#[tokio::test]
async fn an_owner_who_allows_it_lets_out_what_waits() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "登记系统打不开了").await;
    it.forward(3_600);
    waits(&it.say("p1", "已到现场").await);
    let envelope = it.qq.let_speak(GROUP, true).await;
    it.reachable().await;
    it.say("p1", "已到现场").await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[0].how, How::Event(envelope, 1));
    it.forward(3_600);
    it.say("p2", "已修复").await.unwrap();
    assert_eq!(it.qq.shown(AT_GROUP)[1].how, How::Active);
    assert!(it.channel.health().unwrap().contains("可以主动发言"));
    it.qq.let_speak(GROUP, false).await;
    it.forward(3_600);
    waits(&it.say("p3", "再说一句").await);
}

/// C: no answer, the same number again, a duplicate: delivered.
#[tokio::test]
async fn a_lost_answer_is_repeated_under_its_number_and_said_once() {
    for fault in [Fault::TakeAndPage(502), Fault::TakeSilently] {
        let it = called().await;
        it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
        it.qq.fault("/messages", fault);
        it.say("k", "收到").await.unwrap();
        let sends = it.qq.sends(AT_GROUP);
        assert_eq!(sends.len(), 2);
        assert_eq!(sends[0].body, sends[1].body);
        assert_eq!(it.qq.shown(AT_GROUP).len(), 1);
        // Asked again by the outbox after a crash: it is known to be out.
        it.say("k", "收到").await.unwrap();
        assert_eq!(it.qq.sends(AT_GROUP).len(), 2);
    }
}

/// C, when nothing is answered at all: the outbox is told "perhaps", and looking finds out by the number.
#[tokio::test]
async fn what_is_in_doubt_is_found_by_its_number() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    for fault in [Fault::TakeAndPage(502), Fault::Page(502), Fault::Page(504)] {
        it.qq.fault("/messages", fault);
    }
    let message = outgoing("k", AT_GROUP, "收到");
    it.forward(2);
    assert!(matches!(it.send(&message).await, Err(SendError::Perhaps)));
    it.forward(20);
    let found = within(it.channel.find(&message, it.clock.now(), &HashSet::default())).await.unwrap();
    assert!(found.is_some());
    assert_eq!(it.qq.shown(AT_GROUP).len(), 1);
    let never = outgoing("other", AT_GROUP, "没说过");
    assert_eq!(within(it.channel.find(&never, it.clock.now(), &HashSet::default())).await.unwrap(), None);
}

/// An active message without an answer is never repeated.
#[tokio::test]
async fn an_active_message_in_doubt_is_not_repeated() {
    let it = called().await;
    it.qq.let_speak(GROUP, true).await;
    it.forward(3_600);
    it.qq.fault("/messages", Fault::Page(502));
    let message = outgoing("k", AT_GROUP, "已完成");
    assert!(matches!(it.send(&message).await, Err(SendError::Perhaps)));
    it.forward(20);
    let found = within(it.channel.find(&message, it.clock.now(), &HashSet::default())).await;
    assert!(matches!(found, Err(SendError::Perhaps)));
    assert_eq!(it.qq.sends(AT_GROUP).len(), 1);
}

/// D: the sixth answer is refused here, not there.
#[tokio::test]
async fn a_sixth_answer_does_not_leave() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.qq.let_speak(GROUP, false).await;
    for n in 0..5 {
        it.say(&format!("k{n}"), "答复").await.unwrap();
    }
    waits(&it.say("k5", "答复").await);
    let sends = it.qq.sends(AT_GROUP);
    assert_eq!(sends.len(), 5);
    let numbers: Vec<_> = sends.iter().map(|call| call.body["msg_seq"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

/// F: resumed after op 7, the empty RESUMED, a stop for the operator.
#[tokio::test]
async fn the_gateway_is_resumed_and_a_refusal_of_rights_is_told() {
    let it = connected().await;
    it.qq.say_in_group(GROUP, "M-WANG", "第一句").await;
    assert_eq!(it.desk.next_message().await.text, "第一句");
    it.qq.frame(&json!({ "op": 7 }));
    it.qq.until("a resumption", |qq| (qq.connections().1 == 1).then_some(())).await;
    it.qq.say_in_group(GROUP, "M-WANG", "第二句").await;
    assert_eq!(it.desk.next_message().await.text, "第二句");
    assert_eq!(it.qq.connections(), (1, 1));

    it.qq.grant_intents(0);
    it.qq.forget_sessions();
    it.qq.close(4014);
    // Nothing is left of it: the line is cut with the sessions, so it is closed by the heartbeat's absence.
    it.qq.deaf(true);
    let told = within(async {
        loop {
            it.forward(50);
            it.qq.a_moment().await;
            if let Err(told) = it.channel.health()
                && told.contains("4014")
            {
                break told;
            }
        }
    })
    .await;
    assert!(told.contains("开放平台"), "{told}");
    it.stop().await;
}

/// G: an address that is not on the list gets no second token, and the administrator is told.
#[tokio::test]
async fn a_whitelist_is_no_reason_for_new_tokens() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.qq.distrust_ip(true);
    for n in 0..5 {
        let outcome = it.say(&format!("k{n}"), "答复").await;
        assert!(matches!(outcome, Err(SendError::Unreachable(_))), "{outcome:?}");
    }
    assert!(it.qq.token_calls() <= 1, "{}", it.qq.token_calls());
    let told = it.channel.health().unwrap_err();
    assert!(told.contains("白名单"), "{told}");
    it.qq.distrust_ip(false);
    it.say("k9", "答复").await.unwrap();
    assert!(it.channel.health().is_ok());
    // A token that ended is another matter: one new one, one repeat.
    it.qq.end_tokens();
    it.say("k10", "答复").await.unwrap();
    assert_eq!(it.qq.token_calls(), 2);
}

/// H: waiting for people is a success that is not shown yet.
#[tokio::test]
async fn what_people_look_at_first_is_not_said_twice() {
    let it = called().await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.qq.audit(AT_GROUP, true);
    let id = it.say("k", "已修复").await.unwrap().unwrap();
    assert_eq!(it.channel.awaits(&id), Some("待平台审核"));
    assert!(it.channel.health().unwrap().contains("待平台审核"));
    it.say("k", "已修复").await.unwrap();
    assert_eq!(it.qq.sends(AT_GROUP).len(), 1);
    it.qq.decide(id.strip_prefix("audit:").unwrap(), false).await;
    let bounced = it.desk.next(|event| match event {
        Event::Bounced { external_id, why, .. } => Some((external_id.clone(), why.clone())),
        _ => None,
    });
    let (external_id, why) = bounced.await;
    assert_eq!(external_id, id);
    assert!(why.contains("审核未通过"));
}
