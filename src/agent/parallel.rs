//! Work spread over cores whose result does not show it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on every item, `threads` at a time, and hands the results to `done` in the order of the
/// items, on the caller's thread, as soon as all before them are there. The first error of `done` ends
/// it: what has begun is finished, its results are dropped.
///
/// # Errors
/// That of `done`.
///
/// # Panics
/// When `work` does: a bug there goes on in the caller's thread.
pub fn in_order<T: Send, R: Send, E>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(usize, T) -> R + Sync,
    mut done: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E> {
    let n = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, n.max(1)) {
            let (sender, take, work) = (sender.clone(), &take, &work);
            scope.spawn(move || {
                while let Some((i, item)) = take() {
                    // Nobody listens any more: the caller has had an error.
                    if sender.send((i, work(i, item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        for (i, result) in receiver {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&next) {
                done(next, result)?;
                next += 1;
            }
        }
        Ok(())
    })
}

/// [`in_order`] with all results in a list.
///
/// # Panics
/// As [`in_order`].
pub fn map<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    let Ok(()) = in_order(items, threads, work, |_, result| {
        results.push(result);
        Ok::<(), std::convert::Infallible>(())
    });
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn results_stand_in_the_order_of_the_items(n in 0usize..60, threads in 0usize..9) {
            let uneven = |i: usize, x: usize| (0..(i * 7919) % 5_000).fold(x, |a, b| a ^ (b % 2));
            let got = map((0..n).collect(), threads, |i, x| (i, uneven(i, x)));
            let want: Vec<_> = (0..n).map(|x| (x, uneven(x, x))).collect();
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn an_error_ends_the_work_and_nothing_after_it_is_heard() {
        let mut heard = Vec::new();
        let result = in_order(
            (0..50).collect(),
            3,
            |_, x: i32| x,
            |i, x| {
                heard.push(i);
                if x == 4 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((result, heard), (Err("enough"), vec![0, 1, 2, 3, 4]));
    }
}
