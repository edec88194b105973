//! How others reach the venue, which one task owns.

use crate::sim::venue::Venue;
use tokio::sync::{mpsc, oneshot};

/// Something to be done on the task that owns the venue.
pub(in crate::sim) type Call = Box<dyn FnOnce(&mut Venue) + Send>;

/// The exchange has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated exchange has stopped")]
pub struct Stopped;

/// Runs closures on the task that owns the venue. What they make the venue tell is published at once.
#[derive(Clone, Debug)]
pub struct VenueHandle {
    calls: mpsc::Sender<Call>,
}

impl VenueHandle {
    /// A handle whose calls arrive at the receiver's other end.
    pub(in crate::sim) fn new(calls: mpsc::Sender<Call>) -> VenueHandle {
        VenueHandle { calls }
    }

    /// Runs `act` on the venue and gives back what it gave. The venue's clock stands at now.
    ///
    /// # Errors
    /// [`Stopped`], and `act` may or may not have run.
    pub async fn call<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Venue) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (reply, answer) = oneshot::channel();
        let call: Call = Box::new(move |venue| {
            // Nobody waits any more: the work is done all the same.
            let _ = reply.send(act(venue));
        });
        self.calls.send(call).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
