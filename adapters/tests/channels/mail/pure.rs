//! Parts without a wire: ids, subjects, the position, settings.

use jiff::Timestamp;
use proptest::prelude::*;
use zhishou_adapters::mail::ids::Ids;
use zhishou_adapters::mail::position::Position;
use zhishou_adapters::mail::{Limits, MailConfig, SmtpConfig, Start, Tls, explain, subject};

use super::support::{DESK, imap, smtp};

#[test]
fn an_id_says_what_it_is_about_and_cannot_be_made_up() {
    let ids = Ids::new(b"secret", DESK);
    for about in [None, Some("one#12"), Some("合同#3"), Some("a.b@c#1")] {
        let id = ids.make(about, "key");
        assert!(id.is_ascii() && id.ends_with("@gov.test") && id.len() < 250, "{id}");
        assert_eq!(ids.read(&id), Some(about.map(str::to_owned)), "{id}");
        assert_eq!(ids.read(&format!("<{}>", id.to_uppercase())), Some(about.map(str::to_owned)), "{id}");
        assert_eq!(Ids::new(b"other", DESK).read(&id), None, "another key");
        // Any changed character of what is signed makes it a stranger's.
        let signed = id.find('@').unwrap();
        for at in 1..signed {
            let mut changed = id.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed == id || ids.read(&changed).is_none(), "{changed}");
        }
    }
    assert_eq!(ids.read(&ids.make(Some(&"x".repeat(200)), "key")), Some(None), "too long to be carried");
    assert_ne!(ids.make(None, "k1"), ids.make(None, "k2"));
}

#[test]
fn subjects_of_answers_carry_one_prefix_and_one_tag() {
    for (subject, base) in [
        ("打印机坏了", "打印机坏了"),
        ("Re: 回复：答复: RE: 打印机坏了 [#12]", "打印机坏了"),
        ("Re[2]: Re(3): x", "x"),
        ("回复：回复：【＃１２】打印机", "打印机"),
        ("Fw:转发: [通知] 停电", "[通知] 停电"),
        ("Re:", "（无主题）"),
        ("", "（无主题）"),
        ("Regarding: x", "Regarding: x"),
        ("a\r\nBcc: b@c", "aBcc: b@c"),
    ] {
        assert_eq!(subject::base(subject), base, "{subject}");
        assert_eq!(subject::base(&subject::answer(subject, Some("c#7"))), base);
        assert_eq!(subject::answer(subject, Some("c#7")), format!("Re: {base} [#7]"));
    }
    assert_eq!(subject::answer("x", Some("no number")), "Re: x");
    for (subject, tag) in [
        ("Re: x [#12]", Some(12)),
        ("【＃１２】x", Some(12)),
        ("x [ # 12 ]", Some(12)),
        ("［#3］ [#4]", Some(4)),
        ("[12]", None),
        ("[#]", None),
        ("[#1a]", None),
        ("[#99999999999999999999]", None),
        ("[[#5]", Some(5)),
    ] {
        assert_eq!(subject::tag(subject), tag, "{subject}");
    }
}

proptest! {
    #[test]
    fn no_subject_is_too_odd(subject in "\\PC{0,80}", about in "\\PC{0,20}") {
        let answer = subject::answer(&subject, Some(&about));
        prop_assert_eq!(subject::base(&answer), subject::base(&subject));
        let _ = Ids::new(b"s", DESK).read(&subject);
    }

    #[test]
    fn a_position_knows_exactly_what_was_handed_in(
        rounds in prop::collection::vec((prop::collection::btree_set(1_u32..60, 0..12), any::<u8>()), 1..8),
    ) {
        let mut position = Position::new(1, 0, Timestamp::UNIX_EPOCH, None);
        let mut there = std::collections::BTreeSet::new();
        let mut handed_in = std::collections::BTreeSet::new();
        for (come, odd) in rounds {
            there.extend(come);
            let open: Vec<u32> = there.iter().copied().filter(|uid| position.is_open(*uid)).collect();
            for uid in &open {
                prop_assert!(handed_in.insert(*uid), "{} twice", uid);
            }
            if let Some(last) = open.last() {
                position.advance(*last, &open);
            }
            for uid in &open {
                position.settle(*uid);
            }
            // One of them could not be handed in after all.
            if odd % 3 == 0 && let Some(uid) = open.first() {
                position.put_off(*uid);
                handed_in.remove(uid);
            }
            for uid in &handed_in {
                prop_assert!(!position.is_open(*uid), "{} would come again", uid);
            }
        }
        let open: Vec<u32> = there.iter().copied().filter(|uid| position.is_open(*uid)).collect();
        let missing: Vec<u32> = there.difference(&handed_in).copied().collect();
        prop_assert_eq!(open, missing);
        let text = serde_json::to_string(&position).unwrap();
        prop_assert!(text.len() < 64 << 10);
    }
}

#[test]
fn a_position_stays_small_whatever_the_mailbox_is_like() {
    let mut position = Position::new(1, 0, Timestamp::UNIX_EPOCH, None);
    let odd: Vec<u32> = (0..50_000).map(|n| n * 2 + 1).collect();
    position.advance(100_000, &odd);
    position.to_move(&odd);
    assert!(serde_json::to_string(&position).unwrap().len() < 64 << 10);
}

fn good() -> MailConfig {
    let imap = Some(imap(993, Tls::Tls, DESK, "secret"));
    MailConfig { imap, smtp: Some(smtp(465, Tls::Tls, DESK, "secret")), ..MailConfig::new("mail", DESK) }
}

#[test]
fn what_cannot_be_right_is_told_before_anything_is_opened() {
    assert_eq!(good().check(), Ok(()));
    let with = |change: fn(&mut MailConfig)| {
        let mut config = good();
        change(&mut config);
        config.check().unwrap_err()
    };
    let public = |config: &mut MailConfig| {
        config.smtp = Some(SmtpConfig { host: "8.8.8.8".to_owned(), ..smtp(25, Tls::None, "", "") });
    };
    for (told, words) in [
        (with(|config| config.address = "helpdesk".to_owned()), "address"),
        (with(|config| config.address = "a@b\r\nBcc: c@d".to_owned()), "address"),
        (with(|config| config.display_name = Some("a\nb".to_owned())), "display_name"),
        (with(|config| (config.imap, config.smtp) = (None, None)), "至少"),
        (with(|config| config.imap.as_mut().unwrap().host = String::new()), "host"),
        (with(|config| config.imap.as_mut().unwrap().port = 0), "port"),
        (with(|config| config.imap.as_mut().unwrap().password = "".into()), "授权码"),
        (with(|config| config.imap.as_mut().unwrap().password = "secret\n".into()), "换行"),
        (with(|config| config.imap.as_mut().unwrap().done_folder = Some("INBOX".to_owned())), "done_folder"),
        (with(public), "内网"),
        (with(|config| config.max_bytes = 1), "大小上限"),
        (with(|config| config.authserv_ids = vec!["a; b".to_owned()]), "authserv_ids"),
        (with(|config| config.ca_pem = Some(b"nonsense".to_vec())), "ca_file"),
        (with(|config| config.limits = Limits { mails_a_day: 0, ..Limits::default() }), "上限"),
    ] {
        assert!(told.contains(words), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let mut near = good();
    near.smtp.as_mut().unwrap().host = "10.1.2.3".to_owned();
    near.smtp.as_mut().unwrap().tls = Tls::None;
    assert_eq!(near.check(), Ok(()));
}

#[test]
fn settings_are_explained_with_what_their_provider_wants() {
    assert!(explain(&good()).iter().all(|advice| advice.ok), "{:?}", explain(&good()));
    let mut config = good();
    config.imap.as_mut().unwrap().host = "imap.163.com".to_owned();
    config.imap.as_mut().unwrap().tls = Tls::StartTls;
    config.smtp.as_mut().unwrap().user = "other@gov.test".to_owned();
    let told: Vec<String> = explain(&config).iter().map(|advice| format!("{} {}", advice.ok, advice.text)).collect();
    for words in ["授权码", "false 端口 993 通常用 tls", "false user 与 address 不同", "authserv_ids"] {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
    }
    config.smtp = None;
    assert!(explain(&config).iter().any(|advice| !advice.ok && advice.text.contains("smtp")));
}

#[test]
fn a_start_is_now_all_or_a_day() {
    assert_eq!("now".parse(), Ok(Start::Now));
    assert_eq!("all".parse(), Ok(Start::All));
    assert_eq!("2026-03-01".parse(), Ok(Start::Since(jiff::civil::date(2026, 3, 1))));
    assert!("yesterday".parse::<Start>().unwrap_err().contains("start"));
}
