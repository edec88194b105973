//! The terminal: taken over, and given back whatever happens.
//!
//! **Invariant:** after the end, an error, a panic in any thread or a signal the terminal is as it was. Only a
//! SIGKILL leaves it as it is; `reset` mends that.

use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{self, BufWriter, Write, stderr};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// One frame of the largest screen, in one write.
const FRAME_BYTES: usize = 1 << 17;

/// The terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Where frames go: stderr, for stdout is data.
pub(super) type Screen = Terminal<CrosstermBackend<BufWriter<Pane>>>;

/// Stderr while the terminal is ours, nothing afterwards: a screen shows the cursor again when it is dropped, and
/// panics where the terminal is gone and that cannot be.
pub(super) struct Pane;

impl Write for Pane {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Taken::is_ours() { stderr().write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if Taken::is_ours() { stderr().flush() } else { Ok(()) }
    }
}

/// The terminal while it is ours.
pub(super) struct Taken {
    pub(super) screen: Screen,
}

impl Taken {
    /// Takes the terminal over.
    pub(super) fn take(mouse: bool) -> io::Result<Taken> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let begun = execute!(stderr(), EnterAlternateScreen);
        let begun = begun
            .and_then(|()| if mouse { execute!(stderr(), EnableMouseCapture) } else { Ok(()) });
        let out = BufWriter::with_capacity(FRAME_BYTES, Pane);
        match begun.and_then(|()| Terminal::new(CrosstermBackend::new(out))) {
            Ok(screen) => Ok(Taken { screen }),
            Err(e) => {
                restore();
                Err(e)
            }
        }
    }

    /// False once somebody has given it back: a thread panicked.
    pub(super) fn is_ours() -> bool {
        TAKEN.load(Ordering::SeqCst)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if it was taken. Can be called from anywhere, any number of times.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // There is nobody left to hear that it did not work.
        let _ = execute!(stderr(), DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
