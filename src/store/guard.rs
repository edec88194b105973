//! redb panics on some damaged files; here that becomes an error.

use super::StoreError;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what calls redb on the file `path`. A panic is an error, without a word on stderr: the caller says
/// what is wrong, and nothing that redb built survives the call.
pub(super) fn guarded<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    silence_guarded_panics();
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.unwrap_or_else(|_| {
        Err(StoreError::corrupt(path, None, "its inner pages are damaged (redb gave up)"))
    })
}

/// A value of redb. Its end is guarded too: closing a damaged file can panic as much as reading it.
pub(super) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Guarded<T> {
        Guarded(Some(value))
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only the end takes it out")
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("only the end takes it out")
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        silence_guarded_panics();
        let outer = GUARDED.replace(true);
        let value = self.0.take();
        // Nobody can be told; what was not written is found by who reads it back.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
        GUARDED.set(outer);
    }
}

fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
}
