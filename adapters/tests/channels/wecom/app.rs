//! The application before the stand-in: tokens, texts, cards, names, groups of its own, files.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use zhishou_adapters::wecom::app::{App, AppCallback, AppConfig, Chat, UploadKind};
use zhishou_adapters::wecom::codec::card::task_id;
use zhishou_adapters::{Action, Outgoing, Retry, SendError, Shelf as _};
use zhishou_fakes::wecom::{FakeWeCom, Fault, Given};

use super::support::{MemoryShelf, now_of, platform};
use crate::support::{Desk, HandClock, outgoing, within};

/// An application in service.
struct Office {
    wecom: FakeWeCom,
    clock: HandClock,
    shelf: Arc<MemoryShelf>,
    app: Arc<App>,
    desk: Arc<Desk>,
    url: String,
}

fn settings(wecom: &FakeWeCom) -> AppConfig {
    let setup = wecom.setup();
    let app = setup.app();
    AppConfig {
        callback: Some(AppCallback {
            token: SecretString::from(app.token.clone()),
            encoding_aes_key: SecretString::from(app.encoding_aes_key.clone()),
            path: AppCallback::DEFAULT_PATH.to_owned(),
        }),
        api_base: wecom.api_base(),
        chats: vec!["opsroom".to_owned()],
        retry: Duration::from_millis(1),
        ..AppConfig::new(&setup.corp_id, app.agent_id, SecretString::from(app.secret.clone()))
    }
}

async fn office() -> Office {
    let office = office_with(|config| config).await;
    office.wecom.save_app_callback(&office.url).await.unwrap();
    office
}

/// The same before anything was saved in the console.
async fn office_with(change: impl FnOnce(AppConfig) -> AppConfig) -> Office {
    let (wecom, clock) = platform().await;
    for (userid, name) in [("ZhangGong", "张工"), ("LiGong", "李工"), ("WangKeZhang", "王科长")] {
        wecom.person(userid, name);
    }
    let shelf = MemoryShelf::new(clock.clone());
    let app = Arc::new(App::new(change(settings(&wecom)), shelf.clone(), now_of(&clock)).unwrap());
    let desk = Arc::new(Desk::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), AppCallback::DEFAULT_PATH);
    if let Some(routes) = app.routes(desk.clone(), "wecom") {
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    Office { wecom, clock, shelf, app, desk, url }
}

impl Office {
    async fn send(&self, message: &Outgoing) -> Result<Option<String>, SendError> {
        within(self.app.send(message)).await.map(|receipt| receipt.external_id)
    }

    /// A second process with the same settings at the same shelf.
    fn another(&self) -> App {
        App::new(settings(&self.wecom), self.shelf.another(), now_of(&self.clock)).unwrap()
    }

    /// Posts a callback of the test's own making.
    async fn post(&self, inner: &str) -> u16 {
        let sealed = self.wecom.seal_for_app(inner);
        let request = reqwest::Client::new().post(format!("{}?{}", self.url, sealed.query)).body(sealed.body);
        within(request.send()).await.unwrap().status().as_u16()
    }
}

fn claim(key: &str, user: &str) -> Outgoing {
    let action =
        |id: &str, label: &str| Action { id: id.to_owned(), label: label.to_owned(), command: format!("{label} 3") };
    Outgoing {
        title: "工单 #3 登记系统打不开".to_owned(),
        fields: vec![("级别".to_owned(), "A".to_owned())],
        actions: vec![action("claim", "认领"), action("assign", "转派")],
        ..outgoing(key, &format!("user:{user}"), "工单 #3 登记系统打不开\n级别：A")
    }
}

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
async fn a_pressed_card_shows_its_new_state_once_for_each_press() {
    let it = office().await;
    let task = it.send(&claim("k1", "ZhangGong")).await.unwrap().unwrap();
    assert_eq!(task, task_id("k1"));
    let card = it.wecom.card(&task).unwrap();
    assert_eq!(card["button_list"][0]["key"], "claim");
    let given = it.wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    assert_eq!(given.statuses, [200]);
    let pressed = it.desk.next_message().await;
    assert_eq!(pressed.press.map(|press| (press.on, press.action)), Some((task.clone(), "claim".to_owned())));
    assert_eq!((pressed.sender.as_str(), pressed.sender_name.as_str()), ("ZhangGong", "张工"));
    assert_eq!(pressed.conversation, "user:ZhangGong");
    let state = Outgoing { updates: Some(task.clone()), ..outgoing("k2", "user:ZhangGong", "张工已认领") };
    assert_eq!(it.send(&state).await.unwrap(), Some(task.clone()));
    let words = it.wecom.card(&task).unwrap().to_string();
    assert!(words.contains("张工已认领") && words.contains("工单 #3"), "{words}");
    // The code is used up: nothing is said, and nothing goes wrong.
    assert_eq!(it.send(&Outgoing { text: "又一次".to_owned(), ..state.clone() }).await.unwrap(), None);
    // Another press, perhaps of an older copy, brings another code.
    it.wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    it.desk.next_message().await;
    assert_eq!(it.send(&Outgoing { text: "李工已接手".to_owned(), ..state }).await.unwrap(), Some(task.clone()));
    assert!(it.wecom.card(&task).unwrap().to_string().contains("李工已接手"));
    assert_eq!(it.wecom.shown("user:ZhangGong").len(), 1, "no texts besides");
}

#[tokio::test]
async fn a_press_on_what_only_says_how_things_stand_asks_for_nothing() {
    let it = office().await;
    let task = it.send(&claim("k1", "ZhangGong")).await.unwrap().unwrap();
    it.send(&Outgoing { updates: Some(task.clone()), ..outgoing("k2", "user:ZhangGong", "张工已认领") }).await.unwrap();
    it.wecom.press(&task, "state", "ZhangGong").await.unwrap();
    assert_eq!(it.desk.messages(), []);
}

#[tokio::test]
async fn a_card_survives_restarts_for_three_days() {
    let it = office().await;
    let task = it.send(&claim("k1", "ZhangGong")).await.unwrap().unwrap();
    let state = Outgoing { updates: Some(task.clone()), ..outgoing("k2", "user:ZhangGong", "张工已认领") };
    it.clock.forward(Duration::from_hours(71));
    assert_eq!(it.another().send(&state).await.unwrap().external_id, Some(task.clone()));
    let late = it.send(&claim("k3", "ZhangGong")).await.unwrap().unwrap();
    it.clock.forward(Duration::from_hours(73));
    assert_eq!(it.send(&Outgoing { updates: Some(late), ..state }).await.unwrap(), None);
    let unknown = Outgoing { updates: Some("z-unknown".to_owned()), ..outgoing("k4", "user:ZhangGong", "在") };
    assert_eq!(it.send(&unknown).await.unwrap(), None);
}

#[tokio::test]
async fn a_card_change_that_did_not_get_through_is_tried_again() {
    let it = office().await;
    let task = it.send(&claim("k1", "ZhangGong")).await.unwrap().unwrap();
    let state = Outgoing { updates: Some(task.clone()), ..outgoing("k2", "user:ZhangGong", "张工已认领") };
    it.wecom.misbehave("message/update_template_card", &[Fault::Cut]);
    assert_eq!(it.send(&state).await.unwrap_err().retry(), Retry::Backoff);
    assert_eq!(it.send(&state).await.unwrap(), Some(task));
}

#[tokio::test]
async fn more_actions_than_buttons_are_a_vote_and_its_choice_is_the_action() {
    let it = office().await;
    let rates =
        (1..=7)
            .map(|n| Action { id: format!("rate-{n}"), label: format!("{n} 分"), command: format!("评价 3 {n}") });
    let survey = Outgoing { actions: rates.collect(), ..outgoing("k1", "user:WangKeZhang", "请评价工单 #3") };
    let task = it.send(&survey).await.unwrap().unwrap();
    it.wecom.vote(&task, "WangKeZhang", &[("action", &["rate-5"])]).await.unwrap();
    assert_eq!(it.desk.next_message().await.press.unwrap().action, "rate-5");
}

#[tokio::test]
async fn without_a_callback_a_card_is_said_as_text() {
    // In the configuration …
    let it = office_with(|config| AppConfig { callback: None, ..config }).await;
    it.send(&claim("k1", "ZhangGong")).await.unwrap();
    assert_eq!(it.wecom.next_shown().await.kind, "text");
    // … or in the console, which answers 43012.
    let it = office_with(|config| config).await;
    it.send(&claim("k1", "ZhangGong")).await.unwrap();
    let shown = it.wecom.next_shown().await;
    assert_eq!((shown.kind.as_str(), shown.text.contains("登记系统打不开")), ("text", true));
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

#[tokio::test]
async fn what_is_said_to_it_is_stored_before_it_is_answered() {
    let it = office().await;
    it.desk.fail(1);
    let Given { id, statuses, .. } = it.wecom.say_to_app("ZhangGong", "认领 3 <b>&amp;").await;
    assert_eq!(statuses, [503, 200], "the same bytes again, and now they are welcome");
    let heard = it.desk.next_message().await;
    assert_eq!((heard.text.as_str(), heard.sender_name.as_str()), ("认领 3 <b>&amp;", "张工"));
    assert_eq!((heard.external_id, heard.addressed), (format!("msg:{id}"), true));
    let replayed = it.wecom.replay(&id).await;
    assert!(replayed.statuses.iter().all(|status| *status == 403), "{replayed:?}");
    assert_eq!(it.desk.messages().len(), 1);
    let counts = it.app.counts().unwrap();
    assert_eq!((counts.accepted, counts.unavailable, counts.repeated > 0), (1, 1, true));
}

#[tokio::test]
async fn a_picture_is_fetched_while_it_lives_and_a_lost_one_loses_no_message() {
    let it = office().await;
    let png = b"\x89PNG\r\n\x1a\n0123456789abcdef";
    let media = it.app.upload(UploadKind::Image, "shot.png", png).await.unwrap();
    let image = |id: &str, media: &str| {
        format!(
            "<xml><ToUserName><![CDATA[wwc0ffee0000000001]]></ToUserName><FromUserName><![CDATA[ZhangGong]]></FromUserName>\
             <CreateTime>1772413200</CreateTime><MsgType><![CDATA[image]]></MsgType><MediaId><![CDATA[{media}]]></MediaId>\
             <MsgId>{id}</MsgId><AgentID>1000012</AgentID></xml>"
        )
    };
    assert_eq!(it.post(&image("1", &media)).await, 200);
    let heard = it.desk.next_message().await;
    let attachment = &heard.attachments[0];
    assert_eq!((attachment.kind.as_str(), attachment.stored.as_deref()), ("image/png", Some("hash-1")));
    assert_eq!(it.desk.kept(), [png.to_vec()]);
    assert_eq!(it.post(&image("2", "gone")).await, 200);
    let heard = it.desk.next_message().await;
    assert!(heard.attachments[0].stored.is_none() && heard.attachments[0].problem.is_some(), "{heard:?}");
    let unknown = image("3", "x").replace("[image]", "[some_future_type]");
    assert_eq!(it.post(&unknown).await, 200);
    assert!(it.desk.next_message().await.attachments[0].problem.as_deref().unwrap().contains("改发文字"));
    let foreign = image("4", "x").replace("1000012", "1000099");
    assert_eq!(it.post(&foreign).await, 200);
    assert_eq!(it.desk.messages().len(), 3, "another application's message is nobody's");
    assert_eq!(it.post("<xml><broken>").await, 400);
}

#[tokio::test]
async fn a_warning_that_the_application_will_be_stopped_is_shown() {
    let it = office().await;
    it.wecom.app_event("sys", "inactive_alert", "").await;
    assert!(it.app.health().unwrap_err().contains("不活跃"));
    it.wecom.app_event("sys", "reopen_inactive_agent", "").await;
    it.app.health().unwrap();
    it.wecom.app_event("ZhangGong", "enter_agent", "").await;
    assert_eq!(it.desk.messages(), []);
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused_and_counted() {
    let it = office().await;
    let client = reqwest::Client::new();
    let query = it.wecom.seal_for_app("<xml/>").query;
    let body = vec![b'x'; 1024 * 1024 + 1];
    let response = within(client.post(format!("{}?{query}", it.url)).body(body).send()).await.unwrap();
    assert_eq!(response.status().as_u16(), 413);
    assert_eq!(it.app.counts().unwrap().malformed, 1);
}

#[tokio::test]
async fn settings_that_cannot_be_right_are_named() {
    let (wecom, clock) = platform().await;
    type Change = fn(&mut AppConfig);
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
