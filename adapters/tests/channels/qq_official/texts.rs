//! Whatever the text, what leaves is valid.

use proptest::prelude::*;
use zhishou_adapters::qq::official::codec::mention::{self, Mention};
use zhishou_adapters::qq::official::codec::outgoing::{as_markdown, without_addresses};
use zhishou_adapters::qq::official::codec::split::{keep, split};

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
