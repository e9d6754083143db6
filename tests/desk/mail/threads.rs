//! Which ticket a mail belongs to, what a letter is called, and what comes after the end.

use zhishou::desk::summary;
use zhishou::rules::ticket::State;
use zhishou_adapters::{Attachment, Inbound};

use super::support::{LIU, Office, WANG, ZHANG, mail};
use crate::peers::support::{self, XIAN};

const LETTER: &str = "关于登记系统无法打开的函\n\n尊敬的运维老师：\n您好！今天上午九点起，二楼大厅的登记系统打不开受理页面，办事群众较多，请尽快处理为盼。\n此致\n敬礼\n\n市住建局 王科长";

#[tokio::test]
async fn a_letter_becomes_one_ticket_named_by_its_subject() {
    let office = Office::new().await;
    assert_eq!(office.writes(WANG, LETTER).await.disposition, "opened");
    let ticket = office.ticket(1).await;
    assert_eq!(summary(&ticket), "关于登记系统无法打开的函");
    assert!(ticket.text[0].contains("二楼大厅"), "the matter is kept whole: {:?}", ticket.text);
    let receipt = office.mail.to(WANG).pop().expect("a receipt");
    assert_eq!(receipt.about.as_deref(), Some("xian-realestate#1"));
    assert!(!receipt.by_person && receipt.reply_to.is_some(), "{receipt:?}");
    // A second letter within minutes is a matter of its own.
    assert_eq!(
        office.writes(WANG, "抵押登记报错\n\n您好，抵押登记提交时报错，麻烦看看。谢谢！").await.disposition,
        "opened"
    );
    assert_eq!(office.tickets().await.len(), 2);
}

#[tokio::test]
async fn what_could_not_be_taken_is_told_with_the_receipt() {
    let office = Office::new().await;
    let large = Attachment {
        name: "原始邮件.eml".to_owned(),
        kind: "message/rfc822".to_owned(),
        url: String::new(),
        size_bytes: Some(40 << 20),
        stored: None,
        problem: Some("邮件约 40 MB，超过上限，只保留了信头".to_owned()),
    };
    let program = Attachment {
        name: "补丁.exe".to_owned(),
        problem: Some("可执行程序，只留在原始邮件里".to_owned()),
        ..large.clone()
    };
    office.gets(Inbound { attachments: vec![program, large], ..mail(WANG, "", LETTER) }).await;
    let receipt = office.mail.to(WANG).pop().expect("a receipt").text;
    assert!(receipt.contains("约 40 MB") && receipt.contains("附件「补丁.exe」没有收下"), "{receipt}");
    assert!(receipt.contains("换一种方式"), "{receipt}");
    let card = office.team().pop().expect("the engineers are told");
    assert!(card.contains("约 40 MB") && card.contains("附件：1 个"), "the letter itself is no enclosure: {card}");
}

#[tokio::test]
async fn what_answers_in_a_thread_belongs_to_its_ticket_whatever_it_sounds_like() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    for text in [
        "另外电子证照也签不了章了，报错，请处理",
        "打印机也坏了，请派人来修",
        "您好：\n刚才又试了一次，还是同样的页面。\n此致\n敬礼",
        "附件是截图，请查收",
        "这个什么情况，需要我们重装系统吗？",
    ] {
        let account = office.answers(WANG, 1, text).await;
        assert_eq!(
            (account.disposition.as_str(), account.ticket.as_str()),
            ("appended", "xian-realestate#1"),
            "{text}"
        );
        assert_eq!(office.ticket(1).await.text.last().map(String::as_str), Some(text));
    }
    for text in ["收到，谢谢", "好的，谢谢！", "谢谢"] {
        let account = office.answers(WANG, 1, text).await;
        assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("noted", "xian-realestate#1"), "{text}");
    }
    assert_eq!(office.tickets().await.len(), 1);
    // Courtesy supplies nothing that a ticket waits for.
    office.types("认领 1").await;
    office.types("挂起 1 请提供截图").await;
    assert_eq!(office.answers(WANG, 1, "收到，谢谢！").await.disposition, "noted");
    assert_eq!(office.ticket(1).await.state, State::Suspended);
    assert_eq!(office.answers(WANG, 1, "截图见附件，页面一直转圈").await.disposition, "appended");
    assert_eq!(office.ticket(1).await.state, State::Claimed);
}

#[tokio::test]
async fn what_was_cut_off_stays_readable_in_the_record_and_out_of_the_ticket() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    let cut = "王科长 市住建局 0912-0000000\n> 在 2026年3月2日，值守写道：\n> 您反映的问题已受理";
    let answer = Inbound {
        about: Some(format!("{XIAN}#1")),
        cut: Some(cut.to_owned()),
        ..mail(WANG, "", "重启后还是打不开页面")
    };
    office.gets(answer).await;
    assert_eq!(office.ticket(1).await.text.last().map(String::as_str), Some("重启后还是打不开页面"));
    let kept = office.record(1).await.pop().expect("the record goes on");
    assert_eq!(kept, ("cut_off".to_owned(), cut.to_owned()));
    support::unbroken(office.desk.store()).await;
}

#[tokio::test]
async fn a_colleague_takes_part_and_a_stranger_is_only_told_of() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    assert_eq!(office.answers(LIU, 1, "我补充一下，三楼大厅也打不开了").await.disposition, "appended");
    assert!(office.ticket(1).await.text.iter().any(|text| text.contains("三楼")));

    let (mails, before) = (office.mail.taken().len(), office.ticket(1).await.text.len());
    let account = office.answers("boss@vendor.example", 1, "登记系统打不开的问题我们也遇到了，什么时候修好？").await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("noted", "xian-realestate#1"));
    assert_eq!(
        (office.mail.taken().len(), office.ticket(1).await.text.len()),
        (mails, before),
        "nothing is shown to him"
    );
    let told = office.team().pop().expect("the engineers hear of it");
    assert!(told.contains("boss@vendor.example") && told.contains("什么时候修好"), "{told}");
}

#[tokio::test]
async fn colleagues_of_a_house_nobody_registered_are_known_by_their_domain() {
    let office = Office::new().await;
    let (one, other) = ("a@fgj.example.gov.cn", "b@fgj.example.gov.cn");
    office.writes(one, LETTER).await;
    assert_eq!(office.answers(other, 1, "我补充一下，三楼大厅也打不开了").await.disposition, "appended");
    office.writes("10001@qq.com", "登记系统打不开\n\n窗口上打不开受理页面，请处理。").await;
    assert_eq!(
        office.answers("10002@qq.com", 2, "我也补充一下，三楼也打不开").await.disposition,
        "noted",
        "a provider is no house"
    );
}

#[tokio::test]
async fn a_number_in_a_subject_binds_only_who_takes_part() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    let tagged = |from: &str, text: &str| Inbound {
        quoted_text: Some("Re: 登记系统 [#1]".to_owned()),
        ..mail(from, "", text)
    };
    for from in [WANG, LIU] {
        let account = office.gets(tagged(from, "再补充一点，四楼也打不开了")).await;
        assert_eq!(
            (account.disposition.as_str(), account.ticket.as_str()),
            ("appended", "xian-realestate#1"),
            "{from}"
        );
    }
    let account =
        office.gets(tagged("hua@swj.example.gov.cn", "税务窗口打不开\n\n税务窗口的登记系统也打不开，请处理。")).await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("opened", "xian-realestate#2"));
    assert!(account.why.contains("#1 与来信人无关"), "{}", account.why);
    assert_eq!(
        office.gets(tagged(ZHANG, "认领")).await.ticket,
        "xian-realestate#1",
        "an engineer's subject is a number too"
    );
}

#[tokio::test]
async fn an_answer_after_the_end_reopens_in_time_and_later_is_a_ticket_of_its_own() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    office.types("认领 1").await;
    office.types("解决 1 已重启服务").await;
    office.types("关闭 1").await;
    let account = office.answers(WANG, 1, "今天三楼又打不开了，麻烦看看").await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("appended", "xian-realestate#1"));
    assert!(office.ticket(1).await.state.is_live(), "reopened in time");

    office.types("解决 1 已重启服务").await;
    office.types("关闭 1").await;
    office.later(40 * 24 * 3600).await;
    assert_eq!(office.answers(WANG, 1, "谢谢").await.disposition, "noted");
    assert_eq!(office.ticket(1).await.state, State::Closed);
    let account = office.answers(WANG, 1, "抵押登记又报错了，麻烦看看").await;
    assert_eq!(
        (account.disposition.as_str(), account.ticket.as_str()),
        ("opened", "xian-realestate#2"),
        "{}",
        account.why
    );
    assert_eq!(office.ticket(2).await.follows, Some(1));
    assert_eq!(office.ticket(1).await.state, State::Closed);
    assert!(office.record(1).await.iter().any(|(_, text)| text.contains("#2")), "the old one says where it goes on");
    assert!(office.team().iter().any(|text| text.contains("接续已结束的工单 #1")), "and the engineers know");
    // Whoever answers the old mail once more is not given a third.
    let account = office.answers(WANG, 1, "是二楼的抵押窗口").await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("appended", "xian-realestate#2"));
    assert_eq!(office.tickets().await.len(), 2);
}

#[tokio::test]
async fn a_question_put_to_a_letter_waits_longer_than_one_in_a_chat() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    office.writes(WANG, "抵押登记报错\n\n您好，抵押登记提交时报错，麻烦看看。谢谢！").await;
    office.types("认领 1").await;
    office.types("认领 2").await;
    assert_eq!(office.writes(ZHANG, "工单处理\n\n进展 正在重启服务").await.disposition, "asked");
    office.later(3600).await;
    let account = office.writes(ZHANG, "2").await;
    assert_eq!((account.disposition.as_str(), account.ticket.as_str()), ("commanded", "xian-realestate#2"));
    assert!(office.mail.to(WANG).pop().expect("mailed").text.contains("正在重启服务"));
}

#[tokio::test]
async fn an_engineer_works_by_answering_the_mail() {
    let office = Office::new().await;
    office.writes(WANG, LETTER).await;
    assert_eq!(office.answers(ZHANG, 1, "认领").await.disposition, "commanded");
    assert_eq!(office.answers(ZHANG, 1, "进展 正在重启服务").await.disposition, "commanded");
    let progress = office.mail.to(WANG).pop().expect("the progress is mailed");
    let confirmed = office.mail.to(ZHANG);
    assert!(
        !confirmed.is_empty() && confirmed.iter().all(|m| m.commanded),
        "what he commands is confirmed: {confirmed:?}"
    );
    assert!(progress.by_person && progress.text.contains("正在重启服务"));
    assert_eq!(progress.about, Some(format!("{XIAN}#1")));
    // In a mail of its own: in the subject, or below one.
    assert_eq!(office.writes(ZHANG, "挂起 1 请提供截图").await.disposition, "commanded");
    assert_eq!(office.writes(ZHANG, "工单处理\n\n恢复 1").await.disposition, "commanded");
    assert_eq!(office.writes(ZHANG, "工单处理\n\n进展 1 正在更换网卡").await.disposition, "commanded");
    assert!(office.mail.to(WANG).pop().expect("mailed").text.contains("正在更换网卡"));
    assert_eq!(office.tickets().await.len(), 1);
    let before = office.ticket(1).await;
    assert_eq!(office.answers("z@nobody.example", 1, "关闭").await.disposition, "noted");
    assert_eq!(office.ticket(1).await, before, "a stranger commands nothing");
}

#[tokio::test]
async fn what_is_added_where_no_engineer_reads_along_is_told_to_whoever_works_on_it() {
    let office = Office::new().await;
    office.writes(WANG, "登记系统打不开\n\n窗口上打不开受理页面。").await;
    let before = office.team().len();
    office.answers(WANG, 1, "三楼大厅也打不开了。").await;
    assert_eq!(
        office.team()[before..],
        ["#1 王科长补充：三楼大厅也打不开了。"],
        "nobody has claimed it: the team hears"
    );
    office.types("认领 1").await;
    let before = office.team().len();
    office.answers(WANG, 1, "报错代码是 E1024，截图见附件。").await;
    let told = office.qq.to("30011").pop().expect("the engineer hears of it");
    assert_eq!(told.text, "#1 王科长补充：报错代码是 E1024，截图见附件。");
    assert_eq!(office.team().len(), before, "and only the engineer");
}
