//! Walking over the real, elapsed open time of a calendar, forwards and backwards.
//!
//! A zone's history is a row of stretches with one offset each, and within a stretch wall clocks run evenly. So the walk goes
//! stretch by stretch and, inside, date by date: an hour that a change of clocks skips is never met, and one that it repeats is
//! met twice, which is what the staff live through. Nothing asks the zone database more than once a stretch.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::CalendarError;
use super::compile::Compiled;
use super::spec::Span;

/// Nanoseconds since 1970. Between [`EARLIEST`] and [`LATEST`] they fit 64 bits with centuries to spare.
pub(super) type Ns = i64;

const SECOND: Ns = 1_000_000_000;
const MINUTE: Ns = 60 * SECOND;
const DAY: Ns = 24 * 60 * MINUTE;
pub(super) const MILLISECOND: Ns = 1_000_000;
/// 1900-01-01T00:00:00Z.
pub(super) const EARLIEST: Ns = -2_208_988_800 * SECOND;
/// 2200-01-01T00:00:00Z.
pub(super) const LATEST: Ns = 7_258_118_400 * SECOND;

/// Open from the first up to, not including, the second.
pub(super) type Piece = (Ns, Ns);

/// The instant as nanoseconds.
pub(super) fn ns(at: Timestamp) -> Result<Ns, CalendarError> {
    let ns = Ns::try_from(at.as_nanosecond()).map_err(|_| CalendarError::OutOfRange)?;
    if (EARLIEST..=LATEST).contains(&ns) { Ok(ns) } else { Err(CalendarError::OutOfRange) }
}

/// The instant as nanoseconds, or the nearer end of what is counted.
pub(super) fn ns_clamped(at: Timestamp) -> Ns {
    let clamped = at.as_nanosecond().clamp(EARLIEST.into(), LATEST.into());
    Ns::try_from(clamped).unwrap_or(LATEST)
}

pub(super) fn timestamp(at: Ns) -> Timestamp {
    // Every `Ns` lies between the years 1677 and 2263, well inside what a timestamp holds.
    Timestamp::from_nanosecond(at.into()).unwrap_or(Timestamp::MAX)
}

/// The instant at which `date` begins where wall clocks are `offset` ahead.
fn midnight(date: Date, offset: Offset) -> Ns {
    match offset.to_timestamp(date.at(0, 0, 0, 0)) {
        Ok(at) => Ns::try_from(at.as_nanosecond()).unwrap_or(LATEST),
        Err(_) => LATEST,
    }
}

/// The calendar's date at an instant.
pub(super) fn local_date(calendar: &Compiled, at: Ns) -> Date {
    calendar.tz.to_datetime(timestamp(at)).date()
}

/// Open time from an instant on, in order, with the date each piece belongs to.
pub(super) struct Forward<'a> {
    calendar: &'a Compiled,
    from: Ns,
    stretch_end: Ns,
    date: Date,
    midnight: Ns,
    spans: &'a [Span],
}

impl<'a> Forward<'a> {
    pub fn new(calendar: &'a Compiled, from: Ns) -> Self {
        let mut walk = Self { calendar, from, stretch_end: LATEST, date: Date::ZERO, midnight: LATEST, spans: &[] };
        if from < LATEST {
            walk.enter_stretch();
        }
        walk
    }

    fn enter_stretch(&mut self) {
        let at = timestamp(self.from);
        let offset = self.calendar.tz.to_offset(at);
        let change = self.calendar.tz.following(at).next();
        self.stretch_end = change.map_or(LATEST, |change| ns_clamped(change.timestamp()));
        self.enter_date(offset.to_datetime(at).date(), |date| midnight(date, offset));
    }

    fn enter_date(&mut self, date: Date, midnight: impl FnOnce(Date) -> Ns) {
        self.date = date;
        self.midnight = midnight(date);
        self.spans = self.calendar.spans_on(date);
    }
}

impl Iterator for Forward<'_> {
    type Item = (Piece, Date);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.from >= LATEST || self.midnight >= LATEST {
                return None;
            }
            if self.calendar.always {
                let piece = (self.from, LATEST);
                self.from = LATEST;
                return Some((piece, self.date));
            }
            while let [span, rest @ ..] = self.spans {
                self.spans = rest;
                let from = self.from.max(self.midnight + Ns::from(span.from_minute()) * MINUTE);
                let to = self.stretch_end.min(self.midnight + Ns::from(span.to_minute()) * MINUTE);
                if from < to {
                    return Some(((from, to), self.date));
                }
            }
            let next = self.midnight + DAY;
            if next < self.stretch_end {
                match self.date.tomorrow() {
                    Ok(date) => self.enter_date(date, |_| next),
                    Err(_) => return None,
                }
            } else {
                self.from = self.stretch_end;
                if self.from < LATEST {
                    self.enter_stretch();
                }
            }
        }
    }
}

/// Open time before an instant, latest first.
pub(super) struct Backward<'a> {
    calendar: &'a Compiled,
    to: Ns,
    stretch_start: Ns,
    date: Date,
    midnight: Ns,
    spans: &'a [Span],
}

impl<'a> Backward<'a> {
    pub fn new(calendar: &'a Compiled, to: Ns) -> Self {
        let mut walk = Self { calendar, to, stretch_start: EARLIEST, date: Date::ZERO, midnight: EARLIEST, spans: &[] };
        if to > EARLIEST {
            walk.enter_stretch();
        }
        walk
    }

    fn enter_stretch(&mut self) {
        // The stretch that holds the last instant before `to`: a change at `to` itself has not come yet.
        let last = timestamp(self.to - 1);
        let offset = self.calendar.tz.to_offset(last);
        let change = self.calendar.tz.preceding(timestamp(self.to)).next();
        self.stretch_start = change.map_or(EARLIEST, |change| ns_clamped(change.timestamp()));
        self.enter_date(offset.to_datetime(last).date(), |date| midnight(date, offset));
    }

    fn enter_date(&mut self, date: Date, midnight: impl FnOnce(Date) -> Ns) {
        self.date = date;
        self.midnight = midnight(date);
        self.spans = self.calendar.spans_on(date);
    }
}

impl Iterator for Backward<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.to <= EARLIEST {
                return None;
            }
            if self.calendar.always {
                let piece = (EARLIEST, self.to);
                self.to = EARLIEST;
                return Some(piece);
            }
            while let [rest @ .., span] = self.spans {
                self.spans = rest;
                let from = self.stretch_start.max(self.midnight + Ns::from(span.from_minute()) * MINUTE);
                let to = self.to.min(self.midnight + Ns::from(span.to_minute()) * MINUTE);
                if from < to {
                    return Some((from, to));
                }
            }
            if self.midnight > self.stretch_start {
                let before = self.midnight - DAY;
                match self.date.yesterday() {
                    Ok(date) => self.enter_date(date, |_| before),
                    Err(_) => return None,
                }
            } else {
                self.to = self.stretch_start;
                if self.to > EARLIEST {
                    self.enter_stretch();
                }
            }
        }
    }
}

/// Time seen in a mirror: what was later is earlier. Turns a backward walk into a forward one, so that each rule is written once.
pub(super) fn mirrored((from, to): Piece) -> Piece {
    (-to, -from)
}

/// Pauses in order, those that overlap or touch made one; empty and reversed ones say nothing and are dropped.
pub(super) fn united(pauses: &[(Timestamp, Timestamp)]) -> Vec<Piece> {
    let mut sorted: Vec<Piece> =
        pauses.iter().map(|&(from, to)| (ns_clamped(from), ns_clamped(to))).filter(|(from, to)| from < to).collect();
    sorted.sort_unstable();
    let mut out: Vec<Piece> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// The pieces that pauses (in order, disjoint) leave over.
pub(super) struct Without<'p, I> {
    pieces: I,
    pauses: &'p [Piece],
    left: Option<Piece>,
}

impl<'p, I: Iterator<Item = Piece>> Without<'p, I> {
    pub fn new(pieces: I, pauses: &'p [Piece]) -> Self {
        Self { pieces, pauses, left: None }
    }
}

impl<I: Iterator<Item = Piece>> Iterator for Without<'_, I> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            let (from, to) = self.left.take().or_else(|| self.pieces.next())?;
            while let [pause, later @ ..] = self.pauses
                && pause.1 <= from
            {
                self.pauses = later;
            }
            match self.pauses.first() {
                Some(&(stop, resume)) if stop < to => {
                    self.left = (resume < to).then_some((resume, to));
                    if from < stop {
                        return Some((from, stop));
                    }
                }
                _ => return Some((from, to)),
            }
        }
    }
}

/// The first instant by which `need` of the pieces' time has passed: at the end of a piece where they use it up to the last.
pub(super) fn consume(start: Ns, need: Ns, pieces: impl Iterator<Item = Piece>) -> Result<Ns, CalendarError> {
    if need == 0 {
        return Ok(start);
    }
    let mut left = need;
    for (from, to) in pieces {
        if left <= to - from {
            return Ok(from + left);
        }
        left -= to - from;
    }
    Err(if left == need { CalendarError::NeverOpens } else { CalendarError::OutOfRange })
}

/// Real open time of a whole date: what its wall-clock spans come to between the changes of clocks.
pub(super) fn real_length(calendar: &Compiled, date: Date) -> Ns {
    let spans = calendar.spans_on(date);
    let plain = || spans.iter().map(|span| Ns::from(span.to_minute() - span.from_minute()) * MINUTE).sum();
    if spans.is_empty() || calendar.always {
        return plain();
    }
    // No zone is more than 26 hours off UTC, historical ones included.
    let Ok(noon) = Offset::UTC.to_timestamp(date.at(12, 0, 0, 0)) else {
        return 0;
    };
    let noon = ns_clamped(noon);
    let (before, after) = (timestamp(noon - 38 * 60 * MINUTE), timestamp(noon + 38 * 60 * MINUTE));
    let changes = calendar.tz.following(before).next().is_some_and(|change| change.timestamp() <= after);
    if !changes {
        return plain();
    }
    Forward::new(calendar, noon - 38 * 60 * MINUTE)
        .take_while(|((from, _), _)| *from < noon + 38 * 60 * MINUTE)
        .filter(|(_, of)| *of == date)
        .map(|((from, to), _)| to - from)
        .sum()
}
