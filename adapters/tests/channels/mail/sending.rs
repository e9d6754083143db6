//! Handing mails over to servers that refuse, stall and break off (3.1, 3.2, 8.1).

use std::sync::Arc;
use std::time::Duration;

use zhishou_adapters::mail::MailChannel;
use zhishou_adapters::{Channel as _, Outgoing, Retry, SendError, Shelf};
use zhishou_fakes::mail::scripted::{Answer, Scripted, Then, on};

use super::support::{now_of, sends, speaker, to_alice, within};
use crate::support::HandClock;
use crate::wecom::support::MemoryShelf;

const GREETING: &str = "220 mail.gov.test ready\r\n";

/// A server that takes everything.
fn takes() -> Vec<Answer> {
    vec![
        on("EHLO", "250-mail.gov.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"),
        on("AUTH PLAIN", "235 ok\r\n"),
        on("MAIL FROM:<HELPDESK@GOV.TEST>", "250 ok\r\n"),
        on("RCPT TO:<ALICE@GOV.TEST>", "250 ok\r\n"),
        on("DATA", "354 go ahead\r\n").then(Then::Data),
        on(".", "250 queued\r\n"),
        on("NOOP", "250 ok\r\n"),
        on("QUIT", "221 bye\r\n"),
    ]
}

/// The same, but for one answer.
fn but(answer: Answer) -> Vec<Answer> {
    let mut script = takes();
    script.retain(|of| of.to != answer.to);
    script.insert(0, answer);
    script
}

async fn sent(script: Vec<Answer>) -> (Result<(), SendError>, Vec<String>) {
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let mut config = sends(&scripted);
    config.timing.send = Duration::from_millis(500);
    let (channel, _) = speaker(config);
    let sent = within(channel.send(&to_alice("k1", "您好"))).await.map(|_| ());
    (sent, scripted.heard())
}

#[tokio::test]
async fn every_way_of_failing_means_something() {
    let minute = |minutes: u64| Retry::After(Duration::from_mins(minutes));
    for (answer, wanted, words) in [
        (on("MAIL FROM", "451 DT:SPM please try again\r\n"), minute(2), ""),
        (on("MAIL FROM", "421 HL:IFC too many\r\n"), minute(1), ""),
        (on("MAIL FROM", "451 MI:SFQ over limit\r\n"), minute(1), ""),
        (on("RCPT TO", "450 greylisted\r\n"), Retry::Backoff, "greylisted"),
        (on("RCPT TO", "550 Domain frequency limited\r\n"), minute(60), ""),
        (on("RCPT TO", "550 5.1.1 no such user\r\n"), Retry::Never, "no such user"),
        (on(".", "554 DT:SPM refused\r\n"), Retry::Never, "DT:SPM"),
        (on("MAIL FROM", "501 Mail from address must be same as authorization user.\r\n"), Retry::Never, "address"),
        (on("MAIL FROM", "553 Mail from must equal authorized user\r\n"), Retry::Never, "address"),
        (on("MAIL FROM", "").then(Then::Stall), Retry::Backoff, "应答"),
        (on("MAIL FROM", "").then(Then::Close), Retry::Backoff, "中断"),
        // Its words were on the way.
        (on(".", "").then(Then::Stall), Retry::Look, ""),
        (on(".", "").then(Then::Close), Retry::Look, ""),
        // GBK behind the code: still a refusal.
        (on("RCPT TO", "").bytes(b"550 \xd3\xca\xcf\xe4\xb2\xbb\xb4\xe6\xd4\xda\r\n"), Retry::Never, "????"),
        (on("EHLO", "").then(Then::Close), Retry::Backoff, ""),
    ] {
        let said = String::from_utf8_lossy(&answer.with).into_owned();
        let (sent, heard) = sent(but(answer)).await;
        let error = sent.unwrap_err();
        assert_eq!(error.retry(), wanted, "{said}: {error}\n{heard:#?}");
        assert!(error.to_string().contains(words), "{said}: {error}");
    }
}

#[tokio::test]
async fn what_is_taken_goes_out_as_the_account_and_over_one_connection() {
    let scripted = Scripted::start(GREETING, vec![takes()]).await;
    let (channel, _) = speaker(sends(&scripted));
    for key in ["k1", "k2", "k3"] {
        within(channel.send(&to_alice(key, "您好"))).await.unwrap();
    }
    let heard = scripted.heard();
    assert_eq!(heard.iter().filter(|line| line.starts_with("-- ")).count(), 1, "{heard:#?}");
    assert!(heard.contains(&"EHLO gov.test".to_owned()), "the mail domain, never the host's name");
    assert_eq!(channel.counts().into_iter().find(|(name, _)| *name == "mail_sent").unwrap().1, 3);
}

#[tokio::test]
async fn a_server_that_closes_after_each_mail_is_called_again() {
    let once = but(on(".", "250 queued\r\n").then(Then::Close));
    let scripted = Scripted::start(GREETING, vec![once]).await;
    let (channel, _) = speaker(sends(&scripted));
    for key in ["k1", "k2"] {
        within(channel.send(&to_alice(key, "您好"))).await.unwrap();
    }
}

#[tokio::test]
async fn the_same_message_is_the_same_mail() {
    let scripted = Scripted::start(GREETING, vec![takes()]).await;
    let (channel, _) = speaker(sends(&scripted));
    let about =
        |key: &str, about: Option<&str>| Outgoing { about: about.map(str::to_owned), ..to_alice(key, "您好") };
    let id = async |message: Outgoing| within(channel.send(&message)).await.unwrap().external_id.unwrap();
    let first = id(about("k1", Some("one#1"))).await;
    assert_eq!(id(about("k1", Some("one#1"))).await, first);
    assert_ne!(id(about("k2", Some("one#1"))).await, first);
    assert!(first.ends_with("@gov.test"), "{first}");
}

#[tokio::test]
async fn a_refused_login_is_tried_three_times_and_then_left_alone() {
    let scripted = Scripted::start(
        GREETING,
        vec![but(on("AUTH PLAIN", "535 Login Fail. Please enter your authorization code\r\n"))],
    )
    .await;
    let (channel, clock) = speaker(sends(&scripted));
    for _ in 0..5 {
        let error = within(channel.send(&to_alice("k1", "您好"))).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Backoff, "another way takes it meanwhile: {error}");
    }
    let tries = |scripted: &Scripted| scripted.heard().iter().filter(|line| line.starts_with("AUTH")).count();
    assert_eq!(tries(&scripted), 3);
    assert!(channel.health().unwrap_err().contains("授权码"));
    clock.forward(Duration::from_mins(31));
    for _ in 0..3 {
        let _ = within(channel.send(&to_alice("k1", "您好"))).await;
    }
    assert_eq!(tries(&scripted), 4, "one more try, not three");
}

#[tokio::test]
async fn a_refusal_that_passes_is_tried_three_times() {
    let scripted = Scripted::start(GREETING, vec![but(on("RCPT TO", "550 Sender frequency limited\r\n"))]).await;
    let (channel, _) = speaker(sends(&scripted));
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(within(channel.send(&to_alice("k1", "您好"))).await.unwrap_err().retry());
    }
    let hour = Retry::After(Duration::from_hours(1));
    assert_eq!(told, [hour, hour, hour, Retry::Never]);
}

#[tokio::test]
async fn nothing_is_sent_without_protection_or_to_what_is_no_address() {
    let scripted = Scripted::start(GREETING, vec![takes()]).await;
    let (channel, _) = speaker(sends(&scripted));
    for conversation in
        ["group:1", "user:", "user:nobody", "user:a b@gov.test", "user:unknown@mail.invalid", "user:Helpdesk@gov.test"]
    {
        let message = Outgoing { conversation: conversation.to_owned(), ..to_alice("k1", "您好") };
        let error = within(channel.send(&message)).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never, "{conversation}");
    }
    assert_eq!(scripted.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn two_instances_make_the_same_ids_from_the_first_mail_on() {
    let scripted = Scripted::start(GREETING, vec![takes()]).await;
    let clock = HandClock::noon();
    let shelf = MemoryShelf::new(clock.clone());
    let made = |shelf: Arc<MemoryShelf>| {
        let shelf: Arc<dyn Shelf> = shelf;
        MailChannel::new(sends(&scripted), &shelf, &now_of(&clock)).unwrap()
    };
    let (one, other) = (made(shelf.another()), made(shelf));
    let message = to_alice("k1", "您好");
    let (first, second) = within(async { tokio::join!(one.send(&message), other.send(&message)) }).await;
    assert_eq!(first.unwrap(), second.unwrap());
}
