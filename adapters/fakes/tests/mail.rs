//! The real servers behave as the sheet says, before anything of ours is tried on them.

use zhishou_fakes::mail::server::MailServer;

const MAIL: &[u8] =
    b"From: alice@gov.test\r\nTo: helpdesk@gov.test\r\nSubject: test\r\nMessage-ID: <1@gov.test>\r\n\r\n.hello\r\n";

#[tokio::test]
async fn mails_go_round_bounce_and_outlive_a_kill() {
    let mut server = MailServer::start().await;
    server.submit("alice@gov.test", "helpdesk@gov.test", MAIL).await;
    server.counted("helpdesk@gov.test", "INBOX", 1).await;
    let mails = server.mails("helpdesk@gov.test", "INBOX");
    assert!(mails[0].windows(6).any(|window| window == b".hello"), "{:?}", String::from_utf8_lossy(&mails[0]));

    server.submit("alice@gov.test", "nobody@corp.test", MAIL).await;
    server.counted("alice@gov.test", "INBOX", 1).await;
    let bounce = String::from_utf8_lossy(&server.mails("alice@gov.test", "INBOX")[0]).into_owned();
    assert!(bounce.contains("multipart/report") && bounce.contains("1@gov.test"), "{bounce}");

    server.kill();
    server.restart().await;
    assert_eq!(server.count("helpdesk@gov.test", "INBOX"), 1);
    server.deliver("helpdesk@gov.test", MAIL).await;
    server.load("helpdesk@gov.test", std::iter::repeat_n(MAIL.to_vec(), 10));
    server.counted("helpdesk@gov.test", "INBOX", 12).await;
}
