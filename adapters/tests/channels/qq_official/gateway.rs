//! The gateway over a real socket: restarts, instances, a slow desk, cut lines.

use zhishou_adapters::Channel as _;
use zhishou_adapters::qq::official::Mode;

use super::support::{AT_GROUP, GROUP, connected, platform, serve, settings};
use crate::support::{outgoing, within};
use crate::wecom::support::MemoryShelf;

#[tokio::test]
async fn a_restart_within_minutes_loses_nothing() {
    let it = connected().await;
    it.qq.say_in_group(GROUP, "M-WANG", "第一句").await;
    assert_eq!(it.desk.next_message().await.text, "第一句");
    let (qq, clock, shelf) = (it.qq.clone(), it.clock.clone(), it.shelf.clone());
    // The place is kept once the message is stored.
    it.stop().await;
    qq.say_in_group(GROUP, "M-WANG", "停机时说的").await;
    let again = serve(&qq, settings(&qq, Mode::Socket), shelf, &clock).await;
    let heard = again.desk.next_message().await;
    assert_eq!(heard.text, "停机时说的");
    assert_eq!(qq.connections(), (1, 1), "resumed, not begun anew");
    // What may be answered is remembered too, with its numbers.
    within(again.channel.send(&outgoing("k", AT_GROUP, "收到"))).await.unwrap();
    again.stop().await;
}

#[tokio::test]
async fn what_could_not_be_stored_is_handed_in_again_and_in_order() {
    let it = connected().await;
    it.desk.fail(3);
    for text in ["一", "二", "三"] {
        it.qq.say_in_group(GROUP, "M-WANG", text).await;
    }
    for text in ["一", "二", "三"] {
        assert_eq!(it.desk.next_message().await.text, text);
    }
    assert_eq!(it.desk.refused(), 3);
    it.stop().await;
}

#[tokio::test]
async fn of_two_instances_one_has_the_line_and_both_may_speak() {
    let it = connected().await;
    let other = serve(&it.qq, settings(&it.qq, Mode::Socket), it.shelf.another(), &it.clock).await;
    it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
    it.desk.next_message().await;
    within(other.channel.send(&outgoing("k", AT_GROUP, "另一实例的答复"))).await.unwrap();
    assert_eq!(it.qq.connections().0, 1);
    assert!(other.channel.health().is_ok_and(|told| told.contains("待命")), "{:?}", other.channel.health());
    it.stop().await;
    within(other.channel.connected()).await;
    other.stop().await;
}

#[tokio::test]
async fn a_cut_line_comes_back_and_a_forgotten_session_begins_anew() {
    let it = connected().await;
    it.qq.cut();
    it.in_time((1, 1)).await;
    it.qq.close(4009);
    it.in_time((1, 2)).await;
    it.qq.close(4007);
    it.in_time((2, 2)).await;
    it.qq.end_tokens();
    it.qq.close(4004);
    it.in_time((2, 3)).await;
    assert_eq!(it.qq.token_calls(), 2);
    it.stop().await;
}

#[tokio::test]
async fn rights_that_are_refused_are_done_without() {
    let (qq, clock) = platform().await;
    qq.grant_intents((1 << 25) | (1 << 26));
    let it = serve(&qq, settings(&qq, Mode::Socket), MemoryShelf::new(clock.clone()), &clock).await;
    within(it.channel.connected()).await;
    assert!(it.channel.health().unwrap().contains("审核结果"), "{:?}", it.channel.health());
    it.stop().await;
}

#[tokio::test]
async fn a_check_on_line_says_what_is_wrong() {
    let it = connected().await;
    assert!(it.channel.probe().await.iter().all(|(ok, _)| *ok));
    it.qq.distrust_ip(true);
    let found = it.channel.probe().await;
    assert!(found.iter().any(|(ok, told)| !ok && told.contains("IP 白名单")), "{found:?}");
    let mut config = settings(&it.qq, Mode::Socket);
    config.app_secret = secrecy::SecretString::from("wrong");
    let other = serve(&it.qq, config, MemoryShelf::new(it.clock.clone()), &it.clock).await;
    let found = other.channel.probe().await;
    assert!(found.iter().any(|(ok, told)| !ok && told.contains("app_secret")), "{found:?}");
    let calls = it.qq.token_calls();
    other.channel.probe().await;
    assert_eq!(it.qq.token_calls(), calls, "a refusal is believed for a minute");
    other.stop().await;
    it.stop().await;
}
