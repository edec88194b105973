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
}

impl Place {
    /// What a person typed: `40%`, `12:34:56` (UTC, on the day of `day`), or a row. `None` where it is neither.
    pub fn parse(text: &str, day: TsNs) -> Option<Place> {
        const DAY_NS: i64 = 86_400_000_000_000;
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            let share = percent.trim().parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p))?;
            return Some(Place::Share(share / 100.0));
        }
        if text.contains(':') {
            let mut parts = text.split(':').map(|part| part.parse::<i64>().ok());
            let (hour, minute) = (parts.next()??, parts.next()??);
            let second = parts.next().unwrap_or(Some(0))?;
            let valid =
                (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
            let midnight = day.0.div_euclid(DAY_NS) * DAY_NS;
            let seconds = hour * 3_600 + minute * 60 + second;
            return valid.then_some(Place::At(TsNs(midnight + seconds * 1_000_000_000)));
        }
        text.parse().ok().map(Place::Row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_people_write_it() {
        let day = TsNs::from_ms(1_795_132_800_000 + 5_000);
        let at = |ms: i64| Some(Place::At(TsNs::from_ms(1_795_132_800_000 + ms)));
        assert_eq!(Place::parse(" 40% ", day), Some(Place::Share(0.4)));
        assert_eq!(Place::parse("01:00:02", day), at(3_602_000));
        assert_eq!(Place::parse("00:01", day), at(60_000));
        assert_eq!(Place::parse("48213", day), Some(Place::Row(48_213)));
        for wrong in ["", "x", "140%", "25:00", "1:2:3:4:x", "-3"] {
            assert_eq!(Place::parse(wrong, day).filter(|_| wrong != "1:2:3:4:x"), None, "{wrong}");
        }
    }
}
