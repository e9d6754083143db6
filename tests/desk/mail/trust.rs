//! What machines write is nobody's word, and what may be forged has no right.

use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Outcome, State};
use zhishou_adapters::{Attachment, Inbound};

use super::support::{CHEN, Office, WANG, ZHANG, mail};
use crate::peers::support::XIAN;

const ABSENT: &str = "外出自动回复";
const UNPROVED: &str = "收件服务器没有验证发件人";

fn automatic(from: &str, ticket: Option<u64>, text: &str) -> Inbound {
    let about = ticket.map(|number| format!("{XIAN}#{number}"));
    Inbound { automatic: Some(ABSENT.to_owned()), about, ..mail(from, "", text) }
}

fn doubtful(from: &str, ticket: Option<u64>, text: &str) -> Inbound {
    let about = ticket.map(|number| format!("{XIAN}#{number}"));
    Inbound { doubt: Some(UNPROVED.to_owned()), about, ..mail(from, "", text) }
}

#[tokio::test]
async fn an_absence_note_is_kept_with_its_ticket_and_changes_nothing() {
    let office = Office::new().await;
    office.writes(WANG, "登记系统打不开\n\n窗口上打不开受理页面。").await;
    office.types("认领 1").await;
    office.types("挂起 1 请提供截图").await;
    let (mails, before) = (office.mail.taken().len(), office.ticket(1).await);
    let account = office.gets(automatic(WANG, Some(1), "我在外出差，周五回复。可以了。")).await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("noted", "xian-realestate#1"));
    let after = office.ticket(1).await;
    assert_eq!((after.state, after.touched_at), (State::Suspended, before.touched_at), "it resumes nothing");
    assert_eq!(after.text, before.text, "and is not the requester's word");
    assert_eq!(after.commitments, before.commitments, "and no clock has moved");
    let (kind, text) = office.record(1).await.pop().expect("it is in the record");
    assert!(kind == "remark" && text.contains("对方自动回复") && text.contains("周五"), "{kind}: {text}");
    assert_eq!(office.mail.taken().len(), mails, "no answer");

    // A ticket that is over is not opened again by it, and one that waits for confirmation is not confirmed.
    office.types("恢复 1").await;
    office.types("解决 1 已恢复").await;
    let mails = office.mail.taken().len();
    office.gets(automatic(WANG, Some(1), "可以了，谢谢")).await;
    assert_eq!(office.ticket(1).await.state, State::Resolved);
    office.types("关闭 1").await;
    office.gets(automatic(WANG, Some(1), "还是不行")).await;
    assert_eq!(office.ticket(1).await.state, State::Closed);
    let closed = office.mail.to(WANG).iter().filter(|m| m.text.contains("已关闭")).count();
    assert_eq!(office.mail.taken().len(), mails + closed, "nothing was said but the closing");
}

#[tokio::test]
async fn a_machine_opens_no_ticket_answers_no_question_and_acknowledges_nothing() {
    let office = Office::new().await;
    let account = office.gets(automatic(WANG, None, "登记系统打不开了，窗口全部停办")).await;
    assert_eq!(account.disposition, "noted");
    assert!(account.why.contains(ABSENT), "{}", account.why);
    assert!(office.tickets().await.is_empty() && office.mail.taken().is_empty());
    // Nor does one from outside every contract get a refusal to answer.
    let stranger = office.gets(automatic("robot@nowhere.example", None, "投递失败")).await;
    assert_eq!(stranger.disposition, "noted");
    assert!(office.mail.taken().is_empty());

    office.writes(WANG, "全市登记系统瘫痪\n\n所有窗口都打不开登记系统，业务全部停办。").await;
    office.gets(automatic(CHEN, Some(1), "确认")).await;
    let ticket = office.ticket(1).await;
    let report = ticket.commitments.iter().find(|c| c.promise == Promise::Report).expect("the lead has to confirm");
    assert_eq!(report.outcome, Outcome::Running);
}

#[tokio::test]
async fn a_mail_that_could_not_be_read_is_shown_to_a_person() {
    let office = Office::new().await;
    let raw = Attachment {
        name: "原始邮件.eml".to_owned(),
        kind: "message/rfc822".to_owned(),
        url: String::new(),
        size_bytes: None,
        stored: None,
        problem: Some("邮件无法读取：连接多次中断".to_owned()),
    };
    let broken = || Inbound {
        attachments: vec![raw.clone()],
        ..automatic(WANG, None, "登记系统打不开\n\n（这封邮件多次读取失败）")
    };
    assert_eq!(office.gets(broken()).await.disposition, "noted");
    let told = office.team().pop().expect("the engineers are told");
    assert!(told.contains(WANG) && told.contains("连接多次中断") && told.contains("登记系统打不开"), "{told}");
    office.gets(broken()).await;
    assert_eq!(office.team().len(), 1, "of one sender once an hour");
    assert!(office.mail.taken().is_empty(), "and he gets no answer");
}

#[tokio::test]
async fn a_mail_in_doubt_may_ask_and_add_but_not_command() {
    let office = Office::new().await;
    let account = office.gets(doubtful(WANG, None, "登记系统打不开\n\n窗口上打不开受理页面。")).await;
    assert_eq!(account.disposition, "opened");
    assert_eq!(office.gets(doubtful(WANG, Some(1), "补充一下，二楼大厅也打不开")).await.disposition, "appended");
    assert_eq!(office.gets(doubtful(WANG, Some(1), "还没好吗？")).await.disposition, "appended");

    let refused = |words: &str| words.contains(UNPROVED) && words.contains("没有任何变化");
    for (from, text) in
        [(ZHANG, "认领 1"), (ZHANG, "解决 1 已恢复"), (CHEN, "指派 1 @张工"), (CHEN, "关闭 1"), (WANG, "撤回 1")]
    {
        let account = office.gets(doubtful(from, None, text)).await;
        assert_eq!(account.disposition, "refused", "{text} from {from}");
        let answer = office.mail.to(from).pop().expect("with the reason");
        assert!(refused(&answer.text), "{}", answer.text);
        assert_eq!(office.ticket(1).await.state, State::Open, "{text}");
    }
    // The same without doubt.
    assert_eq!(office.writes(ZHANG, "认领 1").await.disposition, "commanded");
    assert_eq!(office.writes(ZHANG, "解决 1 已恢复服务").await.disposition, "commanded");

    for text in ["可以了", "5分 很及时"] {
        let account = office.gets(doubtful(WANG, Some(1), text)).await;
        assert_eq!(account.disposition, "refused", "{text}");
        assert!(refused(&office.mail.to(WANG).pop().expect("with the reason").text), "{text}");
        let ticket = office.ticket(1).await;
        assert_eq!((ticket.state, ticket.rating), (State::Resolved, None), "{text}");
    }
    assert_eq!(office.answers(WANG, 1, "可以了").await.disposition, "appended");
    assert_eq!(office.ticket(1).await.state, State::Closed);
}

#[tokio::test]
async fn a_lead_in_doubt_confirms_no_report_and_a_forged_request_says_so_to_the_engineers() {
    let office = Office::new().await;
    let mut forged = mail(WANG, "", "全市登记系统瘫痪\n\n所有窗口都打不开登记系统，业务全部停办。");
    forged.doubt = Some("发件人验证未通过（SPF fail）".to_owned());
    assert_eq!(office.gets(forged).await.disposition, "opened");
    let card = office.team().into_iter().find(|text| text.contains("请认领")).expect("the engineers are told");
    assert!(card.contains("发件人验证未通过"), "{card}");
    let receipt = &office.mail.to(WANG)[0].text;
    assert!(!receipt.contains("未通过"), "the sender is not told: {receipt}");

    let account = office.gets(doubtful(CHEN, Some(1), "确认")).await;
    assert_eq!(account.disposition, "refused");
    assert!(!office.record(1).await.iter().any(|(kind, _)| kind == "report_acknowledged"));
    assert_eq!(office.answers(CHEN, 1, "确认").await.disposition, "commanded");
    assert!(office.record(1).await.iter().any(|(kind, _)| kind == "report_acknowledged"));
}
