//! Midnight, and zones that change their clocks: service hours are wall-clock times, minutes are real.

use zhishou::rules::calendar::Calendar;

use super::{MINUTE, calendar, ms, rows, t};

#[test]
fn a_day_may_end_at_24_00_and_the_next_begin_there() {
    let late =
        calendar(r#"{"week": {"mon": [["18:00","24:00"]], "tue": [["00:00","02:00"]], "wed": [["22:00","24:00"]]}}"#);
    for [start, minutes, due, why] in rows(
        "
        03-02 23:30 | 60 | 03-03 00:30 | through midnight
        03-02 23:30 | 30 | 03-03 00:00 | to midnight
        03-04 23:30 | 30 | 03-05 00:00 | the closing of Wednesday is Thursday 00:00
        03-04 23:30 | 31 | 03-09 18:01 | and then it is Monday evening
        ",
    ) {
        assert_eq!(late.add(t(start), ms(minutes)), Ok(t(due)), "{why}");
    }
    let next = late.next_opening(t("03-02 23:00"));
    assert_eq!(next, Some(t("03-04 22:00")), "midnight is no opening");
    let last = late.last_closing(t("03-03 00:00"));
    assert_eq!(last, Some(t("02-26 00:00")), "midnight is no closing");
    let last = late.last_closing(t("03-03 02:00"));
    assert_eq!(last, Some(t("03-03 02:00")), "the end of a span is closed");
}

#[test]
fn a_week_of_whole_days_loses_no_minute_at_midnight() {
    // 00:00-23:59 lost one a day in zammad#3180.
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let week = days.map(|day| format!(r#""{day}": [["00:00","24:00"]]"#)).join(",");
    // Without and with an exception: only the first is known to be open always.
    for breaks in ["{}", r#"{"2026-12-01": [["01:00","02:00"]]}"#] {
        let whole = calendar(&format!(r#"{{"week": {{{week}}}, "breaks": {breaks}}}"#));
        assert_eq!(whole.elapsed(t("03-02 00:00"), t("03-09 00:00")), 10_080 * MINUTE);
        assert_eq!(whole.add(t("03-02 12:00"), 1440 * MINUTE), Ok(t("03-03 12:00")));
    }
}

#[test]
fn a_skipped_hour_serves_nothing_and_a_repeated_one_twice() {
    for [zone, day, spans, from, to, minutes, why] in rows(
        r#"
        Europe/Berlin       | sun | ["01:00","04:00"] | 2026-06-07T00:00:00+02:00 | 2026-06-08T00:00:00+02:00 |  180 | an ordinary Sunday
        Europe/Berlin       | sun | ["01:00","04:00"] | 2026-03-29T00:00:00+01:00 | 2026-03-30T00:00:00+02:00 |  120 | 02:00–03:00 does not happen
        Europe/Berlin       | sun | ["01:00","04:00"] | 2026-10-25T00:00:00+02:00 | 2026-10-26T00:00:00+01:00 |  240 | 02:00–03:00 happens twice
        America/New_York    | sun | ["00:00","06:00"] | 2026-03-08T00:00:00-05:00 | 2026-03-09T00:00:00-04:00 |  300 | loses an hour
        America/New_York    | sun | ["00:00","06:00"] | 2026-11-01T00:00:00-04:00 | 2026-11-02T00:00:00-05:00 |  420 | gains an hour
        Europe/Berlin       | sun | ["02:00","03:00"] | 2026-03-28T00:00:00+01:00 | 2026-03-30T00:00:00+02:00 |    0 | a span inside the gap
        Europe/Berlin       | sun | ["01:30","02:30"] | 2026-10-25T00:00:00+02:00 | 2026-10-26T00:00:00+01:00 |   90 | ends inside the fold: 60 minutes, then 30 again
        Australia/Lord_Howe | sun | ["01:00","03:00"] | 2026-04-04T12:00:00Z      | 2026-04-05T12:00:00Z      |  150 | turns back half an hour
        America/St_Johns    | sun | ["00:00","24:00"] | 2010-11-06T12:00:00Z      | 2010-11-08T12:00:00Z      | 1441 | Sunday 00:01 back to Saturday 23:01: a minute, later the day
        Pacific/Apia        | fri | ["09:00","17:00"] | 2011-12-28T00:00:00Z      | 2012-01-02T00:00:00Z      |    0 | Friday 30 December 2011 was left out
        "#,
    ) {
        let calendar = weekly(zone, day, spans);
        assert_eq!(calendar.elapsed(t(from), t(to)), ms(minutes), "{zone}: {why}");
    }
}

#[test]
fn a_promise_runs_through_a_change_of_clocks() {
    for [zone, days, spans, start, minutes, due, why] in rows(
        r#"
        Europe/Berlin    | fri mon | ["09:00","17:00"] | 2026-03-27T16:00:00+01:00 |  120 | 2026-03-30T10:00:00+02:00 | Friday to Monday in spring
        Europe/Berlin    | fri mon | ["09:00","17:00"] | 2026-10-23T16:00:00+02:00 |  120 | 2026-10-26T10:00:00+01:00 | Friday to Monday in autumn
        Europe/Berlin    | sun     | ["01:00","04:00"] | 2026-03-29T01:30:00+01:00 |   60 | 2026-03-29T03:30:00+02:00 | through the gap
        Europe/Berlin    | sun     | ["01:00","04:00"] | 2026-10-25T01:30:00+02:00 |  120 | 2026-10-25T02:30:00+01:00 | through the fold
        Europe/Berlin    | sun     | ["02:00","03:00"] | 2026-03-28T00:00:00+01:00 |   60 | 2026-04-05T03:00:00+02:00 | the gap has no service: a week later
        Europe/Berlin    | sun     | ["01:30","02:30"] | 2026-10-25T00:00:00+02:00 |   75 | 2026-10-25T02:15:00+01:00 | into the second pass
        America/New_York | sun     | ["00:00","06:00"] | 2026-03-08T01:00:00-05:00 |  120 | 2026-03-08T04:00:00-04:00 | two hours after 01:00 it is 04:00
        "#,
    ) {
        let calendar = weekly(zone, days, spans);
        assert_eq!(calendar.add(t(start), ms(minutes)), Ok(t(due)), "{zone}: {why}");
        assert_eq!(calendar.elapsed(t(start), t(due)), ms(minutes), "back, {zone}: {why}");
    }
    let always = Calendar::always("America/New_York").unwrap();
    let due = always.add(t("2026-03-08T00:00:00-05:00"), 1440 * MINUTE);
    assert_eq!(due, Ok(t("2026-03-09T01:00:00-04:00")), "7x24 counts 24 real hours");
    let spring = weekly("America/New_York", "sun", r#"["00:00","06:00"]"#);
    let back = spring.sub(t("2026-03-08T04:00:00-04:00"), 120 * MINUTE);
    assert_eq!(back, Ok(t("2026-03-08T01:00:00-05:00")), "two hours before 04:00 it was 01:00");
    assert_eq!(always.rfc3339(t("2026-03-08T07:00:00Z")), "2026-03-08T03:00:00-04:00");
}

fn weekly(zone: &str, days: &str, span: &str) -> Calendar {
    let days: Vec<String> = days.split(' ').map(|day| format!(r#""{day}": [{span}]"#)).collect();
    calendar(&format!(r#"{{"tz": "{zone}", "week": {{{}}}}}"#, days.join(",")))
}
