//! Laws of working time, held against a walk minute by minute that shares no code with the product.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use zhishou::rules::calendar::{Calendar, CalendarSpec, answer_line};

use super::{MINUTE, office};

/// Spans as minutes of the day, as a test knows them.
type Spans = Vec<(u16, u16)>;

/// A calendar as a test knows it. Dates are days counted from `first`.
#[derive(Debug, Clone)]
struct Plan {
    tz: &'static str,
    first: jiff::civil::Date,
    week: Vec<Spans>,
    holidays: Vec<usize>,
    dates: Vec<(usize, Spans)>,
    makeup: Vec<usize>,
    breaks: Vec<(usize, Spans)>,
}

const WINDOW_DAYS: usize = 16;

impl Plan {
    fn date(&self, day: usize) -> jiff::civil::Date {
        self.first + jiff::Span::new().days(i64::try_from(day).expect("small"))
    }

    fn calendar(&self) -> Calendar {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let spans = |spans: &Spans| spans.iter().map(|(from, to)| [text(*from), text(*to)]).collect::<Vec<_>>();
        let dated = |list: &Vec<(usize, Spans)>| {
            list.iter()
                .map(|(day, of)| (self.date(*day).to_string(), json!(spans(of))))
                .collect::<serde_json::Map<_, _>>()
        };
        let days = |list: &Vec<usize>| list.iter().map(|day| self.date(*day).to_string()).collect::<Vec<_>>();
        let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().zip(&self.week);
        let spec = json!({
            "tz": self.tz,
            "week": week.map(|(day, of)| ((*day).to_owned(), json!(spans(of)))).collect::<serde_json::Map<_, _>>(),
            "holidays": days(&self.holidays), "dates": dated(&self.dates),
            "makeup_workdays": days(&self.makeup), "makeup_hours": [["09:00", "12:00"]], "breaks": dated(&self.breaks),
        });
        Calendar::from_spec(&serde_json::from_value::<CalendarSpec>(spec).expect("well formed")).expect("it compiles")
    }

    /// The rules once more, as plainly as they can be said.
    fn open(&self, zone: &TimeZone, at: Timestamp) -> bool {
        let wall = zone.to_datetime(at);
        let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        let inside = |spans: &Spans| spans.iter().any(|(from, to)| (*from..*to).contains(&minute));
        let of = |list: &[(usize, Spans)]| list.iter().rev().find(|(day, _)| self.date(*day) == wall.date()).cloned();
        let among = |list: &[usize]| list.iter().any(|day| self.date(*day) == wall.date());
        if of(&self.breaks).is_some_and(|(_, gaps)| inside(&gaps)) || among(&self.holidays) {
            return false;
        }
        if let Some((_, spans)) = of(&self.dates) {
            return inside(&spans);
        }
        if among(&self.makeup) {
            return (540..720).contains(&minute);
        }
        inside(&self.week[usize::from(wall.weekday().to_monday_zero_offset().unsigned_abs())])
    }

    /// Minute by minute, from the first date on.
    fn minutes(&self) -> (Timestamp, Vec<bool>) {
        let zone = TimeZone::get(self.tz).expect("a zone");
        let begin = zone.to_timestamp(self.first.at(0, 0, 0, 0)).expect("in range");
        let all = (0..WINDOW_DAYS * 1440).map(|n| self.open(&zone, later(begin, n)));
        (begin, all.collect())
    }
}

fn later(at: Timestamp, minutes: usize) -> Timestamp {
    at + SignedDuration::from_mins(i64::try_from(minutes).expect("small"))
}

fn spans() -> impl Strategy<Value = Spans> {
    let span = (0u16..1440, 1u16..=1440).prop_map(|(a, b)| (a.min(b - 1), b.max(a + 1)));
    prop_oneof![3 => vec(span, 0..3), 1 => Just(vec![(0, 1440)]), 2 => Just(vec![(510, 720), (810, 1080)]), 1 => Just(vec![])]
}

fn plan() -> impl Strategy<Value = Plan> {
    // Each window begins a few days before a change of clocks, where the zone has any.
    let place = prop_oneof![
        Just(("Asia/Shanghai", jiff::civil::date(2026, 9, 28))),
        Just(("Europe/Berlin", jiff::civil::date(2026, 3, 25))),
        Just(("Europe/Berlin", jiff::civil::date(2026, 10, 20))),
        Just(("America/New_York", jiff::civil::date(2045, 3, 8))),
        Just(("Australia/Lord_Howe", jiff::civil::date(2026, 4, 1))),
        Just(("America/St_Johns", jiff::civil::date(2010, 11, 2))),
        Just(("Pacific/Apia", jiff::civil::date(2011, 12, 26))),
    ];
    let days = || vec(0..WINDOW_DAYS, 0..3);
    let dated = || vec((0..WINDOW_DAYS, spans()), 0..3);
    (place, vec(spans(), 7), days(), dated(), days(), dated()).prop_map(
        |((tz, first), week, holidays, dates, makeup, breaks)| Plan {
            tz,
            first,
            week,
            holidays,
            dates,
            makeup,
            breaks,
        },
    )
}

/// Two instants of the window, in order, as minutes from its beginning.
fn stretch() -> impl Strategy<Value = (usize, usize)> {
    (0..WINDOW_DAYS * 1440, 0..WINDOW_DAYS * 1440).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn as_ms(minutes: usize) -> i64 {
    i64::try_from(minutes).expect("small") * MINUTE
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_arithmetic_agrees_with_counting_minutes(
        plan in plan(), (from, to) in stretch(), paused in vec(stretch(), 0..4), amount in 0usize..6000,
    ) {
        let calendar = plan.calendar();
        let (begin, open) = plan.minutes();
        let at = |minute: usize| later(begin, minute);
        let served = |minute: usize| open[minute] && !paused.iter().any(|(a, b)| (*a..*b).contains(&minute));
        let pauses: Vec<_> = paused.iter().map(|(a, b)| (at(*a), at(*b))).collect();

        prop_assert_eq!(calendar.is_open(at(from)), open[from]);
        let counted = (from..to).filter(|minute| open[*minute]).count();
        prop_assert_eq!(calendar.elapsed(at(from), at(to)), as_ms(counted));
        let counted = (from..to).filter(|minute| served(*minute)).count();
        prop_assert_eq!(calendar.elapsed_with_pauses(at(from), at(to), &pauses), as_ms(counted));

        // The earliest minute by which so much was served, and the latest since which it was.
        let forth = if amount == 0 { Some(from) } else {
            (from..open.len()).filter(|minute| served(*minute)).nth(amount - 1).map(|last| last + 1)
        };
        if let Some(due) = forth {
            prop_assert_eq!(calendar.add_with_pauses(at(from), as_ms(amount), &pauses), Ok(at(due)));
        }
        let back = if amount == 0 { Some(to) } else {
            (0..to).rev().filter(|minute| served(*minute)).nth(amount - 1)
        };
        if let Some(start) = back {
            prop_assert_eq!(calendar.sub_with_pauses(at(to), as_ms(amount), &pauses), Ok(at(start)));
        }

        if let Some(next) = (from + 1..open.len()).find(|minute| open[*minute] && !open[minute - 1]) {
            prop_assert_eq!(calendar.next_opening(at(from)), Some(at(next)));
        }
        if let Some(last) = (1..=to).rev().find(|minute| !open[*minute] && open[minute - 1]) {
            prop_assert_eq!(calendar.last_closing(at(to)), Some(at(last)));
        }
    }
}

/// Any instant from 2022 to 2030, to the millisecond.
fn instant() -> impl Strategy<Value = Timestamp> {
    (1_640_966_400_000i64..1_893_427_200_000).prop_map(|ms| Timestamp::from_millisecond(ms).expect("in range"))
}

proptest! {
    #[test]
    fn adding_and_subtracting_serve_exactly_what_was_asked(at in instant(), ms in 0i64..2_000_000_000, more in 0i64..1_000_000) {
        let office = office();
        let due = office.add(at, ms).unwrap();
        prop_assert!(due >= at);
        prop_assert_eq!(office.elapsed(at, due), ms);
        let start = office.sub(at, ms).unwrap();
        prop_assert!(start <= at);
        prop_assert_eq!(office.elapsed(start, at), ms);
        prop_assert!(office.add(at, ms + more).unwrap() >= due, "more service never ends sooner");
        prop_assert_eq!(office.add(due, more), office.add(at, ms + more), "in two steps as in one");
        if office.is_open(at) && at > office.last_closing(at).unwrap() && office.elapsed(at - SignedDuration::from_millis(1), at) == 1 {
            prop_assert_eq!(office.add(start, ms), Ok(at), "from inside service hours each undoes the other");
        }
    }

    #[test]
    fn a_later_start_is_never_due_sooner(a in instant(), b in instant(), ms in 1i64..500_000_000) {
        let (a, b) = (a.min(b), a.max(b));
        prop_assert!(office().add(a, ms).unwrap() <= office().add(b, ms).unwrap());
    }

    #[test]
    fn elapsed_time_adds_up(a in instant(), b in instant(), c in instant()) {
        let office = office();
        prop_assert_eq!(office.elapsed(a, b) + office.elapsed(b, c), office.elapsed(a, c));
        prop_assert_eq!(office.elapsed(a, b), -office.elapsed(b, a));
    }

    #[test]
    fn pauses_outside_service_time_take_nothing(at in instant(), ms in 0i64..500_000_000, days in 1i64..40) {
        let office = office();
        let mut nights = Vec::new();
        let mut evening = office.last_closing(at).unwrap();
        for _ in 0..days {
            let morning = office.next_opening(evening).unwrap();
            nights.push((evening, morning));
            // From the opening to the closing that follows it: the last closing before the opening after it.
            evening = office.last_closing(office.next_opening(morning).unwrap()).unwrap();
        }
        nights.reverse();
        prop_assert_eq!(office.add_with_pauses(at, ms, &nights), office.add(at, ms));
    }

    #[test]
    fn a_pause_delays_by_the_service_time_in_it(at in instant(), ms in 1i64..500_000_000, from in 0i64..900_000_000, length in 0i64..900_000_000) {
        let office = office();
        let pause = (at + SignedDuration::from_millis(from), at + SignedDuration::from_millis(from + length));
        let due = office.add_with_pauses(at, ms, &[pause]).unwrap();
        let taken = office.elapsed(pause.0.min(due), pause.1.min(due));
        prop_assert_eq!(office.elapsed(at, due) - taken, ms);
        prop_assert_eq!(office.elapsed_with_pauses(at, due, &[pause]), ms);
    }

    #[test]
    fn a_working_day_later_has_the_same_time_of_day(at in instant(), days in 1u32..30) {
        let office = office();
        let due = office.add_workdays(at, days).unwrap();
        prop_assert_eq!(office.elapsed(at, due), i64::from(days) * 480 * MINUTE);
        let opened = at == office.sub(at, 1).unwrap() + SignedDuration::from_millis(1);
        if office.is_open(at) && opened {
            let time = |at: Timestamp| office.tz().to_datetime(at).time();
            prop_assert_eq!(time(due), time(at));
        }
    }
}

proptest! {
    // Each case asks a dozen questions, some of which walk centuries before they are refused.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_line_makes_the_interface_panic(line in ".*", op in "add|sub|elapsed|workdays|state", time in "[0-9T:+Z-]{0,30}", year in -9999i32..9999, minutes in any::<i64>()) {
        let _ = answer_line(&line);
        for calendar in [json!("7x24"), json!("5x8"), json!({}), json!({"tz": "Europe/Berlin", "week": {"sun": [["00:00", "24:00"]]}})] {
            for at in [time.clone(), format!("{year:05}-06-01T00:00:00Z"), "2026-06-01T00:00:00Z".to_owned()] {
                let line = json!({"calendar": calendar, "op": op, "start": at, "from": at, "to": "2026-06-01T00:00:00Z", "at": at,
                    "minutes": minutes, "days": minutes.unsigned_abs() % 1_000_000, "pauses": [[at, "2026-06-01T00:00:00Z"]]});
                let _ = answer_line(&line.to_string());
            }
        }
    }
}
