//! CPU time of this thread: other programs on the machine do not lengthen it.

use rustix::time::{ClockId, clock_gettime};

/// CPU nanoseconds that `work` takes.
pub fn cpu_ns<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let begun = now();
    let value = work();
    (now() - begun, value)
}
