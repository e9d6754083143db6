//! Every holiday of 2026 from its eve to its last make-up day. Source: 国办发明电〔2025〕7号.

use jiff::civil::date;
use zhishou::rules::holidays::{DayKind, Holidays};

use super::{ms, office, rows, t};

#[test]
fn service_minutes_step_over_each_holiday_and_use_each_make_up_day() {
    for [start, minutes, due, why] in rows(
        "
        2025-12-31T17:00:00+08:00 |  60 | 2025-12-31T18:00:00+08:00 | New Year's eve, Wed: its last hour ends at closing
        2025-12-31T17:00:00+08:00 | 120 | 01-04 09:30               | an hour more is owed on Sunday the 4th, a make-up day
        01-01 10:00               |   1 | 01-04 08:31               | New Year's Day rests
        01-02 10:00               |  30 | 01-04 09:00               | Friday the 2nd rests in lieu
        01-03 23:59               |  30 | 01-04 09:00               | last minute of the 3rd
        01-04 17:30               |  60 | 01-05 09:00               | make-up Sunday runs into Monday
        01-09 17:30               |  60 | 01-12 09:00               | an ordinary weekend
        02-13 17:30               |  60 | 02-14 09:00               | Friday before Spring Festival runs into make-up Saturday
        02-14 17:00               |  60 | 02-14 18:00               | make-up Saturday is the eve: ends at closing
        02-14 17:00               |  61 | 02-24 08:31               | one minute more and it is nine days later
        02-15 00:00               |  30 | 02-24 09:00               | first instant of Spring Festival, Sunday
        02-17 12:00               |  30 | 02-24 09:00               | New Year's Day of the moon, Tuesday
        02-20 09:00               |  30 | 02-24 09:00               | Friday the 20th rests in lieu
        02-23 18:00               | 480 | 02-24 18:00               | Monday the 23rd is the last day of rest
        02-27 17:30               |  60 | 02-28 09:00               | Friday into make-up Saturday the 28th
        02-28 17:30               |  60 | 03-02 09:00               | from make-up Saturday over Sunday, 1 March
        04-03 17:30               |  60 | 04-07 09:00               | Qingming's eve, Friday: three days of rest
        04-04 12:00               |  30 | 04-07 09:00               | Qingming's first day, Saturday
        04-06 18:30               | 210 | 04-07 12:00               | Monday the 6th rests; the morning is used to noon
        04-06 18:30               | 211 | 04-07 13:31               | and one minute more comes after lunch
        04-30 17:30               |  60 | 05-06 09:00               | Labour Day's eve, Thursday: five days of rest
        05-01 09:00               | 480 | 05-06 18:00               | Labour Day, a whole day of work
        05-05 09:00               |   1 | 05-06 08:31               | Tuesday the 5th rests in lieu
        05-08 17:30               |  60 | 05-09 09:00               | Friday into make-up Saturday the 9th
        05-09 17:30               |  60 | 05-11 09:00               | from make-up Saturday over Sunday
        06-18 17:30               |  60 | 06-22 09:00               | Dragon Boat's eve, Thursday
        06-19 08:30               |  30 | 06-22 09:00               | Dragon Boat, Friday at what would be opening
        06-21 10:00               |  30 | 06-22 09:00               | Dragon Boat's last day, Sunday
        09-18 17:30               |  60 | 09-20 09:00               | Saturday the 19th rests, Sunday the 20th is worked
        09-19 09:00               |  30 | 09-20 09:00               | that Saturday itself
        09-20 17:30               |  60 | 09-21 09:00               | make-up Sunday runs into Monday
        09-24 17:30               |  60 | 09-28 09:00               | Mid-Autumn's eve, Thursday
        09-25 10:00               |   1 | 09-28 08:31               | Mid-Autumn, Friday
        09-27 23:00               |   1 | 09-28 08:31               | its last day, Sunday
        09-30 17:30               |  60 | 10-08 09:00               | National Day's eve, Wednesday: seven days of rest
        10-01 00:00               | 480 | 10-08 18:00               | first instant of National Day
        10-06 09:00               |   1 | 10-08 08:31               | Tuesday the 6th rests in lieu
        10-07 23:59               |   1 | 10-08 08:31               | last minute of Wednesday the 7th
        10-09 17:30               |  60 | 10-10 09:00               | Friday into make-up Saturday the 10th
        10-10 17:30               |  60 | 10-12 09:00               | from make-up Saturday over Sunday
        12-31 17:30               |  60 | 2027-01-01T09:00:00+08:00 | 31 December 2026, Thursday: until 2027 is published its 1 January is a plain Friday
        ",
    ) {
        assert_eq!(
            office().add(t(start), ms(minutes)),
            Ok(t(due)),
            "{why}"
        );
        assert_eq!(
            office().elapsed(t(start), t(due)),
            ms(minutes),
            "and back: {why}"
        );
    }
}

#[test]
fn working_days_keep_the_time_of_day_across_holidays() {
    for [start, days, due, why] in rows(
        "
        10-01 10:00               | 0 | 10-01 10:00               | no days at all, even when closed
        03-02 10:00               | 1 | 03-03 10:00               | an ordinary Monday to Tuesday
        03-04 15:00               | 5 | 03-11 15:00               | an ordinary week
        03-02 08:30               | 1 | 03-02 18:00               | at opening: the day is used to closing
        03-02 06:00               | 1 | 03-02 18:00               | before opening counts from opening
        03-02 12:30               | 1 | 03-03 12:00               | in the lunch hour: afternoon, then the morning to noon
        03-02 18:00               | 1 | 03-03 18:00               | at closing counts from the next morning
        03-06 20:00               | 5 | 03-13 18:00               | Friday evening, five days: the Friday after
        2025-12-31T15:00:00+08:00 | 1 | 01-04 15:00               | New Year's eve to make-up Sunday
        02-13 15:00               | 1 | 02-14 15:00               | Friday to make-up Saturday
        02-13 15:00               | 2 | 02-24 15:00               | and over Spring Festival
        02-14 09:00               | 5 | 02-28 09:00               | 24, 25, 26, 27, make-up 28
        04-03 10:00               | 1 | 04-07 10:00               | over Qingming
        04-30 10:00               | 5 | 05-11 10:00               | 6, 7, 8, make-up 9, 11 May
        06-18 10:00               | 1 | 06-22 10:00               | over Dragon Boat
        09-18 10:00               | 5 | 09-24 10:00               | make-up Sunday 20, then 21 to 24 September
        09-24 10:00               | 5 | 10-09 10:00               | 28, 29, 30 September, 8, 9 October
        09-30 10:00               | 1 | 10-08 10:00               | National Day's eve to the 8th
        09-30 10:00               | 5 | 10-13 10:00               | 8, 9, make-up 10, 12, 13 October
        10-03 10:00               | 5 | 10-13 18:00               | reported in the holiday: whole days from the 8th
        12-31 10:00               | 1 | 2027-01-01T10:00:00+08:00 | into the unpublished year: plain weekdays
        ",
    ) {
        assert_eq!(office().add_workdays(t(start), days.parse().unwrap()), Ok(t(due)), "{why}");
    }
}

#[test]
fn the_shipped_years_have_the_working_days_that_the_notices_leave() {
    let holidays = Holidays::shipped();
    // Counted in the source data, year by year.
    for (year, expected) in [(2023, 249), (2024, 251), (2025, 248), (2026, 248)] {
        let days = date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        assert_eq!(days.filter(|day| holidays.is_workday(*day)).count(), expected, "{year}");
    }
    assert_eq!((holidays.first_year(), holidays.last_year()), (2023, 2026));
    assert_eq!(holidays.notices().last().map(|notice| notice.number.as_str()), Some("国办发明电〔2025〕7号"));
}

#[test]
fn a_date_says_why_it_rests_or_works() {
    let holidays = Holidays::shipped();
    for (why, day, said, worked) in [
        ("National Day", date(2026, 10, 1), Some((DayKind::Rest, "国庆节")), false),
        ("make-up Saturday", date(2026, 10, 10), Some((DayKind::Work, "国庆节")), true),
        ("both at once in 2025", date(2025, 10, 6), Some((DayKind::Rest, "国庆节、中秋节")), false),
        ("New Year's Eve 2024 was only encouraged to rest", date(2024, 2, 9), None, true),
        ("a Sunday", date(2026, 3, 1), None, false),
        ("past the notices: plain weekdays, until the notice comes", date(2027, 1, 1), None, true),
        ("past the notices: a Friday like any other", date(2027, 10, 8), None, true),
        ("past the notices: the moon is not computed", date(2027, 2, 8), None, true),
    ] {
        assert_eq!(holidays.day(day), said, "{why}");
        assert_eq!(holidays.is_workday(day), worked, "{why}");
        assert_eq!(office().is_workday(day), worked, "the calendar agrees: {why}");
    }
    assert_eq!(office().provisional_from(), Some(date(2027, 1, 1)));
}

#[test]
fn a_damaged_holiday_file_is_refused() {
    let shipped = include_str!("../../../contracts/cn-holidays.json");
    for (why, from, to, says) in [
        ("no JSON", "{", "", "读不懂"),
        ("a key nobody reads", "\"about\"", "\"abuot\"", "读不懂"),
        ("a year left out", "\"year\": 2025", "\"year\": 2027", "逐年连续"),
        ("a day named twice", "2026-10-10", "2026-10-01", "出现了两次"),
        ("a range backwards", "2026-10-07", "2026-09-30", "早于首日"),
        ("the wrong century", "\"to\": \"2026-10-07\"", "\"to\": \"2126-10-07\"", "不属于 2026 年"),
        (
            "no month",
            "\"fixed\": []",
            "\"fixed\": [{\"name\": \"元旦\", \"from\": \"13-01\", \"to\": \"13-01\"}]",
            "不是“月-日”",
        ),
    ] {
        let damaged = shipped.replacen(from, to, 1);
        let error = Holidays::parse(&damaged).expect_err(why).to_string();
        assert!(error.contains(says), "{why}: {error}");
    }
}
