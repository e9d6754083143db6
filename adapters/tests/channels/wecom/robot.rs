//! The robot before the stand-in: what it posts, its twenty a minute, its key.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zhishou_adapters::wecom::api::{self, CallError};
use zhishou_adapters::wecom::app::UploadKind;
use zhishou_adapters::wecom::codec::errcode::Class;
use zhishou_adapters::wecom::robot::{Robot, RobotConfig, markdown_body, text_body};
use zhishou_adapters::{Outgoing, Retry, SendError};
use zhishou_fakes::wecom::{FakeWeCom, Fault};

use super::support::{MemoryShelf, now_of, platform};
use crate::support::{HandClock, outgoing, within};

const KEY: &str = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa";
const PLACE: &str = "group:wrGROUP0001";

struct Group {
    wecom: FakeWeCom,
    clock: HandClock,
    shelf: Arc<MemoryShelf>,
    robot: Robot,
}

async fn group() -> Group {
    let (wecom, clock) = platform().await;
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工"), ("LiGong", "李工")]);
    wecom.robot(KEY, "wrGROUP0001");
    let shelf = MemoryShelf::new(clock.clone());
    let robot = robot(&wecom, &shelf, &clock);
    Group { wecom, clock, shelf, robot }
}

fn robot(wecom: &FakeWeCom, shelf: &Arc<MemoryShelf>, clock: &HandClock) -> Robot {
    let config = RobotConfig::new(&wecom.robot_url(KEY), PLACE).unwrap();
    Robot::new(config, shelf.clone(), now_of(clock)).unwrap()
}

impl Group {
    async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        within(self.robot.send(message)).await.map(|receipt| assert_eq!(receipt.external_id, None))
    }
}

#[test]
fn bodies_are_as_the_sheet_has_them_and_answers_fall_into_their_classes() {
    let all: Value = serde_json::from_str(include_str!("../../vectors/wecom.json")).unwrap();
    let cases = all["webhook"]["cases"].as_array().unwrap();
    let list = |given: &Value| -> Vec<String> {
        given.as_array().into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let mut seen = 0;
    for case in cases {
        let (id, given) = (&case["id"], &case["given"]);
        if let Some(text) = given["markdown"].as_str() {
            assert_eq!(markdown_body(text), case["body"], "{id}");
        } else if let Some(text) = given["text"].as_str() {
            let (userids, mobiles) = (list(&given["mention_userids"]), list(&given["mention_mobiles"]));
            assert_eq!(text_body(text, &userids, &mobiles), case["body"], "{id}");
        } else {
            let body = case["response_text"].as_str().map_or_else(|| case["response"].to_string(), str::to_owned);
            let outcome = api::read(reqwest::StatusCode::OK, body.as_bytes());
            let class = match &outcome {
                Ok(_) => "ok",
                Err(CallError::Unreachable(_)) => "retry",
                Err(error) => match error.class() {
                    Some(Class::Throttled) => "wait",
                    Some(Class::TooLong) => "split",
                    Some(Class::Credentials) => "config",
                    other => panic!("{id}: {other:?}"),
                },
            };
            assert_eq!(class, case["class"], "{id}: {outcome:?}");
        }
        seen += 1;
    }
    assert!(seen >= 8);
}

#[test]
fn the_key_is_found_in_what_the_group_shows() {
    let of = |given: &str| RobotConfig::new(given, PLACE).map(|config| config.key.expose_secret().to_owned());
    assert_eq!(of(&format!(" {KEY}\n")).unwrap(), KEY);
    let address = format!("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}");
    assert_eq!(of(&address).unwrap(), KEY);
    assert_eq!(RobotConfig::new(&address, PLACE).unwrap().api_base, "https://qyapi.weixin.qq.com");
    let proxied = format!("http://10.0.0.7:8443/wx/cgi-bin/webhook/send?key={KEY}");
    assert_eq!(RobotConfig::new(&proxied, PLACE).unwrap().api_base, "http://10.0.0.7:8443/wx");
    for wrong in ["", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send", "key=abc&x", "钥匙"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
    let shown = format!("{:?}", RobotConfig::new(KEY, PLACE).unwrap());
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn a_text_rings_for_those_it_names() {
    let it = group().await;
    let message =
        Outgoing { mentions: vec!["ZhangGong".to_owned()], ..outgoing("k1", PLACE, "工单 #3 超时 10 分钟") };
    it.send(&message).await.unwrap();
    let shown = it.wecom.next_shown().await;
    assert_eq!(
        (shown.text.as_str(), shown.mentions.as_slice()),
        ("工单 #3 超时 10 分钟", ["ZhangGong".to_owned()].as_slice())
    );
    it.send(&outgoing("k2", PLACE, "有人写了 <@all> 和 <@LiGong>")).await.unwrap();
    assert_eq!(it.wecom.next_shown().await.mentions, Vec::<String>::new());
}

#[tokio::test]
async fn long_texts_go_as_markdown_in_parts_and_ring_after() {
    let it = group().await;
    let text = "排查过程说明，**不是**粗体。\n".repeat(200);
    let message =
        Outgoing { title: "工单 #3".to_owned(), mentions: vec!["LiGong".to_owned()], ..outgoing("k1", PLACE, &text) };
    for n in 0..19 {
        it.send(&outgoing(&format!("a{n}"), PLACE, "在")).await.unwrap();
    }
    // One part more fits into the minute; afterwards the others follow and the first is not said again.
    it.send(&message).await.unwrap_err();
    assert_eq!(it.wecom.shown(PLACE).len(), 20);
    it.clock.forward(Duration::from_mins(1));
    it.send(&message).await.unwrap();
    let shown = it.wecom.shown(PLACE);
    let (bell, parts) = shown[19..].split_last().unwrap();
    assert!(parts.len() >= 2 && parts.iter().all(|part| part.kind == "markdown_v2" && part.text.len() <= 4096));
    assert!(parts.iter().all(|part| !part.text.contains("**不是**")), "what people wrote is no markup");
    assert_eq!((bell.text.as_str(), bell.mentions.as_slice()), ("工单 #3", ["LiGong".to_owned()].as_slice()));
    it.send(&message).await.unwrap();
    assert_eq!(it.wecom.shown(PLACE).len(), shown.len(), "what is through is not said again");
}

#[tokio::test]
async fn twenty_a_minute_are_shared_by_all_who_use_the_key() {
    let it = group().await;
    let other = robot(&it.wecom, &it.shelf.another(), &it.clock);
    for n in 0..10 {
        it.send(&outgoing(&format!("a{n}"), PLACE, &format!("甲 {n}"))).await.unwrap();
        within(other.send(&outgoing(&format!("b{n}"), PLACE, &format!("乙 {n}")))).await.unwrap();
    }
    let error = it.send(&outgoing("c", PLACE, "第 21 条")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_mins(1)));
    assert_eq!(it.wecom.count("webhook/send"), 20, "the platform is not even asked");
    it.clock.forward(Duration::from_mins(1));
    it.send(&outgoing("c", PLACE, "第 21 条")).await.unwrap();
}

#[tokio::test]
async fn the_longer_the_queue_the_fewer_the_messages() {
    let it = group().await;
    it.wecom.misbehave("webhook/send", &[Fault::AnswerLate]);
    let messages: Vec<Outgoing> = (0..12)
        .map(|n| Outgoing {
            mentions: vec!["ZhangGong".to_owned()],
            ..outgoing(&format!("k{n}"), PLACE, &format!("进展 {n}"))
        })
        .collect();
    let first = it.send(&messages[0]);
    let rest = async {
        it.wecom.was_called("webhook/send", 1).await;
        let all = join_all(messages[1..].iter().map(|message| it.send(message)));
        let release = async {
            tokio::task::yield_now().await;
            it.wecom.answer_now();
        };
        tokio::join!(all, release).0
    };
    let (first, rest) = tokio::join!(first, rest);
    first.unwrap();
    rest.into_iter().for_each(Result::unwrap);
    let shown = it.wecom.shown(PLACE);
    assert_eq!(shown.len(), 2, "eleven that waited went as one");
    assert!((1..12).all(|n| shown[1].text.contains(&format!("进展 {n}"))), "{}", shown[1].text);
    assert_eq!(shown[1].mentions, ["ZhangGong"]);
    let posted = &it.wecom.calls("webhook/send")[1].body["text"]["mentioned_list"];
    assert_eq!(*posted, json!(["ZhangGong"]), "named once, however many of them name him");
}

#[tokio::test]
async fn a_queue_longer_than_a_text_takes_more_than_one() {
    let it = group().await;
    it.wecom.misbehave("webhook/send", &[Fault::AnswerLate]);
    let messages: Vec<Outgoing> =
        (0..4).map(|n| outgoing(&format!("k{n}"), PLACE, &format!("{n}{}", "长".repeat(300)))).collect();
    let release = async {
        it.wecom.was_called("webhook/send", 1).await;
        it.wecom.answer_now();
    };
    let (outcomes, ()) = tokio::join!(join_all(messages.iter().map(|message| it.send(message))), release);
    outcomes.into_iter().for_each(Result::unwrap);
    let shown = it.wecom.shown(PLACE);
    assert_eq!(shown.len(), 3, "one alone, then two together, then one");
    assert!(shown.iter().all(|one| one.text.len() <= 2048));
}

#[tokio::test]
async fn what_fits_only_without_the_seam_between_is_not_merged() {
    let it = group().await;
    it.wecom.misbehave("webhook/send", &[Fault::AnswerLate]);
    let texts = ["在".to_owned(), "a".repeat(1000), "b".repeat(1040)];
    let messages: Vec<Outgoing> =
        texts.iter().enumerate().map(|(n, text)| outgoing(&format!("k{n}"), PLACE, text)).collect();
    let release = async {
        it.wecom.was_called("webhook/send", 1).await;
        it.wecom.answer_now();
    };
    let (outcomes, ()) = tokio::join!(join_all(messages.iter().map(|message| it.send(message))), release);
    outcomes.into_iter().for_each(Result::unwrap);
    assert_eq!(it.wecom.shown(PLACE).into_iter().map(|shown| shown.text).collect::<Vec<_>>(), texts);
}

#[tokio::test]
async fn after_45009_the_whole_robot_rests_for_a_minute() {
    let it = group().await;
    it.wecom.refuse_next("webhook/send", 45009, 1);
    let error = it.send(&outgoing("k1", PLACE, "在")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(65)));
    it.clock.forward(Duration::from_mins(1));
    assert_eq!(it.send(&outgoing("k2", PLACE, "在")).await.unwrap_err().retry(), Retry::After(Duration::from_secs(5)));
    assert_eq!(it.wecom.count("webhook/send"), 1);
    assert!(it.robot.health().unwrap().contains("限流"));
    it.clock.forward(Duration::from_secs(6));
    it.send(&outgoing("k2", PLACE, "在")).await.unwrap();
}

#[tokio::test]
async fn a_robot_that_is_out_says_so_until_it_is_back() {
    let it = group().await;
    for code in [93000, 93004, 93008] {
        it.wecom.robot_out(KEY, code);
        let error = it.send(&outgoing("k1", PLACE, "在")).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        let health = it.robot.health().unwrap_err();
        assert!(health.contains("消息推送") && !health.contains(KEY), "{health}");
    }
    it.wecom.robot_out(KEY, 0);
    it.send(&outgoing("k2", PLACE, "在")).await.unwrap();
    it.robot.health().unwrap();
}

#[tokio::test]
async fn nothing_says_the_key() {
    let it = group().await;
    it.wecom.misbehave("webhook/send", &[Fault::TakeAndCut, Fault::Page(502)]);
    let lost = it.send(&outgoing("k1", PLACE, "在")).await.unwrap_err();
    assert_eq!(lost.retry(), Retry::Look, "it may have arrived, and a robot recognises no repeat");
    let page = it.send(&outgoing("k2", PLACE, "在")).await.unwrap_err();
    assert_eq!(page.retry(), Retry::Backoff);
    it.wecom.go_down().await;
    // A robot without a connection left over from before.
    let fresh = robot(&it.wecom, &it.shelf, &it.clock);
    let down = within(fresh.send(&outgoing("k3", PLACE, "在"))).await.unwrap_err();
    assert_eq!(down.retry(), Retry::Backoff);
    for error in [lost, page, down] {
        assert!(!format!("{error} {error:?}").contains("693a91f6"), "{error:?}");
    }
}

#[tokio::test]
async fn files_and_notices_go_out_and_what_a_robot_may_not_send_is_not_sent() {
    let it = group().await;
    let media = it.robot.upload(UploadKind::File, "日报.txt", b"line one\n").await.unwrap();
    assert_eq!(it.wecom.uploaded(&media).unwrap().0, "日报.txt");
    it.robot.send_file(&media).await.unwrap();
    assert_eq!(it.wecom.next_shown().await.text, "日报.txt");
    assert!(matches!(it.robot.send_file("foreign").await.unwrap_err(), SendError::Refused { code: 40007, .. }));
    let notice = json!({
        "card_type": "text_notice", "main_title": { "title": "工单 #3 已解决" },
        "card_action": { "type": 1, "url": "https://desk.example.gov.cn/t/3" },
    });
    it.robot.send_card(&notice).await.unwrap();
    assert!(it.wecom.next_shown().await.card.is_some());
    let asked = it.wecom.count("webhook/send");
    let buttons = json!({ "card_type": "button_interaction", "main_title": { "title": "x" }, "task_id": "t",
                          "button_list": [{ "text": "认领", "key": "claim" }] });
    it.robot.send_card(&buttons).await.unwrap_err();
    it.robot.upload(UploadKind::File, "a", b"12345").await.unwrap_err();
    it.send(&outgoing("k1", PLACE, " \n")).await.unwrap_err();
    assert_eq!(it.wecom.count("webhook/send"), asked);
}

#[tokio::test]
async fn a_robot_stands_in_a_group() {
    let (_, clock) = platform().await;
    let config = RobotConfig { key: SecretString::from(KEY), ..RobotConfig::new(KEY, "user:ZhangGong").unwrap() };
    let error = Robot::new(config, MemoryShelf::new(clock.clone()), now_of(&clock)).unwrap_err();
    assert!(error.to_string().contains("group:"), "{error}");
}
