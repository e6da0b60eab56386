//! Judges the wall clock by the monotonic one, which no one can set.
//!
//! A wall clock that is set wrong for a few seconds, by a person or a broken time server, must not make what is young
//! expire. So a jump is believed only when it has stood for a while; until then time goes on from the last value that was
//! believed, at the pace of the monotonic clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How far the two clocks may part between two looks without it being a jump.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);
/// How fast they may part: wall clocks are slewed by up to 500 ppm, and quartz is not exact either. One in so many.
const DRIFT: i32 = 1000;
/// How long a jump must stand before it is believed.
pub const STANDS: Duration = Duration::from_mins(1);

/// What became known at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The wall clock jumped by so much; it is not believed yet.
    Seen(SignedDuration),
    /// The jump stood for long enough and is believed.
    Adopted(SignedDuration),
    /// The wall clock is back where it should be.
    Gone(SignedDuration),
}

/// A wall clock and what is believed of it. A function of the looks that were taken.
#[derive(Debug)]
pub struct Judge {
    /// What was believed last, and when that was on the monotonic clock.
    believed: (Timestamp, Duration),
    /// By how much the wall clock is off, and since when.
    jump: Option<(SignedDuration, Duration)>,
}

impl Judge {
    /// Believes the first look. `monotonic` counts from anywhere.
    pub fn new(wall: Timestamp, monotonic: Duration) -> Self {
        Self { believed: (wall, monotonic), jump: None }
    }

    /// The time, when the wall clock says `wall` and the monotonic one `monotonic`; and what is to be logged.
    pub fn look(&mut self, wall: Timestamp, monotonic: Duration) -> (Timestamp, Option<Change>) {
        let (then, at) = self.believed;
        let passed = SignedDuration::try_from(monotonic.saturating_sub(at)).unwrap_or(SignedDuration::MAX);
        let expected = then.checked_add(passed).unwrap_or(Timestamp::MAX);
        let off = wall.duration_since(expected);
        let tolerance = TOLERANCE.saturating_add(passed / DRIFT);
        let agree = |a: SignedDuration, b: SignedDuration| a.saturating_sub(b).abs() <= tolerance;
        if agree(off, SignedDuration::ZERO) {
            self.believed = (wall, monotonic);
            return (wall, self.jump.take().map(|(off, _)| Change::Gone(off)));
        }
        match self.jump {
            Some((jump, since)) if agree(off, jump) => {
                if monotonic.saturating_sub(since) < STANDS {
                    return (expected, None);
                }
                self.believed = (wall, monotonic);
                self.jump = None;
                (wall, Some(Change::Adopted(off)))
            }
            _ => {
                self.jump = Some((off, monotonic));
                (expected, Some(Change::Seen(off)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3600;

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn off(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn clocks_that_agree_are_believed() {
        let mut judge = Judge::new(wall(0), seconds(5));
        for second in 1..100 {
            let at = u64::try_from(second).unwrap();
            assert_eq!(judge.look(wall(second), seconds(5 + at)), (wall(second), None));
        }
    }

    #[test]
    fn short_jump_is_passed_over_either_way() {
        for jump in [HOUR, -HOUR, 100 * 365 * 24 * HOUR, 2, -2] {
            let mut judge = Judge::new(wall(0), seconds(0));
            assert_eq!(judge.look(wall(10 + jump), seconds(10)), (wall(10), Some(Change::Seen(off(jump)))));
            assert_eq!(judge.look(wall(12 + jump), seconds(12)), (wall(12), None));
            assert_eq!(judge.look(wall(13), seconds(13)), (wall(13), Some(Change::Gone(off(jump)))));
            assert_eq!(judge.look(wall(14), seconds(14)), (wall(14), None));
        }
    }

    #[test]
    fn jump_that_stands_is_believed_once_it_has_stood_for_a_while() {
        for jump in [HOUR, -HOUR] {
            let mut judge = Judge::new(wall(0), seconds(0));
            assert_eq!(judge.look(wall(10 + jump), seconds(10)), (wall(10), Some(Change::Seen(off(jump)))));
            assert_eq!(judge.look(wall(69 + jump), seconds(69)), (wall(69), None));
            let adopted = (wall(70 + jump), Some(Change::Adopted(off(jump))));
            assert_eq!(judge.look(wall(70 + jump), seconds(70)), adopted);
            assert_eq!(judge.look(wall(71 + jump), seconds(71)), (wall(71 + jump), None));
        }
    }

    /// One jump after the other: each has to stand by itself.
    #[test]
    fn each_jump_has_to_stand_by_itself() {
        let mut judge = Judge::new(wall(0), seconds(0));
        for at in 1..10 {
            let jump = i64::try_from(at).unwrap() * HOUR;
            let now = wall(i64::try_from(50 * at).unwrap());
            let look = judge.look(now.checked_add(off(jump)).unwrap(), seconds(50 * at));
            assert_eq!(look, (now, Some(Change::Seen(off(jump)))));
        }
    }

    /// A clock that is slewed, or not looked at for long, does not jump.
    #[test]
    fn slow_drift_is_no_jump() {
        let mut judge = Judge::new(wall(0), seconds(0));
        for hour in 1..100 {
            let passed = HOUR * hour;
            let drifted = wall(passed).checked_add(SignedDuration::from_millis(passed / 2)).unwrap();
            assert_eq!(judge.look(drifted, seconds(u64::try_from(passed).unwrap())), (drifted, None));
        }
    }

    #[test]
    fn ends_of_the_calendar_do_no_harm() {
        let mut judge = Judge::new(Timestamp::MAX, seconds(0));
        assert_eq!(judge.look(Timestamp::MAX, seconds(500)).0, Timestamp::MAX);
        assert_eq!(judge.look(Timestamp::MIN, seconds(501)).0, Timestamp::MAX);
        assert_eq!(judge.look(Timestamp::MIN, Duration::MAX).0, Timestamp::MIN);
        let mut judge = Judge::new(Timestamp::MIN, Duration::MAX);
        judge.look(Timestamp::MAX, Duration::ZERO);
    }

    proptest! {
        /// Whatever the wall clock does, time never runs ahead of the monotonic clock by more than the tolerance before a
        /// jump has stood.
        #[test]
        fn nothing_jumps_before_it_has_stood(jumps in proptest::collection::vec((-10_i64..10, 0_u64..50), 1..50)) {
            let mut judge = Judge::new(wall(0), seconds(0));
            let (mut at, mut last) = (0, wall(0));
            for (jump, passed) in jumps {
                at += passed;
                let shown = wall(i64::try_from(at).unwrap() + jump * HOUR);
                let (now, change) = judge.look(shown, seconds(at));
                let moved = now.duration_since(last).saturating_sub(off(i64::try_from(passed).unwrap()));
                if !matches!(change, Some(Change::Adopted(_))) {
                    prop_assert!(moved.abs() <= SignedDuration::from_millis(1100), "{moved:?} at {at}");
                }
                last = now;
            }
        }
    }
}
