//! The collector: feed, log thread, status, and what happens when something of it fails.
