//! Messages as cards, and cards in their new state.

use proptest::prelude::*;
use serde_json::{Value, json};
use zhishou_adapters::wecom::codec::card::{Lengths, STATE_KEY, card, task_id, updated, wants_card};
use zhishou_adapters::wecom::codec::card_rules::{CardSurface, check_card};
use zhishou_adapters::{Action, Outgoing};

pub fn action(id: &str, label: &str) -> Action {
    Action { id: id.to_owned(), label: label.to_owned(), command: format!("{label} 12") }
}

fn claim() -> Outgoing {
    Outgoing {
        key: "outbox-1".to_owned(),
        conversation: "group:wrGROUP0001".to_owned(),
        title: "新工单 #12 登记系统打不开".to_owned(),
        text: "新工单 #12 登记系统打不开\n级别：A\n响应时限：14:30 前\n市住建局 王科长：一登录就报错\n回复「认领 12」"
            .to_owned(),
        fields: vec![("级别".to_owned(), "A".to_owned()), ("响应时限".to_owned(), "14:30 前".to_owned())],
        actions: vec![action("claim", "认领"), action("assign", "转派")],
        ..Outgoing::default()
    }
}

#[test]
fn a_message_with_buttons_is_a_card_that_says_everything_once() {
    let message = claim();
    assert!(wants_card(&message));
    let made = card(&message, "z-1", "值守", Lengths::BOT);
    assert!(made.whole);
    let expected = json!({
        "card_type": "button_interaction",
        "source": { "desc": "值守" },
        "main_title": { "title": "新工单 #12 登记系统打不开" },
        "horizontal_content_list": [
            { "keyname": "级别", "value": "A" },
            { "keyname": "响应时限", "value": "14:30 前" }
        ],
        "sub_title_text": "市住建局 王科长：一登录就报错\n回复「认领 12」",
        "button_list": [
            { "text": "认领", "style": 1, "key": "claim" },
            { "text": "转派", "style": 2, "key": "assign" }
        ],
        "task_id": "z-1"
    });
    assert_eq!(made.json, expected);
    assert_eq!(check_card(&made.json, CardSurface::Interactive), Ok(()));
}

#[test]
fn without_a_title_the_first_line_is_one() {
    let message =
        Outgoing { title: String::new(), fields: Vec::new(), text: "请确认\n已解决".to_owned(), ..claim() };
    let made = card(&message, "z-1", "", Lengths::BOT);
    assert_eq!(made.json["main_title"]["title"], "请确认");
    assert_eq!(made.json["sub_title_text"], "已解决");
    assert_eq!(made.json.get("source"), None);
}

#[test]
fn a_card_that_had_to_be_cut_says_so() {
    let long = "修".repeat(200);
    for (why, message) in [
        ("the text", Outgoing { text: long.clone(), title: "标题".to_owned(), fields: Vec::new(), ..claim() }),
        ("a value", Outgoing { fields: vec![("单位".to_owned(), long.clone())], ..claim() }),
        (
            "the number of rows",
            Outgoing { fields: (0..7).map(|n| (format!("k{n}"), "v".to_owned())).collect(), ..claim() },
        ),
    ] {
        let made = card(&message, "z-1", "值守", Lengths::BOT);
        assert!(!made.whole, "{why}");
        assert_eq!(check_card(&made.json, CardSurface::Interactive), Ok(()), "{why}");
        assert!(made.json["sub_title_text"].as_str().unwrap_or_default().chars().count() <= 112, "{why}");
    }
}

#[test]
fn more_than_six_buttons_become_a_list_whose_choice_is_the_action() {
    let actions: Vec<Action> = (0..8).map(|n| action(&format!("a{n}"), &format!("选项{n}"))).collect();
    let made = card(&Outgoing { actions, ..claim() }, "z-1", "值守", Lengths::BOT);
    assert_eq!(made.json["card_type"], "vote_interaction");
    assert_eq!(made.json["checkbox"]["option_list"].as_array().unwrap().len(), 8);
    assert_eq!(check_card(&made.json, CardSurface::Interactive), Ok(()));
}

#[test]
fn a_task_id_is_the_same_for_the_same_message_and_nothing_the_platform_refuses() {
    assert_eq!(task_id("outbox-1"), task_id("outbox-1"));
    assert_ne!(task_id("outbox-1"), task_id("outbox-2"));
    assert_eq!(task_id("工单：1").len(), 26);
}

#[test]
fn a_pressed_card_keeps_what_stays_and_says_who_did_it() {
    let old = card(&claim(), "z-1", "值守", Lengths::BOT).json;
    let news =
        Outgoing { text: "#12 已由张工认领".to_owned(), updates: Some("z-1".to_owned()), ..Outgoing::default() };
    let new = updated(&old, &news, "z-1", Lengths::BOT);
    assert_eq!(new["main_title"], old["main_title"]);
    assert_eq!(new["horizontal_content_list"], old["horizontal_content_list"]);
    assert_eq!(new["sub_title_text"], "#12 已由张工认领");
    assert_eq!(new["button_list"], json!([{ "text": "#12 已由张工认领", "style": 3, "key": STATE_KEY }]));
    assert_eq!(new["task_id"], "z-1");
    assert_eq!(check_card(&new, CardSurface::Interactive), Ok(()));
}

#[test]
fn a_card_whose_old_state_was_lost_is_whole_all_the_same() {
    let news = Outgoing { title: "工单 #12".to_owned(), text: "已认领".to_owned(), ..Outgoing::default() };
    let new = updated(&Value::Null, &news, "z-1", Lengths::BOT);
    assert_eq!(new["main_title"]["title"], "工单 #12");
    assert_eq!(check_card(&new, CardSurface::Interactive), Ok(()));
}

proptest! {
    #[test]
    fn every_card_is_one_the_platform_takes(
        title in "\\PC{0,60}", text in "[\\PC\n]{0,300}", key in "\\PC{1,40}",
        fields in proptest::collection::vec(("\\PC{0,12}", "\\PC{0,60}"), 0..9),
        ids in proptest::collection::vec("[a-z0-9-]{1,12}", 1..25),
    ) {
        let actions: Vec<Action> = ids.iter().map(|id| action(id, "按钮")).collect();
        let message = Outgoing { key: key.clone(), title, text, fields, actions, ..Outgoing::default() };
        let task = task_id(&key);
        for lengths in [Lengths::BOT, Lengths::APP] {
            let made = card(&message, &task, "值守", lengths).json;
            prop_assert_eq!(check_card(&made, CardSurface::Interactive), Ok(()), "{}", made);
            let done = Outgoing { actions: Vec::new(), ..message.clone() };
            let new = updated(&made, &done, &task, lengths);
            prop_assert_eq!(check_card(&new, CardSurface::Interactive), Ok(()), "{}", new);
            prop_assert_eq!(&new["task_id"], &made["task_id"]);
        }
    }
}
