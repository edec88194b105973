//! Fault scripts: JSON lines that say when the served exchange misbehaves and how.
//!
//! ```text
//! {"after_frames":1000,"sid":"orderbook_delta","do":"drop","n":5}
//! {"at_ms":2500,"do":"cut"}
//! {"at_ms":2500,"do":"rest","method":"POST","path":"portfolio/","n":3,"status":500,"carried_out":true}
//! ```
//!
//! `after_frames` counts the frames issued on a channel over all connections of the run and strikes the
//! connection that issued the last of them; `at_ms` counts from the start of the server and strikes every
//! connection. Each line strikes once.

mod random;

use super::rest::{Failure, RestFault, RestTrouble};
use super::ws::Channel;
use serde::{Deserialize, Serialize};

pub use random::RandomFaults;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next `n` frames of the subscription are numbered and never sent.
    Drop(u32),
    /// The next `n` frames are sent twice.
    Duplicate(u32),
    /// The next frame is sent after the `n` frames that follow it.
    Reorder(u32),
    /// The next `n` frames, and so all after them, leave `ms` milliseconds late.
    Delay {
        /// Frames.
        n: u32,
        /// Milliseconds.
        ms: u32,
    },
    /// `n` unreadable frames, without a number or in the place of the next numbered ones.
    Garbage {
        /// What kind.
        kind: Garbage,
        /// How many.
        n: u32,
        /// Size of the large kinds, bytes.
        bytes: u32,
        /// True: numbered frames are replaced; false: these frames come on top.
        in_place: bool,
    },
    /// An error frame on the subscription; 10 and 25 end it.
    Error(u32),
    /// The connection ends without a word (FIN).
    Cut,
    /// The connection is reset (RST).
    Reset,
    /// The peer vanishes: nothing is answered any more, and nothing says so.
    HalfOpen,
    /// For `ms` milliseconds the server reads a few bytes at a time.
    SlowReader(u32),
    /// The connection is closed with this code, whether or not it may stand on the wire.
    Close(u16),
    /// No trading on the whole exchange for `ms` milliseconds.
    Pause(u32),
    /// The next `n` upgrades are answered with this HTTP status.
    Refuse {
        /// Upgrades.
        n: u32,
        /// HTTP status.
        status: u16,
    },
    /// All connections are cut, and new ones for `ms` milliseconds.
    Restart(u32),
    /// The next `n` REST requests of a path go wrong.
    Rest(RestFault),
}

impl Fault {
    /// True for what strikes the whole exchange and no single connection.
    pub fn strikes_everybody(&self) -> bool {
        matches!(self, Fault::Pause(_) | Fault::Refuse { .. } | Fault::Restart(_) | Fault::Rest(_))
    }
}

/// Kinds of unreadable frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// A text frame that is not UTF-8.
    InvalidUtf8,
    /// JSON that ends in the middle.
    Truncated,
    /// Fields of other types than the protocol's.
    WrongTypes,
    /// A binary frame.
    Binary,
    /// Brackets in brackets.
    Deep,
    /// A very long text.
    Huge,
    /// A `type` that nobody knows.
    UnknownType,
    /// A price that is no number.
    NotANumber,
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// After that many frames of the channel.
    AfterFrames(u64),
    /// That many milliseconds after the start.
    AtMs(u64),
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub when: When,
    /// Whose frames are counted and struck.
    pub channel: Channel,
    /// What.
    pub fault: Fault,
}

/// A script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault script, line {line}: {why}")]
pub struct ScriptError {
    /// Line, from 1.
    pub line: usize,
    /// What does not fit.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    after_frames: Option<u64>,
    at_ms: Option<u64>,
    sid: Option<String>,
    r#do: String,
    n: Option<u32>,
    ms: Option<u32>,
    code: Option<u32>,
    status: Option<u16>,
    kind: Option<Garbage>,
    bytes: Option<u32>,
    in_place: Option<bool>,
    method: Option<String>,
    path: Option<String>,
    carried_out: Option<bool>,
}

impl Line {
    fn step(&self) -> Result<Step, String> {
        let when = match (self.after_frames, self.at_ms) {
            (Some(n), None) => When::AfterFrames(n.max(1)),
            (None, Some(ms)) => When::AtMs(ms),
            _ => return Err("needs `after_frames` or `at_ms`, and not both".into()),
        };
        let name = self.sid.as_deref().unwrap_or("orderbook_delta");
        let channel = Channel::named(name).ok_or_else(|| format!("no channel `{name}`"))?;
        Ok(Step { when, channel, fault: self.fault()? })
    }

    fn fault(&self) -> Result<Fault, String> {
        let n = self.n.unwrap_or(1);
        let need = |value: Option<u32>, key| value.ok_or_else(|| format!("needs `{key}`"));
        Ok(match self.r#do.as_str() {
            "drop" => Fault::Drop(n),
            "duplicate" => Fault::Duplicate(n),
            "reorder" => Fault::Reorder(n),
            "delay" => Fault::Delay { n, ms: need(self.ms, "ms")? },
            "garbage" => Fault::Garbage {
                kind: self.kind.ok_or("needs `kind`")?,
                n,
                bytes: self.bytes.unwrap_or(1 << 20),
                in_place: self.in_place.unwrap_or(false),
            },
            "error" => Fault::Error(need(self.code, "code")?),
            "cut" => Fault::Cut,
            "reset" => Fault::Reset,
            "half_open" => Fault::HalfOpen,
            "slow_reader" => Fault::SlowReader(need(self.ms, "ms")?),
            "close" => Fault::Close(
                u16::try_from(need(self.code, "code")?).map_err(|_| "`code` is too large")?,
            ),
            "pause" => Fault::Pause(need(self.ms, "ms")?),
            "refuse" => Fault::Refuse { n, status: self.status.ok_or("needs `status`")? },
            "restart" => Fault::Restart(need(self.ms, "ms")?),
            "rest" => Fault::Rest(self.rest_fault(n)?),
            other => return Err(format!("nothing is called `{other}`")),
        })
    }
}

impl Line {
    /// With `status` an error, with `ms` silence; `carried_out` asks for the request to be done first.
    fn rest_fault(&self, times: u32) -> Result<RestFault, String> {
        let failure = match (self.status, self.ms) {
            (Some(status), None) => Failure::Status(status),
            (None, Some(ms)) => Failure::Silence(u64::from(ms)),
            _ => return Err("needs `status` or `ms`, and not both".into()),
        };
        let trouble = match self.carried_out {
            Some(true) => RestTrouble::After(failure),
            _ => RestTrouble::Before(failure),
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Ok(RestFault { method: text(&self.method), path: text(&self.path), times, trouble })
    }
}

/// The faults of a run, and what has become of them.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
    random: Option<RandomFaults>,
    issued: [u64; Channel::COUNT],
    /// Per channel, the count at which the next step strikes.
    next: [u64; Channel::COUNT],
}

impl Script {
    /// A script of these steps.
    pub fn new(steps: Vec<Step>) -> Script {
        let mut script = Script { steps, ..Script::default() };
        script.rewind();
        script
    }

    /// Reads JSON lines; empty lines are skipped.
    ///
    /// # Errors
    /// Names the first line that does not fit.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let mut steps = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let read: Result<Line, _> = serde_json::from_str(line);
            let step = read.map_err(|e| e.to_string()).and_then(|l| l.step());
            steps.push(step.map_err(|why| ScriptError { line: i + 1, why })?);
        }
        Ok(Script::new(steps))
    }

    /// The same script with random faults besides.
    #[must_use]
    pub fn with_random(mut self, random: RandomFaults) -> Script {
        self.random = Some(random);
        self
    }

    /// Counts a frame of a channel; the faults that strike after it.
    pub fn issued(&mut self, channel: Channel) -> Vec<Fault> {
        let at = channel as usize;
        self.issued[at] += 1;
        if self.next[at] == 0 || self.issued[at] < self.next[at] {
            return Vec::new();
        }
        let count = self.issued[at];
        self.strike(|s| {
            s.channel == channel && matches!(s.when, When::AfterFrames(n) if n <= count)
        })
        .into_iter()
        .map(|s| s.fault)
        .collect()
    }

    /// The steps that strike at `elapsed_ms` after the start.
    pub fn due(&mut self, elapsed_ms: u64) -> Vec<Step> {
        let mut due = self.strike(|s| matches!(s.when, When::AtMs(ms) if ms <= elapsed_ms));
        if let Some(random) = &mut self.random {
            random.due(elapsed_ms, &mut due);
        }
        due
    }

    fn strike(&mut self, now: impl Fn(&Step) -> bool) -> Vec<Step> {
        if !self.steps.iter().any(&now) {
            return Vec::new();
        }
        let (due, later) = std::mem::take(&mut self.steps).into_iter().partition(now);
        self.steps = later;
        self.rewind();
        due
    }

    fn rewind(&mut self) {
        self.next = [0; Channel::COUNT];
        for step in &self.steps {
            if let When::AfterFrames(n) = step.when {
                let next = &mut self.next[step.channel as usize];
                *next = if *next == 0 { n } else { n.min(*next) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_steps_and_strike_once() {
        let text = concat!(
            "{\"after_frames\":3,\"sid\":\"trade\",\"do\":\"drop\",\"n\":5}\n\n",
            "{\"at_ms\":20,\"do\":\"close\",\"code\":1006}\n",
            "{\"after_frames\":2,\"do\":\"garbage\",\"kind\":\"binary\"}\n",
        );
        let mut script = Script::parse(text).unwrap();
        assert_eq!(script.issued(Channel::Trade), []);
        assert_eq!(script.issued(Channel::Trade), []);
        assert_eq!(script.issued(Channel::Trade), [Fault::Drop(5)]);
        assert_eq!(script.issued(Channel::Trade), []);
        assert_eq!(script.issued(Channel::OrderbookDelta), []);
        assert_eq!(script.issued(Channel::OrderbookDelta).len(), 1);
        assert!(script.due(19).is_empty());
        assert_eq!(script.due(25)[0].fault, Fault::Close(1006));
        assert!(script.due(99).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        for (line, word) in [
            ("{\"do\":\"cut\"}", "after_frames"),
            ("{\"at_ms\":1,\"do\":\"fly\"}", "fly"),
            ("{\"at_ms\":1,\"do\":\"error\"}", "code"),
            ("{\"at_ms\":1,\"do\":\"rest\"}", "status"),
            ("{\"at_ms\":1,\"do\":\"cut\",\"sid\":\"x\"}", "no channel `x`"),
            ("{\"at_ms\":1,\"do\":\"cut\",\"colour\":1}", "colour"),
            ("nonsense", "expected"),
        ] {
            let error = Script::parse(&format!("\n{line}")).expect_err(line);
            assert_eq!(error.line, 2);
            assert!(error.why.contains(word), "{error}");
        }
    }
}
