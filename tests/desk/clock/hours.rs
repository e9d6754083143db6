//! Lunch, closing time, counting back, pauses, and what is open when.

use zhishou::rules::calendar::Calendar;

use super::{MINUTE, ms, office, pauses, rows, t};

#[test]
fn lunch_and_closing_are_not_counted_and_closing_is_an_end() {
    // 2 March 2026 is a Monday.
    for [start, minutes, due, why] in rows(
        "
        03-02 09:00 |  30 | 03-02 09:30 | within the morning
        03-02 11:30 |  30 | 03-02 12:00 | to the last minute before lunch
        03-02 11:30 |  31 | 03-02 13:31 | one minute over lunch
        03-02 12:00 |  30 | 03-02 14:00 | from noon, which is closed
        03-02 13:00 |  30 | 03-02 14:00 | from within lunch
        03-02 08:30 | 480 | 03-02 18:00 | the whole day
        03-02 00:00 | 480 | 03-02 18:00 | the whole day from before it
        03-02 17:59 |   1 | 03-02 18:00 | the last minute
        03-02 18:00 |   1 | 03-03 08:31 | from closing
        03-02 12:30 |   0 | 03-02 12:30 | nothing from closed is the start
        03-02 09:30 |   0 | 03-02 09:30 | nothing from open is the start
        ",
    ) {
        assert_eq!(office().add(t(start), ms(minutes)), Ok(t(due)), "{why}");
    }
}

#[test]
fn counting_back_begins_as_late_as_it_can() {
    for [end, minutes, start, why] in rows(
        "
        03-02 14:00 |  20 | 03-02 13:40 | within the afternoon
        03-02 14:00 |  30 | 03-02 13:30 | to opening after lunch
        03-02 14:00 |  31 | 03-02 11:59 | one minute before lunch
        03-02 13:30 |  30 | 03-02 11:30 | from opening back over lunch
        03-02 12:30 |   1 | 03-02 11:59 | from within lunch
        03-02 18:00 | 480 | 03-02 08:30 | the whole day
        03-03 08:30 |  30 | 03-02 17:30 | over a night
        03-02 09:00 |  60 | 02-28 17:30 | over a Sunday, to a make-up Saturday
        10-08 09:00 |  60 | 09-30 17:30 | over National Day
        10-03 09:00 |   0 | 10-03 09:00 | nothing is the end
        ",
    ) {
        assert_eq!(office().sub(t(end), ms(minutes)), Ok(t(start)), "{why}");
    }
}

#[test]
fn elapsed_counts_service_time_and_has_a_sign() {
    for [from, to, minutes, why] in rows(
        "
        09-30 17:00 | 10-08 09:00 |    90 | an hour before and half an hour after National Day
        10-08 09:00 | 09-30 17:00 |   -90 | the other way round
        10-02 00:00 | 10-06 00:00 |     0 | inside the holiday
        03-02 11:00 | 03-02 14:00 |    90 | over lunch
        03-01 00:00 | 04-01 00:00 | 10560 | a March of 22 working days
        ",
    ) {
        assert_eq!(office().elapsed(t(from), t(to)), ms(minutes), "{why}");
    }
    let elapsed = office().elapsed(t("2026-03-02T09:00:00.0004+08:00"), t("03-02 09:01"));
    assert_eq!(elapsed, 59_999, "rounded down");
}

#[test]
fn pauses_take_out_the_service_time_inside_them() {
    for [start, minutes, paused, due, why] in rows(
        "
        03-02 09:00 | 120 |                                                      | 03-02 11:00 | none
        03-02 09:00 | 120 | 03-02 10:00 to 03-02 10:30                           | 03-02 11:30 | half an hour
        03-02 09:00 | 120 | 03-02 10:00 to 03-02 10:30, 03-02 10:15 to 03-02 10:45 | 03-02 11:45 | overlapping ones count once
        03-02 09:00 | 120 | 03-02 10:30 to 03-02 10:45, 03-02 09:30 to 03-02 09:40 | 03-02 11:25 | order does not matter
        03-02 11:00 |  90 | 03-02 12:00 to 03-02 13:30                           | 03-02 14:00 | lunch is outside service time
        03-02 09:00 | 120 | 03-02 08:00 to 03-02 09:30                           | 03-02 11:30 | from before the start
        03-02 10:00 |  60 | 03-02 08:30 to 03-02 09:30                           | 03-02 11:00 | wholly before the start
        03-02 09:00 | 120 | 03-02 11:00 to 03-02 11:30                           | 03-02 11:00 | beginning at the due time
        03-02 09:00 | 120 | 03-02 10:59 to 03-02 11:30                           | 03-02 11:31 | beginning one minute before it
        03-06 17:00 |  60 | 03-06 17:30 to 03-09 09:00                           | 03-09 09:30 | half an hour on each side of a weekend
        03-02 09:00 | 120 | 03-02 10:00 to 03-02 10:00                           | 03-02 11:00 | empty
        03-02 09:00 | 120 | 03-02 10:30 to 03-02 10:00                           | 03-02 11:00 | reversed
        03-02 17:00 |  60 | 03-02 17:30 to 03-02 18:00, 03-02 18:00 to 03-03 09:00 | 03-03 09:30 | touching, past closing
        ",
    ) {
        let (office, paused) = (office(), pauses(paused));
        assert_eq!(office.add_with_pauses(t(start), ms(minutes), &paused), Ok(t(due)), "{why}");
        let elapsed = office.elapsed_with_pauses(t(start), t(due), &paused);
        assert_eq!(elapsed, ms(minutes), "elapsed: {why}");
    }
    let paused = pauses("03-02 10:00 to 03-02 10:30, 10-01 00:00 to 10-05 00:00");
    let back = office().sub_with_pauses(t("03-02 11:00"), 60 * MINUTE, &paused);
    assert_eq!(back, Ok(t("03-02 09:30")));
    let days = office().add_workdays_with_pauses(t("03-02 09:00"), 1, &paused);
    assert_eq!(days, Ok(t("03-03 09:30")));
}

#[test]
fn open_at_opening_closed_at_closing() {
    for [at, open, next, last, why] in rows(
        "
        03-02 08:29 | false | 03-02 08:30 | 02-28 18:00 | a minute early
        03-02 08:30 | true  | 03-02 13:30 | 02-28 18:00 | on the dot
        03-02 12:00 | false | 03-02 13:30 | 03-02 12:00 | noon
        03-02 17:59 | true  | 03-03 08:30 | 03-02 12:00 | a minute before closing
        03-02 18:00 | false | 03-03 08:30 | 03-02 18:00 | closing
        10-04 10:00 | false | 10-08 08:30 | 09-30 18:00 | National Day
        ",
    ) {
        assert_eq!(office().is_open(t(at)), open == "true", "{why}");
        assert_eq!(office().next_opening(t(at)), Some(t(next)), "{why}");
        assert_eq!(office().last_closing(t(at)), Some(t(last)), "{why}");
    }
    let all_day = Calendar::always("Asia/Shanghai").unwrap();
    assert!(all_day.is_open(t("10-04 03:00")));
    assert_eq!(all_day.next_opening(t("10-04 03:00")), None);
    assert_eq!(all_day.last_closing(t("10-04 03:00")), None);
}
