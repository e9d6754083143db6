//! What is heard, and that it is heard once and stored before the wire is answered.

use jiff::Timestamp;
use serde_json::json;
use zhishou_adapters::Event;
use zhishou_adapters::qq::onebot::Listen;
use zhishou_fakes::onebot::{Dialect, FakeOneBot};

use crate::support::{NOON, Running, outgoing, reverse, run, settings};

async fn connected(dialect: Dialect) -> (Running, FakeOneBot) {
    let it = run(settings(reverse())).await;
    let qq = FakeOneBot::new(dialect).token("t0k");
    qq.group("20001", &[("30001", "王科长"), ("30002", "张工")]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    (it, qq)
}

#[tokio::test]
async fn a_repeated_event_is_handed_in_once() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let id = qq.say("20001", "30001", "报修").await;
    qq.repeat(&id).await;
    qq.repeat(&id).await;
    qq.say("20001", "30001", "然后").await;
    assert_eq!(it.desk.next_message().await.text, "报修");
    assert_eq!(it.desk.next_message().await.text, "然后");
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_tried_again_until_it_is() {
    let (it, qq) = connected(Dialect::NapCat).await;
    it.desk.fail(3);
    qq.say("20001", "30001", "一").await;
    qq.say("20001", "30001", "二").await;
    assert_eq!(it.desk.next_message().await.text, "一", "in order all the same");
    assert_eq!(it.desk.next_message().await.text, "二");
    assert_eq!(it.desk.refused(), 3);
}

#[tokio::test]
async fn quoting_what_the_bot_said_addresses_it() {
    for dialect in [Dialect::NapCat, Dialect::GoCqHttp, Dialect::LlOneBot] {
        let (it, qq) = connected(dialect).await;
        crate::support::within(it.channel.connected()).await;
        let receipt = it.send(&outgoing("k1", "group:20001", "工单#1 已受理")).await.unwrap();
        let said = qq.next_sent().await;
        qq.quote("20001", "30001", &said.id, "还没好吗").await;
        let heard = it.desk.next_message().await;
        assert_eq!((heard.text.as_str(), heard.addressed), ("还没好吗", true), "{dialect:?}");
        assert_eq!(heard.quotes, receipt, "{dialect:?}: by equality with the receipt");
        assert_eq!(heard.mentions, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_author_of_a_message_from_before_our_time_is_asked_for() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let old = qq.say_unheard("20001", "10001", "上周说的");
    let other = qq.say_unheard("20001", "30002", "别人说的");
    qq.quote("20001", "30001", &old, "还记得吗").await;
    assert!(it.desk.next_message().await.addressed);
    qq.quote("20001", "30001", &other, "看看").await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.addressed), ("看看", false));
    assert_eq!(heard.quotes, Some(format!("10001:group:20001:{other}")));
}

#[tokio::test]
async fn names_of_mentioned_people_are_found() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let segments = json!([
        { "type": "text", "data": { "text": "转派 3 " } },
        { "type": "at", "data": { "qq": "30002" } },
    ]);
    qq.say_segments("20001", "30001", &segments).await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.mentions), ("转派 3 @张工", vec!["30002".to_owned()]));
}

#[tokio::test]
async fn where_only_mentions_count_the_rest_is_not_taken_up() {
    let mut config = settings(reverse());
    config.listen = Listen::Mentions;
    let it = run(config).await;
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.say("20001", "30001", "闲聊").await;
    qq.mention("20001", "30001", "帮助").await;
    assert_eq!(it.desk.next_message().await.text, "帮助");
    qq.say_private("30001", "私聊").await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.conversation.as_str(), heard.addressed), ("私聊", "user:30001", true));
}

#[tokio::test]
async fn an_upload_reported_twice_is_attached_once() {
    let (it, qq) = connected(Dialect::NapCat).await;
    qq.serve_http("").await;
    qq.upload("20001", "30001", "报错截图.zip", b"PK\x03\x04zip").await;
    qq.say("20001", "30001", "在附件里").await;
    let heard = it.desk.next_message().await;
    assert_eq!(heard.attachments.len(), 1);
    let attachment = &heard.attachments[0];
    assert_eq!((attachment.name.as_str(), attachment.kind.as_str()), ("报错截图.zip", "application/zip"));
    assert_eq!((attachment.stored.as_deref(), attachment.size_bytes), (Some("hash-1"), Some(7)));
    assert_eq!(it.desk.kept(), [b"PK\x03\x04zip"]);
    assert_eq!(it.desk.next_message().await.text, "在附件里", "the notice added nothing");
}

#[tokio::test]
async fn a_message_is_stored_even_where_its_picture_cannot_be_fetched() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let picture = |url: &str| json!({ "type": "image", "data": { "file": "4A2F.png", "url": url } });
    let inline = json!({ "type": "image", "data": { "file": "base64://iVBORw0KGgoAAAA=" } });
    let segments = json!([
        { "type": "text", "data": { "text": "打印机坏了" } },
        picture("http://127.0.0.2:1/x.png"),
        picture("file:///etc/passwd"),
        inline,
    ]);
    qq.say_segments("20001", "30001", &segments).await;
    let heard = it.desk.next_message().await;
    assert_eq!(heard.text, "打印机坏了");
    let problems: Vec<bool> = heard.attachments.iter().map(|attachment| attachment.problem.is_some()).collect();
    assert_eq!(problems, [true, true, false]);
    assert!(heard.attachments[0].problem.as_ref().unwrap().contains("内部网络"));
    assert_eq!(heard.attachments[2].kind, "image/png");
}

#[tokio::test]
async fn what_happens_to_the_bot_is_told() {
    let (it, qq) = connected(Dialect::NapCat).await;
    let conversation = || "group:20001".to_owned();
    let id = qq.say("20001", "30001", "报修").await;
    qq.recall("20001", "30001", &id).await;
    qq.mute("20001", 600).await;
    qq.unmute("20001").await;
    qq.push(json!({ "post_type": "notice", "notice_type": "notify", "sub_type": "gray_tip", "self_id": 10001,
                    "group_id": 20001, "user_id": 1, "content": "关闭 1" }))
        .await;
    qq.push(json!({ "post_type": "message", "message_type": "group", "self_id": 10001, "group_id": 20001,
                    "user_id": 2_854_196_310_u64, "message_id": 1, "message": "关闭 1" }))
        .await;
    qq.push(json!({ "post_type": "notice", "notice_type": "group_increase", "sub_type": "invite", "self_id": 10001,
                    "group_id": 20002, "user_id": 10001 }))
        .await;
    qq.heartbeat(false).await;
    qq.heartbeat(true).await;
    qq.kick("20001").await;
    let until = Timestamp::from_second(NOON + 600).unwrap();
    for expected in [
        Event::Recalled { conversation: conversation(), external_id: format!("10001:group:20001:{id}") },
        Event::Muted { conversation: conversation(), until: Some(until) },
        Event::Muted { conversation: conversation(), until: None },
        Event::Left { conversation: conversation() },
    ] {
        let about = it.desk.next(|event| in_group(event).then(|| event.clone())).await;
        assert_eq!(about, expected);
    }
    assert_eq!(it.desk.messages().len(), 1, "grey bars and the management bot say nothing");
}

fn in_group(event: &Event) -> bool {
    match event {
        Event::Recalled { conversation, .. } | Event::Muted { conversation, .. } | Event::Left { conversation } => {
            conversation == "group:20001"
        }
        Event::Message(_)
        | Event::Joined { .. }
        | Event::Reachable { .. }
        | Event::Online(_)
        | Event::OwnMessage { .. }
        | Event::OptedOut { .. }
        | Event::Bounced { .. } => false,
    }
}

#[tokio::test]
async fn going_off_line_and_joining_are_told_in_order() {
    let (it, qq) = connected(Dialect::NapCat).await;
    for online in [false, false, true] {
        qq.heartbeat(online).await;
    }
    for expected in [false, true] {
        let told = it.desk.next(|event| if let Event::Online(online) = event { Some(*online) } else { None }).await;
        assert_eq!(told, expected);
    }
    qq.push(json!({ "post_type": "notice", "notice_type": "group_increase", "self_id": 10001, "group_id": 20002,
                    "user_id": 10001 }))
        .await;
    let joined = it
        .desk
        .next(|event| if let Event::Joined { conversation } = event { Some(conversation.clone()) } else { None });
    assert_eq!(joined.await, "group:20002");
}

#[tokio::test]
async fn a_whole_group_mute_does_not_concern_an_administrator() {
    let (it, qq) = connected(Dialect::NapCat).await;
    crate::support::within(it.channel.connected()).await;
    let ban = json!({ "post_type": "notice", "notice_type": "group_ban", "sub_type": "ban", "self_id": 10001,
                      "group_id": 20001, "user_id": 0, "duration": -1 });
    qq.set_role("20001", "10001", "admin");
    qq.push(ban.clone()).await;
    qq.was_called("get_group_member_info", 1).await;
    qq.set_role("20001", "10001", "member");
    qq.push(ban).await;
    let muted = it.desk.next(|event| if let Event::Muted { until, .. } = event { Some(*until) } else { None });
    assert!(muted.await.is_some(), "only the second was told");
}
