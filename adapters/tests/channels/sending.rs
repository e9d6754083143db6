//! What becomes of what the desk says, above all when the answer is in doubt.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use zhishou_adapters::qq::onebot::throttle::Pace;
use zhishou_adapters::{Channel as _, Receipt, Retry, SendError};
use zhishou_fakes::onebot::{Behaviour, Dialect, FakeOneBot};

use crate::support::{NOON, Running, impatient, outgoing, reverse, run, settings, within};

async fn connected(dialect: Dialect) -> (Running, FakeOneBot) {
    let it = run(impatient(reverse())).await;
    let qq = FakeOneBot::new(dialect).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.was_called("get_status", 1).await;
    (it, qq)
}

fn since() -> Timestamp {
    Timestamp::from_second(NOON).unwrap()
}

#[tokio::test]
async fn a_message_in_doubt_is_found_in_the_history_and_not_said_twice() {
    for dialect in [Dialect::NapCat, Dialect::GoCqHttp, Dialect::Lagrange, Dialect::LlOneBot] {
        for behaviour in [Behaviour::TakeSilently, Behaviour::Lie, Behaviour::TakeAndCut] {
            let (it, qq) = connected(dialect).await;
            if (dialect, behaviour) == (Dialect::Lagrange, Behaviour::Lie) {
                continue; // It gives no words with a failure, so a time-out cannot be told from a refusal.
            }
            qq.say("20001", "30001", "报修").await;
            qq.behave(&[Behaviour::Answer, behaviour]);
            it.send(&outgoing("k0", "group:20001", "已受理")).await.unwrap();
            let message = outgoing("k1", "group:20001", "已受理");
            let error = it.send(&message).await.unwrap_err();
            assert_eq!(error.retry(), Retry::Look, "{dialect:?} {behaviour:?}");
            if behaviour == Behaviour::TakeAndCut {
                qq.has_connections(0).await;
                qq.reconnect().await.unwrap();
                qq.was_called("get_status", 2).await;
            }
            let found = within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap();
            let id = qq.sent()[1].id.clone();
            assert_eq!(
                found,
                Some(Receipt { external_id: Some(format!("10001:group:20001:{id}")) }),
                "{dialect:?} {behaviour:?}: not the same words said before"
            );
            assert_eq!(
                within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap(),
                found,
                "asked twice, answered the same"
            );
        }
    }
}

#[tokio::test]
async fn after_a_restart_the_same_words_said_before_are_not_taken_for_the_lost_ones() {
    let (it, qq) = connected(Dialect::NapCat).await;
    it.send(&outgoing("k1", "group:20001", "已受理")).await.unwrap();
    let first = format!("10001:group:20001:{}", qq.sent()[0].id);
    // The process died before it had said them a second time; a new one knows only what the desk has kept.
    let it = run(settings(reverse())).await;
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.was_called("get_status", 2).await;
    let second = outgoing("k2", "group:20001", "已受理");
    it.clock.forward(Duration::from_secs(20));
    let found = |taken: HashSet<String>| {
        let (channel, second) = (it.channel.clone(), second.clone());
        async move { within(channel.find(&second, since(), &taken)).await.unwrap() }
    };
    assert_eq!(found(HashSet::from([first.clone()])).await, None, "it stands for the first");
    it.send(&second).await.unwrap();
    assert_eq!(qq.sent().len(), 2);
}

#[tokio::test]
async fn absence_is_sure_only_after_the_platform_had_time_to_show_it() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.behave(&[Behaviour::Lose]);
    let message = outgoing("k1", "group:20001", "已受理");
    assert_eq!(it.send(&message).await.unwrap_err().retry(), Retry::Look);
    let early = within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap_err();
    assert_eq!(early.retry(), Retry::After(Duration::from_secs(20)));
    it.clock.forward(Duration::from_secs(20));
    assert_eq!(within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap(), None);
    it.send(&message).await.unwrap();
    assert_eq!(qq.sent().len(), 1);
}

#[tokio::test]
async fn a_late_answer_settles_the_doubt() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.behave(&[Behaviour::AnswerLate]);
    let message = outgoing("k1", "group:20001", "已受理");
    assert_eq!(it.send(&message).await.unwrap_err().retry(), Retry::Look);
    qq.answer_now().await;
    qq.refuse("get_group_msg_history", 1200, "坏了");
    // The late answer and this call travel over the same socket, in order.
    it.send(&outgoing("k2", "group:20001", "别的")).await.unwrap();
    let found = within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap().unwrap();
    assert_eq!(found.external_id, Some(format!("10001:group:20001:{}", qq.sent()[0].id)));
}

#[tokio::test]
async fn an_own_message_that_is_reported_settles_the_doubt_as_well() {
    let it = run(settings(reverse())).await;
    let qq = FakeOneBot::new(Dialect::LlOneBot).token("t0k").reporting_own();
    qq.group("20001", &[]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.was_called("get_status", 1).await;
    qq.behave(&[Behaviour::Lie]);
    let message = outgoing("k1", "group:20001", "已受理");
    it.send(&message).await.unwrap_err();
    it.desk.next(|event| matches!(event, zhishou_adapters::Event::OwnMessage { .. }).then_some(())).await;
    qq.refuse("get_group_msg_history", 1200, "坏了");
    assert!(within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap().is_some());
}

#[tokio::test]
async fn where_the_platform_cannot_be_asked_nothing_is_claimed() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.behave(&[Behaviour::Lose]);
    let message = outgoing("k1", "group:20001", "已受理");
    it.send(&message).await.unwrap_err();
    qq.refuse("get_group_msg_history", 1404, "不支持的Api");
    let error = within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn refusals_are_told_with_cause_and_remedy() {
    let (it, qq) = connected(Dialect::GoCqHttp).await;
    let refused = |error: SendError| match error {
        SendError::Refused { code, text } => (code, text),
        other => panic!("{other:?}"),
    };
    let (code, text) = refused(it.send(&outgoing("k1", "group:404", "在")).await.unwrap_err());
    assert!(code == 100 && text.contains("机器人不在这个群里"), "{text}");
    let (_, text) = refused(it.send(&outgoing("k2", "nowhere", "在")).await.unwrap_err());
    assert!(text.contains("会话编号"), "{text}");
    qq.refuse("send_group_msg", 100, "SEND_MSG_API_ERROR send group message failed: blocked by server");
    let (_, text) = refused(it.send(&outgoing("k3", "group:20001", "在")).await.unwrap_err());
    assert!(text.contains("风控"), "{text}");
    let error = it.send(&outgoing("k4", "group:20001", "在")).await.unwrap_err();
    assert!(matches!(error, SendError::Throttled { .. }), "the lane is closed for a while: {error:?}");
}

#[tokio::test]
async fn nothing_is_said_into_a_muted_group() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.mute("20001", 600).await;
    it.desk.next(|event| matches!(event, zhishou_adapters::Event::Muted { .. }).then_some(())).await;
    let message = outgoing("k1", "group:20001", "在");
    assert_eq!(it.send(&message).await.unwrap_err().retry(), Retry::After(Duration::from_mins(10)));
    assert!(!qq.calls().iter().any(|call| call.action == "send_group_msg"), "not even tried");
    qq.unmute("20001").await;
    it.desk.next(|event| matches!(event, zhishou_adapters::Event::Muted { until: None, .. }).then_some(())).await;
    it.send(&message).await.unwrap();
    qq.mute_silently("20001");
    let error = it.send(&outgoing("k2", "group:20001", "在")).await.unwrap_err();
    assert!(matches!(error, SendError::Muted { .. }), "{error:?}");
}

#[tokio::test]
async fn without_a_connection_or_account_the_message_waits() {
    let it = run(settings(reverse())).await;
    let error = it.send(&outgoing("k1", "group:20001", "在")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.heartbeat(false).await;
    it.desk.next(|event| matches!(event, zhishou_adapters::Event::Online(false)).then_some(())).await;
    let error = it.send(&outgoing("k1", "group:20001", "在")).await.unwrap_err();
    assert!(error.retry() == Retry::Backoff && error.to_string().contains("已下线"), "{error}");
}

#[tokio::test]
async fn a_long_text_goes_out_in_numbered_pieces_and_goes_on_where_it_stopped() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let line = "巡检记录：服务器状态正常，备份已完成。\n";
    let mut message = outgoing("k1", "group:20001", &line.repeat(120));
    message.reply_to = Some("10001:group:20001:7".to_owned());
    message.mentions = vec!["30001".to_owned()];
    qq.behave(&[Behaviour::Answer, Behaviour::Lose]);
    assert_eq!(it.send(&message).await.unwrap_err().retry(), Retry::Look);
    it.clock.forward(Duration::from_secs(20));
    assert_eq!(within(it.channel.find(&message, since(), &HashSet::new())).await.unwrap(), None, "not all of it");
    let receipt = it.send(&message).await.unwrap();
    let sent = qq.sent();
    assert_eq!(sent.len(), 2, "the first piece was not said again");
    assert!(sent[0].text.starts_with("@30001 （1/2）\n") && sent[1].text.starts_with("（2/2）\n"));
    assert_eq!((sent[0].reply_to.as_deref(), sent[1].reply_to.as_deref()), (Some("7"), None));
    assert_eq!(receipt, Some(format!("10001:group:20001:{}", sent[0].id)));
    // Whoever quotes the second piece means the message.
    qq.quote("20001", "30001", &sent[1].id, "收到").await;
    assert_eq!(it.desk.next_message().await.quotes, receipt);
}

#[tokio::test]
async fn user_text_cannot_become_a_code() {
    let (it, qq) = connected(Dialect::GoCqHttp).await;
    it.send(&outgoing("k1", "group:20001", "昵称[CQ:at,qq=all]\u{0}")).await.unwrap();
    let sent = qq.next_sent().await;
    assert_eq!(sent.message, serde_json::json!([{ "type": "text", "data": { "text": "昵称[CQ:at,qq=all]" } }]));
}

#[tokio::test]
async fn a_temporary_session_is_answered_through_its_group() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.push(serde_json::json!({ "post_type": "message", "message_type": "private", "sub_type": "group", "self_id": 10001,
        "user_id": 30009, "group_id": 20001, "message_id": 3, "message": [{ "type": "text", "data": { "text": "在吗" } }] }))
        .await;
    assert_eq!(it.desk.next_message().await.conversation, "user:30009");
    it.send(&outgoing("k1", "user:30009", "在")).await.unwrap();
    let call = qq.calls().into_iter().find(|call| call.action == "send_private_msg").unwrap();
    assert_eq!(call.params["group_id"], 20001);
}

#[tokio::test]
async fn the_desk_is_told_to_wait_where_the_pause_is_long() {
    let mut config = settings(reverse());
    config.timing.pace = Pace { conversation: Duration::from_mins(1), ..Pace::default() };
    let it = run(config).await;
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    within(it.channel.connected()).await;
    it.send(&outgoing("k1", "group:20001", "一")).await.unwrap();
    let error = it.send(&outgoing("k2", "group:20001", "二")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_mins(1)));
    it.clock.forward(Duration::from_mins(1));
    it.send(&outgoing("k2", "group:20001", "二")).await.unwrap();
}
