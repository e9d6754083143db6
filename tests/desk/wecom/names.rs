//! Who is meant: whom a notice rings for, whom a name in plain text means, and which account is whose.

use zhishou::store::TicketKey;
use zhishou_fakes::wecom::{By, Shown};

use super::people::{AGENCY, AT_AGENCY, AT_ENGINEERS, ENGINEERS, LI, PEOPLE, THEIR_GROUP, WANG, ZHANG};
use super::support::{Surfaces, World};
use crate::peers::support::XIAN;

/// What a robot said in the engineers' group that rings for this person.
async fn rings(world: &World, whom: &str, words: &str) -> Shown {
    let what = format!("{words} rings for {whom}");
    let holds = |shown: &Shown| {
        matches!(shown.by, By::Robot(_)) && shown.mentions.iter().any(|m| m == whom) && shown.text.contains(words)
    };
    world.wecom.until_shown(AT_ENGINEERS, &what, holds).await
}

async fn engineer_of_first(world: &World) -> Option<String> {
    world.tickets().await[0].engineer.as_ref().map(|engineer| engineer.name.clone())
}

#[tokio::test]
async fn a_new_ticket_rings_for_who_is_on_duty_and_an_assignment_for_who_has_it_now() {
    let world = World::new(Surfaces::SocketAndRobots).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(1).await;
    // The card itself cannot ring: the robot does, right after it.
    world.card(AT_ENGINEERS, "#1").await;
    let bell = rings(&world, ZHANG, "#1").await;
    assert_eq!(bell.mentions, [ZHANG], "nobody else: {bell:?}");
    // Whoever is on duty has never written to the bot: what cannot be said to him alone rings for him here.
    world.forward(3600);
    rings(&world, ZHANG, "没有送达").await;

    world.wecom.say_in_group(ENGINEERS, ZHANG, "转派 1 @李工", None).await;
    world.settled(2).await;
    assert_eq!(engineer_of_first(&world).await.as_deref(), Some("李工"));
    let bell = rings(&world, LI, "李工").await;
    assert_eq!(bell.mentions, [LI], "{bell:?}");
    for shown in world.wecom.shown(AT_AGENCY) {
        assert!(
            !shown.mentions.iter().any(|m| m == ZHANG || m == LI),
            "the agency's group rings for its own: {shown:?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_two_have_is_asked_back() {
    let people = PEOPLE.replace("name = \"李工\"", "name = \"张工二\"\naliases = [\"张工\"]");
    let world = World::with(Surfaces::SocketAndApp, &format!("{people}{THEIR_GROUP}")).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(1).await;
    world.wecom.say_in_group(ENGINEERS, ZHANG, "转派 1 @张工", None).await;
    world.settled(2).await;
    let asked = world.wecom.shows(AT_ENGINEERS, "不止一位同事").await;
    assert!(asked.text.contains("张工二"), "{asked:?}");
    assert_eq!(engineer_of_first(&world).await, None, "nothing happened yet");
    world.wecom.say_in_group(ENGINEERS, ZHANG, "转派 1 @张工二", None).await;
    world.settled(3).await;
    assert_eq!(engineer_of_first(&world).await.as_deref(), Some("张工二"));
    world.ends(3).await;
}

/// As `zhishou bind-code` leaves it.
async fn has_a_code(world: &World, person: &str, code: &str) {
    let until = world.desk().now().as_millisecond() + 60_000;
    let mut write = world.store.write().await.expect("a transaction");
    write.marks_save(&[(format!("bind|{code}"), until, person.to_owned())]).await.expect("a code");
    write.commit().await.expect("a commit");
}

/// Nobody's account stands in the file.
fn unbound() -> String {
    PEOPLE.replace("accounts = { wecom = \"ZhangGong\" }", "").replace("accounts = { wecom = \"LiGong\" }", "")
}

#[tokio::test]
async fn who_is_bound_under_an_encrypted_id_presses_under_it_and_stays_bound_after_an_import() {
    let people = format!("{}{THEIR_GROUP}", unbound());
    let world = World::with(Surfaces::Socket, &people).await;
    world.wecom.bot_sees_open_userids(true);
    has_a_code(&world, "zhang", "K7Q2").await;
    world.wecom.say_single(ZHANG, "绑定 K7Q2", None).await;
    world.settled(1).await;
    let open = world.wecom.open_userid(ZHANG);
    let bound = |world: &World| world.desk().directory().by_account("wecom", &open).map(|person| person.id.clone());
    assert_eq!(bound(&world).as_deref(), Some("zhang"));
    // The file knows no account of his, as before: it takes none away.
    world.imports(&people).await;
    assert_eq!(bound(&world).as_deref(), Some("zhang"));

    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(2).await;
    let (card, _) = world.card(AT_ENGINEERS, "#1").await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.settled(3).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;

    // A file that names another account, or says that there is none, is believed.
    world.imports(&people.replace("id = \"zhang\"", "id = \"zhang\"\naccounts = { wecom = \"\" }")).await;
    assert_eq!(bound(&world), None);
    world.ends(3).await;
}

#[tokio::test]
async fn with_an_application_both_forms_of_a_userid_are_one_account() {
    // Bound where the application hears the plain form, pressed where the bot hears the encrypted one.
    let people = format!("{}{THEIR_GROUP}", unbound());
    let world = World::with(Surfaces::SocketAndApp, &people).await;
    world.wecom.bot_sees_open_userids(true);
    has_a_code(&world, "zhang", "K7Q2").await;
    world.wecom.say_to_app(ZHANG, "绑定 K7Q2").await;
    world.settled(1).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(2).await;
    let (card, _) = world.card(AT_ENGINEERS, "#1").await;
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.settled(3).await;
    world.card_shows(AT_ENGINEERS, &card, "张工 已点「认领」").await;
    assert_eq!(engineer_of_first(&world).await.as_deref(), Some("张工"));
    world.ends(3).await;

    // And the other way round.
    let world = World::with(Surfaces::SocketAndApp, &unbound()).await;
    world.wecom.bot_sees_open_userids(true);
    has_a_code(&world, "zhang", "K7Q2").await;
    world.wecom.say_single(ZHANG, "绑定 K7Q2", None).await;
    world.settled(1).await;
    world.wecom.say_in_group(AGENCY, WANG, "登记系统打不开了", None).await;
    world.settled(2).await;
    let (card, shown) = world.card("user:ZhangGong", "#1").await;
    assert!(matches!(shown.by, By::App(_)), "{shown:?}");
    world.wecom.press(&card, "claim", ZHANG).await.expect("the card has this button");
    world.settled(3).await;
    assert_eq!(engineer_of_first(&world).await.as_deref(), Some("张工"));
    let key = TicketKey { contract: XIAN.to_owned(), number: 1 };
    let events = world.store.events_of(&key).await.expect("the record can be read");
    assert_eq!(events.iter().filter(|event| event.body.contains("\"kind\":\"claimed\"")).count(), 1);
    world.ends(3).await;
}
