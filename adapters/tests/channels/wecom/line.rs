//! The long connection over a real socket, before the stand-in: lease, takeover, losses.

use std::time::Duration;

use zhishou_adapters::wecom::session::State;
use zhishou_adapters::{Channel as _, SendError};
use zhishou_fakes::wecom::Fault;

use super::support::{MemoryShelf, connected, only, platform, serve, socket_bot};
use crate::support::{outgoing, within};

const GROUP: &str = "group:wrGROUP0001";
const LEASE: &str = "bot-socket:aibDESK01";

/// Waits for something that the channel comes to by itself.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

#[tokio::test]
async fn the_line_is_held_under_a_lease_and_given_up_at_a_clean_stop() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let shelf = served.shelf.clone();
    assert_eq!(shelf.holder(LEASE), Some(1));
    // Renewed long before it ends: never free, however long it goes.
    for _ in 0..6 {
        clock.forward(Duration::from_secs(25));
        until("a renewal", || shelf.runs_for(LEASE) > Duration::from_secs(50)).await;
        assert_eq!(shelf.holder(LEASE), Some(1));
    }
    assert_eq!(wecom.subscriptions(), 1);
    served.stop().await;
    assert_eq!(shelf.holder(LEASE), None);
    within(wecom.has_no_connection()).await;
}

#[tokio::test]
async fn a_second_instance_stands_by_and_takes_over_when_the_first_stops() {
    let (wecom, clock) = platform().await;
    let first = connected(&wecom, &clock).await;
    let second = serve(only(socket_bot(&wecom)), first.shelf.another(), &clock).await;
    until("standing by", || second.channel.line_status().is_some_and(|line| line.standby)).await;
    assert!(second.channel.health().unwrap().contains("待命"));
    assert_eq!(wecom.connections(), 1);
    first.stop().await;
    within(second.channel.connected()).await;
    assert_eq!(second.shelf.holder(LEASE), Some(2));
    assert_eq!(wecom.subscriptions(), 2);
}

#[tokio::test]
async fn whoever_loses_the_lease_leaves_the_line() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    served.shelf.give_away(LEASE, clock.now().checked_add(Duration::from_mins(10)).unwrap());
    clock.forward(Duration::from_secs(25));
    within(wecom.has_no_connection()).await;
    until("standing by", || served.channel.line_status().is_some_and(|line| line.standby)).await;
    assert_eq!(wecom.subscriptions(), 1);
}

#[tokio::test]
async fn a_dropped_line_comes_back_and_a_long_interruption_is_told() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.drop_socket();
    within(wecom.has_subscribed(2)).await;
    within(served.channel.connected()).await;
    assert!(!served.channel.health().unwrap().contains("断线"), "a second is nothing to tell");
    wecom.go_down().await;
    until("the loss", || served.channel.line_status().is_some_and(|line| line.trouble.is_some())).await;
    clock.forward(Duration::from_mins(5));
    let ill = served.channel.health().unwrap_err();
    assert!(ill.contains("自动重连") && ill.contains("连接被拒绝"), "{ill}");
    wecom.come_back().await;
    until("the next try", || {
        clock.forward(Duration::from_secs(1));
        served.channel.line_status().is_some_and(|line| line.down_since.is_none())
    })
    .await;
    let well = served.channel.health().unwrap();
    assert!(well.contains("断线") && well.contains("可能没有收到"), "{well}");
}

#[tokio::test]
async fn what_was_missed_while_nothing_ran_is_told_after_the_start() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    let shelf = served.shelf.clone();
    assert!(!served.channel.health().unwrap().contains("断线"), "before the first start there is nothing to miss");
    served.stop().await;
    clock.forward(Duration::from_mins(10));
    let served = serve(only(socket_bot(&wecom)), shelf, &clock).await;
    within(served.channel.connected()).await;
    let well = served.channel.health().unwrap();
    assert!(well.contains("03-02 09:00:00 到 03-02 09:10:00 断线"), "{well}");
}

#[tokio::test]
pub async fn who_is_kicked_gives_up_the_lease_and_waits_a_minute() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.kick();
    until("the kick", || served.channel.line_status().is_some_and(|line| matches!(line.state, State::Kicked { .. })))
        .await;
    until("giving up the lease", || served.shelf.holder(LEASE).is_none()).await;
    let ill = served.channel.health().unwrap_err();
    assert!(ill.contains("顶掉"), "{ill}");
    clock.forward(Duration::from_secs(59));
    assert!(matches!(served.send(&outgoing("k", GROUP, "x")).await, Err(SendError::Unreachable(_))));
    assert_eq!(wecom.subscriptions(), 1);
    // Somebody else holds the lease by now: still not.
    served.shelf.give_away(LEASE, clock.now().checked_add(Duration::from_secs(61)).unwrap());
    clock.forward(Duration::from_mins(1));
    until("standing by", || served.channel.line_status().is_some_and(|line| line.standby)).await;
    assert_eq!(wecom.subscriptions(), 1);
    clock.forward(Duration::from_secs(2));
    within(served.channel.connected()).await;
    assert_eq!(wecom.subscriptions(), 2);
}

#[tokio::test]
async fn after_a_kick_the_instance_that_stood_by_does_not_come_by_reflex_either() {
    let (wecom, clock) = platform().await;
    let first = connected(&wecom, &clock).await;
    let second = serve(only(socket_bot(&wecom)), first.shelf.another(), &clock).await;
    until("standing by", || second.channel.line_status().is_some_and(|line| line.standby)).await;
    wecom.kick();
    until("giving up the lease", || first.shelf.holder(LEASE).is_none()).await;
    clock.forward(Duration::from_secs(59));
    let looked = first.shelf.looks("bot-kicked:aibDESK01");
    until("more looks", || first.shelf.looks("bot-kicked:aibDESK01") > looked + 2).await;
    assert_eq!(first.shelf.holder(LEASE), None, "it is free, and still nobody takes it");
    assert_eq!(wecom.subscriptions(), 1);
    clock.forward(Duration::from_secs(1));
    within(wecom.has_subscribed(2)).await;
}

#[tokio::test]
async fn two_desks_of_one_bot_do_not_kick_each_other_without_end() {
    let (wecom, clock) = platform().await;
    let here = connected(&wecom, &clock).await;
    // With a store of its own it knows nothing of our lease.
    let elsewhere = serve(only(socket_bot(&wecom)), MemoryShelf::new(clock.clone()), &clock).await;
    within(elsewhere.channel.connected()).await;
    until("the kick", || here.channel.line_status().is_some_and(|line| matches!(line.state, State::Kicked { .. })))
        .await;
    clock.forward(Duration::from_secs(50));
    wecom.say_in_group("wrGROUP0001", "WangKeZhang", "在吗", None).await;
    elsewhere.desk.next_message().await;
    assert_eq!(wecom.subscriptions(), 2);
}

#[tokio::test]
pub async fn wrong_credentials_are_told_and_not_tried_in_a_loop() {
    let (wecom, clock) = platform().await;
    let mut config = socket_bot(&wecom);
    if let zhishou_adapters::wecom::BotMode::Socket { secret, .. } = &mut config.mode {
        *secret = secrecy::SecretString::from("the secret of an application");
    }
    let served = serve(only(config), MemoryShelf::new(clock.clone()), &clock).await;
    until("the refusal", || {
        served.channel.line_status().is_some_and(|line| matches!(line.state, State::Refused { code: 853_000, .. }))
    })
    .await;
    let ill = served.channel.health().unwrap_err();
    assert!(ill.contains("853000") && ill.contains("Secret"), "{ill}");
    clock.forward(Duration::from_secs(290));
    until("giving up the lease", || served.shelf.holder(LEASE).is_none()).await;
    assert_eq!(wecom.count("aibot_subscribe"), 1);
    clock.forward(Duration::from_secs(11));
    within(wecom.was_called("aibot_subscribe", 2)).await;
}

#[tokio::test]
pub async fn a_line_that_answers_no_ping_is_replaced() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.misbehave("ping", &[Fault::Swallow, Fault::Swallow]);
    for pings in 1..=2 {
        clock.forward(Duration::from_secs(30));
        within(wecom.was_called("ping", pings)).await;
    }
    clock.forward(Duration::from_secs(30));
    within(wecom.has_subscribed(2)).await;
    within(served.channel.connected()).await;
}

#[tokio::test]
async fn no_frame_ends_the_line() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.push_garbage();
    wecom.push_raw(&"x".repeat(100_000));
    wecom.say_in_group("wrGROUP0001", "WangKeZhang", "登记系统打不开了", None).await;
    assert_eq!(served.desk.next_message().await.text, "登记系统打不开了");
    assert_eq!(wecom.subscriptions(), 1);
}

#[tokio::test]
async fn a_shelf_that_cannot_be_reached_keeps_the_line_until_the_lease_ends() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    served.shelf.fail(true);
    clock.forward(Duration::from_secs(30));
    wecom.say_in_group("wrGROUP0001", "WangKeZhang", "还在吗", None).await;
    served.desk.next_message().await;
    assert_eq!(wecom.connections(), 1);
    clock.forward(Duration::from_secs(31));
    within(wecom.has_no_connection()).await;
    served.shelf.fail(false);
    within(served.channel.connected()).await;
}
