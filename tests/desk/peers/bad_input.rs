//! What should not come in and does. Each has a clear end, nothing is lost, nothing else stops.

use zhishou::desk::{Desk, Parts, Wording};
use zhishou_adapters::Attachment;
use zhishou_fakes::onebot::Dialect;

use super::conversation::{AGENCY, ENGINEERS, WANG, Wire, World, ZHANG, qq};
use super::support::{self, Tape, XIAN, YULIN, forward, inbound, morning, quiet};

const TEN_MB: usize = 10 << 20;

/// The group still gets what it asks for, and the ticket has this number.
async fn still_serves(world: &mut World, number: u32) {
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    let told = world.hears(&format!("group:{AGENCY}")).await;
    assert!(told.text.contains(&format!("#{number}")), "{told:?}");
    world.hears(&format!("group:{ENGINEERS}")).await;
}

#[tokio::test]
async fn ten_megabytes_are_refused_with_a_reason_told_once_and_not_stored() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let tape = Tape::new();
    let desk = support::open(&store, &support::clock(), vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    for id in ["m1", "m2"] {
        let long = inbound("group:20001", "40001", id, &"啊".repeat(TEN_MB / 3));
        desk.receive(long).await.expect("it is accounted for");
        quiet(&desk).await;
    }
    let told = tape.texts();
    assert!(matches!(told.as_slice(), [only] if only.contains("太长")), "{told:?}");
    let kept = store.inbox_account("", 10).await.expect("the inbox can be read");
    assert_eq!(kept.len(), 2);
    for message in &kept {
        assert_eq!(message.disposition, "refused", "{}", message.why);
        assert!(message.why.contains("过长"), "{}", message.why);
        assert!(message.row.body.len() < 100_000, "nothing huge is stored: {}", message.row.body.len());
    }
    desk.receive(inbound("group:20001", "40001", "m3", "登记系统打不开了")).await.expect("it is stored");
    quiet(&desk).await;
    assert_eq!(support::dispositions(&store).await.last().map(|(_, what, _)| what.as_str()), Some("opened"));
    support::sound(&store, 3).await;
}

#[tokio::test]
async fn ten_megabytes_on_the_wire_end_that_connection_and_the_next_one_serves() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.push_raw(&format!("{{\"post_type\":\"message\",\"raw_message\":\"{}\"}}", "a".repeat(TEN_MB))).await;
    world.qq.was_closed_with(1009).await;
    world.qq.has_connections(0).await;
    world.dial().await;
    still_serves(&mut world, 1).await;
    world.ends(1).await;
}

#[tokio::test]
async fn a_posted_event_of_ten_megabytes_is_answered_and_the_next_one_served() {
    let mut world = World::new(Wire::Http, qq(Dialect::LlOneBot).secret("s3cret")).await;
    world.qq.say(AGENCY, WANG, &"a".repeat(TEN_MB)).await;
    let status = world.qq.posted()[0];
    assert!(status >= 400, "it was not stored, so it was not acknowledged: {status}");
    still_serves(&mut world, 1).await;
    assert_eq!(world.qq.posted()[1], 204);
    world.ends(1).await;
}

#[tokio::test]
async fn nul_and_control_characters_reach_neither_ticket_nor_group() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    world.qq.say(AGENCY, WANG, "登记系统\u{0}打不\u{1b}[31m开了\u{7}\u{8}\u{9b}").await;
    let told = world.hears(&format!("group:{AGENCY}")).await;
    let card = world.hears(&format!("group:{ENGINEERS}")).await;
    for sent in [&told, &card] {
        assert!(sent.text.contains("打不"), "{sent:?}");
        assert!(!sent.text.contains(|c: char| c.is_control() && c != '\n'), "{sent:?}");
    }
    world.ends(1).await;
}

#[tokio::test]
async fn control_characters_in_every_other_field_do_no_harm_either() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let tape = Tape::new();
    let desk = support::open(&store, &support::clock(), vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    let mut message = inbound("group:20001", "40001", "m1", "登记系统打不开了");
    message.sender_name = "王\u{0}科\n长".to_owned();
    message.mentions = vec!["\u{0}".to_owned()];
    message.quotes = Some("\u{0}".to_owned());
    message.attachments = vec![Attachment {
        name: "截\u{0}图\u{1b}.png".to_owned(),
        kind: "image".to_owned(),
        url: String::new(),
        size_bytes: None,
        stored: None,
        problem: None,
    }];
    desk.receive(message).await.expect("it is stored");
    quiet(&desk).await;
    support::sound(&store, 1).await;
    for text in tape.texts() {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[tokio::test]
async fn malformed_frames_are_dropped_and_the_connection_stays() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    for frame in [
        "",
        "{",
        "null",
        "[]",
        "42",
        "\"text\"",
        "{\"post_type\":\"message\"}",
        "{\"post_type\":7,\"time\":\"never\"}",
        "{\"post_type\":\"message\",\"message_type\":\"group\",\"group_id\":{},\"user_id\":[],\"message_id\":null,\"message\":{}}",
        "{\"post_type\":\"notice\",\"notice_type\":\"group_recall\"}",
        "{\"post_type\":\"meta_event\",\"meta_event_type\":\"heartbeat\",\"status\":[]}",
        "{\"status\":\"ok\",\"retcode\":0,\"data\":null,\"echo\":\"nobody asked\"}",
    ] {
        world.qq.push_raw(frame).await;
    }
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    world.qq.push_raw(&deep).await;
    still_serves(&mut world, 1).await;
    assert_eq!(world.qq.connections(), 1);
    world.ends(1).await;
}

#[tokio::test]
async fn a_ticket_of_another_agency_is_neither_shown_nor_touched() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open_with(&store, &clock, vec![tape.clone()], 1, &[XIAN, YULIN]).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了，密级材料")).await.expect("it is stored");
    quiet(&desk).await;
    let before = support::account_of(&store, XIAN).await;
    let heard = tape.texts().len();
    for (n, (conversation, sender, command)) in [
        ("group:20002", "40003", "查询 1"),
        ("group:20002", "40003", "催办 1"),
        ("group:20002", "40003", "撤回 1"),
        ("group:20002", "40003", "评价 1 1 太慢"),
        ("group:20002", "40003", "确认 1"),
        ("group:20003", "40004", "查询 1"),
        ("group:20003", "40004", "查询 XA-1"),
        ("group:20003", "40004", "催办 XA-1"),
        ("user:40003", "40003", "查询 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut message = inbound(conversation, sender, &format!("n{n}"), command);
        message.addressed = true;
        desk.receive(message).await.expect("it is stored");
        quiet(&desk).await;
        assert_eq!(support::account_of(&store, XIAN).await, before, "{command} in {conversation} touched the ticket");
    }
    for text in tape.texts().split_off(heard) {
        assert!(
            !text.contains("密级") && !text.contains("登记系统") && !text.contains("王科长"),
            "told to others: {text}"
        );
    }
    for (id, disposition, ticket) in support::dispositions(&store).await {
        assert!(id == "m1" || ticket.is_empty(), "{id} {disposition} was counted to {ticket}");
    }
    support::sound(&store, 10).await;
}

#[tokio::test]
async fn a_stranger_who_gives_orders_is_refused_politely_and_once() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    still_serves(&mut world, 1).await;
    world.taken(1).await;
    world.qq.say(AGENCY, "40777", "认领 1").await;
    let refusal = world.hears(&format!("group:{AGENCY}")).await;
    world.taken(2).await;
    world.qq.say(AGENCY, "40777", "认领 1").await;
    world.taken(3).await;
    let tickets = world.store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read");
    assert_eq!(tickets[0].state.id(), "open", "{}", refusal.text);
    let refused = support::dispositions(&world.store).await.iter().filter(|(_, what, _)| what == "refused").count();
    assert_eq!(refused, 2);
    world.ends(3).await;
}

#[tokio::test]
async fn of_two_engineers_who_claim_at_the_same_instant_one_has_it_and_the_other_is_told() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    quiet(&desk).await;
    let (one, two) = tokio::join!(
        desk.receive(inbound("group:20009", ZHANG, "m2", "认领 1")),
        desk.receive(inbound("group:20009", "30012", "m3", "我来")),
    );
    one.and(two).expect("both are stored");
    desk.receive(inbound("group:20009", "30012", "m4", "认领 1")).await.expect("it is stored");
    quiet(&desk).await;
    forward(&clock, 3);
    quiet(&desk).await;
    let ticket = &store.tickets_after(XIAN, 0, 10).await.expect("tickets can be read")[0];
    assert_eq!(ticket.engineer.as_ref().map(|e| e.id.as_str()), Some("zhang"), "a second claim never steals");
    let told = tape.texts_in("qq:group:20009");
    assert!(told.iter().any(|text| text.contains("张工") && text.contains("已")), "{told:#?}");
    assert_eq!(tape.texts_in("qq:group:20001").iter().filter(|text| text.contains("受理，正在处理")).count(), 1);
    support::sound(&store, 4).await;
}

#[tokio::test]
async fn a_clock_that_steps_back_loses_nothing_and_rings_nothing_twice() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    quiet(&desk).await;
    // Up to the first warning, which rings.
    let next = desk.tick().await.expect("the clockwork runs").next.expect("a warning is due some time");
    clock.set(next);
    quiet(&desk).await;
    let heard = tape.texts();
    // The clock is put right: two hours back, before everything. Then it runs up to the same instant again.
    clock.set(morning() - jiff::SignedDuration::from_hours(2));
    quiet(&desk).await;
    desk.receive(inbound("group:20009", ZHANG, "m2", "认领 1")).await.expect("it is stored");
    quiet(&desk).await;
    forward(&clock, 3);
    quiet(&desk).await;
    let claimed = tape.texts_in("qq:group:20001");
    assert!(claimed.last().is_some_and(|text| text.contains("已由张工受理")), "{claimed:#?}");
    clock.set(next);
    quiet(&desk).await;
    let warnings = tape.texts().iter().filter(|text| text.contains("时限提醒")).count();
    assert_eq!(warnings, heard.iter().filter(|text| text.contains("时限提醒")).count(), "{:#?}", tape.texts());
    support::sound(&store, 2).await;
}

#[tokio::test]
async fn messages_keep_their_order_when_the_clock_steps_back_between_them() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    forward(&clock, -3600);
    desk.receive(inbound("group:20009", ZHANG, "m2", "认领 1")).await.expect("it is stored");
    quiet(&desk).await;
    forward(&clock, 3605);
    quiet(&desk).await;
    let order: Vec<bool> = tape.texts_in("qq:group:20001").iter().map(|text| text.contains("已受理，工单")).collect();
    assert_eq!(order, [true, false], "first the ticket, then who has it: {:#?}", tape.texts());
    support::sound(&store, 2).await;
}

#[tokio::test]
async fn who_is_nobody_yet_can_bind_himself_in_a_private_chat_that_belongs_to_no_contract() {
    let store = zhishou::store::Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = Desk::open(Parts {
        store: store.clone(),
        clock: clock.clone(),
        seed: 1,
        contracts: vec![support::terms(XIAN), support::terms(YULIN)],
        default_contract: None,
        wording: Wording::new(None).expect("the shipped words"),
        channels: vec![tape.clone()],
        attachments: None,
    })
    .await
    .expect("a desk opens on its database");
    support::furnish(&desk).await;
    let until = desk.now().as_millisecond() + 60_000;
    let mut write = store.write().await.expect("a transaction");
    write.marks_save(&[("bind|K7Q2".to_owned(), until, "zhang".to_owned())]).await.expect("a code");
    write.commit().await.expect("a commit");
    let mut stranger = inbound("user:77001", "77001", "m1", "绑定 K7Q2");
    stranger.addressed = true;
    desk.receive(stranger.clone()).await.expect("it is stored");
    quiet(&desk).await;
    assert!(tape.texts_in("qq:user:77001")[0].contains("账号已绑定"), "{:#?}", tape.texts());
    assert!(desk.directory().by_account("qq", "77001").is_some_and(|person| person.id == "zhang"));
    // A code serves once, and others get the refusal that everybody gets here.
    stranger.external_id = "m2".to_owned();
    stranger.conversation = "user:77002".to_owned();
    stranger.sender = "77002".to_owned();
    desk.receive(stranger).await.expect("it is stored");
    quiet(&desk).await;
    assert!(desk.directory().by_account("qq", "77002").is_none());
}
