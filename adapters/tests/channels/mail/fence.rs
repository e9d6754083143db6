//! Never a loop: what holds whatever the headers say (9), and the provider's patience (3.2).

use std::sync::Arc;
use std::time::Duration;

use zhishou_adapters::mail::MailChannel;
use zhishou_adapters::{Channel as _, Outgoing, Retry};
use zhishou_fakes::mail::scripted::{Scripted, Then, on};
use zhishou_fakes::mail::server::MailServer;

use super::support::{ALICE, DESK, Desk, field, mail, real, run, sends, speaker, to_alice, within};

async fn takes() -> Scripted {
    let script = vec![
        on("EHLO", "250-mail.gov.test\r\n250 AUTH PLAIN LOGIN\r\n"),
        on("AUTH", "235 ok\r\n"),
        on("MAIL", "250 ok\r\n"),
        on("RCPT", "250 ok\r\n"),
        on("DATA", "354 go ahead\r\n").then(Then::Data),
        on(".", "250 queued\r\n"),
        on("NOOP", "250 ok\r\n"),
        on("QUIT", "221 bye\r\n"),
    ];
    Scripted::start("220 ready\r\n", vec![script]).await
}

fn answer(key: &str, to: &str, about: Option<&str>) -> Outgoing {
    Outgoing {
        conversation: format!("user:{to}"),
        reply_to: Some("something".to_owned()),
        about: about.map(str::to_owned),
        ..to_alice(key, "已登记")
    }
}

async fn goes(channel: &MailChannel, message: &Outgoing) -> Result<(), (Retry, String)> {
    let sent = within(channel.send(message)).await;
    sent.map(|_| ()).map_err(|error| (error.retry(), error.to_string()))
}

fn held(why: &str) -> impl Fn(Result<(), (Retry, String)>) + '_ {
    move |outcome| {
        let (retry, told) = outcome.unwrap_err();
        assert_eq!(retry, Retry::Never, "{told}");
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn one_automatic_answer_a_day_about_one_thing() {
    let server = takes().await;
    let (channel, clock) = speaker(sends(&server));
    assert_eq!(goes(&channel, &answer("k1", ALICE, Some("c#1"))).await, Ok(()));
    assert_eq!(goes(&channel, &answer("k1", ALICE, Some("c#1"))).await, Ok(()), "the same once more is the same");
    held("就此事")(goes(&channel, &answer("k2", ALICE, Some("c#1"))).await);
    // Another thing, another person, words of a person, and a notice that answers nobody.
    assert_eq!(goes(&channel, &answer("k3", ALICE, Some("c#2"))).await, Ok(()));
    assert_eq!(goes(&channel, &answer("k4", "bob@corp.test", Some("c#1"))).await, Ok(()));
    let by_person = Outgoing { by_person: true, ..answer("k5", ALICE, Some("c#1")) };
    assert_eq!(goes(&channel, &by_person).await, Ok(()));
    let notice = Outgoing { reply_to: None, ..answer("k6", ALICE, Some("c#1")) };
    assert_eq!(goes(&channel, &notice).await, Ok(()));
    assert_eq!(channel.counts().into_iter().find(|(name, _)| *name == "mail_answers_held_back").unwrap().1, 1);
    clock.forward(Duration::from_hours(25));
    assert_eq!(goes(&channel, &answer("k7", ALICE, Some("c#1"))).await, Ok(()));
}

#[tokio::test]
async fn five_a_day_to_one_sender_and_sixty_an_hour_to_all() {
    let server = takes().await;
    let (channel, clock) = speaker(sends(&server));
    for n in 0..5 {
        assert_eq!(goes(&channel, &answer(&format!("k{n}"), ALICE, None)).await, Ok(()));
    }
    held("给对方的自动答复已达上限")(goes(&channel, &answer("k5", ALICE, None)).await);
    for n in 0..55 {
        assert_eq!(goes(&channel, &answer(&format!("o{n}"), &format!("u{n}@corp.test"), None)).await, Ok(()));
    }
    held("一小时内")(goes(&channel, &answer("o55", "u55@corp.test", None)).await);
    clock.forward(Duration::from_mins(61));
    assert_eq!(goes(&channel, &answer("o56", "u56@corp.test", None)).await, Ok(()));
}

#[tokio::test]
async fn the_day_has_so_many_mails_and_they_keep_their_distance() {
    let server = takes().await;
    let mut config = sends(&server);
    config.limits.mails_a_day = 10;
    config.limits.pause = Duration::from_secs(3);
    let (channel, clock) = speaker(config);
    for n in 0..10 {
        let message = to_alice(&format!("k{n}"), "通知");
        assert_eq!(goes(&channel, &message).await, Ok(()));
        let told = channel.health();
        assert_eq!(told.is_ok(), n < 8, "{n}: {told:?}");
        let at_once = goes(&channel, &to_alice("other", "通知")).await.unwrap_err().0;
        assert_eq!(at_once, Retry::After(Duration::from_secs(3)));
        clock.forward(Duration::from_secs(3));
    }
    let Retry::After(wait) = goes(&channel, &to_alice("k10", "通知")).await.unwrap_err().0 else {
        panic!("it waits")
    };
    assert_eq!(wait, Duration::from_hours(24) - Duration::from_secs(30));
}

#[tokio::test]
async fn who_writes_too_often_gets_no_automatic_answer_for_a_while() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    for n in 0..12 {
        server.deliver(DESK, &mail(ALICE, &format!("{n}@gov.test"), "again", "", &format!("again {n}"))).await;
    }
    running.desk.has(12).await;
    held("来信过多")(goes(&running.channel, &answer("k1", ALICE, None)).await);
    assert_eq!(goes(&running.channel, &answer("k2", "bob@corp.test", None)).await, Ok(()));
    running.clock.forward(Duration::from_mins(11));
    assert_eq!(goes(&running.channel, &answer("k3", ALICE, None)).await, Ok(()));
}

#[tokio::test]
async fn a_machine_is_not_answered_by_one() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    server.deliver(DESK, &mail(ALICE, "1@gov.test", "away", "Auto-Submitted: auto-replied\r\n", "on holiday")).await;
    let away = running.desk.has(1).await.remove(0);
    assert!(away.automatic.is_some());
    let answer = Outgoing { reply_to: Some(away.external_id), ..to_alice("k1", "已登记") };
    let answer = Outgoing { about: Some("c#1".to_owned()), ..answer };
    held("自动发出")(goes(&running.channel, &answer).await);
    // What a person says about it stands below it all the same.
    let progress = Outgoing { about: Some("c#1".to_owned()), by_person: true, ..to_alice("k3", "已处理") };
    assert_eq!(goes(&running.channel, &progress).await, Ok(()));
    server.counted(ALICE, "INBOX", 1).await;
    assert_eq!(field(&server.mails(ALICE, "INBOX")[0], "In-Reply-To").unwrap(), "<1@gov.test>");
    // Our own mail comes back, whatever its sender claims to be.
    let own = within(running.channel.send(&to_alice("k2", "通知"))).await.unwrap().external_id.unwrap();
    server.deliver(DESK, &mail(ALICE, &own, "back", "", "通知")).await;
    let back = running.desk.has(2).await.remove(1);
    assert!(back.automatic.unwrap().contains("自己发出"));
}

/// Answers every mail at once, like the worst of machines.
async fn answers_everything(channel: Arc<MailChannel>, desk: Arc<Desk>, ticket: &'static str) {
    for n in 1.. {
        let heard = desk.has(n).await.remove(n - 1);
        let answer = Outgoing {
            key: format!("{ticket}/{n}"),
            conversation: heard.conversation,
            text: "您的来信已收到。".to_owned(),
            reply_to: Some(heard.external_id),
            about: Some(ticket.to_owned()),
            ..Outgoing::default()
        };
        let _ = channel.send(&answer).await;
    }
}

#[tokio::test]
async fn two_desks_that_answer_each_other_stop_by_themselves() {
    let server = MailServer::start().await;
    let one = run(real(&server, DESK, "secret"));
    let other = run(real(&server, "robot@gov.test", "robotpw"));
    let first = Outgoing {
        conversation: "user:robot@gov.test".to_owned(),
        about: Some("a#1".to_owned()),
        by_person: true,
        ..to_alice("begin", "请问贵处的系统恢复了吗？")
    };
    within(one.channel.send(&first)).await.unwrap();
    let loops = [
        tokio::spawn(answers_everything(one.channel.clone(), one.desk.clone(), "a#1")),
        tokio::spawn(answers_everything(other.channel.clone(), other.desk.clone(), "b#1")),
    ];
    other.desk.has(1).await;
    one.desk.has(1).await;
    // The answer to the answer is held back; a mail sent now arrives behind anything that was not.
    one.desk.until(|_| one.count("mail_answers_held_back") > 0 || other.desk.count() > 1).await;
    server.submit(ALICE, "robot@gov.test", &mail(ALICE, "last@gov.test", "last", "", "last")).await;
    other.desk.until(|desk| desk.messages().iter().any(|heard| heard.text.contains("last"))).await;
    let sent = one.count("mail_sent") + other.count("mail_sent");
    assert!(sent <= 4, "{sent} mails with the one to Alice");
    let arrived = server.mails(DESK, "INBOX");
    assert_eq!(arrived.len(), 1, "{:?}", arrived.iter().map(|mail| field(mail, "Subject")).collect::<Vec<_>>());
    loops.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_report_about_a_mail_that_was_never_ours_is_counted_and_dropped() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    // Somebody wrote in our name to nobody.
    server.submit(DESK, "nouser@corp.test", &mail(DESK, "forged@gov.test", "spam", "", "spam")).await;
    server.deliver(DESK, &mail(ALICE, "1@gov.test", "one", "", "1")).await;
    running.desk.has(1).await;
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while running.count("mail_backscatter") == 0 {
            tick.tick().await;
        }
    })
    .await;
    assert_eq!((running.desk.bounces(), running.desk.count()), (Vec::new(), 1));
}
