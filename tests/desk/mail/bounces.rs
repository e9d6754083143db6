//! Mails that come back: nothing stays proved that was not delivered, nobody is missed, no dead address is tried first.

use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::Outcome;
use zhishou_adapters::Inbox as _;

use super::support::{CHEN, Office, PEOPLE, Post, WANG, bounce};
use crate::peers::support;

const HOUR: i64 = 3600;
/// A matter that the lead has to hear of.
const MAJOR: &str = "全市登记系统瘫痪\n\n所有窗口都打不开登记系统，业务全部停办。";

fn feedback(ticket: &zhishou::rules::ticket::Ticket) -> Vec<(Outcome, Option<jiff::Timestamp>)> {
    ticket.commitments.iter().filter(|c| c.promise == Promise::Feedback).map(|c| (c.outcome, c.due_at)).collect()
}

#[tokio::test]
async fn progress_that_comes_back_is_no_feedback_and_the_promise_runs_again_to_its_old_time() {
    let office = Office::new().await;
    office.writes(WANG, "登记系统打不开\n\n窗口上打不开受理页面。").await;
    let before = feedback(&office.ticket(1).await);
    assert_eq!(before.len(), 1);
    office.types("进展 1 正在重启服务").await;
    assert_eq!(feedback(&office.ticket(1).await)[0].0, Outcome::Met, "the mail was taken");
    let progress = office.mail.to(WANG).pop().expect("the progress was mailed");
    assert!(progress.by_person && progress.text.contains("正在重启服务"), "{progress:?}");

    office.comes_back(&progress, true).await;
    let after = feedback(&office.ticket(1).await);
    assert_eq!(after[0], (Outcome::Running, before[0].1), "to the old due time");
    assert!(after[1..].iter().all(|(outcome, _)| *outcome == Outcome::Cancelled), "{after:?}");
    assert_eq!(office.outbox().await, (0, 1), "visibly failed");
    let told = office.team().pop().expect("the engineers hear of it");
    assert!(told.contains(WANG) && told.contains("电话") && told.contains("正在重启服务"), "{told}");
    let record = office.record(1).await;
    assert!(record.iter().any(|(kind, _)| kind == "bounced") && record.iter().any(|(kind, _)| kind == "undelivered"));

    // The server tells the same again.
    let team = office.team().len();
    office.comes_back(&progress, true).await;
    assert_eq!((office.record(1).await.len(), office.team().len()), (record.len(), team));
    office.later(2 * HOUR).await;
    assert_eq!(feedback(&office.ticket(1).await)[0].0, Outcome::Broken);
    support::unbroken(office.desk.store()).await;
}

#[tokio::test]
async fn a_mail_that_comes_back_before_its_sending_was_written_down_is_not_lost() {
    let office = Office::new().await;
    office.writes(WANG, "登记系统打不开\n\n窗口上打不开受理页面。").await;
    office.mail.comes_back_at_once(&office.desk, &format!("user:{WANG}"));
    office.types("进展 1 正在重启服务").await;
    assert_eq!(feedback(&office.ticket(1).await)[0].0, Outcome::Running, "nothing was proved");
    assert_eq!(office.outbox().await, (0, 1), "visibly failed");
    assert_eq!(office.mail.to(WANG).len(), 2, "the receipt and the progress, each once");
    assert!(office.team().pop().expect("the engineers hear of it").contains("没有这个收件人"));
}

#[tokio::test]
async fn an_escalation_that_comes_back_goes_the_next_way_and_the_dead_address_comes_last() {
    let office = Office::new().await;
    office.writes(WANG, MAJOR).await;
    let first = office.mail.to(CHEN).pop().expect("the lead is told by mail first");
    assert!(!first.by_person);
    assert_eq!(office.ticket(1).await.leads_reached, ["chen"]);
    assert!(office.sms.taken().is_empty());

    office.comes_back(&first, true).await;
    assert_eq!(office.sms.to("13800000005").len(), 1, "over the next way, at once");
    assert_eq!(office.ticket(1).await.leads_reached, ["chen"], "and that reached him");
    assert_eq!(office.outbox().await, (0, 0), "it went another way: nothing has failed");
    assert!(office.record(1).await.iter().any(|(kind, _)| kind == "came_back"));

    // The next one does not go to the dead address first, until he writes from it again.
    let mails = office.mail.to(CHEN).len();
    office.later(26 * 60).await;
    assert!(office.sms.to("13800000005").len() > 1, "he is reminded");
    assert_eq!(office.mail.to(CHEN).len(), mails);
    office.writes(CHEN, "待办").await;
    let (mails, texts) = (office.mail.to(CHEN).len(), office.sms.taken().len());
    office.later(HOUR).await;
    assert!(office.mail.to(CHEN).len() > mails, "he has written from it, so it is his first way again");
    assert_eq!(office.sms.taken().len(), texts);
}

#[tokio::test]
async fn a_dead_address_is_tried_first_again_after_a_week() {
    let office = Office::new().await;
    office.writes(WANG, MAJOR).await;
    office.comes_back(&office.mail.to(CHEN)[0].clone(), true).await;
    office.types("关闭 1 已恢复").await;
    let mails = office.mail.to(CHEN).len();
    office.later(6 * 24 * HOUR).await;
    office.writes(WANG, MAJOR).await;
    assert_eq!(office.mail.to(CHEN).len(), mails, "six days later it still is the last");
    office.types("关闭 2 已恢复").await;
    office.later(24 * HOUR).await;
    office.writes(WANG, MAJOR).await;
    assert!(office.mail.to(CHEN).len() > mails, "after a week it is tried again");
}

#[tokio::test]
async fn a_full_mailbox_is_given_up_only_after_the_fifth_time_in_a_week() {
    let office = Office::new().await;
    for round in 1..=6_u64 {
        office.writes(WANG, MAJOR).await;
        let mails: Vec<_> = office
            .mail
            .to(CHEN)
            .into_iter()
            .filter(|m| m.about.as_deref() == Some(&format!("xian-realestate#{round}")))
            .collect();
        if round == 6 {
            assert!(mails.is_empty(), "the sixth is not tried there first");
            assert!(!office.sms.taken().is_empty());
            break;
        }
        let escalation = mails.first().unwrap_or_else(|| panic!("round {round}: by mail first"));
        office.comes_back(escalation, false).await;
        office.types(&format!("关闭 {round} 已恢复")).await;
        office.later(HOUR).await;
    }
}

#[tokio::test]
async fn without_an_engineers_group_the_engineer_and_the_lead_hear_of_it_and_their_own_failure_ends_there() {
    let office = Office::of(PEOPLE).await;
    office.writes(WANG, "登记系统打不开\n\n窗口上打不开受理页面。").await;
    let receipt = office.mail.to(WANG).pop().expect("a receipt");
    office.comes_back(&receipt, true).await;
    let notice = office.mail.to(CHEN).pop().expect("the lead hears of it");
    assert!(notice.text.contains(WANG) && notice.text.contains("电话"), "{}", notice.text);
    // That one comes back as well, on every way there is.
    office.comes_back(&notice, true).await;
    let text = office.sms.to("13800000005").pop().expect("over his other way");
    office.desk.accept("sms", bounce(&text.conversation, &Post::id_of(&text), true)).await.expect("stored");
    let said = |office: &Office| office.mail.taken().len() + office.sms.taken().len() + office.qq.taken().len();
    let before = said(&office);
    office.settle().await;
    assert_eq!(said(&office), before, "nobody is told that the telling failed");
    assert_eq!(office.outbox().await, (0, 2), "both stay visible");
}
