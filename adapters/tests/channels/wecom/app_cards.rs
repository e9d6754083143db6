//! Cards of the application: pressed once takes effect once, and then they show it.

use std::time::Duration;

use zhishou_adapters::wecom::app::AppConfig;
use zhishou_adapters::wecom::codec::card::task_id;
use zhishou_adapters::{Action, Outgoing, Retry};
use zhishou_fakes::wecom::Fault;

use super::office::{office, office_with};
use crate::support::outgoing;

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
    assert!(it.app.health().unwrap_err().contains("接收消息"), "somebody has to fill the form in");
    it.wecom.save_app_callback(&it.url).await.unwrap();
    it.send(&claim("k2", "ZhangGong")).await.unwrap();
    assert_eq!(it.wecom.next_shown().await.kind, "template_card");
    it.app.health().unwrap();
}

#[tokio::test]
async fn a_card_that_does_not_show_all_is_said_as_text_before() {
    let it = office().await;
    let text = format!("工单 #3 登记系统打不开\n{}", "已经重启过服务器。".repeat(60));
    let task = it.send(&Outgoing { text: text.clone(), ..claim("k1", "ZhangGong") }).await.unwrap();
    let shown = it.wecom.shown("user:ZhangGong");
    assert_eq!((shown[0].text.as_str(), shown[1].task_id.as_deref()), (text.as_str(), task.as_deref()));
    assert_eq!(shown.len(), 2);
    // Refused as a card, nothing is said a second time.
    it.wecom.misbehave("message/send", &[Fault::AnswerLate, Fault::Refuse(40058)]);
    let sending = Outgoing { text, ..claim("k2", "LiGong") };
    let release = async {
        it.wecom.was_called("message/send", 3).await;
        it.wecom.answer_now();
    };
    let (sent, ()) = tokio::join!(it.send(&sending), release);
    sent.unwrap();
    assert_eq!(it.wecom.shown("user:LiGong").len(), 1);
}
