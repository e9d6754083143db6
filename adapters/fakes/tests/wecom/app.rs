//! The application's API.

use jiff::SignedDuration;
use serde_json::{Value, json};
use zhishou_fakes::wecom::{By, FakeWeCom, Setup};

use super::support::{Api, Clock, Desk, Line, button_card, code};
use super::{GROUP, begin};

#[tokio::test]
async fn one_token_per_secret_until_it_ends() {
    let mut setup = Setup::default();
    let mut other = setup.apps[0].clone();
    (other.agent_id, other.secret) = (1_000_013, "other-secret".to_owned());
    setup.apps.push(other);
    let clock = Clock::new();
    let wecom = FakeWeCom::start_as(setup.clone(), clock.now()).await;
    let api = Api::new(&wecom);
    for (query, expected) in [
        ("corpid=ww0&corpsecret=x".to_owned(), 40013),
        (format!("corpid={}&corpsecret=x", setup.corp_id), 40001),
        (format!("corpid={}", setup.corp_id), 41004),
    ] {
        assert_eq!(code(&api.get("gettoken", &query).await), expected, "{query}");
    }
    assert_eq!(wecom.wrong_secrets(), 2);
    let first = api.token(&setup.apps[0].secret).await;
    assert_eq!(api.token(&setup.apps[0].secret).await, first, "the same while it counts");
    assert_ne!(api.token(&setup.apps[1].secret).await, first);
    let ip = |token: &str| format!("access_token={token}");
    assert_eq!(code(&api.get("getcallbackip", &ip(&first)).await), 0);
    assert_eq!(code(&api.get("getcallbackip", "").await), 41001);
    assert_eq!(code(&api.get("getcallbackip", &ip("made-up")).await), 40014);
    wecom.expire_tokens();
    assert_eq!(code(&api.get("getcallbackip", &ip(&first)).await), 42001);
    let second = api.token(&setup.apps[0].secret).await;
    assert_ne!(second, first);
    clock.forward(SignedDuration::from_secs(7200));
    assert_eq!(code(&api.get("getcallbackip", &ip(&second)).await), 42001);
    wecom.distrust_ip(true);
    let third = api.token(&setup.apps[0].secret).await;
    let refused = api.get("getcallbackip", &ip(&third)).await;
    assert_eq!(code(&refused), 60020);
    assert!(refused["errmsg"].as_str().unwrap().contains("from ip: 203.0.113.7"), "{refused}");
}

#[tokio::test]
async fn messages_of_the_application_reach_whom_they_can() {
    let (wecom, clock) = begin().await;
    wecom.person("Hidden", "某人");
    wecom.hide("Hidden");
    let api = Api::with_token(&wecom).await;
    let text = |to: &str, content: &str| json!({ "touser": to, "agentid": 1_000_012, "msgtype": "text", "text": { "content": content } });
    for (why, body, expected) in [
        ("agent ids are numbers", json!({ "touser": "LiGong", "agentid": "1000012", "msgtype": "text" }), 40056),
        ("of the token", json!({ "touser": "LiGong", "agentid": 1, "msgtype": "text" }), 301_002),
        ("a list is nobody", json!({ "touser": ["LiGong"], "agentid": 1_000_012, "msgtype": "text" }), 82001),
        ("nobody valid", text("Nobody|Hidden", "x"), 81013),
        ("empty", text("LiGong", ""), 44004),
        ("another kind", json!({ "touser": "LiGong", "agentid": 1_000_012, "msgtype": "markdown_v2" }), 40008),
    ] {
        assert_eq!(code(&api.post("message/send", &body).await), expected, "{why}");
    }
    let long = "修".repeat(683);
    let sent = api.post("message/send", &text("ligong|NoBody|LiGong", &long)).await;
    assert_eq!((code(&sent), &sent["invaliduser"]), (0, &json!("nobody")));
    let shown = wecom.shown("user:LiGong");
    assert_eq!(shown.len(), 1, "named twice, told once");
    assert_eq!(shown[0].text.len(), 2046, "cut silently, at a whole character");
    assert_eq!(shown[0].by, By::App(1_000_012));

    let mut twice = text("ZhangGong", "同一句");
    twice["enable_duplicate_check"] = 1.into();
    assert_eq!(api.post("message/send", &twice).await, api.post("message/send", &twice).await);
    assert_eq!(wecom.shown("user:ZhangGong").len(), 1);
    clock.forward(SignedDuration::from_secs(1800));
    api.post("message/send", &twice).await;
    assert_eq!(wecom.shown("user:ZhangGong").len(), 2, "after the interval it goes out again");

    let recall = json!({ "msgid": sent["msgid"] });
    assert_eq!(code(&api.post("message/recall", &recall).await), 0);
    assert!(wecom.shown("user:LiGong").is_empty());
    assert_eq!(code(&api.post("message/recall", &json!({ "msgid": "MSG9999" })).await), 40058);
    let late = json!({ "msgid": api.post("message/send", &text("LiGong", "改不了")).await["msgid"] });
    clock.forward(SignedDuration::from_secs(86_401));
    let api = Api::with_token(&wecom).await;
    assert_eq!(code(&api.post("message/recall", &late).await), 40058, "a day later it stays");

    for number in 0..31 {
        assert_eq!(code(&api.post("message/send", &text("WangKeZhang", &format!("第 {number} 句"))).await), 0);
    }
    assert_eq!(wecom.shown("user:WangKeZhang").len(), 30, "the excess is dropped and reported as success");
    wecom.say_member_limit(true);
    assert_eq!(code(&api.post("message/send", &text("WangKeZhang", "再来")).await), 45009);
}

#[tokio::test]
async fn a_card_of_the_application_changes_by_a_code_once_within_three_days() {
    let (wecom, clock) = begin().await;
    let desk = Desk::start(&wecom, Vec::new()).await;
    let api = Api::with_token(&wecom).await;
    let send = |task: &str| json!({ "touser": "ZhangGong|LiGong", "agentid": 1_000_012, "msgtype": "template_card", "template_card": button_card(task, "认领", "claim:1") });
    assert_eq!(code(&api.post("message/send", &send("t-1")).await), 43012, "no callback address, no buttons");
    wecom.app_callback(&desk.url);
    let sent = api.post("message/send", &send("t-1")).await;
    let response = sent["response_code"].as_str().unwrap().to_owned();
    assert_eq!(code(&api.post("message/send", &send("t-1")).await), 40058, "the task id is taken");
    let update = |code: &str, who: &[&str], name: &str| json!({ "userids": who, "agentid": 1_000_012, "response_code": code, "button": { "replace_name": name } });
    assert_eq!(code(&api.post("message/update_template_card", &update(&response, &[], "x")).await), 82001);
    let done = api.post("message/update_template_card", &update(&response, &["LiGong", "Nobody"], "张工已认领")).await;
    assert_eq!((code(&done), &done["invaliduser"]), (0, &json!(["nobody"])));
    assert_eq!(wecom.card_for("t-1", "LiGong").unwrap()["replace_text"], "张工已认领");
    assert!(wecom.card_for("t-1", "ZhangGong").unwrap().get("replace_text").is_none(), "the others keep theirs");
    assert_eq!(
        code(&api.post("message/update_template_card", &update(&response, &["LiGong"], "x")).await),
        40058,
        "once"
    );

    let given = wecom.press("t-1", "claim:1", "ZhangGong").await.unwrap();
    assert_eq!(given.statuses, [200]);
    let (_, xml) = desk.heard().pop().unwrap();
    assert!(xml.contains("<EventKey><![CDATA[claim:1]]></EventKey>"), "{xml}");
    let from_event = xml.split("<ResponseCode><![CDATA[").nth(1).unwrap().split("]]>").next().unwrap().to_owned();
    clock.forward(SignedDuration::from_hours(73));
    let api = Api::with_token(&wecom).await;
    assert_eq!(
        code(&api.post("message/update_template_card", &update(&from_event, &["LiGong"], "x")).await),
        40058,
        "late"
    );
}

#[tokio::test]
async fn groups_of_the_application_and_no_others() {
    let (wecom, _) = begin().await;
    let api = Api::with_token(&wecom).await;
    let create = |id: &str, members: &[&str]| json!({ "name": "运维告警", "owner": members[0], "userlist": members, "chatid": id });
    for (why, body, expected) in [
        ("ids are letters and digits", create("a-b", &["LiGong", "ZhangGong"]), 86001),
        ("two at least", create("a1", &["LiGong"]), 86006),
        ("strangers", create("a1", &["LiGong", "Nobody"]), 86216),
        ("good", create("a1", &["LiGong", "ZhangGong"]), 0),
        ("again", create("a1", &["LiGong", "ZhangGong"]), 86215),
    ] {
        assert_eq!(code(&api.post("appchat/create", &body).await), expected, "{why}");
    }
    let send = |id: &str, kind: &str, object: Value| json!({ "chatid": id, "msgtype": kind, kind: object });
    let text = json!({ "content": "请看", "mentioned_list": ["LiGong", "WangKeZhang"] });
    assert_eq!(code(&api.post("appchat/send", &send("a1", "text", text.clone())).await), 0);
    assert_eq!(wecom.shown("group:a1")[0].mentions, ["LiGong"], "who is not there is not mentioned");
    assert_eq!(code(&api.post("appchat/send", &send("a1", "template_card", button_card("t", "x", "k"))).await), 40008);
    assert_eq!(code(&api.post("appchat/send", &send(GROUP, "text", text.clone())).await), 86008);
    assert_eq!(code(&api.post("appchat/send", &send("none", "text", text)).await), 86003);
    wecom.root_range(false);
    assert_eq!(code(&api.post("appchat/update", &json!({ "chatid": "a1" })).await), 48002);
}

#[tokio::test]
async fn people_are_looked_up_and_open_ids_turned_back() {
    let (wecom, _) = begin().await;
    wecom.hide("LiGong");
    let api = Api::with_token(&wecom).await;
    let found = api.get_with("user/get", "userid=zhanggong").await;
    assert_eq!((&found["name"], &found["userid"]), (&json!("张工"), &json!("ZhangGong")));
    assert!(found.get("mobile").is_none());
    assert_eq!(code(&api.get_with("user/get", "userid=LiGong").await), 60011);
    assert_eq!(code(&api.get_with("user/get", "userid=Nobody").await), 60111);
    let (known, hidden) = (wecom.open_userid("ZhangGong"), wecom.open_userid("LiGong"));
    let asked = json!({ "open_userid_list": [known, hidden, "ZhangGong"] });
    let turned = api.post("batch/openuserid_to_userid", &asked).await;
    assert_eq!(turned["userid_list"], json!([{ "open_userid": known, "userid": "ZhangGong" }]));
    assert_eq!(turned["invalid_open_userid_list"], json!([hidden, "ZhangGong"]));
    wecom.bot_sees_open_userids(true);
    let mut line = Line::subscribed(&wecom).await;
    wecom.say_single("ZhangGong", "绑定 1", None).await;
    assert_eq!(line.callback().await["body"]["from"]["userid"], known);
}

#[tokio::test]
async fn media_of_the_application_go_up_and_come_down() {
    let (wecom, _) = begin().await;
    let api = Api::with_token(&wecom).await;
    let up = api.upload("media/upload", "type=file", "a.txt", b"0123456789").await;
    let id = up["media_id"].as_str().unwrap();
    assert!(up["created_at"].is_string());
    assert_eq!(api.bytes("media/get", &format!("media_id={id}")).await, b"0123456789");
    assert_eq!(code(&api.get_with("media/get", "media_id=none").await), 40007);
    assert_eq!(code(&api.upload("media/upload", "type=file", "a.txt", b"").await), 44001);
    assert_eq!(code(&api.upload("media/upload", "type=file", "a.txt", b"12345").await), 40006);
    assert_eq!(code(&api.upload("media/upload", "type=news", "a.txt", b"0123456789").await), 40005);
}
