//! The application before the stand-in: tokens, texts, names, groups of its own, files.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use zhishou_adapters::wecom::app::{App, AppConfig, Chat, UploadKind};
use zhishou_adapters::{Outgoing, Retry, SendError, Shelf as _};
use zhishou_fakes::wecom::{FakeWeCom, Fault};

use super::office::{office, office_with, settings};
use super::support::{MemoryShelf, now_of, platform};
use crate::support::{outgoing, within};

#[tokio::test]
async fn a_text_reaches_one_person_and_can_be_taken_back() {
    let it = office().await;
    let id = it.send(&outgoing("k1", "user:ZhangGong", "工单 #3 请确认")).await.unwrap().unwrap();
    assert_eq!(it.wecom.next_shown().await.text, "工单 #3 请确认");
    assert_eq!(it.wecom.shown("user:LiGong"), []);
    it.app.recall(&id).await.unwrap();
    assert_eq!(it.wecom.shown("user:ZhangGong"), []);
}

#[tokio::test]
async fn two_equal_words_are_two_messages_and_one_message_tried_twice_is_one() {
    let it = office().await;
    for key in ["k1", "k2", "k2"] {
        it.send(&outgoing(key, "user:ZhangGong", "收到")).await.unwrap();
    }
    assert_eq!(it.wecom.shown("user:ZhangGong").len(), 2);
}

#[tokio::test]
async fn what_somebody_wrote_neither_links_nor_mentions() {
    let it = office().await;
    it.send(&outgoing("k1", "user:ZhangGong", "<a href=\"http://evil.invalid\">点我</a> <@all> 3<4")).await.unwrap();
    let text = it.wecom.next_shown().await.text;
    assert_eq!(text, "＜a href=\"http://evil.invalid\">点我＜/a> ＜@all> 3<4");
}

#[tokio::test]
async fn a_long_text_goes_in_parts_and_a_second_try_goes_on_where_the_first_stopped() {
    let it = office().await;
    let text = "处理过程说明。".repeat(250);
    // The platform's own limit of a member's messages, nearly used up: two of three parts still fit.
    for _ in 0..28 {
        it.shelf.spend("app:1000012:zhanggong:m", 30, Duration::from_mins(1)).await.unwrap();
    }
    let message = outgoing("k1", "user:ZhangGong", &text);
    let error = it.send(&message).await.unwrap_err();
    assert!(matches!(error.retry(), Retry::After(wait) if wait <= Duration::from_mins(1)), "{error}");
    assert_eq!(it.wecom.count("message/send"), 2);
    it.clock.forward(Duration::from_secs(61));
    it.send(&message).await.unwrap();
    let shown = it.wecom.shown("user:ZhangGong");
    assert_eq!(shown.len(), 3, "nothing was said twice");
    assert_eq!(it.wecom.count("message/send"), 3, "nor was the platform asked to swallow a repeat");
    assert!(shown.iter().all(|part| part.text.len() <= 2048));
    let joined: String = shown.iter().map(|part| part.text.rsplit_once("\n（").unwrap().0).collect();
    assert_eq!(joined, text);
}

#[tokio::test]
async fn one_token_serves_all_tasks_and_all_instances() {
    let it = office().await;
    let messages: Vec<Outgoing> = (0..8).map(|n| outgoing(&format!("k{n}"), "user:ZhangGong", "在")).collect();
    for outcome in join_all(messages.iter().map(|message| it.send(message))).await {
        outcome.unwrap();
    }
    assert_eq!(it.wecom.count("gettoken"), 1);
    it.another().send(&outgoing("k9", "user:ZhangGong", "在")).await.unwrap();
    assert_eq!(it.wecom.count("gettoken"), 1, "the other instance finds it on the shelf");
}

#[tokio::test]
async fn an_expired_or_withdrawn_token_is_replaced_once_for_all_who_were_refused() {
    let it = office().await;
    it.send(&outgoing("k", "user:ZhangGong", "在")).await.unwrap();
    for (round, lose) in
        [FakeWeCom::expire_tokens as fn(&FakeWeCom), FakeWeCom::withdraw_tokens].into_iter().enumerate()
    {
        lose(&it.wecom);
        let messages: Vec<Outgoing> = (0..8).map(|n| outgoing(&format!("r{round}k{n}"), "user:LiGong", "在")).collect();
        for outcome in join_all(messages.iter().map(|message| it.send(message))).await {
            outcome.unwrap();
        }
        assert_eq!(it.wecom.count("gettoken"), 2 + round, "one token for all eight");
        it.clock.forward(Duration::from_mins(2));
    }
    assert_eq!(it.wecom.shown("user:LiGong").len(), 16);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let it = office().await;
    it.send(&outgoing("k1", "user:ZhangGong", "在")).await.unwrap();
    it.clock.forward(Duration::from_secs(7200 - 299));
    it.send(&outgoing("k2", "user:ZhangGong", "还在")).await.unwrap();
    assert_eq!(it.wecom.count("gettoken"), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_and_said_and_not_in_a_loop() {
    let it = office_with(|config| AppConfig { secret: SecretString::from("the-secret-of-another"), ..config }).await;
    for n in 0..5 {
        let error = it.send(&outgoing(&format!("k{n}"), "user:ZhangGong", "在")).await.unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert!(!error.to_string().contains("the-secret"), "{error}");
    }
    assert_eq!(it.wecom.wrong_secrets(), 1, "wrong secrets get the address blocked");
    let health = it.app.health().unwrap_err();
    assert!(health.contains("Secret") && health.contains("40001"), "{health}");
    // `check --online` asks again: somebody may have just corrected it.
    let probes = it.app.probe().await;
    assert!(!probes[0].ok, "{probes:?}");
    assert_eq!(it.wecom.wrong_secrets(), 2);
    it.clock.forward(Duration::from_mins(31));
    it.send(&outgoing("k9", "user:ZhangGong", "在")).await.unwrap_err();
    assert_eq!(it.wecom.wrong_secrets(), 3);
}

#[tokio::test]
async fn what_an_administrator_can_mend_in_a_minute_is_asked_again_soon() {
    let it = office().await;
    it.wecom.refuse_next("gettoken", 60020, 1);
    it.send(&outgoing("k1", "user:ZhangGong", "在")).await.unwrap_err();
    it.send(&outgoing("k2", "user:ZhangGong", "在")).await.unwrap_err();
    assert_eq!(it.wecom.count("gettoken"), 1);
    it.clock.forward(Duration::from_mins(2));
    it.send(&outgoing("k3", "user:ZhangGong", "在")).await.unwrap();
}

#[tokio::test]
async fn somebody_out_of_range_cannot_be_reached_this_way() {
    let it = office().await;
    it.wecom.hide("WangKeZhang");
    let error = it.send(&outgoing("k1", "user:WangKeZhang", "在")).await.unwrap_err();
    assert!(matches!(&error, SendError::Refused { code: 81013, text } if text.contains("可见范围")), "{error}");
    it.app.health().unwrap();
}

#[tokio::test]
async fn success_for_nobody_is_no_success() {
    // The platform answers 0 and names the receiver, lower-cased, among the invalid or the unlicensed.
    for list in ["invaliduser", "unlicenseduser"] {
        let (wecom, clock) = platform().await;
        let answer = move || async move { axum::Json(json!({ "errcode": 0, "errmsg": "ok", list: "wangkezhang" })) };
        let token = || async { axum::Json(json!({ "errcode": 0, "access_token": "T", "expires_in": 7200 })) };
        let routes = axum::Router::new()
            .route("/cgi-bin/message/send", axum::routing::post(answer))
            .route("/cgi-bin/gettoken", axum::routing::get(token));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let config = AppConfig { api_base, ..settings(&wecom) };
        let app = App::new(config, MemoryShelf::new(clock.clone()), now_of(&clock)).unwrap();
        let error = within(app.send(&outgoing("k1", "user:WangKeZhang", "在"))).await.unwrap_err();
        assert!(matches!(error, SendError::Refused { code: 81013, .. }), "{list}: {error}");
        within(app.send(&outgoing("k2", "user:LiGong", "在"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more_and_shows_one_message() {
    let it = office().await;
    it.wecom.misbehave("message/send", &[Fault::TakeAndCut]);
    it.send(&outgoing("k1", "user:ZhangGong", "在")).await.unwrap();
    assert_eq!(it.wecom.shown("user:ZhangGong").len(), 1);
    it.wecom.misbehave("message/send", &[Fault::TakeAndCut, Fault::TakeAndCut]);
    let error = it.send(&outgoing("k2", "user:ZhangGong", "还在")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Look);
    assert_eq!(it.wecom.shown("user:ZhangGong").len(), 2);
}

#[tokio::test]
async fn refusals_fall_into_their_classes() {
    let it = office().await;
    for (why, faults, retry) in [
        ("busy once passes", vec![Fault::Refuse(-1)], None),
        ("busy all the time", vec![Fault::Refuse(-1); 3], Some(Retry::Backoff)),
        ("a page in between", vec![Fault::Page(502)], Some(Retry::Backoff)),
        ("a gateway that gave up, asked again", vec![Fault::Page(504)], None),
        ("a gateway that gave up twice", vec![Fault::Page(504); 2], Some(Retry::Look)),
        ("too often", vec![Fault::Refuse(45009)], Some(Retry::After(Duration::from_secs(65)))),
        ("stopped", vec![Fault::Refuse(50003)], Some(Retry::Never)),
        ("a fault of ours", vec![Fault::Refuse(40035)], Some(Retry::Never)),
    ] {
        it.wecom.misbehave("message/send", &faults);
        let outcome = it.send(&outgoing(why, "user:ZhangGong", why)).await;
        assert_eq!(outcome.as_ref().err().map(SendError::retry), retry, "{why}: {outcome:?}");
        it.wecom.behave();
    }
    let (wecom, clock) = (&it.wecom, &it.clock);
    wecom.go_down().await;
    let shelf = MemoryShelf::new(clock.clone());
    let app = App::new(settings(wecom), shelf, now_of(clock)).unwrap();
    let error = within(app.send(&outgoing("k", "user:ZhangGong", "在"))).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(!error.to_string().contains("http"), "{error}");
}

#[tokio::test]
async fn the_limit_of_a_member_is_kept_before_the_platform_drops_in_silence() {
    let it = office().await;
    for n in 0..30 {
        it.send(&outgoing(&format!("k{n}"), "user:ZhangGong", &format!("第 {n} 条"))).await.unwrap();
    }
    // Ids of members are the same in any case.
    let error = it.another().send(&outgoing("k30", "user:zhanggong", "第 30 条")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::After(Duration::from_mins(1)));
    it.send(&outgoing("k31", "user:LiGong", "别人照常")).await.unwrap();
    it.clock.forward(Duration::from_mins(1));
    it.send(&outgoing("k30", "user:zhanggong", "第 30 条")).await.unwrap();
    assert_eq!(it.wecom.shown("user:ZhangGong").len(), 31);
}

#[tokio::test]
async fn names_are_asked_for_once() {
    let it = office().await;
    for _ in 0..3 {
        assert_eq!(it.app.name_of("ZhangGong").await.as_deref(), Some("张工"));
        assert_eq!(it.app.name_of("Nobody").await, None);
    }
    assert_eq!(it.wecom.count("user/get"), 2);
    let hidden = it.wecom.open_userid("LiGong");
    assert_eq!(it.app.userid_of(&hidden).await.as_deref(), Some("LiGong"));
    assert_eq!(it.app.name_of(&hidden).await.as_deref(), Some("李工"));
    it.wecom.hide("LiGong");
    it.clock.forward(Duration::from_hours(13));
    assert_eq!(it.app.name_of("LiGong").await, None);
}

#[tokio::test]
async fn groups_of_its_own_are_made_spoken_to_and_others_are_not() {
    let it = office().await;
    it.wecom.root_range(true);
    let chat = Chat {
        chatid: "opsroom".to_owned(),
        name: "值守工程师群".to_owned(),
        owner: "ZhangGong".to_owned(),
        members: vec!["ZhangGong".to_owned(), "LiGong".to_owned()],
    };
    assert_eq!(it.app.create_chat(&chat).await.unwrap(), "opsroom");
    assert_eq!(it.app.create_chat(&chat).await.unwrap(), "opsroom", "it is there already");
    it.app.update_chat("opsroom", &["WangKeZhang".to_owned()], &[]).await.unwrap();
    assert!(it.app.chat("opsroom").await.unwrap().members.contains(&"WangKeZhang".to_owned()));
    let alarm =
        Outgoing { mentions: vec!["LiGong".to_owned()], ..outgoing("k1", "group:opsroom", "工单 #3 无人响应") };
    it.send(&alarm).await.unwrap();
    let shown = it.wecom.shows("group:opsroom", "无人响应").await;
    assert_eq!(shown.mentions, ["LiGong"]);
    let error = it.send(&outgoing("k2", "group:wrGROUP0001", "在")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused { code: 86008, .. }));
    assert_eq!(it.wecom.count("appchat/send"), 1, "what will be refused is not tried");
}

#[tokio::test]
async fn files_go_out_and_come_back_under_their_own_names() {
    let it = office().await;
    let id = it.app.upload(UploadKind::File, "巡检记录 3月.txt", b"line one\n").await.unwrap();
    assert_eq!(it.wecom.uploaded(&id), Some(("巡检记录 3月.txt".to_owned(), b"line one\n".to_vec())));
    assert_eq!(it.wecom.complaints(), Vec::<String>::new());
    let back = it.app.download(&id).await.unwrap();
    assert_eq!((back.bytes.as_slice(), back.name.as_deref()), (b"line one\n".as_slice(), Some("巡检记录 3月.txt")));
    for (kind, bytes) in [(UploadKind::File, vec![0; 5]), (UploadKind::Voice, vec![0; 2 * 1024 * 1024 + 1])] {
        it.app.upload(kind, "a.bin", &bytes).await.unwrap_err();
    }
    assert_eq!(it.wecom.count("media/upload"), 1, "what is surely refused is not sent");
    it.app.download("no-such-media").await.unwrap_err();
}

#[tokio::test]
async fn an_address_that_is_not_trusted_is_named() {
    let it = office().await;
    assert!(it.app.probe().await.iter().all(|probe| probe.ok));
    it.wecom.distrust_ip(true);
    let probes = it.app.probe().await;
    let probe = probes.iter().find(|probe| !probe.ok).unwrap();
    assert!(probe.text.contains("60020") && probe.text.contains("企业可信IP"), "{}", probe.text);
    assert!(it.app.health().unwrap_err().contains("可信"));
    it.wecom.distrust_ip(false);
    it.send(&outgoing("k1", "user:ZhangGong", "在")).await.unwrap();
    it.app.health().unwrap();
}

type Change = fn(&mut AppConfig);

#[tokio::test]
async fn settings_that_cannot_be_right_are_named() {
    let (wecom, clock) = platform().await;
    let cases: [(&str, Change); 5] = [
        ("corp_id", |config| config.corp_id = "aibDESK01".to_owned()),
        ("agent_id", |config| config.agent_id = 0),
        ("secret", |config| config.secret = SecretString::from(" ")),
        ("43", |config| config.callback.as_mut().unwrap().encoding_aes_key = SecretString::from("short")),
        ("token", |config| config.callback.as_mut().unwrap().token = SecretString::from("")),
    ];
    for (word, change) in cases {
        let mut config = settings(&wecom);
        change(&mut config);
        let error = App::new(config, MemoryShelf::new(clock.clone()), now_of(&clock)).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    let shown = format!("{:?}", App::new(settings(&wecom), MemoryShelf::new(clock.clone()), now_of(&clock)).unwrap());
    assert!(!shown.contains("app-secret") && !shown.contains("deskToken"), "{shown}");
}
