//! The dashboard in front of the work of this process.

#[cfg(feature = "learn")]
use crate::cli::dash::watch_signals;
use crate::cli::dash::{Style, need_terminal};
use crate::cli::exit::Failure;
use crate::cli::printer;
use crate::collect::{Follower, Following};
use crate::config::env;
use crate::dash::source::{files, inside, tape};
use crate::dash::{self, Ear, Handle, Hands, Leave, News, Reach, Screen, State};
use crate::trade::kill::KillFile;
use std::path::Path;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// The word of an end that a person asked for on the dashboard.
const BY_PERSON: &str = "finished";

/// A dashboard that runs.
pub struct Front {
    /// Where news go.
    pub handle: Handle,
    /// Turns when the work is to end: to the word of the signal that asked for it, or to [`BY_PERSON`].
    pub stop: watch::Receiver<Option<&'static str>>,
    #[cfg(feature = "learn")]
    asks: watch::Sender<Option<&'static str>>,
    thread: JoinHandle<()>,
}

/// What this process does.
pub struct Work<'a> {
    /// In a word.
    pub name: &'static str,
    /// Where training runs are.
    pub run_dir: &'a Path,
    /// What stops its orders, where it sends any.
    pub kill: Option<KillFile>,
}

/// What is shown, and how.
pub struct Show<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// The work of this process.
    pub work: Work<'a>,
    /// The screen to begin with.
    pub screen: Screen,
    /// The look.
    pub style: Style,
    /// Stay when the work has ended.
    pub stay: bool,
}

impl Front {
    /// Opens the dashboard; what `accepted` brings is shown as the markets of now.
    ///
    /// # Errors
    /// Without a terminal, or when the system refuses a thread.
    pub fn open(show: &Show<'_>, accepted: Option<Following>) -> Result<Front, Failure> {
        need_terminal()?;
        let (handle, inbox) = dash::inbox();
        let ear = Ear::lend(handle.clone());
        let mut state = State::new(&show.data_dir.display().to_string(), (80, 24));
        (state.work, state.screen) = (Some(show.work.name), show.screen);
        state.colourless = show.style.is_colourless(&env::terminal());
        if let Some(accepted) = accepted {
            state.reach = Reach::Inside;
            let told = handle.clone();
            spawn("follow", move || inside::follow(accepted, &told))?;
        }
        let (data, runs, told) =
            (show.data_dir.to_owned(), show.work.run_dir.to_owned(), handle.clone());
        spawn("files", move || files::watch(&data, &runs, &told))?;
        let (tape, asked) = std::sync::mpsc::channel();
        let hands = Hands { tape, kill: show.work.kill.clone() };
        let (data, told) = (show.data_dir.to_owned(), handle.clone());
        spawn("tape", move || tape::play(&data, None, &asked, &told))?;
        let (stop, stopped) = watch::channel(None);
        #[cfg(feature = "learn")]
        let asks = stop.clone();
        let (told, options) = (handle.clone(), show.style.options(show.stay));
        let thread = spawn("dash", move || {
            let left = dash::run(state, &inbox, &told, &hands, options);
            drop(ear);
            match left {
                Ok(Leave::Stop) => drop(stop.send(Some(BY_PERSON))),
                Ok(Leave::Told(word)) => drop(stop.send(Some(word))),
                Ok(Leave::Closed | Leave::Detach) => {}
                // Nobody looks on any more; what runs is no less wanted for that.
                Err(error) => printer::say(&format!("the dashboard has ended: {error:?}")),
            }
        })?;
        Ok(Front {
            handle,
            stop: stopped,
            #[cfg(feature = "learn")]
            asks,
            thread,
        })
    }

    /// What learns listens to signals by the dashboard alone: they leave it and end the work; once it is left they end the work alone.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    #[cfg(feature = "learn")]
    pub fn watch_signals(&self) -> Result<(), Failure> {
        let asks = self.asks.clone();
        watch_signals(&self.handle, move |word| {
            // It has ended, too.
            let _ = asks.send(Some(word));
        })
    }

    /// The work has ended, why; waits until the screen is left.
    pub fn close(self, why: &str) {
        // Left already: then nobody listens.
        let _ = self.handle.news(News::Ended(why.to_owned()));
        // A panic has told of itself, and the terminal is as it was.
        let _ = self.thread.join();
    }
}

/// Starts a thread; that nobody listens to a source any more is how it ends.
fn spawn<T>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<()>, Failure> {
    let work = move || {
        let _ = work();
    };
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(work)?)
}

/// Turns when the signal does, or when the dashboard says that the work is to end.
pub fn either(
    mut signal: watch::Receiver<Option<&'static str>>,
    mut stop: watch::Receiver<Option<&'static str>>,
) -> watch::Receiver<Option<&'static str>> {
    let (asked, asks) = watch::channel(None);
    tokio::spawn(async move {
        let word = tokio::select! {
            Ok(word) = signal.wait_for(Option::is_some) => *word,
            Ok(word) = stop.wait_for(Option::is_some) => *word,
            else => return,
        };
        asked.send_replace(word);
        // Whoever waits for another word must not hear that there will be none.
        asked.closed().await;
    });
    asks
}

/// Follows for both.
pub fn both(one: Option<Follower>, other: Follower) -> Follower {
    match one {
        Some(one) => one.and(other),
        None => other,
    }
}
