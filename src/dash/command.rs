//! What the dashboard asks for: to be left, and to have the tape moved.

use crate::units::TsNs;

/// What follows from something typed.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Leave the screen.
    Leave(super::run::Leave),
    /// Move the tape.
    Tape(TapeMove),
    /// Stop all orders of this process.
    Kill,
}

/// A move of the tape.
#[derive(Clone, Debug, PartialEq)]
pub enum TapeMove {
    /// Take another session in: its id; empty: the newest.
    Open(String),
    /// Run, or stand still.
    Toggle,
    /// Twice as fast.
    Faster,
    /// Half as fast.
    Slower,
    /// As fast as it was.
    Normal,
    /// By so many recorded nanoseconds.
    By(i64),
    /// To the next event of this market, or to the one before.
    Step {
        /// Towards the beginning.
        back: bool,
        /// The market; empty: any.
        ticker: String,
    },
    /// To a place.
    To(Place),
    /// To the next action of the policy, or to the one before.
    Action {
        /// Towards the beginning.
        back: bool,
    },
    /// To the next gap.
    Gap,
}

/// A place on the tape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Before the first event.
    Start,
    /// After the last.
    End,
    /// After this share of its time, 0..1.
    Share(f64),
    /// After the event of this row.
    Row(u64),
    /// After all that was received until then.
    At(TsNs),
    /// At this time of the day that the tape shows, UTC: nanoseconds since midnight.
    Clock(i64),
}

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

impl Place {
    /// What a person typed: `40%`, `12:34:56` (UTC), or a row. `None` where it is neither.
    pub fn parse(text: &str) -> Option<Place> {
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            let share = percent.trim().parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p))?;
            return Some(Place::Share(share / 100.0));
        }
        if text.contains(':') {
            let mut parts = text.split(':').map(|part| part.parse::<i64>().ok());
            let (hour, minute) = (parts.next()??, parts.next()??);
            let second = parts.next().unwrap_or(Some(0))?;
            if parts.next().is_some() {
                return None;
            }
            let valid =
                (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
            let seconds = hour * 3_600 + minute * 60 + second;
            return valid.then_some(Place::Clock(seconds * 1_000_000_000));
        }
        text.parse().ok().map(Place::Row)
    }

    /// A time of day becomes a moment of a tape from `from` to `to` that shows `now`: of that day, else of the first
    /// day on which the tape has it. Other places are what they are.
    ///
    /// # Errors
    /// The moment of the tape's first day, where the tape does not have that time at all.
    pub fn on_tape(self, now: TsNs, from: TsNs, to: TsNs) -> Result<Place, TsNs> {
        let Place::Clock(of_day) = self else { return Ok(self) };
        let on = |day: TsNs| TsNs(day.0.div_euclid(DAY_NS) * DAY_NS + of_day);
        let next = TsNs(from.0 + DAY_NS);
        let found = [on(now), on(from), on(next)].into_iter().find(|at| (from..=to).contains(at));
        found.map(Place::At).ok_or(on(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_people_write_it() {
        assert_eq!(Place::parse(" 40% "), Some(Place::Share(0.4)));
        assert_eq!(Place::parse("01:00:02"), Some(Place::Clock(3_602_000_000_000)));
        assert_eq!(Place::parse("00:01"), Some(Place::Clock(60_000_000_000)));
        assert_eq!(Place::parse("48213"), Some(Place::Row(48_213)));
        for wrong in ["", "x", "140%", "25:00", "1:2:3:4", "-3"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }

    /// A recording of yesterday was looked for today, and its end shown without a word.
    #[test]
    fn a_time_of_day_is_one_of_the_tapes_own_days() {
        let ms = |ms: i64| TsNs::from_ms(1_795_132_800_000 + ms); // a midnight
        let (from, to) = (ms(86_000_000), ms(90_000_000)); // 23:53:20 to 01:00 of the next day
        let at = |text: &str, now: TsNs| Place::parse(text).expect("a time").on_tape(now, from, to);
        assert_eq!(at("23:55:00", from), Ok(Place::At(ms(86_100_000))));
        assert_eq!(at("00:30", from), Ok(Place::At(ms(88_200_000))));
        assert_eq!(at("23:55", to), Ok(Place::At(ms(86_100_000))));
        assert_eq!(at("12:00", from), Err(ms(43_200_000)));
        assert_eq!(Place::Share(0.5).on_tape(from, from, to), Ok(Place::Share(0.5)));
    }
}
