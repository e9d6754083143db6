//! Which rule beats which, days of unequal length, and calendars that cannot answer.

use jiff::Timestamp;
use jiff::civil::date;
use zhishou::rules::calendar::{Calendar, CalendarError, CalendarSpec, WeekHours};
use zhishou::rules::holidays::Holidays;

use super::{MINUTE, calendar, ms, office, rows, t};

#[test]
fn a_holiday_beats_a_dated_opening_beats_a_make_up_day_beats_the_week_and_breaks_cut_last() {
    let given = calendar(
        r#"{
            "week": {"wed": [["09:00","12:00"],["11:00","17:00"]]},
            "holidays": ["2026-03-04"],
            "recurring_holidays": ["03-11", "02-29"],
            "dates": {
                "2026-03-04": [["10:00","11:00"]], "2026-03-11": [["10:00","11:00"]],
                "2026-03-18": [["10:00","12:00"]], "2026-03-25": []
            },
            "makeup_workdays": ["2026-03-04", "2026-03-11", "2026-03-18", "2026-03-21"],
            "breaks": {
                "2026-03-18": [["10:30","10:45"]], "2026-04-01": [["08:00","09:30"],["16:00","18:00"]],
                "2026-04-08": [["00:00","24:00"]]
            }
        }"#,
    );
    for [day, minutes, why] in rows(
        "
        03-04 |   0 | a holiday, whatever else is said
        03-11 |   0 | a yearly holiday likewise
        03-18 | 105 | a dated opening of two hours with a break
        03-25 |   0 | a dated closing
        03-21 | 480 | a make-up Saturday: hours of the first weekday that has any, overlap made one
        04-01 | 390 | a Wednesday cut at both ends
        04-08 |   0 | a Wednesday cut away
        04-15 | 480 | a Wednesday
        04-16 |   0 | a Thursday
        ",
    ) {
        let (from, to) = (t(&format!("{day} 00:00")), t(&format!("{day} 23:59")));
        assert_eq!(given.elapsed(from, to), ms(minutes), "{why}");
        let worked: jiff::civil::Date = format!("2026-{day}").parse().unwrap();
        assert_eq!(given.is_workday(worked), minutes != "0", "{why}");
    }
    let own = calendar(
        r#"{"week": {"mon": [["09:00","17:00"]]}, "makeup_workdays": ["2026-03-07"], "makeup_hours": [["09:00","12:00"]]}"#,
    );
    assert_eq!(own.elapsed(t("03-07 00:00"), t("03-08 00:00")), 180 * MINUTE);
}

#[test]
fn a_contract_may_rest_and_work_on_days_of_its_own() {
    let (rest, work) = ([date(2026, 3, 2), date(2026, 10, 10)], [date(2026, 10, 1), date(2026, 3, 2)]);
    let hours = WeekHours::office();
    let own = Calendar::workdays(&hours, "Asia/Shanghai", Holidays::shipped(), &rest, &work).unwrap();
    assert!(own.is_workday(date(2026, 10, 1)), "works on National Day");
    assert!(!own.is_workday(date(2026, 10, 10)), "rests on a make-up day");
    assert!(!own.is_workday(date(2026, 3, 2)), "in both lists: rests");
}

#[test]
fn days_of_unequal_length_each_bring_their_own() {
    let day = r#"[["08:30","12:00"],["13:30","18:00"]]"#;
    let week = ["mon", "tue", "wed", "thu", "fri"].map(|name| format!(r#""{name}": {day},"#)).concat();
    let six = calendar(&format!(r#"{{"week": {{{week} "sat": [["08:30","12:00"]]}}}}"#));
    for (days, [start, due, why]) in [1, 2, 1, 5, 1, 2].into_iter().zip(rows(
        "
        03-06 10:00 | 03-07 10:00 | Friday to half Saturday
        03-06 10:00 | 03-09 10:00 | two days: Friday to Monday over it
        03-07 09:00 | 03-09 09:00 | Saturday to Monday
        03-07 09:00 | 03-13 09:00 | Saturday and five days: Friday
        03-06 17:00 | 03-09 12:00 | Saturday has no 17:00: 1 h Friday, 3.5 h Saturday, 3.5 h Monday
        03-05 20:00 | 03-07 12:00 | Thursday evening and two days: Saturday's closing
        ",
    )) {
        assert_eq!(six.add_workdays(t(start), days), Ok(t(due)), "{why}");
    }
    assert_eq!(six.workdays_ms(t("03-06 10:00"), 2), Ok((480 + 210) * MINUTE));
    let all_day = Calendar::always("Asia/Shanghai").unwrap();
    assert_eq!(all_day.add_workdays(t("10-01 10:00"), 2), Ok(t("10-03 10:00")), "7x24 works every day");
}

#[test]
fn what_never_opens_or_lies_too_far_is_an_error_and_no_loop() {
    use CalendarError::{Negative, NeverOpens, OutOfRange};
    let (closed, office, always) = (calendar("{}"), office(), Calendar::always("UTC").unwrap());
    let once = calendar(r#"{"dates": {"2031-05-06": [["09:00","10:00"]]}}"#);
    let (monday, far) = (t("03-02 09:00"), t("2199-12-31T00:00:00Z"));
    let (first, last) = (t("2031-05-06T09:01:00+08:00"), t("2031-05-06T09:59:00+08:00"));
    let year = |year: i16| t(&format!("{year}-01-01T00:00:00Z"));
    for (why, result, expected) in [
        ("never", closed.add(monday, MINUTE), Err(NeverOpens)),
        ("never was", closed.sub(monday, MINUTE), Err(NeverOpens)),
        ("no working day", closed.add_workdays(monday, 1), Err(NeverOpens)),
        ("years ahead is found", once.add(year(2001), MINUTE), Ok(first)),
        ("years back is found", once.sub(year(2061), MINUTE), Ok(last)),
        ("past the only hour", once.add(year(2032), MINUTE), Err(NeverOpens)),
        ("more than there is", once.add(year(2031), 61 * MINUTE), Err(OutOfRange)),
        ("less than nothing", office.add(monday, -1), Err(Negative)),
        ("longer than time", office.add(monday, i64::MAX), Err(OutOfRange)),
        ("past 2200", office.add(far, 100 * 480 * MINUTE), Err(OutOfRange)),
        ("past 2200, always open", always.add(far, 2 * 1440 * MINUTE), Err(OutOfRange)),
        ("before 1900, always open", always.sub(year(1900), MINUTE), Err(NeverOpens)),
        ("four billion days", office.add_workdays(monday, u32::MAX), Err(OutOfRange)),
        ("a start before 1900", office.add(year(1800), 1), Err(OutOfRange)),
    ] {
        assert_eq!(result, expected, "{why}");
    }
    assert_eq!(closed.elapsed(Timestamp::MIN, Timestamp::MAX), 0);
    assert_eq!(closed.next_opening(monday), None);
    assert_eq!(closed.last_closing(monday), None);
}

#[test]
fn a_specification_that_means_nothing_is_refused_in_words() {
    let tz = CalendarSpec { tz: "Asia/Beijing2".to_owned(), ..CalendarSpec::default() };
    let yearly = CalendarSpec { recurring_holidays: vec!["13-01".to_owned()], ..CalendarSpec::default() };
    for (spec, says) in [(tz, "不认识的时区“Asia/Beijing2”"), (yearly, "“13-01”不是每年的日期")] {
        let error = Calendar::from_spec(&spec).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}
