//! The same stories while the platform, the line or the desk itself gets into trouble.

use super::people::{AGENCY, AT_AGENCY, AT_ENGINEERS, WANG, ZHANG};
use super::support::{Surfaces, World};
use super::tickets::{Step, over_the_line, with_the_application};
use crate::peers::support::within;
use zhishou::desk::faq_rows;
use zhishou_fakes::wecom::Fault;
use zhishou_intents::FaqEntry;

#[tokio::test]
async fn tokens_that_expire_before_every_step_are_fetched_again() {
    let mut world = World::new(Surfaces::App).await;
    let mut expired = false;
    with_the_application(&mut world, async |world: &mut World, _| {
        expired = !expired;
        if expired { world.wecom.expire_tokens() } else { world.wecom.withdraw_tokens() }
    })
    .await;
    assert!(world.wecom.count("gettoken") >= 6, "one for each step");
    world.ends(6).await;
}

#[tokio::test]
async fn a_limit_of_the_application_delays_and_loses_nothing() {
    let mut world = World::new(Surfaces::App).await;
    with_the_application(&mut world, async |world: &mut World, step| {
        if matches!(step, Step::Report | Step::Progress | Step::Confirm) {
            world.wecom.refuse_next("message/send", 45009, 2);
        }
    })
    .await;
    world.ends(6).await;
}

#[tokio::test]
async fn a_limit_of_the_line_delays_and_loses_nothing() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| match step {
        Step::Report => {
            world.wecom.refuse_next("aibot_respond_msg", 45009, 1);
            world.wecom.refuse_next("aibot_send_msg", 45009, 2);
        }
        Step::Claimed | Step::Solve => world.wecom.refuse_next("aibot_send_msg", 45009, 2),
        _ => {}
    })
    .await;
    world.ends(6).await;
}

#[tokio::test]
async fn a_lost_subscription_is_made_again_and_nothing_is_lost() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| match step {
        Step::Report => {
            world.wecom.refuse_next("aibot_respond_msg", 846_609, 1);
        }
        // The news of the press are pushed over a line that has lost its subscription.
        Step::Claimed => world.wecom.lose_subscription(),
        Step::Claim | Step::Progress | Step::Solve | Step::Confirm | Step::Rate => {
            let subscriptions = world.wecom.subscriptions();
            world.wecom.has_subscribed(subscriptions).await;
        }
    })
    .await;
    assert!(world.wecom.subscriptions() >= 2);
    world.ends(6).await;
}

#[tokio::test]
async fn a_line_cut_before_the_receipt_of_a_reply_loses_nothing_and_marks_what_may_stand_twice() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| match step {
        Step::Report => world.wecom.misbehave("aibot_respond_msg", &[Fault::TakeAndCut]),
        Step::Claimed => world.wecom.misbehave("aibot_send_msg", &[Fault::Cut]),
        _ => world.wecom.has_subscribed(world.wecom.subscriptions()).await,
    })
    .await;
    let told: Vec<String> = world
        .wecom
        .shown(AT_AGENCY)
        .into_iter()
        .map(|shown| shown.text)
        .filter(|text| text.contains("已受理"))
        .collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(!told[0].contains("可能重复") && told[1].contains("（网络不稳，此条可能重复）"), "{told:#?}");
    world.ends(6).await;
}

#[tokio::test]
async fn a_line_dropped_between_all_steps_is_made_again() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| {
        if step != Step::Claimed {
            let subscriptions = world.wecom.subscriptions();
            world.wecom.drop_socket();
            world.wecom.has_subscribed(subscriptions + 1).await;
        }
    })
    .await;
    world.ends(6).await;
}

#[tokio::test]
async fn what_is_given_twice_has_the_effect_of_one() {
    let world = World::new(Surfaces::Socket).await;
    let report = world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.wecom.repeat(&report.id).await;
    world.settled(1).await;
    world.wecom.repeat(&report.id).await;
    let (card, _) = world.card(AT_ENGINEERS, "#1").await;
    let press = world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.wecom.repeat(&press.id).await;
    world.taken(2).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    world.quiet().await;
    assert_eq!(world.tickets().await.len(), 1);
    world.ends(2).await;

    let world = World::new(Surfaces::Callback).await;
    let report = world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    assert_eq!(world.wecom.repeat(&report.id).await.statuses, [200], "signed anew: taken, as it was before");
    assert_eq!(world.wecom.replay(&report.id).await.statuses, [403], "byte for byte: a replay");
    world.settled(1).await;
    assert_eq!(world.tickets().await.len(), 1);
    world.ends(1).await;

    let world = World::new(Surfaces::App).await;
    let report = world.wecom.say_to_app(WANG, "登记系统打不开了").await;
    assert_eq!(world.wecom.repeat(&report.id).await.statuses, [200]);
    world.settled(1).await;
    assert_eq!(world.tickets().await.len(), 1);
    world.ends(1).await;
}

#[tokio::test]
async fn a_desk_that_restarts_between_card_and_press_knows_the_card() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| {
        if matches!(step, Step::Claim | Step::Confirm | Step::Rate) {
            world.restarts().await;
        }
    })
    .await;
    world.ends(6).await;

    let mut world = World::new(Surfaces::App).await;
    with_the_application(&mut world, async |world: &mut World, step| {
        if matches!(step, Step::Claim | Step::Confirm | Step::Rate) {
            world.restarts().await;
        }
    })
    .await;
    world.ends(6).await;
}

#[tokio::test]
async fn a_second_desk_takes_the_line_over_when_the_first_gives_it_up() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| {
        if step == Step::Claim {
            world.start().await;
            world.up.remove(0).ends().await;
            world.wecom.has_subscribed(2).await;
            within("it knows its line", world.up[0].channel.connected()).await;
        }
    })
    .await;
    assert_eq!(world.wecom.subscriptions(), 2, "one line at a time, none fought over");
    world.ends(6).await;
}

#[tokio::test]
async fn a_second_desk_takes_the_line_over_when_the_lease_of_a_dead_one_has_run_out() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| {
        if step == Step::Claim {
            world.up.remove(0).dies(&world.wecom).await;
            world.wecom.has_no_connection().await;
            world.start().await;
            assert_eq!(world.wecom.subscriptions(), 1, "not while the lease runs");
            world.forward(61);
            world.wecom.has_subscribed(2).await;
            within("it knows its line", world.up[0].channel.connected()).await;
        }
    })
    .await;
    world.ends(6).await;
}

#[tokio::test]
async fn two_desks_on_one_database_share_the_work_while_one_of_them_has_the_line() {
    let mut world = World::new(Surfaces::Socket).await;
    world.start().await;
    within("it finds the lease held", async {
        while !world.up[1].channel.line_status().expect("there is a line").standby {
            tokio::task::yield_now().await;
        }
    })
    .await;
    over_the_line(&mut world, async |_: &mut World, _| {}).await;
    assert_eq!(world.wecom.subscriptions(), 1, "one line, and nobody fights for it");
    let said = world.store.said_of(&format!("{}#1", crate::peers::support::XIAN)).await.expect("messages can be read");
    let handed_back: Vec<_> = said.iter().filter(|row| row.attempts > 1).collect();
    assert!(handed_back.is_empty(), "whoever stands by leaves them alone: {handed_back:#?}");
    world.ends(6).await;
}

#[tokio::test]
async fn a_strangers_connection_that_takes_the_bot_over_is_not_fought_with_and_nothing_is_lost() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |world: &mut World, step| {
        if step == Step::Claimed {
            world.wecom.kick();
            world.wecom.has_no_connection().await;
        }
    })
    .await;
    assert_eq!(world.wecom.subscriptions(), 2);
    world.ends(6).await;
}

#[tokio::test]
async fn a_line_cut_within_an_answer_of_several_frames_loses_no_frame_and_leaves_no_stream_open() {
    // About 26,000 bytes: a stream, which is finished at once, and a message after it.
    let answer: Vec<String> = (1..=600).map(|n| format!("第 {n} 步：在登记系统里打开相应的菜单")).collect();
    let entry = FaqEntry {
        id: "long".to_owned(),
        question: "不动产登记系统如何导出月度报表".to_owned(),
        similar: Vec::new(),
        answer: answer.join("\n"),
        contract: None,
        system: None,
        role: None,
    };
    for fault in [Fault::Cut, Fault::TakeAndCut] {
        let world = World::new(Surfaces::Socket).await;
        world.desk().import(faq_rows(std::slice::from_ref(&entry))).await.expect("answers can be brought in");
        world.wecom.misbehave("aibot_send_msg", &[fault]);
        world.wecom.say_in_group(AGENCY, WANG, "不动产登记系统如何导出月度报表？", None).await;
        world.taken(1).await;
        world.passes().await;
        let shown = world.wecom.shown(AT_AGENCY);
        let kinds: Vec<&str> = shown.iter().map(|shown| shown.kind.as_str()).collect();
        assert_eq!(kinds[0], "stream", "{kinds:?}");
        // What was taken before the cut may stand twice, and says so the second time.
        let expected = if fault == Fault::Cut { 2 } else { 3 };
        assert_eq!(kinds.len(), expected, "{fault:?}: {kinds:?}");
        assert!(shown[expected - 1].text.contains("（网络不稳，此条可能重复）"), "{fault:?}");
        let all = format!("{}\n{}", shown[0].text, shown[expected - 1].text);
        for line in &answer {
            assert_eq!(
                all.matches(&format!("{line}\n")).count() + all.matches(&format!("{line}（")).count(),
                1,
                "{line}"
            );
        }
        assert_eq!(world.wecom.subscriptions(), 2);
        world.ends(1).await;
    }
}

#[tokio::test]
async fn everything_the_line_gives_twice_has_the_effect_of_one() {
    let mut world = World::new(Surfaces::Socket).await;
    world.wecom.give_twice(true);
    over_the_line(&mut world, async |_: &mut World, _| {}).await;
    world.ends(6).await;

    for anew in [true, false] {
        let mut world = World::new(Surfaces::App).await;
        world.wecom.sign_repeats_anew(anew);
        world.wecom.give_twice(true);
        with_the_application(&mut world, async |_: &mut World, _| {}).await;
        world.ends(6).await;
    }
}

#[tokio::test]
async fn tokens_that_expire_beside_the_line_cost_no_name_and_no_notice() {
    let mut world = World::new(Surfaces::SocketAndApp).await;
    let mut expired = false;
    over_the_line(&mut world, async |world: &mut World, _| {
        expired = !expired;
        if expired { world.wecom.expire_tokens() } else { world.wecom.withdraw_tokens() }
    })
    .await;
    assert!(world.wecom.shows(AT_AGENCY, "已受理").await.text.contains("王科长"), "the application knows the name");
    world.ends(6).await;
}

#[tokio::test]
async fn two_applications_instances_that_are_posted_to_in_turn_are_one() {
    let mut world = World::new(Surfaces::App).await;
    world.start().await;
    let mut turn = 0;
    with_the_application(&mut world, async |world: &mut World, _| {
        turn += 1;
        world.posts_to(turn % 2);
    })
    .await;
    world.ends(6).await;
}
