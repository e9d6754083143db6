//! Long messages both ways.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use zhishou_adapters::sms::cmpp::fragments::{Group, Piece, plan};
use zhishou_adapters::sms::text::udh::Concat;
use zhishou_adapters::{Outgoing, SendError};
use zhishou_fakes::sms::cmpp::{Agreement, FakeGateway, Whim};

use super::support::{PHONE, cmpp, connected, part, serve, serve_at, settles, sms, ucs2};
use crate::support::{HandClock, NOON, outgoing, within};
use crate::wecom::support::{MemoryShelf, now_of};

async fn acknowledged(gateway: &FakeGateway, count: usize) {
    within(gateway.until(|gateway| gateway.acknowledged().len() >= count)).await;
}

fn person(key: &str, text: &str) -> Outgoing {
    Outgoing { by_person: true, ..outgoing(key, "user:13800138000", text) }
}

#[tokio::test]
async fn a_long_message_goes_in_parts_that_the_phone_puts_together() {
    for version in [2, 3] {
        let (gateway, served, _) = connected(Agreement::new(version)).await;
        let text = format!("{}😀{}", "长".repeat(58), "文".repeat(60));
        served.say(&person("k", &text)).await.unwrap();
        let taken = gateway.taken();
        let shown: String = taken.iter().map(|taken| taken.text.as_str()).collect();
        assert_eq!(shown, format!("【榆林审批运维】{text}"));
        let reference = taken[0].header[3];
        for (at, taken) in (1..).zip(&taken) {
            assert_eq!(taken.part, (2, at));
            assert_eq!(taken.header, [5, 0, 3, reference, 2, at]);
        }
        served.say(&person("k2", &text)).await.unwrap();
        assert_ne!(gateway.taken()[2].header[3], reference, "the next one has another reference");
        assert_eq!(gateway.broken_rules(), [""; 0]);
    }
}

#[tokio::test]
async fn a_second_try_goes_on_where_the_first_stopped_under_the_same_reference() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    gateway.whims(&[Whim::Take, Whim::Refuse(54), Whim::Take]);
    let text = "长".repeat(150);
    served.say(&person("k", &text)).await.unwrap_err();
    served.say(&person("k", &text)).await.unwrap();
    let parts: Vec<_> = gateway.taken().iter().map(|taken| (taken.part.1, taken.header[3])).collect();
    let reference = parts[0].1;
    assert_eq!(parts, [(1, reference), (3, reference), (2, reference)]);
    assert_eq!(served.count("segments_sent"), 3);
    // Other words under the same key (marked as a repeat) begin anew.
    served.say(&person("k", &format!("可能重复：{text}"))).await.unwrap();
    assert_eq!(gateway.taken().len(), 6);
}

#[tokio::test]
async fn parts_may_come_in_any_order_and_more_than_once() {
    let (gateway, served, _) = connected(Agreement::new(2)).await;
    let third = part(&gateway, &[5, 0, 3, 9, 3, 3], "丙");
    let first = part(&gateway, &[5, 0, 3, 9, 3, 1], "甲");
    gateway.repeat(third);
    acknowledged(&gateway, 3).await;
    assert_eq!(served.desk.messages(), []);
    part(&gateway, &[5, 0, 3, 9, 3, 2], "乙");
    let heard = served.desk.next_message().await;
    assert_eq!(heard.text, "甲乙丙");
    assert_eq!(heard.external_id, format!("cmpp:{first:016x}:{PHONE}"));
    // One of them once more, after all is done.
    acknowledged(&gateway, 4).await;
    part(&gateway, &[5, 0, 3, 9, 3, 2], "乙");
    acknowledged(&gateway, 5).await;
    assert_eq!(served.desk.messages().len(), 1);
}

#[tokio::test]
async fn one_reference_with_two_totals_or_widths_is_two_texts() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    part(&gateway, &[5, 0, 3, 9, 3, 1], "一");
    part(&gateway, &[5, 0, 3, 9, 2, 1], "甲");
    part(&gateway, &[6, 8, 4, 0, 9, 2, 1], "子");
    part(&gateway, &[5, 0, 3, 9, 3, 2], "二");
    part(&gateway, &[6, 8, 4, 0, 9, 2, 2], "丑");
    part(&gateway, &[5, 0, 3, 9, 2, 2], "乙");
    part(&gateway, &[5, 0, 3, 9, 3, 3], "三");
    for text in ["子丑", "甲乙", "一二三"] {
        assert_eq!(served.desk.next_message().await.text, text);
    }
}

#[tokio::test]
async fn a_text_whose_part_never_comes_is_handed_on_after_ten_minutes_and_a_late_part_alone() {
    let (gateway, served, clock) = connected(Agreement::new(3)).await;
    part(&gateway, &[5, 0, 3, 9, 3, 1], "甲");
    part(&gateway, &[5, 0, 3, 9, 3, 3], "丙");
    acknowledged(&gateway, 2).await;
    clock.forward(Duration::from_secs(599));
    settles("looks are taken", || served.count("fragments_stored") == 2).await;
    assert_eq!(served.desk.messages(), []);
    clock.forward(Duration::from_secs(1));
    assert_eq!(served.desk.next_message().await.text, "甲[缺 2/3]丙");
    part(&gateway, &[5, 0, 3, 9, 3, 2], "乙");
    assert_eq!(served.desk.next_message().await.text, "乙");
    assert_eq!(served.count("texts_incomplete"), 2);
}

#[tokio::test]
async fn a_restart_between_two_parts_loses_nothing() {
    let clock = HandClock::noon();
    let agreement = Agreement::new(3);
    let gateway = FakeGateway::start(agreement.clone(), now_of(&clock)).await;
    let shelf = MemoryShelf::new(clock.clone());
    let first = serve(sms(cmpp(&gateway, &agreement)), shelf.clone(), &clock).await;
    within(first.channel.connected()).await;
    part(&gateway, &[5, 0, 3, 9, 2, 2], "乙");
    acknowledged(&gateway, 1).await;
    let desk = first.desk.clone();
    first.stop(&clock).await;
    let second = serve_at(sms(cmpp(&gateway, &agreement)), shelf.another(), &clock, desk).await;
    within(second.channel.connected()).await;
    part(&gateway, &[5, 0, 3, 9, 2, 1], "甲");
    assert_eq!(second.desk.next_message().await.text, "甲乙");
}

#[tokio::test]
async fn a_part_that_cannot_be_stored_is_not_acknowledged() {
    let (gateway, served, _) = connected(Agreement::new(3)).await;
    served.shelf.fail(true);
    let id = part(&gateway, &[5, 0, 3, 9, 2, 1], "甲");
    settles("it is tried", || served.count("not_stored") == 1).await;
    assert_eq!(gateway.acknowledged(), []);
    served.shelf.fail(false);
    gateway.repeat(id);
    acknowledged(&gateway, 1).await;
    assert_eq!(gateway.acknowledged(), [(id, 0)]);
}

#[tokio::test]
async fn any_text_leaves_as_frames_that_the_gateway_takes() {
    for version in [2, 3] {
        let (gateway, served, _) = connected(Agreement::new(version)).await;
        let mut runner = TestRunner::deterministic();
        for n in 0..60 {
            let text = "[中a😀𠮷【】\\n\\x00]{0,260}|\\PC{0,260}".new_tree(&mut runner).unwrap().current();
            let before = gateway.taken().len();
            let message = Outgoing { by_person: n % 2 == 0, ..outgoing(&format!("k{n}"), "user:13800138000", &text) };
            match served.say(&message).await {
                Ok(_) => {
                    let parts = gateway.taken().split_off(before);
                    assert!((1..=3).contains(&parts.len()), "{text}");
                    let shown: String = parts.iter().map(|part| part.text.as_str()).collect();
                    assert!(shown.starts_with("【榆林审批运维】"), "{shown}");
                    assert!(!shown.contains('\u{fffd}') || text.contains('\u{fffd}'), "a character was cut: {text}");
                }
                Err(SendError::Refused { text: why, .. }) => assert!(why.contains("没有内容"), "{text}: {why}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
        assert_eq!(gateway.broken_rules(), [""; 0]);
    }
}

fn concat(total: u8, number: u8) -> Concat {
    Concat { reference: 9, ref_bits: 8, total, number }
}

fn piece(number: u8, text: &str) -> Piece {
    Piece { id: format!("{number:016x}"), format: 8, bytes: hex::encode(ucs2(text)) }
}

#[test]
fn another_text_under_the_same_key_does_not_mix_with_the_first() {
    let now = jiff::Timestamp::from_second(NOON).unwrap();
    let first = plan(None, PHONE, concat(2, 1), piece(1, "旧"), now);
    let second = plan(first.group, PHONE, concat(2, 1), piece(3, "新"), now);
    assert_eq!(second.first.unwrap().text.as_deref(), Some("旧[缺 2/2]"));
    let third = plan(second.group, PHONE, concat(2, 2), piece(4, "文"), now);
    assert_eq!(third.whole.unwrap().text.as_deref(), Some("新文"));
}

proptest! {
    #[test]
    fn in_any_order_and_with_any_repeats_the_text_is_whole_once(
        texts in proptest::collection::vec("[a-z中😀]{1,20}", 2..8),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        seed in any::<proptest::sample::Index>(),
    ) {
        let now = jiff::Timestamp::from_second(NOON).unwrap();
        let total = u8::try_from(texts.len()).unwrap();
        let mut numbers: Vec<usize> = order.iter().map(|pick| pick.index(texts.len())).collect();
        numbers.extend((0..texts.len()).map(|at| (at + seed.index(texts.len())) % texts.len()));
        let mut known: Option<Group> = None;
        let mut whole = Vec::new();
        for at in numbers {
            let number = u8::try_from(at + 1).unwrap();
            let next = plan(known.clone(), PHONE, concat(total, number), piece(number, &texts[at]), now);
            prop_assert_eq!(next.first, None);
            if let Some(mut group) = next.group {
                if let Some(text) = next.whole {
                    whole.push(text.text.unwrap());
                    group.done = true;
                }
                known = Some(group);
            }
        }
        prop_assert_eq!(whole, [texts.concat()]);
    }
}
