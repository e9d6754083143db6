//! Dates and windows as people type them in a chat: `10月3日`, `2026-10-03`, `明天`, `10月8日 20:00-22:00`.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

/// The date a text names, seen from `today`; a month and day without a year is the next such day.
pub fn date(text: &str, today: Date) -> Option<Date> {
    let text = text.trim();
    match text {
        "今天" | "今晚" => return Some(today),
        "明天" | "明晚" => return today.tomorrow().ok(),
        "后天" => return today.tomorrow().ok()?.tomorrow().ok(),
        "大后天" => return today.checked_add(jiff::Span::new().days(3)).ok(),
        _ => {}
    }
    if let Some(date) = weekday(text, today) {
        return Some(date);
    }
    if let Ok(date) = text.parse::<Date>() {
        return Some(date);
    }
    let numbers: Vec<i16> = digits(text);
    let (year, month, day) = match numbers.as_slice() {
        [year, month, day] if *year > 1900 => (Some(*year), *month, *day),
        [month, day] => (None, *month, *day),
        // 15日, 15号: of this month, or of the next where that day has passed.
        [day] if text.ends_with(['日', '号']) => {
            let day = i8::try_from(*day).ok()?;
            let this = today.with().day(day).build().ok().filter(|date| *date >= today);
            let next =
                || today.first_of_month().checked_add(jiff::Span::new().months(1)).ok()?.with().day(day).build().ok();
            return this.or_else(next);
        }
        _ => return None,
    };
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    if let Some(year) = year {
        return Date::new(year, month, day).ok();
    }
    let this = Date::new(today.year(), month, day).ok()?;
    if this < today { Date::new(today.year() + 1, month, day).ok() } else { Some(this) }
}

/// 周六, 星期六: the next such day, today included; 下周六: that of the week after this one.
fn weekday(text: &str, today: Date) -> Option<Date> {
    let (next, text) = text.strip_prefix('下').map_or((false, text), |rest| (true, rest));
    let name = text.strip_prefix("星期").or_else(|| text.strip_prefix('周'))?;
    let mut characters = name.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else { return None };
    let wanted =
        i64::try_from("一二三四五六日".chars().position(|c| c == if character == '天' { '日' } else { character })?)
            .ok()?;
    let is = i64::from(today.weekday().to_monday_zero_offset());
    let days = if next { 7 - is + wanted } else { (wanted - is).rem_euclid(7) };
    today.checked_add(jiff::Span::new().days(days)).ok()
}

fn digits(text: &str) -> Vec<i16> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).filter_map(|p| p.parse().ok()).collect()
}

/// The window a text names: an optional date and two times of day; one that ends before it begins runs into the next day.
pub fn window(text: &str, today: Date, zone: &str) -> Option<(Timestamp, Timestamp)> {
    let text = text.replace('：', ":").replace(['~', '～', '—', '–', '到', '至'], "-");
    let mut times: Vec<(usize, Time)> = Vec::new();
    for (at, _) in text.match_indices(':') {
        let before = text[..at]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
        let after = text[at + 1..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |i| at + 1 + i);
        let (Ok(hour), Ok(minute)) = (text[before..at].parse::<i8>(), text[at + 1..after].parse::<i8>()) else {
            continue;
        };
        if let Ok(time) = Time::new(hour % 24, minute, 0, 0) {
            times.push((before, time));
        }
    }
    let [(first, from), (_, until), ..] = times.as_slice() else { return None };
    let head = &text[..*first];
    let day = head
        .split_whitespace()
        .rev()
        .find_map(|word| date(word, today))
        .or_else(|| date(head.rsplit(' ').next().unwrap_or(head), today))
        .unwrap_or(today);
    let end_day = if until <= from { day.tomorrow().ok()? } else { day };
    let start = day.to_datetime(*from).in_tz(zone).ok()?.timestamp();
    let end = end_day.to_datetime(*until).in_tz(zone).ok()?.timestamp();
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as d;

    #[test]
    fn dates_are_read_as_people_type_them() {
        let today = d(2026, 9, 30);
        for (text, expected) in [
            ("10月3日", Some(d(2026, 10, 3))),
            ("10-03", Some(d(2026, 10, 3))),
            ("2026-10-03", Some(d(2026, 10, 3))),
            ("2026年10月3日", Some(d(2026, 10, 3))),
            ("1月2日", Some(d(2027, 1, 2))),
            ("明天", Some(d(2026, 10, 1))),
            ("大后天", Some(d(2026, 10, 3))),
            ("周六", Some(d(2026, 10, 3))),
            ("周三", Some(d(2026, 9, 30))),
            ("下周三", Some(d(2026, 10, 7))),
            ("星期天", Some(d(2026, 10, 4))),
            ("15号", Some(d(2026, 10, 15))),
            ("周", None),
            ("13月40日", None),
            ("张工", None),
        ] {
            assert_eq!(date(text, today), expected, "{text}");
        }
    }

    #[test]
    fn a_window_past_midnight_ends_the_next_day() {
        let zone = "Asia/Shanghai";
        let (from, until) = window("10月8日 22:00-次日 01:30 升级", d(2026, 9, 30), zone).unwrap();
        assert_eq!(from.to_string(), "2026-10-08T14:00:00Z");
        assert_eq!(until.to_string(), "2026-10-08T17:30:00Z");
        assert!(window("尽快", d(2026, 9, 30), zone).is_none());
    }
}
