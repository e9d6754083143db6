//! The database is away for a while: locked by somebody else. Nothing that was acknowledged is lost, nothing else stops.

use std::time::Duration;

use zhishou::store::Store;
use zhishou_adapters::InboxError;
use zhishou_fakes::onebot::Dialect;

use super::conversation::{AGENCY, ENGINEERS, WANG, Wire, World, qq};
use super::support::{self, Tape, inbound, quiet, within};

#[tokio::test]
async fn a_message_that_meets_a_locked_database_waits_and_is_stored_when_it_is_free() {
    let mut world = World::new(Wire::Reverse, qq(Dialect::NapCat)).await;
    let stranger = Store::open(&world.url).await.expect("the same file");
    // `BEGIN IMMEDIATE` on a connection of its own: the file is locked for every other writer.
    let lock = stranger.write().await.expect("the lock");
    world.qq.say(AGENCY, WANG, "登记系统打不开了").await;
    world.qq.say(AGENCY, WANG, "报错代码 502").await;
    let silence = world.qq.next_sent_within(Duration::from_millis(300)).await;
    assert!(silence.is_none(), "nothing is said about what is not stored: {silence:?}");
    drop(lock);
    stranger.close().await;
    let told = world.hears(&format!("group:{AGENCY}")).await;
    assert!(told.text.contains("#1"), "{told:?}");
    world.hears(&format!("group:{ENGINEERS}")).await;
    world.taken(2).await;
    world.ends(2).await;
}

#[tokio::test]
async fn a_database_that_stays_locked_is_said_so_to_the_channel_and_works_again_afterwards() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
    let store = Store::open(&url).await.expect("a database file");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    desk.receive(inbound("group:20001", "40001", "m1", "登记系统打不开了")).await.expect("it is stored");
    let stranger = Store::open(&url).await.expect("the same file");
    let lock = stranger.write().await.expect("the lock");
    // Longer than SQLite itself waits for the lock.
    let refused = within("an answer", desk.receive(inbound("group:20001", "40001", "m2", "报错代码 502"))).await;
    assert!(matches!(refused, Err(InboxError::Unavailable(_))), "not acknowledged: {refused:?}");
    let turn = within("an answer", Box::pin(desk.tick())).await;
    assert!(turn.is_err(), "the clockwork says that it could not run, and gives nothing up");
    drop(lock);
    stranger.close().await;
    desk.receive(inbound("group:20001", "40001", "m2", "报错代码 502")).await.expect("delivered again, stored");
    quiet(&desk).await;
    let dispositions = support::dispositions(&store).await;
    assert!(dispositions.iter().all(|(_, what, _)| what != "refused"), "{dispositions:?}");
    assert_eq!(tape.texts().len(), 2, "{:#?}", tape.texts());
    support::sound(&store, 2).await;
}
