//! Cards of the bot over its line: pressed, changed, refused, known after a restart.

use std::time::Duration;

use zhishou_adapters::Outgoing;
use zhishou_adapters::wecom::codec::card::{STATE_KEY, task_id};
use zhishou_fakes::wecom::Layout;

use super::cards::action;
use super::support::{connected, only, platform, serve, socket_bot};
use crate::support::{outgoing, within};

const GROUP: &str = "group:wrGROUP0001";

fn claim(key: &str) -> Outgoing {
    Outgoing {
        title: "新工单 #12".to_owned(),
        actions: vec![action("claim", "认领")],
        ..outgoing(key, GROUP, "登记系统打不开")
    }
}

fn news(task: &str, text: &str) -> Outgoing {
    Outgoing { updates: Some(task.to_owned()), ..outgoing("news", GROUP, text) }
}

#[tokio::test]
async fn a_pressed_card_is_handed_in_and_shows_who_did_it() {
    for layout in [Layout::Nested, Layout::Flat, Layout::Pascal] {
        let (wecom, clock) = platform().await;
        let served = connected(&wecom, &clock).await;
        wecom.group("wrGROUP0001", &[("ZhangGong", "张工"), ("LiGong", "李工")]);
        wecom.has_been_spoken_to(GROUP);
        wecom.card_events_as(layout);
        let task = served.send(&claim("k1")).await.unwrap().expect("a card has an id");
        assert_eq!(task, task_id("k1"));
        wecom.press(&task, "claim", "ZhangGong").await.unwrap();
        let pressed = served.desk.next_message().await;
        let press = pressed.press.expect("a press");
        assert_eq!((press.on.as_str(), press.action.as_str()), (task.as_str(), "claim"));
        assert_eq!((pressed.sender.as_str(), pressed.conversation.as_str()), ("ZhangGong", GROUP));
        served.send(&news(&task, "张工已认领")).await.unwrap();
        let card = wecom.card(&task).unwrap();
        assert_eq!(card["button_list"][0]["text"], "张工已认领");
        assert_eq!(card["main_title"]["title"], "新工单 #12");
        // What only says how things stand asks nothing of the desk.
        wecom.press(&task, STATE_KEY, "LiGong").await.unwrap();
        within(wecom.was_called("aibot_respond_update_msg", 2)).await;
        assert_eq!(served.desk.messages().len(), 1);
    }
}

#[tokio::test]
pub async fn two_who_press_at_once_both_see_who_was_first() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工"), ("LiGong", "李工")]);
    wecom.has_been_spoken_to(GROUP);
    let task = served.send(&claim("k1")).await.unwrap().unwrap();
    wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    wecom.press(&task, "claim", "LiGong").await.unwrap();
    served.desk.next_message().await;
    served.desk.next_message().await;
    served.send(&news(&task, "张工已认领")).await.unwrap();
    within(wecom.was_called("aibot_respond_update_msg", 2)).await;
    assert_eq!(wecom.complaints(), Vec::<String>::new());
}

#[tokio::test]
pub async fn a_card_that_can_no_longer_be_changed_is_left_without_a_word() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工")]);
    wecom.has_been_spoken_to(GROUP);
    let task = served.send(&claim("k1")).await.unwrap().unwrap();
    wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    served.desk.next_message().await;
    clock.forward(Duration::from_secs(6));
    assert_eq!(served.send(&news(&task, "张工已认领")).await.unwrap(), None);
    assert_eq!(served.send(&news("z-unknown", "x")).await.unwrap(), None);
    assert_eq!(wecom.count("aibot_respond_update_msg"), 0);
    assert_eq!(wecom.shown(GROUP).len(), 1);
}

#[tokio::test]
async fn a_card_is_known_after_a_restart() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.group("wrGROUP0001", &[("ZhangGong", "张工")]);
    wecom.has_been_spoken_to(GROUP);
    let task = served.send(&claim("k1")).await.unwrap().unwrap();
    let shelf = served.shelf.clone();
    served.stop().await;
    let served = serve(only(socket_bot(&wecom)), shelf, &clock).await;
    within(served.channel.connected()).await;
    wecom.press(&task, "claim", "ZhangGong").await.unwrap();
    served.desk.next_message().await;
    served.send(&news(&task, "张工已认领")).await.unwrap();
    assert_eq!(wecom.card(&task).unwrap()["main_title"]["title"], "新工单 #12");
}

#[tokio::test]
async fn a_card_that_is_refused_is_said_as_text() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    wecom.refuse_next("aibot_send_msg", 40_058, 1);
    assert_eq!(served.send(&claim("k1")).await.unwrap(), None, "what is no card cannot be pressed");
    assert_eq!(wecom.shows(GROUP, "登记系统打不开").await.kind, "markdown");
}

#[tokio::test]
async fn a_text_too_long_for_a_card_is_said_before_it_and_nothing_is_lost() {
    let (wecom, clock) = platform().await;
    let served = connected(&wecom, &clock).await;
    wecom.has_been_spoken_to(GROUP);
    let long = format!("{}末尾", "报错信息很长".repeat(40));
    let task = served.send(&Outgoing { text: long, ..claim("k1") }).await.unwrap();
    assert_eq!(task, Some(task_id("k1")));
    let shown = wecom.shown(GROUP);
    let kinds: Vec<&str> = shown.iter().map(|shown| shown.kind.as_str()).collect();
    assert_eq!(kinds, ["markdown", "template_card"]);
    assert!(shown[0].text.ends_with("末尾"));
}
