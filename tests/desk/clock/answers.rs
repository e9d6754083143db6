//! The questions of `inspect clock --stdin`, and the sentences of `--explain`.

use serde_json::{Value, json};
use zhishou::rules::calendar::{Calendar, CalendarSpec, answer_line};

use super::{office, pauses, t};

fn week() -> Value {
    let day = json!([["08:30", "12:00"], ["13:30", "18:00"]]);
    json!({"week": {"mon": day, "tue": day, "wed": day, "thu": day, "fri": day}, "holidays": ["2026-10-01", "2026-10-02"],
        "makeup_workdays": ["2026-10-10"]})
}

#[test]
fn each_kind_of_question_has_its_answer() {
    let berlin = json!({"tz": "Europe/Berlin", "week": {"mon": [["09:00", "17:00"]]}});
    for (why, mut question, answer) in [
        (
            "add",
            json!({"op": "add", "start": "2026-09-30T17:30:00+08:00", "minutes": 60}),
            json!({"due": "2026-10-05T09:00:00+08:00"}),
        ),
        (
            "seconds",
            json!({"op": "add", "start": "2026-09-30T09:00:00+08:00", "seconds": 90}),
            json!({"due": "2026-09-30T09:01:30+08:00"}),
        ),
        (
            "half a minute",
            json!({"op": "add", "start": "2026-09-30T09:00:00+08:00", "minutes": 0.5}),
            json!({"due": "2026-09-30T09:00:30+08:00"}),
        ),
        (
            "another offset in, the calendar's out",
            json!({"op": "add", "start": "2026-09-30T01:00:00Z", "minutes": 30}),
            json!({"due": "2026-09-30T09:30:00+08:00"}),
        ),
        (
            "with a pause",
            json!({"op": "add", "start": "2026-09-30T09:00:00+08:00", "minutes": 60, "pauses": [["2026-09-30T09:30:00+08:00", "2026-09-30T10:00:00+08:00"]]}),
            json!({"due": "2026-09-30T10:30:00+08:00"}),
        ),
        (
            "sub",
            json!({"op": "sub", "start": "2026-10-05T09:00:00+08:00", "minutes": 60}),
            json!({"due": "2026-09-30T17:30:00+08:00"}),
        ),
        (
            "elapsed, whole",
            json!({"op": "elapsed", "from": "2026-09-30T17:30:00+08:00", "to": "2026-10-05T09:00:00+08:00"}),
            json!({"minutes": 60}),
        ),
        (
            "elapsed, a fraction",
            json!({"op": "elapsed", "from": "2026-09-30T09:00:00+08:00", "to": "2026-09-30T09:00:45+08:00"}),
            json!({"minutes": 0.75}),
        ),
        (
            "elapsed with a pause",
            json!({"op": "elapsed", "from": "2026-09-30T09:00:00+08:00", "to": "2026-09-30T11:00:00+08:00", "pauses": [["2026-09-30T08:00:00+08:00", "2026-09-30T10:00:00+08:00"]]}),
            json!({"minutes": 60}),
        ),
        (
            "working days: the 5th to the 9th, make-up Saturday the 10th",
            json!({"op": "workdays", "start": "2026-09-30T10:00:00+08:00", "days": 6}),
            json!({"due": "2026-10-10T10:00:00+08:00"}),
        ),
        (
            "state, open",
            json!({"op": "state", "at": "2026-09-30T17:00:00+08:00"}),
            json!({"open": true, "next_opening": "2026-10-05T08:30:00+08:00", "last_closing": "2026-09-30T12:00:00+08:00"}),
        ),
        (
            "7x24 by name",
            json!({"calendar": "7x24", "op": "state", "at": "2026-09-30T17:00:00+08:00"}),
            json!({"open": true, "next_opening": null, "last_closing": null}),
        ),
        (
            "5x8 by name",
            json!({"calendar": "5x8", "op": "add", "start": "2026-09-30T17:30:00+08:00", "minutes": 60}),
            json!({"due": "2026-10-08T09:00:00+08:00"}),
        ),
        (
            "a zone with summer time",
            json!({"calendar": berlin, "op": "add", "start": "2026-03-27T12:00:00Z", "minutes": 60}),
            json!({"due": "2026-03-30T10:00:00+02:00"}),
        ),
    ] {
        if question.get("calendar").is_none() {
            question["calendar"] = week();
        }
        assert_eq!(answer_line(&question.to_string()), Ok(answer), "{why}");
    }
}

#[test]
fn a_bad_question_gets_a_reason() {
    let start = "2026-09-30T09:00:00+08:00";
    for (why, question, says) in [
        ("no JSON", "what".to_owned(), "读不懂"),
        ("no calendar", json!({"op": "add", "start": start, "minutes": 1}).to_string(), "calendar"),
        (
            "a name nobody knows",
            json!({"calendar": "6x9", "op": "add", "start": start, "minutes": 1}).to_string(),
            "没有名为“6x9”",
        ),
        (
            "an unknown key in the calendar",
            json!({"calendar": {"hollidays": []}, "op": "add", "start": start, "minutes": 1}).to_string(),
            "hollidays",
        ),
        (
            "an unknown key in the question",
            json!({"calendar": {}, "op": "add", "start": start, "minutes": 1, "pause": []}).to_string(),
            "pause",
        ),
        ("an unknown op", json!({"calendar": {}, "op": "mul"}).to_string(), "不认识的 op“mul”"),
        ("no length", json!({"calendar": {}, "op": "add", "start": start}).to_string(), "minutes 或 seconds"),
        (
            "two lengths",
            json!({"calendar": {}, "op": "add", "start": start, "minutes": 1, "seconds": 1}).to_string(),
            "minutes 或 seconds",
        ),
        ("no start", json!({"calendar": {}, "op": "add", "minutes": 1}).to_string(), "须有 start"),
        (
            "no offset",
            json!({"calendar": {}, "op": "add", "start": "2026-09-30T09:00:00", "minutes": 1}).to_string(),
            "不是带时区偏移的时间",
        ),
        ("negative", json!({"calendar": "5x8", "op": "add", "start": start, "minutes": -1}).to_string(), "不能为负"),
        ("too long", json!({"calendar": "5x8", "op": "add", "start": start, "minutes": 1e300}).to_string(), "太大"),
        (
            "too many days",
            json!({"calendar": "5x8", "op": "workdays", "start": start, "days": 99_999_999}).to_string(),
            "1900 年至 2200 年",
        ),
        (
            "never opens",
            json!({"calendar": {}, "op": "add", "start": start, "minutes": 1}).to_string(),
            "没有任何服务时间",
        ),
        (
            "no such hour",
            json!({"calendar": {"week": {"mon": [["08:30", "25:00"]]}}, "op": "add", "start": start, "minutes": 1})
                .to_string(),
            "“25:00”不是一天中的时刻",
        ),
        (
            "past midnight",
            json!({"calendar": {"week": {"mon": [["22:00", "06:00"]]}}, "op": "add", "start": start, "minutes": 1})
                .to_string(),
            "跨午夜的请拆成两段",
        ),
        (
            "beginning at 24:00",
            json!({"calendar": {"week": {"mon": [["24:00", "24:00"]]}}, "op": "add", "start": start, "minutes": 1})
                .to_string(),
            "须晚于开始",
        ),
        (
            "no such date",
            json!({"calendar": {"holidays": ["2026-02-30"]}, "op": "add", "start": start, "minutes": 1}).to_string(),
            "calendar 不合规则",
        ),
        (
            "no such zone",
            json!({"calendar": {"tz": "Mars/Base"}, "op": "add", "start": start, "minutes": 1}).to_string(),
            "不认识的时区",
        ),
    ] {
        let error = answer_line(&question).expect_err(why);
        assert!(error.contains(says), "{why}: {error}");
    }
}

#[test]
fn a_specification_reads_back_as_written() {
    let text = json!({"tz": "Asia/Shanghai", "week": {"mon": [["08:30", "24:00"]]}, "dates": {"2026-10-01": []}, "makeup_hours": []});
    let spec: CalendarSpec = serde_json::from_value(text).unwrap();
    let again: CalendarSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn an_explanation_names_what_was_skipped_and_why() {
    let due = office().add_workdays(t("09-30 17:00"), 5).unwrap();
    assert_eq!(
        office().explain(t("09-30 17:00"), due, &[]),
        [
            "自2026年9月30日（周三）17:00起算，日历：工作日 08:30–12:00、13:30–18:00，按国务院放假通知，调休上班日相同（时区 Asia/Shanghai）。",
            "10月1日至7日 国庆节休息。",
            "10月10日（周六）国庆节调休，照常上班。",
            "10月11日 周末休息。",
            "到2026年10月13日（周二）17:00为止，计服务时间 40 小时。",
        ]
    );
    let paused = pauses("12-31 16:00 to 2027-01-01T10:00:00+08:00, 01-01 00:00 to 01-02 00:00");
    let due = office().add_with_pauses(t("12-31 12:30"), 300 * 60_000, &paused).unwrap();
    assert_eq!(
        office().explain(t("12-31 12:30"), due, &paused)[1..],
        [
            "起点不在服务时间内，从12月31日（周四）13:30开始计时。",
            "12月31日（周四）16:00至2027年1月1日（周五）10:00暂停，扣除服务时间 3 小时 30 分钟。",
            "2027年起的放假安排尚未公布，暂按周一至周五计算，通知公布后须重新计算。",
            "到2027年1月1日（周五）14:00为止，计服务时间 5 小时。",
        ]
    );
    let always = Calendar::always("Asia/Shanghai").unwrap();
    assert_eq!(
        always.explain(t("10-01 23:30"), t("10-02 00:00"), &pauses("10-01 23:40 to 10-01 23:45")),
        [
            "自2026年10月1日（周四）23:30起算，日历：7×24 小时（时区 Asia/Shanghai）。",
            "10月1日（周四）23:40至10月1日（周四）23:45暂停，扣除服务时间 5 分钟。",
            "到2026年10月2日（周五）00:00为止，计服务时间 25 分钟。",
        ]
    );
}
