//! What holds for every text.

use crate::world::{engineer, faq, lexicon, requester};
use proptest::prelude::*;
use zhishou_intents::{FaqEntry, FaqIndex, Intent, MaskRules, mask, normalise, route, slots};

/// Text made of what the grammar reacts to.
fn lively() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "认领",
        "解决",
        "#",
        "3",
        "３",
        "号",
        "@",
        "张工",
        " ",
        "，",
        "。",
        "「",
        "」",
        "\n",
        ">",
        "/",
        "打不开",
        "怎么",
        "系统",
        "[图片]",
        "[",
        "]",
        "急",
        "5分",
        "评价",
        "代报",
        "13800000001",
        "10.0.0.1",
        "密码",
        "：",
        "登",
        "陆",
        "YL-",
        "合并",
        "😀",
        "\u{0}",
        "é",
        "。",
        "改级",
        "A",
        "转给",
        "不",
        "了",
        "吗",
    ]);
    prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_router_panic(text in ".{0,400}") {
        let (lexicon, faq) = (lexicon(), faq());
        for context in [requester(), engineer()] {
            let routing = route(&text, &context, &lexicon, Some(&faq));
            prop_assert!((0.0..=1.0).contains(&routing.confidence));
        }
        let _ = mask(&text, &MaskRules::all());
    }

    #[test]
    fn no_mixture_of_command_pieces_makes_it_panic(text in lively()) {
        let routing = route(&text, &engineer(), &lexicon(), Some(&faq()));
        if let Intent::Command(command) = &routing.intent {
            // Quoted lines between the words are left out.
            prop_assert!(command.text.lines().all(|line| text.contains(line)), "{:?}", command);
        }
        let _ = mask(&text, &MaskRules::all());
    }

    #[test]
    fn slots_stand_where_they_say(text in lively()) {
        let mut last = 0;
        for slot in slots(&text) {
            prop_assert_eq!(&text[slot.start..slot.end], slot.text.as_str());
            prop_assert!(slot.start >= last);
            last = slot.end;
        }
    }

    #[test]
    fn the_plain_form_of_a_plain_form_is_itself(text in lively()) {
        let once = normalise(&text).text;
        prop_assert_eq!(normalise(&once).text, once.clone());
    }

    #[test]
    fn pieces_lead_back_into_the_original(text in ".{0,200}", from in 0usize..200, len in 0usize..200) {
        let normal = normalise(&text);
        let (start, end) = normal.original(from, from + len);
        prop_assert!(text.get(start..end).is_some());
    }

    #[test]
    fn what_is_masked_stays_masked(text in lively()) {
        let once = mask(&text, &MaskRules::all());
        prop_assert!(!once.contains("13800000001") || text.contains("13800000001"));
        prop_assert_eq!(mask(&once, &MaskRules::all()), once.clone());
    }

    #[test]
    fn scores_are_shares_in_order(text in lively()) {
        let hits = faq().search(&text, 5, &|_| true);
        prop_assert!(hits.iter().all(|hit| (0.0..=1.0).contains(&hit.score)));
        prop_assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }

    #[test]
    fn the_order_of_the_base_does_not_matter(question in "[a-z登录密码打印机系统]{1,12}") {
        let entry = |id: &str, question: &str| FaqEntry { id: id.into(), question: question.into(), ..FaqEntry::default() };
        let (a, b) = (entry("a", "登录密码"), entry("b", "打印机系统设置"));
        let (one, two) = (FaqIndex::build(&[a.clone(), b.clone()]), FaqIndex::build(&[b, a]));
        let best = |index: &FaqIndex| index.search(&question, 2, &|_| true).into_iter().map(|hit| format!("{:.4}", hit.score)).collect::<Vec<_>>();
        prop_assert_eq!(best(&one), best(&two));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn sixty_four_kibibytes_are_no_trouble(text in proptest::collection::vec(any::<char>(), 20_000..22_000)) {
        let text: String = text.into_iter().collect();
        let _ = route(&text, &engineer(), &lexicon(), Some(&faq()));
        let _ = mask(&text, &MaskRules::all());
    }
}

#[test]
fn long_repetitions_are_no_trouble() {
    for piece in
        ["打不开", "#3 ", "「", "a", "1", "@张工 ", "[", "急 ", "3号", ">", "/", "工单", "\n", "没有", "10.", "账号"]
    {
        let text: String =
            piece.chars().cycle().take(64 * 1024 / piece.chars().next().map_or(1, char::len_utf8)).collect();
        let _ = route(&text, &engineer(), &lexicon(), Some(&faq()));
        let _ = mask(&text, &MaskRules::all());
    }
}
