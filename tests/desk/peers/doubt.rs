//! The outbox when a channel fails, hangs or cannot be asked: nothing is doubled, nothing holds up what it need not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use zhishou::clock::HandClock;
use zhishou::desk::{Desk, RECHECK_MS};
use zhishou::store::Store;
use zhishou_adapters::{Capabilities, Channel, Outgoing, Receipt, SendError};

use super::support::{self, Tape, XIAN, YULIN, forward, inbound, quiet, within};

const HOUR: i64 = 3600;

async fn desk() -> (Arc<Desk>, Arc<HandClock>, Arc<Tape>) {
    let store = Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open(&store, &clock, vec![tape.clone()], 1).await;
    support::furnish(&desk).await;
    (desk, clock, tape)
}

fn unreachable() -> SendError {
    SendError::Unreachable("the wire is cut".to_owned())
}

async fn says(desk: &Desk, conversation: &str, sender: &str, id: &str, text: &str) {
    desk.receive(inbound(conversation, sender, id, text)).await.expect("it is stored");
}

/// Moves the clock from one thing that is due to the next, as the clockwork and the outbox would be woken.
async fn live_through(desk: &Arc<Desk>, clock: &HandClock, seconds: i64) {
    let end = desk.now() + jiff::SignedDuration::from_secs(seconds);
    loop {
        quiet(desk).await;
        let next =
            [desk.tick().await.expect("the clockwork runs").next, desk.dispatch().await.expect("the outbox runs").next];
        match next.into_iter().flatten().min() {
            Some(next) if next <= end => {
                assert!(next > desk.now(), "the desk wants to be woken at {next}, and it is {} already", desk.now());
                clock.set(next);
            }
            Some(_) | None => break,
        }
    }
    clock.set(end);
    quiet(desk).await;
}

#[tokio::test]
async fn a_message_behind_one_that_is_being_retried_does_not_keep_the_outbox_awake() {
    let (desk, _, tape) = desk().await;
    tape.fail("group:20001", unreachable());
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    says(&desk, "group:20001", "40002", "m2", "电子证照签不了章了，盖章没反应").await;
    quiet(&desk).await;
    let next = desk.dispatch().await.expect("the outbox runs").next.expect("something waits");
    assert!(next > desk.now(), "nothing can be sent before {next}, so nothing is due now ({})", desk.now());
}

#[tokio::test]
async fn while_one_conversation_cannot_be_reached_promises_are_still_kept_on_time() {
    let (desk, clock, tape) = desk().await;
    tape.fail("group:20001", unreachable());
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    says(&desk, "group:20001", "40002", "m2", "电子证照签不了章了，盖章没反应").await;
    live_through(&desk, &clock, 2 * HOUR + 60).await;
    let late: Vec<String> = tape.texts().into_iter().filter(|text| text.contains("晚了")).collect();
    assert!(late.is_empty(), "nothing was late but the group: {late:#?}");
    assert!(!tape.texts_in("qq:user:30011").is_empty(), "the engineer on duty was warned");
    tape.heal();
    live_through(&desk, &clock, 600).await;
    let texts = tape.texts_in("qq:group:20001");
    assert_eq!(texts.len(), 2, "both were told in the end: {texts:#?}");
    assert!(texts[0].contains("登记系统"), "in the order in which they were said: {texts:#?}");
    support::sound(desk.store(), 2).await;
}

#[tokio::test]
async fn a_hanging_conversation_does_not_hide_when_another_is_due() {
    let (desk, clock, _) = desk().await;
    let store = desk.store().clone();
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    desk.tick().await.expect("the clockwork runs");
    // Somebody else's outbox holds the two messages, and does not come back.
    let now = desk.now().as_millisecond();
    let mut write = store.write().await.expect("a transaction");
    let held = write.outbox_claim("hangs", now + 180_000, now, 10, &[]).await.expect("rows can be claimed");
    assert_eq!(held.len(), 2);
    write.commit().await.expect("a commit");
    says(&desk, "group:20002", "40003", "m2", "抵押登记打不开了").await;
    desk.tick().await.expect("the clockwork runs");
    says(&desk, "group:20002", "30011", "m3", "认领 2").await;
    desk.tick().await.expect("the clockwork runs");
    forward(&clock, 1);
    desk.dispatch().await.expect("the outbox runs");
    let next = desk.dispatch().await.expect("the outbox runs").next.expect("a merged message waits");
    assert!(next <= desk.now() + Duration::from_secs(3), "the change is due within 3 s, not at {next}");
}

#[tokio::test]
async fn a_send_in_doubt_is_looked_up_and_not_repeated() {
    let (desk, clock, tape) = desk().await;
    tape.fail("group:20001", SendError::Perhaps);
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    assert_eq!(desk.store().outbox_counts().await.expect("counted"), (1, 0), "kept as perhaps");
    tape.heal();
    forward(&clock, RECHECK_MS / 1000);
    quiet(&desk).await;
    assert_eq!(tape.looked(), 1);
    assert_eq!(tape.texts_in("qq:group:20001").len(), 1, "it was surely not there, so it was said once more");
    support::sound(desk.store(), 1).await;
}

#[tokio::test]
async fn of_the_same_words_said_twice_a_lost_second_one_is_said_again() {
    let (desk, clock, tape) = desk().await;
    let ask = |id: &str| {
        let mut help = inbound("group:20001", "40001", id, "帮助");
        help.addressed = true;
        help
    };
    desk.receive(ask("m1")).await.expect("it is stored");
    quiet(&desk).await;
    tape.fail("group:20001", SendError::Perhaps);
    desk.receive(ask("m2")).await.expect("it is stored");
    quiet(&desk).await;
    tape.heal();
    forward(&clock, RECHECK_MS / 1000);
    quiet(&desk).await;
    let texts = tape.texts_in("qq:group:20001");
    assert_eq!((texts.len(), tape.looked()), (2, 1), "the first does not stand for the second: {texts:#?}");
    assert_eq!(texts[0], texts[1]);
    support::sound(desk.store(), 2).await;
}

#[tokio::test]
async fn where_nobody_can_look_it_is_said_once_more_and_marked_and_then_left_to_a_person() {
    let (desk, clock, tape) = desk().await;
    tape.keeps_no_history();
    tape.fail("group:20001", SendError::Perhaps);
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    tape.heal();
    forward(&clock, RECHECK_MS / 1000);
    quiet(&desk).await;
    let texts = tape.texts_in("qq:group:20001");
    assert!(texts.len() == 1 && texts[0].ends_with("（网络不稳，此条可能重复）"), "{texts:#?}");
    support::sound(desk.store(), 1).await;
    // And where the second try is in doubt as well, nobody is told a third time.
    tape.fail("group:20002", SendError::Perhaps);
    says(&desk, "group:20002", "40003", "m2", "抵押登记打不开了").await;
    quiet(&desk).await;
    forward(&clock, RECHECK_MS / 1000);
    quiet(&desk).await;
    assert_eq!(desk.store().outbox_counts().await.expect("counted"), (0, 1), "visibly failed");
    assert!(tape.texts_in("qq:group:20009").iter().any(|text| text.contains("没有送达")), "the engineers hear of it");
    assert_eq!(tape.looked(), 0);
}

#[tokio::test]
async fn a_message_whose_fate_nobody_can_tell_does_not_hold_its_conversation_for_ever() {
    let (desk, clock, tape) = desk().await;
    tape.fail("group:20001", SendError::Perhaps);
    tape.go_blind();
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    // From now on the platform takes messages again, but will never tell what became of that one.
    tape.fail("group:99999", unreachable());
    tape.heal();
    tape.go_blind();
    says(&desk, "group:20009", "30011", "m2", "认领 1").await;
    for _ in 0..(24 * 60) {
        forward(&clock, 60);
        quiet(&desk).await;
        if !tape.texts_in("qq:group:20001").is_empty() {
            return;
        }
    }
    panic!("a day later the group has heard nothing at all: looked {} times", tape.looked());
}

#[tokio::test]
async fn two_lost_messages_about_one_ticket_are_both_told_to_the_engineers() {
    let (desk, clock, tape) = desk().await;
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    tape.fail("group:20001", SendError::Refused { code: 100, text: "机器人不在这个群里".to_owned() });
    // Two messages that are never merged, sent in one turn of the outbox.
    says(&desk, "group:20001", "40001", "m2", "还没好吗").await;
    desk.tick().await.expect("the clockwork runs");
    says(&desk, "group:20009", "30011", "m3", "进展 1 正在重启服务").await;
    desk.tick().await.expect("the clockwork runs");
    forward(&clock, 3);
    quiet(&desk).await;
    let (waiting, failed) = desk.store().outbox_counts().await.expect("counted");
    assert_eq!((waiting, failed), (0, 2), "both are visibly failed");
    let told: Vec<String> =
        tape.texts_in("qq:group:20009").into_iter().filter(|text| text.contains("没有送达")).collect();
    assert_eq!(told.len(), 2, "the engineers hear of each: {told:#?}");
}

#[tokio::test]
async fn what_was_muted_goes_out_before_what_was_said_after_it() {
    let (desk, clock, tape) = desk().await;
    tape.fail("group:20001", SendError::Muted { retry_after: Duration::from_mins(10) });
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    tape.heal();
    forward(&clock, 60);
    says(&desk, "group:20001", "40001", "m2", "还没好吗").await;
    quiet(&desk).await;
    forward(&clock, 600);
    quiet(&desk).await;
    let texts = tape.texts_in("qq:group:20001");
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(texts[0].contains("已受理"), "in order within a conversation: {texts:#?}");
}

#[tokio::test]
async fn a_ticket_of_a_contract_that_was_taken_out_does_not_stop_the_clockwork() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
    let store = Store::open(&url).await.expect("a database file");
    let (clock, tape) = (support::clock(), Tape::new());
    let desk = support::open_with(&store, &clock, vec![tape.clone()], 1, &[XIAN, YULIN]).await;
    support::furnish(&desk).await;
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    quiet(&desk).await;
    // The administrator removes the contract from the configuration.
    let desk = support::open_with(&store, &clock, vec![tape.clone()], 2, &[YULIN]).await;
    forward(&clock, 3 * HOUR);
    let turn = tokio::time::timeout(Duration::from_secs(5), desk.tick()).await;
    let turn = turn.expect("the clockwork goes round and round over an alarm that nobody can decide");
    let next = turn.expect("the clockwork runs").next;
    assert!(next.is_none_or(|next| next > desk.now()), "it would be woken again at once, for ever: {next:?}");
}

/// A channel that takes its time: each send tells that it has begun, and ends when it is let go.
struct Slow {
    tape: Arc<Tape>,
    begun: tokio::sync::Semaphore,
    go: tokio::sync::Semaphore,
}

#[async_trait]
impl Channel for Slow {
    fn id(&self) -> &'static str {
        "qq"
    }

    fn capabilities(&self) -> Capabilities {
        self.tape.capabilities()
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        self.begun.add_permits(1);
        self.go.acquire().await.expect("it is never closed").forget();
        self.tape.send(message).await
    }

    async fn find(
        &self,
        message: &Outgoing,
        since: Timestamp,
        taken: &HashSet<String>,
    ) -> Result<Option<Receipt>, SendError> {
        self.tape.find(message, since, taken).await
    }

    fn health(&self) -> Result<String, String> {
        Ok("slow".to_owned())
    }
}

#[tokio::test]
async fn a_command_that_opens_the_same_database_does_not_make_the_running_desk_say_things_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
    let store = Store::open(&url).await.expect("a database file");
    let (clock, tape) = (support::clock(), Tape::new());
    let slow = Arc::new(Slow {
        tape: tape.clone(),
        begun: tokio::sync::Semaphore::new(0),
        go: tokio::sync::Semaphore::new(0),
    });
    let desk = support::open(&store, &clock, vec![slow.clone()], 1).await;
    support::furnish(&desk).await;
    says(&desk, "group:20001", "40001", "m1", "登记系统打不开了").await;
    desk.tick().await.expect("the clockwork runs");
    let stop = CancellationToken::new();
    let outbox = tokio::spawn({
        let (desk, stop) = (desk.clone(), stop.clone());
        async move { desk.run_outbox(stop).await }
    });
    // Both messages are on their way.
    within("sends begin", slow.begun.acquire_many(2)).await.expect("it is never closed").forget();
    // Somebody runs `zhishou import` or `zhishou bind-code` beside the running desk.
    let other = Store::open(&url).await.expect("the same file");
    let visitor = support::open(&other, &clock, Vec::new(), 2).await;
    visitor.store().close().await;
    // The desk is woken by something else, as it is all the time.
    desk.nudge();
    let again = tokio::time::timeout(Duration::from_millis(500), async {
        while tape.looked() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    slow.go.add_permits(100);
    stop.cancel();
    within("the outbox ends", outbox).await.expect("it does not panic");
    assert!(again.is_err(), "messages that were just being sent were looked for as if their sender had died");
    assert_eq!(tape.conversations(), ["qq:group:20001", "qq:group:20009"], "each was said once");
}

/// The send during which a claim of three minutes has run out.
const LATE: usize = 95;

/// A channel whose every send takes two seconds of the desk's time.
struct Paced {
    tape: Arc<Tape>,
    clock: Arc<HandClock>,
    desk: std::sync::OnceLock<Arc<Desk>>,
}

#[async_trait]
impl Channel for Paced {
    fn id(&self) -> &'static str {
        "qq"
    }

    fn capabilities(&self) -> Capabilities {
        self.tape.capabilities()
    }

    async fn send(&self, message: &Outgoing) -> Result<Receipt, SendError> {
        forward(&self.clock, 2);
        if let Some(desk) = self.desk.get() {
            desk.nudge();
        }
        let sent = self.tape.keys().len();
        if sent == LATE {
            // By now the first claims have run out. The outbox gets all the time a real send takes, to look for what it
            // may believe to be orphaned, up to the very message that is being sent.
            let caught_up = async {
                while self.tape.looked() <= sent {
                    tokio::task::yield_now().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(2), caught_up).await;
        }
        self.tape.send(message).await
    }

    async fn find(
        &self,
        message: &Outgoing,
        since: Timestamp,
        taken: &HashSet<String>,
    ) -> Result<Option<Receipt>, SendError> {
        self.tape.find(message, since, taken).await
    }

    fn health(&self) -> Result<String, String> {
        Ok("paced".to_owned())
    }
}

#[tokio::test]
async fn a_long_queue_for_one_conversation_outlasts_its_claim_without_doubling() {
    let store = Store::in_memory().await.expect("a database in memory");
    let (clock, tape) = (support::clock(), Tape::new());
    let paced = Arc::new(Paced { tape: tape.clone(), clock: clock.clone(), desk: std::sync::OnceLock::new() });
    let desk = support::open(&store, &clock, vec![paced.clone()], 1).await;
    support::furnish(&desk).await;
    assert!(paced.desk.set(desk.clone()).is_ok());
    // After a night without connection, a hundred messages wait for one group.
    for n in 0..110 {
        let mut question = inbound("group:20001", "40001", &format!("m{n}"), "帮助");
        question.addressed = true;
        desk.receive(question).await.expect("it is stored");
    }
    desk.tick().await.expect("the clockwork runs");
    let stop = CancellationToken::new();
    let outbox = tokio::spawn({
        let (desk, stop) = (desk.clone(), stop.clone());
        async move { desk.run_outbox(stop).await }
    });
    let mut changes = desk.watch();
    within("all is sent", async {
        while desk.store().outbox_counts().await.expect("counted").0 > 0 {
            changes.changed().await.expect("the desk is there");
        }
    })
    .await;
    stop.cancel();
    within("the outbox ends", outbox).await.expect("it does not panic");
    let mut keys = tape.keys();
    keys.sort();
    let all = keys.len();
    keys.dedup();
    assert_eq!((keys.len(), all), (110, 110), "each message was said once");
}
