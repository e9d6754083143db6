//! A ticket's life where the platform posts to us: in groups with robots as the way out, in single chats with cards, with
//! the application beside the bot; and each of them while something goes wrong.

use super::people::{AGENCY, AT_AGENCY, AT_ENGINEERS, ENGINEERS, PEOPLE, WANG, ZHANG};
use super::support::{Surfaces, World};
use super::tickets::{Step, with_the_application};
use zhishou_fakes::wecom::{By, Fault};

const AT_WANG: &str = "user:WangKeZhang";
const AT_ZHANG: &str = "user:ZhangGong";

async fn closed_with_five(world: &World) {
    let tickets = world.tickets().await;
    assert_eq!((tickets.len(), tickets[0].state.id()), (1, "closed"));
    assert_eq!(tickets[0].rating.as_ref().map(|(score, _)| *score), Some(5));
}

/// In groups: they have no buttons in this mode, so what a card offers is typed. 6 messages.
async fn in_groups(world: &mut World, mut before: impl AsyncFnMut(&mut World, Step)) {
    before(world, Step::Report).await;
    let report = world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    assert_eq!(report.statuses.first(), Some(&200));
    world.settled(1).await;
    world.wecom.shows(AT_AGENCY, "已受理").await;
    let told = world.wecom.shows(AT_ENGINEERS, "认领 1").await;

    before(world, Step::Claim).await;
    world.wecom.say_in_group(ENGINEERS, ZHANG, "认领", Some(&told.text)).await;
    world.settled(2).await;
    world.wecom.shows(AT_AGENCY, "已由张工受理").await;

    before(world, Step::Progress).await;
    world.wecom.say_in_group(ENGINEERS, ZHANG, "进展 1 正在重启服务", None).await;
    world.settled(3).await;
    world.wecom.shows(AT_AGENCY, "正在重启服务").await;

    before(world, Step::Solve).await;
    world.wecom.say_in_group(ENGINEERS, ZHANG, "解决 1 已重启恢复", None).await;
    world.settled(4).await;
    world.wecom.shows(AT_AGENCY, "已处理完毕").await;

    before(world, Step::Confirm).await;
    world.wecom.say_in_group(AGENCY, WANG, "可以了，谢谢", None).await;
    world.settled(5).await;
    world.wecom.shows(AT_AGENCY, "打分").await;

    before(world, Step::Rate).await;
    world.wecom.say_in_group(AGENCY, WANG, "5分 很及时", None).await;
    world.settled(6).await;
    world.wecom.shows(AT_AGENCY, "感谢").await;
    closed_with_five(world).await;
}

/// In single chats: cards are sent by the address that some earlier message brought along, and pressed. 12 messages.
async fn in_single_chats(world: &mut World, mut before: impl AsyncFnMut(&mut World, Step)) {
    // Every message brings the right to one answer; these leave theirs to what comes later.
    world.wecom.say_single(ZHANG, "登录密码在哪里修改？", None).await;
    for thanks in ["谢谢", "辛苦了", "好的"] {
        world.wecom.say_single(WANG, thanks, None).await;
    }
    world.settled(4).await;

    before(world, Step::Report).await;
    world.wecom.say_single(WANG, "登记系统打不开了", None).await;
    world.settled(5).await;
    world.wecom.shows(AT_WANG, "已受理").await;
    let (card, _) = world.card(AT_ZHANG, "#1").await;

    before(world, Step::Claim).await;
    let given = world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    assert_eq!(given.statuses, [200]);
    world.card_shows(AT_ZHANG, &card, "张工 已点「认领」").await;
    world.settled(6).await;
    world.wecom.shows(AT_WANG, "已由张工受理").await;

    before(world, Step::Progress).await;
    world.wecom.say_single(ZHANG, "进展 1 正在重启服务", None).await;
    world.settled(7).await;
    world.wecom.shows(AT_WANG, "正在重启服务").await;

    before(world, Step::Solve).await;
    world.wecom.say_single(ZHANG, "解决 1 已重启恢复", None).await;
    world.settled(8).await;
    let (solved, _) = world.card(AT_WANG, "已处理完毕").await;

    before(world, Step::Confirm).await;
    world.wecom.press(&solved, "accept", WANG).await.expect("the card has this button");
    world.card_shows(AT_WANG, &solved, "已点「可以了」").await;
    world.settled(9).await;
    let (survey, _) = world.card(AT_WANG, "打分").await;

    before(world, Step::Rate).await;
    world.wecom.press(&survey, "rate-5", WANG).await.expect("the card has this button");
    world.card_shows(AT_WANG, &survey, "已点「5分」").await;
    world.settled(10).await;
    closed_with_five(world).await;
}

/// Asked in a group, heard by the bot, told there by a robot; the engineer has his card from the application. 6 messages.
async fn with_the_application_beside(world: &mut World, mut before: impl AsyncFnMut(&mut World, Step)) {
    before(world, Step::Report).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(1).await;
    let told = world.wecom.shows(AT_AGENCY, "已受理").await;
    assert_eq!(told.mentions, [WANG], "the robot rings for who asked: {told:?}");
    let (card, shown) = world.card(AT_ZHANG, "#1").await;
    assert!(matches!(shown.by, By::App(_)), "{shown:?}");

    before(world, Step::Claim).await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.settled(2).await;
    world.card_shows(AT_ZHANG, &card, "张工 已点「认领」").await;
    world.wecom.shows(AT_AGENCY, "已由张工受理").await;

    before(world, Step::Progress).await;
    world.wecom.say_to_app(ZHANG, "进展 1 正在重启服务").await;
    world.settled(3).await;
    world.wecom.shows(AT_AGENCY, "正在重启服务").await;

    before(world, Step::Solve).await;
    world.wecom.say_to_app(ZHANG, "解决 1 已重启恢复").await;
    world.settled(4).await;
    world.wecom.shows(AT_AGENCY, "已处理完毕").await;

    before(world, Step::Confirm).await;
    world.wecom.say_in_group(AGENCY, WANG, "可以了，谢谢", None).await;
    world.settled(5).await;
    world.wecom.shows(AT_AGENCY, "打分").await;

    before(world, Step::Rate).await;
    world.wecom.say_in_group(AGENCY, WANG, "5分 很及时", None).await;
    world.settled(6).await;
    world.wecom.shows(AT_AGENCY, "感谢").await;
    closed_with_five(world).await;
}

#[tokio::test]
async fn a_ticket_lives_by_callbacks_in_groups_with_robots_as_the_way_out() {
    let mut world = World::new(Surfaces::Callback).await;
    in_groups(&mut world, async |_: &mut World, _| {}).await;
    world.ends(6).await;
}

#[tokio::test]
async fn a_ticket_lives_by_callbacks_in_single_chats_with_every_card_pressed() {
    let mut world = World::with(Surfaces::Callback, PEOPLE).await;
    in_single_chats(&mut world, async |_: &mut World, _| {}).await;
    world.ends(10).await;
}

#[tokio::test]
async fn a_ticket_lives_by_callbacks_with_the_application_beside_the_bot() {
    let mut world = World::with(Surfaces::CallbackAndApp, PEOPLE).await;
    with_the_application_beside(&mut world, async |_: &mut World, _| {}).await;
    world.ends(6).await;
}

#[tokio::test]
async fn tokens_that_expire_before_every_step_are_fetched_again_beside_the_bot() {
    let mut world = World::with(Surfaces::CallbackAndApp, PEOPLE).await;
    let mut expired = false;
    with_the_application_beside(&mut world, async |world: &mut World, _| {
        expired = !expired;
        if expired { world.wecom.expire_tokens() } else { world.wecom.withdraw_tokens() }
    })
    .await;
    assert!(world.wecom.count("gettoken") >= 3, "whenever the application had to speak");
    world.ends(6).await;
}

#[tokio::test]
async fn a_limit_of_every_way_out_delays_and_loses_nothing() {
    let mut world = World::with(Surfaces::CallbackAndApp, PEOPLE).await;
    with_the_application_beside(&mut world, async |world: &mut World, _| {
        world.wecom.refuse_next("webhook/send", 45009, 1);
        world.wecom.refuse_next("message/send", 45009, 1);
        world.wecom.refuse_next("aibot/response", 45009, 1);
    })
    .await;
    world.wecom.behave();
    world.ends(6).await;
}

#[tokio::test]
async fn what_a_robot_may_not_say_now_is_said_by_the_address_of_the_question() {
    let mut world = World::new(Surfaces::Callback).await;
    in_groups(&mut world, async |world: &mut World, step| {
        if step == Step::Report {
            world.wecom.refuse_next("webhook/send", 45009, 1);
        }
    })
    .await;
    let told = world.wecom.shows(AT_AGENCY, "已受理").await;
    assert_eq!(told.by, By::Bot, "{told:?}");
    world.ends(6).await;
}

#[tokio::test]
async fn an_answer_of_a_robot_that_was_lost_is_marked_where_it_stands_twice() {
    let mut world = World::new(Surfaces::Callback).await;
    in_groups(&mut world, async |world: &mut World, step| {
        if step == Step::Progress {
            world.wecom.misbehave("webhook/send", &[Fault::TakeAndCut]);
        }
    })
    .await;
    let all: Vec<String> = world.wecom.all_shown().into_iter().map(|shown| shown.text).collect();
    let marked = all.iter().filter(|text| text.contains("（网络不稳，此条可能重复）")).count();
    assert_eq!(marked, 1, "{all:#?}");
    world.ends(6).await;
}

#[tokio::test]
async fn an_answer_of_the_application_that_was_lost_leaves_everything_said_once() {
    let mut world = World::new(Surfaces::App).await;
    with_the_application(&mut world, async |world: &mut World, _| {
        world.wecom.misbehave("message/send", &[Fault::TakeAndCut]);
    })
    .await;
    world.wecom.behave();
    let marked = world.wecom.all_shown().into_iter().filter(|shown| shown.words().contains("可能重复")).count();
    assert_eq!(marked, 0, "the platform itself swallows the repeat");
    world.ends(6).await;
}

#[tokio::test]
async fn callbacks_that_all_come_twice_have_the_effect_of_one() {
    for anew in [true, false] {
        let mut world = World::new(Surfaces::Callback).await;
        world.wecom.sign_repeats_anew(anew);
        world.wecom.give_twice(true);
        in_groups(&mut world, async |_: &mut World, _| {}).await;
        world.ends(6).await;

        let mut world = World::with(Surfaces::CallbackAndApp, PEOPLE).await;
        world.wecom.sign_repeats_anew(anew);
        world.wecom.give_twice(true);
        with_the_application_beside(&mut world, async |_: &mut World, _| {}).await;
        world.ends(6).await;
    }
}

#[tokio::test]
async fn a_desk_that_restarts_before_every_step_goes_on_by_callbacks() {
    let mut world = World::new(Surfaces::Callback).await;
    in_groups(&mut world, async |world: &mut World, _| world.restarts().await).await;
    world.ends(6).await;

    let mut world = World::with(Surfaces::Callback, PEOPLE).await;
    in_single_chats(&mut world, async |world: &mut World, _| world.restarts().await).await;
    world.ends(10).await;
}

#[tokio::test]
async fn two_desks_that_are_posted_to_in_turn_are_one() {
    for surfaces in [Surfaces::Callback, Surfaces::CallbackAndApp] {
        let mut world = World::with(surfaces, PEOPLE).await;
        world.start().await;
        let mut turn = 0;
        let next = async |world: &mut World, _| {
            turn += 1;
            world.posts_to(turn % 2);
        };
        if surfaces == Surfaces::Callback {
            in_single_chats(&mut world, next).await;
            world.ends(10).await;
        } else {
            with_the_application_beside(&mut world, next).await;
            world.ends(6).await;
        }
    }
}

#[tokio::test]
async fn a_card_changes_though_another_desk_than_the_one_posted_to_decides_on_the_press() {
    let mut world = World::with(Surfaces::Callback, PEOPLE).await;
    world.start().await;
    let looks = world.looks_around(1);
    in_single_chats(&mut world, async |world: &mut World, step| {
        if step == Step::Claim {
            // The first desk still serves callbacks; what they say is taken up and answered by the second alone.
            world.up[0].stops_working().await;
        }
    })
    .await;
    looks.abort();
    world.ends(10).await;
}

#[tokio::test]
async fn a_second_desk_goes_on_where_the_first_one_died() {
    let mut world = World::new(Surfaces::Callback).await;
    in_groups(&mut world, async |world: &mut World, step| {
        if step == Step::Progress {
            world.up.remove(0).dies(&world.wecom).await;
            world.start().await;
            world.posts_to(0);
        }
    })
    .await;
    world.ends(6).await;
}
