//! The private channels `fill` and `user_orders`: a feed of their own, which connects, subscribes and lives as that
//! of the market data does. Its frames have no numbers: what a lost connection has swallowed is read again.

use super::RunnerSpec;
use crate::event::Body;
use crate::feed::{self, Batch, Channel, FeedEnd, FeedError, FeedSpec};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Batches of private frames: as many orders change at a time as the exchange lets one account change.
const BATCHES: usize = 256;

/// The private channels.
pub(super) struct Private {
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) feed: JoinHandle<Result<FeedEnd, FeedError>>,
    connected: bool,
}

impl Private {
    pub(super) fn start(spec: &RunnerSpec) -> Private {
        let feed_spec = FeedSpec {
            ws_url: spec.access.endpoint.ws.clone(),
            signer: Some(spec.access.signer.clone()),
            tls: spec.access.tls.clone(),
            channels: vec![Channel::Fill, Channel::UserOrders],
            use_yes_price: true,
            timing: spec.timing,
            seed: spec.seed,
        };
        let (out, batches) = mpsc::channel(BATCHES);
        // Nothing is commanded; the queue is closed from the start.
        let (_, commands) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let feed = tokio::spawn(feed::run(feed_spec, Vec::new(), out, commands, stopped));
        Private { batches, stop, feed, connected: false }
    }

    /// True when a connection stands that did not before: something may have been missed.
    pub(super) fn is_back(&mut self, batch: &Batch) -> bool {
        let was = std::mem::replace(&mut self.connected, batch.counters.connected);
        self.connected && !was
    }
}

/// The frames of a batch that tell of orders and fills, and those that nobody could read.
pub(super) fn frames(batch: &Batch) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let frames = batch.records.iter().filter_map(|record| {
        let concerns = match &record.event.body {
            Body::Other(kind) => matches!(&**kind, "fill" | "user_order"),
            body => matches!(body, Body::Bad(_)),
        };
        record.raw.as_deref().filter(|_| concerns)
    });
    frames.map(String::from_utf8_lossy)
}
