//! Who presses, how often, and when.

use super::people::{AGENCY, AT_AGENCY, AT_ENGINEERS, ENGINEERS, LI, SUN, WANG, ZHANG};
use super::support::{Surfaces, World};
use zhishou_fakes::wecom::Fault;

/// How often something was recorded of ticket 1.
async fn recorded(world: &World, kind: &str) -> usize {
    let key = zhishou::store::TicketKey { contract: crate::peers::support::XIAN.to_owned(), number: 1 };
    let events = world.store.events_of(&key).await.expect("the record can be read");
    events.iter().filter(|event| event.body.contains(&format!("\"kind\":\"{kind}\""))).count()
}

async fn reported(surfaces: Surfaces) -> (World, String) {
    let world = World::new(surfaces).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(1).await;
    let (card, _) = world.card(AT_ENGINEERS, "#1").await;
    (world, card)
}

#[tokio::test]
async fn pressed_twice_takes_effect_once_and_the_slower_one_sees_who_was_first() {
    let (world, card) = reported(Surfaces::Socket).await;
    let first = world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    // The platform gives it again, and the engineer presses again what he still sees.
    world.wecom.repeat(&first.id).await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card had this button");
    world.taken(3).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    world.wecom.press(&card, "claim", LI).await.expect("the card had this button");
    world.settled(4).await;
    world.wecom.shows(AT_ENGINEERS, "已由张工认领").await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    assert_eq!(recorded(&world, "claimed").await, 1);
    let ticket = &world.tickets().await[0];
    assert_eq!(ticket.engineer.as_ref().map(|engineer| engineer.name.as_str()), Some("张工"));
    world.ends(4).await;
}

#[tokio::test]
async fn who_may_not_press_is_told_so_and_the_card_stays() {
    let (world, card) = reported(Surfaces::Socket).await;
    let before = world.card_now(&card);
    world.wecom.press(&card, "claim", SUN).await.expect("the card has this button");
    world.settled(2).await;
    world.wecom.shows(AT_ENGINEERS, "由运维工程师操作").await;
    assert_eq!(world.card_now(&card), before);
    // And it still serves those who may.
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.taken(3).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    world.ends(3).await;
}

#[tokio::test]
async fn a_quote_of_a_card_finds_its_ticket_among_several() {
    let (world, _) = reported(Surfaces::Socket).await;
    world.wecom.say_in_group(AGENCY, "LiuLaoShi", "自助查询机也连不上了", None).await;
    world.settled(2).await;
    let (_, second) = world.card(AT_ENGINEERS, "#2").await;
    world.wecom.say_in_group(ENGINEERS, LI, "认领", Some(&second.words())).await;
    world.settled(3).await;
    let tickets = world.tickets().await;
    assert_eq!(tickets[1].engineer.as_ref().map(|engineer| engineer.name.as_str()), Some("李工"));
    assert_eq!(tickets[0].engineer, None);
    world.wecom.shows(AT_AGENCY, "已由李工受理").await;
    world.ends(3).await;
}

#[tokio::test]
async fn a_card_whose_receipt_was_lost_can_be_pressed_all_the_same() {
    let world = World::new(Surfaces::Socket).await;
    // The report is answered under its own id; the card is pushed.
    world.wecom.misbehave("aibot_send_msg", &[Fault::TakeAndCut]);
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    let (card, _) = world.card(AT_ENGINEERS, "#1").await;
    world.wecom.has_subscribed(2).await;
    world.taken(1).await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.settled(2).await;
    assert_eq!(recorded(&world, "claimed").await, 1, "{:?}", crate::peers::support::dispositions(&world.store).await);
    world.ends(2).await;
}
