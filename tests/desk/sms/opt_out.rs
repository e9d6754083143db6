//! TD: no survey any more, everything else as before.

use zhishou_adapters::{Event, Inbound, Inbox as _};

use crate::mail::support::{Office, mail};

const PHONE: &str = "13800138000";

fn text(words: &str) -> Inbound {
    Inbound { channel: "sms".to_owned(), ..mail(PHONE, "", words) }
}

async fn opts(office: &Office, out: bool) {
    let event = Event::OptedOut { conversation: format!("user:{PHONE}"), out };
    office.desk.accept("sms", event).await.expect("it is stored");
    office.settle().await;
}

/// A ticket by text from its opening to its end; what the phone got after the solution was told.
async fn lives(office: &Office, number: u64, words: &str) -> Vec<String> {
    office.gets(text(words)).await;
    office.types(&format!("认领 {number}")).await;
    office.types(&format!("进展 {number} 已到现场")).await;
    assert!(
        office.sms.to(PHONE).last().is_some_and(|said| said.text.contains("已到现场")),
        "progress is told all the same"
    );
    office.types(&format!("解决 {number} 已更换网线")).await;
    let before = office.sms.to(PHONE).len();
    office.gets(text("可以了")).await;
    office.sms.to(PHONE).split_off(before).into_iter().map(|said| said.text).collect()
}

#[tokio::test]
async fn who_opted_out_is_asked_for_no_mark_and_hears_everything_else() {
    let office = Office::new().await;
    let said = lives(&office, 1, "登记系统登录不上").await;
    assert!(said.iter().any(|text| text.contains("打分")), "by default a mark is asked for: {said:?}");
    let asked = office.sms.to(PHONE).len();
    opts(&office, true).await;
    opts(&office, true).await;
    let confirmed = office.sms.to(PHONE).split_off(asked);
    assert_eq!(confirmed.len(), 1, "confirmed once: {confirmed:?}");
    assert!(confirmed[0].text.contains("已为您退订"), "{confirmed:?}");
    office.later(3600).await;
    let said = lives(&office, 2, "档案系统打印不出来").await;
    assert!(!said.is_empty() && said.iter().all(|text| !text.contains("打分")), "{said:?}");
    opts(&office, false).await;
    office.later(3600).await;
    let said = lives(&office, 3, "高拍仪连不上").await;
    assert!(said.iter().any(|text| text.contains("打分")), "asked again: {said:?}");
}
