//! Lengths, headers, numbers and keywords: the collected facts as tables, and laws that hold for any text.

use proptest::prelude::*;
use serde_json::Value;
use zhishou_adapters::sms::text::segments::{self, Reference, units};
use zhishou_adapters::sms::text::{Limits, Number, Signature, Wanted, content, extension, fit, gsm7, opt_out, udh};

use super::{bytes, cases, word};

fn lengths(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| usize::try_from(n.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn texts_in_ucs2_have_the_parts_that_were_counted() {
    for case in cases("text.ucs2") {
        let text = word(&case, "text");
        assert_eq!(units(text), case["ucs2_units"], "{case}");
        let parts = |reference| -> Vec<usize> { segments::ucs2(text, reference).into_iter().map(units).collect() };
        assert_eq!(parts(Reference::Eight), lengths(&case["ucs2_segments"]), "{case}");
        assert_eq!(parts(Reference::Sixteen), lengths(&case["ucs2_segments_16bit_ref"]), "{case}");
    }
}

#[test]
fn the_gsm_alphabet_counts_and_packs_as_its_textbook_does() {
    for case in cases("text.gsm7") {
        let text = word(&case, "text");
        assert_eq!(gsm7::encode(text).unwrap().len(), case["septets"], "{case}");
        let parts: Vec<usize> =
            gsm7::segments(text).unwrap().into_iter().map(|part| gsm7::encode(part).unwrap().len()).collect();
        assert_eq!(parts, lengths(&case["segments"]), "{case}");
    }
    assert_eq!(gsm7::encode("中"), None);
    for case in cases("text.gsm7_packing") {
        let Some(text) = case["text"].as_str() else {
            // The peer's mistake: behind six bytes of header the first septet begins one bit late.
            assert!(word(&case, "note").contains("one fill bit"), "{case}");
            let septets = gsm7::encode("hello").unwrap();
            assert_eq!(gsm7::pack(&septets, 1)[0], gsm7::pack(&septets, 0)[0] << 1);
            continue;
        };
        assert_eq!(gsm7::pack(&gsm7::encode(text).unwrap(), 0), bytes(&case, "packed_hex"));
    }
}

#[test]
fn formats_other_than_ucs2_have_their_own_limits() {
    for case in cases("text.cmpp") {
        if let Some(chars) = case["chars"].as_u64() {
            let text = "a".repeat(usize::try_from(chars).unwrap());
            assert_eq!(segments::ascii(&text).unwrap().len(), case["segments"], "{case}");
        } else {
            let bytes = usize::try_from(case["bytes"].as_u64().unwrap()).unwrap();
            let text = format!("{}{}", "中".repeat(bytes / 2), "a".repeat(bytes % 2));
            let parts = segments::gb(&text);
            assert_eq!(parts.len(), case["segments"], "{case}");
            assert_eq!(parts.concat(), text);
        }
    }
    assert_eq!(segments::ascii("中"), None);
}

#[test]
fn headers_are_walked_element_by_element() {
    for case in cases("cmpp.udh") {
        let raw = bytes(&case, "hex");
        let expect = &case["expect"];
        if expect["invalid"] == true {
            assert_eq!(udh::read(&raw), None, "{case}");
            continue;
        }
        let read = udh::read(&raw).unwrap_or_else(|| panic!("{case}"));
        assert_eq!(serde_json::to_value(read.concat).unwrap(), expect["concat"], "{case}");
        assert_eq!(hex::encode(read.payload), word(expect, "payload_hex"), "{case}");
        let others: Vec<String> = read.others.iter().map(hex::encode).collect();
        let expected: Vec<String> = serde_json::from_value(expect["other_elements"].clone()).unwrap_or_default();
        assert_eq!(others, expected, "{case}");
        if expected.is_empty() {
            assert_eq!(udh::write(read.concat.unwrap()), read.header, "{case}");
        }
    }
}

#[test]
fn numbers_have_one_form() {
    for case in cases("numbers") {
        let read = Number::read(word(&case, "input"));
        assert_eq!(read.as_ref().map(|number| number.canonical.as_str()), case["canonical"].as_str(), "{case}");
        let Some(read) = read else { continue };
        let kind = word(&case, "kind");
        let told = serde_json::to_value(read.kind).unwrap();
        let told = told.as_str().unwrap();
        assert!(kind.contains(told), "{case}: {told}");
        // What is in its one form stays as it is.
        assert_eq!(Number::read(&read.canonical), Some(read));
    }
}

#[test]
fn an_opt_out_is_a_whole_text() {
    for case in cases("keywords") {
        let out = opt_out::keyword(word(&case, "text")) == Some(opt_out::Keyword::OptOut);
        assert_eq!(out, case["opt_out"] == true, "{case}");
    }
    assert_eq!(opt_out::keyword(" 恢复！"), Some(opt_out::Keyword::OptIn));
    assert!(opt_out::automatic("【自动回复】我在开会"));
    assert!(!opt_out::automatic("自动回复功能坏了"));
}

#[test]
fn extensions_are_what_stands_behind_the_access_number() {
    for case in cases("extensions") {
        let found = extension::extension(word(&case, "dest_id"), word(&case, "access_number"));
        assert_eq!(found, case["extension"].as_str(), "{case}");
    }
}

#[test]
fn the_forms_of_a_message_are_chosen_by_what_fits() {
    let signature = Signature::new("【榆林审批运维】", false).unwrap();
    let long = "长".repeat(100);
    let told = |text: &str, short: Option<&str>, whole| {
        let fitted = fit(Wanted { text, short, whole }, &signature, Limits::default()).unwrap();
        (fitted.shown, fitted.segments.len(), fitted.cut)
    };
    // Fits alone: the whole text.
    assert_eq!(told("已受理", Some("短"), false), ("【榆林审批运维】已受理".to_owned(), 1, false));
    // Does not: the short form; a person's own words in two parts.
    assert_eq!(told(&long, Some("短"), false), ("【榆林审批运维】短".to_owned(), 1, true));
    assert_eq!(told(&long, Some("短"), true).1, 2);
    // Too long for anything: cut, and it says so.
    let (shown, parts, cut) = told(&"长".repeat(500), None, true);
    assert!(shown.ends_with("…详情请见工单系统") && parts == 3 && cut, "{shown}");
    // No second signature is to be found in it.
    assert_eq!(told("见【通知】", None, false).0, "【榆林审批运维】见「通知」");
    assert!(fit(Wanted { text: " \u{7} ", ..Wanted::default() }, &signature, Limits::default()).is_err());
    // The gateway's own signature takes its room in the first part.
    let by_gateway = Signature::new("榆林审批运维", true).unwrap();
    let fitted = fit(Wanted { text: &"长".repeat(63), ..Wanted::default() }, &by_gateway, Limits::default()).unwrap();
    assert_eq!(fitted.segments.iter().map(|part| units(part)).collect::<Vec<_>>(), [59, 4]);
}

#[test]
fn signatures_that_cannot_be_one_are_named() {
    for wrong in ["", "一", &"长".repeat(21), "甲【乙】丙", "甲\n乙"] {
        assert!(Signature::new(wrong, false).is_err(), "{wrong}");
    }
}

#[test]
fn content_is_read_by_its_format() {
    for (format, raw, text) in [
        (8, "4e2d", Some("中")),
        (8, "feff4e2d", Some("中")),
        (8, "4e2d60", Some("中")),
        (8, "d83dde00", Some("😀")),
        (8, "d83d", Some("\u{fffd}")),
        (15, "d6d0", Some("中")),
        (0, "d6d0", Some("中")),
        (0, "3432", Some("42")),
        (25, "4e2d", Some("中")),
        (1, "e9", Some("é")),
        (4, "00", None),
        (245, "00", None),
        (3, "00", None),
    ] {
        assert_eq!(content::text(format, &hex::decode(raw).unwrap()).as_deref(), text, "{format} {raw}");
    }
    // A pair and a GB character cut between parts are whole again.
    assert_eq!(content::joined(&[(8, vec![0xd8, 0x3d]), (8, vec![0xde, 0])]).as_deref(), Some("😀"));
    assert_eq!(content::joined(&[(15, vec![0xd6]), (15, vec![0xd0])]).as_deref(), Some("中"));
}

proptest! {
    #[test]
    fn whatever_the_text_its_parts_are_valid_and_join_to_it(text in "\\PC{0,400}|[中a😀𠮷{]{0,300}") {
        for reference in [Reference::Eight, Reference::Sixteen] {
            let parts = segments::ucs2(&text, reference);
            prop_assert_eq!(parts.concat(), text.clone());
            let most = if parts.len() == 1 { segments::SINGLE_UNITS } else { reference.part_units() };
            for part in &parts {
                prop_assert!(units(part) <= most);
                prop_assert_eq!(content::text(content::UCS2, &content::ucs2(part)).unwrap(), *part);
            }
            if text.chars().all(|c| c.len_utf16() == 1) && parts.len() > 1 {
                prop_assert_eq!(parts.len(), units(&text).div_ceil(reference.part_units()));
            }
        }
        prop_assert_eq!(segments::gb(&text).concat(), text);
    }

    #[test]
    fn whatever_the_text_what_leaves_is_valid(
        text in "\\PC{0,400}|[中【】a\\n\\x00😀]{0,300}",
        short in proptest::option::of("[中【a😀]{0,90}"),
        whole in any::<bool>(),
        gateway in any::<bool>(),
        most in 1_usize..5,
        sixteen in any::<bool>(),
    ) {
        let signature = Signature::new("榆林审批运维", gateway).unwrap();
        let reference = if sixteen { Reference::Sixteen } else { Reference::Eight };
        let limits = Limits { segments: most, reference };
        let wanted = Wanted { text: &text, short: short.as_deref(), whole };
        let Ok(fitted) = fit(wanted, &signature, limits) else { return Ok(()) };
        prop_assert!((1..=most).contains(&fitted.segments.len()));
        let mut parts = fitted.segments.clone();
        if gateway {
            parts[0] = format!("{}{}", signature.text(), parts[0]);
        }
        prop_assert_eq!(parts.concat(), fitted.shown.clone());
        let room = if parts.len() == 1 { 70 } else { reference.part_units() };
        for part in &parts {
            let bytes = content::ucs2(part).len() + if parts.len() == 1 { 0 } else if sixteen { 7 } else { 6 };
            prop_assert!(units(part) <= room && bytes <= 140);
            prop_assert!(!part.is_empty());
        }
        prop_assert_eq!(fitted.shown.matches(['【', '】']).count(), 2);
    }

    #[test]
    fn any_text_may_be_asked_for_a_number(text in "\\PC{0,30}|[+0-9 ]{0,20}") {
        if let Some(number) = Number::read(&text) {
            prop_assert_eq!(Number::read(&number.canonical), Some(number));
        }
    }

    #[test]
    fn any_bytes_may_be_asked_for_a_header(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some(read) = udh::read(&raw) {
            prop_assert_eq!([read.header, read.payload].concat(), raw);
        }
    }
}
