//! Who is who where no numbers are seen: accounts are bound by a code, one for each place.

use super::support::{GROUP, World};

async fn code(world: &World, code: &str, person: &str) {
    let until = world.desk.now().as_millisecond() + 600_000;
    let mut write = world.store.write().await.expect("a transaction");
    write.marks_save(&[(format!("bind|{code}"), until, person.to_owned())]).await.expect("a code");
    write.commit().await.expect("a commit");
}

async fn says(world: &World, member: &str, text: &str) {
    world.qq.say_to_robot(GROUP, member, text).await;
    world.passes(10).await;
}

#[tokio::test]
async fn one_person_binds_an_account_in_each_place_and_keeps_all() {
    let world = World::new("").await;
    world.asks("登记系统打不开了").await;
    says(&world, "M-ZHANG", "认领 1").await;
    assert!(world.seen().iter().all(|(_, _, text)| !text.contains("张工受理")), "nobody knows him yet");

    code(&world, "K7Q2", "zhang").await;
    says(&world, "M-ZHANG", "绑定 K7Q2").await;
    code(&world, "P3W8", "zhang").await;
    world.qq.say_single("U-ZHANG", "绑定 P3W8").await;
    world.passes(10).await;
    let directory = world.desk.directory();
    for account in ["M-ZHANG", "U-ZHANG"] {
        assert_eq!(directory.by_account("qqbot", account).map(|p| p.id.as_str()), Some("zhang"), "{account}");
    }
    let zhang = directory.person("zhang").expect("he is there");
    assert_eq!(zhang.accounts.on("qqbot"), ["U-ZHANG", "M-ZHANG"], "written to where one can write to him");
    assert_eq!(zhang.accounts.get("qq").map(String::as_str), Some("30011"));

    says(&world, "M-ZHANG", "认领 1").await;
    assert!(world.seen().iter().any(|(_, _, text)| text.contains("张工")), "{:#?}", world.seen());
    // A code serves once.
    says(&world, "M-OTHER", "绑定 K7Q2").await;
    assert!(world.desk.directory().by_account("qqbot", "M-OTHER").is_none());
}

#[tokio::test]
async fn a_button_does_what_the_command_does() {
    let world = World::new("").await;
    world.qq.grant(true, true);
    world.asks("登记系统打不开了").await;
    world.engineer("认领 1").await;
    world.engineer("解决 1 已重启恢复").await;
    let card = world.qq.shown(super::support::AT_GROUP).into_iter().rfind(|shown| !shown.buttons.is_empty());
    let card = card.expect("a solution comes with buttons");
    let accept = card.buttons.iter().find(|data| data.ends_with("|accept")).expect("it can be accepted");
    let click = world.qq.click(GROUP, "M-WANG", accept).await;
    assert_eq!(world.qq.acknowledged(&click), Some(0), "within the time the client waits");
    world.passes(10).await;
    let tickets = world.store.tickets_after(crate::peers::support::XIAN, 0, 10).await.expect("tickets can be read");
    assert_eq!(tickets[0].state.id(), "closed", "{:#?}", world.seen());
}
