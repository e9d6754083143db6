//! Windows: what is said within, what waits beyond, and what comes of it.

use zhishou_fakes::qq_official::Fault;

use super::support::{AT_GROUP, World};
use crate::peers::support::sound;

/// A ticket is opened, claimed, and told about at 2 minutes, 20 minutes and 3 hours.
async fn three_pieces_of_news(world: &World) {
    world.asks("登记系统打不开了").await;
    world.engineer("认领 1").await;
    world.at(2).await;
    world.engineer("进展 1 已到现场").await;
    world.at(20).await;
    world.engineer("进展 1 正在更换交换机").await;
    world.at(180).await;
    world.engineer("进展 1 系统已恢复，观察中").await;
}

#[tokio::test]
async fn progress_at_two_minutes_twenty_minutes_and_three_hours() {
    let world = World::new("").await;
    three_pieces_of_news(&world).await;
    let seen = world.seen();
    let ways: Vec<(i64, &str)> = seen.iter().map(|(at, way, _)| (*at, way.as_str())).collect();
    assert_eq!(ways, [(0, "answer 1"), (0, "answer 2"), (2, "answer 3")], "{seen:#?}");
    assert!(seen[0].2.contains("已受理") && seen[2].2.contains("已到现场"), "{seen:#?}");
    // At twenty minutes one try to speak first was refused; at three hours none was made.
    let active: Vec<_> = world.qq.sends(AT_GROUP).into_iter().filter(|call| call.body["msg_id"].is_null()).collect();
    assert_eq!(active.len(), 1, "{active:#?}");
    assert_eq!(active[0].at.duration_since(world.began).as_mins(), 20);
    assert_eq!(world.engineers_saw("正在等待窗口"), 1, "told once a ticket, and not in silence");
    world.engineer("查询 1").await;
    assert_eq!(world.engineers_saw("有 2 条消息在等待窗口"), 1);

    world.at(185).await;
    let asked = world.asks("查询 1").await;
    let seen = world.seen();
    assert_eq!(seen.len(), 5, "{seen:#?}");
    let (at, way, digest) = &seen[3];
    assert_eq!((*at, way.as_str()), (185, "answer 1"));
    let first = digest.find("正在更换交换机").expect("the first piece of news");
    let second = digest.find("系统已恢复，观察中").expect("the second");
    assert!(first < second && digest.matches("工单 #1 进展").count() == 2, "{digest}");
    // Each with its time.
    assert!(digest.contains(&clock_of(&world, 20)) && digest.contains(&clock_of(&world, 180)), "{digest}");
    assert!(seen[4].1.starts_with("answer"), "and the question itself is answered: {seen:#?}");
    let sends = world.qq.sends(AT_GROUP);
    assert!(sends.iter().rev().take(2).all(|call| call.body["msg_id"] == asked.as_str()));
    world.engineer("查询 1").await;
    assert_eq!(world.engineers_saw("等待窗口（"), 1, "nothing waits any more");
    sound(&world.store, 8).await;
}

fn clock_of(world: &World, minutes: i64) -> String {
    let at = world.began + jiff::SignedDuration::from_mins(minutes);
    at.in_tz("Asia/Shanghai").expect("the zone is known").strftime("%H:%M").to_string()
}

#[tokio::test]
async fn what_cannot_be_said_here_is_said_there_meanwhile_and_not_twice() {
    let world = World::new("\"qq:group:20009\"").await;
    three_pieces_of_news(&world).await;
    let told = world.tape.texts_in("qq:group:20009");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("正在更换交换机") && told[1].contains("系统已恢复"), "{told:#?}");
    assert_eq!(world.engineers_saw("已改由 qq:group:20009 告知"), 1);
    world.at(185).await;
    world.asks("查询 1").await;
    let seen = world.seen();
    assert_eq!(seen.len(), 4, "only the answer to the question: {seen:#?}");
    sound(&world.store, 6).await;
}

#[tokio::test]
async fn what_is_refused_there_waits_here() {
    let world = World::new("\"qq:group:20009\"").await;
    world.tape.fail("group:20009", zhishou_adapters::SendError::Refused { code: 120, text: "不在群里".to_owned() });
    three_pieces_of_news(&world).await;
    assert_eq!(world.store.outbox_counts().await.expect("counted"), (2, 0), "kept, not failed");
    world.at(185).await;
    world.asks("查询 1").await;
    assert!(world.seen()[3].2.contains("正在更换交换机"), "{:#?}", world.seen());
    sound(&world.store, 6).await;
}

#[tokio::test]
async fn a_digest_in_doubt_is_looked_for_and_said_once() {
    let world = World::new("").await;
    three_pieces_of_news(&world).await;
    world.at(185).await;
    for fault in [Fault::TakeAndPage(502), Fault::Page(502), Fault::Page(502)] {
        world.qq.fault("/messages", fault);
    }
    world.asks("查询 1").await;
    world.passes(120).await;
    let seen = world.seen();
    assert_eq!(seen.iter().filter(|(_, _, text)| text.contains("正在更换交换机")).count(), 1, "{seen:#?}");
    assert_eq!(
        seen.iter().filter(|(_, _, text)| text.contains("观察中")).count(),
        2,
        "and once as the latest: {seen:#?}"
    );
    sound(&world.store, 6).await;
}

#[tokio::test]
async fn an_owner_who_allows_it_lets_out_what_waits_and_what_comes() {
    let world = World::new("").await;
    three_pieces_of_news(&world).await;
    world.qq.let_speak(super::support::GROUP, true).await;
    world.passes(10).await;
    let seen = world.seen();
    assert_eq!((seen.len(), seen[3].1.as_str()), (4, "event 1"), "{seen:#?}");
    world.at(240).await;
    world.engineer("解决 1 已更换交换机").await;
    let seen = world.seen();
    assert_eq!((seen[4].0, seen[4].1.as_str()), (240, "active"), "{seen:#?}");
    sound(&world.store, 6).await;
}

#[tokio::test]
async fn what_people_look_at_first_is_shown_as_such() {
    let world = World::new("").await;
    world.asks("登记系统打不开了").await;
    world.qq.audit(AT_GROUP, true);
    world.engineer("认领 1").await;
    world.engineer("查询 1").await;
    assert_eq!(world.engineers_saw("有消息待平台审核"), 1, "{:#?}", world.tape.texts());
    let sends = world.qq.sends(AT_GROUP).len();
    world.passes(3_600).await;
    assert_eq!(world.qq.sends(AT_GROUP).len(), sends, "it is not sent again");
}
