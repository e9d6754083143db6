//! Whole stories over real servers: what a person at a mail program sees, and what must not happen however often things
//! break on the way.

use zhishou::rules::ticket::{State, Ticket};

use super::town::{ALICE, BOB, DESK, GONE, ROBOT, Town, plain, verified};

const LETTER: &[u8] = include_bytes!("letter.eml");
const MAJOR: &str = "全市登记系统瘫痪，所有窗口都打不开，业务全部停办。";

fn last(tickets: &[Ticket]) -> &str {
    tickets.first().and_then(|t| t.text.last()).map_or("", String::as_str)
}

fn answering(id: &str) -> String {
    format!("In-Reply-To: <{id}>\r\nReferences: <letter-1@gov.test> <{id}>\r\n")
}

#[tokio::test]
async fn from_a_letter_to_its_end_through_a_power_cut_and_a_restored_mailbox() {
    let mut town = Town::new().await;
    town.server.submit(ALICE, DESK, LETTER).await;
    let (raw, receipt) = town.mail_for(ALICE, "a receipt", |mail| mail.subject.contains("[#1]")).await;
    assert_eq!(receipt.in_reply_to, ["letter-1@gov.test"]);
    assert!(receipt.references.contains(&"letter-1@gov.test".to_owned()), "{:?}", receipt.references);
    assert!(raw.to_ascii_lowercase().contains("auto-submitted: auto-replied"), "{raw}");
    assert!(receipt.cc.iter().any(|cc| cc.address == ROBOT), "who was in copy stays so: {:?}", receipt.cc);
    let ticket = town.tickets().await.remove(0);
    assert_eq!(zhishou::desk::summary(&ticket), "登记系统打不开");
    assert!(ticket.text[0].contains("王𠮷窗口"), "every character is there: {:?}", ticket.text);
    assert!(ticket.attachments.iter().any(|name| name == "截图.png"), "{:?}", ticket.attachments);
    assert_eq!((ticket.requester.name.as_str(), ticket.unit.as_str()), ("王科长", "市住建局"));

    assert!(town.qq.taken().iter().any(|said| said.text.contains("请认领")), "the engineers are told in their chat");
    town.types("认领 1").await;
    town.types("进展 1 正在重启受理服务").await;
    let (raw, progress) = town.mail_for(ALICE, "the progress", |mail| mail.text.contains("正在重启受理服务")).await;
    assert!(progress.references.contains(&"letter-1@gov.test".to_owned()), "in the same thread: {progress:?}");
    assert!(!raw.to_ascii_lowercase().contains("auto-submitted"), "a person wrote it: {raw}");
    town.mail_for(ROBOT, "the progress in copy", |mail| mail.text.contains("正在重启受理服务")).await;

    // A reply with all that a mail program puts below it.
    let id = progress.message_id.clone().expect("ours has an id");
    let text = "重启以后还是打不开页面。\n\n-- \n王科长\n市住建局信息中心\n\n在 2026-03-02 09:10，\"helpdesk\" <helpdesk@gov.test> 写道：\n> 工单 #1 进展：正在重启受理服务\n> 有进展会在这里告诉您";
    town.server.submit(ALICE, DESK, &plain(ALICE, "reply-1@gov.test", "Re: test", &answering(&id), text)).await;
    town.until("the reply is with its ticket", async || last(&town.tickets().await).contains("还是打不开页面")).await;
    assert_eq!(last(&town.tickets().await), "重启以后还是打不开页面。", "their words only");

    // The power goes out while the desk listens; a mail comes meanwhile.
    town.server.kill();
    let meanwhile = plain(ALICE, "reply-2@gov.test", "Re: test", &answering(&id), "三楼大厅也打不开了。");
    town.server.load(DESK, std::iter::once(meanwhile));
    town.server.restart().await;
    town.until("the mail sent meanwhile is taken", async || last(&town.tickets().await).contains("三楼大厅")).await;

    // A backup is put back: every number of the mailbox is void.
    town.server.set_uid_validity(DESK, 777_000_777);
    town.server.kick(DESK);
    let later = plain(ALICE, "reply-3@gov.test", "Re: test", &answering(&id), "四楼大厅也打不开了。");
    town.server.submit(ALICE, DESK, &later).await;
    town.until("the mail after it is taken", async || last(&town.tickets().await).contains("四楼大厅")).await;

    town.types("解决 1 已更换损坏的网卡").await;
    let (_, solved) = town.mail_for(ALICE, "the solution", |mail| mail.text.contains("已更换损坏的网卡")).await;
    let id = solved.message_id.clone().expect("ours has an id");
    let fields = format!("{}{}", verified(ALICE), answering(&id));
    town.server.submit(ALICE, DESK, &plain(ALICE, "reply-4@gov.test", "Re: test", &fields, "可以了，谢谢！")).await;
    town.until("it is closed by her word", async || town.tickets().await[0].state == State::Closed).await;

    let tickets = town.tickets().await;
    assert_eq!(tickets.len(), 1, "one matter, one ticket");
    assert_eq!(town.mails_taken().await, 5, "nothing lost, nothing doubled");
    assert_eq!(tickets[0].text.len(), 4, "{:?}", tickets[0].text);
    crate::peers::support::unbroken(town.desk.store()).await;
    town.ends().await;
}

#[tokio::test]
async fn a_report_that_a_real_server_sends_back_goes_the_next_way() {
    let town = Town::new().await;
    town.server.submit(ALICE, DESK, &plain(ALICE, "major-1@gov.test", "major", "", MAJOR)).await;
    town.until("the lead is told over his other way", async || !town.sms.to("13800000005").is_empty()).await;
    let record = town.desk.store().said_of("xian-realestate#1").await.expect("messages can be read");
    let report = record.iter().find(|row| row.kind == "escalation").expect("he was to be told");
    assert_eq!(report.conversation, "sms:user:13800000005", "and no longer at {GONE}");
    assert_eq!(town.desk.store().outbox_counts().await.expect("counted").1, 0, "nothing has failed");
    assert_eq!(town.tickets().await.len(), 1, "the report of the server opened no ticket");
    town.ends().await;
}

#[tokio::test]
async fn an_absence_note_gets_no_answer() {
    let town = Town::new().await;
    town.server.submit(ALICE, DESK, LETTER).await;
    let (_, receipt) = town.mail_for(ALICE, "a receipt", |mail| mail.subject.contains("[#1]")).await;
    let id = receipt.message_id.expect("ours has an id");
    let fields = format!("Auto-Submitted: auto-replied\r\n{}", answering(&id));
    let note = plain(ALICE, "away-1@gov.test", "=?utf-8?B?6Ieq5Yqo5Zue5aSN?=", &fields, "我在外出差，下周一回来。");
    town.server.submit(ALICE, DESK, &note).await;
    town.taken(2).await;
    let accounts = town.accounts().await;
    let note = accounts.last().expect("it is accounted for");
    assert_eq!((note.disposition.as_str(), note.ticket.as_str()), ("noted", "xian-realestate#1"));
    assert_eq!(town.tickets().await[0].text.len(), 1);
    let waiting = town.desk.store().outbox_counts().await.expect("counted");
    assert_eq!(waiting, (0, 0), "no answer is on its way");
    town.ends().await;
}

#[tokio::test]
async fn a_command_needs_a_sender_our_own_server_has_verified() {
    let town = Town::new().await;
    town.server.submit(ALICE, DESK, LETTER).await;
    town.mail_for(ALICE, "a receipt", |mail| mail.subject.contains("[#1]")).await;
    let command = |id: &str, fields: &str| plain(BOB, id, "=?utf-8?B?6K6k6aKGIDE=?=", fields, "");
    // The field of another server, and none at all.
    let foreign = "Authentication-Results: elsewhere.test; spf=pass smtp.mailfrom=bob@corp.test\r\n";
    town.server.submit(BOB, DESK, &command("c1@corp.test", foreign)).await;
    let (_, refusal) = town.mail_for(BOB, "a refusal", |mail| mail.text.contains("没有任何变化")).await;
    assert!(refusal.text.contains("认领"), "{}", refusal.text);
    assert_eq!(town.tickets().await[0].state, State::Open);
    town.server.submit(BOB, DESK, &command("c2@corp.test", &verified(BOB))).await;
    town.until("it is claimed", async || town.tickets().await[0].state == State::Claimed).await;
    assert_eq!(town.tickets().await[0].engineer.as_ref().map(|e| e.id.as_str()), Some("li"));
    town.ends().await;
}
