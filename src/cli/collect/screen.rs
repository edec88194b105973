//! What a person sees while the collector works: the dashboard, one status line on a terminal, or plain lines.

use crate::cli::amount::{of_bytes, of_seconds};
use crate::cli::logging::LogFormat;
use crate::cli::printer;
use crate::collect::{Notice, Pruning};
use crate::dash::{Handle, News};
use crate::event::{Gap, GapCause};
use crate::view::{CollectStatus, Link};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Without a terminal the status is said this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows notices.
pub(super) struct Screen {
    dash: Option<Handle>,
    line: Option<ProgressBar>,
    format: LogFormat,
    said: Option<Instant>,
    /// The disk as it was seen last.
    disk: String,
}

impl Screen {
    /// On the dashboard, if there is one, else on stderr, as it is.
    pub(super) fn new(format: LogFormat, dash: Option<Handle>) -> Screen {
        let live = std::io::stderr().is_terminal() && format == LogFormat::Text && dash.is_none();
        let line = live
            .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4)));
        Screen { dash, line, format, said: None, disk: String::new() }
    }

    /// What log lines have to go through, so that they do not tear the status line.
    pub(super) fn above(&self) -> impl Fn(&str) + Send + Sync + Clone + 'static {
        let line = self.line.clone();
        move |text: &str| match &line {
            Some(line) => line.suspend(|| printer::say(text)),
            None => printer::say(text),
        }
    }

    /// Shows one notice.
    pub(super) fn show(&mut self, notice: Notice) {
        match notice {
            Notice::Status(status) => self.status(&status),
            other => {
                if let Some(text) = sentence(&other) {
                    self.say(&text);
                }
            }
        }
    }

    /// Says a sentence above the status line.
    pub(super) fn say(&self, text: &str) {
        match self.format {
            LogFormat::Text => self.above()(text),
            LogFormat::Json => tracing::info!(target: "kflow", "{text}"),
        }
    }

    /// Ends the status line and leaves nothing behind.
    pub(super) fn close(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }

    /// Space left, and for how long; empty before the first status.
    pub(super) fn disk(&self) -> &str {
        &self.disk
    }

    fn status(&mut self, status: &CollectStatus) {
        self.disk = disk(status.disk_free_bytes, status.disk_days);
        if let Some(dash) = &self.dash
            && dash.offer(News::Status(Box::new(status.clone())))
        {
            return;
        }
        if let Some(line) = &self.line {
            let colour = if status.link == Link::Live { "green" } else { "yellow" };
            // The word says the same as the colour.
            if let Ok(style) =
                ProgressStyle::with_template(&format!("{{prefix:.{colour}.bold}} {{wide_msg}}"))
            {
                line.set_style(style);
            }
            line.set_prefix(format!("{}● {}", badge(status), status.link.word()));
            line.set_message(figures(status));
            line.tick();
            return;
        }
        if self.said.is_some_and(|at| at.elapsed() < PLAIN_EVERY) && status.link != Link::Stopped {
            return;
        }
        self.said = Some(Instant::now());
        match self.format {
            LogFormat::Text => printer::say(&format!(
                "{}● {} {}",
                badge(status),
                status.link.word(),
                figures(status)
            )),
            LogFormat::Json => {
                printer::say(&serde_json::json!({ "status": status }).to_string());
            }
        }
    }
}

/// Synthetic data are never shown without their badge.
fn badge(status: &CollectStatus) -> &'static str {
    if status.is_synthetic() { "[SIM] " } else { "" }
}

/// The figures of the status line.
fn figures(status: &CollectStatus) -> String {
    let mut text = format!(
        "{} mkts  {:.0} msg/s  gaps {}  lag p99 {:.1} ms  queue {}/{}  log {} (+{}/min)  up {}",
        status.markets,
        status.frames_per_s,
        status.gaps,
        status.lag_ms.p99,
        status.queue,
        status.queue_max,
        of_bytes(status.log_bytes as f64),
        of_bytes(status.log_bytes_per_min),
        of_seconds(status.uptime_s),
    );
    if status.stale > 0 {
        text += &format!("  {} books unknown", status.stale);
    }
    if status.quiet_s >= 5 {
        text += &format!("  no frame for {} s", status.quiet_s);
    }
    if !status.problem.is_empty() {
        text += &format!("  {}", status.problem);
    }
    text
}

/// `disk: 71 GB free, ~15 days at this rate`.
pub(super) fn disk(free_bytes: u64, days: Option<f64>) -> String {
    let free = of_bytes(free_bytes as f64);
    match days {
        Some(days) => format!("disk: {free} free, ~{days:.0} days at this rate"),
        None => format!("disk: {free} free"),
    }
}

fn sentence(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Status(_) => return None,
        Notice::Started { session } => format!("session {session}"),
        Notice::Gap(gap) => missing(gap),
        Notice::Healed(gap) => healed(gap),
        Notice::Exported { files, sessions: 0 } => {
            format!("exported: nothing new in {files} files")
        }
        Notice::Exported { files, .. } => format!("exported: {files} files"),
        Notice::Pruned(Pruning { segments, rows, bytes }) => format!(
            "taken out of the log: {} segments, {rows} rows, {} freed",
            segments.len(),
            of_bytes(*bytes as f64)
        ),
        Notice::Warning(text) => format!("warning: {text}"),
        Notice::Flushing(rows) => format!("flushing {rows} records…"),
        Notice::Flushed(time) => format!("done ({:.2} s)", time.as_secs_f64()),
    })
}

fn missing(gap: &Gap) -> String {
    let Gap { cause, from, to, since, until, .. } = gap;
    let quiet = until.0.saturating_sub(since.0).max(0) as f64 / 1e9;
    match cause {
        GapCause::SeqGap => format!("gap: numbers {from} to {to} are missing"),
        GapCause::Reconnect if since.0 > 0 => {
            format!("connection lost: the last frame came {quiet:.1} s before")
        }
        GapCause::Crash if since.0 > 0 => {
            format!("gap: the session before was killed, {quiet:.1} s are missing")
        }
        cause => format!("gap: {}", cause.word()),
    }
}

fn healed(gap: &Gap) -> String {
    let Gap { cause, since, until, healed_by, .. } = gap;
    let missing = until.0.saturating_sub(since.0).max(0) as f64 / 1e9;
    match cause {
        GapCause::Reconnect if since.0 > 0 => {
            format!("reconnected: all books known again, {missing:.1} s are missing")
        }
        cause => format!("gap healed by {healed_by} ({})", cause.word()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TsNs;
    use crate::view::Quantiles;

    fn status() -> CollectStatus {
        CollectStatus {
            source: "sim:seed=7".into(),
            link: Link::Live,
            markets: 300,
            frames_per_s: 812.3,
            lag_ms: Quantiles { p50: 1.0, p99: 4.13 },
            queue: 12,
            queue_max: 64,
            log_bytes: 1_200_000_000,
            log_bytes_per_min: 3_100_000.0,
            uptime_s: 8_024,
            ..CollectStatus::default()
        }
    }

    #[test]
    fn the_line_tells_all_figures_and_a_frozen_feed_looks_frozen() {
        let text = figures(&status());
        assert_eq!(
            text,
            "300 mkts  812 msg/s  gaps 0  lag p99 4.1 ms  queue 12/64  log 1.2 GB (+3.1 MB/min)  up 02:13:44"
        );
        assert_eq!(badge(&status()), "[SIM] ");
        let frozen = CollectStatus { quiet_s: 7, stale: 2, ..status() };
        assert!(figures(&frozen).ends_with("2 books unknown  no frame for 7 s"));
    }

    #[test]
    fn a_reconnect_is_one_line_with_its_duration() {
        let gap =
            Gap { since: TsNs(1), ..Gap::unnumbered(GapCause::Reconnect, TsNs(2_300_000_000)) };
        assert_eq!(missing(&gap), "connection lost: the last frame came 2.3 s before");
        let again = "reconnected: all books known again, 2.3 s are missing";
        assert_eq!(healed(&gap), again);
        assert_eq!(disk(71_000_000_000, Some(15.2)), "disk: 71.0 GB free, ~15 days at this rate");
    }
}
