//! After a gap: what was said meanwhile is fetched from the history, marked, and not doubled.

use jiff::Timestamp;
use zhishou_fakes::onebot::{Dialect, FakeOneBot};

use crate::support::{NOON, reverse, run, settings};

#[tokio::test]
async fn what_was_said_during_a_gap_is_recovered_in_order() {
    for dialect in [Dialect::NapCat, Dialect::GoCqHttp, Dialect::Lagrange, Dialect::LlOneBot] {
        let it = run(settings(reverse())).await;
        it.desk.bind("group:20001");
        it.desk.bind("group:20002");
        it.desk.bind("user:30001");
        let qq = FakeOneBot::new(dialect).token("t0k");
        qq.group("20001", &[("30001", "王科长")]);
        qq.group("20002", &[("30001", "王科长")]);
        qq.say_unheard("20001", "30001", "早于值守的闲聊");
        qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
        qq.say("20001", "30001", "报修").await;
        assert_eq!(it.desk.next_message().await.text, "报修");
        qq.disconnect();
        qq.has_connections(0).await;
        let expected: Vec<String> = (1..=60).map(|number| format!("断线期间第 {number} 条")).collect();
        for text in &expected {
            qq.say_unheard("20001", "30001", text);
        }
        qq.say_unheard("20001", "10001", "人工代发");
        qq.reconnect().await.unwrap();
        qq.say("20001", "30001", "恢复了").await;
        for text in &expected {
            let heard = it.desk.next_message().await;
            assert_eq!((&heard.text, heard.recovered), (text, true), "{dialect:?}");
        }
        let live = it.desk.next_message().await;
        assert_eq!((live.text.as_str(), live.recovered), ("恢复了", false), "{dialect:?}: after what was missed");
        assert!(it.desk.messages().iter().all(|m| m.text != "早于值守的闲聊" && m.text != "人工代发"));
    }
}

#[tokio::test]
async fn a_group_in_which_nothing_was_ever_stored_is_caught_up_from_when_the_desk_came() {
    let it = run(settings(reverse())).await;
    it.desk.bind("group:20001");
    it.desk.listens_from(Timestamp::from_second(NOON).unwrap());
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    // Each message takes the fake a second.
    qq.set_time(NOON - 2);
    qq.say_unheard("20001", "30001", "早于值守的闲聊");
    // Said while the connection was being made: it was heard by nobody.
    qq.say_unheard("20001", "30001", "登记系统打不开了");
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.recovered), ("登记系统打不开了", true));
    assert_eq!(it.desk.messages().len(), 1);
}

#[tokio::test]
async fn one_huge_message_in_the_history_closes_nothing_and_keeps_no_other_back() {
    let it = run(settings(reverse())).await;
    it.desk.bind("group:20001");
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.say("20001", "30001", "报修").await;
    it.desk.next_message().await;
    qq.disconnect();
    qq.has_connections(0).await;
    qq.say_unheard("20001", "30001", &"啊".repeat(7 << 20));
    qq.say_unheard("20001", "30001", "还没人来");
    qq.reconnect().await.unwrap();
    let huge = it.desk.next_message().await;
    assert_eq!((huge.text.chars().count(), huge.recovered), (7 << 20, true), "whether it is too long the desk decides");
    assert_eq!(it.desk.next_message().await.text, "还没人来");
    assert_eq!((qq.connections(), qq.closes()), (1, Vec::new()));
}

#[tokio::test]
async fn an_account_that_comes_back_on_line_is_caught_up_too() {
    let it = run(settings(reverse())).await;
    it.desk.bind("group:20001");
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.say("20001", "30001", "报修").await;
    it.desk.next_message().await;
    qq.heartbeat(false).await;
    qq.say_unheard("20001", "30001", "还没人来");
    qq.heartbeat(true).await;
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.recovered), ("还没人来", true));
}

#[tokio::test]
async fn a_history_that_cannot_be_read_holds_nothing_up() {
    let it = run(settings(reverse())).await;
    it.desk.bind("group:20001");
    let qq = FakeOneBot::new(Dialect::NapCat).token("t0k");
    qq.group("20001", &[("30001", "王科长")]);
    qq.refuse("get_group_msg_history", 1200, "内部错误");
    qq.dial(&it.ws("/onebot/v11/ws")).await.unwrap();
    qq.say("20001", "30001", "一").await;
    it.desk.next_message().await;
    qq.disconnect();
    qq.has_connections(0).await;
    qq.reconnect().await.unwrap();
    qq.say("20001", "30001", "二").await;
    assert_eq!(it.desk.next_message().await.text, "二");
}
