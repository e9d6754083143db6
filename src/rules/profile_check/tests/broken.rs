//! What is broken in a profile is named with its line and the fix.

use crate::rules::length::Length;
use crate::rules::profile::Profile;
use crate::rules::profile_check::ProfileErrors;

/// A small profile that loads; the cases below break it.
const SMALL: &str = r#"id = "small"
code = "SM"
name = "某平台"
customer = "某局"
default_severity = "general"

[[system]]
id = "one"
name = "登记系统"
aliases = ["登记"]

[[severity]]
id = "major"
name = "重大故障"
major = true
criteria = ["业务中断"]
words = ["瘫痪"]
phrases = ["全市 打不开"]

[[severity]]
id = "general"
name = "一般故障"
criteria = ["其他"]

[[category]]
id = "bug"
name = "缺陷"

[[commitment]]
name = "resolve"
within = "2h"
calendar = "7x24"
clause = "一"

[[commitment]]
name = "bugfix"
within = "5wd"
calendar = "5x8"
clause = "二"
"#;

fn errors_of(text: &str) -> ProfileErrors {
    match Profile::parse(text, "x.toml") {
        Ok(profile) => panic!("loaded: {}", profile.id),
        Err(errors) => errors,
    }
}

/// Asserts that breaking `SMALL` gives exactly one error, at `line`, whose text holds all of `said`.
fn breaks(why: &str, from: &str, to: &str, line: usize, said: &[&str]) {
    assert!(SMALL.contains(from), "{why}: nothing to replace");
    let errors = errors_of(&SMALL.replacen(from, to, 1));
    assert_eq!(errors.0.len(), 1, "{why}: {errors}");
    assert_eq!(errors.0[0].line, Some(line), "{why}: {errors}");
    for part in said {
        assert!(errors.to_string().contains(part), "{why}: 「{part}」 is not in {errors}");
    }
}

#[test]
fn what_is_broken_is_named_with_its_line_and_the_fix() {
    type Case = (&'static str, &'static str, &'static str, usize, &'static [&'static str]);
    let cases: &[Case] = &[
        (
            "a slip in a key",
            "within = \"2h\"",
            "witihn = \"2h\"\nwithin = \"2h\"",
            31,
            &["不认识的键「witihn」", "within"],
        ),
        ("an unknown key at the top", "code =", "colour = 1\ncode =", 2, &["不认识的键「colour」"]),
        ("a bad length", "\"2h\"", "\"2\"", 31, &["commitment#1.within", "「2」不是时长", "30m"]),
        ("a length without quotes", "\"2h\"", "2", 31, &["写成了数字", "within = \"2h\""]),
        ("an unknown promise", "\"resolve\"", "\"reslove\"", 30, &["「reslove」", "resolve"]),
        (
            "an unknown default severity",
            "= \"general\"\n\n[[sys",
            "= \"C\"\n\n[[sys",
            5,
            &["默认级别「C」", "「major」、「general」"],
        ),
        (
            "an unknown severity",
            "clause = \"一\"",
            "severities = [\"A\"]\nclause = \"一\"",
            33,
            &["没有编号为「A」的级别"],
        ),
        (
            "a severity named twice",
            "clause = \"一\"",
            "severities = [\"major\", \"major\"]\nclause = \"一\"",
            33,
            &["写了两次"],
        ),
        ("an empty list", "clause = \"一\"", "severities = []\nclause = \"一\"", 33, &["severities 是空的"]),
        (
            "an undefined calendar",
            "\"5x8\"",
            "\"5x9\"",
            38,
            &["服务时间「5x9」没有定义", "「5x8」", "[calendars.\"5x9\"]"],
        ),
        ("working days around the clock", "\"5x8\"", "\"7x24\"", 37, &["不分工作日", "5x8"]),
        (
            "the same promise twice",
            "name = \"bugfix\"",
            "name = \"resolve\"",
            36,
            &["已经在第 1 个 [[commitment]]", "所有级别"],
        ),
        ("neither clause nor own", "clause = \"一\"\n", "", 29, &["没有写出自哪一条", "own = true"]),
        ("bugfix without bug", "id = \"bug\"", "id = \"defect\"", 36, &["没有编号为「bug」的类别"]),
        (
            "configure without configure",
            "name = \"resolve\"",
            "name = \"configure\"",
            30,
            &["没有编号为「configure」的类别"],
        ),
        ("no criteria", "criteria = [\"其他\"]", "criteria = []", 23, &["没有判定标准"]),
        ("an empty phrase", "\"全市 打不开\"", "\"\"", 18, &["是空的"]),
        ("a phrase of one part", "\"全市 打不开\"", "\"全市\"", 18, &["只有一个部分", "words"]),
        ("a phrase with a hole", "\"全市 打不开\"", "\"全市| 打不开\"", 18, &["有一边是空的"]),
        ("a code with a dash", "\"SM\"", "\"S-M\"", 2, &["1 到 8 个英文字母或数字"]),
        ("a code of digits", "\"SM\"", "\"12\"", 2, &["全是数字"]),
        ("a code too long", "\"SM\"", "\"ABCDEFGHI\"", 2, &["工单号前缀"]),
        ("an id with capitals", "\"small\"", "\"Small\"", 1, &["小写英文字母"]),
        (
            "an unknown zone",
            "code =",
            "timezone = \"Asia/Xian\"\ncode =",
            2,
            &["没有叫「Asia/Xian」的时区", "Asia/Shanghai"],
        ),
        ("a block that is no list", "[[system]]", "[system]", 7, &["[[system]]"]),
        ("a wide quotation mark", "\"SM\"", "“SM”", 2, &["全角标点"]),
        ("a missing quotation mark", "\"SM\"", "\"SM", 2, &["引号没有配对"]),
        ("no quotation marks", "\"2h\"", "2h", 31, &["文字没有加引号"]),
        (
            "a word in two severities",
            "criteria = [\"其他\"]",
            "criteria = [\"其他\"]\nwords = [\"瘫痪\"]",
            24,
            &["已经写在级别「重大故障」"],
        ),
        (
            "one alias, two systems",
            "[[severity]]",
            "[[system]]\nid = \"two\"\nname = \"二\"\naliases = [\"登记\"]\n[[severity]]",
            15,
            &["叫法「登记」已经属于「登记系统」"],
        ),
        (
            "one id, two systems",
            "[[severity]]",
            "[[system]]\nid = \"one\"\nname = \"二\"\n[[severity]]",
            13,
            &["与第 1 个 [[system]] 重复"],
        ),
    ];
    for (why, from, to, line, said) in cases {
        breaks(why, from, to, *line, said);
    }
}

#[test]
fn what_is_added_wrongly_is_named_too() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "steps out of order",
            "[[escalation.step]]\nid=\"a\"\nat=\"80%\"\nroles=[\"lead\"]\n[[escalation.step]]\nid=\"b\"\nat=\"50%\"\nroles=[\"lead\"]",
            &["比上一步还早"],
        ),
        (
            "one step twice",
            "[[escalation.step]]\nid=\"a\"\nat=\"50%\"\nroles=[\"lead\"]\n[[escalation.step]]\nid=\"a\"\nat=\"80%\"\nroles=[\"lead\"]",
            &["写了两次"],
        ),
        ("a step that tells nobody", "[[escalation.step]]\nid=\"a\"\nat=\"50%\"\nroles=[]", &["没有写告诉谁"]),
        ("no step at all", "[escalation]\nstep=[]", &["一步也没有"]),
        (
            "a stranger is told",
            "[[escalation.step]]\nid=\"a\"\nat=\"50%\"\nroles=[\"boss\"]",
            &["「boss」", "「engineers」"],
        ),
        ("a percentage too high", "[[escalation.step]]\nid=\"a\"\nat=\"120%\"\nroles=[\"lead\"]", &["不是升级时点"]),
        (
            "a promise nobody gave",
            "[[escalation.step]]\nid=\"a\"\nat=\"50%\"\nroles=[\"lead\"]\ncommitments=[\"track\"]",
            &["没有承诺「实时跟踪」"],
        ),
        ("a start for all", "[[escalation.step]]\nid=\"a\"\nat=\"start\"\nroles=[\"lead\"]", &["major_only = true"]),
        ("suspension of a stranger", "[suspension]\nforbidden_for=[\"B\"]", &["没有编号为「B」的级别"]),
        (
            "a change in no calendar",
            "[change]\nrequires=[\"plan\"]\nnot_during=\"office\"\nclause=\"三\"",
            &["服务时间「office」没有定义"],
        ),
        (
            "a change that is never allowed",
            "[change]\nrequires=[\"plan\"]\nnot_during=\"7x24\"\nclause=\"三\"",
            &["永远办不成"],
        ),
        ("a change without a clause", "[change]\nrequires=[\"plan\"]\nnot_during=\"5x8\"", &["缺少必填的键「clause」"]),
        ("hours backwards", "[calendars.day]\nhours=[[\"18:00\",\"08:00\"]]", &["不在「18:00」之后", "24:00"]),
        ("hours overlapping", "[calendars.day]\nhours=[[\"08:00\",\"12:00\"],[\"11:00\",\"18:00\"]]", &["重叠"]),
        ("no clock time", "[calendars.day]\nhours=[[\"8点\",\"18:00\"]]", &["不是钟点"]),
        ("half a span", "[calendars.day]\nhours=[[\"08:00\"]]", &["个数不对", "两个钟点"]),
        ("the whole day redefined", "[calendars.7x24]\nhours=[[\"08:00\",\"18:00\"]]", &["不能改"]),
        (
            "a duty without a document",
            "[[duty]]\nid=\"d\"\nname=\"巡检\"\nevery=\"day\"\nclause=\"四\"\ndeliverable=\"x\"",
            &["没有编号为「x」的交付文档"],
        ),
        ("a duty on demand", "[[duty]]\nid=\"d\"\nname=\"巡检\"\nevery=\"on-demand\"\nclause=\"四\"", &["要有周期"]),
        (
            "a duty due before it begins",
            "[[duty]]\nid=\"d\"\nname=\"巡检\"\nevery=\"day\"\nclause=\"四\"\nfrom=\"19:00\"",
            &["截止钟点不在开始钟点之后"],
        ),
        ("a document never due", "[[deliverable]]\nid=\"d\"\nname=\"报告\"\nevery=[]", &["周期是空的"]),
        ("a scale without words", "[satisfaction]\nscale=3", &["3 分制配了 5 个说法"]),
        ("a scale too large", "[satisfaction]\nscale=300", &["超出了范围", "scale = 5"]),
        ("something unknown to mask", "[confidentiality]\nmask=[\"idcard\"]", &["是不是想写「id_card」"]),
        (
            "report without a major severity",
            "[[commitment]]\nname=\"report\"\nseverities=[\"general\"]\nwithin=\"1h\"\ncalendar=\"7x24\"\nclause=\"五\"",
            &["不是重大级别"],
        ),
        ("confirmation on no calendar", "[confirmation]\ncalendar=\"allday\"", &["服务时间「allday」没有定义"]),
        (
            "one category twice",
            "[[category]]\nid=\"bug\"\nname=\"另一类\"",
            &["编号「bug」与第 1 个 [[category]] 重复"],
        ),
        (
            "one severity twice",
            "[[severity]]\nid=\"major\"\nname=\"又一级\"\ncriteria=[\"同上\"]",
            &["编号「major」与第 1 个 [[severity]] 重复"],
        ),
        (
            "one name, two severities",
            "[[severity]]\nid=\"x\"\nname=\"一般故障\"\ncriteria=[\"同上\"]",
            &["叫法「一般故障」已经属于级别「一般故障」"],
        ),
        ("one block twice", "[change]\n[change]", &["写了两次"]),
    ];
    let last = SMALL.lines().count();
    for (why, added, said) in cases {
        let errors = errors_of(&format!("{SMALL}{added}\n"));
        let line = errors.0[0].line;
        assert!(line.is_some_and(|line| line > last), "{why}: {errors}");
        for part in *said {
            assert!(errors.to_string().contains(part), "{why}: 「{part}」 is not in {errors}");
        }
    }
    let no_major = SMALL.replace("major = true\n", "");
    let errors = errors_of(&format!(
        "{no_major}[[commitment]]\nname=\"report\"\nwithin=\"1h\"\ncalendar=\"7x24\"\nclause=\"五\"\n"
    ));
    assert!(errors.to_string().contains("没有一个级别标明重大"), "{errors}");
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    let broken = SMALL
        .replacen("code =", "colour = 1\ncode =", 1)
        .replacen("\"SM\"", "\"S-M\"", 1)
        .replacen("\"2h\"", "\"soon\"", 1)
        .replacen("\"5x8\"", "\"5x9\"", 1)
        .replacen("criteria = [\"其他\"]", "criteria = []", 1);
    let errors = errors_of(&broken);
    let lines: Vec<Option<usize>> = errors.0.iter().map(|error| error.line).collect();
    assert_eq!(lines, [Some(2), Some(3), Some(24), Some(32), Some(39)], "{errors}");
    assert_eq!(errors.0[4].key, "commitment#2.calendar", "counted as in the file, though the first was unreadable");
}

#[test]
fn what_is_missing_altogether_is_named_without_a_line() {
    let errors = errors_of("id = \"x\"\n");
    let said = errors.to_string();
    for key in ["code", "name", "customer", "default_severity", "severity", "commitment"] {
        assert!(said.contains(&format!("缺少必填的键「{key}」")), "{said}");
    }
    assert_eq!(errors.0.len(), 6, "{said}");
}

#[test]
fn dates_may_go_without_quotation_marks_and_files_may_come_from_windows() {
    let text = format!("\u{feff}extra_rest_days = [2026-10-08]\n{SMALL}").replace('\n', "\r\n");
    let profile = Profile::parse(&text, "x.toml").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(profile.extra_rest_days, [jiff::civil::date(2026, 10, 8)]);
    let errors = errors_of(&format!("extra_rest_days = [\"10月8日\"]\n{SMALL}"));
    assert!(errors.to_string().contains("2026-10-01"), "{errors}");
}

#[test]
fn an_installation_lays_its_keys_over_the_file() {
    let over: toml::Table = toml::from_str(
        "hotline = \"029-12345\"\n[confirmation]\nwithin = \"24h\"\n[[system]]\nid = \"one\"\naliases = [\"老系统\"]\n[[system]]\nid = \"new\"\nname = \"新系统\"",
    )
    .unwrap();
    let profile =
        Profile::parse_with(SMALL, "x.toml", &over, "zhishou.toml").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(profile.hotline, "029-12345");
    assert_eq!(profile.confirmation.within, Length::Minutes(24 * 60));
    assert_eq!(profile.confirmation.calendar, "7x24");
    assert_eq!(profile.systems.len(), 2);
    assert_eq!((profile.systems[0].name.as_str(), profile.systems[0].aliases[0].as_str()), ("登记系统", "老系统"));
    let over: toml::Table = toml::from_str("timezone = \"Mars\"").unwrap();
    let errors = Profile::parse_with(SMALL, "x.toml", &over, "zhishou.toml").unwrap_err();
    assert_eq!((errors.0[0].file.as_str(), errors.0[0].line), ("zhishou.toml", None), "{errors}");
}

#[test]
fn no_text_makes_the_loader_panic() {
    // Every prefix and every single dropped line of a real profile.
    for (_, text) in Profile::shipped().iter().take(1) {
        let lines: Vec<&str> = text.lines().collect();
        for skip in 0..lines.len() {
            let without: Vec<&str> =
                lines.iter().enumerate().filter(|(n, _)| *n != skip).map(|(_, line)| *line).collect();
            if let Err(errors) = Profile::parse(&without.join("\n"), "x") {
                assert!(!errors.0.is_empty());
            }
        }
    }
    for end in (0..SMALL.len()).filter(|end| SMALL.is_char_boundary(*end)) {
        let _ = Profile::parse(&SMALL[..end], "x").map(|profile| profile.id);
    }
}
