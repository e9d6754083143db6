//! A ticket's life over each surface: reported, claimed, worked on, solved, confirmed, rated; and an emergency that the lead
//! has to acknowledge.

use super::people::{AGENCY, AT_AGENCY, AT_ENGINEERS, CHEN, ENGINEERS, WANG, ZHANG};
use super::support::{Surfaces, World};
use crate::peers::support::within;

/// When something may happen to the platform or to the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Report,
    /// Between the card and the press.
    Claim,
    /// The press is taken, the news of it are not out yet.
    Claimed,
    Progress,
    Solve,
    Confirm,
    Rate,
}

/// The story over the bot's line. `before` is called before each step; messages are acted on by people only while the
/// platform knows a connection, since it keeps nothing for later.
pub async fn over_the_line(world: &mut World, mut before: impl AsyncFnMut(&mut World, Step)) {
    before(world, Step::Report).await;
    let report = world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(1).await;
    let told = world.wecom.shows(AT_AGENCY, "已受理").await;
    assert!(told.text.contains("#1"), "{told:?}");
    let (card, shown) = world.card(AT_ENGINEERS, "#1").await;
    assert!(shown.words().contains("认领"), "{shown:?}");

    before(world, Step::Claim).await;
    within("the press is given", world.wecom.press(&card, "claim", ZHANG)).await.expect("the card has this button");
    world.taken(2).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    before(world, Step::Claimed).await;
    world.quiet().await;
    world.wecom.shows(AT_AGENCY, "已由张工受理").await;

    before(world, Step::Progress).await;
    // The words of the card are all that a quote brings along.
    let quote = shown.words();
    world.wecom.say_in_group(ENGINEERS, ZHANG, "进展 正在重启服务", Some(&quote)).await;
    world.settled(3).await;
    world.wecom.shows(AT_AGENCY, "正在重启服务").await;

    before(world, Step::Solve).await;
    world.wecom.say_in_group(ENGINEERS, ZHANG, "解决 1 已重启恢复", None).await;
    world.settled(4).await;
    let (solved, _) = world.card(AT_AGENCY, "已处理完毕").await;

    before(world, Step::Confirm).await;
    world.wecom.press(&solved, "accept", WANG).await.expect("the card has this button");
    world.taken(5).await;
    world.card_shows(AT_AGENCY, &solved, "已点「可以了」").await;
    world.quiet().await;
    let (survey, _) = world.card(AT_AGENCY, "打分").await;

    before(world, Step::Rate).await;
    world.wecom.press(&survey, "rate-5", WANG).await.expect("the card has this button");
    world.taken(6).await;
    world.card_shows(AT_AGENCY, &survey, "已点「5分」").await;
    world.quiet().await;

    let tickets = world.tickets().await;
    assert_eq!(tickets.len(), 1);
    assert_eq!(tickets[0].state.id(), "closed");
    assert_eq!(tickets[0].rating.as_ref().map(|(score, _)| *score), Some(5));
    assert_eq!(tickets[0].opening.as_deref(), Some(report.id.as_str()));
}

#[tokio::test]
async fn a_ticket_lives_over_the_bots_line() {
    let mut world = World::new(Surfaces::Socket).await;
    over_the_line(&mut world, async |_: &mut World, _| {}).await;
    world.ends(6).await;
}

/// The story with the application alone.
pub async fn with_the_application(world: &mut World, mut before: impl AsyncFnMut(&mut World, Step)) {
    let (at_wang, at_zhang) = ("user:WangKeZhang", "user:ZhangGong");
    before(world, Step::Report).await;
    let report = world.wecom.say_to_app(WANG, "登记系统打不开了").await;
    assert_eq!(report.statuses.first(), Some(&200));
    world.settled(1).await;
    let told = world.wecom.shows(at_wang, "已受理").await;
    assert!(told.text.contains("王科长"), "the application knows names: {told:?}");
    let (card, _) = world.card(at_zhang, "#1").await;

    before(world, Step::Claim).await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.taken(2).await;
    world.quiet().await;
    world.card_shows(at_zhang, &card, "张工 已点「认领」").await;
    world.wecom.shows(at_wang, "已由张工受理").await;

    before(world, Step::Progress).await;
    world.wecom.say_to_app(ZHANG, "进展 1 正在重启服务").await;
    world.settled(3).await;
    world.wecom.shows(at_wang, "正在重启服务").await;

    before(world, Step::Solve).await;
    world.wecom.say_to_app(ZHANG, "解决 1 已重启恢复").await;
    world.settled(4).await;
    let (solved, _) = world.card(at_wang, "已处理完毕").await;

    before(world, Step::Confirm).await;
    world.wecom.press(&solved, "accept", WANG).await.expect("the card has this button");
    world.settled(5).await;
    world.card_shows(at_wang, &solved, "已点「可以了」").await;
    let (survey, _) = world.card(at_wang, "打分").await;

    before(world, Step::Rate).await;
    world.wecom.press(&survey, "rate-5", WANG).await.expect("the card has this button");
    world.settled(6).await;
    world.card_shows(at_wang, &survey, "已点「5分」").await;
    let tickets = world.tickets().await;
    assert_eq!((tickets.len(), tickets[0].state.id()), (1, "closed"));
    assert_eq!(tickets[0].rating.as_ref().map(|(score, _)| *score), Some(5));
}

#[tokio::test]
async fn a_ticket_lives_with_the_application_alone() {
    let mut world = World::new(Surfaces::App).await;
    with_the_application(&mut world, async |_: &mut World, _| {}).await;
    world.ends(6).await;
}

/// The whole hall stands still; the lead has to know and to say so.
async fn an_emergency_reaches_the_lead(surfaces: Surfaces) {
    let world = World::new(surfaces).await;
    let mut messages = 1;
    let text = "全市登记系统都打不开了，群众排长队";
    match surfaces {
        Surfaces::App => world.wecom.say_to_app(WANG, text).await,
        Surfaces::Socket => {
            // Without the application the lead must have written to the bot once.
            world.wecom.say_single(CHEN, "帮助", None).await;
            world.settled(1).await;
            messages += 1;
            world.wecom.say_in_group(AGENCY, WANG, text, None).await
        }
        Surfaces::Callback | Surfaces::SocketAndRobots | Surfaces::SocketAndApp | Surfaces::CallbackAndApp => {
            world.wecom.say_in_group(AGENCY, WANG, text, None).await
        }
    };
    world.settled(messages).await;
    let at_chen = "user:ChenJingLi";
    let (card, _) = world.card(at_chen, "重大紧急事件上报").await;
    world.wecom.press(&card, "confirm", CHEN).await.expect("the card has this button");
    world.taken(messages + 1).await;
    world.card_shows(at_chen, &card, "陈经理 已点「确认」").await;
    // Pressed again by a slow finger: nothing more comes of it.
    let before = world.tickets().await;
    world.forward(1);
    world.wecom.press(&card, "confirm", CHEN).await.expect("the card had this button");
    world.settled(messages + 2).await;
    let tickets = world.tickets().await;
    let report = tickets[0].commitments.iter().find(|c| c.promise.id() == "report").expect("there is this promise");
    assert_eq!(report.outcome.id(), "met");
    assert_eq!(before[0].commitments, tickets[0].commitments);
    let acknowledged = crate::peers::support::account_of(&world.store, crate::peers::support::XIAN).await.to_string();
    assert_eq!(acknowledged.matches("report_acknowledged").count(), 1, "{acknowledged}");
    world.ends(messages + 2).await;
}

#[tokio::test]
async fn an_emergency_reaches_the_lead_over_the_bots_line() {
    an_emergency_reaches_the_lead(Surfaces::Socket).await;
}

#[tokio::test]
async fn an_emergency_reaches_the_lead_by_the_application() {
    an_emergency_reaches_the_lead(Surfaces::App).await;
    an_emergency_reaches_the_lead(Surfaces::SocketAndApp).await;
    an_emergency_reaches_the_lead(Surfaces::CallbackAndApp).await;
}
