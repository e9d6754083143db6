//! Pictures: encrypted behind an address for the bot, by an id for the application; both end in the ticket, bytes and all.

use zhishou_fakes::wecom::Sent;

use super::people::{AGENCY, WANG};
use super::support::{Surfaces, World};

const SCREEN: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR what the clerk saw on the screen";

/// The first ticket has this picture, and its bytes are kept as they were.
async fn has_the_picture(world: &World) {
    let tickets = world.tickets().await;
    assert_eq!(tickets[0].attachments, ["报错截图.png"], "as the platform names it");
    let mut found = Vec::new();
    let mut folders = vec![world.attachments()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                found.push(std::fs::read(entry).expect("a file"));
            }
        }
    }
    assert_eq!(found, [SCREEN]);
}

#[tokio::test]
async fn a_picture_shown_to_the_bot_with_a_key_of_its_own_ends_in_the_ticket() {
    let world = World::new(Surfaces::Socket).await;
    let image = Sent { kind: "image", name: "报错截图.png", bytes: SCREEN };
    world.wecom.say_with_images(AGENCY, WANG, "登记系统打不开了", &[image]).await;
    world.settled(1).await;
    has_the_picture(&world).await;
    world.ends(1).await;
}

#[tokio::test]
async fn a_picture_posted_by_the_bots_callback_ends_in_the_ticket() {
    let world = World::new(Surfaces::Callback).await;
    let image = Sent { kind: "image", name: "报错截图.png", bytes: SCREEN };
    world.wecom.say_with_images(AGENCY, WANG, "登记系统打不开了", &[image]).await;
    world.settled(1).await;
    has_the_picture(&world).await;
    world.ends(1).await;
}

#[tokio::test]
async fn a_picture_sent_to_the_application_joins_the_ticket_it_belongs_to() {
    let world = World::new(Surfaces::App).await;
    world.wecom.say_to_app(WANG, "登记系统打不开了").await;
    world.settled(1).await;
    let given = world.wecom.send_image_to_app(WANG, "报错截图.png", SCREEN).await;
    assert_eq!(given.statuses, [200]);
    world.settled(2).await;
    has_the_picture(&world).await;
    world.ends(2).await;
}
