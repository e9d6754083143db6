//! Whatever the text, what leaves is valid: piece by piece, and through the channel as a whole.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use zhishou_adapters::qq::official::codec::mention::{self, Mention};
use zhishou_adapters::qq::official::codec::outgoing::{as_markdown, without_addresses};
use zhishou_adapters::qq::official::codec::split::{keep, split};
use zhishou_adapters::{Action, Outgoing, SendError};

use super::support::{AT_GROUP, GROUP, called};
use crate::support::outgoing;

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,40}",
        Just("\n".to_owned()),
        Just("```\ncode\n```\n".to_owned()),
        Just("| a | b |\n".to_owned()),
        Just("😀登记系统".to_owned()),
        Just("<@all> <qqbot-at-everyone/> [@a](mqqapi://markdown/mention?at_tinyid=1)".to_owned()),
        Just("详见 https://ops.example.cn/t/1?x=2，谢谢".to_owned()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn pieces_are_short_not_blank_and_lose_nothing(text in texts(), most in 1_usize..200) {
        let pieces = split(&text, most);
        let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        for piece in &pieces {
            prop_assert!(piece.chars().count() <= most);
            prop_assert!(!piece.trim().is_empty());
        }
        prop_assert_eq!(solid(&pieces.concat()), solid(&text));
    }

    #[test]
    fn what_is_left_out_is_said(text in texts(), most in 1_usize..4) {
        let (limit, more) = (60, "（还有内容，请查询 #42）");
        let all = split(&text, limit);
        let kept = keep(all.clone(), most, limit, more);
        prop_assert!(kept.len() <= most.max(1));
        prop_assert!(kept.iter().all(|piece| piece.chars().count() <= limit));
        if all.len() > most {
            prop_assert!(kept.last().unwrap().ends_with(more));
        }
    }

    #[test]
    fn nobody_is_mentioned_by_a_text(text in texts()) {
        let safe = mention::harmless(&text);
        prop_assert!(!safe.contains("<@") && !safe.contains("<qqbot-"));
        let read = mention::read(&safe, &[Mention { id: "all".to_owned(), name: "全体".to_owned(), own: false }], false);
        prop_assert!(!read.contains("@全体"));
    }

    #[test]
    fn no_address_is_left(text in texts()) {
        let bare = without_addresses(&text).unwrap_or(text);
        let lower = bare.to_ascii_lowercase();
        prop_assert!(!lower.contains("http://") && !lower.contains("https://") && !lower.contains("www."));
        prop_assert!(without_addresses(&bare).is_none());
    }

    #[test]
    fn nothing_in_a_text_acts_as_markdown(text in "[a-z#1*_`\\[\\]<>|~!\\\\ \n-]{0,80}") {
        let shown = as_markdown(&text);
        prop_assert!(!shown.contains(['*', '_', '`', '[', ']', '<', '|', '~', '\\']), "{shown}");
        for line in shown.lines() {
            let line = line.trim_start();
            prop_assert!(!line.starts_with("# ") && !line.starts_with("##") && !line.starts_with('>'), "{shown}");
        }
        // It is as long as it was, but for line ends.
        let solid = |text: &str| text.chars().filter(|c| *c != '\n').count();
        prop_assert_eq!(solid(&shown), solid(&text));
    }
}

#[test]
fn mentions_of_others_become_names_and_ours_goes() {
    let mentions = [
        Mention { id: "B1".to_owned(), name: "值守".to_owned(), own: true },
        Mention { id: "M2".to_owned(), name: "李工".to_owned(), own: false },
    ];
    for (content, called, expected) in [
        ("<@B1> 转派 3 <@M2>", true, "转派 3 @李工"),
        ("<@!B1>  你好", true, "你好"),
        ("[@值守](mqqapi://markdown/mention?at_type=1&at_tinyid=B1) 你好", false, "你好"),
        ("<@X9> 你好", false, "@某人 你好"),
        ("a < b 且 [c] 不变", false, "a < b 且 [c] 不变"),
        ("<qqbot-at-user id=\"M2\"/> 请看", false, "@李工 请看"),
    ] {
        assert_eq!(mention::read(content, &mentions, called), expected, "{content}");
    }
    // The event says the robot was called, and nobody is listed: the first tag is its own.
    assert_eq!(mention::read("<@unknown> 帮助", &[], true), "帮助");
}

/// Any message with any buttons, mentions and rights: what arrives was taken, each number once, and nothing in it was wrong.
#[test]
fn whatever_is_to_be_said_arrives_within_the_rules() {
    let world = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let it = world.block_on(called());
    let said = (texts(), prop::collection::vec("\\PC{0,30}", 0..30), prop::collection::vec("[A-Z<>@ -]{0,8}", 0..4));
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let mut serial = 0;
    let outcome = runner.run(&(said, any::<(bool, bool)>()), |((text, labels, mentions), (markdown, buttons))| {
        let action = |label: String| Action { id: "claim".to_owned(), command: format!("认领 {label}"), label };
        let key = format!("k{:?}", (text.len(), labels.len(), &mentions, markdown, buttons, it.qq.time()));
        let message = Outgoing {
            actions: labels.into_iter().map(action).collect(),
            mentions,
            about: Some("xian#42".to_owned()),
            ..outgoing(&key, AT_GROUP, &text)
        };
        it.qq.grant(markdown, buttons);
        let done = world.block_on(async {
            it.forward(8 * 24 * 3_600);
            it.qq.say_to_robot(GROUP, "M-WANG", "你好").await;
            for _ in 0..8 {
                match it.send(&message).await {
                    Err(SendError::Throttled { .. }) => it.forward(1),
                    done => return done,
                }
            }
            Err(SendError::Perhaps)
        });
        prop_assert!(done.is_ok(), "{done:?} for {message:?}");
        Ok(())
    });
    outcome.unwrap();
    let mut numbers = HashSet::new();
    for call in it.qq.sends(AT_GROUP) {
        serial += 1;
        let content = call.body["content"].as_str().or_else(|| call.body["markdown"]["content"].as_str()).unwrap();
        assert!(!content.trim().is_empty() && content.chars().count() <= 4_000, "{serial}: {content}");
        assert!(!content.contains("<@") && !content.contains("<qqbot-at-everyone"), "{serial}: {content}");
        let number = (call.body["msg_id"].to_string(), call.body["msg_seq"].to_string());
        assert!(numbers.insert(number), "{serial}: a number was used twice: {}", call.body);
    }
    assert!(it.qq.shown(AT_GROUP).len() >= 48);
}
