//! The bot's long connection.

use jiff::SignedDuration;
use serde_json::{Value, json};
use zhishou_fakes::wecom::{Fault, Layout, Sent, Way};

use super::support::{Api, Line, button_card, code, fetch};
use super::{GROUP, IN_GROUP, begin};

#[tokio::test]
async fn subscribing_asks_for_the_bot_and_its_secret() {
    let (wecom, _) = begin().await;
    let setup = wecom.setup();
    let mut line = Line::open(&wecom).await;
    for (bot, secret, expected) in
        [("aibOTHER", setup.bot.secret.as_str(), 93019), (setup.bot.bot_id.as_str(), "wrong", 853_000)]
    {
        let ack = line.ask("aibot_subscribe", "s", &json!({ "bot_id": bot, "secret": secret })).await;
        assert_eq!(code(&ack), expected);
    }
    let push = json!({ "chatid": GROUP, "chat_type": 2, "msgtype": "markdown", "markdown": { "content": "x" } });
    assert_eq!(code(&line.ask("aibot_send_msg", "p", &push).await), 846_609, "not subscribed yet");
    line.subscribe(&wecom).await;
    assert_eq!(code(&line.ask("ping", "ping_1", &Value::Null).await), 0);
    assert_eq!(code(&line.ask("aibot_send_msg", "p", &push).await), 93006, "nobody spoke to it there");
    wecom.say_in_group(GROUP, "WangKeZhang", "在吗", None).await;
    line.callback().await;
    assert_eq!(code(&line.ask("aibot_send_msg", "p", &push).await), 0);
    assert_eq!(wecom.subscriptions(), 1);
}

#[tokio::test]
async fn the_newer_connection_wins_and_the_older_is_told_and_closed() {
    let (wecom, _) = begin().await;
    let mut older = Line::subscribed(&wecom).await;
    let mut newer = Line::subscribed(&wecom).await;
    assert_eq!(older.callback().await["body"]["event"]["eventtype"], "disconnected_event");
    assert!(older.ended().await);
    let given = wecom.say_in_group(GROUP, "WangKeZhang", "打不开", None).await;
    assert_eq!(given.way, Way::Socket);
    let heard = newer.callback().await;
    assert_eq!(heard["body"]["text"]["content"], "@值守 打不开");
    assert_eq!(heard["body"]["msgid"], given.id.as_str());
    wecom.kick();
    assert_eq!(newer.callback().await["body"]["event"]["eventtype"], "disconnected_event");
    assert!(newer.ended().await);
    let lost = wecom.say_in_group(GROUP, "WangKeZhang", "还是打不开", None).await;
    assert_eq!(lost.way, Way::Nowhere, "what nobody hears is not given later");
}

#[tokio::test]
async fn replies_are_streams_or_markdown_and_end_in_time() {
    let (wecom, clock) = begin().await;
    let mut line = Line::subscribed(&wecom).await;
    let given = wecom.say_in_group(GROUP, "WangKeZhang", "打不开", Some("工单 1024|旧事")).await;
    let asked = line.callback().await;
    assert_eq!(asked["body"]["quote"]["text"]["content"], "工单 1024|旧事");
    let req = asked["headers"]["req_id"].as_str().unwrap().to_owned();
    let text = json!({ "msgtype": "text", "text": { "content": "x" } });
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &text).await), 40008);
    let frame = |id: &str, finish: bool, content: &str| json!({ "msgtype": "stream", "stream": { "id": id, "finish": finish, "content": content } });
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("a", false, "正在查找…")).await), 0);
    assert_eq!(wecom.open_streams().len(), 1);
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("a", true, "已受理")).await), 0);
    let shown = wecom.shown(IN_GROUP);
    assert_eq!(shown.len(), 1, "the text is replaced, not added: {shown:?}");
    assert_eq!((shown[0].text.as_str(), shown[0].finished), ("已受理", true));
    assert_eq!(shown[0].answers.as_deref(), Some(given.id.as_str()));
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("a", true, "又来")).await), 846_608, "finished");
    let long = frame("b", true, &"务".repeat(6827));
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &long).await), 40058);
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("c", false, "等")).await), 0);
    clock.forward(SignedDuration::from_secs(361));
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("c", true, "晚了")).await), 846_608, "too late");
    assert_eq!(wecom.open_streams().len(), 1, "it thinks for ever");
    clock.forward(SignedDuration::from_hours(24));
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &frame("d", true, "x")).await), 846_605, "a day old");
}

#[tokio::test]
async fn req_ids_of_another_connection_of_events_or_of_nobody_are_invalid() {
    let (wecom, _) = begin().await;
    let mut line = Line::subscribed(&wecom).await;
    wecom.say_single("ZhangGong", "查询 1024", None).await;
    let asked = line.callback().await;
    assert_eq!((&asked["body"]["chattype"], &asked["body"]["chatid"]), (&json!("single"), &Value::Null));
    let stale = asked["headers"]["req_id"].as_str().unwrap().to_owned();
    wecom.drop_socket();
    assert!(line.ended().await);
    let mut line = Line::subscribed(&wecom).await;
    let reply = json!({ "msgtype": "markdown", "markdown": { "content": "x" } });
    assert_eq!(code(&line.ask("aibot_respond_msg", &stale, &reply).await), 846_605);
    assert_eq!(code(&line.ask("aibot_respond_msg", "made-up", &reply).await), 846_605);
    wecom.thumb(GROUP, "WangKeZhang", "fb-1", 1).await;
    let event = line.callback().await["headers"]["req_id"].as_str().unwrap().to_owned();
    assert_eq!(code(&line.ask("aibot_respond_msg", &event, &reply).await), 846_605);
    assert!(wecom.all_shown().is_empty());
}

#[tokio::test]
async fn a_card_is_pressed_and_updated_once_within_five_seconds() {
    let (wecom, clock) = begin().await;
    wecom.has_been_spoken_to(IN_GROUP);
    let mut line = Line::subscribed(&wecom).await;
    let push = json!({ "chatid": GROUP, "chat_type": 2, "msgtype": "template_card", "template_card": button_card("t-1", "认领", "claim:1") });
    assert_eq!(code(&line.ask("aibot_send_msg", "p1", &push).await), 0);
    assert_eq!(code(&line.ask("aibot_send_msg", "p2", &push).await), 40058, "a task id is never used again");
    assert!(wecom.press("t-1", "nothing", "ZhangGong").await.is_err());
    assert!(wecom.press("t-1", "claim:1", "Stranger").await.is_err(), "who does not see it cannot press it");

    wecom.press("t-1", "claim:1", "ZhangGong").await.unwrap();
    let event = line.callback().await;
    assert_eq!(event["body"]["event"]["template_card_event"]["task_id"], "t-1");
    assert_eq!(event["body"]["from"]["userid"], "ZhangGong");
    let req = event["headers"]["req_id"].as_str().unwrap().to_owned();
    let update = |task: &str| json!({ "response_type": "update_template_card", "template_card": button_card(task, "张工已认领", "claimed:1") });
    assert_eq!(code(&line.ask("aibot_respond_update_msg", &req, &update("t-2")).await), 40058, "another card");
    assert_eq!(code(&line.ask("aibot_respond_update_msg", &req, &update("t-1")).await), 0);
    assert_eq!(code(&line.ask("aibot_respond_update_msg", &req, &update("t-1")).await), 846_605, "once");
    assert_eq!(wecom.card("t-1").unwrap()["button_list"][0]["text"], "张工已认领");

    // Somebody still looks at the older copy: the press arrives; six seconds are too many.
    wecom.press("t-1", "claim:1", "LiGong").await.unwrap();
    let req = line.callback().await["headers"]["req_id"].as_str().unwrap().to_owned();
    clock.forward(SignedDuration::from_secs(6));
    assert_eq!(code(&line.ask("aibot_respond_update_msg", &req, &update("t-1")).await), 846_605);
    // For one person only.
    wecom.press("t-1", "claimed:1", "LiGong").await.unwrap();
    let req = line.callback().await["headers"]["req_id"].as_str().unwrap().to_owned();
    let mut hers = update("t-1");
    hers["template_card"] = button_card("t-1", "已被认领", "claimed:1");
    hers["userids"] = json!(["LiGong"]);
    assert_eq!(code(&line.ask("aibot_respond_update_msg", &req, &hers).await), 0);
    assert_eq!(wecom.card_for("t-1", "LiGong").unwrap()["button_list"][0]["text"], "已被认领");
    assert_eq!(wecom.card_for("t-1", "ZhangGong").unwrap()["button_list"][0]["text"], "张工已认领");
}

#[tokio::test]
async fn votes_carry_what_was_chosen_in_all_three_layouts() {
    let (wecom, _) = begin().await;
    wecom.has_been_spoken_to("user:WangKeZhang");
    let mut line = Line::subscribed(&wecom).await;
    let card = json!({ "card_type": "vote_interaction", "main_title": { "title": "评价" }, "task_id": "s-1",
        "checkbox": { "question_key": "score", "option_list": [{ "id": "s5", "text": "满意" }, { "id": "s1", "text": "不" }] },
        "submit_button": { "text": "提交", "key": "survey" } });
    let push = json!({ "chatid": "wangkezhang", "chat_type": 1, "msgtype": "template_card", "template_card": card });
    assert_eq!(code(&line.ask("aibot_send_msg", "p", &push).await), 0, "userids have no case");
    assert!(wecom.vote("s-1", "WangKeZhang", &[("score", &["s9"])]).await.is_err());
    wecom.vote("s-1", "WangKeZhang", &[("score", &["s5"])]).await.unwrap();
    let nested = line.callback().await["body"]["event"]["template_card_event"].clone();
    assert_eq!(nested["selected_items"]["selected_item"][0]["option_ids"]["option_id"][0], "s5");
    wecom.card_events_as(Layout::Flat);
    wecom.vote("s-1", "WangKeZhang", &[("score", &["s1"])]).await.unwrap();
    assert_eq!(line.callback().await["body"]["event"]["task_id"], "s-1");
    wecom.card_events_as(Layout::Pascal);
    wecom.vote("s-1", "WangKeZhang", &[("score", &["s1"])]).await.unwrap();
    let pascal = line.callback().await["body"]["template_card_event"].clone();
    assert_eq!(pascal["TaskId"], "s-1");
    assert!(pascal["ResponseData"].as_str().unwrap().contains("s1"));
}

#[tokio::test]
async fn a_welcome_is_text_once_and_at_once() {
    let (wecom, clock) = begin().await;
    let mut line = Line::subscribed(&wecom).await;
    let welcome = json!({ "msgtype": "text", "text": { "content": "您好" } });
    wecom.enter_chat("WangKeZhang").await;
    let req = line.callback().await["headers"]["req_id"].as_str().unwrap().to_owned();
    assert_eq!(code(&line.ask("aibot_respond_msg", &req, &welcome).await), 846_605, "an event is no message");
    assert_eq!(code(&line.ask("aibot_respond_welcome_msg", &req, &welcome).await), 0);
    assert_eq!(code(&line.ask("aibot_respond_welcome_msg", &req, &welcome).await), 846_605);
    assert_eq!(wecom.shows("user:WangKeZhang", "您好").await.kind, "text");
    wecom.enter_chat("LiGong").await;
    let req = line.callback().await["headers"]["req_id"].as_str().unwrap().to_owned();
    clock.forward(SignedDuration::from_secs(6));
    assert_eq!(code(&line.ask("aibot_respond_welcome_msg", &req, &welcome).await), 846_605);
}

#[tokio::test]
async fn thirty_a_minute_and_no_more_per_conversation() {
    let (wecom, clock) = begin().await;
    wecom.has_been_spoken_to(IN_GROUP);
    wecom.has_been_spoken_to("user:LiGong");
    let mut line = Line::subscribed(&wecom).await;
    let push = |chat: &str, kind: i64| json!({ "chatid": chat, "chat_type": kind, "msgtype": "markdown", "markdown": { "content": "x" } });
    for number in 0..30 {
        assert_eq!(code(&line.ask("aibot_send_msg", &format!("p{number}"), &push(GROUP, 2)).await), 0);
    }
    assert_eq!(code(&line.ask("aibot_send_msg", "p30", &push(GROUP, 2)).await), 45009);
    assert_eq!(code(&line.ask("aibot_send_msg", "p31", &push("LiGong", 1)).await), 0, "another conversation");
    assert_eq!(code(&line.ask("aibot_send_msg", "p31", &push(GROUP, 0)).await), 45009, "a guess finds the group first");
    assert_eq!(code(&line.ask("aibot_send_msg", "p31", &push("ZhangGong", 0)).await), 93006, "then the person");
    assert_eq!(code(&line.ask("aibot_send_msg", "p31", &push(GROUP, 3)).await), 40058);
    clock.forward(SignedDuration::from_secs(60));
    assert_eq!(code(&line.ask("aibot_send_msg", "p32", &push(GROUP, 2)).await), 0);
    assert_eq!(wecom.shown(IN_GROUP).len(), 31);
}

#[tokio::test]
async fn commands_can_be_refused_lost_answered_late_or_cut() {
    let (wecom, _) = begin().await;
    wecom.has_been_spoken_to(IN_GROUP);
    let mut line = Line::subscribed(&wecom).await;
    let push =
        |text: &str| json!({ "chatid": GROUP, "chat_type": 2, "msgtype": "markdown", "markdown": { "content": text } });
    wecom.refuse_next("aibot_send_msg", 6000, 2);
    for _ in 0..2 {
        assert_eq!(code(&line.ask("aibot_send_msg", "a", &push("一")).await), 6000);
    }
    wecom.misbehave("aibot", &[Fault::Swallow, Fault::TakeSilently, Fault::AnswerLate]);
    line.send("aibot_send_msg", "b", &push("二")).await;
    line.send("aibot_send_msg", "c", &push("三")).await;
    line.send("aibot_send_msg", "d", &push("四")).await;
    assert_eq!(
        code(&line.ask("ping", "ping_9", &Value::Null).await),
        0,
        "pings go on, and nothing was answered before"
    );
    assert_eq!(code(&line.ask("aibot_send_msg", "d", &push("五")).await), 6000, "the same req_id is still under way");
    wecom.answer_now();
    assert_eq!(line.frame().await["headers"]["req_id"], "d");
    let texts: Vec<String> = wecom.shown(IN_GROUP).into_iter().map(|shown| shown.text).collect();
    assert_eq!(texts, ["三", "四"]);
    wecom.misbehave("aibot_send_msg", &[Fault::TakeAndCut]);
    line.send("aibot_send_msg", "e", &push("六")).await;
    assert!(line.ended().await);
    assert_eq!(wecom.shown(IN_GROUP).len(), 3);
    let mut line = Line::subscribed(&wecom).await;
    wecom.lose_subscription();
    assert_eq!(code(&line.ask("aibot_send_msg", "f", &push("七")).await), 846_609);
    assert_eq!(code(&line.ask("ping", "g", &Value::Null).await), 0, "a ping does not tell");
    wecom.push_garbage();
    line.subscribe(&wecom).await;
    wecom.push_garbage();
    assert_eq!(line.raw().await, "hello");
}

#[tokio::test]
async fn the_whole_place_can_go_and_come_back() {
    let (wecom, _) = begin().await;
    let mut line = Line::subscribed(&wecom).await;
    wecom.go_down().await;
    assert!(line.ended().await);
    assert!(Line::try_open(&wecom).await.is_none(), "nobody is there");
    assert!(Api::new(&wecom).try_get("getcallbackip", "").await.is_none());
    wecom.come_back().await;
    Line::subscribed(&wecom).await;
    assert_eq!(wecom.subscriptions(), 2);
}

#[tokio::test]
async fn files_go_up_in_pieces_from_zero_and_out_by_id() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let (wecom, clock) = begin().await;
    wecom.has_been_spoken_to(IN_GROUP);
    let mut line = Line::subscribed(&wecom).await;
    let init =
        |pieces: i64| json!({ "type": "file", "filename": "周报.docx", "total_size": 10, "total_chunks": pieces });
    assert_eq!(code(&line.ask("aibot_upload_media_init", "i0", &init(101)).await), 40058);
    let id = line.ask("aibot_upload_media_init", "i1", &init(2)).await["body"]["upload_id"].clone();
    let piece = |index: i64, bytes: &[u8]| json!({ "upload_id": id, "chunk_index": index, "base64_data": STANDARD.encode(bytes) });
    let mut short = init(2);
    short["total_size"] = 5.into();
    let half = line.ask("aibot_upload_media_init", "i2", &short).await["body"]["upload_id"].clone();
    let only = json!({ "upload_id": half, "chunk_index": 0, "base64_data": STANDARD.encode("12345") });
    assert_eq!(code(&line.ask("aibot_upload_media_chunk", "c", &only).await), 0);
    let finish = json!({ "upload_id": half });
    assert_eq!(code(&line.ask("aibot_upload_media_finish", "f", &finish).await), 40058, "the second piece is missing");
    assert_eq!(code(&line.ask("aibot_upload_media_chunk", "c2", &piece(2, b"late")).await), 40058, "they count from 0");
    assert_eq!(code(&line.ask("aibot_upload_media_chunk", "c1", &piece(1, b"67890")).await), 0);
    let finish = json!({ "upload_id": id });
    assert_eq!(code(&line.ask("aibot_upload_media_finish", "f", &finish).await), 40058, "one is missing");
    assert_eq!(code(&line.ask("aibot_upload_media_chunk", "c0", &piece(0, b"12345")).await), 0);
    let media = line.ask("aibot_upload_media_finish", "f", &finish).await["body"]["media_id"].clone();
    assert_eq!(wecom.uploaded(media.as_str().unwrap()), Some(("周报.docx".to_owned(), b"1234567890".to_vec())));
    let push = json!({ "chatid": GROUP, "chat_type": 2, "msgtype": "file", "file": { "media_id": media } });
    assert_eq!(code(&line.ask("aibot_send_msg", "p", &push).await), 0);
    assert_eq!(wecom.shown(IN_GROUP)[0].text, "周报.docx");
    clock.forward(SignedDuration::from_hours(73));
    assert_eq!(code(&line.ask("aibot_send_msg", "q", &push).await), 40007);
}

#[tokio::test]
async fn pictures_come_encrypted_behind_a_link_for_five_minutes() {
    let (wecom, clock) = begin().await;
    let mut line = Line::subscribed(&wecom).await;
    let image = Sent { kind: "image", name: "报错 1.png", bytes: b"\x89PNG and so on" };
    wecom.say_with_images(GROUP, "WangKeZhang", "报错截图", &[image]).await;
    let items = line.callback().await["body"]["mixed"]["msg_item"].clone();
    assert_eq!(items[0]["text"]["content"], "@值守 报错截图");
    let picture = &items[1]["image"];
    assert_eq!(picture["aeskey"].as_str().unwrap().len(), 43, "its padding is missing at times");
    let url = picture["url"].as_str().unwrap();
    let (status, name, bytes) = fetch(url).await;
    assert_eq!((status, bytes.len()), (200, 32));
    assert_ne!(&bytes[..4], b"\x89PNG");
    assert!(name.contains("%E6%8A%A5%E9%94%99%201.png"), "{name}");
    clock.forward(SignedDuration::from_secs(301));
    assert_eq!(fetch(url).await.0, 403);
}
