//! The channel against the stand-in gateway: what gets lost on the way, and what must not.

use std::sync::Arc;
use std::time::Duration;

use zhishou_adapters::{Channel as _, Event, Outgoing, SendError};
use zhishou_fakes::sms::cmpp::{Agreement, FakeGateway, Text, Whim};

use super::support::{PHONE, Served, cmpp, connected, passing, serve, settles, sms, write};
use crate::support::{HandClock, outgoing, within};
use crate::wecom::support::{MemoryShelf, now_of};

const SECOND: Duration = Duration::from_secs(1);

async fn acknowledged(gateway: &FakeGateway, count: usize) {
    within(gateway.until(|gateway| gateway.acknowledged().len() >= count)).await;
}

fn bounced(event: &Event) -> Option<(String, String, bool, String)> {
    match event {
        Event::Bounced { conversation, external_id, permanent, why } => {
            Some((conversation.clone(), external_id.clone(), *permanent, why.clone()))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_text_is_heard_and_answered_in_both_versions() {
    for version in [2, 3] {
        let (gateway, served, clock) = connected(Agreement::new(version)).await;
        let id = gateway.deliver(&Text {
            from: "8613800138000",
            extension: "0731",
            flag: 0,
            header: &[],
            format: 15,
            content: &hex::decode("d6d0").unwrap(),
        });
        let heard = served.desk.next_message().await;
        assert_eq!(heard.text, "中");
        assert_eq!((heard.conversation.as_str(), heard.sender.as_str()), ("user:13800138000", PHONE));
        assert_eq!(heard.external_id, format!("cmpp:{id:016x}:{PHONE}"));
        assert!(heard.addressed && heard.automatic.is_none() && heard.doubt.is_none());
        acknowledged(&gateway, 1).await;
        assert_eq!(gateway.acknowledged(), [(id, 0)]);

        let receipt = served.send("k1", "工单 #1 已受理").await.unwrap().unwrap();
        let taken = gateway.taken();
        assert_eq!(taken[0].text, "【榆林审批运维】工单 #1 已受理");
        assert_eq!((taken[0].to.as_str(), taken[0].from.as_str()), (PHONE, "106900001234"));
        assert!(receipt.starts_with("sms-"));
        assert_eq!((served.count("messages_sent"), served.count("segments_sent")), (1, 1));
        assert!(served.channel.health().unwrap().contains("已连接"));
        served.stop(&clock).await;
        assert_eq!(gateway.polite().1, 1, "the connection is ended politely");
        assert_eq!(gateway.broken_rules(), [""; 0]);
    }
}

#[tokio::test]
async fn the_window_is_never_exceeded() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    gateway.whims(&[Whim::Hold; 16]);
    let sends = (0..20).map(|n| {
        let channel = served.channel.clone();
        tokio::spawn(async move { channel.send(&outgoing(&format!("k{n}"), "user:13800138000", "短信")).await })
    });
    let sends: Vec<_> = sends.collect();
    within(gateway.until(|gateway| gateway.taken().len() == 16)).await;
    // However full it is, a phone's text and a sign of life get their answer.
    write(&gateway, "窗口满了");
    gateway.active_test();
    acknowledged(&gateway, 1).await;
    within(gateway.until(|gateway| gateway.polite().0 == 1)).await;
    assert_eq!(gateway.taken().len(), 16);
    gateway.answer_held();
    for send in sends {
        within(send).await.unwrap().unwrap();
    }
    assert_eq!((gateway.taken().len(), gateway.most_open()), (20, 16));
    assert_eq!(gateway.broken_rules(), [""; 0]);
}

#[tokio::test]
async fn asked_to_slow_down_the_channel_waits_and_says_it_once() {
    let (gateway, served, clock) = connected(Agreement::new(2)).await;
    gateway.whims(&[Whim::Refuse(8); 3]);
    let before = clock.now();
    passing(&clock, SECOND, served.send("k", "短信")).await.unwrap();
    assert_eq!(gateway.taken().len(), 1);
    assert!(clock.now().duration_since(before).as_secs() >= 1 + 2 + 4);
    assert_eq!(served.count("gateway_slowed"), 3);
}

#[tokio::test]
async fn a_pace_that_was_agreed_is_kept() {
    let agreement = Agreement { rate: Some(5), ..Agreement::new(3) };
    let clock = HandClock::noon();
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let mut config = cmpp(&gateway, &agreement);
    // A little below what the gateway counts, as its clock and the way there are not ours.
    config.timing.rate = Some(4);
    let served = serve(sms(config), MemoryShelf::new(clock.clone()), &clock).await;
    within(served.channel.connected()).await;
    let long = Outgoing { by_person: true, ..outgoing("long", "user:13800138000", &"长".repeat(150)) };
    for n in 0..5 {
        let message = Outgoing { key: format!("k{n}"), ..long.clone() };
        passing(&clock, Duration::from_millis(50), served.say(&message)).await.unwrap();
    }
    assert_eq!(gateway.taken().len(), 15);
    assert_eq!(served.count("gateway_slowed"), 0, "nothing was too fast");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_message_goes_once() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    gateway.whims(&[Whim::LoseAnswer]);
    passing(&clock, Duration::from_secs(5), served.send("k", "短信")).await.unwrap();
    assert_eq!(gateway.taken().len(), 1);
}

#[tokio::test]
async fn a_link_that_breaks_before_the_answer_leaves_doubt_and_the_repeat_is_known_as_one() {
    for (whim, copies) in [(Whim::TakeAndCut, 2), (Whim::Cut, 1)] {
        let (gateway, served, clock) = connected(Agreement::new(2)).await;
        gateway.whims(&[whim]);
        let error = served.send("k", "短信").await.unwrap_err();
        assert!(matches!(error, SendError::Perhaps), "{error}");
        let again = async {
            loop {
                match served.send("k", "短信").await {
                    Err(SendError::Unreachable(_)) => tokio::task::yield_now().await,
                    outcome => return outcome,
                }
            }
        };
        passing(&clock, Duration::from_millis(10), again).await.unwrap();
        assert_eq!(gateway.taken().len(), copies);
    }
}

#[tokio::test]
async fn refusals_are_told_as_they_are_meant() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    for (result, retries, words) in
        [(13, false, "手机号码"), (69, false, "黑名单"), (54, true, ""), (250, true, ""), (7, false, "service_id")]
    {
        gateway.whims(&[Whim::Refuse(result)]);
        match served.send("k", "短信").await.unwrap_err() {
            SendError::Refused { code, text } => {
                assert!(!retries && code == i64::from(result) && text.contains(words), "{result}: {text}");
            }
            SendError::Throttled { .. } => assert!(retries, "{result}"),
            other => panic!("{other}"),
        }
    }
    // What only an administrator can mend is shown until something goes through.
    assert!(served.channel.health().unwrap_err().contains("service_id"));
    served.send("k", "短信").await.unwrap();
    assert!(served.channel.health().is_ok());
    for (conversation, words) in [
        ("group:1", "群"),
        ("user:10086", "服务号码"),
        ("user:01012345678", "座机"),
        ("user:+12025550143", "大陆"),
        ("user:x", "不是"),
    ] {
        let error = served.say(&outgoing("k", conversation, "短信")).await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { text, .. } if text.contains(words)), "{error}");
    }
    assert_eq!(gateway.taken().len(), 1);
}

#[tokio::test]
async fn a_message_that_did_not_arrive_bounces_once() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    let long = Outgoing { by_person: true, ..outgoing("long", "user:13800138000", &"长".repeat(150)) };
    let receipt = served.say(&long).await.unwrap().unwrap();
    let taken = gateway.taken();
    assert_eq!(taken.len(), 3);
    for (part, stat) in [(0, "DELIVRD"), (1, "UNDELIV"), (2, "EXPIRED"), (1, "UNDELIV")] {
        gateway.report(taken[part].msg_id, PHONE, stat);
    }
    acknowledged(&gateway, 4).await;
    let (conversation, external_id, permanent, why) = served.desk.next(bounced).await;
    assert_eq!((conversation.as_str(), external_id, permanent), ("user:13800138000", receipt, false));
    assert!(why.contains("没有送达") && why.contains("UNDELIV"), "{why}");
    assert_eq!((served.count("reports_delivered"), served.count("reports_failed")), (1, 3));
    // Another message, refused for good: the next thing the desk hears.
    let second = served.send("k2", "短信").await.unwrap().unwrap();
    gateway.report(gateway.taken()[3].msg_id, PHONE, "ACCEPTD");
    gateway.report(gateway.taken()[3].msg_id, PHONE, "MK:0001");
    let (_, external_id, permanent, why) = served.desk.next(bounced).await;
    assert_eq!((external_id, permanent), (second, true));
    assert!(why.contains("空号"), "{why}");
}

#[tokio::test]
async fn a_report_that_comes_before_the_answer_finds_its_message() {
    let (gateway, served, _) = connected(Agreement::new(2)).await;
    gateway.whims(&[Whim::ReportFirst]);
    served.send("k", "短信").await.unwrap();
    settles("the report is counted", || served.count("reports_delivered") == 1).await;
}

#[tokio::test]
async fn a_report_on_nothing_we_know_is_acknowledged_and_given_up() {
    let (gateway, served, clock) = connected(Agreement::new(2)).await;
    gateway.report(4711, PHONE, "UNDELIV");
    acknowledged(&gateway, 1).await;
    clock.forward(Duration::from_mins(16));
    settles("it is given up", || served.count("reports_unknown") == 1).await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged_and_comes_again() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    served.desk.fail(1);
    let id = write(&gateway, "打印机坏了");
    settles("it is refused once", || served.desk.refused() == 1).await;
    assert_eq!(gateway.acknowledged(), []);
    // The gateway says it once more, under another number; then both answers are one.
    gateway.repeat(id);
    assert_eq!(served.desk.next_message().await.text, "打印机坏了");
    acknowledged(&gateway, 1).await;
    served.stop(&clock).await;
}

#[tokio::test]
async fn the_same_text_twice_has_one_id() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    served.desk.fail(1);
    let id = write(&gateway, "重复");
    settles("refused", || served.desk.refused() == 1).await;
    gateway.repeat(id);
    gateway.repeat(id);
    let first = served.desk.next_message().await;
    let second = served.desk.next_message().await;
    assert_eq!(first.external_id, second.external_id);
}

#[tokio::test]
async fn what_holds_no_text_is_acknowledged_and_left() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    for (format, content) in [(8, &[][..]), (245, &[1, 6, 2]), (4, &[8, 2])] {
        gateway.deliver(&Text { from: PHONE, extension: "", flag: 0, header: &[], format, content });
    }
    acknowledged(&gateway, 3).await;
    settles("they are counted", || served.count("texts_unreadable") == 3).await;
    assert_eq!(served.desk.messages(), []);
}

#[tokio::test]
async fn what_nobody_wrote_is_known_as_such() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    for (from, text, why) in [
        (PHONE, "TD", Some("退订")),
        (PHONE, "恢复", Some("恢复")),
        ("10086", "您的话费余额不足", Some("服务号码")),
        (PHONE, "【自动回复】我在开会", Some("自动回复")),
        (PHONE, "TD-LTE网络不通", None),
    ] {
        let content = super::support::ucs2(text);
        gateway.deliver(&Text { from, extension: "", flag: 0, header: &[], format: 8, content: &content });
        let heard = served.desk.next_message().await;
        assert_eq!(heard.text, text);
        assert_eq!(heard.automatic.is_some(), why.is_some(), "{text}");
        assert!(heard.automatic.unwrap_or_default().contains(why.unwrap_or_default()));
    }
    assert_eq!(served.count("opt_outs"), 1);
    let opted = served.desk.all(|event| match event {
        Event::OptedOut { conversation, out } => Some((conversation.clone(), *out)),
        _ => None,
    });
    let here = format!("user:{PHONE}");
    assert_eq!(opted, [(here.clone(), true), (here, false)]);
}

#[tokio::test]
async fn a_refused_login_is_tried_again_after_five_minutes_and_shown() {
    let clock = HandClock::noon();
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let mut config = cmpp(&gateway, &agreement);
    config.shared_secret = "wrong".into();
    let served = serve(sms(config), MemoryShelf::new(clock.clone()), &clock).await;
    within(gateway.until(|gateway| gateway.logins() == [3])).await;
    settles("it is shown", || served.channel.health().is_err_and(|why| why.contains("shared_secret"))).await;
    let error = served.send("k", "短信").await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable(why) if why.contains("认证失败")), "{error}");
    clock.forward(Duration::from_secs(299));
    settles("some looks at the clock later", || served.channel.health().is_err()).await;
    assert_eq!(gateway.logins(), [3]);
    clock.forward(SECOND);
    within(gateway.until(|gateway| gateway.logins() == [3, 3])).await;
}

#[tokio::test]
async fn a_refused_login_keeps_all_instances_off_but_not_the_corrected_secret() {
    let clock = HandClock::noon();
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let shelf = MemoryShelf::new(clock.clone());
    let mut wrong = cmpp(&gateway, &agreement);
    wrong.shared_secret = "wrong".into();
    let first = serve(sms(wrong.clone()), shelf.clone(), &clock).await;
    settles("it is shown", || first.channel.health().is_err_and(|why| why.contains("shared_secret"))).await;
    settles("it is known to all", || shelf.keys().iter().any(|key| key.starts_with("cmpp-refused:"))).await;
    let other = shelf.another();
    let _second = serve(sms(wrong), other.clone(), &clock).await;
    settles("it looks, and looks again", || other.looks("cmpp-refused:901234") > 20).await;
    assert_eq!(gateway.logins(), [3]);
    let corrected = serve(sms(cmpp(&gateway, &agreement)), other.another(), &clock).await;
    within(corrected.channel.connected()).await;
    assert_eq!(gateway.logins(), [3, 0]);
}

#[tokio::test]
async fn a_gateway_of_another_version_is_told_from_a_wrong_secret() {
    let clock = HandClock::noon();
    let gateway = FakeGateway::start(Agreement::new(2), now_of(&clock)).await;
    let config = cmpp(&gateway, &Agreement::new(3));
    let served = serve(sms(config), MemoryShelf::new(clock.clone()), &clock).await;
    settles("it is shown", || served.channel.health().is_err_and(|why| why.contains("cmpp2"))).await;
}

#[tokio::test]
async fn a_gateway_that_falls_silent_is_left_and_called_again() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    gateway.silent(true);
    let left = async { settles("it is left", || served.channel.health().is_err()).await };
    passing(&clock, Duration::from_secs(10), left).await;
    gateway.silent(false);
    passing(&clock, SECOND, gateway.until(|gateway| gateway.logins().len() >= 2)).await;
    within(served.channel.connected()).await;
    served.send("k", "短信").await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_says_goodbye_is_called_again_after_half_a_minute() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    gateway.terminate();
    settles("it is over", || served.channel.health().is_err_and(|why| why.contains("主动结束"))).await;
    assert_eq!(gateway.logins(), [0]);
    clock.forward(Duration::from_secs(30));
    within(gateway.until(|gateway| gateway.logins() == [0, 0])).await;
    drop(served);
}

#[tokio::test]
async fn of_two_instances_one_has_the_line_and_the_other_takes_over() {
    let clock = HandClock::noon();
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let shelf = MemoryShelf::new(clock.clone());
    let first = serve(sms(cmpp(&gateway, &agreement)), shelf.clone(), &clock).await;
    within(first.channel.connected()).await;
    let second = serve(sms(cmpp(&gateway, &agreement)), shelf.another(), &clock).await;
    settles("the other stands by", || second.channel.health().is_ok_and(|line| line.contains("待命"))).await;
    assert!(matches!(second.send("k", "短信").await, Err(SendError::Throttled { .. })));
    first.stop(&clock).await;
    within(second.channel.connected()).await;
    second.send("k", "短信").await.unwrap();
    assert_eq!(gateway.logins(), [0, 0], "never two at once");
}

/// A lane of the outbox: says it again until it is through, and notes what was in doubt.
async fn lane(served: &Served, key: &str) -> bool {
    let mut doubt = false;
    loop {
        match served.channel.send(&outgoing(key, "user:13800138000", key)).await {
            Ok(_) => return doubt,
            Err(SendError::Perhaps) => doubt = true,
            Err(SendError::Unreachable(_) | SendError::Throttled { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn cut_between_any_two_frames_nothing_is_lost_and_repeats_were_in_doubt() {
    for version in [2, 3] {
        for frames in 1..16 {
            let (gateway, served, clock) = connected(Agreement::new(version)).await;
            gateway.report_all("DELIVRD");
            gateway.cut_after(frames);
            let ids = [write(&gateway, "一"), write(&gateway, "二")];
            let served = Arc::new(served);
            let lanes = async { tokio::join!(lane(&served, "甲"), lane(&served, "乙"), lane(&served, "丙")) };
            let doubts = passing(&clock, Duration::from_millis(20), lanes).await;
            for (key, doubt) in [("甲", doubts.0), ("乙", doubts.1), ("丙", doubts.2)] {
                let copies = gateway.taken().iter().filter(|taken| taken.text.ends_with(key)).count();
                assert!(copies == 1 || copies == 2 && doubt, "{copies} of {key} after {frames} frames");
            }
            let all = gateway.until(|gateway| {
                let done = gateway.acknowledged();
                ids.iter().all(|id| done.contains(&(*id, 0)))
            });
            passing(&clock, Duration::from_millis(20), all).await;
            let heard = served.desk.messages();
            for (id, text) in ids.iter().zip(["一", "二"]) {
                let external = format!("cmpp:{id:016x}:{PHONE}");
                assert!(heard.iter().any(|heard| heard.external_id == external && heard.text == text));
            }
            assert_eq!(gateway.broken_rules(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn an_urgent_text_that_no_report_confirms_in_three_minutes_counts_as_not_arrived() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    let urgent = |key: &str| Outgoing { urgent: true, ..outgoing(key, "user:13800138000", "重大紧急：#3") };
    // A gateway that has never brought a report is not waited for.
    served.say(&urgent("before")).await.unwrap();
    clock.forward(Duration::from_mins(4));
    // The first report that something arrived is known before anything else is sent.
    let taken = gateway.taken();
    gateway.report(taken[0].msg_id, PHONE, "DELIVRD");
    settles("the report is counted", || served.count("reports_delivered") == 1).await;
    assert_eq!(served.desk.all(bounced).len(), 0);

    let confirmed = served.say(&urgent("confirmed")).await.unwrap();
    let missing = served.say(&urgent("missing")).await.unwrap();
    served.send("plain", "工单 #3 进展：已到现场").await.unwrap();
    gateway.report(gateway.taken()[1].msg_id, PHONE, "DELIVRD");
    settles("the second report is counted", || served.count("reports_delivered") == 2).await;
    clock.forward(Duration::from_mins(3));
    settles("the desk hears of it", || served.count("reports_overdue") == 1).await;
    let told = served.desk.all(bounced);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(Some(&told[0].1), missing.as_ref());
    assert_ne!(confirmed, missing);
    assert!(!told[0].2 && told[0].3.contains("回执"), "not for good: {told:?}");
    // A report that comes late changes nothing any more, whatever it says.
    gateway.report(gateway.taken()[2].msg_id, PHONE, "UNDELIV");
    settles("the late report is counted", || served.count("reports_failed") == 1).await;
    assert_eq!(served.desk.all(bounced).len(), 1);
    served.stop(&clock).await;
}

#[tokio::test]
async fn what_was_waited_for_before_a_restart_is_waited_for_after_it() {
    let clock = HandClock::noon();
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let shelf = MemoryShelf::new(clock.clone());
    let served = serve(sms(cmpp(&gateway, &agreement)), shelf.clone(), &clock).await;
    within(served.channel.connected()).await;
    served.send("known", "短信").await.unwrap();
    gateway.report(gateway.taken()[0].msg_id, PHONE, "DELIVRD");
    settles("the gateway brings reports", || served.count("reports_delivered") == 1).await;
    served.say(&Outgoing { urgent: true, ..outgoing("k", "user:13800138000", "重大紧急：#3") }).await.unwrap();
    served.stop(&clock).await;

    let served = serve(sms(cmpp(&gateway, &agreement)), shelf, &clock).await;
    passing(&clock, SECOND, served.channel.connected()).await;
    clock.forward(Duration::from_mins(3));
    settles("the desk hears of it", || served.desk.all(bounced).len() == 1).await;
    served.stop(&clock).await;
}
