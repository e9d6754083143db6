//! The whole way, over real servers: mail in, answers out, everything that can break on the way.

use zhishou_adapters::mail::{MailChannel, Tls};
use zhishou_adapters::{Channel as _, Event, Outgoing, Shelf};
use zhishou_fakes::mail::server::MailServer;

use std::sync::Arc;
use std::time::Duration;

use super::support::{ALICE, DESK, field, imap, mail, now_of, real, run, run_with, smtp, to_alice, within};
use crate::support::HandClock;
use crate::wecom::support::MemoryShelf;

/// The answer of the desk to a mail: `about` is what the ticket is called.
fn answer(key: &str, to: &str, about: &str, text: &str) -> Outgoing {
    Outgoing { reply_to: Some(to.to_owned()), about: Some(about.to_owned()), ..to_alice(key, text) }
}

/// Alice's newest mail that has this in it.
async fn alice_got(server: &MailServer, what: &str, count: usize) -> Vec<u8> {
    server.counted(ALICE, "INBOX", count).await;
    let mails = server.mails(ALICE, "INBOX");
    mails.into_iter().find(|mail| String::from_utf8_lossy(mail).contains(what)).unwrap_or_else(|| panic!("no {what}"))
}

#[tokio::test]
async fn a_mail_is_answered_in_its_thread_and_the_answer_to_that_comes_back_to_it() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    let more = "Cc: Bob <bob@corp.test>, helpdesk@gov.test, no-reply@corp.test\r\n";
    let first =
        mail("Alice <alice@gov.test>", "first@gov.test", "=?utf-8?B?5omT5Y2w5py65Z2P5LqG?=", more, "三楼打印机坏了");
    server.submit(ALICE, DESK, &first).await;
    let heard = running.desk.has(1).await.remove(0);
    assert_eq!(heard.conversation, format!("user:{ALICE}"));
    assert_eq!((heard.sender.as_str(), heard.sender_name.as_str()), (ALICE, "Alice"));
    assert_eq!(heard.text, "打印机坏了\n\n三楼打印机坏了");
    assert_eq!((heard.about, heard.quotes, heard.automatic), (None, None, None));
    assert!(heard.addressed && heard.doubt.is_some());
    assert_eq!(heard.attachments.last().unwrap().name, "原始邮件.eml");
    assert!(heard.attachments.last().unwrap().stored.is_some());
    assert!(running.desk.kept()[0].windows(8).any(|window| window == b"first@go"));

    let receipt = within(running.channel.send(&answer("k1", &heard.external_id, "one#12", "已登记，请稍候。"))).await;
    let id = receipt.unwrap().external_id.unwrap();
    let got = alice_got(&server, "auto-replied", 1).await;
    assert_eq!(field(&got, "Message-ID").unwrap(), format!("<{id}>"));
    assert_eq!(field(&got, "In-Reply-To").unwrap(), "<first@gov.test>");
    assert_eq!(field(&got, "References").unwrap(), "<first@gov.test>");
    assert_eq!(field(&got, "Cc").unwrap(), "bob@corp.test");
    assert_eq!(field(&got, "X-Auto-Response-Suppress").unwrap(), "All");
    server.counted("bob@corp.test", "INBOX", 1).await;

    // An engineer's words carry no mark of a machine, and stand below the answer.
    let progress = Outgoing { about: Some("one#12".to_owned()), by_person: true, ..to_alice("k2", "已更换硒鼓") };
    let second = within(running.channel.send(&progress)).await.unwrap().external_id.unwrap();
    let got = alice_got(&server, &second, 2).await;
    assert_eq!(field(&got, "In-Reply-To").unwrap(), format!("<{id}>"));
    assert_eq!(field(&got, "References").unwrap(), format!("<first@gov.test> <{id}>"));
    assert_eq!(field(&got, "Auto-Submitted"), None);

    let more = format!("In-Reply-To: <{second}>\r\nReferences: <first@gov.test> <{second}>\r\n");
    server
        .submit(ALICE, DESK, &mail(ALICE, "reply@gov.test", "Re: [#12]", &more, "好了，谢谢\r\n\r\n> 请在此行以上回复"))
        .await;
    let reply = running.desk.has(2).await.remove(1);
    assert_eq!(reply.about.as_deref(), Some("one#12"));
    assert_eq!(reply.quotes.as_deref(), Some(second.as_str()));
    assert_eq!(reply.text, "好了，谢谢");
    assert_eq!(reply.quoted_text.as_deref(), Some("Re: [#12]"));

    // Somebody in copy answers the first mail, not ours.
    let more = "In-Reply-To: <first@gov.test>\r\n";
    server.submit("bob@corp.test", DESK, &mail("bob@corp.test", "bobs@corp.test", "Re: x", more, "我也是")).await;
    let bobs = running.desk.has(3).await.remove(2);
    assert_eq!((bobs.about, bobs.quotes), (None, Some(heard.external_id)));
    assert_eq!(bobs.text, "我也是");
    assert!(running.channel.health().is_ok(), "{:?}", running.channel.health());
}

#[tokio::test]
async fn killed_in_mid_idle_and_back_nothing_is_lost_and_nothing_doubled() {
    let mut server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    server.deliver(DESK, &mail(ALICE, "1@gov.test", "one", "", "1")).await;
    running.desk.has(1).await;
    server.kick(DESK);
    server.deliver(DESK, &mail(ALICE, "2@gov.test", "two", "", "2")).await;
    running.desk.has(2).await;
    server.kill();
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while running.channel.health().is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let told = running.channel.health().unwrap_err();
    assert!(told.contains("没有连上"), "{told}");
    server.restart().await;
    server.deliver(DESK, &mail(ALICE, "3@gov.test", "three", "", "3")).await;
    running.desk.has(3).await;

    // Ours is killed as well, and a mail comes meanwhile.
    let (desk, clock, shelf) = running.cut().await;
    server.deliver(DESK, &mail(ALICE, "4@gov.test", "four", "", "4")).await;
    let running = run_with(real(&server, DESK, "secret"), desk, clock, shelf);
    let all = running.desk.has(4).await;
    let texts: Vec<&str> = all.iter().map(|heard| heard.text.as_str()).collect();
    assert_eq!(texts, ["one\n\n1", "two\n\n2", "three\n\n3", "four\n\n4"]);
    assert_eq!(running.desk.repeats(), 0, "what was handed in is not fetched again");
}

#[tokio::test]
async fn new_uids_for_all_mails_lose_and_double_nothing() {
    let server = MailServer::start().await;
    server.load(DESK, (0..50).map(|n| mail(ALICE, &format!("{n}@gov.test"), "many", "", &format!("text {n}"))));
    let running = run(real(&server, DESK, "secret"));
    running.desk.has(50).await;
    server.set_uid_validity(DESK, 777_000_777);
    server.kick(DESK);
    server.deliver(DESK, &mail(ALICE, "new@gov.test", "new", "", "new")).await;
    running.desk.has(51).await;
    running.desk.repeated(50).await;
    assert_eq!(running.desk.count(), 51);
}

#[tokio::test]
async fn handled_mails_are_moved_away_and_one_that_is_moved_back_changes_nothing() {
    let server = MailServer::start().await;
    let mut config = real(&server, DESK, "secret");
    config.imap.as_mut().unwrap().done_folder = Some("已处理".to_owned());
    server.load(DESK, (0..5).map(|n| mail(ALICE, &format!("{n}@gov.test"), "move", "", &format!("text {n}"))));
    let running = run(config);
    running.desk.has(5).await;
    server.counted(DESK, "INBOX", 0).await;
    assert_eq!(server.count(DESK, "已处理"), 5);
    server.move_all(DESK, "已处理", "INBOX");
    running.desk.repeated(5).await;
    server.counted(DESK, "已处理", 5).await;
    assert_eq!(running.desk.count(), 5);
}

#[tokio::test]
async fn without_idle_and_move_it_looks_now_and_then_and_copies() {
    let server = MailServer::poor().await;
    let mut config = real(&server, DESK, "secret");
    config.imap.as_mut().unwrap().done_folder = Some("Processed".to_owned());
    let running = run(config);
    server.deliver(DESK, &mail(ALICE, "1@gov.test", "one", "", "1")).await;
    running.desk.has(1).await;
    server.counted(DESK, "Processed", 1).await;
    server.counted(DESK, "INBOX", 0).await;
    assert!(running.channel.health().unwrap().contains("定时查看"));
}

#[tokio::test]
async fn a_real_bounce_comes_back_to_the_mail_it_is_about() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    let lost = Outgoing { conversation: "user:nouser1@corp.test".to_owned(), ..to_alice("k1", "升级通知") };
    let id = within(running.channel.send(&lost)).await.unwrap().external_id.unwrap();
    running.desk.until(|desk| !desk.bounces().is_empty()).await;
    let bounces = running.desk.bounces();
    let [Event::Bounced { conversation, external_id, permanent, why }] = bounces.as_slice() else {
        panic!("{bounces:?}")
    };
    assert_eq!(conversation, "user:nouser1@corp.test");
    assert_eq!(external_id, &id);
    assert!(*permanent && why.contains("nouser1@corp.test"), "{why}");
    assert_eq!(running.desk.count(), 0, "a bounce is nobody's message");
    assert_eq!(running.count("mail_bounced"), 1);
}

#[tokio::test]
async fn a_refused_password_is_tried_three_times_and_told() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "wrong"));
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !server.log().matches("auth failed, 1 attempts").count().ge(&3) {
            tick.tick().await;
        }
    })
    .await;
    let told = running.channel.health().unwrap_err();
    assert!(told.contains("授权码") && told.contains("需要人处理"), "{told}");
    // A fourth would have come within the longest pause.
    assert!(tokio::time::timeout(Duration::from_millis(400), running.desk.has(1)).await.is_err());
    assert_eq!(server.log().matches("auth failed, 1 attempts").count(), 3);
}

#[tokio::test]
async fn trying_out_tells_what_works_and_what_to_do() {
    let server = MailServer::start().await;
    let ports = server.ports();
    let probe = async |config| {
        let clock = HandClock::noon();
        let shelf: Arc<dyn Shelf> = MemoryShelf::new(clock.clone());
        within(MailChannel::new(config, &shelf, &now_of(&clock)).unwrap().probe()).await
    };
    let mut config = real(&server, DESK, "secret");
    config.imap.as_mut().unwrap().done_folder = Some("Processed".to_owned());
    let told = probe(config.clone()).await;
    assert!(told.len() >= 4 && told.iter().all(Result::is_ok), "{told:?}");
    // STARTTLS both ways.
    config.imap = Some(imap(ports.imap, Tls::StartTls, DESK, "secret"));
    config.smtp = Some(smtp(ports.submission, Tls::StartTls, DESK, "secret"));
    let told = probe(config.clone()).await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    config.smtp.as_mut().unwrap().password = Some("wrong".into());
    config.imap.as_mut().unwrap().password = "wrong".into();
    let told = probe(config.clone()).await;
    assert!(
        told.len() == 2 && told.iter().all(|line| line.as_ref().is_err_and(|line| line.contains("授权码"))),
        "{told:?}"
    );
    // Without the private authority nothing is trusted.
    config.ca_pem = None;
    let told = probe(config).await;
    assert!(told.iter().all(|line| line.as_ref().is_err_and(|line| line.contains("ca_file"))), "{told:?}");
}

#[tokio::test]
async fn a_mailbox_is_read_by_one_instance_and_taken_over_when_it_stops() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    server.deliver(DESK, &mail(ALICE, "1@gov.test", "one", "", "1")).await;
    running.desk.has(1).await;
    let mut config = real(&server, DESK, "secret");
    config.timing.lease = Duration::from_millis(90);
    let second = run_with(config, running.desk.clone(), running.clock.clone(), running.shelf.another());
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !second.channel.health().is_ok_and(|line| line.contains("待命")) {
            tick.tick().await;
        }
    })
    .await;
    let (desk, ..) = running.end().await;
    server.deliver(DESK, &mail(ALICE, "2@gov.test", "two", "", "2")).await;
    desk.has(2).await;
    assert_eq!(desk.repeats(), 0);
    assert!(second.channel.health().is_ok_and(|line| line.contains("已连接")));
}

#[tokio::test]
async fn a_copy_that_bounces_is_not_the_requesters_bounce_and_gets_no_more() {
    let server = MailServer::start().await;
    let running = run(real(&server, DESK, "secret"));
    server.submit(ALICE, DESK, &mail(ALICE, "1@gov.test", "one", "Cc: gone@corp.test\r\n", "1")).await;
    let heard = running.desk.has(1).await.remove(0);
    within(running.channel.send(&answer("k1", &heard.external_id, "one#1", "已登记"))).await.unwrap();
    server.counted(ALICE, "INBOX", 1).await;
    within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while running.count("mail_copies_bounced") == 0 {
            tick.tick().await;
        }
    })
    .await;
    assert_eq!(running.desk.bounces(), Vec::new());
    let progress = Outgoing { about: Some("one#1".to_owned()), by_person: true, ..to_alice("k2", "已处理") };
    let id = within(running.channel.send(&progress)).await.unwrap().external_id.unwrap();
    assert_eq!(field(&alice_got(&server, &id, 2).await, "Cc"), None);
}

#[tokio::test]
async fn cut_off_at_any_moment_every_mail_is_taken_once() {
    let server = MailServer::start().await;
    server.load(DESK, (0..60).map(|n| mail(ALICE, &format!("{n}@gov.test"), "many", "", &format!("text {n}"))));
    let mut config = real(&server, DESK, "secret");
    config.imap.as_mut().unwrap().done_folder = Some("Processed".to_owned());
    let mut running = run(config.clone());
    for wanted in [1, 2, 5, 19, 20, 21, 37, 40, 59] {
        running.desk.until(|desk| desk.count() >= wanted).await;
        let (desk, clock, shelf) = running.cut().await;
        running = run_with(config.clone(), desk, clock, shelf);
    }
    running.desk.has(60).await;
    server.counted(DESK, "Processed", 60).await;
    assert_eq!(running.desk.count(), 60);
    assert_eq!(running.count("mail_unreadable"), 0);
}
