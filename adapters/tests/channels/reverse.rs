//! Reverse WebSocket: who may connect, who wins, what ends a connection.

use zhishou_adapters::Channel as _;
use zhishou_fakes::onebot::{Dialect, FakeOneBot};

use crate::support::{outgoing, reverse, run, settings, within};

const PATH: &str = "/onebot/v11/ws";

#[tokio::test]
async fn every_dialect_is_heard_and_answered() {
    for dialect in [Dialect::NapCat, Dialect::GoCqHttp, Dialect::Lagrange, Dialect::LlOneBot] {
        let it = run(settings(reverse())).await;
        let qq = FakeOneBot::new(dialect).token("t0k").reporting_own();
        qq.group("20001", &[("30001", "王科长")]);
        qq.dial(&it.ws(PATH)).await.unwrap();
        let id = qq.mention("20001", "30001", "三楼打印机卡纸 [不是代码]").await;
        let heard = it.desk.next_message().await;
        assert_eq!(heard.text, "三楼打印机卡纸 [不是代码]", "{dialect:?}");
        assert_eq!(heard.external_id, format!("10001:group:20001:{id}"), "{dialect:?}");
        assert_eq!((heard.sender.as_str(), heard.sender_name.as_str()), ("30001", "王科长"), "{dialect:?}");
        assert!(heard.addressed, "{dialect:?}");

        let mut answer = outgoing("k1", "group:20001", "工单#42 已受理");
        answer.reply_to = Some(heard.external_id.clone());
        answer.mentions = vec!["30001".to_owned()];
        let receipt = it.send(&answer).await.unwrap();
        let sent = qq.next_sent().await;
        assert_eq!(sent.text, "@30001 工单#42 已受理", "{dialect:?}");
        assert_eq!((sent.reply_to, sent.mentions), (Some(id), vec!["30001".to_owned()]), "{dialect:?}");
        assert_eq!(receipt, Some(format!("10001:group:20001:{}", sent.id)), "{dialect:?}");

        let own = it
            .desk
            .next(|event| match event {
                zhishou_adapters::Event::OwnMessage { external_id, text, .. } => {
                    Some((external_id.clone(), text.clone()))
                }
                _ => None,
            })
            .await;
        assert_eq!(own, (receipt.unwrap(), "工单#42 已受理".to_owned()), "{dialect:?}: told, but not as a message");
        assert_eq!(it.desk.messages().len(), 1, "{dialect:?}");
    }
}

#[tokio::test]
async fn only_the_right_token_and_account_get_in() {
    let mut config = settings(reverse());
    config.account = Some("10001".to_owned());
    let it = run(config).await;
    for (why, qq, url, expected) in [
        ("no token", FakeOneBot::new(Dialect::LlOneBot), it.ws(PATH), Err("401")),
        ("an empty bearer", FakeOneBot::new(Dialect::NapCat), it.ws(PATH), Err("401")),
        ("a wrong token", FakeOneBot::new(Dialect::NapCat).token("nope"), it.ws(PATH), Err("403")),
        ("another account", FakeOneBot::new(Dialect::NapCat).token("t0k").account("99999"), it.ws(PATH), Err("403")),
        ("the token in the query", FakeOneBot::new(Dialect::LlOneBot), it.ws("/ws?access_token=t0k"), Ok(())),
        ("the word Token", FakeOneBot::new(Dialect::GoCqHttp).token("t0k"), it.ws("/onebot/v11/ws/"), Ok(())),
        ("the second path", FakeOneBot::new(Dialect::NapCat).token("t0k"), it.ws("/ws"), Ok(())),
        ("an unknown path", FakeOneBot::new(Dialect::NapCat).token("t0k"), it.ws("/elsewhere"), Err("404")),
    ] {
        assert_eq!(qq.dial(&url).await, expected.map_err(str::to_owned), "{why}");
    }
}

#[tokio::test]
async fn the_newest_connection_wins() {
    let it = run(settings(reverse())).await;
    let old = FakeOneBot::new(Dialect::NapCat).token("t0k");
    let new = FakeOneBot::new(Dialect::NapCat).token("t0k");
    for qq in [&old, &new] {
        qq.group("20001", &[("30001", "王科长")]);
        qq.dial(&it.ws(PATH)).await.unwrap();
        qq.was_called("get_version_info", 1).await;
    }
    old.was_closed_with(1008).await;
    it.send(&outgoing("k1", "group:20001", "在")).await.unwrap();
    assert_eq!(new.next_sent().await.text, "在");
    assert_eq!(old.sent(), []);
    new.say("20001", "30001", "报修").await;
    assert_eq!(it.desk.next_message().await.text, "报修");
}

#[tokio::test]
async fn an_api_and_an_event_connection_are_one_bot() {
    for dialect in [Dialect::GoCqHttp, Dialect::Lagrange] {
        let it = run(settings(reverse())).await;
        let qq = FakeOneBot::new(dialect).token("t0k");
        qq.group("20001", &[("30001", "王科长")]);
        qq.dial_as(&it.ws(PATH), "Event").await.unwrap();
        qq.dial_as(&it.ws(PATH), "API").await.unwrap();
        within(it.channel.connected()).await;
        qq.say("20001", "30001", "报修").await;
        assert_eq!(it.desk.next_message().await.text, "报修");
        it.send(&outgoing("k1", "group:20001", "收到")).await.unwrap();
        assert_eq!(qq.next_sent().await.text, "收到");
        assert_eq!(qq.connections(), 2);
    }
}

#[tokio::test]
async fn malformed_frames_are_dropped_and_the_connection_stays() {
    let it = run(settings(reverse())).await;
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.dial(&it.ws(PATH)).await.unwrap();
    for raw in [
        "",
        "{",
        "[]",
        "null",
        r#"{"post_type":7}"#,
        r#"{"post_type":"message"}"#,
        r#"{"post_type":"from_the_future"}"#,
    ] {
        qq.push_raw(raw).await;
    }
    qq.say("20001", "30001", "还在吗").await;
    assert_eq!(it.desk.next_message().await.text, "还在吗");
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_connection() {
    for (why, frame) in [
        ("more than a mebibyte of text", format!(r#"{{"x":"{}"}}"#, "a".repeat(1 << 20))),
        ("more than sixteen of media", format!(r#"{{"x":"base64://{}"}}"#, "a".repeat(16 << 20))),
    ] {
        let it = run(settings(reverse())).await;
        let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
        qq.dial(&it.ws(PATH)).await.unwrap();
        qq.push_raw(&frame).await;
        qq.has_connections(0).await;
        assert_eq!(qq.closes(), [1009], "{why}");
    }
}

#[tokio::test]
async fn a_silent_connection_is_asked_and_closed_where_no_answer_comes() {
    let mut config = settings(reverse());
    config.timing.greeting = std::time::Duration::from_millis(100);
    let it = run(config).await;
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[]);
    qq.dial(&it.ws(PATH)).await.unwrap();
    qq.was_called("get_status", 1).await;
    // A round trip: what was answered before it has been read.
    it.send(&outgoing("k1", "group:20001", "一")).await.unwrap();
    it.clock.forward(std::time::Duration::from_secs(91));
    qq.was_called("get_status", 2).await;
    it.send(&outgoing("k2", "group:20001", "二")).await.unwrap();
    assert_eq!(qq.connections(), 1, "it answered, so it lives");
    qq.go_mute_on_the_wire();
    it.clock.forward(std::time::Duration::from_secs(91));
    qq.was_closed_with(1011).await;
}

#[tokio::test]
async fn stopping_the_channel_closes_its_connections_in_good_order() {
    let it = run(settings(reverse())).await;
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.dial(&it.ws(PATH)).await.unwrap();
    within(it.channel.connected()).await;
    it.stop.cancel();
    qq.was_closed_with(1001).await;
    within(it.listening).await.unwrap().unwrap();
    assert_eq!(qq.reconnect().await, Err("503".to_owned()));
}

#[tokio::test]
async fn the_health_line_says_what_to_do() {
    let it = run(settings(reverse())).await;
    assert!(it.channel.health().unwrap_err().contains("ws://本机地址:端口/onebot/v11/ws"));
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.dial(&it.ws(PATH)).await.unwrap();
    qq.was_called("get_status", 1).await;
    let line = it.channel.health().unwrap();
    assert_eq!(line, "已连接：NapCat，账号 10001，自 03-02 09:00:00 起");
    qq.heartbeat(false).await;
    it.desk.next(|event| (*event == zhishou_adapters::Event::Online(false)).then_some(())).await;
    assert!(it.channel.health().unwrap_err().contains("已下线"));
}
