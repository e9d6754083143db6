//! How fast we may speak. Pure: fed with `now`, answers how long to wait.
//!
//! QQ's risk control is undocumented; the numbers are the cautious ones of our fact sheet (§9): at least 1.2 s between
//! messages of one group, 0.6 s between messages of the account with a burst of three, and a lane that backs off from
//! 30 s to 10 min once two sends in a row ended in doubt.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The pauses. Tests and story runs may set all of them to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two messages in one conversation.
    pub conversation: Duration,
    /// Between two messages of the account, once the burst is used up.
    pub account: Duration,
    /// Messages that may go out at once after a quiet while.
    pub burst: u32,
    /// Longest wait that `send` takes upon itself; beyond it the desk is told when to come back.
    pub patience: Duration,
    /// First back-off of a lane; doubles up to `back_off_most`.
    pub back_off: Duration,
    /// Longest back-off of a lane.
    pub back_off_most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            conversation: Duration::from_millis(1200),
            account: Duration::from_millis(600),
            burst: 3,
            patience: Duration::from_secs(2),
            back_off: Duration::from_secs(30),
            back_off_most: Duration::from_mins(10),
        }
    }
}

impl Pace {
    /// No pauses at all: for tests and rehearsals.
    pub fn unlimited() -> Self {
        Self { conversation: Duration::ZERO, account: Duration::ZERO, burst: 1, ..Self::default() }
    }
}

/// May this message go out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Yes, after waiting this long; the place is taken.
    After(Duration),
    /// Not within our patience: nothing is taken, come back then.
    Later(Duration),
}

#[derive(Debug, Default)]
struct Lane {
    free_at: Option<Timestamp>,
    doubts: u32,
    closed_until: Option<Timestamp>,
}

/// One queue's worth of pacing: an account with a lane per conversation.
#[derive(Debug)]
pub struct Throttle {
    pace: Pace,
    lanes: HashMap<String, Lane>,
    /// When the account's bucket would be full again.
    account_full_at: Option<Timestamp>,
}

impl Throttle {
    /// Starts with a full burst.
    pub fn new(pace: Pace) -> Self {
        Self { pace, lanes: HashMap::new(), account_full_at: None }
    }

    /// Asks for a turn and takes it where the wait is bearable.
    pub fn take(&mut self, conversation: &str, now: Timestamp) -> Turn {
        let lane = self.lanes.get(conversation);
        let closed = lane.and_then(|lane| lane.closed_until).map_or(Duration::ZERO, |until| gap(now, until));
        let paced = lane.and_then(|lane| lane.free_at).map_or(Duration::ZERO, |at| gap(now, at));
        // The bucket holds `burst`: a turn is free while at most `burst - 1` pauses are owed.
        let allowance = self.pace.account * self.pace.burst.saturating_sub(1);
        let owed = self.account_full_at.map_or(Duration::ZERO, |at| gap(now, at));
        let wait = closed.max(paced).max(owed.saturating_sub(allowance));
        if wait > self.pace.patience {
            return Turn::Later(wait);
        }
        let at = later(now, wait);
        let full_at = self.account_full_at.filter(|full| *full > at).unwrap_or(at);
        self.account_full_at = Some(later(full_at, self.pace.account));
        self.forget_idle(now);
        self.lanes.entry(conversation.to_owned()).or_default().free_at = Some(later(at, self.pace.conversation));
        Turn::After(wait)
    }

    /// A send there went through: the lane is trusted again.
    pub fn went_well(&mut self, conversation: &str) {
        if let Some(lane) = self.lanes.get_mut(conversation) {
            lane.doubts = 0;
            lane.closed_until = None;
        }
    }

    /// A send there ended in doubt. From the second in a row on the lane closes for a while.
    pub fn in_doubt(&mut self, conversation: &str, now: Timestamp) {
        let lane = self.lanes.entry(conversation.to_owned()).or_default();
        lane.doubts += 1;
        if lane.doubts >= 2 {
            let closed = self.pace.back_off * 2u32.saturating_pow((lane.doubts - 2).min(8));
            lane.closed_until = Some(later(now, closed.min(self.pace.back_off_most)));
        }
    }

    /// Risk control spoke: the lane closes at once.
    pub fn blocked(&mut self, conversation: &str, now: Timestamp) {
        self.lanes.entry(conversation.to_owned()).or_default().doubts += 1;
        self.in_doubt(conversation, now);
    }

    /// Conversations that are closed now: for the health line.
    pub fn closed(&self, now: Timestamp) -> usize {
        self.lanes.values().filter(|lane| lane.closed_until.is_some_and(|until| until > now)).count()
    }

    fn forget_idle(&mut self, now: Timestamp) {
        if self.lanes.len() > 512 {
            self.lanes.retain(|_, lane| {
                lane.doubts > 0
                    || lane.free_at.is_some_and(|at| at > now)
                    || lane.closed_until.is_some_and(|at| at > now)
            });
        }
    }
}

/// From `now` to `then`; zero where that is past.
pub(super) fn gap(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// `at` plus `by`; the end of time where there is no such instant.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn t(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_772_413_200_000 + ms).unwrap()
    }

    #[test]
    fn a_burst_of_three_goes_out_at_once_and_the_fourth_waits() {
        let mut throttle = Throttle::new(Pace::default());
        for (why, conversation, wait_ms) in [
            ("first of the burst", "group:1", 0),
            ("second", "group:2", 0),
            ("third", "group:3", 0),
            ("the bucket is empty", "group:4", 600),
            ("and owes two pauses now", "group:5", 1200),
        ] {
            assert_eq!(throttle.take(conversation, t(0)), Turn::After(Duration::from_millis(wait_ms)), "{why}");
        }
    }

    #[test]
    fn one_group_is_spoken_to_every_twelve_hundred_milliseconds_at_most() {
        let mut throttle = Throttle::new(Pace::default());
        assert_eq!(throttle.take("group:1", t(0)), Turn::After(Duration::ZERO));
        assert_eq!(throttle.take("group:1", t(200)), Turn::After(Duration::from_secs(1)));
        assert_eq!(throttle.take("group:1", t(200)), Turn::Later(Duration::from_millis(2200)), "beyond our patience");
        assert_eq!(throttle.take("group:1", t(2400)), Turn::After(Duration::ZERO), "what was refused took no place");
    }

    #[test]
    fn two_doubts_in_a_row_close_the_lane_for_thirty_seconds_and_longer_each_time() {
        let mut throttle = Throttle::new(Pace::default());
        throttle.in_doubt("group:1", t(0));
        assert_eq!(throttle.take("group:1", t(0)), Turn::After(Duration::ZERO), "one doubt is forgiven");
        for (doubt, seconds) in [(2, 30), (3, 60), (4, 120), (5, 240), (6, 480), (7, 600), (8, 600)] {
            throttle.in_doubt("group:1", t(0));
            assert_eq!(throttle.take("group:1", t(0)), Turn::Later(Duration::from_secs(seconds)), "doubt {doubt}");
        }
        assert_eq!(throttle.take("group:2", t(0)), Turn::After(Duration::ZERO), "other groups go on");
        throttle.went_well("group:1");
        assert_eq!(throttle.closed(t(0)), 0);
    }

    proptest! {
        #[test]
        fn turns_in_one_lane_never_come_closer_than_the_pause(steps in prop::collection::vec(0i64..3000, 1..40)) {
            let mut throttle = Throttle::new(Pace::default());
            let (mut now, mut last) = (0, None);
            for step in steps {
                now += step;
                if let Turn::After(wait) = throttle.take("group:1", t(now)) {
                    let at = now + i64::try_from(wait.as_millis()).unwrap();
                    if let Some(last) = last {
                        prop_assert!(at - last >= 1200);
                    }
                    last = Some(at);
                }
            }
        }
    }
}
